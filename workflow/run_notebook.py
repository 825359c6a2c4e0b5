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


class SocketKernelManager(AsyncKernelManager):
    """Talks to its kernel through files: kernels that start at the same moment can pick the same TCP ports."""

    @traitlets.default("transport")
    def _transport_default(self) -> str:
        return "ipc"

    @traitlets.default("ip")
    def _ip_default(self) -> str:
        # A socket's path may have about 100 characters, so it cannot stand in a results folder.
        return str(Path(tempfile.mkdtemp(prefix="pielab-")) / "kernel")

    def format_kernel_cmd(self, extra_arguments=None) -> list[str]:
        # Without this a kernel that is told to end writes an error about being interrupted.
        return super().format_kernel_cmd([*(extra_arguments or []), "--log-level=CRITICAL"])


def main(template: str, output: str, study_folder: str, parameters: str) -> int:
    log = Path(study_folder) / "logs" / Path(output).relative_to(study_folder)
    log.parent.mkdir(parents=True, exist_ok=True)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    os.environ.update({name: os.environ.get(name, value) for name, value in MALLOC.items()})
    sockets = SocketKernelManager if os.name == "posix" else AsyncKernelManager
    try:
        papermill.execute_notebook(
            template,
            str(log),
            json.loads(parameters),
            kernel_name="python3",
            kernel_manager_class=sockets,
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        print(f"error: {output} did not finish: {error.ename}: {error.evalue}\n  read {log}", file=sys.stderr)
        return 1
    log.replace(output)
    return 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    sys.exit(main(*sys.argv[1:]))
