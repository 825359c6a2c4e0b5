"""A user's own score or compressor: found, checked, run, and recorded with its content."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import PROJECT, refused

from pielab.compression import own_functions
from pielab.config import study
from pielab.config.parameters import PruneParameters
from pielab.config.validation import validate
from pielab.data import datasets
from pielab.store import paths, predictions, records
from pielab.training import runs
from pielab.training.experiment import prepare


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes mine.py into the working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "mine.py").write_text(text)


def run(given, **changes):
    p = validate(PruneParameters, given | {"threshold": 60} | changes, "02_prune")
    runs.train_pruned(prepare(p, datasets.load(**p.data)))
    return p, predictions.read_seeds(p.folder, p.seeds).logits


@pytest.mark.parametrize(
    ("same_as", "text", "options"),
    [
        ("Magnitude", "def score(weights):\n    return weights.abs()\n", {}),
        ("Wanda", "def score(weights, activations):\n    return weights.abs() * activations\n", {"scope": "row"}),
        ("IMP-FT", "def score(weights):\n    return weights.abs_()\n", {"schedule": "iterative"}),
        (
            "IIBP-WR",
            "def score(gradients, weights):\n    return (weights * gradients).abs()\n",
            {"schedule": "iterative", "retraining": "rewinding"},
        ),
        (
            "MP-AI-global",
            "def score(weights):\n    return weights.abs()\n",
            {"schedule": "at initialization", "scope": "global"},
        ),
    ],
)
def test_ours_written_by_a_user_gives_the_same(given, mine, same_as, text, options):
    mine(text)
    p, logits = run(given, pruner="mine:score", **options)
    _, ours = run(given, pruner=same_as)
    assert (logits == ours).all() and p.folder.name == "score-60"
    recipe = records.read(paths.seed(p.folder, 0))["parameters"]
    assert recipe["pruner"] == "mine:score" and recipe["code"] and options.items() <= recipe.items()


def test_another_content_is_another_recipe(given, mine):
    mine("def score(weights):\n    return weights.abs()\n")
    run(given, pruner="mine:score")
    mine("def score(weights):\n    return -weights.abs()\n")
    with refused("made-with-other-parameters", "another study name", "code ="):
        run(given, pruner="mine:score")


def test_what_runs_is_what_is_recorded_if_the_file_changes_meanwhile(given, mine):
    mine("def score(weights):\n    return weights.abs()\n")
    p = validate(PruneParameters, given | {"pruner": "mine:score", "threshold": 60, "seeds": "0"}, "02_prune")
    experiment = prepare(p, datasets.load(**p.data))
    mine("def score(weights):\n    return -weights.abs()\n")
    runs.train_pruned(experiment)
    changed = predictions.read_seeds(p.folder, p.seeds).logits
    mine("def score(weights):\n    return weights.abs()\n")
    assert (run(given, pruner="mine:score", seeds="0")[1] == changed).all()  # its recipe is still the same
    assert (run(given, pruner="Magnitude", seeds="0")[1] == changed).all()


def test_a_compressor_gets_what_it_takes(given, mine):
    mine(
        "import torch\n\ndef compress(model, setting, batches):\n"
        "    assert setting == 'half' and not model.training and torch.is_tensor(batches[0]['input_ids'])\n"
        "    model(**batches[0])\n"
        "    for weight in model.parameters():\n        weight.data *= torch.rand(1)\n    return model\n"
    )
    p, logits = run(given, pruner="mine:compress", threshold="half")
    record = records.read(paths.seed(p.folder, 0))
    assert p.folder.name == "compress-half" and record["threshold"] == "half" and record["losses"] == []
    shutil.rmtree(p.folder)
    assert (run(given, pruner="mine:compress", threshold="half")[1] == logits).all()


def test_a_compressor_that_does_nothing_changes_nothing(given, mine):
    mine("def compress(model):\n    return model\n")
    p, logits = run(given, pruner="mine:compress", threshold=0)
    assert p.folder.name == "compress" and (logits == predictions.read_seeds(p.dense_folder, p.seeds).logits).all()


@pytest.mark.parametrize(
    ("text", "name", "id", "problem"),
    [
        (None, "mine:score", "no-such-module", "there is no mine.py"),
        ("def other(weights):\n    return weights\n", "mine:score", "no-such-function", "it defines other"),
        ("def score(weights:\n", "mine:score", "module-not-python", "is not Python"),
        ("def score(w):\n    return w\n", "mine:score", "function-of-other-parameters", "takes w"),
        ("def score():\n    return 1\n", "mine:score", "function-of-other-parameters", "takes nothing"),
        ("def score(model, weights):\n    return 1\n", "mine:score", "function-of-other-parameters", "model, weights"),
        ("def PINS(weights):\n    return weights\n", "mine:PINS", "function-named-as-a-pruner", "mine:PINS"),
    ],
)
def test_what_is_wrong_with_a_function_is_said_without_running_it(given, mine, tmp_path, text, name, id, problem):
    if text:
        mine("raise SystemError\n\n" + text)
    with refused(id, problem=problem):
        run(given, pruner=name)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("body", "id", "problem"),
    [
        ("def score(weights):\n    return weights[0]\n", "scores-of-other-shape", "a tensor ("),
        ("def score(weights):\n    return 1.0\n", "scores-of-other-shape", "float"),
        ("def score(weights):\n    return weights / 0 * 0\n", "scores-with-nan", "NaN"),
        ("def score(weights):\n    return weights + nothing\n", "own-function-failed", "NameError"),
        ("def score(model):\n    return None\n", "no-model-returned", "NoneType"),
        ("import torch\ndef score(model):\n    return torch.nn.Linear(2, 2)\n", "own-model-fails", ""),
        (
            "import types\ndef score(model):\n    model.forward = lambda input_ids: types.SimpleNamespace(logits=1)\n"
            "    return model\n",
            "model-of-other-logits",
            "gives logits none",
        ),
        (
            "def score(model):\n    model.classifier.weight.data *= float('nan')\n    return model\n",
            "logits-not-finite",
            "",
        ),
    ],
)
def test_what_a_function_gives_is_checked(given, mine, body, id, problem):
    mine(body)
    with refused(id, problem=problem):
        run(given, pruner="mine:score")
    p = PruneParameters(**given | {"pruner": "mine:score"})
    assert not list(p.folder.glob("seeds/0*"))


@pytest.mark.parametrize(
    ("options", "id"),
    [
        ({"pruner": "IMP-FT", "schedule": "iterative"}, "for-own-functions-alone"),
        ({"pruner": "mine:compress", "scope": "row"}, "compressor-with-schedule"),
        ({"pruner": "mine:score", "threshold": 0}, "no-setting-of-a-score"),
        ({"pruner": "mine:score", "threshold": "half"}, "no-setting-of-a-score"),
        ({"pruner": "mine:score", "threshold": "2:4", "schedule": "iterative"}, "no-setting-of-a-score"),
        ({"pruner": "mine:score", "schedule": "gradual"}, "value-not-accepted"),
        ({"pruner": "mine.score"}, "value-not-accepted"),
        ({"pruner": "mine:score:more"}, "value-not-accepted"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(given, mine, options, id):
    mine("def score(weights):\n    return weights\n\ndef compress(model):\n    return model\n")
    with refused(id):
        run(given, **options)


def test_a_study_has_functions_beside_pruners(mine):
    mine("def score(weights):\n    return weights\n\ndef compress(model):\n    return model\n")
    shutil.copytree(PROJECT / "params", "params")
    entry = {"params": "params/bbc-news-bilstm.yaml", "schedule": "iterative"}
    functions = {"IMP-FT": [50], "mine:score": [50, 90]}
    asked = study.read({"study": "s", "configurations": [entry | {"pruners": functions}]})
    names = [each.name for each in asked.configurations]
    assert names == ["dense", "control-FT", "IMP-FT-50", "score-50", "score-90"]
    assert asked.control("bbc-news-bilstm/score-90") == "bbc-news-bilstm/control-FT"
    with refused("no-own-function-to-set", "leave that out", "schedule"):
        study.read({"study": "s", "configurations": [entry | {"pruners": {"IMP-FT": [50]}}]})
    shutil.copy("mine.py", "yours.py")
    with refused("configurations-in-one-folder", "functions of different names", "yours:score"):
        functions = {"mine:score": [50], "yours:score": [50]}
        study.read({"study": "s", "configurations": [entry | {"pruners": functions}]})


def test_an_installed_module_is_read_without_being_imported():
    sys.modules.pop("antigravity", None)  # it would open a browser
    with refused("no-such-function", "define it there", "antigravity.py defines no function nothing"):
        own_functions.read("antigravity:nothing")
    with refused("function-of-other-parameters", problem="takes latitude"):
        own_functions.read("antigravity:geohash")
    with refused("no-such-function", problem="decoder.py defines no function nothing"):
        own_functions.read("json.decoder:nothing")
    assert "antigravity" not in sys.modules


def test_the_examples_of_the_docs_run_as_they_stand(tmp_path):
    text = (PROJECT / "docs" / "own-methods.md").read_text()
    blocks = {kind: "\n".join(re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)) for kind in ("python", "sh")}
    assert blocks["python"].count("def ") == 2 and blocks["sh"].count("papermill") == 4
    (tmp_path / "mine.py").write_text(blocks["python"])
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(PROJECT / ".venv" / "bin")
    shutil.copytree(PROJECT / "notebooks", tmp_path / "notebooks")
    options = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(PROJECT)}, "capture_output": True, "text": True}
    ran = subprocess.run(["bash", "-e", "-c", blocks["sh"]], **options, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    pair = tmp_path / "results" / "try" / "bbc-news-bilstm"
    assert all((pair / name / "pies.parquet").exists() for name in ("score-50", "compress-25"))
