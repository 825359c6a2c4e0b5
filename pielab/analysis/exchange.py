"""Whether pruning, or training longer, changes the law of a seed's answers: an exact test by exchange.

If it does not, the two models of a seed may as well be the other way round. So what was found is compared with what
would have been found with the two models of any set of seeds exchanged, which only permutes a table of agreement.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pielab.analysis.agreement import Agreement
from pielab.errors import PielabError

# With five, the smallest p-value that exists is 1/16.
LEAST_SEEDS_TO_TEST = 6
MOST_SEEDS_IN_FULL = 16
EXCHANGES = 2**MOST_SEEDS_IN_FULL


def tests(agreements: Sequence[Agreement], first: str, second: str) -> pd.DataFrame:
    """Whether the models of two sides, exchanged within seeds, would differ as much, for several configurations.

    agreements: of the same seeds in the same order. first, second: sides that all of them have.

    One row for each agreement: p_moved and p_spread, of the quantities `moved` and `spread` (both directions) of
    `agreement.quantities`; p_moved_corrected and p_spread_corrected, for all tests of these agreements together
    (step-down max-T, Westfall and Young 1993). NaN for fewer than six seeds.

    Up to 16 seeds all exchanges are made, else 65,536: the observed one and others that are drawn, always the same.
    Raises PielabError if agreements differ in their number of seeds.
    """
    columns = ["p_moved", "p_spread"]
    names = columns + [f"{column}_corrected" for column in columns]
    numbers = sorted({agreement.seeds for agreement in agreements})
    if len(numbers) > 1:
        raise PielabError(
            "tests-of-different-seeds",
            f"configurations of {' and '.join(map(str, numbers))} seeds cannot be tested together",
            "give each the same seeds, or test them apart",
        )
    if not numbers or numbers[0] < LEAST_SEEDS_TO_TEST:
        return pd.DataFrame(np.nan, index=range(len(agreements)), columns=names)
    signs = exchanges(numbers[0])
    # (exchanges, agreements, moved and spread)
    found = np.array([statistics(agreement, first, second, signs) for agreement in agreements]).transpose(2, 0, 1)
    p = (found >= found[0]).mean(axis=0)
    return pd.DataFrame(np.hstack([p, corrected(found)]), columns=names)


def corrected(found: np.ndarray) -> np.ndarray:
    """p-values (agreements, 2) corrected for all of them together, from statistics (exchanges, agreements, 2)."""
    moved, spread = np.moveaxis(found, -1, 0)
    # Where all seeds move alike, moved is (z² - 1) / √2 of a z that is distributed as spread is. Beside such large
    # values no spread would be told, so their root is compared with it; no p-value alone depends on that.
    alike = np.stack([np.sqrt(np.maximum(1 + np.sqrt(2) * moved, 0)), spread], axis=-1)
    return step_down(alike.reshape(len(found), -1)).reshape(found.shape[1:])


def exchanges(seeds: int) -> np.ndarray:
    """Signs (exchanges, seeds), -1 where the two models of a seed are exchanged; the first row exchanges none."""
    if seeds <= MOST_SEEDS_IN_FULL:
        return 1.0 - 2 * (np.arange(2**seeds)[:, None] >> np.arange(seeds) & 1)
    signs = np.random.default_rng(0).choice([1.0, -1.0], size=(EXCHANGES, seeds))
    signs[0] = 1
    return signs


def statistics(agreement: Agreement, first: str, second: str, signs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is tested, (exchanges,) each, in units of its standard deviation over all exchanges: moved, and |spread|.

    signs: (exchanges, seeds), as `exchanges` gives. A statistic that no exchange changes is 0.
    """
    one, two = map(agreement.sides.index, (first, second))
    own = 1 - np.eye(agreement.seeds)
    between = agreement.differing[one, :, two] * own
    in_first, in_second = (agreement.differing[side, :, side] * own for side in (one, two))

    # Twice N (N - 1) times moved. Exchanging either of seeds i and j turns the sign of their term, both leave it.
    terms = between + between.T - in_first - in_second
    moved = (signs @ terms * signs).sum(axis=1)
    # Twice N (N - 1) times spread, D(Y, Y) - D(X, X): of seeds i and j, exchanging both turns the sign, exchanging i
    # gives D_ij(X, Y) - D_ji(X, Y), exchanging j the opposite. So it is linear in the signs.
    linear = (in_second - in_first - between + between.T).sum(axis=1)
    spread = np.abs(signs @ linear)

    deviations = np.sqrt([2 * (terms**2).sum(), (linear**2).sum()])
    return tuple(np.array([moved, spread]) / np.where(deviations > 0, deviations, 1)[:, None])


def step_down(values: np.ndarray) -> np.ndarray:
    """Corrected p-values of tests (tests,), step-down max-T, from their statistics (exchanges, tests).

    The first row is the observed one. In order of the observed statistics, each is compared with the largest of its
    own and all later ones over the exchanges; no p-value is below an earlier one.
    """
    order = np.argsort(-values[0], kind="stable")
    largest = np.maximum.accumulate(values[:, order[::-1]], axis=1)[:, ::-1]
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate((largest >= values[0, order]).mean(axis=0))
    return corrected
