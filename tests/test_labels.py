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


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["01", "1"], ["01", "1"]),
        (["1E3", "1000", "5"], ["5", "1000", "1E3"]),
        (["1.10", "1.1", "1.9"], ["1.1", "1.10", "1.9"]),
        (["007", "9", "010"], ["007", "9", "010"]),
        (["+1", "-1"], ["-1", "+1"]),
        (["10", "9", "0"], ["0", "9", "10"]),
        (["0.5", "2.0", "10.0"], ["0.5", "2.0", "10.0"]),
        (["2.5", "1"], ["1.0", "2.5"]),
        (["10", "9", "x"], ["10", "9", "x"]),
        (["True", "2", "False"], ["2", "False", "True"]),
        (["1_000", "1000"], ["1000", "1_000"]),
        (["1" * 30, "2" * 30], ["1" * 30, "2" * 30]),
        (["inf", "nan", "1"], ["1", "inf", "nan"]),
        (["NA", "None", "null"], ["NA", "None", "null"]),
        (["2020-01-01", "2020-1-1"], ["2020-01-01", "2020-1-1"]),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_labels_of_a_text_file_are_classes_as_written(tmp_path, labels, classes, suffix):
    data = datasets.load(write(tmp_path / f"labels{suffix}", labels * 20))
    assert datasets.class_names(data) == classes
    assert np.bincount(all_targets(data)).tolist() == [20] * len(classes)


@pytest.mark.parametrize(
    ("train", "test", "classes", "targets"),
    [
        ([True, False], [1, 0], ["False", "True"], [1, 0]),
        ([1, 0], [True, False], ["0", "1"], [1, 0]),
        ([1, 0], [1.0, 0.0], ["0", "1"], [1, 0]),
        ([1.0, 0.0], [1, 0], ["0.0", "1.0"], [1, 0]),
        (["a", "1"], [1, 1], ["1", "a"], [0, 0]),
        (["a", "True"], [True, True], ["True", "a"], [0, 0]),
    ],
)
@pytest.mark.parametrize("suffixes", [(".csv", ".csv"), (".csv", ".tsv"), (".jsonl", ".parquet"), (".csv", ".jsonl")])
def test_types_are_decided_once_for_all_files(tmp_path, train, test, classes, targets, suffixes):
    for split, labels, suffix in zip(("train", "test"), (train, test), suffixes, strict=True):
        write(tmp_path / f"{split}{suffix}", labels * 20)
    data = datasets.load(str(tmp_path))
    assert datasets.class_names(data) == classes and datasets.targets(data["test"]).tolist() == targets * 20


def test_a_number_and_the_same_number_in_a_string_beside_words_are_one_class(tmp_path):
    data = datasets.load(write(tmp_path / "mixed.jsonl", [1, "1", "a"] * 20))
    assert datasets.class_names(data) == ["1", "a"] and np.bincount(all_targets(data)).tolist() == [40, 20]


@pytest.mark.parametrize("separator", [None, ";"])
def test_a_column_of_categories_is_read_as_its_values(tmp_path, separator):
    values = ["b;a", "a", None] * 20 if separator else ["b", "a"] * 30
    frame = make_texts(60).assign(label=pd.Categorical(values, [*dict.fromkeys(filter(None, values)), "unused"]))
    frame.to_parquet(tmp_path / "categories.parquet")
    data = datasets.load(str(tmp_path / "categories.parquet"), label_separator=separator)
    assert datasets.class_names(data) == ["a", "b"]


def test_boolean_words_in_several_forms_are_the_same(tmp_path):
    for split, words in (("train", ["true", "false"]), ("test", ["TRUE", "False"])):
        write(tmp_path / f"{split}.csv", words * 20)
    assert datasets.targets(datasets.load(str(tmp_path))["test"]).tolist() == [1, 0] * 20


@pytest.mark.parametrize("text", ["0045.50", "1E3", "true", "NA", "None", "nan", "1,000.0", " 7 ", "0x10", "1e999"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_texts_are_read_as_written(tmp_path, text, suffix):
    texts = [text, *(f"00{index}.0" for index in range(19))]
    path = write(tmp_path / f"texts{suffix}", ["a", "b"] * 10, text=texts)
    data = datasets.load(path)
    assert sorted(text for split in datasets.SPLITS for text in data[split]["text"]) == sorted(texts)
