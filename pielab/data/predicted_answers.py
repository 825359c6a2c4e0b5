"""The answers that a model gives to questions, as the columns of a file of predictions, and how right they are."""

from collections.abc import Sequence
from typing import Any

from pielab.data import questions
from pielab.data.prediction_texts import PredictionTexts
from pielab.store.span_answers import SpanAnswers


def columns(texts: PredictionTexts, answers: SpanAnswers) -> tuple[dict[str, Sequence], str]:
    """The columns id, text, the question, text_pair, its context, label, a list of gold answers, prediction, "" for
    none, its start in the context, in characters, and its score; and the scores of all in words."""
    found: dict[str, Any] = {"id": texts.ids, "text": texts.firsts, "text_pair": texts.seconds}
    score = "no gold answers"
    if texts.answers is not None:
        found["label"] = list(map(list, texts.answers.texts))
        match, f1 = (100 * metric(answers.texts, texts.answers) for metric in (questions.exact_match, questions.f1))
        score = f"exact match {match:.1f} %, F1 {f1:.1f} %"
    return found | {"prediction": list(answers.texts), "start": answers.starts, "score": answers.scores}, score
