"""How often single models of two sides give different answers, and what pruning and training longer add to it.

D(X, Y) is the share of texts on which a model of side X and one of side Y and another seed differ, a mean over ordered
pairs of seeds. Every quantity is a linear combination of these (`coefficients`), so that all of them follow from one
table of agreement.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import intervals
from pielab.analysis.half_splits import LEAST_SEEDS_FOR_AN_INTERVAL
from pielab.data.votes import check_classes, differ, numbered
from pielab.errors import PielabError

# Under so many changed answers of all seeds, the deviation between seeds is often far too small by chance.
FEW_CHANGED = 20


class Pair(NamedTuple):
    """Two sides whose models are compared, those of different seeds or those of the same one."""

    first: str
    second: str
    same_seed: bool


@dataclass(frozen=True)
class Agreement:
    """On how many texts each two models differ.

    sides: of "unpruned", "control" and "pruned", in this order. seeds, texts: how many.
    differing: (sides, seeds, sides, seeds) int64, the number of texts, or float, the sum of distances.
    covariance: (pairs, pairs), over texts, of the share of models that differ on a text, in the order of `pairs`.
    """

    sides: tuple[str, ...]
    seeds: int
    texts: int
    differing: np.ndarray
    covariance: np.ndarray

    @property
    def record(self) -> dict[str, Any]:
        """The same as plain lists and numbers, for JSON."""
        arrays = {"differing": self.differing.tolist(), "covariance": self.covariance.tolist()}
        return {"sides": list(self.sides), "seeds": self.seeds, "texts": self.texts, **arrays}

    @classmethod
    def of(cls, record: dict[str, Any]) -> "Agreement":
        """The agreement of a `record`."""
        arrays = {name: np.array(record[name]) for name in ("differing", "covariance")}
        return cls(**record | arrays | {"sides": tuple(record["sides"])})


# How far two models' answers to each text are apart, (texts,) from 0 to 1; answers (texts, ...).
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def f1_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One minus the F1 of two sets of labels or entities of each text, (texts,); 0 if both are empty.

    first, second: bool (texts, classes). In multiples of 2^-20, whose sums are exact in whatever order they are added.
    """
    total = first.sum(axis=1) + second.sum(axis=1)
    distance = 1 - 2 * (first & second).sum(axis=1) / np.maximum(total, 1)
    return np.where(total > 0, np.round(distance * 2**20) / 2**20, 0.0)


def similarity_distance(similarities: np.ndarray) -> Distance:
    """One minus the similarity of the texts of two models, as a distance of their numbers, (texts,) each.

    similarities: (examples, texts, texts), in multiples of 2^-20, as `data.distinct_texts` gives them.
    """
    examples = np.arange(len(similarities))
    return lambda first, second: 1 - similarities[examples, first, second].astype(np.float64)


def count(
    unpruned: np.ndarray,
    control: np.ndarray | None = None,
    pruned: np.ndarray | None = None,
    distance: Distance | None = None,
) -> Agreement:
    """Compare each two models, of one side or of two.

    unpruned, control, pruned: predictions of the same seeds in the same order: class ids (seeds, examples), or bool
        (seeds, examples, classes), whose sets of classes count as one answer, or EntitySets. control: models trained as
        the pruned ones were, with nothing pruned; None where the pruner trains as the unpruned models do.
    distance: how far apart two answers are; by default 1 if they differ, and else 0. Sums of it then stand in the place
        of numbers of texts.

    Raises PielabError for fewer than two seeds, unequal shapes, or probabilities.
    """
    unpruned, control, pruned = numbered(unpruned, control, pruned)
    given = {"unpruned": unpruned, "control": control, "pruned": pruned}
    sides = {name: predictions for name, predictions in given.items() if predictions is not None}
    _check(sides)
    (seeds, texts), names = unpruned.shape[:2], tuple(sides)
    answers = np.stack(list(sides.values())) if distance else _answer_ids(list(sides.values()))
    differing = np.zeros((len(sides), seeds) * 2, dtype=float if distance else np.int64)
    number = float if distance else np.min_scalar_type(seeds**2)
    by_text = {pair: np.zeros(answers.shape[2], dtype=number) for pair in pairs(names)}
    for (one, i), (two, j) in itertools.combinations(np.ndindex(len(sides), seeds), 2):
        differs = (distance or np.not_equal)(answers[one, i], answers[two, j])
        differing[one, i, two, j] = differing[two, j, one, i] = differs.sum()
        by_text[Pair(names[one], names[two], i == j)] += differs
    return Agreement(names, seeds, texts, differing, _covariance(by_text, seeds, texts))


def pairs(sides: Sequence[str]) -> list[Pair]:
    """Each two sides, those of one side too, whose models of different seeds are compared; then those of the same."""
    others = [Pair(*two, same_seed=False) for two in itertools.combinations_with_replacement(sides, 2)]
    return others + [Pair(*two, same_seed=True) for two in itertools.combinations(sides, 2)]


