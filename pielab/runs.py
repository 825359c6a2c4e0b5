"""Train and prune the seeds of a configuration, and keep each whole one in the results folder."""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import DatasetDict
from safetensors.torch import load_model, save_model
from torch import Tensor, nn

from pielab import datasets, influence, models, paths, predictions, pruning, records, training
from pielab.assets import whole
from pielab.errors import PielabError
from pielab.parameters import BuildParameters, PruneParameters, TrainParameters, digest
from pielab.progress import Progress

OnEpoch = Callable[[int, float], None]


@dataclass(frozen=True)
class Experiment:
    """A configuration with its texts encoded: what every seed of it shares.

    rows: token ids of the texts of each split. targets: of each split, as pielab.datasets.targets gives them.
    """

    parameters: BuildParameters
    device: torch.device
    encoder: Any = field(repr=False)
    rows: dict[str, list[list[int]]] = field(repr=False)
    targets: dict[str, np.ndarray] = field(repr=False)
    n_classes: int
    data_digest: str

    @property
    def multi_label(self) -> bool:
        return self.targets["train"].ndim == 2

    @property
    def metric(self) -> str:
        return "macro-F1" if self.multi_label else "accuracy"

    def build(self, seed: int) -> nn.Module:
        """The model in the initial state of a seed, on the device."""
        p = self.parameters
        vectors = getattr(self.encoder, "vectors", None)
        layers = p.num_hidden_layers
        model = models.build(p.model, self.n_classes, seed, vectors=vectors, num_hidden_layers=layers)
        return model.to(self.device)

    def train(self, model: nn.Module, seed: int, phase: int, on_epoch: OnEpoch, **masking: Any) -> list[float]:
        """Train on the training split; each phase of a seed has its own order and dropout."""
        p = self.parameters
        options = {"epochs": p.epochs, "batch_size": p.batch_size, "learning_rate": p.learning_rate}
        data = (self.encoder, self.rows["train"], self.targets["train"])
        return training.train(model, *data, **options, **masking, seed=_derive(seed, phase), on_epoch=on_epoch)


def prepare(parameters: BuildParameters, data: DatasetDict) -> Experiment:
    """Encode the texts for the model and choose the device."""
    p = parameters
    if not len(data["train"]):
        raise PielabError(f"{p.dataset} has no training texts: put a train file beside its test file.")
    torch.set_num_threads(p.threads)
    device = training.choose_device(p.device)
    if device.type == "cuda":  # the same seed shall give the same result
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    texts = {split: datasets.joined_texts(data[split]) for split in datasets.SPLITS}
    everything = [text for split in texts.values() for text in split]
    encoder = models.encoder(p.model, everything, p.max_tokens, p.word_vectors, p.padding)
    return Experiment(
        parameters=p,
        device=device,
        encoder=encoder,
        rows={split: encoder.encode(each) for split, each in texts.items()},
        targets={split: datasets.targets(data[split]) for split in datasets.SPLITS},
        n_classes=len(datasets.class_names(data)),
        data_digest=datasets.digest(data),
    )


def train_dense(experiment: Experiment) -> pd.DataFrame:
    """Train the unpruned seeds that are not there yet; one row of metrics for each seed."""
    p = experiment.parameters
    recipe = p.recipe(TrainParameters) | {"data": experiment.data_digest}
    todo = [seed for seed in p.seeds if not records.finished(paths.seed(p.dense_folder, seed), recipe)]
    with Progress("training unpruned models", len(todo) * (p.epochs + 1)) as progress:
        for seed in todo:
            start = time.perf_counter()
            model = experiment.build(seed)
            early: dict[str, np.ndarray] = {}
            note = _note(progress, seed, "unpruned", p.epochs)
            losses = experiment.train(model, seed, 0, _keep_early(early, experiment, model, note))
            record = {"losses": [losses], "seconds": time.perf_counter() - start}
            _save(p.dense_folder, seed, experiment, model, recipe, record, keep_weights=True, extra=early)
            progress.step(f"seed {seed} kept")
    return records.metrics(p.dense_folder, p.seeds)


