"""Prune and retrain one seed, from its initial state to its folder.

A phase scores the weights, prunes the lowest ones, rewinds the rest to the initial state if the pruner does so, and
retrains. An iterative pruner has three phases, a nested one a phase for each level, and a pruner at initialization one.
After each phase but the last, a nested pruner writes the seed of that level, and the checkpoint is saved;
it is deleted when the seed's folder is written. Gradual pruners have no phases, but prune within one training; what is
compressed without retraining has none either. Controls go through the same, and nothing is pruned.
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, load_model
from torch import Tensor, nn

from pielab.compression import masks as pruning
from pielab.compression import one_shot
from pielab.compression.masks import dense_masks, overall_sparsity, prune
from pielab.config.parameters import PruneParameters
from pielab.config.types import format_seeds
from pielab.errors import PielabError
from pielab.store import paths, predictions, records, settings
from pielab.training import scoring
from pielab.training.distillation import Teacher
from pielab.training.experiment import Experiment, gradual
from pielab.training.seed import clear_checkpoint, evaluate, load_checkpoint, save_checkpoint, save_seed
from pielab.training.workers import ReportProgress, epoch_note


def train(experiment: Experiment[PruneParameters], seed: int, report: ReportProgress) -> None:
    """Prune and retrain a seed, write its folder and delete its checkpoint."""
    _save(experiment, seed, *prune_seed(experiment, seed, report))
    clear_checkpoint(experiment.parameters.folder, seed)
    report(f"seed {seed} kept", 1)


def prune_seed(
    experiment: Experiment[PruneParameters], seed: int, report: ReportProgress = lambda note, steps: None
) -> tuple[nn.Module, dict]:
    """Prune and retrain a seed; returns the model and the entries of its record that describe this.

    Resumes after the last phase that has a checkpoint. A nested pruner writes the seeds of its lower levels on the way.

    Raises PielabError if the checkpoint or the unpruned seed is damaged, or if training diverges.
    """
    p = experiment.parameters
    pruner = p.method
    model = experiment.build(seed)
    weights = prunable(model, p)
    if pruner.schedule == "gradual":
        return _prune_while_training(experiment, seed, model, weights, report)
    if pruner.is_one_shot:
        return _compress(experiment, seed, model, weights)
    recipe, inputs = experiment.recipe(), experiment.inputs | {"precision": experiment.precision_name}
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    steps = p.trajectory.steps
    resumed = load_checkpoint(p.folder, seed, recipe, inputs, model)
    masks, state = resumed or _start(experiment, seed, model, weights)
    if resumed:
        done = sum(step.epochs for step in steps[: state["phase"]])
        report(f"seed {seed} goes on after iteration {state['phase']}", done)
    for phase, step in list(enumerate(steps, start=1))[state["phase"] :]:
        start = time.perf_counter()
        if not pruner.is_control:
            scores = scoring.scores(pruner, experiment, model, weights, seed, phase)
            masks = prune(scores, masks, step.sparsity, pruner.scope, pruning.transposed_weights(model))
        if pruner.retraining == "rewinding":
            model.load_state_dict(initial)
        on_epoch = epoch_note(report, seed, "retraining", step.epochs)
        losses = experiment.train(model, seed, phase, step.epochs, on_epoch, weights=weights, masks=masks)
        after_level = phase > 1 and steps[phase - 2].threshold is not None
        before = 0 if after_level else state["seconds"]  # each level records its own time
        seconds = before + time.perf_counter() - start
        state |= {"recipe": recipe, "inputs": inputs, "phase": phase, "seconds": seconds}
        state["losses"] = [*state["losses"], losses]
        if phase < len(steps):
            if step.threshold is not None:
                level, record = at_level(experiment, step.threshold), _record(weights, masks, state)
                if not finished(level, seed):
                    _save(level, seed, model, record)
                    report(f"seed {seed} kept at {step.threshold:g} %", 0)
            save_checkpoint(p.folder, seed, model, masks, state)
    return model, _record(weights, masks, state)


def prunable(model: nn.Module, p: PruneParameters) -> dict[str, nn.Parameter]:
    """The weights of a model that these parameters compress."""
    return pruning.prunable(model, p.prune_layer_norm, p.prune_pooler, p.prune_last_layer, p.prune_embeddings)


def check(experiment: Experiment[PruneParameters]) -> None:
    """Raise PielabError, before anything is trained, if the model's matrices cannot have the pattern."""
    if kept_of := settings.pattern(experiment.parameters.threshold):
        model = experiment.build(experiment.parameters.seeds[0])
        pruning.check_rows(prunable(model, experiment.parameters), kept_of, pruning.transposed_weights(model))


