"""The names that scripts call: those of today, and those from before pielab had packages."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import pielab
from pielab.analysis.examples import readability

PROJECT = Path(__file__).parents[1]

# Whatever scripts, the documentation and the notebooks called while pielab was one folder of modules.
OLD = {
    "analysis": "classes el2n el2n_scores error_norms read readability_ratios save",
    "assets": "ASSETS Asset cache_folder extract fetch",
    "bring": "add",
    "cards": "beside_published card counts max_tokens of_study save",
    "comparison": "budget difference figure pruners readable",
    "datasets": "class_names digest is_multi_label joined_texts load targets",
    "errors": "PassingFault PielabError",
    "explore": "Explorer example show study_pies surest",
    "figures": "by_models_per_side el2n losses p_pie readability search two_sides votes",
    "influence": "bins by_bin early_epoch el2n",
    "measures": "beside_null class_recall_test flips jensen_shannon kappa spearman spearman_pies",
    "models": "BiLSTM build count_parameters encoder",
    "paper": "FIGURES beside_published table write_tables",
    "parameters": "NOTEBOOKS TrainParameters check digest",
    "pies": "check_pair find majority majority_sets multi_label single_label votes",
    "plan": "commands text",
    "predictions": "Predictions best_decision_threshold effectiveness macro_f1 read read_seeds sigmoid softmax write",
    "pruning": "KNOWN PRUNERS apply_masks dense_masks impact magnitude prunable prune pruner random sparsity",
    "published": "beside table",
    "readability": "SCORES matched_ratios ratios scores",
    "records": "finished losses metrics pruned_counts read",
    "report": "draw show write_index",
    "runs": "Experiment prepare train_dense train_pruned",
    "statistics": "Null by_models_per_side difference effectiveness_on_pies excess_by_group halvings null",
    "status": "lines page",
    "tables": "CONFIGURATION check_same_data configurations effectiveness examples means pie_examples pie_shares seeds",
    "training": "choose_device choose_precision derive gradients predict train",
    "tuning": "best proposals search write_params",
}


def runs(seed, flipped=0.1):
    """Class ids (8 seeds, 40 examples) of models that agree on most."""
    random = np.random.default_rng(seed)
    truth = np.arange(40) % 3
    return np.where(random.random((8, 40)) < flipped, random.integers(0, 3, (8, 40)), truth)


def test_about_fifteen_names_are_for_users_and_each_is_a_module():
    assert 13 <= len(pielab.__all__) <= 18
    for name in pielab.__all__:
        assert getattr(pielab, name).__doc__, name


@pytest.mark.parametrize("module", OLD)
def test_an_old_name_is_found_as_an_attribute_and_by_import(module):
    for name in OLD[module].split():
        found = getattr(getattr(pielab, module), name)
        namespace = {}
        exec(f"from pielab.{module} import {name}", namespace)
        assert found is namespace[name] or found.__code__ is namespace[name].__code__


@pytest.mark.parametrize("code", ["pielab.mod", "pielab.pies.majo", "pielab.models.buil", "pielab.statistics.nul"])
def test_names_complete_in_a_notebook(code):
    shell = InteractiveShell()
    shell.user_ns["pielab"] = pielab
    with provisionalcompleter():
        assert list(shell.Completer.completions(code, len(code))), code


def test_old_names_compute_what_the_new_ones_do(tmp_path):
    dense, pruned = runs(0), runs(1, flipped=0.4)
    assert (pielab.pies.find(dense, pruned) == (pielab.pies.majority(dense) != pielab.pies.majority(pruned))).all()
    assert (pielab.pies.single_label(dense, pruned) == pielab.pies.find(dense, pruned)).all()
    old = pielab.statistics.null(dense, pruned, resamples=30)
    new = pielab.null.estimate(dense, pruned, n_splits=30, n_bootstrap=30)
    assert (old.excess, old.low, old.high) == (new.excess, new.low, new.high) and old.low < old.excess < old.high
    hot = np.eye(3)[np.arange(40) % 3]
    probabilities = np.random.default_rng(2).random((8, 40, 3))
    assert (pielab.influence.el2n(probabilities, hot) == pielab.el2n.el2n(probabilities, hot)).all()
    assert pielab.influence.early_epoch(10) == 4
    assert pielab.predictions.macro_f1(hot, hot) == pielab.predictions.effectiveness(hot, hot) == 1
    columns = [*pielab.readability.SCORES, "length in tokens"]
    table = pd.DataFrame(1 + np.random.default_rng(3).random((40, 8)), columns=columns)
    some = np.arange(40) < 20
    # Imported by its old name, as a script of then has it, it takes the old arguments.
    old = importlib.import_module("pielab.readability").ratios(table, some, resamples=5)
    assert old.equals(readability.ratios(table, some, n_bootstrap=5)) and len(old) == 8
    pielab.cards.save(pd.DataFrame({"ours": [2.0]}, index=["classes"]), tmp_path / "pair", "mine", True)
    assert pielab.cards.of_study(tmp_path).loc["mine"].to_dict() == {"classes": 2, "classification": "multi-label"}
    assert pielab.pruning.sparsities(pielab.pruning.PRUNERS["MP-AI"], 0.9) == [0.9]


def test_an_old_name_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'pielab.statistics' has no attribute 'nul'"):
        _ = pielab.statistics.nul
    with pytest.raises(ModuleNotFoundError, match="pielab.statistic"):
        exec("import pielab.statistic")


@pytest.mark.parametrize("command", ["assets", "plan", "report", "status"])
def test_an_old_command_goes_on_working(command, tmp_path):
    given = {"assets": [], "plan": ["--help"], "report": ["--help"], "status": ["--help"]}[command]
    options = {"capture_output": True, "text": True, "check": False}
    done = subprocess.run([sys.executable, "-m", f"pielab.{command}", *given], **options)
    assert done.returncode == 0, done.stderr
    assert f"usage: pielab {command}" in done.stdout or "bbc-news: " in done.stdout
