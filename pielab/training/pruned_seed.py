"""One seed pruned and retrained as its pruner says, and kept whole."""

import dataclasses
import time
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, load_model
from torch import Tensor, nn

from pielab.compression import pruners
from pielab.compression.masks import dense_masks, impact, magnitude, overall_sparsity, prunable, prune, random_scores
from pielab.config.parameters import PruneParameters
from pielab.store import paths, records
from pielab.training import loop
from pielab.training.distillation import Teacher
from pielab.training.experiment import Experiment, gradual
from pielab.training.seed import clear_checkpoint, evaluate, load_checkpoint, save_checkpoint, save_seed
from pielab.training.workers import OnEpoch, ReportProgress, epoch_note


def train(experiment: Experiment, seed: int, report: ReportProgress) -> None:
    """Prune and retrain a seed, and put it into its folder."""
    _keep(experiment, seed, *prune_seed(experiment, seed, report))
    clear_checkpoint(experiment.parameters.folder, seed)
    report(f"seed {seed} kept", 1)


def prune_seed(
    experiment: Experiment, seed: int, report: ReportProgress = lambda note, steps: None
) -> tuple[nn.Module, dict]:
    """One seed pruned and retrained: the model, and the record of what was done to it.

    Goes on after the last iteration or level that pielab.phases has kept, and keeps each but the last. The seeds of a
    nested pruner's lower levels are put into their folders on the way.
    """
    p: PruneParameters = experiment.parameters
    pruner = pruners.pruner(p.pruner)
    model = experiment.build(seed)
    weights = prunable(model, p.prune_layer_norm, p.prune_pooler)
    if pruner.schedule == "gradual":
        return _prune_while_training(experiment, seed, model, weights, report)
    recipe = experiment.recipe()
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    kept = _kept_phase(experiment, seed, model, recipe, report)
    masks, state = kept or _first_phase(experiment, seed, model, weights)
    sparsities = p.sparsities
    for phase, sparsity in list(enumerate(sparsities, start=1))[state["phase"] :]:
        start, epochs = time.perf_counter(), p.phase_epochs[phase - 1]
        scores = _scores(pruner.score, experiment, model, weights, seed, phase)
        masks = prune(scores, masks, sparsity, pruner.scope)
        if pruner.retraining == "rewinding":
            model.load_state_dict(initial)
        on_epoch = epoch_note(report, seed, "retraining", epochs)
        losses = experiment.train(model, seed, phase, epochs, on_epoch, weights=weights, masks=masks)
        before = 0 if pruner.schedule == "nested" else state["seconds"]  # a level has its own time
        seconds = before + time.perf_counter() - start
        state = {"recipe": recipe, "phase": phase, "losses": [*state["losses"], losses], "seconds": seconds}
        if phase < len(sparsities):
            if pruner.schedule == "nested":
                _keep_level(
                    experiment, p.levels_to_threshold[phase - 1], seed, model, _record(weights, masks, state), report
                )
            save_checkpoint(p.folder, seed, model, masks, state)
    return model, _record(weights, masks, state)


def finished(experiment: Experiment, seed: int) -> bool:
    """Whether a pruned seed is there; PielabError if it is of another recipe."""
    p = experiment.parameters
    return records.finished(paths.seed(p.folder, seed), experiment.recipe(), exported=p.save_weights)


def at_level(experiment: Experiment, level: float) -> Experiment:
    """The experiment of a lower level of the same trajectory."""
    return dataclasses.replace(experiment, parameters=experiment.parameters.model_copy(update={"threshold": level}))


def _prune_while_training(
    experiment: Experiment, seed: int, model: nn.Module, weights: dict[str, Tensor], report: ReportProgress
) -> tuple[nn.Module, dict]:
    p: PruneParameters = experiment.parameters
    start = time.perf_counter()
    pruned = {"gradual": gradual(experiment, weights)}
    on_epoch = epoch_note(report, seed, "training", p.epochs)
    if pruners.pruner(p.pruner).self_regularised:
        pruned["teacher"] = Teacher()
        on_epoch = _teach(pruned["teacher"], experiment, model, seed, on_epoch)
    losses = experiment.train(model, seed, 1, p.epochs, on_epoch, **pruned)
    state = {"losses": [losses], "seconds": time.perf_counter() - start}
    return model, _record(weights, pruned["gradual"].masks, state)


