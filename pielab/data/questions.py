"""Questions that are answered by a part of their context: their gold answers, what they ask for, and metrics."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.data import answer_texts, votes
from pielab.store.span_answers import GoldAnswers, SpanAnswers

if TYPE_CHECKING:
    from datasets import Dataset

LOGITS = ("start", "end")
# Of how many tokens an answer is at most, as is usual for SQuAD.
MAX_ANSWER_TOKENS = 30
WORDS = ("who", "what", "when", "where", "why", "which", "how", "other")
_WORD = re.compile(rf"\b(?:({'|'.join(WORDS[:-1])})|whom|whose)\b")


def word(question: str) -> str:
    """The first of `WORDS` in a question, by which questions are counted; other if there is none of them.

    whom and whose are who.
    """
    found = _WORD.search(question.lower())
    return (found[1] or "who") if found else "other"


def feature() -> Any:
    """The feature of a column of answers."""
    from datasets import List, Value  # here, because it takes a second

    return List({"text": Value("string"), "start": Value("int64")})


def gold_answers(split: "Dataset") -> GoldAnswers:
    """The answers of a split."""
    rows = list(split["answers"])
    texts, starts = (tuple(tuple(answer[key] for answer in row) for row in rows) for key in ("text", "start"))
    return GoldAnswers(texts, starts, tuple(map(word, split["text"])))


def words_asked(targets: GoldAnswers) -> np.ndarray:
    """The place in `WORDS` of the word of each question, (questions,)."""
    return np.array([WORDS.index(asked) for asked in targets.asked], dtype=np.int64)


def counts(targets: GoldAnswers) -> tuple[list[str], np.ndarray]:
    """How many questions have each word, and how many have no answer, with the names of these."""
    of_words = np.bincount(words_asked(targets), minlength=len(WORDS))
    return [*WORDS, "without an answer"], np.array([*of_words, targets.texts.count(())])


def kinds(targets: GoldAnswers) -> tuple[list[str], np.ndarray]:
    """`WORDS`, and for each question which of them it has, (questions, words) of 0 and 1."""
    return list(WORDS), np.eye(len(WORDS))[words_asked(targets)]


def answers_of(dense: SpanAnswers, pruned: SpanAnswers, targets: GoldAnswers) -> dict[str, list]:
    """The columns of a table of examples: answers, those of models and of gold, with where they begin; gold, the right
    ones, by number."""
    sides = dense, pruned, targets.as_models
    (*ids, gold), _ = votes.numbered_spans(*sides, targets)
    written: list[dict[int, str]] = [{} for _ in range(len(targets))]
    for side, own in zip(sides, ids, strict=True):
        for (model, question), number in np.ndenumerate(own):
            start, text = side.starts[model, question], side.texts[model, question]
            written[question].setdefault(int(number), f"{start} {text}")
    answers = [[row[number] for number in sorted(row)] for row in written]
    return {"answers": answers, "gold": [np.flatnonzero(row).tolist() for row in gold]}


def decision_threshold(best: Any, targets: GoldAnswers) -> float | None:
    """By how much the score of no answer must exceed that of the best one, for the highest F1, as SQuAD 2.0 chooses it.

    None if all questions have an answer. best: of one model, as `models.candidates.best_spans` gives it.
    """
    if () not in targets.texts:
        return None
    right, right_if_none = (
        np.array([answer_texts.f1(*pair) for pair in zip(texts, targets.texts, strict=True)])
        for texts in (best.texts, [""] * len(targets))
    )
    return best.best_threshold(right, right_if_none)


def exact_match(predicted: np.ndarray, targets: GoldAnswers) -> float:
    """The share of answers, texts (questions,), that are one of their question's but for SQuAD's normalisation."""
    return float(np.mean([answer_texts.exact_match(*pair) for pair in zip(predicted, targets.texts, strict=True)]))


def f1(predicted: np.ndarray, targets: GoldAnswers) -> float:
    """The mean over questions of the F1 of an answer's words, against the answer of the question that is nearest."""
    return float(np.mean([answer_texts.f1(*pair) for pair in zip(predicted, targets.texts, strict=True)]))
