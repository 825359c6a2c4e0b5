"""A user's own function, named "module:function": read without running it, and run because its user named it.

It scores the weights of a matrix (`score(weights, gradients, activations)`), or it compresses a model
(`compress(model, setting, batches)`); it takes what it needs of these, by name. docs/own-methods.md has an example of
each.
"""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from pielab.compression.pruners import Pruner
from pielab.errors import PielabError
from pielab.store import paths, settings

OF_SCORE = ("weights", "gradients", "activations")
OF_COMPRESSOR = ("model", "setting", "batches")
SIGNATURES = f"a score takes some of {', '.join(OF_SCORE)}, and a compressor model and some of setting, batches"


@dataclass(frozen=True)
class OwnFunction:
    """A function in a user's file.

    name: "module:function". path: the file. content: as it was read, which is what runs, and what the digest is of, if
        the file changes meanwhile. takes: the names of the function's parameters.
    """

    name: str
    path: Path
    content: bytes = field(repr=False)
    takes: tuple[str, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:16]

    @property
    def is_compressor(self) -> bool:
        return "model" in self.takes


def read(name: str) -> OwnFunction:
    """The function of that name, found without running its file: in the working directory, the project, or installed.

    Raises PielabError if there is no such file or function, or if it takes something else.
    """
    module, _, function = name.partition(":")
    path = _file_of(module)
    if path is None:
        raise PielabError(
            "no-such-module",
            f"{name} was given, and there is no {module.replace('.', '/')}.py in "
            f"{' or '.join(map(str, dict.fromkeys((Path.cwd(), paths.root()))))}, nor an installed module {module}",
            f"put the file there, with a function {function} in it",
        )
    content = path.read_bytes()
    try:
        defined = [node for node in ast.parse(content).body if isinstance(node, ast.FunctionDef)]
    except (SyntaxError, ValueError) as error:
        raise PielabError("module-not-python", f"{path} is not Python ({error})", "correct it") from None
    found = next((node for node in reversed(defined) if node.name == function), None)
    if found is None:
        there = ", ".join(node.name for node in defined) or "none"
        raise PielabError(
            "no-such-function",
            f"{path} defines no function {function} (it defines {there})",
            f"define it there; {SIGNATURES}",
        )
    required = [*found.args.posonlyargs, *found.args.args, *found.args.kwonlyargs]
    takes = tuple(argument.arg for argument in required)
    accepted = OF_COMPRESSOR if "model" in takes else OF_SCORE
    if not takes or found.args.posonlyargs or not set(takes) <= set(accepted):
        raise PielabError(
            "function-of-other-parameters",
            f"{name} takes {', '.join(takes) or 'nothing'}",
            f"name its parameters so that pielab knows what to give: {SIGNATURES}",
        )
    return OwnFunction(name, path, content, takes)


def check(own: OwnFunction, method: Pruner, setting: float | str, *beside: str | None) -> None:
    """Raise PielabError if what is given beside a function does not go with it.

    beside: schedule, retraining and scope as they were given, None for any that was not.
    """
    if own.is_compressor:
        if any(given is not None for given in beside):
            raise PielabError(
                "compressor-with-schedule",
                f"{own.name} compresses a model, and schedule, retraining or scope was given",
                "leave these out; they are for a score of yours",
            )
        return
    is_share = isinstance(setting, float) and 0 < setting < 100
    if not is_share and not (settings.pattern(setting) and method.is_one_shot):
        raise PielabError(
            "no-setting-of-a-score",
            f"threshold = {setting!r} was given for the score {own.name}",
            "give a percentage of the weights above 0 and below 100, or, without retraining, a pattern such as 2:4",
        )


def load(own: OwnFunction) -> Callable:
    """Run the content of the user's file and return the function; an error in it is raised as Python does."""
    module = _run(own)
    function = getattr(module, own.name.partition(":")[2], None)
    if not callable(function):
        raise PielabError(
            "no-function-once-run",
            f"{own.name.partition(':')[2]} of {own.path} is no function once the file has run",
            f"define it there; {SIGNATURES}",
        )
    return function


def _run(own: OwnFunction) -> ModuleType:
    # Under a name of its own, so that a file random.py hides no module; imports beside it work as in a script.
    module_name = f"_pielab_own_{own.digest}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    module = ModuleType(module_name)
    module.__file__ = str(own.path)
    sys.modules[module_name] = module
    sys.path.append(str(own.path.parent))
    try:
        exec(compile(own.content, own.path, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[module_name]
        raise
    finally:
        sys.path.remove(str(own.path.parent))
    return module


def _file_of(module: str) -> Path | None:
    """The file of a module; of an installed package, without importing it."""
    relative = Path(*module.split("."))
    for folder in dict.fromkeys((Path.cwd(), paths.root())):
        if (path := folder / relative.with_suffix(".py")).is_file():
            return path
    try:
        top = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    if top is None or not top.has_location or not top.origin:
        return None
    if "." not in module:
        return Path(top.origin) if top.origin.endswith(".py") else None
    for folder in map(Path, top.submodule_search_locations or ()):
        inside = folder.joinpath(*relative.parts[1:])
        for path in (inside.with_suffix(".py"), inside / "__init__.py"):
            if path.is_file():
                return path
    return None
