"""One file as a table of values as they are written: CSV, TSV, JSON, Parquet or CoNLL's columns, perhaps gzipped."""

import codecs
import contextlib
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.data import conll, squad
from pielab.errors import PielabError, first_line

# Of the kinds whose cells have no types.
DELIMITERS = {".csv": ",", ".tsv": "\t"}
CONLL = ".conll"
SUFFIXES = (*DELIMITERS, ".parquet", CONLL, ".jsonl", ".json")

# Stand for the two while a table with backslashes before quotation marks is read.
_QUOTE, _BACKSLASH = "\ue000", "\ue001"
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# How files of other kinds begin, what they are, and what to do.
_TABLE = "save its table as CSV UTF-8 under another name"
_BEGINNINGS = {
    b"PK\x03\x04": ("a zip archive, as .xlsx and .ods files are", _TABLE),
    b"\xd0\xcf\x11\xe0": ("an .xls file", _TABLE),
    b"%PDF-": ("a PDF", _TABLE),
    b"<!doctype html": ("a web page", "download the file itself, which GitHub calls raw"),
    b"<html": ("a web page", "download the file itself, which GitHub calls raw"),
    b"version https://git-lfs": ("a pointer of Git LFS", "get the file itself with git lfs pull"),
    b"PAR1": ("a Parquet file", "let its name end in .parquet"),
    b"\x1f\x8b": ("gzipped", "let its name end in .gz"),
}
_OWN = {b"PAR1": ".parquet", b"\x1f\x8b": ".gz"}


def suffix(path: Path) -> str:
    """The kind of a file: how its name ends, in lower case and without .gz."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def stem(path: Path) -> str:
    """A file's name in lower case, without .gz and its kind."""
    return Path(path.name.lower().removesuffix(".gz")).stem


def read(path: Path, columns: Collection[str], label: str | None) -> pd.DataFrame:
    """All columns of a file; cells of a CSV or TSV are strings, or None if empty, of a .conll file lists of strings.

    columns: those that will be used, by which a delimiter is recognised, and the columns of a .conll file are named.
    label: the one of them with labels, None if there is none.

    Raises PielabError if the file cannot be read.
    """
    if suffix(path) not in SUFFIXES:
        raise PielabError(
            "unknown-kind-of-file",
            f"{path} is of an unknown kind",
            f"give a file that ends in {', '.join(SUFFIXES)}, or in one of these and .gz",
        )
    with _readable(path):
        data = _bytes(path)
        if suffix(path) == ".parquet":
            return pd.read_parquet(io.BytesIO(data))
        text = _decode(data, path)
        if suffix(path) in DELIMITERS:
            return _table(text, DELIMITERS[suffix(path)], columns, label, path)
        return conll.table(text, columns, label, path) if suffix(path) == CONLL else _json(text, path)


def text(path: Path) -> str:
    """The text of a file, perhaps gzipped. Raises PielabError if it cannot be read."""
    with _readable(path):
        return _decode(_bytes(path), path)


