"""The table of all error messages, docs/messages.md: read from the code, where each is raised.

python -m pielab.report.messages docs/messages.md
"""

import ast
import sys
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
    """id, problem and cure as of PielabError, with names in braces for values."""

    id: str
    problem: str
    cure: str


def messages() -> list[Message]:
    """All messages of the package, by id."""
    texts = (path.read_text(encoding="utf-8") for path in Path(pielab.__file__).parent.rglob("*.py"))
    nodes = (node for text in texts for node in ast.walk(ast.parse(text)))
    raised = (node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS)
    return sorted(Message(*map(_text, node.args)) for node in raised)


def table() -> str:
    """The page of all messages, Markdown."""
    rows = [f"| `{message.id}` | {_cell(message.problem)} | {_cell(message.cure)} |" for message in messages()]
    return HEAD + "\n".join(rows) + "\n"


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
            names = [_text(part) for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute)]
            return names[-1] if names else "{value}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    render.write(Path(sys.argv[1]), table())
