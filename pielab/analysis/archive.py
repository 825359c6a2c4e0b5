"""The seeds of a study as `store.archive` keeps them: which are whole, and the error norms of the unpruned models."""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pielab.analysis import sides
from pielab.analysis.examples import el2n
from pielab.config.parameters import PairParameters
from pielab.config.study import Study
from pielab.config.types import parse_seeds
from pielab.data import datasets
from pielab.store import archive, paths, predictions, records
from pielab.store.archive import Row
from pielab.store.predictions import File

if TYPE_CHECKING:
    from datasets import DatasetDict

# The splits of predictions whose error norms are read, by 07_explore and 04_el2n, and that of the texts.
WITH_ERROR_NORMS = {"test": "test", "early": "train"}


def lacking(study: Study, study_folder: Path, pair: str) -> dict[int, list[str]]:
    """The names of the configurations that each seed of a pair lacks; none if the seed is whole."""
    configurations = study.of_pair(pair)
    return {
        seed: [each.name for each in configurations if not paths.seed(each.folder(study_folder), seed).exists()]
        for seed in parse_seeds(study.dense[pair]["seeds"])
    }


def rows(study: Study, study_folder: Path, pair: str, seeds: list[int]) -> Iterator[tuple[int, list[Row]]]:
    """Each seed with a row for each configuration of a pair. Raises PielabError if the texts have changed."""
    values = study.dense[pair]
    p = PairParameters(**{name: values[name] for name in PairParameters.model_fields})
    data = functools.cache(lambda: datasets.load(**p.data))  # not read if all seeds have been restored
    for seed in seeds:
        folders = [paths.seed(configuration.folder(study_folder), seed) for configuration in study.of_pair(pair)]
        yield seed, [_row(folder, data) for folder in folders]


def _row(folder: Path, data: Callable[[], "DatasetDict"]) -> Row:
    """A seed's folder as it is archived."""
    is_unpruned = paths.Configuration.of(records.read(folder)).unpruned
    splits = {}
    for split in archive.SPLITS:
        path = folder / f"{split}.parquet"
        if path.exists():
            file = predictions.read_file(path)
            splits[split] = _with_error_norms(file, split, data) if is_unpruned else file
    return Row((folder / "metrics.json").read_text(), splits)


def _with_error_norms(file: File, split: str, data: Callable[[], "DatasetDict"]) -> File:
    if file.logits is None or split not in WITH_ERROR_NORMS:
        return file
    texts = WITH_ERROR_NORMS[split]
    sides.check_same_data(data(), file.run, file.run, texts)
    norms = el2n.error_norms(file.run, datasets.targets(data()[texts]))
    return dataclasses.replace(file, error_norms=norms.astype(np.float32))
