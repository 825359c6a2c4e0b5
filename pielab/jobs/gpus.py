"""Assigns the GPUs of a machine without a queueing system to the notebooks that run on it at the same time."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def visible() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; empty without GPUs."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name.strip() for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [str(index) for index, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


@contextlib.contextmanager
def one_gpu(number: int) -> Iterator[None]:
    """Gives this process and its children one GPU that no other notebook uses, after waiting for one if necessary.

    number: 1 for one GPU, which changes nothing if at most one is visible, as in a SLURM job; 0 hides all GPUs.
    """
    devices = visible()
    if number == 0 and devices:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if number == 0 or len(devices) < 2:
        yield
        return
    with contextlib.ExitStack() as stack:
        while not (chosen := next((device for device in devices if _lock(device, stack)), None)):
            time.sleep(1)
        os.environ["CUDA_VISIBLE_DEVICES"] = chosen
        yield


def _lock(device: str, stack: contextlib.ExitStack) -> bool:
    """Locks the device until the stack or this process ends; False if another process holds it."""
    import fcntl  # not on Windows

    path = Path(tempfile.gettempdir()) / f"pielab-gpu-{os.getuid()}-{device.replace('/', '-')}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    stack.callback(os.close, handle)
    return True
