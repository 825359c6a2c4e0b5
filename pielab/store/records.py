"""The record of a trained seed, metrics.json in its folder, and the check that it was made by the same recipe."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import safetensors

from pielab.errors import PielabError, transient_error
from pielab.store import digests, paths


def read(folder: Path) -> dict[str, Any]:
    """The record of a seed: its metrics, losses, parameters, versions and device.

    Raises PielabError if the file is missing or damaged.
    """
    with checked_read(folder / "metrics.json", retraining_cure(folder)) as path:
        record = json.loads(path.read_text())
        if not isinstance(record, dict):
            raise ValueError("it is no JSON object")
        require_place(record, path)
        return record


@contextlib.contextmanager
def checked_read(path: Path, cure: str, digest: bool = True) -> Iterator[Path]:
    """Raises PielabError with the cure if `path` turns out to be missing or damaged.

    digest: whether to compare the file with its digest first, if it has one.

    An error that says nothing about the file, such as too little memory or an I/O error of the disk, passes unchanged.
    """
    try:
        if digest:
            digests.check(path)
        yield path
    except (FileNotFoundError, NotADirectoryError):
        raise PielabError("file-missing", f"{path} is missing", cure) from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        refused = getattr(error, "errno", None) is not None
        of_machine = refused or transient_error(type(error).__name__, str(error), path.parent)
        if isinstance(error, PielabError) or of_machine:
            raise
        raise PielabError("file-damaged", f"{path} is damaged ({' '.join(str(error).split())})", cure) from None


def require_place(stored: Mapping[str, Any], path: Path) -> None:
    """Raises PielabError if `stored`, a record or the metadata of predictions, is of another seed or split than `path`.

    path: the file. What is not in a seed's folder, or names no seed or split, is accepted.
    """
    folder = path.parent
    if folder.parent.name == "seeds" and folder.name.isdecimal():
        place = {"seed": int(folder.name), "split": path.stem}
        of = {name: stored.get(name, value) for name, value in place.items()}
        if of != place:
            named = " and ".join(f"{name} {value!r}" for name, value in of.items() if value != place[name])
            cure = retraining_cure(folder)
            raise PielabError("file-misplaced", f"{path} is of {named}", cure)


def retraining_cure(folder: Path) -> str:
    """The cure for a missing or damaged file of a seed's folder, for `checked_read`."""
    if folder.parent.name != "seeds":
        return "make it anew"
    configuration = folder.parents[1]
    notebook = configuration / ("01_train.ipynb" if configuration.name == paths.DENSE else "02_prune.ipynb")
    return f"delete {folder}, and {notebook} if it is there, and give the same command again to train that seed anew"


def finished(
    folder: Path, recipe: dict[str, Any], exported: bool = False, inputs: Mapping[str, str] = MappingProxyType({})
) -> bool:
    """Whether a seed has been trained by this recipe.

    exported: the folder must hold the model's weights as well. inputs: as of `require_same_inputs`.

    Raises PielabError if the folder is of another recipe or of other inputs, or lacks the weights or predictions.
    """
    if not folder.exists():
        return False
    record = read(folder)
    stored = record.get("parameters")
    if stored is None:
        raise PielabError(
            "predictions-made-elsewhere",
            f"{folder} holds predictions that were made elsewhere",
            "give another study name, or delete it",
        )
    require_same(stored, recipe, folder)
    require_same_inputs(record, inputs, folder)
    # A user may delete weights, but without its predictions a seed is none.
    for path in digests.missing(folder):
        if path.suffix == ".parquet":
            with checked_read(path, retraining_cure(folder)):
                path.stat()
    if exported and not ((folder / "model").exists() or (folder / "weights.safetensors").exists()):
        raise PielabError(
            "weights-not-saved",
            f"{folder} was made without save_weights, or restored from an archive, which keeps no weights",
            "delete that folder, or give another study name",
        )
    return True


def require_same(there: dict[str, Any], recipe: dict[str, Any], folder: Path) -> None:
    """Raises PielabError with the differences if `there`, the recipe of a folder or file, is not `recipe`."""
    different = [name for name in {**there, **recipe} if there.get(name) != recipe.get(name)]
    if different:
        changes = ", ".join(f"{name} = {there.get(name)!r} and not {recipe.get(name)!r}" for name in different)
        raise PielabError(
            "made-with-other-parameters",
            f"{folder} was made with {changes}",
            f"give another study name, or delete {_outdated(folder)}",
        )


def require_same_inputs(there: Mapping[str, Any], inputs: Mapping[str, str], folder: Path) -> None:
    """Raises PielabError if the inputs of a folder or file had other contents, though the same names.

    there: its record, in which earlier versions left out "inputs". inputs: hashes as of `Experiment.inputs`.
    """
    stored = there.get("inputs", {})
    different = [name.replace("_", " ") for name in inputs if stored.get(name, inputs[name]) != inputs[name]]
    if different:
        commit = there.get("model_revision")
        back = f"bring those back{f' by model_revision = {commit!r}' if commit else ''}"
        raise PielabError(
            "made-with-other-inputs",
            f"{folder} was made with other {' and '.join(different)} than the same parameters give here now",
            f"{back}, or give another study name, or delete {_outdated(folder)}",
        )


def _outdated(folder: Path) -> Path:
    # All seeds of a configuration have its recipe, so all must go.
    return folder.parents[1] if re.fullmatch(r"\d+", folder.name) else folder


def of_predictions(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the metadata of a seed's predictions have of its record; "split" is left to be added."""
    recipe = record.get("parameters", {})
    known = {name: recipe[name] for name in ("data",) if name in recipe} | dict(record)
    names = [*paths.CONFIGURATION, "seed", "decision_threshold", "data", "device", "versions"]
    return {name: known[name] for name in names if name in known}


def metrics(folder: Path, seeds: tuple[int, ...]) -> pd.DataFrame:
    """One row a seed of a configuration: seed, train, validation, test, sparsity, seconds."""
    records = [read(paths.seed(folder, seed)) for seed in seeds]
    columns = ("seed", "train", "validation", "test", "sparsity", "seconds")
    return pd.DataFrame([{name: record[name] for name in columns} for record in records])


def losses(folder: Path, seeds: tuple[int, ...]) -> pd.DataFrame:
    """The mean training loss of every epoch: columns seed, epoch (from 1, through all phases), loss."""
    rows = []
    for seed in seeds:
        epochs = [loss for phase in read(paths.seed(folder, seed))["losses"] for loss in phase]
        rows += [{"seed": seed, "epoch": epoch, "loss": loss} for epoch, loss in enumerate(epochs, start=1)]
    return pd.DataFrame(rows)


def pruned_counts(folder: Path, seed: int) -> pd.DataFrame:
    """The pruned weights of each matrix of a seed: columns matrix, weights, pruned, share."""
    record = read(paths.seed(folder, seed))
    rows = [(name, size, pruned) for name, (pruned, size) in record.get("pruned", {}).items()]
    frame = pd.DataFrame(rows, columns=["matrix", "weights", "pruned"])
    return frame.assign(share=frame["pruned"] / frame["weights"])


def digest(recipe: Mapping[str, Any]) -> str:
    """A short hash of a recipe, the same on every machine: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def digest_arrays(*arrays: np.ndarray) -> str:
    """A short hash of arrays' values, one after the other: 16 hexadecimal digits of their SHA-256."""
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()[:16]
