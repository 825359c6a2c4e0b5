"""Predictions made elsewhere, by models of any kind, put where the notebooks from 03_pies on read them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import DatasetDict

from pielab.config.parameters import PairParameters, PrunedParameters
from pielab.config.validation import validate
from pielab.data import datasets, tasks
from pielab.errors import PielabError
from pielab.store import files, paths, predictions, records
from pielab.store.predictions import Predictions

# What a notebook's parameters are if `add` is not given them.
DEFAULTS = {
    "results": "results",
    "limit": None,
    "data_dir": None,
    "text": "text",
    "text_pair": None,
    "label": "label",
    "label_separator": None,
}


def add(
    test: np.ndarray,
    *,
    study: str,
    dataset: str,
    model: str,
    pruner: str = "unpruned",
    threshold: float | None = None,
    seeds: str | Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    decision_thresholds: float | Sequence[float] | None = None,
    train: np.ndarray | None = None,
    early: np.ndarray | None = None,
    **more: Any,
) -> pd.DataFrame:
    """Keep the logits of a set of models as part of a study; gives what each seed reaches on the test set.

    That is the accuracy, the macro-F1 of multi-label data, or the metric of a task of GLUE.

    test: (seeds, examples, classes), for the texts of `datasets.load(dataset)["test"]` in their order.
        Log-probabilities are as good; np.eye(n_classes)[ids] makes logits of class ids (seeds, examples).
    pruner, threshold: a name for what was done to the models, such as "quantised", and how much of them it took away,
        in percent above 0 and below 100. Unpruned models have neither.
    seeds: as the notebooks take them, ascending; 0, 1, 2 ... if not given. A pruned model has the seed of the unpruned
        model that it was made from.
    classes: the names of the logits' columns, if they are not in the order of `datasets.class_names`.
    decision_thresholds: of multi-label models, the probability above which one says yes: one number, or one for each
        seed. If not given, those that give the best macro-F1 on `train`.
    train, early: as `test`, for the training texts, which 04_el2n needs: after the training, and (unpruned models
        only) after the first epoch that exceeds 30 % of them.
    more: results, limit, and the other parameters by which the notebooks find the texts.

    Raises PielabError, and writes nothing, if something does not fit or other predictions are there already.
    """
    given = {"study": study, "dataset": dataset, "model": model, "pruner": pruner, "threshold": threshold}
    sides = {"test": test, "train": train, "early": early}
    logits = {split: _array(values, split) for split, values in sides.items() if values is not None}
    p, folder = _parameters(DEFAULTS | given | more, seeds, len(logits["test"]))
    data = datasets.load(**p.data)
    logits = {split: _in_order(values, split, p, data, classes) for split, values in logits.items()}
    decisions = _decision_thresholds(decision_thresholds, logits, p, data)
    runs = Predictions(logits["test"], p.seeds, decisions)
    task, targets = tasks.task_of(p.dataset, datasets.class_names(data)), datasets.targets(data["test"])
    metric = tasks.metrics(task, targets)[0]
    scores = [tasks.score(metric, each, targets, task) for each in runs.classes]
    of_all = {
        "dataset": paths.slug(p.dataset),
        "model": paths.slug(p.model),
        "pruner": pruner,
        "threshold": float(threshold or 0),
        "data": datasets.digest(data),
        "metric": metric,
    }
    made = {}
    for place, seed in enumerate(p.seeds):
        decision = None if decisions is None else float(decisions[place])
        record = of_all | {"seed": seed, "decision_threshold": decision, "test": scores[place]}
        made[paths.seed(folder, seed)] = record, {split: values[place] for split, values in logits.items()}
    for target, each in [each for each in made.items() if not _there(each[0], *each[1])]:
        _write(target, *each)
    return pd.DataFrame({"seed": p.seeds, metric: scores})


def _array(values: np.ndarray, split: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused with its place
            logits = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise PielabError(
            f"the {split} logits are not numbers of one shape: give an array (seeds, examples, classes)."
        ) from None
    if logits.ndim != 3 or not logits.size:
        raise PielabError(
            f"the {split} logits have the shape {logits.shape}: give (seeds, examples, classes); class ids (seeds, "
            f"examples) become that by np.eye(n_classes)[ids]."
        )
    return logits


def _parameters(given: dict[str, Any], seeds: str | Sequence[int] | None, models: int) -> tuple[PairParameters, Path]:
    """The parameters, checked as a notebook's are, and the folder of the configuration."""
    seeds = range(models) if seeds is None else seeds
    given["seeds"] = seeds if isinstance(seeds, (str, int)) else list(seeds)
    numbers = [int(each) for each in re.findall(r"\d+", str(given["seeds"]))]
    if numbers != sorted(numbers):
        raise PielabError(f"seeds = {seeds!r} do not ascend: sort the logits and the seeds by the seed.")
    if given["pruner"] == "unpruned":
        if given["threshold"] is not None:
            raise PielabError(f"threshold = {given['threshold']!r} is for pruned models: name their pruner as well.")
        del given["pruner"], given["threshold"]
        p = validate(PairParameters, given, "bring.add")
        return p, p.dense_folder
    p = validate(PrunedParameters, given, "bring.add")
    missing = [str(seed) for seed in p.seeds if not paths.seed(p.dense_folder, seed).exists()]
    if missing and p.dense_folder.exists():
        raise PielabError(
            f"{p.dense_folder} has no unpruned model of seed {', '.join(missing)}: PIEs need the same seeds on both "
            f"sides, so add the unpruned models of these first, or leave these pruned ones out."
        )
    return p, p.folder


