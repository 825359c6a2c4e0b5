"""Metrics of texts with labels, and the decision threshold of the best one."""

import numpy as np

from pielab.store import predictions


def accuracy(predicted: np.ndarray, targets: np.ndarray) -> float:
    """The share of answers that are right."""
    return float((predicted == targets).mean())


def best_decision_threshold(logits: np.ndarray, targets: np.ndarray) -> float:
    """The decision threshold of the best macro-F1, from 0.00, 0.01 ... 0.99; the lowest of several.

    logits, targets: (examples, classes), of the training set.
    """
    # In single precision, as the answers are found (predictions.ANSWERS).
    steps = (np.arange(100) / 100).astype(np.float32)
    # How many steps each probability exceeds; the class is predicted at exactly those, so one count serves all steps.
    exceeded = np.searchsorted(steps, predictions.sigmoid(np.asarray(logits, dtype=np.float32)), side="left")
    true = targets.astype(bool)
    classes = targets.shape[1]
    cells = exceeded + np.arange(classes) * (len(steps) + 1)

    def predicted(chosen: np.ndarray) -> np.ndarray:
        """(classes, steps): how many of the cells are predicted positive at each step."""
        counts = np.bincount(chosen, minlength=classes * (len(steps) + 1)).reshape(classes, -1)
        return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    right, total = predicted(cells[true]), predicted(cells.ravel()) + true.sum(axis=0)[:, None]
    # Summed over classes in the order of macro_f1, so that rounding resolves ties the same way.
    scores = np.ascontiguousarray((2 * right / np.maximum(total, 1)).T).mean(axis=1)
    return int(np.argmax(scores)) / 100


def macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """The mean over classes of F1; (examples, classes) of 0 and 1. A class that is neither true nor predicted counts 0.

    The same number as scikit-learn's, without its checks, which take seconds over a hundred thresholds.
    """
    positive, true = predicted.astype(bool), targets.astype(bool)
    right, total = (positive & true).sum(axis=0), positive.sum(axis=0) + true.sum(axis=0)
    return float((2 * right / np.maximum(total, 1)).mean())
