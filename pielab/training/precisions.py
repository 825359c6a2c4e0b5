"""Whether a device has the layers of a model in a precision."""

import functools

import torch
from torch import nn

from pielab.errors import PielabError


def can_compute(model: nn.Module, precision: torch.dtype) -> bool:
    """Whether a model's device has its layers in a precision. CPUs without AVX-512 lack recurrent ones in bfloat16."""
    is_recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    return not is_recurrent or _has_recurrent_layers(next(model.parameters()).device, precision)


@functools.cache
def _has_recurrent_layers(device: torch.device, precision: torch.dtype) -> bool:
    if precision == torch.float32:
        return True
    # Without a number drawn, so that asking changes no result.
    layer = nn.LSTM(1, 1, device="meta").to_empty(device=device)
    try:
        with torch.inference_mode(), torch.autocast(device.type, dtype=precision):
            layer(torch.zeros(1, 1, 1, device=device))
    except RuntimeError:
        return False
    return True


def check(model: nn.Module, precision: torch.dtype) -> None:
    """Raises PielabError, before anything is computed, if the device lacks the model's layers in the precision."""
    if not can_compute(model, precision):
        name, device = str(precision).removeprefix("torch."), next(model.parameters()).device.type
        raise PielabError(
            "precision-without-layers",
            f"precision = {name!r} was given, in which this {device} has no recurrent layers, as a CPU without AVX-512",
            "give precision = 'float32', or use a machine that has them",
        )
