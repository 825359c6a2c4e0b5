"""Sentences of words with a tag each, as lists: what they cannot be, and their tags as class ids."""

import re
import reprlib
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from pielab.data import label_checks, labels
from pielab.errors import PielabError, warn
from pielab.progress import counted
from pielab.store import entities
from pielab.store.entities import OUTSIDE, Tags

# The letters of BIOES, BILOU and BMES, which also mark the last word of an entity, and one alone.
_LETTERS = dict(zip("BISUELM", "BIBBIII", strict=True))
_TAG = re.compile(rf"([{''.join(_LETTERS)}])-(\S.*)", re.DOTALL)
_NUMBER_OF_WORD = re.compile(r"\d+([.-]\d+)?")


def has_words(frames: dict[str, pd.DataFrame], columns: dict[str, str]) -> bool:
    """Whether there are lists among both the texts and the labels, which are words and their tags then.

    columns: as of `tables.select`.
    """
    return all(
        any(_is_list(cell) for frame in frames.values() for cell in frame.get(columns.get(parameter), ()))
        for parameter in ("text", "label")
    )


def check_texts(frames: dict[str, pd.DataFrame], where: str) -> None:
    """Raises PielabError if the labels of texts, which are strings here, are the tags of their words."""
    rows = [_plain(cell) for cell in _cells(frames, "label") if _is_list(cell)]
    tags = all(is_tag(tag) for row in rows for tag in row)
    if tags and (row := next((row for row in rows if len(set(row)) < len(row)), None)):
        raise PielabError(
            "tags-without-words",
            f"{where} has the tags of words as labels, such as {reprlib.repr(row)}, and texts that are strings",
            "give the column of the lists of words as text",
        )


def is_tag(value: Any) -> bool:
    """Whether something is a tag of a word."""
    return isinstance(value, str) and (value == OUTSIDE or _TAG.fullmatch(value) is not None)


