"""Training a pruned model with pielab, with the paper's recipe, and with Hugging Face's Trainer.

    .venv/bin/python benchmarks/recipe.py [--small] [--repeats 3] [--json FILE]

All sides use the same texts, initial state, batch size and number of updates, with half of the weights pruned. The
published recipe pads every text to max_tokens, computes in float32 and evaluates the training and test set after every
epoch, for several labels with 100 decision thresholds in scikit-learn. The Trainer pads to the longest text of a batch,
masks with torch.nn.utils.prune and evaluates the test set after every epoch. pielab evaluates both sets once. Training
and test set have the paper's proportion; the accuracy (macro-F1 for several labels) is on 200 other texts, not timed.
Each side has one thread, because seeds share the cores.
"""

import contextlib
import io
import itertools
import os
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import common
import lengths
import numpy as np
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import nn

from pielab.compression.masks import dense_masks, magnitude, prunable
from pielab.compression.masks import prune as masks_prune
from pielab.data import tasks
from pielab.models import classifier
from pielab.models.tokens import Tokens
from pielab.store import predictions
from pielab.training import loop

# Training and test texts, in the proportion of the paper's Table 7.
SIZES = {"snli": (192, 4), "reuters": (48, 10), "imdb": (32, 40)}
# Sixteen batches, for what a few hundred are sorted in.
BATCHES = {"snli": 12, "reuters": 3, "imdb": 2}
CLASSES = {"snli": 3, "reuters": 5, "imdb": 2}
JUDGED = 200
# Epochs and learning rate of each model.
OPTIONS = {"BERT": (2, 3e-4), "BiLSTM": (2, 3e-3)}
# BERT is the first layer of a pretrained one, to fit a CPU.
MODELS = {"BERT": ("minilm", 1), "BiLSTM": ("bilstm", None)}
SPARSITY = 0.5

# A model and its decision threshold, if its texts have several labels.
Trained = tuple[nn.Module, float | None]

_seeds = itertools.count()


def prepare(like: str, model: str, small: bool, repeats: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    train, test = (16, 4) if small else SIZES[like]
    if model == "BiLSTM" and not small:  # the full recipe takes a CPU minutes
        train, test = train // 2, test // 2
    judged = 20 if small else JUDGED
    texts, targets = lengths.texts(like, train + test + judged, CLASSES[like], several=like == "reuters")
    longest = 16 if small else lengths.MAX_TOKENS[like]
    name, layers = MODELS[model]
    encoder = classifier.encoder(name, texts, longest)
    tokens, used = encoder.encode(texts), None
    if model == "BERT":
        # Only the used vocabulary: with one layer, the other embeddings would be most of the model.
        used, ids = np.unique(np.concatenate([[encoder.padding], tokens.ids]), return_inverse=True)
        tokens = Tokens(ids[1:].astype(np.int32), tokens.starts)
    parts = {"train": slice(train), "test": slice(train, train + test), "judged": slice(train + test, None)}
    options = {"vectors": getattr(encoder, "vectors", None), "num_hidden_layers": layers}
    epochs, rate = OPTIONS[model]
    given = {
        "encoder": encoder,
        "tokens": {name: tokens[part] for name, part in parts.items()},
        "targets": {name: targets[part] for name, part in parts.items()},
        # Made before timing starts, with one to warm up.
        "models": [built(name, CLASSES[like], seed, used, options) for seed in range(repeats + 1)],
        "options": {"epochs": 1 if small else epochs, "batch_size": BATCHES[like], "learning_rate": rate},
        "longest": longest,
    }
    # Work done once per process, not per seed, is done now.
    network, weights, masks = given["models"].pop()
    some = {"weights": weights, "masks": masks, "seed": 0, **given["options"], "epochs": 1}
    loop.train(network, encoder, tokens[:4], targets[:4], **some)
    return given


def built(name: str, classes: int, seed: int, used: np.ndarray | None, options: dict) -> tuple[nn.Module, dict, dict]:
    """A seed's model, its prunable weights, and masks of half of them; used: its vocabulary."""
    model = classifier.build(name, classes, seed, **options)
    if used is not None:
        embeddings = model.get_input_embeddings()
        model.set_input_embeddings(nn.Embedding.from_pretrained(embeddings.weight[used].detach(), freeze=False))
        model.config.vocab_size = len(used)
    weights = prunable(model)
    masks = masks_prune(magnitude(weights), dense_masks(weights), SPARSITY)
    return model, weights, masks


def pielab(precision: torch.dtype, given: dict[str, Any]) -> Trained:
    seed = next(_seeds)
    model, weights, masks = given["models"].pop()
    data = (given["encoder"], given["tokens"]["train"], given["targets"]["train"])
    options = {"bucketed": True, "precision": precision, "seed": seed, **given["options"]}
    loop.train(model, *data, **options, weights=weights, masks=masks)
    logits = loop.predict(model, given["encoder"], given["tokens"]["train"], precision)
    loop.predict(model, given["encoder"], given["tokens"]["test"], precision)
    best = task(given).decision_threshold
    return model, best and best(logits, given["targets"]["train"])


def published(given: dict[str, Any]) -> Trained:
    seed = next(_seeds)
    model, weights, masks = given["models"].pop()
    masks = {name: mask.float() for name, mask in masks.items()}
    torch.manual_seed(seed)
    inputs = {name: to_longest(given, name) for name in ("train", "test")}
    sets = {name: torch.utils.data.TensorDataset(*each.values(), targets(given, name)) for name, each in inputs.items()}
    size, names = given["options"]["batch_size"], list(inputs["train"])
    loaders = {name: torch.utils.data.DataLoader(each, size, shuffle=name == "train") for name, each in sets.items()}
    several = task(given) is tasks.MULTI_LABEL
    loss_function = nn.BCEWithLogitsLoss() if several else nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=given["options"]["learning_rate"])
    mask(weights, masks)
    for _ in range(given["options"]["epochs"]):
        model.train()
        for *batch, wanted in loaders["train"]:
            optimizer.zero_grad()
            loss_function(model(**dict(zip(names, batch, strict=True))).logits, wanted).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            mask(weights, masks)
        model.eval()
        logits = {}
        with torch.no_grad():
            for name, loader in loaders.items():
                found = [(model(**dict(zip(names, batch, strict=True))).logits, wanted) for *batch, wanted in loader]
                logits[name] = [torch.cat(each).numpy() for each in zip(*found, strict=True)]
        threshold = judge(logits) if several else None
        if not several:
            [accuracy_score(wanted, values.argmax(axis=1)) for values, wanted in logits.values()]
    return model, threshold


