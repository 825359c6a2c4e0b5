"""The table of all error messages, docs/messages.md: read from the code, where each is raised.

python -m pielab.report.messages docs/messages.md
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pielab
from pielab.report import render

KINDS = ("PielabError", "TransientError")
HEAD = """# Every error message

One line for each: its id, what was given, and the cure. A word in {braces} stands for a value. An error has them as
`error.id`, `error.problem` and `error.cure`. `make messages` writes this page from the code.

| id | what was given | the cure |
|---|---|---|
"""


class Message(NamedTuple):
    """id, problem and cure as of PielabError, with names in braces for values; kind, its class; where, its module."""

    id: str
    problem: str
    cure: str
    kind: str
    where: str


def messages() -> list[Message]:
    """All messages of the package, by id."""
    package = Path(pielab.__file__).parent
    return sorted(message for path in package.rglob("*.py") for message in _in_module(path, package))


def table() -> str:
    """The page of all messages, Markdown."""
    rows = [f"| `{message.id}` | {_cell(message.problem)} | {_cell(message.cure)} |" for message in messages()]
    return HEAD + "\n".join(rows) + "\n"


def _in_module(path: Path, package: Path) -> Iterator[Message]:
    where = path.relative_to(package).with_suffix("").as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            yield Message(*(_text(argument) for argument in node.args), kind=node.func.id, where=where)


def _text(node: ast.expr) -> str:
    """A literal or an f-string as it stands in the code, each value as its name in braces."""
    match node:
        case ast.Constant():
            return str(node.value)
        case ast.JoinedStr():
            return "".join(_text(part) for part in node.values)
        case ast.FormattedValue():
            return _text(node.value)
        case ast.Name():
            return f"{{{node.id}}}"
        case ast.Attribute():
            return f"{{{node.attr}}}"
        case ast.IfExp():
            return f"{_text(node.body)} or {_text(node.orelse)}"
        case _:
            names = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
            return f"{{{names[-1].id if isinstance(names[-1], ast.Name) else names[-1].attr}}}" if names else "{value}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    render.write(Path(sys.argv[1]), table())
