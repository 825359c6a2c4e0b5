"""A study of tagged words, by the cells of the notebooks in one process: from a .conll folder to the report."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT, run_cells, write_tagger

from pielab.__main__ import main
from pielab.analysis import levels, results
from pielab.analysis.examples import tagged_words
from pielab.config.parameters import NOTEBOOKS
from pielab.report import explore, written
from pielab.store import archive, entities, paths, predictions

RUNS = {"control-FT": 0, "IMP-FT": 90, "PINS": 80, "RTN": 4}


def write_sentences(path, number, random):
    """Sentences in which pets and wild animals are named, some of them without their tags."""
    rows = []
    for _ in range(number):
        for _ in range(random.integers(2, 7)):
            if random.random() < 0.4:
                rows.append((random.choice(["cat", "cats", "dog", "dogs"]), "B-pet"))
            elif random.random() < 0.3:
                rows += [("the", "O"), (random.choice(["bird", "birds"]), "B-wild"), ("wolves", "I-wild")]
            else:
                rows.append((random.choice(["the", "near", "sees", "runs"]), "O"))
        rows.append(None)
    text = "\n".join("" if row is None else f"{row[0]}\t{row[1] if random.random() < 0.95 else 'O'}" for row in rows)
    path.write_text(text)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The parameters of a study that has run, with what its notebooks left in their names, by notebook and pruner."""
    folder = tmp_path_factory.mktemp("tagged")
    (folder / "data").mkdir()
    random = np.random.default_rng(0)
    for split, number in {"train": 90, "validation": 20, "test": 60}.items():
        write_sentences(folder / f"data/{split}.conll", number, random)
    (folder / "bert").mkdir()
    write_tagger(folder / "bert", 24)
    given = {"study": "tagged", "results": str(folder / "results"), "dataset": str(folder / "data")}
    given |= {"model": str(folder / "bert"), "max_tokens": 24, "seeds": "0-3", "epochs": 3, "batch_size": 16}
    given |= {"learning_rate": 5e-3, "device": "cpu", "n_splits": 20, "n_bootstrap": 20, "save_weights": True}
    left = {"01_train": run(given, "01_train")}
    for pruner, threshold in RUNS.items():
        for name in ("02_prune", "03_pies"):
            left[name, pruner] = run(given | {"pruner": pruner, "threshold": threshold}, name)
    for name in ("04_el2n", "05_readability", "06_report"):
        left[name] = run(given, name)
    return folder / "results/tagged", left


def run(given, name):
    cells = json.loads((PROJECT / f"notebooks/{name}.ipynb").read_text())["cells"]
    defaults: dict = {}
    exec("".join(next(cell["source"] for cell in cells if "parameters" in cell["metadata"].get("tags", []))), defaults)
    known = NOTEBOOKS[name].model_fields
    parameters = {field: value for field, value in defaults.items() if field in known}
    return run_cells(name, **parameters | {field: value for field, value in given.items() if field in known})


def test_the_pies_are_sentences_whose_voted_entities_differ(study):
    folder, left = study
    pair = folder / "data-bert"
    dense, pruned = (predictions.read_seeds(pair / name, range(4)) for name in ("dense", "IMP-FT-90"))
    frame, record = results.read(folder).pies(pair / "IMP-FT-90")
    one, other = (side.sets for side in entities.together(dense.classes, pruned.classes))
    differ = ((2 * one.sum(axis=0) > 4) != (2 * other.sum(axis=0) > 4)).any(axis=1)
    assert frame["pie"].tolist() == differ.tolist() and 0 < differ.sum() < 60
    for row in frame.itertuples():
        assert len(row.unpruned) <= len(row.entities) and all(
            re.fullmatch(r"\d+-\d+ (pet|wild)", e) for e in row.entities
        )
        voted = [row.unpruned_votes[place] for place in row.unpruned]
        assert all(2 * votes > 4 for votes in voted)
    summary = record["summary"]
    assert summary["metric"] == "entity F1" and summary["classes"] == ["pet", "wild"]
    shares = pd.DataFrame(summary["levels"]["shares"]).set_index("level")
    assert shares.loc["sentences", "all_seeds"] == pytest.approx(summary["pies_percent"])
    assert shares.loc["sentences", "excess"] == pytest.approx(summary["excess_percent"])
    assert left["03_pies", "IMP-FT"]["p"].pruner == "IMP-FT"


