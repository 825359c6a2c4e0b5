"""GLUE's tasks (Wang et al. 2018), from their .tsv files or from the Hub, each with its metrics.

The labels of GLUE's test sets are not published, so its development set is the test set here, as in most papers, and a
tenth of the training set, stratified, is for validation.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from pielab.errors import PielabError

HUB = "nyu-mll/glue"
SOURCE = "its .tsv files from https://gluebenchmark.com/tasks"
PREFIX = "glue-"
VALIDATION = 0.1


@dataclass(frozen=True)
class Task:
    """Where a task's texts and labels are, and what it is judged by.

    folder: of its .tsv files. columns: of their texts, one or two, and of their labels. hub: of the Hub's texts.
    labels: the names of the labels 0 and 1, the positive one last; empty if the files have names.
    metrics: the first is the task's own.
    """

    folder: str
    columns: tuple[str, ...]
    hub: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("accuracy",)
    dev: str = "dev"


TWO, QUESTIONS, SENTENCES = ("sentence1", "sentence2"), ("question1", "question2"), ("#1 String", "#2 String")
ENTAILED = ("not_entailment", "entailment")
TASKS: dict[str, Task] = {
    "cola": Task(
        "CoLA",
        ("sentence", "label"),
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("Matthews correlation", "accuracy"),
    ),
    "sst2": Task("SST-2", ("sentence", "label"), ("sentence",), ("negative", "positive")),
    "mrpc": Task("MRPC", (*SENTENCES, "Quality"), TWO, ("not_equivalent", "equivalent"), ("F1", "accuracy")),
    "qqp": Task("QQP", (*QUESTIONS, "is_duplicate"), QUESTIONS, ("not_duplicate", "duplicate"), ("F1", "accuracy")),
    "mnli": Task("MNLI", (*TWO, "gold_label"), ("premise", "hypothesis"), dev="dev_matched"),
    "qnli": Task("QNLI", ("question", "sentence", "label"), ("question", "sentence")),
    "rte": Task("RTE", (*TWO, "label"), TWO),
    "wnli": Task("WNLI", (*TWO, "label"), TWO, ENTAILED),
}


def task(dataset: str) -> Task | None:
    """The task that a data set's name, "glue-rte", or the path of a folder of .tsv files, ".../RTE", stands for."""
    if named(dataset):
        name = dataset.removeprefix(PREFIX)
        if name not in TASKS:
            raise PielabError(
                f"no task of GLUE is called {name!r}: give one of {', '.join(map(PREFIX.__add__, TASKS))}."
            )
        return TASKS[name]
    path = Path(dataset).expanduser()
    return next((each for each in TASKS.values() if each.folder == path.name and len(path.parts) > 1), None)


def named(dataset: str) -> bool:
    """Whether it is a task's name, and no file or folder's."""
    return dataset.startswith(PREFIX) and not set("/.\\") & set(dataset)


def find(found: Task, *folders: Path) -> Path | None:
    """The first of `folders`, or of the folders in them with the task's name, that has its development set."""
    places = [
        place for folder in folders for place in (folder, folder / found.folder, folder / "glue_data" / found.folder)
    ]
    return next((place for place in places if (place / f"{found.dev}.tsv").exists()), None)


def read(found: Task, folder: Path) -> dict[str, pd.DataFrame]:
    """train, validation and test with the columns text, text_pair if there is one, and label.

    Lines that are cut short, as a few of QQP's are, are left out.

    Raises PielabError if a file or a column is missing, or a label is none of the task's.
    """
    return _splits(*(_read(found, folder / f"{stem}.tsv") for stem in ("train", found.dev)))


def from_hub(found: Task, frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """What the Hub gives of a task (train, validation or validation_matched), in the form that `read` gives."""
    names = dict(zip((*found.hub, "label"), (*("text", "text_pair")[: len(found.hub)], "label"), strict=True))
    dev = "validation_matched" if "validation_matched" in frames else "validation"
    return _splits(*(frames[split].rename(columns=names)[list(names.values())] for split in ("train", dev)))


def _read(found: Task, path: Path) -> pd.DataFrame:
    # CoLA's files have no header: source, label, the author's mark, sentence.
    header = {"names": ["source", "label", "mark", "sentence"]} if found.folder == "CoLA" else {}
    options = {"sep": "\t", "quoting": csv.QUOTE_NONE, "keep_default_na": False, "dtype": str}
    try:
        frame = pd.read_csv(path, **options, **header)
    except (OSError, ValueError) as error:
        raise PielabError(f"{path} could not be read ({str(error).splitlines()[0]}): get {SOURCE}.") from None
    if missing := [column for column in found.columns if column not in frame]:
        raise PielabError(f"{path} has no column {missing[0]!r}, it has {', '.join(frame)}: get {SOURCE}.")
    *texts, label = found.columns
    frame = frame[(frame[list(found.columns)].fillna("") != "").all(axis=1)]
    known = (
        dict(zip("01", found.labels, strict=True)) if found.labels else {each: each for each in frame[label].unique()}
    )
    if strange := set(frame[label]) - set(known):
        raise PielabError(f"{path} has the label {min(strange)!r}: the labels are {', '.join(known)}; get {SOURCE}.")
    columns = dict(zip(("text", "text_pair"), (frame[each] for each in texts), strict=False))
    return pd.DataFrame({**columns, "label": frame[label].map(known)})


def _splits(train: pd.DataFrame, dev: pd.DataFrame) -> dict[str, pd.DataFrame]:
    train, validation = train_test_split(train, test_size=VALIDATION, stratify=train["label"], random_state=0)
    return {"train": train, "validation": validation, "test": dev}
