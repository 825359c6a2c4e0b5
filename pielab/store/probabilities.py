"""Logits as probabilities, and as the answers of each task."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return special.expit(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


# The answers of each task, from logits (..., examples, classes) and decision thresholds (...).
ANSWERS: dict[str, Callable[[Any, Any], Any]] = {
    "single-label": lambda logits, thresholds: logits.argmax(axis=-1),
    "multi-label": lambda logits, thresholds: (
        # Both in single precision, so that 0.29 is the same number here and where it was chosen (tasks).
        sigmoid(np.asarray(logits, dtype=np.float32)) > np.asarray(thresholds, dtype=np.float32)[..., None, None]
    ),
    "tokens": lambda logits, thresholds: logits.argmax(axis=-1),
    # What is read from the logits of a question's candidates.
    "spans": lambda best, thresholds: best.answers(thresholds),
    "generation": lambda texts, threshold: texts.judged_from(threshold),
}
