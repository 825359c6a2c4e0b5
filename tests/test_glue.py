"""GLUE's tasks, from files as GLUE distributes them and as the Hub gives them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from sklearn.metrics import f1_score

from pielab.config.parameters import TrainParameters
from pielab.data import datasets, glue, importing, tasks
from pielab.store import records
from pielab.training import runs
from pielab.training.experiment import prepare

# Of each task: the header of its files, and a line of a text and a label; None: it has no header.
LINES = {
    "cola": (None, "gj04\t{label}\t\tThe {text} is here.", "01"),
    "sst2": ("sentence\tlabel", 'an "unclosed {text}\t{label}', "01"),
    "mrpc": ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "{label}\t1\t2\tThe {text}.\tOne {text}.", "01"),
    "qqp": ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "1\t2\t3\tWhy {text}?\tIs {text}?\t{label}", "01"),
    "mnli": (
        "index\tgenre\tsentence1\tsentence2\tlabel1\tgold_label",
        "0\tfiction\tA {text}.\tNo {text}.\tneutral\t{label}",
        ["entailment", "neutral", "contradiction"],
    ),
    "qnli": ("index\tquestion\tsentence\tlabel", "0\tWhich {text}?\tThat {text}.\t{label}", glue.ENTAILED),
    "rte": ("index\tsentence1\tsentence2\tlabel", "0\tA {text}.\tNo {text}.\t{label}", glue.ENTAILED),
    "wnli": ("index\tsentence1\tsentence2\tlabel", "0\tA {text}.\tNA\t{label}", "01"),
}


def write(folder, name, number=60):
    """The files of a task as GLUE distributes them."""
    task, (header, line, labels) = glue.TASKS[name], LINES[name]
    place = folder / task.folder
    place.mkdir(parents=True)
    for stem, size in (("train", number), (task.dev, number // 3)):
        lines = [line.format(text=f"word{index}", label=labels[index % len(labels)]) for index in range(size)]
        encoding = "utf-8-sig" if name == "mrpc" else "utf-8"
        (place / f"{stem}.tsv").write_text("\n".join([header, *lines] if header else lines) + "\n", encoding=encoding)
    return place


@pytest.mark.parametrize("name", glue.TASKS)
def test_a_task_is_read_from_its_files_by_name_or_by_path(tmp_path, name):
    place = write(tmp_path, name)
    data = datasets.load(f"glue-{name}", str(tmp_path))
    assert {split: len(each) for split, each in data.items()} == {"train": 54, "validation": 6, "test": 20}
    assert ("text_pair" in data["test"].column_names) == (len(glue.TASKS[name].columns) == 3)
    assert "word0" in data["test"]["text"][0] and "word19" in data["test"]["text"][19]
    assert len(datasets.class_names(data)) == len(LINES[name][2])
    assert datasets.digest(datasets.load(str(place))) == datasets.digest(data)


def test_a_lone_quotation_mark_swallows_no_lines(tmp_path):
    write(tmp_path, "sst2")
    assert datasets.load("glue-sst2", str(tmp_path))["test"]["text"][3] == 'an "unclosed word3'


def test_a_line_that_is_cut_short_is_left_out(tmp_path):
    with (write(tmp_path, "qqp") / "dev.tsv").open("a") as file:
        file.write("7\t8\t9\tWhy is this line so")
    assert len(datasets.load("glue-qqp", str(tmp_path))["test"]) == 20


@pytest.mark.parametrize("name", ["mrpc", "rte", "mnli", "cola"])
def test_the_hub_gives_the_same_as_the_files(tmp_path, monkeypatch, name):
    write(tmp_path, name)
    task, labels = glue.TASKS[name], LINES[name][2]
    names = list(task.labels or sorted(labels))
    splits = {}
    for split, stem in (("train", "train"), ("validation_matched" if name == "mnli" else "validation", task.dev)):
        frame = pd.read_csv(
            tmp_path / task.folder / f"{stem}.tsv", sep="\t", dtype=str, header=None if name == "cola" else 0
        )
        frame = frame.rename(columns={1: "label", 3: "sentence"})
        *texts, label = task.columns
        ids = [names.index(task.labels[int(each)] if task.labels else each) for each in frame[label]]
        columns = dict(zip(task.hub, (list(frame[each]) for each in texts), strict=True)) | {"label": ids}
        features = {each: Value("string") for each in task.hub} | {"label": ClassLabel(names=names)}
        splits[split] = Dataset.from_dict(columns, features=Features(features))
    # As on the Hub: its test set has no labels.
    splits["test"] = splits["train"].map(lambda row: {"label": -1})
    asked = []
    monkeypatch.setattr("datasets.load_dataset", lambda *where: asked.append(where) or DatasetDict(splits))
    found = datasets.load(f"glue-{name}", str(tmp_path / "nothing"))
    assert asked == [("nyu-mll/glue", name)]
    assert datasets.digest(found) == datasets.digest(datasets.load(f"glue-{name}", str(tmp_path)))


def test_a_task_that_is_nowhere_says_where_files_would_be(tmp_path, monkeypatch):
    def refuse(*where):
        raise ConnectionError("no way to the Hub")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    monkeypatch.delenv("PIELAB_DATA", raising=False)
    problem = f"there is no RTE/dev.tsv in {tmp_path / 'nothing'}, and 'nyu-mll/glue:rte' is neither"
    with refused("glue-task-not-found", "get its .tsv files", problem) as caught:
        datasets.load("glue-rte", str(tmp_path / "nothing"))
    assert "no way to the Hub" in caught.value.problem and "the folder that RTE is in" in caught.value.cure


@pytest.mark.parametrize(
    ("name", "change", "id", "problem", "cure"),
    [
        ("glue-xyz", None, "unknown-glue-task", "no task of GLUE is called 'xyz'", "give one of glue-cola"),
        (
            "glue-rte",
            "index\tone\tlabel\n0\ta\tb\n",
            "glue-column-missing",
            "dev.tsv has no column 'sentence1', it has index, one, label",
            "get its .tsv",
        ),
        (
            "glue-mrpc",
            "Quality\t#1 String\t#2 String\n2\ta\tb\n",
            "unknown-glue-label",
            "dev.tsv has the label '2'",
            "the labels are 0, 1; get its .tsv",
        ),
        ("glue-rte", "", "glue-file-unreadable", "dev.tsv could not be read", "get its .tsv"),
    ],
)
def test_what_is_wrong_with_a_task_is_one_sentence(tmp_path, name, change, id, problem, cure):
    if change is not None:
        place = write(tmp_path, name.removeprefix("glue-"))
        (place / "dev.tsv").write_text(change)
    with refused(id, cure, problem):
        datasets.load(name, str(tmp_path))


def test_a_folder_that_only_has_the_name_of_a_task_is_read_as_any_other(tmp_path):
    folder = tmp_path / "MRPC"
    folder.mkdir()
    frame = pd.DataFrame({"text": [f"word{each}" for each in range(40)], "label": ["good", "bad"] * 20})
    for stem in ("train", "test"):
        frame.to_csv(folder / f"{stem}.csv", index=False)
    data = datasets.load(str(folder))
    assert datasets.class_names(data) == ["bad", "good"] and len(data["test"]) == 40
    assert glue.task("glue-data/mine.csv") is None and glue.task("glue-mine.csv") is None
    assert datasets.task_of(str(folder), data) is tasks.SINGLE_LABEL
    classes = {"good": "equivalent", "bad": "not_equivalent"}
    frame.assign(label=frame["label"].map(classes)).to_csv(folder / "train.csv", index=False)
    frame.assign(label=frame["label"].map(classes)).to_csv(folder / "test.csv", index=False)
    assert tuple(datasets.task_of(str(folder), datasets.load(str(folder))).metrics) == glue.TASKS["mrpc"].metrics


def test_the_metrics_by_hand(tmp_path):
    rte, mrpc, cola = (
        datasets.task_of(f"glue-{name}", datasets.load(str(write(tmp_path, name)))) for name in ("rte", "mrpc", "cola")
    )
    assert [task.metric for task in (rte, mrpc, cola)] == ["accuracy", "F1", "Matthews correlation"]
    # As datasets.load numbers them, equivalent is 0 and not_equivalent 1.
    targets, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 1])
    assert mrpc.score(predicted, targets) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    # (2 * 1 - 1 * 1) / sqrt(3 * 3 * 2 * 2)
    assert cola.score(predicted, targets) == pytest.approx(1 / 6)
    assert rte.score(predicted, targets) == cola.score(predicted, targets, "accuracy") == pytest.approx(0.6)
    assert mrpc.score(1 - predicted, 1 - targets) == pytest.approx(0.5)


def test_a_seed_of_a_task_is_judged_by_its_metric_and_the_accuracy(tmp_path, given):
    write(tmp_path, "mrpc")
    changes = {"dataset": "glue-mrpc", "data_dir": str(tmp_path), "seeds": "0", "epochs": 1}
    names = TrainParameters.model_fields
    p = TrainParameters(**{name: value for name, value in (given | changes).items() if name in names})
    experiment = prepare(p, datasets.load(**p.data))
    runs.train_dense(experiment)
    record = records.read(p.dense_folder / "seeds/00")
    predicted, targets = experiment.predict(experiment.build(0), "test").argmax(axis=1), experiment.targets["test"]
    assert record["metric"] == experiment.metric == "F1" and set(record["further"]) == {"accuracy"}
    assert experiment.task.score(predicted, targets, "accuracy") == (predicted == targets).mean()
    assert set(record["further"]["accuracy"]) == {"train", "validation", "test"}


def test_imported_predictions_are_judged_by_the_tasks_metric(tmp_path):
    dataset = str(write(tmp_path, "mrpc"))
    logits = np.random.default_rng(0).normal(size=(2, 20, 2))
    scores = importing.add(logits, study="mine", results=str(tmp_path / "results"), dataset=dataset, model="theirs")
    data = datasets.load(dataset)
    targets, same = datasets.targets(data["test"]), datasets.class_names(data).index("equivalent")
    assert scores["F1"].tolist() == [f1_score(targets, each, pos_label=same) for each in logits.argmax(axis=2)]
    record = records.read(next(Path(tmp_path / "results").glob("mine/*/dense/seeds/0*")))
    assert record["metric"] == "F1" and record["test"] == scores["F1"][0]


@pytest.mark.parametrize("number", [0, 3, 9])
def test_too_few_examples_to_validate_on(tmp_path, number):
    place = write(tmp_path, "qnli", 30)
    lines = (place / "train.tsv").read_text().splitlines()[: number + 1]
    (place / "train.tsv").write_text("\n".join(lines))
    has = f"{number // 2} entailment, {number - number // 2} not_entailment" if number else "none"
    with refused("too-few-for-validation", "get the complete files", f"the training examples ({has}) are too few"):
        datasets.load("glue-qnli", str(tmp_path))


@pytest.mark.parametrize(
    ("lacking", "problem"), [("validation", "has no validation split"), ("sentence2", "no column 'sentence2'")]
)
def test_a_hub_that_lacks_a_split_or_a_column(tmp_path, monkeypatch, lacking, problem):
    rows = {"sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": ["x", "y"]}
    rows = {column: values for column, values in rows.items() if column != lacking}
    hub = {split: Dataset.from_dict(rows) for split in datasets.SPLITS if split != lacking}
    monkeypatch.setattr("datasets.load_dataset", lambda *names: DatasetDict(hub))
    with refused("glue-task-not-found", "get its .tsv files", problem):
        datasets.load("glue-rte", str(tmp_path))
