"""A seed's last finished iteration or level of pruning, so that a long seed that is cut off goes on from there.

It is kept beside the seeds as safetensors, in one file that is replaced whole, and goes when the seed is done.
"""

import json
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pielab import files, paths, records


def save(folder: Path, seed: int, model: nn.Module, masks: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Keep a model's weights, its masks (bool, by the weights' names), and `state` as JSON.

    state: recipe, the parameters that the seed depends on; phase, the number of the iteration or level; and what else
        the seed's record needs.
    """
    # Copies, for the weights of an LSTM may be parts of one tensor.
    tensors = {f"model.{name}": value.detach().cpu().clone() for name, value in model.state_dict().items()}
    tensors |= {f"mask.{name}": mask.cpu() for name, mask in masks.items()}
    with files.whole_file(paths.phase(folder, seed)) as partial:
        save_file(tensors, partial, metadata={"state": json.dumps(state)})


def load(
    folder: Path, seed: int, recipe: dict[str, Any], model: nn.Module
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Put the kept weights into the model; gives the masks and `state`, or None if nothing is kept.

    Raises PielabError if the file is damaged, or of other parameters.
    """
    path = paths.phase(folder, seed)
    if not path.exists():
        return None
    with records.readable(path, "delete it and give the same command again; the seed then starts anew."):
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


def clear(folder: Path, seed: int) -> None:
    """Forget a seed's kept iteration."""
    paths.phase(folder, seed).unlink(missing_ok=True)
