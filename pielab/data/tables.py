"""Texts and labels from a user's tables: a file, a folder of files, or a data set on the Hub."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from pielab.errors import PielabError, first_line
from pielab.store import paths

SPLITS = ("train", "validation", "test")
# Only an empty cell is missing, because "None" and "NA" may be texts or labels.
_CSV = partial(pd.read_csv, keep_default_na=False, na_values=[""])
READERS = {
    ".csv": _CSV,
    ".tsv": partial(_CSV, sep="\t"),
    ".parquet": pd.read_parquet,
    ".jsonl": partial(pd.read_json, lines=True, dtype=False),
}

Frames = dict[str, pd.DataFrame]


def load(name: str, folders: Sequence[Path], label: str, revision: str | None = None) -> Frames:
    """The splits of a file ("all"), of a folder, or of a data set on the Hub, with all their columns.

    name: a path, from the working directory, `folders` or the project; or the id of a Hub data set. label: its column.
    revision: as of `from_hub`.

    Raises PielabError if there is no such data, or if it cannot be read.
    """
    path = paths.find(name, *folders)
    if path:
        return {split: _read(file) for split, file in _files(path).items()}
    if Path(name).suffix in READERS:
        places = ", ".join(map(str, (Path.cwd(), *folders)))
        raise PielabError(
            "no-such-data-file",
            f"there is no file {name!r} in {places}",
            "give its full path, or its folder as data_dir",
        )
    return from_hub(name, label, revision=revision)


def from_hub(name: str, label: str = "label", splits: Sequence[str] = SPLITS, revision: str | None = None) -> Frames:
    """The splits of a data set on the Hub that have examples, with class ids replaced by the classes' names.

    name: "owner/name" or "owner/name:configuration". revision: a branch, tag or commit; the latest commit if not given.
    The commit is in the frames' `attrs`, as far as the place of its files in the cache tells it.

    Raises PielabError if the Hub does not give it, or if it has no train split.
    """
    from datasets import ClassLabel, load_dataset  # here, because it takes a second

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
    frames = {split: part.to_pandas() for split, part in data.items() if split in splits}
    if "train" not in frames:
        raise PielabError(
            "hub-dataset-without-train",
            f"{name!r} has no train split, it has {', '.join(data)}",
            "give a data set with a split of that name, or save its texts as files",
        )
    feature = data["train"].features.get(label)
    for split, frame in frames.items():
        if isinstance(feature, ClassLabel):
            # The Hub marks an example without a gold label with -1.
            labelled = frame[frame[label] >= 0]
            frames[split] = labelled.assign(**{label: feature.int2str(labelled[label])})
        elif isinstance(getattr(feature, "feature", None), ClassLabel):
            frames[split] = frame.assign(**{label: frame[label].map(feature.feature.int2str)})
    cached = "".join(file["filename"] for file in data["train"].cache_files)
    commit = re.search(r"[/\\]([0-9a-f]{40})[/\\]", cached)
    for frame in frames.values():
        frame.attrs = {"commit": commit and commit[1]}
    return {split: frame for split, frame in frames.items() if len(frame)}


def text_columns(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns of one or two texts and of the label, as text, text_pair and label."""
    return frame[[*columns]].set_axis([*("text", "text_pair")[: len(columns) - 1], "label"], axis=1)


def with_validation(size: float, train: pd.DataFrame, test: pd.DataFrame) -> Frames:
    """The splits with a number or a share of the training examples, in proportion to the classes, for validation."""
    train, validation = train_test_split(train, test_size=size, stratify=train["label"], random_state=0)
    return {"train": train, "validation": validation, "test": test}


def select(frame: pd.DataFrame, columns: dict[str, str], where: str) -> pd.DataFrame:
    """Some columns of a table under pielab's names, which are the keys of `columns`; texts are strings.

    Raises PielabError if a column, or a value in one, is missing.
    """
    for parameter, column in columns.items():
        if column not in frame.columns:
            raise PielabError(
                "no-such-column",
                f"{where} has no column {column!r}",
                f"set {parameter} to one of {', '.join(map(str, frame.columns))}",
            )
        missing = frame[column].isna().to_numpy()
        if missing.any():
            row = missing.argmax() + 1
            raise PielabError(
                "empty-cells",
                f"{where} has {missing.sum()} rows with no {column!r}, the first is row {row}",
                "fill or drop them",
            )
    chosen = frame[[*columns.values()]].set_axis([*columns], axis=1).reset_index(drop=True)
    return chosen.astype({parameter: str for parameter in columns if parameter != "label"})


def _files(path: Path) -> dict[str, Path]:
    """The file of each split in a folder, or a file under the name all."""
    if path.is_file():
        return {"all": path}
    files = {file.stem: file for file in sorted(path.iterdir()) if file.suffix in READERS and file.stem in SPLITS}
    if not {"train", "test"} & set(files):
        raise PielabError(
            "folder-without-splits",
            f"{path} has no train and no test file",
            "put train.csv (or .tsv, .parquet, .jsonl) and test.csv there, or test.csv alone for predictions made "
            "elsewhere",
        )
    return files


def _read(path: Path) -> pd.DataFrame:
    if path.suffix not in READERS:
        raise PielabError(
            "unknown-kind-of-file", f"{path} is of an unknown kind", f"give a file that ends in {', '.join(READERS)}"
        )
    try:
        return READERS[path.suffix](path)
    except (ValueError, OSError) as error:
        raise PielabError(
            "data-file-unreadable",
            f"{path} could not be read as {path.suffix[1:]} ({first_line(error)})",
            "check that it is complete, and of the kind that its name ends in",
        ) from None