def check_start(experiment: Experiment[PruneParameters], seeds: Sequence[int]) -> None:
    """Raise PielabError, before anything is trained, if the weights to start from were not kept in an archive."""
    p = experiment.parameters
    if p.trajectory.start == "initial":
        return
    folders = {seed: paths.seed(p.dense_folder, seed) for seed in seeds}
    without = [seed for seed, folder in folders.items() if _was_restored(folder)]
    if without:
        raise PielabError(
            "restored-without-weights",
            f"{p.configuration.title} starts from the weights of the unpruned models, and an archive, from which the "
            f"seeds {format_seeds(without)} of {p.dense_folder} were restored, keeps none",
            f"delete the folders of these seeds, {folders[without[0]]}{' and so on' if without[1:] else ''}, and "
            f"{p.dense_folder / '01_train.ipynb'} if it is there, and give the same command again to train them anew",
        )


def _was_restored(folder: Path) -> bool:
    """Whether an unpruned seed came from an archive, which keeps neither logits nor weights."""
    return not (folder / "weights.safetensors").exists() and (
        predictions.read_file(folder / "test.parquet").logits is None
    )


def finished(experiment: Experiment[PruneParameters], seed: int) -> bool:
    """Whether a pruned seed has its folder; PielabError if that was made with another recipe or other inputs."""
    p = experiment.parameters
    return records.finished(paths.seed(p.folder, seed), experiment.recipe(), p.save_weights, experiment.inputs)


def at_level(experiment: Experiment[PruneParameters], level: float | str) -> Experiment[PruneParameters]:
    """The experiment of another level of a nested pruner, with the same texts."""
    return dataclasses.replace(experiment, parameters=experiment.parameters.model_copy(update={"threshold": level}))


def _prune_while_training(
    experiment: Experiment[PruneParameters],
    seed: int,
    model: nn.Module,
    weights: Mapping[str, Tensor],
    report: ReportProgress,
) -> tuple[nn.Module, dict]:
    """`prune_seed` for gradual pruners, which prune within a single training and write no checkpoint."""
    p = experiment.parameters
    start = time.perf_counter()
    pruner = p.method
    during = None if pruner.is_control else gradual(p, len(experiment.tokens["train"]), weights)

    def validate(student: nn.Module) -> float:
        scores = evaluate(experiment, student, seed, ["validation"], threshold_split="validation")[2]
        return scores[experiment.metric]["validation"]

    teacher = Teacher(validate, p.validations_per_epoch) if pruner.self_regularised else None
    on_epoch = epoch_note(report, seed, "training", p.epochs)
    losses = experiment.train(model, seed, 1, p.epochs, on_epoch, gradual=during, teacher=teacher)
    masks = during.masks if during else dense_masks(weights)
    return model, _record(weights, masks, {"losses": [losses], "seconds": time.perf_counter() - start})


