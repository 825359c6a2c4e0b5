"""The size of a model: as it is stored, as the format of its compression would store it, and in weights."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from pielab.compression.masks import transposed_weights

SCALE_BYTES = 4  # float32


def sizes(
    model: nn.Module,
    prunable: Iterable[str],
    bits: int | None = None,
    pattern: tuple[int, int] | None = None,
) -> dict[str, int]:
    """The bytes and the weights of a model; tensors that share their weights count once.

    prunable: the names of the compressed matrices. bits: of each of their weights if they are rounded, 2 to 8.
    pattern: (2, 4) if 2 of every 4 weights of a row are kept.

    bytes_stored: of all tensors of the state dict as they are, where a zero takes as much as any other weight. The
        BiLSTM's word vectors are not among them, because they are an input and the same for all models.
    bytes_packed: with each prunable matrix as its format would store it, and everything else as it is. Rounded: its
        integers without gaps and one float32 scale for each row (an output; a column of transformers' Conv1D). With a
        pattern of n in m: the kept values and ceil(log2(m)) bits each for their places, as sparse tensor cores take
        them (Mishra et al. 2021, "Accelerating sparse deep neural networks", arXiv 2104.08378). Pruned: one bit for
        each weight and the values that are not zero, or all values if that is less.
    weights, nonzero: of all parameters. prunable, prunable_nonzero: of the prunable matrices.
    """
    named = model.state_dict(keep_vars=True)  # which gives a tensor that two names share as one object
    tensors = {id(tensor): tensor for tensor in named.values() if isinstance(tensor, Tensor)}
    nonzero = {key: int(torch.count_nonzero(tensor)) for key, tensor in tensors.items()}
    stored = {key: tensor.numel() * tensor.element_size() for key, tensor in tensors.items()}
    compressed = {id(named[name]) for name in prunable}
    turned = {id(named[name]) for name in transposed_weights(model)}
    rows = {key: tensors[key].shape[1] if key in turned else len(torch.atleast_2d(tensors[key])) for key in compressed}
    packed = {key: _packed(tensors[key], rows[key], nonzero[key], bits, pattern) for key in compressed}
    parameters = [id(parameter) for parameter in model.parameters()]
    return {
        "bytes_stored": sum(stored.values()),
        "bytes_packed": sum((stored | packed).values()),
        "weights": sum(tensors[key].numel() for key in parameters),
        "nonzero": sum(nonzero[key] for key in parameters),
        "prunable": sum(tensors[key].numel() for key in compressed),
        "prunable_nonzero": sum(nonzero[key] for key in compressed),
    }


def _packed(weight: Tensor, rows: int, nonzero: int, bits: int | None, pattern: tuple[int, int] | None) -> int:
    """The bytes of one compressed matrix."""
    number, bytes_each = weight.numel(), weight.element_size()
    if bits:
        return _bytes(number * bits) + rows * SCALE_BYTES
    if pattern:
        kept = number * pattern[0] // pattern[1]
        return kept * bytes_each + _bytes(kept * (pattern[1] - 1).bit_length())
    return min(number * bytes_each, _bytes(number) + nonzero * bytes_each)


def _bytes(bits: int) -> int:
    return -(-bits // 8)
