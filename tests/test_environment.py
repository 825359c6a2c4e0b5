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
from conftest import install, make_texts
from packaging.requirements import Requirement

import pielab
from pielab.errors import GENERATION, TRAIN

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
    for requirement in (each for each in map(Requirement, wanted) if each.name != "pielab"):
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


def test_a_wheel_holds_every_module_template_and_table_and_the_project(wheel):
    """An editable install, as make's, hides what a wheel lacks."""
    files = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "pielab").rglob("*") if path.is_file()}
    files = {name for name in files if "__pycache__" not in name}
    assert {".py", ".csv", ".html", ".md", ".typed"} == {Path(name).suffix for name in files}
    patterns = ("notebooks/*.ipynb", "params/**/*.yaml", "workflow/Snakefile", "workflow/profiles/*/config.yaml")
    project = [path.relative_to(PROJECT) for pattern in patterns for path in PROJECT.glob(pattern)]
    files |= {f"pielab/project/{path.as_posix()}" for path in project}
    assert files == {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    (metadata,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA")]
    assert f"\nVersion: {pielab.__version__}\n" in zipfile.ZipFile(wheel).read(metadata).decode()


def base_distributions():
    """What pip installs of pielab's dependencies without any extra."""
    found, left = {}, tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    while left:
        requirement = Requirement(left.pop())
        if normal(requirement.name) not in found and (not requirement.marker or requirement.marker.evaluate()):
            found[normal(requirement.name)] = importlib.metadata.distribution(requirement.name)
            left += importlib.metadata.requires(requirement.name) or []
    return found


@pytest.fixture(scope="module")
def base(wheel, tmp_path_factory):
    """Runs commands, one line each, in a process with pielab's wheel and what it needs without an extra alone."""
    folder, elsewhere = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("elsewhere")
    python, site = install(folder, wheel)
    for distribution in base_distributions().values():
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    # Folders of the same names are another project's.
    for name in ("workflow/Snakefile", "notebooks/02_prune.ipynb", "profiles/default/config.yaml"):
        (elsewhere / name).parent.mkdir(parents=True)
        (elsewhere / name).write_text("mine: [")

    def run(*lines):
        code = (
            "import shlex, sys\nfrom pielab.__main__ import main\n"
            "for line in sys.argv[1:]:\n"
            "    print(line, '->', main(shlex.split(line)), flush=True)\n"
            "print(sorted({'torch', 'transformers', 'papermill', 'IPython', 'textstat'} & set(sys.modules)))"
        )
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        options = {"cwd": elsewhere, "env": environment, "capture_output": True, "text": True, "check": False}
        return subprocess.run([python, "-c", code, *lines], **options)

    run.folder = elsewhere
    return run


def test_the_base_alone_compares_plans_and_explains(base):
    names = ["id", "prediction", "label"]
    for side, answers in {"before": "aabb", "after": "abbb"}.items():
        rows = [f"{place},{answer},a" for place, answer in enumerate(answers * 5)]
        (base.folder / f"{side}.csv").write_text("\n".join([",".join(names), *rows]))
    done = base("compare --before before.csv --after after.csv", "plan smoke --no-data", "errors out-of-memory")
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert "5 of 20 answers changed" in done.stdout and done.stdout.count("-> 0") == 3
    assert (base.folder / "comparison.html").stat().st_size > 10_000 and done.stdout.endswith("[]\n")
    # The plan's command runs as it is, from this folder.
    assert f"project{os.sep}params{os.sep}bbc-news-bilstm.yaml" in done.stdout.replace("/", os.sep)


def test_a_command_whose_packages_are_missing_names_the_extra(base):
    make_texts(30).to_csv(base.folder / "texts.csv", index=False)
    predict = "predict some/model --data texts.csv --text text --label label"
    done = base("study smoke", "run 02_prune", predict, "doctor --offline")
    needed = [("snakemake", "study"), ("papermill", "study"), ("torch", "train")]
    assert done.stderr.splitlines() == [
        f"error: {package} is not installed, and this needs it: pip install 'pielab[{extra}]'; in a clone, make."
        for package, extra in needed
    ]
    assert re.findall("-> (.)", done.stdout) == ["2", "2", "2", "0"]


def test_what_training_or_metrics_alone_need_is_their_extra():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert {Requirement(each).name for each in project["optional-dependencies"]["train"]} == TRAIN
    assert {Requirement(each).name for each in project["optional-dependencies"]["generation"]} == GENERATION
    assert "pielab[train]" in project["optional-dependencies"]["study"]


def test_a_script_beside_a_clone_finds_the_package(tmp_path):
    """The clone's folder has the package's name, and Python takes a folder beside a script for a package."""
    clone, python = tmp_path / "pielab", tmp_path / "venv/bin/python"
    shutil.copytree(PROJECT / "pielab", clone / "pielab", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
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


# What is kept of the studies that results.md is about.
KEPT = ("docs/grid", "docs/wnut17", "docs/qamr")


def test_nothing_large_is_in_the_repository():
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert "README.md" in listed.stdout.splitlines()
    for name in listed.stdout.splitlines():
        path = PROJECT / name
        assert not path.exists() or path.stat().st_size < 400_000, name
        kinds = {".parquet", ".safetensors", ".npy", ".whl", ".csv"}
        # The exceptions: the numbers that the paper publishes, and KEPT.
        assert path.suffix not in kinds or path.parent.name == "published" or name.startswith(KEPT), name
