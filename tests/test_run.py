"""One notebook as a job: where it is while it runs, what is left when it fails, and what is tried again."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from pielab.jobs import notebook_state
from pielab.jobs import run as job

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def run(tmp_path):
    """Runs a notebook of the cells given as a study's pair/dense/01_train.ipynb."""
    study = tmp_path / "study"
    output, log = study / "pair/dense/01_train.ipynb", study / "logs/pair/dense/01_train.ipynb"

    def run(*cells, start=False, name="01_train", parameters=None, environment=None, stderr=None, **options):
        template = tmp_path / "01_train.ipynb"
        first = nbformat.v4.new_code_cell("workers = 1\nthreads = 1", metadata={"tags": ["parameters"]})
        nodes = [first, *map(nbformat.v4.new_code_cell, cells)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(nbformat.v4.new_notebook(cells=nodes, metadata=kernel), template)
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        paths = [str(each) for each in (template, output.with_stem(name), study)]
        command = [sys.executable, "-m", "pielab.jobs.run", *paths, json.dumps(parameters or {})]
        keywords = {"cwd": PROJECT, "env": os.environ | (environment or {}), "text": True}
        if start:
            return subprocess.Popen([*command, *words], **keywords, stderr=stderr)
        return subprocess.run([*command, *words], **keywords, capture_output=True, check=False)

    run.output, run.log, run.fault, run.record = output, log, log.with_suffix(".txt"), log.with_suffix(".json")
    return run


def printed(notebook):
    cells = nbformat.read(notebook, 4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    assert condition()


def test_a_notebook_that_ends_has_its_final_name_and_leaves_nothing_else(run):
    done = run(
        "import os; print(threads, workers, os.environ['OMP_NUM_THREADS'])", parameters={"threads": 2}, workers=3
    )
    assert done.returncode == 0 and not done.stdout and "rror" not in done.stderr
    assert printed(run.output) == "2 3 2\n"
    assert not any(path.exists() for path in (run.log, run.fault, run.record))


def test_while_it_runs_a_file_says_where(run):
    cells = ["import os; print(os.getpid())", "import time; time.sleep(100)"]
    process = run(*cells, start=True, environment={"SLURM_JOB_ID": "17"})
    wait_for(lambda: run.record.exists() and said_by_kernels(run))
    said = json.loads(run.record.read_text())
    assert said["pid"] == process.pid and said["job"] == "17" and abs(said["started"] - time.time()) < 60
    assert not run.output.exists()
    process.kill()
    process.wait()
    assert json.loads(run.record.read_text()) == said  # nobody was left to say that it ended
    (kernel,) = said_by_kernels(run)
    wait_for(lambda: not Path(f"/proc/{kernel}").exists(), 20)


def state(study):
    """The state of the notebook that `run` runs, as the status page tells it."""
    files = notebook_state._files(study)
    return notebook_state._notebook(study, files, Path("pair/dense/01_train.ipynb"), time.time()).state


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_interrupted_or_killed_counts_as_stopped_and_so_does_its_kernel(run, tmp_path, sent):
    with (tmp_path / "said").open("w") as said:
        process = run("import os; print(os.getpid())", "import time; time.sleep(100)", start=True, stderr=said)
        wait_for(lambda: said_by_kernels(run))
        assert state(tmp_path / "study") == "running"
        (kernel,) = said_by_kernels(run)
        process.send_signal(sent)
        assert process.wait(20) == (130 if sent == signal.SIGINT else -sent)
    wait_for(lambda: not psutil.pid_exists(kernel), 20)
    assert state(tmp_path / "study") == "stopped" and not run.output.exists()
    told = (tmp_path / "said").read_text()
    assert "Traceback" not in told and ("was interrupted: what is finished is kept" in told) == (sent == signal.SIGINT)


class Killed(BaseException):
    """In place of a kill, which leaves no time to tidy up either."""


@pytest.mark.parametrize(
    ("error", "killed_in", "call", "expected"),
    [
        (None, "pielab.jobs.run.heartbeat", 1, "waiting"),
        (None, "pielab.jobs.gpus.one_gpu", 1, "stopped"),
        (None, "pielab.jobs.run.kernel_environment", 1, "stopped"),
        (None, "pathlib.Path.replace", 2, "stopped"),  # the first is of the record
        (None, "pathlib.Path.unlink", 3, "done"),  # before it, those of an earlier run and of the record's partial file
        (None, "pielab.jobs.run.show", 2, "done"),
        (("ZeroDivisionError", "division"), "pielab.jobs.run.explain", 1, "stopped"),
        (("ZeroDivisionError", "division"), "pielab.jobs.run.write_record", 2, "failed"),
        (("ZeroDivisionError", "division"), "pielab.jobs.run.show", 2, "failed"),
    ],
)
def test_a_job_killed_at_any_stage_leaves_a_state_that_is_true(monkeypatch, tmp_path, error, killed_in, call, expected):
    study = tmp_path / "study"
    output = study / "pair/dense/01_train.ipynb"
    monkeypatch.setattr(job, "execute", lambda template, log, values: log.write_text("{}") and error)
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: False)  # as it is once this process has ended
    monkeypatch.setattr(sys, "argv", ["run", "notebooks/01_train.ipynb", str(output), str(study), "{}"])
    for name in ("OMP_NUM_THREADS", *job.MALLOC):
        monkeypatch.setenv(name, "1")
    calls = []
    module, _, name = killed_in.rpartition(".")
    owner = Path if module == "pathlib.Path" else sys.modules[module]
    original = getattr(owner, name)

    def killed(*arguments, **options):
        calls.append(name)
        if len(calls) == call:
            raise Killed
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, killed)
    with pytest.raises(Killed):
        job.main(job.parse())
    monkeypatch.setattr(owner, name, original)
    assert state(study) == expected
    assert job.main(job.parse()) == (1 if error else 0) and state(study) == ("failed" if error else "done")


