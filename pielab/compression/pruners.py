"""The pruners by name: the paper's eight (Section 3, Table 3, A.3), and others; and their controls.

A pruner is a score, a schedule, a way to retrain, and a scope; it prunes the weights with the lowest scores of each
row, of each matrix, or of all matrices together. This module does not need torch.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pielab.errors import PielabError


@dataclass(frozen=True)
class Pruner:
    """One row of Table 3, or of the tables below it.

    score: "magnitude", "impact", "random", "importance" or "activation"; the lowest are pruned. "rounding" rounds every
        weight instead. None for a control, which goes through what a pruned model goes through, with nothing pruned. Of
        a user's own method, "module:function".
    schedule: "iterative" (train, then three times prune and retrain), "at initialization" (prune, then train),
        "nested" (train, then prune and retrain once for each threshold, each time going on from the one before),
        "gradual" (prune during training, pielab.compression.gradual), or "one-shot" (train, then compress, and do not
        retrain).
    retraining: the values from which the remaining weights are retrained: "fine-tuning" keeps them, "rewinding" resets
        every weight to its initial value. None if training comes after pruning, or with it, or not at all.
    scope: "local" prunes the same share of each matrix, "row" of each of its output rows, "global" ranks the weights of
        all matrices together.
    self_regularised: whether the best model so far is the teacher (pielab.training.distillation).
    """

    score: str | None
    schedule: str
    retraining: str | None = None
    scope: str = "local"
    self_regularised: bool = False

    @property
    def starts_trained(self) -> bool:
        """Whether pruning starts from the trained, unpruned model of the same seed."""
        return self.schedule in {"iterative", "nested", "one-shot"}

    @property
    def is_one_shot(self) -> bool:
        return self.schedule == "one-shot"

    @property
    def is_own(self) -> bool:
        """Whether it is a user's own function."""
        return self.score is not None and ":" in self.score

    @property
    def is_control(self) -> bool:
        return self.score is None

    @property
    def is_nested(self) -> bool:
        return self.schedule == "nested"


PRUNERS: dict[str, Pruner] = {
    "IIBP-WR": Pruner("impact", "iterative", "rewinding"),
    "IIBP-FT": Pruner("impact", "iterative", "fine-tuning"),
    "IBP-AI": Pruner("impact", "at initialization"),
    "IMP-WR": Pruner("magnitude", "iterative", "rewinding"),
    "IMP-FT": Pruner("magnitude", "iterative", "fine-tuning"),
    "MP-AI": Pruner("magnitude", "at initialization"),
    "IRP-FT": Pruner("random", "iterative", "fine-tuning"),
    "RP-AI": Pruner("random", "at initialization"),
}


# An approximation that is not in the paper: one trajectory passes through all thresholds, with one retraining for each
# instead of three, so that the model of 90 % has been that of 70 %.
NESTED: dict[str, Pruner] = {
    f"{name}-nested": replace(pruner, schedule="nested")
    for name, pruner in PRUNERS.items()
    if pruner.schedule == "iterative"
}


# Gradual pruners of the PINS paper (Ren and Zhu 2023), and its baseline of gradual magnitude (Zhu and Gupta 2017).
GRADUAL: dict[str, Pruner] = {
    "PINS": Pruner("importance", "gradual", scope="global", self_regularised=True),
    "PINS-CE": Pruner("importance", "gradual", scope="global"),
    "GMP": Pruner("magnitude", "gradual", scope="global"),
}


# The paper's eight rank within each matrix, the gradual ones across all. With the other scope, the effect of the scope
# can be told from that of the score.
SCOPED: dict[str, Pruner] = {
    **{f"{name}-global": replace(pruner, scope="global") for name, pruner in PRUNERS.items()},
    **{f"{name}-local": replace(pruner, scope="local") for name, pruner in GRADUAL.items()},
}


