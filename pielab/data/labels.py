"""Labels as class ids: the classes, their order, and the task that the labels make."""

import re
import reprlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from numbers import Number

import numpy as np
import pandas as pd

from pielab.data.tasks import SINGLE_LABEL, Task, of_label
from pielab.errors import PielabError, warn

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
    source = next(split for split in ("train", "all", "test") if split in frames)
    cells = {split: [_plain(cell) for cell in frame["label"]] for split, frame in frames.items()}
    everything = list(chain.from_iterable(cells.values()))
    _check_form(everything, separator, where)
    lists = isinstance(everything[0], list)
    _check_values(chain.from_iterable(everything) if lists else everything, lists, where)
    if separator:
        cells = {split: [_split(cell, separator) for cell in column] for split, column in cells.items()}
    task = of_label(cells[source][0])
    labels = {split: [task.labels(cell) for cell in column] for split, column in cells.items()}
    labels = _of_one_type(_from_multi_hot(labels, where))
    distinct = {split: set(chain.from_iterable(rows)) for split, rows in labels.items()}
    classes = sorted(distinct[source])
    if len(classes) < 2:
        raise PielabError(
            "too-few-classes", f"{where} has {len(classes)} class in its labels", "a classifier needs two at least"
        )
    _check_classes(_names(sorted(set().union(*distinct.values()))), sum(map(len, labels.values())), task, where)
    ids = {label: index for index, label in enumerate(classes)}
    for split, frame in frames.items():
        if unseen := distinct[split] - set(classes):
            raise PielabError(
                "labels-never-in-training",
                f"{where} ({split}) has labels that never occur in training, {reprlib.repr(sorted(unseen, key=str))}",
                "add training examples of these, or leave the examples that have them out",
            )
        encoded = [tuple(ids[label] for label in row) for row in labels[split]]
        frames[split] = frame.assign(label=pd.Series(encoded, index=frame.index))
    return frames, _names(classes), task


def _check_classes(names: list[str], examples: int, task: Task, where: str) -> None:
    """Raises PielabError for labels that cannot be classes, and warns of those that may be none."""
    if pair := _alike(names, lambda name: " ".join(unicodedata.normalize("NFC", name).split())):
        raise PielabError(
            "labels-look-alike",
            f"{where} has the labels {pair[0]!r} and {pair[1]!r}, which differ in spaces or in invisible codes alone",
            "write them alike",
        )
    if pair := _alike(names, str.casefold):
        warn(f"{where} has the labels {pair[0]!r} and {pair[1]!r}, which differ in capitals alone, as two classes")
    if marks := [name for name in names if name.casefold() in _NO_LABEL]:
        warn(f"{where} has the class {marks[0]!r}: leave its examples out if it means that they have no label")
    numbers = {float(name) for name in names if _NUMBER.fullmatch(name)}
    if len(numbers) == len(names) and min(numbers) == -1 and 0 in numbers:
        if max(numbers) > 1:
            raise PielabError(
                "label-minus-one",
                f"{where} has the label -1 beside 0 to {max(numbers):g}, which usually means that there is no label",
                "leave its examples out; if it is a class, give it a name",
            )
        if max(numbers) == 1:
            warn(f"{where} has the class -1: leave its examples out if it means that they have no label")
    if task is not SINGLE_LABEL:
        return
    if examples >= 20 and len(names) > 0.9 * examples:
        raise PielabError(
            "labels-nearly-unique",
            f"{where} has {len(names)} different labels in {examples} examples",
            "give the column of the classes as label",
        )
    measured = len(numbers) == len(names) > 20 and max(numbers) - min(numbers) != len(numbers) - 1
    if measured or (examples >= 20 and len(names) > 0.5 * examples):
        warn(f"{where} has {len(names)} labels in {examples} examples, such as {names[0]:.60}: are they classes?")