def coefficients(sides: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Every quantity of these sides as a linear combination: (comparison, quantity) -> coefficients of `pairs`."""
    of = dict(zip(pairs(sides), np.eye(len(pairs(sides))), strict=True))

    def d(first: str, second: str) -> np.ndarray:
        return of[Pair(first, second, same_seed=False)]

    def compare(first: str, second: str) -> dict[str, np.ndarray]:
        moved = d(first, second) - (d(first, first) + d(second, second)) / 2
        spread = (d(second, second) - d(first, first)) / 2
        own = of[Pair(first, second, same_seed=True)]
        names = ("excess", "moved", "spread", "own answers changed", "kept by the seed")
        return dict(zip(names, (moved + spread, moved, spread, own, d(first, second) - own), strict=True))

    start = "control" if "control" in sides else "unpruned"
    parts, comparisons = {"retraining": d("unpruned", "unpruned")}, {}
    if "pruned" in sides:
        comparisons["both"] = compare("unpruned", "pruned")
    if "control" in sides:
        parts["training longer"] = d("unpruned", "control") - parts["retraining"]
        comparisons["training longer"] = compare("unpruned", "control")
    if "pruned" in sides:
        parts["removal"] = d("unpruned", "pruned") - d("unpruned", start)
        comparisons["removal"] = compare(start, "pruned")
    if {"control", "pruned"} <= set(sides):
        parts["removal from control"] = comparisons["removal"]["excess"]
        parts["interaction"] = parts["removal"] - parts["removal from control"]
    parts["in all"] = d("unpruned", sides[-1])
    found = {"parts": parts} | comparisons
    return {(comparison, quantity): row for comparison, rows in found.items() for quantity, row in rows.items()}


def quantities(agreement: Agreement, confidence: float = intervals.RECORDED) -> pd.DataFrame:
    """What retraining, training longer and pruning contribute to the answers that change, in points: percent of texts.

    One row a quantity: comparison, quantity, estimate, and two intervals: low and high, of other seeds at these texts;
    low_to_come and high_to_come, of other seeds and other texts. NaN for fewer than four seeds.

    Comparison "parts" adds up to its last row ("removal" is the sum of "removal from control" and "interaction").
    "both" compares unpruned and pruned models, "training longer" unpruned models and controls, "removal" controls, or
    unpruned models where there is no control, and pruned models.
    """
    definitions, seeds, texts = coefficients(agreement.sides), agreement.seeds, agreement.texts
    weights = np.array(list(definitions.values()))
    # Four times a quantity is a whole number of texts, so that what adds up does so in floats.
    kernels, point = np.tensordot(2 * weights, pair_sums(agreement), axes=1), 4 * texts / 100
    estimate = kernels.sum(axis=(1, 2)) / (point * seeds * (seeds - 1))
    of_seeds = seed_variance(kernels) / point**2
    of_texts = 100**2 * np.einsum("qp,pr,qr->q", weights, agreement.covariance, weights).clip(min=0) / texts

    table = pd.DataFrame(list(definitions), columns=["comparison", "quantity"]).assign(estimate=estimate)
    half_width = intervals.half_width(np.sqrt(of_seeds), seeds - 1, confidence)
    table = table.assign(low=estimate - half_width, high=estimate + half_width)
    own = table["quantity"] == "own answers changed"
    table.loc[own, ["low", "high"]] = of_few_changed(table[own], seeds * texts, seeds - 1, confidence)

    half_width = _half_width_to_come(of_seeds, of_texts, seeds, texts, confidence)
    table["low_to_come"] = np.minimum(table["low"], estimate - half_width)
    table["high_to_come"] = np.maximum(table["high"], estimate + half_width)
    # A share, unlike a difference of shares, is between 0 and 100.
    shares, ends = (weights >= 0).all(axis=1), ["low", "low_to_come", "high", "high_to_come"]
    table.loc[shares, ends] = table.loc[shares, ends].clip(0, 100)
    return table


def _check(sides: dict[str, np.ndarray]) -> None:
    """Raise PielabError unless all sides have classes, the same shape, at least two seeds, and texts."""
    for predictions in sides.values():
        check_classes(predictions)
    shapes = {name: predictions.shape for name, predictions in sides.items()}
    if len(set(shapes.values())) > 1:
        given = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise PielabError(
            "sides-of-different-shapes",
            f"predictions of different shapes cannot be compared ({given})",
            "give the same seeds, and the same examples, on all sides",
        )
    seeds, texts = shapes["unpruned"][:2]
    if seeds < 2 or not texts:
        raise PielabError(
            "too-few-models-to-compare",
            f"predictions of {seeds} seeds for {texts} examples leave no two models of different seeds to compare",
            "give at least two seeds, and one example",
        )


def _answer_ids(sides: list[np.ndarray]) -> np.ndarray:
    """Answers as ids (sides, seeds, texts), equal where answers are, without texts that all models answer alike."""
    disputed = np.zeros(sides[0].shape[1], dtype=bool)
    for model in itertools.chain(*sides):
        disputed |= differ(model, sides[0][0])
    if sides[0].ndim == 3:
        # Sets of up to 64 classes as one number each; of more, as the number of a pair of numbers, and so on.
        packed = np.stack([np.packbits(side[:, disputed], axis=2) for side in sides])
        words = np.pad(packed, [*[(0, 0)] * 3, (0, -packed.shape[3] % 8)]).view(np.uint64)
        ids = np.zeros(words[..., 0].size, dtype=np.int64)
        for word in np.moveaxis(words, 3, 0):
            codes, found = pd.factorize(word.ravel())
            ids = pd.factorize(ids * len(found) + codes)[0]
        sides = list(ids.reshape(words.shape[:3]))
    else:
        sides = [side[:, disputed] for side in sides]
    dtype = np.min_scalar_type(max(side.max(initial=0) for side in sides))
    return np.stack([side.astype(dtype) for side in sides])


def _covariance(by_text: dict[Pair, np.ndarray], seeds: int, texts: int) -> np.ndarray:
    """The covariance over all texts, from the numbers of compared models that differ, on texts where any do."""
    counts = np.array(list(by_text.values()), dtype=float)
    sums = counts.sum(axis=1)
    products = (counts @ counts.T - np.outer(sums, sums) / texts) / max(texts - 1, 1)
    half = seeds * (seeds - 1) // 2
    compared = [seeds if pair.same_seed else half if pair.first == pair.second else 2 * half for pair in by_text]
    return products / np.outer(compared, compared)


def pair_sums(agreement: Agreement) -> np.ndarray:
    """For each of `pairs`, on how many texts the models of seeds i and j differ, plus those of j and i; 0 if i = j.

    For models of the same seed: those of i, plus those of j. (pairs, seeds, seeds).
    """
    places, sums = {side: place for place, side in enumerate(agreement.sides)}, []
    for first, second, same_seed in pairs(agreement.sides):
        differing = agreement.differing[places[first], :, places[second]]
        if same_seed:
            differing = np.broadcast_to(differing.diagonal(), differing.shape)
        sums.append((differing + differing.T) * (1 - np.eye(agreement.seeds, dtype=int)))
    return np.array(sums)


def seed_variance(kernels: np.ndarray) -> np.ndarray:
    """The variance over seeds of the means over i != j of symmetric kernels (quantities, seeds, seeds), 0 if i = j.

    Leaving out one seed counts twice what depends on two seeds; the unbiased estimate, which is never larger, can be
    negative. So it is their mean, but at least three quarters of the first. NaN for fewer than four seeds.
    """
    n = kernels.shape[2]
    if n < LEAST_SEEDS_FOR_AN_INTERVAL:
        return np.full(len(kernels), np.nan)
    rows, squares = kernels.sum(axis=2), (kernels**2).sum(axis=(1, 2))
    total = rows.sum(axis=1)
    mean = total / (n * (n - 1))
    leaving_out_one = 4 * (n - 1) / (n * (n - 2) ** 2) * ((rows / (n - 1) - mean[:, None]) ** 2).sum(axis=1)
    without_shared_seeds = total**2 - 4 * (rows**2).sum(axis=1) + 2 * squares
    unbiased = mean**2 - without_shared_seeds / (n * (n - 1) * (n - 2) * (n - 3))
    return np.maximum((leaving_out_one + unbiased) / 2, 0.75 * leaving_out_one)


def poisson_interval(number: np.ndarray, confidence: float = intervals.RECORDED) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the exact interval of the mean of a Poisson number."""
    low, high = intervals.tails(confidence)
    return np.nan_to_num(stats.chi2.ppf(low, 2 * number)) / 2, stats.chi2.ppf(high, 2 * number + 2) / 2


def of_few_changed(
    table: pd.DataFrame, answers: int, freedom: int, confidence: float = intervals.RECORDED
) -> pd.DataFrame:
    """The ends, low and high, of own answers changed: where few did, those of a Poisson number if they are wider.

    answers: of how many, seeds times texts. freedom: the degrees of freedom of the table's intervals.
    """
    changed = (table["estimate"] * answers / 100).round()
    low, high = (100 / answers * end for end in poisson_interval(changed, confidence))
    # Wider at 95 %, so that the intervals of two levels are of one kind and lie within each other.
    stored_low, stored_high = (100 / answers * end for end in poisson_interval(changed))
    ratio = intervals.half_width(1, freedom) / intervals.half_width(1, freedom, confidence)
    wider = (changed < FEW_CHANGED) & (stored_high - stored_low > ratio * (table["high"] - table["low"]))
    return pd.DataFrame({"low": table["low"].mask(wider, low), "high": table["high"].mask(wider, high)})


def _half_width_to_come(
    of_seeds: np.ndarray, of_texts: np.ndarray, seeds: int, texts: int, confidence: float
) -> np.ndarray:
    """Half of the interval of both variances, by Student's t with the degrees of freedom of Satterthwaite."""
    both = of_seeds + of_texts
    squares = of_seeds**2 / (seeds - 1) + of_texts**2 / max(texts - 1, 1)
    freedom = np.divide(both**2, squares, out=np.ones_like(both), where=squares != 0)
    return intervals.half_width(np.sqrt(both), freedom, confidence)
