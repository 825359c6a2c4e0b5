"""The file names of the results folder, all in one place."""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from pielab.errors import PielabError
from pielab.store import settings

DATA_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".conll")
# The columns of tables, and the keys of records, that identify a configuration.
CONFIGURATION = ["dataset", "model", "pruner", "threshold"]
PACKAGE = Path(__file__).parents[1]
DENSE = "dense"


@dataclass(frozen=True)
class Configuration:
    """What all seeds of a folder share: data set, model, method and setting, and with them their name and folder.

    dataset, model: as `slug` gives them. method: the name of a pruner or another compression, "unpruned" without any.
    setting: a percentage of the weights (90.0), bits (4), or a pattern such as "2of4"; 0 if nothing is removed.
    """

    dataset: str
    model: str
    method: str = "unpruned"
    setting: float | str = 0.0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "Configuration":
        """That of a seed's record, of a summary of PIEs, or of a row of a table."""
        return cls(*(record[name] for name in CONFIGURATION))

    @property
    def record(self) -> dict[str, Any]:
        """The entries of a record that `of` reads."""
        return dict(zip(CONFIGURATION, astuple(self), strict=True))

    @property
    def unpruned(self) -> bool:
        return self.method == "unpruned"

    @property
    def pair(self) -> str:
        """Data set and model: "bbc-news-bilstm"."""
        return f"{self.dataset}-{self.model}"

    @property
    def name(self) -> str:
        """Method and setting: "IMP-FT-90", "Wanda-2of4", "control-FT" (of 0); "dense" for the unpruned models."""
        if self.unpruned or not self.setting:
            return DENSE if self.unpruned else self.method
        return f"{self.method}-{self.setting if isinstance(self.setting, str) else format(self.setting, 'g')}"

    @property
    def title(self) -> str:
        """Method and setting, to be read: "IMP-FT at 90 %", "RTN at 4 bits", "Wanda at 2:4", "control-FT"."""
        return f"{self.method} at {self.setting_text}" if self.setting else self.method

    @property
    def setting_text(self) -> str:
        """The setting, to be read: "90 %", "4 bits", "2:4", or nothing."""
        return settings.text(self.method, self.setting)

    @property
    def target(self) -> str:
        """The folder, relative to that of the study: "bbc-news-bilstm/IMP-FT-90"."""
        return f"{self.pair}/{self.name}"

    def folder(self, study_folder: Path) -> Path:
        return study_folder / self.target


def root() -> Path:
    """The project's folder: the clone around the working directory, so that notebooks/ finds it too, or that itself."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if _is_clone(folder)), here)


def shipped() -> Path:
    """The folder of notebooks/, params/ and workflow/: a clone, or in an installed wheel the package's project/.

    Raises PielabError in a clone whose code differs from the running one, because it would run that clone's notebooks.
    """
    folder = root()
    if not _is_clone(folder):
        return PACKAGE.parent if _is_clone(PACKAGE.parent) else PACKAGE / "project"
    if not _same_code(folder / "pielab", PACKAGE):
        raise PielabError(
            "clone-of-other-code",
            f"{folder} is a clone of pielab whose code differs from the pielab that runs, {PACKAGE}",
            "run the clone's own by make and then .venv/bin/pielab, or go to a folder outside the clone",
        )
    # Snakemake would take an absolute path for another input, and run finished notebooks again.
    return Path() if folder == Path.cwd() else folder


def _is_clone(folder: Path) -> bool:
    # Other projects have a workflow/Snakefile, and their own notebooks/, too.
    return all((folder / name).exists() for name in ("workflow/Snakefile", "pielab/__init__.py"))


@functools.cache
def _same_code(first: Path, second: Path) -> bool:
    def code(package: Path) -> dict[Path, bytes]:
        return {path.relative_to(package): path.read_bytes() for path in package.rglob("*.py")}

    return first.samefile(second) or code(first) == code(second)


def study(results: str, name: str) -> Path:
    """The folder of a study; a relative `results` starts from the project's folder."""
    return root() / Path(results).expanduser() / name


def find(name: str, *folders: str | None) -> Path | None:
    """A file or folder by its path: from the working directory, from `folders`, or from the project's folder."""
    parents = [Path(), *(Path(folder).expanduser() for folder in folders if folder), root()]
    return next((path for parent in parents if (path := parent / Path(name).expanduser()).exists()), None)


def find_params(name: str) -> Path | None:
    """A file such as params/studies/demo.yaml: as `find` finds it, or the one that came with pielab."""
    return find(name, str(shipped()))


def require_folder(folder: Path) -> None:
    """Raises PielabError if nothing can be written into a folder, which may not be there yet."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise PielabError(
            "file-in-place-of-folder",
            f"{folder} is no folder, because {nearest} is a file",
            "give another place, or move that file",
        )
    if not os.access(nearest, os.W_OK):
        raise PielabError(
            "folder-not-writable", f"you may not write into {nearest}", "give another place, or make it writable"
        )


def slug(name: str) -> str:
    """A data set or model as part of a folder name: data/reviews.csv gives "reviews", the Hub id a/b "a--b"."""
    path = Path(name)
    if path.suffix in DATA_SUFFIXES:
        name = path.stem
    elif name.startswith(("/", "~", ".")):
        name = path.name
    return re.sub(r"[^\w.-]+", "--", name).strip("-")


def seed(folder: Path | str, seed: int) -> Path:
    """The folder of one trained seed: <configuration>/seeds/07."""
    return Path(folder) / "seeds" / f"{seed:02d}"


def phase(folder: Path | str, seed: int) -> Path:
    """The checkpoint of a seed's last finished pruning iteration: <configuration>/seeds/.phase-07.safetensors."""
    return Path(folder) / "seeds" / f".phase-{seed:02d}.safetensors"


def study_file(study_folder: Path) -> Path:
    """The study as last run: the content of its params/studies/ file, and of the params files that it names."""
    return study_folder / "study.yaml"


def finished(study_folder: Path) -> Path:
    """Exists if and only if report/index.html is the report, and not the progress page of an unfinished study."""
    return study_folder / "report" / ".finished"


def log(study_folder: Path, notebook: Path) -> Path:
    """The path of a notebook while it runs, and afterwards if it failed; `notebook` is its final path."""
    return study_folder / "logs" / notebook.relative_to(study_folder)


def fault(study_folder: Path, notebook: Path) -> Path:
    """The error message of the notebook's last run if that failed; empty or missing otherwise."""
    return log(study_folder, notebook).with_suffix(".txt")


def run_record(study_folder: Path, notebook: Path) -> Path:
    """The record of a notebook's last run: touched every 20 s while it runs, deleted if it ends well."""
    return log(study_folder, notebook).with_suffix(".json")
