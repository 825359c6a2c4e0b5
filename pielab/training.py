"""The training loop, and what else needs a model on a device: predictions and gradients."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pielab.errors import PassingFault, PielabError
from pielab.pruning import apply_masks


class Encoder(Protocol):
    """Pads rows of token ids to one array of each of the model's inputs."""

    def batch(self, rows: Sequence[list[int]]) -> dict[str, np.ndarray]: ...


def choose_device(name: str = "auto") -> torch.device:
    """CUDA, else MPS, else the CPU; or the one that is named."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(each for each, there in present.items() if there)
    if not present.get(name):
        have = ", ".join(each for each, there in present.items() if there)
        raise PassingFault(f"device = {name!r} is not on this machine: it has {have}; auto chooses by itself.")
    return torch.device(name)


def train(
    model: nn.Module,
    encoder: Encoder,
    rows: Sequence[list[int]],
    targets: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    weights: Mapping[str, Tensor] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    on_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> list[float]:
    """Train the model in place; gives the mean loss of each epoch.

    Adam with a constant learning rate, gradients clipped to norm 1, cross-entropy for class ids (examples,) or
    binary cross-entropy for multi-hot targets (examples, classes) (paper, A.4 and Table 8).

    seed: fixes the order of the examples and the dropout.
    weights, masks: the prunable weights and which of them to keep. Pruned ones are zero before the first step and
        after every step, for Adam's running averages would move them even where the gradient is zero.

    Raises PielabError with the step if the loss is not finite.
    """
    device = next(model.parameters()).device
    masks = {name: mask.to(device) for name, mask in (masks or {}).items()}
    order = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
    targets = torch.from_numpy(targets)
    multi_label = targets.dim() == 2
    loss_function = nn.BCEWithLogitsLoss() if multi_label else nn.CrossEntropyLoss()
    if masks:
        apply_masks(weights, masks)
    model.train()
    history = []
    for epoch in range(1, epochs + 1):
        losses = []
        shuffled = order.permutation(len(rows))
        for start in range(0, len(rows), batch_size):
            chosen = shuffled[start : start + batch_size]
            batch = _on_device(encoder.batch([rows[index] for index in chosen]), device)
            loss = loss_function(model(**batch).logits, targets[chosen].to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if masks:
                apply_masks(weights, masks)
            losses.append(loss.detach())
        # Read once an epoch: reading each loss would make a GPU wait at every step.
        history.append(_mean(torch.stack(losses).cpu(), epoch, learning_rate))
        on_epoch(epoch, history[-1])
    return history


@torch.inference_mode()
def predict(model: nn.Module, encoder: Encoder, rows: Sequence[list[int]], batch_size: int = 256) -> np.ndarray:
    """Logits (examples, classes) float32, in the order of `rows`."""
    device = next(model.parameters()).device
    model.eval()
    # Texts of one length share a batch, so that little of it is padding.
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
    logits: list[np.ndarray] = [np.empty(0)] * len(rows)
    for start in range(0, len(rows), batch_size):
        chosen = order[start : start + batch_size]
        output = model(**_on_device(encoder.batch([rows[index] for index in chosen]), device)).logits
        for index, row in zip(chosen, output.float().cpu().numpy(), strict=True):
            logits[index] = row
    return np.stack(logits)


def gradients(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    encoder: Encoder,
    rows: Sequence[list[int]],
    targets: np.ndarray,
    batch_size: int = 10,
) -> dict[str, Tensor]:
    """The gradient of the summed loss over the examples given, for each of `weights` (Section 3, "Impact").

    Without dropout, so that the same weights and examples give the same gradient.
    """
    device = next(model.parameters()).device
    wanted = torch.from_numpy(targets).to(device)
    loss_function = (nn.BCEWithLogitsLoss if wanted.dim() == 2 else nn.CrossEntropyLoss)(reduction="sum")
    model.zero_grad(set_to_none=True)
    with _without_dropout(model):
        for start in range(0, len(rows), batch_size):
            batch = _on_device(encoder.batch(rows[start : start + batch_size]), device)
            loss_function(model(**batch).logits, wanted[start : start + batch_size]).backward()
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


def _on_device(batch: dict[str, np.ndarray], device: torch.device) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values).to(device) for name, values in batch.items()}


def _mean(losses: Tensor, epoch: int, learning_rate: float) -> float:
    if not torch.isfinite(losses).all():
        first = int((~torch.isfinite(losses)).nonzero()[0])
        step = (epoch - 1) * len(losses) + first + 1
        raise PielabError(
            f"the loss became {losses[first].item()} at step {step} (epoch {epoch}) with learning_rate = "
            f"{learning_rate:g}: lower learning_rate."
        )
    return losses.mean().item()