def train_pruned(experiment: Experiment) -> pd.DataFrame:
    """Prune and retrain the seeds that are not there yet; one row of metrics for each seed.

    Iterative pruners start from the unpruned models of the same seeds, which are trained first where missing.
    """
    p = experiment.parameters
    pruner = pruning.pruner(p.pruner)
    if pruner.schedule == "iterative":
        train_dense(experiment)
    recipe = p.recipe() | {"data": experiment.data_digest}
    todo = [
        seed for seed in p.seeds if not records.finished(paths.seed(p.folder, seed), recipe, exported=p.save_weights)
    ]
    steps = len(pruning.sparsities(pruner, p.sparsity))
    with Progress(f"{p.pruner} at {p.threshold:g} %", len(todo) * (steps * p.epochs + 1)) as progress:
        for seed in todo:
            start = time.perf_counter()
            model, record = prune_seed(experiment, seed, _note(progress, seed, "retraining", p.epochs))
            record["seconds"] = time.perf_counter() - start
            _save(p.folder, seed, experiment, model, recipe, record, keep_weights=p.save_weights)
            progress.step(f"seed {seed} kept")
    return records.metrics(p.folder, p.seeds)


def prune_seed(
    experiment: Experiment, seed: int, on_epoch: OnEpoch = lambda epoch, loss: None
) -> tuple[nn.Module, dict[str, Any]]:
    """One seed pruned and retrained as its pruner says: the model, and the record of what was done to it."""
    p: PruneParameters = experiment.parameters
    pruner = pruning.pruner(p.pruner)
    model = experiment.build(seed)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    if pruner.schedule == "iterative":
        load_model(model, paths.seed(p.dense_folder, seed) / "weights.safetensors", device=str(experiment.device))
    weights = pruning.prunable(model, p.prune_layer_norm)
    masks = pruning.dense_masks(weights)
    losses = []
    for phase, sparsity in enumerate(pruning.sparsities(pruner, p.sparsity), start=1):
        masks = pruning.prune(_scores(pruner.score, experiment, model, weights, seed, phase), masks, sparsity)
        if pruner.retraining == "rewinding":
            model.load_state_dict(initial)
        losses.append(experiment.train(model, seed, phase, on_epoch, weights=weights, masks=masks))
    alive = [name for name, mask in masks.items() if weights[name].detach().cpu()[~mask].any()]
    if alive:
        raise RuntimeError(f"pruned weights of {alive} are not zero after training; please report this")
    record = {
        "losses": losses,
        "sparsity": pruning.sparsity(masks),
        "pruned": {name: [int((~mask).sum()), mask.numel()] for name, mask in masks.items()},
    }
    return model, record


def evaluate(
    experiment: Experiment, model: nn.Module, seed: int, splits: Iterable[str] = datasets.SPLITS
) -> tuple[dict[str, np.ndarray], float | None, dict[str, float]]:
    """Logits (examples, classes), the decision threshold, and accuracy or macro-F1; logits and metric by split.

    splits: with "train" if texts have several labels, for the decision threshold is chosen there; else it is None.

    Raises PielabError if the logits are not finite.
    """
    logits = {split: training.predict(model, experiment.encoder, experiment.rows[split]) for split in splits}
    if not all(np.isfinite(each).all() for each in logits.values()):
        rate = experiment.parameters.learning_rate
        raise PielabError(
            f"seed {seed} ended with weights that are not finite, with learning_rate = {rate:g}: lower it."
        )
    threshold = None
    if experiment.multi_label:
        threshold = predictions.best_decision_threshold(logits["train"], experiment.targets["train"])
    metric = {split: _effectiveness(logits[split], experiment.targets[split], threshold) for split in logits}
    return logits, threshold, metric


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("pielab", "torch", "transformers", "numpy")}


