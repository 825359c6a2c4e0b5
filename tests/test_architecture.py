"""The packages import in one direction, and docs/architecture.md names every module."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent for path in (PROJECT / "pielab").glob("*/__init__.py"))
KEPT = {
    "one direction",
    "no circle inside a package",
    "what reads predictions builds no model",
    "no torch where predictions are read, nor where parameters are checked",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("architecture")
    shutil.copytree(PROJECT / "pielab", folder / "pielab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def broken(folder):
    """The contracts that import-linter finds broken in a folder."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    options = {"cwd": folder, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*command, "--no-cache"], env={"PYTHONPATH": str(folder), "COLUMNS": "200"}, **options)
    state = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    assert set(state) == KEPT, done.stdout + done.stderr
    assert done.returncode == ("BROKEN" in state.values())
    return {name for name, found in state.items() if found == "BROKEN"}


def test_every_contract_is_kept(copy):
    assert broken(copy) == set()


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("store/cache", "from pielab.report import style", "one direction"),
        ("training/loop", "from pielab.analysis import pies", "one direction"),
        ("store/paths", "from pielab.store import records", "no circle inside a package"),
        ("analysis/measures", "from pielab.models import tokens", "what reads predictions builds no model"),
        ("config/types", "import torch", "no torch where predictions are read, nor where parameters are checked"),
    ],
)
def test_an_import_against_a_contract_breaks_it(copy, module, statement, contract):
    path = copy / "pielab" / f"{module}.py"
    text = path.read_text()
    try:
        path.write_text(f"{text}\n{statement}\n")
        assert contract in broken(copy)
    finally:
        path.write_text(text)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_page_names_every_module_of_a_package(package):
    page = (PROJECT / "docs/architecture.md").read_text()
    (modules,) = re.findall(rf"^\| `{package.name}` \|.*\| (.*) \|$", page, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", modules))
    files = {path.stem for path in package.rglob("*.py") if not path.stem.startswith("__")}
    files |= {path.parent.name for path in package.glob("*/__init__.py") if path.parent.name != "examples"}
    assert named == files


def test_no_module_is_longer_than_two_ideas_take():
    for path in (PROJECT / "pielab").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 320, path
