"""The folder of downloads, and of what is derived from texts, which later runs use again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """$PIELAB_CACHE, or the user's cache folder of this system."""
    return Path(os.environ.get("PIELAB_CACHE") or platformdirs.user_cache_path("pielab"))
