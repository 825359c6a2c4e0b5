"""Answers to questions at each level: whether the texts differ, whether one is right, and how few words they share.

Most changes are from one wrong answer to another, which right or wrong hides, so each level stands beside its own null.
"""

from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import intervals, levels, medoids
from pielab.analysis.agreement import count, similarity_distance
from pielab.data import distinct_texts, votes
from pielab.data.answer_texts import token_f1
from pielab.store.predictions import Predictions
from pielab.store.span_answers import GoldAnswers

F1 = distinct_texts.of_pairs(token_f1)
LEVELS = ("answers", "right or wrong", "words of the answers")


def shares(
    dense: Predictions,
    pruned: Predictions,
    targets: GoldAnswers,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How far two sides' answers are apart at each level, in percent, beside the null, a row for each of LEVELS.

    dense, pruned: of the same seeds. Columns as of `levels.shares`. Of answers, on how many questions the most frequent
    ones differ; of right or wrong, on how many one side is right and the other is not; of words, one minus the F1 of
    the two medoids' words, a mean over questions, which takes three models a side, and else is left out.
    """
    views, texts = _views(targets, dense, pruned)
    rows = []
    options: dict[str, Any] = {"n_splits": n_splits, "n_bootstrap": n_bootstrap, "confidence": confidence}
    for level, sides in views.items():
        rows.append((level, len(targets), *levels.of_votes(sides[0], sides[1], **options)))
    if len(dense.seeds) // 2 >= medoids.LEAST_MODELS:
        unpruned, compressed = views["answers"]
        apart = levels.of_medoids(unpruned, compressed, distinct_texts.similarities(texts, F1), **options)
        rows.append((LEVELS[-1], len(targets), *apart))
    return pd.DataFrame(rows, columns=levels.SHARES)


def agreement(
    dense: Predictions,
    control: Predictions | None,
    pruned: Predictions,
    targets: GoldAnswers,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How far single models' answers are apart at each level, in points, as `agreement.quantities` gives it.

    Of words, one minus the F1 of two models' answers. Columns: level, comparison, quantity, estimate, low, high.
    """
    views, texts = _views(targets, dense, control, pruned)
    counted = {level: count(*sides) for level, sides in views.items()}
    distance = similarity_distance(distinct_texts.similarities(texts, F1))
    first, second, third = views["answers"]
    return levels.of_agreements(counted | {LEVELS[-1]: count(first, second, third, distance)}, confidence)


def of_configuration(
    dense: Predictions, control: Predictions | None, pruned: Predictions, targets: Any, n_splits: int, n_bootstrap: int
) -> dict[str, Any]:
    """`shares` and `agreement` as an entry of a configuration's summary."""
    tables = {
        "shares": shares(dense, pruned, targets, n_splits=n_splits, n_bootstrap=n_bootstrap),
        "agreement": agreement(dense, control, pruned, targets),
    }
    return levels.record(tables)


def _views(targets: GoldAnswers, *sides: Predictions | None) -> tuple[dict[str, list[Any]], list[list[str]]]:
    """The answers of all sides by number, and whether they are right; None of a side that is None. And their texts."""
    (*answers, gold), texts = votes.numbered_spans(*(None if side is None else side.classes for side in sides), targets)
    right = [None if each is None else votes.agree(each, gold).astype(np.int64) for each in answers]
    return {"answers": answers, "right or wrong": right}, texts
