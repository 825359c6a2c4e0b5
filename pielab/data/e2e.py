"""E2E (Novikova et al. 2017): meaning representations of restaurants, with descriptions that people wrote of them."""

from pathlib import Path

import pandas as pd

from pielab.data import formats

SOURCE = "trainset.csv, devset.csv and testset_w_refs.csv of https://github.com/tuetschek/e2e-dataset"
_FILES = {"train": "trainset.csv", "validation": "devset.csv", "test": "testset_w_refs.csv"}
FILES = tuple(f"{name}*" for name in _FILES.values())
_COLUMNS = {"mr": "text", "ref": "target"}


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """The splits that have a file: meaning representations as text, a row for each of their descriptions as target.

    Raises PielabError if a file is no table, and KeyError if a column is missing.
    """
    there = {
        split: path
        for split, name in _FILES.items()
        for path in (folder / name, folder / f"{name}.gz")
        if path.exists()
    }
    tables = {split: formats.read(path, list(_COLUMNS), None) for split, path in there.items()}
    return {split: table[list(_COLUMNS)].rename(columns=_COLUMNS) for split, table in tables.items()}
