"""Entities of tagged words, and the sets of entities that several models say, in one numbering.

A tag is "O", or "B-" or "I-" and a type. An entity is a run of words of one type: a "B-" begins one, and so does an
"I-" that continues none of its type, as in the conlleval script of CoNLL 2000.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

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

    def __len__(self) -> int:
        return len(self.starts) - 1

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

    def of_seeds(self, chosen: slice | np.ndarray) -> "EntitySets":
        """Those of some of the seeds."""
        return replace(self, said=self.said[chosen])


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
    """The same sets, all with the entities of all sides, so that the same entity has the same number."""
    found = [side.entities[said] for side in sides for said in side.said]
    every = _numbered(found, sides[0].sentences, sides[0].types)
    ends = np.cumsum([len(side) for side in sides])[:-1]
    return [replace(every, said=said) for said in np.split(every.said, ends)]


def f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """F1 over the entities of all sentences; 1 if there are none. bool (sentences, entities), in one numbering."""
    total = predicted.sum() + targets.sum()
    return float(2 * (predicted & targets).sum() / total) if total else 1.0


def named(entities: np.ndarray, types: Sequence[str]) -> list[str]:
    """Entities (entities, 4) as strings, first word, last word and type, such as "3-4 person"."""
    return [f"{first}-{last} {types[kind]}" for _, first, last, kind in entities.tolist()]


def _numbered(found: list[np.ndarray], sentences: int, types: tuple[str, ...]) -> EntitySets:
    """The sets of several models, from the entities (entities, 4) of each."""
    rows = np.concatenate([np.empty((0, 4), np.int64), *found])
    entities, numbers = np.unique(rows, axis=0, return_inverse=True)
    said = np.zeros((len(found), len(entities)), dtype=bool)
    said[np.repeat(np.arange(len(found)), [len(each) for each in found]), numbers.reshape(-1)] = True
    return EntitySets(entities, said, sentences, types)
