"""Nothing half-written counts, and nothing half-written stays."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from unittest.mock import Mock

import pytest
from conftest import refused

from pielab.store import files


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "a" / "07"
    with files.atomic_folder(target) as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "x").write_text("x")
        assert not target.exists()
    assert (target / "sub" / "x").read_text() == "x" and list(target.parent.iterdir()) == [target]


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "07") as partial:
        (partial / "x").write_text("x")
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), files.atomic_file(tmp_path / "x.csv") as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_the_quicker_of_two_wins(tmp_path):
    with files.atomic_folder(tmp_path / "07") as slow:
        (slow / "x").write_text("slow")
        with files.atomic_folder(tmp_path / "07") as quick:
            (quick / "x").write_text("quick")
    assert (tmp_path / "07" / "x").read_text() == "quick" and len(list(tmp_path.iterdir())) == 1


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("old")
    with files.atomic_file(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old" and partial.suffix == ".csv"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_what_killed_processes_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    old = time.time() - files.STALE_SECONDS - 60
    for name in ("dead", "slow", "fresh"):
        (tmp_path / f".partial-{name}").mkdir()
        (tmp_path / f".partial-{name}" / "x").write_text("x")
    (tmp_path / ".partial-file").write_text("x")
    (tmp_path / "07").mkdir()
    stale = [".partial-dead/x", ".partial-dead", ".partial-slow", ".partial-file", "07"]
    for name in stale:
        os.utime(tmp_path / name, (old, old))
    with files.atomic_file(tmp_path / "new") as partial:
        partial.touch()
    # Of the slow one a file is still growing.
    assert {path.name for path in tmp_path.iterdir()} == {".partial-slow", ".partial-fresh", "07", "new"}


# Holds a lock, with one child process that was forked and one that was started.
HOLDER = """
import os, pathlib, subprocess, sys, time
from pielab.store import files
held = files.lock(pathlib.Path(sys.argv[1]), "the study x")
started = subprocess.Popen(["sleep", "100"], close_fds=False)
if not os.fork():
    print(started.pid, os.getpid(), flush=True)
time.sleep(100)
"""


@pytest.mark.skipif(os.name != "posix", reason="forks and kills as POSIX does")
def test_a_lock_is_free_when_its_process_ends_however_it_ends_and_whatever_its_children_do(tmp_path):
    path = tmp_path / "x" / ".lock"
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    children = list(map(int, process.stdout.readline().split()))
    with refused("already-running", "wait for it to end", f"the study x is being run by process {process.pid} on "):
        files.lock(path, "the study x")
    process.kill()
    process.wait()
    try:
        for _ in range(2):
            files.lock(path, "the study x").release()
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        process.communicate()
    assert path.read_text().startswith(f"process {os.getpid()} on ")


# A process for a file system without locks, where a lock is tried for that fails in one of the ways of such systems.
WITHOUT_LOCKS = """
import errno, fcntl, os, pathlib, sys
from pielab.store import files

def flock(*arguments):
    raise OSError(getattr(errno, sys.argv[2]), os.strerror(getattr(errno, sys.argv[2])))

fcntl.flock = flock
held = files.lock(pathlib.Path(sys.argv[1]), "the study x")
print(held is not None, flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(os.name != "posix", reason="flock is of POSIX")
@pytest.mark.parametrize("error", ["ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL"])
@pytest.mark.parametrize("ends_by", ["itself", "a kill"])
def test_without_locks_a_file_names_the_process_that_runs_it(tmp_path, monkeypatch, error, ends_by):
    def flock(*arguments):
        raise OSError(getattr(errno, error), "not here")

    monkeypatch.setattr("fcntl.flock", flock)
    path, holder = tmp_path / ".lock", tmp_path / ".lock.holder"
    command = [sys.executable, "-c", WITHOUT_LOCKS, str(path), error]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    problem = f"the study x is being run by process {process.pid} on {socket.gethostname()}"
    with refused("already-running", f"stop it first; if that has ended, delete {holder}", problem):
        files.lock(path, "the study x")
    if ends_by == "a kill":
        process.kill()
    process.communicate("\n")
    assert holder.exists() == (ends_by == "a kill")
    files.lock(path, "the study x").release()
    assert not holder.exists()


def test_without_locks_a_process_of_another_machine_counts_as_alive(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
    (tmp_path / ".lock.holder").write_text("4711\nlogin2\n")
    with refused("already-running", "if that has ended, delete", "by process 4711 on login2"):
        files.lock(tmp_path / ".lock", "the study x")


def test_where_nothing_can_be_locked_a_warning_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fcntl.flock", Mock(side_effect=OSError(errno.ENOSYS, "Function not implemented")))
    monkeypatch.setattr("filelock.SoftFileLock.acquire", Mock(side_effect=OSError(errno.EPERM, "no")))
    assert files.lock(tmp_path / ".lock", "the study x") is None
    said = capsys.readouterr().err
    assert said == ("warning: the study x cannot be locked (Function not implemented): never run it twice at a time\n")
