"""The distinct answers of each example, numbered from 0, and how like each other they are.

Answers are only compared within an example, so that the same number may be another text in another one. With numbers
in place of texts, everything that takes class ids takes answers that are texts.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from pielab.data import chrf
from pielab.errors import PielabError

# How like each other texts are, (texts, texts) from 0 to 1, the same in both directions.
Similarity = Callable[[Sequence[str]], np.ndarray]
# Similarities are multiples of one of these parts, whose sums are exact in whatever order they are added.
PARTS = 2**20


def numbered(*sides: np.ndarray, shortest_first: bool = False) -> tuple[list[np.ndarray], list[list[str]]]:
    """The answers of several sides by number, (models, examples) each, and the texts of each example by number.

    sides: texts, (models, examples) each, of the same examples; normalised, if what that takes away is no difference.

    The numbers are in the order of the texts' characters, or of their lengths before these, so that a vote whose ties
    go to the smallest number depends neither on the order of models nor on which others are numbered with them.
    """
    answers = np.concatenate([np.asarray(side, dtype=object) for side in sides])
    distinct = sorted(set(answers.ravel()), key=(lambda text: (len(text), text)) if shortest_first else None)
    places = {text: place for place, text in enumerate(distinct)}
    codes = np.fromiter(map(places.__getitem__, answers.flat), dtype=np.int64).reshape(answers.shape)
    found, ids = np.unique(np.arange(answers.shape[1]) * len(distinct) + codes, return_inverse=True)
    example, code = np.divmod(found, max(len(distinct), 1))
    ids -= np.searchsorted(example, np.arange(answers.shape[1]))
    ends = np.searchsorted(example, np.arange(answers.shape[1] + 1))
    texts = [[distinct[place] for place in code[begin:end]] for begin, end in pairwise(ends)]
    return np.split(ids, np.cumsum([len(side) for side in sides])[:-1]), texts


def similarities(texts: Sequence[Sequence[str]], similarity: Similarity = chrf.similarities) -> np.ndarray:
    """How like each other the texts of each example are, (examples, most texts, most texts) float32, 0 beyond them.

    texts: as `numbered` gives them. similarity: of the texts of an example; of a function of two texts see `of_pairs`.
    """
    most = max(map(len, texts), default=0)
    found = np.zeros((len(texts), most, most), dtype=np.float32)
    for example, given in enumerate(texts):
        found[example, : len(given), : len(given)] = np.round(similarity(given) * PARTS) / PARTS
    return found


def of_pairs(function: Callable[[str, str], float]) -> Similarity:
    """A similarity from a function of two texts, such as `answer_texts.token_f1`: the mean of both directions.

    A text and itself count 1. Raises PielabError if the function gives a number that is not from 0 to 1.
    """

    def similarity(texts: Sequence[str]) -> np.ndarray:
        found = np.ones((len(texts), len(texts)))
        for one, other in np.argwhere(~np.eye(len(texts), dtype=bool)):
            found[one, other] = value = function(texts[one], texts[other])
            if not 0 <= value <= 1:
                raise PielabError(
                    "similarity-out-of-range",
                    f"the similarity of {texts[one]!r} and {texts[other]!r} is {value}",
                    "give a function of two texts whose values are from 0 to 1, where 1 is the same",
                )
        return (found + found.T) / 2

    return similarity