def said_by_kernels(run):
    """The process of the kernel, which the notebook of this test prints first."""
    try:
        return [int(pid) for pid in printed(run.log).split()] if run.log.exists() else []
    except nbformat.reader.NotJSONError:  # papermill is writing it
        return []


def test_a_notebook_that_another_process_runs_is_waited_for_and_not_run_twice(run, tmp_path):
    ran, end = tmp_path / "ran", tmp_path / "end"
    until = f"import pathlib, time\nwhile not pathlib.Path({str(end)!r}).exists():\n    time.sleep(0.1)"
    cells = [f"import pathlib; pathlib.Path({str(ran)!r}).open('a').write('once ')", until]
    first = run(*cells, start=True)
    wait_for(ran.exists)
    with (tmp_path / "said").open("w+") as said:
        second = run(*cells, start=True, stderr=said)
        wait_for(lambda: "waiting for it to end" in (tmp_path / "said").read_text())
        end.touch()
        assert first.wait(60) == 0 and second.wait(60) == 0
    assert ran.read_text() == "once " and run.output.exists()
    assert not run.record.exists()


@pytest.mark.parametrize("suffix", [".json", ".running"])  # the second is of earlier versions
def test_a_notebook_whose_process_was_killed_on_this_machine_is_not_waited_for(run, suffix):
    ended = subprocess.Popen(["true"])
    ended.wait()
    path = run.log.with_suffix(suffix)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": ended.pid}))
    done = run("1")
    assert done.returncode == 0 and "waiting" not in done.stderr
    assert not path.exists()


