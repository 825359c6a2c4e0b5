"""The folder of downloads, and of what is derived from texts, which later runs use again."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import platformdirs
import safetensors

from pielab.store import files

T = TypeVar("T")


def cache_folder() -> Path:
    """$PIELAB_CACHE, or the user's cache folder of this system."""
    return Path(os.environ.get("PIELAB_CACHE") or platformdirs.user_cache_path("pielab"))


def derived(
    name: str,
    texts: Sequence[str],
    depends_on: str,
    make: Callable[[], T],
    read: Callable[[Path], T],
    write: Callable[[T, Path], None],
) -> T:
    """What `make` derives from the texts, read from the cache if an earlier run has written it there.

    name: of the file, such as "tokens/{}.safetensors", with a place for the hash of texts and `depends_on`, which is
        everything else that the result depends on. A file that cannot be read is made again.
    """
    key = hashlib.sha256(depends_on.encode("utf-8", "surrogatepass") + b"\0")
    for text in texts:
        key.update(text.encode("utf-8", "surrogatepass") + b"\0")
    path = cache_folder() / name.format(key.hexdigest()[:32])
    with contextlib.suppress(OSError, ValueError, KeyError, safetensors.SafetensorError):
        return read(path)
    result = make()
    with files.atomic_file(path) as partial:
        write(result, partial)
    return result
