"""The plan of a study: what it asks for, what of it is there, and how near the guesses are to what comes."""

import dataclasses
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import refused
from papermill.cli import _resolve_type
from transformers import BertConfig, GPT2Config, GPT2LMHeadModel

from pielab.__main__ import main
from pielab.compression import schedules
from pielab.config import study
from pielab.config.parameters import PruneParameters, TrainParameters
from pielab.data import datasets, published, tasks
from pielab.jobs import estimate, intervals, plan
from pielab.models import classifier, pretrained, question_answering, tagging
from pielab.store import paths, predictions
from pielab.training import runs
from pielab.training.experiment import prepare

PROJECT = Path(__file__).parents[1]
NOT_OF_A_FILE = {"study", "results", "pruner", "threshold"}
KINDS = ["unpruned", "iterative", "at initialization"]


@pytest.fixture
def config(given, tmp_path):
    """A study of made texts without controls: an unpruned model, an iterative pruner at two thresholds, one at
    initialization.
    """
    values = {name: value for name, value in given.items() if name not in NOT_OF_A_FILE}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(values | {"bins": 5, "n_splits": 10, "n_bootstrap": 10, "processes": 1}))
    pruners = {"IMP-FT": [50, 90], "MP-AI": [60]}
    return {
        "study": given["study"],
        "results": given["results"],
        "configurations": [{"params": str(params), "pruners": pruners, "controls": False}],
    }


@pytest.fixture
def paper(tmp_path):
    return yaml.safe_load((PROJECT / "params/studies/paper.yaml").read_text()) | {"results": str(tmp_path)}


def train(read, configuration, seeds):
    """Train seeds of a configuration of a study of one pair, as its notebook does."""
    (pair,) = read.dense
    if configuration == "dense":
        p = TrainParameters(**read.parameters("01_train", pair) | {"seeds": seeds})
        runs.train_dense(prepare(p, datasets.load(**p.data)))
    else:
        p = PruneParameters(**read.parameters("02_prune", f"{pair}/{configuration}") | {"seeds": seeds})
        runs.train_pruned(prepare(p, datasets.load(**p.data)))


def record(read, configuration, seed, **values):
    (pair,) = read.dense
    folder = paths.seed(Path(read.folder) / pair / configuration, seed)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(values))
    return folder


def test_the_papers_grid_is_91_units_an_initialisation_and_3_of_its_control(paper):
    read = study.read(paper)
    units = estimate.units(estimate.seeds(read))
    assert len(units) == 8 and set(units["units a seed"]) == {91 + 3} and set(units["if not shared"]) == {116 + 4}
    assert units["in all"].sum() == units["left"].sum() == 8 * 30 * (91 + 3)
    notebooks = estimate.notebooks(read)["in all"].to_dict()
    each = {"02_prune": 328, "03_pies": 328, "01_train": 8, "04_el2n": 8, "05_readability": 8}
    parts = {
        "01_train, parts": 4 * (10 + 3),
        "02_prune, parts": 164 * (10 + 3),
    }  # of 3 seeds of BERT, of 10 of the BiLSTM
    assert notebooks == each | parts | {"06_report": 1, "07_explore": 1}
    said = plan.text(read, paper)
    assert "10,080 runs" in said and "22,560 units, and not the 28,800 if each trained its own" in said
    assert "720 of them train controls" in said
    assert "not known" not in said  # the counts of its data sets and models are published


def test_a_nested_pruner_takes_one_unit_a_seed_for_each_threshold(config):
    config["configurations"][0]["pruners"] = {"IMP-FT": [50, 70, 90], "IMP-FT-nested": [90, 50, 70]}
    read = study.read(config)
    units = estimate.units(estimate.seeds(read)).iloc[0]
    # The unpruned seed, three iterations for each threshold, and one trajectory of three levels.
    assert units["units a seed"] == 1 + 3 * 3 + 3 and units["if not shared"] == 1 + 3 * (3 + 1) + (3 + 1)
    assert "and 1 with a nested one" in plan.text(read, config, load=False)
    record(read, "IMP-FT-50", 0, seconds=60, device="gpu")
    record(read, "IMP-FT-nested-90", 0, seconds=26, device="gpu")
    assert estimate.times(estimate.seeds(read))["iterative"].item() == (20 + 26) / 2


