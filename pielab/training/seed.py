"""Evaluate a trained seed and write its folder atomically; save and load the checkpoint that it resumes from.

A checkpoint is one safetensors file beside the seeds' folders, replaced atomically after each phase of pruning.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors
from safetensors.torch import load_file, save_file, save_model
from torch import Tensor, nn

from pielab.compression.masks import prunable
from pielab.compression.sizes import sizes
from pielab.config.parameters import PruneParameters, TrainParameters
from pielab.data import datasets
from pielab.errors import PielabError
from pielab.models import classifier, pretrained
from pielab.models.encoders import SubwordEncoder
from pielab.store import files, paths, predictions, records
from pielab.store.records import digest
from pielab.training import loop
from pielab.training.experiment import Experiment


def evaluate(
    experiment: Experiment[TrainParameters],
    model: nn.Module,
    seed: int,
    splits: Iterable[str] = datasets.SPLITS,
    threshold_split: str | None = None,
) -> tuple[dict[str, Any], float | None, dict[str, dict[str, float]], dict[str, float]]:
    """Logits as of `Experiment.predict`, the decision threshold, by metric its value, and the seconds a text.

    All but the threshold by split. The seconds are those of predicting the split, over its texts.

    threshold_split: added to the splits if the task has a decision threshold, which is the best one on that split, by
        default the task's own; if it has none, the threshold is None.

    Raises PielabError if the logits are not finite.
    """
    task, threshold, seconds = experiment.task, None, {}
    threshold_split = threshold_split or task.threshold_split
    needed = dict.fromkeys([*splits, *([threshold_split] if task.decision_threshold else [])])
    logits = {}
    for split in needed:
        start = loop.finished_at(experiment.device)
        logits[split] = experiment.predict(model, split)
        seconds[split] = (loop.finished_at(experiment.device) - start) / max(len(experiment.tokens[split]), 1)
    arrays = experiment.training_task.arrays
    if not all(np.isfinite(array).all() for split_logits in logits.values() for array in arrays(split_logits)):
        raise PielabError(
            "weights-not-finite",
            f"seed {seed} ended with weights that are not finite, with learning_rate = "
            f"{experiment.parameters.learning_rate:g}",
            "lower learning_rate",
        )
    read = {split: experiment.read(logits[split], split) for split in logits}
    if task.decision_threshold:
        threshold = task.decision_threshold(read[threshold_split], experiment.targets[threshold_split])
    answers = {split: task.answers(read[split], threshold) for split in logits}
    scores = {
        name: {split: task.score(answers[split], experiment.targets[split], name) for split in logits}
        for name in task.metrics
    }
    return logits, threshold, scores, seconds


def save_seed(
    folder: Path,
    seed: int,
    experiment: Experiment[TrainParameters],
    model: nn.Module,
    recipe: dict[str, Any],
    record: dict[str, Any],
    save_weights: bool,
    extra: Mapping[str, Any] = MappingProxyType({}),
    shared: Mapping[str, Tensor] = MappingProxyType({}),
    packing: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Evaluate a trained seed and write its folder, which gets its name only when complete.

    The folder holds the logits (train.parquet, test.parquet), metrics.json and, with `save_weights`, the weights: of a
    pruned transformer as the folder `model`, which transformers alone can load, of any other as weights.safetensors.

    recipe: the parameters that the result depends on. record: further entries of metrics.json.
    extra: more logits, each written as <name>.parquet: those of "early" of the training split, others of the split
        that their name begins with.
    shared: weights for shared.safetensors, where iterative pruners with an equal budget branch off.
    packing: the names of the compressed weights, and their bits or pattern, as `sizes` takes them; those of all
        prunable ones if not given.

    Raises PielabError if the logits are not finite.
    """
    p, pruned = experiment.parameters, "pruner" in recipe
    logits, threshold, further, seconds = evaluate(experiment, model, seed)
    threshold = None if pruned and experiment.task.shares_threshold else threshold
    metric = further.pop(experiment.metric)
    configuration = p.configuration if pruned and isinstance(p, PruneParameters) else p.unpruned
    identity = configuration.record | {"seed": seed}
    # Absent of texts with labels, as before there were other tasks.
    named: dict[str, Any] = {"task": experiment.task.name} if experiment.tokens["test"].word_starts is not None else {}
    record = {
        **identity,
        **named,
        "classes": experiment.class_names,
        "metric": experiment.metric,
        **metric,
        **({"further": further} if further else {}),
        "decision_threshold": threshold,
        "sparsity": 0.0,
        "trainable": classifier.count_parameters(model),
        "size": sizes(model, **(packing or {"prunable": prunable(model)})),
        "seconds_per_text": seconds["test"],
        **record,
        "parameters": recipe,
        "inputs": experiment.inputs,
        **experiment.revisions,
        "device": loop.device_name(experiment.device),
        "precision": experiment.precision_name,
        "workers": p.workers,
        "versions": {name: version(name) for name in ("pielab", "torch", "transformers", "numpy")},
    }
    metadata = identity | {"decision_threshold": threshold, "parameters_hash": digest(recipe)}
    metadata |= {"data": experiment.data_digest, "device": record["device"], "versions": record["versions"]}
    metadata |= named | ({"tags": experiment.class_names} if named and not experiment.training_task.error_norms else {})
    with files.atomic_folder(paths.seed(folder, seed)) as partial:
        for name, saved in {"train": logits["train"], "test": logits["test"], **extra}.items():
            _write(partial / f"{name}.parquet", experiment, name, saved, metadata)
        (partial / "metrics.json").write_text(json.dumps(record, indent=1))
        encoder = experiment.encoder
        if save_weights and pruned and isinstance(encoder, SubwordEncoder) and hasattr(model, "save_pretrained"):
            tokenizer, is_multi_label = encoder.tokenizer, threshold is not None and not named
            network: Any = model
            pretrained.save(partial / "model", network, tokenizer, experiment.class_names, is_multi_label)
        elif save_weights:
            save_model(model, str(partial / "weights.safetensors"))
        if shared:
            save_file(dict(shared), partial / "shared.safetensors")


