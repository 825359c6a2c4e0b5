"""The search for hyper-parameters: what it tries, that it goes on where it was, and the params file it ends with."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import refused

from pielab.config.parameters import DEFAULTS, FIELDS, NOTEBOOKS, TrainParameters, TuneParameters
from pielab.config.validation import check
from pielab.data import datasets
from pielab.errors import PielabError, TransientError
from pielab.models import classifier
from pielab.report import figures
from pielab.training import loop, runs, tuning
from pielab.training.experiment import Experiment, prepare

# Those of other notebooks than 00_tune.
DEFAULTS_OF_OTHERS = {name: value for name, value in DEFAULTS.items() if name not in TuneParameters.model_fields}
DEFAULTS_OF_OTHERS = {name: value for name, value in DEFAULTS_OF_OTHERS.items() if name not in tuning.NOT_IN_FILE}


@pytest.fixture
def asked(given):
    """The parameters of a search of four quick trials."""
    space = {"epochs_range": [1, 3], "batch_sizes": [16, 32], "learning_rate_range": [1e-3, 1e-2]}
    names = set(TuneParameters.model_fields)
    return {name: value for name, value in given.items() if name in names} | {"trials": 4, "search_seed": 0} | space


def prepared(asked, **changes):
    p = TuneParameters(**asked | changes)
    return prepare(p, datasets.load(**p.data))


def without_time(table):
    return table.drop(columns="seconds")


@pytest.fixture
def trained(monkeypatch):
    """The learning rates that were trained with, in order; `trained.cut_off_at` is the epoch of all to stop in."""

    class Trained(list):
        epochs, cut_off_at = 0, None

    seen, original = Trained(), loop.train

    def train(*args, on_epoch, **options):
        def count(epoch, loss):
            seen.epochs += 1
            if seen.epochs == seen.cut_off_at:
                raise KeyboardInterrupt
            on_epoch(epoch, loss)

        seen.append(options["learning_rate"])
        return original(*args, on_epoch=count, **options)

    monkeypatch.setattr(loop, "train", train)
    return seen


def test_a_proposal_depends_on_the_seed_and_its_number_alone(asked):
    four = tuning.proposals(TuneParameters(**asked))
    assert tuning.proposals(TuneParameters(**asked | {"trials": 9}))[:4] == four
    assert len({each["learning_rate"] for each in four}) == 4
    other = tuning.proposals(TuneParameters(**asked | {"search_seed": 1}))
    assert not {each["learning_rate"] for each in four} & {each["learning_rate"] for each in other}


def test_proposals_fill_the_space_and_the_learning_rate_evenly_in_its_logarithm(asked):
    wide = {"trials": 400, "epochs_range": "2,6", "batch_sizes": "8,32", "learning_rate_range": "1e-5,1e-1"}
    drawn = pd.DataFrame(tuning.proposals(TuneParameters(**asked | wide)))
    assert set(drawn["epochs"]) == {2, 3, 4, 5, 6} and set(drawn["batch_size"]) == {8, 32}
    powers = np.log10(drawn["learning_rate"])
    assert powers.between(-5, -1).all()
    shares = np.histogram(powers, bins=[-5, -4, -3, -2, -1])[0] / 400
    assert shares == pytest.approx(0.25, abs=0.08)
    assert abs(np.corrcoef(drawn["epochs"], powers)[0, 1]) < 0.15


def test_a_search_that_was_cut_off_ends_like_one_that_was_not(asked, tmp_path, trained):
    undisturbed = tuning.search(prepared(asked, results=str(tmp_path / "other")))
    assert undisturbed["trial"].tolist() == [0, 1, 2, 3] and not undisturbed["validation"].isna().any()
    del trained[:]
    trained.cut_off_at = trained.epochs + undisturbed["epochs"][:2].sum() + 1
    with pytest.raises(KeyboardInterrupt):
        tuning.search(prepared(asked))
    assert len(trained) == 3  # in the third trial
    assert len(tuning.search(prepared(asked, trials=2))) == 2 and len(trained) == 3  # the two that ended are kept
    again = tuning.search(prepared(asked))
    pd.testing.assert_frame_equal(without_time(again), without_time(undisturbed))
    # Only what was missing, the one that was cut off among it.
    assert trained[3:] == undisturbed["learning_rate"][2:].tolist()


def test_a_finished_search_starts_nothing_and_a_longer_one_adds_to_it(asked, trained):
    four = tuning.search(prepared(asked))
    pd.testing.assert_frame_equal(tuning.search(prepared(asked)), four)
    assert len(trained) == 4
    six = tuning.search(prepared(asked, trials=6))
    pd.testing.assert_frame_equal(six[:4], four)
    assert len(trained) == len(six) == 6
    # As if the further trials were not there.
    pd.testing.assert_frame_equal(tuning.search(prepared(asked)), four)


def test_a_search_that_is_killed_goes_on(asked, tmp_path, trained):
    """SIGKILL leaves no time to tidy up."""
    code = (
        "import json, os, signal, sys\n"
        "from pielab.config.parameters import TuneParameters\n"
        "from pielab.data import datasets\n"
        "from pielab.training import experiment, loop, tuning\n"
        "p = TuneParameters(**json.loads(sys.argv[1]))\n"
        "original = loop.train\n"
        "def train(*args, learning_rate, **options):\n"
        "    if learning_rate == tuning.proposals(p)[1]['learning_rate']: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return original(*args, learning_rate=learning_rate, **options)\n"
        "loop.train = train\n"
        "tuning.search(experiment.prepare(p, datasets.load(**p.data)))\n"
    )
    asked["trials"] = 2
    command = [sys.executable, "-c", code, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    undisturbed = tuning.search(prepared(asked, results=str(tmp_path / "other")))
    del trained[:]
    pd.testing.assert_frame_equal(without_time(tuning.search(prepared(asked))), without_time(undisturbed))
    assert len(trained) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate_range": [1e-3, 2e-2]}, "learning_rate_range = [0.001, 0.01] and not [0.001, 0.02]"),
        ({"epochs_range": 2}, "epochs_range = [1, 3] and not [2, 2]"),
        ({"batch_sizes": "16"}, "batch_sizes = [16, 32] and not [16]"),
        ({"search_seed": 1}, "search_seed = 0 and not 1"),
        ({"max_tokens": 7}, "max_tokens = 8 and not 7"),
    ],
)
def test_another_search_in_the_same_folder_stops_and_says_what_differs(asked, changes, message):
    tuning.search(prepared(asked, trials=1))
    with refused("made-with-other-parameters", "give another study name, or delete", f"tune was made with {message}"):
        tuning.search(prepared(asked, **changes))


def test_other_texts_under_the_same_name_stop(asked, tmp_path):
    frame = pd.read_csv(asked["dataset"])
    copy = tmp_path / "topics.csv"
    frame.to_csv(copy, index=False)
    tuning.search(prepared(asked, dataset=str(copy), trials=1))
    frame.assign(text=frame["text"] + " cat").to_csv(copy, index=False)
    with refused("made-with-other-parameters", "give another study name", "was made with data = "):
        tuning.search(prepared(asked, dataset=str(copy), trials=2))


def test_a_space_may_change_until_a_trial_is_kept(asked, trained):
    trained.cut_off_at = 1
    with pytest.raises(KeyboardInterrupt):
        tuning.search(prepared(asked))
    assert len(tuning.search(prepared(asked, max_tokens=7))) == 4


def test_a_trial_that_diverges_has_its_reason_and_the_search_goes_on(asked, trained):
    # Rates above 1e20 make the loss infinite, those near the lower end do not.
    table = tuning.search(prepared(asked, trials=8, epochs_range=3, learning_rate_range=[1e-2, 1e32]))
    failed = table[table["validation"].isna()]
    assert 0 < len(failed) < 8 and len(trained) == 8
    assert failed["reason"].str.contains("lower").all() and (table.drop(failed.index)["reason"] == "").all()
    assert tuning.best(table)["validation"] == table["validation"].max()
    # It is known to fail, and not tried again.
    tuning.search(prepared(asked, trials=8, epochs_range=3, learning_rate_range=[1e-2, 1e32]))
    assert len(trained) == 8
    problem = f"the loss of none of the {len(failed)} trials stayed finite"
    with refused("all-trials-diverged", "give another study name, and a lower learning_rate_range", problem):
        tuning.best(failed)


def test_what_is_no_divergence_ends_the_search(asked, tiny_bert):
    with refused("too-many-layers", "give 2 at most", "num_hidden_layers = 3 is more than the 2 of"):
        tuning.search(prepared(asked, model=tiny_bert, num_hidden_layers=3))


GPU_FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")


@pytest.mark.parametrize(
    ("place", "error", "id", "kind"),
    [
        ("build", GPU_FULL, "out-of-gpu-memory", TransientError),
        ("train", GPU_FULL, "out-of-gpu-memory", TransientError),
        ("predict", GPU_FULL, "out-of-gpu-memory", TransientError),
        ("train", MemoryError(), "out-of-memory", TransientError),
        ("train", OSError(28, "No space left on device"), "disk-full", TransientError),
        ("train", sqlite3.OperationalError("database or disk is full"), "disk-full", TransientError),
        ("train", TransientError("no-network", "no network", "try again"), "no-network", TransientError),
        ("train", PielabError("window-too-long", "too long", "lower it"), "window-too-long", PielabError),
    ],
)
def test_what_is_not_the_trials_fault_ends_the_search_and_saves_no_trial(asked, monkeypatch, place, error, id, kind):
    experiment = prepared(asked, trials=1)
    with monkeypatch.context() as patch, refused(id, kind=kind):
        patch.setattr(Experiment, place, Mock(side_effect=error))
        tuning.search(experiment)
    table = tuning.search(experiment)
    assert table["trial"].tolist() == [0] and not table["validation"].isna().any()


@pytest.mark.parametrize("name", ["a?b", "a#b", "a%41", "a{b}", "a{SCHEMA_VERSION}", "a b&c=d", "a'b", "ä:b", "?"])
def test_the_trials_are_in_the_folder_of_the_search_whatever_its_name(asked, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    experiment = prepared(asked, results=f"{name}/results", trials=1)
    tuning.search(experiment)
    assert [path.name for path in experiment.parameters.folder.iterdir()] == ["search.db"]
    assert [path.name for path in tmp_path.iterdir() if path.name != "results"] == [name]


def test_trials_that_would_all_be_the_same_are_refused(asked):
    one = {"epochs_range": 1, "batch_sizes": 16, "learning_rate_range": 1e-3}
    problem = "leave one choice, so all 4 trials would be the same"
    with refused("identical-trials", "give one of them several values", problem):
        check("00_tune", asked | one)
    for several in ({"trials": 1}, {"epochs_range": [1, 2]}, {"batch_sizes": [16, 32]}):
        check("00_tune", asked | one | several)


def test_of_equally_good_trials_the_first_is_the_best():
    table = pd.DataFrame({"trial": [0, 1, 2, 3], "validation": [np.nan, 0.5, 0.7, 0.7]})
    assert tuning.best(table)["trial"] == 2


def test_the_texts_are_encoded_once_and_no_model_is_kept(asked, monkeypatch):
    made, original = [], classifier.encoder
    monkeypatch.setattr(classifier, "encoder", lambda *args: made.append(1) or original(*args))
    experiment = prepared(asked)
    tuning.search(experiment)
    assert len(made) == 1
    assert [path.name for path in experiment.parameters.pair_folder.rglob("*") if path.is_file()] == ["search.db"]


def test_the_params_file_trains_to_the_value_that_the_search_says(asked, given):
    experiment = prepared(asked)
    table = tuning.search(experiment)
    passed_on = given | asked | {"seeds": "0-1", "bins": 7, "epochs": 99, "pruner": "MP-AI"}
    path = tuning.write_params(experiment, table, passed_on)
    assert path == experiment.parameters.pair_folder / "tune" / "topics-bilstm.yaml"
    values = yaml.safe_load(path.read_text())
    best = tuning.best(table)
    assert (values["epochs"], values["learning_rate"]) == (best["epochs"], best["learning_rate"])
    assert values["seeds"] == "0-1" and values["bins"] == 7 and values["processes"] == 1
    p = check("01_train", values | {"study": "test", "results": asked["results"]})
    metrics = runs.train_dense(prepare(p, datasets.load(**p.data)))
    assert metrics["validation"][0] == best["validation"]
    comment = " ".join(path.read_text().splitlines()[:3])
    assert "study test" in comment and "best of 4 trials" in comment and f"{best['validation']:.4f}" in comment
    assert comment.endswith(f"-f {path}")


def test_the_params_file_has_every_parameter_once_in_paragraphs_and_its_defaults(asked):
    experiment = prepared(asked, trials=1)
    written = tuning.write_params(experiment, tuning.search(experiment), {"budget": "equal"}).read_text()
    _, *paragraphs = re.sub("(?m)^#.*\n", "\n", written).strip().split("\n\n")
    assert [paragraph.partition(":")[0] for paragraph in paragraphs] == list(tuning.PARAGRAPHS)
    names = re.findall(r"(?m)^(\w+):", written)
    assert len(names) == len(set(names)) and set(names) == FIELDS.keys() - tuning.NOT_IN_FILE
    assert {"study", "pruner", "threshold", "results", "examples", "margin", "split", "rows"} == tuning.NOT_IN_FILE
    values = yaml.safe_load(written)
    assert values == values | DEFAULTS_OF_OTHERS | {"budget": "equal", "seeds": "0-29"}
    for notebook in ("00_tune", "01_train", "04_el2n", "05_readability"):
        known = set(NOTEBOOKS[notebook].model_fields) & set(values)
        NOTEBOOKS[notebook](study="s", results="r", **{name: values[name] for name in known})


def test_trials_train_with_the_settings_that_they_are_given(asked, given, monkeypatch):
    settings = {"warmup": 0.25, "decay": "linear", "weight_decay": 0.1}
    seen, original = [], loop.train
    monkeypatch.setattr(loop, "train", lambda *args, **options: seen.append(options) or original(*args, **options))
    experiment = prepared(asked, trials=1, **settings)
    table = tuning.search(experiment)
    assert {name: seen[0][name] for name in settings} == settings
    values = yaml.safe_load(tuning.write_params(experiment, table, {}).read_text())
    p = check("01_train", values | settings | {"study": "test", "results": asked["results"], "seeds": 0})
    assert runs.train_dense(prepare(p, datasets.load(**p.data)))["validation"][0] == table["validation"][0]
    with refused("made-with-other-parameters", "another study name", "made with warmup = 0.25 and not None"):
        tuning.search(prepared(asked, trials=1))


def test_several_labels_are_tuned_by_macro_f1_and_the_decision_threshold_of_the_training_set(asked, given, tmp_path):
    frame = pd.read_csv(asked["dataset"])
    frame["label"] = [f"{label};{'long' if len(text) > 40 else 'short'}" for text, label in frame.values]
    frame.to_csv(tmp_path / "several.csv", index=False)
    several = {"dataset": str(tmp_path / "several.csv"), "label_separator": ";", "trials": 2}
    experiment = prepared(asked, **several)
    assert experiment.metric == "macro-F1"
    best = tuning.best(tuning.search(experiment))
    names = TrainParameters.model_fields
    p = TrainParameters(
        **{name: value for name, value in (given | several).items() if name in names}
        | {name: best[name] for name in tuning.SEARCHED}
        | {"seeds": 0}
    )
    metrics = runs.train_dense(prepare(p, datasets.load(**p.data)))
    assert metrics["validation"][0] == best["validation"]


def test_the_progress_names_the_best_so_far_and_ends_complete(asked, monkeypatch):
    seen, original = [], tuning.Progress.step

    def step(self, note, steps=1):
        seen.append((self, note))
        original(self, note, steps)

    experiment = prepared(asked, trials=8, epochs_range=3, learning_rate_range=[1e-2, 1e32])
    monkeypatch.setattr(tuning.Progress, "step", step)
    table = tuning.search(experiment)
    progress, last = seen[-1]
    assert progress.done == progress.total == 8 * 4
    assert "best: none yet" in seen[0][1] and last.startswith("trial 7 kept; best: ")
    assert f"{table['validation'].max():.3f} in trial {tuning.best(table)['trial']}" in last


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("epochs_range", "6,2", "the fewest and the most epochs"),
        ("epochs_range", [2, 4, 6], "the fewest and the most epochs"),
        ("epochs_range", "2.5,4", "the fewest and the most epochs"),
        ("epochs_range", [True, 3], "the fewest and the most epochs"),
        ("epochs_range", None, "the fewest and the most epochs"),
        ("batch_sizes", [], "the batch sizes to choose from"),
        ("batch_sizes", "", "the batch sizes to choose from"),
        ("batch_sizes", True, "the batch sizes to choose from"),
        ("learning_rate_range", [0, 1], "the lowest and the highest learning rate"),
        ("learning_rate_range", "2e-5-2e-4", "the lowest and the highest learning rate"),
        ("learning_rate_range", ["2e-5", float("inf")], "the lowest and the highest learning rate"),
        ("trials", 0, "how many trials the search has, from 1"),
        ("search_seed", -1, "a whole number from 0"),
    ],
)
def test_a_range_that_is_not_accepted_is_one_line_that_says_what_is(asked, name, value, accepted):
    with refused("value-not-accepted", f"give {accepted}", f"{name} = {value!r} is not accepted by 00_tune"):
        check("00_tune", asked | {name: value})


@pytest.mark.parametrize("value", [[2e-5, 2e-4], ("2e-5", "2e-4"), "2e-5,2e-4", "2e-5, 2e-4", "[2e-5, 2e-4]"])
def test_ranges_as_papermill_passes_them(asked, value):
    p = check("00_tune", asked | {"learning_rate_range": value, "epochs_range": 3, "batch_sizes": "8, 16"})
    assert p.learning_rate_range == (2e-5, 2e-4) and p.epochs_range == (3, 3) and p.batch_sizes == (8, 16)


def test_the_figure_has_a_panel_for_what_was_searched():
    table = pd.DataFrame(
        {
            "trial": [0, 1, 2],
            "epochs": [2, 3, 6],
            "batch_size": [32, 32, 32],
            "learning_rate": [2e-5, 6e-5, 2e-4],
            "validation": [0.6, 0.8, np.nan],
        }
    )
    figure = figures.search(table, "accuracy")
    assert [axes.get_xlabel() for axes in figure.axes] == ["epochs", "learning rate, log scale"]
    assert figure.axes[0].get_ylabel() == "validation accuracy" and figure.axes[1].get_xscale() == "log"
    for axes, at in zip(figure.axes, (3, 6e-5), strict=True):
        marked = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
        assert marked["the best"] == [[at, 0.8]] and len(marked["trial"]) == 2 and len(marked["failed"]) == 1
