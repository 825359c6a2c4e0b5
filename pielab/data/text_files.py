"""Files of answers that are texts: to questions, as SQuAD's script reads them, and of systems that generate texts."""

import itertools
import os
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from pielab.data import answer_files, corpora, formats, spans, tables
from pielab.data.answer_files import AnswerFile
from pielab.errors import PielabError
from pielab.store import digests

QUESTIONS, GENERATION = "spans", "generation"
# One text a line, as data-to-text systems write them.
LINES = ".txt"
# One run a line, with a list of its texts.
RUNS = "outputs"
# The usual names of each column, in the order in which they are looked for.
NAMES = {
    "id": answer_files.NAMES["id"],
    "answer": (*answer_files.NAMES["answer"], "generated_text", "hypothesis"),
    "text": (*answer_files.NAMES["text"], "source", "mr", "input"),
    "label": (*answer_files.NAMES["label"], "answers", "targets", "references", "reference", "ref"),
    "group": (),
}


def task_of(paths: Sequence[Path], given: str | None) -> str | None:
    """The task of files whose answers are texts, the given one or what their form tells; None of all other files.

    Text files and lists of outputs are generated texts, and JSON of strings by id answers to questions. Raises
    PielabError for files of both.
    """
    answer_files.check_there(paths)
    told = {path: task for path in paths if (task := given or _task_of(path))}
    if len(set(told.values())) > 1:
        questions, generated = (next(path for path in told if told[path] == task) for task in (QUESTIONS, GENERATION))
        raise PielabError(
            "answers-and-generated-texts",
            f"{questions} has answers to questions, and {generated} generated texts",
            "give files of one kind, or say by --task what they are",
        )
    return next(iter(told.values()), None)


def read_all(
    paths: Sequence[Path], given: Mapping[str, str | None], references: Path | None = None
) -> list[AnswerFile]:
    """The runs of the files, in their order, one a file, or one a line where each has a list of outputs.

    given: the names of columns by option, a key of `NAMES`; None for one of the usual names. Without a column of ids
    the rows are numbered from 0. references: of a file with the texts that people wrote, or the answers, of each.

    Raises PielabError if a file cannot be read, has no answers or ids twice, or an answer is no text; and if the
    references lack an id.
    """
    runs = list(itertools.chain.from_iterable(_runs(path, given) for path in paths))
    return runs if references is None else _with_references(runs, references, given)


def ids_of(name: str, split: Any, columns: Mapping[str, Any]) -> list[str] | None:
    """The ids that the files of a data set have for the questions of a split; None if they have none, or not of all.

    columns: as given to `datasets.load`. Questions are found by their contexts too.
    """
    folders = [Path(folder) for folder in (os.environ.get("PIELAB_DATA"),) if folder]
    given = {parameter: columns.get(parameter, default) for parameter, default in spans.DEFAULTS.items()}
    given |= {"text_pair": columns["text_pair"]} if columns.get("text_pair") else {}
    if "text_pair" not in split.column_names or corpora.load(name, folders):
        return None
    frames = tables.load(name, folders, given, joined=False)
    chosen = spans.columns(frames, given)
    parts = ("text", "text_pair")
    known: dict[tuple[str, ...], str] = {}
    for frame in frames.values():
        if {"id", *(chosen[part] for part in parts)} <= set(frame):
            keys = zip(*(frame[chosen[part]] for part in parts), strict=True)
            known |= dict(zip(keys, frame["id"].astype(str), strict=True))
    found = [known.get(key) for key in zip(*(split[part] for part in parts), strict=True)]
    return None if None in found or len(set(found)) < len(found) else [str(id) for id in found]


def _task_of(path: Path) -> str | None:
    if formats.suffix(path) == LINES or (formats.suffix(path) == ".jsonl" and f'"{RUNS}"' in lines(path)[0]):
        return GENERATION
    if formats.suffix(path) == ".parquet":
        try:
            told = (pq.read_schema(path).metadata or {}).get(b"task", b"").decode().strip('"')
        except (OSError, ValueError):
            return None  # what reads it says what is wrong
        return told if told in (QUESTIONS, GENERATION) else None
    return QUESTIONS if formats.mapping(path) else None


