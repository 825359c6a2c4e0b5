"""The trajectory of a seed: its start, prunings and epochs; and the sparsity of gradual pruners over time."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from pielab.compression.pruners import ITERATIONS, Pruner, sparsities
from pielab.errors import PielabError
from pielab.store import settings


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


@dataclass(frozen=True)
class Step:
    """One pruning of a seed, and the training that follows.

    sparsity: the share pruned, 0 for none. epochs: of the training. threshold: of the configuration, in percent, whose
        seed the model then is; None in between.
    """

    sparsity: float
    epochs: int
    threshold: float | str | None = None


@dataclass(frozen=True)
class Trajectory:
    """How a seed gets from its start to its configuration.

    start: "initial" (the initial state), "unpruned" (the trained weights of the unpruned seed), or "branch" (those
        after some of its epochs). start_epochs: the epochs of unpruned training before the start.
    """

    start: str
    start_epochs: int
    steps: tuple[Step, ...]

    @property
    def epochs(self) -> int:
        """The epochs of training after the start."""
        return sum(step.epochs for step in self.steps)

    @property
    def own_steps(self) -> tuple[Step, ...]:
        """The steps after the last one that is also the seed of another configuration."""
        shared = [number for number, step in enumerate(self.steps[:-1], start=1) if step.threshold is not None]
        return self.steps[max(shared, default=0) :]


def trajectory(pruner: Pruner, threshold: float | str, levels: Sequence[float], epochs: int, budget: str) -> Trajectory:
    """The trajectory of a pruner to a threshold, in percent, or of a one-shot method to its setting.

    levels: the thresholds of a nested pruner; those below its own are seeds of other configurations on the way.
    epochs: of the unpruned training. budget: "paper", as many after each pruning; or "equal", as many in all, the
        unpruned ones before the start included.

    Raises PielabError if the pruner cannot have that budget, or the sparsity is not possible.
    """
    target = share(pruner, threshold)
    if pruner.is_one_shot:
        return Trajectory("unpruned", epochs, (Step(target, 0, threshold),))
    lower = sorted(level for level in levels if level / 100 < target) if pruner.is_nested else []
    shares = sparsities(pruner, target, [level / 100 for level in lower])
    thresholds: list[float | str | None] = [*lower, *[None] * (len(shares) - 1 - len(lower)), threshold]
    parts = [epochs] * len(shares)
    start, start_epochs = ("unpruned", epochs) if pruner.starts_trained else ("initial", 0)
    if budget == "equal" and pruner.starts_trained:
        start, start_epochs, parts = "branch", branch_epochs(epochs), _parts_after_branch(pruner, epochs)
    return Trajectory(start, start_epochs, tuple(map(Step, shares, parts, thresholds)))


def share(method: Pruner, setting: float | str) -> float:
    """The share of the prunable weights that a setting prunes: 0 if the method does not prune, but rounds them."""
    if kept := settings.pattern(setting):
        return 1 - kept[0] / kept[1]
    return 0.0 if isinstance(setting, str) or method.score == "rounding" else setting / 100


def branch_epochs(epochs: int) -> int:
    """With an equal budget, the epochs of unpruned training after which iterative pruners branch off: a quarter.

    0 if there are fewer than four epochs.
    """
    return epochs // (ITERATIONS + 1)


def _parts_after_branch(pruner: Pruner, epochs: int) -> list[int]:
    """The epochs after each pruning with an equal budget; PielabError for a nested pruner, or too few epochs."""
    if pruner.is_nested:
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
    ends = [epochs * part // (ITERATIONS + 1) for part in range(1, ITERATIONS + 2)]
    return [end - start for start, end in itertools.pairwise(ends)]


def early_epoch(epochs: int) -> int:
    """The epoch, counted from 1, after which EL2N is computed: the first beyond 30 % of all (Section 4.2)."""
    return 3 * epochs // 10 + 1
