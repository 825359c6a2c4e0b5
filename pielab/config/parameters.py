"""The parameters of each notebook, with the values that they accept."""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, Field

from pielab.compression import pruners, schedules
from pielab.config.types import (
    Count,
    CountRange,
    Counts,
    FinalShare,
    KnownPruner,
    Levels,
    Name,
    Natural,
    NotNegative,
    Percentage,
    Positive,
    PositiveRange,
    PrunerName,
    Seeds,
    Share,
)
from pielab.store import paths

_UNDERIVED = [name for name in pruners.KNOWN if name not in pruners.NESTED | pruners.SCOPED]
PRUNER_NAMES = (
    f"{', '.join(_UNDERIVED)}, each also as IMP-FT-global or PINS-local with its other scope, and the iterative "
    "ones as IMP-FT-nested"
)

# These change no seed: the number of seeds, where they are stored, and the hardware they are trained on.
NOT_IN_RECIPE = {"study", "results", "data_dir", "seeds", "trials", "device", "workers", "save_weights", "levels"}


class Parameters(BaseModel):
    """The parameters of every notebook: where the results are."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    study: Name = Field(pattern=r"^\w[\w.-]*$", description="the name of a study: letters, digits, - _ and .")
    results: Name = Field(description="a folder for results")

    @property
    def study_folder(self) -> Path:
        return paths.study(self.results, self.study)

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{value}</td></tr>" for name, value in self.model_dump().items())
        return f"<table>{rows}</table>"

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in self.model_dump().items())


class DataParameters(Parameters):
    """The texts and labels."""

    dataset: Name = Field(
        description="bbc-news, a CSV, Parquet or JSONL file, a folder of such files, a Hub id, or glue-rte and so on"
    )
    data_dir: Name | None = Field(description="a folder, or None")
    text: Name = Field(description="the name of the text column")
    text_pair: Name | None = Field(description="the name of the second text column, or None")
    label: Name = Field(description="the name of the label column")
    label_separator: Name | None = Field(description="what separates several labels in the label column, or None")
    limit: Count | None = Field(description="how many examples of each split to keep, from 1, or None for all")

    @property
    def data(self) -> dict[str, Any]:
        """The arguments of pielab.datasets.load."""
        names = ("data_dir", "text", "text_pair", "label", "label_separator", "limit")
        return {"name": self.dataset, **{name: getattr(self, name) for name in names}}


class ModelParameters(DataParameters):
    """One model on one data set."""

    model: Name = Field(description="bilstm, minilm, minilm-2l, a Hub id, or a folder with a transformer")

    @property
    def unpruned(self) -> paths.Configuration:
        return paths.Configuration(paths.slug(self.dataset), paths.slug(self.model))

    @property
    def pair_folder(self) -> Path:
        return self.study_folder / self.unpruned.pair


class PairParameters(ModelParameters):
    """One model on one data set, and its seeds."""

    seeds: Seeds

    @property
    def dense_folder(self) -> Path:
        return self.unpruned.folder(self.study_folder)


class PrunedParameters(PairParameters):
    """One pruner at one threshold, on one model and data set."""

    pruner: PrunerName = Field(
        description=f"one of {PRUNER_NAMES}, or the name that importing.add was given (letters, digits, - _ .)"
    )
    threshold: Percentage = Field(description="a percentage of the prunable weights above 0 and below 100, such as 90")

    @property
    def configuration(self) -> paths.Configuration:
        return dataclasses.replace(self.unpruned, method=self.pruner, setting=self.threshold)

    @property
    def folder(self) -> Path:
        return self.configuration.folder(self.study_folder)

    @property
    def sparsity(self) -> float:
        return self.threshold / 100


class BuildParameters(ModelParameters):
    """The architecture, the input and the hardware of a model."""

    num_hidden_layers: Count | None = Field(description="how many layers of the transformer to keep, or None for all")
    word_vectors: Name = Field(description="glove-6b-50d, or the path of a text file of word vectors")
    padding: Literal["random", "zero", "mean"] = Field(description="random, zero or mean")
    max_tokens: Count = Field(description="how many tokens of a text to read, from 1")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(description="auto, cpu, cuda or mps")
    threads: Count = Field(description="how many CPU threads to compute with, from 1")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="auto (bfloat16 on a GPU that has it, else float32), float32 or bfloat16"
    )
    bucketed: bool = Field(strict=True, description="True or False: whether texts of like length share a batch")

    def recipe(self, kind: type["BuildParameters"] | None = None) -> dict[str, Any]:
        """The parameters that determine a seed or a trial: all but NOT_IN_RECIPE, and those without effect.

        kind: only the parameters of that class, such as TrainParameters for the unpruned models of a pruned one.
        """
        excluded = NOT_IN_RECIPE | self._without_effect()
        names = [name for name in (kind or type(self)).model_fields if name not in excluded]
        dumped = self.model_dump(mode="json", include=set(names))
        return {name: dumped[name] for name in names} | {"dataset": paths.slug(self.dataset)}

    def _without_effect(self) -> set[str]:
        """Fields left out of the recipe at their default, so that results of older versions keep their hash."""
        return set()


class TuneParameters(BuildParameters):
    """00_tune: the search for hyperparameters of the unpruned models."""

    trials: Count = Field(description="how many trials the search has, from 1")
    search_seed: Natural = Field(description="a whole number from 0")
    epochs_range: CountRange = Field(description="the fewest and the most epochs, such as [2, 6] or 2,6, or one number")
    batch_sizes: Counts = Field(description="the batch sizes to choose from, such as [16, 32] or 16,32, or one number")
    learning_rate_range: PositiveRange = Field(
        description="the lowest and the highest learning rate, such as [2e-5, 2e-4] or 2e-5,2e-4, or one number"
    )

    @property
    def folder(self) -> Path:
        return self.pair_folder / "tune"


class TrainParameters(BuildParameters, PairParameters):
    """01_train: the unpruned models."""

    epochs: Count = Field(description="how many epochs to train, from 1")
    batch_size: Count = Field(description="how many examples to a batch, from 1")
    learning_rate: Positive = Field(description="a learning rate above 0, such as 2e-3")
    workers: Count = Field(description="how many seeds to train at once, each in a process of its own, from 1")
    budget: Literal["paper", "equal"] = Field(
        default="paper",
        description="paper (each retraining takes as many epochs as the unpruned training) or equal (every model, "
        "pruned or not, takes `epochs` in all)",
    )
    warmup: Share = Field(
        default=0,
        description="the share of a training's steps in which the learning rate rises, from 0 and below 1, such as 0.1",
    )
    decay: Literal["none", "linear"] = Field(
        default="none", description="none (a constant learning rate) or linear (it falls to 0 at the end of a training)"
    )
    weight_decay: NotNegative = Field(
        default=0, description="the weight decay of AdamW from 0, such as 0.01; 0 is Adam"
    )

    def _without_effect(self) -> set[str]:
        names = ("budget", "warmup", "decay", "weight_decay")
        return {name for name in names if getattr(self, name) == TrainParameters.model_fields[name].default}


class PruneParameters(TrainParameters, PrunedParameters):
    """02_prune: the training of one pruner at one threshold."""

    pruner: KnownPruner = Field(description=f"one of {PRUNER_NAMES}")
    levels: Levels | None = Field(
        description="the thresholds that a nested pruner passes through, each once and its own threshold among them, "
        "such as [20, 50, 90] or 20,50,90, or None for its own alone"
    )
    impact_examples: Count = Field(description="how many training examples the impact score sees, from 1")
    prune_layer_norm: bool = Field(strict=True, description="True or False")
    save_weights: bool = Field(strict=True, description="True or False")
    prune_pooler: bool = Field(default=True, strict=True, description="True or False")
    initial_phase: Share = Field(
        default=0.05,
        description="the share of a gradual pruner's steps before it prunes, from 0 and below 1, such as 0.05",
    )
    final_phase: FinalShare = Field(
        default=0.2,
        description="the share of a gradual pruner's steps with the final sparsity, from 0 and, with initial_phase, "
        "below 1, such as 0.2",
    )
    window: Count = Field(
        default=10, description="how many steps a gradual pruner averages the importance over before it prunes, from 1"
    )
    importance_beta: Share = Field(default=0.85, description="a share from 0 and below 1, such as 0.85")
    uncertainty_beta: Share = Field(default=0.99, description="a share from 0 and below 1, such as 0.99")

    @property
    def trajectory(self) -> schedules.Trajectory:
        """From a seed's start to its threshold; PielabError if the pruner cannot have that budget."""
        pruner = pruners.pruner(self.pruner)
        return schedules.trajectory(pruner, self.threshold, self.levels or (), self.epochs, self.budget)

    def _without_effect(self) -> set[str]:
        names = super()._without_effect() | ({"prune_pooler"} if self.prune_pooler else set())
        if pruners.pruner(self.pruner).schedule == "gradual":
            return names
        return names | {field.name for field in dataclasses.fields(schedules.Schedule)}

    def recipe(self, kind: type[BuildParameters] | None = None) -> dict[str, Any]:
        """As for every notebook, with the levels up to the threshold of a nested pruner."""
        passed = [level for level in self.levels or (self.threshold,) if level <= self.threshold]
        return super().recipe(kind) | ({"levels": passed} if kind is None and self.pruner in pruners.NESTED else {})


