"""Check what a user gave by name and value; every parameter that is not accepted has its error message."""

import difflib
import types
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic import BaseModel

from pielab.compression.pruners import METHODS
from pielab.config.parameters import DEFAULTS, FIELDS, NOTEBOOKS, Parameters
from pielab.errors import PielabError, SeveralErrors, near_miss

# Formerly one parameter of 03 to 05 with three meanings; params files and scripts may still have it.
OLD_NAMES = {"resamples": ("n_splits", "n_bootstrap")}


def current_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters under their present names; an old name sets every parameter that replaced it.

    "None" is None where that is accepted, because YAML reads None as a word.
    """
    renamed = {new: given[old] for old, names in OLD_NAMES.items() if old in given for new in names}
    values = {name: value for name, value in given.items() if name not in OLD_NAMES} | renamed
    none = {name for name, value in values.items() if isinstance(value, str) and value == "None"}
    return values | {name: None for name in none if name in DEFAULTS and DEFAULTS[name] is None}


def check(notebook: str, names: Mapping[str, Any]) -> Any:
    """The parameters of a notebook, checked: `check("02_prune", globals())` is each notebook's first call.

    papermill only warns of a parameter that the notebook does not have, and does not check values. Therefore every
    variable set before this call is compared with the notebook's parameters, by name and by type. Parameters of other
    notebooks are ignored, so that one params/ file serves all notebooks.

    Raises PielabError for a name that is not a parameter, is missing, or has a value that is not accepted;
    SeveralErrors if there are more than one.
    """
    kind = NOTEBOOKS[notebook]
    given = current_names({name: value for name, value in names.items() if _may_be_parameter(name, value)})
    # On a second run in the same kernel, later cells have set names too; only those close to a parameter are slips.
    again = any(isinstance(value, Parameters) for value in names.values())
    ignored = {
        name
        for name in given
        if name not in kind.model_fields
        and (name in FIELDS or (again and not difflib.get_close_matches(name, kind.model_fields, cutoff=0.8)))
    }
    return validate(kind, {name: value for name, value in given.items() if name not in ignored}, notebook)


def validate(kind: type[BaseModel], given: Mapping[str, Any], where: str, together: str = "") -> Any:
    """The parameters `given` as a `kind`; error messages name `where` they were given.

    together: the place that the error of parameters which do not go together begins with, if any.

    Raises PielabError for a parameter that is not accepted, SeveralErrors if there are more than one.
    """
    try:
        return kind(**{str(name): value for name, value in given.items()})
    except pydantic.ValidationError as error:
        details = error.errors()
    if isinstance(rule := details[0].get("ctx", {}).get("error"), PielabError):
        raise rule.within(together) if together else rule
    faults = {str(fault["loc"][0]): fault["type"] for fault in details}
    errors = [_error(kind, name, fault, given, where) for name, fault in faults.items()]
    raise errors[0] if len(errors) == 1 else SeveralErrors(*errors)


def _error(kind: type[BaseModel], name: str, fault: str, given: Mapping[str, Any], where: str) -> PielabError:
    """The error of one parameter; fault: the type of pydantic's error."""
    known = list(kind.model_fields)
    if fault == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1)
        guess = f"did you mean {near[0]}? It" if near else "it"
        return PielabError(
            "unknown-parameter", f"{name} is not a parameter of {where}", f"{guess} has {', '.join(known)}"
        )
    cure = f"give {kind.model_fields[name].description}"
    if fault == "missing":
        return PielabError("missing-parameter", f"{name} is missing from the parameters of {where}", cure)
    value = given.get(name, kind.model_fields[name].default)
    if isinstance(value, bool) and fault == "string_type":
        cure += "; to YAML, yes, no, on and off are truth values unless they are in quotes"
    elif isinstance(value, int | float) and fault == "string_type":
        cure += "; to YAML, a number is no name unless it is in quotes"
    guess = near_miss(str(value), METHODS) if name == "pruner" else ""
    return PielabError("value-not-accepted", f"{name} = {value!r} is not accepted by {where}", f"{guess}{cure}")


def _may_be_parameter(name: str, value: Any) -> bool:
    """Whether papermill could have set this: a plain value under a name that is not one of IPython's."""
    plain = isinstance(value, (str, int, float, list, tuple, dict, types.NoneType))
    return plain and not name.startswith("_") and name not in {"In", "Out"}
