"""Labels as class ids, and the three splits of a data set."""

from collections import Counter
from itertools import chain

import pandas as pd
from sklearn.model_selection import train_test_split

from pielab.data.tasks import Task, of_label
from pielab.errors import PielabError


def encode_labels(
    frames: dict[str, pd.DataFrame], separator: str | None, where: str
) -> tuple[dict[str, pd.DataFrame], list[str], Task]:
    """Frames with each example's labels as a tuple of class ids; the class names in the order of ids; the task.

    The classes are those of the training data, or of the test data if there is no training data.

    Raises PielabError for fewer than two classes, or for labels that never occur in training.
    """
    source = next(split for split in ("train", "all", "test") if split in frames)
    if separator:
        frames = {split: frame.assign(label=_split(frame["label"], separator)) for split, frame in frames.items()}
    task = of_label(frames[source]["label"].iloc[0])
    labels = {split: frame["label"].map(task.labels) for split, frame in frames.items()}
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
    for split in frames:
        if unseen := distinct[split] - set(classes):
            raise PielabError(
                "labels-never-in-training",
                f"{where} ({split}) has labels that never occur in training, {sorted(unseen, key=str)}",
                "add training examples of these, or leave the examples that have them out",
            )
        encoded = labels[split].map(lambda row: tuple(ids[label] for label in row))
        frames[split] = frames[split].assign(label=encoded)
    return frames, [str(label) for label in classes], task


def _split(column: pd.Series, separator: str) -> list[list[str]]:
    return [[part.strip() for part in str(joined).split(separator) if part.strip()] for joined in column]


def complete(frames: dict[str, pd.DataFrame], seed: int, where: str) -> dict[str, pd.DataFrame]:
    """train, validation and test; a missing test or validation set is 15 % of all examples, cut off those to train on.

    If there are test examples alone, the other splits are empty.

    Raises PielabError if there are too few examples to cut off.
    """
    frames = {"train" if split == "all" else split: frame for split, frame in frames.items()}
    if "train" not in frames:
        empty = frames["test"].iloc[:0]
        return {"train": empty, "validation": empty} | frames
    size = int(0.15 * len(frames["train"]))
    for split in ("test", "validation"):
        if split not in frames:
            if size < 1:
                raise PielabError(
                    "too-few-to-split",
                    f"{where} has {len(frames['train'])} examples, too few to split",
                    "give 7 at least, or a folder with a file of each split",
                )
            frames["train"], frames[split] = _cut(frames["train"], size, seed)
    return frames


def draw(frame: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    """At most `limit` examples, drawn in proportion to the classes."""
    return frame if limit >= len(frame) else _cut(frame, limit, seed)[1]


def _cut(frame: pd.DataFrame, size: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rest, and `size` random rows, in proportion to the classes if each has enough examples."""
    # train_test_split needs two examples of each stratum, and room for every stratum in both parts.
    counts = Counter(frame["label"])
    strata = [str(ids) if counts[ids] > 1 else "rare" for ids in frame["label"]]
    sizes = Counter(strata)
    possible = min(sizes.values()) > 1 and min(size, len(frame) - size) >= len(sizes)
    return train_test_split(frame, test_size=size, stratify=strata if possible else None, random_state=seed)
