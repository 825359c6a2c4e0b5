"""The training loop, predictions and gradients: everything that runs a model on a device."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from pielab.compression.gradual import Gradual
from pielab.compression.masks import apply_masks
from pielab.errors import PielabError, TransientError
from pielab.models import batches
from pielab.models.batches import Batch, Encoder
from pielab.models.tokens import Tokens
from pielab.training import distillation, precisions
from pielab.training.tasks import TrainingTask, of_targets

# All but cuDNN's, which plans anew for every width of a batch: on an H100, training on texts as long as IMDB's took
# 146 ms a step with it and 58 ms without.
ATTENTION = [
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
    SDPBackend.OVERRIDEABLE,
]


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name, or CUDA, else MPS, else the CPU for "auto"; TransientError if the machine lacks it."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    available = [device for device, is_present in present.items() if is_present]
    if name not in ("auto", *available):
        raise TransientError(
            "no-such-device",
            f"device = {name!r} is not on this machine",
            f"it has {', '.join(available)}; auto chooses by itself",
        )
    return torch.device(available[0] if name == "auto" else name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """The precision of that name; "auto" is bfloat16 on a GPU that supports it, and else float32."""
    if name == "auto":
        has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float32
    return getattr(torch, name)


def device_name(device: torch.device) -> str:
    """What a record calls a device: the name of a GPU, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def finished_at(device: torch.device) -> float:
    """The time in seconds, of no particular clock, once the device has done all that it was given."""
    if device.type in {"cuda", "mps"}:
        getattr(torch, device.type).synchronize()
    return time.perf_counter()


@contextmanager
def _without_subnormals() -> Iterator[None]:
    """Flush numbers below 1e-38 to zero.

    An LSTM's gradients get as small over hundreds of padding tokens, and a CPU computes with them many times slower.
    """
    before = bool((torch.tensor([1e-40]) * 1 == 0).item())
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        # Other code of the process, numpy's included, expects subnormal numbers.
        torch.set_flush_denormal(before)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch dropout off inside; afterwards each module is in its mode before, after an exception too."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@_without_subnormals()
