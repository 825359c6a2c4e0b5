"""Import predictions made elsewhere, by models of any kind, to where the notebooks from 03_pies on read them."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.config.parameters import PairParameters, PrunedParameters
from pielab.config.validation import validate
from pielab.data import datasets, imported_numbers, imported_tags, imported_texts, tasks
from pielab.errors import PielabError
from pielab.store import files, paths, predictions, records
from pielab.store.predictions import File

# What strings become, by the task; of other tasks predictions are numbers.
_OF_STRINGS = {
    tasks.TOKENS.name: imported_tags.files,
    tasks.SPANS.name: imported_texts.spans,
    tasks.GENERATION.name: imported_texts.generated,
}


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
    validation: Sequence | None = None,
    **more: Any,
) -> pd.DataFrame:
    """Write the logits, or the answers, of several models into a study; returns the test score of each seed.

    The score is the accuracy, macro-F1 for multi-label data, entity F1 for tagged words, exact match for questions,
    chrF for generated texts, or the main metric of a GLUE task.

    test: (seeds, examples, classes), for the texts of `datasets.load(dataset)["test"]` in their order.
        If texts have one label, log-probabilities will do; probabilities p of several labels become logits by
        np.log(p / (1 - p)). If logits are not known, the answers: class ids, integers (seeds, examples), or if texts
        have several labels bool (seeds, examples, classes). Logits that are two numbers alone, such as
        np.eye(n_classes)[ids], are stored as the answers that they are: probabilities of them would be made up.
        Of tagged words, tags: for each model a list for each sentence, with a tag for each word, a string such as
        "B-person"; stored as answers.
        Of questions, and of texts to generate, strings: for each model one for each example. An answer to a question is
        a part of its context, or "" for none (`imported_texts.spans`).
    pruner, threshold: the name of the compression, such as "quantised", and the share of the model that it removed, in
        percent above 0 and below 100; 0 for models that were trained like compressed ones, with nothing compressed, to
        be named as `control` in 03_pies. Unpruned models have neither.
    seeds: in the notebooks' form, ascending; 0, 1, 2 ... if not given. A pruned model has the seed of its unpruned
        model.
    classes: the names of the logits' columns, or of the ids 0, 1 ..., if they are not in the order of
        `datasets.class_names`.
    decision_thresholds: for multi-label models, the probability above which a class is predicted: one number, or one
        for each seed. If not given, those of the best macro-F1 on `train`. Answers given as bool need none.
        For unpruned models that generate texts, how near people's texts (`generation.nearness`) a text is right; if not
        given, the median of all models' texts for `validation`, or for `test` without these. Compressed models have
        none, because their texts are judged like those of the unpruned ones.
    train, early: like `test`, for the training texts, which 04_el2n needs: at the end of training, and (unpruned
        models only, as logits) after the first epoch past 30 % of it.
    validation: generated texts for the validation split, for the threshold alone.
    more: results, limit, and the other parameters by which the notebooks find the texts.

    Raises PielabError, and writes nothing, if something does not fit or the folders hold other predictions.
    """
    given = {"study": study, "dataset": dataset, "model": model, "pruner": pruner, "threshold": threshold}
    every = {"test": test, "train": train, "early": early, "validation": validation}
    arrays = {split: each for split, each in every.items() if each is not None}
    are_strings = imported_tags.are_strings(test)
    values: dict[str, Any] = (
        arrays if are_strings else {split: imported_numbers.array(each, split) for split, each in arrays.items()}
    )
    p, configuration = _parameters(given | more, seeds, len(values["test"]))
    data = datasets.load(**p.data)
    imported_tags.check_kind(are_strings, data, p.dataset)
    task = datasets.task_of(p.dataset, data)
    if validation is not None and task.name != tasks.GENERATION.name:
        raise PielabError(
            "validation-of-no-texts",
            f"validation was given, and {p.dataset} has no texts to generate, whose threshold it is for",
            "omit it",
        )
    found = _OF_STRINGS.get(task.name, imported_numbers.files)(values, p, data, classes, decision_thresholds)
    if any(file.logits is None for file in found.get("early", ())):
        raise PielabError(
            "early-answers-given",
            "the early predictions are answers without logits",
            "give their logits, because EL2N is the error of the probabilities, or leave early out",
        )
    targets = datasets.targets(data["test"])
    targets = replace(targets, names=tags) if (tags := found["test"][0].tags) else targets
    scores = [task.score(file.classes, targets) for file in found["test"]]
    common = configuration.record | {"data": datasets.digest(data), "metric": task.metric}
    folder, contents = configuration.folder(p.study_folder), {}
    for index, seed in enumerate(p.seeds):
        of_seed = {split: runs[index] for split, runs in found.items()}
        record = common | {"seed": seed, "decision_threshold": of_seed["test"].decision_threshold}
        record |= {"test": scores[index]} | _of_texts(task, of_seed["test"], targets)
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


def _of_texts(task: tasks.Task, file: File, targets: Any) -> dict[str, Any]:
    """What a record has besides of answers that are texts: the task, and the values of its further metrics."""
    if isinstance(file.classes, np.ndarray):
        return {}
    further = {name: {"test": task.score(file.classes, targets, name)} for name in list(task.metrics)[1:]}
    return {"task": task.name} | ({"further": further} if further else {})


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
        # Of answers that are texts, all else follows from these and from what the record has.
        answers = (getattr(each.classes, "texts", each.classes) for each in (file, other))
        return same and np.array_equal(*answers)
    return np.array_equal(file.logits, other.logits)
