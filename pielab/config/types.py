"""The types of parameters, read from papermill, YAML or Python; ValueError for any other value."""

import functools
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from pielab.compression import pruners
from pielab.compression.pruners import CONTROLS, KNOWN, METHODS, NESTED, ONE_SHOT, SCOPED
from pielab.errors import PielabError, warn
from pielab.store import settings

PRUNER_NAMES = (
    f"{', '.join(name for name in KNOWN if name not in NESTED | SCOPED | ONE_SHOT)}, each also as IMP-FT-global or "
    "PINS-local with its other scope, and the iterative ones as IMP-FT-nested; without retraining "
    f"{', '.join(ONE_SHOT)}; a control, {', '.join(CONTROLS)}; or module:function, a function of yours"
)
FEWEST_BITS, MOST_BITS = 2, 8
MOST_SEEDS = 100_000


def _no_bool(value: Any) -> Any:
    # Python takes True for 1, a user does not.
    if isinstance(value, bool):
        raise ValueError("a truth value is no number")
    return value


def parse_seeds(value: Any) -> tuple[int, ...]:
    """Seeds in ascending order from "0-29", "0,3,7", "0-3,8", a list of integers, or one integer.

    Raises ValueError for any other value, for a seed given twice, and for more than 100,000 seeds.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str, list, tuple)):
        raise ValueError("not seeds")
    parts = str(value).split(",") if isinstance(value, (int, str)) else [str(seed) for seed in value]
    seeds: list[int] = []
    for part in parts:
        # Python's int would read 0_29 as 29.
        span = re.fullmatch(r"\s*([0-9]+)\s*(?:-\s*([0-9]+)\s*)?", part)
        if not span:
            raise ValueError("no seed and no range")
        first, last = int(span[1]), int(span[2] or span[1])
        if not first <= last < first + MOST_SEEDS:
            raise ValueError("an empty range, or a slip that would fill the memory")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds) or not seeds:
        raise ValueError("a seed twice, or none")
    return tuple(sorted(seeds))


def format_seeds(seeds: Sequence[int]) -> str:
    """Seeds in the shortest form that `parse_seeds` reads: "0-3,8"."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def check_layers(model: str, num_hidden_layers: int | None) -> None:
    """Raises PielabError if the BiLSTM is given a number of layers."""
    if model == "bilstm" and num_hidden_layers:
        raise PielabError(
            "layers-of-bilstm",
            f"num_hidden_layers = {num_hidden_layers} is for transformers",
            "give None for the BiLSTM, which has two",
        )


def _pruner_name(value: Any) -> Any:
    """Any name except "unpruned", or a user's own function."""
    if pruners.is_own(value):
        return _own_name(value)
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value) or value == "unpruned":
        raise ValueError("no name for a pruner")
    return value


def _known_pruner(value: Any) -> Any:
    """A name of METHODS, or a user's own function."""
    if pruners.is_own(value):
        return _own_name(value)
    if not isinstance(value, str) or value not in METHODS:
        raise ValueError("no known pruner")
    return value


def _own_name(value: str) -> str:
    if pruners.method_name(value) in (*METHODS, "unpruned", "dense"):
        raise PielabError(
            "function-named-as-a-pruner",
            f"the function of {value} has the name of a pruner or of the unpruned models, and so would its results",
            "give it another name",
        )
    return value