# Of several spellings of no label. All stay what they are, because a class may be called None.
_NO_LABEL = {"-", "?", "nan", "<na>", "n/a", "na", "none", "null"}


def _alike(names: list[str], key: Callable[[str], str]) -> list[str]:
    """The first names of the same key, or none."""
    groups = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return next((group for group in groups.values() if len(group) > 1), [])


def _names(classes: list) -> list[str]:
    """The classes as strings, all numbers in the same form: 0.0, 0.5, 1.0."""
    return [
        str(label) for label in (map(float, classes) if any(isinstance(label, float) for label in classes) else classes)
    ]


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


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _number(text: str) -> bool | int | float | WrittenNumber | None:
    """A label as the bool or number it is; None for words, and for digits beyond those of numbers."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if not _NUMBER.fullmatch(text) or len(text) > 18:
        return None
    usual = next((number for number in (int, float) if _is_usual(text, number)), WrittenNumber)
    return usual(text)


def _is_usual(text: str, number: type) -> bool:
    try:
        return repr(number(text)) == text
    except ValueError:
        return False


def _plain(cell: object) -> object:
    return cell.tolist() if isinstance(cell, np.ndarray) else cell


def _check_form(cells: list, separator: str | None, where: str) -> None:
    """Raises PielabError if cells are not all lists or all no lists, or not joined by the separator."""
    lists = [isinstance(cell, list) for cell in cells]
    if any(lists) and not all(lists):
        some, other = (reprlib.repr(cells[lists.index(kind)]) for kind in (True, False))
        raise PielabError(
            "labels-of-two-forms",
            f"{where} has labels that are lists, such as {some}, and labels that are none, such as {other}",
            "give lists in every row, for several labels to a text, or in none",
        )
    if any(lists) and separator:
        raise PielabError(
            "separator-of-lists",
            f"label_separator = {separator!r} is for labels joined in a string, {where} has lists",
            "omit label_separator",
        )
    if not separator or any(separator in str(cell) for cell in cells):
        return
    longest = max(map(str, cells), key=len)
    if all(str(cell).strip() for cell in cells):
        raise PielabError(
            "separator-never-occurs",
            f"label_separator = {separator!r} occurs in no label of {where}, such as {reprlib.repr(longest)}",
            "give the separator of the labels, or omit it if each text has one label",
        )
    warn(f"label_separator = {separator!r} occurs in no label of {where}, such as {reprlib.repr(longest)}")


def _check_values(labels: Iterable, lists: bool, where: str) -> None:
    """Raises PielabError for a label that is no string, number or bool, or no name or bit in a list."""
    for label in labels:
        if isinstance(label, (bytes, dict, list, tuple, set, np.ndarray)) or pd.isna(label):
            raise PielabError(
                "label-of-unknown-type",
                f"{where} has the label {reprlib.repr(label)}",
                "give strings, numbers or bools, or lists of these",
            )
        if isinstance(label, str) and _WRITTEN_LIST.fullmatch(label.strip()):
            raise PielabError(
                "labels-written-as-lists",
                f"{where} has the label {reprlib.repr(label)}, a list written as text",
                "save lists in a .jsonl or .parquet file, or join the labels and set label_separator; give a class "
                "another name",
            )
        if lists and isinstance(label, float) and not label.is_integer():
            raise PielabError(
                "labels-are-scores",
                f"{where} has lists of labels with the number {label!r}",
                "give a 0 or 1 for each class, or lists of the labels' names",
            )


# As Python, JSON and numpy write lists, and Python sets, tuples and dictionaries of strings.
_WRITTEN_LIST = re.compile(r"""\[\s*((['"\d-]|True|False).*|.*,.*)?\]|\(\s*['"].*\)|\{\s*['"].*\}""", re.DOTALL)


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
        if len(lengths) == 1 and 2 * len(repeated) > len(rows):
            raise PielabError(
                "labels-repeated",
                f"{where} has {len(repeated[0])} labels in every row, and the same one twice in most, such as "
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
