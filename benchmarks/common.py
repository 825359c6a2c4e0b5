"""Shared by the benchmarks: sides measured in turn, each in its own process, and their results."""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from pielab.processes import end_with_parent

CORES = 2

_prepared: dict[str, Any] = {}


def no_summary(result: Any) -> None:
    """Nothing to compare."""


def measure(
    benchmark: str,
    case: str,
    sides: dict[str, Callable[[Any], Any]],
    *,
    prepare: Callable[[], Any] | dict[str, Callable[[], Any]],
    summary: Callable[[Any], Any] = no_summary,
    judge: Callable[[Any, Any], float] | None = None,
    same: Callable[[Any, Any], bool] = lambda one, other: one == other,
    repeats: int = 5,
    children: dict[str, int] | None = None,
    alone: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict]:
    """Measure a case, one row per side: seconds of each repeat, peak_mb of its process, and before_mb before the work.

    sides: functions of the data that `prepare` (or the `prepare` of that name) returns; they take turns. summary: of a
    result, None if there is nothing to compare. same: whether two summaries agree; if a side's last result differs from
    the first side's, the benchmark stops. judge: scores a result, given the prepared data, once per repeat. children:
    number of equally large processes that a side starts, whose memory counts too. alone: run each side in its own
    process; otherwise all in this one, and memory is not meaningful. clock: gives the seconds. All functions must be at
    module level, because the processes import them.
    """
    # A side keeps its process, so that it prepares once.
    pools = {name: _process() for name in sides} if alone else dict.fromkeys(sides, ThreadPoolExecutor(1))
    rows = [{"benchmark": benchmark, "case": case, "side": name, "seconds": []} for name in sides]
    made = {name: ((case, name), prepare[name]) if isinstance(prepare, dict) else (case, prepare) for name in sides}
    for pending in [pool.submit(_prepare, *made[name]) for name, pool in pools.items()]:
        pending.result()
    for _ in range(repeats):
        found = []
        for row in rows:
            seconds, own, child, before, result, judged = (
                pools[row["side"]].submit(_run, *made[row["side"]], sides[row["side"]], summary, judge, clock).result()
            )
            row["seconds"].append(seconds)
            if judge:
                row.setdefault("judged", []).append(judged)
            row |= {"peak_mb": own + child * (children or {}).get(row["side"], 0), "before_mb": before}
            found.append(result)
        if not all(each is None or same(found[0], each) for each in found):
            raise SystemExit(f"{benchmark}, {case}: the sides disagree.")
    for pool in pools.values():
        pool.shutdown()
    show(rows)
    return rows


def _process() -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent)


def _prepare(case: Any, prepare: Callable) -> None:
    if _prepared.get("case") != case:
        _prepared.update(case=case, data=prepare(), before=psutil.Process().memory_info().rss / 2**20)


def _run(
    case: Any, prepare: Callable, work: Callable, summary: Callable, judge: Callable | None, clock: Callable
) -> tuple[float, float, float, float, Any, float | None]:
    """Seconds of the work, peak MB of this process and of its largest child, MB before it, summary and score."""
    _prepare(case, prepare)
    start = clock()
    result = work(_prepared["data"])
    seconds = clock() - start
    own, child = (
        resource.getrusage(each).ru_maxrss / 1024 for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    judged = judge(_prepared["data"], result) if judge else None
    return seconds, own, child, _prepared["before"], summary(result), judged


def use_cores(number: int) -> None:
    """Set the number of threads of the sides' processes."""
    os.environ["OMP_NUM_THREADS"] = str(number)


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = lines[0] if lines else cpu
    return f"{cpu}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.system()}"


def show(rows: list[dict]) -> None:
    """Print the rows of one case."""
    print(f"{rows[0]['benchmark']}: {rows[0]['case']}")
    for row in rows:
        print(
            f"  {row['side']:<40} {spread(row['seconds'])} s, {row['peak_mb']:.0f} MB at most, "
            f"{row['before_mb']:.0f} MB before" + (f", judged {spread(row['judged'])}" if "judged" in row else ""),
            flush=True,
        )


def spread(values: list[float], digits: int = 3) -> str:
    return f"median {statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main(run: Callable[[bool, int], list[dict]], description: str, repeats: int = 5) -> None:
    """The command line of a benchmark; `run` takes whether to be small, and the number of repeats."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--small", action="store_true", help="small data: does it work?")
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    given = parser.parse_args()
    rows = run(given.small, given.repeats)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
