"""chrF of texts (Popović 2015), the numbers of sacrebleu's sentence_chrf: a score against references, and a similarity.

Precision and recall of the n-grams of 1 to 6 characters, without white space, each a mean over the lengths of which
both texts have n-grams; recall counts twice as much as precision (beta 2). From 0 to 1, where sacrebleu says 100.
"""

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

LONGEST, BETA = 6, 2


def chrf(text: str, references: Sequence[str]) -> float:
    """The largest chrF of a text against a reference."""
    return _chrf(text, frozenset(references))


# Models often write the same, and what is scored of all texts is scored of the PIEs again.
@functools.lru_cache(maxsize=2**16)
def _chrf(text: str, references: frozenset[str]) -> float:
    return float(scores([text], sorted(references))[0].max())


def scores(texts: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """chrF of each text against each reference, (texts, references)."""
    return _f_score(_precision([*texts, *references]))[: len(texts), len(texts) :]


def similarities(texts: Sequence[str]) -> np.ndarray:
    """How like each two texts are, (texts, texts): the mean of chrF in both directions, and 1 for a text and itself."""
    found = _f_score(_precision(texts))
    found = (found + found.T) / 2
    # Without it a text of no character would be unlike itself.
    np.fill_diagonal(found, 1)
    return found


def _f_score(precision: np.ndarray) -> np.ndarray:
    """The F score of each two texts; the recall of one against another is the other's precision."""
    recall, weight = precision.T, BETA**2
    below = weight * precision + recall
    # In the order of sacrebleu, so that the last bits are the same.
    return np.divide((1 + weight) * precision * recall, below, out=np.zeros_like(below), where=below > 0)


def _precision(texts: Sequence[str]) -> np.ndarray:
    """The share of each text's n-grams that another has as well, a mean over their lengths, (texts, texts)."""
    stripped = ["".join(text.split()) for text in texts]
    lengths = np.array([len(text) for text in stripped], dtype=np.int64)
    owners = np.repeat(np.arange(len(texts)), lengths)
    # How many characters a text has from each one on.
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(owners))
    codes = np.frombuffer("".join(stripped).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    characters, alphabet = pd.factorize(codes)
    grams = np.zeros_like(characters)
    total, orders = np.zeros((2, len(texts), len(texts)))
    for length in range(1, LONGEST + 1):
        # An n-gram is the one before its last character, and that character.
        places = np.flatnonzero(left >= length)
        following = characters[places + length - 1]
        grams[places] = pd.factorize(grams[places] * len(alphabet) + following)[0]
        numbers = (lengths - length + 1).clip(min=0)
        both = (numbers[:, None] > 0) & (numbers > 0)
        total += _matches(owners[places], grams[places], len(texts)) / np.maximum(numbers, 1)[:, None]
        orders += both
    return total / np.maximum(orders, 1)


def _matches(owners: np.ndarray, grams: np.ndarray, texts: int) -> np.ndarray:
    """How many n-grams two different texts share, each as often as the one of them that has fewer of it does.

    owners, grams: (n-grams,), of which text each is, and which.
    """
    different = int(grams.max(initial=-1)) + 1
    counts = np.bincount(owners * different + grams, minlength=texts * different).reshape(texts, different)
    found, times = np.zeros((texts, texts)), 1
    while counts.size:
        reached = counts >= times
        shared = reached.sum(axis=0) > 1
        counts, reached = counts[:, shared], reached[:, shared].astype(np.float32)
        found, times = found + reached @ reached.T, times + 1
    return found
