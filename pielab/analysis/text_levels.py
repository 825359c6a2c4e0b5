"""Generated texts at each level: whether one is right, and how unlike each other texts are; and their consensus.

Other seeds write another text for nearly every source, so that the share of texts that differ shows nothing; how far
texts are apart does, and it stands beside its own null as every level does.
"""

from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import intervals, levels, medoids
from pielab.analysis.agreement import count, similarity_distance
from pielab.data import distinct_texts, generation
from pielab.data.votes import numbered
from pielab.store.predictions import Predictions
from pielab.store.text_answers import GoldTexts, TextAnswers

LEVELS = ("right or wrong", "texts")
# The columns that `consensus` gives.
CONSENSUS = ("unpruned_text", "pruned_text")


def shares(
    dense: Predictions,
    pruned: Predictions,
    targets: GoldTexts,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How far two sides' texts are apart at each level, in percent, beside the null, a row for each of LEVELS.

    dense, pruned: of the same seeds. Columns as of `levels.shares`. Of right or wrong, on how many sources the votes
    differ; of texts, one minus the similarity of the two medoids, a mean over sources, which takes three models a side,
    and else is left out.
    """
    options: dict[str, Any] = {"n_splits": n_splits, "n_bootstrap": n_bootstrap, "confidence": confidence}
    rows = [(LEVELS[0], len(targets), *levels.of_votes(*numbered(dense.classes, pruned.classes), **options))]
    if len(dense.seeds) // 2 >= medoids.LEAST_MODELS:
        (unpruned, compressed), texts = generation.numbered(dense.classes, pruned.classes)
        apart = levels.of_medoids(unpruned, compressed, distinct_texts.similarities(texts), **options)
        rows.append((LEVELS[1], len(targets), *apart))
    return pd.DataFrame(rows, columns=levels.SHARES)


def agreement(
    dense: Predictions,
    control: Predictions | None,
    pruned: Predictions,
    targets: GoldTexts,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How far single models' texts are apart at each level, in points, as `agreement.quantities` gives it.

    Of texts, one minus the similarity of two models' texts. Columns: level, comparison, quantity, estimate, low, high.
    """
    answers: list[Any] = [None if side is None else side.classes for side in (dense, control, pruned)]
    (first, second, third), texts = generation.numbered(*answers)
    apart = count(first, second, third, similarity_distance(distinct_texts.similarities(texts)))
    return levels.of_agreements({LEVELS[0]: count(*answers), LEVELS[1]: apart}, confidence)


def of_configuration(
    dense: Predictions, control: Predictions | None, pruned: Predictions, targets: Any, n_splits: int, n_bootstrap: int
) -> dict[str, Any]:
    """`shares` and `agreement` as an entry of a configuration's summary."""
    tables = {
        "shares": shares(dense, pruned, targets, n_splits=n_splits, n_bootstrap=n_bootstrap),
        "agreement": agreement(dense, control, pruned, targets),
    }
    return levels.record(tables)


def consensus(dense: TextAnswers, pruned: TextAnswers) -> dict[str, list[str]]:
    """The text that stands for each side, of each source, by the names of CONSENSUS, to be read.

    It is the medoid as its first seed wrote it; of fewer than three models, none of which is more like the others, the
    first seed's text.
    """
    if len(dense) < medoids.LEAST_MODELS:
        return dict(zip(CONSENSUS, (side.texts[0].tolist() for side in (dense, pruned)), strict=True))
    sides, texts = generation.numbered(dense, pruned)
    similarities = distinct_texts.similarities(texts)
    chosen = [(ids == medoids.of_models(ids, similarities)).argmax(axis=0) for ids in sides]
    places = np.arange(len(texts))
    return {
        name: side.texts[seeds, places].tolist()
        for name, side, seeds in zip(CONSENSUS, (dense, pruned), chosen, strict=True)
    }
