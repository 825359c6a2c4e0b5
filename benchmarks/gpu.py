"""Training throughput of a GPU, and how many hours the paper's whole grid takes at that rate.

    .venv/bin/python benchmarks/gpu.py [--small] [--repeats 3] [--workers 1 4 8 16] [--json FILE] [--peak 989]

Needs only a GPU: random tokens in texts as long as those of the paper's data sets, and models with random weights,
trained as in a study. Should take about five minutes. Without a GPU, --small runs it on the CPU to check that it works.
Besides, the seconds of a unit of CoNLL 2003 with BERT-base, whose words get tags (params/studies/conll2003.yaml), and
those in which GPT-2 writes 256 texts.
"""

import argparse
import contextlib
import json
import platform
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import common
import lengths
import numpy as np
import pandas as pd
import torch
import yaml

from pielab.config import study
from pielab.data import published
from pielab.jobs import estimate
from pielab.models import classifier
from pielab.models.encoders import WordEncoder
from pielab.models.targets import TargetEncoder
from pielab.models.tokens import Tokens, join
from pielab.training import decoding, loop, workers

PROJECT = Path(__file__).parents[1]
# Vendors' dense bfloat16 TFLOP/s, by a part of the device's name; the first match counts.
PEAKS = {
    "H100 PCIe": 756,
    "H100": 989,
    "H200": 989,
    "A100": 312,
    "L40S": 362,
    "A40": 150,
    "MI250": 191.5,
    "MI300": 1307,
}
CLASSES = {"imdb": 2, "snli": 3, "reuters": 23, "aapd": 54}
SEVERAL = {"reuters", "aapd"}
STEPS, WORDS, WIDTH, VOCABULARY = 60, 50_000, 300, 30_522
# CoNLL 2003's training, validation and test sentences, and the tags of their words.
SENTENCES, TAGS = (14_041, 3_250, 3_453), 9
# Texts that are written, the tokens of what they are written from, and theirs.
WRITTEN, SOURCE, ANSWER = 256, 50, 64
# Numbers of BiLSTMs at once, tried on the shortest texts until more are slower or do not fit; others use the fastest.
WORKERS = (1, 4, 8, 16)
# Seconds that they train.
TOGETHER = 10.0


class Padded:
    padding, width = 0, None


class Numbers:
    """In place of a tokenizer, where nobody reads the texts."""

    def decode(self, row: list[int], skip_special_tokens: bool) -> str:
        return " ".join(map(str, row))


@dataclass(frozen=True)
class Seeds:
    """Shared by the processes that train BiLSTMs: the name of a data set, how much of it, how long to train, and a
    folder in which they wait for each other.
    """

    like: str
    device: str
    number: int
    seconds: float
    batch_size: int
    processes: int
    folder: Path

    def seed_process(self) -> None:
        torch.set_num_threads(1)


def made(quantiles: list[int], number: int, words: int, random: np.random.Generator) -> Tokens:
    each = lengths.draw(quantiles, number, random)
    ids = random.integers(5, words, size=each.sum(), dtype=np.int32)
    return Tokens(ids, np.concatenate([[0], np.cumsum(each)]))


def classes(like: str, number: int, random: np.random.Generator) -> np.ndarray:
    ids = random.integers(CLASSES[like], size=number)
    return np.eye(CLASSES[like], dtype=np.float32)[ids] if like in SEVERAL else ids


def bert(like: str, device: torch.device, small: bool, repeats: int, peak: float | None) -> dict[str, Any]:
    """Tokens that BERT-base trains and predicts per second, without padding."""
    random, recipe = np.random.default_rng(0), recipe_of(like, "bert-base-uncased")
    size = 4 if small else recipe["batch_size"]
    number = size * (2 if small else STEPS)
    tokens = made(lengths.SUBWORDS[like], number, VOCABULARY, random)
    row = rates(tokens, classes(like, number, random), CLASSES[like], size, device, small, repeats, peak)
    return {"benchmark": "gpu", "case": f"BERT-base, texts as long as {like}'s", "side": "pielab", "like": like} | row


