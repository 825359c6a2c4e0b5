"""Choosing the weights of BERT-base to prune, and masking them after each step.

    .venv/bin/python benchmarks/masks.py [--small] [--repeats 5] [--json FILE]

The other sides: numpy's percentile of each matrix; for tied scores, a stable sort; torch.nn.utils.prune. The random
weights have no ties, because only then must all sides agree.
"""

import hashlib
from functools import partial

import common
import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from pielab.compression.masks import apply_masks, dense_masks, impact, magnitude, prunable, prune

LAYERS, WIDTH = 12, 768
SMALL_LAYERS, SMALL_WIDTH = 2, 64
# SNLI's length: the cheapest step, and so the relatively most expensive masks.
BATCH, TOKENS = 32, 22


def shapes(small: bool) -> list[tuple[int, int]]:
    layers, width = (SMALL_LAYERS, SMALL_WIDTH) if small else (LAYERS, WIDTH)
    layer = [(width, width)] * 4 + [(4 * width, width), (width, 4 * width)]
    return [*(layer * layers), (width, width)]


def weights_and_masks(small: bool, sparsity: float, zeros: float = 0) -> tuple[dict, dict, dict]:
    """Weights without ties within a matrix; gradients, some of them zero; and masks that prune a share."""
    torch.set_num_threads(common.CORES)
    torch.manual_seed(0)
    weights, gradients = {}, {}
    for index, shape in enumerate(shapes(small)):
        ranks = torch.randperm(shape[0] * shape[1]).add_(1).reshape(shape)
        weights[f"m{index}"] = ranks * (torch.randint(2, shape) * 2 - 1) * 2.0**-26
        gradients[f"m{index}"] = (torch.rand(shape) >= zeros).float() if zeros else torch.empty(0)
    masks = dense_masks(weights)
    if sparsity:
        masks = prune(magnitude(weights), masks, sparsity)
        apply_masks(weights, masks)
    return weights, gradients, masks


def pielab_magnitude(sparsity: float, given: tuple) -> dict:
    weights, _, masks = given
    return prune(magnitude(weights), masks, sparsity)


def numpy_magnitude(sparsity: float, given: tuple) -> dict:
    scores = {name: np.abs(weight.numpy()) for name, weight in given[0].items()}
    return {name: torch.from_numpy(each > np.percentile(each, 100 * sparsity)) for name, each in scores.items()}


def torch_magnitude(sparsity: float, given: tuple) -> dict:
    masks = {}
    for name, weight in given[0].items():
        layer = nn.Linear(1, 1, bias=False)
        layer.weight = nn.Parameter(weight)
        torch_prune.l1_unstructured(layer, "weight", amount=sparsity)
        masks[name] = layer.weight_mask
    return masks


def pielab_impact(sparsity: float, given: tuple) -> dict:
    weights, gradients, masks = given
    return prune(impact(weights, gradients), masks, sparsity)


def numpy_impact(sparsity: float, given: tuple) -> dict:
    weights, gradients, _ = given
    masks = {}
    for name, weight in weights.items():
        order = np.argsort(np.abs(weight.numpy() * gradients[name].numpy()).ravel(), kind="stable")
        kept = np.ones(order.size, dtype=bool)
        kept[order[: round(sparsity * order.size)]] = False
        masks[name] = torch.from_numpy(kept.reshape(weight.shape))
    return masks


def digest(masks: dict) -> str:
    whole = hashlib.sha256()
    for name in sorted(masks):
        whole.update(np.packbits(masks[name].numpy() != 0).tobytes())
    return whole.hexdigest()


def step(small: bool) -> tuple:
    """BERT with random weights after a training step, its optimizer, a batch, and masks that prune 70 %."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.set_num_threads(1)  # as in the study's params: seeds share the cores
    torch.manual_seed(0)
    layers, width = (SMALL_LAYERS, SMALL_WIDTH) if small else (LAYERS, WIDTH)
    sizes = {"hidden_size": width, "intermediate_size": 4 * width, "num_attention_heads": width // 64}
    model = BertForSequenceClassification(BertConfig(num_labels=3, num_hidden_layers=layers, **sizes))
    weights = prunable(model)
    masks = prune(magnitude(weights), dense_masks(weights), 0.7)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.0, fused=True)
    masks = {name: mask.to(weights[name].dtype) for name, mask in masks.items()}  # as in pielab.training
    batch = {"input_ids": torch.randint(30_000, (BATCH, TOKENS)), "labels": torch.randint(3, (BATCH,))}
    train_step((model, optimizer, batch, weights, masks))
    return model, optimizer, batch, weights, masks


def train_step(given: tuple) -> None:
    """One training step as in pielab.training, on one batch, without masks."""
    model, optimizer, batch, *_ = given
    model.train()
    optimizer.zero_grad(set_to_none=True)
    model(**batch).loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


def pielab_masking(given: tuple) -> dict:
    *_, weights, masks = given
    apply_masks(weights, masks)
    return weights


def hook_masking(given: tuple) -> dict:
    """The work of torch.nn.utils.prune's hooks before each forward pass."""
    *_, weights, masks = given
    with torch.no_grad():
        return {name: masks[name].to(dtype=weight.dtype) * weight for name, weight in weights.items()}


def masked_digest(weights: dict | None) -> str | None:
    if weights is None:
        return None
    whole = hashlib.sha256()
    for name in sorted(weights):
        whole.update(weights[name].detach().numpy().tobytes())
    return whole.hexdigest()


def run(small: bool, repeats: int) -> list[dict]:
    common.use_cores(common.CORES)
    rows = []
    options = {"repeats": repeats, "alone": not small}
    for case, before, sparsity, others in (
        ("magnitude, 50 % of 73 matrices", 0, 0.5, ("numpy", "torch.nn.utils.prune")),
        ("magnitude, from 50 to 75 %", 0.5, 0.75, ("numpy",)),
    ):
        functions = {"pielab": pielab_magnitude, "numpy": numpy_magnitude, "torch.nn.utils.prune": torch_magnitude}
        sides = {name: partial(functions[name], sparsity) for name in ("pielab", *others)}
        prepare = partial(weights_and_masks, small, before)
        rows += common.measure("masks", case, sides, prepare=prepare, summary=digest, **options)
    sides = {"pielab": partial(pielab_impact, 0.5), "numpy, stable sort": partial(numpy_impact, 0.5)}
    prepare = partial(weights_and_masks, small, 0, 0.3)
    case = "impact, 50 %, 30 % of the scores zero"
    rows += common.measure("masks", case, sides, prepare=prepare, summary=digest, **options)
    sides = {"pielab": pielab_masking, "torch.nn.utils.prune": hook_masking, "a step without masks": train_step}
    case = f"after a step of {BATCH} x {TOKENS} tokens"
    prepare = partial(step, small)
    return rows + common.measure("masks", case, sides, prepare=prepare, summary=masked_digest, **options)


if __name__ == "__main__":
    common.main(run, __doc__.splitlines()[0])
