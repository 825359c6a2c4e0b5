"""What the folder of a trained seed says about it."""

import contextlib
import errno
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import safetensors

from pielab.errors import PielabError, transient_sentence
from pielab.store import paths


def read(folder: Path) -> dict[str, Any]:
    """The record of a seed: its metrics, losses, parameters, versions and device.

    Raises PielabError if the file is missing or damaged.
    """
    with checked_read(folder / "metrics.json") as path:
        return json.loads(path.read_text())


@contextlib.contextmanager
def checked_read(path: Path, cure: str = "") -> Iterator[Path]:
    """Raises PielabError with the cure if `path` turns out to be missing or damaged.

    cure: what to do then; if not given, for a file of a seed's folder. What says nothing about the file, such as too
    little memory or a disk that answers with an error, passes as it is.
    """
    try:
        yield path
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        if isinstance(error, PielabError) or _of_the_machine(error, path.parent):
            raise
        what = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({' '.join(str(error).split())})"
        raise PielabError(f"{path} is {what}: {cure or _retrain(path)}") from None


def _of_the_machine(error: Exception, folder: Path) -> bool:
    """Whether the system could not read a file that may be good."""
    refused = getattr(error, "errno", None) not in (None, errno.ENOENT)
    return refused or transient_sentence(type(error).__name__, str(error), folder) is not None


def _retrain(path: Path) -> str:
    folder = path.parent
    if folder.parent.name != "seeds":
        return "make it anew."
    made_by = folder.parents[1] / ("01_train.ipynb" if folder.parents[1].name == "dense" else "02_prune.ipynb")
    return f"delete {folder}, and {made_by} if it is there, and give the same command again to train that seed anew."


def finished(folder: Path, recipe: dict[str, Any], exported: bool = False) -> bool:
    """Whether a seed's folder is there, made by the same recipe; by another one, PielabError says what differs.

    exported: it must hold the model's weights as well.
    """
    if not folder.exists():
        return False
    there = read(folder).get("parameters")
    if there is None:
        raise PielabError(
            f"{folder} holds predictions that were made elsewhere: give another study name, or delete it."
        )
    require_same(there, recipe, folder)
    if exported and not ((folder / "model").exists() or (folder / "weights.safetensors").exists()):
        raise PielabError(f"{folder} was made without save_weights: delete that folder, or give another study name.")
    return True


def require_same(there: dict[str, Any], recipe: dict[str, Any], folder: Path) -> None:
    """PielabError that says what differs, if a folder's recipe, `there`, is another one."""
    different = [name for name in {**there, **recipe} if there.get(name) != recipe.get(name)]
    if different:
        # The other seeds of its configuration were made alike.
        made_alike = folder.parents[1] if re.fullmatch(r"\d+", folder.name) else folder
        changes = ", ".join(f"{name} = {there.get(name)!r} and not {recipe.get(name)!r}" for name in different)
        raise PielabError(f"{folder} was made with {changes}: give another study name, or delete {made_alike}.")


def metrics(folder: Path, seeds: tuple[int, ...]) -> pd.DataFrame:
    """The metrics of a configuration's seeds, one row each: seed, train, validation, test, sparsity, seconds."""
    records = [read(paths.seed(folder, seed)) for seed in seeds]
    columns = ("seed", "train", "validation", "test", "sparsity", "seconds")
    return pd.DataFrame([{name: record[name] for name in columns} for record in records])


def losses(folder: Path, seeds: tuple[int, ...]) -> pd.DataFrame:
    """The mean training loss of every epoch: columns seed, epoch (through all phases), loss."""
    rows = []
    for seed in seeds:
        record = read(paths.seed(folder, seed))
        whole = [loss for phase in record["losses"] for loss in phase]
        rows += [{"seed": seed, "epoch": epoch, "loss": loss} for epoch, loss in enumerate(whole, start=1)]
    return pd.DataFrame(rows)


def pruned_counts(folder: Path, seed: int) -> pd.DataFrame:
    """How many weights of each matrix a seed lost: columns matrix, weights, pruned, share."""
    record = read(paths.seed(folder, seed))
    frame = pd.DataFrame([(name, size, lost) for name, (lost, size) in record["pruned"].items()])
    frame.columns = ["matrix", "weights", "pruned"]
    return frame.assign(share=frame["pruned"] / frame["weights"])


def digest(recipe: Mapping[str, Any]) -> str:
    """A short hash of parameters that is the same on every machine."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
