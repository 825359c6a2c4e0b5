"""A seed's life: a trained model evaluated and saved, and the checkpoints that a long seed goes on from.

The checkpoint of the last finished iteration or level of pruning lies beside the seeds as safetensors, in one file that
is replaced whole, and goes when the seed is done.
"""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file, save_file, save_model
from torch import Tensor, nn

from pielab.data import datasets, tasks
from pielab.errors import PielabError
from pielab.models import classifier
from pielab.store import files, paths, predictions, records
from pielab.store.records import digest
from pielab.training.experiment import Experiment


def evaluate(
    experiment: Experiment,
    model: nn.Module,
    seed: int,
    splits: Iterable[str] = datasets.SPLITS,
    threshold_split: str = "train",
) -> tuple[dict[str, np.ndarray], float | None, dict[str, float]]:
    """Logits (examples, classes), the decision threshold, and accuracy or macro-F1; logits and metric by split.

    splits: with `threshold_split` if texts have several labels, for the decision threshold is chosen there; else it is
        None.

    Raises PielabError if the logits are not finite.
    """
    logits = {split: experiment.predict(model, split) for split in splits}
    if not all(np.isfinite(each).all() for each in logits.values()):
        rate = experiment.parameters.learning_rate
        raise PielabError(
            f"seed {seed} ended with weights that are not finite, with learning_rate = {rate:g}: lower it."
        )
    threshold = None
    if experiment.multi_label:
        chosen = logits[threshold_split], experiment.targets[threshold_split]
        threshold = tasks.best_decision_threshold(*chosen)
    metric = {split: experiment.evaluate(_said(each, threshold), split) for split, each in logits.items()}
    return logits, threshold, metric


def save_seed(
    folder: Path,
    seed: int,
    experiment: Experiment,
    model: nn.Module,
    recipe: dict[str, Any],
    record: dict[str, Any],
    save_weights: bool,
    extra: Mapping[str, np.ndarray] = MappingProxyType({}),
    shared: Mapping[str, Tensor] = MappingProxyType({}),
) -> None:
    """Evaluate a trained seed, write it under a temporary name and rename it when it is whole.

    extra: more logits to keep, by name. shared: the weights that other seeds start from, if these are not the model's.
    """
    target = paths.seed(folder, seed)
    logits, threshold, metric = evaluate(experiment, model, seed)
    further = {
        name: {split: experiment.evaluate(_said(each, threshold), split, name) for split, each in logits.items()}
        for name in experiment.metrics[1:]
    }
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
        **({"further": further} if further else {}),
        "decision_threshold": threshold,
        "sparsity": 0.0,
        "trainable": classifier.count_parameters(model),
        **record,
        "parameters": recipe,
        "device": _device_name(experiment.device),
        "precision": str(experiment.precision).removeprefix("torch."),
        "workers": p.workers,
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
    with files.atomic_folder(target) as partial:
        for split, values in {"train": logits["train"], "test": logits["test"], **extra}.items():
            predictions.write(partial / f"{split}.parquet", values, {**metadata, "split": split})
        (partial / "metrics.json").write_text(json.dumps(record, indent=1))
        if save_weights and hasattr(model, "save_pretrained") and "pruner" in recipe:
            _export(experiment, model, partial / "model")
        elif save_weights:
            save_model(model, str(partial / "weights.safetensors"))
        if shared:
            save_file(shared, partial / "shared.safetensors")


def save_checkpoint(folder: Path, seed: int, model: nn.Module, masks: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Keep a model's weights, its masks (bool, by the weights' names), and `state` as JSON.

    state: recipe, the parameters that the seed depends on; phase, the number of the iteration or level; and what else
        the seed's record needs.
    """
    # Copies, for the weights of an LSTM may be parts of one tensor.
    tensors = {f"model.{name}": value.detach().cpu().clone() for name, value in model.state_dict().items()}
    tensors |= {f"mask.{name}": mask.cpu() for name, mask in masks.items()}
    with files.atomic_file(paths.phase(folder, seed)) as partial:
        save_file(tensors, partial, metadata={"state": json.dumps(state)})


def load_checkpoint(
    folder: Path, seed: int, recipe: dict[str, Any], model: nn.Module
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Put the kept weights into the model; gives the masks and `state`, or None if nothing is kept.

    Raises PielabError if the file is damaged, or of other parameters.
    """
    path = paths.phase(folder, seed)
    if not path.exists():
        return None
    with records.checked_read(path, "delete it and give the same command again; the seed then starts anew"):
        with safetensors.safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["state"])
        tensors = load_file(path)
    records.require_same(state["recipe"], recipe, path)
    parts = {"model.": {}, "mask.": {}}
    for name, value in tensors.items():
        prefix = next(each for each in parts if name.startswith(each))
        parts[prefix][name.removeprefix(prefix)] = value
    model.load_state_dict(parts["model."])
    return parts["mask."], state


def clear_checkpoint(folder: Path, seed: int) -> None:
    """Forget a seed's kept iteration."""
    paths.phase(folder, seed).unlink(missing_ok=True)


def _export(experiment: Experiment, model: nn.Module, folder: Path) -> None:
    """A pruned transformer as a folder that plain transformers load, its pruned weights zero."""
    model.save_pretrained(folder)
    experiment.encoder.tokenizer.save_pretrained(folder)


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("pielab", "torch", "transformers", "numpy")}


def _said(logits: np.ndarray, threshold: float | None) -> np.ndarray:
    """What a model says: class ids (examples,), or multi-hot classes (examples, classes)."""
    thresholds = None if threshold is None else np.array([threshold], dtype=np.float32)
    return predictions.Predictions(logits[None], (0,), thresholds).classes[0]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
