"""Import predictions made elsewhere, by models of any kind, to where the notebooks from 03_pies on read them."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pielab.config.parameters import PairParameters, PrunedParameters
from pielab.config.validation import validate
from pielab.data import datasets, imported_tags, tasks
from pielab.data.logit_checks import check_logits, two_numbers
from pielab.errors import PielabError
from pielab.store import files, paths, predictions, records
from pielab.store.predictions import File

if TYPE_CHECKING:
    from datasets import DatasetDict


def add(
    test: np.ndarray | Sequence,
    *,
    study: str,
    dataset: str,
    model: str,
    pruner: str = "unpruned",
    threshold: float | None = None,
    seeds: str | Sequence[int] | None = None,
    classes: Sequence[str] | None = None,
    decision_thresholds: float | Sequence[float] | None = None,
    train: np.ndarray | Sequence | None = None,
    early: np.ndarray | None = None,
    **more: Any,
) -> pd.DataFrame:
    """Write the logits, or the answers, of several models into a study; returns the test score of each seed.

    The score is the accuracy, macro-F1 for multi-label data, entity F1 for tagged words, or the main metric of a GLUE
    task.

    test: (seeds, examples, classes), for the texts of `datasets.load(dataset)["test"]` in their order.
        If texts have one label, log-probabilities will do; probabilities p of several labels become logits by
        np.log(p / (1 - p)). If logits are not known, the answers: class ids, integers (seeds, examples), or if texts
        have several labels bool (seeds, examples, classes). Logits that are two numbers alone, such as
        np.eye(n_classes)[ids], are stored as the answers that they are: probabilities of them would be made up.
        Of tagged words, tags: for each model a list for each sentence, with a tag for each word, a string such as
        "B-person"; stored as answers.
    pruner, threshold: the name of the compression, such as "quantised", and the share of the model that it removed, in
        percent above 0 and below 100; 0 for models that were trained like compressed ones, with nothing compressed, to
        be named as `control` in 03_pies. Unpruned models have neither.
    seeds: in the notebooks' form, ascending; 0, 1, 2 ... if not given. A pruned model has the seed of its unpruned
        model.
    classes: the names of the logits' columns, or of the ids 0, 1 ..., if they are not in the order of
        `datasets.class_names`.
    decision_thresholds: for multi-label models, the probability above which a class is predicted: one number, or one
        for each seed. If not given, those of the best macro-F1 on `train`. Answers given as bool need none.
    train, early: like `test`, for the training texts, which 04_el2n needs: at the end of training, and (unpruned
        models only, as logits) after the first epoch past 30 % of it.
    more: results, limit, and the other parameters by which the notebooks find the texts.

    Raises PielabError, and writes nothing, if something does not fit or the folders hold other predictions.
    """
    given = {"study": study, "dataset": dataset, "model": model, "pruner": pruner, "threshold": threshold}
    arrays = {"test": test, "train": train, "early": early}
    are_tags = imported_tags.are_strings(test)
    values: dict[str, Any] = {
        split: each if are_tags else _array(each, split) for split, each in arrays.items() if each is not None
    }
    p, configuration = _parameters(given | more, seeds, len(values["test"]))
    data = datasets.load(**p.data)
    imported_tags.check_kind(are_tags, data, p.dataset)
    found = (imported_tags.files if are_tags else _files)(values, p, data, classes, decision_thresholds)
    if any(file.logits is None for file in found.get("early", ())):
        raise PielabError(
            "early-answers-given",
            "the early predictions are answers without logits",
            "give their logits, because EL2N is the error of the probabilities, or leave early out",
        )
    task, targets = datasets.task_of(p.dataset, data), datasets.targets(data["test"])
    targets = replace(targets, names=found["test"][0].tags) if are_tags else targets
    scores = [task.score(file.classes, targets) for file in found["test"]]
    common = configuration.record | {"data": datasets.digest(data), "metric": task.metric}
    folder, contents = configuration.folder(p.study_folder), {}
    for index, seed in enumerate(p.seeds):
        of_seed = {split: runs[index] for split, runs in found.items()}
        record = common | {"seed": seed, "decision_threshold": of_seed["test"].decision_threshold}
        record |= {"test": scores[index]}
        splits = {
            split: replace(file, metadata=record | {"split": split} | file.metadata) for split, file in of_seed.items()
        }
        contents[paths.seed(folder, seed)] = record, splits
    # All folders are checked before the first is written.
    for target in [target for target, content in contents.items() if not _is_written(target, *content)]:
        record, splits = contents[target]
        with files.atomic_folder(target) as partial:
            for split, file in splits.items():
                predictions.write_file(partial / f"{split}.parquet", file)
            (partial / "metrics.json").write_text(json.dumps(record, indent=1))
    return pd.DataFrame({"seed": p.seeds, task.metric: scores})


def _files(
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


def _array(values: np.ndarray | Sequence[np.ndarray], split: str) -> np.ndarray:
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


def _is_written(target: Path, record: dict[str, Any], splits: dict[str, File]) -> bool:
    """True if the folder holds exactly these predictions. Raises PielabError if it holds others."""
    if not target.exists():
        return False
    same = records.read(target) == record and {path.stem for path in target.glob("*.parquet")} == set(splits)
    if not same or not all(
        _is_same(predictions.read_file(target / f"{split}.parquet"), file) for split, file in splits.items()
    ):
        raise PielabError(
            "other-predictions-in-place",
            f"{target} holds other predictions",
            f"delete {target.parents[1]}, or give another study name",
        )
    return True


def _is_same(file: File, other: File) -> bool:
    if file.logits is None or other.logits is None:
        same = file.logits is other.logits and file.tags == other.tags
        return same and np.array_equal(file.classes, other.classes)
    return np.array_equal(file.logits, other.logits)
