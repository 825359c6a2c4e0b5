"""Self-regularisation: the best model so far teaches the one that is being pruned (PINS, Ren and Zhu 2023)."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 2.0


def loss(logits: Tensor, taught: Tensor, targets: Tensor) -> Tensor:
    """The mean over examples of a * KL(teacher || student) * TEMPERATURE^2 + (1 - a) * cross-entropy.

    a = 1 - H(student) / log(classes), so that the surer a student is of an example, the more it learns from the
    teacher; no gradient flows through a. KL is of both at the temperature of 2.

    logits, taught: of student and teacher, (examples, classes). targets: class ids (examples,), or multi-hot
    (examples, classes) float: then each label is a choice of two, and H, KL and cross-entropy are means over labels.
    """
    several = targets.dim() == 2
    student = _log_probabilities(logits, several)
    choices = student.shape[-1]
    with torch.no_grad():
        sure = 1 + (student.exp() * student).sum(-1) / math.log(choices)
    soft, wanted = (_log_probabilities(each / TEMPERATURE, several) for each in (logits, taught))
    divergence = functional.kl_div(soft, wanted, log_target=True, reduction="none").sum(-1) * TEMPERATURE**2
    if several:
        sure, divergence = sure.mean(-1), divergence.mean(-1)
        plain = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)
    else:
        plain = functional.cross_entropy(logits, targets, reduction="none")
    return (sure * divergence + (1 - sure) * plain).mean()


def _log_probabilities(logits: Tensor, several: bool) -> Tensor:
    """(examples, classes), or (examples, labels, 2) of yes and no."""
    if several:
        return torch.stack([functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1)
    return functional.log_softmax(logits, dim=-1)


class Teacher:
    """The latest model with the best validation score so far; there is none before the first."""

    def __init__(self) -> None:
        self.model: nn.Module | None = None
        self.score = -math.inf

    def consider(self, model: nn.Module, score: float) -> None:
        """Keep a copy of a model that is as good as any before."""
        if score < self.score:
            return
        self.score = score
        if self.model is None:
            self.model = copy.deepcopy(model).requires_grad_(False).eval()
        else:
            self.model.load_state_dict(model.state_dict())
