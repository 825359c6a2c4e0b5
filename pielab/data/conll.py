"""A file of words in columns, a line each, with blank lines between sentences, as CoNLL's shared tasks have them."""

import io
import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from pielab.errors import PielabError
from pielab.progress import counted

_COMMENT = "# "
# Stands between the documents of CoNLL 2003; in some files there is a number before it, as before each word.
_DOCUMENT = re.compile(r"(\d+[ \t]+)?-DOCSTART-")
_TAG = re.compile(r"O|[A-Z]-.+")


def table(text: str, columns: Collection[str], label: str | None, path: Path) -> pd.DataFrame:
    """A row for each sentence; in each column, called by its number from "1", the list of its words' strings there.

    columns: those that will be used. If "text" is one, the first column has that name, and so has the last "label",
    unless their numbers are used. label: the column of the tags, if that is known.

    Columns are separated by tabs if every line has one, else by tabs or spaces. A line of white space is blank, and so
    is one of -DOCSTART-. One that begins with "# ", above the words of a sentence, is a comment, unless it has as many
    columns as a word, and a tag among them.

    Raises PielabError if there is one column and tags are wanted, or lines have different numbers of them; ValueError
    without any words.
    """
    lines = io.StringIO(text, newline=None).read().split("\n")
    lines = ["" if not line.strip() or _DOCUMENT.match(line) else line for line in lines]
    words = [number for number, line in enumerate(lines) if line and not line.startswith(_COMMENT)]
    if not words:
        raise ValueError("it has no words")
    tabs = all("\t" in lines[number] for number in words)
    fields = [_fields(line, tabs) for line in lines]
    width = len(fields[words[0]])
    names = _names(width, columns)
    tag = names.index(label) if label in names else -1
    sentences: list[list[list[str]]] = [[]]
    for number, (line, row) in enumerate(zip(lines, fields, strict=True), 1):
        may_be_comment = line.startswith(_COMMENT) and not sentences[-1]
        if not line:
            sentences.append([])
        elif len(row) == width and not (may_be_comment and not _TAG.fullmatch(row[tag])):
            sentences[-1].append(row)
        elif not may_be_comment:
            raise PielabError(
                "columns-of-lines-differ",
                f"{path} has {counted(len(row), 'column')} in line {number}, and {width} in line {words[0] + 1}",
                "give all words as many columns, separated by tabs, or by spaces if no word has one; comments begin "
                'with "# ", above the words of a sentence',
            )
    if width == 1 and label is not None:
        raise PielabError(
            "single-column",
            f"{path} has one column, and so no tags",
            "write the tag of each word behind it, after a tab or a space",
        )
    cells = [[list(column) for column in zip(*rows, strict=True)] for rows in sentences if rows]
    return pd.DataFrame(dict(zip(names, map(list, zip(*cells, strict=True)), strict=True)), dtype=object)


def _fields(line: str, tabs: bool) -> list[str]:
    return [field.strip(" ") for field in line.split("\t")] if tabs else re.findall(r"[^ \t]+", line)


def _names(width: int, columns: Collection[str]) -> list[str]:
    names = [str(place) for place in range(1, width + 1)]
    for place, name in ((0, "text"), (-1, "label")):
        if name in columns and names[place] not in columns:
            names[place] = name
    return names
