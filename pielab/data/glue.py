"""GLUE's tasks (Wang et al. 2018), from their .tsv files or from the Hub, each with its metrics.

The labels of GLUE's test sets are not published, so the development set is the test set here, as in most papers, and a
stratified tenth of the training set is the validation set.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from pielab.errors import PielabError, first_line

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
    if named(dataset):
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


def named(dataset: str) -> bool:
    """Whether `dataset` is a task's name, such as "glue-rte", and not a path."""
    return dataset.startswith(PREFIX) and not set("/.\\") & set(dataset)


def find(task: GlueTask, *folders: Path) -> Path | None:
    """The first of `folders`, or of their subfolders with the task's name, that has its development set; else None."""
    inside = ("", task.folder, f"glue_data/{task.folder}")
    paths = [folder / name for folder in folders for name in inside]
    return next((path for path in paths if (path / f"{task.dev}.tsv").exists()), None)


def read(task: GlueTask, folder: Path) -> dict[str, pd.DataFrame]:
    """train, validation and test with the columns text, text_pair if there is one, and label.

    Truncated lines, of which QQP has a few, are left out.

    Raises PielabError if a file or a column is missing, or if a label is not one of the task's.
    """
    return _splits(*(_read(task, folder / f"{stem}.tsv") for stem in ("train", task.dev)))


def from_hub(task: GlueTask, frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """A task's splits on the Hub (train, and validation or validation_matched) in the form that `read` gives."""
    names = dict(zip((*task.hub, "label"), (*("text", "text_pair")[: len(task.hub)], "label"), strict=True))
    dev = "validation_matched" if "validation_matched" in frames else "validation"
    return _splits(*(frames[split].rename(columns=names)[list(names.values())] for split in ("train", dev)))


def _read(task: GlueTask, path: Path) -> pd.DataFrame:
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
            "glue-column-missing",
            f"{path} has no column {missing[0]!r}, it has {', '.join(frame)}",
            f"get {SOURCE}",
        )
    *texts, label = task.columns
    frame = frame[(frame[list(task.columns)].fillna("") != "").all(axis=1)]
    names = dict(zip("01", task.labels, strict=True)) if task.labels else {name: name for name in frame[label].unique()}
    if unknown := set(frame[label]) - set(names):
        raise PielabError(
            "unknown-glue-label",
            f"{path} has the label {min(unknown)!r}",
            f"the labels are {', '.join(names)}; get {SOURCE}",
        )
    columns = dict(zip(("text", "text_pair"), (frame[column] for column in texts), strict=False))
    return pd.DataFrame({**columns, "label": frame[label].map(names)})


def _splits(train: pd.DataFrame, dev: pd.DataFrame) -> dict[str, pd.DataFrame]:
    train, validation = train_test_split(train, test_size=VALIDATION, stratify=train["label"], random_state=0)
    return {"train": train, "validation": validation, "test": dev}
