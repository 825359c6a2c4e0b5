"""Execute one notebook with papermill: it gets its final name only when every cell has run.

While it runs, and if it fails, the notebook is in the study's logs/ instead, so that a crashed one can be read
and never passes for a finished one.

    python workflow/run_notebook.py TEMPLATE OUTPUT STUDY_FOLDER PARAMETERS_AS_JSON
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import papermill
import traitlets
from jupyter_client import AsyncKernelManager
from papermill.exceptions import PapermillExecutionError

# glibc gives freed memory back to the system and asks for it again at every training step, an eighth of the time.
MALLOC = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}


def kernel_manager(folder: str) -> type[AsyncKernelManager]:
    """Talks to its kernel through files in `folder`: kernels that start at the same moment can pick the same ports."""

    class SocketKernelManager(AsyncKernelManager):
        @traitlets.default("transport")
        def _transport_default(self) -> str:
            return "ipc"

        @traitlets.default("ip")
        def _ip_default(self) -> str:
            return f"{folder}/kernel"

        def format_kernel_cmd(self, extra_arguments=None) -> list[str]:
            # Without this a kernel that is told to end writes an error about being interrupted.
            return super().format_kernel_cmd([*(extra_arguments or []), "--log-level=CRITICAL"])

    return SocketKernelManager if os.name == "posix" else AsyncKernelManager


def main(template: str, output: str, study_folder: str, parameters: str) -> int:
    """Exit status 0 if every cell has run; else 1, and one line on stderr that says where to read more."""
    log = Path(study_folder) / "logs" / Path(output).relative_to(study_folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    values = json.loads(parameters)
    for name, value in (MALLOC | {"OMP_NUM_THREADS": str(values.get("threads", 1))}).items():
        os.environ.setdefault(name, value)
    # A socket's path may have about 100 characters, so the sockets cannot be in a results folder.
    with tempfile.TemporaryDirectory(prefix="pielab-") as sockets:
        try:
            options = {"kernel_name": "python3", "kernel_manager_class": kernel_manager(sockets), "progress_bar": False}
            # Without a kernel nothing can be done with it, and it is megabytes.
            options["store_widget_state"] = False
            papermill.execute_notebook(template, str(log), values, **options)
        except PapermillExecutionError as error:
            reason = f"{error.ename}: {error.evalue}"
        except Exception as error:  # the kernel died, the disk is full: whatever it is, the log is worth reading
            reason = f"{type(error).__name__}: {error}"
        else:
            log.replace(output)
            return 0
    print(f"error: {output} did not finish: {reason}\n  read {log}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.exit(main(*sys.argv[1:]))
