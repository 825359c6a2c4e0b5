"""The three splits of a data set, and a part of each."""

from collections import Counter

import numpy as np
import pandas as pd

from pielab.errors import PielabError
from pielab.progress import counted

# What the rows are, and what the values of the column of which each stays in one split.
_TOGETHER = {"text_pair": ("question", "context"), "text": ("target", "source")}


def complete(
    frames: dict[str, pd.DataFrame], seed: int, where: str, together: str | None = None
) -> dict[str, pd.DataFrame]:
    """train, validation and test; a missing test or validation set is 15 % of all examples, cut off those to train on.

    If there are test examples alone, the other splits are empty.

    together: a column of which each value stays in one split; a set that is cut off then has at most 15 %, or all
        examples of the rarest value.

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
            train = frames["train"]
            parts = _cut_together(train, together, size, seed, where) if together else _cut(train, size, seed)
            frames["train"], frames[split] = parts
    return frames


def once(frames: dict[str, pd.DataFrame], column: str) -> dict[str, pd.DataFrame]:
    """The same, with the first row of each value of a column alone in all splits but train."""
    return {split: frame if split == "train" else frame.drop_duplicates(column) for split, frame in frames.items()}


def draw(frame: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    """At most `limit` examples, drawn in proportion to the classes."""
    return frame if limit >= len(frame) else _cut(frame, limit, seed)[1]


def _cut(frame: pd.DataFrame, size: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rest, and `size` random rows, in proportion to the classes if each has enough examples."""
    from sklearn.model_selection import train_test_split  # here, because it takes a second

    # train_test_split needs two examples of each stratum, and room for every stratum in both parts.
    counts = Counter(frame["label"])
    strata = [str(ids) if counts[ids] > 1 else "rare" for ids in frame["label"]]
    if strata.count("rare") == 1:  # no stratum of its own, and no reason to stratify nothing
        strata[strata.index("rare")] = Counter(strata).most_common(1)[0][0]
    sizes = Counter(strata)
    possible = min(sizes.values()) > 1 and min(size, len(frame) - size) >= len(sizes)
    return train_test_split(frame, test_size=size, stratify=strata if possible else None, random_state=seed)


def _cut_together(
    frame: pd.DataFrame, column: str, size: int, seed: int, where: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rest, and all rows with some random values of a column: at most `size`, or those of its rarest value."""
    codes, values = pd.factorize(frame[column])
    row, value = _TOGETHER[column]
    if len(values) < 2:
        raise PielabError(
            "too-few-contexts-to-split",
            f"{where} has {counted(len(frame), row)} left to train on, all of one {value}, none to set aside",
            f"give {row}s of more {value}s, or a folder with a file of each split",
        )
    counts, chosen = np.bincount(codes), np.zeros(len(values), dtype=bool)
    for code in np.random.default_rng(seed).permutation(len(values)):
        chosen[code] = counts[code] <= size
        size -= counts[code] * chosen[code]
    if not chosen.any():
        chosen[counts.argmin()] = True
    cut = chosen[codes]
    return frame[~cut], frame[cut]
