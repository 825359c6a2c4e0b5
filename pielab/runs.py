"""Train and prune the seeds of a configuration, and keep each whole one in the results folder."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from datasets import DatasetDict
from safetensors.torch import load_model
from torch import Tensor, nn

from pielab import (
    datasets,
    faults,
    glue,
    influence,
    models,
    paths,
    phases,
    predictions,
    pruning,
    records,
    trained,
    training,
)
from pielab.errors import PielabError
from pielab.parameters import BuildParameters, PruneParameters, TrainParameters
from pielab.progress import Progress
from pielab.tokens import Tokens
from pielab.workers import Report, TrainSeed, each_seed

OnEpoch = Callable[[int, float], None]


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
        """What models are judged by, the task's own metric first."""
        if self.multi_label:
            return ("macro-F1",)
        return self.task.metrics if self.task else ("accuracy",)

    @property
    def metric(self) -> str:
        return self.metrics[0]

    def judge(self, predicted: np.ndarray, split: str, metric: str | None = None) -> float:
        """The metric, if not another one, of class ids (examples,) or multi-hot classes (examples, classes)."""
        if self.task and not self.multi_label:
            return glue.score(metric or self.metric, predicted, self.targets[split], self.task)
        return predictions.effectiveness(predicted, self.targets[split])

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

    def train(self, model: nn.Module, seed: int, phase: int, on_epoch: OnEpoch, **masking: Any) -> list[float]:
        """Train on the training split; each phase of a seed has its own order and dropout."""
        p = self.parameters
        options = {"epochs": p.epochs, "batch_size": p.batch_size, "learning_rate": p.learning_rate}
        options |= {"bucketed": p.bucketed, "precision": self.precision, "seed": _derive(seed, phase)}
        data = (self.encoder, self.tokens["train"], self.targets["train"])
        return training.train(model, *data, **options, **masking, on_epoch=on_epoch)

    def predict(self, model: nn.Module, split: str) -> np.ndarray:
        """Logits (examples, classes) of a split."""
        return training.predict(model, self.encoder, self.tokens[split], self.precision)


def prepare(parameters: BuildParameters, data: DatasetDict) -> Experiment:
    """Encode the texts for the model and choose the device."""
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
    experiment.settle()
    return experiment


def train_dense(experiment: Experiment) -> pd.DataFrame:
    """Train the unpruned seeds that are not there yet; one row of metrics for each seed."""
    p = experiment.parameters
    recipe = _dense_recipe(experiment)
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
    todo = [seed for seed in p.seeds if not _finished(experiment, seed)]
    for seed in set(p.seeds).difference(todo):
        phases.clear(p.folder, seed)  # of a run that was killed just then
    for level in p.passed[:-1]:
        for seed in todo:
            _finished(_at(experiment, level), seed)  # one of another recipe stops before anything is trained
    steps = len(_sparsities(p)) * p.epochs + 1
    _train(_pruned_seed, experiment, todo, p.folder, f"{p.pruner} at {p.threshold:g} %", steps)
    return records.metrics(p.folder, p.seeds)


def prune_seed(experiment: Experiment, seed: int, report: Report = lambda note, steps: None) -> tuple[nn.Module, dict]:
    """One seed pruned and retrained as its pruner says: the model, and the record of what was done to it.

    Goes on after the last iteration or level that pielab.phases has kept, and keeps each but the last. The seeds of a
    nested pruner's lower levels are put into their folders on the way.
    """
    p: PruneParameters = experiment.parameters
    pruner = pruning.pruner(p.pruner)
    recipe = _pruned_recipe(experiment)
    model = experiment.build(seed)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    weights = pruning.prunable(model, p.prune_layer_norm)
    kept = _kept_phase(experiment, seed, model, recipe, report)
    masks, state = kept or _first_phase(experiment, seed, model, weights)
    on_epoch = _note(report, seed, "retraining", p.epochs)
    sparsities = _sparsities(p)
    for phase, sparsity in list(enumerate(sparsities, start=1))[state["phase"] :]:
        start = time.perf_counter()
        masks = pruning.prune(_scores(pruner.score, experiment, model, weights, seed, phase), masks, sparsity)
        if pruner.retraining == "rewinding":
            model.load_state_dict(initial)
        losses = experiment.train(model, seed, phase, on_epoch, weights=weights, masks=masks)
        before = 0 if pruner.schedule == "nested" else state["seconds"]  # a level has its own time
        seconds = before + time.perf_counter() - start
        state = {"recipe": recipe, "phase": phase, "losses": [*state["losses"], losses], "seconds": seconds}
        if phase < len(sparsities):
            if pruner.schedule == "nested":
                _keep_level(experiment, p.passed[phase - 1], seed, model, _record(weights, masks, state), report)
            phases.save(p.folder, seed, model, masks, state)
    return model, _record(weights, masks, state)


