"""Measures Muster against other engines on the same files, and writes docs/benchmarks.md. Run it by `make bench`."""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import report
from peers import Answer, Lake, Peer, Segment
from peers.duckdb_peer import DuckDbPeer
from peers.muster_peer import MusterPeer

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path.home() / ".cache/muster/target"))
CACHE = Path(os.environ.get("MUSTER_BENCH_CACHE", Path.home() / ".cache/muster/bench"))
# The midnight that ends the made-up data (src/events.rs).
AS_OF = "2026-04-01T00:00:00Z"
# The segment that is also run by the command line, as a process of its own.
CLI_SEGMENT = "15_six_leaves"
# Sections of the report that other commands write.
OTHER_SECTIONS = ("Engines", "Cassandra")
# Engines besides Muster.
PEERS = [DuckDbPeer]


@dataclass
class Measured:
    """The timed runs of one shape of one engine."""

    peer: str
    shape: str
    answers: list[Answer]

    @property
    def best(self) -> float:
        return min(a.seconds for a in self.answers)

    @property
    def median(self) -> float:
        return statistics.median(a.seconds for a in self.answers)


@dataclass
class Child:
    """What a finished process took."""

    seconds: float
    memory_mib: float
    output: str


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    number = lambda name, default: int(os.environ.get(name, default))
    parser.add_argument("--users", type=int, default=number("USERS", 2_000_000))
    parser.add_argument("--events", type=int, default=number("EVENTS", 50_000_000))
    parser.add_argument("--quick", action="store_true", help="100,000 users and 2,000,000 events, and no file written")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7, help="timed runs of each query, after one to warm up")
    parser.add_argument("--threads", type=int, default=2, help="threads of each engine")
    parser.add_argument("--segments", default="", help="only those whose name contains this")
    parser.add_argument("--data", type=Path, help="a data directory to use as it is, instead of generating and importing")
    parser.add_argument("--reimport", action="store_true", help="import again even if the lake is there")
    parser.add_argument("--out", type=Path, help="where the report goes; docs/benchmarks.md if left out")
    args = parser.parse_args()
    if args.quick:
        args.users, args.events = 100_000, 2_000_000
    return args


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def child(command: list[str]) -> Child:
    """Runs a process to its end, and fails with it."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command[:6])} …: exit code {process.returncode}")
    return Child(time.perf_counter() - started, usage.ru_maxrss / 1024, output)


def once(marker: Path, make) -> dict:
    """What a step reported when it was done; it is done if it has not been."""
    if not marker.exists():
        done = make()
        marker.write_text(json.dumps(done))
    return json.loads(marker.read_text())


def generated(args: argparse.Namespace, folder: Path) -> dict:
    def make() -> dict:
        say(f"generating {args.users:,} users and {args.events:,} events")
        shutil.rmtree(folder / "input", ignore_errors=True)
        sizes = ["--users", str(args.users), "--events", str(args.events), "--seed", str(args.seed)]
        done = child([str(TARGET / "release/generate"), "--out", str(folder / "input"), *sizes, "--threads", str(args.threads)])
        size = sum(f.stat().st_size for f in (folder / "input").iterdir())
        return {"seconds": done.seconds, "memory_mib": done.memory_mib, "bytes": size}

    folder.mkdir(parents=True, exist_ok=True)
    return once(folder / "input.json", make)


def imported(args: argparse.Namespace, folder: Path) -> dict:
    def make() -> dict:
        say("importing")
        shutil.rmtree(folder / "lake", ignore_errors=True)
        command = [str(TARGET / "release/muster"), "import", "--data", str(folder / "lake"), "--users", str(folder / "input/users.parquet")]
        for path in sorted((folder / "input").glob("events-*.parquet")):
            command += ["--events", str(path)]
        done = child(command + ["--output", "json"])
        return {"seconds": done.seconds, "memory_mib": done.memory_mib, "version": muster_version()}

    if args.reimport:
        (folder / "lake.json").unlink(missing_ok=True)
    return once(folder / "lake.json", make)


def muster_version() -> str:
    describe = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return f"Muster {describe.stdout.strip() or 'of no commit'}"


def segments(part: str) -> list[Segment]:
    found = [Segment(p.stem, p, json.loads(p.read_text())) for p in sorted((ROOT / "benches/segments").glob("*.json"))]
    return [s for s in found if part in s.name]


def measure(segment: Segment, peers: list[Peer], runs: int) -> list[Measured]:
    """Runs every shape of every engine in turn, round by round, so that what happens to the machine happens to all. The first round warms up,
    and its answers are compared by hash."""
    measured = [Measured(peer.name, shape, []) for peer in peers for shape in peer.shapes(segment)]
    by_name = {peer.name: peer for peer in peers}
    first = None
    for turn in range(runs + 1):
        for m in measured:
            answer = by_name[m.peer].run(segment, m.shape, hashed=turn == 0)
            if first is None:
                first = answer
            hashed = turn > 0 or answer.md5 == first.md5
            if answer.members != first.members or not hashed:
                raise SystemExit(
                    f"{segment.name}: {m.peer} ({m.shape}) has {answer.members} members, {answer.md5}; "
                    f"{measured[0].peer} has {first.members}, {first.md5}"
                )
            if turn > 0:
                m.answers.append(answer)
    return measured


def cli(args: argparse.Namespace, data: Path) -> dict | None:
    """Whole processes of the command line: until all ids are written, and until they are counted."""
    chosen = [s for s in segments(args.segments) if s.name == CLI_SEGMENT]
    if not chosen or not (TARGET / "release/muster").exists():
        return None
    command = [str(TARGET / "release/muster"), "query", "--data", str(data), "--condition", str(chosen[0].path), "--as-of", AS_OF]
    command += ["--threads", str(args.threads), "--output"]
    result = {"segment": CLI_SEGMENT}
    for output in ("ids", "count"):
        done = [child([*command, output]) for _ in range(args.runs)]
        result[output] = {"seconds": min(d.seconds for d in done), "memory_mib": max(d.memory_mib for d in done)}
    return result


def others(out: Path) -> str:
    """The sections of a report that others wrote into it."""
    sections = out.read_text().split("\n## ")[1:] if out.exists() else []
    return "".join(f"\n## {s}" for s in sections if s.split("\n", 1)[0] in OTHER_SECTIONS)


def main() -> None:
    args = arguments()
    folder = CACHE / f"{args.users}-{args.events}-{args.seed}"
    steps = {}
    if args.data is None:
        steps = {"generate": generated(args, folder), "import": imported(args, folder)}
    data = args.data or folder / "lake"
    load = os.getloadavg()[0]
    muster = MusterPeer(TARGET / "release/muster-peer", AS_OF, data, args.threads, muster_version())
    lake: Lake = muster.describe()
    peers: list[Peer] = [muster, *(make() for make in PEERS)]
    for peer in peers:
        peer.prepare(lake, args.threads)
    rows = []
    for segment in segments(args.segments):
        measured = measure(segment, peers, args.runs)
        rows.append(report.Row(segment.name, measured))
        say(report.line(rows[-1]))
    result = report.Result(
        rows=rows,
        lake=lake,
        steps=steps,
        versions=[peer.version() for peer in peers],
        peer_memory_mib=muster.memory_mib(),
        cli=cli(args, data),
        compile=[json.loads(line) for line in child([str(TARGET / "release/compile-time")]).output.splitlines()],
        runs=args.runs,
        threads=args.threads,
        load=load,
        command=" ".join(["scripts/bench", *sys.argv[1:]]),
    )
    for peer in peers:
        peer.close()
    text = report.markdown(result)
    print(text)
    out = args.out or (None if args.quick or args.segments else ROOT / "docs/benchmarks.md")
    if out is not None:
        out.write_text(text + others(out))
        say(f"written to {out}")


if __name__ == "__main__":
    main()
