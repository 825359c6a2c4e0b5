"""Half-splits of the seeds, and the interval of whatever is averaged over them.

A half-split is a pair of arrays (seeds,) of whole weights: how often each seed votes on the first side, and on the
second.
"""

import functools
import itertools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pielab.analysis import intervals

HalfSplit = tuple[np.ndarray, np.ndarray]
# With two or three seeds, hardly any draw with replacement leaves two sides to compare.
LEAST_SEEDS_FOR_AN_INTERVAL = 4
# With more seeds, leaving one out never gives the smaller variance of a share, and takes longer than all the rest.
MOST_SEEDS_LEFT_OUT = 12
HALF_SPLITS_PER_SAMPLE = 10


@dataclass(frozen=True)
class HalfSplits:
    """The half-splits to average, and others for the interval of the average.

    averaged: all there are, or random ones. without: for each seed, the averaged ones without it. resampled: some for
        each bootstrap sample of the seeds, in which all copies of a seed are on one side. Both are empty for fewer than
        four seeds, and the interval is NaN.
    """

    seeds: int
    averaged: list[HalfSplit]
    without: list[list[HalfSplit]]
    resampled: list[list[HalfSplit]]

    @property
    def all(self) -> list[HalfSplit]:
        return [*self.averaged, *itertools.chain(*self.without, *self.resampled)]


@functools.lru_cache(maxsize=16)  # the same for all configurations of a study, and it takes longer than their votes
def draw(seeds: int, n_splits: int = 200, n_bootstrap: int = 200, seed: int = 0) -> HalfSplits:
    """Half-splits of a number of seeds: `n_splits` of them, and others for the interval of their average.

    n_bootstrap: samples of the bootstrap; 0 for the interval of a mean over disagreements. Each seed is left out for
    it, and for that of a share with up to twelve seeds.
    """
    averaged = half_splits(seeds, n_splits, np.random.default_rng(seed))
    if seeds < LEAST_SEEDS_FOR_AN_INTERVAL:
        return HalfSplits(seeds, averaged, [], [])
    others = 0 if n_bootstrap and seeds > MOST_SEEDS_LEFT_OUT else seeds
    left_out = 1 - np.eye(others, seeds, dtype=int)
    without = [[(first * kept, second * kept) for first, second in averaged] for kept in left_out]
    random = np.random.default_rng((seed, 1))
    return HalfSplits(seeds, averaged, without, [_resample(seeds, random) for _ in range(n_bootstrap)])


def half_splits(seeds: int, number: int, random: np.random.Generator, half: int | None = None) -> list[HalfSplit]:
    """Ways to put half of the seeds on each side: all of them, or about `number` random ones.

    half: the number of seeds on each side, if it is not half of them. Random ones come with their sides exchanged too.
    """
    half = half or seeds // 2
    chosen: list[tuple[ArrayLike, ArrayLike]]
    if number_of_half_splits(seeds, half) <= number:
        chosen = [
            (first, second)
            for first in itertools.combinations(range(seeds), half)
            for second in itertools.combinations(sorted(set(range(seeds)) - set(first)), half)
        ]
    else:
        orders = [random.permutation(seeds) for _ in range(-(-number // 2))]
        pairs = [(order[:half], order[half : 2 * half]) for order in orders]
        chosen = [sides for first, second in pairs for sides in ((first, second), (second, first))]
    everyone = np.arange(seeds)
    return [(np.isin(everyone, first).astype(int), np.isin(everyone, second).astype(int)) for first, second in chosen]


def number_of_half_splits(seeds: int, half: int) -> int:
    """How many ways there are to put `half` of the seeds on the first side, and as many on the second."""
    return math.comb(seeds, half) * math.comb(seeds - half, half)


def interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    splits: HalfSplits,
    confidence: float = intervals.RECORDED,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A statistic of values averaged over half-splits, and its interval, low and high, each as `statistic` gives.

    values: (half-splits, ...), of each of `splits.all`. statistic: from means of values, (..., as in values), to an
        array (..., numbers). confidence: the interval's level.

    Leaving out one seed gives the variance of a mean over disagreements; of a share of all examples it is too large,
    the more so the more seeds vote. The bootstrap over seeds, without the part that comes from few half-splits in a
    sample, is somewhat too small for shares, and far too small for means over disagreements, because copies of a seed
    agree. So it is the smaller of the first and 1.25 times the second, of those that were drawn. The interval is that
    of Student's t with one degree of freedom less than seeds. Simulations: docs/null.md.
    """
    n_averaged = len(splits.averaged)
    with warnings.catch_warnings():
        # Where nothing disagrees, in one sample or in all, there is no mean over disagreements.
        warnings.simplefilter("ignore", RuntimeWarning)
        estimate = statistic(values[:n_averaged].mean(axis=0)[None])[0]
        start, variance = n_averaged * (1 + len(splits.without)), np.full_like(estimate, math.nan)
        if splits.without:
            left_out = values[n_averaged:start].reshape(splits.seeds, n_averaged, *values.shape[1:])
            variance = (splits.seeds - 1) * statistic(left_out.mean(axis=1)).var(axis=0)
        if splits.resampled:
            variance = np.fmin(variance, 1.25 * _bootstrap_variance(statistic, values[start:], splits))
    half_width = intervals.half_width(np.sqrt(variance), splits.seeds - 1, confidence)
    return estimate, estimate - half_width, estimate + half_width


def _bootstrap_variance(statistic: Callable, values: np.ndarray, splits: HalfSplits) -> np.ndarray:
    """The variance of the samples' statistics, less what averaging more half-splits in each would take away."""
    ends = np.cumsum([len(sample) for sample in splits.resampled])[:-1]
    samples = np.split(values, ends)
    variance = np.nanvar(statistic(np.array([sample.mean(axis=0) for sample in samples])), axis=0, ddof=1)
    if number_of_half_splits(splits.seeds, splits.seeds // 2) <= HALF_SPLITS_PER_SAMPLE:
        return variance
    within = []
    for sample in samples:
        # The two orders of a half-split are not independent of each other.
        pairs = sample.reshape(-1, 2, *sample.shape[1:]).mean(axis=1)
        if len(pairs) > 1:
            without_one = statistic((pairs.sum(axis=0) - pairs) / (len(pairs) - 1))
            within.append((len(pairs) - 1) * without_one.var(axis=0))
    return np.maximum(variance - np.nanmean(within, axis=0), 0)


def _resample(seeds: int, random: np.random.Generator) -> list[HalfSplit]:
    """Up to ten half-splits of one draw of the seeds with replacement, all copies of a seed on one side."""
    valid: list[HalfSplit] = []
    while not valid:  # with few seeds, a draw can leave one side empty in every split
        weights = np.bincount(random.integers(seeds, size=seeds), minlength=seeds)
        drawn = half_splits(seeds, HALF_SPLITS_PER_SAMPLE, random)
        valid = [(first * weights, second * weights) for first, second in drawn]
        valid = [(first, second) for first, second in valid if first.any() and second.any()]
    return valid
