"""Texts and labels from files, archives or the Hub, as a `datasets.DatasetDict`."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pielab.data import (
    corpora,
    generation,
    glue,
    labels,
    questions,
    sources,
    spans,
    splits,
    tables,
    tagged,
    tasks,
    text_groups,
)
from pielab.data.tables import SPLITS
from pielab.data.words import SEPARATOR
from pielab.errors import PielabError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def load(
    name: str,
    data_dir: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    *,
    dataset_revision: str | None = None,
    text: str = "text",
    text_pair: str | None = None,
    label: str = "label",
    target: str | None = None,
    label_separator: str | None = None,
    no_answer: bool = False,
    group: str | None = None,
) -> "DatasetDict":
    """A data set with the splits train, validation and test.

    name: "bbc-news"; "imdb", "snli", "reuters", "aapd", "qamr", "e2e" or "webnlg", from their original files in
        `data_dir` or $PIELAB_DATA (the first two also from the Hub); or a CSV, TSV, Parquet, JSONL, JSON or .conll
        file, perhaps gzipped; or a folder
        with train and test (and perhaps validation, valid, val or dev) files of these kinds, or with a test file alone
        if no model is to be trained; or the id of a Hub data set, "owner/name" or "owner/name:configuration"; or a task
        of GLUE, "glue-rte", from its .tsv files in `data_dir` or $PIELAB_DATA, else the Hub, or the path of their
        folder, ".../RTE".
        A relative path is looked for in the working directory, in `data_dir`, in $PIELAB_DATA, then in the project.
    limit: the largest number of examples in each split, drawn with `seed` in proportion to the classes; of texts to
        generate in train of pairs, each with all other texts of its source.
    dataset_revision: the branch, tag or commit of a data set on the Hub; its latest commit if not given.
    seed: also fixes the split of data that have none (70 / 15 / 15 %, stratified; of questions with each context in one
        split, of texts to generate with each source).
    text, text_pair, label: columns. A label column of lists (of names, or a 0 or 1 for each class, which is then called
        by its position), or of strings joined by `label_separator`, makes the task multi-label. Lists of words as text
        and of their tags as label make it tokens; of a .conll file these are the first column and the last, or "2" and
        so on. Answers in a context as label, a list of {"text", "answer_start"}, make it spans, of questions as text
        and contexts as text_pair; if none of the three is given, columns called question, context and answers are
        these, as of SQuAD's JSON, unless there is one called text or label.
    target: the column of texts to generate, or of lists of them, in place of label. If neither text nor label is given,
        columns called source and target are these, unless there is one called text or label.
    no_answer: whether questions may have no answer in their context, as in SQuAD 2.0.
    group: a further column by whose values results are compared, at most 50. Numbers of more than 10 values are cut
        into quarters.

    Columns: text, text_pair for pairs, label (a class id) or labels (one 0 or 1 for each class), or words and tags (of
    each a list, and text has the words joined by spaces), or answers (for each question a list of {"text", "start"}),
    or targets (a list of strings: in train a row is a source with one of its texts, that first and the others of its
    source behind it; in the other splits a source is one row, with all its texts), and group, a string, if one is
    given, of a source that of its first row.

    Raises PielabError if the data, a column or a label is missing, if texts or labels cannot be meant, or if data with
    a revision are not on the Hub; warns of what may be meant.
    """
    folders = [Path(folder).expanduser() for folder in (data_dir, os.environ.get("PIELAB_DATA")) if folder]
    frames = corpora.load(name, folders, dataset_revision) or glue.load(name, folders, dataset_revision)
    if frames:  # with columns of pielab's names
        if group:
            raise PielabError(
                "group-of-known-dataset",
                f"group = {group!r} was given, and {name} has no columns but those of its texts and labels",
                "give None, or save its texts as a file with a column of that name",
            )
        columns, label_separator = {column: column for column in next(iter(frames.values()))}, None
    else:
        given = {"text": text, "text_pair": text_pair, "label": label, "target": target}
        if target and label == spans.DEFAULTS["label"]:
            given["label"] = None
        columns = {parameter: column for parameter, column in given.items() if column}
        frames, columns = _read(name, folders, columns, joined=bool(label_separator), revision=dataset_revision)
    of_hub = next(iter(frames.values())).attrs
    if dataset_revision and not of_hub:
        raise PielabError(
            "dataset-revision-without-hub",
            f"dataset_revision = {dataset_revision!r} is for a data set on the Hub, and {name} is read from files here",
            "give None, or the Hub id of a data set",
        )
    groups = text_groups.names(frames, group, columns, name) if group else {}
    frames, names, task = _encode(frames, columns, label_separator, no_answer, name)
    if groups:
        frames = {
            split: frame.assign(group=[groups[split][row] for row in frame.index]) for split, frame in frames.items()
        }
    frames = splits.complete(frames, seed, name, task.together)
    if task.together and task.once:
        frames = splits.once(frames, task.together)
    if limit:
        frames = {split: splits.draw(frame, limit, seed) for split, frame in frames.items()}
    about = {"classes": names, **of_hub}
    from datasets import DatasetDict  # here, because it takes a second, and whatever is wrong was told above

    return DatasetDict({split: _dataset(frames[split], about, task) for split in SPLITS})


def _read(name: str, folders: list[Path], columns: dict[str, str], **options: Any) -> tuple[tables.Frames, dict]:
    """The splits of files or of the Hub, and the columns that are meant."""
    frames = tables.load(name, folders, columns, **options)
    columns = spans.columns(frames, columns)
    if columns == (found := sources.columns(frames, columns)):
        return frames, columns
    # Once more, because of a CSV without the columns that were asked for only the header is read.
    return tables.load(name, folders, found, **options), found


def _encode(
    frames: tables.Frames, columns: dict[str, str], separator: str | None, no_answer: bool, where: str
) -> tuple[tables.Frames, list[str], tasks.Task]:
    """Frames of the columns that a data set has, but its labels as class ids; the classes' names; the task."""
    if "target" in columns:
        sources.check_alone(where, columns, label_separator=separator, no_answer=no_answer)
        return sources.encode(frames, columns, where), list(generation.CLASSES), tasks.GENERATION
    if not (words := tagged.has_words(frames, columns)) and spans.has_answers(frames, columns):
        return spans.encode(frames, columns, separator, no_answer, where), list(questions.LOGITS), tasks.SPANS
    if no_answer:
        raise PielabError(
            "no-answer-without-questions",
            f"no_answer is true, and {where} has no answers to questions as {columns['label']!r}, but labels",
            "leave no_answer out, or give the columns of question, context and answers as text, text_pair and label",
        )
    frames = {
        split: tables.select(frame, columns, f"{where} ({split})", joined=bool(separator), words=words)
        for split, frame in frames.items()
    }
    if words:
        return *tagged.encode(frames, separator, where), tasks.TOKENS
    tables.check_texts(frames, where)
    tagged.check_texts(frames, where)
    return labels.encode(frames, separator, where)


