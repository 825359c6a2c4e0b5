"""Questions and the parts of a context that answer them: what they cannot be."""

import re
import reprlib
from typing import Any

import numpy as np
import pandas as pd

from pielab.data import tables
from pielab.errors import PielabError
from pielab.progress import counted

# What the columns are called in SQuAD, and by default, by the parameters of pielab.
COLUMNS = {"text": "question", "text_pair": "context", "label": "answers"}
DEFAULTS = {"text": "text", "label": "label"}
# In what other languages count where an answer begins, and how many bytes of an encoding each unit has.
_UNITS = {"UTF-16, as in JavaScript and Java": ("utf-16-le", 2), "bytes of UTF-8": ("utf-8", 1)}


def columns(frames: tables.Frames, given: dict[str, str]) -> dict[str, str]:
    """The given columns, or SQuAD's if those are the defaults, and all frames have SQuAD's and not the defaults."""
    theirs = set(COLUMNS.values())
    if given == DEFAULTS and all(
        theirs <= set(frame) and not set(DEFAULTS.values()) & set(frame) and len(frame) for frame in frames.values()
    ):
        return dict(COLUMNS)
    return given


def has_answers(frames: tables.Frames, columns: dict[str, str]) -> bool:
    """Whether labels are answers in a context: objects with a text, or lists of them; or the columns are SQuAD's.

    columns: as of `tables.select`.
    """
    return columns == COLUMNS or any(
        isinstance(part, dict) and "text" in part
        for frame in frames.values()
        for cell in frame.get(columns.get("label"), ())
        for part in (cell if isinstance(cell, (list, np.ndarray)) else (cell,))
    )


def encode(
    frames: tables.Frames, columns: dict[str, str], separator: str | None, no_answer: bool, where: str
) -> tables.Frames:
    """Frames of the columns text (the question), text_pair (its context), answers and label.

    answers: for each question a list of {"text", "start" (characters of the context before it)}. label: whether there
    are any, as a tuple, by which fewer questions are drawn in proportion.

    columns: as of `tables.select`. no_answer: whether a question may have no answer.

    Raises PielabError for questions, contexts and answers that cannot be meant.
    """
    if "text_pair" not in columns:
        raise PielabError(
            "questions-without-contexts",
            f"{where} has answers with their place in a context as {columns['label']!r}, and text_pair was not given",
            "give the column of the contexts as text_pair, or as label that of the classes of texts",
        )
    if separator:
        raise PielabError(
            "separator-of-answers",
            f"label_separator = {separator!r} is for labels joined in a string, {where} has answers in a context",
            "omit label_separator",
        )
    chosen = {split: tables.select(frame, columns, f"{where} ({split})") for split, frame in frames.items()}
    tables.check_texts(chosen, where)
    encoded = {}
    for split, frame in chosen.items():
        names = _names(frames[split], f"{where} ({split})")
        rows = zip(frame["text"], frame["text_pair"], frame["label"], names, strict=True)
        answers = [_answers(*row) for row in rows]
        _check_unanswered(frames[split], answers, no_answer, names)
        answered = [(bool(each),) for each in answers]
        encoded[split] = frame[["text", "text_pair"]].assign(answers=answers, label=answered)
    return encoded


def _check_unanswered(frame: pd.DataFrame, answers: list[list], no_answer: bool, names: list[str]) -> None:
    impossible = frame["is_impossible"] if "is_impossible" in frame else [False] * len(answers)
    for name, found, said in zip(names, answers, impossible, strict=True):
        if found and said is True:
            raise PielabError(
                "impossible-question-with-answers",
                f"{name} has the answer {reprlib.repr(found[0]['text'])}, and is_impossible is true",
                "leave one of the two out; SQuAD 2.0 calls what only seems an answer plausible_answers",
            )
    if not (no_answer or all(answers)):
        raise PielabError(
            "questions-without-answers",
            f"{names[answers.index([])]} has no answer, and so {answers.count([])} of "
            f"{counted(len(answers), 'question')} have none",
            "set no_answer to true, as for SQuAD 2.0, or leave such questions out",
        )


def _names(frame: pd.DataFrame, where: str) -> list[str]:
    """What each question is called in errors, by its id if it has one."""
    if "id" in frame:
        return [f"{where}, question {id!r}" for id in frame["id"]]
    return [f"{where}, row {row}" for row in range(1, len(frame) + 1)]


def _answers(question: str, context: str, cell: Any, where: str) -> list[dict[str, Any]]:
    for kind, text in (("question", question), ("context", context)):
        if not text.strip():
            raise PielabError("empty-question-or-context", f"{where} has an empty {kind}", "leave it out")
    if (pairs := _pairs(cell)) is None:
        raise PielabError(
            "answers-of-another-form",
            f"{where} has the answers {reprlib.repr(_plain(cell))}",
            'give a list of {"text": ..., "answer_start": ...} for each question, as in SQuAD, or {"text": [...], '
            '"answer_start": [...]}, as on the Hub, in JSON or Parquet; or call the column of classes otherwise',
        )
    for text, start in pairs:
        if not text.strip():
            raise PielabError("empty-answer", f"{where} has an answer that is empty", "leave that answer out")
        if start < 0 or context[start : start + len(text)] != text:
            raise _misplaced(text, start, context, question, where)
    return [{"text": text, "start": start} for text, start in pairs]


def _pairs(cell: Any) -> list[tuple[str, int]] | None:
    """The text and the start of each answer of a cell; None unless it has one of the two forms."""
    cell = _plain(cell)
    if isinstance(cell, dict):
        texts, starts = _plain(cell.get("text")), _start(cell)
        if not (isinstance(texts, list) and isinstance(starts, list) and len(texts) == len(starts)):
            return None
        pairs = list(zip(texts, starts, strict=True))
    elif isinstance(cell, list) and all(isinstance(part, dict) for part in cell):
        pairs = [(part.get("text"), _start(part)) for part in cell]
    else:
        return None
    # By its type, because True is an int as well.
    return pairs if all(isinstance(text, str) and type(start) is int for text, start in pairs) else None


def _start(answer: dict[str, Any]) -> Any:
    return _plain(answer.get("answer_start", answer.get("start")))


def _plain(cell: Any) -> Any:
    return cell.tolist() if isinstance(cell, np.ndarray) else cell


def _misplaced(text: str, start: int, context: str, question: str, where: str) -> PielabError:
    """What is wrong with an answer that is not where it should be, as far as its context tells."""
    there, short = context[max(start, 0) :][: len(text)], reprlib.repr(text)
    given = f"{where} has the answer {short} at {start}, where its context has {reprlib.repr(there)}"
    places = [match.start() for match in re.finditer(f"(?={re.escape(text)})", context)]
    for unit, (encoding, width) in _UNITS.items():
        if any(len(context[:place].encode(encoding, "surrogatepass")) == width * start for place in places):
            return PielabError(
                "answer-counted-in-other-units",
                f"{given}, as if it were counted in {unit}",
                "count the characters of the context before it, as Python does",
            )
    if start >= 0 and question[start : start + len(text)] == text:
        return PielabError(
            "answer-in-question", f"{given}, and its question has that answer", "exchange text and text_pair"
        )
    nearest = min(places, key=lambda place: abs(place - start), default=None)
    return PielabError(
        "answer-misplaced",
        f"{given}, {'and nowhere that answer' if nearest is None else f'and that answer at {nearest}'}",
        "give how many characters of the context are before it, from 0",
    )
