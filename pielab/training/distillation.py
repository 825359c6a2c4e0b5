"""Self-regularisation: the best model so far is the teacher of the one being pruned (PINS, Ren and Zhu 2023)."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 2.0


def loss(logits: Tensor, taught: Tensor, targets: Tensor) -> Tensor:
    """The mean over examples of a * KL(teacher || student) * TEMPERATURE^2 + (1 - a) * cross-entropy.

    a = 1 - H(student) / log(classes): the more certain the student is of an example, the more it learns from the
    teacher. No gradient flows through a. KL is between the two at TEMPERATURE.

    logits, taught: of student and teacher, (examples, classes). targets: class ids (examples,), or multi-hot
    (examples, classes) float: then each label is a choice of two, and H, KL and cross-entropy are means over labels.
    """
    multi_label = targets.dim() == 2
    log_p = _log_probabilities(logits, multi_label)
    with torch.no_grad():
        certainty = 1 + (log_p.exp() * log_p).sum(-1) / math.log(log_p.shape[-1])
    student = _log_probabilities(logits / TEMPERATURE, multi_label)
    teacher = _log_probabilities(taught / TEMPERATURE, multi_label)
    divergence = functional.kl_div(student, teacher, log_target=True, reduction="none").sum(-1) * TEMPERATURE**2
    if multi_label:
        certainty, divergence = certainty.mean(-1), divergence.mean(-1)
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)
    else:
        cross_entropy = functional.cross_entropy(logits, targets, reduction="none")
    return (certainty * divergence + (1 - certainty) * cross_entropy).mean()


def _log_probabilities(logits: Tensor, multi_label: bool) -> Tensor:
    """Of each class (examples, classes), or of yes and no for each label (examples, labels, 2)."""
    if multi_label:
        return torch.stack([functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1)
    return functional.log_softmax(logits, dim=-1)


class Teacher:
    """A copy of the latest model with the best validation score so far; None before the first."""

    def __init__(self) -> None:
        self.model: nn.Module | None = None
        self.score = -math.inf

    def consider(self, model: nn.Module, score: float) -> None:
        """Copy the model if no earlier one had a higher score."""
        if score < self.score:
            return
        self.score = score
        if self.model is None:
            self.model = copy.deepcopy(model).requires_grad_(False).eval()
        else:
            self.model.load_state_dict(model.state_dict())
