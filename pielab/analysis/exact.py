"""Exact intervals and tests of shares of texts, for texts to come; and the difference of means of two sets of runs."""

import numpy as np
from scipy import stats

from pielab.analysis import intervals


def percent(count: int, texts: int, confidence: float = intervals.RECORDED) -> tuple[float, float, float]:
    """A share in percent, with its exact interval (Clopper and Pearson 1934)."""
    intervals.tails(confidence)  # which refuses what is no level
    ends = stats.binomtest(int(count), texts).proportion_ci(confidence, method="exact")
    return 100 * count / texts, 100 * ends.low, 100 * ends.high


def difference_of_shares(
    first: int, second: int, texts: int, confidence: float = intervals.RECORDED
) -> tuple[float, float, float]:
    """By how much the first share exceeds the second, of the same texts, with an interval, in points.

    first, second: how many texts, none of which counts in both. The interval is that of MOVER (Zou and Donner 2008)
    from the exact ones of the two shares.
    """
    (one, one_low, one_high), (two, two_low, two_high) = (percent(n, texts, confidence) for n in (first, second))
    # A text of the first is none of the second, so that the shares are correlated as those of a multinomial are.
    correlation = -np.sqrt(first * second / ((texts - first) * (texts - second))) if first and second else 0.0

    def length(of_first: float, of_second: float) -> float:
        return float(np.sqrt(of_first**2 + of_second**2 - 2 * correlation * of_first * of_second))

    below, above = length(one - one_low, two_high - two), length(one_high - one, two - two_low)
    return one - two, one - two - below, one - two + above


def welch(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """By how much the second mean exceeds the first, with Welch's 95 % interval; NaN for fewer than three values."""
    estimate = float(second.mean() - first.mean())
    if min(len(first), len(second)) < 3 or not (first.var() or second.var()):
        return estimate, np.nan, np.nan
    return estimate, *stats.ttest_ind(second, first, equal_var=False).confidence_interval()


def difference_in_group(lost: np.ndarray, won: np.ndarray, chosen: np.ndarray) -> float:
    """Two-sided p of the number of texts lost less those won in a group, if all texts were dealt out at random.

    lost, won: bool (texts,), never both. chosen: which texts are the group's. If none is won it is Fisher's exact
    test, with two sides that go by the distance from what is expected.
    """
    texts, size, n_lost, n_won = len(chosen), int(chosen.sum()), int(lost.sum()), int(won.sum())
    in_lost, in_won = _likely(texts, n_lost, size), _likely(texts, n_won, size)
    # Texts that are lost are dealt out first, then those won among the others.
    log_p = stats.hypergeom.logpmf(in_lost, texts, n_lost, size)[:, None] + stats.hypergeom.logpmf(
        in_won, texts - n_lost, n_won, size - in_lost[:, None]
    )
    expected = size * (n_lost - n_won) / texts
    found = abs((lost & chosen).sum() - (won & chosen).sum() - expected)
    return float(np.exp(log_p)[abs(in_lost[:, None] - in_won - expected) >= found - 1e-9].sum().clip(max=1))


def _likely(texts: int, number: int, size: int) -> np.ndarray:
    """All numbers of a group's texts that are not further than ten standard deviations from what is expected."""
    middle = size * number / texts
    variance = middle * (1 - number / texts) * (texts - size) / max(texts - 1, 1)
    width = 10 * np.sqrt(variance) + 1
    return np.arange(max(0, size + number - texts, int(middle - width)), min(number, size, int(middle + width) + 1) + 1)
