"""Labels as class ids: the classes, their order, and the task that the labels make."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd

from pielab.data.tasks import Task, of_label
from pielab.errors import PielabError

Rows = Sequence[tuple]

_BITS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}


def encode(
    frames: dict[str, pd.DataFrame], separator: str | None, where: str
) -> tuple[dict[str, pd.DataFrame], list[str], Task]:
    """Frames with each example's labels as a tuple of class ids; the class names in the order of ids; the task.

    The classes are those of the training data, or of the test data if there is no training data.

    Raises PielabError for fewer than two classes, or for labels that never occur in training.
    """
    source = next(split for split in ("train", "all", "test") if split in frames)
    cells = {split: [_plain(cell) for cell in frame["label"]] for split, frame in frames.items()}
    if separator:
        cells = {split: [_split(cell, separator) for cell in column] for split, column in cells.items()}
    task = of_label(cells[source][0])
    labels = {split: [task.labels(cell) for cell in column] for split, column in cells.items()}
    labels = _from_multi_hot(labels, where)
    distinct = {split: set(chain.from_iterable(rows)) for split, rows in labels.items()}
    try:
        classes = sorted(distinct[source])
    except TypeError:
        classes = sorted(distinct[source], key=str)
    if len(classes) < 2:
        raise PielabError(
            "too-few-classes", f"{where} has {len(classes)} class in its labels", "a classifier needs two at least"
        )
    ids = {label: index for index, label in enumerate(classes)}
    for split, frame in frames.items():
        if unseen := distinct[split] - set(classes):
            raise PielabError(
                "labels-never-in-training",
                f"{where} ({split}) has labels that never occur in training, {sorted(unseen, key=str)}",
                "add training examples of these, or leave the examples that have them out",
            )
        encoded = [tuple(ids[label] for label in row) for row in labels[split]]
        frames[split] = frame.assign(label=pd.Series(encoded, index=frame.index))
    return frames, [str(label) for label in classes], task


def _plain(cell: object) -> object:
    return cell.tolist() if isinstance(cell, np.ndarray) else cell


def _split(joined: object, separator: str) -> list[str]:
    return [part.strip() for part in str(joined).split(separator) if part.strip()]


def _from_multi_hot(labels: dict[str, Rows], where: str) -> dict[str, Rows]:
    """The positions of the ones, if each row has a 0 or 1 (a bool, a number or a string) for every class.

    Lists of the ids 0 and 1 stay as they are: they are of different lengths, and hold no id twice.
    """
    rows = list(chain.from_iterable(labels.values()))
    lengths = {len(row) for row in rows}
    if not {str(value).lower() for value in chain.from_iterable(rows)} <= set(_BITS):
        return labels
    if not any(len(set(row)) < len(row) for row in rows) and (len(lengths) > 1 or max(lengths) < 2):
        return labels
    if len(lengths) > 1:
        raise PielabError(
            "multi-hot-lengths-differ",
            f"{where} has labels that are lists of 0 and 1, of {', '.join(map(str, sorted(lengths)))} numbers",
            "give one number for each class in every row, or lists of the labels' names",
        )
    bits = {split: [[_BITS[str(value).lower()] for value in row] for row in rows] for split, rows in labels.items()}
    return {split: [tuple(np.flatnonzero(row).tolist()) for row in rows] for split, rows in bits.items()}