def test_a_control_takes_as_many_units_as_what_it_controls(config):
    entry = config["configurations"][0]
    entry |= {"pruners": {"IMP-FT": [50, 70, 90], "IMP-FT-nested": [90, 50, 70]}, "controls": True}
    units = estimate.units(estimate.seeds(study.read(config))).iloc[0]
    assert units["units a seed"] == 1 + 3 * 3 + 3 + 3 + 3
    assert f"{2 * 6} of them train controls" in plan.text(study.read(config), config, load=False)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ("0-2", "3 seeds: no interval, from 4 seeds, and no test, from 6"),
        (
            "0-3",
            "± 0.3 to 0.6 points if pruning changes 1 % of a model's answers, ± 1.0 to 1.8 if 10 %; no test at 5 %",
        ),
        (
            "0-7",
            "± 0.2 to 0.3 points if pruning changes 1 % of a model's answers, ± 0.5 to 0.9 if 10 %; smallest p 0.0078",
        ),
    ],
)
def test_the_plan_says_how_wide_an_interval_will_be_and_what_no_test_can_show(config, seeds, said):
    config["configurations"][0]["seeds"] = seeds
    assert said in plan.text(study.read(config), config, load=False)


def test_a_pilot_tells_how_wide_the_interval_of_more_seeds_will_be(config, monkeypatch):
    read = study.read(config)
    folder = Path(read.folder)
    table = pd.DataFrame({"comparison": "both", "quantity": "excess", "low": [1.0, 2.0, 0.0], "high": [2.0, 4.0, 9.0]})
    table = table.assign(dataset="topics", model="bilstm", seeds=[6, 6, 5])
    monkeypatch.setattr(intervals.decomposition, "of_study", lambda study: table)
    assert intervals.of_study(read)["pilot"].tolist() == [0]
    (folder / next(iter(read.pruned))).mkdir(parents=True)
    (folder / next(iter(read.pruned)) / "pies.parquet").touch()
    found = intervals.of_study(
        study.read(config | {"configurations": [config["configurations"][0] | {"seeds": "0-29"}]})
    )
    # Half of the median width of those with six seeds, times f(30) / f(6) of Student's t over the square root.
    assert found["pilot"].item() == 6 and abs(found["half_width"].item() - 0.75 * 0.3734 / 1.0494) < 1e-3


def test_with_an_equal_budget_an_iterative_pruner_takes_what_it_does_not_share(config):
    pruners = {"IMP-FT": [50, 90], "PINS": [50], "MP-AI": [60]}
    config["configurations"][0] |= {"budget": "equal", "epochs": 8, "pruners": pruners}
    read = study.read(config)
    units = estimate.units(estimate.seeds(read)).iloc[0]
    assert units["units a seed"] == 1 + 2 * 0.75 + 1 + 1 and units["if not shared"] == 4.5 + 2 * 0.25
    said = plan.text(read, config, load=False)
    assert "1 unit unpruned, less than 1 with an iterative pruner, 1 with any other" in said and "9 units" in said


@pytest.mark.parametrize(
    ("changes", "id", "cure", "problem"),
    [
        ({}, "too-few-epochs-to-share", "give 4 epochs or more", "topics-bilstm, IMP-FT: budget = 'equal' shares"),
        (
            {"epochs": 8, "pruners": {"IMP-WR-nested": [50]}},
            "equal-budget-of-nested",
            "leave the nested pruners out",
            "IMP-WR-nested: budget = 'equal' has no meaning",
        ),
    ],
)
def test_a_study_with_a_budget_that_cannot_be_shared_is_refused(config, changes, id, cure, problem):
    config["configurations"][0] |= {"budget": "equal"} | changes
    with refused(id, cure, problem):
        study.read(config)


def test_an_estimate_is_near_what_a_seed_takes(config, given, capsys):
    read = study.read(config)
    guessed, unknown = estimate.disk(read, estimate.seeds(read))
    assert not unknown and guessed["source"].tolist() == ["estimated"]
    assert "counting the examples of" in capsys.readouterr().err
    train(read, "IMP-FT-50", "0-1")
    train(read, "IMP-FT-90", "0-1")
    train(read, "MP-AI-60", "0-1")
    there, _ = estimate.disk(read, estimate.seeds(read), load=False)
    assert there["source"].tolist() == ["measured"] and there["there"].tolist() == there["in all"].tolist()
    seeds = Path(read.folder).glob("*/*/seeds/*/*")
    assert there["in all"].item() == sum(path.stat().st_size for path in seeds)
    for column in ("unpruned", "pruned", "in all"):
        assert guessed[column].item() == pytest.approx(there[column].item(), rel=0.2)


