"""Texts and labels from a user's tables: a file, a folder of files, or a data set on the Hub."""

import re
import reprlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pielab.data import formats, label_checks, labels, squad
from pielab.errors import PielabError, first_line, near_miss, warn
from pielab.store import paths

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = ("train", "validation", "test")

Frames = dict[str, pd.DataFrame]


def load(
    name: str, folders: Sequence[Path], columns: dict[str, str], joined: bool = False, revision: str | None = None
) -> Frames:
    """The splits of a file ("all"), of a folder, or of a data set on the Hub, with all their columns.

    name: a path, from the working directory, `folders` or the project; or the id of a Hub data set. columns: those
    that `select` will take, perhaps without a label. joined: whether several labels may be in one cell. revision: as of
    `from_hub`.

    Raises PielabError if there is no such data, or if it cannot be read.
    """
    label, path = columns.get("label"), paths.find(name, *map(str, folders))
    if path:
        files = split_files(path)
        frames = {split: formats.read(file, list(columns.values()), label) for split, file in files.items()}
        written = [split for split, file in files.items() if formats.suffix(file) in formats.DELIMITERS]
        if label and not joined and all(label in frames[split] for split in written):
            typed = labels.of_texts({split: frames[split][label] for split in written})
            frames |= {split: frames[split].assign(**{label: column}) for split, column in typed.items()}
        return frames
    if formats.suffix(Path(name)) in formats.SUFFIXES:
        places = ", ".join(map(str, (Path.cwd(), *folders)))
        raise PielabError(
            "no-such-data-file",
            f"there is no file {name!r} in {places}",
            "give its full path, or its folder as data_dir",
        )
    return from_hub(name, label, revision=revision)


def from_hub(
    name: str,
    label: str | None = "label",
    required: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    revision: str | None = None,
) -> Frames:
    """The splits of a data set on the Hub that have examples, with class ids replaced by the classes' names.

    name: "owner/name" or "owner/name:configuration". required: the names of the splits to read; if not given, those of
        `SPLITS`, of which train must be there, and a warning names the others. columns: those of `text_columns`, if
        they are known. revision: a branch, tag or commit; the latest commit if not given.

    The commit is in the frames' `attrs`, as far as the place of its files in the cache tells it.

    Raises PielabError if the Hub does not give it, or if a required split or a column is missing.
    """
    from datasets import load_dataset  # here, because it takes a second

    repository, _, configuration = name.partition(":")
    try:
        data = load_dataset(repository, configuration or None, **({"revision": revision} if revision else {}))
    except Exception as error:  # the Hub's client raises errors of many kinds
        raise PielabError(
            "unknown-dataset",
            f"{name!r} is neither bbc-news, nor a file or folder here, nor a data set that the Hub gives "
            f"({first_line(error)})",
            "give the path of a file or folder, or the owner/name of a data set of the Hub",
        ) from None
    # A split of the usual name goes before one that only means the same.
    names = {split_of(split): split for split in data} | {split: split for split in required or SPLITS if split in data}
    frames = {split: _named(data[names[split]], label) for split in required or SPLITS if split in names}
    frames = {split: frame for split, frame in frames.items() if len(frame)}
    if missing := [split for split in required or ("train",) if split not in frames]:
        raise PielabError(
            "hub-dataset-without-split",
            f"{name!r} has no {missing[0]} split with labels, it has {', '.join(data)}",
            "give a data set with a split of that name, or save its texts as files",
        )
    if missing := [column for column in columns for frame in frames.values() if column not in frame]:
        raise PielabError(
            "hub-dataset-without-column", f"{name!r} has no column {missing[0]!r}", "save its texts as files"
        )
    if not required and (others := [split for split in data if split not in {names[split] for split in frames}]):
        warn(f"{name} has splits that are not read, by their names or for want of labels: {', '.join(others)}")
    if columns:
        frames = {split: text_columns(frame, columns) for split, frame in frames.items()}
    cached = "".join(file["filename"] for file in data[names["train"]].cache_files)
    commit = re.search(r"[/\\]([0-9a-f]{40})[/\\]", cached)
    for frame in frames.values():
        frame.attrs = {"commit": commit and commit[1]}
    return frames


def _named(part: "Dataset", label: str | None) -> pd.DataFrame:
    """A split of the Hub with class ids replaced by the classes' names, and without examples that have no label."""
    from datasets import ClassLabel

    frame = part.to_pandas()
    if label is None:
        return frame
    feature = part.features.get(label)
    if isinstance(feature, ClassLabel):
        # The Hub marks an example without a gold label with -1.
        labelled = frame[frame[label] >= 0]
        return labelled.assign(**{label: feature.int2str(labelled[label])})
    if isinstance(getattr(feature, "feature", None), ClassLabel):
        return frame.assign(**{label: frame[label].map(feature.feature.int2str)})
    return frame


