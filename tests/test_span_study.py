"""A study of questions, by the cells of the notebooks in one process: from SQuAD's JSON to the report."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import write_tagger
from test_tagged_study import run

from pielab.__main__ import main
from pielab.analysis import results, span_levels
from pielab.data import answer_texts, votes
from pielab.report import explore, marked
from pielab.store import archive, paths, predictions

RUNS = {"control-FT": 0, "IMP-FT": 90, "PINS": 80, "RTN": 4}
ANIMALS = ["cat", "cats", "dog", "dogs", "birds"]


def write_questions(path, number, random):
    """Questions for the animal of a context, in SQuAD's JSON; one in four has no answer."""
    paragraphs = []
    for place in range(number):
        words = random.choice(["the", "near", "sees", "runs", "wolves"], 7).tolist()
        answers = []
        if place % 4:
            words[random.integers(7)] = animal = str(random.choice(ANIMALS))
            answers = [{"text": animal, "answer_start": " ".join(words).index(animal)}]
        asked = {"id": f"{path.stem}-{place}", "question": "the cat", "answers": answers, "is_impossible": not answers}
        paragraphs.append({"context": " ".join(words), "qas": [asked]})
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "animals", "paragraphs": paragraphs}]}))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study that has run, with what its notebooks left in their names, by notebook and pruner."""
    folder = tmp_path_factory.mktemp("spans")
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    for split, number in {"train": 80, "validation": 20, "test": 50}.items():
        write_questions(folder / f"data/{split}.json", number, random)
    (folder / "bert").mkdir()
    write_tagger(folder / "bert", 24)
    given = {"study": "spans", "results": str(folder / "results"), "dataset": str(folder / "data"), "no_answer": True}
    given |= {"model": str(folder / "bert"), "max_tokens": 24, "seeds": "0-5", "epochs": 3, "batch_size": 16}
    given |= {"learning_rate": 5e-3, "device": "cpu", "n_splits": 20, "n_bootstrap": 10, "save_weights": True}
    left = {"01_train": run(given, "01_train")}
    for pruner, threshold in RUNS.items():
        for name in ("02_prune", "03_pies"):
            left[name, pruner] = run(given | {"pruner": pruner, "threshold": threshold}, name)
    for name in ("04_el2n", "05_readability", "06_report"):
        left[name] = run(given, name)
    return folder / "results/spans", left


def test_the_pies_are_questions_whose_most_frequent_answers_differ(study):
    folder, _ = study
    pair = folder / "data-bert"
    dense, pruned = (predictions.read_seeds(pair / name, range(6)).classes for name in ("dense", "IMP-FT-90"))
    frame, record = results.read(folder).pies(pair / "IMP-FT-90")
    normalised = [
        [[answer_texts.normalised_span(text) for text in row] for row in side.texts] for side in (dense, pruned)
    ]
    for place, row in enumerate(frame.itertuples()):
        one, other = ([model[place] for model in side] for side in normalised)
        most = [max(map(answers.count, answers)) for answers in (one, other)]
        modes = [
            {answer for answer in answers if answers.count(answer) == top}
            for answers, top in zip((one, other), most, strict=True)
        ]
        assert row.unpruned_votes[row.unpruned] == most[0] and row.pruned_votes[row.pruned] == most[1]
        if all(len(mode) == 1 for mode in modes):
            assert row.pie == (modes[0] != modes[1])
    summary = record["summary"]
    assert summary["metric"] == "exact match" and 0 < summary["pies"] < len(frame)
    shares = pd.DataFrame(summary["levels"]["shares"]).set_index("level")
    assert tuple(shares.index) == span_levels.LEVELS
    assert shares.loc["answers", "all_seeds"] == pytest.approx(summary["pies_percent"])
    assert votes.numbered(dense)[0].shape == (6, 50)


def test_the_report_has_what_changes_at_each_level_and_no_types_of_entities(study):
    folder, left = study
    page = (folder / "report/index.html").read_text()
    assert "words of the answers (50)" in page and "Which entities are lost" not in page
    drawn = {path.stem for path in (folder / "report/figures").glob("*.png")}
    assert {"levels-data-bert", "decomposition-data-bert", "el2n-PINS", "classes-RTN"} <= drawn
    assert not any(name.startswith(("entity_types", "sentence_lengths")) for name in drawn)
    for name in ("dense", "IMP-FT-90", "PINS-80", "RTN-4"):
        record = json.loads((paths.seed(folder / "data-bert" / name, 0) / "metrics.json").read_text())
        assert record["task"] == "spans" and 0 < record["test"] <= record["further"]["F1"]["test"] < 1
    assert left["04_el2n"]["table"]["p_null"].between(0, 1).all()


def test_a_question_is_shown_with_the_answers_of_both_sides_in_its_context(study):
    frame = explore.study_pies(study[0])
    shown = explore.example(frame).data
    assert "<mark>" in shown and "<b>unpruned</b>" in shown and "the cat" in shown
    assert frame["unpruned votes"].str.contains(r"\(no answer\) \d|(?:cat|dog|bird)s? \d").any()
    assert marked.context("a <b> c", ["2 <b>", "4 > c", "-1 "]) == "a <mark>&lt;b&gt; c</mark>"


def test_the_code_of_an_exported_readers_card_gives_the_answers_of_the_study(study, tmp_path, capsys):
    folder, _ = study
    asked = [
        (part["qas"][0]["question"], part["context"])
        for part in json.loads((folder.parents[1] / "data/test.json").read_text())["data"][0]["paragraphs"]
    ]
    for name in ("dense", "IMP-FT-90", "RTN-4"):
        assert main(["export", str(paths.seed(folder / "data-bert" / name, 1)), "--out", str(tmp_path / name)]) == 0
        card = (tmp_path / name / "README.md").read_text()
        assert "pipeline_tag: question-answering" in card
        code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1].replace(f'"{name}"', repr(str(tmp_path / name)))
        expected = predictions.read_seeds(folder / "data-bert" / name, [1]).classes.texts[0]
        for (question, context), answer in list(zip(asked, expected, strict=True))[:12]:
            names: dict = {}
            exec(re.sub(r"question, context = .*", f"question, context = {question!r}, {context!r}", code), names)
            assert names["answer"] == answer
    capsys.readouterr()


def test_a_seed_is_archived_with_its_answers_and_comes_back(study, tmp_path):
    seed = paths.seed(study[0] / "data-bert/dense", 1)
    files = {split: predictions.read_file(seed / f"{split}.parquet") for split in ("test", "train", "early")}
    row = archive.Row((seed / "metrics.json").read_text(), files)
    path = archive.file(tmp_path, "data-bert", 1)
    path.parent.mkdir()
    archive.write(path, archive.table([row], "data-bert", 1))
    (back,) = archive.read(path)
    for split, file in back.splits.items():
        assert file.classes.texts.tolist() == files[split].classes.texts.tolist()
        assert file.classes.starts.tolist() == files[split].classes.starts.tolist()
        assert file.error_norms.tolist() == files[split].error_norms.tolist() and file.task == "spans"
    assert archive.restore(path, tmp_path / "study") == 1
