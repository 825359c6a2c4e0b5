"""Labels as class ids: the classes, their order, and the task that the labels make."""

import reprlib
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from numbers import Number

import numpy as np
import pandas as pd

from pielab.data import label_checks
from pielab.data.tasks import Task, of_label
from pielab.errors import PielabError

Rows = Sequence[tuple]

_BITS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def encode(
    frames: dict[str, pd.DataFrame], separator: str | None, where: str
) -> tuple[dict[str, pd.DataFrame], list[str], Task]:
    """Frames with each example's labels as a tuple of class ids; the class names in the order of ids; the task.

    The classes are those of the training data, or of the test data if there is no training data.

    Raises PielabError for labels that cannot be meant, for fewer than two classes, or for labels that never occur in
    training.
    """
    labels, task = as_tuples(frames, separator, where)
    classes = sorted(set(chain.from_iterable(labels[source(frames)])))
    if len(classes) < 2:
        raise PielabError(
            "too-few-classes", f"{where} has {len(classes)} class in its labels", "a classifier needs two at least"
        )
    names = names_of(sorted(set(chain.from_iterable(chain.from_iterable(labels.values())))))
    label_checks.check_classes(names, sum(map(len, frames.values())), task, where)
    ids = as_ids(labels, classes, where)
    frames = {split: frame.assign(label=pd.Series(ids[split], index=frame.index)) for split, frame in frames.items()}
    return frames, names_of(classes), task


def source(frames: Collection[str]) -> str:
    """The split whose labels are the classes: the training data, or the test data if there is no training data."""
    return next(split for split in ("train", "all", "test") if split in frames)


def as_ids(labels: Mapping[str, Rows], classes: Sequence, where: str) -> dict[str, list[tuple[int, ...]]]:
    """Each example's labels as their places in `classes`, by split; PielabError for a label that is not there."""
    ids = {label: index for index, label in enumerate(classes)}
    for split, rows in labels.items():
        if unseen := set(chain.from_iterable(rows)) - set(classes):
            raise PielabError(
                "labels-never-in-training",
                f"{where} ({split}) has labels that never occur in training, {reprlib.repr(sorted(unseen, key=str))}",
                "add training examples of these, or leave the examples that have them out",
            )
    return {split: [tuple(ids[label] for label in row) for row in rows] for split, rows in labels.items()}


def as_tuples(frames: dict[str, pd.DataFrame], separator: str | None, where: str) -> tuple[dict[str, Rows], Task]:
    """Each example's labels as a tuple, by split, and the task; labels of one type, which can be sorted.

    Raises PielabError for labels that cannot be meant.
    """
    cells = {
        split: [cell.tolist() if isinstance(cell, np.ndarray) else cell for cell in frame["label"]]
        for split, frame in frames.items()
    }
    everything = list(chain.from_iterable(cells.values()))
    label_checks.check_form(everything, separator, where)
    lists = isinstance(everything[0], list)
    label_checks.check_values(chain.from_iterable(everything) if lists else everything, lists, where)
    if separator:
        cells = {split: [_split(cell, separator) for cell in column] for split, column in cells.items()}
    task = of_label(next(iter(cells.values()))[0])
    labels: dict[str, Rows] = {split: [task.labels(cell) for cell in column] for split, column in cells.items()}
    return _of_one_type(_from_multi_hot(labels, where)), task


def names_of(classes: list) -> list[str]:
    """The classes as strings, all numbers in the same form: 0.0, 0.5, 1.0."""
    floats = any(isinstance(label, float) for label in classes)
    return [str(float(label) if floats else label) for label in classes]


class WrittenNumber(str):
    """A number in another form than Python's own, such as 01 or 1E3: the same label only if written alike."""

    def __lt__(self, other: str) -> bool:
        return (float(self), str(self)) < (float(other), str(other))


def of_texts(columns: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """The labels of all text files of a data set as numbers or bools, if each of them is one; else as they are.

    Numbers are then ordered by their value, and 1 in one file is 1.0 or True in another.
    """
    texts = {text for column in columns.values() for text in column.dropna()}
    values = {text: _number(text.strip()) for text in texts}
    types = {type(value) for value in values.values()}
    if type(None) in types or (bool in types and not set(values.values()) <= {0, 1}):
        return columns
    if WrittenNumber in types:
        values = {text: WrittenNumber(text.strip()) for text in texts}
    cells = {split: [values.get(text) for text in column] for split, column in columns.items()}
    return {split: pd.Series(cells[split], index=column.index, dtype=object) for split, column in columns.items()}


def _number(text: str) -> bool | int | float | WrittenNumber | None:
    """A label as the bool or number it is; None for words, and for digits beyond those of numbers."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not label_checks.NUMBER.fullmatch(text) or len(text) > 18:
        return None
    usual = next((number for number in (int, float) if _is_usual(text, number)), WrittenNumber)
    return usual(text)


def _is_usual(text: str, number: type) -> bool:
    try:
        return repr(number(text)) == text
    except ValueError:
        return False


def _split(joined: object, separator: str) -> list[str]:
    return [part.strip() for part in str(joined).split(separator) if part.strip()]


def _of_one_type(labels: dict[str, Rows]) -> dict[str, Rows]:
    """The labels, as strings if they are of several types; numbers and bools count as one."""
    everything = chain.from_iterable(chain.from_iterable(labels.values()))
    types = {Number if isinstance(label, Number) else type(label) for label in everything}
    if len(types) < 2:
        return labels
    return {split: [tuple(map(str, row)) for row in rows] for split, rows in labels.items()}


def _from_multi_hot(labels: dict[str, Rows], where: str) -> dict[str, Rows]:
    """The positions of the ones, if each row has a 0 or 1 (a bool, a number or a string) for every class.

    Lists of the ids 0 and 1 stay as they are: they are of different lengths, and hold no id twice.
    """
    rows = list(chain.from_iterable(labels.values()))
    lengths = {len(row) for row in rows}
    repeated = [row for row in rows if len(set(row)) < len(row)]
    if not {str(value).lower() for value in chain.from_iterable(rows)} <= set(_BITS):
        few = len(set(chain.from_iterable(rows))) <= max(lengths)
        if repeated and len(lengths) == 1 and (few or 2 * len(repeated) > len(rows)):
            raise PielabError(
                "labels-repeated",
                f"{where} has {len(repeated[0])} labels in every row, and the same one twice in some, such as "
                f"{reprlib.repr(list(repeated[0]))}",
                "give a 0 or 1 for each class, or each label of a text once",
            )
        return labels
    if not repeated and (len(lengths) > 1 or max(lengths) < 2):
        return labels
    if len(lengths) > 1:
        raise PielabError(
            "multi-hot-lengths-differ",
            f"{where} has labels that are lists of 0 and 1, of {', '.join(map(str, sorted(lengths)))} numbers",
            "give one number for each class in every row, or lists of the labels' names",
        )
    bits = {split: [[_BITS[str(value).lower()] for value in row] for row in rows] for split, rows in labels.items()}
    return {split: [tuple(np.flatnonzero(row).tolist()) for row in rows] for split, rows in bits.items()}
