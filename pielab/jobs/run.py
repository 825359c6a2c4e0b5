"""Execute one notebook with papermill; it gets its final name only when every cell has run.

While it runs, and if it fails, the notebook is in the study's logs/ instead, so that a failed notebook can be read
but is never taken for a finished one. Beside it, a file .json tells where it runs, or why it failed, which is also in
.txt, as Snakemake prints it.

    python -m pielab.jobs.run TEMPLATE OUTPUT STUDY_FOLDER PARAMETERS_AS_JSON
"""

import argparse
import contextlib
import json
import os
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
from pielab.jobs import gpus, notebook_state, status
from pielab.jobs.notebook_state import may_run, record
from pielab.report import render
from pielab.store import files, paths

# By default, glibc returns freed memory to the system at every training step, which costs an eighth of the time.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
HEARTBEAT_SECONDS = 20
# The mistakes of users, which a retry cannot cure.
MISTAKES = {"PielabError", "SeveralErrors"}


def kernel_manager(folder: str) -> type[AsyncKernelManager]:
    """A kernel manager on sockets in `folder`, because kernels that start at the same time can pick the same ports."""

    class SocketKernelManager(AsyncKernelManager):
        transport = traitlets.Unicode("ipc")
        ip = traitlets.Unicode(f"{folder}/kernel")

        def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
            # Without this, a kernel that is shut down logs an error about being interrupted.
            return super().format_kernel_cmd([*(extra_arguments or []), "--log-level=CRITICAL"])

    return SocketKernelManager if os.name == "posix" else AsyncKernelManager


@contextlib.contextmanager
def heartbeat(path: Path) -> Iterator[dict[str, Any]]:
    """Writes where this notebook runs to its record `path`, and touches that as long as the notebook runs."""
    this_run = {"host": socket.gethostname(), "pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}
    this_run["started"] = time.time()
    write_record(path, this_run)
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT_SECONDS):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield this_run
    finally:
        ended.set()
        thread.join()


def write_record(path: Path, values: dict[str, Any]) -> None:
    """Write the record of a notebook's run, as notebook_state.record reads it."""
    with files.atomic_file(path) as partial:
        partial.write_text(json.dumps(values), encoding="utf-8")


def wait_for_another(path: Path) -> bool:
    """Wait while another process runs this notebook, for example after Snakemake was killed; True if one did.

    path: the record of the other process. On this machine the process must exist; on another it must touch the file.
    """
    waited, touched, since = False, _touched(path), time.monotonic()
    while touched and may_run(record(path)) and time.monotonic() - since < 3 * HEARTBEAT_SECONDS:
        if not waited:
            print(f"another process runs this notebook, says {path}: waiting for it to end", file=sys.stderr)
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


def execute(template: str, log: Path, values: dict[str, Any], **shown: Any) -> tuple[str, str] | None:
    """Run the notebook into `log`; gives None, or the name and the message of the exception that ended it.

    shown: further arguments of papermill.execute_notebook, such as those of terminal.options.
    """
    # A socket's path may have about 100 characters, so the sockets cannot be in a results folder.
    with tempfile.TemporaryDirectory(prefix="pielab-") as sockets:
        try:
            options = {"kernel_name": "python3", "kernel_manager_class": kernel_manager(sockets), "progress_bar": False}
            options |= shown
            # Without a kernel nothing can be done with it, and it is megabytes.
            options["store_widget_state"] = False
            papermill.execute_notebook(template, str(log), values, **options)
            notebook_state.sign(log)
        except PapermillExecutionError as error:
            return error.ename, error.evalue
        except Exception as error:  # the kernel died, the disk is full: whatever it is, the log is worth reading
            return type(error).__name__, str(error)
    return None


def explain(kind: str, text: str, study_folder: Path) -> tuple[str, str]:
    """What to tell of an exception, and its first line for the page, which names only unexpected exceptions."""
    transient = transient_error(kind, text, study_folder)
    text = str(transient or text)
    expected = transient or kind in {*MISTAKES, "TransientError"}
    first = text.strip().partition("\n")[0]
    return text, first if expected else f"{kind}: {first}"


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


def main(given: argparse.Namespace, **shown: Any) -> int:
    """Exit status 0 if every cell has run, 130 if interrupted; else 1, and why in its file .txt and on stderr."""
    try:
        return run(given, **shown)
    except KeyboardInterrupt:
        print(f"{given.output} was interrupted: what is finished is kept, the same command goes on", file=sys.stderr)
        return 130
    except OSError as error:  # a disk that is full has no place for a file that says so
        reason = transient_error(type(error).__name__, str(error), given.study) or error
        print(f"error: {given.output} did not finish: {type(error).__name__}: {reason}", file=sys.stderr)
        return 1


def run(given: argparse.Namespace, **shown: Any) -> int:
    """As `main`, except that it raises OSError if the disk cannot be written."""
    study, output = Path(given.study), Path(given.output)
    log, fault, state = (name(study, output) for name in (paths.log, paths.fault, paths.run_record))
    if given.attempt > 1 and record(state).get("retry") is False:
        print(fault.read_text() + "\n  not tried again, because that cannot help", file=sys.stderr)
        return 1
    for folder in (log.parent, output.parent):
        folder.mkdir(parents=True, exist_ok=True)
    fault.write_text("")  # Snakemake shows this file, even if the job is killed before it writes anything
    earlier = log.with_suffix(".running")  # a run of an earlier version
    if any([wait_for_another(path) for path in (state, earlier)]) and output.exists():
        return 0
    earlier.unlink(missing_ok=True)
    with heartbeat(state) as this_run, gpus.one_gpu(given.gpus):
        show(study)
        error = execute(given.template, log, kernel_environment(given), **shown)
    if error is None:
        log.replace(output)
        fault.unlink()
        state.unlink()
    else:
        kind, text = error
        text, sentence = explain(kind, text, study)
        message = f"error: {output} did not finish: {kind}: {text}\n  read {log}"
        with contextlib.suppress(OSError):  # the disk may be full
            fault.write_text(message)
            retry = kind not in MISTAKES
            write_record(state, this_run | {"failed": time.time(), "kind": kind, "failure": sentence, "retry": retry})
        print(message, file=sys.stderr)
    # Parts get no page: there may be thousands, and the notebook that gathers them is the record to read.
    show(study, log if error else None if "parts" in output.parts else output)
    return 1 if error else 0


def show(study: Path, ended: Path | None = None) -> None:
    """Render a notebook that ended and update the study's page, in a study that Snakemake runs."""
    if paths.study_file(study).exists():
        try:
            if ended:
                render.notebook(ended)
                if ended.name == "03_pies.ipynb" and "logs" not in ended.relative_to(study).parts:
                    from pielab.report import early  # needs matplotlib, which the other jobs do not

                    early.draw(study)
            status.page(study)
        except Exception as error:  # whatever it is, it must not make the notebook fail
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
