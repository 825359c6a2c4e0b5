"""Assigns the GPUs of a machine without a queueing system to the notebooks that run on it at the same time."""

import contextlib
import getpass
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import filelock


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
    device, lock = _lock_one(devices)
    with lock:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
        yield


def _lock_one(devices: list[str]) -> tuple[str, filelock.AcquireReturnProxy]:
    """A GPU that no other notebook uses and its lock, which is free again when this process ends; waits for one."""
    user = getattr(os, "getuid", getpass.getuser)()  # Windows has no getuid
    names = [f"pielab-gpu-{user}-{device.replace('/', '-')}.lock" for device in devices]
    locks = [filelock.FileLock(Path(tempfile.gettempdir()) / name, blocking=False) for name in names]
    while True:
        for device, lock in zip(devices, locks, strict=True):
            with contextlib.suppress(filelock.Timeout):
                return device, lock.acquire()
        time.sleep(1)
