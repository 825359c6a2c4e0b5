"""Where names are that had another place before pielab had packages; the old ones go on working.

That is `pielab.statistics.null(...)` in a script as well as `python -m pielab.plan` in a shell.
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

# Old names that are called otherwise now, or whose module has become a package.
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
    "models.BiLSTM": "models.classifier.BiLSTM",
    "models.build": "models.classifier.build",
    "models.count_parameters": "models.classifier.count_parameters",
    "models.encoder": "models.classifier.encoder",
    "paper.beside_published": "report.paper.compare_with_published",
    "pruning.random": "compression.masks.random_scores",
    "pruning.sparsity": "compression.masks.overall_sparsity",
    "published.beside": "data.published.compare",
    "records.readable": "store.records.checked_read",
    "report.draw": "report.page.draw",
    "report.show": "report.page.show",
    "report.write_index": "report.page.write_index",
    "statistics.halvings": "analysis.null.half_splits",
    "statistics.null": "analysis.null.estimate",
    "tables.in_paper_order": "analysis.results.sort_as_paper",
    "tables.rank": "analysis.results.pruner_order",
    "training.choose_device": "training.loop.choose_device",
    "training.gradients": "training.loop.gradients",
    "training.predict": "training.loop.predict",
    "training.train": "training.loop.train",
}

# Some of these modules are packages now, and are found without help.
OLD = {*MODULES, *(name.partition(".")[0] for name in NAMES)}


def find(old: str, name: str) -> Any:
    """What the old module `old` calls `name`; AttributeError if it never had that."""
    if moved := NAMES.get(f"{old}.{name}"):
        module, _, name = moved.rpartition(".")
        return getattr(importlib.import_module(f"pielab.{module}"), name)
    for module in MODULES.get(old, ()):
        found = importlib.import_module(f"pielab.{module}")
        if hasattr(found, name):
            return getattr(found, name)
    raise AttributeError(f"module 'pielab.{old}' has no attribute {name!r}")


def forward(old: str) -> Callable[[str], Any]:
    """The `__getattr__` of an old module."""
    return lambda name: find(old, name)


class OldModules:
    """Finds and loads an old module: an empty one, which forwards every name."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        package, _, old = name.rpartition(".")
        return ModuleSpec(name, OldModules) if package == "pielab" and old in MODULES else None

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        module.__getattr__ = forward(module.__name__.rpartition(".")[2])

    @staticmethod
    def get_code(name: str) -> CodeType:
        """For python -m."""
        spec = importlib.util.find_spec(f"pielab.{MODULES[name.rpartition('.')[2]][0]}")
        return spec.loader.get_code(spec.name)


sys.meta_path.append(OldModules)
