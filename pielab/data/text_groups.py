"""A column by which results are compared: a dialect, a source, a length."""

from typing import Any

import numpy as np
import pandas as pd

from pielab.data import tables, tagged
from pielab.data.tables import Frames
from pielab.errors import PielabError

NONE = "(none)"
MOST_GROUPS, MOST_NUMBERS = 50, 10


def names(frames: Frames, group: str, columns: dict[str, str], where: str) -> dict[str, list[str]]:
    """The group of each text of each split, as a string; "(none)" where its cell is empty.

    Numbers of more than 10 values become quarters of the texts of all splits, named by their range: "12 to 45".

    columns: those of the texts and labels, by parameter. Raises PielabError if the column is missing or one of these,
    or if it has a single value or more than 50, or lists beside lists of words.
    """
    for split, frame in frames.items():
        tables.check_columns(frame, columns | {"group": group}, f"{where} ({split})")
    cells = pd.concat([frame[group] for frame in frames.values()], ignore_index=True).astype(object)
    if any(isinstance(cell, (list, np.ndarray)) for cell in cells) and tagged.has_words(frames, columns):
        raise PielabError(
            "group-of-words",
            f"the column {group!r} of {where} has a value for each word",
            "give as group a column with one for each sentence, which a .jsonl or .parquet file can have, or None",
        )
    named = _quarters(cells) or [_name(cell) for cell in cells]
    if len(found := set(named)) == 1:
        raise PielabError(
            "single-group",
            f"the column {group!r} of {where} has a single value, {named[0]!r}",
            "give as group a column that tells texts apart, or None",
        )
    if len(found) > MOST_GROUPS:
        raise PielabError(
            "too-many-groups",
            f"the column {group!r} of {where} has {len(found)} values",
            f"give as group a column of at most {MOST_GROUPS} values, or of numbers, which are cut into quarters",
        )
    ends = np.cumsum([len(frame) for frame in frames.values()])[:-1]
    return dict(zip(frames, map(list, np.split(np.array(named, dtype=object), ends)), strict=True))


def _name(cell: Any) -> str:
    """A value as a string on one line; a whole number without decimals."""
    if isinstance(cell, (list, tuple, dict, np.ndarray)):
        return str(cell)
    if pd.isna(cell):
        return NONE
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else " ".join(str(cell).split()) or NONE


def _quarters(cells: pd.Series) -> list[str] | None:
    """The names of quarters of numbers, or of strings that all are; None for words, and for few numbers."""
    try:
        numbers = pd.to_numeric(cells).astype(float)
    except (TypeError, ValueError):
        return None
    values = np.unique(numbers.dropna())
    if len(values) <= MOST_NUMBERS:
        return None
    # The largest value is above the last cut, even if most texts have it.
    cuts = np.unique(np.minimum(numbers.quantile([0.25, 0.5, 0.75]), values[-2]))
    ends = numbers.groupby(np.searchsorted(cuts, numbers)).agg(["min", "max"]).itertuples(index=False)
    ranges = [f"{low:.15g}{f' to {high:.15g}' * (high > low)}" for low, high in ends]
    return [NONE if np.isnan(number) else ranges[np.searchsorted(cuts, number)] for number in numbers]
