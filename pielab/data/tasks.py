"""The metrics of each task, and the decision thresholds of multi-label models."""

import numpy as np
from sklearn.metrics import f1_score, matthews_corrcoef

from pielab.data import glue
from pielab.store.predictions import sigmoid


def task_of(dataset: str, classes: list[str]) -> glue.Task | None:
    """The GLUE task of a data set; None if there is none, or if `classes` (sorted) are others than the task's."""
    task = glue.task(dataset)
    return None if task and task.labels and sorted(task.labels) != classes else task


def metrics(task: glue.Task | None, targets: np.ndarray) -> tuple[str, ...]:
    """The metrics of a data set, its main one first; those of Table 9 if it is no task of GLUE."""
    if targets.ndim == 2:
        return ("macro-F1",)
    return task.metrics if task else ("accuracy",)


def score(metric: str, predicted: np.ndarray, targets: np.ndarray, task: glue.Task | None) -> float:
    """One of `metrics`, for class ids (examples,) or multi-hot classes (examples, classes).

    F1 is that of the positive class.
    """
    if metric == "F1":
        positive = sorted(task.labels).index(task.labels[-1])
        return float(f1_score(targets == positive, predicted == positive, zero_division=0))
    if metric == "Matthews correlation":
        return float(matthews_corrcoef(targets, predicted))
    return effectiveness(predicted, targets)


def best_decision_threshold(logits: np.ndarray, targets: np.ndarray) -> float:
    """The decision threshold of the best macro-F1, from 0.00, 0.01 ... 0.99; the lowest of several.

    logits, targets: (examples, classes), of the training set.
    """
    steps = np.arange(100) / 100
    # How many steps each probability exceeds; the class is predicted at exactly those, so one count serves all steps.
    exceeded = np.searchsorted(steps, sigmoid(logits).astype(np.float64), side="left")
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
    return float(steps[int(np.argmax(scores))])


def macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """The mean over classes of F1; (examples, classes) of 0 and 1. A class that is neither true nor predicted counts 0.

    The same number as scikit-learn's, without its checks, which take seconds over a hundred thresholds.
    """
    positive, true = predicted.astype(bool), targets.astype(bool)
    right, total = (positive & true).sum(axis=0), positive.sum(axis=0) + true.sum(axis=0)
    return float((2 * right / np.maximum(total, 1)).mean())


def effectiveness(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Accuracy for class ids (examples,), or macro-F1 for multi-hot classes (examples, classes), as in Table 9."""
    return macro_f1(predicted, targets) if targets.ndim == 2 else float((predicted == targets).mean())
