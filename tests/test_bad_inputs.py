"""Inputs that a stranger really gives: each is refused in one sentence with its cure, quickly, and writes nothing."""

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bad_inputs import BAD_INPUTS, COMMANDS, DATA, PARAMETERS, STUDIES, is_one_sentence
from conftest import refused

from pielab.commands import run
from pielab.config import local_paths
from pielab.config.parameters import NOTEBOOKS
from pielab.config.validation import validate
from pielab.errors import near_miss
from pielab.store import paths

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