@pytest.mark.parametrize("epochs", [3, 4])
def test_an_estimate_knows_that_an_equal_budget_keeps_the_weights_twice_if_pruners_branch_off(config, epochs):
    entry = config["configurations"][0]
    entry |= {"budget": "equal", "epochs": epochs, "save_weights": True, "pruners": {"MP-AI": [60]}}
    read = study.read(config)
    guessed, _ = estimate.disk(read, estimate.seeds(read))
    train(read, "dense", "0")
    from_unpruned, _ = estimate.disk(read, estimate.seeds(read), load=False)
    train(read, "MP-AI-60", "0")
    there, _ = estimate.disk(read, estimate.seeds(read), load=False)
    for column in ("unpruned", "pruned"):
        assert guessed[column].item() == pytest.approx(there[column].item(), rel=0.2)
        assert from_unpruned[column].item() == pytest.approx(there[column].item(), rel=0.05)


@pytest.mark.parametrize("classes", [2, 3, 23, 54])
@pytest.mark.parametrize("examples", [300, 6_737, 100_000])
def test_the_bytes_of_predictions_are_known_to_a_tenth(classes, examples, tmp_path):
    logits = np.random.default_rng(0).normal(size=(examples, classes))
    predictions.write(tmp_path / "test.parquet", logits, {})
    written = (tmp_path / "test.parquet").stat().st_size
    assert estimate.prediction_bytes(examples, classes) == pytest.approx(written, rel=0.1)


def test_one_unpruned_seed_measures_the_disk_and_times_every_kind(config):
    read = study.read(config)
    train(read, "dense", "1")
    seeds = estimate.seeds(read)
    assert estimate.units(seeds).loc[:, "in all":].values.tolist() == [[2 * (1 + 3 + 3 + 1), 1, 15]]
    disk, unknown = estimate.disk(read, seeds, load=False)
    assert not unknown and disk["source"].tolist() == ["measured"]
    (pair,) = read.dense
    folder = paths.seed(Path(read.folder) / pair / "dense", 1)
    sizes_of = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert disk["unpruned"].item() == sum(sizes_of.values())
    assert disk["pruned"].item() == sum(sizes_of[name] for name in ("train.parquet", "test.parquet", "metrics.json"))
    seconds = json.loads((folder / "metrics.json").read_text())["seconds"]
    times = estimate.times(seeds)
    assert times[KINDS].values.tolist() == [[seconds] * 3]
    assert times["left"].item() == pytest.approx(15 * seconds) and times["device"].item() == "cpu"
    said = plan.text(read, config)
    assert "~ is not timed yet" in said and "papermill" not in said


def test_each_kind_has_its_own_time_once_it_is_there(config):
    read = study.read(config)
    record(read, "dense", 0, seconds=10, device="gpu")
    record(read, "IMP-FT-50", 0, seconds=60, device="gpu")
    record(read, "IMP-FT-90", 0, seconds=66, device="gpu")
    times = estimate.times(estimate.seeds(read))
    assert times[KINDS].values.tolist() == [[10, 21, 10]]
    assert times["borrowed"].item() == ["at initialization"]
    assert times["left"].item() == 10 + 2 * 3 * 21 + 2 * 10 and times["spent"].item() == 136


def test_a_gradual_pruner_has_a_time_of_its_own_where_there_is_one(config):
    assert "gradual" not in estimate.times(estimate.seeds(study.read(config)))
    config["configurations"][0]["pruners"]["PINS"] = [50]
    read = study.read(config)
    record(read, "dense", 0, seconds=10, device="cpu")
    record(read, "MP-AI-60", 0, seconds=12, device="cpu")
    assert estimate.times(estimate.seeds(read))["gradual"].item() == 12
    record(read, "PINS-50", 0, seconds=15, device="cpu")
    times = estimate.times(estimate.seeds(read))
    assert times[[*KINDS, "gradual"]].values.tolist() == [[10, 10, 12, 15]] and times["borrowed"].item() == [
        "iterative"
    ]