@sdpa_kernel(ATTENTION)
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
    weights: Mapping[str, Tensor] = MappingProxyType({}),
    masks: Mapping[str, Tensor] = MappingProxyType({}),
    gradual: Gradual | None = None,
    teacher: distillation.Teacher | None = None,
    task: TrainingTask | None = None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> list[float]:
    """Train the model in place; returns the mean loss of each epoch.

    Adam, by default with a constant learning rate; gradients clipped to norm 1; cross-entropy for class ids (examples,)
    or binary cross-entropy for multi-hot targets (examples, classes) (paper, A.4 and Table 8). Of tagged words, targets
    are tag ids (words,); of questions and of texts to generate, those of `TrainingTask.gold`.

    seed: fixes the order of the examples and the dropout.
    bucketed: texts of like length share a batch, if the encoder pads to the longest of a batch.
    precision: float32, or bfloat16 by autocast, with weights and loss in float32.
    warmup, decay: the share of the steps in which the learning rate rises from 0, and whether it then falls to 0
        ("linear") or stays ("none"). weight_decay: AdamW's; 0 is Adam.
    weights, masks: the prunable weights, and masks that are True where a weight is kept. Pruned weights are set to zero
        before the first step and after every step, because Adam's running averages would move them even if their
        gradient is zero.
    task: gives the loss; by default the task that the shape of the targets tells.
    gradual: prunes the weights around the optimizer's steps. teacher: changes the loss to that of
        `distillation.loss` from the step after it first has a model.
    on_epoch: called after each epoch with its number, from 1, and its mean loss.

    Raises PielabError with the step if the loss is not finite, or if the device cannot compute in the precision.
    """
    precisions.check(model, precision)
    device = next(model.parameters()).device
    masks = {name: mask.to(device, weights[name].dtype) for name, mask in masks.items()}
    texts = batches.to_device(tokens, encoder, device)
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimizer = _optimizer(model, learning_rate, weight_decay)
    rates = None
    if warmup or decay != "none":
        steps = epochs * -(-len(tokens) // batch_size)
        rate = partial(rate_at, steps=steps, warmup=warmup, decay=decay)
        rates = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    task, gold = task or of_targets(targets), torch.from_numpy(targets).to(device)
    if masks:
        apply_masks(weights, masks)
    history = []
    for epoch in range(1, epochs + 1):
        model.train()
        losses = []
        if bucketed and encoder.width is None:
            plan = batches.bucketed(tokens.lengths, batch_size, random)
        else:
            plan = batches.shuffled(len(tokens), batch_size, random)
        for step, batch in enumerate(texts.in_batches(plan), start=1):
            outputs, batch_targets = logits(model, batch, precision), gold[batch.places]
            if teacher and teacher.model:
                with torch.no_grad():
                    taught = logits(teacher.model, batch, precision)
                loss = distillation.loss(outputs, taught, batch_targets, task)
            else:
                loss = task.loss(outputs, batch_targets)
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
            if teacher:
                teacher.after_step(model, step, len(plan))
            losses.append(loss.detach())
        # Read once an epoch, because reading a loss makes a GPU wait.
        history.append(_mean(torch.stack(losses).cpu(), epoch, learning_rate))
        on_epoch(epoch, history[-1])
    return history


def rate_at(step: int, steps: int, warmup: float, decay: str) -> float:
    """The factor of the learning rate at a step, counted from 0: rising from 0, then constant or falling to 0."""
    first = round(warmup * steps)
    if step < first:
        return step / first
    return max(0.0, (steps - step) / (steps - first)) if decay == "linear" else 1.0


def _optimizer(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """Adam, or AdamW without weight decay of biases and norms, as is usual."""
    if not weight_decay:
        return torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


@torch.inference_mode()
@sdpa_kernel(ATTENTION)
def predict(
    model: nn.Module,
    encoder: Encoder,
    tokens: Tokens,
    precision: torch.dtype = torch.float32,
    batch_size: int | None = None,
    on_batch: Callable[[int], None] = lambda texts: None,
) -> np.ndarray:
    """Logits (examples, classes) float32, in the order of the texts; of tagged words, (words, tags); of questions,
    (candidates, 2).

    batch_size: texts in a batch; by default, as many as are quick. on_batch: called with the texts of each batch.

    Raises PielabError if the device cannot compute in the precision.
    """
    precisions.check(model, precision)
    device = next(model.parameters()).device
    plan = batches.by_length(tokens.lengths, encoder.width, batch_size)
    texts = batches.to_device(tokens, encoder, device)
    with evaluating(model):
        parts, places = [], []
        for batch, chosen in zip(texts.in_batches(plan), plan, strict=True):
            parts.append(logits(model, batch, precision))
            places.append(batch.places)
            on_batch(len(chosen))
        found = torch.cat(parts).cpu().numpy()
    return found[np.argsort(torch.cat(places).cpu().numpy(), kind="stable")]


@sdpa_kernel(ATTENTION)
def gradients(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    encoder: Encoder,
    tokens: Tokens,
    targets: np.ndarray,
    batch_size: int = 10,
    task: TrainingTask | None = None,
) -> dict[str, Tensor]:
    """The gradient of the loss, summed over the examples, with respect to each of `weights` (Section 3, "Impact").

    Without dropout and in float32, so that the same weights and examples give the same gradient; zero for weights that
    the logits do not depend on, such as those of BigBird's pooler. task: as in `train`.
    """
    device = next(model.parameters()).device
    task, gold = task or of_targets(targets), torch.from_numpy(targets).to(device)
    model.zero_grad(set_to_none=True)
    plan = np.split(np.arange(len(tokens)), range(batch_size, len(tokens), batch_size))
    with evaluating(model):
        for module in model.modules():
            # cuDNN computes gradients of recurrent layers in training mode alone; the BiLSTM's have no dropout.
            if isinstance(module, nn.RNNBase):
                module.train()
        for batch in batches.to_device(tokens, encoder, device).in_batches(plan):
            outputs = batch.outputs(batches.logits(model(**batch.inputs)))
            task.loss(outputs, gold[batch.places], reduction="sum").backward()
    summed = {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.detach().clone()
        for name, weight in weights.items()
    }
    model.zero_grad(set_to_none=True)
    return summed


def computing_in(precision: torch.dtype, device: torch.device) -> torch.autocast:
    """Compute in the precision inside."""
    return torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32)


def logits(model: nn.Module, batch: Batch, precision: torch.dtype) -> Tensor:
    """Logits (outputs, classes) of a batch, float32."""
    with computing_in(precision, batch.places.device):
        return batch.outputs(batches.logits(model(**batch.inputs))).float()


def derive_seed(seed: int, phase: int, use: int = 0) -> int:
    """The random seed of one use of chance in one phase of a model seed, independent of all others.

    phase: 0 for the unpruned training, or the number of the pruning step, from 1. use: 0 for training, 1 for scores.
    """
    return int(np.random.SeedSequence((seed, phase, use)).generate_state(1)[0])


def _mean(losses: Tensor, epoch: int, learning_rate: float) -> float:
    """The mean of an epoch's losses (steps,); PielabError if one is not finite."""
    if not torch.isfinite(losses).all():
        first = int((~torch.isfinite(losses)).nonzero()[0])
        step = (epoch - 1) * len(losses) + first + 1
        raise PielabError(
            "loss-not-finite",
            f"the loss became {losses[first].item()} at step {step} (epoch {epoch}) with learning_rate = "
            f"{learning_rate:g}",
            "lower learning_rate",
        )
    return losses.mean().item()
