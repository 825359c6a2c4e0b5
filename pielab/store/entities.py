"""Entities of tagged words, and the sets of entities that several models say, in one numbering.

A tag is "O", or "B-" or "I-" and a type. An entity is a run of words of one type: a "B-" begins one, and so does an
"I-" that continues none of its type, as in the conlleval script of CoNLL 2000.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from pielab.errors import PielabError

OUTSIDE = "O"


@dataclass(frozen=True)
class Tags:
    """The tags of the words of sentences, one sentence after the other.

    ids: (words,), or (seeds, words) of several models. starts: (sentences + 1,), where each sentence begins, and the
    end of the last. names: the tags by their ids.
    """

    ids: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    names: tuple[str, ...]

    @classmethod
    def of_sentences(cls, sentences: Iterable[Sequence[int]], names: Sequence[str]) -> "Tags":
        """The tags of sentences that are lists of ids."""
        rows = list(sentences)
        ids = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
        return cls(ids, np.cumsum([0, *map(len, rows)]), tuple(names))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def tobytes(self) -> bytes:
        """All of them, for a digest; the same on every machine."""
        numbers = np.concatenate([self.ids, self.starts]).astype("<i8")
        return numbers.tobytes() + repr(self.names).encode()

    @property
    def lengths(self) -> np.ndarray:
        """The number of words of each sentence, (sentences,)."""
        return np.diff(self.starts)

    @property
    def sentences(self) -> np.ndarray:
        """The sentence of each word, (words,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def types(self) -> list[str]:
        """The types of entities, in order."""
        return sorted({name[2:] for name in self.names if name != OUTSIDE})

    def __getitem__(self, chosen: slice | np.ndarray) -> "Tags":
        """The words of the chosen sentences, in the order given."""
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths[chosen])])
        return replace(self, ids=self.ids[..., items(self.starts, chosen)], starts=starts)

    def of(self, ids: np.ndarray) -> "Tags":
        """The same words with other tags."""
        return replace(self, ids=ids)


@dataclass(frozen=True)
class EntitySets:
    """Which entities each of several models says that each sentence has.

    entities: (entities, 4) int64, each entity's sentence, first word, last word and type; distinct and sorted.
    said: bool (seeds, entities). sentences: how many. types: by their numbers.
    """

    entities: np.ndarray = field(repr=False)
    said: np.ndarray = field(repr=False)
    sentences: int
    types: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.said)

    @property
    def shape(self) -> tuple[int, int]:
        """How many seeds and sentences."""
        return len(self.said), self.sentences

    @property
    def places(self) -> np.ndarray:
        """The number of each entity within its sentence, from 0, (entities,)."""
        sentence = self.entities[:, 0]
        return np.arange(len(sentence)) - np.searchsorted(sentence, sentence)

    @property
    def sets(self) -> np.ndarray:
        """The same as sets of labels, bool (seeds, sentences, most entities of a sentence), numbered by `places`."""
        places = self.places
        sets = np.zeros((*self.shape, int(places.max(initial=0)) + 1), dtype=bool)
        sets[:, self.entities[:, 0], places] = self.said
        return sets


def items(starts: np.ndarray, chosen: slice | np.ndarray) -> np.ndarray:
    """Where the items of the chosen rows are, such as words of sentences, if all rows stand one after the other.

    starts: (rows + 1,), where each row begins, and the end of the last.
    """
    begins = starts[:-1][chosen]
    lengths = starts[1:][chosen] - begins
    return np.repeat(begins - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())


