"""One file of a model's answers, from any framework: ids, answers or logits, and perhaps labels, texts and groups."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.data import answer_sets, formats, tables, tag_files
from pielab.data.answer_sets import LABEL_LOGITS, Sets
from pielab.data.logit_checks import check_logits
from pielab.data.tag_files import TaggedWords
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store import digests

# The usual names of each column, in the order in which they are looked for; --group has none.
NAMES = {
    "id": ("id", "uid", "pairID", "guid", "example_id", "doc_id", "example", "index", "idx"),
    "answer": ("prediction", "pred", "predicted", "answer", "output"),
    "logits": ("logits",),
    "label": ("label", "gold", "gold_label", "true", "target"),
    "text": ("text", "sentence", "question"),
}
# A column for each class, named after it.
LOGIT_PREFIXES = ("logit_", "logits_")
# Two columns of texts, as in SNLI and as pielab predict writes them.
PAIRS = (("premise", "hypothesis"), ("text", "text_pair"))
# What one file may have, and another not.
OPTIONAL = ("label", "text", "group")


@dataclass(frozen=True)
class AnswerFile:
    """The answers of one run, a row for each text, in the order of the file.

    digest: of the file, as store.digests gives it. columns: the file's name of each column that was read, by option.
    ids, answers: (texts,) strings. logits: (texts, classes). names: the class of a column of logits, by its place, as
    far as the file tells it. label, text, group: (texts,) strings. None for what the file does not have. sets: the
    labels of each answer and label that is a string of several; None if each text has one, and logits are None if not.
    tagged: of a file of tagged words, whose answers are sets of entities. gold: the right answers of each text, tuples
    of strings, where answers are texts (`text_files`), whose label is None.
    """

    path: Path
    digest: str
    columns: dict[str, str]
    ids: pd.Index
    answers: np.ndarray
    logits: np.ndarray | None
    names: dict[int, str]
    label: np.ndarray | None
    text: np.ndarray | None
    group: np.ndarray | None
    sets: Sets | None = None
    tagged: TaggedWords | None = None
    gold: np.ndarray | None = None


def read_all(
    paths: Sequence[Path],
    given: Mapping[str, str | None],
    separator: str | None = None,
    sets: bool = False,
    tags: bool = False,
) -> list[AnswerFile]:
    """The files, with the same column of ids.

    given: the names of columns by option, a key of NAMES or "group"; None for one of the usual names. sets: whether an
    answer may be a set of labels, a list or joined by the separator. tags: whether lists of answers are tags of words;
    if not, those are that can be nothing else.

    Raises PielabError if a file cannot be read, or has no ids or answers, an empty or repeated id, or an empty answer;
    and if some answers are sets, or tags of words, and others not.
    """
    check_there(paths)
    headers = [_header(path, given) for path in paths]
    for option in OPTIONAL:
        if (name := given[option]) and not any(name in header for header in headers):
            tables.check_columns(headers[0], {f"--{option}": name}, str(paths[0]))
    found = [
        tag_files.find(header, _named(header, given), path, tags) for path, header in zip(paths, headers, strict=True)
    ]
    headers = [each[0] if each else header for each, header in zip(found, headers, strict=True)]
    named = {**given, "id": given["id"] or _common_id(paths, headers)}
    tables_of = []
    labels: dict[Path, Sets | None] = {}
    for path, header, of_tags in zip(paths, headers, found, strict=True):
        columns, pair, classes = _columns(path, header, named)
        frame = _rows(path, header, columns, [*pair, *classes])
        labels[path] = of_tags[1] if of_tags else None
        if sets and not of_tags:
            joined = {option: name for option, name in columns.items() if option in {"--answer", "--label"}}
            frame, labels[path] = answer_sets.write(frame, joined, separator, path)
        if labels[path] is not None:
            columns, classes = {option: name for option, name in columns.items() if option != "--logits"}, []
        tables_of.append((path, frame, columns, pair, classes))
    _check_tags(paths, [each is not None for each in found])
    answer_sets.check_one_form(labels, separator)
    files = [_of_table(*table, labels[table[0]]) for table in tables_of]
    return [replace(file, tagged=each and each[2]) for file, each in zip(files, found, strict=True)]


def check_there(paths: Sequence[Path]) -> None:
    """Raises PielabError for a path that is no file."""
    for path in paths:
        if not path.is_file():
            raise PielabError("no-such-answer-file", f"there is no file {path}", "give the path of a model's answers")


def _check_tags(paths: Sequence[Path], have_tags: Sequence[bool]) -> None:
    if any(have_tags) and not all(have_tags):
        some, other = (paths[have_tags.index(has)] for has in (True, False))
        raise PielabError(
            "tags-beside-other-answers",
            f"{some} has a tag for each word, and {other} has none",
            "give files that all have tags, as columns of a .conll file or as lists",
        )


def _header(path: Path, given: Mapping[str, str | None]) -> pd.DataFrame:
    """A file's columns as they are written; of a CSV or TSV their names alone, because reading it needs them."""
    if formats.suffix(path) == formats.CONLL:
        return tag_files.conll(path, given)
    # A column that no file has, so that the header comes without rows; the delimiter is that of the most known names.
    known = [*filter(None, given.values()), *(name for names in NAMES.values() for name in names), *chain(*PAIRS)]
    frame = formats.read(path, [*known, "\0"], "\0")
    return frame.reset_index() if frame.index.name is not None else frame


