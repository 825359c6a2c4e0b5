"""The state of every notebook of a study, read from the study's folder, also while it runs."""

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pielab.config import study
from pielab.config.types import parse_seeds
from pielab.errors import PielabError
from pielab.store import paths

# A running notebook shows a sign of life every 20 s; after this many seconds without one it counts as killed.
ALIVE = 90
# Ordered by urgency.
SYMBOLS = {"failed": "✗", "stopped": "■", "running": "▶", "waiting": "·", "done": "✓"}
HERE = Path()


@dataclass(frozen=True)
class Notebook:
    """One notebook of a study; its paths are relative to the study's folder, "" for a file that does not exist.

    fault: why a failed notebook failed, in one sentence. where: host and SLURM job of a running or stopped one.
    since: when it started, failed, or showed its last sign of life, in unix seconds.
    """

    path: str
    state: str
    read: str = ""
    fault: str = ""
    fault_file: str = ""
    where: str = ""
    since: float = 0.0

    @property
    def name(self) -> str:
        path = Path(self.path)
        return f"{path.stem}, seeds {path.parent.name}" if self.part else path.stem

    @property
    def part(self) -> bool:
        """Whether it trains only some of a configuration's seeds, which another notebook gathers."""
        return Path(self.path).parent.parent.name == "parts"


@dataclass(frozen=True)
class Row:
    """One folder of a study: a configuration, a pair with its analysis, or the report.

    seeds: how many are done, and how many are asked for; both 0 in a folder where nothing is trained.
    """

    folder: str
    pair: str
    title: str
    threshold: float | None
    seeds: tuple[int, int]
    notebooks: list[Notebook]

    @property
    def state(self) -> str:
        states = {notebook.state for notebook in self.notebooks}
        return next(state for state in SYMBOLS if state in states)


def read(study_folder: Path) -> list[Row]:
    """The state of every folder that results/<study>/study.yaml asks for, in its order.

    Raises PielabError if the folder has no study.yaml.
    """
    asked = study.read(_config(study_folder))
    # The files before the clock, so that no sign of life is in the future.
    files = _files(study_folder)
    now = time.time()

    def row(folder: str, pair: str, title: str, names: Iterable[str], values: dict | None = None) -> Row:
        notebooks = [Path(folder, f"{name}.ipynb") for name in names]
        split = _parts(files, notebooks[0], asked.parts(pair)) if values else []
        states = [_notebook(study_folder, files, notebook, now) for notebook in (*split, *notebooks)]
        seeds = _seeds(study_folder / folder, values["seeds"]) if values else (0, 0)
        threshold = values.get("threshold") if values else None
        return Row(folder, pair, title, threshold, seeds, states)

    rows = []
    for pair in asked.dense:
        for configuration in asked.of_pair(pair):
            names = ["01_train"] if configuration.unpruned else ["02_prune", "03_pies"]
            values = asked.configurations[configuration]
            rows.append(row(configuration.target, pair, configuration.method, names, values))
        rows.append(row(pair, pair, "EL2N and readability", ["04_el2n", "05_readability"]))
    return [*rows, row("report", "report", "figures, tables, PIEs", ["06_report", "07_explore"])]


def count(rows: Iterable[Row]) -> dict[str, int]:
    """The number of notebooks in each state, and the totals notebooks, seeds and seeds_asked.

    The states count parts of a configuration's training that failed, run or were stopped; `notebooks` does not.
    """
    rows = list(rows)
    notebooks = [notebook for row in rows for notebook in row.notebooks]
    counts = {state: sum(notebook.state == state for notebook in notebooks) for state in SYMBOLS}
    seeds, asked = (sum(row.seeds[index] for row in rows) for index in (0, 1))
    whole = sum(not notebook.part for notebook in notebooks)
    return counts | {"notebooks": whole, "seeds": seeds, "seeds_asked": asked}


def may_be_alive(record: Mapping[str, Any]) -> bool:
    """False if a sign of life, given as its JSON, is from a process of this machine that has ended."""
    if record.get("host") == socket.gethostname():
        with contextlib.suppress(OSError, TypeError, KeyError):  # another user's process, or a half-written record
            try:
                os.kill(record["pid"], 0)
            except ProcessLookupError:
                return False
    return True


