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
    texts = [text, "a word", *(f"00{index}.0" for index in range(18))]  # of numbers alone, they would be another column
    path = write(tmp_path / f"texts{suffix}", ["a", "b"] * 10, text=texts)
    data = datasets.load(path)
    assert sorted(text for split in datasets.SPLITS for text in data[split]["text"]) == sorted(texts)


@pytest.mark.parametrize(
    ("suffix", "labels", "separator", "id", "problem", "cure"),
    [
        (".jsonl", [["a"], "b"], None, "labels-of-two-forms", "lists, such as ['a'], and", "give lists in every row"),
        (".jsonl", ["b", ["a"]], None, "labels-of-two-forms", "such as 'b'", "or in none"),
        (".jsonl", [["a"], 1, []], None, "labels-of-two-forms", "labels that are none, such as 1", "give lists"),
        (".jsonl", [["a;b"], ["c"]], ";", "separator-of-lists", "label_separator = ';'", "omit label_separator"),
        (".parquet", [["a", "b"], ["c"]], ",", "separator-of-lists", "label_separator = ','", "omit label_separator"),
        (".csv", [["a", "b"], ["c"]], None, "labels-written-as-lists", "['", "save lists in a .jsonl or .parquet file"),
        (".csv", [["a", "b"], ["c"]], ",", "labels-written-as-lists", "['", "save lists in a .jsonl or .parquet file"),
        (".csv", ["[0 1 0]", "[1 0 1]"], None, "labels-written-as-lists", "the label '[", "set label_separator"),
        (".tsv", [[0, 1], [1, 1]], None, "labels-written-as-lists", "the label '[", "set label_separator"),
        (".csv", ["[True, False]", "[]"], None, "labels-written-as-lists", "the label '[", "set label_separator"),
        (".jsonl", ['["a"]', '["b"]'], None, "labels-written-as-lists", "the label '[", "set label_separator"),
        (".csv", [("a", "b"), ("c",)], None, "labels-written-as-lists", "the label \"('", "set label_separator"),
        (".csv", ["[a, b]", "c"], None, "labels-written-as-lists", "the label '[a, b]'", "set label_separator"),
        (".csv", ["a", "['a']"], None, "labels-written-as-lists", "the label \"['a']\"", "set label_separator"),
        (".jsonl", [{"a": 1}, {"b": 1}], None, "label-of-unknown-type", "the label {'", "give strings"),
        (".jsonl", [[["a"]], [["b"]]], None, "label-of-unknown-type", "the label ['", "or lists of these"),
        (".jsonl", [["a", None], ["b"]], None, "label-of-unknown-type", "the label None", "or lists of these"),
        (".parquet", [b"a", b"b"], None, "label-of-unknown-type", "the label b'", "give strings"),
        (".jsonl", [[0.1, 0.9], [0.5, 0.5]], None, "labels-are-scores", "the number 0.1", "a 0 or 1 for each class"),
        (
            ".jsonl",
            [list("xxy"), list("xyy")],
            None,
            "labels-repeated",
            "3 labels in every row",
            "each label of a text",
        ),
        (".jsonl", [[-1, 1, -1], [1, -1, -1]], None, "labels-repeated", "[-1, 1, -1]", "a 0 or 1 for each class"),
        (".csv", ["a,b", "c"], ";", "separator-never-occurs", "such as 'a,b'", "give the separator of the labels"),
        (".csv", [1, 2], ";", "separator-never-occurs", "in no label of", "or omit it"),
        (".csv", [0, 1, 2, -1], None, "negative-label", "the label -1 beside 0 to 2", "leave its examples out"),
        (".csv", [0, 1, -100], None, "negative-label", "the label -100 beside 0 to 1", "leave its examples out"),
        (".jsonl", [[0, 1, -1], [1, 0, 0]], None, "labels-repeated", "[1, 0, 0]", "a 0 or 1 for each class"),
        (".csv", ["0,1,0", "1,0,1"], None, "labels-written-as-bits", "such as '0,1,0'", "set label_separator"),
        (".tsv", ["0 1", "1 0"], None, "labels-written-as-bits", "such as '0 1'", "save them as lists"),
        (".jsonl", ["a", "a\u200b"], None, "labels-look-alike", "invisible codes alone", "write them alike"),
        (".parquet", [0, 1, 2, -1], None, "negative-label", "no label", "if it is a class, give it a name"),
        (".jsonl", [[0, 5], [3, -1], [-1]], None, "negative-label", "beside 0 to 5", "leave its examples out"),
        (".csv", ["pos", "neg", "pos "], None, "labels-look-alike", "'pos' and 'pos '", "write them alike"),
        (".jsonl", ["a  b", "a b", "c"], None, "labels-look-alike", "differ in spaces", "write them alike"),
        (".csv", ["caf\u00e9", "cafe\u0301"], None, "labels-look-alike", "invisible codes alone", "write them alike"),
        (".jsonl", [["a"], ["a\u00a0", "b"]], None, "labels-look-alike", "differ in spaces", "write them alike"),
    ],
)
def test_labels_that_cannot_be_meant_are_one_sentence(tmp_path, suffix, labels, separator, id, problem, cure):
    path = write(tmp_path / f"labels{suffix}", labels * 10)
    with refused(id, cure, problem):
        datasets.load(path, label_separator=separator)


