"""Train and prune the seeds of a configuration, and keep each whole one in the results folder."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import DatasetDict
from torch import Tensor, nn

from pielab import datasets, faults, glue, models, paths, phases, pruned, pruning, records, schedules, trained, training
from pielab.errors import PielabError
from pielab.parameters import BuildParameters, PruneParameters, TrainParameters
from pielab.progress import Progress
from pielab.tokens import Tokens
from pielab.workers import OnEpoch, Report, TrainSeed, each_seed, epoch_note


@dataclass(frozen=True)
class Experiment:
    """A configuration with its texts encoded: what every seed of it shares.

    precision: what it is computed in, as training.choose_precision gives it. tokens: of the texts of each split.
    targets: of each split, as pielab.datasets.targets gives them. task: of GLUE, if it is one.
    """

    parameters: BuildParameters
    device: torch.device
    precision: torch.dtype
    encoder: Any = field(repr=False)
    tokens: dict[str, Tokens] = field(repr=False)
    targets: dict[str, np.ndarray] = field(repr=False)
    n_classes: int
    data_digest: str
    task: glue.Task | None = field(default=None, repr=False)

    @property
    def multi_label(self) -> bool:
        return self.targets["train"].ndim == 2

    @property
    def metrics(self) -> tuple[str, ...]:
        return glue.metrics(self.task, self.targets["train"])

    @property
    def metric(self) -> str:
        return self.metrics[0]

    def judge(self, predicted: np.ndarray, split: str, metric: str | None = None) -> float:
        """The metric, if not another one, of class ids (examples,) or multi-hot classes (examples, classes)."""
        return glue.score(metric or self.metric, predicted, self.targets[split], self.task)

    @property
    def dense_recipe(self) -> dict[str, Any]:
        """What decides the outcome of an unpruned seed."""
        return self.parameters.recipe(TrainParameters) | {"data": self.data_digest}

    @property
    def pruned_recipe(self) -> dict[str, Any]:
        """What decides the outcome of a pruned seed."""
        return self.parameters.recipe() | {"data": self.data_digest}

    def settle(self) -> None:
        """Make this process compute as every other one does, so that the same seed gives the same result."""
        torch.set_num_threads(self.parameters.threads)
        if self.device.type == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)

    def build(self, seed: int) -> nn.Module:
        """The model in the initial state of a seed, on the device."""
        p = self.parameters
        vectors = getattr(self.encoder, "vectors", None)
        layers = p.num_hidden_layers
        model = models.build(p.model, self.n_classes, seed, vectors=vectors, num_hidden_layers=layers)
        return model.to(self.device)

    def train(
        self, model: nn.Module, seed: int, phase: int, epochs: int, on_epoch: OnEpoch, **options: Any
    ) -> list[float]:
        """Train on the training split; each phase of a seed has its own order and dropout."""
        p = self.parameters
        options |= {"epochs": epochs, "batch_size": p.batch_size, "learning_rate": p.learning_rate}
        options |= {"warmup": p.warmup, "decay": p.decay, "weight_decay": p.weight_decay}
        options |= {"bucketed": p.bucketed, "precision": self.precision, "seed": training.derive(seed, phase)}
        data = (self.encoder, self.tokens["train"], self.targets["train"])
        return training.train(model, *data, **options, on_epoch=on_epoch)

    def predict(self, model: nn.Module, split: str) -> np.ndarray:
        """Logits (examples, classes) of a split."""
        return training.predict(model, self.encoder, self.tokens[split], self.precision)


def prepare(parameters: BuildParameters, data: DatasetDict) -> Experiment:
    """Encode the texts for the model and choose the device.

    Raises PielabError for a device that is not there, and for a pruner's schedule or budget that does not fit the run.
    """
    p = parameters
    if not len(data["train"]):
        raise PielabError(f"{p.dataset} has no training texts: put a train file beside its test file.")
    device = training.choose_device(p.device)
    everything = [text for split in datasets.SPLITS for text in datasets.joined_texts(data[split])]
    encoder = models.encoder(p.model, everything, p.max_tokens, p.word_vectors, p.padding)
    tokens, ends = encoder.encode(everything), np.cumsum([0, *(len(data[split]) for split in datasets.SPLITS)])
    experiment = Experiment(
        parameters=p,
        device=device,
        precision=training.choose_precision(p.precision, device),
        encoder=encoder,
        tokens={split: tokens[ends[index] : ends[index + 1]] for index, split in enumerate(datasets.SPLITS)},
        targets={split: datasets.targets(data[split]) for split in datasets.SPLITS},
        n_classes=len(datasets.class_names(data)),
        data_digest=datasets.digest(data),
        task=glue.judged_as(p.dataset, datasets.class_names(data)),
    )
    if isinstance(p, PruneParameters):
        pruned.check(experiment)
    experiment.settle()
    return experiment


def train_dense(experiment: Experiment) -> pd.DataFrame:
    """Train the unpruned seeds that are not there yet; one row of metrics for each seed."""
    p = experiment.parameters
    recipe = experiment.dense_recipe
    todo = [seed for seed in p.seeds if not records.finished(paths.seed(p.dense_folder, seed), recipe)]
    _train(_dense_seed, experiment, todo, p.dense_folder, "training unpruned models", p.epochs + 1)
    return records.metrics(p.dense_folder, p.seeds)


def train_pruned(experiment: Experiment) -> pd.DataFrame:
    """Prune and retrain the seeds that are not there yet; one row of metrics for each seed.

    Iterative and nested pruners start from the unpruned models of the same seeds, which are trained first where
    missing. A nested one makes the seeds of the levels below as well. A seed that was cut off goes on after its last
    finished iteration or level.
    """
    p = experiment.parameters
    if pruning.pruner(p.pruner).starts_trained:
        train_dense(experiment)
    todo = [seed for seed in p.seeds if not pruned.finished(experiment, seed)]
    for seed in set(p.seeds).difference(todo):
        phases.clear(p.folder, seed)  # of a run that was killed just then
    for level in p.passed[:-1]:
        for seed in todo:
            # One of another recipe stops before anything is trained.
            pruned.finished(pruned.at_level(experiment, level), seed)
    _train(pruned.train, experiment, todo, p.folder, f"{p.pruner} at {p.threshold:g} %", sum(p.phase_epochs) + 1)
    return records.metrics(p.folder, p.seeds)


def _train(function: TrainSeed, experiment: Experiment, seeds: list[int], folder: Path, title: str, steps: int) -> None:
    """Train seeds, `workers` at a time, with a progress bar of so many steps a seed."""
    with Progress(title, len(seeds) * steps) as progress, faults.explained(folder):
        each_seed(function, experiment, seeds, experiment.parameters.workers, progress.step)


def _dense_seed(experiment: Experiment, seed: int, report: Report) -> None:
    p = experiment.parameters
    start = time.perf_counter()
    model = experiment.build(seed)
    early: dict[str, np.ndarray] = {}
    shared: dict[str, Tensor] = {}
    on_epoch = _keep_early(early, experiment, model, epoch_note(report, seed, "unpruned", p.epochs))
    if p.budget == "equal":
        on_epoch = _keep_shared(shared, p.shared_epochs, model, on_epoch)
    losses = experiment.train(model, seed, 0, p.epochs, on_epoch)
    record = {"losses": [losses], "seconds": time.perf_counter() - start}
    recipe, kept = experiment.dense_recipe, {"extra": early, "shared": shared}
    trained.keep(p.dense_folder, seed, experiment, model, recipe, record, keep_weights=p.budget == "paper", **kept)
    report(f"seed {seed} kept", 1)


def _keep_early(kept: dict[str, np.ndarray], experiment: Experiment, model: nn.Module, then: OnEpoch) -> OnEpoch:
    """Keeps the logits of the training set at the epoch that EL2N is taken at."""

    def on_epoch(epoch: int, loss: float) -> None:
        if epoch == schedules.early_epoch(experiment.parameters.epochs):
            kept["early"] = experiment.predict(model, "train")
            model.train()
        then(epoch, loss)

    return on_epoch


def _keep_shared(kept: dict[str, Tensor], at: int, model: nn.Module, then: OnEpoch) -> OnEpoch:
    """Keeps copies of the weights after an epoch."""

    def on_epoch(epoch: int, loss: float) -> None:
        if epoch == at:
            kept.update({name: value.detach().cpu().clone() for name, value in model.state_dict().items()})
        then(epoch, loss)

    return on_epoch
