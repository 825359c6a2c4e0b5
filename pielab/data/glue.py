"""GLUE's tasks (Wang et al. 2018), from their .tsv files or from the Hub, each with its metrics.

The labels of GLUE's test sets are not published, so the development set is the test set here, as in most papers, and a
stratified tenth of the training set is the validation set.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.data import tables, tasks
from pielab.data.tables import Frames, text_columns, with_validation
from pielab.errors import PielabError, first_line
from pielab.store import paths

HUB = "nyu-mll/glue"
SOURCE = "its .tsv files from https://gluebenchmark.com/tasks"
PREFIX = "glue-"
VALIDATION = 0.1


@dataclass(frozen=True)
class GlueTask:
    """Where a task's texts and labels are, and its metrics.

    folder: the name of the folder with its .tsv files. columns: those of the texts, one or two, and of the label in
        these files. hub: those of the texts on the Hub.
    labels: the names of the labels 0 and 1, the positive one last; empty if the files hold names.
    metrics: the first is the task's main metric. dev: the development set's file, without .tsv.
    """

    folder: str
    columns: tuple[str, ...]
    hub: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("accuracy",)
    dev: str = "dev"


TWO, QUESTIONS, SENTENCES = ("sentence1", "sentence2"), ("question1", "question2"), ("#1 String", "#2 String")
ENTAILED = ("not_entailment", "entailment")
TASKS: dict[str, GlueTask] = {
    "cola": GlueTask(
        "CoLA",
        ("sentence", "label"),
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("Matthews correlation", "accuracy"),
    ),
    "sst2": GlueTask("SST-2", ("sentence", "label"), ("sentence",), ("negative", "positive")),
    "mrpc": GlueTask("MRPC", (*SENTENCES, "Quality"), TWO, ("not_equivalent", "equivalent"), ("F1", "accuracy")),
    "qqp": GlueTask("QQP", (*QUESTIONS, "is_duplicate"), QUESTIONS, ("not_duplicate", "duplicate"), ("F1", "accuracy")),
    "mnli": GlueTask("MNLI", (*TWO, "gold_label"), ("premise", "hypothesis"), dev="dev_matched"),
    "qnli": GlueTask("QNLI", ("question", "sentence", "label"), ("question", "sentence")),
    "rte": GlueTask("RTE", (*TWO, "label"), TWO),
    "wnli": GlueTask("WNLI", (*TWO, "label"), TWO, ENTAILED),
}


def task(dataset: str) -> GlueTask | None:
    """The task that is named as "glue-rte", or by the path of its folder of .tsv files as ".../RTE"; else None.

    Raises PielabError for an unknown name after "glue-".
    """
    if _is_name(dataset):
        name = dataset.removeprefix(PREFIX)
        if name not in TASKS:
            raise PielabError(
                "unknown-glue-task",
                f"no task of GLUE is called {name!r}",
                f"give one of {', '.join(map(PREFIX.__add__, TASKS))}",
            )
        return TASKS[name]
    path = Path(dataset).expanduser()
    return next((task for task in TASKS.values() if task.folder == path.name and len(path.parts) > 1), None)


def with_metrics(task_of_data: tasks.Task, dataset: str, classes: list[str]) -> tasks.Task:
    """The task with the metrics of GLUE, if the data set is one of GLUE's and has its classes."""
    of_glue = task(dataset)
    if not of_glue or task_of_data is not tasks.SINGLE_LABEL or sorted(of_glue.labels) != classes:
        return task_of_data
    positive = classes.index(of_glue.labels[-1])
    known: dict[str, tasks.Metric] = {
        "accuracy": tasks.accuracy,
        "F1": partial(f1, positive),
        "Matthews correlation": matthews_correlation,
    }
    return tasks.with_metrics(task_of_data.name, {name: known[name] for name in of_glue.metrics})


def f1(positive: int, predicted: np.ndarray, targets: np.ndarray) -> float:
    """F1 of the class `positive`."""
    from sklearn.metrics import f1_score  # here, because it takes half a second

    return float(f1_score(targets == positive, predicted == positive, zero_division=0))


def matthews_correlation(predicted: np.ndarray, targets: np.ndarray) -> float:
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(targets, predicted))


def load(name: str, folders: Sequence[Path], revision: str | None = None) -> Frames | None:
    """A task's splits, with the columns text, text_pair of pairs, and label: from its .tsv files, or else the Hub.

    name: as of `task`. Returns None if it is no task, or a path without a task's files.

    Raises PielabError if a file or a column is missing, or if a label is not one of the task's.
    """
    wanted, by_name = task(name), _is_name(name)
    if not wanted:
        return None
    if folder := _find(wanted, *(folders if by_name else filter(None, [paths.find(name, *map(str, folders))]))):
        train, dev = (_read(wanted, folder / f"{stem}.tsv") for stem in ("train", wanted.dev))
        return with_validation(VALIDATION, train, dev)
    if not by_name:
        return None
    dev = wanted.dev.replace("dev", "validation")
    try:
        columns = (*wanted.hub, "label")
        of_hub = f"{HUB}:{name.removeprefix(PREFIX)}"
        hub = tables.from_hub(of_hub, required=("train", dev), columns=columns, revision=revision)
    except PielabError as error:
        places = ", ".join(map(str, folders)) or "data_dir, which is not set"
        raise PielabError(
            "glue-task-not-found",
            f"there is no {wanted.folder}/{wanted.dev}.tsv in {places}, and {error.problem}",
            f"get {SOURCE}, and give as data_dir the folder that {wanted.folder} is in",
        ) from None
    return with_validation(VALIDATION, hub["train"], hub[dev])


def _is_name(dataset: str) -> bool:
    """Whether `dataset` is a task's name, such as "glue-rte", and not a path."""
    return dataset.startswith(PREFIX) and not set("/.\\") & set(dataset)


def _find(task: GlueTask, *folders: Path) -> Path | None:
    """The first of `folders`, or of their subfolders with the task's name, that has its development set; else None."""
    inside = ("", task.folder, f"glue_data/{task.folder}")
    places = [folder / name for folder in folders for name in inside]
    return next((place for place in places if (place / f"{task.dev}.tsv").exists()), None)


def _read(task: GlueTask, path: Path) -> pd.DataFrame:
    """A file of a task; truncated lines, of which QQP has a few, are left out."""
    # CoLA's files have no header.
    header = {"names": ["source", "label", "mark", "sentence"]} if task.folder == "CoLA" else {}
    options = {"sep": "\t", "quoting": csv.QUOTE_NONE, "keep_default_na": False, "dtype": str}
    try:
        frame = pd.read_csv(path, **options, **header)
    except (OSError, ValueError) as error:
        raise PielabError(
            "glue-file-unreadable", f"{path} could not be read ({first_line(error)})", f"get {SOURCE}"
        ) from None
    if missing := [column for column in task.columns if column not in frame]:
        raise PielabError(
            "glue-column-missing", f"{path} has no column {missing[0]!r}, it has {', '.join(frame)}", f"get {SOURCE}"
        )
    frame = text_columns(frame, task.columns)
    frame = frame[(frame.fillna("") != "").all(axis=1)]
    names = dict(zip("01", task.labels, strict=False))  # empty if the file has names
    if unknown := set(frame["label"]) - set(names or frame["label"]):
        raise PielabError(
            "unknown-glue-label",
            f"{path} has the label {min(unknown)!r}",
            f"the labels are {', '.join(names)}; get {SOURCE}",
        )
    return frame.replace({"label": names})
