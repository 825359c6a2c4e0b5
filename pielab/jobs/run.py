"""Execute one notebook with papermill; it gets its final name only when every cell has run.

While it runs, and if it fails, the notebook is in the study's logs/ instead, so that a failed notebook can be read
but is never taken for a finished one. Beside it, a file .running shows that it runs, and .txt says why it failed.

    python -m pielab.jobs.run TEMPLATE OUTPUT STUDY_FOLDER PARAMETERS_AS_JSON
"""

import argparse
import contextlib
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import papermill
import traitlets
from jupyter_client import AsyncKernelManager
from papermill.exceptions import PapermillExecutionError

from pielab.errors import transient_error
from pielab.jobs import gpus, status
from pielab.jobs.notebook_state import may_be_alive, record
from pielab.report import render
from pielab.store import paths

# By default, glibc returns freed memory to the system at every training step, which costs an eighth of the time.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
HEARTBEAT_SECONDS = 20


def kernel_manager(folder: str) -> type[AsyncKernelManager]:
    """A kernel manager on sockets in `folder`, because kernels that start at the same time can pick the same ports."""

    class SocketKernelManager(AsyncKernelManager):
        @traitlets.default("transport")
        def _transport_default(self) -> str:
            return "ipc"

        @traitlets.default("ip")
        def _ip_default(self) -> str:
            return f"{folder}/kernel"

        def format_kernel_cmd(self, extra_arguments=None) -> list[str]:
            # Without this, a kernel that is shut down logs an error about being interrupted.
            return super().format_kernel_cmd([*(extra_arguments or []), "--log-level=CRITICAL"])

    return SocketKernelManager if os.name == "posix" else AsyncKernelManager


@contextlib.contextmanager
def heartbeat(path: Path) -> Iterator[None]:
    """Writes where this notebook runs to the file `path`, touches it as long as the notebook runs, and removes it."""
    path.write_text(
        json.dumps(
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "job": os.environ.get("SLURM_JOB_ID"),
                "started": time.time(),
            }
        )
    )
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        path.unlink(missing_ok=True)


def wait_for_another(path: Path) -> bool:
    """Wait while another process runs this notebook, for example after Snakemake was killed; True if one did.

    path: the other process's sign of life. On this machine the process must exist; on another it must touch the file.
    """
    waited, touched, since = False, _touched(path), time.monotonic()
    while touched and may_be_alive(record(path)) and time.monotonic() - since < 3 * HEARTBEAT_SECONDS:
        if not waited:
            print(
                f"another process runs this notebook, says {path}: waiting for it to end", file=sys.stderr, flush=True
            )
        waited = True
        time.sleep(0.5)
        if (now := _touched(path)) != touched:
            touched, since = now, time.monotonic()
    return waited


def _touched(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def execute(template: str, log: Path, values: dict[str, Any], study_folder: Path) -> str | None:
    """Run the notebook into `log`; gives None, or what went wrong in one sentence after the name of its exception."""
    # A socket's path may have about 100 characters, so the sockets cannot be in a results folder.
    with tempfile.TemporaryDirectory(prefix="pielab-") as sockets:
        try:
            options = {"kernel_name": "python3", "kernel_manager_class": kernel_manager(sockets), "progress_bar": False}
            # Without a kernel nothing can be done with it, and it is megabytes.
            options["store_widget_state"] = False
            papermill.execute_notebook(template, str(log), values, **options)
        except PapermillExecutionError as error:
            kind, text = error.ename, error.evalue
        except Exception as error:  # the kernel died, the disk is full: whatever it is, the log is worth reading
            kind, text = type(error).__name__, str(error)
        else:
            return None
    return f"{kind}: {transient_error(kind, text, study_folder) or text}"


def kernel_environment(given: argparse.Namespace) -> dict[str, Any]:
    """The notebook's parameters; sets the environment variables that its kernel inherits."""
    values = json.loads(given.parameters)
    if Path(given.template).stem in {"01_train", "02_prune"}:
        values["workers"] = given.workers
    for name, value in MALLOC.items():
        os.environ.setdefault(name, value)
    # Rounding depends on the number of threads.
    os.environ["OMP_NUM_THREADS"] = str(values.get("threads", 1))
    return values


def main(given: argparse.Namespace) -> int:
    """Exit status 0 if every cell has run; else 1, and why in its file .txt and on stderr."""
    try:
        return run(given)
    except OSError as error:  # a disk that is full has no place for a file that says so
        reason = transient_error(type(error).__name__, str(error), given.study) or error
        print(f"error: {given.output} did not finish: {type(error).__name__}: {reason}", file=sys.stderr)
        return 1


def run(given: argparse.Namespace) -> int:
    """As `main`, except that it raises OSError if the disk cannot be written."""
    study, output = Path(given.study), Path(given.output)
    log, running, fault = (name(study, output) for name in (paths.log, paths.running, paths.fault))
    before = fault.read_text() if given.attempt > 1 and fault.exists() else ""
    if re.search(" did not finish: (PielabError|SeveralErrors): ", before):
        print(before + "\n  not tried again, because that cannot help", file=sys.stderr)
        return 1
    for folder in (log.parent, output.parent):
        folder.mkdir(parents=True, exist_ok=True)
    fault.write_text("")  # Snakemake shows this file, even if the job is killed before it writes anything
    if wait_for_another(running) and output.exists():
        return 0
    with heartbeat(running), gpus.one_gpu(given.gpus):
        show(study)
        reason = execute(given.template, log, kernel_environment(given), study)
        message = f"error: {output} did not finish: {reason}\n  read {log}"
        if reason is None:
            log.replace(output)
            fault.unlink()
        else:
            with contextlib.suppress(OSError):  # the disk may be full
                fault.write_text(message)
    # Parts get no page: there may be thousands, and the notebook that gathers them is the record to read.
    show(study, log if reason is not None else None if "parts" in output.parts else output)
    if reason is not None:
        print(message, file=sys.stderr)
    return 0 if reason is None else 1


def show(study: Path, ended: Path | None = None) -> None:
    """Render a notebook that ended and update the study's page, in a study that Snakemake runs."""
    if paths.study_file(study).exists():
        try:
            if ended:
                render.notebook(ended)
            status.page(study)
        except (OSError, ValueError) as error:  # must not make the notebook fail
            print(f"the page of {study} is not up to date: {error}", file=sys.stderr)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pielab.jobs.run", description="Execute one notebook of a study.")
    for name in ("template", "output", "study", "parameters"):
        parser.add_argument(name)
    parser.add_argument("--attempt", type=int, default=1, help="which attempt of the job this is, from 1")
    parser.add_argument("--workers", type=int, default=1, help="how many seeds to train at once")
    parser.add_argument("--gpus", type=int, default=0, help="how many GPUs it may use: 0 or 1")
    return parser.parse_args()


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.exit(main(parse()))
