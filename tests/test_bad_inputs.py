"""Inputs that a stranger really gives: each is refused in one sentence with its cure, quickly, and writes nothing."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bad_inputs import BAD_INPUTS, COMMANDS, DATA, PARAMETERS, STUDIES, is_one_sentence
from conftest import refused, run_cells

from pielab.commands import run
from pielab.config import local_paths
from pielab.config.parameters import NOTEBOOKS
from pielab.config.validation import validate
from pielab.data import datasets
from pielab.errors import near_miss
from pielab.store import paths
from pielab.training import runs
from pielab.training.experiment import prepare

PROJECT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1"}
OPTIONS = {"env": ENVIRONMENT, "capture_output": True, "text": True, "check": False, "stdin": subprocess.DEVNULL}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What each command did, all in one process of their own, where nothing heavy is imported before."""
    command = [sys.executable, PROJECT / "tests/bad_inputs.py", tmp_path_factory.mktemp("bad") / "inputs"]
    done = subprocess.run(command, **OPTIONS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_a_bad_input_is_one_sentence_and_writes_nothing(bad, outcomes):
    outcome = outcomes[bad.name]
    assert not outcome["crash"] and outcome["status"] == 2, outcome
    assert is_one_sentence(bad, outcome["stderr"]), outcome["stderr"]
    assert not outcome["written"]
    assert set(outcome["imported"]) <= bad.imports


SAMPLE = [COMMANDS[0], COMMANDS[-1], PARAMETERS[0], STUDIES[0], DATA[0]]


@pytest.mark.parametrize("bad", SAMPLE, ids=lambda bad: bad.name)
def test_a_bad_input_is_told_at_once(bad, tmp_path):
    bad.make(tmp_path / "here")
    command, seconds = [sys.executable, "-m", "pielab", *shlex.split(bad.command)], []
    while not seconds or (min(seconds) >= 2 and len(seconds) < 3):  # a busy machine may be slow once
        start = time.monotonic()
        done = subprocess.run(command, cwd=tmp_path / "here", **OPTIONS)
        seconds.append(time.monotonic() - start)
    assert done.returncode == 2 and is_one_sentence(bad, done.stderr), done.stderr
    assert min(seconds) < 2, seconds


def test_every_bad_input_has_a_name_of_its_own_and_a_sentence_to_expect():
    assert len({bad.name for bad in BAD_INPUTS}) == len(BAD_INPUTS) >= 70
    assert all(bad.given and bad.cure for bad in BAD_INPUTS)


def test_what_is_no_sentence_with_its_cure_is_told_from_one():
    bad = PARAMETERS[0]
    sentence = f"error: {bad.given}: {bad.cure}.\n"
    assert is_one_sentence(bad, sentence) and is_one_sentence(bad, f"warning: x\n{sentence}")
    for said in ("", sentence * 2, f"Traceback\n{sentence}", f"error: {bad.cure}", f"error: {bad.given}", sentence[7:]):
        assert not is_one_sentence(bad, said)


def test_a_near_miss_is_the_known_name():
    assert near_miss("imp-ft", ["RTN", "IMP-FT"]) == "did you mean IMP-FT? "
    assert near_miss("zebra", ["RTN", "IMP-FT"]) == ""


def test_a_folder_that_may_not_be_written_is_refused_before_it_is_made(tmp_path, monkeypatch):
    paths.require_folder(tmp_path / "new" / "deeper")
    monkeypatch.setattr(os, "access", lambda *given: False)
    with refused("folder-not-writable", "another place", str(tmp_path)):
        paths.require_folder(tmp_path / "new" / "deeper")


def test_a_notebook_that_reads_predictions_needs_no_model_here():
    values = run.defaults(run.source("03_pies")) | {"model": "./gone"}
    local_paths.check(validate(NOTEBOOKS["03_pies"], values, "03_pies"))
    values = run.defaults(run.source("01_train")) | {"model": "./gone"}
    with refused("no-such-path", "a folder with a transformer", "model = './gone'"):
        local_paths.check(validate(NOTEBOOKS["01_train"], values, "01_train"))


CELLS = {"limit": None, "max_tokens": 8, "epochs": 1, "batch_size": 16, "seeds": "0-1", "device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, texts_csv, vectors_file):
    """A folder with data, word vectors, and two seeds of each configuration, as 01 and 02 leave them."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(texts_csv, folder / "reviews.csv")
    shutil.copy(vectors_file, folder / "vectors.txt")
    with contextlib.chdir(folder):
        p = validate(NOTEBOOKS["02_prune"], values_of("02_prune"), "02_prune")
        experiment = prepare(p, datasets.load(**p.data))
        runs.train_dense(experiment)
        runs.train_pruned(experiment)
    return folder


def values_of(notebook, **changes):
    own = {"study": "s", "dataset": "reviews.csv", "text": "text", "label": "label", "word_vectors": "vectors.txt"}
    values = CELLS | own | {"pruner": "MP-AI", "threshold": 50, "n_splits": 5, "n_bootstrap": 5} | changes
    defaults = run.defaults(run.source(notebook))
    return defaults | {name: value for name, value in values.items() if name in defaults}


def delete(path):
    return lambda: shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()


def write(path, content):
    return lambda: Path(path).write_bytes(content)


def move(path, to):
    def moved():
        shutil.rmtree(to)
        shutil.copytree(path, to)

    return moved


def emptied(path):
    return lambda: [file.unlink() for file in Path(path).iterdir()]


PAIR = "results/s/reviews-bilstm"
SEED = f"{PAIR}/MP-AI-50/seeds/01"
OTHER = "\n".join(["text,label", *(f"the {word} {n},{word}" for n in range(60) for word in ("cat", "dog", "fish"))])
MODEL = {"model": "acme/none"}
RUNNING = [
    ("02_prune", None, {"epochs": 2}, "made-with-other-parameters", "epochs = 1 and not 2", "another study name"),
    ("02_prune", write("reviews.csv", OTHER.encode()), {}, "made-with-other-parameters", "with data =", "delete"),
    (
        "02_prune",
        delete(f"{SEED}/test.parquet"),
        {},
        "file-missing",
        "01/test.parquet is missing",
        "to train that seed",
    ),
    ("02_prune", emptied(SEED), {}, "file-missing", "01/metrics.json is missing", "to train that seed anew"),
    ("02_prune", write(f"{SEED}/metrics.json", b"{"), {}, "file-damaged", "metrics.json is damaged", "train that seed"),
    ("02_prune", write("vectors.txt", b"a 1 2\nb 1\n"), {}, "no-word-and-numbers", "line 2 is not a word", "in UTF-8"),
    ("02_prune", write("vectors.txt", b"3 2\na\0\1"), {}, "word-vectors-not-text", "is binary", "as text"),
    ("02_prune", write("vectors.txt", b""), {}, "empty-word-vectors", "vectors.txt is empty", "on each line"),
    ("02_prune", None, MODEL, "model-not-loaded", "acme/none", "a Hub id that this machine can fetch"),
    ("02_prune", None, {"device": "cuda"}, "no-such-device", "device = 'cuda' is not on this machine", "auto"),
    ("02_prune", None, {"group": "dialect"}, "no-such-column", "no column 'dialect'", "set group to one of"),
    (
        "03_pies",
        delete("results"),
        {},
        "no-predictions-of-configuration",
        "there are no predictions in",
        "01_train or 02_prune",
    ),
    ("03_pies", delete(SEED), {}, "no-such-predictions", "01/test.parquet", "leave it out of seeds"),
    ("03_pies", None, {"seeds": "0-3"}, "no-such-predictions", "dense/seeds/02", "leave it out of seeds"),
    ("03_pies", None, {"seeds": "0"}, "too-few-unpruned-models", "needs at least two unpruned models", "add seeds"),
    ("03_pies", write("reviews.csv", OTHER.encode()), {}, "predictions-of-other-data", "on other texts", "train again"),
    (
        "03_pies",
        write(f"{SEED}/test.parquet", b"PAR1"),
        {},
        "file-damaged",
        "test.parquet is damaged",
        "train that seed",
    ),
    ("03_pies", move(f"{PAIR}/dense/seeds/00", SEED), {}, "file-misplaced", "is of seed 0", "train that seed anew"),
    ("04_el2n", delete(f"{PAIR}/dense/seeds/00/train.parquet"), {}, "no-such-predictions", "00/train", "train this"),
    ("05_readability", None, {}, "pair-without-pies", "has no PIEs yet", "run 03_pies for a configuration"),
    ("06_report", None, {}, "study-without-pies", "has no PIEs yet", "run 03_pies for a configuration"),
    ("07_explore", None, {}, "study-without-pies", "has no PIEs yet", "run 03_pies for a configuration"),
]


@pytest.mark.parametrize(("notebook", "damage", "changes", "id", "given", "cure"), RUNNING)
def test_what_a_running_notebook_meets_is_one_sentence_and_leaves_no_results(
    trained, tmp_path, monkeypatch, capsys, notebook, damage, changes, id, given, cure
):
    folder = shutil.copytree(trained, tmp_path / "here")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    if damage:
        damage()
    before = set(folder.rglob("*"))
    with refused(id, cure, given):
        run_cells(notebook, **values_of(notebook, **changes))
    new = {path.name.partition(".xxh128")[0] for path in set(folder.rglob("*")) - before if path.is_file()}
    assert new <= {"card.csv"}