def test_a_mistake_is_one_sentence_and_not_tried_again(run):
    raises = "import pielab\nraise pielab.errors.PielabError('no-epochs', 'epochs = 0', 'give one at least')"
    done = run(raises)
    assert done.returncode == 1
    said = run.fault.read_text()
    assert said.splitlines() == [
        f"error: {run.output} did not finish: PielabError: epochs = 0: give one at least.",
        f"  read {run.log}",
    ]
    assert done.stderr.strip().endswith(said) and "Traceback" not in done.stderr
    assert run.log.exists() and not run.output.exists()
    record = json.loads(run.record.read_text())
    assert (record["kind"], record["failure"]) == ("PielabError", "epochs = 0: give one at least.")
    assert record["retry"] is False and record["started"] <= record["failed"] <= time.time()
    before = run.log.stat().st_mtime_ns
    again = run(raises, attempt=2)
    assert (
        again.returncode == 1 and said in again.stderr and "not tried again, because that cannot help" in again.stderr
    )
    assert run.log.stat().st_mtime_ns == before
    # Given anew, the same command tries.
    assert run("print('cured')", attempt=1).returncode == 0
    assert printed(run.output) == "cured\n" and not run.fault.exists() and not run.record.exists()


def test_several_mistakes_are_not_tried_again_either_and_the_page_tells_the_first(run):
    mistakes = [f"PielabError('id', 'epochs = {number}', 'give {number + 1}')" for number in (0, 1)]
    done = run(f"from pielab.errors import *\nraise SeveralErrors({', '.join(mistakes)})")
    assert "SeveralErrors: epochs = 0: give 1.\nepochs = 1: give 2.\n" in done.stderr
    record = json.loads(run.record.read_text())
    assert (record["failure"], record["retry"]) == ("epochs = 0: give 1.", False)


@pytest.mark.parametrize(
    ("cell", "kind", "sentence"),
    [
        (
            "import pielab\nraise pielab.errors.TransientError('no-network', 'no network', 'try again')",
            "TransientError",
            "no network: try again.",
        ),
        ("raise OSError(28, 'No space left on device')", "OSError", r"the disk of \S+ is full: free some space there"),
        ("import os; os.kill(os.getpid(), 9)", "DeadKernelError", "its kernel was killed, by somebody or for want of"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
    ],
)
def test_what_may_pass_is_tried_again(run, cell, kind, sentence):
    done = run(cell)
    assert done.returncode == 1 and re.search(f"did not finish: {kind}: {sentence}", run.fault.read_text())
    record = json.loads(run.record.read_text())
    # Of an exception that is not expected, the page tells the kind as well.
    told = f"{kind}: {sentence}" if kind == "ZeroDivisionError" else sentence
    assert (record["kind"], record["retry"]) == (kind, True) and re.match(told, record["failure"])
    assert run("print('passed')", attempt=2).returncode == 0
    assert printed(run.output) == "passed\n"
    assert not any(path.exists() for path in (run.log, run.fault, run.record))


def test_a_disk_that_is_full_before_it_starts_is_one_sentence_too(run, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "pielab-test", str(tmp_path / "study")]
    (tmp_path / "study").mkdir()
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be made here: that needs mount, as root")
    try:
        with contextlib.suppress(OSError), (tmp_path / "study/fill").open("wb") as file:
            while True:
                file.write(b"0" * 1024)
                file.flush()
        done = run("1")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "did not finish: OSError: the disk of " in done.stderr and "is full: free some space" in done.stderr
    finally:
        subprocess.run(["umount", str(tmp_path / "study")], check=True)


def test_notebooks_that_run_at_once_have_a_gpu_each(run, tmp_path):
    show = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep({})"
    two = {"CUDA_VISIBLE_DEVICES": "3,5", "TMPDIR": str(tmp_path)}
    first = run(show.format(100), start=True, name="02_prune", environment=two, gpus=1)
    wait_for(lambda: list(tmp_path.glob("pielab-gpu-*")))
    second = run(show.format(0), environment=two, gpus=1)
    assert second.returncode == 0 and printed(run.output) == "5\n"
    first.kill()
    first.wait()
    assert run(show.format(0), environment=two, gpus=1).returncode == 0 and printed(run.output) == "3\n"
    assert run(show.format(0), environment=two, gpus=0).returncode == 0 and printed(run.output) == "\n"
    alone = two | {"CUDA_VISIBLE_DEVICES": "GPU-0a1b"}
    assert run(show.format(0), environment=alone, gpus=1).returncode == 0 and printed(run.output) == "GPU-0a1b\n"
