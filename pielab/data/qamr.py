"""QAMR (Michael et al. 2018): questions about one sentence each, answered with words of it by three people."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.errors import PielabError

SOURCE = "filtered_{train,dev,test}.tsv and wiki-sentences.tsv of https://github.com/uwnlp/qamr"
FILES = ("wiki-sentences.tsv*",)
_SENTENCE, _QUESTION, _ANSWER, _FIELDS = 0, 5, 6, 9


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """The splits that have a file: questions as text, their sentences as text_pair, and answers as label.

    Without a file of the training set, the development set is trained on. An answer that leaves words out is taken
    with these, because it is one part of the sentence: one in forty.

    Raises PielabError if a file is missing, or a line has other fields.
    """
    sentences = {number: sentence for number, sentence in _rows(folder, "wiki-sentences", 2)}
    stems = {"train": "train", "validation": "dev", "test": "test"}
    there = {split: stem for split, stem in stems.items() if _path(folder, f"filtered_{stem}")}
    if "train" not in there and "validation" in there:
        there = {"train": there["validation"], **{split: stem for split, stem in there.items() if split == "test"}}
    rows = {split: _rows(folder, f"filtered_{stem}", _FIELDS) for split, stem in there.items()}
    return {split: pd.DataFrame(_questions(of_split, sentences)) for split, of_split in rows.items()}


def _questions(rows: Iterator[list[str]], sentences: dict[str, str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        sentence = sentences[row[_SENTENCE]]
        # Those of other people are their number, a colon and the words.
        given = [row[_ANSWER], *(field.partition(":")[2] for field in row[_ANSWER + 1 :])]
        answers = [_answer(sentence, sorted(map(int, words.split()))) for words in given if words.strip()]
        yield {"text": row[_QUESTION], "text_pair": sentence, "label": answers}


def _answer(sentence: str, places: list[int]) -> dict[str, Any]:
    """The part of a sentence from the first to the last of an answer's words, which are counted from 0."""
    words = sentence.split(" ")
    text = " ".join(words[places[0] : places[-1] + 1])
    return {"text": text, "answer_start": sum(len(word) + 1 for word in words[: places[0]])}


def _rows(folder: Path, stem: str, fields: int) -> Iterator[list[str]]:
    path = _path(folder, stem)
    if not path:
        raise PielabError("no-qamr", f"{folder} has no {stem}.tsv", f"get {SOURCE}")
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        row = line.rstrip("\r").split("\t")
        if len(row) != fields:
            raise PielabError(
                "qamr-cut-short", f"line {number} of {path} has {len(row)} fields and not {fields}", f"get {SOURCE}"
            )
        yield row


def _path(folder: Path, stem: str) -> Path | None:
    return next((path for end in ("", ".gz") if (path := folder / f"{stem}.tsv{end}").exists()), None)
