"""Atomic writes: files and folders appear under their final name only when complete; and locks between processes."""

import atexit
import contextlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from pielab.errors import PielabError, warn
from pielab.store import digests

# A partial file that nobody has touched for an hour was left by a killed process.
STALE_SECONDS = 3600


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, renamed to `folder` at the end and deleted after an error; it gets its files' digests.

    If another process has made `folder` meanwhile, that one stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(folder.parent)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".partial-{folder.name}-"))
    try:
        yield partial
        partial.chmod(0o755)
        written = sorted(path for path in partial.rglob("*") if path.is_file())
        listed = partial / digests.FOLDER_LIST
        digests.write(listed, [(digests.of(path), path.relative_to(partial).as_posix()) for path in written])
        for path in (*written, listed):
            _flush(path)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def atomic_file(path: Path, digest: bool = False) -> Iterator[Path]:
    """The path of a file to write, renamed to `path` at the end and deleted after an error.

    digest: whether to write its digest beside it, for a file that pielab reads again and users do not edit.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale(path.parent)
    # A random name, because two machines may write the same file at once; the suffix stays, because writers go by it.
    partial = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
    try:
        yield partial
        _flush(partial)
        with _digest_replaced(path, partial) if digest else contextlib.nullcontext():
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _digest_replaced(path: Path, partial: Path) -> Iterator[None]:
    """Replaces the digest of `path` by that of `partial`.

    Inside, both are listed, so that neither file is taken for damaged, whenever this process is killed.
    """

    def write(*listed: str) -> None:
        with atomic_file(digests.beside(path)) as partial_list:
            digests.write(partial_list, [(digest, path.name) for digest in dict.fromkeys(listed)])

    new, before = digests.of(partial), list(digests.stored(path))
    if not before:
        with contextlib.suppress(OSError):  # there is none, or its disk is broken
            before = [digests.of(path)]
    write(new, *before)
    yield
    if before:
        write(new)


def delete(path: Path) -> None:
    """Delete a file that `atomic_file` wrote, and its digest, if they are there."""
    for written in (path, digests.beside(path)):
        written.unlink(missing_ok=True)


def remove_stale(folder: Path) -> None:
    """Delete the partial files and folders that killed processes left in a folder."""
    for partial in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):  # another process may be deleting too
            touched = max(path.stat().st_mtime for path in (partial, *partial.rglob("*")))
            if time.time() - touched > STALE_SECONDS:
                shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def lock(path: Path, what: str) -> filelock.BaseFileLock | None:
    """Lock `path` until the lock returned is released or this process ends, however it ends.

    On a file system without locks, the file `path` with the suffix .holder stands for it, which a process that is
    killed leaves behind: one on this machine is seen to be dead. what: names the locked thing in messages. Returns
    None, after a warning on stderr, if not even that can be written.

    Raises PielabError if another process holds the lock.
    """

    def write_holder(descriptor: int) -> None:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())

    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_name(f"{path.name}.holder")
    try:
        held = filelock.FileLock(path, blocking=False, on_acquired=write_holder)
        held.acquire()
        return held
    except filelock.Timeout:
        by = path.read_text() if os.name == "posix" else "another process"  # Windows lets nobody else read it
        raise _already_running(what, by, "") from None
    except OSError as error:
        reason = error.strerror
    try:
        held = filelock.SoftFileLock(holder, blocking=False)
        held.acquire()
    except filelock.Timeout:
        by = " on ".join(holder.read_text().split()[:2]) if holder.exists() else "that has just ended"
        raise _already_running(what, f"process {by}", f"; if that has ended, delete {holder}") from None
    except OSError:
        warn(f"{what} cannot be locked ({reason}): never run it twice at a time")
        return None
    atexit.register(held.release)
    return held


def _already_running(what: str, holder: str, also: str) -> PielabError:
    return PielabError(
        "already-running", f"{what} is being run by {holder}", f"wait for it to end, or stop it first{also}"
    )


def _flush(path: Path) -> None:
    # A file system may write the new name before the content, and a node may fail in between.
    with path.open("rb+") as file:
        os.fsync(file.fileno())
