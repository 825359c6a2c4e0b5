"""Train and prune the seeds of a configuration that are not yet in the results folder."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from pielab.compression import schedules
from pielab.config.parameters import PruneParameters, TrainParameters
from pielab.errors import as_transient
from pielab.progress import Progress
from pielab.store import paths, records
from pielab.training import pruned_seed
from pielab.training.experiment import Experiment
from pielab.training.seed import clear_checkpoint, save_seed
from pielab.training.workers import ReportProgress, SeedFunction, epoch_note, run_seeds


def train_dense(experiment: Experiment[TrainParameters]) -> pd.DataFrame:
    """Train the unpruned seeds that are missing; returns the metrics of all, a row per seed."""
    p = experiment.parameters
    recipe = experiment.recipe(TrainParameters)
    folders = {seed: paths.seed(p.dense_folder, seed) for seed in p.seeds}
    todo = [seed for seed in p.seeds if not records.finished(folders[seed], recipe, inputs=experiment.inputs)]
    _train(_train_unpruned, experiment, todo, p.dense_folder, "training unpruned models", p.epochs + 1)
    return records.metrics(p.dense_folder, p.seeds)


def train_pruned(experiment: Experiment[PruneParameters]) -> pd.DataFrame:
    """Prune and retrain the seeds that are missing; returns the metrics of all, a row per seed.

    Iterative and nested pruners start from the unpruned models of the same seeds; missing ones are trained first. A
    nested pruner also writes the seeds of the lower levels. An interrupted seed resumes after its last finished
    iteration or level. `pruned_seed` describes the steps of one seed.

    Raises PielabError if a seed's folder, or that of a lower level, was made with another recipe, or if the model's
    matrices cannot have the pattern; and if it starts from unpruned models that were restored without weights.
    """
    p, trajectory = experiment.parameters, experiment.parameters.trajectory
    pruned_seed.check(experiment)
    if trajectory.start != "initial":
        train_dense(experiment)
    todo = [seed for seed in p.seeds if not pruned_seed.finished(experiment, seed)]
    pruned_seed.check_start(experiment, todo)
    for seed in set(p.seeds).difference(todo):
        clear_checkpoint(p.folder, seed)  # left if a run was killed right after it wrote the seed's folder
    for level in [step.threshold for step in trajectory.steps[:-1] if step.threshold is not None]:
        for seed in todo:
            # Raises PielabError for another recipe before anything is trained.
            pruned_seed.finished(pruned_seed.at_level(experiment, level), seed)
    _train(pruned_seed.train, experiment, todo, p.folder, p.configuration.title, trajectory.epochs + 1)
    return records.metrics(p.folder, p.seeds)


def _train(
    function: SeedFunction,
    experiment: Experiment[TrainParameters],
    seeds: list[int],
    folder: Path,
    title: str,
    steps: int,
) -> None:
    """Call `function` for every seed, with a bar of `steps` each; what a retry may cure is raised as TransientError."""
    with Progress(title, len(seeds) * steps) as progress, as_transient(folder):
        run_seeds(function, experiment, seeds, experiment.parameters.workers, progress.step)


def _train_unpruned(experiment: Experiment[TrainParameters], seed: int, report: ReportProgress) -> None:
    """Train an unpruned seed and write its folder with its weights, and with those where an equal budget branches.

    And with its predictions for the numerical null (`Experiment.predict_otherwise`).
    """
    p = experiment.parameters
    start = time.perf_counter()
    model = experiment.build(seed)
    extra: dict[str, Any] = {}
    branch: dict[str, Tensor] = {}
    note = epoch_note(report, seed, "unpruned", p.epochs)

    def on_epoch(epoch: int, loss: float) -> None:
        if p.budget == "equal" and epoch == schedules.branch_epochs(p.epochs):
            branch.update({name: value.detach().cpu().clone() for name, value in model.state_dict().items()})
        if epoch == schedules.early_epoch(p.epochs):
            extra["early"] = experiment.predict(model, "train")
        note(epoch, loss)

    losses = experiment.train(model, seed, 0, p.epochs, on_epoch)
    record = {"losses": [losses], "seconds": time.perf_counter() - start}
    extra |= experiment.predict_otherwise(model)
    recipe = experiment.recipe(TrainParameters)
    save_seed(p.dense_folder, seed, experiment, model, recipe, record, save_weights=True, extra=extra, shared=branch)
    report(f"seed {seed} kept", 1)
