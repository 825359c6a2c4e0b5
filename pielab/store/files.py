"""Atomic writes: files and folders appear under their final name only when complete; and locks between processes."""

import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pielab.errors import PielabError

# A partial file that nobody has touched for an hour was left by a killed process.
STALE_SECONDS = 3600


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, renamed to `folder` at the end and deleted after an error.

    If another process has made `folder` meanwhile, that one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(folder.parent)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".partial-{folder.name}-"))
    try:
        yield partial
        partial.chmod(0o755)
        for path in partial.rglob("*"):
            if path.is_file():
                _flush(path)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """The path of a file to write, renamed to `path` at the end and deleted after an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(path.parent)
    # A random name, because two machines may write the same file at once; the suffix stays, because writers go by it.
    partial = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Delete the partial files and folders that killed processes left in a folder."""
    for partial in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):  # another process may be deleting too
            touched = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - touched > STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def lock(path: Path, what: str) -> IO[str] | None:
    """Lock `path` until the file returned is closed or this process ends, however it ends.

    what: names the locked thing in the error. Returns None if the system or the file system has no locks.

    Raises PielabError if another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise PielabError(
            "already-running", f"{what} is being run by {holder}", "wait for it to end, or stop it first"
        ) from None
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file


def _flush(path: Path) -> None:
    # A file system may write the new name before the content, and a node may fail in between.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