def text_columns(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns of one or two texts and of the label, as text, text_pair and label."""
    return frame[[*columns]].set_axis([*("text", "text_pair")[: len(columns) - 1], "label"], axis=1)


def with_validation(size: float, train: pd.DataFrame, test: pd.DataFrame) -> Frames:
    """The splits with a number or a share of the training examples, in proportion to the classes, for validation.

    Raises PielabError if there are too few.
    """
    from sklearn.model_selection import train_test_split  # here, because it takes a second

    try:
        train, validation = train_test_split(train, test_size=size, stratify=train["label"], random_state=0)
    except ValueError as error:
        counts = ", ".join(f"{number} {label}" for label, number in sorted(Counter(train["label"]).items()))
        raise PielabError(
            "too-few-for-validation",
            f"the training examples ({counts or 'none'}) are too few to set some aside for validation "
            f"({first_line(error)})",
            "get the complete files",
        ) from None
    return {"train": train, "validation": validation, "test": test}


def select(
    frame: pd.DataFrame, columns: dict[str, str], where: str, joined: bool = False, words: bool = False
) -> pd.DataFrame:
    """Some columns of a table under pielab's names, which are the keys of `columns`; texts are strings.

    joined: whether several labels may be in one cell, and none in an empty one. words: whether texts may be lists.

    Raises PielabError if a column, or a value in one, is missing, if texts are no strings, or if there are no rows.
    """
    check_columns(frame, columns, where)
    chosen = {}
    for parameter, column in columns.items():
        values = frame[column].astype(object).reset_index(drop=True)
        missing = values.isna().to_numpy()
        if joined and parameter == "label":
            values = values.mask(missing, "")
        elif missing.any():
            row = missing.argmax() + 1
            raise PielabError(
                "empty-cells",
                f"{where} has {missing.sum()} rows with no {column!r}, the first is row {row}",
                "fill or drop them",
            )
        if parameter != "label" and not words:
            _check_strings(values, f"{where}, column {column!r}, row")
            values = values.astype(str)
        chosen[parameter] = values
    return pd.DataFrame(chosen)


def check_columns(frame: pd.DataFrame, columns: dict[str, str], where: str) -> None:
    """Raises PielabError if the columns are not there once each, or have no rows."""
    names = list(frame.columns)
    for parameter, column in columns.items():
        if column not in names:
            guess = near_miss(column, map(str, names))
            raise PielabError(
                "no-such-column",
                f"{where} has no column {column!r}",
                f"{guess}set {parameter} to one of {', '.join(map(str, names))}",
            )
        if names.count(column) > 1:
            raise PielabError(
                "column-name-twice", f"{where} has two columns {column!r}", "rename or remove all of them but one"
            )
        if twin := next((other for other in columns if other != parameter and columns[other] == column), None):
            raise PielabError(
                "column-given-twice", f"{parameter} and {twin} are both {column!r}", "give each a column of its own"
            )
    if frame.empty:
        raise PielabError("table-without-rows", f"{where} has a header and no rows", "add rows, or remove the file")


def _check_strings(texts: pd.Series, where: str) -> None:
    for row, text in enumerate(texts, 1):
        if isinstance(text, (bytes, dict, list, tuple, set, np.ndarray)):
            raise PielabError(
                "text-not-a-string",
                f"{where} {row} is of the type {type(text).__name__}, {reprlib.repr(text)}",
                "give strings: join the parts of a list, or give lists of tags as label if it is of words, and decode "
                "bytes",
            )


def check_texts(frames: Frames, where: str) -> None:
    """Raises PielabError if all texts are the same, or numbers.

    Warns of blank ones, and of values that are no texts as written.
    """
    rows = (row for frame in frames.values() for row in frame.drop(columns="label").itertuples(index=False, name=None))
    texts = [tuple(part.strip() for part in row) for row in rows]
    if len(texts) > 1 and len(set(texts)) == 1:
        raise PielabError(
            "texts-all-the-same",
            f"all {len(texts)} texts of {where} are {reprlib.repr(' '.join(texts[0]))}",
            "give the column of the texts as text",
        )
    if all(label_checks.NUMBER.fullmatch(row[0]) for row in texts):
        raise PielabError(
            "texts-are-numbers",
            f"all {len(texts)} texts of {where} are numbers, such as {reprlib.repr(texts[0][0])}",
            "give the column of the texts as text",
        )
    if blank := sum(not any(row) for row in texts):
        warn(f"{where} has {blank} of {len(texts)} texts without any word")
    if escaped := next((part for row in texts for part in row if '\\"' in part), None):
        warn(f"texts of {where} have a backslash before a quotation mark, such as {reprlib.repr(escaped)}")
    if all(_WRITTEN_VALUE.match(row[0]) for row in texts):
        warn(f"all texts of {where} are Python's lists, dictionaries or bytes, such as {reprlib.repr(texts[0][0])}")


_WRITTEN_VALUE = re.compile(r"""\[\s*['"].*['"]\s*\]$|\{\s*['"].*\}$|b(['"]).*\1$""", re.DOTALL)


def split_files(path: Path) -> dict[str, Path]:
    """The file of each split in a folder, or a file under the name all; warns of data files that are left out."""
    if path.is_file():
        return {"all": path}
    files: dict[str, Path] = {}
    others = []
    for file in sorted(path.iterdir()):
        name, known = formats.stem(file), formats.suffix(file) in formats.SUFFIXES
        split = split_of(name) or squad.split_of(name)
        if not file.is_file() or not (known or split_of(file.name.lower().partition(".")[0])):
            continue
        if not (split and known):
            others.append(file.name)
        elif split in files:
            raise PielabError(
                "split-in-two-files",
                f"{path} has {files[split].name} and {file.name}, two files of the {split} split",
                "leave one of them in the folder",
            )
        else:
            files[split] = file
    if not {"train", "test"} & set(files):
        raise PielabError(
            "folder-without-splits",
            f"{path} has no train and no test file",
            "put train.csv (or .tsv, .parquet, .conll, .jsonl, .json) and test.csv there, or test.csv alone for "
            "predictions made elsewhere",
        )
    if others:
        warn(f"{path} has data files that are not read: {', '.join(others)}")
    return files


def split_of(name: str) -> str | None:
    """The split that a file or a split of the Hub is called after; None for another name."""
    return "validation" if name in ("dev", "val", "valid") else name if name in SPLITS else None
