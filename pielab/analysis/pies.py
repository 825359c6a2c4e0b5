"""Pruning Identified Exemplars: examples on which pruned and unpruned models, by majority, disagree (Section 2)."""

from collections.abc import Iterator, Sequence

import numpy as np

from pielab.errors import PielabError

# So many votes of so many halvings stay in a processor's cache, and are one product of matrices.
EXAMPLES_AT_ONCE, COLUMNS_AT_ONCE = 512, 512

HalfSplit = tuple[np.ndarray, np.ndarray]


def majority(predictions: np.ndarray) -> np.ndarray:
    """The most frequent class of each example (examples,); of equally frequent ones the smallest class id.

    predictions: class ids (seeds, examples).
    """
    return votes(predictions).argmax(axis=1)


def votes(predictions: np.ndarray, n_classes: int | None = None) -> np.ndarray:
    """How many seeds voted for each class, (examples, classes), of class ids (seeds, examples)."""
    _check(predictions, 2)
    classes = np.arange(n_classes or int(predictions.max()) + 1)
    return (predictions[:, :, None] == classes).sum(axis=0)


def majority_sets(predictions: np.ndarray) -> np.ndarray:
    """The classes that more than half of the seeds predict, bool (examples, classes); exactly half is not enough.

    predictions: bool (seeds, examples, classes).
    """
    _check(predictions, 3)
    return 2 * predictions.sum(axis=0) > len(predictions)


def single_label(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Which examples are PIEs, bool (examples,): the majority classes differ.

    dense, pruned: class ids (seeds, examples) of the unpruned and the pruned models, as many seeds of each.
    """
    check_pair(dense, pruned)
    return majority(dense) != majority(pruned)


def multi_label(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Which examples are PIEs, bool (examples,): the sets of majority classes differ, be it in one class.

    dense, pruned: bool (seeds, examples, classes), as many seeds of each.
    """
    check_pair(dense, pruned)
    return (majority_sets(dense) != majority_sets(pruned)).any(axis=1)


def find(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Which examples are PIEs, for predictions of either kind."""
    return (multi_label if dense.ndim == 3 else single_label)(dense, pruned)


def disagreements(
    dense: np.ndarray, pruned: np.ndarray, halvings: Sequence[HalfSplit]
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
    # A power of two, so that what is below a vote can be cut off.
    vote = 2 ** (classes - 1).bit_length()
    first, second = (np.c_[vote * side, np.full(len(side), -1, dtype=np.float32)] for side in (first, second))
    for start in range(0, len(varied), EXAMPLES_AT_ONCE):
        part = varied[start : start + EXAMPLES_AT_ONCE]
        reference = _winners(dense[:, part], first, classes, vote)
        of_null = reference != _winners(dense[:, part], second, classes, vote)
        yield part, of_null, reference != _winners(pruned[:, part], second, classes, vote)


def _winners(predicted: np.ndarray, weights: np.ndarray, classes: int, vote: int) -> np.ndarray:
    """A number for the majority class (halvings, part) by weighted votes; of equally frequent ones the smallest id.

    weights: (halvings, seeds + 1), what a seed's vote counts in units of `vote`, and last -1.
    """
    # Votes and, below them, how large the id is, in one number: the largest is the winner, without a look at ties.
    said = np.empty((len(predicted) + 1, predicted.shape[1]), dtype=np.float32)
    most = np.full((len(weights), predicted.shape[1]), -np.inf, dtype=np.float32)
    for each in range(classes):
        np.equal(predicted, each, out=said[:-1])
        said[-1] = each
        np.maximum(most, weights @ said, out=most)
    return most.astype(np.int32) & (vote - 1)


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
        reference = _weighted_majority(dense[:, *chosen], first)
        differ = [reference != _weighted_majority(side[:, *chosen], second) for side in (dense, pruned)]
        offsets = starts[begin:end] - starts[begin]
        # As bytes, for numpy takes twice the time of bools.
        bytes_of = [np.bitwise_or.reduceat(each.view(np.uint8), offsets, axis=0) for each in differ]
        of_null, of_pruned = (each.view(bool).T for each in bytes_of)
        yield examples[starts[begin:end]], of_null, of_pruned
        begin = end


def _weighted_majority(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whether more than half say yes, bool (columns, halvings), by weighted votes; exactly half is not enough."""
    return np.where(said, 1, -1).astype(np.float32).T @ weights.T > 0


def _check(predictions: np.ndarray, dimensions: int) -> None:
    if predictions.ndim != dimensions or not len(predictions):
        axes = ("seeds", "examples", "classes")[:dimensions]
        raise PielabError(f"predictions of shape {predictions.shape} have no votes: give ({', '.join(axes)}).")


def check_pair(dense: np.ndarray, pruned: np.ndarray) -> None:
    """Stop unless both sides have as many seeds, and the same examples."""
    if dense.shape != pruned.shape:
        raise PielabError(
            f"unpruned predictions {dense.shape} and pruned ones {pruned.shape} cannot be compared: PIEs need as many "
            f"seeds, and the same examples, on both sides."
        )
