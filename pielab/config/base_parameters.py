"""The parameters that notebooks share: where the results are, which data and model, which seeds, and which pruner."""

from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, Field

from pielab.compression import pruners
from pielab.config.types import (
    NEVER,
    UNLESS_DEFAULT,
    Bool,
    ColumnName,
    Count,
    Name,
    PrunerName,
    Revision,
    Seeds,
    StudyName,
    Threshold,
)
from pielab.store import paths


class Parameters(BaseModel):
    """The parameters of every notebook: where the results are."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    study: Annotated[StudyName, NEVER]
    results: Annotated[Name, NEVER] = Field("results", description="a folder for results")

    @property
    def study_folder(self) -> Path:
        return paths.study(self.results, self.study)

    @property
    def given(self) -> dict[str, Any]:
        """The parameters without a default, and those that differ from it."""
        fields = type(self).model_fields
        return {name: value for name, value in self.model_dump().items() if value != fields[name].default}

    def _repr_html_(self) -> str:
        """What differs from the defaults, and below it, folded, all of them."""
        given = ", ".join(f"{name} <b>{escape(str(value))}</b>" for name, value in self.given.items())
        rows = [f"<tr><th>{name}</th><td>{escape(str(value))}</td></tr>" for name, value in self.model_dump().items()]
        table = f"<table>{''.join(rows)}</table>"
        return f"<p>{given}</p><details><summary>all {len(rows)} parameters</summary>{table}</details>"

    def __repr__(self) -> str:
        return "\n".join(f"{name} = {value!r}" for name, value in self.model_dump().items())


class DataParameters(Parameters):
    """The texts and labels."""

    dataset: Name = Field(
        description="bbc-news, a CSV, Parquet, JSONL or .conll file, SQuAD's JSON, a folder of these, a Hub id, e2e, "
        "webnlg, or glue-rte and so on"
    )
    dataset_revision: Annotated[Revision, NEVER] = None  # a hash of the texts and labels is in the recipe
    data_dir: Annotated[Name | None, NEVER] = Field(None, description="a folder, or None")
    text: ColumnName = Field("text", description="the name of the text column, or its number in a .conll file")
    text_pair: Name | None = Field(None, description="the name of the second text column, or None")
    label: ColumnName = Field("label", description="the name of the label column, or its number in a .conll file")
    target: Annotated[Name | None, UNLESS_DEFAULT] = Field(
        None, description="the name of the column of texts to generate, or None"
    )
    label_separator: Name | None = Field(None, description="what separates several labels in the label column, or None")
    no_answer: Annotated[Bool, UNLESS_DEFAULT] = Field(
        False, description="True or False: whether questions may have no answer in their context"
    )
    group: Annotated[Name | None, NEVER] = Field(None, description="the name of a column to compare by, or None")
    limit: Count | None = Field(None, description="how many examples of each split to keep, from 1, or None for all")

    @property
    def data(self) -> dict[str, Any]:
        """The arguments of pielab.datasets.load."""
        names = [name for name in DataParameters.model_fields if name not in {"dataset", *Parameters.model_fields}]
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

    seeds: Annotated[Seeds, NEVER] = Field(description="a range such as 0-29, a list such as 0,3,7, or one seed")

    @property
    def dense_folder(self) -> Path:
        return self.unpruned.folder(self.study_folder)


class PrunedParameters(PairParameters):
    """One pruner at one threshold, on one model and data set."""

    pruner: PrunerName
    threshold: Threshold

    @property
    def configuration(self) -> paths.Configuration:
        return replace(self.unpruned, method=pruners.method_name(self.pruner), setting=self.threshold)

    @property
    def folder(self) -> Path:
        return self.configuration.folder(self.study_folder)
