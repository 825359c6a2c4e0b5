"""Which weights may be pruned, their scores, and the masks that keep the rest.

A score is a pure function of weights and gradients. Masks are plain dicts of bool tensors, True = kept. What prunes
while it trains is in pielab.gradual.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pielab.errors import PielabError


def prunable(model: nn.Module, layer_norm: bool = False, pooler: bool = True) -> dict[str, nn.Parameter]:
    """The weights that may be pruned, by name: matrices that are neither embeddings nor the last layer (A.3).

    layer_norm: also the weights of LayerNorms outside the embeddings, as the authors' code does for BERT.
    pooler: also the matrices of a transformer between its encoder and its last layer, as in A.3, but not in PINS.
    """
    embeddings = {
        id(weight) for each in model.modules() if isinstance(each, nn.Embedding) for weight in each.parameters()
    }
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    excluded = embeddings | {id(linear[-1].weight)}
    norms = {id(each.weight) for each in model.modules() if isinstance(each, nn.LayerNorm) and layer_norm}
    found = {
        name: parameter
        for name, parameter in model.named_parameters()
        if id(parameter) not in excluded
        and (parameter.dim() == 2 or (id(parameter) in norms and "embedding" not in name))
    }
    if not pooler and (inside := getattr(model, "base_model_prefix", "")):
        found = {name: each for name, each in found.items() if name.startswith(f"{inside}.") and "pooler" not in name}
    if not found:
        raise PielabError(f"{type(model).__name__} has no weight matrix besides embeddings and its last layer.")
    return found


def dense_masks(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks that keep everything."""
    return {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()}


@dataclass(frozen=True)
class Scores(Mapping):
    """Scores by the names of `weights`, each computed when it is asked for: all at once are as large as the model."""

    weights: Mapping[str, Tensor]
    score: Callable[[str], Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.score(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def magnitude(weights: Mapping[str, Tensor]) -> Scores:
    """|w| of the weights as they are when a score is asked for (Frankle and Carbin 2019)."""
    return Scores(weights, lambda name: weights[name].detach().abs())


def impact(weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> Scores:
    """|w * g|, g the gradient accumulated over a sample of training examples (Lee et al. 2019); w as in `magnitude`."""
    return Scores(weights, lambda name: (weights[name].detach() * gradients[name]).abs_())


def random_scores(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Uniform on [0, 1)."""
    return {name: torch.rand(weight.shape, generator=generator) for name, weight in weights.items()}


def prune(
    scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], sparsity: float, scope: str = "local"
) -> dict[str, Tensor]:
    """New masks in which each matrix, or the model, has lost its lowest scores among what `masks` still keeps.

    sparsity: the share of ALL weights of each matrix that is pruned after the call; a matrix of n weights has
        exactly round(sparsity * n) pruned. Nothing pruned comes back, and of equal scores the one that stands
        first goes first, so that many equal scores (impact has exact zeros) cannot change the count.
    scope: "local", or "global": then all matrices are one, and a matrix may lose any share of its weights.

    Raises PielabError if more is pruned already, or a score is not a number.
    """
    if scope == "global":
        return _prune_as_one(scores, masks, sparsity)
    # All before the work, so that what one matrix needs meanwhile is of use for the next.
    pruned = {name: mask.to("cpu", copy=True).contiguous() for name, mask in masks.items()}

    def of_matrix(name: str) -> None:
        _prune_matrix(name, scores, pruned[name].numpy().reshape(-1), sparsity)

    # A thread for each that torch has: numpy computes without Python's lock, and one matrix a thread is in memory.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(of_matrix, masks))
    return {name: each.to(masks[name].device) for name, each in pruned.items()}


def _prune_as_one(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """New masks that the lowest scores of all matrices together have left."""
    whole = torch.cat([mask.flatten() for mask in masks.values()]).cpu()
    every = Scores(masks, lambda _: torch.cat([scores[name].detach().flatten() for name in masks]))
    _prune_matrix("the model", every, whole.numpy(), sparsity)
    parts = whole.split([mask.numel() for mask in masks.values()])
    return {
        name: part.reshape(masks[name].shape).to(masks[name].device) for name, part in zip(masks, parts, strict=True)
    }


def _prune_matrix(name: str, scores: Mapping[str, Tensor], kept: np.ndarray, sparsity: float) -> None:
    """Prune one matrix in place; kept (weights,) bool."""
    before = np.count_nonzero(kept)
    number = round(sparsity * kept.size) - (kept.size - before)
    if number < 0:
        raise PielabError(f"{name} is pruned further than a share of {sparsity:g} already: raise the sparsity.")
    if not number:
        return
    flat = scores[name].detach().float().cpu().numpy().ravel()
    left = flat if before == kept.size else flat.compress(kept)
    if np.isnan(left.min()):
        raise PielabError(f"the scores of {name} are not all numbers: training diverged, lower learning_rate.")
    threshold = nth_lowest(left, number)
    above = flat > threshold
    above &= kept
    # As many of the ties at the threshold are kept as the count wants: the last ones.
    too_many = before - np.count_nonzero(above) - number
    if too_many:
        above[np.flatnonzero(kept & (flat == threshold))[-too_many:]] = True
    kept[:] = above


def nth_lowest(scores: np.ndarray, number: int) -> np.float32:
    """The score that `number` scores, itself included, do not exceed."""
    least = scores.min()
    ties = np.count_nonzero(scores == least)
    if number <= ties:
        return least
    # Where most scores are equal, as impact's zeros can be, numpy's partition takes twenty times as long.
    rest = scores.compress(scores > least) if ties > 0.1 * scores.size else scores
    place = number - 1 - (scores.size - rest.size)
    return np.partition(rest, place)[place]


def apply_masks(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights to zero, in place; masks of the weights' dtype (0 and 1) take half the time of bool."""
    with torch.no_grad():
        torch._foreach_mul_([weights[name] for name in masks], list(masks.values()))


def overall_sparsity(masks: Mapping[str, Tensor]) -> float:
    """The share of all prunable weights that the masks prune."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