class PieParameters(PrunedParameters):
    """03_pies: the predictions of one configuration against those of the unpruned models."""

    n_splits: Count = Field(description="how many half-splits of the seeds to average, from 1")
    n_bootstrap: Count = Field(description="how many bootstrap samples for the interval, from 1")


class InfluenceParameters(PairParameters):
    """04_el2n: the PIEs of the training set by bins of EL2N."""

    bins: Count = Field(description="how many bins of EL2N, from 1")
    n_splits: Count = Field(description="how many half-splits of the seeds to average, from 1")
    n_bootstrap: Count = Field(description="how many bootstrap samples for the intervals, from 1")


class ReadabilityParameters(PairParameters):
    """05_readability: the readability of the PIEs of the test set."""

    n_bootstrap: Count = Field(description="how many bootstrap samples for the intervals, from 1")
    processes: Count = Field(description="how many processes to score texts with, from 1")


class ReportParameters(Parameters):
    """06_report: the results of a study so far."""

    examples: Count = Field(description="how many PIEs to show with their text, from 1")


class ExploreParameters(Parameters):
    """07_explore: a page to look through the PIEs of a study."""

    split: Literal["test", "train"] = Field(description="test or train")
    rows: Count = Field(description="how many rows the table of the page may have, from 1")


class JobParameters(BaseModel):
    """The training of a pair as jobs, set by a study and not by a notebook."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    seeds_per_job: Count | None = Field(
        default=None, description="how many seeds a job trains, from 1, or None for all"
    )
    memory_gb: Positive = Field(default=16, description="the memory of a job in gigabytes, above 0")
    hours: Positive = Field(default=12, description="the time limit of a job in hours, above 0")


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
