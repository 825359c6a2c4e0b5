"""Worker processes: every job runs once, and a kill or an interrupt at any moment ends them in a second or two."""

import os
import queue
import signal
import subprocess
import sys
import time

import psutil
import pytest
from conftest import refused
from jupyter_client import KernelManager

from pielab import processes
from pielab.errors import TransientError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")

# What the processes import: pickle sends functions by name.
MODULE = """
import os, pathlib, signal, struct, sys, time
from pielab import processes

class TwoArguments(Exception):
    def __init__(self, one, two):
        super().__init__(one)

class FailsToLoad:
    def __init__(self, how):
        self.how = how

    def __setstate__(self, state):
        exec(state["how"])

def echo(shared, job, send):
    send((shared, job, os.getpid()))

def run(shared, job, send):
    send(os.getpid())
    exec(job)

def work(folder, job, send):
    # As a seed is written: under another name until it is whole.
    from pielab.store import files
    send(os.getpid())
    with files.atomic_folder(folder / str(job)) as partial:
        (partial / "half").touch()
        time.sleep(100)
"""
# Sends the first bytes of a message of 100, and dies.
HALF_A_MESSAGE = (
    "connection = sys._getframe(2).f_locals['connection']; "
    "os.write(connection.fileno(), struct.pack('!i', 100) + b'half'); os.kill(os.getpid(), 9)"
)


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "jobs.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    sys.modules.pop("jobs", None)
    import jobs

    return jobs


def ignore(message):
    pass


def no_workers_left():
    return not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_every_job_runs_once_and_what_is_shared_may_be_large(module):
    shared, received = b"0" * 20_000_000, []
    processes.run(module.echo, shared, range(5), 2, received.append)
    assert sorted(job for _, job, _ in received) == list(range(5))
    assert all(shared == sent for sent, _, _ in received)
    workers = {worker for _, _, worker in received}
    assert 1 <= len(workers) <= 2 and os.getpid() not in workers and no_workers_left()
    processes.run(module.echo, None, [], 2, pytest.fail)


# A process that is killed at once, or 0.1 s later: large arguments, which a pipe does not hold, were written meanwhile.
KILLED_WHILE_STARTING = """
import threading, time, psutil, jobs
from pielab import processes

def kill():
    workers = []
    while not workers:
        # By a word that this script has not: a process that was just forked still has its parent's command.
        children = [(child, " ".join(child.cmdline())) for child in psutil.Process().children()]
        workers = [child for child, command in children if {worker!r} in command and "psutil" not in command]
    time.sleep({after})
    workers[0].kill()

threading.Thread(target=kill).start()
processes.run(jobs.run, b"0" * 20_000_000, ["time.sleep(1)"] * 4, 2, lambda message: None)
"""


@pytest.mark.parametrize("after", [0, 0.02, 0.1])
def test_a_process_killed_while_it_starts_is_noticed(module, after):
    command = [sys.executable, "-c", KILLED_WHILE_STARTING.format(after=after, worker="spawn_main")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "TransientError: a worker process was killed" in done.stderr


@pytest.mark.parametrize(
    ("shared", "job", "id"),
    [
        (None, "os.kill(os.getpid(), signal.SIGKILL)", "worker-killed"),
        (None, "os.kill(os.getpid(), signal.SIGTERM); time.sleep(100)", "worker-killed"),
        (None, "os.abort()", "worker-killed"),
        (None, "raise SystemExit", "worker-killed"),
        (None, HALF_A_MESSAGE, "worker-killed"),
        (None, "os._exit(3)", "worker-ended"),
        ("os.kill(os.getpid(), 9)", "", "worker-killed"),
        ("os._exit(3)", "", "worker-ended"),
    ],
)
def test_a_process_that_ends_in_any_way_is_a_fault_that_may_pass(module, shared, job, id):
    start = time.monotonic()
    with refused(id, kind=TransientError):
        processes.run(module.run, shared and module.FailsToLoad(shared), [job, job, job], 2, ignore)
    assert time.monotonic() - start < 30 and no_workers_left()


@pytest.mark.parametrize(
    ("shared", "job", "kind", "message"),
    [
        (None, "1 / 0", ZeroDivisionError, "division by zero"),
        (None, "from jobs import *; raise TwoArguments(1, 2)", RuntimeError, "TwoArguments: 1"),
        (None, "raise ConnectionError('no network')", ConnectionError, "no network"),
        ("raise MemoryError('no room')", "", MemoryError, "no room"),
    ],
)
def test_an_exception_is_raised_here_with_where_it_was(module, shared, job, kind, message):
    with pytest.raises(kind, match=message) as raised:
        processes.run(module.run, shared and module.FailsToLoad(shared), [job] * 3, 2, ignore)
    assert "jobs.py" in str(raised.value.__cause__) and no_workers_left()


def test_a_script_that_starts_workers_without_a_guard_says_so(module, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import jobs\nfrom pielab import processes\nprocesses.run(jobs.echo, None, [1, 2], 2, print)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert 'under if __name__ == "__main__":' in done.stderr.splitlines()[-1]


def interrupts_itself(after):
    """What receives messages, and interrupts this process once there have been so many."""
    workers = []

    def receive(worker):
        workers.append(worker)
        if len(workers) == after:
            os.kill(os.getpid(), signal.SIGINT)

    return receive


@pytest.mark.parametrize("after", [1, 2])
def test_an_interrupt_ends_the_processes_at_once_and_leaves_nothing_half_written(module, tmp_path, after):
    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        processes.run(module.work, tmp_path / "out", range(9), 2, interrupts_itself(after))
    assert no_workers_left() and not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "job", ["signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)", "os.kill(os.getpid(), 19)"]
)
def test_a_process_that_does_not_end_by_itself_is_killed(module, job):
    start = time.monotonic()

    def receive(worker):
        nonlocal start
        time.sleep(0.5)
        start = time.monotonic()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        processes.run(module.run, None, [f"{job}; time.sleep(100)"], 1, receive)
    assert time.monotonic() - start < 2 * processes.GRACE_SECONDS and no_workers_left()


def test_a_second_interrupt_leaves_no_process_either(module, monkeypatch):
    ended = []
    monkeypatch.setattr(time, "monotonic", lambda: ended.append(1) or os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        processes.run(module.run, None, ["time.sleep(100)"], 1, interrupts_itself(1))
    assert ended and no_workers_left()


def test_the_group_that_a_terminal_or_jupyter_interrupts_ends_quietly(module):
    """Jupyter interrupts the kernel and its workers at once; the cell must end, and the next one must run."""
    manager = KernelManager()
    manager.start_kernel(stderr=subprocess.PIPE)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        call = "processes.run(jobs.run, None, ['time.sleep(100)'] * 8, 2, print)"
        # The kernel of a notebook aborts what was asked before it knew of an error.
        asked = client.execute(f"import jobs; from pielab import processes; {call}", stop_on_error=False)
        workers = ""
        while workers.count("\n") < 2:
            workers += client.get_iopub_msg(timeout=60)["content"].get("text", "")
        start = time.monotonic()
        manager.interrupt_kernel()
        while (reply := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != asked:
            pass
        assert time.monotonic() - start < 2 and reply["content"]["ename"] == "KeyboardInterrupt"
        assert not any(map(psutil.pid_exists, map(int, workers.split())))
        assert client.execute_interactive("1", timeout=60)["content"]["status"] == "ok"
    except queue.Empty:
        pytest.fail("the kernel does not answer")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
