"""What an answer is worth: the metrics of each task, from predictions and targets."""

import numpy as np
from sklearn.metrics import f1_score, matthews_corrcoef

from pielab.data import glue
from pielab.store.predictions import sigmoid


def task_of(dataset: str, classes: list[str]) -> glue.Task | None:
    """The task that a data set is, unless its classes, sorted, are not those of the task: it only has its name."""
    found = glue.task(dataset)
    return None if found and found.labels and sorted(found.labels) != classes else found


def metrics(found: glue.Task | None, targets: np.ndarray) -> tuple[str, ...]:
    """What models of a data set are judged by, its own metric first; of one that is no task of GLUE as in Table 9."""
    if targets.ndim == 2:
        return ("macro-F1",)
    return found.metrics if found else ("accuracy",)


def score(metric: str, predicted: np.ndarray, targets: np.ndarray, found: glue.Task | None) -> float:
    """One of `metrics`, of class ids (examples,) or multi-hot classes (examples, classes).

    F1 is that of the positive class.
    """
    if metric == "F1":
        positive = sorted(found.labels).index(found.labels[-1])
        return float(f1_score(targets == positive, predicted == positive, zero_division=0))
    if metric == "Matthews correlation":
        return float(matthews_corrcoef(targets, predicted))
    return effectiveness(predicted, targets)


def best_decision_threshold(logits: np.ndarray, targets: np.ndarray) -> float:
    """Of 0.00, 0.01 ... 0.99 the probability above which to say yes that gives the best macro-F1; the lowest such.

    logits, targets: (examples, classes), of the training set.
    """
    steps = np.arange(100) / 100
    # How many steps each probability exceeds: a model says yes at just those, so one count serves them all.
    exceeded = np.searchsorted(steps, sigmoid(logits).astype(np.float64), side="left")
    true = targets.astype(bool)
    classes = targets.shape[1]
    cells = exceeded + np.arange(classes) * (len(steps) + 1)

    def said(which: np.ndarray) -> np.ndarray:
        """(classes, steps): how many of the cells are said yes to at each step."""
        counts = np.bincount(which, minlength=classes * (len(steps) + 1)).reshape(classes, -1)
        return counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]

    right, total = said(cells[true]), said(cells.ravel()) + true.sum(axis=0)[:, None]
    # Summed over classes as macro_f1 does, so that rounding decides no tie otherwise.
    scores = np.ascontiguousarray((2 * right / np.maximum(total, 1)).T).mean(axis=1)
    return float(steps[int(np.argmax(scores))])


def macro_f1(predicted: np.ndarray, targets: np.ndarray) -> float:
    """The mean over classes of F1; (examples, classes) of 0 and 1. A class nobody has or predicts counts 0.

    scikit-learn's number, without the checks that make a hundred calls of it, one a threshold, take seconds.
    """
    said, true = predicted.astype(bool), targets.astype(bool)
    right, total = (said & true).sum(axis=0), said.sum(axis=0) + true.sum(axis=0)
    return float((2 * right / np.maximum(total, 1)).mean())


def effectiveness(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Accuracy of class ids (examples,), or macro-F1 of multi-hot classes (examples, classes), as in Table 9."""
    return macro_f1(predicted, targets) if targets.ndim == 2 else float((predicted == targets).mean())