def _common_id(paths: Sequence[Path], headers: Sequence[pd.DataFrame]) -> str:
    common = [name for name in NAMES["id"] if all(name in header for header in headers)]
    if not common:
        columns = "; ".join(f"{path.name}: {_listed(header)}" for path, header in zip(paths, headers, strict=True))
        raise PielabError(
            "no-id-column",
            f"no column of ids, such as {', '.join(NAMES['id'])}, is in every file ({columns})",
            "name it with --id, because answers are paired by id and never by their order",
        )
    return common[0]


def _listed(header: pd.DataFrame) -> str:
    return ", ".join(map(str, header.columns))


def _named(header: pd.DataFrame, given: Mapping[str, str | None]) -> dict[str, str]:
    """The column of each option that is given, or has a usual name."""
    columns = {
        f"--{option}": column
        for option, column in given.items()
        if column and (option not in OPTIONAL or column in header)
    }
    for option, names in NAMES.items():
        free = [name for name in names if name in header and name not in columns.values()]
        if free and not given[option]:
            columns[f"--{option}"] = free[0]
    return columns


def _columns(
    path: Path, header: pd.DataFrame, given: Mapping[str, str | None]
) -> tuple[dict[str, str], Sequence[str], Sequence[str]]:
    """The file's column for each option, and the names of two columns of texts and of those of logits, if any."""
    columns = _named(header, given)
    pair = next((pair for pair in PAIRS if not given["text"] and set(pair) <= set(header)), ())
    if pair:
        columns.pop("--text", None)
    classes = [name for name in header if str(name).startswith(LOGIT_PREFIXES)] if "--logits" not in columns else []
    if not {"--answer", "--logits"} & set(columns) and not classes:
        raise PielabError(
            "no-answer-column",
            f"{path} has no column of answers or logits under a usual name, it has {_listed(header)}",
            "name it with --answer or --logits",
        )
    if columns.get("--logits") == LABEL_LOGITS:
        raise PielabError(
            "logits-of-several-labels",
            f"{path} has in {LABEL_LOGITS} those of several labels, of which the largest is not the answer",
            "give the answers with --answer, as lists or joined by a --separator, and no --logits",
        )
    # Checked on the header, because no rows are read before all columns are there.
    tables.check_columns(pd.DataFrame(columns=header.columns, index=[0]), columns, str(path))
    return columns, pair, classes


def _rows(path: Path, header: pd.DataFrame, columns: dict[str, str], further: Sequence[str]) -> pd.DataFrame:
    frame = header
    if formats.suffix(path) in formats.DELIMITERS:
        label = columns.get("--label") or columns.get("--answer") or columns["--id"]
        frame = formats.read(path, [*columns.values(), *further], label)
    tables.check_columns(frame, columns, str(path))
    return frame


def _of_table(
    path: Path,
    frame: pd.DataFrame,
    columns: dict[str, str],
    pair: Sequence[str],
    classes: Sequence[str],
    sets: Sets | None,
) -> AnswerFile:
    frame = frame.astype(object)
    texts = [columns["--text"]] if "--text" in columns else list(pair)
    words = {option: name for option, name in columns.items() if option not in ("--logits", "--text")}
    plain = frame[list(words.values())].map(_plain).join(frame[texts].map(lambda cell: _plain(cell) or ""))
    chosen = tables.select(plain, words | {f"text {name}": name for name in texts}, str(path))
    ids = pd.Index(chosen["--id"])
    if ids.has_duplicates:
        repeated = ids[ids.duplicated()]
        raise PielabError(
            "id-repeated",
            f"{path} has {len(repeated)} rows whose {columns['--id']} stands further up, the first is {repeated[0]!r}",
            "keep one answer for each text, or name another column with --id",
        )
    option = {
        name: chosen[f"--{name}"].to_numpy(object) for name in ("answer", "label", "group") if f"--{name}" in chosen
    }
    logits: np.ndarray | None = None
    if classes or "--logits" in columns:
        logits = _numbers(frame[classes or columns["--logits"]], ids, path)
        check_logits({str(path): logits[None]}, multi_label=False)
        answers, names = _answers_of(
            logits, [name.partition("_")[2] for name in classes], option.get("answer"), ids, path
        )
    else:
        answers, names = option["answer"], {}
    text = chosen[[f"text {name}" for name in texts]].agg(" / ".join, axis=1).to_numpy(object) if texts else None
    digest = digests.of(path)
    several = {"--logits": ", ".join(classes), "--text": ", ".join(pair)}
    columns = columns | {name: joined for name, joined in several.items() if joined}
    return AnswerFile(
        path, digest, columns, ids, answers, logits, names, option.get("label"), text, option.get("group"), sets
    )


