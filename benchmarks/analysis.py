"""PIEs, their null and EL2N's bins at the size of SNLI's and AAPD's training sets, from files of predictions.

    .venv/bin/python benchmarks/analysis.py [--small] [--repeats 5] [--json FILE]

The computations of 03 and 04 for one configuration, from 30 + 30 seeds, with 200 half-splits and 200 bootstrap samples,
on one core as in the notebooks. The other side loops over the half-splits; at full size it makes only as many resamples
as its name says, and is not compared.
"""

import tempfile
from functools import partial
from pathlib import Path

import common
import numpy as np

from pielab.analysis import half_splits, null, pies
from pielab.analysis.examples import el2n
from pielab.store import paths, predictions

SEEDS, RESAMPLES, BINS = 30, 200, 20


def make(folder: Path, examples: int, classes: int, several: bool) -> None:
    """Write predictions of synthetic models: some examples are hard for all, and pruned models err more."""
    random = np.random.default_rng(0)
    if several:
        targets = (random.random((examples, classes)) < 0.05).astype(np.float32)
        sure = np.where(targets, 1, -1)
    else:
        targets = random.integers(classes, size=examples)
        sure = np.eye(classes)[targets]
    means = (sure * random.exponential(4, size=(examples, 1))).astype(np.float32)
    metadata = {"decision_threshold": 0.5} if several else {}
    np.save(folder / "targets.npy", targets)
    for side, noise in (("dense", 1.0), ("pruned", 1.2)):
        for seed in range(SEEDS):
            logits = means + noise * random.standard_normal((examples, classes), dtype=np.float32)
            place = paths.seed(folder / side, seed)
            place.mkdir(parents=True)
            for split in ("train", "early") if side == "dense" else ("train",):
                predictions.write(place / f"{split}.parquet", logits, metadata)


def read(folder: Path) -> tuple:
    return folder, np.load(folder / "targets.npy")


def pielab_side(given: tuple) -> dict:
    folder, targets = given
    scores = el2n.error_norms(predictions.read_seeds(folder / "dense", range(SEEDS), "early"), targets)
    bins = el2n.bins(scores, BINS)
    dense, pruned = (
        predictions.read_seeds(folder / side, range(SEEDS), "train").classes for side in ("dense", "pruned")
    )
    numbers = {"n_splits": RESAMPLES, "n_bootstrap": RESAMPLES}
    p_pie, p_null, table = null.excess_by_group(dense, pruned, bins, **numbers)
    return {"scores": scores, "pies": pies.find(dense, pruned), "p_pie": p_pie, "p_null": p_null, "table": table}


def loop_side(resamples: int, given: tuple) -> dict:
    """The same with numpy, one half-split after another."""
    folder, targets = given
    early = predictions.read_seeds(folder / "dense", range(SEEDS), "early")
    several = early.task == "multi-label"
    probabilities = (predictions.sigmoid if several else predictions.softmax)(early.logits)
    hot = targets if several else np.eye(early.logits.shape[2])[targets]
    scores = np.linalg.norm(probabilities - hot, axis=2).mean(axis=0)
    bins = el2n.bins(scores, BINS)
    dense, pruned = (
        predictions.read_seeds(folder / side, range(SEEDS), "train").classes for side in ("dense", "pruned")
    )
    majority = sets_by_loop if several else classes_by_loop
    splits = half_splits.draw(SEEDS, resamples, resamples)

    def disagree(first: np.ndarray, second: np.ndarray) -> list[np.ndarray]:
        reference = majority(dense, first)
        found = [reference != majority(side, second) for side in (dense, pruned)]
        return [each.any(axis=1) if several else each for each in found]

    probabilities = np.zeros((2, len(bins)))
    more = []
    for place, sides in enumerate(splits.all):
        of_null, of_pruned = found = disagree(*sides)
        probabilities += np.array(found, dtype=float) * (place < len(splits.averaged)) / len(splits.averaged)
        more.append(np.bincount(bins, weights=of_pruned.astype(float) - of_null) / np.bincount(bins))
    p_null, p_pie = probabilities
    excess, low, high = half_splits.interval(lambda values: values, np.array(more), splits)
    everyone = np.ones(SEEDS)
    differ = majority(dense, everyone) != majority(pruned, everyone)
    table = {"excess": excess, "low": low, "high": high}
    found = differ.any(axis=1) if several else differ
    return {"scores": scores, "pies": found, "p_pie": p_pie, "p_null": p_null, "table": table}


def classes_by_loop(predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    votes = np.zeros((predicted.shape[1], int(predicted.max()) + 1))
    rows = np.arange(len(votes))
    for run, weight in zip(predicted, weights, strict=True):
        if weight:
            votes[rows, run] += weight
    return votes.argmax(axis=1)


def sets_by_loop(predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    votes = np.zeros(predicted.shape[1:])
    for run, weight in zip(predicted, weights, strict=True):
        if weight:
            votes += weight * run
    return 2 * votes > weights.sum()


def summary(result: dict) -> dict:
    table = result.pop("table")
    return result | {name: np.asarray(table[name]) for name in ("excess", "low", "high")}


def not_compared(result: dict) -> None:
    """The summary of a side that does less work."""


def same(one: dict, other: dict) -> bool:
    return all(np.allclose(one[name], other[name], rtol=1e-5, atol=1e-9) for name in one)


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(1)
    rows = []
    part = f"numpy, 2 of {RESAMPLES} resamples"
    sizes = [(150, 3), (30, 54)] if small else [(5_000, 3), (1_000, 54), (549_367, 3), (53_840, 54)]
    for examples, classes in sizes:
        whole = examples <= 5_000
        loop = {"numpy": partial(loop_side, RESAMPLES)} if whole else {part: partial(loop_side, 2)}
        with tempfile.TemporaryDirectory() as name:
            make(Path(name), examples, classes, several=classes > 3)
            found = common.measure(
                "analysis",
                f"{examples:,} examples, {classes} {'labels' if classes > 3 else 'classes'}, 30 + 30 seeds",
                {"pielab": pielab_side} | loop,
                prepare=partial(read, Path(name)),
                summary=summary if whole else not_compared,
                same=same,
                repeats=repeats if whole else min(repeats, 2),
                alone=not small,
            )
            rows += [row | {"compared": whole} for row in found]
    return rows


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0])
