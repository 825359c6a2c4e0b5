"""The training loop, and what else needs a model on a device: predictions and gradients."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pielab.compression.gradual import Gradual
from pielab.compression.masks import apply_masks
from pielab.errors import PielabError, TransientError
from pielab.models import batches
from pielab.models.batches import Encoder
from pielab.models.tokens import Tokens
from pielab.training import distillation


def choose_device(name: str = "auto") -> torch.device:
    """CUDA, else MPS, else the CPU; or the one that is named."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(each for each, there in present.items() if there)
    if not present.get(name):
        have = ", ".join(each for each, there in present.items() if there)
        raise TransientError(f"device = {name!r} is not on this machine: it has {have}; auto chooses by itself.")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """What to compute in: "auto" is bfloat16 on a GPU that has it and float32 elsewhere, or the one that is named."""
    if name == "auto":
        there = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if there else torch.float32
    return getattr(torch, name)


@contextmanager
def _without_subnormals() -> Iterator[None]:
    """Numbers below 1e-38 count as zero.

    An LSTM's gradients fall below that over hundreds of tokens of padding, and a CPU takes many times as long for each.
    """
    before = bool((torch.tensor([1e-40]) * 1 == 0).item())
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        # What else the process computes, and numpy with it, expects them.
        torch.set_flush_denormal(before)