def tagger(device: torch.device, small: bool, repeats: int, peak: float | None) -> dict[str, Any]:
    """The same of BERT-base that tags the words of sentences as long as CoNLL 2003's, and the seconds of a unit.

    A unit is one training for all its epochs, followed by predictions on all splits.
    """
    random, recipe = np.random.default_rng(0), recipe_of("conll2003", "bert-base-uncased")
    size = 4 if small else recipe["batch_size"]
    number = size * (2 if small else 4 * STEPS)
    words = lengths.of_sentences(number, random)
    # A third of the words have two tokens, which stand behind all first ones here, and there is one before and behind.
    each = words + words // 3 + 2
    starts = np.concatenate([[0], np.cumsum(each)])
    places = np.arange(starts[-1]) - np.repeat(starts[:-1], each)
    first = (places > 0) & (places <= np.repeat(words, each))
    tokens = Tokens(random.integers(5, VOCABULARY, size=starts[-1], dtype=np.int32), starts, first=first)
    row = rates(tokens, random.integers(TAGS, size=words.sum()), TAGS, size, device, small, repeats, peak)
    a_sentence = len(tokens.ids) / number
    training, predicted = (split * a_sentence for split in (recipe["epochs"] * SENTENCES[0], sum(SENTENCES)))
    seconds = training / row["tokens_per_second"] + predicted / row["predicted_per_second"]
    case = "BERT-base that tags words, sentences as long as conll2003's"
    return {"benchmark": "gpu", "case": case, "side": "pielab", "like": "conll2003", "seconds_a_unit": seconds} | row


def generator(device: torch.device, small: bool, repeats: int) -> dict[str, Any]:
    """The seconds in which a language model of GPT-2's size, of random weights, writes texts greedily, by repeat."""
    from transformers import GenerationConfig, GPT2Config, GPT2LMHeadModel

    random, number = np.random.default_rng(0), 8 if small else WRITTEN
    torch.manual_seed(0)
    config = GPT2Config(**({"n_layer": 1, "n_embd": 64, "n_head": 2} if small else {}))
    model, end = GPT2LMHeadModel(config).to(device), config.vocab_size - 1
    model.generation_config = GenerationConfig(do_sample=False, pad_token_id=end, eos_token_id=end)
    encoder = TargetEncoder(Numbers(), SOURCE, end, max_answer_tokens=ANSWER, end=end)
    sources = join(random.integers(end, size=(number, SOURCE), dtype=np.int32))
    precision, taken = loop.choose_precision("auto", device), []
    for _ in range(repeats + 1):  # the first warms up
        start = loop.finished_at(device)
        texts, _ = decoding.write(model, encoder, sources, precision)
        taken.append(loop.finished_at(device) - start)
    written = sum(len(text.split()) for text in texts)
    case = f"{'a small GPT-2' if small else 'GPT-2'} writes {number} texts of {ANSWER} tokens from {SOURCE}"
    about = {"benchmark": "gpu", "case": case, "side": "pielab", "model": "gpt2", "like": "texts"}
    return about | {"seconds": taken[1:], "written_tokens": written}


