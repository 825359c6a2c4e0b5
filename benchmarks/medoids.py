"""Similarities and medoids of generated texts, of 30 + 30 models, for one side and for many half-splits.

    .venv/bin/python benchmarks/medoids.py [--small] [--repeats 5] [--json FILE]

Made texts of about 100 characters, as long as those of E2E: the texts of an input have most words in common and nearly
all differ. One core. The other sides: Counters of the n-grams of each text, compared pair by pair; a loop over the
half-splits. At full size they take a part of the inputs, as their name says, and are not compared.
"""

from collections import Counter
from functools import partial

import common
import numpy as np

from pielab.analysis import half_splits, medoids
from pielab.data import distinct_texts

SEEDS = 30
WORDS = ["the", "a", "in", "of", "is", "near", "with", "city", "centre", "riverside", "family", "friendly", "coffee"]
WORDS += ["shop", "pub", "food", "price", "range", "customer", "rating", "high", "low", "average", "moderate", "cheap"]
WORDS += ["english", "french", "italian", "blue", "spice", "golden", "palace", "located", "serves", "restaurant"]


def make(inputs: int) -> list[np.ndarray]:
    """Texts of both sides, (models, inputs) each."""
    random = np.random.default_rng(0)
    common_words = random.choice(WORDS, size=(inputs, 17))
    others = random.choice(WORDS, size=(2 * SEEDS, inputs, 17))
    chosen = np.where(random.random(others.shape) < 0.3, others, common_words)
    texts = np.array([[" ".join(words) for words in model] for model in chosen], dtype=object)
    return [texts[:SEEDS], texts[SEEDS:]]


def pielab_side(sides: list[np.ndarray]) -> np.ndarray:
    ids, texts = distinct_texts.numbered(*sides)
    like = distinct_texts.similarities(texts)
    return np.array([medoids.of_models(side, like) for side in ids])


def counters_side(part: int, sides: list[np.ndarray]) -> np.ndarray:
    ids, texts = distinct_texts.numbered(*(side[:, :part] for side in sides))
    like = distinct_texts.similarities(texts, counted)
    return np.array([medoids.of_models(side, like) for side in ids])


def counted(texts: list[str]) -> np.ndarray:
    """The mean of chrF in both directions, pair by pair."""
    stripped = ["".join(text.split()) for text in texts]
    grams = [[Counter(text[i : i + n] for i in range(len(text) - n + 1)) for n in range(1, 7)] for text in stripped]
    totals = np.array([[counter.total() for counter in each] for each in grams])
    found = np.ones((len(texts), len(texts)))
    for one, other in np.argwhere(np.tri(len(texts), k=-1) > 0):
        shared = np.array([(a & b).total() for a, b in zip(grams[one], grams[other], strict=True)])
        precision, recall = (shared / totals[one]).mean(), (shared / totals[other]).mean()
        scores = [5 * p * r / (4 * p + r) for p, r in ((precision, recall), (recall, precision))]
        found[one, other] = found[other, one] = np.mean(scores)
    return found


def made_similarities(inputs: int, n_bootstrap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Numbers of one side's texts, their similarities, and the weights of one side of the half-splits."""
    random = np.random.default_rng(0)
    parts = random.integers(2**20, size=(inputs, SEEDS, SEEDS))
    like = (np.maximum(parts, parts.swapaxes(1, 2)) / 2**20).astype(np.float32)
    like[:, range(SEEDS), range(SEEDS)] = 1
    splits = half_splits.draw(SEEDS, 200, n_bootstrap).all
    return random.integers(SEEDS, size=(SEEDS, inputs)), like, np.array([first for first, _ in splits])


def pielab_half_splits(given: tuple) -> np.ndarray:
    return medoids.of_subsets(*given)


def loop_half_splits(part: int, given: tuple) -> np.ndarray:
    ids, like, weights = given
    found = np.zeros((len(weights), part), dtype=int)
    for example, texts in enumerate(ids.T[:part]):
        for place, weight in enumerate(weights):
            counts = np.bincount(texts, weights=weight, minlength=SEEDS)
            sums = np.where(counts > 0, counts @ like[example].astype(float), -1)
            found[place, example] = sums.argmax()
    return found


def itself(values: np.ndarray) -> np.ndarray:
    return values


def not_compared(result: np.ndarray) -> None:
    """The summary of a side that does less work."""


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(1)
    rows = []
    for inputs, part in [(2, 2)] if small else [(20, 20), (1_000, 20)]:
        whole = part == inputs
        only = "" if whole else f", {part} of {inputs:,} inputs"
        of_texts = {"pielab": pielab_side, f"Counters, pair by pair{only}": partial(counters_side, part)}
        of_halves = {"pielab": pielab_half_splits, f"a loop{only}": partial(loop_half_splits, part)}
        made = partial(made_similarities, inputs, 3 if small else 200)
        for case, sides, prepare in [
            (f"medoids of 60 texts, {inputs:,} inputs", of_texts, partial(make, inputs)),
            (f"medoids of {inputs:,} inputs, 2,200 half-splits", of_halves, made),
        ]:
            told = {"summary": itself if whole else not_compared, "same": np.array_equal, "alone": not small}
            found = common.measure("medoids", case, sides, prepare=prepare, repeats=repeats, **told)
            rows += [row | {"compared": whole} for row in found]
    return rows


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0])
