"""Pruning Identified Exemplars: examples on which pruned and unpruned models, by majority, disagree (Section 2)."""

import numpy as np

from pielab.errors import PielabError


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
