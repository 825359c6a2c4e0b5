"""`pielab import-predictions`: files of other programs into a study, each row to its own text."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import make_texts

from pielab.__main__ import main
from pielab.data import datasets
from pielab.store import predictions

WORDS = ["--study", "mine", "--dataset", "reviews", "--model", "other", "--results", "results"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a data set of 60 test texts, and files of four models' logits, rows and classes mixed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews").mkdir()
    texts = make_texts(60).drop_duplicates("text").reset_index(drop=True)
    texts.to_csv("reviews/test.csv", index=False)
    random = np.random.default_rng(0)
    names = sorted(texts["label"].unique())
    for seed in range(4):
        logits = 3 * np.eye(len(names))[[names.index(label) for label in texts["label"]]]
        logits += random.normal(size=logits.shape)
        order = random.permutation(len(names))
        frame = texts[["text"]].assign(id=[f"t{place}" for place in range(len(texts))])
        frame[[f"logit_{names[place]}" for place in order]] = logits[:, order].round(4)
        frame.sample(frac=1, random_state=seed).to_csv(f"dense-{seed}.csv", index=False)
        np.save(f"dense-{seed}.npy", logits.round(4))
    return tmp_path


def files(kind, number=4):
    return [f"dense-{seed}.{kind}" for seed in range(number)]


def test_rows_and_classes_in_any_order_come_to_their_texts(folder, capsys):
    assert main(["import-predictions", *files("csv"), *WORDS]) == 0
    printed = capsys.readouterr().out
    runs = predictions.read_seeds(folder / "results/mine/reviews-other/dense", range(4))
    assert np.allclose(runs.logits, [np.load(name) for name in files("npy")])
    targets = datasets.targets(datasets.load("reviews")["test"])
    accuracy = (runs.classes == targets).mean(axis=1)
    assert [float(line.split()[1]) for line in printed.splitlines()[1:]] == pytest.approx(accuracy, abs=1e-5)
    assert main(["import-predictions", *files("csv"), *WORDS, "--pruner", "int8", "--threshold", "75"]) == 0
    assert (folder / "results/mine/reviews-other/int8-75/seeds/03/test.parquet").exists()


def test_lists_of_logits_need_the_order_of_the_classes_and_ids_may_be_places(folder, capsys):
    names = datasets.class_names(datasets.load("reviews"))
    for seed in range(4):
        rows = [
            {"index": place, "logits": row[::-1].tolist()} for place, row in enumerate(np.load(f"dense-{seed}.npy"))
        ]
        (folder / f"dense-{seed}.jsonl").write_text("\n".join(map(json.dumps, rows[::-1])))
    assert main(["import-predictions", *files("jsonl"), *WORDS]) == 2
    said = capsys.readouterr().err
    assert "name the classes in the order of the logits by --classes" in said and not (folder / "results").exists()
    assert main(["import-predictions", *files("jsonl"), *WORDS, "--classes", ",".join(names[::-1])]) == 0
    runs = predictions.read_seeds(folder / "results/mine/reviews-other/dense", range(4))
    assert np.allclose(runs.logits, [np.load(name) for name in files("npy")])


def test_pairs_are_told_by_both_texts(folder):
    texts = pd.read_csv("reviews/test.csv")
    texts = texts.assign(second=[f"and {place % 2}" for place in range(len(texts))], text="the same")
    texts.loc[:, "text"] = [f"text {place // 2} rain" for place in range(len(texts))]
    texts.to_csv("reviews/test.csv", index=False)
    for seed in range(4):
        frame = texts[["text"]].assign(id=range(len(texts)), text_pair=texts["second"])
        names = datasets.class_names(datasets.load("reviews", text_pair="second"))
        frame[[f"logit_{name}" for name in names]] = np.load(f"dense-{seed}.npy")
        frame.sample(frac=1, random_state=seed).to_csv(f"dense-{seed}.csv", index=False)
    assert main(["import-predictions", *files("csv"), *WORDS, "--text-pair", "second"]) == 0
    runs = predictions.read_seeds(folder / "results/mine/reviews-other/dense", range(4))
    assert np.allclose(runs.logits, [np.load(name) for name in files("npy")])


def test_answers_alone_are_votes(folder):
    for seed in range(4):
        frame = pd.read_csv(f"dense-{seed}.csv")
        logits = frame.filter(like="logit_")
        answers = logits.idxmax(axis=1).str.removeprefix("logit_")
        frame[["id", "text"]].assign(prediction=answers).to_csv(f"dense-{seed}.csv", index=False)
    assert main(["import-predictions", *files("csv"), *WORDS]) == 0
    runs = predictions.read_seeds(folder / "results/mine/reviews-other/dense", range(4))
    assert (runs.classes == [np.load(name).argmax(axis=1) for name in files("npy")]).all()
    assert runs.logits is None  # so that KL and calibration are not of made-up probabilities


def test_files_with_and_without_logits_are_not_mixed(folder, capsys):
    frame = pd.read_csv("dense-3.csv")
    answers = frame.filter(like="logit_").idxmax(axis=1).str.removeprefix("logit_")
    frame[["id", "text"]].assign(prediction=answers).to_csv("dense-3.csv", index=False)
    assert main(["import-predictions", *files("csv"), *WORDS]) == 2
    said = capsys.readouterr().err
    assert "dense-3.csv has answers alone, and dense-2.csv has logits: give files that all have" in said
    assert not (folder / "results").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda frame: frame.iloc[1:], "rows, 59 of them with texts of the test texts, and reviews has 60 test texts"),
        (lambda frame: frame.assign(text=frame["text"] + "!"), "60 rows, 0 of them with texts of the test texts"),
        (lambda frame: frame.drop(columns="text"), "60 rows, 0 of them with ids of the test texts"),
        (
            lambda frame: frame.rename(columns={"logit_food": "logit_drinks"}),
            "the classes of reviews are animals, food",
        ),
        (
            lambda frame: frame[["id", "text"]].assign(answer="drinks"),
            "answers such as 'drinks', the classes of reviews",
        ),
        (lambda frame: frame.assign(logit_food=np.inf), "logits that are not finite numbers"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_written(folder, change, sentence, capsys):
    change(pd.read_csv("dense-3.csv")).to_csv("dense-3.csv", index=False)
    assert main(["import-predictions", *files("csv"), *WORDS]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1 and not (folder / "results").exists()