@pytest.mark.parametrize("done", [["dense"], ["dense", "MP-AI-60"], ["MP-AI-60"]])
def test_a_method_of_no_epochs_has_no_time_of_a_unit(config, monkeypatch, done):
    trajectory = schedules.trajectory

    def untrained(pruner, *arguments):
        made = trajectory(pruner, *arguments)
        steps = tuple(dataclasses.replace(step, epochs=0) for step in made.steps)
        return dataclasses.replace(made, steps=steps) if pruner.schedule == "at initialization" else made

    monkeypatch.setattr(schedules, "trajectory", untrained)
    config["configurations"][0]["pruners"] = {"MP-AI": [60]}
    read = study.read(config)
    for configuration in done:
        record(read, configuration, 0, seconds=8, device="cpu")
    times = estimate.times(estimate.seeds(read))
    assert times["spent"].item() == 8 * len(done)
    left = times[["unpruned", "at initialization", "left"]].to_numpy()
    assert np.array_equal(left, [[8, 8, 8]] if "dense" in done else [[np.nan] * 3], equal_nan=True)
    assert "inf" not in plan.text(read, config, load=False)


def test_seconds_are_shared_by_the_workers_of_a_job(config):
    read = study.read(config)
    record(read, "dense", 0, seconds=12, device="gpu", workers=4)
    assert estimate.times(estimate.seeds(read))["unpruned"].item() == 3


def test_of_several_devices_the_newest_counts_and_the_plan_says_so(config):
    read = study.read(config)
    old = record(read, "dense", 0, seconds=100, device="old gpu")
    record(read, "dense", 1, seconds=10, device="new gpu")
    os.utime(old / "metrics.json", (0, 0))
    times = estimate.times(estimate.seeds(read))
    assert times["unpruned"].item() == 10 and times["spent"].item() == 110
    assert (times["device"].item(), times["others"].item()) == ("new gpu", ["old gpu"])
    assert "has seeds from old gpu too" in plan.text(read, config, load=False)


def test_what_is_not_whole_is_not_done(config):
    read = study.read(config)
    (record(read, "dense", 0) / "metrics.json").write_text("{")
    folder = record(read, "dense", 1, seconds=1, device="cpu")
    folder.rename(folder.with_name(".partial-01-x"))
    record(read, "dense", 7, seconds=1, device="cpu")  # the study does not ask for it
    assert not estimate.seeds(read)["done"].any()


def test_a_notebook_is_done_if_its_final_file_is_there(config):
    read = study.read(config)
    (pair,) = read.dense
    for name in (f"{pair}/dense/01_train.ipynb", f"{pair}/MP-AI-60/03_pies.ipynb", "logs/report/06_report.ipynb"):
        (Path(read.folder) / name).parent.mkdir(parents=True)
        (Path(read.folder) / name).touch()
    found = estimate.notebooks(read)
    assert found["done"].to_dict() == dict.fromkeys(found.index, 0) | {"01_train": 1, "03_pies": 1}
    assert found["in all"].sum() == 11 and found["left"].sum() == 9


def test_data_that_cannot_be_had_are_not_known_and_the_plan_goes_on(config):
    config["configurations"][0]["dataset"] = "nowhere.csv"
    said = plan.text(study.read(config), config)
    assert "nowhere-bilstm is not known until its first seed is done: there is no file 'nowhere.csv'" in said
    assert "No pair is timed yet" in said


def test_without_data_nothing_is_read(config, monkeypatch, capsys):
    monkeypatch.setattr(datasets, "load", lambda **data: pytest.fail("read"))
    assert "was not read: leave out --no-data" in plan.text(study.read(config), config, load=False)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("limit", [{"limit": 100}, {}])
def test_the_command_that_times_a_pair_trains_the_studys_own_seed(config, limit):
    params = Path(config["configurations"][0]["params"])
    params.write_text(yaml.safe_dump({k: v for k, v in yaml.safe_load(params.read_text()).items() if k != "limit"}))
    config["configurations"][0] |= {"epochs": 7, "learning_rate": 3e-5, "text_pair": None, "seeds": "3-5"} | limit
    config["study"] = "2024"
    read = study.read(config)
    ((pair, command),) = plan.commands(read, config).items()
    words = shlex.split(command)
    assert Path(words[0]).name == "papermill"
    assert words[1:5] == [
        "notebooks/01_train.ipynb",
        "out.ipynb",
        "-f",
        str(config["configurations"][0]["params"]),
    ]
    values = {"limit": 200} | yaml.safe_load(params.read_text())  # 200 is in the notebook's own cell
    for flag, name, value in zip(*[iter(words[5:])] * 3, strict=True):
        values[name] = {"-p": _resolve_type, "-r": str}[flag](value)
    known = {name: value for name, value in values.items() if name in TrainParameters.model_fields}
    theirs, ours = TrainParameters(**known), TrainParameters(**read.parameters("01_train", pair))
    assert theirs.recipe() == ours.recipe() and theirs.dense_folder == ours.dense_folder
    assert theirs.seeds == (3,)