def test_the_report_and_the_tables_of_levels_have_every_configuration(study):
    folder, _ = study
    assert (folder / "report/index.html").exists()
    found = tagged_words.of_study(folder)
    types, lengths = tagged_words.types_of_study(folder), tagged_words.lengths_of_study(folder)
    for table, rows in ((found, len(levels.LEVELS)), (types, 3), (lengths, 4)):
        assert table["pruner"].tolist() == np.repeat(list(RUNS), rows).tolist()
    of_control = found.groupby("pruner")["moved_from_control"].count()
    assert of_control.to_dict() == dict.fromkeys(RUNS, 0) | {"IMP-FT": len(levels.LEVELS)}
    figures = {path.stem for path in (folder / "report/figures").glob("*.png")}
    assert {"decomposition-data-bert", "pie_shares", "classes-PINS", "el2n-IMP-FT", "verdicts-data-bert"} <= figures
    assert {"levels-data-bert", "sentence_lengths-PINS", "entity_types-data-bert"} <= figures
    page = (folder / "report/index.html").read_text()
    assert (
        "Words, sentences or entities" in page and "words in entities (" in page and "Which entities are lost?" in page
    )
    for name in (
        "levels",
        "levels_by_configuration",
        "sentence_lengths",
        "entity_types",
        "entity_types_by_configuration",
    ):
        (kind,) = written.kinds(f"report/tables/{name}.csv")
        assert list(kind.columns) == list(pd.read_csv(folder / f"report/tables/{name}.csv"))


def test_a_sentence_is_shown_with_the_entities_of_both_sides(study):
    frame = explore.study_pies(study[0])
    shown = explore.example(frame).data
    assert shown.count("<mark") > 0 and "<b>label</b>" in shown and "<b>pruned</b>" in shown
    assert frame["unpruned votes"].str.contains(r"\((?:pet|wild)\) \d").any()
    assert "marked" not in explore.as_html(frame)


def test_the_code_of_an_exported_taggers_card_gives_the_answers_of_the_study(study, tmp_path, capsys):
    folder, _ = study
    for name in ("dense", "IMP-FT-90", "RTN-4"):
        seed = paths.seed(folder / "data-bert" / name, 1)
        assert main(["export", str(seed), "--out", str(tmp_path / name)]) == 0
        card = (tmp_path / name / "README.md").read_text()
        assert "pipeline_tag: token-classification" in card and "SequenceClassification" not in card
        code = re.search(r"```python\n(.*?)```", card, re.DOTALL)[1]
        words = ["the", "cats", "near", "birds", "wolves"]
        code = code.replace('["The", "words", "of", "a", "sentence"]', repr(words)).replace(
            f'"{name}"', repr(str(tmp_path / name))
        )
        names: dict = {}
        exec(code, names)
        sentences = pd.read_csv(
            folder.parents[1] / "data/test.conll", sep="\t", names=["word", "tag"], skip_blank_lines=False
        )
        assert len(names["answers"]) == 5 and set(names["answers"]) <= {"O", "B-pet", "B-wild", "I-wild"}
        place = sentences["word"].isna().idxmax()
        first = sentences["word"][:place].tolist()
        exec(code.replace(repr(words), repr(first)), names)
        run_of_seed = predictions.read_seeds(folder / "data-bert" / name, [1])
        expected = [run_of_seed.tags[tag] for tag in run_of_seed.tagged.ids[0, : len(first)]]
        assert names["answers"] == expected
    capsys.readouterr()


def test_a_seed_is_archived_word_by_word_and_comes_back(study, tmp_path):
    seed = paths.seed(study[0] / "data-bert/dense", 1)
    files = {split: predictions.read_file(seed / f"{split}.parquet") for split in ("test", "train", "early")}
    row = archive.Row((seed / "metrics.json").read_text(), files)
    path = archive.file(tmp_path, "data-bert", 1)
    path.parent.mkdir()
    archive.write(path, archive.table([row], "data-bert", 1))
    assert archive.restore(path, tmp_path / "again") == 1
    for split, file in files.items():
        restored = predictions.read_file(paths.seed(tmp_path / "again/data-bert/dense", 1) / f"{split}.parquet")
        assert restored.logits is None and restored.tags == file.tags and restored.logits_digest == file.logits_digest
        assert np.array_equal(restored.classes, file.classes) and np.array_equal(restored.starts, file.starts)
    assert archive.restore(path, study[0]) == 0
