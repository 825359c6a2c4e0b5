"""What labels cannot be, and what is suspicious in them but may be meant."""

import re
import reprlib
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from pielab.data.tasks import SINGLE_LABEL, Task
from pielab.errors import PielabError, warn

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

# As Python, JSON and numpy write lists, and Python sets, tuples and dictionaries of strings.
_WRITTEN_LIST = re.compile(r"""\[\s*((['"\d-]|True|False).*|.*,.*)?\]|\(\s*['"].*\)|\{\s*['"].*\}""", re.DOTALL)
_WRITTEN_BITS = re.compile(r"[01]([ ,;|/]+[01])+")
# Spellings of no label. All stay what they are, because a class may be called None.
_NO_LABEL = {"-", "?", "nan", "<na>", "n/a", "na", "none", "null"}
_NO_LABEL_NUMBERS = {-1, -9, -99, -100, -999}


def check_form(cells: list, separator: str | None, where: str) -> None:
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


def check_values(labels: Iterable, lists: bool, where: str) -> None:
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


def check_classes(names: list[str], examples: int, task: Task, where: str) -> None:
    """Raises PielabError for labels of all splits that cannot be classes, and warns of those that may be none."""
    check_spelling(names, where)
    if all(_WRITTEN_BITS.fullmatch(name) for name in names):
        raise PielabError(
            "labels-written-as-bits",
            f"{where} has labels of several zeros and ones, such as {names[0]!r}",
            "set label_separator to what is between them, or save them as lists in a .jsonl or .parquet file",
        )
    if all(re.fullmatch("[01]{3,}", name) for name in names) and len({len(name) for name in names}) == 1:
        warn(f"{where} has labels of several zeros and ones, such as {names[0]!r}, each as one class")
    numbers = {float(name) for name in names if NUMBER.fullmatch(name)}
    if len(numbers) < len(names):
        numbers = set()
    _check_negative(numbers, where)
    if task is SINGLE_LABEL:
        _check_number(names, numbers, examples, where)


def check_spelling(names: list[str], where: str) -> None:
    """Raises PielabError for two labels that look alike, and for a mark of no label beside numbers.

    Warns of two labels that nearly look alike, and of marks of no label beside words.
    """
    if pair := _alike(names, _visible):
        raise PielabError(
            "labels-look-alike",
            f"{where} has the labels {pair[0]!r} and {pair[1]!r}, which differ in spaces or in invisible codes alone",
            "write them alike",
        )
    if pair := _alike(names, str.casefold):
        warn(f"{where} has the labels {pair[0]!r} and {pair[1]!r}, which differ in capitals alone, as two classes")
    if marks := [name for name in names if name.casefold() in _NO_LABEL]:
        if len(names) > len(marks) and all(NUMBER.fullmatch(name) for name in names if name not in marks):
            raise PielabError(
                "no-label-among-numbers",
                f"{where} has the label {marks[0]!r} beside numbers, which usually means no label",
                "leave its examples out; if it is a class, give all classes names",
            )
        warn(f"{where} has the class {marks[0]!r}: leave its examples out if it means that they have no label")


def _check_negative(numbers: set[float], where: str) -> None:
    negative = [number for number in numbers if number < 0]
    if len(negative) != 1 or negative[0] not in _NO_LABEL_NUMBERS or 0 not in numbers:
        return
    if max(numbers) > 1 or negative[0] < -1:
        raise PielabError(
            "negative-label",
            f"{where} has the label {negative[0]:g} beside 0 to {max(numbers):g}, which usually means no label",
            "leave its examples out; if it is a class, give it a name",
        )
    warn(f"{where} has the class -1: leave its examples out if it means that they have no label")


def _check_number(names: list[str], numbers: set[float], examples: int, where: str) -> None:
    """numbers: the names as numbers; empty if some are words."""
    if examples >= 20 and len(names) > 0.9 * examples:
        raise PielabError(
            "labels-nearly-unique",
            f"{where} has {len(names)} different labels in {examples} examples",
            "give the column of the classes as label",
        )
    measured = len(numbers) > 20 and max(numbers) - min(numbers) != len(numbers) - 1
    if measured or (examples >= 20 and len(names) > 0.5 * examples):
        warn(f"{where} has {len(names)} labels in {examples} examples, such as {names[0]:.60}: are they classes?")


def _visible(name: str) -> str:
    """A label in one coding of its accents, without codes that format text, and with single spaces."""
    codes = unicodedata.normalize("NFC", name)
    return " ".join("".join(code for code in codes if unicodedata.category(code) != "Cf").split())


def _alike(names: list[str], key: Callable[[str], str]) -> list[str]:
    """The first names of the same key, or none."""
    groups = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return next((group for group in groups.values() if len(group) > 1), [])
