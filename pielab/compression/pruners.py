"""The pruners by name: the paper's eight (Section 3, Table 3, A.3), and others.

A pruner is a score, a schedule, a way to retrain, and a scope: the weights with the lowest scores of each matrix, or of
all of them, are pruned. Nothing here needs torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pielab.errors import PielabError


@dataclass(frozen=True)
class Pruner:
    """One row of Table 3, or of the tables below it.

    score: "magnitude", "impact", "random" or "importance"; the lowest are pruned.
    schedule: "iterative" (train, then three times prune and retrain), "at initialization" (prune, then train),
        "nested" (train, then prune and retrain once for each threshold, each time going on from the one before), or
        "gradual" (prune while it trains, pielab.gradual).
    retraining: what the weights that are left start from: "fine-tuning" keeps them, "rewinding" puts every weight
        back to its initial value. Where training comes after pruning, or with it, there is nothing to go back to.
    scope: "local" prunes the same share of each matrix, "global" ranks the weights of all matrices together.
    self_regularised: whether the best model so far teaches (pielab.regularisation).
    """

    score: str
    schedule: str
    retraining: str | None = None
    scope: str = "local"
    self_regularised: bool = False

    @property
    def starts_trained(self) -> bool:
        """Whether it starts from the trained, unpruned model of the same seed."""
        return self.schedule in {"iterative", "nested"}


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


# An approximation that the paper does not have: one trajectory passes through all thresholds, with one retraining for
# each instead of three, so that a model of 90 % has been a model of 70 %.
NESTED: dict[str, Pruner] = {
    f"{name}-nested": replace(each, schedule="nested") for name, each in PRUNERS.items() if each.schedule == "iterative"
}


# While a model trains: those of the PINS paper (Ren and Zhu 2023), and its gradual magnitude (Zhu and Gupta 2017).
GRADUAL: dict[str, Pruner] = {
    "PINS": Pruner("importance", "gradual", scope="global", self_regularised=True),
    "PINS-CE": Pruner("importance", "gradual", scope="global"),
    "GMP": Pruner("magnitude", "gradual", scope="global"),
}


# The paper's eight rank within a matrix, the gradual ones across all: each the other way, to tell scope from score.
SCOPED: dict[str, Pruner] = {
    **{f"{name}-global": replace(each, scope="global") for name, each in PRUNERS.items()},
    **{f"{name}-local": replace(each, scope="local") for name, each in GRADUAL.items()},
}


KNOWN: dict[str, Pruner] = PRUNERS | NESTED | GRADUAL | SCOPED


ITERATIONS = 3


def pruner(name: str) -> Pruner:
    """The pruner of that name; an unknown name raises PielabError with the known ones."""
    if name not in KNOWN:
        raise PielabError(f"no pruner is called {name!r}; there are {', '.join(KNOWN)}.")
    return KNOWN[name]


def sparsities(pruner: Pruner, target: float, levels: Sequence[float] = ()) -> list[float]:
    """The share pruned after each pruning step; iterations prune the same share of what is left (A.3).

    After step i of three it is 1 - (1 - target)^(i/3), so that the last is the target.
    levels: the shares that a nested pruner passes through; its steps are those below the target, and the target.
    """
    if not 0 < target < 1:
        raise PielabError(f"a sparsity of {target} is not possible: give a share above 0 and below 1.")
    if pruner.schedule in {"at initialization", "gradual"}:
        return [target]
    if pruner.schedule == "nested":
        return [*sorted(level for level in levels if level < target), target]
    return [*(1 - (1 - target) ** (step / ITERATIONS) for step in range(1, ITERATIONS)), target]
