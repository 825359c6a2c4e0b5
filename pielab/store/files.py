"""Files and folders that get their name only when they are whole, so that nothing half-written ever counts."""

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

# Whoever was writing something that nobody has touched for an hour was killed.
STALE_SECONDS = 3600


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which is called `folder` only when all is written; nothing is left of an error.

    Another process that was quicker wins.
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
    """The name of a file to write, which is renamed to `path` when all is written; nothing is left of an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(path.parent)
    # Two, on two machines even, may write the same file at once; the suffix stays, for some writers go by it.
    partial = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Delete what killed processes left in a folder half-written."""
    for partial in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):  # another process may be sweeping too
            touched = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - touched > STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def lock(path: Path, what: str) -> IO[str] | None:
    """A lock that is ours until the file given back is closed or this process ends, however it ends.

    what: what is locked, for the error. None where the system or the file system has no locks.

    Raises PielabError if another process holds it.
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
        raise PielabError(f"{what} is being run by {holder}: wait for it to end, or stop it first.") from None
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
