"""Which examples change their answer when a language model is pruned, and is that more than retraining noise?

The names of `__all__` are modules, each loaded when it is first used, so that ``import pielab`` is quick and brings no
torch. docs/architecture.md shows the packages they are from.
"""

import importlib
from types import ModuleType

from pielab import _moved

__version__ = "0.1.0"

_MODULES = {
    "comparison": "analysis.comparison",
    "datasets": "data.datasets",
    "decomposition": "analysis.decomposition",
    "el2n": "analysis.examples.el2n",
    "errors": "errors",
    "explore": "report.explore",
    "figures": "report.figures",
    "importing": "data.importing",
    "masks": "compression.masks",
    "measures": "analysis.measures",
    "models": "models",
    "null": "analysis.null",
    "paper": "report.paper",
    "pies": "analysis.pies",
    "predictions": "store.predictions",
    "pruners": "compression.pruners",
    "readability": "analysis.examples.readability",
    "results": "analysis.results",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> ModuleType:
    if name not in _MODULES and name not in _moved.OLD:
        raise AttributeError(f"module 'pielab' has no attribute {name!r}; it has {', '.join(__all__)}")
    module = importlib.import_module(f"pielab.{_MODULES.get(name, name)}")
    if name in _moved.OLD and not hasattr(module, "__getattr__"):
        module.__getattr__, _ = _moved.forward(name)  # type: ignore[method-assign]  # as PEP 562 has it
    return module


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
