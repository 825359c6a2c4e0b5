"""The prunable weights of a model, their scores, and pruning masks.

A score is a pure function of weights and gradients. Masks are plain dicts of bool tensors, True = kept. Pruning during
training is in pielab.compression.gradual.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pielab.errors import PielabError

# The share of weights besides embeddings that may be left unpruned because they are no matrices; some transformers have
# a small convolution.
MOST_UNPRUNED = 0.05


def last_layer(model: nn.Module) -> nn.Linear | None:
    """The linear layer that gives the logits: the last one after a transformer's encoder, else the last of all.

    Some transformers define it before their encoder, so the order of all modules does not tell.
    """
    encoder = getattr(model, "base_model", model)
    inside = {id(module) for module in encoder.modules()} if encoder is not model else set()
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    after = [module for module in linear if id(module) not in inside]
    return next(reversed(after or linear), None)


def prunable(
    model: nn.Module,
    layer_norm: bool = False,
    pooler: bool = True,
    output_layer: bool = False,
    embeddings: bool = False,
) -> dict[str, nn.Parameter]:
    """The prunable weights by name: matrices that are neither embeddings nor the last layer (A.3).

    layer_norm: also the weights of LayerNorms outside the embeddings, as the authors' code does for BERT.
    pooler: also the matrices of a transformer between its encoder and its last layer, as in A.3; PINS leaves them out.
        They are those of a pooler, by its name, and of the head, which is all that is outside transformers'
        `base_model`. Models without one (the BiLSTM, T5 that generates or finds spans) have only a last layer as head.
    output_layer, embeddings: also the matrix of the last layer, and those of embeddings; one that is both, as in many
        language models, is pruned with both alone. The word vectors of the BiLSTM are inputs, not embeddings.

    Raises PielabError if no weights remain, or if too many are no matrices, such as those of convolutions and experts.
    """
    modules, last = list(model.modules()), last_layer(model)
    of_embeddings = [] if embeddings else [module for module in modules if isinstance(module, nn.Embedding)]
    unpruned = of_embeddings if output_layer else [*of_embeddings, last]
    excluded = {id(weight) for module in unpruned if module for weight in module.parameters()}
    norms = {id(module.weight) for module in modules if isinstance(module, nn.LayerNorm) and layer_norm}
    weights = {
        name: parameter
        for name, parameter in model.named_parameters()
        if id(parameter) not in excluded
        and (parameter.dim() == 2 or (id(parameter) in norms and "embedding" not in name))
    }
    if not pooler:
        encoder = getattr(model, "base_model", model)
        inside = {id(weight) for weight in [*encoder.parameters(), getattr(last, "weight", None)]}
        weights = {name: each for name, each in weights.items() if id(each) in inside and "pooler" not in name}
    if not weights or last is None:
        raise PielabError(
            "no-prunable-weights",
            f"{type(model).__name__} has no linear layer, or no weight matrix besides embeddings and its last layer",
            "give a model with a linear layer at its end and a layer in between",
        )
    others = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.dim() > 2 and id(parameter) not in excluded
    }
    share = sum(others.values()) / (sum(others.values()) + sum(weight.numel() for weight in weights.values()))
    if share > MOST_UNPRUNED:
        raise PielabError(
            "weights-not-matrices",
            f"{type(model).__name__} has {share:.0%} of its weights in tensors of three or more dimensions, such as "
            f"{max(others, key=others.__getitem__)}, which no pruner here prunes",
            "give a model whose weights are matrices, docs/models.md lists some",
        )
    return weights


def dense_masks(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Masks that keep every weight."""
    return {name: torch.ones(weight.shape, dtype=torch.bool) for name, weight in weights.items()}


@dataclass(frozen=True)
class Scores(Mapping):
    """Scores by the names of `weights`, computed on access, because all together are as large as the model."""

    weights: Mapping[str, Tensor]
    score: Callable[[str], Tensor]

    def __getitem__(self, name: str) -> Tensor:
        return self.score(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)


