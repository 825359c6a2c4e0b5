"""The kinds of values that parameters take, from what papermill, YAML or Python give; ValueError if it is not that."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from pielab.compression.pruners import KNOWN, NESTED


def _no_bool(value: Any) -> Any:
    # Python counts True as 1, a user does not.
    if isinstance(value, bool):
        raise ValueError("a truth value is no number")
    return value


def parse_seeds(value: Any) -> tuple[int, ...]:
    """Seeds from "0-29", "0,3,7", "0-3,8", a list of integers, or one integer; each seed once, in order."""
    if isinstance(value, bool) or not isinstance(value, (int, str, list, tuple)):
        raise ValueError("not seeds")
    parts = str(value).split(",") if isinstance(value, (int, str)) else [str(each) for each in value]
    seeds: list[int] = []
    for part in parts:
        first, dash, last = part.strip().partition("-")
        span = range(int(first), int(last if dash else first) + 1)
        if not span:
            raise ValueError("an empty range")
        seeds += span
    if len(set(seeds)) < len(seeds) or not seeds:
        raise ValueError("a seed twice, or none")
    return tuple(sorted(seeds))


def format_seeds(seeds: Sequence[int]) -> str:
    """Seeds as short as `parse_seeds` reads them: "0-3,8"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def _pruner_name(value: Any) -> Any:
    """Any name but the unpruned models'."""
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value) or value == "unpruned":
        raise ValueError("no name for a pruner")
    return value


def _known_pruner(value: Any) -> Any:
    """A name of pruners.KNOWN."""
    if not isinstance(value, str) or value not in KNOWN:
        raise ValueError("no such pruner")
    return value


def _numbers(value: Any) -> list[Any]:
    """The parts of a list, of "2, 6", of "[2, 6]" as the command line gives a list, or of one number."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return str(value).strip("[] ").split(",") if isinstance(value, str) else [value]


def _two_numbers(value: Any) -> list[Any]:
    """A lowest and a highest number; one number is both."""
    found = _numbers(value)
    return found * 2 if len(found) == 1 else found


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    """A lowest and a highest number that are not the wrong way round."""
    if value[0] > value[1]:
        raise ValueError("the lowest is above the highest")
    return value


def _each_once(value: tuple[float, ...]) -> tuple[float, ...]:
    """Numbers in ascending order, none twice."""
    if len(set(value)) < len(value):
        raise ValueError("a number twice")
    return tuple(sorted(value))


def _on_the_way(value: tuple[float, ...], others: ValidationInfo) -> tuple[float, ...]:
    """Levels that a nested pruner's own threshold, a parameter beside them, is among; any, for another pruner."""
    if others.data.get("pruner") in NESTED and others.data.get("threshold", value[0]) not in value:
        raise ValueError("the threshold is not among the levels")
    return value


def _leaves_steps(value: float, others: ValidationInfo) -> float:
    """The share of the final phase, with steps left between the initial phase, a parameter beside it, and this."""
    if others.data.get("initial_phase", 0) + value >= 1:
        raise ValueError("the two phases are the whole run")
    return value


Natural = Annotated[int, BeforeValidator(_no_bool), Field(ge=0)]
Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=1)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_numbers), Field(min_length=1)]
CountRange = Annotated[tuple[Count, Count], BeforeValidator(_two_numbers), AfterValidator(_rising)]
Positive = Annotated[float, BeforeValidator(_no_bool), Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_no_bool), Field(ge=0, lt=1)]
FinalShare = Annotated[Share, AfterValidator(_leaves_steps)]
NotNegative = Annotated[float, BeforeValidator(_no_bool), Field(ge=0, allow_inf_nan=False)]
Percentage = Annotated[Positive, Field(lt=100)]
Levels = Annotated[
    tuple[Percentage, ...],
    BeforeValidator(_numbers),
    Field(min_length=1),
    AfterValidator(_each_once),
    AfterValidator(_on_the_way),
]
PositiveRange = Annotated[tuple[Positive, Positive], BeforeValidator(_two_numbers), AfterValidator(_rising)]
Name = Annotated[str, Field(min_length=1, strict=True)]
PrunerName = Annotated[str, BeforeValidator(_pruner_name)]
KnownPruner = Annotated[str, BeforeValidator(_known_pruner)]
Seeds = Annotated[
    tuple[int, ...],
    BeforeValidator(parse_seeds),
    Field(description="a range such as 0-29, a list such as 0,3,7, or one seed"),
]