def _runs(path: Path, given: Mapping[str, str | None]) -> Iterator[AnswerFile]:
    """The runs of a file."""
    if formats.suffix(path) == LINES:
        yield _numbered(path, lines(path), digests.of(path), "lines")
    elif texts := formats.mapping(path):
        ids = pd.Index(list(texts))
        answers = np.array(list(texts.values()), dtype=object)
        columns = {"--id": "keys", "--answer": "values"}
        yield AnswerFile(path, digests.of(path), columns, ids, answers, None, {}, None, None, None)
    else:
        frame, columns = _table(path, given)
        if RUNS in frame and "--answer" not in columns:
            for number, texts in enumerate(frame[RUNS], 1):
                line = Path(f"{path}:{number}")
                yield _numbered(line, texts, f"{digests.of(path)}, line {number}", RUNS)
            return
        if "--answer" not in columns:
            raise PielabError(
                "no-column-of-texts",
                f"{path} has no column of answers under a usual name, it has {', '.join(map(str, frame))}",
                "name it with --answer",
            )
        answers = np.array([_text(cell, path) for cell in frame[columns["--answer"]]], dtype=object)
        ids, text, gold = _about(frame, columns, path)
        group = None if "--group" not in columns else frame[columns["--group"]].astype(str).to_numpy(object)
        yield AnswerFile(path, digests.of(path), columns, ids, answers, None, {}, None, text, group, gold=gold)


def _numbered(path: Path, texts: Any, digest: str, name: str) -> AnswerFile:
    texts = texts.tolist() if isinstance(texts, np.ndarray) else texts
    if not isinstance(texts, list) or not texts:
        raise PielabError(
            "outputs-not-a-list", f"{path} has {reprlib.repr(texts)} as {name}", "give a list of strings, one a text"
        )
    answers = np.array([_text(text, path) for text in texts], dtype=object)
    ids = pd.Index([str(place) for place in range(len(answers))])
    return AnswerFile(path, digest, {"--id": "place", "--answer": name}, ids, answers, None, {}, None, None, None)


def lines(path: Path) -> list[str]:
    """The lines of a text file; an empty one is an empty text, but for the end of the last line."""
    return formats.text(path).replace("\r\n", "\n").removesuffix("\n").split("\n")


def _table(path: Path, given: Mapping[str, str | None]) -> tuple[pd.DataFrame, dict[str, str]]:
    """A file as a table, and its columns by option."""
    known = [*filter(None, given.values()), *(name for names in NAMES.values() for name in names)]
    frame = formats.read(path, [*known, "\0"], None)
    frame = frame.reset_index() if frame.index.name is not None else frame
    columns = {f"--{option}": name for option in NAMES if (name := given.get(option))}
    for option, names in NAMES.items():
        free = [name for name in names if name in frame and name not in columns.values()]
        if free and not given.get(option):
            columns[f"--{option}"] = free[0]
    tables.check_columns(pd.DataFrame(columns=frame.columns, index=[0]), columns, str(path))
    if columns and formats.suffix(path) in formats.DELIMITERS:
        frame = formats.read(path, list(columns.values()), None)
    return frame, columns


def _about(
    frame: pd.DataFrame, columns: Mapping[str, str], path: Path
) -> tuple[pd.Index, np.ndarray | None, np.ndarray | None]:
    """The ids, questions or sources, and right answers of a table."""
    ids = pd.Index([str(place) for place in range(len(frame))])
    if "--id" in columns:
        ids = pd.Index(frame[columns["--id"]].astype(str))
    if ids.has_duplicates:
        repeated = ids[ids.duplicated()]
        raise PielabError(
            "id-of-text-repeated",
            f"{path} has {len(repeated)} rows whose {columns['--id']} stands further up, the first is {repeated[0]!r}",
            "keep one answer for each, or name another column with --id",
        )
    text = gold = None
    if "--text" in columns:
        text = np.array([_text(cell, path) for cell in frame[columns["--text"]]], dtype=object)
    if "--label" in columns:
        gold = _objects([_gold(cell, path) for cell in frame[columns["--label"]]])
    return ids, text, gold


