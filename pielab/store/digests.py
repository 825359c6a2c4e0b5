"""Digests beside the files they are of, so that a file damaged since it was written is noticed when it is read.

A folder that is written at once has those of its files in `digests.xxh128`, a file written alone has its own in
<name>.xxh128, both in the format of `xxhsum --check`. Files of other programs and of earlier versions have none, and
are read as they are.
"""

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

import xxhash

SUFFIX = ".xxh128"
FOLDER_LIST = f"digests{SUFFIX}"


def of(path: Path) -> str:
    """The digest of a file, 32 hexadecimal digits: XXH3-128, which is fifteen times as fast as SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()


def beside(path: Path) -> Path:
    """Where the digest of a file written alone is."""
    return path.with_name(path.name + SUFFIX)


def write(path: Path, lines: Iterable[tuple[str, str]]) -> None:
    """Write a list of digests, each with the name of its file relative to the folder of the list."""
    path.write_text("".join(f"{digest}  {name}\n" for digest, name in lines), encoding="utf-8", newline="\n")


def stored(path: Path) -> dict[str, Path]:
    """The digests of a file, each with the list that it is in; none, one, or several while the file is replaced."""
    found: dict[str, Path] = {}
    for listed in (beside(path), path.with_name(FOLDER_LIST)):
        with contextlib.suppress(FileNotFoundError):
            lines = [line.split("  ", 1) for line in listed.read_text(encoding="utf-8", errors="replace").splitlines()]
            found |= {line[0]: listed for line in lines if line[1:] == [path.name]}
    return found


def missing(folder: Path) -> list[Path]:
    """The files that the list of a folder names and that are not there; none if it has no list."""
    listed = folder / FOLDER_LIST
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines() if listed.exists() else []
    return [path for line in lines if not (path := folder / line.partition("  ")[2]).exists()]


def check(path: Path) -> None:
    """Raises ValueError if a file that has a digest is not as it was written."""
    lists = stored(path)
    # Looked up again, because another process may have replaced the file.
    if lists and (digest := of(path)) not in lists and digest not in stored(path):
        raise ValueError(f"its digest is not that in {next(iter(lists.values())).name}")


def differing(folder: Path) -> list[str]:
    """The files of a folder written at once that are not as its list says: changed, missing, or not in it; by name.

    All its files if it has no list.
    """
    listed = folder / FOLDER_LIST
    lines = listed.read_text(encoding="utf-8", errors="replace").splitlines() if listed.is_file() else []
    stored = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    there.pop(FOLDER_LIST, None)
    return sorted(name for name in stored | there if name not in there or of(there[name]) != stored.get(name))
