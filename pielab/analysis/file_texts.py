"""What changed between two models whose answers are texts in files: how unlike they are, by single runs and medoids."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import levels, medoids, null
from pielab.analysis.agreement import Distance, similarity_distance
from pielab.data import text_files
from pielab.data.paired_texts import Texts
from pielab.data.votes import agree

# What is 100 less how like each other two answers are.
UNLIKE = {text_files.QUESTIONS: "100 less F1 of the words", text_files.GENERATION: "100 less similarity (chrF)"}


def distance(texts: Texts) -> Distance:
    """How far two runs' answers are apart, from 0 to 1, by their numbers, (texts,) each."""
    return similarity_distance(texts.similarities)


def votes(texts: Texts) -> list[np.ndarray]:
    """What the runs of both sides vote on: answers to questions by number, or whether generated texts are right.

    Empty if that is not known. (runs, texts) each.
    """
    if texts.task == text_files.QUESTIONS:
        return list(texts.ids)
    right = texts.right
    return [] if right is None else [agree(side, right).astype(int) for side in texts.ids]


def unlike(texts: Texts, pairs: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """How far the answers of two runs are apart, in percent, a mean over texts, in one row.

    Columns: quantity, estimate; low and high, of other runs, where each run before has one after; and another_before
    and another_after, how far two runs of the same side are apart.
    """
    (before, after), apart = texts.ids, distance(texts)
    between = [100 * apart(before[one], after[other]).mean() for one, other in pairs]
    estimate, *ends = null.seed_interval(np.array(between))
    row: dict[str, Any] = {"quantity": UNLIKE[texts.task], "estimate": estimate}
    row |= dict(zip(("low", "high"), ends if len(before) == len(after) else (np.nan, np.nan), strict=True))
    for side, runs in (("before", before), ("after", after)):
        own = [100 * apart(one, other).mean() for place, one in enumerate(runs) for other in runs[:place]]
        row[f"another_{side}"] = np.mean(own) if own else np.nan
    return pd.DataFrame([row])


def consensus(texts: Texts) -> dict[str, float]:
    """How far the medoids of both sides are apart, in percent, and with six runs a side beside the null of halves.

    Keys: apart; and halved, null, excess, excess_low, excess_high. Empty for fewer than three runs a side.
    """
    before, after = texts.ids
    if min(len(before), len(after)) < medoids.LEAST_MODELS:
        return {}
    if len(before) == len(after) >= 2 * medoids.LEAST_MODELS:
        names = ("apart", "halved", "null", "excess", "excess_low", "excess_high")
        return dict(zip(names, levels.of_medoids(before, after, texts.similarities), strict=True))
    sides = [medoids.of_models(side, texts.similarities) for side in (before, after)]
    return {"apart": 100 * float(distance(texts)(*sides).mean())}


def shown(texts: Texts) -> list[np.ndarray]:
    """One answer of each side to each text, as it is written: that of the medoid, or of the first run of fewer than
    three."""
    found = []
    for ids, written in zip(texts.ids, (texts.before, texts.after), strict=True):
        if len(ids) < medoids.LEAST_MODELS:
            found.append(written[0])
            continue
        chosen = medoids.of_models(ids, texts.similarities)
        first = (ids == chosen).argmax(axis=0)
        found.append(written[first, np.arange(len(first))])
    return found


def by_text(texts: Texts, pairs: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Columns of the table of texts: label, the right answers joined by strokes, if known; the answers of each run; and
    distance, the mean over compared pairs of runs."""
    columns: dict[str, Any] = {} if texts.gold is None else {"label": [" / ".join(each) for each in texts.gold]}
    for side, said in (("before", texts.before), ("after", texts.after)):
        columns |= {side if len(said) == 1 else f"{side}_{run}": of_run for run, of_run in enumerate(said, 1)}
    (before, after), apart = texts.ids, distance(texts)
    columns["distance"] = np.mean([apart(before[one], after[other]) for one, other in pairs], axis=0)
    return columns
