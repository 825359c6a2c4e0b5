"""Self-regularisation: the best model so far is the teacher of the one being pruned (PINS, Ren and Zhu 2023)."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from pielab.training.tasks import TrainingTask, of_targets

TEMPERATURE = 2.0


def loss(logits: Tensor, taught: Tensor, targets: Tensor, task: TrainingTask | None = None) -> Tensor:
    """The mean over examples of a * KL(teacher || student) * TEMPERATURE^2 + (1 - a) * cross-entropy.

    a = 1 - H(student) / log(classes): the more certain the student is of an example, the more it learns from the
    teacher. No gradient flows through a. KL is between the two at TEMPERATURE.

    logits, taught: of student and teacher, (examples, classes). targets: class ids (examples,), or multi-hot
    (examples, classes) float: then each label is a choice of two, and H, KL and cross-entropy are means over labels.
    Of questions, starts and ends are examples, and the candidates of their question classes.
    task: by default the one that the shape of the targets tells.
    """
    task = task or of_targets(targets)
    log_p = task.log_probabilities(logits, targets)
    with torch.no_grad():
        certainty = _by_example(1 + task.total(log_p.exp() * log_p, targets) / task.log_choices(log_p, targets))
    student = task.log_probabilities(logits / TEMPERATURE, targets)
    teacher = task.log_probabilities(taught / TEMPERATURE, targets)
    divergence = functional.kl_div(student, teacher, log_target=True, reduction="none")
    divergence = task.total(divergence, targets) * TEMPERATURE**2
    cross_entropy = _by_example(task.loss(logits, targets, reduction="none"))
    return task.mean(certainty * _by_example(divergence) + (1 - certainty) * cross_entropy, targets)


def _by_example(values: Tensor) -> Tensor:
    """The mean over the labels of each example, (examples,), from (examples,) or (examples, labels)."""
    return values.reshape(len(values), -1).mean(-1)


class Teacher:
    """A copy of the latest model with the best validation score so far; None before the first."""

    def __init__(self, validate: Callable[[nn.Module], float], per_epoch: int = 1) -> None:
        """validate: the score of a model. per_epoch: how many times an epoch it is called, at most once a step."""
        self.validate, self.per_epoch = validate, per_epoch
        self.model: nn.Module | None = None
        self.score = -math.inf

    def after_step(self, model: nn.Module, step: int, steps: int) -> None:
        """Validate the model at evenly spread steps, the last of an epoch one of them; copy it if none was better.

        step, steps: of the epoch, from 1, and how many it has.
        """
        if step * self.per_epoch % steps < self.per_epoch:
            self._consider(model, self.validate(model))

    def _consider(self, model: nn.Module, score: float) -> None:
        if score < self.score:
            return
        self.score = score
        if self.model is None:
            self.model = copy.deepcopy(model).requires_grad_(False).eval()
        else:
            self.model.load_state_dict(model.state_dict())