def magnitude(weights: Mapping[str, Tensor]) -> Scores:
    """|w| of the weights at the time of access (Frankle and Carbin 2019)."""
    return Scores(weights, lambda name: weights[name].detach().abs())


def impact(weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> Scores:
    """|w * g|, g the gradient accumulated over a sample of training examples (Lee et al. 2019); w as in `magnitude`."""
    return Scores(weights, lambda name: (weights[name].detach() * gradients[name]).abs_())


def activation(weights: Mapping[str, Tensor], norms: Mapping[str, Tensor], transposed: Collection[str] = ()) -> Scores:
    """|w| times the norm of the input that the weight multiplies (Wanda: Sun et al. 2024, section 3); w as above.

    norms: (inputs,) of each matrix (rows, inputs), training.activations has them. transposed: as of `prune`.
    """

    def score(name: str) -> Tensor:
        along = norms[name][:, None] if name in transposed else norms[name]
        return weights[name].detach().abs() * along

    return Scores(weights, score)


def random_scores(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Uniform on [0, 1)."""
    return {name: torch.rand(weight.shape, generator=generator) for name, weight in weights.items()}


def transposed_weights(model: nn.Module) -> frozenset[str]:
    """The names of the matrices whose output rows are columns: those of transformers' Conv1D, as in GPT-2."""
    layers = [name for name, module in model.named_modules() if type(module).__name__ == "Conv1D"]
    return frozenset(f"{name}.weight" for name in layers)


def prune(
    scores: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
    sparsity: float,
    scope: str = "local",
    transposed: Collection[str] = (),
    kept_of: tuple[int, int] | None = None,
) -> dict[str, Tensor]:
    """New masks without the lowest scores of each matrix, or of the model, among the weights that `masks` keep.

    sparsity: the share of ALL weights of each matrix that is pruned after the call; a matrix of n weights has
        exactly round(sparsity * n) pruned. Pruned weights never come back, and equal scores are pruned in order, so
        that ties (impact has exact zeros) cannot change the count.
    scope: "local"; "row", which ranks within each row (of a matrix; a vector is one row), so that each loses
        round(sparsity * its length); or "global", which ranks all matrices as one, so that a matrix may lose any share.
    transposed: the matrices whose rows are columns. kept_of: as of `prune_rows`, instead of sparsity and scope.

    Raises PielabError if more is pruned already, or a score is not a number.
    """
    if scope == "global" and not kept_of:
        return _prune_as_one(scores, masks, sparsity)
    if scope == "row" or kept_of:
        return {
            name: prune_rows(name, scores[name].T, mask.T, sparsity, kept_of).T.contiguous()
            if name in transposed
            else prune_rows(name, scores[name], mask, sparsity, kept_of)
            for name, mask in masks.items()
        }
    # Allocated before the work, so that the temporary memory of one matrix is reused for the next.
    pruned = {name: mask.to("cpu", copy=True).contiguous() for name, mask in masks.items()}
    # As many threads as torch has, because numpy releases Python's lock; each holds one matrix in memory.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(lambda name: _prune_matrix(name, scores, pruned[name], sparsity), masks))
    return {name: mask.to(masks[name].device) for name, mask in pruned.items()}


def _prune_as_one(scores: Mapping[str, Tensor], masks: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """New masks without the lowest scores of all matrices together."""
    whole = torch.cat([mask.flatten() for mask in masks.values()]).cpu()
    all_scores = Scores(masks, lambda _: torch.cat([scores[name].detach().flatten() for name in masks]))
    _prune_matrix("the model", all_scores, whole, sparsity)
    parts = whole.split([mask.numel() for mask in masks.values()])
    return {name: part.view_as(mask).to(mask.device) for (name, mask), part in zip(masks.items(), parts, strict=True)}


def _prune_matrix(name: str, scores: Mapping[str, Tensor], kept: Tensor, sparsity: float) -> None:
    """Prune one matrix in place."""
    mask = kept.numpy().reshape(-1)
    before = int(np.count_nonzero(mask))
    number = round(sparsity * mask.size) - (mask.size - before)
    if number < 0:
        raise _pruned_further(name, sparsity)
    if not number:
        return
    flat = scores[name].detach().float().cpu().numpy().ravel()
    left = flat if before == mask.size else flat.compress(mask)
    _check_scores(name, left)
    threshold = nth_lowest(left, number)
    above = flat > threshold
    above &= mask
    # The last ties at the threshold are kept, as many as the count needs.
    too_many = before - np.count_nonzero(above) - number
    if too_many:
        above[np.flatnonzero(mask & (flat == threshold))[-too_many:]] = True
    mask[:] = above


def prune_rows(
    name: str, scores: Tensor, mask: Tensor, sparsity: float, kept_of: tuple[int, int] | None = None
) -> Tensor:
    """A new mask of one matrix without the lowest scores of each row, among the weights that `mask` keeps.

    scores, mask: (rows, inputs), or one row. kept_of: (2, 4) keeps instead the 2 highest of every 4 weights of a row
    that stand side by side. Of equal scores the first are pruned.

    Raises PielabError if a row has pruned more already, its length is no multiple of 4, or a score is not a number.
    """
    width = kept_of[1] if kept_of else scores.shape[-1]
    check_rows({name: scores}, kept_of)
    number = width - kept_of[0] if kept_of else round(sparsity * width)
    ranked = scores.detach().float().cpu().numpy().reshape(-1, width).copy()
    _check_scores(name, ranked)
    kept = mask.cpu().numpy().reshape(ranked.shape)
    if (width - kept.sum(axis=1)).max(initial=0) > number:
        raise _pruned_further(f"a row of {name}", sparsity)
    ranked[~kept] = -np.inf
    if number:
        threshold = np.partition(ranked, number - 1, axis=1)[:, number - 1, None]
        below, ties = ranked < threshold, ranked == threshold
        # Of the ties at the threshold, as many as the count needs; the pruned ones are -inf and come first.
        ties &= np.cumsum(ties, axis=1, dtype=np.int32) <= number - below.sum(axis=1, keepdims=True)
        kept = ~(below | ties)
    return torch.from_numpy(kept.reshape(scores.shape).copy()).to(mask.device)


def check_rows(
    weights: Mapping[str, Tensor], kept_of: tuple[int, int] | None, transposed: Collection[str] = ()
) -> None:
    """Raise PielabError if the rows of a matrix cannot have a pattern, for which see `prune`."""
    if not kept_of:
        return
    for name, weight in weights.items():
        length = weight.shape[0 if name in transposed else -1]
        if length % kept_of[1]:
            raise PielabError(
                "rows-not-divisible",
                f"{name} has {length} weights in a row, which is no multiple of {kept_of[1]}, as "
                f"{kept_of[0]}:{kept_of[1]} needs",
                "give a pattern that divides it, or a percentage",
            )


def _check_scores(name: str, scores: np.ndarray) -> None:
    if np.isnan(scores.min()):
        raise PielabError(
            "scores-not-numbers", f"the scores of {name} are not all numbers", "training diverged, lower learning_rate"
        )


def _pruned_further(what: str, sparsity: float) -> PielabError:
    return PielabError(
        "already-pruned-further", f"{what} is pruned further than a share of {sparsity:g} already", "raise the sparsity"
    )


def nth_lowest(scores: np.ndarray, number: int) -> np.float32:
    """The `number`-th lowest score, counted from 1."""
    lowest = scores.min()
    ties = np.count_nonzero(scores == lowest)
    if number <= ties:
        return lowest
    # If most scores are equal, as impact's zeros can be, numpy's partition takes twenty times as long.
    rest = scores.compress(scores > lowest) if ties > 0.1 * scores.size else scores
    rank = number - 1 - (scores.size - rest.size)
    return np.partition(rest, rank)[rank]


def apply_masks(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights to zero in place; masks of the weights' dtype (0 and 1) take half the time of bool."""
    with torch.no_grad():
        torch._foreach_mul_([weights[name] for name in masks], list(masks.values()))


def overall_sparsity(masks: Mapping[str, Tensor]) -> float:
    """The pruned share of all prunable weights."""
    return 1 - sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())