def test_the_weights_of_a_transformer_are_counted_without_them(given, tiny_bert):
    p = PruneParameters(**given | {"model": tiny_bert})
    assert estimate.weight_bytes(p, 3) == 4 * classifier.count_parameters(classifier.build(tiny_bert, 3))
    short = p.model_copy(update={"num_hidden_layers": 1})
    assert estimate.weight_bytes(short, 3) < estimate.weight_bytes(p, 3)


def test_the_weights_of_the_bilstm_depend_on_the_width_of_its_word_vectors(given, tmp_path):
    (tmp_path / "wide.vec").write_text("1 300\nword" + " 0.5" * 300 + "\n")
    known = {str(tmp_path / "wide.vec"): 300, given["word_vectors"]: 6, "glove.840B.300d.txt": 300, "glove-6b-50d": 50}
    for name, width in known.items():
        p = PruneParameters(**given | {"word_vectors": name})
        for classes in (2, 23):
            built = classifier.BiLSTM(classes, np.zeros((1, width), dtype=np.float32))
            assert estimate.weight_bytes(p, classes) == 4 * classifier.count_parameters(built), name
    with refused("no-word-vectors-file", "give glove-6b-50d", "no-such.txt"):
        estimate.weight_bytes(PruneParameters(**given | {"word_vectors": "no-such.txt"}), 3)


def test_the_papers_models_have_the_parameters_of_its_table_5(given):
    table = published.table("table5_parameters").replace({"dataset": published.DATASETS, "model": published.MODELS})
    for row in table.itertuples():
        given |= {"dataset": row.dataset, "model": row.model, "word_vectors": "glove.840B.300d.txt"}
        p = PruneParameters(**given)
        assert estimate.weight_bytes(p, estimate.published_counts(p).classes) == 4 * row.parameters


def test_a_limit_counts(given):
    def counts(dataset, limit=None):
        return estimate.published_counts(PruneParameters(**given | {"dataset": dataset, "limit": limit}))

    assert counts("aapd", 2000) == (2000, 1000, 54, tasks.MULTI_LABEL)
    assert counts("reuters") == (6737, 1429, 23, tasks.MULTI_LABEL)
    assert counts("snli", 10)[:2] == (10, 10) and counts("other") is None
    assert counts("conll2003") == counts("conll2003", 20_000) == (203_621, 46_435, 9, tasks.TOKENS)
    assert counts("conll2003", 3_453)[:2] == (round(203_621 * 3_453 / 14_041), 46_435)
    assert counts("squad") == (74_460, 10_570, 2, tasks.SPANS)
    assert counts("e2e", 1000) == (1000, 630, 2, tasks.GENERATION)


def test_the_weights_of_a_model_that_tags_words_are_those_of_a_token_classifier(given, tiny_bert):
    p = PruneParameters(**given | {"model": tiny_bert})
    built = tagging.build(tiny_bert, 9)
    assert estimate.weight_bytes(p, 9, tasks.TOKENS) == 4 * classifier.count_parameters(built)
    bert = PruneParameters(**given | {"model": "bert-base-uncased"})
    built = pretrained.without_weights("bert-base-uncased", BertConfig(num_labels=9), tagging.HEAD)
    assert estimate.weight_bytes(bert, 9, tasks.TOKENS) == 4 * classifier.count_parameters(built)


def test_the_weights_of_readers_and_of_gpt_2_are_those_of_their_models(given):
    bert, gpt2 = (PruneParameters(**given | {"model": model}) for model in ("bert-base-uncased", "gpt2"))
    reader = pretrained.without_weights("bert-base-uncased", BertConfig(num_labels=2), question_answering.HEAD)
    assert estimate.weight_bytes(bert, 2, tasks.SPANS) == 4 * classifier.count_parameters(reader)
    with torch.device("meta"):
        generator = GPT2LMHeadModel(GPT2Config())
    assert estimate.weight_bytes(gpt2, 2, tasks.GENERATION) == 4 * classifier.count_parameters(generator)


def test_tagged_words_are_counted_as_what_has_logits(given, tmp_path):
    sentence = [("a", "B-X"), ("b", "O"), ("c", "O")]
    text = "\n\n".join("\n".join(f"{word} {tag}" for word, tag in sentence) for _ in range(20))
    (tmp_path / "words.conll").write_text(text)
    p = PruneParameters(**given | {"dataset": str(tmp_path / "words.conll")})
    assert estimate.count_examples(p) == (3 * 14, 3 * 3, 2, tasks.TOKENS)


