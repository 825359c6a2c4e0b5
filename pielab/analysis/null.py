"""How many PIEs pruning causes beyond those of retraining alone: the null (not in the paper).

Two sets of unpruned models disagree as well. So the share of PIEs between half of the unpruned models and the
pruned models of the other half is compared with its null, the share between the two halves of the unpruned models:
the same number of models on every side, and no seed on two sides, averaged over many half-splits of the seeds.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pielab.analysis import pies
from pielab.data import tasks
from pielab.errors import PielabError

# With two or three seeds, hardly any draw with replacement leaves two sides to compare.
LEAST_SEEDS_FOR_AN_INTERVAL = 4


@dataclass(frozen=True)
class Null:
    """The PIEs of one configuration compared with those of retraining alone. Shares are of all examples.

    models_per_side: how many models vote on each side, half of the seeds.
    null, pruned: the mean share of PIEs over half-splits, between unpruned halves and against the pruned half.
    excess: pruned - null, with a 95 % interval from `low` to `high`; NaN for fewer than four seeds.
    p_pie, p_null: (examples,), the share of half-splits in which the example is a PIE, and a disagreement of the null.
    """

    models_per_side: int
    null: float
    pruned: float
    excess: float
    low: float
    high: float
    p_pie: np.ndarray
    p_null: np.ndarray


def estimate(
    dense: np.ndarray, pruned: np.ndarray, *, n_splits: int = 200, n_bootstrap: int = 200, seed: int = 0
) -> Null:
    """The null of a configuration, and its excess of PIEs over it.

    dense, pruned: predictions of the unpruned and the pruned models of the same seeds in the same order: class
        ids (seeds, examples), or bool (seeds, examples, classes).
    n_splits: how many half-splits to average, all of them if there are no more. n_bootstrap: samples for the interval.

    The interval is a bootstrap over seeds: each sample draws the seeds with replacement and averages ten half-splits,
    in which all copies of a seed are on the same side. Drawing a seed twice makes the votes of a side more alike, which
    shifts all samples, so they are centred on the estimate before the quantiles are taken.

    Raises PielabError for fewer than two seeds, or unequal shapes.
    """
    everything = np.zeros(dense.shape[1], dtype=int)
    numbers = {"n_splits": n_splits, "n_bootstrap": n_bootstrap, "seed": seed}
    p_pie, p_null, table = excess_by_group(dense, pruned, everything, **numbers)
    excess, low, high = (float(table[name].iloc[0]) for name in ("excess", "low", "high"))
    return Null(len(dense) // 2, float(p_null.mean()), float(p_pie.mean()), excess, low, high, p_pie, p_null)


def excess_by_group(
    dense: np.ndarray,
    pruned: np.ndarray,
    groups: np.ndarray,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """P(PIE) and P(null) of each example, (examples,) each, and their difference in each group with its interval.

    groups: (examples,), such as bins. Other arguments, half-splits and interval as in `estimate`. The table has one row
    for each group that has examples, in order: excess, low, high; low and high are NaN for fewer than four seeds.
    """
    _check(dense, pruned)
    splits, resampled = _draw_half_splits(len(dense), n_splits, n_bootstrap, seed)
    _, places = np.unique(groups, return_inverse=True)
    sizes = np.bincount(places)
    p_null, p_pie = np.zeros((2, dense.shape[1]))
    sums = np.zeros((sum(map(len, resampled)), len(sizes)))
    for block, of_null, of_pruned in pies.disagreements(dense, pruned, [*splits, *itertools.chain(*resampled)]):
        p_null[block], p_pie[block] = (differs[: len(splits)].mean(axis=0) for differs in (of_null, of_pruned))
        more = of_pruned[len(splits) :].astype(np.float32) - of_null[len(splits) :]
        sums += more @ (places[block][:, None] == np.arange(len(sizes))).astype(np.float32)
    excess = np.bincount(places, weights=p_pie - p_null) / sizes
    low = high = np.full(len(sizes), math.nan)
    if resampled:
        lengths = np.array([len(sample) for sample in resampled])
        samples = np.add.reduceat(sums, np.cumsum(lengths) - lengths) / lengths[:, None] / sizes
        low, high = np.quantile(samples, [0.025, 0.975], axis=0) - samples.mean(axis=0) + excess
    return p_pie, p_null, pd.DataFrame({"excess": excess, "low": low, "high": high})


def difference(
    dense: np.ndarray,
    pruned: np.ndarray,
    other: np.ndarray,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> tuple[float, float, float]:
    """How much larger the share of PIEs of `pruned` is than that of `other`, with a 95 % interval, low and high.

    Both against the same unpruned models, as the mean over half-splits as in `estimate`; their nulls cancel out.
    Arguments and interval as in `estimate`; low and high are NaN for fewer than four seeds.
    """
    _check(dense, pruned)
    _check(dense, other)
    splits, resampled = _draw_half_splits(len(dense), n_splits, n_bootstrap, seed)
    all_splits = [*splits, *itertools.chain(*resampled)]
    shares = np.zeros(len(all_splits))
    for sign, side in ((1, pruned), (-1, other)):
        for _, _, of_pruned in pies.disagreements(dense, side, all_splits):
            shares += sign * of_pruned.sum(axis=1) / dense.shape[1]
    mean = float(shares[: len(splits)].mean())
    if not resampled:
        return mean, math.nan, math.nan
    ends = np.cumsum([len(sample) for sample in resampled])[:-1]
    samples = np.array([sample.mean() for sample in np.split(shares[len(splits) :], ends)])
    low, high = np.quantile(samples, [0.025, 0.975]) - samples.mean() + mean
    return mean, float(low), float(high)


def by_models_per_side(dense: np.ndarray, pruned: np.ndarray, n_splits: int = 200, seed: int = 0) -> pd.DataFrame:
    """How the share of PIEs and its null depend on the number of models that vote.

    Arguments as in `estimate`. One row for each number of models on a side, from 1 to half of the seeds:
    models_per_side; pies and null, mean shares over ways to draw the sides; and pies_low, pies_high, null_low and
    null_high, the 5 and 95 % quantiles over them.
    """
    _check(dense, pruned)
    random, rows = np.random.default_rng(seed), []
    for half in range(1, len(dense) // 2 + 1):
        shares = np.zeros((2, len(sides := half_splits(len(dense), n_splits, random, half))))
        for _, of_null, of_pruned in pies.disagreements(dense, pruned, sides):
            shares += [of_null.sum(axis=1), of_pruned.sum(axis=1)]
        shares = shares.T / dense.shape[1]
        (null_low, pies_low), (null_high, pies_high) = np.quantile(shares, [0.05, 0.95], axis=0)
        null_mean, pies_mean = shares.mean(axis=0)
        rows.append((half, pies_mean, pies_low, pies_high, null_mean, null_low, null_high))
    columns = ["models_per_side", "pies", "pies_low", "pies_high", "null", "null_low", "null_high"]
    return pd.DataFrame(rows, columns=columns)


def _check(dense: np.ndarray, pruned: np.ndarray) -> None:
    pies.check_pair(dense, pruned)
    if len(dense) < 2:
        raise PielabError(
            "too-few-unpruned-models",
            "the null needs at least two unpruned models, to compare one with the other",
            "add seeds",
        )


def _draw_half_splits(seeds: int, n_splits: int, n_bootstrap: int, seed: int) -> tuple[list, list[list]]:
    """The half-splits to average, and those of each bootstrap sample; no samples for fewer than four seeds."""
    splits = half_splits(seeds, n_splits, np.random.default_rng(seed))
    random = np.random.default_rng((seed, 1))
    samples = n_bootstrap if seeds >= LEAST_SEEDS_FOR_AN_INTERVAL else 0
    return splits, [_bootstrap_half_splits(seeds, random) for _ in range(samples)]


def half_splits(
    seeds: int, number: int, random: np.random.Generator, half: int | None = None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ways to put half of the seeds on each side, as weights (seeds,): all of them, or `number` random ones.

    half: the number of seeds on each side, if it is not half of them.
    """
    half = half or seeds // 2
    possible = math.comb(seeds, half) * math.comb(seeds - half, half)
    if possible <= number:
        chosen = [
            (first, second)
            for first in itertools.combinations(range(seeds), half)
            for second in itertools.combinations(sorted(set(range(seeds)) - set(first)), half)
        ]
    else:
        orders = [random.permutation(seeds) for _ in range(number)]
        chosen = [(order[:half], order[half : 2 * half]) for order in orders]
    return [tuple(np.isin(np.arange(seeds), side).astype(int) for side in pair) for pair in chosen]


