"""Logits of models elsewhere, and class ids or sets of classes, as the files in which a study keeps them."""

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from pielab.config.parameters import PairParameters
from pielab.data import datasets, tasks
from pielab.data.logit_checks import check_logits, two_numbers
from pielab.errors import PielabError
from pielab.store.prediction_arrays import File

if TYPE_CHECKING:
    from datasets import DatasetDict


def array(values: np.ndarray | Sequence[np.ndarray], split: str) -> np.ndarray:
    """Logits (seeds, examples, classes) float32, or answers: integers (seeds, examples), or bool as logits."""
    try:
        logits = np.asarray(values)
        is_ids = logits.ndim == 2 and logits.dtype.kind in "iu"
        if not is_ids and logits.dtype != bool:
            with np.errstate(over="ignore"):  # _in_order refuses infinite logits and names the example
                logits = logits.astype(np.float32)
    except (TypeError, ValueError):
        raise PielabError(
            "logits-not-numbers",
            f"the {split} logits are not numbers of one shape",
            "give an array (seeds, examples, classes)",
        ) from None
    if not (is_ids or logits.ndim == 3) or not logits.size:
        raise PielabError(
            "logits-of-wrong-shape",
            f"the {split} logits have the shape {logits.shape}",
            "give (seeds, examples, classes), or class ids as integers (seeds, examples)",
        )
    return logits


def files(
    values: dict[str, np.ndarray],
    p: PairParameters,
    data: "DatasetDict",
    classes: Sequence[str] | None,
    decision_thresholds: float | Sequence[float] | None,
) -> dict[str, list[File]]:
    """Logits or answers to texts as the files of all seeds, by split; their metadata are what depends on the values."""
    logits = {split: _hot(each, split, p, data, classes) for split, each in values.items()}
    logits = {split: _in_order(each, split, p, data, classes) for split, each in logits.items()}
    task = tasks.of_split(data["test"])
    multi_label = task is tasks.MULTI_LABEL
    as_logits = {split: each for split, each in logits.items() if each.dtype != bool}
    check_logits(as_logits, multi_label)
    decisions = _decision_thresholds(decision_thresholds, as_logits, p, data)
    thresholds = [None] * len(p.seeds) if decisions is None else decisions.tolist()
    found = {}
    for split, each in logits.items():
        # A class that is said and one that is not are on the two sides of any threshold.
        said, above = (each, decisions) if split in as_logits else (np.where(each, 9, -9), 0.5)
        known = split in as_logits and not two_numbers(each, multi_label)
        values_of = zip(each, repeat(None)) if known else zip(repeat(None), task.answers(said, above))
        about = {} if known else {"n_classes": each.shape[2]}
        found[split] = [
            File({"decision_threshold": threshold} | about, *own)
            for threshold, own in zip(thresholds, values_of, strict=True)
        ]
    return found


def _hot(
    values: np.ndarray, split: str, p: PairParameters, data: "DatasetDict", classes: Sequence[str] | None
) -> np.ndarray:
    """Logits as they are, and answers as bool (seeds, examples, classes): whether a class is the answer."""
    is_ids, multi_label = values.ndim == 2, tasks.of_split(data["test"]) is tasks.MULTI_LABEL
    if is_ids and multi_label:
        raise PielabError(
            "class-ids-of-several-labels",
            f"the {split} answers are one class id a text, and the texts of {p.dataset} have several labels",
            "give bool (seeds, examples, classes)",
        )
    if is_ids:
        number = len(datasets.class_names(data) if classes is None else classes)
        if values.min() < 0 or values.max() >= number:
            raise PielabError(
                "class-ids-of-other-classes",
                f"the {split} answers are class ids from {values.min()} to {values.max()}, and there are {number} "
                "classes",
                f"give ids from 0 to {number - 1}, in the order of pielab.datasets.class_names",
            )
        return values[..., None] == np.arange(number)
    if values.dtype == bool and not multi_label and (values.sum(axis=2) != 1).any():
        raise PielabError(
            "answers-of-several-classes",
            f"the {split} answers name none or several classes, and the texts of {p.dataset} have one label",
            "give one class a text, as class ids (seeds, examples)",
        )
    return values


def _in_order(
    logits: np.ndarray, split: str, p: PairParameters, data: "DatasetDict", classes: Sequence[str] | None
) -> np.ndarray:
    """The logits with their columns in the order of the data's classes."""
    texts, names = data["train" if split == "early" else split], datasets.class_names(data)
    if len(logits) != len(p.seeds):
        raise PielabError(
            "logits-and-seeds-differ",
            f"the {split} logits are of {len(logits)} models, the seeds are {len(p.seeds)}",
            "give as many",
        )
    if logits.shape[1] != len(texts):
        raise PielabError(
            "logits-of-other-texts",
            f"the {split} logits are of {logits.shape[1]} texts, {p.dataset} has {len(texts)}",
            "give those of pielab.datasets.load in their order (it splits a single file at random, but not a folder's "
            "test.csv)",
        )
    columns = names if classes is None else [str(name) for name in classes]
    if sorted(columns) != sorted(names) or logits.shape[2] != len(names):
        named = "" if classes is None else f", named {', '.join(columns)}"
        raise PielabError(
            "logits-of-other-classes",
            f"the {split} logits have {logits.shape[2]} columns{named}, the classes of {p.dataset} are "
            f"{', '.join(names)}",
            "give a column for each, and a train file with every class if the test texts lack one",
        )
    bad = np.argwhere(~np.isfinite(logits))
    if len(bad):
        raise PielabError(
            "added-logits-not-finite",
            f"the {split} logits of seed {p.seeds[bad[0][0]]} are not finite numbers at example {bad[0][1]}, counted "
            f"from 0",
            "if they are logarithms of 0, give -100 there; if they are NaN, the model has diverged",
        )
    return logits[:, :, [columns.index(name) for name in names]]


def _decision_thresholds(
    given: float | Sequence[float] | None, logits: dict[str, np.ndarray], p: PairParameters, data: "DatasetDict"
) -> np.ndarray | None:
    """The thresholds of multi-label models, (seeds,) float32; None for single-label data."""
    if given is not None and not logits:
        raise PielabError(
            "decision-thresholds-of-answers",
            f"decision_thresholds = {given!r} was given, and the predictions are answers",
            "omit it, because it turns logits into answers",
        )
    best = tasks.of_split(data["test"]).decision_threshold if logits else None
    if not best:
        if given is not None:
            raise PielabError(
                "decision-thresholds-of-single-label",
                f"decision_thresholds are for multi-label data, {p.dataset} has one label a text",
                "omit them",
            )
        return None
    if given is None and "train" not in logits:
        raise PielabError(
            "decision-thresholds-missing",
            f"{p.dataset} is multi-label",
            "give decision_thresholds, the probability above which a class is predicted, such as 0.5, or the train "
            "logits to find the best on",
        )
    if given is None:
        targets = datasets.targets(data["train"])
        given = [best(values, targets) or 0.0 for values in logits["train"]]
    thresholds = np.array(given, dtype=np.float32)
    if thresholds.shape not in {(), (len(p.seeds),)} or not ((thresholds >= 0) & (thresholds < 1)).all():
        raise PielabError(
            "decision-thresholds-not-accepted",
            f"decision_thresholds = {given!r} is not accepted",
            f"give a probability from 0 to below 1, or {len(p.seeds)} of them, one for each seed",
        )
    return np.broadcast_to(thresholds, len(p.seeds))
