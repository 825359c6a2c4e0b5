"""Sources and the texts to generate from them: what they cannot be, and which texts have the same source."""

import reprlib
from typing import Any

import numpy as np
import pandas as pd

from pielab.data import spans, tables
from pielab.errors import PielabError

# What the columns are called by default, by the parameters of pielab.
COLUMNS = {"text": "source", "target": "target"}


def columns(frames: tables.Frames, given: dict[str, str]) -> dict[str, str]:
    """The given columns; source and target if those are the defaults, and all frames have these two and not those."""
    if given == spans.DEFAULTS and all(
        set(COLUMNS.values()) <= set(frame) and not set(given.values()) & set(frame) for frame in frames.values()
    ):
        return dict(COLUMNS)
    return given


def check_alone(where: str, columns: dict[str, str], **others: Any) -> None:
    """Raises PielabError if a column or another parameter is given that is for labels, pairs or questions."""
    others |= {name: columns.get(name) for name in ("label", "text_pair")}
    if given := next((name for name, value in others.items() if value), None):
        raise PielabError(
            "given-beside-target",
            f"{given} = {others[given]!r} was given, and {where} has texts to generate as {columns['target']!r}",
            f"leave {given} out, or give the column of the labels as label and no target",
        )


def encode(frames: tables.Frames, columns: dict[str, str], where: str) -> tables.Frames:
    """Frames with a row for each pair of a source and a target, of the columns text (the source), targets and label.

    targets: the row's own target and then the other ones of its source in the split, each once. label: the same for all
    rows. index: the number of the row from which a pair is, from 0.

    columns: as of `tables.select`. Raises PielabError for sources and targets that cannot be meant.
    """
    encoded = {split: _pairs(frame, columns, f"{where} ({split})") for split, frame in frames.items()}
    tables.check_texts({split: frame[["text", "label"]] for split, frame in encoded.items()}, where)
    return encoded


def _pairs(frame: pd.DataFrame, columns: dict[str, str], where: str) -> pd.DataFrame:
    tables.check_columns(frame, columns, where)
    sources = tables.select(frame, {"text": columns["text"]}, where)["text"]
    cells = frame[columns["target"]].astype(object)
    rows, written, own = [], dict[str, dict[str, None]](), []
    for row, (source, cell) in enumerate(zip(sources, cells.mask(cells.isna(), ""), strict=True)):
        texts = _targets(source, cell, f"{where}, row {row + 1}")
        written.setdefault(source, {}).update(dict.fromkeys(texts))
        rows += [row] * len(texts)
        own += texts
    sources = sources.iloc[rows]
    pairs = zip(own, sources, strict=True)
    targets = [[target, *(each for each in written[source] if each != target)] for target, source in pairs]
    return pd.DataFrame({"text": sources, "targets": targets, "label": [()] * len(rows)}, index=rows)


def _targets(source: str, cell: Any, where: str) -> list[str]:
    """The targets of one row."""
    if not source.strip():
        raise PielabError("empty-source", f"{where} has an empty source", "leave it out")
    cell = cell.tolist() if isinstance(cell, np.ndarray) else cell
    texts = [cell] if isinstance(cell, str) else cell
    if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
        raise PielabError(
            "targets-of-another-form",
            f"{where} has the target {reprlib.repr(cell)}",
            "give a text, or a list of texts that may each be the target; or give the column of labels as label",
        )
    if not texts:
        raise PielabError("source-without-targets", f"{where} has an empty list of targets", "leave it out")
    if not all(map(str.strip, texts)):
        raise PielabError("empty-target", f"{where} has an empty target", "leave it out")
    return texts