def _bootstrap_half_splits(seeds: int, random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Up to ten half-splits of one draw of the seeds with replacement, all copies of a seed on one side."""
    valid: list[tuple[np.ndarray, np.ndarray]] = []
    while not valid:  # with few seeds, a draw can leave one side empty in every split
        weights = np.bincount(random.integers(seeds, size=seeds), minlength=seeds)
        drawn = [(first * weights, second * weights) for first, second in half_splits(seeds, 10, random)]
        valid = [(first, second) for first, second in drawn if first.any() and second.any()]
    return valid


def seed_interval(values: np.ndarray, n_bootstrap: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """The mean over seeds and its 95 % bootstrap interval; values (seeds,)."""
    values = np.asarray(values)
    means = np.random.default_rng(seed).choice(values, size=(n_bootstrap, len(values))).mean(axis=1)
    return float(values.mean()), *map(float, np.quantile(means, [0.025, 0.975]))


def effectiveness_on_pies(
    dense: np.ndarray, pruned: np.ndarray, targets: np.ndarray, n_splits: int = 20, seed: int = 0
) -> dict[str, float]:
    """The effectiveness of unpruned and pruned models on all examples and on PIEs (Table 10, Figure 3), and the null.

    Single-label: accuracy of the two majority votes. On PIEs of a binary task the two add up to 1.
    Multi-label: macro-F1 of each seed, averaged over seeds.
    The null is the effectiveness of one half of the unpruned models on its disagreements with the other half, averaged
    over half-splits, because examples on which models disagree are hard with or without pruning.

    Keys: unpruned_on_all, pruned_on_all, unpruned_on_pies, pruned_on_pies, null_on_pies. NaN without PIEs.
    """
    random = np.random.default_rng(seed)
    is_pie = pies.find(dense, pruned)
    everything = np.ones(len(targets), dtype=bool)
    values = []
    for first, second in half_splits(len(dense), n_splits, random) if len(dense) > 1 else []:
        first_half, second_half = dense[first == 1], dense[second == 1]
        values.append(_vote_effectiveness(first_half, targets, pies.find(first_half, second_half)))
    known = [value for value in values if not math.isnan(value)]
    return {
        "unpruned_on_all": _vote_effectiveness(dense, targets, everything),
        "pruned_on_all": _vote_effectiveness(pruned, targets, everything),
        "unpruned_on_pies": _vote_effectiveness(dense, targets, is_pie),
        "pruned_on_pies": _vote_effectiveness(pruned, targets, is_pie),
        "null_on_pies": float(np.mean(known)) if known else math.nan,
    }


def _vote_effectiveness(predicted: np.ndarray, targets: np.ndarray, chosen: np.ndarray) -> float:
    if not chosen.any():
        return math.nan
    task = tasks.of_answers(predicted)
    return float(np.mean([task.score(answers[chosen], targets[chosen]) for answers in task.judged(predicted)]))
