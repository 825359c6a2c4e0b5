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
