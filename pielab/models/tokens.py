"""The token ids of many texts as flat arrays, cached so that a large data set is tokenized only once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from pielab.errors import PielabError
from pielab.store.cache import derived
from pielab.store.entities import items

# Fewer characters than this are tokenized again in less than a second.
CACHE_FROM_CHARACTERS = 1_000_000
_NOT_OF_ALL = ("types", "first", "offsets")


@dataclass(frozen=True)
class Tokens:
    """The token ids of texts, one text after the other.

    ids: (tokens,) int32. starts: (texts + 1,) int64, where each text begins in `ids`, and the end of the last.
    types: (tokens,) int32, which text of a pair a token is of, for a model that is told; else None.
    first: bool (tokens,), of sentences of tagged words, whether a token is the first of a word; of questions, whether
        it is a candidate, with which an answer may begin or end; else None.
    offsets: (candidates, 2) int32, of questions, where each candidate begins and ends in the context, in characters;
        (-1, -1) for the first token of a question, which stands for no answer; else None.
    labels: (outputs,) int32, of texts with those to generate from them, the token that each output should give; else
        None. Of a model without an encoder, `first` marks the tokens whose outputs these are.
    decoder: of a model with an encoder, what its decoder reads, an output for each of its tokens; else None.
    """

    ids: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    types: np.ndarray | None = field(default=None, repr=False)
    first: np.ndarray | None = field(default=None, repr=False)
    offsets: np.ndarray | None = field(default=None, repr=False)
    labels: np.ndarray | None = field(default=None, repr=False)
    decoder: "Tokens | None" = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, chosen: slice | np.ndarray) -> "Tokens":
        """The tokens of the chosen texts, in the order given."""
        places = items(self.starts, chosen)
        types, first = (None if each is None else each[places] for each in (self.types, self.first))
        offsets, labels = self.offsets, self.labels
        if (offsets is not None or labels is not None) and self.word_starts is not None:
            outputs = items(self.word_starts, chosen)
            offsets, labels = (None if each is None else each[outputs] for each in (offsets, labels))
        decoder = None if self.decoder is None else self.decoder[chosen]
        return Tokens(self.ids[places], starts_of(self.lengths[chosen]), types, first, offsets, labels, decoder)

    @property
    def lengths(self) -> np.ndarray:
        """The number of tokens of each text, (texts,) int64."""
        return np.diff(self.starts)

    @property
    def word_starts(self) -> np.ndarray | None:
        """Where the words of each sentence begin among all words, and the end of the last, (texts + 1,); or None.

        Of questions, their candidates; of texts to generate from, the outputs.
        """
        if self.decoder is not None:
            return self.decoder.starts
        return None if self.first is None else starts_of(self.first)[self.starts]

    def cut(self, longest: int) -> "Tokens":
        """The first `longest` tokens of each text, or all of a shorter one; not for tagged words or questions."""
        positions = np.arange(len(self.ids)) - np.repeat(self.starts[:-1], self.lengths)
        return Tokens(self.ids[positions < longest], starts_of(np.minimum(self.lengths, longest)))

    def replace(self, rows: Mapping[int, Sequence[int] | np.ndarray]) -> "Tokens":
        """The same tokens with other rows for some texts, by the texts' indices; not where `cut` is not."""
        if not rows:
            return self
        return join([rows.get(index, own) for index, own in enumerate(np.split(self.ids, self.starts[1:-1]))])


def join(rows: Sequence[Sequence[int] | np.ndarray]) -> Tokens:
    """Tokens from one row of ids per text."""
    ids = np.concatenate([np.empty(0, np.int32), *(np.asarray(row, dtype=np.int32) for row in rows)])
    return Tokens(ids, starts_of(np.array([len(row) for row in rows], dtype=np.int64)))


def cut_pair(row: Sequence[int] | np.ndarray, first: int, second: int, longest: int) -> np.ndarray:
    """The tokens of a pair, cut to `longest` at the ends of its two texts, the longer one first.

    This is "longest_first" of transformers, which keeps some of both texts. first: how many tokens the first text has.
    second: where the second begins, after the separator between them.

    Raises PielabError if `longest` leaves one of them nothing.
    """
    row = np.asarray(row)
    room, lengths = longest - (second - first), (first, len(row) - second)
    if room < 2:
        raise PielabError(
            "pair-does-not-fit",
            "max_tokens leaves no room for both texts of a pair, beside the tokens that separate them",
            f"raise max_tokens by {2 - room} at least",
        )
    shorter = min(*lengths, room // 2)
    kept = (shorter, room - shorter) if lengths[0] <= lengths[1] else (room - shorter, shorter)
    return np.concatenate([row[: kept[0]], row[first : second + kept[1]]])


def cached(
    texts: Sequence[str], made_by: str, make: Callable[[], tuple[Tokens, Sequence[str]]]
) -> tuple[Tokens, Sequence[str]]:
    """The tokens and words that `make` gives for the texts, from the cache if they are in it.

    made_by: everything that the tokens depend on besides the texts. The words are those that the ids index, without
        line breaks, or none if the ids are the model's own.
    """
    if sum(map(len, texts)) < CACHE_FROM_CHARACTERS:
        return make()
    return derived("tokens/{}.safetensors", texts, made_by, make, _read, _write)


def _read(path: Path) -> tuple[Tokens, Sequence[str]]:
    stored = load_file(path)
    words = stored["words"].tobytes().decode("utf-8", "surrogatepass")
    types, first, offsets = (stored.get(name) for name in _NOT_OF_ALL)
    tokens = Tokens(stored["ids"], stored["starts"], types, first, offsets)
    return tokens, words.split("\n") if words else []


def _write(tokens_and_words: tuple[Tokens, Sequence[str]], path: Path) -> None:
    tokens, words = tokens_and_words
    word_bytes = np.frombuffer("\n".join(words).encode("utf-8", "surrogatepass"), dtype=np.uint8)
    some = {name: each for name in _NOT_OF_ALL if (each := getattr(tokens, name)) is not None}
    save_file({"ids": tokens.ids, "starts": tokens.starts, "words": word_bytes, **some}, path)


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where each of things of these lengths begins, one after the other, and the end of the last."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
