"""Assets: only whole, right files are ever used."""

import hashlib
import subprocess
import zipfile

import pytest
from conftest import refused

from pielab.data import assets
from pielab.errors import TransientError
from pielab.store.cache import cache_folder

THING = "a-thing"


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A cache, and a pip that copies a wheel from a folder instead of downloading it."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheel = shelf / "a_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("a_thing/data.txt", "something")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setitem(assets.ASSETS, THING, assets.Asset(THING, "1.0", right, "made for this test"))
    return wheel


def make_wheel_installable(wheel):
    """Give pip the metadata without which it does not take a wheel."""
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("a_thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: a-thing\nVersion: 1.0\n")
        archive.writestr(
            "a_thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("a_thing-1.0.dist-info/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_a_wheel_is_fetched_once_and_then_comes_from_the_cache(index, monkeypatch):
    digest = make_wheel_installable(index)
    monkeypatch.setitem(assets.ASSETS, THING, assets.Asset(THING, "1.0", digest, ""))
    path = assets.fetch(THING)
    assert path.parent == cache_folder() and path.read_bytes() == index.read_bytes()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched again"))
    assert assets.fetch(THING) == path
    assert assets.extract(THING, {"a_thing/data.txt": "data.txt"}).joinpath("data.txt").read_text() == "something"
    assert not list(cache_folder().glob(".partial*"))


def test_a_file_with_another_digest_is_thrown_away(index):
    make_wheel_installable(index)
    with refused("asset-of-another-digest", "use another package index", "thrown away") as caught:
        assets.fetch(THING)
    assert f"not the pinned {assets.ASSETS[THING].sha256[:12]}" in caught.value.problem
    assert not list(cache_folder().iterdir())


def test_no_index_is_one_sentence(index):
    index.unlink()
    problem = "a-thing==1.0 could not be downloaded"
    with refused("asset-not-downloaded", "check that this machine reaches", problem, kind=TransientError):
        assets.fetch(THING)
    assert not list(cache_folder().iterdir())


def test_a_file_cut_short_in_the_cache_is_not_used(index, monkeypatch):
    digest = make_wheel_installable(index)
    monkeypatch.setitem(assets.ASSETS, THING, assets.Asset(THING, "1.0", digest, ""))
    path = assets.fetch(THING)
    path.write_bytes(path.read_bytes()[:-10])
    with refused("asset-damaged", "delete it", f"{path} is damaged"):
        assets.fetch(THING)


def test_an_extraction_that_breaks_off_leaves_nothing(index, monkeypatch):
    digest = make_wheel_installable(index)
    monkeypatch.setitem(assets.ASSETS, THING, assets.Asset(THING, "1.0", digest, ""))
    with pytest.raises(KeyError):
        assets.extract(THING, {"a_thing/data.txt": "data.txt", "a_thing/missing": "missing"})
    assert [path.suffix for path in cache_folder().iterdir()] == [".whl"]


def test_an_unknown_asset_lists_the_known_ones():
    with refused("unknown-asset", "bbc-news, glove-6b-50d, minilm", "'nothing'"):
        assets.fetch("nothing")


def test_the_cache_is_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("PIELAB_CACHE")
    assert cache_folder().name == "pielab"
