"""The state of every notebook of a study, read from the study's folder, also while it runs."""

import contextlib
import functools
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from pydantic import BaseModel

from pielab.config import study
from pielab.config.types import parse_seeds
from pielab.errors import PielabError
from pielab.store import digests, paths

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

    threshold: the setting, to be read.
    seeds: how many are done, and how many are asked for; both 0 in a folder where nothing is trained.
    """

    folder: str
    pair: str
    title: str
    threshold: str
    seeds: tuple[int, int]
    notebooks: list[Notebook]

    @property
    def state(self) -> str:
        states = {notebook.state for notebook in self.notebooks}
        return next(state for state in SYMBOLS if state in states)


def read(study_folder: Path) -> list[Row]:
    """The state of every folder of a study, in the order of `study_of`, which may raise PielabError."""
    asked = study_of(study_folder)
    # The files before the clock, so that no sign of life is in the future.
    files = _files(study_folder)
    now = time.time()

    def row(
        folder: str,
        pair: str,
        title: str,
        names: Iterable[str],
        values: Mapping[str, Any] | None = None,
        setting: str = "",
    ) -> Row:
        notebooks = [Path(folder, f"{name}.ipynb") for name in names]
        split = _parts(files, notebooks[0], asked.parts(pair)) if values else []
        states = [_notebook(study_folder, files, notebook, now) for notebook in (*split, *notebooks)]
        seeds = _seeds(study_folder / folder, values["seeds"]) if values else (0, 0)
        return Row(folder, pair, title, setting, seeds, states)

    rows = []
    for pair in asked.dense:
        for configuration in asked.of_pair(pair):
            names = ["01_train"] if configuration.unpruned else ["02_prune", "03_pies"]
            values = asked.configurations[configuration]
            setting = configuration.setting_text
            rows.append(row(configuration.target, pair, configuration.method, names, values, setting))
        rows.append(row(pair, pair, "EL2N and readability", ["04_el2n", "05_readability"]))
    return [*rows, row("report", "report", "figures, tables, PIEs", ["06_report", "07_explore"])]


def study_of(study_folder: Path) -> study.Study:
    """The study that results/<study>/study.yaml asks for. Raises PielabError if the folder has none."""
    return study.read(_config(study_folder))


def count(rows: list[Row]) -> dict[str, int]:
    """The number of notebooks in each state, and the totals notebooks, seeds and seeds_asked.

    The states count parts of a configuration's training that failed, run or were stopped; `notebooks` does not.
    """
    notebooks = [notebook for row in rows for notebook in row.notebooks]
    counts = {state: sum(notebook.state == state for notebook in notebooks) for state in SYMBOLS}
    seeds, asked = (sum(row.seeds[index] for row in rows) for index in (0, 1))
    whole = sum(not notebook.part for notebook in notebooks)
    return counts | {"notebooks": whole, "seeds": seeds, "seeds_asked": asked}


def has_code_of(rendered: Path, source: Path) -> bool:
    """Whether a rendered notebook has the code of its source, which then counts as unchanged; the prose is ignored.

    From 03 on, what a notebook gives depends on the package that was there as well, and it must have been today's.
    """
    try:
        cells, metadata = _code(rendered)
        own = source.name < "03" or metadata.get("pielab") == {"analysis": analysis_code()}
        return own and cells == _code(source)[0]
    except (OSError, ValueError, LookupError, TypeError):  # not yet rendered, or no notebook
        return False


@functools.cache
def analysis_code() -> str:
    """The digest of the code that finds PIEs, analyses and shows them, by which `sign` marks a rendered notebook."""
    package, sha256 = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(path for name in ("analysis", "data", "report") for path in (package / name).rglob("*.py")):
        sha256.update(path.read_bytes())
    return sha256.hexdigest()[:16]


def sign(rendered: Path) -> None:
    """Write into a rendered notebook which code of the package it was rendered with."""
    notebook = json.loads(rendered.read_bytes())
    notebook["metadata"]["pielab"] = {"analysis": analysis_code()}
    rendered.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _code(notebook: Path) -> tuple[list[str], dict[str, Any]]:
    """The code cells of a notebook, and its metadata."""
    content = json.loads(notebook.read_bytes())
    injected = "injected-parameters"  # papermill's cell of the parameters that a run was given
    cells = [
        "".join(cell["source"])
        for cell in content["cells"]
        if cell["cell_type"] == "code" and injected not in cell["metadata"].get("tags", [])
    ]
    return cells, content["metadata"]


def may_run(record: Mapping[str, Any]) -> bool:
    """False if the record of a run tells of its failure, or is from a process of this machine that has ended."""
    here = record.get("host") == socket.gethostname()
    return "failure" not in record and not (here and not psutil.pid_exists(record["pid"]))


def _config(study_folder: Path) -> dict:
    path = paths.study_file(study_folder)
    try:
        digests.check(path)
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, yaml.YAMLError):
        config = None
    except ValueError as error:
        raise PielabError(
            "study-damaged",
            f"{path} is damaged ({error})",
            f"give pielab study {study_folder.name} again, which writes it anew",
        ) from None
    if not isinstance(config, dict):
        raise PielabError(
            "folder-without-study",
            f"{path} is missing or no study",
            f"start the study with pielab study {study_folder.name}, or give the folder of another, such as "
            "results/demo",
        )
    return config


def _files(study_folder: Path) -> set[str]:
    """The paths of a study's files relative to the study's folder, except for files of its seeds."""
    files = set()
    for folder, subfolders, names in os.walk(study_folder):
        subfolders[:] = [name for name in subfolders if name != "seeds"]
        prefix = Path(folder).relative_to(study_folder).as_posix()
        files |= {f"{prefix}/{name}".removeprefix("./") for name in names}
    return files


def _parts(files: set[str], record: Path, parts: Iterable[str]) -> list[Path]:
    """The jobs over which a notebook's seeds are split, if they run, failed or were stopped; none once it is done."""
    if record.as_posix() in files:
        return []
    jobs = [record.parent / "parts" / seeds / record.name for seeds in parts]
    return [job for job in jobs if job.as_posix() not in files and paths.fault(HERE, job).as_posix() in files]