def spans(tags: Tags) -> np.ndarray:
    """The entities of one model's tags (words,): sentence, first word, last word and type, (entities, 4) int64, sorted.

    Words are counted within their sentence, types by their place in `Tags.types`.
    """
    kinds = {kind: number for number, kind in enumerate(tags.types)}
    type_of = np.array([-1 if name == OUTSIDE else kinds[name[2:]] for name in tags.names])[tags.ids]
    begins_one = np.array([name.startswith("B-") for name in tags.names])[tags.ids]
    before = np.concatenate([[-1], type_of[:-1]])[: len(type_of)]
    before[tags.starts[:-1][tags.lengths > 0]] = -1
    inside = type_of >= 0
    begins = inside & (begins_one | (type_of != before))
    first = np.flatnonzero(begins)
    words = np.bincount(np.cumsum(begins)[inside] - 1, minlength=len(first))
    sentence = tags.sentences[first]
    place = first - tags.starts[sentence]
    return np.column_stack([sentence, place, place + words - 1, type_of[first]]).astype(np.int64)


def sets_of(tags: Tags) -> EntitySets:
    """The sets of entities of the tags of one or several models."""
    found = [spans(tags.of(ids)) for ids in np.atleast_2d(tags.ids)]
    return _numbered(found, len(tags), tuple(tags.types))


def together(*sides: EntitySets) -> list[EntitySets]:
    """The same sets, all with the entities of all sides, so that the same entity has the same number.

    Raises PielabError if they are of other sentences or types.
    """
    if len(kinds := dict.fromkeys((side.sentences, side.types) for side in sides)) > 1:
        given = " and ".join(f"{sentences} sentences with the types {', '.join(types)}" for sentences, types in kinds)
        raise PielabError(
            "entities-of-other-sentences",
            f"entities of {given} were given as of the same sentences",
            "compare models of the same tags on the same sentences",
        )
    found = [side.entities[said] for side in sides for said in side.said]
    every = _numbered(found, sides[0].sentences, sides[0].types)
    ends = np.cumsum([len(side) for side in sides])[:-1]
    return [replace(every, said=said) for said in np.split(every.said, ends)]


def types_by_sentence(tags: Tags) -> np.ndarray:
    """Which types of entities each sentence has, from the tags of one model, (sentences, types) of 0 and 1."""
    found, types = spans(tags), np.zeros((len(tags), len(tags.types)))
    types[found[:, 0], found[:, 3]] = 1
    return types


def f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """F1 over the entities of all sentences; 1 if there are none. bool (sentences, entities), in one numbering."""
    total = predicted.sum() + targets.sum()
    return float(2 * (predicted & targets).sum() / total) if total else 1.0


def named(entities: np.ndarray, types: Sequence[str]) -> list[str]:
    """Entities (entities, 4) as strings, first word, last word and type, such as "3-4 person"."""
    return [f"{first}-{last} {types[kind]}" for _, first, last, kind in entities.tolist()]


def by_sentence(sets: EntitySets, entities: Sequence[str]) -> list[list[str]]:
    """Something of each of the entities of `sets`, by sentence."""
    ends = np.searchsorted(sets.entities[:, 0], np.arange(sets.sentences + 1))
    return [list(entities[start:end]) for start, end in itertools.pairwise(ends)]


def in_words(entity: str, words: Sequence[str]) -> str:
    """An entity as `named` gives it, such as "3-4 person", with its words and its type: "Ada Lovelace (person)"."""
    place, _, kind = entity.partition(" ")
    first, last = map(int, place.split("-"))
    return f"{' '.join(words[first : last + 1])} ({kind})"


def _numbered(found: list[np.ndarray], sentences: int, types: tuple[str, ...]) -> EntitySets:
    """The sets of several models, from the entities (entities, 4) of each."""
    rows = np.concatenate([np.empty((0, 4), np.int64), *found])
    # As one number each, which is sorted ten times as fast as rows are.
    sizes = (sentences + 1, *(rows[:, 1:3].max(axis=0, initial=0) + 1), len(types) + 1)
    numbers, places = np.unique(np.ravel_multi_index(tuple(rows.T), sizes), return_inverse=True)
    said = np.zeros((len(found), len(numbers)), dtype=bool)
    said[np.repeat(np.arange(len(found)), [len(each) for each in found]), places] = True
    return EntitySets(np.column_stack(np.unravel_index(numbers, sizes)), said, sentences, types)