def mapping(path: Path) -> dict[str, str] | None:
    """Strings by strings, as the predictions that SQuAD's script reads; None if that is not the whole of a JSON file.

    Raises PielabError if the file cannot be read.
    """
    whole = _one_value(text(path)) if suffix(path) == ".json" else None
    strings = whole if isinstance(whole, dict) else {}
    return strings if len(strings) > 1 and all(isinstance(each, str) for each in strings.values()) else None


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What goes wrong in reading a file as a PielabError."""
    try:
        yield
    except PielabError:
        raise
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise PielabError(
            "data-file-unreadable",
            f"{path} could not be read as {suffix(path)[1:]} ({first_line(error)})",
            "check that it is complete, and of the kind that its name ends in",
        ) from None


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    _check_beginning(data, path)
    return gzip.decompress(data) if path.suffix.lower() == ".gz" else data


def _check_beginning(data: bytes, path: Path) -> None:
    """Raises PielabError for a file of another kind than its name says, which its first bytes tell."""
    start = data[:32].lstrip().lower()
    for beginning, (kind, cure) in _BEGINNINGS.items():
        if start.startswith(beginning.lower()) and path.suffix.lower() != _OWN.get(beginning):
            raise PielabError("file-of-another-kind", f"{path} is {kind}", cure)


def _decode(data: bytes, path: Path) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
        # UTF-16 without its mark has a zero byte in every other place.
        reason = "it has zero bytes" if "\0" in text else ""
    except UnicodeDecodeError as error:
        reason = first_line(error)
    if reason:
        raise PielabError(
            "not-utf-8", f"{path} is not UTF-8 ({reason})", "save it as UTF-8; spreadsheets call it CSV UTF-8"
        )
    return text


def _json(text: str, path: Path) -> pd.DataFrame:
    """An object for each row: on a line of its own, or all in one array; or SQuAD's JSON."""
    whole = _one_value(text)
    if squad.is_json(whole):
        return squad.table(whole, path)
    if text.lstrip().startswith("["):
        rows = json.loads(text)
    else:
        rows = [_row(line, number) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if (
        len(rows) == 1
        and isinstance(rows[0], dict)
        and all(isinstance(cell, (list, dict)) for cell in rows[0].values())
    ):
        raise ValueError("it is one object of columns, not an object for each row")
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError("it has no rows" if not rows else "not every row is an object of columns and values")
    return pd.DataFrame(rows, dtype=object)


def _one_value(text: str) -> Any:
    """The object that the whole text is; None if it is none, as several lines are not."""
    try:
        return json.loads(text) if text.lstrip().startswith("{") else None
    except json.JSONDecodeError:
        return None


def _row(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number}, column {error.colno}: {error.msg}") from None


def _table(text: str, usual: str, columns: Collection[str], label: str | None, path: Path) -> pd.DataFrame:
    """Rows of delimited fields under a header. usual: the delimiter, unless more of `columns` are there by another."""
    lines = list(io.StringIO(text, newline=""))
    headers = {delimiter: _header(lines, delimiter) for delimiter in (usual, ",", ";", "\t", "|")}
    delimiter = max(headers, key=lambda delimiter: len(set(headers[delimiter]) & set(columns)))
    if not set(columns) <= set(headers[delimiter]):
        return pd.DataFrame(columns=headers[delimiter])  # its reader says which column is missing
    # How quotation marks may be meant: doubled inside quoted fields, escaped by a backslash, or part of the text.
    readings: list[tuple[list[str], dict[str, Any]]] = [(lines, {"strict": True}), (lines, {"quoting": csv.QUOTE_NONE})]
    if '\\"' in text:
        readings.insert(1, ([_escaped(line) for line in lines], {"strict": True}))
    problems = []
    for meant, quoting in readings:
        try:
            frame = _rows(meant, columns, label, delimiter=delimiter, **quoting)
        except ValueError as error:
            problems.append(first_line(error))
        else:
            if (frame == headers[delimiter]).all(axis=1).any():
                raise PielabError("header-repeated", f"{path} has its header more than once", "keep the first alone")
            return frame if meant is lines else frame.map(_unescaped, na_action="ignore")
    raise PielabError(
        "table-broken",
        f"{path} could not be read as a table ({problems[0]})",
        "put quotation marks round a text that has delimiters, line breaks or quotation marks, and double those inside "
        "it, as to_csv of pandas does; or give a .jsonl or .parquet file",
    )


def _escaped(line: str) -> str:
    return line.replace("\\\\", _BACKSLASH).replace('\\"', _QUOTE)


def _unescaped(cell: str) -> str:
    return cell.replace(_BACKSLASH, "\\").replace(_QUOTE, '"')


def _header(lines: list[str], delimiter: str) -> list[str]:
    for _, _, row in _records(lines, delimiter=delimiter):
        return row
    raise ValueError("it is empty")


def _records(lines: list[str], **dialect: Any) -> Iterator[tuple[int, int, list[str]]]:
    """Each row that is not blank, with the numbers of the lines before its first and of its last."""
    limit = csv.field_size_limit(2**31 - 1)  # of pandas there is none, and articles exceed Python's
    try:
        reader, end = csv.reader(lines, **dialect), 0
        for row in reader:
            start, end = end, reader.line_num
            if len(row) > 1 or "".join(row).strip():
                yield start, end, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _rows(lines: list[str], columns: Collection[str], label: str | None, **dialect: Any) -> pd.DataFrame:
    """The table; ValueError if a row does not fit the header, or if quotation marks span what are rows of their own."""
    (_, _, header), *records = _records(lines, **dialect)
    width, place = len(header), None if label is None else header.index(label)
    rows = [row for _, _, row in records]
    if rows and {len(row) for row in rows} == {width + 1}:
        rows = _without_extra(rows, numbered=header[0] in columns)
    needed = 1 + max(map(header.index, columns))
    labels = set() if place is None else {row[place] for row in rows if len(row) > place}
    if dialect.get("quoting") == csv.QUOTE_NONE and any('"' in label for label in labels):
        raise ValueError("some labels are in quotation marks")
    words = {word for label in labels for word in _words(label)}
    for (start, end, _), row in zip(records, rows, strict=True):
        if not needed <= len(row) <= width:
            raise ValueError(f"line {start + 1} has {len(row)} fields, the header {width}")
        joined = lines[start:end]
        if place is not None and len(joined) > 1 and _are_rows(joined, dialect["delimiter"], width, place, words):
            raise ValueError(f"a quotation mark opened in line {start + 1} joins it to line {end}")
    cells = [[cell or None for cell in row] + [None] * (width - len(row)) for row in rows]
    return pd.DataFrame(cells, columns=header, dtype=object)


def _are_rows(lines: list[str], delimiter: str, width: int, place: int, words: set[str]) -> bool:
    """Whether the lines of one row are rows by themselves; of a text's lines, at most one has the words of labels."""
    pieces = [line.rstrip("\r\n").split(delimiter) for line in lines]
    return all(len(piece) == width for piece in pieces) and (
        sum(set() < _words(piece[place]) <= words for piece in pieces) > 1
    )


def _words(label: str) -> set[str]:
    return set(re.findall(r"\w+", label))


def _without_extra(rows: list[list[str]], numbered: bool) -> list[list[str]]:
    """Rows that are all one field longer than the header, without a delimiter at the end or a number in front.

    numbered: whether a number in front can be none of the header's columns, because the first of them is a text.
    """
    if not any(row[-1] for row in rows):
        return [row[:-1] for row in rows]
    if numbered and [row[0] for row in rows] in (
        [str(index + first) for index in range(len(rows))] for first in (0, 1)
    ):
        return [row[1:] for row in rows]
    return rows
