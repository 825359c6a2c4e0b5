"""Tagged words at each level: words, words in entities, sentences and entities; and which entities are lost or gained.

The level decides the number: models that differ on few words differ on many sentences, the longer ones first. So each
level stands beside its own null, as in `null`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import half_splits, intervals, medoids, null, pies
from pielab.analysis.agreement import Agreement, count, f1_distance, quantities, similarity_distance
from pielab.data.votes import numbered
from pielab.store.entities import OUTSIDE, EntitySets, Tags, sets_of, spans, together
from pielab.store.predictions import Predictions

LEVELS = ("words", "words in entities", "sentences", "entities")
SHARES = ["level", "number", "all_seeds", "halved", "null", "excess", "low", "high"]
AGREEMENT = ["level", "comparison", "quantity", "estimate", "low", "high"]
BY_LENGTH = ["quarter", "words", "sentences", "halved", "null", "excess", "low", "high"]
BY_TYPE = ["type", "entities", "change", "halved", "null", "more", "low", "high"]


def shares(
    dense: Predictions,
    pruned: Predictions,
    targets: Tags,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """On how much two votes differ at each level, in percent, beside the null, a row for each of LEVELS.

    dense, pruned: of the same seeds. Columns: level; number, of words, sentences or gold entities; all_seeds, the share
    of PIEs; halved, null and excess with its interval, low and high, over half-splits as in `null.estimate`. Of
    entities it is those that one vote alone says, of all that either says. NaN for fewer than four seeds.
    """
    sides, rows = (dense.classes, pruned.classes), []
    options: dict[str, Any] = {"n_splits": n_splits, "n_bootstrap": n_bootstrap, "confidence": confidence}
    for level, views in _views(targets, dense, pruned).items():
        rows.append((level, views[0].shape[1], *of_votes(views[0], views[1], **options)))
    splits = half_splits.draw(len(dense.seeds), n_splits, n_bootstrap)
    unpruned_sets, pruned_sets = together(*sides)
    rows.append(("entities", len(spans(targets)), *_of_entities(unpruned_sets, pruned_sets, splits, confidence)))
    return pd.DataFrame(rows, columns=SHARES)


def of_configuration(
    dense: Predictions, control: Predictions | None, pruned: Predictions, targets: Any, n_splits: int, n_bootstrap: int
) -> dict[str, Any]:
    """`shares`, `agreement`, `by_length` and `by_type` as an entry of a configuration's summary."""
    tables = {
        "shares": shares(dense, pruned, targets, n_splits=n_splits, n_bootstrap=n_bootstrap),
        "agreement": agreement(dense, control, pruned, targets),
        "by_length": by_length(dense, pruned, targets, n_splits=n_splits, n_bootstrap=n_bootstrap),
        "by_type": by_type(dense, pruned, targets, n_splits=n_splits),
    }
    return record(tables)