# These compress a trained model, which is not trained again. Wanda: Sun et al. 2024, "A simple and effective pruning
# approach for large language models", arXiv 2306.11695.
ONE_SHOT: dict[str, Pruner] = {
    "RTN": Pruner("rounding", "one-shot", scope="row"),
    "Magnitude": Pruner("magnitude", "one-shot"),
    "Wanda": Pruner("activation", "one-shot", scope="row"),
}


# A new pruner is one more entry here: PRUNERS stays the paper's table.
KNOWN: dict[str, Pruner] = PRUNERS | NESTED | GRADUAL | SCOPED | ONE_SHOT


# Trained like pruned models, with nothing pruned, to tell what training longer changes from what removing weights does.
CONTROLS: dict[str, Pruner] = {
    "control-FT": Pruner(None, "iterative", "fine-tuning"),
    "control-WR": Pruner(None, "iterative", "rewinding"),
    "control-nested": Pruner(None, "nested", "fine-tuning"),
    "control-gradual": Pruner(None, "gradual", self_regularised=True),
}

# Everything that 02_prune trains.
METHODS: dict[str, Pruner] = KNOWN | CONTROLS

ITERATIONS = 3


def pruner(name: str) -> Pruner:
    """The pruner or control of that name. Raises PielabError with the known names for any other."""
    if name not in METHODS:
        raise PielabError("unknown-pruner", f"no pruner is called {name!r}", f"give one of {', '.join(METHODS)}")
    return METHODS[name]


def is_own(name: Any) -> bool:
    """Whether this names a user's own function, as "module:function" does."""
    return isinstance(name, str) and re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name) is not None


def method_name(name: str) -> str:
    """The method as folders and tables name it: a pruner by its name, a user's own function by the function's."""
    return name.rpartition(":")[2] if is_own(name) else name


def of(values: Mapping[str, Any]) -> Pruner:
    """The pruner of a run's parameters or recipe: its name, and for a user's own schedule, retraining and scope."""
    name = values["pruner"]
    if not is_own(name):
        return pruner(name)
    schedule = values.get("schedule") or "one-shot"
    retraining = (values.get("retraining") or "fine-tuning") if schedule in {"iterative", "nested"} else None
    return Pruner(name, schedule, retraining, values.get("scope") or "local")


def control(given: Pruner, budget: str = "paper") -> str | None:
    """The name of a pruner's control; None if the unpruned models are trained alike, and so are the control themselves.

    Pruners at initialization and gradual ones train once, as the unpruned models do; PINS with a teacher besides. What
    is compressed without retraining was trained as they were. The last training after rewinding starts from the initial
    weights and is as long as theirs, unless the budget is equal.
    """
    if given.is_control or given.schedule in {"at initialization", "one-shot"}:
        return None
    if given.schedule == "gradual":
        return "control-gradual" if given.self_regularised else None
    if given.retraining == "rewinding":
        return "control-WR" if budget == "equal" else None
    return "control-nested" if given.is_nested else "control-FT"


def sparsities(pruner: Pruner, target: float, levels: Sequence[float] = ()) -> list[float]:
    """The share pruned after each pruning step; every iteration prunes the same share of the remaining weights (A.3).

    After step i of three it is 1 - (1 - target)^(i/3), so that the last is the target.
    levels: the shares that a nested pruner passes through; its steps are those below the target, and the target.

    Of a control, every share is 0. Raises PielabError if the target of any other is not above 0 and below 1.
    """
    if not pruner.is_control and not 0 < target < 1:
        raise PielabError(
            "impossible-sparsity", f"a sparsity of {target} is not possible", "give a share above 0 and below 1"
        )
    if pruner.schedule in {"at initialization", "gradual"}:
        return [target]
    if pruner.is_nested:
        shares = [*sorted(level for level in levels if level < target), target]
        return [0.0] * len(shares) if pruner.is_control else shares
    return [*(1 - (1 - target) ** (step / ITERATIONS) for step in range(1, ITERATIONS)), target]