def _objects(values: Sequence[tuple[str, ...]]) -> np.ndarray:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _text(cell: Any, path: Path) -> str:
    if isinstance(cell, str):
        # JSON can hold halves of a character, which no file can.
        return cell.encode(errors="backslashreplace").decode()
    if isinstance(cell, (list, tuple, dict, np.ndarray, bool)):
        raise PielabError(
            "answer-not-a-text", f"{path} has {reprlib.repr(cell)} in place of a text", "give one string for each text"
        )
    return "" if pd.isna(cell) else str(cell)


def _gold(cell: Any, path: Path) -> tuple[str, ...]:
    """The right answers of a cell: a string, a list of them, or SQuAD's and the Hub's objects with texts."""
    cell = cell.tolist() if isinstance(cell, np.ndarray) else cell
    if isinstance(cell, dict):
        return _gold(cell.get("text"), path)
    if not isinstance(cell, (list, tuple)):
        return tuple(filter(None, [_text(cell, path)]))
    return tuple(_text(part.get("text") if isinstance(part, dict) else part, path) for part in cell)


def _with_references(runs: list[AnswerFile], path: Path, given: Mapping[str, str | None]) -> list[AnswerFile]:
    """The runs with the right answers, and the texts, of another file, by id."""
    if not path.is_file():
        raise PielabError("no-such-references", f"there is no file {path}", "give that of the --references")
    ids, text, gold = _references(path, given)
    found = []
    for run in runs:
        places = ids.get_indexer(run.ids)
        if (places < 0).any() or not (len(run.ids)):
            raise PielabError(
                "references-of-other-texts",
                f"{path} has references of {len(ids):,} texts, and none of {run.ids[places < 0][0]!r}, which "
                f"{run.path} has",
                "give those of the same texts, with the same ids, or without ids in the same order",
            )
        found.append(replace(run, gold=gold[places], text=run.text if text is None else text[places]))
    return found


def _references(path: Path, given: Mapping[str, str | None]) -> tuple[pd.Index, np.ndarray | None, np.ndarray]:
    """The ids, texts and right answers of a file of references.

    Of a text file one a line, or where there are empty lines, several a text, with an empty line between two texts.
    Rows of a table without ids that have the same source are references of one text, in the order of the sources.
    """
    if formats.suffix(path) == LINES:
        parts = [tuple(group) for filled, group in itertools.groupby(lines(path), bool) if filled]
        parts = [(line,) for line in lines(path)] if len(parts) == 1 else parts
        return pd.Index([str(place) for place in range(len(parts))]), None, _objects(parts)
    names = {"id": given.get("id")} | dict.fromkeys(("answer", "text", "label", "group"))
    frame, columns = _table(path, names)
    if "--label" not in columns:
        raise PielabError(
            "no-column-of-references",
            f"{path} has no column of right answers or references under a usual name, it has "
            f"{', '.join(map(str, frame))}",
            f"call it {NAMES['label'][-2]}",
        )
    if "--id" in columns or "--text" not in columns:
        ids, text, gold = _about(frame, columns, path)
        assert gold is not None
        return ids, text, gold
    sources: dict[str, tuple[str, ...]] = {}
    for source, cell in zip(frame[columns["--text"]], frame[columns["--label"]], strict=True):
        sources[source] = (*sources.get(source, ()), *_gold(cell, path))
    ids = pd.Index([str(place) for place in range(len(sources))])
    return ids, np.array(list(sources), dtype=object), _objects(list(sources.values()))
