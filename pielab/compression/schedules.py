"""The epochs of pruned models, and the sparsity of gradual pruners over time."""

import itertools
import math
from dataclasses import dataclass

from pielab.compression.pruners import ITERATIONS, Pruner
from pielab.errors import PielabError


@dataclass(frozen=True)
class Schedule:
    """The schedule of a gradual pruner, and how it averages the importance.

    initial_phase, final_phase: the shares of all steps before the first pruning, and at the final sparsity.
    window: the steps over which the importance is averaged, and between two prunings before the final phase.
    importance_beta, uncertainty_beta: the decay of the two running averages, per window.
    """

    initial_phase: float
    final_phase: float
    window: int
    importance_beta: float
    uncertainty_beta: float

    def phases(self, steps: int) -> tuple[int, int]:
        """The last step of the initial phase and the first of the final one, in a run of `steps`.

        Raises PielabError if no window fits in between.
        """
        first, last = round(self.initial_phase * steps), steps - round(self.final_phase * steps)
        if last - first < self.window:
            raise PielabError(
                "window-too-long",
                f"window = {self.window} is longer than the {max(0, last - first)} steps between the initial and the "
                f"final phase of a run of {steps}",
                "lower window, initial_phase or final_phase, or raise epochs",
            )
        return first, last


def sparsity_at(step: int, phases: tuple[int, int], final: float) -> float:
    """The share pruned after a step, from 1: 0 up to the first of `phases`, `final` from the last, cubic in between.

    The kept share falls as (1 - final) + final * (1 - progress)^3 (Zhu and Gupta 2017, equation 1).
    """
    first, last = phases
    progress = min(max((step - first) / (last - first), 0.0), 1.0)
    return final * (1 - (1 - progress) ** 3)


def branch_epochs(epochs: int, budget: str) -> int:
    """The epochs of the unpruned training that iterative pruners start from.

    budget: "paper", all of it; or "equal", with which unpruned models train for as many epochs in all as pruned ones,
        and an iterative pruner branches off after the first of four equal parts; 0 if the epochs are too few for that.
    """
    return epochs if budget == "paper" else _parts(epochs)[0]


def phase_epochs(pruner: Pruner, phases: int, epochs: int, budget: str) -> list[int]:
    """The epochs of training after each of `phases` pruning steps.

    budget: "paper", `epochs` each, as in the unpruned training; or "equal", `epochs` in all, the shared ones included.

    Raises PielabError if the budget is "equal" and the pruner nested, or the epochs too few.
    """
    if budget == "paper" or not pruner.starts_trained:
        return [epochs] * phases
    if pruner.schedule == "nested":
        raise PielabError(
            "equal-budget-of-nested",
            "budget = 'equal' has no meaning for a nested pruner, whose models train the longer the more is pruned",
            "leave the nested pruners out, or give budget = 'paper'",
        )
    if epochs <= ITERATIONS:
        raise PielabError(
            "too-few-epochs-to-share",
            f"budget = 'equal' shares epochs = {epochs} among the {ITERATIONS + 1} trainings of an iterative pruner",
            f"give {ITERATIONS + 1} epochs or more",
        )
    return _parts(epochs)[1:]


def _parts(epochs: int) -> list[int]:
    """The epochs as evenly split as possible among the trainings of an iterative pruner."""
    ends = [epochs * part // (ITERATIONS + 1) for part in range(ITERATIONS + 2)]
    return [end - start for start, end in itertools.pairwise(ends)]


def early_epoch(epochs: int) -> int:
    """The epoch, counted from 1, after which EL2N is computed: the first beyond 30 % of all (Section 4.2)."""
    return math.floor(3 * epochs / 10) + 1
