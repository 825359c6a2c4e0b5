"""Which examples change their answer when a language model is pruned, and is that more than retraining noise?

Every module is loaded when it is first used, so that ``import pielab`` is quick and brings no torch.
"""

import importlib

__version__ = "0.1.0"

__all__ = [
    "assets",
    "ballots",
    "batches",
    "bring",
    "cards",
    "checks",
    "classes",
    "comparison",
    "corpora",
    "datasets",
    "encoding",
    "errors",
    "experiment",
    "explore",
    "faults",
    "figures",
    "files",
    "glue",
    "gpus",
    "gradual",
    "influence",
    "measures",
    "models",
    "pages",
    "paper",
    "parameters",
    "pies",
    "plan",
    "predictions",
    "pruned",
    "pruners",
    "pruning",
    "published",
    "readability",
    "records",
    "regularisation",
    "report",
    "runs",
    "schedules",
    "seed",
    "sizes",
    "states",
    "statistics",
    "status",
    "study",
    "tables",
    "tally",
    "tasks",
    "tokens",
    "training",
    "tuning",
    "vectors",
    "words",
    "workers",
]


def __getattr__(name: str):
    if name in __all__:
        return importlib.import_module(f"pielab.{name}")
    raise AttributeError(f"module 'pielab' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
