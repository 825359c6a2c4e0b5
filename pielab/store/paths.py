"""Every file name of the results folder, in one place."""

import re
from pathlib import Path

DATA_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")


def root() -> Path:
    """The project's folder seen from the working directory, so that notebooks find it from notebooks/ too."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "workflow" / "Snakefile").exists():
            return folder
    return here


def study(results: str, name: str) -> Path:
    """The folder of a study; a relative `results` starts from the project's folder."""
    return root() / Path(results).expanduser() / name


def find(name: str, *folders: str | None) -> Path | None:
    """A file or folder by its path: from the working directory, from `folders`, or from the project's folder."""
    places = [Path(), *(Path(folder).expanduser() for folder in folders if folder), root()]
    return next((path for place in places if (path := place / Path(name).expanduser()).exists()), None)


def slug(name: str) -> str:
    """A name as one part of a folder name: "reviews" of data/reviews.csv, "a--b" of the Hub id a/b."""
    path = Path(name)
    if path.suffix in DATA_SUFFIXES:
        name = path.stem
    elif name.startswith(("/", "~", ".")):
        name = path.name
    return re.sub(r"[^\w.-]+", "--", name).strip("-")


def pair(dataset: str, model: str) -> str:
    return f"{slug(dataset)}-{slug(model)}"


def configuration(pruner: str, threshold: float) -> str:
    return f"{pruner}-{threshold:g}"


def seed(folder: Path | str, seed: int) -> Path:
    """One trained initialisation of a configuration: <configuration>/seeds/07."""
    return Path(folder) / "seeds" / f"{seed:02d}"


def phase(folder: Path | str, seed: int) -> Path:
    """The last finished iteration of a seed that is being pruned: <configuration>/seeds/.phase-07.safetensors"""
    return Path(folder) / "seeds" / f".phase-{seed:02d}.safetensors"


def study_file(study_folder: Path) -> Path:
    """The study as it was last run: the content of its params/studies/ file."""
    return study_folder / "study.yaml"


def finished(study_folder: Path) -> Path:
    """There if and only if report/index.html is the report, and not the page of a study on its way."""
    return study_folder / "report" / ".finished"


def log(study_folder: Path, notebook: Path) -> Path:
    """Where a notebook of the study is while it runs, and afterwards if it failed; `notebook` is its final path."""
    return study_folder / "logs" / notebook.relative_to(study_folder)


def fault(study_folder: Path, notebook: Path) -> Path:
    """The sentence of what went wrong, if the notebook's last run failed; empty or not there otherwise."""
    return log(study_folder, notebook).with_suffix(".txt")


def running(study_folder: Path, notebook: Path) -> Path:
    """The sign of life of a notebook that runs: touched every 20 s, deleted at its end."""
    return log(study_folder, notebook).with_suffix(".running")
