"""Where the majorities of two sides disagree, for thousands of ways to choose the sides at once."""

from collections.abc import Iterator, Sequence

import numpy as np

# So many votes of so many halvings stay in a processor's cache, and are one product of matrices.
EXAMPLES_AT_ONCE, COLUMNS_AT_ONCE = 512, 512

Halving = tuple[np.ndarray, np.ndarray]


def disagreements(
    dense: np.ndarray, pruned: np.ndarray, halvings: Sequence[Halving]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Parts of the examples, as ids (part,), with where sides disagree, two of bool (halvings, part).

    dense, pruned: class ids (seeds, examples), or bool (seeds, examples, classes), of the same seeds.
    halvings: weights (seeds,) of the seeds of a first and a second side, whole numbers.

    The first of the two is of the unpruned models of both sides, the null; the second of the unpruned models of the
    first side and the pruned ones of the second. Examples that never disagree, for all models say the same, are in no
    part.
    """
    first, second = (np.array(side, dtype=np.float32) for side in zip(*halvings, strict=True))
    parts = _sets if dense.ndim == 3 else _classes
    return parts(dense, pruned, first, second)


def _classes(
    dense: np.ndarray, pruned: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    classes = int(max(dense.max(), pruned.max())) + 1
    varied = np.flatnonzero((dense != dense[0]).any(axis=0) | (pruned != dense[0]).any(axis=0))
    for start in range(0, len(varied), EXAMPLES_AT_ONCE):
        part = varied[start : start + EXAMPLES_AT_ONCE]
        reference = _winners(dense[:, part], first, classes)
        of_null = reference != _winners(dense[:, part], second, classes)
        yield part, of_null, reference != _winners(pruned[:, part], second, classes)


def _winners(predicted: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    """The majority class (halvings, part) by weighted votes; of equally frequent ones the smallest id."""
    most = weights @ (predicted == 0).astype(np.float32)
    winners = np.zeros(most.shape, dtype=np.int32)
    for each in range(1, classes):
        votes = weights @ (predicted == each).astype(np.float32)
        winners[votes > most] = each
        np.maximum(most, votes, out=most)
    return winners


def _sets(
    dense: np.ndarray, pruned: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    # Of an example and a class of which all models say the same, nothing can differ.
    varied = (dense != dense[0]).any(axis=0) | (pruned != dense[0]).any(axis=0)
    examples, classes = np.nonzero(varied)
    # Where the columns of each example begin, and the last end: those of one stay together.
    starts = np.flatnonzero(np.diff(examples, prepend=-1, append=-1))
    begin = 0
    while begin < len(starts) - 1:
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + COLUMNS_AT_ONCE, side="right")) - 1)
        chosen = examples[starts[begin] : starts[end]], classes[starts[begin] : starts[end]]
        reference = _majority(dense[:, *chosen], first)
        differ = [reference != _majority(side[:, *chosen], second) for side in (dense, pruned)]
        offsets = starts[begin:end] - starts[begin]
        of_null, of_pruned = (np.logical_or.reduceat(each, offsets, axis=1) for each in differ)
        yield examples[starts[begin:end]], of_null, of_pruned
        begin = end


def _majority(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whether more than half say yes, bool (halvings, columns), by weighted votes; exactly half is not enough."""
    return 2 * (weights @ said.astype(np.float32)) > weights.sum(axis=1)[:, None]