def encode(
    frames: dict[str, pd.DataFrame], separator: str | None, where: str
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Frames of the columns text (words joined by a space), words, tags (class ids) and label; the tags' names.

    The first name is "O". label: the types of a sentence's entities as a tuple, by which splits are in proportion.

    frames: with lists as text and label. Raises PielabError for words and tags that cannot be meant.
    """
    check_unpaired(any("text_pair" in frame for frame in frames.values()), where)
    frames = {split: frame.map(_plain) for split, frame in frames.items()}
    label_checks.check_form(_cells(frames, "label"), separator, where)
    tags = {split: bio(frame["text"], frame["label"], f"{where} ({split})") for split, frame in frames.items()}
    words = chain.from_iterable(_cells(frames, "text"))
    if all(_NUMBER_OF_WORD.fullmatch(word) for word in words):
        raise PielabError(
            "words-are-numbers",
            f"all words of {where} are numbers, such as {_cells(frames, 'text')[0][0]!r}",
            "give the column of the words as text",
        )
    types = {split: [_types(row) for row in rows] for split, rows in tags.items()}
    label_checks.check_spelling(sorted(set(chain.from_iterable(chain.from_iterable(types.values())))), where)
    names = [OUTSIDE, *sorted(set(chain.from_iterable(tags[labels.source(frames)])) - {OUTSIDE})]
    if len(names) == 1:
        raise PielabError(
            "no-entities",
            f"all tags of {where} ({labels.source(frames)}) are {OUTSIDE!r}, so that it has no entities",
            "give the column of the tags as label, or add sentences with entities",
        )
    ids = labels.as_ids(tags, names, where)
    columns = {
        split: {
            "text": [" ".join(words) for words in frame["text"]],
            "words": list(frame["text"]),
            "tags": ids[split],
            "label": types[split],
        }
        for split, frame in frames.items()
    }
    return {split: pd.DataFrame(values) for split, values in columns.items()}, names


def warn_of_begun_inside(targets: Iterable[Any]) -> None:
    """Warns of an "I-" that continues no entity; targets: of each split, of which `Tags` alone have any.

    Where the data are first shown, because every notebook encodes them.
    """
    if begun := sum(_begun_inside(tags) for tags in targets if isinstance(tags, Tags)):
        warn(f"the data have I- tags that continue no entity of their type, and so begin one: {begun}")


def _begun_inside(tags: Tags) -> int:
    """How many entities begin with an "I-"."""
    found = entities.spans(tags)
    first = tags.ids[tags.starts[found[:, 0]] + found[:, 1]]
    return int(np.array([name.startswith("I-") for name in tags.names])[first].sum())


def check_unpaired(is_pair: bool, where: str) -> None:
    """Raises PielabError for pairs of lists of words."""
    if is_pair:
        raise PielabError(
            "pairs-of-tagged-words",
            f"text_pair was given, and {where} has words with tags",
            "leave text_pair out, or give None",
        )


def _is_list(cell: Any) -> bool:
    return isinstance(cell, (list, np.ndarray))


def _plain(cell: Any) -> Any:
    return cell.tolist() if isinstance(cell, np.ndarray) else cell


def _cells(frames: dict[str, pd.DataFrame], column: str) -> list:
    return list(chain.from_iterable(frame[column] for frame in frames.values()))


def bio(sentences: Iterable[Any], tagged: Iterable[Any], where: str) -> list[tuple[str, ...]]:
    """The tags of each sentence, their letters those of BIO; PielabError if they cannot be those of its words."""
    rows = []
    for number, (words, tags) in enumerate(zip(sentences, tagged, strict=True), 1):
        _check_sentence(words, f"{where}, sentence {number}")
        if not isinstance(tags, list):
            raise PielabError(
                "tags-not-a-list",
                f"{where}, sentence {number} has {reprlib.repr(tags)} in place of tags",
                'give a list with a tag for each word, such as ["O", "B-PER"]',
            )
        if len(tags) != len(words):
            raise PielabError(
                "words-and-tags-differ",
                f"{where}, sentence {number} has {counted(len(words), 'word')} and {counted(len(tags), 'tag')}",
                "give each word a tag",
            )
        row = tuple(map(_as_bio, tags))
        if "" in row:
            place = row.index("")
            raise PielabError(
                "tag-of-no-entity",
                f"{where}, sentence {number} has the tag {reprlib.repr(tags[place])} for the word {words[place]!r}",
                "write O, or B- (for the first word of an entity) or I- and a type, such as B-PER",
            )
        rows.append(row)
    return rows


def check_words(sentences: Iterable[Any], where: str) -> None:
    """Raises PielabError unless each sentence is a list of words."""
    for number, words in enumerate(sentences, 1):
        _check_sentence(words, f"{where}, sentence {number}")


def _check_sentence(words: Any, where: str) -> None:
    if not isinstance(words, list):
        raise PielabError(
            "words-beside-texts",
            f"{where} is the text {reprlib.repr(words)}, and others are lists of words",
            "give lists of words in every row, or texts",
        )
    if not words:
        raise PielabError("sentence-without-words", f"{where} has no words", "leave it out")
    for place, word in enumerate(words, 1):
        if not isinstance(word, str):
            raise PielabError(
                "word-not-a-string", f"{where} has the word {reprlib.repr(word)}", "give words that are strings"
            )
        if not word.strip():
            raise PielabError(
                "empty-word", f"{where} has an empty word, number {place} of {len(words)}", "leave it out, and its tag"
            )


def _as_bio(tag: Any) -> str:
    """The tag, its letter one of BIO; empty if it is none of words."""
    if not isinstance(tag, str) or tag == OUTSIDE:
        return tag if isinstance(tag, str) else ""
    found = _TAG.fullmatch(tag)
    return f"{_LETTERS[found[1]]}-{found[2]}" if found else ""


def _types(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({tag[2:] for tag in tags if tag != OUTSIDE}))