def _teach(teacher: Teacher, experiment: Experiment, model: nn.Module, seed: int, then: OnEpoch) -> OnEpoch:
    """Lets the teacher consider the model of each epoch."""

    def on_epoch(epoch: int, loss: float) -> None:
        metric = evaluate(experiment, model, seed, ["validation"], threshold_split="validation")[2]
        teacher.consider(model, metric["validation"])
        model.train()
        then(epoch, loss)

    return on_epoch


def _record(weights: dict[str, Tensor], masks: dict[str, Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """What was done to a seed, once its masks are found in its weights."""
    alive = [name for name, mask in masks.items() if weights[name].detach().cpu()[~mask].any()]
    if alive:
        raise RuntimeError(f"pruned weights of {alive} are not zero after training; please report this")
    return {
        "losses": state["losses"],
        "seconds": state["seconds"],
        "sparsity": overall_sparsity(masks),
        "pruned": {name: [int((~mask).sum()), mask.numel()] for name, mask in masks.items()},
    }


def _keep_level(
    experiment: Experiment, level: float, seed: int, model: nn.Module, record: dict[str, Any], report: ReportProgress
) -> None:
    """Keep the seed of a lower level, unless it is there."""
    if not finished(at_level(experiment, level), seed):
        _keep(at_level(experiment, level), seed, model, record)
        report(f"seed {seed} kept at {level:g} %", 0)


def _keep(experiment: Experiment, seed: int, model: nn.Module, record: dict[str, Any]) -> None:
    p = experiment.parameters
    save_seed(p.folder, seed, experiment, model, experiment.recipe(), record, save_weights=p.save_weights)


def _kept_phase(
    experiment: Experiment, seed: int, model: nn.Module, recipe: dict[str, Any], report: ReportProgress
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The masks and state that an interrupted run of the seed has left, with its weights in the model."""
    p = experiment.parameters
    found = load_checkpoint(p.folder, seed, recipe, model)
    if found:
        phase = found[1]["phase"]
        report(f"seed {seed} goes on after iteration {phase}", sum(p.phase_epochs[:phase]))
    return found


def _first_phase(
    experiment: Experiment, seed: int, model: nn.Module, weights: dict[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Masks that prune nothing; the model of an iterative or nested pruner gets the weights of the unpruned seed."""
    p = experiment.parameters
    if pruners.pruner(p.pruner).starts_trained:
        folder = paths.seed(p.dense_folder, seed)
        if p.budget == "equal":
            with records.checked_read(folder / "shared.safetensors", records.retraining_cure(folder)) as path:
                model.load_state_dict(load_file(path, device=str(experiment.device)))
        else:
            with records.checked_read(folder / "weights.safetensors", records.retraining_cure(folder)) as path:
                load_model(model, path, device=str(experiment.device))
    return dense_masks(weights), {"phase": 0, "losses": [], "seconds": 0.0}


def _scores(
    score: str, experiment: Experiment, model: nn.Module, weights: dict[str, Tensor], seed: int, phase: int
) -> dict[str, Tensor]:
    if score == "magnitude":
        return magnitude(weights)
    if score == "random":
        return random_scores(weights, torch.Generator().manual_seed(loop.derive_seed(seed, phase, 1)))
    tokens, targets = experiment.tokens["train"], experiment.targets["train"]
    number = min(experiment.parameters.impact_examples, len(tokens))
    chosen = np.random.default_rng((seed, phase, 1)).choice(len(tokens), size=number, replace=False)
    sample = (experiment.encoder, tokens[chosen], targets[chosen])
    return impact(weights, loop.gradients(model, weights, *sample))
