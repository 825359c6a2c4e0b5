"""How many PIEs pruning causes beyond those of retraining alone: the null (not in the paper).

Two sets of unpruned models disagree as well. So the share of PIEs between half of the unpruned models and the
pruned models of the other half is compared with its null, the share between the two halves of the unpruned models:
the same number of models on every side, and no seed on two sides, averaged over many half-splits of the seeds. What
PIEs are like is compared with its null in the same way, because a disagreement of more models is a harder text.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import half_splits, intervals, pies
from pielab.data import tasks
from pielab.data.votes import numbered
from pielab.errors import PielabError

# What `effectiveness_beside_null` gives.
BESIDE_NULL = [
    *("halved_unpruned_on_pies", "halved_pruned_on_pies", "null_on_pies", "unpruned_more", "pruned_more"),
    *("unpruned_more_low", "pruned_more_low", "unpruned_more_high", "pruned_more_high"),
]
# Of a configuration's summary, in percent: intervals of the shares of half-splits, and how many more PIEs a
# configuration has than its control, over the same half-splits.
HALVED_INTERVALS = ["halved_pies_low", "halved_pies_high", "null_low", "null_high"]
HALVED_REMOVAL = ["halved_removal_percent", "halved_removal_low", "halved_removal_high"]


@dataclass(frozen=True)
class Null:
    """The PIEs of one configuration compared with those of retraining alone. Shares are of all examples.

    models_per_side: how many models vote on each side, half of the seeds.
    null, pruned: the mean share of PIEs over half-splits, between unpruned halves and against the pruned half.
    excess: pruned - null, with an interval from `low` to `high`; NaN for fewer than four seeds.
    p_pie, p_null: (examples,), the share of half-splits in which the example is a PIE, and a disagreement of the null.
    pruned_low, pruned_high, null_low, null_high: intervals of the two shares, that of the null somewhat too wide.
    confidence: the level of all intervals. vote: as in `data.tasks.Task`.
    """

    models_per_side: int
    null: float
    pruned: float
    excess: float
    low: float
    high: float
    p_pie: np.ndarray
    p_null: np.ndarray
    pruned_low: float = math.nan
    pruned_high: float = math.nan
    null_low: float = math.nan
    null_high: float = math.nan
    confidence: float = intervals.RECORDED
    vote: str = tasks.SINGLE_LABEL.vote


def estimate(
    dense: np.ndarray,
    pruned: np.ndarray,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> Null:
    """The null of a configuration, and its excess of PIEs over it.

    dense, pruned: predictions of the unpruned and the pruned models of the same seeds in the same order: class
        ids (seeds, examples), or bool (seeds, examples, classes); or probabilities, float (seeds, examples, classes),
        whose vote is the class of the highest mean.
    n_splits: how many half-splits to average, all of them if there are no more. n_bootstrap: samples for the interval,
        which is that of `half_splits.interval`. confidence: its level.

    Raises PielabError for fewer than two seeds, unequal shapes, or a level that is not between 0 and 1.
    """
    dense, pruned = numbered(dense, pruned)
    _check(dense, pruned, confidence)
    splits = half_splits.draw(len(dense), n_splits, n_bootstrap, seed)
    p_null, p_pie = np.zeros((2, dense.shape[1]))
    counts = np.zeros((len(splits.all), 2))
    for block, of_null, of_pruned in pies.disagreements(dense, pruned, splits.all):
        p_null[block], p_pie[block] = (differs[: len(splits.averaged)].mean(axis=0) for differs in (of_null, of_pruned))
        counts += np.transpose([of_null.sum(axis=1), of_pruned.sum(axis=1)])
    more = np.array([[1, 0, -1], [0, 1, 1]])
    estimates, lows, highs = half_splits.interval(
        lambda counts: counts @ more / dense.shape[1], counts, splits, confidence
    )
    lows[:2], highs[:2] = lows[:2].clip(min=0), highs[:2].clip(max=1)  # of the shares, and not of their difference
    return Null(
        len(dense) // 2,
        **dict(zip(("null", "pruned", "excess"), estimates.tolist(), strict=True)),
        **dict(zip(("null_low", "pruned_low", "low"), lows.tolist(), strict=True)),
        **dict(zip(("null_high", "pruned_high", "high"), highs.tolist(), strict=True)),
        p_pie=p_pie,
        p_null=p_null,
        confidence=confidence,
        vote=tasks.of_answers(dense).vote,
    )


def excess_by_group(
    dense: np.ndarray,
    pruned: np.ndarray,
    groups: np.ndarray,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """P(PIE) and P(null) of each example, (examples,) each, and their difference in each group with its interval.

    groups: (examples,), such as bins. Other arguments, half-splits and interval as in `estimate`. The table has one row
    for each group that has examples, in order: excess, low, high, which are NaN for fewer than four seeds, and
    confidence, the interval's level.
    """
    dense, pruned = numbered(dense, pruned)
    _check(dense, pruned, confidence)
    splits = half_splits.draw(len(dense), n_splits, n_bootstrap, seed)
    _, places = np.unique(groups, return_inverse=True)
    sizes = np.bincount(places)
    p_null, p_pie = np.zeros((2, dense.shape[1]))
    sums = np.zeros((len(splits.all), len(sizes)))
    for block, of_null, of_pruned in pies.disagreements(dense, pruned, splits.all):
        p_null[block], p_pie[block] = (differs[: len(splits.averaged)].mean(axis=0) for differs in (of_null, of_pruned))
        more = of_pruned.astype(np.float32) - of_null
        sums += more @ (places[block][:, None] == np.arange(len(sizes))).astype(np.float32)
    excess, low, high = half_splits.interval(lambda sums: sums / sizes, sums, splits, confidence)
    return p_pie, p_null, pd.DataFrame({"excess": excess, "low": low, "high": high, "confidence": confidence})


def difference(
    dense: np.ndarray,
    pruned: np.ndarray,
    other: np.ndarray,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> tuple[float, float, float]:
    """How much larger the share of PIEs of `pruned` is than that of `other`, with an interval, low and high.

    Both against the same unpruned models, as the mean over half-splits as in `estimate`; their nulls cancel out.
    Arguments and interval as in `estimate`; low and high are NaN for fewer than four seeds.
    """
    dense, pruned, other = numbered(dense, pruned, other)
    _check(dense, pruned, confidence)
    _check(dense, other, confidence)
    splits = half_splits.draw(len(dense), n_splits, n_bootstrap, seed)
    shares = np.zeros((len(splits.all), 1))
    for sign, side in ((1, pruned), (-1, other)):
        for _, _, of_pruned in pies.disagreements(dense, side, splits.all):
            shares[:, 0] += sign * of_pruned.sum(axis=1) / dense.shape[1]
    share, low, high = half_splits.interval(lambda more: more, shares, splits, confidence)
    return float(share[0]), float(low[0]), float(high[0])


def beside_null(
    dense: np.ndarray,
    pruned: np.ndarray,
    columns: np.ndarray,
    over: np.ndarray | float = 1,
    *,
    n_splits: int = 200,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """What the examples are like on which models disagree, pruned and unpruned ones, and the null: unpruned ones alone.

    columns: (examples, columns), numbers such as the length, or whether the label is a class. over: what their sum is
        divided by, the sum of this; by default a mean. Other arguments and interval as in `estimate`.

    One row for each column: halved and null, over the disagreements of unpruned halves with pruned and with unpruned
    ones; more, their difference, and its interval, low and high; confidence, its level. NaN without disagreements.
    """
    dense, pruned = numbered(dense, pruned)
    _check(dense, pruned, confidence)
    splits = half_splits.draw(len(dense), n_splits, n_bootstrap=0, seed=seed)
    both = np.concatenate([columns, np.broadcast_to(over, columns.shape)], axis=1)
    sums = disagreement_sums(dense, pruned, both, splits)

    def statistic(sums: np.ndarray) -> np.ndarray:
        null, halved = np.moveaxis(np.divide(*np.split(sums, 2, axis=-1)), -2, 0)
        return np.concatenate([halved, null, halved - null], axis=-1)

    found = half_splits.interval(statistic, sums, splits, confidence)
    (halved, null, more), (*_, low), (*_, high) = (values.reshape(3, -1) for values in found)
    table = {"halved": halved, "null": null, "more": more, "low": low, "high": high, "confidence": confidence}
    return pd.DataFrame(table)


def disagreement_sums(
    dense: np.ndarray, pruned: np.ndarray, columns: np.ndarray, splits: half_splits.HalfSplits
) -> np.ndarray:
    """The sums of columns over the examples on which unpruned halves disagree with unpruned and with pruned ones.

    columns: (examples, columns). Gives (half-splits, 2, columns), of `splits.all`, the null first.
    """
    sums, columns = np.zeros((len(splits.all), 2, columns.shape[1])), columns.astype(np.float32)
    for block, *sides in pies.disagreements(dense, pruned, splits.all):
        for side, differs in enumerate(sides):
            sums[:, side] += differs.astype(np.float32) @ columns[block]
    return sums


def by_models_per_side(dense: np.ndarray, pruned: np.ndarray, n_splits: int = 200, seed: int = 0) -> pd.DataFrame:
    """How the share of PIEs and its null depend on the number of models that vote.

    Arguments as in `estimate`. One row for each number of models on a side, from 1 to half of the seeds:
    models_per_side; pies and null, mean shares over ways to draw the sides; and pies_low, pies_high, null_low and
    null_high, the 5 and 95 % quantiles over them.
    """
    dense, pruned = numbered(dense, pruned)
    _check(dense, pruned)
    random, rows = np.random.default_rng(seed), []
    for half in range(1, len(dense) // 2 + 1):
        shares = np.zeros((2, len(sides := half_splits.half_splits(len(dense), n_splits, random, half))))
        for _, of_null, of_pruned in pies.disagreements(dense, pruned, sides):
            shares += [of_null.sum(axis=1), of_pruned.sum(axis=1)]
        shares = shares.T / dense.shape[1]
        (null_low, pies_low), (null_high, pies_high) = np.quantile(shares, [0.05, 0.95], axis=0)
        null_mean, pies_mean = shares.mean(axis=0)
        rows.append((half, pies_mean, pies_low, pies_high, null_mean, null_low, null_high))
    columns = ["models_per_side", "pies", "pies_low", "pies_high", "null", "null_low", "null_high"]
    return pd.DataFrame(rows, columns=columns)


def _check(dense: np.ndarray, pruned: np.ndarray, confidence: float = intervals.RECORDED) -> None:
    """Raise PielabError unless both sides have the same shape, at least two seeds, and `confidence` is a level."""
    intervals.tails(confidence)
    pies.check_pair(dense, pruned)
    if len(dense) < 2:
        raise PielabError(
            "too-few-unpruned-models",
            "the null needs at least two unpruned models, to compare one with the other",
            "add seeds",
        )


def seed_interval(values: np.ndarray, confidence: float = intervals.RECORDED) -> tuple[float, float, float]:
    """The mean over seeds and its interval, Student's t; values (seeds,). NaN for fewer than three seeds."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if len(values) < 3:
        return mean, math.nan, math.nan
    half_width = float(intervals.half_width(stats.sem(values), len(values) - 1, confidence))
    return mean, mean - half_width, mean + half_width


