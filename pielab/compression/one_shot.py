"""Compress a trained model in place, without retraining: round its weights, or prune them, one matrix at a time."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from pielab.compression import masks, schedules
from pielab.compression.pruners import Pruner
from pielab.store import settings


def compress(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    method: Pruner,
    setting: float | str,
    scores: Mapping[str, Tensor] = MappingProxyType({}),
) -> dict[str, list[int]]:
    """Round or prune `weights`, which are the model's, in place; returns by name how many were pruned, and of how many.

    setting: bits to round to, or the percentage to prune, or a pattern such as "2of4".
    scores: of every matrix, the lowest are pruned; computed on access, so that only one matrix's are in memory, unless
        the scope is "global".

    Raises PielabError if a row cannot have the pattern, or a score is not a number; some matrices may be compressed.
    """
    transposed = masks.transposed_weights(model)
    if method.score == "rounding":
        for name, weight in weights.items():
            rows = weight.detach().T if name in transposed else weight.detach()
            rows.copy_(round_to_nearest(rows, int(setting)))
        return {name: [0, weight.numel()] for name, weight in weights.items()}
    kept_of, share = settings.pattern(setting), schedules.share(method, setting)
    together = method.scope == "global" and not kept_of
    groups = [list(weights)] if together else [[name] for name in weights]
    pruned = {}
    for names in groups:
        dense = masks.dense_masks({name: weights[name] for name in names})
        kept = masks.prune(scores, dense, share, method.scope, transposed, kept_of)
        for name in names:
            weights[name].detach().masked_fill_(~kept[name].to(weights[name].device), 0)
            pruned[name] = [int((~kept[name]).sum()), kept[name].numel()]
    return pruned


def round_to_nearest(weight: Tensor, bits: int) -> Tensor:
    """The weights rounded to signed integers of `bits` bits times a scale for each row, so that they load anywhere.

    s = max|w| / (2^(bits-1) - 1/2) of each row, w' = s * clip(round(w/s), -2^(bits-1), 2^(bits-1) - 1), as torchao's
    weight-only quantisation has it. weight: (rows, inputs), or one row. A row of zeros stays as it is.
    """
    most = 2 ** (bits - 1)
    scale = weight.abs().amax(dim=-1, keepdim=True) / (most - 0.5)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (weight / scale).round_().clamp_(-most, most - 1).mul_(scale)
