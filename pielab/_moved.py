"""Where names are that had another place before pielab had packages; the old ones go on working.

That is `pielab.statistics.null(...)` in a script as well as `python -m pielab.plan`, for `pielab plan`, in a shell.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

# An old module, and where its names are now, the nearest first.
MODULES: dict[str, tuple[str, ...]] = {
    "assets": ("data.assets", "store.cache"),
    "bring": ("data.importing",),
    "cards": ("data.data_card",),
    "comparison": ("analysis.comparison",),
    "datasets": ("data.datasets",),
    "explore": ("report.explore",),
    "figures": ("report.figures",),
    "influence": ("analysis.examples.el2n",),
    "measures": ("analysis.measures",),
    "paper": ("report.paper",),
    "parameters": ("config.parameters", "config.validation"),
    "pies": ("analysis.pies",),
    "plan": ("jobs.plan",),
    "predictions": ("store.predictions", "data.tasks"),
    "pruning": ("compression.masks", "compression.pruners"),
    "published": ("data.published",),
    "readability": ("analysis.examples.readability",),
    "records": ("store.records",),
    "runs": ("training.runs", "training.experiment"),
    "statistics": ("analysis.null",),
    "status": ("jobs.status",),
    "tables": ("analysis.results",),
    "tuning": ("training.tuning",),
}

# Old names that are called otherwise now.
NAMES: dict[str, str] = {
    "analysis.classes": "analysis.examples.classes.by_configuration",
    "analysis.el2n": "analysis.examples.el2n.by_configuration",
    "analysis.el2n_scores": "analysis.examples.el2n.scores",
    "analysis.error_norms": "analysis.examples.el2n.error_norms",
    "analysis.read": "analysis.results.read_pair_tables",
    "analysis.readability_ratios": "analysis.examples.readability.by_configuration",
    "analysis.save": "analysis.results.save_pair_table",
    "cards.beside_published": "data.data_card.compare_with_published",
    "cards.card": "data.data_card.data_card",
    "cards.counts": "data.data_card.class_counts",
    "comparison.figure": "report.figures.comparison",
    "comparison.readable": "analysis.comparison.format_table",
    "explore.surest": "report.explore.top_rows",
    "influence.early_epoch": "compression.schedules.early_epoch",
    "measures.beside_null": "analysis.measures.compare_with_null",
    "paper.beside_published": "report.paper.compare_with_published",
    "parameters.digest": "store.records.digest",
    "pruning.random": "compression.masks.random_scores",
    "pruning.sparsity": "compression.masks.overall_sparsity",
    "published.beside": "data.published.compare",
    "readability.MANY": "analysis.examples.readability.PARALLEL_FROM",
    "records.readable": "store.records.checked_read",
    "statistics.halvings": "analysis.half_splits.half_splits",
    "statistics.null": "analysis.null.estimate",
    "tables.in_paper_order": "analysis.results.sort_as_paper",
    "tables.rank": "analysis.results.pruner_order",
    "training.derive": "training.loop.derive_seed",
}

# Names that stayed the same, of modules that have become packages: which of its modules has them.
NAMES |= {
    f"{package}.{name}": f"{package}.{module}.{name}"
    for package, module, kept in [
        ("models", "classifier", "BiLSTM FullPrecision Output build count_parameters encoder"),
        ("report", "page", "NOTES TABLES draw main show write_index"),
        ("training", "loop", "choose_device choose_precision gradients predict rate_at train"),
    ]
    for name in kept.split()
}


def _without_data(function: Callable) -> Callable:
    return lambda p, data, scores: function(p, scores)


def _with_resamples(function: Callable) -> Callable:
    """Takes the argument that is n_splits and n_bootstrap now, as far as the function has them."""
    import inspect  # which takes longer to import than all of this

    names = {"n_splits", "n_bootstrap"}.intersection(inspect.signature(function).parameters)

    def call(*args: Any, resamples: int | None = None, **options: Any) -> Any:
        return function(*args, **({} if resamples is None else dict.fromkeys(names, resamples)), **options)

    return call


def _with_task_name(function: Callable) -> Callable:
    return lambda *args: function(*args[:3], "multi-label" if args[3] else "single-label")


# How to call what had other arguments.
ARGUMENTS: dict[str, Callable[[Callable], Callable]] = {
    "analysis.el2n": _without_data,
    "cards.save": _with_task_name,
    "readability.matched_ratios": _with_resamples,
    "readability.ratios": _with_resamples,
    "statistics.by_models_per_side": _with_resamples,
    "statistics.difference": _with_resamples,
    "statistics.effectiveness_on_pies": _with_resamples,
    "statistics.excess_by_group": _with_resamples,
    "statistics.null": _with_resamples,
    "statistics.seed_interval": _with_resamples,
}

# Some of these modules are packages now, and are found without help.
OLD = {*MODULES, *(name.partition(".")[0] for name in NAMES)}


def find(old: str, name: str) -> Any:
    """What the old module `old` calls `name`; AttributeError if it never had that."""
    places = [f"{module}.{name}" for module in MODULES.get(old, ())]
    if f"{old}.{name}" in NAMES:
        places = [NAMES[f"{old}.{name}"]]
    for place in places:
        module, _, attribute = place.rpartition(".")
        names = vars(importlib.import_module(f"pielab.{module}"))
        if attribute in names:
            return ARGUMENTS.get(f"{old}.{name}", lambda function: function)(names[attribute])
    raise AttributeError(f"module 'pielab.{old}' has no attribute {name!r}")


def names(old: str) -> list[str]:
    """What `find` finds of the old module `old`, for completion in a notebook."""
    moved = [name.partition(".")[2] for name in NAMES if name.startswith(f"{old}.")]
    modules = [importlib.import_module(f"pielab.{module}") for module in MODULES.get(old, ())]
    return sorted({*moved, *(name for module in modules for name in vars(module) if not name.startswith("_"))})


def forward(old: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of an old module."""
    return lambda name: find(old, name), lambda: names(old)


class OldModules:
    """Finds and loads an old module: an empty one, which forwards every name.

    It derives from no loader of importlib.abc, whose import would take as long as that of pielab.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, old = name.rpartition(".")
        is_old = package == "pielab" and old in MODULES
        return ModuleSpec(name, OldModules) if is_old else None  # type: ignore[arg-type]  # it has what a loader needs

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        of_old = forward(module.__name__.rpartition(".")[2])
        module.__getattr__, module.__dir__ = of_old  # type: ignore[method-assign]  # as PEP 562 has it

    @staticmethod
    def get_code(name: str) -> CodeType:
        """For python -m."""
        spec: Any = importlib.util.find_spec(f"pielab.{MODULES[name.rpartition('.')[2]][0]}")
        return spec.loader.get_code(spec.name)


sys.meta_path.append(OldModules)
