"""The report of a benchmark: Markdown for docs/benchmarks.md."""

import math
import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from peers import Lake

MIB = 1 << 20


@dataclass
class Row:
    """A segment and its measurements, Muster's first."""

    name: str
    measured: list

    @property
    def muster(self):
        return self.measured[0]

    def best_of(self, peer: str):
        """The shape with the least median."""
        return min((m for m in self.measured if m.peer == peer), key=lambda m: m.median)

    def peers(self) -> list[str]:
        return list(dict.fromkeys(m.peer for m in self.measured[1:]))

    def ratio(self, peer: str) -> float:
        """How long Muster takes for each second of the peer's best shape, by medians."""
        return self.muster.median / self.best_of(peer).median


@dataclass
class Result:
    """Everything that was measured."""

    rows: list[Row]
    lake: Lake
    steps: dict
    versions: list[str]
    peer_memory_mib: float
    cli: dict | None
    compile: list[dict]
    runs: int
    threads: int
    load: float
    command: str


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f}"


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def line(row: Row) -> str:
    """A row as one line, while it runs."""
    parts = [f"{row.name:32} {row.muster.answers[0].members:>9,} members  muster {ms(row.muster.median):>7} ms"]
    for peer in row.peers():
        best = row.best_of(peer)
        parts.append(f"{peer} {ms(best.median):>7} ms ({best.shape})  ratio {row.ratio(peer):.2f}")
    return "  ".join(parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table whose columns but the first are aligned right, where their head starts with a greater-than sign."""
    rule = ["---:" if h.startswith(">") else "---" for h in head]
    lines = [[h.lstrip(">") for h in head], rule, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def comparison(rows: list[Row], peer: str) -> str:
    cells = []
    for row in rows:
        m, best = row.muster, row.best_of(peer)
        times = f"{ms(m.best)} | {ms(m.median)} | {ms(best.best)} | {ms(best.median)}"
        cells.append([row.name, f"{m.answers[0].members:,}", times, best.shape, f"{row.ratio(peer):.2f}", "equal"])
    mean = geometric_mean([row.ratio(peer) for row in rows])
    cells.append(["**geometric mean**", "", " | | | ", "", f"**{mean:.2f}**", ""])
    head = ["segment", ">members", ">Muster best, ms", ">median", f">{peer} best, ms", ">median", "its best shape", ">ratio", "ids"]
    return table(head, cells)


def shapes(rows: list[Row], peer: str) -> str:
    cells = [
        [row.name, ", ".join(f"{m.shape} {ms(m.median)}" for m in row.measured if m.peer == peer)]
        for row in rows
    ]
    return table(["segment", "shapes, median ms"], cells)


def typical(row: Row):
    """The run of Muster's that took the median time."""
    ordered = sorted(row.muster.answers, key=lambda a: a.seconds)
    return ordered[len(ordered) // 2]


def stages(rows: list[Row]) -> str:
    names = list(dict.fromkeys(s["stage"] for row in rows for s in typical(row).details["metrics"]["stages"]))
    cells = []
    for row in rows:
        answer = typical(row)
        metrics = answer.details["metrics"]
        spent = {s["stage"]: s["ms"] for s in metrics["stages"]}
        groups = f"{metrics['row_groups_read']:,} of {metrics['row_groups_read'] + metrics['row_groups_skipped']:,}"
        front = [f"{answer.details['pin_ms']:.1f}", f"{answer.details['check_ms']:.1f}"]
        read = [groups, f"{metrics['rows_read']:,}", f"{metrics['bytes_read'] / MIB:.1f}"]
        cells.append([row.name, ms(answer.seconds), *front, *(f"{spent.get(n, 0):.1f}" for n in names), *read])
    head = ["segment", ">whole", ">pin", ">check", *(f">{n}" for n in names), ">row groups read", ">rows read", ">MiB read"]
    return table(head, cells)


def machine() -> str:
    info = Path("/proc/cpuinfo").read_text()
    model = next((x.split(":", 1)[1].strip() for x in info.splitlines() if x.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB of memory, Linux {platform.release()}"


def steps_text(result: Result) -> list[str]:
    lines = []
    if step := result.steps.get("generate"):
        lines.append(f"- Generating: {step['seconds']:.1f} s, {step['memory_mib']:.0f} MiB of memory at most, {step['bytes'] / MIB:,.0f} MiB of Parquet.")
    if step := result.steps.get("import"):
        rate = result.lake.event_rows / step["seconds"] / 1e6
        lines.append(f"- `muster import` of all of it: {step['seconds']:.1f} s ({rate:.2f} million events a second), {step['memory_mib']:,.0f} MiB of memory at most.")
    lake = result.lake
    lines.append(
        f"- The lake: {lake.event_rows:,} events in {len(lake.events)} files of {lake.event_bytes / MIB:,.0f} MiB, "
        f"{lake.profile_rows:,} users in {len(lake.profiles)} files of {lake.profile_bytes / MIB:,.0f} MiB."
    )
    lines.append(f"- Memory of the process that runs Muster's queries: {result.peer_memory_mib:,.0f} MiB at most, over all segments.")
    if result.cli:
        ids, count = result.cli["ids"], result.cli["count"]
        lines.append(
            f"- `muster query` as a process of its own, {result.cli['segment']}, the best of {result.runs}: "
            f"{ms(ids['seconds'])} ms with `--output ids` ({ids['memory_mib']:.0f} MiB), {ms(count['seconds'])} ms with `--output count`."
        )
    return lines


def compiling(trees: list[dict]) -> str:
    lines = [
        f"Trees of {trees[0]['nodes']:,} nodes, from JSON to SQL text, warnings included; milliseconds, medians of {trees[0]['runs']:,} runs. "
        "By itself, and in seconds: `cargo run --release -p muster-tests --no-default-features --bin compile-time`.\n",
        "| tree | dialect | whole | best | check | lower | print | JSON, bytes | SQL, bytes |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for tree in trees:
        times = " | ".join(f"{tree[name] / 1e3:.2f}" for name in ("median_us", "best_us", "check_us", "lower_us", "print_us"))
        lines.append(f"| {tree['tree']} | {tree['dialect']} | {times} | {tree['condition_bytes']:,} | {tree['sql_bytes']:,} |")
    return "\n".join(lines) + "\n"


def markdown(result: Result) -> str:
    """The whole report."""
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip()
    peers = result.rows[0].peers() if result.rows else []
    text = ["# Benchmarks\n", "Written by this command, but for sections that name another; do not edit.\n", f"```\n{result.command}\n```\n"]
    text.append(
        f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC, on {machine()}, load {result.load:.1f} at the start. "
        f"{', '.join(result.versions)}; {rustc}, Python {platform.python_version()}. {result.threads} threads each.\n"
    )
    text.append("\n".join(steps_text(result)) + "\n")
    text.append(
        "Every engine reads the very same Parquet files. Times run from the request (a condition's JSON, or SQL) until all ids are in memory as Arrow "
        f"columns; the files are in the page cache, footers in each engine's own. Each of {result.runs} rounds, after one to warm up, runs every query "
        "once in turn. Ratio: Muster's median over the median of the other's best shape; below 1, Muster is faster. "
        "Ids: equal by md5 over all of them, sorted; the run fails otherwise. The segments and the other engines' queries lie in benches/segments.\n"
    )
    for peer in peers:
        text.append(f"## Against {peer}\n")
        text.append(comparison(result.rows, peer))
    text.append("## Where Muster's time goes\n")
    text.append(
        "Milliseconds of the run with the median time. `whole`, `pin` (opening the present state) and `check` (from JSON to a plan) are of the clock; the "
        "others are of the processor, summed over threads, and overlap.\n"
    )
    text.append(stages(result.rows))
    for peer in peers:
        text.append(f"## All shapes of {peer}\n")
        text.append(shapes(result.rows, peer))
    text.append("## Compiling\n")
    text.append(compiling(result.compile))
    return "\n".join(text)