@pytest.mark.parametrize("name", ["conll2003", "squad", "squad-v2", "e2e", "webnlg"])
def test_a_study_of_pins_is_planned_without_its_data_and_without_the_hub(name, tmp_path):
    config = yaml.safe_load((PROJECT / f"params/studies/{name}.yaml").read_text()) | {"results": str(tmp_path)}
    read = study.read(config)
    seeds = estimate.seeds(read)
    disk, unknown = estimate.disk(read, seeds, load=False)
    assert not unknown and disk["source"].tolist() == ["estimated"]
    assert (seeds["kind"] == "unpruned").sum() == 15 and set(seeds.loc[seeds["units"] == 0, "seed"]) == set(range(15))
    assert {each.name for each in read.configurations} == {
        *("dense", "control-FT", "control-gradual", "RTN-8", "RTN-4"),
        *(f"{pruner}-{at}" for pruner in ("IMP-FT", "PINS") for at in (50, 80, 90)),
    }


def run(*arguments):
    command = [sys.executable, "-m", "pielab.plan", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def test_the_command_line_prints_the_plan(config, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(config))
    done = run(file, "--no-data")
    assert done.returncode == 0 and not done.stderr
    for heading in ("NOTEBOOKS", "TRAINING UNITS", "DISK", "TIME"):
        assert f"\n\n{heading}" in done.stdout
    assert not Path(config["results"]).exists()


def test_the_plan_names_what_the_study_will_not_start_without(config, tmp_path, capsys):
    file, entry = tmp_path / "study.yaml", config["configurations"][0]
    first, second = {"dataset": "gone.csv"}, {"dataset": "./reviews.csv", "model": "./gone"}
    config["configurations"] = [entry | first, entry | second, entry | {"word_vectors": "gone.txt"}]
    file.write_text(yaml.safe_dump(config))
    assert main(["plan", str(file), "--no-data"]) == 0
    said = capsys.readouterr()
    warned = [line.removeprefix("warning: pielab study will not start: ") for line in said.err.splitlines()]
    assert [line.partition(" is no ")[0] for line in warned] == [
        "dataset = 'gone.csv'",
        "dataset = './reviews.csv'",
        "word_vectors = 'gone.txt'",
    ]
    assert "\n\nTIME" in said.out
    assert main(["study", str(file)]) == 2
    assert capsys.readouterr().err == "".join(f"error: {line}.\n" for line in warned)


def test_a_finished_study_is_planned_and_shown_where_its_data_are_gone(config, tmp_path, capsys):
    config["configurations"][0] |= {"dataset": str(tmp_path / "gone.csv"), "word_vectors": "gone.txt"}
    file, read = tmp_path / "study.yaml", study.read(config)
    file.write_text(yaml.safe_dump(config))
    folder = Path(read.folder)
    (folder / "report/tables").mkdir(parents=True)
    shares = {"dataset": "gone", "model": "bilstm", "pruner": "IMP-FT", "threshold": 90.0, "seeds": 2, "examples": 9}
    pd.DataFrame([shares]).to_csv(folder / "report/tables/pie_shares.csv", index=False)
    (folder / "study.yaml").write_text(yaml.safe_dump(read.record))
    assert main(["plan", str(file), "--no-data"]) == 0 and "will not start" in capsys.readouterr().err
    assert main(["status", str(folder)]) == 0 and main(["report", str(folder)]) == 0
    assert paths.finished(folder).exists() and not capsys.readouterr().err
    assert main(["plan", str(file), "--no-data"]) == 0 and not capsys.readouterr().err
    assert main(["status", str(folder)]) == 0 and main(["report", str(folder)]) == 0


def test_a_study_with_a_mistake_ends_with_one_sentence(config, tmp_path):
    file = tmp_path / "study.yaml"
    config["configurations"][0]["epochs"] = "many"
    file.write_text(yaml.safe_dump(config))
    done = run(file)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: epochs = 'many' is not accepted by the study, ")
    done = run("params/studies/papr.yaml")
    assert done.returncode == 2 and done.stderr.startswith("error: there is no study file ")
    assert "papr.yaml: give a file, or one of params/studies: aapd, conll2003, demo," in done.stderr
    file.write_text("study: [")
    said = run(file).stderr
    assert said.startswith(f"error: {file} is not YAML (") and "params/studies/demo.yaml" in said
    file.write_text("study")
    assert run(file).stderr.startswith("error: this is no study")
