"""What a file of answers says of tagged words: .conll columns, or a list of tags in each row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.data import formats, tagged
from pielab.data.answer_sets import Sets
from pielab.data.text_groups import NONE
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store import entities
from pielab.store.entities import OUTSIDE, Tags

# The usual names of a column of lists of words.
WORDS = ("words", "tokens")


@dataclass(frozen=True)
class TaggedWords:
    """The sentences of a file, in its order: their words, None if it has none, and the tags of the model and of gold.

    tags: by option, "answer" and perhaps "label", in BIO.
    """

    words: list[list[str]] | None = field(repr=False)
    tags: dict[str, list[tuple[str, ...]]] = field(repr=False)


@dataclass(frozen=True)
class Sentences:
    """The sentences that several runs tagged, in one order, with the names of all tags of all of them.

    words: of each sentence, None if no file has them. before, after: (runs, words). gold: (words,), None without.
    """

    words: list[list[str]] | None = field(repr=False)
    before: Tags
    after: Tags
    gold: Tags | None


def together(files: Sequence[tuple[Path, TaggedWords]], places: Sequence[np.ndarray], before: int) -> Sentences:
    """The sentences of the files, the first so many of which are runs before. places: of each, the rows in one order.

    Raises PielabError if a sentence has not as many words in all files.
    """
    rows = [[file.tags["answer"][place] for place in order] for (_, file), order in zip(files, places, strict=True)]
    for (path, _), own in zip(files, rows, strict=True):
        for one, other in zip(rows[0], own, strict=True):
            if len(one) != len(other):
                raise PielabError(
                    "sentences-of-other-lengths",
                    f"{files[0][0]} has a sentence of {counted(len(one), 'word')} that has {len(other)} in {path}",
                    "give tags of the same words, one for each",
                )

    def known(values_of: Callable[[TaggedWords], list | None]) -> list | None:
        """What the first file has that has it, in the common order."""
        for (_, file), order in zip(files, places, strict=True):
            if (values := values_of(file)) is not None:
                return [values[place] for place in order]
        return None

    gold = known(lambda file: file.tags.get("label"))
    every = chain.from_iterable(chain.from_iterable([*rows, gold or []]))
    names = (OUTSIDE, *sorted(set(every) - {OUTSIDE}))
    number = {name: place for place, name in enumerate(names)}
    runs = [Tags.of_sentences([[number[tag] for tag in row] for row in own], names) for own in [*rows, gold or []]]
    ids = np.stack([run.ids for run in runs[: len(files)]])
    return Sentences(
        known(lambda file: file.words),
        runs[0].of(ids[:before]),
        runs[0].of(ids[before:]),
        runs[-1] if gold else None,
    )


def conll(path: Path, given: Mapping[str, str | None]) -> pd.DataFrame:
    """The columns of a .conll file under the names by which answers are found, a row a sentence, numbered from 0.

    text is the first column and answer the last; label is the one before it if it has tags. given: the numbers of
    others, by option.
    """
    frame = formats.read(path, [], "label")
    usual = {"text": frame.columns[0], "answer": frame.columns[-1], "label": frame.columns[-2]}
    gold = chain.from_iterable(frame[usual["label"]])
    if given["answer"] or len(frame.columns) < 3 or not all(tagged.is_tag(tag) for tag in gold):
        del usual["label"]
    named = {column for column in given.values() if column}
    names = {column: option for option, column in usual.items() if not given[option] and column not in named}
    return frame.rename(columns=names).assign(id=[str(number) for number in range(len(frame))])


def find(
    frame: pd.DataFrame, columns: Mapping[str, str], path: Path, expected: bool = False
) -> tuple[pd.DataFrame, Sets, TaggedWords] | None:
    """What a file with lists of tags as answers says, and its cells as strings; None of any other file.

    Answers and labels of a sentence are then sets of entities, such as "0-1 person; 4-4 city", of which the labels are
    the types. Without ids the sentences are numbered from 0.

    columns: by option, such as "--answer". expected: whether lists of answers can be nothing else.

    Raises PielabError for tags that cannot be those of the words.
    """
    answers = columns.get("--answer")
    if not answers or not _has_lists(frame, answers):
        return None
    column = next((name for name in (columns.get("--text"), *WORDS) if name and _has_lists(frame, name)), None)
    words = None if column is None else frame[column].map(_plain)
    rows = frame[answers].map(_plain)
    if not (expected or _are_tags(rows) or (words is not None and _as_long(rows, words))):
        return None
    sentences = [[f"number {place}" for place in range(1, len(row) + 1)] for row in rows] if words is None else words
    tags, cells = {}, {}
    sets: dict[str, tuple[str, ...]] = {}
    for option in ("answer", "label"):
        if name := columns.get(f"--{option}"):
            tags[option] = tagged.bio(sentences, frame[name].map(_plain), f"{path}, column {name}")
            found = list(map(_entities, tags[option]))
            cells[name] = ["; ".join(row) or NONE for row in found]
            types = [tuple(sorted({entity.partition(" ")[2] for entity in row})) for row in found]
            sets |= dict(zip(cells[name], types, strict=True))
    if words is not None:
        cells[columns.get("--text", "text")] = list(map(" ".join, words))
    if "--id" not in columns:
        cells["id"] = list(map(str, range(len(frame))))
    return frame.assign(**cells), sets, TaggedWords(None if words is None else list(words), tags)


def _entities(tags: tuple[str, ...]) -> list[str]:
    """The entities of a sentence as strings."""
    names = tuple(dict.fromkeys([OUTSIDE, *tags]))
    own = Tags.of_sentences([[names.index(tag) for tag in tags]], names)
    return entities.named(entities.spans(own), own.types)


def _has_lists(frame: pd.DataFrame, column: str) -> bool:
    return column in frame and any(isinstance(cell, (list, tuple, np.ndarray)) for cell in frame[column])


def _plain(cell: Any) -> Any:
    return list(cell) if isinstance(cell, (tuple, np.ndarray)) else cell


def _are_tags(rows: pd.Series) -> bool:
    """Whether all rows are lists of tags, which labels of texts are not: none is "O", and none is there twice."""
    if not all(isinstance(row, list) and all(tagged.is_tag(tag) for tag in row) for row in rows):
        return False
    return any(OUTSIDE in row or len(set(row)) < len(row) for row in rows)


def _as_long(rows: pd.Series, words: pd.Series) -> bool:
    pairs = zip(rows, words, strict=True)
    return all(isinstance(row, list) and isinstance(own, list) and len(row) == len(own) for row, own in pairs)
