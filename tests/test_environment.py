"""The environment: one set of versions, and an import that costs nothing."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import pielab

PROJECT = Path(__file__).parents[1]


def locked():
    lines = (PROJECT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {normal(each.name): str(each.specifier) for each in pins}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_of_the_lock_is_pinned_to_one_version():
    assert len(locked()) > 100 and all(re.fullmatch(r"==[\w.!+-]+", pin) for pin in locked().values())


def test_conda_installs_the_lock():
    environment = yaml.safe_load((PROJECT / "environment.yml").read_text())
    assert environment["name"] == "pielab"
    (pip,) = [each["pip"] for each in environment["dependencies"] if isinstance(each, dict)]
    assert pip == ["-r requirements.lock", "-e ."]
    (python,) = [each for each in environment["dependencies"] if str(each).startswith("python=")]
    assert tuple(map(int, python.removeprefix("python=").split("."))) >= (3, 11)


def test_the_lock_satisfies_what_the_package_asks_for():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = sum(project["optional-dependencies"].values(), start=project["dependencies"])
    for requirement in map(Requirement, wanted):
        pin = locked()[normal(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(pin), f"{requirement} against {pin}"


def test_this_environment_is_the_locked_one():
    for name, pin in locked().items():
        assert importlib.metadata.version(name).partition("+")[0] == pin.removeprefix("=="), name


def test_importing_pielab_costs_nothing_and_brings_no_torch():
    code = (
        "import sys; before = set(sys.modules); import pielab; new = set(sys.modules) - before; "
        "own = {name for name in new if 'pielab' in name}; assert own == {'pielab', 'pielab._moved'}, own; "
        "others = {name.partition('.')[0] for name in new - own} - set(sys.stdlib_module_names); "
        "assert not others, others; "
        "assert len(new) < 50, new; "
        "from pielab.config import study; pielab.parameters.check; assert 'torch' not in sys.modules; "
        "pielab.training.train; assert 'torch' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wheel_holds_every_module_template_and_table(tmp_path):
    """An editable install, as make's, hides what a wheel lacks."""
    source = tmp_path / "source"
    shutil.copytree(PROJECT / "pielab", source / "pielab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(tmp_path), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    files = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "pielab").rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    assert {".py", ".csv", ".html"} == {Path(name).suffix for name in files}
    assert files == {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    # Unpacked elsewhere, it is complete: a table, a template and an old name.
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = (
        "import importlib.resources, pielab; from pielab.data import published; from pielab.pies import find; "
        "assert len(published.table('table4_pies_percent')) == 320; "
        "assert (importlib.resources.files('pielab.report') / 'templates' / 'index.html').read_text(); "
        "print(pielab.__file__)"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(str(tmp_path / "installed")), done.stderr


def test_a_script_beside_a_clone_finds_the_package(tmp_path):
    """The clone's folder has the package's name, and Python takes a folder beside a script for a package."""
    clone, python = tmp_path / "pielab", tmp_path / "venv/bin/python"
    shutil.copytree(PROJECT / "pielab", clone / "pielab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, clone)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = tmp_path.glob("venv/lib/*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = {"env": environment, "capture_output": True, "text": True, "check": False}
    install = [sys.executable, "-m", "pip", "--python", python, "install", *options, "--editable", clone]
    done = subprocess.run(install, cwd=tmp_path, **run)
    assert done.returncode == 0, done.stderr
    code = (
        "import pielab; from pielab.report import render; print(pielab.__file__); "
        "assert 'a study' in render.render('index.html', study='a study')"
    )
    (tmp_path / "script.py").write_text(code)
    for folder in (tmp_path, clone):
        done = subprocess.run([python, tmp_path / "script.py"], cwd=folder, **run)
        assert done.stdout == f"{clone}/pielab/__init__.py\n", done.stderr


def test_an_unknown_module_says_which_there_are():
    with pytest.raises(AttributeError, match="has no attribute 'prunning'; it has comparison, datasets, decomposition"):
        _ = pielab.prunning


def test_nothing_large_is_in_the_repository():
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "README.md" in listed.stdout.splitlines()
    for name in listed.stdout.splitlines():
        path = PROJECT / name
        assert not path.exists() or path.stat().st_size < 400_000, name
        kinds = {".parquet", ".safetensors", ".npy", ".whl", ".csv"}
        # The one exception: the numbers that the paper publishes.
        assert path.suffix not in kinds or path.parent.name == "published", name
