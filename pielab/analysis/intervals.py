"""The confidence level of intervals: their quantiles, their widths, and what tables and notes say of it."""

import numpy as np
import pandas as pd
from scipy import stats

from pielab.errors import PielabError

# The level of every interval that a study stores; a table or a record without `confidence` has it.
RECORDED = 0.95


def tails(confidence: float = RECORDED) -> tuple[float, float]:
    """The two quantiles that enclose an interval: 0.025 and 0.975 at a level of 0.95.

    Raises PielabError for a level that is not between 0 and 1.
    """
    if isinstance(confidence, bool) or not isinstance(confidence, int | float | np.number) or not 0 < confidence < 1:
        raise PielabError(
            "confidence-not-accepted",
            f"confidence = {confidence!r} was given",
            "give a number between 0 and 1, such as 0.9 for intervals of 90 %",
        )
    # Rounded, because (1 - 0.95) / 2 is not quite 0.025 in floats.
    return round((1 - confidence) / 2, 15), round((1 + confidence) / 2, 15)


def half_width(errors: np.ndarray | float, freedom: np.ndarray | float, confidence: float = RECORDED) -> np.ndarray:
    """Half of an interval by Student's t, from standard errors and degrees of freedom."""
    return stats.t.ppf(tails(confidence)[1], freedom) * errors


def narrowing(seeds: int) -> float:
    """Half of a 95 % interval of a mean over so many seeds, in standard deviations of one."""
    return float(half_width(1, seeds - 1)) / seeds**0.5


def rescaled(
    table: pd.DataFrame, columns: tuple[str, str, str], freedom: np.ndarray | float, confidence: float = RECORDED
) -> pd.DataFrame:
    """A table whose stored intervals by Student's t, symmetric ones, are those of another level.

    columns: the estimate and the two ends, which are stored at `RECORDED`.
    """
    if confidence == RECORDED:
        return table
    value, *ends = columns
    ratio = half_width(1, freedom, confidence) / half_width(1, freedom)
    return table.assign(**{end: table[value] + ratio * (table[end] - table[value]) for end in ends})


def level(table: pd.DataFrame) -> str:
    """The level of a table's intervals as it is read: "95 %", or "90 % and 95 %" if its rows differ."""
    known = table["confidence"].fillna(RECORDED) if "confidence" in table else [RECORDED]
    return " and ".join(f"{100 * confidence:g} %" for confidence in sorted(set(known) or {RECORDED}))


def unless_recorded(table: pd.DataFrame, text: str) -> str:
    """A text about the level, in which {} stands for it; nothing if it is that of everything that is stored."""
    return "" if level(table) == level(pd.DataFrame()) else text.format(level(table))
