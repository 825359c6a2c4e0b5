"""What changes in a model that is compressed: its answers, its probabilities and its calibration.

The model of a seed before and the model of the same seed after. Beside it stands what another seed changes, from model
i to model j, both unpruned, and what another batch size and another precision change in the same weights.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from pielab.analysis import agreement, intervals, null, pies
from pielab.data import generation, tasks
from pielab.data.votes import agree, numbered
from pielab.store import paths, predictions
from pielab.store.predictions import Predictions

BINS = 15
SPLIT = ["right to wrong", "wrong to right", "wrong to another wrong"]
CALIBRATION = ["expected calibration error", "Brier score"]
QUANTITIES = ["changed", *SPLIT, "KL", *(f"{name}{when}" for name in CALIBRATION for when in (" before", " after", ""))]
# The same weights in other batches, and in the other precision: the files of an unpruned seed, and their columns.
NUMERICAL = {"another_batch_size": "test-batch-size", "another_precision": "test-precision"}
COLUMNS = ["quantity", "estimate", "low", "high", "another_seed", "another_seed_low", "another_seed_high", *NUMERICAL]
# Texts are read in blocks of so many logits, so that double precision needs little memory.
LOGITS_AT_ONCE = 2**21

# Logarithms of the probabilities of each task's outcomes, from logits (..., classes): of the classes, or of every label
# and then of the absence of every label.
LOG_PROBABILITIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "single-label": lambda logits: special.log_softmax(logits, axis=-1),
    "multi-label": lambda logits: special.log_expit(np.concatenate([logits, -logits], axis=-1)),
}


def between(
    before: Predictions,
    after: Predictions,
    targets: Any,
    numerical: Mapping[str, Predictions] = MappingProxyType({}),
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How much the models of the same seeds change, one row for each of QUANTITIES, a mean over seeds.

    targets: class ids (examples,), or multi-hot (examples, classes). numerical: as `numerical` gives it.

    Columns: quantity; estimate, with an interval over seeds, low and high, NaN for fewer than three; another_seed, the
    mean over ordered pairs of unpruned models, with its interval, NaN for fewer than four; another_batch_size and
    another_precision, NaN if not measured; confidence, the level of both intervals.

    "changed" and its three parts are percent of the answers; with several labels a set of labels is one answer. Where
    several answers are right, as of questions, the parts may add up to less: the rest turn from right to another right.
    Generated texts change if they differ after `normalised_text`. "KL" is the mean over texts of the divergence of the
    probabilities after from those before, in nats; with several labels the sum of those of the labels. "expected
    calibration error" (15 bins of equal width, from 0 to 1) is that of the largest probability, or of the probabilities
    of all labels. "Brier score" is the sum over classes (0 to 2, or to the number of labels). Of tagged words, a
    sentence's set of entities is one answer, and KL and calibration are those of words. Both without "before" or
    "after" are the differences. What needs logits is NaN if a side has answers alone.
    """
    pies.check_pair(*numbered(before.classes, after.classes))
    values = by_seed(before, after, targets)
    rows = [null.seed_interval(values[quantity].to_numpy(), confidence) for quantity in QUANTITIES]
    table = pd.DataFrame(rows, index=QUANTITIES, columns=["estimate", "low", "high"])
    shares = ["changed", *SPLIT]
    seeds, answers = len(values), len(values) * len(targets)
    table.loc[shares, ["low", "high"]] = agreement.of_few_changed(table.loc[shares], answers, seeds - 1, confidence)
    not_negative = [quantity for quantity in QUANTITIES if quantity not in CALIBRATION]
    table.loc[not_negative, "low"] = table.loc[not_negative, "low"].clip(lower=0)
    table = table.join(_another_seed(before, targets, confidence))
    highs = ["high", "another_seed_high"]
    table.loc[shares, highs] = table.loc[shares, highs].clip(upper=100)
    for name in NUMERICAL:
        same_weights = numerical.get(name)
        table[name] = np.nan if same_weights is None else by_seed(before, same_weights, targets).mean()
    return table.rename_axis("quantity").reset_index()[COLUMNS].assign(confidence=confidence)


