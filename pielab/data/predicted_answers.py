"""Answers to questions, and generated texts, as the columns of a file of predictions, and how right they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pielab.data import generation, questions
from pielab.data.prediction_texts import PredictionTexts
from pielab.store.span_answers import SpanAnswers
from pielab.store.text_answers import TextAnswers


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


def of_generated(texts: PredictionTexts, generated: list[str], scores: np.ndarray) -> tuple[dict[str, Sequence], str]:
    """The columns id, text, the source, label, a list of the texts that people wrote, prediction and score, the mean
    log-probability of its tokens; and the score of all in words."""
    found: dict[str, Any] = {"id": texts.ids, "text": texts.firsts}
    score = "no texts that people wrote"
    if texts.written is not None:
        found["label"] = list(map(list, texts.written.texts))
        unknown = np.zeros(len(generated), dtype=np.float32)
        answers = TextAnswers(np.array(generated, dtype=object), unknown, unknown, unknown)
        score = f"chrF {100 * generation.mean_chrf(answers, texts.written):.1f} %"
    return found | {"prediction": generated, "score": scores}, score
