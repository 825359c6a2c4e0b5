"""The progress of a study while it runs: lines for the terminal, and on top of its front page.

pielab status results/demo
"""

import contextlib
import importlib
import io
import os
import sys
import time
from pathlib import Path

from pielab.arguments import parser_for
from pielab.jobs.notebook_state import SYMBOLS, Notebook, Row, count, read
from pielab.report import render
from pielab.store import paths


def lines(study_folder: Path, rows: list[Row]) -> list[str]:
    """A progress bar of the study, how long it will take, and its unfinished configurations ordered by urgency.

    Configurations of a pair for which nothing is done yet share one line.
    """
    from pielab.jobs import forecast  # needs pandas, which a job without a report does not

    counts = count(rows)
    share = counts["seeds"] / counts["seeds_asked"]
    blocks = int(30 * share)
    parts = [
        f"{study_folder.name}: {int(100 * share)} % |{'█' * blocks}{'░' * (30 - blocks)}| "
        f"{counts['seeds']}/{counts['seeds_asked']} seeds, {counts['done']}/{counts['notebooks']} notebooks done",
        *(f"{counts[state]} {state}" for state in SYMBOLS if state != "done" and counts[state]),
        *filter(None, [forecast.text(study_folder, rows)]),
    ]
    details: list[str] = []
    idle: dict[str, int] = {}
    for row in sorted(rows, key=lambda row: list(SYMBOLS).index(row.state)):
        if row.state == "waiting" and not row.seeds[0]:
            idle[row.pair] = idle.get(row.pair, 0) + 1
        elif row.state != "done":
            seeds = f"  {row.seeds[0]}/{row.seeds[1]} seeds" if row.seeds[1] else ""
            notebooks = "; ".join(filter(None, (_detail(study_folder, notebook) for notebook in row.notebooks)))
            details.append(f"{row.state:<8} {row.folder}{seeds}  {notebooks}".rstrip())
    waiting = [f"{'waiting':<8} {pair}: {number} with nothing done yet" for pair, number in idle.items()]
    cure = ["what was stopped goes on when the study is run again"] if counts["stopped"] else []
    return [", ".join(parts), *details, *waiting, *cure]


def _detail(study_folder: Path, notebook: Notebook) -> str:
    """Why a notebook failed, or since when it runs or is stopped; "" for other states."""
    where = f" on {notebook.where}" if notebook.where else ""
    if notebook.state == "failed":
        return f"{notebook.name}: {notebook.fault}\n           read {study_folder / notebook.read}"
    if notebook.state == "running":
        return f"{notebook.name}{where} since {clock(notebook.since)}"
    if notebook.state == "stopped":
        return f"{notebook.name}{where} was killed after {clock(notebook.since)}"
    return ""


def clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def page(study_folder: Path, rows: list[Row] | None = None) -> Path | None:
    """Write the report/index.html of an unfinished study; None if all is done or it has its report.

    rows: as `notebook_state.read` gives them, read if they are not given. Below the progress is what there is of a
    report. If a notebook of a study with its report runs again, the page shows progress again.
    """
    rows = read(study_folder) if rows is None else rows
    notebooks = [notebook for row in rows for notebook in row.notebooks]
    states = {notebook.state for notebook in notebooks}
    if states == {"done"} or (paths.finished(study_folder).exists() and "running" not in states):
        return None
    pairs = {pair: [row for row in rows if row.pair == pair] for pair in dict.fromkeys(row.pair for row in rows)}
    progress = {
        "counts": count(rows),
        "pairs": {pair: (count(rows_of_pair), rows_of_pair) for pair, rows_of_pair in pairs.items()},
        "notebooks": {state: [notebook for notebook in notebooks if notebook.state == state] for state in SYMBOLS},
        "symbols": SYMBOLS,
        "written": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "clock": clock,
        "link": lambda path: Path(os.path.relpath(path, "report")).as_posix(),
    }
    sections = {}
    if (study_folder / "report" / "tables").exists():
        from pielab.report.page import sections as read_sections  # needs pandas, which a job without a report does not

        sections = read_sections(study_folder)
    return render.index(study_folder, progress, **sections)


def _show(study_folder: Path) -> None:
    rows = read(study_folder)
    print("\n".join(lines(study_folder, rows)))
    if page(study_folder, rows) or paths.finished(study_folder).exists():
        print(f"page: {study_folder / 'report' / 'index.html'}")
    else:
        print("the report comes last: run the study again if none of its notebooks runs any more")
    if paths.finished(study_folder).exists() and (found := study_folder / "report" / "findings.txt").exists():
        print(f"\n{found.read_text(encoding='utf-8')}", end="")


def _watch(study_folder: Path, seconds: float = 5.0) -> None:
    """Keep the lines and the page up to date until all is done."""
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        unfinished = True
        while unfinished:
            rows = read(study_folder)
            live.update(Text("\n".join(lines(study_folder, rows))), refresh=True)
            page(study_folder, rows)
            unfinished = any(row.state != "done" for row in rows)
            time.sleep(seconds if unfinished else 0)


def main(arguments: list[str] | None = None, program: str = "pielab status") -> int:
    parser = parser_for(program, "Show the progress of a study.", "for example: pielab status results/demo --watch")
    parser.add_argument("study", help="the folder of the study, such as results/demo")
    parser.add_argument("--watch", action="store_true", help="keep it up to date until all is done")
    given = parser.parse_args(arguments)
    study_folder = paths.find(given.study) or Path(given.study)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    with contextlib.suppress(KeyboardInterrupt):
        (_watch if given.watch else _show)(study_folder)
    return 0


if __name__ == "__main__":
    sys.exit(importlib.import_module("pielab.__main__").run(["status", *sys.argv[1:]]))
