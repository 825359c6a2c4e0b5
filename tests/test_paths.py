"""The names and folders of configurations, and which notebooks, params files and workflow a command takes."""

import re
import shutil
from pathlib import Path

import pytest
from conftest import PROJECT, refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.commands import run
from pielab.compression.pruners import KNOWN
from pielab.config import study
from pielab.store import paths
from pielab.store.paths import Configuration

# From a ten-thousandth of a percent on, a number has no exponent, whose sign would be a second "-" behind the method.
NUMBERS = st.floats(1e-4, 1e5)
METHODS = st.sampled_from([*KNOWN, "RTN", "Wanda", "SparseGPT+quant", "control-FT", "control-nested", "score"])
SETTINGS = NUMBERS | st.integers(0, 99) | st.sampled_from(["2of4", "4of8"])


@pytest.mark.parametrize(
    ("method", "setting", "name"),
    [
        ("unpruned", 0.0, "dense"),
        ("IMP-FT", 90.0, "IMP-FT-90"),
        ("IMP-FT-nested", 99.5, "IMP-FT-nested-99.5"),
        ("RTN", 4, "RTN-4"),
        ("Wanda", "2of4", "Wanda-2of4"),
        ("control-FT", 0.0, "control-FT"),
        ("control-gradual", 0, "control-gradual"),
        ("control-nested", 90, "control-nested-90"),
        ("score", 90, "score-90"),
    ],
)
def test_a_configuration_is_known_by_its_name_and_folder(method, setting, name):
    configuration = Configuration("bbc-news", "bilstm", method, setting)
    assert configuration.name == name and configuration.pair == "bbc-news-bilstm"
    assert configuration.folder(Path("results/s")) == Path("results/s/bbc-news-bilstm") / name
    assert configuration.unpruned == (name == "dense")
    record = {"seed": 0, "dataset": "bbc-news", "model": "bilstm", "pruner": method, "threshold": setting}
    assert Configuration.of(record) == configuration
    assert Configuration.of(configuration.record) == configuration and configuration.record.items() <= record.items()


@given(METHODS, SETTINGS)
def test_a_folder_has_a_safe_name(method, setting):
    assert re.fullmatch(r"\w[\w.+-]*", Configuration("d", "m", method, setting).name)


@given(METHODS, SETTINGS, METHODS, SETTINGS)
def test_two_configurations_share_a_folder_only_if_their_settings_agree_to_six_digits(first, its, second, others):
    folders = {Configuration("d", "m", *each).target for each in ((first, its), (second, others))}
    shown = {
        (method, each if isinstance(each, str) else f"{each:g}") for method, each in ((first, its), (second, others))
    }
    assert len(folders) == len(shown)


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A clone of the code that runs, with the working directory in one of its folders."""
    folder = tmp_path / "clone"
    shutil.copytree(PROJECT / "pielab", folder / "pielab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("workflow/Snakefile", "notebooks/02_prune.ipynb", "params/studies/demo.yaml"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    monkeypatch.chdir(folder / "notebooks")
    return folder


def test_in_a_clone_its_own_files_are_taken(clone, monkeypatch):
    assert paths.root() == paths.shipped() == clone
    assert run.source("02_prune") == clone / "notebooks/02_prune.ipynb"
    assert study.find("demo") == clone / "params/studies/demo.yaml"
    monkeypatch.chdir(clone)  # where Snakemake has always recorded its inputs as relative
    assert run.source("02_prune") == Path("notebooks/02_prune.ipynb")


def test_notebooks_of_one_version_are_not_run_with_the_code_of_another(clone):
    (clone / "pielab/errors.py").write_text("# of another version")
    for take in (paths.shipped, lambda: run.source("02_prune"), lambda: study.find("demo")):
        with refused("clone-of-other-code", "outside the clone", str(clone)):
            take()
    assert paths.root() == clone  # where its results are read


def test_another_projects_notebooks_and_workflow_are_not_taken(tmp_path, monkeypatch):
    for name in ("workflow/Snakefile", "notebooks/02_prune.ipynb", "here/file"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "here")
    assert paths.root() == tmp_path / "here" and paths.shipped() == PROJECT
    assert run.source("02_prune") == PROJECT / "notebooks/02_prune.ipynb"
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "site-packages/pielab")
    assert paths.shipped() == tmp_path / "site-packages/pielab/project"


def test_ones_own_study_comes_before_the_one_that_came_with_pielab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert study.find("demo") == PROJECT / "params/studies/demo.yaml"
    own = tmp_path / "params/studies/demo.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    (tmp_path / "demo").mkdir()  # a folder of data, which is no study file
    assert study.find("demo").resolve() == own
