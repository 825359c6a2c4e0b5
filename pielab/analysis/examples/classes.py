"""Which classes PIEs belong to (Figures 2 and 6)."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import intervals, results

# The columns of null.beside_null, and what they are called beside those of the PIEs.
BESIDE_NULL = {
    "halved": "halved_percent",
    "null": "null_percent",
    "more": "more",
    "low": "more_low",
    "high": "more_high",
}


def by_configuration(study: Path | results.Results, confidence: float = intervals.RECORDED) -> pd.DataFrame:
    """The classes of the PIEs of each configuration of a study, and those of all test examples (Figure 6).

    One row for each configuration and class, the most frequent class first: class, rank (from 1); examples and pies,
    the configuration's numbers of each; percent and pies_percent, the share with this class among all examples and
    among the PIEs; low and high, the interval of pies_percent (Wilson 1927); halved_percent and null_percent, the
    share among the disagreements of unpruned halves of the seeds with pruned and with unpruned ones; more, their
    difference, with its interval, more_low and more_high; confidence, the level of both. NaN without PIEs, and all
    beside the null if 03 was run by pielab before it counted them.
    """
    intervals.tails(confidence)  # which refuses what is no level
    study, parts = results.read(study), []
    for folder in study.pies_in:
        frame, record = study.pies(folder)
        names = np.array(record["summary"]["classes"])
        hot = _multi_hot(frame["label"], len(names))
        order = np.argsort(-hot.sum(axis=0), kind="stable")
        hot, is_pie = hot[:, order], frame["pie"].to_numpy()
        number = int(is_pie.sum())
        ends = [
            stats.binomtest(int(count), number).proportion_ci(confidence, "wilson") if number else (np.nan, np.nan)
            for count in hot[is_pie].sum(axis=0)
        ]
        part = pd.DataFrame({"class": names[order], "rank": np.arange(1, len(names) + 1)})
        part = part.assign(examples=len(frame), pies=number, percent=100 * hot.mean(axis=0))
        part["pies_percent"] = 100 * hot[is_pie].mean(axis=0) if number else np.nan
        part["low"], part["high"] = 100 * np.transpose(ends)
        beside = record["summary"].get("classes_beside_null")
        beside = pd.DataFrame(beside or {}, index=range(len(names)), columns=[*BESIDE_NULL], dtype=float)
        part[[*BESIDE_NULL.values()]] = 100 * beside.to_numpy()[order]
        freedom = record["summary"]["seeds"] - 1
        part = intervals.rescaled(part, ("more", "more_low", "more_high"), freedom, confidence)
        parts.append(part.assign(confidence=confidence, **results.configuration_of(record["summary"])))
    return results.sort_as_paper(pd.concat(parts, ignore_index=True), "rank") if parts else pd.DataFrame()


def _multi_hot(labels: pd.Series, n_classes: int) -> np.ndarray:
    """Class ids, or lists of them, as a bool array (examples, classes)."""
    ids = labels.explode().dropna().astype(int)
    hot = np.zeros((len(labels), n_classes), dtype=bool)
    hot[ids.index, ids] = True
    return hot
