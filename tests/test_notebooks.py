"""The notebooks as templates: their form, their outputs (nbval), and their refusals (papermill)."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import refused, run_cells
from papermill.cli import _resolve_type

from pielab.config.parameters import DEFAULTS, NOTEBOOKS
from pielab.config.validation import check

FOLDER = Path(__file__).parents[1] / "notebooks"
TEMPLATES = sorted(FOLDER.glob("*.ipynb"))


def tagged(notebook, tag):
    return [cell for cell in notebook["cells"] if tag in cell["metadata"].get("tags", [])]


def source(cell):
    return "".join(cell["source"])


@pytest.fixture(params=TEMPLATES, ids=lambda path: path.stem)
def template(request):
    return json.loads(request.param.read_text()) | {"stem": request.param.stem}


def test_there_is_a_template_for_every_kind_of_parameters():
    assert [path.stem for path in TEMPLATES] == sorted(NOTEBOOKS)


def test_the_parameters_cell_sets_exactly_what_the_check_knows(template):
    (cell,) = tagged(template, "parameters")
    names = [target.id for line in ast.parse(source(cell)).body for target in line.targets]
    assert len(names) == len(set(names)) and set(names) == set(NOTEBOOKS[template["stem"]].model_fields)


# A notebook alone takes about a minute; a params file or a study that leaves these out gets the field's default.
A_MINUTE = {"limit": 400, "trials": 3}


def test_the_parameters_cell_has_the_defaults_of_the_fields(template):
    (cell,) = tagged(template, "parameters")
    values = {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(source(cell)).body}
    optional = {name: value for name, value in (DEFAULTS | A_MINUTE).items() if name in values}
    assert values == values | optional and all(DEFAULTS[name] != value for name, value in A_MINUTE.items())


def test_the_first_helper_call_is_the_check(template):
    code = [source(cell) for cell in template["cells"] if cell["cell_type"] == "code"]
    assert f'check("{template["stem"]}", globals())' in code[1]


def test_a_notebook_is_prose_and_calls(template):
    assert template["metadata"]["kernelspec"]["name"] == "python3"
    assert not tagged(template, "injected-parameters")
    for cell in template["cells"]:
        if cell["cell_type"] == "code":
            kinds = {type(node) for node in ast.walk(ast.parse(source(cell)))}
            assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Lambda}
            assert not any(output["output_type"] == "error" for output in cell["outputs"])
    assert source(template["cells"][0]).startswith("# 0")


def test_no_text_of_others_is_stored(template):
    for cell in tagged(template, "shows-text"):
        assert cell["outputs"] == []
    shown = [cell for cell in template["cells"] if "pie_examples" in source(cell)]
    assert all("shows-text" in cell["metadata"].get("tags", []) for cell in shown)


def test_outputs_are_what_is_stored(tmp_path):
    """nbval runs every notebook from the top, on its defaults, in a folder of its own."""
    shutil.copytree(FOLDER, tmp_path / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    options = ["-o", "addopts=", "-W", "ignore", "--nbval-cell-timeout=300"]
    # In the order of their names, for each reads what the ones before it made.
    files = [f"notebooks/{path.name}" for path in TEMPLATES]
    nbval = subprocess.run([*command, *options, *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert nbval.returncode == 0, nbval.stdout[-5000:] + nbval.stderr[-2000:]
    cells = sum(cell["cell_type"] == "code" for path in TEMPLATES for cell in json.loads(path.read_text())["cells"])
    assert f"{cells} passed" in nbval.stdout


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the cells of a notebook in this process, in a folder of its own, with parameters as papermill gives them."""
    monkeypatch.chdir(tmp_path)

    def cells(name, **values):
        run_cells(name, **defaults(json.loads((FOLDER / f"{name}.ipynb").read_text())) | values)

    return cells


def defaults(notebook):
    names = {}
    (cell,) = tagged(notebook, "parameters")
    exec(source(cell), names)
    return names


@pytest.mark.parametrize(
    ("name", "value", "id", "cure"),
    [
        ("treshold", "90", "unknown-parameter", "did you mean threshold?"),
        ("threshold", "ninety", "value-not-accepted", "give a percentage"),
        ("threshold", "0", "value-not-accepted", "give a percentage"),
        ("seeds", "5-2", "value-not-accepted", "give a range such as 0-29"),
        ("pruner", "IMPFT", "value-not-accepted", "give one of IIBP-WR"),
    ],
)
def test_what_papermill_lets_through_is_refused(name, value, id, cure):
    """With the defaults of 02_prune's own cell, and the value as papermill makes it of -p."""
    names = defaults(json.loads((FOLDER / "02_prune.ipynb").read_text()))
    with refused(id, cure, f"{name} " if id == "unknown-parameter" else f"{name} = {_resolve_type(value)!r}"):
        check("02_prune", names | {name: _resolve_type(value)})


def test_a_refused_parameter_is_one_line_of_papermill(tmp_path):
    command = [sys.executable, "-m", "papermill", FOLDER / "02_prune.ipynb", "out.ipynb", "--no-progress-bar"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*command, "-p", "treshold", "90"], **options)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("PielabError")]
    assert line.startswith("PielabError: treshold is not a parameter of 02_prune: did you mean threshold?")
    assert "Traceback" not in "".join(done.stderr.partition("Exception encountered")[1:])


def test_to_prune_with_nothing_trained_before_trains_what_it_starts_from(run):
    run("02_prune", pruner="IMP-FT", limit=200, epochs=1, seeds="0-1")
    pair = Path("results/try/bbc-news-bilstm")
    assert (pair / "dense/seeds/00/weights.safetensors").exists()
    assert (pair / "IMP-FT-50/seeds/01/test.parquet").exists()


# The made texts have one length and no difficult word, which scores of readability warn of.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_params_file_serves_every_notebook(run, given):
    """What belongs to another notebook is no mistake, so that -f needs no file for each."""
    numbers = {"n_splits": 20, "n_bootstrap": 20, "epochs": 1, "examples": 3, "bins": 5, "processes": 1}
    for path in TEMPLATES:
        run(path.stem, **given | numbers | {"study": "one"})
    assert Path(given["results"], "one/report/index.html").exists()


def test_pies_without_predictions_say_what_to_run(run):
    with refused("no-predictions-of-configuration", "run 01_train"):
        run("03_pies")
