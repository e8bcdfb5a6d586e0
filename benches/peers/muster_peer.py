"""Muster's embedded engine, in a process that stays (src/bin/muster-peer.rs)."""

import json
import subprocess
from pathlib import Path

from . import Answer, Lake, Segment


class MusterPeer:
    """Muster, by its own choice of shape."""

    name = "muster"

    def __init__(self, binary: Path, as_of: str, data: Path, threads: int, version: str):
        self._as_of = as_of
        self._version = version
        command = [str(binary), "--data", str(data), "--threads", str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._data = data

    def _ask(self, request: dict) -> dict:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the Muster peer ended")
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"Muster: {answer['error']}")
        return answer

    def describe(self) -> Lake:
        """What the lake is made of."""
        return Lake(data=self._data, **self._ask({"describe": True}))

    def prepare(self, lake: Lake, threads: int) -> None:
        """Nothing: it is open."""

    def version(self) -> str:
        return self._version

    def shapes(self, segment: Segment) -> list[str]:
        return ["own"]

    def run(self, segment: Segment, shape: str, hashed: bool) -> Answer:
        request = {"condition": segment.condition, "as_of": self._as_of, "hash": hashed}
        if shape != "own":
            request["strategy"] = shape
        answer = self._ask(request)
        details = {key: answer[key] for key in ("pin_ms", "check_ms", "metrics")}
        return Answer(answer["seconds"], answer["members"], answer.get("md5"), details)

    def memory_mib(self) -> float:
        """The most memory that the process had so far."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