def numerical(folder: Path, seeds: Sequence[int]) -> dict[str, Predictions]:
    """The predictions of the same unpruned weights in other batches and in the other precision, by their column.

    folder: of the unpruned models. What is not there for all seeds is left out.
    """
    files = {
        name: [paths.seed(folder, seed) / f"{split}.parquet" for seed in seeds] for name, split in NUMERICAL.items()
    }
    there = [name for name in NUMERICAL if all(path.exists() for path in files[name])]
    return {name: predictions.read_seeds(folder, seeds, NUMERICAL[name]) for name in there}


def by_seed(before: Predictions, after: Predictions, targets: Any) -> pd.DataFrame:
    """QUANTITIES of each seed, a row a seed; arguments and units as in `between`."""
    if views := VIEWS.get(before.task):
        tables = [by_seed(*view) for view in views(before, after, targets=targets)]
        return tables[0].assign(**tables[-1][["changed", *SPLIT]])
    seeds, texts, classes = before.shape
    counts, divergence = np.zeros((4, seeds)), np.zeros(seeds)
    gaps, errors = np.zeros((2, seeds, BINS)), np.zeros((2, seeds))
    for block in _blocks(before):
        hot = tasks.TASKS[before.task].hot(targets[block], classes)
        answers, rights, logs = zip(*(_of_block(side, targets, block) for side in (before, after)), strict=True)
        differs = ~agree(*answers)
        was_right, is_right = rights
        parts = was_right & ~is_right, ~was_right & is_right, differs & ~was_right & ~is_right
        counts += [part.sum(axis=1) for part in (differs, *parts)]
        divergence += (np.exp(logs[0]) * (logs[0] - logs[1])).sum(axis=(1, 2))
        for side, (right, log) in enumerate(zip(rights, logs, strict=True)):
            probabilities = np.exp(log[..., :classes])
            errors[side] += ((probabilities - hot) ** 2).sum(axis=(1, 2))
            gaps[side] += _gaps(*_CONFIDENCE[before.task](probabilities, right, hot))
    events = texts * (classes if before.task == "multi-label" else 1)
    calibration = {"expected calibration error": np.abs(gaps).sum(axis=2) / events, "Brier score": errors / texts}
    columns = dict(zip(["changed", *SPLIT], 100 * counts / texts, strict=True))
    columns["KL"] = (divergence / texts).clip(min=0)
    for name, (earlier, later) in calibration.items():
        columns |= {f"{name} before": earlier, f"{name} after": later, name: later - earlier}
    return pd.DataFrame(columns)[QUANTITIES]


def _answers(*sides: Predictions, targets: Any) -> list[Any]:
    """Predictions as answers alone, in one numbering, and the targets in it."""
    return _in_one_numbering(sides, *numbered(*(side.classes for side in sides), targets))


def _texts(*sides: Predictions, targets: Any) -> list[Any]:
    """Generated texts as answers alone, by number, and which of them are right, bool (examples, texts)."""
    answers, texts = generation.numbered(*(side.classes for side in sides))
    gold = np.zeros((len(texts), max(map(len, texts), default=0)), dtype=bool)
    for ids, right in zip(answers, numbered(*(side.classes for side in sides)), strict=True):
        gold[np.arange(len(texts)), ids] |= right == 1
    return _in_one_numbering(sides, *answers, gold)


def _in_one_numbering(sides: Sequence[Predictions], *answers: np.ndarray) -> list[Any]:
    """Predictions of the numbers of answers, and the last of the arrays, the targets, as it is."""
    *of_sides, gold = answers
    of, n_classes = zip(sides, of_sides, strict=True), gold.shape[-1]
    return [*(Predictions(None, side.seeds, answers=own, n_classes=n_classes) for side, own in of), gold]


# Predictions and targets of tasks whose answers are numbered within each example, as those of classes: by word, and by
# sentence as sets of entities, answers alone; of questions and of generated texts as answers alone. The last view
# counts what changed.
VIEWS: dict[str, Callable[..., list[list[Any]]]] = {
    "tokens": lambda *sides, targets: [
        [*(side.by_word for side in sides), targets.ids],
        _answers(*sides, targets=targets),
    ],
    "spans": lambda *sides, targets: [_answers(*sides, targets=targets)],
    "generation": lambda *sides, targets: [_texts(*sides, targets=targets)],
}