def _compress(
    experiment: Experiment[PruneParameters], seed: int, model: nn.Module, weights: Mapping[str, Tensor]
) -> tuple[nn.Module, dict]:
    """`prune_seed` for what is compressed without retraining, in seconds and without a checkpoint."""
    p, (_, state) = experiment.parameters, _start(experiment, seed, model, {})
    start = time.perf_counter()
    if p.own_function and p.own_function.is_compressor:
        model = scoring.compress(p.own_function, experiment, model, seed)
        after = dict(model.named_parameters())
        pruned = {name: _zeros(after[name]) for name in weights if name in after}
    else:
        rounds = p.method.score == "rounding"
        scores = {} if rounds else scoring.scores(p.method, experiment, model, weights, seed, phase=1)
        pruned = one_shot.compress(model, weights, p.method, p.threshold, scores)
    return model, {
        "losses": [],
        "seconds": time.perf_counter() - start,
        "sparsity": sum(number for number, _ in pruned.values()) / max(1, sum(size for _, size in pruned.values())),
        "pruned": pruned,
        "starts_from": state["starts_from"],
    }


def _zeros(weight: Tensor) -> list[int]:
    """How many weights are zero, and of how many."""
    return [int((weight == 0).sum()), weight.numel()]


def _record(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], state: dict[str, Any]) -> dict[str, Any]:
    """The entries of a seed's record on its pruning, its losses and seconds from `state`, which is a checkpoint's."""
    not_zero = [name for name, mask in masks.items() if weights[name].detach().cpu()[~mask].any()]
    if not_zero:
        raise RuntimeError(f"pruned weights of {not_zero} are not zero after training; please report this")
    return {
        "losses": state["losses"],
        "seconds": state["seconds"],
        "sparsity": overall_sparsity(masks),
        "pruned": {name: [int((~mask).sum()), mask.numel()] for name, mask in masks.items()},
        **({"starts_from": state["starts_from"]} if "starts_from" in state else {}),
    }


def _save(experiment: Experiment[PruneParameters], seed: int, model: nn.Module, record: dict[str, Any]) -> None:
    """Evaluate a pruned seed and write its folder."""
    p = experiment.parameters
    is_compressor = p.own_function and p.own_function.is_compressor
    packing = {
        "prunable": record["pruned"],
        "bits": int(p.threshold) if p.method.score == "rounding" else None,
        "pattern": None if is_compressor else settings.pattern(p.threshold),
    }
    save_seed(p.folder, seed, experiment, model, experiment.recipe(), record, p.save_weights, packing=packing)


def _start(
    experiment: Experiment[PruneParameters], seed: int, model: nn.Module, weights: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Masks that keep every weight, and the first state; loads the unpruned seed's weights if training starts there.

    The state then has "starts_from", a hash of that seed's logits, by which a later one in its place can be told.
    """
    p = experiment.parameters
    state = {"phase": 0, "losses": [], "seconds": 0.0}
    if p.trajectory.start != "initial":
        load_unpruned(experiment, seed, model, branch=p.trajectory.start == "branch")
        unpruned = predictions.read_file(paths.seed(p.dense_folder, seed) / "test.parquet")
        state["starts_from"] = unpruned.logits_digest
    return dense_masks(weights), state


def load_unpruned(experiment: Experiment[PruneParameters], seed: int, model: nn.Module, branch: bool = False) -> None:
    """Load into the model the trained weights of the unpruned model of the same seed.

    branch: those after some of its epochs instead, where iterative pruners of an equal budget start.

    Raises PielabError if the seed's folder has none, as those of an equal budget by earlier versions, or damaged ones.
    """
    folder, device = paths.seed(experiment.parameters.dense_folder, seed), str(experiment.device)
    name = "shared.safetensors" if branch else "weights.safetensors"
    with records.checked_read(folder / name, records.retraining_cure(folder)) as path:
        if branch:
            model.load_state_dict(load_file(path, device=device))
        else:
            load_model(model, path, device=device)


def unpruned_model(experiment: Experiment[PruneParameters], seed: int) -> nn.Module:
    """The trained unpruned model of a seed, to look at; in its initial state if it was restored without weights."""
    model = experiment.build(seed)
    if _was_restored(paths.seed(experiment.parameters.dense_folder, seed)):
        print(f"Seed {seed} was restored from an archive, without weights: these are its initial ones.")
    else:
        load_unpruned(experiment, seed, model)
    return model
