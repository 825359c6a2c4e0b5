"""Run one notebook with papermill, after its parameters are checked."""

import argparse
import ast
import contextlib
import json
import os
from pathlib import Path
from typing import Any

from pielab.arguments import parser_for
from pielab.config import local_paths, yaml_files
from pielab.config.base_parameters import PairParameters, Parameters, PrunedParameters
from pielab.config.parameters import FIELDS, NOTEBOOKS, BuildParameters, TrainParameters, TuneParameters
from pielab.config.validation import current_names, validate
from pielab.errors import PielabError
from pielab.store import paths

EXAMPLES = """for example:
  pielab run 02_prune -p pruner IMP-FT -p threshold 90
  pielab run 02_prune -f params/bbc-news-bilstm.yaml -p threshold 70 -p study mine
  pielab run 06_report -p study mine --open

A notebook takes the value of its own parameters cell for whatever is not given. papermill does the same, without the
check: papermill notebooks/02_prune.ipynb out.ipynb -p pruner IMP-FT
"""


def main(arguments: list[str], program: str = "pielab run") -> int:
    """Check the parameters, run the notebook and give the exit status."""
    parser = parser_for(program, "Run one notebook, its names and values checked before anything starts.", EXAMPLES)
    parser.add_argument("notebook", help=f"one of {', '.join(NOTEBOOKS)}")
    parser.add_argument("out", nargs="?", help="the rendered notebook; its place in the study's folder if not given")
    parser.add_argument(
        "-f", "--file", action="append", default=[], help="a YAML file of parameters, such as one of params/"
    )
    parser.add_argument("-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    parser.add_argument("--open", action="store_true", help="show the page of the rendered notebook in the browser")
    given = parser.parse_args(arguments)
    name = full_name(given.notebook)
    template = source(name)
    values = parameters(name, given.file, given.parameter)
    p = validate(NOTEBOOKS[name], defaults(template) | values, name)
    output = Path(given.out).expanduser().absolute() if given.out else place(name, p)
    if output.suffix != ".ipynb":
        raise PielabError("output-not-a-notebook", f"{given.out} is no notebook's name", "give one that ends in .ipynb")
    if output.is_dir():
        raise PielabError("output-is-a-folder", f"{output} is a folder", "give the name of a notebook")
    local_paths.check(p)
    for folder in (output.parent, paths.log(_of_output(output, p), output).parent):
        paths.require_folder(folder)
    status = _execute(template, output, values, p)
    if status == 0 and given.open:
        import webbrowser

        from pielab.report import render

        webbrowser.open(render.notebook(output).as_uri())
    return status


def full_name(given: str) -> str:
    """The notebook that is meant by its name, its number or its path: "02_prune" of "02", "prune" or a path."""
    stem = Path(given).stem
    found = [name for name in NOTEBOOKS if stem in {name, *name.split("_")}]
    if not found:
        raise PielabError("unknown-notebook", f"there is no notebook {given}", f"give one of {', '.join(NOTEBOOKS)}")
    return found[0]


def source(name: str) -> Path:
    """The notebook's file, in the clone or as it came with pielab."""
    return paths.shipped() / "notebooks" / f"{name}.ipynb"


def parameters(notebook: str, files: list[str], named: list[list[str]]) -> dict[str, Any]:
    """The values given, later ones before earlier ones and those by name before those of files.

    Parameters of other notebooks are left out of files, so that one file serves all; by name they are refused.
    """
    values: dict[str, Any] = {}
    for file in files:
        values |= _read(file)
    values |= {name: _plain(value) for name, value in named}
    known, mine = NOTEBOOKS[notebook].model_fields, {name for name, _ in named}
    values = current_names(values)
    return {name: value for name, value in values.items() if name in known or name in mine or name not in FIELDS}


def defaults(template: Path) -> dict[str, Any]:
    """The values of a notebook's parameters cell."""
    cells = json.loads(template.read_text(encoding="utf-8"))["cells"]
    (cell,) = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assigned = [node for node in ast.parse("".join(cell["source"])).body if isinstance(node, ast.Assign)]
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in assigned}


def place(notebook: str, p: Parameters) -> Path:
    """Where a study has this notebook."""
    folder = p.study_folder / "report"
    match p:
        case TuneParameters() | PrunedParameters():
            folder = p.folder
        case TrainParameters():
            folder = p.dense_folder
        case PairParameters():
            folder = p.pair_folder
    return (folder / f"{notebook}.ipynb").absolute()


def _read(file: str) -> dict[str, Any]:
    path = paths.find_params(file)
    if path is None or not path.is_file():
        raise PielabError("no-parameters-file", f"there is no file {file}", "give a YAML file, such as one of params/")
    return yaml_files.read_params(path)


def _plain(text: str) -> Any:
    """A value as papermill's -p reads it."""
    if text in {"True", "False", "None"}:
        return ast.literal_eval(text)
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _of_output(output: Path, p: Parameters) -> Path:
    """The folder that has the logs of a rendered notebook: the study's, or that beside a notebook elsewhere."""
    study = p.study_folder.absolute()
    return study if output.is_relative_to(study) else output.parent


def _execute(template: Path, output: Path, values: dict[str, Any], p: Parameters) -> int:
    from pielab.jobs import gpus, run, terminal

    folder = _of_output(output, p)
    job = argparse.Namespace(
        template=str(template),
        output=str(output),
        study=str(folder),
        parameters=json.dumps(values | {"threads": p.threads} if isinstance(p, BuildParameters) else values),
        attempt=1,
        workers=getattr(p, "workers", 1),
        gpus=int(isinstance(p, BuildParameters) and p.device in {"auto", "cuda"} and bool(gpus.visible())),
    )
    status = run.main(job, **terminal.options(template.stem))
    with contextlib.suppress(OSError):  # not empty, or not there
        os.removedirs(paths.log(folder, output).parent)
    if status == 0:
        print(output)
    return status
