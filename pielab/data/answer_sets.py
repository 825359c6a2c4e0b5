"""Answers with several labels to a text: lists, or labels joined by a separator, and how a set of them is written."""

import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.data import formats
from pielab.data.text_groups import NONE
from pielab.errors import PielabError

# As pielab predict names the logits of several labels, of which the largest is not the answer.
LABEL_LOGITS = "label_logits"
# The labels of each answer, by how it is written.
Sets = Mapping[str, tuple[str, ...]]
_WRITTEN_LIST = re.compile(r"\[.*\]", re.DOTALL)
_BITS = {"0", "1", "0.0", "1.0", "false", "true"}


def write(
    frame: pd.DataFrame, columns: Mapping[str, str], separator: str | None, path: Path
) -> tuple[pd.DataFrame, Sets | None]:
    """The frame with the sets of some columns, answers and labels, as strings; and the labels of each string.

    columns: of "--answer" and "--label", as far as there are any. separator: of the labels in a string; None if there
    are only lists. Labels are in the order of the alphabet, and no
    label is "(none)", as pielab predict writes it. None in place of sets, and the frame as it is, if there are no lists
    and no separator.

    Raises PielabError for columns of which some rows are lists and others not, for lists of zeros and ones, for labels
    that are no names or numbers, and for strings that may be several labels.
    """
    cells = [cell for column in columns.values() for cell in frame[column]]
    if separator is None and not any(map(_is_list, cells)):
        _check_single([cell for cell in cells if isinstance(cell, str)], LABEL_LOGITS in frame, path)
        return frame, None
    if "--answer" not in columns:
        raise PielabError(
            "several-labels-without-answers",
            f"{path} has texts with several labels, and no column of answers under a usual name",
            "name it with --answer, because logits do not tell how probable a label must be to be given",
        )
    _check_bits([cell for cell in cells if _is_list(cell)], path)
    between, sets = f"{(separator or ';').strip() or ' '} ", {}

    def as_string(cell: Any) -> str | None:
        if (labels := _labels(cell, separator, path)) is None:
            return None
        if unclear := next((label for label in labels if between in label or label == NONE), None):
            raise PielabError(
                "label-like-a-set",
                f"{path} has the label {unclear!r}, which is how {'no label is' if unclear == NONE else 'several are'} "
                "written",
                "rename it, or give a --separator that occurs in no label",
            )
        written = between.join(labels) or NONE
        sets[written] = labels
        return written

    return frame.assign(**{column: frame[column].map(as_string) for column in columns.values()}), sets


def check_one_form(sets: Mapping[Path, Sets | None], separator: str | None) -> None:
    """Raises PielabError if the answers of some files are sets and of others not, or if the separator never occurs."""
    some, others = ([path for path in sets if (sets[path] is None) == is_single] for is_single in (False, True))
    if some and others:
        raise PielabError(
            "sets-beside-single-answers",
            f"{some[0]} has lists of labels, and {others[0]} one answer for each text",
            "give lists in all files, or --separator with what separates the labels in a string",
        )
    labels = dict(item for of_file in sets.values() for item in (of_file or {}).items())
    if separator and all(len(of_answer) == 1 for of_answer in labels.values()):
        raise PielabError(
            "answer-separator-never-occurs",
            f"--separator {separator!r} occurs in no answer, such as {reprlib.repr(next(iter(labels)))}",
            "give what separates the labels of a text, or omit it if each has one",
        )


def _is_list(cell: Any) -> bool:
    return isinstance(cell, (list, tuple, np.ndarray))


def _labels(cell: Any, separator: str | None, path: Path) -> tuple[str, ...] | None:
    """The labels of a cell, each once; None if it is missing."""
    if _is_list(cell):
        labels = [_label(label, cell, path) for label in cell]
    elif pd.isna(cell):
        return () if formats.suffix(path) in formats.DELIMITERS else None
    elif separator is None:
        raise PielabError(
            "answers-of-two-forms",
            f"{path} has lists of labels, and {reprlib.repr(cell)}, which is none",
            "give lists in every row of the answers and the labels, or join them and give --separator",
        )
    else:
        parts = [] if cell == NONE else cell.split(separator) if isinstance(cell, str) else [cell]
        labels = [_label(part, cell, path).strip() for part in parts if str(part).strip()]
    return tuple(sorted(set(labels)))


def _label(label: Any, cell: Any, path: Path) -> str:
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, (bool, np.bool_, dict)) or _is_list(label) or label is None or not str(label).strip():
        raise PielabError(
            "label-in-list-no-name",
            f"{path} has the list {reprlib.repr(cell)}, in which {label!r} is no label",
            "give the names or numbers of the labels that a text has, and [] for none",
        )
    # JSON can hold halves of a character, which no file can.
    return str(label).encode(errors="backslashreplace").decode()


def _check_bits(lists: Sequence[Sequence], path: Path) -> None:
    """Raises PielabError for lists that have a 0 or 1 for each class, which would be taken for the classes 0 and 1."""
    values = {str(label).lower() for cell in lists for label in cell}
    same_length = len({len(cell) for cell in lists}) == 1 and len(lists[0]) > 1
    if values and values <= _BITS and (same_length or any(len(set(map(str, cell))) < len(cell) for cell in lists)):
        raise PielabError(
            "answers-are-bits",
            f"{path} has lists of zeros and ones, such as {reprlib.repr(list(lists[0]))}",
            "give the names of the labels that a text has in place of a 0 or 1 for each class",
        )


def _check_single(words: Sequence[str], has_label_logits: bool, path: Path) -> None:
    """Raises PielabError if what is read as one answer for each text seems to be several labels."""
    if has_label_logits:
        raise PielabError(
            "several-labels-without-separator",
            f"{path} has {LABEL_LOGITS}, as of texts with several labels, and answers such as {max(words, key=len)!r}",
            "name what separates the labels with --separator; pielab predict writes ';', unless it was told another",
        )
    if words and all(_WRITTEN_LIST.fullmatch(word.strip()) for word in words):
        raise PielabError(
            "answers-written-as-lists",
            f"{path} has answers that are lists written as text, such as {reprlib.repr(words[0])}",
            "save lists in a .jsonl or .parquet file, or join the labels and give --separator",
        )
