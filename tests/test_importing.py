"""Predictions made elsewhere: what is accepted, what is not, and the example of the docs as it stands there."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_texts, refused

from pielab.analysis import results
from pielab.analysis.examples import el2n
from pielab.analysis.null import estimate
from pielab.config.parameters import InfluenceParameters, PieParameters, TrainParameters
from pielab.data import datasets, importing
from pielab.errors import PielabError
from pielab.store import digests, predictions, records
from pielab.training.experiment import prepare

PROJECT = Path(__file__).parents[1]
DOCUMENT = PROJECT / "docs" / "bring-your-own.md"
TEXTS, CLASSES = 12, ["animals", "food", "weather"]


@pytest.fixture
def mine(tmp_path):
    """Where the predictions of a folder with a test file alone go."""
    (tmp_path / "topics").mkdir()
    make_texts(TEXTS).to_csv(tmp_path / "topics" / "test.csv", index=False)
    return {
        "study": "mine",
        "results": str(tmp_path / "results"),
        "dataset": str(tmp_path / "topics"),
        "model": "theirs",
    }


@pytest.fixture
def logits():
    """Of four models on the texts, (4, 12, 3)."""
    return np.random.default_rng(0).normal(size=(4, TEXTS, len(CLASSES))).astype(np.float32)


def folder(mine, name):
    return Path(mine["results"]) / "mine" / "topics-theirs" / name


def notebooks_parameters(kind, mine, **more):
    return kind(**{"seeds": "0-3", "n_splits": 10, "n_bootstrap": 10, **mine, **more})


def test_what_is_added_is_what_the_notebooks_read(mine, logits):
    scores = importing.add(logits, **mine)
    importing.add(logits[:, :, ::-1], **mine, pruner="quantised", threshold=87.5, classes=CLASSES[::-1])
    data = datasets.load(mine["dataset"])
    p = notebooks_parameters(PieParameters, mine, pruner="quantised", threshold=87.5)
    dense, pruned = (predictions.read_seeds(each, p.seeds) for each in (p.dense_folder, p.folder))
    results.check_same_data(data, dense, pruned)
    # The columns of the second were in another order.
    assert np.array_equal(dense.logits, logits) and np.array_equal(pruned.logits, logits)
    expected = (logits.argmax(axis=2) == datasets.targets(data["test"])).mean(axis=1)
    assert scores["accuracy"].tolist() == expected.tolist() and scores["seed"].tolist() == [0, 1, 2, 3]
    null = estimate(dense.classes, pruned.classes, n_splits=10, n_bootstrap=10)
    summary = results.summary(p, data, dense, pruned, null)
    results.write_pies(p.folder, results.examples(data["test"], dense, pruned, null), summary, p, datasets.digest(data))
    table = results.effectiveness(results.seeds(p.study_folder))
    assert table["pruner"].tolist() == ["unpruned", "quantised"] and table["threshold"].tolist() == [0, 87.5]
    assert table["mean"].tolist() == pytest.approx([expected.mean()] * 2)


def test_the_notebooks_tell_other_texts_from_these(mine, logits):
    importing.add(logits, **mine)
    make_texts(TEXTS, seed=1).to_csv(Path(mine["dataset"]) / "test.csv", index=False)
    found = predictions.read_seeds(folder(mine, "dense"), range(4))
    with refused("predictions-of-other-data", "give the same dataset"):
        results.check_same_data(datasets.load(mine["dataset"]), found, found)


def test_to_add_again_changes_nothing_and_others_are_refused(mine, logits):
    importing.add(logits, **mine)
    before = {path: path.stat().st_mtime_ns for path in folder(mine, "dense").glob("**/*")}
    importing.add(logits, **mine)
    assert {path: path.stat().st_mtime_ns for path in folder(mine, "dense").glob("**/*")} == before
    # Seeds 4 and 5 are new, and yet are not written with one that differs.
    cure = f"delete {folder(mine, 'dense')}, or give another study"
    for other in (logits * 2, logits + np.float32(1e-3)):
        with refused("other-predictions-in-place", cure, "dense/seeds/00 holds other predictions"):
            importing.add(np.concatenate([other, other[:2]]), **mine, seeds="0-5")
    assert {path: path.stat().st_mtime_ns for path in folder(mine, "dense").glob("**/*")} == before
    importing.add(logits[:2], **mine, seeds="4,7")
    assert sorted(path.name for path in (folder(mine, "dense") / "seeds").iterdir()) == [
        "00",
        "01",
        "02",
        "03",
        "04",
        "07",
    ]


def test_pielabs_own_seeds_are_neither_overwritten_nor_taken_for_trained(mine, logits, given):
    importing.add(logits, **mine)
    with refused("predictions-made-elsewhere", "give another study name"):
        records.finished(folder(mine, "dense") / "seeds" / "00", {"epochs": 2})
    record = folder(mine, "dense") / "seeds" / "00" / "metrics.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"parameters": {"epochs": 2}}))
    (record.parent / digests.FOLDER_LIST).unlink()
    with refused("other-predictions-in-place", "give another study name", "seeds/00 holds other predictions"):
        importing.add(logits, **mine)
    p = TrainParameters(
        **{name: given[name] for name in TrainParameters.model_fields if name in given} | {"dataset": mine["dataset"]}
    )
    with refused("max-answer-tokens-of-labels", "leave it out", "max_answer_tokens = 9 was given"):
        prepare(p.model_copy(update={"max_answer_tokens": 9}), datasets.load(**p.data | {"name": given["dataset"]}))
    with refused("empty-training-split", "put a train file beside its test file"):
        prepare(p, datasets.load(mine["dataset"]))


@pytest.mark.parametrize(
    ("change", "id", "problem", "cure"),
    [
        (
            {"test": np.zeros((TEXTS, 3))},
            "logits-of-wrong-shape",
            "the test logits have the shape (12, 3)",
            "give (seeds, examples, classes)",
        ),
        ({"test": np.zeros((0, TEXTS, 3))}, "logits-of-wrong-shape", "shape (0, 12, 3)", "give"),
        ({"test": [[[1, 2, 3]], [[1, 2]]]}, "logits-not-numbers", "not numbers of one shape", "give an array"),
        ({"test": "logits.npy"}, "logits-not-numbers", "not numbers of one shape", "give an array"),
        (
            {"test": np.zeros((4, 11, 3))},
            "logits-of-other-texts",
            "topics has 12",
            "give those of pielab.datasets.load in their order",
        ),
        ({"test": np.zeros((4, 11, 3))}, "logits-of-other-texts", "the test logits are of 11 texts, ", "give those"),
        (
            {"test": np.zeros((4, TEXTS, 2))},
            "logits-of-other-classes",
            "the test logits have 2 columns, the classes of",
            "give a column for each",
        ),
        (
            {"classes": ["animals", "drink", "weather"]},
            "logits-of-other-classes",
            "named animals, drink, weather, the classes of",
            "give a column for each",
        ),
        (
            {"classes": ["animals", "drink", "weather"]},
            "logits-of-other-classes",
            "topics are animals, food, weather",
            "give a column for each",
        ),
        ({"seeds": "0-2"}, "logits-and-seeds-differ", "are of 4 models, the seeds are 3", "give as many"),
        ({"seeds": [3, 2, 1, 0]}, "seeds-not-ascending", "seeds = [3, 2, 1, 0] do not ascend", "sort"),
        ({"threshold": 50}, "threshold-without-pruner", "threshold = 50 is for pruned models", "name their pruner"),
        (
            {"decision_thresholds": 0.5},
            "decision-thresholds-of-single-label",
            "decision_thresholds are for multi-label data",
            "omit them",
        ),
        ({"early": np.zeros((4, 5, 3))}, "logits-of-other-texts", "the early logits are of 5 texts", "give those"),
        ({"early": np.zeros((4, 5, 3))}, "logits-of-other-texts", "topics has 0", "give those"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_written(mine, logits, change, id, problem, cure):
    with refused(id, cure, problem):
        importing.add(**{"test": logits} | mine | change)
    assert not Path(mine["results"]).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": "none"}, "seeds = 'none' is not accepted by importing.add: give a range"),
        ({"pruner": "AWQ"}, "threshold = None is not accepted by importing.add: give a percentage"),
        ({"pruner": "AWQ", "threshold": 100}, "threshold = 100 is not accepted by importing.add"),
        (
            {"pruner": "4 bit", "threshold": 50},
            "pruner = '4 bit' is not accepted by importing.add: give one of IIBP",
        ),
        ({"study": "a/b"}, "study = 'a/b' is not accepted by importing.add"),
        ({"txt": "body"}, "txt is not a parameter of importing.add: did you mean text"),
    ],
)
def test_the_parameters_are_checked_like_a_notebooks(mine, logits, change, message):
    with pytest.raises(PielabError, match=message) as error:
        importing.add(**{"test": logits} | mine | change)
    assert "\n" not in str(error.value) and not Path(mine["results"]).exists()


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_logits_that_are_not_finite_are_named(mine, logits, value):
    wrong = logits.astype(np.float64)
    wrong[2, 7, 1] = value
    problem = "of seed 5 are not finite numbers at example 7, counted from 0"
    with refused("added-logits-not-finite", "give -100 there", problem):
        importing.add(wrong, **mine, seeds=(1, 3, 5, 7))


def test_pruned_models_need_unpruned_ones_of_the_same_seeds(mine, logits):
    importing.add(logits[:2], **mine)
    problem = f"{folder(mine, 'dense')} has no unpruned model of seed 2, 3"
    with refused("unpruned-seeds-not-added", "PIEs need the same seeds", problem):
        importing.add(logits, **mine, pruner="AWQ", threshold=75)
    importing.add(logits[:1], **mine, pruner="AWQ", threshold=75)
    with refused("no-such-predictions", "train this seed", "AWQ-75/seeds/01/test.parquet"):
        predictions.read_seeds(folder(mine, "AWQ-75"), (0, 1))
    with refused("no-predictions-of-configuration", "run 01_train", "AWQ-50 (beside it: AWQ-75, dense)"):
        predictions.read_seeds(folder(mine, "AWQ-50"), (0, 1))


SOFTMAX = np.random.default_rng(1).dirichlet(np.ones(3), size=(4, TEXTS))


@pytest.mark.parametrize(
    "values",
    [
        SOFTMAX,
        SOFTMAX.astype(np.float16),
        SOFTMAX.round(2),
        100 * SOFTMAX,
        np.random.default_rng(1).random((4, TEXTS, 3)),
        np.random.default_rng(1).multinomial(7, [0.5, 0.3, 0.2], size=(4, TEXTS)),
    ],
)
@pytest.mark.parametrize("split", ["test", "train", "early"])
def test_probabilities_and_votes_are_no_logits(mine, logits, values, split):
    make_texts(TEXTS, seed=1).to_csv(Path(mine["dataset"]) / "train.csv", index=False)
    values = values[:, : len(datasets.load(mine["dataset"])["train"])] if split != "test" else values
    with refused(
        "probabilities-for-logits", "np.log(p) of probabilities p if texts have one", f"the {split} logits are from 0"
    ):
        importing.add(**{"test": logits, split: values}, **mine)
    assert not Path(mine["results"]).exists()


def test_losses_are_no_logits(mine):
    with refused("losses-for-logits", "negate them", "the test logits are negative logarithms of probabilities"):
        importing.add(-np.log(SOFTMAX), **mine)


IDS = SOFTMAX.argmax(axis=2)


@pytest.mark.parametrize(
    "values", [IDS, IDS.astype(np.uint8), IDS.tolist(), np.eye(3)[IDS], 9 * np.eye(3)[IDS], np.eye(3, dtype=bool)[IDS]]
)
def test_answers_are_stored_as_answers_in_any_form(mine, values):
    """So that no probabilities are made up of them; bool and numbers in one-hot form say no more than the ids."""
    scores = importing.add(values, **mine)
    targets = datasets.targets(datasets.load(mine["dataset"])["test"])
    assert scores["accuracy"].tolist() == (targets == IDS).mean(axis=1).tolist()
    found = predictions.read_seeds(folder(mine, "dense"), range(4))
    assert found.logits is None and found.shape == (4, TEXTS, 3) and np.array_equal(found.classes, IDS)
    with refused("logits-not-kept", "import these seeds again with their logits", "seeds 0, 1, 2, 3 are answers"):
        _ = found.probabilities
    before = {path: path.stat().st_mtime_ns for path in folder(mine, "dense").glob("**/*")}
    importing.add(IDS, **mine)
    assert {path: path.stat().st_mtime_ns for path in folder(mine, "dense").glob("**/*")} == before
    for other in ((IDS + 1) % 3, np.log(SOFTMAX)):  # other answers, and the same with their logits
        with refused("other-predictions-in-place", "give another study name"):
            importing.add(other, **mine)


def test_class_ids_may_be_of_classes_in_another_order(mine):
    importing.add(IDS, **mine, classes=["weather", "animals", "food"])
    assert np.array_equal(predictions.read_seeds(folder(mine, "dense"), range(4)).classes, np.array([2, 0, 1])[IDS])


@pytest.mark.parametrize(
    ("change", "id", "problem", "cure"),
    [
        ({"test": IDS + 1}, "class-ids-of-other-classes", "class ids from 1 to 3, and there are 3", "from 0 to 2"),
        ({"test": IDS - 1}, "class-ids-of-other-classes", "class ids from -1 to 1", "from 0 to 2"),
        ({"test": IDS[:, :5]}, "logits-of-other-texts", "are of 5 texts", "give those"),
        (
            {"test": np.zeros((4, TEXTS, 3), dtype=bool)},
            "answers-of-several-classes",
            "name none or several",
            "class ids",
        ),
        ({"early": IDS}, "early-answers-given", "early predictions are answers", "give their logits"),
        ({"early": np.eye(3)[IDS]}, "early-answers-given", "early predictions are answers", "give their logits"),
        ({"decision_thresholds": 0.5}, "decision-thresholds-of-answers", "decision_thresholds = 0.5", "omit it"),
    ],
)
def test_answers_that_do_not_fit_are_one_sentence_and_nothing_is_written(mine, change, id, problem, cure):
    if "early" in change:
        make_texts(TEXTS, seed=1).to_csv(Path(mine["dataset"]) / "train.csv", index=False)
        change["early"] = change["early"][:, : len(datasets.load(mine["dataset"])["train"])]
    with refused(id, cure, problem):
        importing.add(**{"test": IDS} | mine | change)
    assert not Path(mine["results"]).exists()


@pytest.mark.parametrize(
    "values",
    [
        np.log(SOFTMAX),
        SOFTMAX - 0.5,
        np.log(SOFTMAX) + 30,
        np.zeros((4, TEXTS, 3)),
    ],
)
def test_what_is_as_good_as_logits_is_accepted(mine, values):
    scores = importing.add(values, **mine)
    targets = datasets.targets(datasets.load(mine["dataset"])["test"])
    assert scores["accuracy"].tolist() == (values.argmax(axis=2) == targets).mean(axis=1).tolist()


@pytest.mark.parametrize(
    ("form", "id", "problem"),
    [
        (lambda p: np.log(p), "log-probabilities-for-logits", "no logit is above 0, the highest is -0.0"),
        (lambda p: np.log(p.clip(0, 0.6)), "log-probabilities-for-logits", "the highest is -0.5"),
        (lambda p: p, "probabilities-for-logits", "the test logits are from 0.0"),
    ],
)
def test_log_probabilities_of_several_labels_are_no_logits(mine, form, id, problem):
    frame = make_texts(TEXTS)
    frame["label"] = [label if place % 2 else f"{label};odd" for place, label in enumerate(frame["label"])]
    frame.to_csv(Path(mine["dataset"]) / "test.csv", index=False)
    mine |= {"label_separator": ";", "decision_thresholds": 0.5}
    targets = datasets.targets(datasets.load(mine["dataset"], label_separator=";")["test"])
    p = np.broadcast_to(0.05 + 0.93 * targets, (2, *targets.shape)).astype(np.float64)
    with refused(id, "np.log(p / (1 - p))", problem):
        importing.add(form(p), **mine)
    assert not Path(mine["results"]).exists()
    with refused("class-ids-of-several-labels", "give bool (seeds, examples, classes)"):
        importing.add(p.argmax(axis=2), **mine)
    assert importing.add(np.log(p / (1 - p)), **mine)["macro-F1"].tolist() == [1, 1]
    # A model that predicts nothing.
    assert importing.add(np.log(p / (1 - p)) - 5, **mine, pruner="AWQ", threshold=99)["macro-F1"].tolist() == [0, 0]


def test_multi_label_predictions_have_decision_thresholds(mine, logits):
    frame = make_texts(TEXTS)
    frame["label"] = [label if place % 2 else f"{label};odd" for place, label in enumerate(frame["label"])]
    for split in ("train", "test"):
        frame.to_csv(Path(mine["dataset"]) / f"{split}.csv", index=False)
    mine |= {"label_separator": ";"}
    data = datasets.load(mine["dataset"], label_separator=";")
    targets = datasets.targets(data["test"])
    right = np.broadcast_to(6 * targets - 3, (2, *targets.shape))
    with refused("decision-thresholds-missing", "give decision_thresholds", f"{mine['dataset']} is multi-label"):
        importing.add(right, **mine)
    for wrong in ([0.5], 1.0, np.nan, -0.1):
        problem = f"decision_thresholds = {wrong!r} is not accepted"
        with refused("decision-thresholds-not-accepted", "give a probability", problem):
            importing.add(right, **mine, decision_thresholds=wrong)
    assert importing.add(right, **mine, decision_thresholds=[0.2, 0.6])["macro-F1"].tolist() == [1, 1]
    found = predictions.read_seeds(folder(mine, "dense"), (0, 1))
    assert found.task == "multi-label" and np.allclose(found.decision_thresholds, [0.2, 0.6])
    assert np.array_equal(found.classes, np.broadcast_to(targets > 0, right.shape))
    assert found.logits is None  # two numbers alone
    importing.add(right > 0, **mine, pruner="bool", threshold=75)
    of_bool = predictions.read_seeds(folder(mine, "bool-75"), (0, 1))
    assert of_bool.task == "multi-label" and np.array_equal(of_bool.classes, found.classes)
    train = 6 * datasets.targets(data["train"]) - 3
    importing.add(right, **mine, train=np.broadcast_to(train, (2, *train.shape)), pruner="AWQ", threshold=75)
    # The first probability above that of a no, 0.047.
    assert np.allclose(predictions.read_seeds(folder(mine, "AWQ-75"), (0, 1)).decision_thresholds, 0.05)


def test_el2n_has_what_it_needs_with_training_and_early_predictions(mine, logits):
    make_texts(30, seed=1).to_csv(Path(mine["dataset"]) / "train.csv", index=False)
    data, random = datasets.load(mine["dataset"]), np.random.default_rng(1)
    early, train, pruned = random.normal(size=(3, 4, len(data["train"]), 3))
    importing.add(logits, **mine, train=train, early=early)
    importing.add(logits, **mine, train=pruned, pruner="AWQ", threshold=75)
    p = notebooks_parameters(PieParameters, mine, pruner="AWQ", threshold=75)
    sides = [predictions.read_seeds(each, p.seeds) for each in (p.dense_folder, p.folder)]
    null = estimate(*(side.classes for side in sides), n_splits=10, n_bootstrap=10)
    summary = results.summary(p, data, *sides, null)
    results.write_pies(p.folder, results.examples(data["test"], *sides, null), summary, p, datasets.digest(data))
    q = notebooks_parameters(InfluenceParameters, mine, bins=5)
    scores = el2n.scores(q, data)
    table = el2n.by_configuration(q, scores)
    assert len(scores) == len(data["train"]) == table["examples"].sum() and set(table["pruner"]) == {"AWQ"}


def test_the_example_of_the_docs_runs_as_it_stands(tmp_path):
    text = DOCUMENT.read_text()
    blocks = {kind: "".join(re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)) for kind in ("python", "sh")}
    assert blocks["python"].count("importing.add") == 2 and blocks["sh"].count("papermill") == 3
    (tmp_path / "mine.py").write_text(blocks["python"])
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")
    options = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(PROJECT)}, "capture_output": True, "text": True}
    made = subprocess.run([sys.executable, "mine.py"], **options, check=False)
    assert made.returncode == 0, made.stderr[-3000:]
    assert "['negative', 'neutral', 'positive']" in made.stdout and made.stdout.count("accuracy") == 2
    ran = subprocess.run(["bash", "-e", "-c", blocks["sh"]], **options, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    study = tmp_path / "results" / "mine"
    (row,) = results.configurations(study).to_dict("records")
    assert f"{row['pies']} of the {row['examples']} texts are PIEs, more than retraining alone" in text.replace(
        "\n", " "
    )
    assert row["excess_low"] > 0
    ratios = pd.read_csv(study / "reviews-classifier" / "readability.csv").set_index("score")
    assert ratios.loc["length in tokens", "low"] > 1
    page = (study / "report" / "index.html").read_text()
    assert "quantised" in page and "../reviews-classifier/quantised-75/03_pies.html" in page
    assert (study / "report" / "figures" / "pie_shares.png").exists()