def _seeds(folder: Path, asked: object) -> tuple[int, int]:
    """How many of the seeds are done, and how many are asked for."""
    names = {paths.seed(folder, seed).name for seed in parse_seeds(asked)}
    done = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder / "seeds") as entries:
        # A seed's folder gets its name when it is complete, so none of thousands needs to be opened.
        done = sum(entry.name in names for entry in entries)
    return done, len(names)


def _notebook(study_folder: Path, files: set[str], notebook: Path, now: float) -> Notebook:
    """The state of a notebook, from its files; notebook: its path relative to the study's folder."""
    name = notebook.as_posix()
    log, fault = (place(HERE, notebook).as_posix() for place in (paths.log, paths.fault))
    # Earlier versions wrote .running while a notebook ran, and of its failure the text alone.
    records = [paths.run_record(HERE, notebook).as_posix(), Path(log).with_suffix(".running").as_posix()]
    last = next((path for path in (*records, fault, log) if path in files), "")
    run = record(study_folder / last) if last in records else {}
    since = _modified(study_folder / last, now) if last else 0.0
    existing_log, existing_fault = (path if path in files else "" for path in (log, fault))
    if last in records and now - since < ALIVE and may_run(run):
        # A notebook that has just started writes its log in a moment.
        return Notebook(name, "running", log, where=_where(run), since=run.get("started", now))
    if name in files:
        return Notebook(name, "done", _rendered(study_folder, notebook))
    if failure := run.get("failure") or (_first_line(study_folder / fault) if existing_fault else ""):
        read = _rendered(study_folder, Path(log)) if existing_log else existing_fault
        return Notebook(name, "failed", read, failure, existing_fault, since=run.get("failed", since))
    if last in records or existing_log:
        return Notebook(name, "stopped", existing_log, where=_where(run), since=since)
    return Notebook(name, "waiting")


def _modified(path: Path, otherwise: float) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # the notebook has just ended
        return otherwise


def _rendered(study_folder: Path, notebook: Path) -> str:
    """The page of a finished notebook, or the notebook itself if its page is missing or older."""
    page = notebook.with_suffix(".html")
    fresh = _modified(study_folder / page, 0) >= _modified(study_folder / notebook, 1)
    return (page if fresh else notebook).as_posix()


class _Run(BaseModel):
    host: str
    pid: int
    job: str | None = None
    started: float = 0.0
    failed: float = 0.0
    kind: str = ""
    failure: str = ""
    retry: bool = True


def record(path: Path) -> dict[str, Any]:
    """The record of a notebook's run: host, pid, job, started, and of a failure failed (when), kind, failure, retry.

    Empty if the notebook has just ended, or if the file is none. failure: the sentence. retry: whether trying again can
    help.
    """
    try:
        return _Run.model_validate_json(path.read_bytes()).model_dump(exclude_unset=True)
    except (OSError, ValueError):
        return {}


def _where(record: dict) -> str:
    job = f"SLURM job {record['job']}" if record.get("job") else ""
    return ", ".join(part for part in (record.get("host"), job) if part)


def _first_line(path: Path) -> str:
    """The first line of a file, empty for the empty file that Snakemake makes for a job that ended well."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0]
    except FileNotFoundError:  # the notebook has just started again
        return ""