@_without_subnormals()
def train(
    model: nn.Module,
    encoder: Encoder,
    tokens: Tokens,
    targets: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    bucketed: bool = False,
    precision: torch.dtype = torch.float32,
    warmup: float = 0.0,
    decay: str = "none",
    weight_decay: float = 0.0,
    weights: Mapping[str, Tensor] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    gradual: Gradual | None = None,
    teacher: distillation.Teacher | None = None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> list[float]:
    """Train the model in place; gives the mean loss of each epoch.

    Adam with a constant learning rate unless told otherwise, gradients clipped to norm 1, cross-entropy for class ids
    (examples,) or binary cross-entropy for multi-hot targets (examples, classes) (paper, A.4 and Table 8).

    seed: fixes the order of the examples and the dropout.
    bucketed: texts of like length share a batch, if the encoder pads to the longest of a batch.
    precision: what to compute in: float32, or bfloat16 by autocast, with weights and loss in float32.
    warmup, decay: the share of the steps in which the learning rate rises from 0, and whether it then falls to 0
        ("linear") or stays ("none"). weight_decay: AdamW's; 0 is Adam.
    weights, masks: the prunable weights and which of them to keep. Pruned ones are zero before the first step and
        after every step, for Adam's running averages would move them even where the gradient is zero.
    gradual: prunes the model at its steps. teacher: adds its share to the loss as soon as it has a model, which
        `on_epoch` may give it.

    Raises PielabError with the step if the loss is not finite.
    """
    device = next(model.parameters()).device
    masks = {name: mask.to(device, weights[name].dtype) for name, mask in (masks or {}).items()}
    texts = batches.to_device(tokens, encoder, device)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimizer = _optimizer(model, learning_rate, weight_decay)
    rates = None
    if warmup or decay != "none":
        steps = epochs * -(-len(tokens) // batch_size)
        rate = partial(rate_at, steps=steps, warmup=warmup, decay=decay)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    targets = torch.from_numpy(targets).to(device)
    multi_label = targets.dim() == 2
    loss_function = nn.BCEWithLogitsLoss() if multi_label else nn.CrossEntropyLoss()
    if masks:
        apply_masks(weights, masks)
    model.train()
    history = []
    for epoch in range(1, epochs + 1):
        losses = []
        if bucketed and encoder.width is None:
            plan = batches.bucketed(tokens.lengths, batch_size, random)
        else:
            plan = batches.shuffled(len(tokens), batch_size, random)
        for places, inputs in texts.in_batches(plan):
            logits, wanted = _logits(model, inputs, precision), targets[places]
            if teacher and teacher.model:
                with torch.no_grad():
                    taught = _logits(teacher.model, inputs, precision)
                loss = distillation.loss(logits, taught, wanted)
            else:
                loss = loss_function(logits, wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            if gradual:
                gradual.before_step(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if rates:
                rates.step()
            if masks:
                apply_masks(weights, masks)
            if gradual:
                gradual.after_step()
            losses.append(loss.detach())
        # Read once an epoch: reading each loss would make a GPU wait at every step.
        history.append(_mean(torch.stack(losses).cpu(), epoch, learning_rate))
        on_epoch(epoch, history[-1])
    return history


def rate_at(step: int, steps: int, warmup: float, decay: str) -> float:
    """The share of the learning rate at a step of a training, from 0: rising from 0, then constant or falling to 0."""
    first = round(warmup * steps)
    if step < first:
        return step / first
    return max(0.0, (steps - step) / (steps - first)) if decay == "linear" else 1.0


def _optimizer(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Adam, or AdamW that leaves biases and norms alone, as is usual."""
    if not weight_decay:
        return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    matrices = [each for each in model.parameters() if each.dim() > 1]
    others = [each for each in model.parameters() if each.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


@torch.inference_mode()
def predict(model: nn.Module, encoder: Encoder, tokens: Tokens, precision: torch.dtype = torch.float32) -> np.ndarray:
    """Logits (examples, classes) float32, in the order of the texts."""
    device = next(model.parameters()).device
    model.eval()
    plan = batches.by_length(tokens.lengths, encoder.width)
    parts = [
        _logits(model, inputs, precision) for _, inputs in batches.to_device(tokens, encoder, device).in_batches(plan)
    ]
    logits = torch.cat(parts).cpu().numpy()
    return logits[np.argsort(np.concatenate(plan), kind="stable")]


def gradients(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    encoder: Encoder,
    tokens: Tokens,
    targets: np.ndarray,
    batch_size: int = 10,
) -> dict[str, Tensor]:
    """The gradient of the summed loss over the examples given, for each of `weights` (Section 3, "Impact").

    Without dropout and in float32, so that the same weights and examples give the same gradient.
    """
    device = next(model.parameters()).device
    wanted = torch.from_numpy(targets).to(device)
    loss_function = (nn.BCEWithLogitsLoss if wanted.dim() == 2 else nn.CrossEntropyLoss)(reduction="sum")
    model.zero_grad(set_to_none=True)
    plan = np.split(np.arange(len(tokens)), range(batch_size, len(tokens), batch_size))
    with _without_dropout(model):
        for places, inputs in batches.to_device(tokens, encoder, device).in_batches(plan):
            loss_function(model(**inputs).logits, wanted[places]).backward()
    found = {name: weight.grad.detach().clone() for name, weight in weights.items()}
    model.zero_grad(set_to_none=True)
    return found


@contextmanager
def _without_dropout(model: nn.Module):
    model.eval()
    for module in model.modules():
        # cuDNN computes gradients of recurrent layers only in training mode; ours have no dropout inside.
        if isinstance(module, nn.RNNBase):
            module.train()
    yield
    model.train()


def _logits(model: nn.Module, inputs: Mapping[str, Tensor], precision: torch.dtype) -> Tensor:
    """Logits (examples, classes), float32."""
    device = next(iter(inputs.values())).device
    with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
        return model(**inputs).logits.float()


def derive_seed(seed: int, phase: int, use: int = 0) -> int:
    """A seed of its own for each phase of a seed's training, and for each use of chance in it."""
    return int(np.random.SeedSequence((seed, phase, use)).generate_state(1)[0])


def _mean(losses: Tensor, epoch: int, learning_rate: float) -> float:
    if not torch.isfinite(losses).all():
        first = int((~torch.isfinite(losses)).nonzero()[0])
        step = (epoch - 1) * len(losses) + first + 1
        raise PielabError(
            f"the loss became {losses[first].item()} at step {step} (epoch {epoch}) with learning_rate = "
            f"{learning_rate:g}: lower learning_rate."
        )
    return losses.mean().item()