# What is said with which probability, and whether it is so: (seeds, events) each, once flattened.
_CONFIDENCE = {
    "single-label": lambda probabilities, right, hot: (probabilities.max(axis=-1), right),
    "multi-label": lambda probabilities, right, hot: (probabilities, np.broadcast_to(hot, probabilities.shape)),
}


def _gaps(confidence: np.ndarray, occurred: np.ndarray) -> np.ndarray:
    """How often what was said occurred beyond what its probabilities add up to, (seeds, bins)."""
    seeds = len(confidence)
    if np.isnan(confidence).any():
        return np.full((seeds, BINS), np.nan)
    # A bin contains its upper end, as in Guo et al. 2017.
    places = np.ceil(confidence * BINS).clip(1, BINS).astype(int) - 1
    places += BINS * np.arange(seeds).reshape(-1, *[1] * (confidence.ndim - 1))
    return np.bincount(places.ravel(), (occurred - confidence).ravel(), seeds * BINS).reshape(seeds, BINS)


def _another_seed(before: Predictions, targets: Any, confidence: float) -> pd.DataFrame:
    """What another seed changes, by quantity, with its interval; calibration is left out, as it is the same for both.

    From model i to model j is a kernel of the pair, whose mean over i != j is a U-statistic.
    """
    if views := VIEWS.get(before.task):
        tables = [_another_seed(own, gold, confidence) for own, gold in views(before, targets=targets)]
        tables[0].loc[["changed", *SPLIT]] = tables[-1].loc[["changed", *SPLIT]]
        return tables[0]
    seeds, texts, _ = before.shape
    names = ["changed", *SPLIT, "KL"]
    columns = ["another_seed", "another_seed_low", "another_seed_high"]
    if seeds < 2:
        return pd.DataFrame(np.nan, index=names, columns=columns)
    to_wrong, both_right, crossed = np.zeros((3, seeds, seeds))
    for block in _blocks(before):
        answers, right, log = _of_block(before, targets, block)
        if targets.dtype == bool:  # several answers may be right
            both = zip(answers, right, strict=True)
            both_right += [(~agree(answers, own) & right & is_right).sum(axis=1) for own, is_right in both]
        right, log = right.astype(np.float32), log.reshape(seeds, -1)
        to_wrong += right @ (1 - right).T
        crossed += np.exp(log) @ log.T
    differing = agreement.count(before.classes).differing[0, :, 0]
    counts = np.array([differing, to_wrong, to_wrong.T, differing - to_wrong - to_wrong.T - both_right])
    divergence = (crossed.diagonal()[:, None] - crossed).clip(min=0)
    kernels = np.concatenate([100 * counts, divergence[None]]) / texts
    kernels = (kernels + kernels.transpose(0, 2, 1)) / 2 * (1 - np.eye(seeds))
    mean = kernels.sum(axis=(1, 2)) / (seeds * (seeds - 1))
    half_width = intervals.half_width(np.sqrt(agreement.seed_variance(kernels)), seeds - 1, confidence)
    ends = [mean, (mean - half_width).clip(min=0), mean + half_width]
    return pd.DataFrame(dict(zip(columns, ends, strict=True)), index=names)


def _blocks(runs: Predictions) -> Iterator[slice]:
    seeds, texts, classes = runs.shape
    size = max(1, LOGITS_AT_ONCE // (seeds * classes))
    return (slice(start, start + size) for start in range(0, texts, size))


def _of_block(runs: Predictions, targets: Any, block: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers, whether they are right (seeds, block), and the logarithms of the probabilities, in double precision.

    The logarithms are NaN if they are not known.
    """
    if runs.logits is None:
        answers = runs.classes[:, block]
        unknown = LOG_PROBABILITIES[runs.task](np.full((len(answers), answers.shape[1], runs.shape[2]), np.nan))
        return answers, agree(answers, targets[block]), unknown
    logits = runs.logits[:, block]
    answers = predictions.ANSWERS[runs.task](logits, runs.decision_thresholds)
    return answers, agree(answers, targets[block]), LOG_PROBABILITIES[runs.task](logits.astype(np.float64))
