"""A seed as a folder that from_pretrained loads, and its model card: the weights, the numbers and what is refused."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import COLUMNS, make_texts, refused
from huggingface_hub import ModelCard
from hypothesis import given as draw
from hypothesis import strategies
from markdown_it import MarkdownIt
from safetensors.numpy import load_file

from pielab.analysis import null, results, sides
from pielab.commands import export
from pielab.config.parameters import PieParameters, PruneParameters
from pielab.data import datasets
from pielab.report import markdown, model_card
from pielab.store import paths, predictions, records
from pielab.training import runs
from pielab.training.experiment import prepare

ODD = "fo|od <b>*x*</b> [a](b)"
CONFIGURATIONS = {"RTN-2": ("RTN", 2), "Magnitude-60": ("Magnitude", 60), "MP-AI-50": ("MP-AI", 50)}


@pytest.fixture(scope="module")
def study(tmp_path_factory, tiny_bert):
    """The folder of a data set and model in a study of three configurations, the last without its PIEs."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "topics").mkdir()
    for seed, (name, number) in enumerate({"train": 90, "test": 60}.items()):
        texts = make_texts(number, seed).replace({"label": {"food": ODD}})
        texts.assign(dialect=["north", "so_uth"] * (number // 2)).to_csv(folder / f"topics/{name}.csv", index=False)
    given = {"study": "s", "results": str(folder), "dataset": str(folder / "topics"), "model": tiny_bert}
    given |= COLUMNS | {"seeds": "0-3"}
    train = {"max_tokens": 12, "epochs": 6, "batch_size": 16, "learning_rate": 3e-3, "device": "cpu"}
    for pruner, threshold in CONFIGURATIONS.values():
        method = {"pruner": pruner, "threshold": threshold}
        p = PruneParameters(**given | train | method, save_weights=True)
        data = datasets.load(**p.data)
        experiment = prepare(p, data)
        runs.train_dense(experiment)
        runs.train_pruned(experiment)
        if pruner != "MP-AI":
            p = PieParameters(**given | method | {"group": "dialect"}, n_splits=20, n_bootstrap=20)
            data = datasets.load(**p.data)
            dense, pruned = (predictions.read_seeds(side, p.seeds) for side in (p.dense_folder, p.folder))
            estimate = null.estimate(dense.classes, pruned.classes, n_splits=20, n_bootstrap=20)
            summary = results.summary(p, data, dense, pruned, estimate, sides.control(p))
            frame = results.examples(data["test"], dense, pruned, estimate)
            results.write_pies(p.folder, frame, summary, p, datasets.digest(data))
    return p.pair_folder


@pytest.fixture
def exported(study, tmp_path, monkeypatch):
    """Exports a configuration into this test's folder; gives the folder and its card."""
    monkeypatch.chdir(tmp_path)

    def make(name, *options):
        assert export.main([str(study / name), "--out", name.lower(), *options]) == 0
        return Path(name.lower()), ModelCard.load(f"{name.lower()}/README.md")

    return make


def run_code(card, texts):
    """What the card's own code gives for texts: the logits and the answers."""
    code = card.text.split("```python\n")[1].split("```")[0]
    names = {}
    exec(re.sub(r"texts = \[.*\]", f"texts = {texts!r}", code), names)
    return names["logits"].numpy(), names["answers"]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_code_of_the_card_answers_as_the_study_did_and_zeros_are_as_the_card_says(exported, study, name):
    folder, card = exported(name, "--seed", "2", "--license", "mit")
    place = study / name / "seeds/02"
    texts = make_texts(60, seed=1)
    logits, said = run_code(card, texts["text"].tolist())
    stored, record = predictions.read(place / "test.parquet")[0], records.read(place)
    np.testing.assert_allclose(logits, stored, rtol=1e-4, atol=1e-5)
    assert said == [record["classes"][number] for number in stored.argmax(axis=1)]
    assert record["test"] == (np.array(said) == texts["label"].replace({"food": ODD})).mean()

    weights = load_file(folder / "model.safetensors")
    chosen = np.concatenate([weights[matrix].ravel() for matrix in record["pruned"]])
    everything = np.concatenate([values.ravel() for values in weights.values()])
    for part, label in ((chosen, "zeros in them"), (everything, "zeros in all weights")):
        count = int((part == 0).sum())
        assert f"| {label} | {100 * count / part.size:.2f} % ({count:,}) |" in card.text
    if name != "RTN-2":
        assert (chosen == 0).mean() == pytest.approx(int(name[-2:]) / 100, abs=0.01)
    else:
        rows = [row for matrix in record["pruned"] for row in weights[matrix]]
        assert max(len(np.unique(row)) for row in rows) == 4 and "the nearest of 4 values" in card.text
    assert {path.name for path in folder.iterdir()} >= {"config.json", "tokenizer.json", "README.md"}


def test_an_unpruned_seed_is_exported_with_what_it_started_from(exported, study):
    folder, card = exported("dense", "--seed", "1")
    texts = make_texts(60, seed=1)["text"].tolist()
    stored = predictions.read(study / "dense/seeds/01/test.parquet")[0]
    np.testing.assert_allclose(run_code(card, texts)[0], stored, rtol=1e-4, atol=1e-5)
    assert card.data.tags == ["pielab"] and "## What changed" not in card.text and "compressed" not in card.text
    assert " trained on topics: seed 1, one of 4" in card.text
    assert "Mean test accuracy of 4 unpruned models" in card.text and "| unpruned, seed 1 | 1 |" in card.text
    assert json.loads((folder / "config.json").read_text())["id2label"]["1"] == ODD


def test_pairs_and_several_labels_are_read_as_in_the_study(tmp_path, tiny_bert, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pairs").mkdir()
    for seed, name in enumerate(["train", "test"]):
        texts = make_texts(60, seed).rename(columns={"text": "first"}).assign(second=make_texts(60, seed + 2)["text"])
        texts["label"] = texts["label"] + ["", ";weather"] * 30
        texts.to_csv(f"pairs/{name}.csv", index=False)
    given = COLUMNS | {"text": "first", "text_pair": "second", "label_separator": ";", "seeds": "0"}
    given |= {"study": "s", "results": str(tmp_path), "dataset": "pairs", "model": tiny_bert, "max_tokens": 24}
    given |= {"epochs": 2, "batch_size": 16, "learning_rate": 3e-3, "device": "cpu", "pruner": "RTN", "threshold": 4}
    p = PruneParameters(**given, save_weights=True)
    experiment = prepare(p, datasets.load(**p.data))
    runs.train_dense(experiment)
    runs.train_pruned(experiment)
    assert export.main([str(p.folder), "--out", "out"]) == 0
    card = ModelCard.load("out/README.md")
    logits, said = run_code(card, [f"{row.first} [SEP] {row.second}" for row in texts.itertuples()])
    stored = predictions.read_seeds(p.folder, (0,))
    np.testing.assert_allclose(logits, stored.logits[0], rtol=1e-4, atol=1e-5)
    classes = experiment.class_names
    assert said == [[name for name, is_in in zip(classes, row, strict=True) if is_in] for row in stored.classes[0]]
    assert card.data.metrics == ["f1"] and "macro-F1" in card.text and '"first [SEP] second"' in card.text


def test_the_front_matter_is_what_the_hub_reads(exported, study):
    _, card = exported("RTN-2")
    record = records.read(study / "RTN-2/seeds/00")
    data, (result,) = card.data, card.data.eval_results
    assert (data.license, data.library_name, data.pipeline_tag) == ("unknown", "transformers", "text-classification")
    assert data.tags == ["pielab", "quantization"] and data.metrics == ["accuracy"] and data.model_name == "rtn-2"
    assert (result.dataset_type, result.metric_type, result.metric_value) == ("topics", "accuracy", record["test"])
    assert data.base_model is None and "base_model" not in card.content and data.datasets is None
    assert "No license was given" in card.text
    intro = "trained on topics and compressed by RTN at 2 bits: seed 0, one of 4 trained alike, with a test accuracy of"
    assert f"{intro} {record['test']:.3f}." in " ".join(card.text.split())
    assert exported("Magnitude-60", "--license", "apache-2.0")[1].data.license == "apache-2.0"


def test_what_is_of_the_hub_is_linked_by_its_id_and_commit(study):
    record = records.read(study / "RTN-2/seeds/00") | {"model_revision": "c0ffee", "dataset_revision": "0dd"}
    record |= {"dataset": "owner--reviews", "metric": "macro-F1", "further": {"accuracy": {"test": 0.5}}}
    record["parameters"] |= {"model": "google-bert/bert-base-uncased"}
    data = model_card._metadata(record, "x", None)
    assert data.base_model == "google-bert/bert-base-uncased" and data.base_model_relation == "finetune"
    assert data.datasets == ["owner/reviews"] and data.metrics == ["f1", "accuracy"]
    assert [result.dataset_revision for result in data.eval_results] == ["0dd", "0dd"]
    glue = model_card._metadata(record | {"dataset": "glue-rte"}, "x", None)
    assert model_card._metadata(record | {"dataset": "imdb"}, "x", None).datasets == ["stanfordnlp/imdb"]
    del record["dataset_revision"]
    assert model_card._metadata(record | {"dataset": "imdb"}, "x", None).datasets is None, "perhaps somebody's imdb.csv"
    assert glue.datasets == ["nyu-mll/glue"] and glue.eval_results[0].dataset_config == "rte"


def test_the_card_has_the_numbers_of_the_study(exported, study):
    _, card = exported("Magnitude-60")
    dense, pruned = (predictions.read_seeds(study / side, (0, 1, 2, 3)) for side in ("dense", "Magnitude-60"))
    changed = dense.classes != pruned.classes
    assert changed.any(), "the rest would hold for a model that does not change"
    assert f"answers {changed[0].sum()} of 60 test texts ({100 * changed[0].mean():.2f} %) otherwise" in card.text
    (row,) = re.findall(r"^\| changed \| ([\d.]+) \[", card.text, re.MULTILINE)
    assert float(row) == pytest.approx(100 * changed.mean(), abs=0.05)
    right = dense.classes == (targets := pd.read_parquet(study / "Magnitude-60/pies.parquet")["label"].to_numpy())
    lost = 100 * (right & (pruned.classes != targets)).mean()
    (row,) = re.findall(r"^\| right to wrong \| ([\d.]+)", card.text, re.MULTILINE)
    assert float(row) == pytest.approx(lost, abs=0.05)
    scores = [records.read(study / f"Magnitude-60/seeds/0{seed}")["test"] for seed in range(4)]
    assert f"| compressed, mean | 4 | {np.mean(scores):.3f} [" in card.text
    assert f"| {min(scores):.3f} to {max(scores):.3f} |" in card.text
    pies = results.read_record(study / "Magnitude-60/pies.parquet")["summary"]["pies"]
    assert f"{pies} of 60 test texts" in card.text and "where retraining alone makes" in card.text
    assert "| north | 30 |" in card.text and "**Who pays?** By dialect" in card.text


def test_what_is_not_known_is_said_to_be_unknown(exported):
    _, card = exported("MP-AI-50")
    assert "03_pies has not run for these models" in card.text and "PIEs**" not in card.text
    assert "otherwise than the unpruned model of its seed" in card.text


def test_names_are_shown_as_they_are(exported):
    _, card = exported("RTN-2")
    shown = r"| classes | animals, fo\|od &lt;b\>\*x\*&lt;/b\> [a\](b), weather |"
    assert shown in card.text and "<b>" not in card.text and r"| so\_uth | 30 |" in card.text
    assert markdown.escape("a\\(b $c$ &lt;\n---") == r"a&#92;(b \$c\$ &amp;lt; ---"


@draw(strategies.text(strategies.sampled_from("ab *_`<>&;#\\$|~[]()!:/-+=1.\n\"'{}^@"), max_size=12))
def test_any_name_is_one_cell_of_its_own_characters(name):
    table = markdown.table([[name, "end"]], ["name", "last"])
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(table)
    cells = [token.children for token in tokens if token.type == "inline"]
    assert len(cells) == 4 and {child.type for child in cells[2]} <= {"text"}
    assert "".join(child.content for child in cells[2]) == " ".join(name.split())


def test_a_path_of_this_machine_is_in_no_file(exported, study):
    folder, _ = exported("RTN-2")
    for path in folder.iterdir():
        assert str(study.parents[1]).encode() not in path.read_bytes(), path


def test_an_export_is_replaced_and_what_somebody_changed_is_not(exported, study, capsys):
    folder, card = exported("RTN-2")
    assert "hf upload YOUR-NAME/rtn-2 rtn-2" in capsys.readouterr().out
    assert "license: mit" in exported("RTN-2", "--license", "mit")[1].content
    (folder / "README.md").write_text(card.content.replace("unknown", "other"))
    with refused("export-not-overwritten", "another folder", "README.md"):
        exported("RTN-2")
    (Path("own") / "x").mkdir(parents=True)
    for out in ("own", "own/x", "own/x/../../rtn-2/config.json"):
        with refused("export-not-overwritten", "another folder"):
            export.main([str(study / "RTN-2"), "--out", out])
    assert [path.name for path in Path().rglob(".partial*")] == []


def test_what_has_no_model_of_transformers_is_refused(study, tmp_path):
    def refuse(place, id, cure, problem, *options):
        with refused(id, cure, problem):
            export.main([str(place), "--out", str(tmp_path / "out"), *options])

    refuse(tmp_path / "none", "nothing-to-export", "of a configuration", "there is no folder")
    refuse(study, "no-seeds-to-export", "seeds/ in it", "is no configuration")
    refuse(study / "RTN-2", "no-such-seed-to-export", "0, 1, 2, 3", "no seed 9", "--seed", "9")
    refuse(study / "RTN-2/seeds/01", "seed-given-twice", "one of the two", "--seed is 2", "--seed", "2")
    copy = shutil.copytree(study / "RTN-2/seeds/01", tmp_path / "RTN-2/seeds/01")
    with (copy / "model/config.json").open("a") as file:
        file.write(" ")
    refuse(copy / "model", "weights-changed-since-trained", "delete", "model/config.json")
    (copy / "digests.xxh128").unlink()
    shutil.rmtree(copy / "model")
    refuse(copy, "export-without-weights", "save_weights: true", "no weights for transformers")
    record = json.loads((copy / "metrics.json").read_text())
    record["parameters"]["model"] = "bilstm"
    (copy / "metrics.json").write_text(json.dumps(record))
    refuse(copy, "export-of-bilstm", "a seed of a transformer", "no model of transformers")
    del record["parameters"]
    (copy / "metrics.json").write_text(json.dumps(record))
    refuse(copy, "export-of-imported-predictions", "pielab trained", "made elsewhere")
    assert not (tmp_path / "out").exists() and paths.seed(study / "RTN-2", 1).exists()