def _scores(
    score: str, experiment: Experiment, model: nn.Module, weights: dict[str, Tensor], seed: int, phase: int
) -> dict[str, Tensor]:
    if score == "magnitude":
        return pruning.magnitude(weights)
    if score == "random":
        return pruning.random(weights, torch.Generator().manual_seed(_derive(seed, phase, 1)))
    rows, targets = experiment.rows["train"], experiment.targets["train"]
    number = min(experiment.parameters.impact_examples, len(rows))
    chosen = np.random.default_rng((seed, phase, 1)).choice(len(rows), size=number, replace=False)
    sample = [rows[index] for index in chosen]
    return pruning.impact(weights, training.gradients(model, weights, experiment.encoder, sample, targets[chosen]))


def _save(
    folder: Path,
    seed: int,
    experiment: Experiment,
    model: nn.Module,
    recipe: dict[str, Any],
    record: dict[str, Any],
    keep_weights: bool,
    extra: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> None:
    """Write a seed under a temporary name and rename it when it is whole; `extra` are more logits, by name."""
    target = paths.seed(folder, seed)
    logits, threshold, metric = evaluate(experiment, model, seed)
    p = experiment.parameters
    configuration = {
        "dataset": paths.slug(p.dataset),
        "model": paths.slug(p.model),
        "pruner": recipe.get("pruner", "unpruned"),
        "threshold": recipe.get("threshold", 0.0),
        "seed": seed,
    }
    record = {
        **configuration,
        "metric": experiment.metric,
        **metric,
        "decision_threshold": threshold,
        "sparsity": 0.0,
        "trainable": models.count_parameters(model),
        **record,
        "parameters": recipe,
        "device": _device_name(experiment.device),
        "versions": versions(),
    }
    metadata = {
        **configuration,
        "decision_threshold": threshold,
        "parameters_hash": digest(recipe),
        "data": experiment.data_digest,
        "device": record["device"],
        "versions": record["versions"],
    }
    with whole(target) as partial:
        for split, values in {"train": logits["train"], "test": logits["test"], **extra}.items():
            predictions.write(partial / f"{split}.parquet", values, {**metadata, "split": split})
        (partial / "metrics.json").write_text(json.dumps(record, indent=1))
        if keep_weights and hasattr(model, "save_pretrained") and "pruner" in recipe:
            _export(experiment, model, partial / "model")
        elif keep_weights:
            save_model(model, str(partial / "weights.safetensors"))


def _export(experiment: Experiment, model: nn.Module, folder: Path) -> None:
    """A pruned transformer as a folder that plain transformers load, its pruned weights zero."""
    model.save_pretrained(folder)
    experiment.encoder.tokenizer.save_pretrained(folder)


def _effectiveness(logits: np.ndarray, targets: np.ndarray, threshold: float | None) -> float:
    thresholds = None if threshold is None else np.array([threshold], dtype=np.float32)
    return predictions.effectiveness(predictions.Predictions(logits[None], (0,), thresholds).classes[0], targets)


def _keep_early(kept: dict[str, np.ndarray], experiment: Experiment, model: nn.Module, then: OnEpoch) -> OnEpoch:
    """Keeps the logits of the training set at the epoch that EL2N is taken at."""

    def on_epoch(epoch: int, loss: float) -> None:
        if epoch == influence.early_epoch(experiment.parameters.epochs):
            kept["early"] = training.predict(model, experiment.encoder, experiment.rows["train"])
            model.train()
        then(epoch, loss)

    return on_epoch


def _note(progress: Progress, seed: int, what: str, epochs: int) -> OnEpoch:
    return lambda epoch, loss: progress.step(f"seed {seed}, {what}, epoch {epoch} of {epochs}, loss {loss:.3f}")


def _derive(seed: int, phase: int, use: int = 0) -> int:
    """A seed of its own for each phase of a seed's training, and for each use of chance in it."""
    return int(np.random.SeedSequence((seed, phase, use)).generate_state(1)[0])


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
