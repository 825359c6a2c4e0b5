"""Texts to token ids: words for the BiLSTM, the model's own subwords for a transformer."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pielab import vectors
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
    known = vectors.load(word_vectors)
    wanted = known.words.unique()
    if texts is not None:
        wanted = pa.array(sorted({word for text in texts for word in words(text)}), pa.string())
    rows = pc.index_in(wanted, value_set=known.words)  # a word that is there twice counts by its first vector
    found = wanted.filter(rows.is_valid()).to_pylist()
    if not found:
        raise PielabError(f"word_vectors = {word_vectors!r} has no vector for any of the texts' {len(wanted)} words.")
    fill = {
        "random": np.random.default_rng(0).normal(known.mean, known.std),
        "zero": np.zeros_like(known.mean),
        "mean": known.mean,
    }[padding]
    special = np.array([fill, known.mean], dtype=np.float32)
    matrix = np.vstack([special, known.matrix[rows.drop_null().to_numpy()]])
    return WordEncoder({word: index for index, word in enumerate(found, start=2)}, matrix, max_tokens)
