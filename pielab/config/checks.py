"""A user's values against what a pydantic model accepts, and the sentence for each that it does not."""

import difflib
from collections.abc import Mapping
from typing import Any

import pydantic
from pydantic import BaseModel

from pielab.errors import PielabError


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
