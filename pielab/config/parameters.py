"""The parameters of each notebook, with the values that they accept."""

import functools
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from pielab.compression import own_functions, pruners, schedules
from pielab.config.base_parameters import (  # noqa: F401
    DataParameters,
    ModelParameters,
    PairParameters,
    Parameters,
    PrunedParameters,
)
from pielab.config.types import (
    IF_GRADUAL,
    IF_OWN,
    NEVER,
    UNLESS_DEFAULT,
    Beta,
    Bool,
    Bootstraps,
    Budget,
    ControlName,
    Count,
    CountRange,
    Counts,
    Decay,
    Device,
    FinalShare,
    HalfSplits,
    KnownPruner,
    Levels,
    Margin,
    Name,
    Natural,
    Positive,
    PositiveRange,
    Retraining,
    Revision,
    Schedule,
    Scope,
    Share,
    Warmup,
    WeightDecay,
    check_layers,
)
from pielab.errors import PielabError
from pielab.store import paths


class BuildParameters(ModelParameters):
    """The architecture, the input and the hardware of a model."""

    model_revision: Annotated[Revision, NEVER] = None  # a hash of the weights is beside the recipe
    num_hidden_layers: Count | None = Field(None, description="how many transformer layers to keep, or None for all")
    word_vectors: Name = Field("glove-6b-50d", description="glove-6b-50d, or the path of a text file of word vectors")
    padding: Literal["random", "zero", "mean"] = Field("random", description="random, zero or mean")
    max_tokens: Count = Field(description="how many tokens of a text to read, from 1")
    max_answer_tokens: Annotated[Count | None, UNLESS_DEFAULT] = Field(
        None, description="how many tokens of an answer, from 1, or None: 30 for questions, 64 for generated texts"
    )
    device: Annotated[Device, NEVER] = "auto"
    threads: Count = Field(1, description="how many CPU threads to compute with, from 1")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto (bfloat16 on a GPU that has it, else float32), float32 or bfloat16"
    )
    bucketed: Bool = Field(True, description="True or False: whether texts of like length share a batch")

    @pydantic.model_validator(mode="after")
    def _layers_fit_model(self) -> Self:
        check_layers(self.model, self.num_hidden_layers)
        return self

    def recipe(self, kind: type["BuildParameters"] | None = None) -> dict[str, Any]:
        """The parameters that determine a seed or a trial, as their fields are marked.

        kind: only the parameters of that class, such as TrainParameters for the unpruned models of a pruned one.
        """
        fields = (kind or type(self)).model_fields
        names = [name for name, field in fields.items() if self._in_recipe(name, field)]
        dumped = self.model_dump(mode="json", include=set(names))
        return {name: dumped[name] for name in names} | {"dataset": paths.slug(self.dataset)}

    def _in_recipe(self, name: str, field: FieldInfo) -> bool:
        if UNLESS_DEFAULT in field.metadata:
            return getattr(self, name) != field.default
        return NEVER not in field.metadata


class TuneParameters(BuildParameters):
    """00_tune: the search for hyperparameters of the unpruned models."""

    trials: Annotated[Count, NEVER] = Field(100, description="how many trials the search has, from 1")
    search_seed: Natural = Field(0, description="a whole number from 0")
    epochs_range: CountRange = Field(description="the fewest and the most epochs, such as [2, 6] or 2,6, or one number")
    batch_sizes: Counts = Field(description="the batch sizes to choose from, such as [16, 32] or 16,32, or one number")
    learning_rate_range: PositiveRange = Field(
        description="the lowest and the highest learning rate, such as [2e-5, 2e-4] or 2e-5,2e-4, or one number"
    )
    warmup: Warmup
    decay: Decay
    weight_decay: WeightDecay

    @property
    def folder(self) -> Path:
        return self.pair_folder / "tune"

    @pydantic.model_validator(mode="after")
    def _trials_differ(self) -> Self:
        space = (self.epochs_range, self.batch_sizes, self.learning_rate_range)
        if self.trials > 1 and all(len(set(choices)) == 1 for choices in space):
            raise PielabError(
                "identical-trials",
                f"epochs_range, batch_sizes and learning_rate_range leave one choice, so all {self.trials} trials "
                "would be the same",
                "give one of them several values",
            )
        return self


class TrainParameters(BuildParameters, PairParameters):
    """01_train: the unpruned models."""

    epochs: Count = Field(description="how many epochs to train, from 1")
    batch_size: Count = Field(description="how many examples to a batch, from 1")
    learning_rate: Positive = Field(description="a learning rate above 0, such as 2e-3")
    workers: Annotated[Count, NEVER] = Field(
        1, description="how many seeds to train at once, each in a process of its own, from 1"
    )
    budget: Annotated[Budget, UNLESS_DEFAULT] = "paper"
    warmup: Warmup
    decay: Decay
    weight_decay: WeightDecay