def _record(weights: dict[str, Tensor], masks: dict[str, Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """What was done to a seed, once its masks are found in its weights."""
    alive = [name for name, mask in masks.items() if weights[name].detach().cpu()[~mask].any()]
    if alive:
        raise RuntimeError(f"pruned weights of {alive} are not zero after training; please report this")
    return {
        "losses": state["losses"],
        "seconds": state["seconds"],
        "sparsity": pruning.sparsity(masks),
        "pruned": {name: [int((~mask).sum()), mask.numel()] for name, mask in masks.items()},
    }


def _train(function: TrainSeed, experiment: Experiment, seeds: list[int], folder: Path, title: str, steps: int) -> None:
    """Train seeds, `workers` at a time, with a progress bar of so many steps a seed."""
    with Progress(title, len(seeds) * steps) as progress, faults.explained(folder):
        each_seed(function, experiment, seeds, experiment.parameters.workers, progress.step)


def _dense_seed(experiment: Experiment, seed: int, report: Report) -> None:
    p = experiment.parameters
    start = time.perf_counter()
    model = experiment.build(seed)
    early: dict[str, np.ndarray] = {}
    note = _note(report, seed, "unpruned", p.epochs)
    losses = experiment.train(model, seed, 0, _keep_early(early, experiment, model, note))
    record = {"losses": [losses], "seconds": time.perf_counter() - start}
    trained.keep(
        p.dense_folder, seed, experiment, model, _dense_recipe(experiment), record, keep_weights=True, extra=early
    )
    report(f"seed {seed} kept", 1)


def _pruned_seed(experiment: Experiment, seed: int, report: Report) -> None:
    _keep(experiment, seed, *prune_seed(experiment, seed, report))
    phases.clear(experiment.parameters.folder, seed)
    report(f"seed {seed} kept", 1)


def _keep_level(
    experiment: Experiment, level: float, seed: int, model: nn.Module, record: dict[str, Any], report: Report
) -> None:
    """Keep the seed of a lower level, unless it is there."""
    if not _finished(_at(experiment, level), seed):
        _keep(_at(experiment, level), seed, model, record)
        report(f"seed {seed} kept at {level:g} %", 0)


def _keep(experiment: Experiment, seed: int, model: nn.Module, record: dict[str, Any]) -> None:
    p = experiment.parameters
    trained.keep(p.folder, seed, experiment, model, _pruned_recipe(experiment), record, keep_weights=p.save_weights)


def _finished(experiment: Experiment, seed: int) -> bool:
    p = experiment.parameters
    return records.finished(paths.seed(p.folder, seed), _pruned_recipe(experiment), exported=p.save_weights)


def _at(experiment: Experiment, level: float) -> Experiment:
    """The experiment of a lower level of the same trajectory."""
    return replace(experiment, parameters=experiment.parameters.model_copy(update={"threshold": level}))


def _sparsities(p: PruneParameters) -> list[float]:
    return pruning.sparsities(pruning.pruner(p.pruner), p.sparsity, [level / 100 for level in p.passed])


def _kept_phase(
    experiment: Experiment, seed: int, model: nn.Module, recipe: dict[str, Any], report: Report
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The masks and state that an interrupted run of the seed has left, with its weights in the model."""
    found = phases.load(experiment.parameters.folder, seed, recipe, model)
    if found:
        phase = found[1]["phase"]
        report(f"seed {seed} goes on after iteration {phase}", phase * experiment.parameters.epochs)
    return found


def _first_phase(
    experiment: Experiment, seed: int, model: nn.Module, weights: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Masks that prune nothing; the model of an iterative or nested pruner gets the weights of the unpruned seed."""
    p = experiment.parameters
    if pruning.pruner(p.pruner).starts_trained:
        with records.readable(paths.seed(p.dense_folder, seed) / "weights.safetensors") as path:
            load_model(model, path, device=str(experiment.device))
    return pruning.dense_masks(weights), {"phase": 0, "losses": [], "seconds": 0.0}


def _dense_recipe(experiment: Experiment) -> dict[str, Any]:
    return experiment.parameters.recipe(TrainParameters) | {"data": experiment.data_digest}


def _pruned_recipe(experiment: Experiment) -> dict[str, Any]:
    return experiment.parameters.recipe() | {"data": experiment.data_digest}


def _scores(
    score: str, experiment: Experiment, model: nn.Module, weights: dict[str, Tensor], seed: int, phase: int
) -> dict[str, Tensor]:
    if score == "magnitude":
        return pruning.magnitude(weights)
    if score == "random":
        return pruning.random(weights, torch.Generator().manual_seed(_derive(seed, phase, 1)))
    tokens, targets = experiment.tokens["train"], experiment.targets["train"]
    number = min(experiment.parameters.impact_examples, len(tokens))
    chosen = np.random.default_rng((seed, phase, 1)).choice(len(tokens), size=number, replace=False)
    sample = (experiment.encoder, tokens[chosen], targets[chosen])
    return pruning.impact(weights, training.gradients(model, weights, *sample))


def _keep_early(kept: dict[str, np.ndarray], experiment: Experiment, model: nn.Module, then: OnEpoch) -> OnEpoch:
    """Keeps the logits of the training set at the epoch that EL2N is taken at."""

    def on_epoch(epoch: int, loss: float) -> None:
        if epoch == influence.early_epoch(experiment.parameters.epochs):
            kept["early"] = experiment.predict(model, "train")
            model.train()
        then(epoch, loss)

    return on_epoch


def _note(report: Report, seed: int, what: str, epochs: int) -> OnEpoch:
    return lambda epoch, loss: report(f"seed {seed}, {what}, epoch {epoch} of {epochs}, loss {loss:.3f}", 1)


def _derive(seed: int, phase: int, use: int = 0) -> int:
    """A seed of its own for each phase of a seed's training, and for each use of chance in it."""
    return int(np.random.SeedSequence((seed, phase, use)).generate_state(1)[0])
