"""Does the quick way to train change results? Compared with the plain one, seed by seed, on the demo's texts.

    .venv/bin/python benchmarks/paired.py [--small] [--seeds 10] [--json FILE]

Plain: randomly drawn batches, float32. Quick: texts of similar length share a batch, bfloat16. The same seeds on both
sides, unpruned models with the demo's params. BBC news articles are all cut at the demo's max_tokens, so batches of
similar length are also tested on texts as long as SNLI's pairs. Takes about 15 minutes on 2 cores.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import lengths
import numpy as np
import torch
import yaml
from scipy import stats

from pielab.data import datasets
from pielab.models import classifier
from pielab.processes import end_with_parent
from pielab.training import loop, precisions

PROJECT = Path(__file__).parents[1]
CASES = {
    ("bilstm", "bbc-news"): {},
    ("minilm-2l", "bbc-news"): {},
    ("minilm-2l", "snli"): {"max_tokens": 128},
}
SIDES = {
    "plain": {"bucketed": False, "precision": torch.float32},
    "quick": {"bucketed": True, "precision": torch.bfloat16},
}


def accuracies(model: str, like: str, small: bool, seed: int) -> dict[str, float]:
    """Test accuracy of a seed trained both ways."""
    torch.set_num_threads(1)
    p = yaml.safe_load((PROJECT / f"params/bbc-news-{model}.yaml").read_text()) | CASES[model, like]
    number = 40 if small else 1000
    if like == "bbc-news":
        data = datasets.load("bbc-news", limit=number)
        texts = {split: datasets.joined_texts(data[split]) for split in ("train", "test")}
        targets = {split: datasets.targets(data[split]) for split in texts}
    else:
        made, ids = lengths.texts(like, 2 * number, 3)
        texts = {"train": made[:number], "test": made[number:]}
        targets = {"train": ids[:number], "test": ids[number:]}
    everything = [*texts["train"], *texts["test"]]
    encoder = classifier.encoder(model, everything, p["max_tokens"])
    tokens = {split: encoder.encode(each) for split, each in texts.items()}
    options = {name: p[name] for name in ("epochs", "batch_size", "learning_rate")} | ({"epochs": 1} if small else {})
    found = {}
    for side, way in SIDES.items():
        vectors = getattr(encoder, "vectors", None)
        network = classifier.build(model, int(targets["train"].max()) + 1, seed, vectors=vectors)
        if not precisions.can_compute(network, way["precision"]):
            way = way | {"precision": torch.float32}
        loop.train(network, encoder, tokens["train"], targets["train"], **options, **way, seed=seed)
        logits = loop.predict(network, encoder, tokens["test"], way["precision"])
        found[side] = float((logits.argmax(axis=1) == targets["test"]).mean())
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="few texts: does it work?")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    given = parser.parse_args(arguments)
    rows = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=end_with_parent) as pool:
        for model, like in CASES:
            found = list(pool.map(partial(accuracies, model, like, given.small), range(given.seeds)))
            sides = {side: np.array([each[side] for each in found]) for side in SIDES}
            difference = sides["quick"] - sides["plain"]
            test = stats.ttest_1samp(difference, 0)
            low, high = test.confidence_interval()
            case = f"{model}, {'BBC news' if like == 'bbc-news' else f'texts as long as {like}'}"
            row = {"case": case, "seeds": given.seeds, "difference": difference.mean(), "low": low, "high": high}
            for side, values in sides.items():
                row |= {side: values.mean(), f"{side}_deviation": values.std(ddof=1)}
            rows.append({name: each if isinstance(each, str) else float(each) for name, each in row.items()})
            print(
                f"{case}: plain {row['plain']:.4f} (deviation between seeds {row['plain_deviation']:.4f}), "
                f"quick {row['quick']:.4f} ({row['quick_deviation']:.4f}), difference {row['difference']:+.4f} "
                f"(95 % interval {low:+.4f} to {high:+.4f}, {given.seeds} pairs)",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