def effectiveness_on_pies(dense: np.ndarray, pruned: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """The effectiveness of unpruned and pruned models on all examples and on PIEs (Table 10, Figure 3).

    Single-label: accuracy of the two majority votes. On PIEs of a binary task the two add up to 1.
    Multi-label: macro-F1 of each seed, averaged over seeds. The fewer examples, the lower it is, even if every answer
    is right, because a class that is neither true nor predicted counts 0. So the F1 of each text is averaged as well.
    Generated texts: chrF of each seed, averaged over seeds, and the share of texts that are right by vote.

    Keys: unpruned_on_all, pruned_on_all, unpruned_on_pies, pruned_on_pies; if multi-label or generated, the same four
    followed by "_by_text". NaN without PIEs.
    """
    task, values, given = tasks.of_answers(dense), {}, (dense, pruned, targets)
    dense, pruned, targets = numbered(*given)
    pies.check_pair(dense, pruned)
    sides = {"unpruned": dense, "pruned": pruned}
    *scored, gold = (dense, pruned, targets) if task.of_votes else given
    judged = {side: task.judged(answers, targets) for side, answers in sides.items()}
    by_text = "" if task.by_text == task.metric else "_by_text"
    for chosen, examples in {"on_all": np.ones(len(targets), dtype=bool), "on_pies": pies.find(dense, pruned)}.items():
        for side, answers in zip(sides, scored, strict=True):
            of_texts = judged[side][:, examples]
            values[f"{side}_{chosen}{by_text}"] = float(of_texts.mean()) if of_texts.size else math.nan
            if by_text:
                seeds = range(len(answers)) if of_texts.size else ()
                scores = [task.score(answers[seed][examples], gold[examples]) for seed in seeds]
                values[f"{side}_{chosen}"] = float(np.mean(scores)) if scores else math.nan
    return values


def effectiveness_beside_null(
    dense: np.ndarray,
    pruned: np.ndarray,
    targets: np.ndarray,
    *,
    n_splits: int = 200,
    seed: int = 0,
    confidence: float = intervals.RECORDED,
) -> dict[str, float]:
    """How effective models are where they disagree, pruned and unpruned ones, and the null: unpruned ones alone.

    Other arguments and interval as in `estimate`. Every number is counted text by text, as `data.tasks.Task.judged`
    does, over half-splits: halved_unpruned_on_pies and halved_pruned_on_pies, of unpruned halves against pruned ones;
    null_on_pies, of unpruned halves against unpruned ones; unpruned_more and pruned_more, by how much the first two
    exceed the null, with their intervals, _low and _high. NaN without disagreements.
    """
    task = tasks.of_answers(dense)
    dense, pruned, targets = numbered(dense, pruned, targets)
    _check(dense, pruned, confidence)
    splits = half_splits.draw(len(dense), n_splits, n_bootstrap=0, seed=seed)
    first, second = (np.array(side, dtype=np.float32) for side in zip(*splits.all, strict=True))
    sums = np.zeros((len(splits.all), 5))
    judged = task.judged_disagreements(dense, pruned, targets, first, second)
    for of_null, of_pruned, unpruned_right, pruned_right in judged:
        parts = (of_null, of_null * unpruned_right, of_pruned, of_pruned * unpruned_right, of_pruned * pruned_right)
        sums += np.transpose([part.sum(axis=1) for part in parts])

    def statistic(sums: np.ndarray) -> np.ndarray:
        in_null, right_in_null, in_pies, *right_in_pies = np.moveaxis(sums, -1, 0)
        null, unpruned, pruned = right_in_null / in_null, *(right / in_pies for right in right_in_pies)
        return np.stack([unpruned, pruned, null, unpruned - null, pruned - null], axis=-1)

    estimates, low, high = half_splits.interval(statistic, sums, splits, confidence)
    return dict(zip(BESIDE_NULL, [*estimates.tolist(), *low[3:].tolist(), *high[3:].tolist()], strict=True))
