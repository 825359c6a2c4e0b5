"""Who pays: changed answers, lost accuracy and movement by group of texts, and how each group differs from the others.

At fixed texts any two groups differ a little, so a difference of groups is one of populations: its interval and test
are for texts to come, over seeds and over the texts of both sides.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import intervals
from pielab.analysis.agreement import (
    FEW_CHANGED,
    Agreement,
    coefficients,
    count,
    pair_sums,
    poisson_interval,
    quantities,
    seed_variance,
)
from pielab.data import datasets
from pielab.data.votes import agree, check_classes, numbered

if TYPE_CHECKING:
    from datasets import Dataset

# With fewer texts in a group, or outside it, it is listed and not tested.
LEAST_TEXTS = 20
# In points; a smaller standard error is one of floats.
ROUNDING = 1e-9
QUANTITIES = ("changed", "lost accuracy", "moved")
NUMBERS = ["estimate", "low", "high", "null", "null_low", "null_high"]
DIFFERENCES = ["difference", "difference_low", "difference_high", "null_difference", "p", "p_corrected"]
COLUMNS = ["group", "texts", "quantity", *NUMBERS, *DIFFERENCES, "told"]
_DEFINED = {"changed": ("both", "own answers changed"), "moved": ("both", "moved"), "null": ("parts", "retraining")}


@dataclass(frozen=True)
class Texts:
    """What some texts contribute, in points: `QUANTITIES`, and last on how many texts unpruned models differ.

    agreement: of their answers. before, after: whether these are right, (seeds, texts) bool. kernels: (quantities,
    seeds, seeds), a mean over texts for each two seeds, 0 if they are the same. variances: (quantities,), over texts.
    """

    agreement: Agreement
    before: np.ndarray
    after: np.ndarray
    kernels: np.ndarray
    variances: np.ndarray

    @property
    def number(self) -> int:
        return self.agreement.texts


def of_split(split: "Dataset", unpruned: np.ndarray, pruned: np.ndarray) -> dict[str, list] | None:
    """`compare` of the texts of a split, as lists by column; None if they have no groups."""
    if "group" not in split.column_names:
        return None
    groups = np.array(split["group"], dtype=object)
    return compare(unpruned, pruned, datasets.targets(split), groups)[COLUMNS].to_dict("list")


def compare(
    unpruned: np.ndarray,
    pruned: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """What a configuration changes in each group of texts, in points: percent of the group's texts.

    unpruned, pruned: predictions of the same seeds in the same order, class ids (seeds, examples), bool (seeds,
        examples, classes) or EntitySets. targets: class ids (examples,), multi-hot (examples, classes) or Tags. groups:
        names (examples,).

    One row for each group and quantity: "changed", own answers changed, a model before and after; "lost accuracy", of
    whole sets if texts have several labels; "moved", as `agreement.coefficients` defines it. Columns:
    texts; estimate, low, high (other seeds at these texts); null, null_low, null_high (changed: on how many texts
    two unpruned models differ; else 0); difference, from all other texts, with its interval for texts to come;
    null_difference; p of the difference, two-sided; p_corrected, over the groups of a quantity (Holm 1979); told,
    whether p_corrected < .05 and the group is harmed more; confidence, the level of all intervals. NaN for fewer than
    four seeds, or `LEAST_TEXTS` texts.
    """
    unpruned, pruned, targets = numbered(unpruned, pruned, targets)
    for answers in (unpruned, pruned):
        check_classes(answers)
    # A set of labels is right as a whole.
    right = [agree(answers, targets) for answers in (unpruned, pruned)]

    def measure(chosen: np.ndarray) -> Texts:
        return _measure(unpruned[:, chosen], pruned[:, chosen], *(side[:, chosen] for side in right))

    everything, tables = measure(np.ones(len(groups), dtype=bool)), []
    for name in sorted(set(groups), key=in_order):
        chosen = groups == name
        own = measure(chosen)
        differences = pd.DataFrame() if chosen.all() else _differences(own, measure(~chosen), everything, confidence)
        table = _at_these_texts(own, confidence).join(differences.reindex(columns=DIFFERENCES))
        tables.append(table.assign(group=name, texts=own.number))
    table = pd.concat(tables).reset_index()
    table["p_corrected"] = table.groupby("quantity")["p"].transform(holm if len(tables) > 2 else lambda p: p)
    told = (table["p_corrected"] < 0.05) & (table["difference"] > 0)
    return table.assign(told=told, confidence=confidence)[[*COLUMNS, "confidence"]]


def in_order(name: str) -> tuple[float, str]:
    """By the number that a name begins with, then by the alphabet."""
    number = re.match(r"-?\d+(\.\d+)?", name)
    return (float(number[0]) if number else np.inf), name


def _measure(unpruned: np.ndarray, pruned: np.ndarray, before: np.ndarray, after: np.ndarray) -> Texts:
    counted = count(unpruned, pruned=pruned)
    seeds, texts = before.shape
    definitions = coefficients(counted.sides)
    weights = np.array([definitions[key] for key in _DEFINED.values()])
    kernels = 100 * np.tensordot(weights, pair_sums(counted), axes=1) / (2 * texts)
    variances = 100**2 * np.einsum("qp,pr,qr->q", weights, counted.covariance, weights).clip(min=0)

    lost = 100 * (before.astype(float) - after)
    of_seeds = lost.mean(axis=1)
    kernel = (of_seeds + of_seeds[:, None]) / 2 * (1 - np.eye(seeds))
    variance = lost.mean(axis=0).var() * texts / max(texts - 1, 1)
    return Texts(counted, before, after, np.insert(kernels, 1, kernel, axis=0), np.insert(variances, 1, variance))


def _at_these_texts(texts: Texts, confidence: float) -> pd.DataFrame:
    """`NUMBERS` by quantity."""
    found = quantities(texts.agreement, confidence).set_index(["comparison", "quantity"])[["estimate", "low", "high"]]
    changed, moved, null = (found.loc[key].tolist() for key in _DEFINED.values())
    rows = [[*changed, *null], [*_lost_accuracy(texts, confidence), 0.0, 0.0, 0.0], [*moved, 0.0, 0.0, 0.0]]
    return pd.DataFrame(rows, index=pd.Index(QUANTITIES, name="quantity"), columns=NUMBERS)


def _lost_accuracy(texts: Texts, confidence: float) -> tuple[float, float, float]:
    """The estimate and its interval at these texts, by Student's t.

    Where few answers changed, that of the difference of two Poisson numbers, lost and won, if it is wider (MOVER, Zou
    and Donner 2008).
    """
    before, after = texts.before, texts.after
    lost, won = (before & ~after).sum(), (after & ~before).sum()
    estimate = 100 * (lost - won) / before.size
    error = np.sqrt(seed_variance(texts.kernels[1:2])[0])
    half_width = intervals.half_width(error, len(before) - 1, confidence)

    def of_few(level: float) -> tuple[float, float]:
        (lost_low, lost_high), (won_low, won_high) = (poisson_interval(number, level) for number in (lost, won))
        below = 100 * np.hypot(lost - lost_low, won_high - won) / before.size
        return below, 100 * np.hypot(lost_high - lost, won - won_low) / before.size

    # Wider at 95 %, as in `agreement.of_few_changed`.
    is_few = np.count_nonzero(before != after) < FEW_CHANGED
    if is_few and sum(of_few(intervals.RECORDED)) > 2 * intervals.half_width(error, len(before) - 1):
        below, above = of_few(confidence)
        return estimate, estimate - below, estimate + above
    return estimate, estimate - half_width, estimate + half_width


def _differences(own: Texts, others: Texts, everything: Texts, confidence: float) -> pd.DataFrame:
    """`DIFFERENCES` by quantity, but for the corrected p: of a group from the other texts, for texts to come.

    A few texts may all be alike by chance, so that the variance over the texts of either side is not taken to be less
    than that over all texts.
    """
    seeds = own.kernels.shape[2]
    kernels = own.kernels - others.kernels
    *estimate, null = kernels.sum(axis=(1, 2)) / (seeds * (seeds - 1))
    table = pd.DataFrame({"difference": estimate, "null_difference": [null, 0.0, 0.0]}, index=QUANTITIES)
    if min(own.number, others.number) < LEAST_TEXTS:
        return table
    variances = [seed_variance(kernels[:-1])]
    variances += [np.maximum(side.variances, everything.variances)[:-1] / side.number for side in (own, others)]
    variance = np.sum(variances, axis=0)
    squares = sum(part**2 / (n - 1) for part, n in zip(variances, (seeds, own.number, others.number), strict=True))
    freedom = np.divide(variance**2, squares, out=np.ones(3), where=squares != 0)
    error = np.sqrt(variance)
    half_width = intervals.half_width(error, freedom, confidence)
    size = np.divide(np.abs(estimate), error, out=np.zeros(3), where=~(error < ROUNDING))
    table["difference_low"], table["difference_high"] = estimate - half_width, estimate + half_width
    table["p"] = 2 * stats.t.sf(size, freedom)
    return table


def holm(p: pd.Series) -> pd.Series:
    """Corrected for the number of tests (Holm 1979); NaN is none."""
    ordered = p.dropna().sort_values()
    corrected = ordered * np.arange(len(ordered), 0, -1)
    return corrected.cummax().clip(upper=1).reindex(p.index)
