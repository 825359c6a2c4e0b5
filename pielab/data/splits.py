"""Labels as class ids, and the three splits of a data set."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from pielab.errors import PielabError


def encode_labels(
    frames: dict[str, pd.DataFrame], separator: str | None, where: str
) -> tuple[dict[str, pd.DataFrame], list[str], bool]:
    """Labels as class ids, or as lists of class ids; the classes, in order, are those of the training data if any."""
    source = next(split for split in ("train", "all", "test") if split in frames)
    learnt = frames[source]["label"]
    multi_label = bool(separator) or isinstance(learnt.iloc[0], (list, tuple, np.ndarray))
    if separator:
        frames = {split: frame.assign(label=_split(frame["label"], separator)) for split, frame in frames.items()}
        learnt = frames[source]["label"]
    values = {each for row in learnt for each in row} if multi_label else set(learnt)
    try:
        known = sorted(values)
    except TypeError:
        known = sorted(values, key=str)
    if len(known) < 2:
        raise PielabError(f"{where} has {len(known)} class in its labels: a classifier needs two at least.")
    ids = {value: index for index, value in enumerate(known)}
    for split, frame in frames.items():
        seen = {each for row in frame["label"] for each in row} if multi_label else set(frame["label"])
        if unseen := seen - set(known):
            raise PielabError(f"{where} ({split}) has labels that never occur in training: {sorted(unseen, key=str)}.")
        encoded = [[ids[each] for each in row] for row in frame["label"]] if multi_label else frame["label"].map(ids)
        frames[split] = frame.assign(label=encoded)
    return frames, [str(value) for value in known], multi_label


def _split(column: pd.Series, separator: str) -> list[list[str]]:
    return [[part.strip() for part in str(joined).split(separator) if part.strip()] for joined in column]


def complete(frames: dict[str, pd.DataFrame], multi_label: bool, seed: int, where: str) -> dict[str, pd.DataFrame]:
    """train, validation and test, cutting off what is not there: 15 % of all for a test set, then for validation.

    If there are test examples alone, the other splits are empty.
    """
    frames = dict(frames)
    if "all" not in frames and "train" not in frames:
        nothing = frames["test"].iloc[:0]
        return {"train": nothing, "validation": nothing} | frames
    if "all" in frames:
        frames["train"] = frames.pop("all")
    share = int(0.15 * len(frames["train"]))
    for split in ("test", "validation"):
        if split not in frames:
            if share < 1:
                raise PielabError(f"{where} has {len(frames['train'])} examples: too few to split, 7 are the least.")
            frames["train"], frames[split] = _cut(frames["train"], share, multi_label, seed)
    return frames


def draw(frame: pd.DataFrame, limit: int, multi_label: bool, seed: int) -> pd.DataFrame:
    """At most so many examples, in proportion to the classes."""
    return frame if limit >= len(frame) else _cut(frame, limit, multi_label, seed)[1]


def _cut(frame: pd.DataFrame, size: int, multi_label: bool, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rest and a random part of `size` rows, in proportion to the classes where there are enough of each."""
    classes = frame["label"].map(tuple) if multi_label else frame["label"]
    # A class (or set of labels) of one example cannot stand on both sides, and each side must hold every class.
    counts = classes.map(classes.value_counts())
    strata = classes.astype(str).where(counts > 1, "rare")
    rare = strata.value_counts()
    possible = rare.min() > 1 and min(size, len(frame) - size) >= len(rare)
    return train_test_split(frame, test_size=size, stratify=strata if possible else None, random_state=seed)
