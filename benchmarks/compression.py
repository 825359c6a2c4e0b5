"""Compressing BERT-base without retraining, predicting with it, and what Wanda's calibration takes.

    .venv/bin/python benchmarks/compression.py [--small] [--repeats 3] [--json FILE]

Each repeat of each method has a process of its own, because compressing changes the model; "before" is the memory with
the model in it, so that the difference to the most is what the work takes. Random weights, and random norms of inputs
for Wanda, whose calibration is measured by itself, against a plain forward pass over the same batches, of texts of one
length each. One thread, because seeds share cores.
"""

import contextlib
from functools import partial
from pathlib import Path

import common
import lengths
import masks
import numpy as np
import torch
from gpu import Padded, made
from torch import nn

from pielab.compression import one_shot, pruners
from pielab.compression.masks import activation, magnitude, prunable
from pielab.models import batches
from pielab.training import activations, loop

METHODS = {
    "RTN, 8 bits": ("RTN", 8.0),
    "RTN, 4 bits": ("RTN", 4.0),
    "Magnitude, 50 %": ("Magnitude", 50.0),
    "Wanda, 50 %": ("Wanda", 50.0),
    "Wanda, 2:4": ("Wanda", "2of4"),
}
TEXTS, SMALL_TEXTS = 128, 8


def bert(small: bool) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers, width = (masks.SMALL_LAYERS, masks.SMALL_WIDTH) if small else (masks.LAYERS, masks.WIDTH)
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 64}
    return BertForSequenceClassification(BertConfig(num_labels=3, num_hidden_layers=layers, **sizes))


def to_compress(small: bool, name: str) -> tuple:
    """A model, its weights, a method with its setting, and scores to be computed on access."""
    model, (method, setting) = bert(small), METHODS[name]
    weights = prunable(model)
    norms = {matrix: torch.rand(weight.shape[1]) for matrix, weight in weights.items()}
    scores = activation(weights, norms) if method == "Wanda" else magnitude(weights)
    forget_peak()
    return model, weights, pruners.pruner(method), setting, scores


def to_predict(small: bool, name: str | None, like: str) -> tuple:
    """A model, compressed if a method is named, and texts."""
    if name is None:
        model = bert(small)
    else:
        given = to_compress(small, name)
        one_shot.compress(*given)
        model = given[0]
    number = SMALL_TEXTS if small else TEXTS
    tokens = made(lengths.SUBWORDS[like], number, model.config.vocab_size, np.random.default_rng(0))
    forget_peak()
    return model, tokens


def forget_peak() -> None:
    """Let the most memory so far be that of now, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def compress(given: tuple) -> None:
    one_shot.compress(*given)


def predict(given: tuple) -> None:
    model, tokens = given
    loop.predict(model, Padded, tokens)


def forward(given: tuple) -> None:
    model, tokens = given
    plan = [np.flatnonzero(tokens.lengths == length) for length in np.unique(tokens.lengths)]
    texts = batches.to_device(tokens, Padded, torch.device("cpu"))
    with torch.inference_mode(), loop.evaluating(model):
        for _, inputs, _ in texts.in_batches(plan):
            model(**inputs)


def calibrate(given: tuple) -> None:
    model, tokens = given
    activations.norms(model, prunable(model), Padded, tokens)


def measured(case: str, sides: dict, prepare: dict, small: bool, repeats: int) -> list[dict]:
    """The rows of a case, each repeat in new processes."""
    found = [
        common.measure("compression", case, sides, prepare=prepare, repeats=1, alone=not small) for _ in range(repeats)
    ]
    return [
        rows[0]
        | {"seconds": [row["seconds"][0] for row in rows]}
        | {name: max(row[name] for row in rows) for name in ("peak_mb", "before_mb")}
        for rows in zip(*found, strict=True)
    ]


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(1)
    texts = SMALL_TEXTS if small else TEXTS
    prepare = {name: partial(to_compress, small, name) for name in METHODS}
    rows = measured("compressing", dict.fromkeys(METHODS, compress), prepare, small, repeats)
    names = {"nothing compressed": None} | {name: name for name in METHODS}
    prepare = {side: partial(to_predict, small, name, "snli") for side, name in names.items()}
    case = f"predicting {texts} texts as long as snli's"
    rows += measured(case, dict.fromkeys(names, predict), prepare, small, repeats)
    for like in ("snli", "reuters"):
        sides = {"a forward pass": forward, "Wanda's calibration": calibrate}
        prepare = dict.fromkeys(sides, partial(to_predict, small, None, like))
        case = f"calibration on {texts} texts as long as {like}'s"
        rows += measured(case, sides, prepare, small, repeats)
    for row in rows:
        more = row["peak_mb"] - row["before_mb"]
        print(f"{row['case']}: {row['side']}: {common.spread(row['seconds'])} s, {more:.0f} MB more than before")
    return rows


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0], repeats=3)
