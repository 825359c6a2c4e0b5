"""Where what is fetched, or derived from texts, is kept for the next run."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """The folder of everything fetched: $PIELAB_CACHE, or the user's cache folder of this system."""
    return Path(os.environ.get("PIELAB_CACHE") or platformdirs.user_cache_path("pielab"))
