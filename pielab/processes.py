"""Worker processes whose death is noticed, and which an interrupt ends at once.

A ProcessPoolExecutor has neither: it waits for ever for a process that is killed while it starts, it passes an
interrupt on to one job after the other, and its queues can be left locked by a process that was killed.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]  # missing in its stub
from multiprocessing.process import BaseProcess
from typing import Any

from pielab.errors import TransientError

# Called in a process: function(shared, job, send); what it sends is received in the process that started it.
Job = Callable[[Any, Any, Callable[[Any], None]], None]
# How long an interrupted process has to delete its partial files.
GRACE_SECONDS = 1.0
_MESSAGE, _ERROR, _READY = range(3)


def run(function: Job, shared: Any, jobs: Iterable[Any], number: int, receive: Callable[[Any], None]) -> None:
    """Call function(shared, job, send) for every job, `number` at a time, and receive(message) for each message sent.

    function: a function of a module, which each process imports. shared: sent to each process once.

    The first exception of a job is raised when the jobs in progress are finished, and no further job is begun. An
    exception here, such as KeyboardInterrupt, ends the processes at once. Raises TransientError if one was killed.
    """
    todo, error = list(jobs), None
    payload = pickle.dumps((function, shared), protocol=pickle.HIGHEST_PROTOCOL)
    # A forked process cannot use a GPU, and it can hang if its parent has threads.
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(min(number, len(todo))):
            here, there = context.Pipe()
            # A process is started with little, because a start writes all of it before it looks whether there is a
            # reader. Its own pipe is broken when it dies, unlike one that all share.
            processes[here] = context.Process(target=_work, args=(there,), daemon=True)
            with there:
                processes[here].start()
        for connection in processes:
            with contextlib.suppress(OSError):  # it is dead, which recv() finds as well
                connection.send_bytes(payload)
        del payload
        busy = set(processes)
        while busy:
            for connection in wait(busy):  # type: ignore[assignment]  # it gives some of what it is given
                try:
                    kind, value = connection.recv()
                    if kind == _READY and todo and not error:
                        connection.send(todo.pop(0))
                    elif kind == _READY:
                        busy.remove(connection)
                except (EOFError, OSError):
                    kind, value = _ERROR, _death(processes[connection])
                    busy.remove(connection)
                if kind == _MESSAGE:
                    receive(value)
                elif kind == _ERROR:
                    error = error or value
    finally:
        _end(processes)
    if error:
        raise error


def _work(connection: Connection) -> None:
    """Do the jobs that come through the connection, in a process of its own."""
    # A terminal and Jupyter interrupt all processes of a group, but the one that started this decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    end_with_parent()
    with contextlib.suppress(EOFError, ConnectionError):  # the process that started this is gone
        try:
            function, shared = pickle.loads(connection.recv_bytes())
        except Exception as error:
            connection.send((_ERROR, _picklable(error)))
            return
        while True:
            connection.send((_READY, None))
            job = connection.recv()
            try:
                function(shared, job, lambda message: connection.send((_MESSAGE, message)))
            except Exception as error:
                connection.send((_ERROR, _picklable(error)))


def _picklable(error: Exception) -> ExceptionWithTraceback:
    """An exception with its traceback as the cause; as RuntimeError, if pickle cannot restore one of its class."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError("".join(traceback.format_exception_only(error)).strip()).with_traceback(
            error.__traceback__
        )
    return ExceptionWithTraceback(error, error.__traceback__)


def _death(process: BaseProcess) -> TransientError:
    process.join(GRACE_SECONDS)
    if (process.exitcode or 0) > 0:
        return TransientError(
            "worker-ended",
            f"a worker process ended with exit code {process.exitcode} before its work was done",
            'read what it printed; in a script, call what starts workers under if __name__ == "__main__":, as Python '
            "asks for",
        )
    return TransientError(
        "worker-killed",
        "a worker process was killed, as systems do when memory runs out",
        "raise memory_gb in the params file, or lower workers or processes, and give the same command again; what is "
        "finished is kept",
    )


def _end(processes: dict[Connection, BaseProcess]) -> None:
    """End processes that may be at work, within GRACE_SECONDS."""
    started = [process for process in processes.values() if process.pid]
    try:
        for process in started:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in started:
            process.join(max(0.0, deadline - time.monotonic()))
    finally:  # after a second interrupt, too
        for process in started:
            process.kill()
        for connection in processes:
            connection.close()
        for process in started:
            process.join()


def end_with_parent() -> None:
    """Make this process end as soon as its parent does, which cannot tell it if it is killed."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    multiprocessing.parent_process().join()  # type: ignore[union-attr]  # None only in a process without a parent
    os._exit(1)