def task_of(name: str, data: "DatasetDict") -> tasks.Task:
    """The task of the data set `name`, with the metrics of its task of GLUE if it is one."""
    return glue.with_metrics(tasks.of_split(data["train"]), name, class_names(data))


def is_multi_label(data: "DatasetDict") -> bool:
    return tasks.of_split(data["train"]) is tasks.MULTI_LABEL


def class_names(data: "DatasetDict") -> list[str]:
    """The classes' names, in the order of their ids."""
    return tasks.of_split(data["train"]).class_names(data["train"])


def revision(data: "DatasetDict") -> str | None:
    """The commit of a data set on the Hub; None if it is not on the Hub, or its commit is not known."""
    return json.loads(data["train"].info.description or "{}").get("commit")


def targets(split: "Dataset") -> Any:
    """Class ids (examples,) int64, multi-hot labels (examples, classes) float32, Tags, GoldAnswers or GoldTexts."""
    return tasks.of_split(split).targets(split)


def joined_texts(split: "Dataset") -> list[str]:
    """One text for each example, pairs joined as the paper joins SNLI's, "premise [SEP] hypothesis" (METHOD, A.2)."""
    if "text_pair" not in split.column_names:
        return list(split["text"])
    return [f"{first}{SEPARATOR}{second}" for first, second in zip(split["text"], split["text_pair"], strict=True)]


def digest(data: "DatasetDict") -> str:
    """A short hash of all texts and labels, the same on every machine."""
    sha256 = hashlib.sha256()
    for split in SPLITS:
        for text in _digested(data[split]):
            sha256.update(text.encode("utf-8", "surrogatepass") + b"\0")
        sha256.update(targets(data[split]).tobytes())
    return sha256.hexdigest()[:16]


def _digested(split: "Dataset") -> Iterable[str]:
    """What a digest has of each example's texts; of words also where each ends."""
    return map(json.dumps, split["words"]) if "words" in split.column_names else joined_texts(split)


def _dataset(frame: pd.DataFrame, about: dict[str, Any], task: tasks.Task) -> "Dataset":
    from datasets import Dataset, Features, List, Value

    given, names = task.column if task.column in frame else "label", about["classes"]
    columns: dict[str, Any] = {
        column: list(frame[column]) for column in frame.columns if column not in ("label", given)
    }
    features: dict[str, Any] = {column: Value("string") for column in columns}
    if "words" in columns:
        features["words"] = List(Value("string"))
    columns[task.column], features[task.column] = task.cells(list(frame[given]), len(names)), task.feature(names)
    data = Dataset.from_dict(columns, features=Features(features))
    data.info.description = json.dumps(about)
    return data