def _in_order(
    logits: np.ndarray, split: str, p: PairParameters, data: DatasetDict, classes: Sequence[str] | None
) -> np.ndarray:
    """The logits with their columns in the order of the data's classes. Raises PielabError if they are of others."""
    texts, names = data["train" if split == "early" else split], datasets.class_names(data)
    if len(logits) != len(p.seeds):
        raise PielabError(
            f"the {split} logits are of {len(logits)} models, the seeds are {len(p.seeds)}: give as many."
        )
    if logits.shape[1] != len(texts):
        raise PielabError(
            f"the {split} logits are of {logits.shape[1]} texts, {p.dataset} has {len(texts)}: give those of "
            f"pielab.datasets.load in their order (it splits a single file at random, but not a folder's test.csv)."
        )
    columns = names if classes is None else [str(each) for each in classes]
    if sorted(columns) != sorted(names) or logits.shape[2] != len(names):
        said = "" if classes is None else f", named {', '.join(columns)}"
        raise PielabError(
            f"the {split} logits have {logits.shape[2]} columns{said}, the classes of {p.dataset} are "
            f"{', '.join(names)}: give a column for each, and a train file with every class if the test texts lack one."
        )
    bad = np.argwhere(~np.isfinite(logits))
    if len(bad):
        raise PielabError(
            f"the {split} logits of seed {p.seeds[bad[0][0]]} are not finite numbers at example {bad[0][1]}, counted "
            f"from 0: if they are logarithms of 0, give -100 there; if they are NaN, the model has diverged."
        )
    return logits[:, :, [columns.index(name) for name in names]]


def _decision_thresholds(
    given: float | Sequence[float] | None, logits: dict[str, np.ndarray], p: PairParameters, data: DatasetDict
) -> np.ndarray | None:
    """(seeds,) float32 for multi-label data, None for others."""
    if not datasets.is_multi_label(data):
        if given is not None:
            raise PielabError(
                f"decision_thresholds are for multi-label data, {p.dataset} has one label a text: omit them."
            )
        return None
    if given is None and "train" not in logits:
        raise PielabError(
            f"{p.dataset} is multi-label: give decision_thresholds, the probability above which a model says yes, such "
            f"as 0.5, or the train logits to find the best on."
        )
    if given is None:
        targets = datasets.targets(data["train"])
        given = [tasks.best_decision_threshold(values, targets) for values in logits["train"]]
    thresholds = np.array(given, dtype=np.float32)
    if thresholds.shape not in {(), (len(p.seeds),)} or not ((thresholds >= 0) & (thresholds < 1)).all():
        raise PielabError(
            f"decision_thresholds = {given!r} is not accepted: give a probability from 0 to below 1, or {len(p.seeds)} "
            f"of them, one for each seed."
        )
    return np.broadcast_to(thresholds, len(p.seeds))


def _there(target: Path, record: dict[str, Any], logits: dict[str, np.ndarray]) -> bool:
    """Whether just these predictions are there. Raises PielabError if others are."""
    if not target.exists():
        return False
    same = records.read(target) == record
    same = same and {path.stem for path in target.glob("*.parquet")} == set(logits)
    if not same or not all(
        np.array_equal(predictions.read(target / f"{split}.parquet")[0], values) for split, values in logits.items()
    ):
        raise PielabError(f"{target} holds other predictions: delete {target.parents[1]}, or give another study name.")
    return True


def _write(target: Path, record: dict[str, Any], logits: dict[str, np.ndarray]) -> None:
    with files.atomic_folder(target) as partial:
        for split, values in logits.items():
            predictions.write(partial / f"{split}.parquet", values, record | {"split": split})
        (partial / "metrics.json").write_text(json.dumps(record, indent=1))
