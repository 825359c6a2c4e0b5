"""Every error message has an id of its own and a cure, and stands in docs/messages.md."""

import ast
import pickle
import re
from pathlib import Path

import pytest

from pielab.errors import PielabError, SeveralErrors, TransientError, first_line
from pielab.report import messages

PROJECT = Path(__file__).parents[1]
ALL = messages.messages()


def test_the_page_of_all_messages_is_what_the_code_raises():
    assert (PROJECT / "docs/messages.md").read_text() == messages.table(), "run make messages"
    assert len(ALL) > 100


def test_an_id_names_one_message():
    assert len({message.id for message in ALL}) == len(ALL)


@pytest.mark.parametrize("message", ALL, ids=lambda message: message.id)
def test_a_message_has_an_id_what_was_given_and_a_cure(message):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", message.id)
    assert message.problem and message.cure
    assert not message.problem.endswith((".", ":")) and not message.cure.endswith((".", ":"))


def test_every_raise_is_among_them():
    """A message that is put together before it is raised would be missed."""
    raised = 0
    for path in (PROJECT / "pielab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in messages.KINDS:
                assert len(node.args) == 3 and isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"
                raised += 1
    assert raised == len(ALL)


def test_an_error_is_a_sentence_and_survives_the_way_from_another_process():
    error = TransientError("no-network", "the Hub did not answer", "try again")
    assert str(error) == "the Hub did not answer: try again."
    again = pickle.loads(pickle.dumps(error.within("the study x")))
    assert type(again) is TransientError and str(again) == "the study x: the Hub did not answer: try again."
    both = pickle.loads(pickle.dumps(SeveralErrors(error, PielabError("no-such-file", "there is no x", "give y"))))
    assert str(both) == "the Hub did not answer: try again.\nthere is no x: give y." and both.id == "no-network"


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("no such file.\nat all"), "no such file"), (OSError(), "OSError"), (ValueError("\n"), "ValueError")],
)
def test_the_first_line_of_another_error_is_never_empty(error, line):
    assert first_line(error) == line