def record(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The tables of a configuration as the entry of its summary."""
    return {"levels": {name: table.to_dict("list") for name, table in tables.items()}}


def of_votes(dense: np.ndarray, pruned: np.ndarray, **options: Any) -> list[float]:
    """The numbers of `shares` of one level, all_seeds to high; options: of `null.estimate`, as are the arrays."""
    found = null.estimate(dense, pruned, **options)
    shares = (pies.find(dense, pruned).mean(), found.pruned, found.null, found.excess, found.low, found.high)
    return [100 * float(share) for share in shares]


def of_medoids(
    dense: np.ndarray,
    pruned: np.ndarray,
    similarities: np.ndarray,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    confidence: float = intervals.RECORDED,
) -> list[float]:
    """The numbers of `shares` of one minus the similarity of the medoids, all_seeds to high, a mean over examples.

    dense, pruned: numbers of texts (seeds, examples). similarities: as `data.distinct_texts` gives them.
    """
    splits, distance = half_splits.draw(len(dense), n_splits, n_bootstrap), similarity_distance(similarities)
    whole = distance(*(medoids.of_models(side, similarities) for side in (dense, pruned))).mean()
    first, second = (np.array(side) for side in zip(*splits.all, strict=True))
    reference = medoids.of_subsets(dense, similarities, first)
    others = [medoids.of_subsets(side, similarities, second) for side in (pruned, dense)]
    apart = np.transpose(
        [[distance(*two).mean() for two in zip(reference, of_side, strict=True)] for of_side in others]
    )
    more = np.array([[1, 0, 1], [0, 1, -1]])
    estimates, low, high = half_splits.interval(lambda values: values @ more, apart, splits, confidence)
    return [100 * float(number) for number in (whole, *estimates, low[2], high[2])]


def of_agreements(counted: dict[str, Agreement], confidence: float) -> pd.DataFrame:
    """The quantities of each level, one table below the other, with the columns `AGREEMENT`."""
    parts = [quantities(each, confidence).assign(level=level) for level, each in counted.items()]
    return pd.concat(parts, ignore_index=True)[AGREEMENT]


def _views(targets: Tags, *sides: Predictions | None) -> dict[str, list[Any]]:
    """The answers of all sides at each level that has any, by its name; None of a side that is None."""
    words = [None if side is None else side.by_word.classes for side in sides]
    in_entities = targets.ids != targets.names.index(OUTSIDE)
    views = {"words": words}
    if in_entities.any():
        views["words in entities"] = [None if side is None else side[:, in_entities] for side in words]
    return views | {"sentences": numbered(*(None if side is None else side.classes for side in sides))}


def _of_entities(
    dense: EntitySets, pruned: EntitySets, splits: half_splits.HalfSplits, confidence: float
) -> list[float]:
    """The numbers of `shares` of entities, in one numbering."""
    votes = [_more_than_half(side.said, np.ones((1, len(side)))) for side in (dense, pruned)]
    all_seeds = np.logical_xor(*votes).sum() / max(np.logical_or(*votes).sum(), 1)
    sums = np.array(
        [
            [count for other in (second, of_pruned) for count in ((first ^ other).sum(), (first | other).sum())]
            for first, second, of_pruned in _votes(dense, pruned, splits)
        ]
    )

    def statistic(sums: np.ndarray) -> np.ndarray:
        of_null, of_pruned = (sums[..., place] / sums[..., place + 1] for place in (0, 2))
        return np.stack([of_pruned, of_null, of_pruned - of_null], axis=-1)

    estimates, low, high = half_splits.interval(statistic, sums, splits, confidence)
    return [100 * float(number) for number in (all_seeds, *estimates, low[2], high[2])]


def _more_than_half(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whether more than half of the weighted votes are for an entity, (half-splits, entities)."""
    return weights.astype(np.float32) @ np.where(said, 1, -1).astype(np.float32) > 0


def _votes(dense: EntitySets, pruned: EntitySets, splits: half_splits.HalfSplits) -> Iterator[tuple[np.ndarray, ...]]:
    """What the unpruned first side, the unpruned second and the pruned second vote for, (entities,) by half-split."""
    first, second = (np.array(side) for side in zip(*splits.all, strict=True))
    sides = (_more_than_half(dense.said, first), *(_more_than_half(each.said, second) for each in (dense, pruned)))
    return zip(*sides, strict=True)


def agreement(
    dense: Predictions,
    control: Predictions | None,
    pruned: Predictions,
    targets: Tags,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How far single models' answers are apart at each level, in points, as `agreement.quantities` gives it.

    Of words and sentences, on how many two models differ; of entities, one minus the F1 of two models' entities of a
    sentence. Columns: level, comparison, quantity, estimate, low, high.
    """
    views = _views(targets, dense, control, pruned)
    counted = {level: count(*sides) for level, sides in views.items()}
    first, second, third = views["sentences"]
    return of_agreements(counted | {"entities": count(first, second, third, f1_distance)}, confidence)


def by_length(
    dense: Predictions,
    pruned: Predictions,
    targets: Tags,
    *,
    n_splits: int = 200,
    n_bootstrap: int = 200,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """How many sentences are PIEs by their number of words, in percent beside the null, a row a quarter of them.

    Columns: quarter, from 1, the shortest; words, its fewest and most; sentences, how many; halved, null and excess
    with its interval as in `null.excess_by_group`. Sentences of one length are in one quarter, so there may be fewer.
    """
    lengths = np.diff(targets.starts)
    ends = np.unique(np.quantile(lengths, [0.25, 0.5, 0.75], method="lower"))
    quarters = np.digitize(lengths, ends, right=True)
    p_pie, p_null, excess = null.excess_by_group(
        dense.classes, pruned.classes, quarters, n_splits=n_splits, n_bootstrap=n_bootstrap, confidence=confidence
    )
    of_quarter = pd.DataFrame({"words": lengths, "halved": 100 * p_pie, "null": 100 * p_null}).groupby(quarters)
    shares = of_quarter[["halved", "null"]].mean().reset_index(drop=True)
    ends = of_quarter["words"].agg(["min", "max"]).itertuples(index=False)
    words = [f"{fewest} to {most}" if fewest < most else str(fewest) for fewest, most in ends]
    counts = {"quarter": np.arange(1, len(words) + 1), "words": words, "sentences": of_quarter.size().to_numpy()}
    return pd.concat([pd.DataFrame(counts), shares, 100 * excess[["excess", "low", "high"]]], axis="columns")[BY_LENGTH]


def by_type(
    dense: Predictions,
    pruned: Predictions,
    targets: Tags,
    *,
    n_splits: int = 200,
    confidence: float = intervals.RECORDED,
) -> pd.DataFrame:
    """Which gold entities are lost, a row a type, those of "all" first; in percent of the type's gold entities.

    Columns: type; entities, how many; change, of the recall of a single model from unpruned to pruned; halved, how many
    more an unpruned half of the seeds finds than a pruned one; null, than the other unpruned half, in which gains and
    losses even out; more, halved less null, with its interval, low and high, over half-splits as in `null.beside_null`.
    """
    unpruned, compressed, gold = together(dense.classes, pruned.classes, sets_of(targets))
    kinds, splits = gold.entities[:, 3], half_splits.draw(len(dense.seeds), n_splits, n_bootstrap=0)
    is_gold = gold.said[0]
    groups = {"all": is_gold} | {name: is_gold & (kinds == kind) for kind, name in enumerate(gold.types)}
    members = np.array([group for group in groups.values() if group.any()], dtype=np.float32).T
    sizes = members.sum(axis=0)
    sums = np.array(
        [
            [(first.astype(np.float32) - other) @ members / sizes for other in (second, of_pruned)]
            for first, second, of_pruned in _votes(unpruned, compressed, splits)
        ]
    )

    def statistic(sums: np.ndarray) -> np.ndarray:
        of_null, of_pruned = np.moveaxis(sums, -2, 0)
        return np.concatenate([of_pruned, of_null, of_pruned - of_null], axis=-1)

    (halved, of_null, more), (*_, low), (*_, high) = (
        100 * found.reshape(3, -1) for found in half_splits.interval(statistic, sums, splits, confidence)
    )
    recalls = [side.said.astype(np.float32) @ members / sizes for side in (unpruned, compressed)]
    change = 100 * (recalls[1].mean(axis=0) - recalls[0].mean(axis=0))
    names = [name for name, group in groups.items() if group.any()]
    columns = (names, sizes.astype(int), change, halved, of_null, more, low, high)
    return pd.DataFrame(dict(zip(BY_TYPE, columns, strict=True)))
