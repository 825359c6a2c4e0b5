"""Several seeds at once in processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import refused, wait_for

from pielab.training import workers

# What the processes import: pickle sends functions by name.
MODULE = """
import os, pathlib, time
from pielab.errors import PielabError

class Experiment:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def seed_process(self):
        self.settled = True

def note(experiment, seed, report):
    assert experiment.settled
    report(f"seed {seed}", 2)
    (experiment.folder / str(seed)).write_text(str(os.getpid()))

def chatter(experiment, seed, report):
    for number in range(500):
        report(f"seed {seed}, {number}" + " " * 500, 1)

def fail(experiment, seed, report):
    if seed == 1:
        (experiment.folder / "raised").touch()
        raise PielabError("not-this-seed", "seed 1 is given", "leave it out")
    while not (experiment.folder / "raised").exists():
        time.sleep(0.01)
    time.sleep(0.5)
    note(experiment, seed, report)

def die(experiment, seed, report):
    os.kill(os.getpid(), 9)

def wait(experiment, seed, report):
    note(experiment, seed, report)
    time.sleep(100)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "trains.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    sys.modules.pop("trains", None)
    import trains

    (tmp_path / "out").mkdir()
    return trains


def test_no_note_is_lost_at_the_end(module, tmp_path):
    """The bar that the notebook keeps shall end complete."""
    for attempt in range(3):
        notes = []
        experiment = module.Experiment(tmp_path / "out")
        workers.run_seeds(module.chatter, experiment, range(2), 2, lambda note, steps, notes=notes: notes.append(note))
        assert len(notes) == 2 * 500, attempt


def test_each_seed_runs_once_in_one_of_the_processes_and_reports(module, tmp_path):
    experiment, notes = module.Experiment(tmp_path / "out"), []
    workers.run_seeds(module.note, experiment, range(5), 2, lambda note, steps: notes.append((note, steps)))
    assert sorted(notes) == [(f"seed {seed}", 2) for seed in range(5)]
    made_by = {path.name: path.read_text() for path in experiment.folder.iterdir()}
    assert set(made_by) == set("01234") and str(os.getpid()) not in made_by.values()
    assert len(set(made_by.values())) <= 2


def test_a_seed_that_fails_says_why_and_those_under_way_are_finished(module, tmp_path):
    experiment = module.Experiment(tmp_path / "out")
    with refused("not-this-seed", "leave it out", "seed 1 is given"):
        workers.run_seeds(module.fail, experiment, range(8), 2, lambda *note: None)
    made = {path.name for path in experiment.folder.iterdir()}
    assert "0" in made and "7" not in made


def test_a_process_that_is_killed_is_a_fault_that_may_pass(module, tmp_path):
    from pielab.errors import TransientError, as_transient

    with refused("worker-killed", "raise memory_gb", kind=TransientError), as_transient(tmp_path):
        workers.run_seeds(module.die, module.Experiment(tmp_path / "out"), range(2), 2, lambda *note: None)


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_no_process_outlives_the_one_that_started_it(module, tmp_path):
    code = (
        "import trains; from pielab.training import workers\n"
        f"workers.run_seeds(trains.wait, trains.Experiment({str(tmp_path / 'out')!r}), range(4), 2, print)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)

    def noted():
        return [pid for path in (tmp_path / "out").iterdir() if (pid := path.read_text())]

    wait_for("two processes", lambda: len(noted()) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for("end of both", lambda: not any(map(alive, noted())))


def alive(pid):
    """Whether a process is there and more than a zombie that nobody has waited for."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return False
    return stat.read_text().rpartition(")")[2].split()[0] != "Z"
