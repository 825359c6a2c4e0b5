"""The parameters that several notebooks share: where results are, which texts, model, seeds and pruner."""

from pathlib import Path
from typing import Any

import pydantic
from pydantic import BaseModel, Field

from pielab.compression.pruners import GRADUAL, PRUNERS
from pielab.config.types import Count, Name, Percentage, PrunerName, Seeds
from pielab.store import paths

PRUNER_NAMES = (
    f"{', '.join(PRUNERS | GRADUAL)}, each also as IMP-FT-global or PINS-local with its other scope, and the iterative "
    "ones as IMP-FT-nested"
)


class Parameters(BaseModel):
    """What every notebook knows: where the results are."""

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
    """Which texts and labels."""

    dataset: Name = Field(
        description="bbc-news, a CSV, Parquet or JSONL file, a folder of such files, a Hub id, or glue-rte and so on"
    )
    data_dir: Name | None = Field(description="a folder, or None")
    text: Name = Field(description="the name of the text column")
    text_pair: Name | None = Field(description="the name of the second text column, or None")
    label: Name = Field(description="the name of the label column")
    label_separator: Name | None = Field(
        description="what separates the labels of one text in the label column, or None"
    )
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
    def pair_folder(self) -> Path:
        return self.study_folder / paths.pair(self.dataset, self.model)


class PairParameters(ModelParameters):
    """One model on one data set, and its initialisations."""

    seeds: Seeds

    @property
    def dense_folder(self) -> Path:
        return self.pair_folder / "dense"


class PrunedParameters(PairParameters):
    """One pruner at one threshold, on one model and data set."""

    pruner: PrunerName = Field(
        description=f"one of {PRUNER_NAMES}, or the name that bring.add was given (letters, digits, - _ .)"
    )
    threshold: Percentage = Field(description="a percentage of the prunable weights above 0 and below 100, such as 90")

    @property
    def folder(self) -> Path:
        return self.pair_folder / paths.configuration(self.pruner, self.threshold)

    @property
    def sparsity(self) -> float:
        return self.threshold / 100