def rates(
    tokens: Tokens,
    targets: np.ndarray,
    n_classes: int,
    size: int,
    device: torch.device,
    small: bool,
    repeats: int,
    peak: float | None,
) -> dict[str, Any]:
    """Seconds of each epoch of BERT-base in batches of that size, and tokens that it trains and predicts per second."""
    from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification

    sizes = {"num_hidden_layers": 1, "hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 2}
    config = BertConfig(num_labels=n_classes, **(sizes if small else {}))
    torch.manual_seed(0)
    kind = BertForSequenceClassification if tokens.first is None else BertForTokenClassification
    model, ends = kind(config).to(device), []
    precision = loop.choose_precision("auto", device)
    options = {"batch_size": size, "learning_rate": 1e-5, "seed": 0, "precision": precision, "bucketed": True}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    # The first epoch warms up; reading the losses at the end of each waits for all its work.
    note = lambda epoch, loss: ends.append(time.perf_counter())  # noqa: E731
    loop.train(model, Padded, tokens, targets, epochs=repeats + 1, **options, on_epoch=note)
    seconds = np.diff(ends)
    predicted = []
    for _ in range(repeats):
        start = time.perf_counter()
        loop.predict(model, Padded, tokens, precision)
        predicted.append(time.perf_counter() - start)
    work = flops(config, tokens.lengths)
    row = {"model": "bert-base-uncased", "seconds": seconds.tolist(), "batch_size": size}
    row |= {"tokens_per_second": float(tokens.lengths.sum() / np.median(seconds)), "precision": str(precision)}
    row |= {"predicted_per_second": float(tokens.lengths.sum() / np.median(predicted[1:] or predicted))}
    row |= {"share_of_peak": work / np.median(seconds) / (peak * 1e12) if peak else None}
    return row | {"peak_mb": torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None}


def flops(config: Any, each: np.ndarray) -> float:
    """FLOPs of one training pass over texts of these lengths: six per matrix weight and token, plus attention."""
    width, layers = config.hidden_size, config.num_hidden_layers
    weights = layers * (4 * width**2 + 2 * width * config.intermediate_size)
    return float((6 * weights * each + 12 * layers * width * each.astype(float) ** 2).sum())


class _Enough(Exception):
    pass


def bilstm(like: str, device: torch.device, number: int, small: bool) -> dict[str, Any]:
    """Texts per second that this many processes, each with its own BiLSTM, train together.

    Every text is padded to the data set's max_tokens, as in the paper.
    """
    size = 16 if small else recipe_of(like, "bilstm")["batch_size"]
    texts = size * (2 if small else max(2, 2**14 // size))
    ends: dict[str, list[float]] = {}

    def report(note: str, when: int) -> None:
        ends.setdefault(note, []).append(when / 1e9)

    with tempfile.TemporaryDirectory() as folder:
        seeds = Seeds(like, str(device), texts, 1.0 if small else TOGETHER, size, number, Path(folder))
        workers.run_seeds(train_bilstm, seeds, range(number), number, report)
    # From when all have warmed up, while all train.
    start, end = max(each[0] for each in ends.values()), min(each[-1] for each in ends.values())
    epochs = sum(sum(start < when <= end for when in each) for each in ends.values())
    seconds, rate = [end - start], epochs * texts / (end - start)
    row = {"benchmark": "gpu", "case": f"BiLSTM, texts as long as {like}'s, {number} at once", "side": "pielab"}
    row |= {"like": like, "model": "bilstm", "workers": number, "seconds": seconds, "batch_size": size}
    return row | {"texts_per_second": rate, "peak_mb": None}


def train_bilstm(seeds: Seeds, seed: int, report: workers.ReportProgress) -> None:
    seeds.seed_process()  # one process alone is this one
    random = np.random.default_rng(0)
    words, width, longest = (500, 20, 16) if seeds.number < 100 else (WORDS, WIDTH, lengths.MAX_TOKENS[seeds.like])
    encoder = WordEncoder({}, random.normal(size=(words, width)).astype(np.float32), longest)
    tokens = made(lengths.WORDS[seeds.like], seeds.number, words, random).cut(longest)
    model = classifier.build("bilstm", CLASSES[seeds.like], seed, vectors=encoder.vectors).to(seeds.device)
    options = {"epochs": 10**6, "batch_size": seeds.batch_size, "learning_rate": 1e-4, "seed": seed}
    options["precision"] = loop.choose_precision("auto", torch.device(seeds.device))
    (seeds.folder / str(seed)).touch()
    while len(list(seeds.folder.iterdir())) < seeds.processes:
        time.sleep(0.01)
    began: float | None = None

    def on_epoch(epoch: int, loss: float) -> None:
        """Stop some time after every process has finished an epoch, so that all train at once for a while."""
        nonlocal began
        report(str(seed), time.time_ns())
        (seeds.folder / f"{seed}-warm").touch()
        if began is None and len(list(seeds.folder.glob("*-warm"))) == seeds.processes:
            began = time.perf_counter()
        elif began is not None and time.perf_counter() - began > seeds.seconds:
            raise _Enough

    with contextlib.suppress(_Enough):
        loop.train(model, encoder, tokens, classes(seeds.like, seeds.number, random), **options, on_epoch=on_epoch)


def recipe_of(like: str, model: str) -> dict[str, Any]:
    return yaml.safe_load((PROJECT / f"params/{like}-{model}.yaml").read_text())


def hours(rows: list[dict]) -> pd.DataFrame:
    """The hours of the paper's grid at these rates, one row a pair.

    A unit is one training for all its epochs, followed by predictions on all splits. Those of the BiLSTM are not
    measured: they count as a third of training on as many texts.
    """
    config = yaml.safe_load((PROJECT / "params/studies/paper.yaml").read_text())
    units = estimate.units(estimate.seeds(study.read(config)))
    sizes, found = published.table("table7_datasets"), []
    for pair, of_pair in units.iterrows():
        like, _, model = pair.partition("-")
        rates = [row for row in rows if row["model"] == model and row["like"] == like]
        size = sizes.loc[sizes["dataset"].str.lower() == like].iloc[0]
        texts = {split: int(size[split]) for split in ("train", "test", "val")}
        epochs = recipe_of(like, model)["epochs"]
        if model == "bilstm":
            unit, best = "texts", max(rates, key=lambda row: row["texts_per_second"])
            rate, predicting, length = best["texts_per_second"], 3 * best["texts_per_second"], 1
        else:
            unit, best, length = "tokens", rates[0], lengths.mean(lengths.SUBWORDS[like])
            rate, predicting = best["tokens_per_second"], best["predicted_per_second"]
        a_unit = epochs * texts["train"] * length / rate + sum(texts.values()) * length / predicting
        found.append(
            {
                "pair": pair,
                "units": int(of_pair["in all"]),
                "epochs": epochs,
                "training texts": texts["train"],
                "per text": length,
                "per second": rate,
                "of": unit,
                "seconds a unit": a_unit,
                "hours": of_pair["in all"] * a_unit / 3600,
            }
        )
    return pd.DataFrame(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="tiny models, on the CPU as well: does it work?")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="numbers of BiLSTMs at once to try")
    parser.add_argument("--json", type=Path, help="write rates and hours to this file")
    parser.add_argument("--peak", type=float, help="the bfloat16 TFLOP/s of a device that is not known here")
    given = parser.parse_args()
    device = loop.choose_device("auto")
    if device.type == "cpu" and not given.small:
        raise SystemExit("there is no GPU here: give --small to see whether it works.")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{device.type} of {platform.machine()}"
    peak = given.peak or next((each for part, each in PEAKS.items() if part in name), None)
    found: dict[str, Any] = {"device": name, "torch": torch.__version__, "rows": []}

    def keep(row: dict) -> dict:
        found["rows"].append(row)
        if given.json:  # after every row, for whoever runs out of time on a shared GPU
            given.json.write_text(json.dumps(found, indent=1))
        return row

    options = (device, given.small, given.repeats, peak)
    for measure in (*(partial(bert, like) for like in CLASSES), tagger):
        torch.cuda.empty_cache()
        row = keep(measure(*options))
        trained, predicted = row["tokens_per_second"], row["predicted_per_second"]
        print(f"{row['case']}: {trained:,.0f} tokens/s, {share(row)}, predicts {predicted:,.0f} tokens/s", flush=True)
    print(f"a unit of conll2003: {row['seconds_a_unit']:,.0f} s", flush=True)
    row = keep(generator(device, given.small, given.repeats))
    print(f"{row['case']}: {common.spread(row['seconds'])} s", flush=True)
    # What this process keeps of the GPU's memory, others cannot have.
    torch.cuda.empty_cache()
    numbers, best, quickest = (1, 2) if given.small else given.workers, 0.0, 1
    for number in numbers:
        of_number = fitting("snli", device, [number], given.small)
        rates = [keep(row)["texts_per_second"] for row in of_number]
        if not rates or rates[0] < best:
            break
        best, quickest = rates[0], number
    # Processes are slow to start: small, one at a time.
    fewer = [number for number in sorted(numbers, reverse=True) if number <= (1 if given.small else quickest)]
    for like in CLASSES:
        for row in fitting(like, device, fewer, given.small) if like != "snli" else []:
            keep(row)
    table = hours(found["rows"])
    print(table.round(2).to_string(index=False), f"\nin all {table['hours'].sum():,.0f} hours of {name}")
    if given.json:
        given.json.write_text(json.dumps(found | {"hours": table.to_dict("records")}, indent=1))


def fitting(like: str, device: torch.device, numbers: list[int], small: bool) -> list[dict]:
    """The row of the first of these numbers of BiLSTMs at once that fits in the GPU's memory, if one does."""
    for number in numbers:
        try:
            row = bilstm(like, device, number, small)
        except torch.OutOfMemoryError:
            print(f"BiLSTM, texts as long as {like}'s, {number} at once: more than the memory", flush=True)
            continue
        print(f"{row['case']}: {row['texts_per_second']:,.0f} texts/s", flush=True)
        return [row]
    return []


def share(row: dict) -> str:
    known = row["share_of_peak"]
    spread = common.spread(row["seconds"])
    return f"{known:.0%} of the peak, {spread} s" if known else f"peak not known, {spread} s"


if __name__ == "__main__":
    main()