def _config(study_folder: Path) -> dict:
    path = paths.study_file(study_folder)
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, yaml.YAMLError):
        config = None
    if not isinstance(config, dict):
        raise PielabError(
            "folder-without-study",
            f"{path} is missing or no study",
            f"start the study, make study STUDY={study_folder.name}",
        )
    return config


def _files(study_folder: Path) -> dict[str, os.DirEntry]:
    """Every file of a study by its path relative to the study's folder, except for files of its seeds."""
    files, folders = {}, [""]
    while folders:
        prefix = folders.pop()
        with contextlib.suppress(FileNotFoundError), os.scandir(study_folder / prefix) as entries:
            for entry in entries:
                if not entry.is_dir():
                    files[prefix + entry.name] = entry
                elif entry.name != "seeds":
                    folders.append(f"{prefix}{entry.name}/")
    return files


def _parts(files: dict[str, os.DirEntry], record: Path, parts: Iterable[str]) -> list[Path]:
    """The jobs over which a notebook's seeds are split, if they run, failed or were stopped; none once it is done."""
    if record.as_posix() in files:
        return []
    jobs = [record.parent / "parts" / seeds / record.name for seeds in parts]
    signs = {job: (paths.running(HERE, job).as_posix(), paths.fault(HERE, job).as_posix()) for job in jobs}
    return [job for job in jobs if job.as_posix() not in files and any(sign in files for sign in signs[job])]


def _seeds(folder: Path, asked: object) -> tuple[int, int]:
    """How many of the seeds are done, and how many are asked for."""
    names = {paths.seed(folder, seed).name for seed in parse_seeds(asked)}
    done = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder / "seeds") as entries:
        # A seed's folder gets its name when it is complete, so none of thousands needs to be opened.
        done = sum(entry.name in names for entry in entries)
    return done, len(names)


def _notebook(study_folder: Path, files: dict[str, os.DirEntry], notebook: Path, now: float) -> Notebook:
    """The state of a notebook, from its files; notebook: its path relative to the study's folder."""
    name = notebook.as_posix()
    log, fault, running = (place(HERE, notebook).as_posix() for place in (paths.log, paths.fault, paths.running))
    existing_log = log if log in files else ""
    sign = record(study_folder / running) if running in files else {}
    if running in files and now - _modified(files[running], now) < ALIVE and may_be_alive(sign):
        # A notebook that has just started writes its log in a moment.
        return Notebook(name, "running", log, where=_where(sign), since=sign.get("started", now))
    if name in files:
        return Notebook(name, "done", _rendered(files, notebook))
    # For a job that ended well, Snakemake makes an empty file.
    if sentence := _sentence(study_folder / fault) if fault in files else "":
        read = _rendered(files, Path(log)) if existing_log else fault
        return Notebook(name, "failed", read, sentence, fault, since=_modified(files[fault], now))
    if running in files:
        since = _modified(files[running], now)
        return Notebook(name, "stopped", existing_log, where=_where(sign), since=since)
    if existing_log:
        return Notebook(name, "failed", log, "it left no word of what went wrong", since=_modified(files[log], now))
    return Notebook(name, "waiting")


def _modified(entry: os.DirEntry, now: float) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:  # the notebook has just ended
        return now


def _rendered(files: dict[str, os.DirEntry], notebook: Path) -> str:
    """The page of a finished notebook, or the notebook itself if its page is missing or older."""
    page, name = notebook.with_suffix(".html").as_posix(), notebook.as_posix()
    fresh = page in files and _modified(files[page], 0) >= _modified(files[name], 0)
    return page if fresh else name


def record(path: Path) -> dict:
    """A notebook's sign of life: host, pid, job and start time; empty if it has just ended or could not write it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _where(record: dict) -> str:
    job = f"SLURM job {record['job']}" if record.get("job") else ""
    return ", ".join(part for part in (record.get("host"), job) if part)


def _sentence(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:  # the notebook has just started again
        text = ""
    first = text.partition("\n")[0].removeprefix("error: ")
    # The page names the notebook already, and only unexpected exceptions need their class name.
    sentence = first.partition(" did not finish: ")[2] or first
    return re.sub("^(PielabError|SeveralErrors|TransientError|PassingFault|DeadKernelError): ", "", sentence)
