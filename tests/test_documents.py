"""Every block of code in the README and the guides: Python runs, and commands are ones that pielab and make accept.

The examples of docs/bring-your-own.md run in test_importing and test_compare, those of docs/own-methods.md in
test_own_functions.
"""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pielab.__main__ import COMMANDS
from pielab.config.parameters import NOTEBOOKS
from pielab.report import written
from pielab.store import paths, predictions

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")), PROJECT / "docs/grid/README.md"]
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
COMMAND = re.compile(r"(?:\$ )?(?:\.venv/bin/)?(pielab|make|papermill)(?= |$)(.*)")
TARGETS = set(re.findall(r"^([\w./-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))


def blocks(page, language):
    return [code for kind, code in BLOCK.findall(page.read_text()) if kind == language]


def commands():
    """Each command line in a block that is no Python, without its comment, and the page it is on."""
    for page in PAGES:
        for kind, code in BLOCK.findall(page.read_text()):
            if kind in {"", "sh", "console"}:
                for line in code.replace("\\\n", " ").splitlines():
                    if found := COMMAND.match(line):
                        yield page.name, [found[1], *shlex.split(found[2], comments=True)]


class Accepted(Exception):
    pass


@pytest.fixture
def only_parsed(monkeypatch):
    """Commands end when their arguments are accepted."""

    def parse(parser, *given):
        parsed = real(parser, *given)
        raise Accepted(parsed)

    real = argparse.ArgumentParser.parse_known_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", parse)


@pytest.mark.parametrize(("page", "words"), [*commands()])
def test_a_command_in_the_documents_is_accepted(page, words, only_parsed):
    program, *arguments = words
    if program == "make":
        assert {word for word in arguments if "=" not in word} <= TARGETS
        return
    if program == "pielab":
        name, *arguments = arguments or ["--help"]
        if name.startswith("-"):
            return
        with pytest.raises(Accepted):
            importlib.import_module(f"pielab.{COMMANDS[name][0]}").main(arguments)
        if name != "run":
            return
    notebook = Path(arguments[0]).stem
    given = {arguments[place + 1] for place, word in enumerate(arguments) if word in {"-p", "-r"}}
    assert (PROJECT / "notebooks" / f"{notebook}.ipynb").exists()
    assert given <= set(NOTEBOOKS[notebook].model_fields)


def test_there_are_commands_to_check():
    assert len(list(commands())) >= 39


def test_the_python_of_the_readme_and_of_the_own_loop_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for configuration in ("dense", "IMP-FT-90"):
        for seed in range(8):
            folder = paths.seed(Path("results/demo/bbc-news-bilstm") / configuration, seed)
            folder.mkdir(parents=True)
            predictions.write(folder / "test.parquet", random.normal(size=(20, 3)).astype(np.float32), {})
    names = {}
    for code in blocks(PROJECT / "docs/from-python.md", "python"):
        exec(code, names)
    assert capsys.readouterr().out in blocks(PROJECT / "docs/from-python.md", "")
    (code,) = blocks(PROJECT / "README.md", "python")
    exec(code, {"pielab": names["pielab"], "dense": names["before"], "pruned": names["after"]})


def test_the_page_of_all_files_is_what_the_code_says():
    assert (PROJECT / "docs/files.md").read_text() == written.page(), "run make files"
