"""Labels of every form that files have, as class ids."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import make_texts, refused

from pielab.data import datasets


def write(path, labels, **columns):
    """A file of the kind that its name ends in, with made texts and these labels."""
    frame = pd.DataFrame(columns | {"label": pd.Series(labels)})
    if not columns:
        frame.insert(0, "text", make_texts(len(frame))["text"])
    writers = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: path.write_text("\n".join(map(json.dumps, frame.to_dict("records")))),
    }
    writers[path.suffix]()
    return str(path)


def all_targets(data):
    return np.concatenate([datasets.targets(data[split]) for split in datasets.SPLITS])


HOT = np.tile([[0, 1, 0, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]], (15, 1))


@pytest.mark.parametrize(
    ("suffix", "rows"),
    [
        (".jsonl", HOT.tolist()),
        (".jsonl", HOT.astype(float).tolist()),
        (".jsonl", HOT.astype(bool).tolist()),
        (".jsonl", HOT.astype(str).tolist()),
        (".parquet", list(HOT)),
        (".parquet", list(HOT.astype(np.float32))),
        (".parquet", list(HOT.astype(bool))),
    ],
)
def test_a_zero_or_one_for_each_class_is_multi_hot(tmp_path, suffix, rows):
    data = datasets.load(write(tmp_path / f"hot{suffix}", rows))
    assert datasets.class_names(data) == ["0", "1", "2", "3", "4"]
    assert all_targets(data).sum(axis=0).tolist() == HOT.sum(axis=0).tolist()


def test_joined_zeros_and_ones_are_multi_hot(tmp_path):
    joined = [" ".join(map(str, row)) for row in HOT]
    data = datasets.load(write(tmp_path / "hot.csv", joined), label_separator=" ")
    assert all_targets(data).sum(axis=0).tolist() == HOT.sum(axis=0).tolist()


def test_eleven_columns_are_in_their_order_and_two_are_classes(tmp_path):
    rows = np.eye(11, dtype=int)[np.arange(66) % 11].tolist()
    data = datasets.load(write(tmp_path / "hot.jsonl", rows))
    assert datasets.class_names(data) == [str(index) for index in range(11)]
    data = datasets.load(write(tmp_path / "two.jsonl", [[0, 1], [1, 0]] * 30))
    assert all_targets(data).sum(axis=0).tolist() == [30, 30]


def test_lists_of_the_ids_0_and_1_are_names(tmp_path):
    data = datasets.load(write(tmp_path / "ids.jsonl", [[0], [1], [0, 1], []] * 15))
    assert datasets.class_names(data) == ["0", "1"] and all_targets(data).sum(axis=0).tolist() == [30, 30]
    data = datasets.load(write(tmp_path / "one.jsonl", [[0], [1]] * 30))
    assert all_targets(data).sum(axis=0).tolist() == [30, 30]


def test_multi_hot_rows_of_different_lengths(tmp_path):
    problem = "has labels that are lists of 0 and 1, of 4, 5 numbers"
    with refused("multi-hot-lengths-differ", "one number for each class in every row", problem):
        datasets.load(write(tmp_path / "hot.jsonl", [*HOT.tolist(), [0, 1, 1, 0]]))
