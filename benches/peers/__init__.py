"""Engines that the benchmark compares.

A peer is opened over the lake's own Parquet files and answers a segment by one or more shapes of query, each by hand. To add one: a
class like those below, and a line in PEERS of bench.py; its queries lie beside the segments, as `<segment>.<peer>.sql`.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Lake:
    """The lake's files and the names of its columns, as the Muster peer describes them."""

    data: Path
    events: list[str]
    event_rows: int
    event_bytes: int
    profiles: list[str]
    profile_rows: int
    profile_bytes: int
    properties: dict[str, str]
    attributes: dict[str, str]


@dataclass(frozen=True)
class Segment:
    """A condition, and where it lies."""

    name: str
    path: Path
    condition: dict


@dataclass(frozen=True)
class Answer:
    """The members of a segment: how long it took until all ids were there, how many, and the hash of them sorted."""

    seconds: float
    members: int
    md5: str | None
    details: dict = field(default_factory=dict)


class Peer(Protocol):
    """An engine. It is open from the first segment to the last, so that whatever it caches is warm."""

    name: str

    def prepare(self, lake: Lake, threads: int) -> None:
        """Opens the engine over the lake's files."""

    def version(self) -> str:
        """What it is, for the report."""

    def shapes(self, segment: Segment) -> list[str]:
        """The ways in which it can answer."""

    def run(self, segment: Segment, shape: str, hashed: bool) -> Answer:
        """Answers by a shape. Sorting and hashing, which only checking needs, are not timed."""

    def close(self) -> None:
        """Ends it."""


def md5_of(ids: list[str]) -> str:
    """The hash by which answers are compared: each id, in the order of bytes, ended by a line feed."""
    ids = sorted(ids)
    return hashlib.md5(("\n".join(ids) + "\n").encode() if ids else b"").hexdigest()
