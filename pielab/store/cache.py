"""The folder of downloads, and of what is derived from texts and files, which later runs use again."""

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import platformdirs

from pielab.errors import PielabError, warn
from pielab.store import files, paths, records

S = TypeVar("S")
T = TypeVar("T")


def cache_folder() -> Path:
    """$PIELAB_CACHE, or the user's cache folder of this system."""
    return Path(os.environ.get("PIELAB_CACHE") or platformdirs.user_cache_path("pielab"))


def require_cache() -> None:
    """Raises PielabError if nothing can be written into the cache folder, which is made if it is missing."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.require_folder(folder)
    except (OSError, PielabError):
        raise PielabError(
            "cache-not-writable",
            f"nothing can be written into the cache folder {folder}",
            "set PIELAB_CACHE to a folder that you may write in",
        ) from None


def derived(
    name: str,
    parts: Iterable[str],
    depends_on: str,
    make: Callable[[], S],
    read: Callable[[Path], T],
    write: Callable[[S, Path], None],
) -> T:
    """What `read` gives of a file in the cache, which `make` and `write` make first if it is missing, or damaged.

    name: of the file, such as "tokens/{}.safetensors", with a place for the hash of `parts` and `depends_on`.
    parts: what the file is derived from, texts for example. depends_on: everything else that it depends on.

    An error that says nothing about the file, such as a refused permission, passes unchanged.
    """
    key = hashlib.sha256()
    for part in (depends_on, *parts):
        key.update(part.encode("utf-8", "surrogatepass") + b"\0")
    path = cache_folder() / name.format(key.hexdigest()[:32])
    if path.exists():
        try:
            with records.checked_read(path, "it is made again"):
                return read(path)
        except PielabError as error:
            warn(str(error))
    require_cache()
    with files.atomic_file(path, digest=True) as partial:
        write(make(), partial)
    return read(path)
