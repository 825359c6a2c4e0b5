"""Tagged words: votes and their null, the report's levels, and which part of a small tagger's unit takes how long.

    .venv/bin/python benchmarks/tagged.py [--small] [--repeats 5] [--json benchmarks/tagged.json]

Seconds are those of the process on one core, so that other work on the machine counts little. Of the eight candidate
entities of a sentence, each model says each with the candidate's own chance, any from 0 to 1: hardly any has no votes
or all of them, which is the most work there can be. The tagger is minilm-2l; its sentences are BBC news, on average
as long as CoNLL 2003's, with tags at random.
"""

import time
from functools import cache, partial
from typing import Any

import common
import lengths
import numpy as np
import psutil

from pielab.analysis import levels, null, pies
from pielab.data.votes import numbered
from pielab.store.entities import EntitySets, Tags
from pielab.store.prediction_arrays import Predictions

NAMES = ("O", *(f"{letter}-{kind}" for kind in ("LOC", "MISC", "ORG", "PER") for letter in "BI"))
CANDIDATES = 8


def tags(sentences: int, seeds: int) -> tuple[Tags, list[Predictions]]:
    """Gold tags, and the answers of unpruned models, of controls, and of pruned ones, whose chances are others."""
    random = np.random.default_rng(0)
    kinds = random.integers(4, size=(sentences, CANDIDATES))
    longer = random.random(kinds.shape) < 0.5
    # Three words for each candidate: one or two of its own, and one between it and the next.
    words = np.stack([2 * kinds + 1, np.where(longer, 2 * kinds + 2, 0), 0 * kinds], axis=-1)
    chance = random.random(kinds.shape)
    changed = np.clip(chance + random.normal(0, 0.1, size=chance.shape), 0, 1)

    def said(chance: np.ndarray) -> np.ndarray:
        return (words * (random.random(kinds.shape) < chance)[..., None]).ravel()

    starts = np.arange(sentences + 1) * words[0].size
    options = {"seeds": tuple(range(seeds)), "starts": starts, "tags": NAMES}
    sides = [np.array([said(of_side) for _ in range(seeds)]) for of_side in (chance, chance, changed)]
    return Tags(said(chance), starts, NAMES), [Predictions(None, answers=side, **options) for side in sides]


def sets(sentences: int, seeds: int) -> tuple[EntitySets, EntitySets]:
    return both(tags(sentences, seeds))


def both(given: tuple[Tags, list[Predictions]]) -> tuple[EntitySets, EntitySets]:
    """The entities of the unpruned and of the pruned models."""
    _, (dense, _, pruned) = given
    return dense.classes, pruned.classes


def vote(given: tuple[EntitySets, EntitySets]) -> np.ndarray:
    return pies.find(*numbered(*given))


def estimate(given: tuple[EntitySets, EntitySets]) -> null.Null:
    return null.estimate(*given)


def shares(given: tuple[Tags, list[Predictions]]) -> Any:
    gold, (dense, _, pruned) = given
    return levels.shares(dense, pruned, gold)


def agreement(given: tuple[Tags, list[Predictions]]) -> Any:
    gold, (dense, control, pruned) = given
    return levels.agreement(dense, control, pruned, gold)


def by_type(given: tuple[Tags, list[Predictions]]) -> Any:
    gold, (dense, _, pruned) = given
    return levels.by_type(dense, pruned, gold)


@cache  # once for all sides of one process, as in a test
def unit(sentences: int) -> dict[str, Any]:
    """A tagger, its sentences with their tags, and logits of three unpruned and three pruned models."""
    import torch  # here, because votes need neither it nor its memory

    from pielab.models import tagging

    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    news, _ = lengths.texts("imdb", sentences, 2)
    longest = lengths.of_sentences(sentences, random)
    words = [text.split()[:length] for text, length in zip(news, longest, strict=True)]
    gold = Tags.of_sentences([random.integers(len(NAMES), size=len(row)) for row in words], NAMES)
    encoder = tagging.encoder("minilm-2l", [" ".join(row) for row in words], 512)
    logits = random.normal(size=(6, len(gold.ids), len(NAMES))).astype(np.float32)

    def predicted(logits: np.ndarray) -> Predictions:
        return Predictions(logits, tuple(range(len(logits))), starts=gold.starts, tags=NAMES)

    return {
        "words": words,
        "gold": gold,
        "encoder": encoder,
        "tokens": encoder.encode_words(words),
        "model": tagging.build("minilm-2l", len(NAMES)),
        "seed": predicted(logits[:1]),
        "sets": (predicted(logits[:3]).classes, predicted(logits[3:]).classes),
    }


def encode(given: dict[str, Any]) -> Any:
    return given["encoder"].encode_words(given["words"])


def train(given: dict[str, Any]) -> list[float]:
    from pielab.training import loop
    from pielab.training.tasks import TASKS

    options = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-5, "seed": 0, "bucketed": True}
    data = (given["encoder"], given["tokens"], given["gold"].ids)
    return loop.train(given["model"], *data, **options, task=TASKS["tokens"])


def predict(given: dict[str, Any]) -> np.ndarray:
    from pielab.training import loop

    return loop.predict(given["model"], given["encoder"], given["tokens"])


def decode(given: dict[str, Any]) -> EntitySets:
    return given["seed"].classes


def vote_of_six(given: dict[str, Any]) -> np.ndarray:
    return vote(given["sets"])


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(1)
    many, few, trained = (40, 40, 8) if small else (10_000, 1_000, 400)
    seeds = 4 if small else 30
    of_sets = partial(sets, many, seeds)
    cases = {
        f"{many:,} sentences, {seeds} + {seeds} models": {
            "entities of all models": (both, partial(tags, many, seeds)),
            "numbering and vote": (vote, of_sets),
            "numbering and null": (estimate, of_sets),
        },
        f"{few:,} sentences, 8 + 8 models": {
            name: (side, partial(tags, few, 8))
            for name, side in {"shares": shares, "agreement": agreement, "by_type": by_type}.items()
        },
        f"{trained:,} sentences, a unit of one epoch": {
            name: (side, partial(unit, trained))
            for name, side in {
                "encode": encode,
                "train: forward, loss, backward, step": train,
                "predict": predict,
                "entities from logits": decode,
                "numbering and vote, 3 + 3 models": vote_of_six,
            }.items()
        },
    }
    rows = []
    for case, sides in cases.items():
        works, prepared = ({name: pair[place] for name, pair in sides.items()} for place in (0, 1))
        options = {"prepare": prepared, "repeats": repeats, "alone": not small, "clock": time.process_time}
        rows += common.measure("tagged", case, works, **options)
    about = {"machine": common.machine(), "load": psutil.getloadavg()[0]}
    return [row | about for row in rows]


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0])
