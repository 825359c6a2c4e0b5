"""The state of every notebook of a study, read from its folder alone while it runs."""

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

# A notebook that runs shows a sign of life every 20 s; after so many seconds without one it was killed.
ALIVE = 90
# The state that a reader must know first comes first.
SYMBOLS = {"failed": "✗", "stopped": "■", "running": "▶", "waiting": "·", "done": "✓"}
HERE = Path()


@dataclass(frozen=True)
class Notebook:
    """One notebook of a study; its paths start from the study's folder and are "" if there is nothing to read.

    fault: the sentence of one that failed. where: host and SLURM job of one that runs or was stopped.
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
        """Whether it trains some of a configuration's seeds, and another notebook is the record of all."""
        return Path(self.path).parent.parent.name == "parts"


@dataclass(frozen=True)
class Row:
    """One folder of a study: a configuration, a pair with its analysis, or the report.

    seeds: how many are done, and how many are asked for; both 0 where nothing is trained.
    """

    folder: str
    pair: str
    title: str
    threshold: float | None
    seeds: tuple[int, int]
    notebooks: list[Notebook]

    @property
    def state(self) -> str:
        there = {notebook.state for notebook in self.notebooks}
        return next(state for state in SYMBOLS if state in there)


def read(study_folder: Path) -> list[Row]:
    """The state of everything that results/<study>/study.yaml asks for, in its order.

    Raises PielabError if the folder has no study.yaml.
    """
    asked = study.read(_config(study_folder))
    # Read before the clock, so that no sign of life is in the future.
    files = _files(study_folder)
    now = time.time()

    def row(folder: str, title: str, names: Iterable[str], values: dict | None = None) -> Row:
        notebooks = [Path(folder, f"{name}.ipynb") for name in names]
        split = _parts(files, notebooks[0], asked.parts(folder.partition("/")[0])) if values else []
        states = [_notebook(study_folder, files, notebook, now) for notebook in (*split, *notebooks)]
        seeds = _seeds(study_folder / folder, values["seeds"]) if values else (0, 0)
        threshold = values.get("threshold") if values else None
        return Row(folder, folder.partition("/")[0], title, threshold, seeds, states)

    rows = []
    for pair, values in asked.dense.items():
        rows.append(row(f"{pair}/dense", "unpruned", ["01_train"], values))
        for folder, each in asked.pruned.items():
            if folder.startswith(f"{pair}/"):
                rows.append(row(folder, each["pruner"], ["02_prune", "03_pies"], each))
        rows.append(row(pair, "EL2N and readability", ["04_el2n", "05_readability"]))
    return [*rows, row("report", "figures, tables, PIEs", ["06_report", "07_explore"])]


def count(rows: Iterable[Row]) -> dict[str, int]:
    """By state how many notebooks there are, and notebooks, seeds and seeds_asked in all.

    A part of a configuration's training counts where it failed, runs or was stopped.
    """
    rows = list(rows)
    notebooks = [notebook for row in rows for notebook in row.notebooks]
    counts = {state: sum(notebook.state == state for notebook in notebooks) for state in SYMBOLS}
    seeds, asked = (sum(row.seeds[place] for row in rows) for place in (0, 1))
    whole = sum(not notebook.part for notebook in notebooks)
    return counts | {"notebooks": whole, "seeds": seeds, "seeds_asked": asked}


def may_be_alive(record: Mapping[str, Any]) -> bool:
    """False if the process of a sign of life, its JSON, was one of this machine and is gone."""
    if record.get("host") == socket.gethostname():
        with contextlib.suppress(OSError, TypeError, KeyError):  # another user's, or half-written
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
        raise PielabError(f"{path} is missing or no study: start the study, make study STUDY={study_folder.name}.")
    return config


def _files(study_folder: Path) -> dict[str, os.DirEntry]:
    """Every file of a study by its path from the study's folder, without those of its seeds."""
    found, folders = {}, [""]
    while folders:
        prefix = folders.pop()
        with contextlib.suppress(FileNotFoundError), os.scandir(study_folder / prefix) as entries:
            for entry in entries:
                if not entry.is_dir():
                    found[prefix + entry.name] = entry
                elif entry.name != "seeds":
                    folders.append(f"{prefix}{entry.name}/")
    return found


def _parts(files: dict[str, os.DirEntry], record: Path, parts: Iterable[str]) -> list[Path]:
    """The jobs that the seeds of a notebook are split over, those that there is to tell of until it is done."""
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
        # A seed's folder gets its name when it is whole, so there is no need to look into thousands of them.
        done = sum(entry.name in names for entry in entries)
    return done, len(names)


def _notebook(study_folder: Path, files: dict[str, os.DirEntry], notebook: Path, now: float) -> Notebook:
    """The state of a notebook by what there is of it; `notebook` is its path from the study's folder."""
    name = notebook.as_posix()
    log, fault, running = (place(HERE, notebook).as_posix() for place in (paths.log, paths.fault, paths.running))
    there = log if log in files else ""
    sign = record(study_folder / running) if running in files else {}
    if running in files and now - _modified(files[running], now) < ALIVE and may_be_alive(sign):
        # One that starts has its log in a moment.
        return Notebook(name, "running", log, where=_where(sign), since=sign.get("started", now))
    if name in files:
        return Notebook(name, "done", _rendered(files, notebook))
    # Snakemake makes an empty one of a job that ended well.
    if sentence := _sentence(study_folder / fault) if fault in files else "":
        read = _rendered(files, Path(log)) if there else fault
        return Notebook(name, "failed", read, sentence, fault, since=_modified(files[fault], now))
    if running in files:
        since = _modified(files[running], now)
        return Notebook(name, "stopped", there, where=_where(sign), since=since)
    if there:
        return Notebook(name, "failed", there, "it left no word of what went wrong", since=_modified(files[log], now))
    return Notebook(name, "waiting")


def _modified(entry: os.DirEntry, now: float) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:  # it ended this moment
        return now


def _rendered(files: dict[str, os.DirEntry], notebook: Path) -> str:
    """The page of a finished notebook, or the notebook itself if its page is missing or older."""
    page, name = notebook.with_suffix(".html").as_posix(), notebook.as_posix()
    fresh = page in files and _modified(files[page], 0) >= _modified(files[name], 0)
    return page if fresh else name


def record(path: Path) -> dict:
    """Where and since when a notebook runs; empty if it ended this moment, or its machine could not write it."""
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
    except FileNotFoundError:  # it starts again this moment
        text = ""
    first = text.partition("\n")[0].removeprefix("error: ")
    # Which notebook it was stands beside it, and whose exception it was matters only if it is not ours.
    said = first.partition(" did not finish: ")[2] or first
    return re.sub("^(PielabError|SeveralErrors|TransientError|PassingFault|DeadKernelError): ", "", said)
