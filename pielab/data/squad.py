"""SQuAD's JSON: articles of paragraphs, each with its questions and where their answers are in it."""

import re
import reprlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.errors import PielabError
from pielab.progress import counted

_KEYS = {"paragraphs", "question", "qas"}


def is_json(whole: Any) -> bool:
    """Whether a JSON value is SQuAD's, or meant to be: an object with a list of articles or questions under "data"."""
    if not (isinstance(whole, dict) and isinstance(whole.get("data"), list)):
        return False
    return "version" in whole or any(isinstance(part, dict) and _KEYS & part.keys() for part in whole["data"])


def split_of(name: str) -> str | None:
    """The split of one of SQuAD's own files, such as train-v1.1 or dev-v2.0; None for another name.

    Models are tested on the development set, because the test set is not public.
    """
    found = re.fullmatch(r"(train|dev)-v\d+\.\d+", name)
    return {"train": "train", "dev": "test"}[found[1]] if found else None


def table(whole: Mapping[str, Any], path: Path) -> pd.DataFrame:
    """A row for each question of SQuAD's JSON, with its keys, its context, and the title of its article.

    Objects under "data" that are questions with a context themselves, as some programs write them, stay as they are.

    Raises PielabError if a key is missing, or if two questions have the same id; ValueError without any question.
    """
    rows = list(_rows(whole["data"], path))
    if not rows:
        raise ValueError("it has no questions")
    numbers = Counter(str(row["id"]) for row in rows if "id" in row)
    if repeated := [id for id, number in numbers.items() if number > 1]:
        raise PielabError(
            "question-id-twice",
            f"{path} has {counted(len(repeated), 'id')} of more than one question, such as {repeated[0]!r}",
            "leave out what is there twice, or give each question an id of its own",
        )
    return pd.DataFrame(rows, dtype=object)


def _rows(articles: list, path: Path) -> Iterator[dict[str, Any]]:
    for number, article in enumerate(articles, 1):
        if isinstance(article, dict) and "question" in article:
            yield article
            continue
        for place, paragraph in enumerate(_value(article, "paragraphs", list, f"article {number}", path), 1):
            where = f"paragraph {place} of article {number}"
            context = _value(paragraph, "context", str, where, path)
            for question in _value(paragraph, "qas", list, where, path):
                _value(question, "question", str, f"a question of {where}", path)
                _value(question, "answers", list, f"a question of {where}", path)
                yield {**question, "context": context, "title": article.get("title")}


def _value(whole: Any, key: str, kind: type, where: str, path: Path) -> Any:
    """What is under a key; PielabError unless it is there, and of that kind."""
    if isinstance(whole, dict) and isinstance(whole.get(key), kind):
        return whole[key]
    has = f"it has {', '.join(map(str, whole))}" if isinstance(whole, dict) else f"it is {reprlib.repr(whole)}"
    raise PielabError(
        "not-quite-squad",
        f'{path} is nearly SQuAD\'s JSON: {where} has no {"text" if kind is str else "list"} under "{key}" ({has})',
        'give {"data": [{"paragraphs": [{"context": ..., "qas": [{"id": ..., "question": ..., "answers": [{"text": '
        '..., "answer_start": ...}]}]}]}]}',
    )
