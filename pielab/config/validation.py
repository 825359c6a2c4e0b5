"""What a user gave against the parameters there are, and the sentence for each that is not accepted."""

import difflib
import types
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic import BaseModel

from pielab.config.parameters import NOTEBOOKS, JobParameters, Parameters
from pielab.errors import PielabError

# What was one parameter of 03 to 05 with three meanings; params files and scripts may have it still.
OLD_NAMES = {"resamples": ("n_splits", "n_bootstrap")}


def current_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters under the names of today; an old name sets every parameter that it has become."""
    renamed = {new: given[old] for old, names in OLD_NAMES.items() if old in given for new in names}
    return {name: value for name, value in given.items() if name not in OLD_NAMES} | renamed


def check(notebook: str, names: Mapping[str, Any]) -> Any:
    """The parameters of a notebook, checked: `check("02_prune", globals())` is each notebook's first call.

    papermill only warns of a parameter that the notebook does not have, and passes values as they come. So
    everything that was set before this call is compared with what the notebook knows, by name and by type. What
    belongs to another notebook is left alone, so that one params/ file serves them all.

    Raises PielabError with one line for each name that is not a parameter, is missing, or has a value that is
    not accepted.
    """
    kind = NOTEBOOKS[notebook]
    given = current_names({name: value for name, value in names.items() if _may_be_parameter(name, value)})
    elsewhere = {name for other in (*NOTEBOOKS.values(), JobParameters) for name in other.model_fields}
    # Run again in the same kernel, the names of later cells are there too; only what looks like a slip is one.
    again = any(isinstance(value, Parameters) for value in names.values())
    ignored = {
        name
        for name in given
        if name not in kind.model_fields
        and (name in elsewhere or (again and not difflib.get_close_matches(name, kind.model_fields, cutoff=0.8)))
    }
    return validate(kind, {name: value for name, value in given.items() if name not in ignored}, notebook)


def validate(kind: type[BaseModel], given: Mapping[str, Any], where: str) -> Any:
    """The parameters `given` as a `kind`; errors name `where` they were given."""
    try:
        return kind(**given)
    except pydantic.ValidationError as error:
        faults = {str(each["loc"][0]): each for each in error.errors()}
    lines = [_sentence(kind, name, each["type"], given, where) for name, each in faults.items()]
    raise PielabError("\n".join(lines))


def _sentence(kind: type[BaseModel], name: str, fault: str, given: Mapping[str, Any], where: str) -> str:
    known = list(kind.model_fields)
    if fault == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        return f"{name} is not a parameter of {where}: {guess}It has {', '.join(known)}."
    accepted = kind.model_fields[name].description
    if fault == "missing":
        return f"{name} is missing from the parameters of {where}: give {accepted}."
    return f"{name} = {given[name]!r} is not accepted by {where}: give {accepted}."


def _may_be_parameter(name: str, value: Any) -> bool:
    """Whether papermill could have set this: a plain value under a name that is not IPython's own."""
    plain = isinstance(value, (str, int, float, list, tuple, dict, types.NoneType))
    return plain and not name.startswith("_") and name not in {"In", "Out"}
