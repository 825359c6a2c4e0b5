"""Pruning while a model trains: PINS and PINS-CE (Ren and Zhu 2023), and gradual magnitude (Zhu and Gupta 2017).

Every few steps the weights are ranked and ever more of the lowest set to zero; before the final phase they may grow
back. The importance of a weight is the change of the loss when it is set to zero, beyond that of the next step of
gradient descent.
"""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from pielab.compression import pruners
from pielab.compression.masks import Scores, dense_masks, nth_lowest, prune
from pielab.compression.schedules import Schedule, sparsity_at


def importance(weight: Tensor, gradient: Tensor, learning_rate: float) -> Tensor:
    """|-w * g + lr * g^2|, element by element (PINS)."""
    return (learning_rate * gradient).sub_(weight).mul_(gradient).abs_()


class Gradual:
    """Prunes the weights of a model in place as it trains: call before_step and after_step around the optimizer's step.

    Holds three tensors for each matrix if the score is "importance" (the sum over the window and two running averages),
    and one mask if it is "magnitude".
    """

    def __init__(
        self, weights: Mapping[str, Tensor], pruner: pruners.Pruner, sparsity: float, steps: int, schedule: Schedule
    ):
        """steps: the optimizer's steps in the whole run. Raises PielabError if the schedule does not fit them."""
        self.weights, self.pruner, self.sparsity = weights, pruner, sparsity
        self.schedule, self.steps, self.step = schedule, steps, 0
        self.phases = schedule.phases(steps)
        self.thresholds: dict[str, Tensor] = {}
        self.masks: dict[str, Tensor] = {}
        if pruner.score == "importance":
            zeros = [{name: torch.zeros_like(weight) for name, weight in weights.items()} for _ in range(3)]
            self.window, self.average, self.uncertainty = zeros

    @torch.no_grad()
    def before_step(self, learning_rate: float) -> None:
        """Add the importance of the weights by this step's gradients to the window."""
        if self.pruner.score == "importance":
            for name, weight in self.weights.items():
                if weight.grad is not None:  # the loss depends on it
                    self.window[name] += importance(weight, weight.grad, learning_rate)

    @torch.no_grad()
    def after_step(self) -> None:
        """Set weights to zero by the schedule; after the last step, `masks` are the final ones (bool, on the CPU)."""
        self.step += 1
        first, last = self.phases
        window_ends = self.step % self.schedule.window == 0
        if window_ends and self.pruner.score == "importance":
            self._average()
        if self.step == self.steps:
            self._finish()
        elif self.step > first and (window_ends or self.step >= last):
            if window_ends or self.step == last:
                self._rank(sparsity_at(self.step, self.phases, self.sparsity))
            for name, weight in self.weights.items():
                weight.mul_(self.masks[name] if self.masks else self.score(name) > self.thresholds[name])

    def score(self, name: str) -> Tensor:
        """The scores of a matrix: |w|, or the average importance times its uncertainty."""
        if self.pruner.score == "importance":
            return self.average[name] * self.uncertainty[name]
        return self.weights[name].abs()

    def _average(self) -> None:
        """Update both running averages, which start at zero; the uncertainty is about the new average."""
        for name, summed in self.window.items():
            mean, average = summed / self.schedule.window, self.average[name]
            average.lerp_(mean, 1 - self.schedule.importance_beta)
            self.uncertainty[name].lerp_(mean.sub_(average).abs_(), 1 - self.schedule.uncertainty_beta)
            summed.zero_()

    def _rank(self, sparsity: float) -> None:
        """Set the threshold of each matrix, the highest pruned score; for magnitudes also the masks."""
        if self.pruner.scope == "global":
            threshold = _nth_lowest(torch.cat([self.score(name).flatten() for name in self.weights]), sparsity)
            self.thresholds = dict.fromkeys(self.weights, threshold)
        else:
            self.thresholds = {name: _nth_lowest(self.score(name).flatten(), sparsity) for name in self.weights}
        if self.pruner.score == "magnitude":  # the next step changes it, unlike importance
            self.masks = {name: self.score(name) > self.thresholds[name] for name in self.weights}

    def _finish(self) -> None:
        """Prune to exactly the final sparsity, even with ties."""
        scores, masks = Scores(self.weights, self.score), dense_masks(self.weights)
        self.masks = prune(scores, masks, self.sparsity, self.pruner.scope)
        for name, weight in self.weights.items():
            weight.mul_(self.masks[name].to(weight.device))


def _nth_lowest(scores: Tensor, share: float) -> Tensor:
    """The score that a share of all `scores` (scores,) does not exceed; -1 if that is none."""
    number = round(share * scores.numel())
    if not number:
        return scores.new_tensor(-1.0)
    if scores.device.type == "cpu":  # numpy takes a fifth of torch's time
        return scores.new_tensor(nth_lowest(scores.numpy(), number))
    return _nth_lowest_on_device(scores, number)


def _nth_lowest_on_device(scores: Tensor, number: int) -> Tensor:
    with warnings.catch_warnings():
        # On a GPU the index is not deterministic, but the value is.
        warnings.filterwarnings("ignore", message="kthvalue")
        return scores.kthvalue(number).values
