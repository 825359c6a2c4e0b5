"""Import predictions made elsewhere, by models of any kind, to where the notebooks from 03_pies on read them."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pielab.config.parameters import PairParameters, PrunedParameters
from pielab.config.validation import validate
from pielab.data import datasets, tasks
from pielab.data.logit_checks import check_logits
from pielab.errors import PielabError
from pielab.store import files, paths, predictions, records

if TYPE_CHECKING:
    from datasets import DatasetDict


def add(
    test: np.ndarray | Sequence[np.ndarray],
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
    """Write the logits of several models into a study; returns the test score of each seed.

    The score is the accuracy, macro-F1 for multi-label data, or the main metric of a GLUE task.

    test: (seeds, examples, classes), for the texts of `datasets.load(dataset)["test"]` in their order.
        If texts have one label, log-probabilities will do, and np.eye(n_classes)[ids] turns class ids (seeds, examples)
        into logits. Probabilities p of several labels become logits by np.log(p / (1 - p)).
    pruner, threshold: the name of the compression, such as "quantised", and the share of the model that it removed, in
        percent above 0 and below 100; 0 for models that were trained like compressed ones, with nothing compressed, to
        be named as `control` in 03_pies. Unpruned models have neither.
    seeds: in the notebooks' form, ascending; 0, 1, 2 ... if not given. A pruned model has the seed of its unpruned
        model.
    classes: the names of the logits' columns, if they are not in the order of `datasets.class_names`.
    decision_thresholds: for multi-label models, the probability above which a class is predicted: one number, or one
        for each seed. If not given, those of the best macro-F1 on `train`.
    train, early: like `test`, for the training texts, which 04_el2n needs: at the end of training, and (unpruned
        models only) after the first epoch past 30 % of it.
    more: results, limit, and the other parameters by which the notebooks find the texts.

    Raises PielabError, and writes nothing, if something does not fit or the folders hold other predictions.
    """
    given = {"study": study, "dataset": dataset, "model": model, "pruner": pruner, "threshold": threshold}
    arrays = {"test": test, "train": train, "early": early}
    logits = {split: _array(values, split) for split, values in arrays.items() if values is not None}
    p, configuration = _parameters(given | more, seeds, len(logits["test"]))
    data = datasets.load(**p.data)
    logits = {split: _in_order(values, split, p, data, classes) for split, values in logits.items()}
    check_logits(logits, multi_label=tasks.of_split(data["test"]) is tasks.MULTI_LABEL)
    task, targets = datasets.task_of(p.dataset, data), datasets.targets(data["test"])
    decisions = _decision_thresholds(decision_thresholds, logits, p, data)
    scores = [task.score(predicted, targets) for predicted in task.answers(logits["test"], decisions)]
    common = configuration.record | {"data": datasets.digest(data), "metric": task.metric}
    folder, contents = configuration.folder(p.study_folder), {}
    for index, seed in enumerate(p.seeds):
        decision = None if decisions is None else float(decisions[index])
        record = common | {"seed": seed, "decision_threshold": decision, "test": scores[index]}
        contents[paths.seed(folder, seed)] = record, {split: values[index] for split, values in logits.items()}
    # All folders are checked before the first is written.
    for target in [target for target, content in contents.items() if not _is_written(target, *content)]:
        record, splits = contents[target]
        with files.atomic_folder(target) as partial:
            for split, values in splits.items():
                predictions.write(partial / f"{split}.parquet", values, record | {"split": split})
            (partial / "metrics.json").write_text(json.dumps(record, indent=1))
    return pd.DataFrame({"seed": p.seeds, task.metric: scores})


def _array(values: np.ndarray | Sequence[np.ndarray], split: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # _in_order refuses infinite logits and names the example
            logits = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise PielabError(
            "logits-not-numbers",
            f"the {split} logits are not numbers of one shape",
            "give an array (seeds, examples, classes)",
        ) from None
    if logits.ndim != 3 or not logits.size:
        raise PielabError(
            "logits-of-wrong-shape",
            f"the {split} logits have the shape {logits.shape}",
            "give (seeds, examples, classes); class ids (seeds, examples) become that by np.eye(n_classes)[ids]",
        )
    return logits


def _parameters(
    given: dict[str, Any], seeds: str | Sequence[int] | None, models: int
) -> tuple[PairParameters, paths.Configuration]:
    """The parameters, checked like those of a notebook, and the configuration."""
    seeds = range(models) if seeds is None else seeds
    given["seeds"] = seeds if isinstance(seeds, (str, int)) else list(seeds)
    numbers = [int(number) for number in re.findall(r"\d+", str(given["seeds"]))]
    if numbers != sorted(numbers):
        raise PielabError(
            "seeds-not-ascending", f"seeds = {seeds!r} do not ascend", "sort the logits and the seeds by the seed"
        )
    if given["pruner"] == "unpruned":
        if given["threshold"] is not None:
            raise PielabError(
                "threshold-without-pruner",
                f"threshold = {given['threshold']!r} is for pruned models",
                "name their pruner as well",
            )
        del given["pruner"], given["threshold"]
        p = validate(PairParameters, given, "importing.add")
        return p, p.unpruned
    p = validate(PrunedParameters, given, "importing.add")
    missing = [str(seed) for seed in p.seeds if not paths.seed(p.dense_folder, seed).exists()]
    if missing and p.dense_folder.exists():
        raise PielabError(
            "unpruned-seeds-not-added",
            f"{p.dense_folder} has no unpruned model of seed {', '.join(missing)}",
            "PIEs need the same seeds on both sides, so add the unpruned models of these first, or leave these pruned "
            "ones out",
        )
    return p, p.configuration


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
    best = tasks.of_split(data["test"]).decision_threshold
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
        given = [best(values, targets) for values in logits["train"]]
    thresholds = np.array(given, dtype=np.float32)
    if thresholds.shape not in {(), (len(p.seeds),)} or not ((thresholds >= 0) & (thresholds < 1)).all():
        raise PielabError(
            "decision-thresholds-not-accepted",
            f"decision_thresholds = {given!r} is not accepted",
            f"give a probability from 0 to below 1, or {len(p.seeds)} of them, one for each seed",
        )
    return np.broadcast_to(thresholds, len(p.seeds))


def _is_written(target: Path, record: dict[str, Any], logits: dict[str, np.ndarray]) -> bool:
    """True if the folder holds exactly these predictions. Raises PielabError if it holds others."""
    if not target.exists():
        return False
    same = records.read(target) == record and {path.stem for path in target.glob("*.parquet")} == set(logits)
    if not same or not all(
        np.array_equal(predictions.read(target / f"{split}.parquet")[0], values) for split, values in logits.items()
    ):
        raise PielabError(
            "other-predictions-in-place",
            f"{target} holds other predictions",
            f"delete {target.parents[1]}, or give another study name",
        )
    return True