def judge(logits: dict[str, list[np.ndarray]]) -> float:
    """The decision threshold with the best macro-F1 on the training set, written with scikit-learn."""
    values, wanted = logits["train"]
    said = predictions.sigmoid(values)
    thresholds = [step / 100 for step in range(100)]
    return max(thresholds, key=lambda each: f1_score(wanted, said > each, average="macro", zero_division=0))


def trainer(given: dict[str, Any]) -> Trained:
    """The usual Hugging Face implementation."""
    from datasets import Dataset
    from torch.nn.utils import prune
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    seed = next(_seeds)
    model, weights, masks = given["models"].pop()
    for name in weights:
        module, _, weight = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(module), weight, masks[name])
    sets = {}
    for name in ("train", "test"):
        rows = [each.tolist() for each in np.split(given["tokens"][name].ids, given["tokens"][name].starts[1:-1])]
        masked = [[1] * len(row) for row in rows]
        sets[name] = Dataset.from_dict({"input_ids": rows, "attention_mask": masked, "labels": given["targets"][name]})
    several = task(given) is tasks.MULTI_LABEL

    def metrics(found):
        values, wanted = found
        if several:
            return {"f1": f1_score(wanted, values > 0, average="macro", zero_division=0)}
        return {"accuracy": accuracy_score(wanted, values.argmax(axis=1))}

    options = given["options"]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=options["epochs"],
            per_device_train_batch_size=options["batch_size"],
            per_device_eval_batch_size=options["batch_size"],
            learning_rate=options["learning_rate"],
            lr_scheduler_type="constant",
            max_grad_norm=1.0,
            eval_strategy="epoch",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            log_level="error",
            use_cpu=True,
            seed=seed,
        )
        collator = DataCollatorWithPadding(given["encoder"].tokenizer)
        with contextlib.redirect_stdout(io.StringIO()):
            Trainer(
                model,
                arguments,
                data_collator=collator,
                train_dataset=sets["train"],
                eval_dataset=sets["test"],
                compute_metrics=metrics,
            ).train()
    for name in weights:
        module, _, weight = name.rpartition(".")
        prune.remove(model.get_submodule(module), weight)
    return model, 0.5 if several else None


def to_longest(given: dict[str, Any], name: str) -> dict[str, torch.Tensor]:
    """Pad every text to max_tokens."""
    tokens, encoder = given["tokens"][name], given["encoder"]
    ids = torch.full((len(tokens), given["longest"]), encoder.padding, dtype=torch.long)
    for row, start, end in zip(ids, tokens.starts, tokens.starts[1:], strict=False):
        row[: end - start] = torch.from_numpy(tokens.ids[start:end])
    if encoder.width:
        return {"input_ids": ids}
    there = torch.arange(given["longest"]) < torch.from_numpy(tokens.lengths)[:, None]
    return {"input_ids": ids, "attention_mask": there.long()}


def task(given: dict[str, Any]) -> tasks.Task:
    return tasks.of_targets(given["targets"]["train"])


def targets(given: dict[str, Any], name: str) -> torch.Tensor:
    return torch.from_numpy(given["targets"][name])


def mask(weights: dict, masks: dict) -> None:
    with torch.no_grad():
        for name, each in masks.items():
            weights[name] *= each


def accuracy(given: dict[str, Any], trained: Trained) -> float:
    """Accuracy, or macro-F1, on texts that no side has seen."""
    model, threshold = trained
    wanted = given["targets"]["judged"]
    logits = loop.predict(model, given["encoder"], given["tokens"]["judged"])
    if threshold is None:
        return float(accuracy_score(wanted, logits.argmax(axis=1)))
    return float(f1_score(wanted, predictions.sigmoid(logits) > threshold, average="macro", zero_division=0))


def sides(model: str) -> dict[str, Any]:
    found = {"pielab": partial(pielab, torch.float32)}
    if "amx_bf16" in Path("/proc/cpuinfo").read_text():
        found["pielab, bfloat16"] = partial(pielab, torch.bfloat16)
    found["published recipe"] = published
    # The Trainer's pruning hooks do not reach the flat weights of an nn.LSTM.
    return found | ({"Trainer, torch.nn.utils.prune": trainer} if model == "BERT" else {})


def run(small: bool, repeats: int) -> list[dict]:
    rows = []
    # As in a study's notebooks: otherwise freed memory returns to the system at every step.
    os.environ |= {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
    pairs = itertools.product(OPTIONS, SIZES)
    for model, like in [("BERT", "reuters"), ("BiLSTM", "snli")] if small else pairs:
        case = f"{model}, texts as long as {like}'s"
        make = partial(prepare, like, model, small, 4 * repeats if small else repeats)
        rows += common.measure(
            "recipe", case, sides(model), prepare=make, judge=accuracy, repeats=repeats, alone=not small
        )
    return rows


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0], repeats=3)
