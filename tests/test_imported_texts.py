"""Answers to questions and generated texts of models elsewhere in a study, from lists."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from datasets import DatasetDict

from pielab.__main__ import main
from pielab.data import answer_texts, datasets, generation, imported_texts, importing, tasks
from pielab.store import paths, predictions

CONTEXT = "In Rome, the U.S. ambassador met Ada Lovelace in 1842. Rome was warm; Ada left."
QUESTIONS = [("Who met the ambassador?", "Ada Lovelace"), ("Where was it warm?", "Rome"), ("Why?", None)]
SOURCES = ["name[Aromi]", "name[Blue Spice]", "name[Cocum]"]
TARGETS = [["Aromi is a pub.", "There is a pub, Aromi."], ["Blue Spice is nice."], ["Cocum is a coffee shop."]]
TEXTS = ["Aromi is a pub", "Blue Spice is not nice.", ""]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A working directory with three questions, and the parameters of a study of them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asked").mkdir()
    rows = []
    for question, answer in QUESTIONS:
        start = CONTEXT.rindex(answer) if answer else None
        answers = [{"text": answer, "answer_start": start}] if answer else []
        rows.append({"id": question, "question": question, "answers": answers})
    whole = {"version": "2", "data": [{"title": "", "paragraphs": [{"context": CONTEXT, "qas": rows}]}]}
    (tmp_path / "asked/test.json").write_text(json.dumps(whole))
    return {"study": "mine", "dataset": "asked", "model": "other", "no_answer": True}


def made(sources, targets):
    """A data set of texts to generate, with the same rows in all splits."""
    frame = pd.DataFrame({"text": sources, "targets": targets})
    split = datasets._dataset(frame, {"classes": list(generation.CLASSES)}, tasks.GENERATION)
    return DatasetDict(dict.fromkeys(("train", "validation", "test"), split))


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A working directory, three sources with people's texts, and the parameters of a study of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets, "load", lambda *given, **more: made(SOURCES, TARGETS))
    return {"study": "mine", "dataset": "sources", "model": "other"}


def stored(study, name="dense", seeds=range(2)):
    return predictions.read_seeds(f"results/mine/{study['dataset']}-other/{name}", seeds)


def test_answers_stand_where_their_context_has_them_nearest_to_gold(asked):
    given = [["Ada Lovelace", "Rome", ""], ["ada", "us ambassador", "  "]]
    table = importing.add(given, **asked)
    runs = stored(asked)
    assert runs.task == "spans" and runs.logits is None
    assert runs.classes.texts.tolist() == [["Ada Lovelace", "Rome", ""], ["Ada", "U.S. ambassador", ""]]
    second = [CONTEXT.index("Ada"), CONTEXT.index("U.S."), -1]
    assert runs.classes.starts.tolist() == [[CONTEXT.index("Ada"), CONTEXT.rindex("Rome"), -1], second]
    gold = [[answer] if answer else [] for _, answer in QUESTIONS]
    for index, texts in enumerate(given):
        record = json.loads((paths.seed("results/mine/asked-other/dense", index) / "metrics.json").read_text())
        assert record["task"] == "spans" and record["decision_threshold"] is None
        right = np.mean([answer_texts.exact_match(*pair) for pair in zip(texts, gold, strict=True)])
        assert table["exact match"][index] == record["test"] == right
        f1 = np.mean([answer_texts.f1(*pair) for pair in zip(texts, gold, strict=True)])
        assert record["further"] == {"F1": {"test": f1}}
    importing.add(given, **asked)  # the same again changes nothing
    with refused("other-predictions-in-place", "give another study name"):
        importing.add([given[0], given[0]], **asked)
    importing.add(given, **asked, pruner="int8", threshold=75)


def test_what_a_context_has_is_found_by_characters_and_else_by_the_words_of_squad():
    places = imported_texts._places
    assert places("Rome", CONTEXT) == [("Rome", 3), ("Rome", CONTEXT.rindex("Rome"))]
    assert places("the ROME", CONTEXT) == [("Rome,", 3), ("Rome", CONTEXT.rindex("Rome"))]
    assert places("aa", "aaa") == [("aa", 0), ("aa", 1)] and not places("the", "Rome") and not places("Paris", CONTEXT)


def test_generated_texts_have_their_nearness_and_the_unpruned_models_a_threshold(written):
    given = [TEXTS, ["A pub, Aromi.", "Blue Spice", "Cocum is a coffee shop."]]
    table = importing.add(given, **written)
    runs = stored(written).classes
    assert runs.texts.tolist() == given and np.isnan(runs.scores).all()
    targets = generation.gold_texts(made(SOURCES, TARGETS)["test"])
    near = np.stack([generation.nearness(texts, targets) for texts in given])
    assert runs.nearness.tolist() == near.tolist() and near.min(axis=1)[1] > 0 and near[0, 2] == 0
    assert runs.threshold == pytest.approx(np.median(near))
    assert table["chrF"].tolist() == pytest.approx([generation.mean_chrf(side, targets) for side in runs])
    importing.add(given[::-1], **written, pruner="int8", threshold=75)
    pruned = stored(written, "int8-75").classes
    assert pruned.threshold is None
    right = [(side >= np.float32(runs.threshold)).astype(int).tolist() for side in (near, near[::-1])]
    assert [side.tolist() for side in generation.right_or_wrong(runs, pruned)] == right


def test_a_threshold_is_given_or_the_median_of_validation_texts(written):
    importing.add([TEXTS], **written, validation=[[targets[0] for targets in TARGETS]])
    assert stored(written, seeds=[0]).classes.threshold == 1
    assert not list(paths.seed("results/mine/sources-other/dense", 0).glob("validation*"))
    importing.add([TEXTS], **written | {"study": "given"}, decision_thresholds=0.25)
    assert predictions.read_seeds("results/given/sources-other/dense", [0]).classes.threshold == 0.25


@pytest.mark.parametrize(
    ("given", "id", "problem", "cure"),
    [
        ({"test": [["Rome", ""]]}, "answers-of-other-examples", "of seed 0 are of 2 texts, asked has 3", "their order"),
        ({"test": ["Rome"]}, "answers-of-other-examples", "of seed 0 are 'Rome', asked has 3", "their order"),
        ({"test": [["Rome", "", ""]], "seeds": "0-1"}, "texts-and-seeds-differ", "1 model, the seeds are 2", "as many"),
        ({"test": [["Rome", 3, ""]]}, "answer-not-a-string", "have 3 at example 1", "give a string"),
        ({"test": [["", "Paris", "Oslo"]]}, "answers-not-in-contexts", "have 2 that do not stand", "give parts"),
        ({"test": [["Rome", "", ""]], "classes": ["a"]}, "classes-of-texts", "which have none", "omit it"),
        (
            {"test": [[""] * 3], "decision_thresholds": 0},
            "decision-thresholds-of-questions",
            "thresholds = 0",
            "omit it",
        ),
        ({"test": [["Rome", "", ""]], "validation": [[]]}, "validation-of-no-texts", "no texts to generate", "omit it"),
        ({"test": np.zeros((1, 3), int)}, "numbers-for-texts", "asked has questions with answers", "one string"),
    ],
)
def test_answers_that_do_not_fit_are_one_sentence_and_nothing_is_written(asked, tmp_path, given, id, problem, cure):
    with refused(id, cure, problem):
        importing.add(**asked, **given)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("given", "id", "problem", "cure"),
    [
        ({"test": [TEXTS[:2]]}, "answers-of-other-examples", "are of 2 texts, sources has 3", "their order"),
        ({"test": [TEXTS], "decision_thresholds": 1.5}, "nearness-not-accepted", "1.5", "from 0 to 1"),
        ({"test": [TEXTS], "decision_thresholds": "high"}, "nearness-not-accepted", "'high'", "from 0 to 1"),
        ({"test": [TEXTS], "validation": [TEXTS[:1]]}, "answers-of-other-examples", "the validation answers", ""),
        ({"test": np.zeros((1, 3, 2))}, "numbers-for-texts", "sources has texts to generate", "one string"),
        (
            {"test": [TEXTS], "pruner": "int8", "threshold": 75, "decision_thresholds": 0.5},
            "decision-thresholds-of-pruned-texts",
            "given for int8",
            "where the unpruned models are added",
        ),
    ],
)
def test_texts_that_do_not_fit_are_one_sentence_and_nothing_is_written(written, tmp_path, given, id, problem, cure):
    with refused(id, cure, problem):
        importing.add(**written, **given)
    assert not (tmp_path / "results").exists()


def imported(*files, dataset, more=()):
    return main(["import-predictions", *files, "--study", "mine", "--dataset", dataset, "--model", "other", *more])


ANSWERS = {"Where was it warm?": "Rome", "Why?": "", "Who met the ambassador?": "Ada Lovelace"}


@pytest.mark.parametrize("kind", ["squad", "ids", "questions", "places"])
def test_files_of_answers_come_to_their_questions(asked, capsys, kind):
    rows = pd.DataFrame({"id": list(ANSWERS), "question": list(ANSWERS), "prediction": list(ANSWERS.values())})
    if kind == "squad":
        Path("answers.json").write_text(json.dumps(ANSWERS))
    elif kind == "places":
        rows = rows.assign(id=[1, 2, 0])[["id", "prediction"]]
        rows.to_csv("answers.csv", index=False)
    else:
        rows = rows[["id" if kind == "ids" else "question", "prediction"]]
        rows.to_json("answers.jsonl", orient="records", lines=True)
    (file,) = Path().glob("answers.*")
    assert imported(str(file), dataset="asked", more=["--no-answer"]) == 0
    assert stored(asked, seeds=[0]).classes.texts.tolist() == [["Ada Lovelace", "Rome", ""]]
    assert "1.0" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["lines", "outputs", "rows"])
def test_files_of_generated_texts_come_to_their_sources(written, capsys, kind):
    runs = [TEXTS, TEXTS[::-1]]
    if kind == "lines":
        for seed, texts in enumerate(runs):
            Path(f"run-{seed}.txt").write_text("\r\n".join(texts) + "\n")
    elif kind == "outputs":
        Path("run.jsonl").write_text("\n".join(json.dumps({"system": "a", "outputs": texts}) for texts in runs))
    else:
        for seed, texts in enumerate(runs):
            rows = pd.DataFrame({"source": SOURCES, "output": texts}).sample(frac=1, random_state=seed)
            rows.to_csv(f"run-{seed}.csv", index=False)
    files = sorted(map(str, Path().glob("run*")))
    assert imported(*files, dataset="sources", more=["--decision-threshold", "0.5"]) == 0
    found = stored(written).classes
    assert found.texts.tolist() == runs and found.threshold == 0.5
    assert imported(*files, dataset="sources", more=["--pruner", "int8", "--threshold", "75"]) == 0
    assert stored(written, "int8-75").classes.threshold is None and "chrF" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([{"id": 0, "answer": "Rome"}], "has 1 answer, and not one to each of the 3 texts"),
        ([{"id": place, "question": "Who?", "answer": ""} for place in range(3)], "not one to each of the 3 texts"),
        ([{"id": place, "answer": ["Rome"]} for place in range(3)], "['Rome'] in place of a text"),
        ([{"id": place, "answer": "Paris"} for place in range(3)], "have 3 that do not stand in their contexts"),
    ],
)
def test_files_of_other_answers_are_one_sentence_and_nothing_is_written(asked, tmp_path, capsys, rows, problem):
    pd.DataFrame(rows).to_json("answers.jsonl", orient="records", lines=True)
    assert imported("answers.jsonl", dataset="asked", more=["--no-answer"]) == 2
    said = capsys.readouterr().err
    assert problem in said and said.count("\n") == 1 and not (tmp_path / "results").exists()