def _numbers(value: Any) -> list[Any]:
    """The elements of a list, of "2, 6", of "[2, 6]" (a list on the command line), or one number alone."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return str(value).strip("[] ").split(",") if isinstance(value, str) else [value]


def _two_numbers(value: Any) -> list[Any]:
    """The lowest and the highest number; one number is both."""
    numbers = _numbers(value)
    return numbers * 2 if len(numbers) == 1 else numbers


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError("the lowest is above the highest")
    return value


def _no_share(value: float) -> float:
    """Warns of 0.9, which may be a slip for 90 %; 0.5 % is a threshold like any other."""
    if value < 1:
        _warn_of_share(value)
    return value


@functools.cache  # once, though every notebook's parameters of a study are checked
def _warn_of_share(value: float) -> None:
    percent = f"{100 * value:g}"
    warn(f"a threshold of {value:g} removes {value:g} % of the weights; give {percent} if you mean {percent} %")


def _threshold(value: Any, info: ValidationInfo) -> float | str:
    """The setting of the pruner, which is validated before: a percentage, bits or a pattern; 0 where there is none.

    That of a user's own function may also be any number or name.
    """
    name = info.data.get("pruner", "")
    method, is_own = METHODS.get(name), pruners.is_own(name)  # neither if imported
    if kept := settings.pattern(value):
        if method and (not method.is_one_shot or method.score == "rounding"):
            raise ValueError("no pattern for this pruner")
        return f"{kept[0]}of{kept[1]}"
    if is_own and isinstance(value, str) and re.fullmatch(r"[^\W\d][\w.+-]*", value):
        return value
    try:
        number = float(_no_bool(value))
    except TypeError:
        raise ValueError("no number") from None
    if method and method.score == "rounding":
        fits = number in range(FEWEST_BITS, MOST_BITS + 1)
    elif method:
        fits = 0 <= number < 100 and (number == 0) == (method.is_control and not method.is_nested)
    else:
        fits = 0 <= number < (math.inf if is_own else 100)
    if not fits:
        raise ValueError("no setting of this method")
    return _no_share(number) if method and number and method.score != "rounding" else number


def _levels(value: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
    """Distinct levels, ascending; if the pruner is nested, its threshold, validated before them, is one of them."""
    if len(set(value)) < len(value):
        raise ValueError("a level twice")
    method = METHODS.get(info.data.get("pruner", ""))
    if method and method.is_nested and info.data.get("threshold", value[0]) not in value:
        raise ValueError("the threshold is not among the levels")
    return tuple(sorted(value))


def _leaves_steps(value: float, info: ValidationInfo) -> float:
    """The share of the final phase, which with the initial phase, validated before it, is below 1."""
    if info.data.get("initial_phase", 0) + value >= 1:
        raise ValueError("the two phases are the whole run")
    return value


Bool = Annotated[bool, Field(strict=True, description="True or False")]
Natural = Annotated[int, BeforeValidator(_no_bool), Field(ge=0)]
Count = Annotated[int, BeforeValidator(_no_bool), Field(ge=1)]
Counts = Annotated[tuple[Count, ...], BeforeValidator(_numbers), Field(min_length=1)]
CountRange = Annotated[tuple[Count, Count], BeforeValidator(_two_numbers), AfterValidator(_ascending)]
Positive = Annotated[float, BeforeValidator(_no_bool), Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(_no_bool), Field(ge=0, lt=1)]
Percentage = Annotated[Positive, Field(lt=100), AfterValidator(_no_share)]
Threshold = Annotated[
    float | str,
    BeforeValidator(_threshold),
    Field(
        description="a percentage of the prunable weights above 0 and below 100, such as 90; for Magnitude and Wanda "
        f'also "2:4" (of every 4 weights of a row, 2 are kept); for RTN {FEWEST_BITS} to {MOST_BITS} bits; or 0 for a '
        "control",
    ),
]
_Levels = Annotated[tuple[Percentage, ...], BeforeValidator(_numbers), Field(min_length=1), AfterValidator(_levels)]
Levels = Annotated[
    _Levels | None,
    Field(
        description="the thresholds that a nested pruner passes through, each once and its own threshold among them, "
        "such as [20, 50, 90] or 20,50,90, or None for its own alone"
    ),
]
PositiveRange = Annotated[tuple[Positive, Positive], BeforeValidator(_two_numbers), AfterValidator(_ascending)]
Name = Annotated[str, Field(min_length=1, strict=True)]
# Of a .conll file it is a number, which YAML and the command line give as one.
ColumnName = Annotated[Name, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
Revision = Annotated[
    Name | None, Field(description="a branch, tag or commit on the Hub, or None for the latest commit there")
]
StudyName = Annotated[
    Name, Field(pattern=r"^\w[\w.-]*$", description="the name of a study: letters, digits, dots, - and _")
]
PrunerName = Annotated[
    str,
    BeforeValidator(_pruner_name),
    Field(description=f"one of {PRUNER_NAMES}, or the name that importing.add was given (letters, digits, - _ .)"),
]
KnownPruner = Annotated[str, BeforeValidator(_known_pruner), Field(description=f"one of {PRUNER_NAMES}")]
Schedule = Annotated[
    Literal["one-shot", "iterative", "nested", "at initialization"] | None,
    Field(
        description="for a score of yours, one-shot (of a trained model, without retraining, as if not given), "
        "iterative, nested or at initialization, and None for a pruner of pielab's, which has its own"
    ),
]
Retraining = Annotated[
    Literal["fine-tuning", "rewinding"] | None,
    Field(
        description="for a score of yours that is iterative or nested, fine-tuning (as if not given) or rewinding, and "
        "None for any other"
    ),
]
Scope = Annotated[
    Literal["local", "row", "global"] | None,
    Field(
        description="for a score of yours, local (ranked within each matrix, as if not given), row (within each of its "
        "output rows) or global (all matrices together), and None for a pruner of pielab's, which has its own"
    ),
]
Seeds = Annotated[tuple[int, ...], BeforeValidator(parse_seeds)]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], Field(description="auto, cpu, cuda or mps")]
Budget = Annotated[
    Literal["paper", "equal"],
    Field(
        description="paper (each retraining takes as many epochs as the unpruned training) or equal (every model, "
        "pruned or not, takes `epochs` in all)"
    ),
]
WarmupShare = Annotated[
    Share,
    Field(
        description="the share of a training's steps in which the learning rate rises, from 0 and below 1, such as 0.1"
    ),
]
DecayKind = Annotated[
    Literal["none", "linear"],
    Field(description="none (a constant learning rate) or linear (it falls to 0 at the end of a training)"),
]
WeightDecayRate = Annotated[
    float,
    BeforeValidator(_no_bool),
    Field(ge=0, allow_inf_nan=False, description="the weight decay of AdamW from 0, such as 0.01; 0 is Adam"),
]
FinalShare = Annotated[
    Share,
    AfterValidator(_leaves_steps),
    Field(
        validate_default=True,
        description="the share of a gradual pruner's steps with the final sparsity, from 0 and, with initial_phase, "
        "below 1, such as 0.2",
    ),
]
Beta = Annotated[Share, Field(description="a share from 0 and below 1, such as 0.85")]

# The marks of fields: when a field is in the recipe, which identifies a result. One without a mark always is.
NEVER = "never in the recipe"  # where the results are and how many, and the hardware: none changes a seed
UNLESS_DEFAULT = "in the recipe unless at its default"  # so that results from before the field keep their hash
IF_GRADUAL = "in the recipe of a gradual pruner"
IF_OWN = "in the recipe of a user's own function"

# Fields that several notebooks have, with their defaults.
Warmup = Annotated[WarmupShare, UNLESS_DEFAULT, Field(default=0)]
Decay = Annotated[DecayKind, UNLESS_DEFAULT, Field(default="none")]
WeightDecay = Annotated[WeightDecayRate, UNLESS_DEFAULT, Field(default=0)]
HalfSplits = Annotated[Count, Field(default=200, description="how many half-splits of the seeds to average, from 1")]
Bootstraps = Annotated[Count, Field(default=200, description="how many bootstrap samples for each interval, from 1")]
Margin = Annotated[
    Positive,
    Field(
        default=1,
        description="the points above 0 below which a movement of the answers does not matter, such as 1, which is "
        "what 1 % of the texts changing their answer outright would make",
    ),
]
ControlName = Annotated[
    Name | None,
    Field(
        description="auto (the control that the pruner has), the name of another configuration's folder, such as "
        "one given to importing.add, or None for no control"
    ),
]