def _write(
    path: Path, experiment: Experiment[TrainParameters], name: str, logits: Any, metadata: dict[str, Any]
) -> None:
    """Write the logits of a file of that name, or the answers that are kept in their place."""
    split, task = "train" if name == "early" else name.partition("-")[0], experiment.training_task
    metadata = {**metadata, "split": name}
    if task.error_norms is None:
        predictions.write(path, logits, metadata, experiment.tokens[split].word_starts)
        return
    answers = experiment.task.answers(experiment.read(logits, split), metadata["decision_threshold"])
    gold = task.gold(experiment.targets[split], experiment.tokens[split])
    metadata |= {"n_classes": experiment.n_classes, "logits_digest": records.digest_arrays(*task.arrays(logits))}
    predictions.write_answers(path, answers, metadata, task.error_norms(logits, gold))


def save_checkpoint(folder: Path, seed: int, model: nn.Module, masks: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write a model's weights, its masks (bool, by the weights' names) and `state`, as JSON, to the seed's checkpoint.

    state: "recipe", the parameters that the seed depends on; "inputs", the contents that these only name, and the
        precision; "phase", the number of the finished pruning step, from 1; and "losses" and "seconds" of the phases so
        far, for the seed's record.
    """
    # Copies, because the weights of an LSTM may be views of one tensor.
    tensors = {f"model.{name}": value.detach().cpu().clone() for name, value in model.state_dict().items()}
    tensors |= {f"mask.{name}": mask.cpu() for name, mask in masks.items()}
    with files.atomic_file(paths.phase(folder, seed), digest=True) as partial:
        save_file(tensors, partial, metadata={"state": json.dumps(state)})


def load_checkpoint(
    folder: Path, seed: int, recipe: dict[str, Any], inputs: dict[str, str], model: nn.Module
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Load the checkpoint's weights into the model; returns its masks and `state`, or None if there is no checkpoint.

    Raises PielabError if the file is damaged or was written with another recipe or other inputs.
    """
    path = paths.phase(folder, seed)
    if not path.exists():
        return None
    with records.checked_read(path, "delete it and give the same command again; the seed then starts anew"):
        with safetensors.safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
        tensors = load_file(path)
    records.require_same(state["recipe"], recipe, path)
    records.require_same_inputs(state, inputs, path)
    parts: dict[str, dict[str, Tensor]] = {"model": {}, "mask": {}}
    for name, value in tensors.items():
        part, _, own_name = name.partition(".")
        parts[part][own_name] = value
    model.load_state_dict(parts["model"])
    return parts["mask"], state


def clear_checkpoint(folder: Path, seed: int) -> None:
    """Delete a seed's checkpoint, if there is one."""
    files.delete(paths.phase(folder, seed))