def _plain(cell: Any) -> Any:
    """A cell as it is compared: None if empty, and a number that is whole as an integer, however it was stored."""
    if isinstance(cell, str):
        # JSON can hold halves of a character, which no file can.
        return cell.encode(errors="backslashreplace").decode() if cell.strip() else None
    if isinstance(cell, (list, tuple, dict, np.ndarray)):
        return cell
    if pd.isna(cell):
        return None
    return int(cell) if isinstance(cell, (float, np.floating)) and float(cell).is_integer() else cell


def _numbers(cells: pd.DataFrame | pd.Series, ids: pd.Index, path: Path) -> np.ndarray:
    """Logits (texts, classes), from lists, from lists written as JSON, or from a column for each class."""
    rows = [_row(cell, id, path) for id, cell in zip(ids, cells.to_numpy().tolist(), strict=True)]
    if len(lengths := sorted({len(row) for row in rows})) > 1:
        raise PielabError(
            "logits-of-two-lengths",
            f"{path} has texts with {' and '.join(map(str, lengths))} logits",
            "give each text one for each class",
        )
    return np.array(rows)


def _row(cell: Any, id: str, path: Path) -> np.ndarray:
    try:
        row = np.array(json.loads(cell) if isinstance(cell, str) else cell, dtype=np.float64)
    except (TypeError, ValueError):
        row = np.empty(0)
    if row.ndim != 1 or len(row) < 2:
        raise PielabError(
            "logits-of-a-text-not-a-list",
            f"{path} has the logits {reprlib.repr(cell)} for {id!r}",
            "give each text a list of numbers, one for each class, such as [1.5, -0.3]",
        )
    if not np.isfinite(row).all():
        raise PielabError(
            "logits-of-a-text-not-finite",
            f"{path} has logits that are not finite numbers for {id!r}, {reprlib.repr(cell)}",
            "if they are logarithms of 0, give -100 there; if they are NaN, the model has diverged",
        )
    return row


def _answers_of(
    logits: np.ndarray, columns: list[str], answers: np.ndarray | None, ids: pd.Index, path: Path
) -> tuple[np.ndarray, dict[int, str]]:
    """The answers, and the classes of the logits by their place, as far as they are known.

    columns: the classes that the columns of logits are named after; empty for lists. answers: the file's own, if it has
    any; they must be those of the largest logits.
    """
    places = [str(place) for place in range(logits.shape[1])]
    best, names = logits.argmax(axis=1), columns or places
    if answers is None:
        return np.array(names, dtype=object)[best], dict(enumerate(names))
    if known := next((known for known in (columns, places) if set(answers) <= set(known)), None):
        answers, order = np.array(names, dtype=object)[pd.Index(known).get_indexer(answers)], dict(enumerate(names))
    else:  # names that stand nowhere else: the class of a place is the most frequent answer where its logit is largest
        order = pd.Series(answers).groupby(best).agg(lambda words: words.mode()[0]).to_dict()
    places_of = {name: place for place, name in order.items()}
    if len(places_of) < len(order) or not set(answers) <= set(places_of):
        raise PielabError(
            "logits-of-unknown-classes",
            f"{path} has answers, such as {answers[0]!r}, that its logits do not give in any order of the classes",
            "give the logits as columns logit_<class>, or name the right columns with --answer and --logits",
        )
    own = np.array([places_of[answer] for answer in answers])
    lower = logits[np.arange(len(own)), own] < logits.max(axis=1)
    if lower.any():
        first = lower.argmax()
        raise PielabError(
            "answers-against-logits",
            f"{path} has {counted(int(lower.sum()), 'answer')} whose logit is not the largest, the first is "
            f"{answers[first]!r} for {ids[first]!r}, where that of {order[best[first]]!r} is",
            "put the logits in the order of the classes, or name the right columns with --answer and --logits",
        )
    return answers, order
