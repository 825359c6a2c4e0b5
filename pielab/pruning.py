"""What is pruned, in which order, and how far: the paper's eight pruners (Section 3, Table 3, A.3), and others.

A pruner is a score, a schedule, a way to retrain, and a scope: the weights with the lowest scores of each matrix, or of
all of them, are pruned. A score is a pure function of weights and gradients. Masks are plain dicts of bool tensors,
True = kept. What prunes while it trains is in pielab.gradual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pielab.errors import PielabError

if TYPE_CHECKING:  # torch takes seconds to import, and the names of the pruners do not need it
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Pruner:
    """One row of Table 3, or of the tables below it.

    score: "magnitude", "impact", "random" or "importance"; the lowest are pruned.
    schedule: "iterative" (train, then three times prune and retrain), "at initialization" (prune, then train),
        "nested" (train, then prune and retrain once for each threshold, each time going on from the one before), or
        "gradual" (prune while it trains, pielab.gradual).
    retraining: what the weights that are left start from: "fine-tuning" keeps them, "rewinding" puts every weight
        back to its initial value. Where training comes after pruning, or with it, there is nothing to go back to.
    scope: "local" prunes the same share of each matrix, "global" ranks the weights of all matrices together.
    self_regularised: whether the best model so far teaches (pielab.regularisation).
    """

    score: str
    schedule: str
    retraining: str | None = None
    scope: str = "local"
    self_regularised: bool = False

    @property
    def starts_trained(self) -> bool:
        """Whether it starts from the trained, unpruned model of the same seed."""
        return self.schedule in {"iterative", "nested"}


PRUNERS: dict[str, Pruner] = {
    "IIBP-WR": Pruner("impact", "iterative", "rewinding"),
    "IIBP-FT": Pruner("impact", "iterative", "fine-tuning"),
    "IBP-AI": Pruner("impact", "at initialization"),
    "IMP-WR": Pruner("magnitude", "iterative", "rewinding"),
    "IMP-FT": Pruner("magnitude", "iterative", "fine-tuning"),
    "MP-AI": Pruner("magnitude", "at initialization"),
    "IRP-FT": Pruner("random", "iterative", "fine-tuning"),
    "RP-AI": Pruner("random", "at initialization"),
}

# An approximation that the paper does not have: one trajectory passes through all thresholds, with one retraining for
# each instead of three, so that a model of 90 % has been a model of 70 %.
NESTED: dict[str, Pruner] = {
    f"{name}-nested": replace(each, schedule="nested") for name, each in PRUNERS.items() if each.schedule == "iterative"
}

# While a model trains: those of the PINS paper (Ren and Zhu 2023), and its gradual magnitude (Zhu and Gupta 2017).
GRADUAL: dict[str, Pruner] = {
    "PINS": Pruner("importance", "gradual", scope="global", self_regularised=True),
    "PINS-CE": Pruner("importance", "gradual", scope="global"),
    "GMP": Pruner("magnitude", "gradual", scope="global"),
}

# The paper's eight rank within a matrix, the gradual ones across all: each the other way, to tell scope from score.
SCOPED: dict[str, Pruner] = {
    **{f"{name}-global": replace(each, scope="global") for name, each in PRUNERS.items()},
    **{f"{name}-local": replace(each, scope="local") for name, each in GRADUAL.items()},
}

KNOWN: dict[str, Pruner] = PRUNERS | NESTED | GRADUAL | SCOPED

ITERATIONS = 3


def pruner(name: str) -> Pruner:
    """The pruner of that name; an unknown name raises PielabError with the known ones."""
    if name not in KNOWN:
        raise PielabError(f"no pruner is called {name!r}; there are {', '.join(KNOWN)}.")
    return KNOWN[name]


def sparsities(pruner: Pruner, target: float, levels: Sequence[float] = ()) -> list[float]:
    """The share pruned after each pruning step; iterations prune the same share of what is left (A.3).

    After step i of three it is 1 - (1 - target)^(i/3), so that the last is the target.
    levels: the shares that a nested pruner passes through; its steps are those below the target, and the target.
    """
    if not 0 < target < 1:
        raise PielabError(f"a sparsity of {target} is not possible: give a share above 0 and below 1.")
    if pruner.schedule in {"at initialization", "gradual"}:
        return [target]
    if pruner.schedule == "nested":
        return [*sorted(level for level in levels if level < target), target]
    return [*(1 - (1 - target) ** (step / ITERATIONS) for step in range(1, ITERATIONS)), target]


def prunable(model: nn.Module, layer_norm: bool = False, pooler: bool = True) -> dict[str, nn.Parameter]:
    """The weights that may be pruned, by name: matrices that are neither embeddings nor the last layer (A.3).

    layer_norm: also the weights of LayerNorms outside the embeddings, as the authors' code does for BERT.
    pooler: also the matrices of a transformer between its encoder and its last layer, as in A.3, but not in PINS.
    """
    from torch import nn

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
    import torch

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


def random(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Uniform on [0, 1)."""
    import torch

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
    import torch

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
    import torch

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
    import torch

    with torch.no_grad():
        torch._foreach_mul_([weights[name] for name in masks], list(masks.values()))


def sparsity(masks: Mapping[str, Tensor]) -> float:
    """The share of all prunable weights that the masks prune."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