@pytest.mark.parametrize(
    ("labels", "separator", "line"),
    [
        (["a,b", "", "c"], ";", "label_separator = ';' occurs in no label of"),
        (["Pos", "neg", "pos"], None, "has the labels 'Pos' and 'pos', which differ in capitals alone, as two classes"),
        ([-1, 0, 1], None, "has the class -1: leave its examples out if it means that they have no label"),
        ([-1, 0], None, "has the class -1: leave its examples out if it means that they have no label"),
        (["01001", "10010"], None, "labels of several zeros and ones, such as '01001', each as one class"),
        (["yes", "no", "-"], None, "has the class '-': leave its examples out"),
        (["yes", "no", "nan"], None, "has the class 'nan': leave its examples out"),
        ([index**2 for index in range(25)], None, "has 25 labels in 250 examples, such as 0: are they classes?"),
        ([index / 8 for index in range(25)], None, "has 25 labels in 250 examples, such as 0.0: are they classes?"),
    ],
)
def test_labels_that_may_be_meant_are_read_with_a_warning(tmp_path, capsys, labels, separator, line):
    path = write(tmp_path / "labels.csv", labels * 10)
    names = datasets.class_names(datasets.load(path, label_separator=separator))
    assert len(names) == len(set(labels) - {""})
    errors = capsys.readouterr().err
    assert errors.startswith("warning: ") and line in errors and errors.count("\n") == 1


@pytest.mark.parametrize(
    "labels",
    [
        [-1, 1],
        [-2, -1, 0, 1, 2],
        ["[removed]", "kept"],
        ["(a)", "(b)"],
        ["(0, 10]", "(10, 20]"],
        [*range(30)],
        [1, 2, 3],
        ["x\u00b2", "x2"],
        ["a;b", "c"],
    ],
)
def test_unusual_labels_are_read_without_a_word(tmp_path, capsys, labels):
    data = datasets.load(write(tmp_path / "labels.csv", labels * 10))
    assert datasets.class_names(data) == [str(label) for label in sorted(labels)] and not capsys.readouterr().err


@pytest.mark.parametrize("labels", [[f"id{index}" for index in range(40)], [index / 7 for index in range(40)]])
def test_a_column_of_ids_or_measurements_is_no_column_of_classes(tmp_path, labels):
    with refused("labels-nearly-unique", "give the column of the classes", "40 different labels in 40 examples"):
        datasets.load(write(tmp_path / "labels.csv", labels))


def test_one_example_of_each_class_to_train_on_is_enough(tmp_path):
    for split, number in (("train", 1), ("test", 3)):
        write(tmp_path / f"{split}.csv", [f"class {index}" for index in range(40)] * number)
    assert len(datasets.class_names(datasets.load(str(tmp_path)))) == 40