class PruneParameters(TrainParameters, PrunedParameters):
    """02_prune: the training of one pruner at one threshold."""

    pruner: KnownPruner
    levels: Annotated[Levels, NEVER] = None  # `recipe` adds those of a nested pruner
    impact_examples: Count = Field(100, description="how many training examples the impact score sees, from 1")
    prune_layer_norm: Bool = False
    save_weights: Annotated[Bool, NEVER] = False
    prune_pooler: Annotated[Bool, UNLESS_DEFAULT] = True
    prune_last_layer: Annotated[Bool, UNLESS_DEFAULT] = False
    prune_embeddings: Annotated[Bool, UNLESS_DEFAULT] = False
    calibration_examples: Annotated[Count, UNLESS_DEFAULT] = Field(
        128, description="how many training examples the activations are measured on, from 1"
    )
    schedule: Annotated[Schedule, IF_OWN] = None
    retraining: Annotated[Retraining, IF_OWN] = None
    scope: Annotated[Scope, IF_OWN] = None
    initial_phase: Annotated[Share, IF_GRADUAL] = Field(
        0.05, description="the share of a gradual pruner's steps before it prunes, from 0 and below 1, such as 0.05"
    )
    final_phase: Annotated[FinalShare, IF_GRADUAL] = 0.2
    window: Annotated[Count, IF_GRADUAL] = Field(
        10, description="how many steps a gradual pruner averages the importance over before it prunes, from 1"
    )
    importance_beta: Annotated[Beta, IF_GRADUAL] = 0.85
    uncertainty_beta: Annotated[Beta, IF_GRADUAL] = 0.99
    validations_per_epoch: Annotated[Count, IF_GRADUAL, UNLESS_DEFAULT] = Field(
        1, description="how many times an epoch PINS validates a model, which may become the teacher, from 1"
    )

    @property
    def method(self) -> pruners.Pruner:
        """The pruner, of pielab's or the user's."""
        return pruners.of(self.__dict__)

    @functools.cached_property
    def own_function(self) -> own_functions.OwnFunction | None:
        """The user's own function, read once, when these parameters are checked; None for a pruner of pielab's."""
        return own_functions.read(self.pruner) if self.method.is_own else None

    @property
    def trajectory(self) -> schedules.Trajectory:
        """From a seed's start to its threshold."""
        return schedules.trajectory(self.method, self.threshold, self.levels or (), self.epochs, self.budget)

    @pydantic.model_validator(mode="after")
    def _has_trajectory(self) -> Self:
        if self.own_function:
            own_functions.check(
                self.own_function, self.method, self.threshold, self.schedule, self.retraining, self.scope
            )
        elif given := [name for name in ("schedule", "retraining", "scope") if getattr(self, name) is not None]:
            raise PielabError(
                "for-own-functions-alone",
                f"{given[0]} = {getattr(self, given[0])!r} was given, and {self.pruner} has its own",
                "give None, or name a score of yours as module:function",
            )
        _ = self.trajectory  # raises PielabError if the pruner cannot have that budget
        return self

    def recipe(self, kind: type[BuildParameters] | None = None) -> dict[str, Any]:
        """As for every notebook, with the levels of a nested pruner and the digest of a user's own file."""
        recipe = super().recipe(kind)
        if kind is None and self.method.is_nested:
            recipe["levels"] = [step.threshold for step in self.trajectory.steps]
        if kind is None and self.own_function:
            recipe["code"] = self.own_function.digest
        return recipe

    def _in_recipe(self, name: str, field: FieldInfo) -> bool:
        if IF_GRADUAL in field.metadata and self.method.schedule != "gradual":
            return False
        if IF_OWN in field.metadata:
            return self.method.is_own and getattr(self, name) is not None
        return super()._in_recipe(name, field)


class PieParameters(PrunedParameters):
    """03_pies: the predictions of one configuration against those of the unpruned models, and of its controls."""

    control: ControlName = "auto"
    margin: Margin
    n_splits: HalfSplits
    n_bootstrap: Bootstraps


class InfluenceParameters(PairParameters):
    """04_el2n: the PIEs of the training set by bins of EL2N."""

    bins: Count = Field(20, description="how many bins of EL2N, from 1")
    n_splits: HalfSplits
    n_bootstrap: Bootstraps


class ReadabilityParameters(PairParameters):
    """05_readability: the readability of the PIEs of the test set."""

    n_bootstrap: Bootstraps
    processes: Count = Field(1, description="how many processes to score texts with, from 1")


class ReportParameters(Parameters):
    """06_report: the results of a study so far."""

    examples: Count = Field(20, description="how many PIEs to show with their text, from 1")
    margin: Margin


class ExploreParameters(Parameters):
    """07_explore: a page to look through the PIEs of a study."""

    split: Literal["test", "train"] = Field("test", description="test or train")
    rows: Count = Field(1000, description="how many rows the table of the page may have, from 1")


class JobParameters(BaseModel):
    """The training of a pair as jobs, and with which controls, set by a study and not by a notebook."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    controls: Bool = True
    seeds_per_job: Count | None = Field(None, description="how many seeds a job trains, from 1, or None for all")
    memory_gb: Positive = Field(16, description="the memory of a job in gigabytes, above 0")
    hours: Positive = Field(12, description="the time limit of a job in hours, above 0")


NOTEBOOKS: dict[str, type[Parameters]] = {
    "00_tune": TuneParameters,
    "01_train": TrainParameters,
    "02_prune": PruneParameters,
    "03_pies": PieParameters,
    "04_el2n": InfluenceParameters,
    "05_readability": ReadabilityParameters,
    "06_report": ReportParameters,
    "07_explore": ExploreParameters,
}

_KINDS: tuple[type[BaseModel], ...] = (TrainParameters, *NOTEBOOKS.values(), JobParameters)
# Every parameter by its name, in the order of a params file, and the defaults of those that may be left out.
FIELDS = {name: field for kind in _KINDS for name, field in kind.model_fields.items()}
DEFAULTS = {name: field.default for name, field in FIELDS.items() if not field.is_required()}
