"""Every file name of the results folder, in one place."""

import re
from pathlib import Path


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


def slug(name: str) -> str:
    """A data set's or model's name as one part of a folder name: a path's stem, a Hub id with -- for /."""
    name = Path(name).stem if Path(name).expanduser().exists() else name
    return re.sub(r"[^\w.-]+", "--", name).strip("-")


def pair(dataset: str, model: str) -> str:
    return f"{slug(dataset)}-{slug(model)}"


def configuration(pruner: str, threshold: float) -> str:
    return f"{pruner}-{threshold:g}"


def seed(folder: Path, seed: int) -> Path:
    """One trained initialisation of a configuration: <configuration>/seeds/07."""
    return folder / "seeds" / f"{seed:02d}"
