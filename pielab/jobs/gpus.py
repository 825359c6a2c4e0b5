"""The GPUs of a machine without a queueing system, shared among the notebooks that run on it at once."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def visible() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; empty if there is none."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [each.strip() for each in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if each.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [str(index) for index, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


@contextlib.contextmanager
def one_gpu(number: int) -> Iterator[None]:
    """Gives this process and its children one GPU that no other notebook has, waiting for one if need be.

    number: 0 hides the machine's GPUs from a notebook that did not ask for one. Where one at most is visible, as in a
        job of SLURM, nothing changes for a notebook that did ask.
    """
    devices = visible()
    if number == 0 and devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if number == 0 or len(devices) < 2:
        yield
        return
    with contextlib.ExitStack() as stack:
        while not (chosen := next((each for each in devices if _lock(each, stack)), None)):
            time.sleep(1)
        os.environ["CUDA_VISIBLE_DEVICES"] = chosen
        yield


def _lock(device: str, stack: contextlib.ExitStack) -> bool:
    """Whether the device was free; it is ours until the stack ends, or this process does."""
    import fcntl  # which Windows does not have

    path = Path(tempfile.gettempdir()) / f"pielab-gpu-{os.getuid()}-{device.replace('/', '-')}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    stack.callback(os.close, handle)
    return True
