"""Pruning Identified Exemplars: examples on which pruned and unpruned models differ by majority vote (Section 2).

The vote is the most frequent class, ties to the smallest id (`majority`); of texts with several labels, the set of
classes that more than half of the models predict (`majority_sets`). Of probabilities, which are not in the paper, it is
the class with the highest mean (`soft_vote`). Shape and type of the predictions tell which.
"""

from collections.abc import Sequence

import numpy as np

from pielab.analysis.half_splits import HalfSplit
from pielab.data import tasks
from pielab.data.votes import Disagreements, count, differ, majority, majority_sets, numbered, soft_vote
from pielab.errors import PielabError

__all__ = ["check_pair", "disagreements", "find", "majority", "majority_sets", "multi_label", "single_label"]
__all__ += ["soft_vote", "votes"]

votes = count


def find(dense: np.ndarray, pruned: np.ndarray, task: tasks.Task | None = None) -> np.ndarray:
    """Which examples are PIEs, bool (examples,): the two votes differ.

    dense, pruned: class ids (seeds, examples), bool (seeds, examples, classes), probabilities, float (seeds, examples,
        classes), or EntitySets, of the unpruned and the pruned models, the same number of seeds each. task: by default
        the one that they tell.
    """
    dense, pruned = numbered(dense, pruned)
    check_pair(dense, pruned)
    task = task or tasks.of_answers(dense)
    return differ(task.majority(dense), task.majority(pruned))


def single_label(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """`find` for class ids (seeds, examples): the majority classes differ."""
    return find(dense, pruned, tasks.SINGLE_LABEL)


def multi_label(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """`find` for bool (seeds, examples, classes): the sets of majority classes differ in at least one class."""
    return find(dense, pruned, tasks.MULTI_LABEL)


def disagreements(dense: np.ndarray, pruned: np.ndarray, half_splits: Sequence[HalfSplit]) -> Disagreements:
    """Examples on which two votes differ, for many half-splits in one matrix product.

    dense, pruned: of the same seeds, as `find` takes them.
    half_splits: half-splits, each as two arrays (seeds,) of whole weights, one for each side.

    Yields blocks of the examples: their ids (block,), and two bool arrays (half-splits, block). The first is the null:
    the unpruned models of the two sides disagree. In the second, the unpruned models of the first side disagree with
    the pruned models of the second. Examples on which all models agree are in no block.
    """
    dense, pruned = numbered(dense, pruned)
    check_pair(dense, pruned)
    first, second = (np.array(side, dtype=np.float32) for side in zip(*half_splits, strict=True))
    return tasks.of_answers(dense).disagreements(dense, pruned, first, second)


def check_pair(dense: np.ndarray, pruned: np.ndarray) -> None:
    """Raise PielabError unless both sides have the same number of seeds, the same examples, and answers of a kind."""
    if dense.shape != pruned.shape:
        raise PielabError(
            "sides-of-unequal-size",
            f"unpruned predictions {dense.shape} and pruned ones {pruned.shape} cannot be compared",
            "give the same number of seeds, and the same examples, on both sides",
        )
    if (dense.dtype.kind == "f") != (pruned.dtype.kind == "f"):
        raise PielabError(
            "sides-of-unequal-kind",
            f"unpruned predictions of {dense.dtype} and pruned ones of {pruned.dtype} cannot be compared",
            "give classes, or probabilities, on both sides",
        )
