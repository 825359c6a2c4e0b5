"""The environment: one set of versions, and an import that costs nothing."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

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


def test_importing_pielab_is_quick_and_brings_no_torch():
    code = (
        "import sys, time; start = time.perf_counter(); import pielab; seconds = time.perf_counter() - start; "
        "assert seconds < 0.5, seconds; "
        "heavy = {'torch', 'transformers', 'pandas', 'matplotlib'} & set(sys.modules); assert not heavy, heavy; "
        "pielab.parameters; assert 'torch' not in sys.modules; "
        "pielab.training.train; assert 'torch' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_module_says_which_there_are():
    code = "import pielab\ntry: pielab.prunning\nexcept AttributeError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "has no attribute 'prunning'; it has comparison, datasets, el2n" in done.stdout


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
