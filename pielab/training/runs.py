"""Train and prune the seeds of a configuration, and keep each whole one in the results folder."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor, nn

from pielab.compression import pruners, schedules
from pielab.config.parameters import TrainParameters
from pielab.errors import as_transient
from pielab.progress import Progress
from pielab.store import paths, records
from pielab.training import pruned_seed
from pielab.training.experiment import Experiment
from pielab.training.seed import clear_checkpoint, save_seed
from pielab.training.workers import OnEpoch, ReportProgress, SeedFunction, epoch_note, run_seeds


def train_dense(experiment: Experiment) -> pd.DataFrame:
    """Train the unpruned seeds that are not there yet; one row of metrics for each seed."""
    p = experiment.parameters
    recipe = experiment.recipe(TrainParameters)
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
    if pruners.pruner(p.pruner).starts_trained:
        train_dense(experiment)
    todo = [seed for seed in p.seeds if not pruned_seed.finished(experiment, seed)]
    for seed in set(p.seeds).difference(todo):
        clear_checkpoint(p.folder, seed)  # of a run that was killed just then
    for level in p.levels_to_threshold[:-1]:
        for seed in todo:
            # One of another recipe stops before anything is trained.
            pruned_seed.finished(pruned_seed.at_level(experiment, level), seed)
    _train(pruned_seed.train, experiment, todo, p.folder, f"{p.pruner} at {p.threshold:g} %", sum(p.phase_epochs) + 1)
    return records.metrics(p.folder, p.seeds)


def _train(
    function: SeedFunction, experiment: Experiment, seeds: list[int], folder: Path, title: str, steps: int
) -> None:
    """Train seeds, `workers` at a time, with a progress bar of so many steps a seed."""
    with Progress(title, len(seeds) * steps) as progress, as_transient(folder):
        run_seeds(function, experiment, seeds, experiment.parameters.workers, progress.step)


def _dense_seed(experiment: Experiment, seed: int, report: ReportProgress) -> None:
    p = experiment.parameters
    start = time.perf_counter()
    model = experiment.build(seed)
    early: dict[str, np.ndarray] = {}
    shared: dict[str, Tensor] = {}
    on_epoch = _keep_early(early, experiment, model, epoch_note(report, seed, "unpruned", p.epochs))
    if p.budget == "equal":
        on_epoch = _keep_shared(shared, p.branch_epochs, model, on_epoch)
    losses = experiment.train(model, seed, 0, p.epochs, on_epoch)
    record = {"losses": [losses], "seconds": time.perf_counter() - start}
    recipe, kept = experiment.recipe(TrainParameters), {"extra": early, "shared": shared}
    save_seed(p.dense_folder, seed, experiment, model, recipe, record, save_weights=p.budget == "paper", **kept)
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
