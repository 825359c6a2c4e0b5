"""Any data, one shape."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import make_texts, refused
from datasets import Dataset

from pielab.data import data_card, datasets


@pytest.fixture(scope="module")
def bbc():
    return datasets.load("bbc-news")


def test_bbc_news_is_2127_distinct_articles_in_five_classes_and_a_fixed_split(bbc):
    assert [len(bbc[split]) for split in datasets.SPLITS] == [927, 200, 1000]
    texts = [text for split in datasets.SPLITS for text in bbc[split]["text"]]
    assert len(set(texts)) == len(texts) == 2127
    assert datasets.class_names(bbc) == ["business", "entertainment", "politics", "sports", "tech"]
    shares = [np.bincount(bbc[split]["label"]) / len(bbc[split]) for split in datasets.SPLITS]
    assert np.allclose(shares[0], shares[2], atol=0.005) and np.allclose(shares[1], shares[2], atol=0.01)
    assert datasets.digest(bbc) == datasets.digest(datasets.load("bbc-news", seed=5))


def test_a_limit_keeps_the_classes_in_proportion(bbc):
    small = datasets.load("bbc-news", limit=100)
    assert [len(small[split]) for split in datasets.SPLITS] == [100, 100, 100]
    assert set(small["test"]["text"]) <= set(bbc["test"]["text"])
    whole = np.bincount(bbc["test"]["label"]) / 1000
    assert np.allclose(np.bincount(small["test"]["label"]) / 100, whole, atol=0.01)
    assert datasets.digest(small) != datasets.digest(datasets.load("bbc-news", limit=100, seed=1))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_a_file_of_each_kind_gives_the_same_data(tmp_path, suffix):
    frame = make_texts(60)
    path = tmp_path / f"texts{suffix}"
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }[suffix]()
    data = datasets.load(str(path))
    assert [len(data[split]) for split in datasets.SPLITS] == [42, 9, 9]
    assert datasets.class_names(data) == ["animals", "food", "weather"]
    whole = {text for split in datasets.SPLITS for text in data[split]["text"]}
    assert whole == set(frame["text"])


def test_a_folder_with_its_own_splits_keeps_them(tmp_path):
    for split, number in (("train", 60), ("test", 30)):
        make_texts(number, seed=number).to_csv(tmp_path / f"{split}.csv", index=False)
    data = datasets.load(str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [51, 9, 30]


def test_a_folder_with_a_test_file_alone_is_taken_in_its_order(tmp_path):
    frame = make_texts(10)
    frame.to_csv(tmp_path / "test.csv", index=False)
    data = datasets.load(str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [0, 0, 10]
    assert list(data["test"]["text"]) == frame["text"].tolist()
    assert datasets.class_names(data) == ["animals", "food", "weather"]
    assert data_card.class_counts(data).loc["examples"].tolist() == [0, 0, 10]
    assert len(datasets.load(str(tmp_path), limit=4)["test"]) == 4
    frame.assign(label=frame["label"] + ";made").to_csv(tmp_path / "test.csv", index=False)
    several = datasets.load(str(tmp_path), label_separator=";")
    assert [datasets.targets(several[split]).shape for split in datasets.SPLITS] == [(0, 4), (0, 4), (10, 4)]
    assert data_card.class_counts(several).loc["made"].tolist() == [0, 0, 10]
    assert datasets.digest(several) != datasets.digest(data)
    (tmp_path / "test.csv").rename(tmp_path / "validation.csv")
    with refused("folder-without-splits", "put train.csv", f"{tmp_path} has no train and no test file") as caught:
        datasets.load(str(tmp_path))
    assert "or test.csv alone" in caught.value.cure


def test_files_are_found_in_data_dir_and_in_pielab_data(tmp_path, monkeypatch):
    make_texts(60).to_csv(tmp_path / "mine.csv", index=False)
    assert len(datasets.load("mine.csv", data_dir=str(tmp_path))["test"]) == 9
    monkeypatch.setenv("PIELAB_DATA", str(tmp_path))
    assert len(datasets.load("mine.csv")["test"]) == 9


def test_pairs_of_texts_and_other_column_names(tmp_path):
    frame = make_texts(60).assign(second="a question").rename(columns={"text": "first", "label": "gold"})
    frame.to_csv(tmp_path / "pairs.csv", index=False)
    data = datasets.load(str(tmp_path / "pairs.csv"), text="first", text_pair="second", label="gold")
    assert data["train"].column_names == ["text", "text_pair", "label"]
    assert datasets.joined_texts(data["train"])[0] == f"{data['train'][0]['text']} [SEP] a question"


def test_number_labels_are_ordered_as_numbers(tmp_path):
    frame = make_texts(60).assign(label=[(index % 3) * 5 for index in range(60)])
    frame.to_csv(tmp_path / "stars.csv", index=False)
    assert datasets.class_names(datasets.load(str(tmp_path / "stars.csv"))) == ["0", "5", "10"]


@pytest.mark.parametrize("kind", ["list", "joined"])
def test_several_labels_to_a_text(tmp_path, kind):
    labels = [["a"], ["b", "c"], ["a", "c"], []] * 15
    frame = make_texts(60).assign(label=labels if kind == "list" else [" | ".join(each) for each in labels])
    frame.to_json(tmp_path / "topics.jsonl", orient="records", lines=True)
    separator = "|" if kind == "joined" else None
    data = datasets.load(str(tmp_path / "topics.jsonl"), label_separator=separator)
    assert datasets.is_multi_label(data) and datasets.class_names(data) == ["a", "b", "c"]
    hot = np.concatenate([datasets.targets(data[split]) for split in datasets.SPLITS])
    assert hot.dtype == np.float32 and hot.sum(axis=0).tolist() == [30, 15, 30]
    assert data_card.class_counts(data).loc["b"].sum() == 15
    small = datasets.load(str(tmp_path / "topics.jsonl"), label_separator=separator, limit=5)
    assert len(small["train"]) == 5 and datasets.class_names(small) == ["a", "b", "c"]


def test_in_a_csv_an_empty_cell_is_a_text_without_labels_and_none_is_a_word(tmp_path):
    frame = make_texts(60).assign(label=["a;b", "None", "", "b"] * 15)
    frame.loc[0, "text"] = "None"
    frame.to_csv(tmp_path / "topics.csv", index=False)
    data = datasets.load(str(tmp_path / "topics.csv"), label_separator=";")
    assert datasets.class_names(data) == ["None", "a", "b"]
    assert data_card.class_counts(data).loc["b"].sum() == 30 and data_card.class_counts(data).loc["None"].sum() == 15
    assert "None" in [text for split in datasets.SPLITS for text in data[split]["text"]]


def test_a_hub_data_set_keeps_its_class_names_and_drops_what_has_no_gold_label(monkeypatch):
    from datasets import ClassLabel, DatasetDict, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    rows = {"text": [f"text {index}" for index in range(40)], "label": [0, 1, 1, -1] * 10}
    hub = DatasetDict({"train": Dataset.from_dict(rows, features=features)})
    monkeypatch.setattr("datasets.load_dataset", lambda *names: hub)
    data = datasets.load("somebody/something")
    assert datasets.class_names(data) == ["no", "yes"]
    assert sum(len(data[split]) for split in datasets.SPLITS) == 30


def test_a_hub_data_set_with_lists_of_classes(monkeypatch):
    from datasets import ClassLabel, DatasetDict, Features, List, Value

    features = Features({"text": Value("string"), "label": List(ClassLabel(names=["x", "y"]))})
    rows = {"text": [f"text {index}" for index in range(40)], "label": [[0], [1], [0, 1], []] * 10}
    hub = DatasetDict({"train": Dataset.from_dict(rows, features=features)})
    monkeypatch.setattr("datasets.load_dataset", lambda *names: hub)
    data = datasets.load("somebody/something")
    assert datasets.is_multi_label(data) and datasets.class_names(data) == ["x", "y"]


@pytest.mark.parametrize(
    ("change", "options", "id", "problem", "cure"),
    [
        (lambda frame: frame, {"text": "txt"}, "no-such-column", "no column 'txt'", "set text to one of text, label"),
        (
            lambda frame: frame,
            {"label": "gold"},
            "no-such-column",
            "no column 'gold'",
            "set label to one of text, label",
        ),
        (
            lambda frame: frame.assign(text=[None, *frame["text"][1:]]),
            {},
            "empty-cells",
            "1 rows with no 'text', the first is row 1",
            "fill or drop them",
        ),
        (lambda frame: frame.assign(label="same"), {}, "too-few-classes", "1 class in its labels", "two at least"),
        (lambda frame: frame[:3], {}, "too-few-to-split", "3 examples, too few to split", "give 7 at least"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(tmp_path, change, options, id, problem, cure):
    change(make_texts(60)).to_json(tmp_path / "texts.jsonl", orient="records", lines=True)
    with refused(id, cure, problem):
        datasets.load(str(tmp_path / "texts.jsonl"), **options)


def test_a_file_that_is_not_there_or_not_readable(tmp_path):
    with refused("no-such-data-file", "give its full path", "there is no file 'nothing.csv' in"):
        datasets.load("nothing.csv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with refused("data-file-unreadable", "check that it is complete", "broken.parquet could not be read as parquet"):
        datasets.load(str(tmp_path / "broken.parquet"))
    (tmp_path / "broken.jsonl").write_text(json.dumps({"text": "a"}) + "\n{")
    with refused("data-file-unreadable", "check that it is complete", "broken.jsonl could not be read as jsonl"):
        datasets.load(str(tmp_path / "broken.jsonl"))
    (tmp_path / "texts.xyz").write_text("")
    with refused("unknown-kind-of-file", "give a file that ends in .csv", "texts.xyz is of an unknown kind"):
        datasets.load(str(tmp_path / "texts.xyz"))


def test_an_unknown_name_says_what_there_is(monkeypatch):
    def offline(*names):
        raise ConnectionError("the Hub cannot be reached")

    monkeypatch.setattr("datasets.load_dataset", offline)
    with refused("unknown-dataset", "give the path", "'bbcnews' is neither bbc-news, nor a file") as caught:
        datasets.load("bbcnews")
    assert "the Hub cannot be reached" in caught.value.problem


def test_a_test_label_that_training_does_not_know(tmp_path):
    make_texts(60).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"text": ["a"], "label": ["sport"]}).to_csv(tmp_path / "test.csv", index=False)
    problem = "(test) has labels that never occur in training, ['sport']"
    with refused("labels-never-in-training", "add training examples", problem):
        datasets.load(str(tmp_path))


@pytest.mark.parametrize("value", [["a", "list"], {"a": "dictionary"}, b"bytes", np.array(["an", "array"])])
def test_a_text_that_is_no_string(tmp_path, value):
    frame = make_texts(20)
    frame["text"] = [value] * 20
    frame.to_parquet(tmp_path / "texts.parquet")
    kind = "ndarray" if isinstance(value, list) else type(value).__name__
    problem = f"column 'text', row 1 is of the type {kind}"
    with refused("text-not-a-string", "join the parts of a list", problem):
        datasets.load(str(tmp_path / "texts.parquet"))
    frame["text"] = make_texts(20)["text"]
    frame["second"] = [value] * 20
    frame.to_parquet(tmp_path / "texts.parquet")
    with refused("text-not-a-string", "decode bytes", "column 'second', row 1"):
        datasets.load(str(tmp_path / "texts.parquet"), text_pair="second")


def test_a_text_that_is_no_string_in_one_row_is_counted(tmp_path):
    rows = [{"text": f"text {index}", "label": "ab"[index % 2]} for index in range(20)]
    rows[6]["text"] = ["in", "parts"]
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with refused("text-not-a-string", "join the parts", "row 7 is of the type list, ['in', 'parts']"):
        datasets.load(str(tmp_path / "texts.jsonl"))


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("['{}', 'x']", "all texts of "),
        ("b'{}'", "all texts of "),
        ("{{'text': '{}'}}", "all texts of "),
        ("[sic] {}", ""),
        ("b{}", ""),
    ],
)
def test_texts_that_are_lists_or_bytes_written_as_text_are_a_warning(tmp_path, capsys, form, line):
    frame = make_texts(20)
    frame.assign(text=frame["text"].map(form.format)).to_csv(tmp_path / "texts.csv", index=False)
    datasets.load(str(tmp_path / "texts.csv"))
    errors = capsys.readouterr().err
    assert errors.count("\n") == bool(line) and line in errors


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"text": "label"}, "text and label are both 'label'"),
        ({"label": "text"}, "text and label are both 'text'"),
        ({"text_pair": "text"}, "text and text_pair are both 'text'"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_one_column_for_two_purposes(tmp_path, options, problem, suffix):
    frame, path = make_texts(20), tmp_path / f"texts{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    with refused("column-given-twice", "give each a column of its own", problem):
        datasets.load(str(path), **options)


@pytest.mark.parametrize("text", ["the same", "   ", ""])
def test_texts_that_are_all_the_same(tmp_path, text):
    make_texts(20).assign(text=text).to_json(tmp_path / "texts.jsonl", orient="records", lines=True)
    with refused("texts-all-the-same", "give the column of the texts as text", "all 20 texts of"):
        datasets.load(str(tmp_path / "texts.jsonl"))


def test_some_blank_texts_are_a_warning_and_pairs_may_share_one(tmp_path, capsys):
    frame = make_texts(20).assign(second="which topic?")
    frame.loc[:2, "text"] = [" ", "\t", "\u00a0"]
    frame.to_csv(tmp_path / "texts.csv", index=False)
    datasets.load(str(tmp_path / "texts.csv"))
    assert "has 3 of 20 texts without any word" in capsys.readouterr().err
    datasets.load(str(tmp_path / "texts.csv"), text_pair="second")
    assert not capsys.readouterr().err


@pytest.mark.parametrize("name", ["validation", "valid", "val", "dev", "Dev", "VALID"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".csv.gz"])
def test_a_validation_file_of_any_name_is_the_validation_split(tmp_path, capsys, name, suffix):
    for split, number in (("train", 60), (name, 24), ("test", 30)):
        frame, path = make_texts(number, seed=number), tmp_path / f"{split}{suffix}"
        frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False)
    data = datasets.load(str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [60, 24, 30] and not capsys.readouterr().err
    assert list(data["validation"]["text"]) == make_texts(24, seed=24)["text"].tolist()


@pytest.mark.parametrize("other", ["train.parquet", "train.csv.gz", "TRAIN.CSV", "dev.csv", "val.tsv", "test.jsonl"])
def test_two_files_of_one_split(tmp_path, other):
    for name in ("train.csv", "test.csv", "validation.csv"):
        make_texts(30).to_csv(tmp_path / name, index=False)
    (tmp_path / other).touch()
    split = {"d": "validation", "v": "validation"}.get(other[0], other.lower().partition(".")[0])
    with refused("split-in-two-files", "leave one of them", f"two files of the {split} split"):
        datasets.load(str(tmp_path))


@pytest.mark.parametrize(
    "other",
    [
        "train2.csv",
        "test.xlsx",
        "training.jsonl",
        "test-00000-of-00002.parquet",
        "dev.txt",
        "labels.json",
        "dev.csv.zip",
    ],
)
def test_other_data_files_in_the_folder_are_named(tmp_path, capsys, other):
    for name in ("train.csv", "test.csv"):
        make_texts(30).to_csv(tmp_path / name, index=False)
    for name in (other, "README.md", ".partial", "model.safetensors"):
        (tmp_path / name).touch()
    (tmp_path / "test").mkdir()
    datasets.load(str(tmp_path))
    assert capsys.readouterr().err == f"warning: {tmp_path} has data files that are not read: {other}\n"


@pytest.mark.parametrize(
    ("splits", "sizes", "line"),
    [
        ({"train": 60, "dev": 24, "test": 30}, [60, 24, 30], ""),
        ({"train": 60, "val": 24, "validation": 12, "test": 30}, [60, 12, 30], "not read, by their names or for want"),
        ({"train": 60, "extra": 24, "test": 30}, [51, 9, 30], "for want of labels: extra"),
        ({"train": 60, "validation": 12, "test": 0}, [51, 12, 9], "for want of labels: test"),
    ],
)
def test_the_splits_of_a_hub_data_set(monkeypatch, capsys, splits, sizes, line):
    from datasets import ClassLabel, DatasetDict, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=list("abc"))})
    hub = DatasetDict()
    for split, number in splits.items():
        texts = list(make_texts(number or 10)["text"])
        ids = [index % 3 if number else -1 for index in range(len(texts))]
        hub[split] = Dataset.from_dict({"text": texts, "label": ids}, features=features)
    monkeypatch.setattr("datasets.load_dataset", lambda *names: hub)
    data = datasets.load("somebody/something")
    assert [len(data[split]) for split in datasets.SPLITS] == sizes
    errors = capsys.readouterr().err
    assert errors.count("\n") == bool(line) and line in errors


def test_a_hub_data_set_without_training_texts_or_with_a_test_set_without_the_column(monkeypatch):
    from datasets import DatasetDict

    hub = DatasetDict({"test": Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]})})
    monkeypatch.setattr("datasets.load_dataset", lambda *names: hub)
    with refused("hub-dataset-without-split", "give a data set with", "has no train split with labels, it has test"):
        datasets.load("somebody/something")
    hub["train"], hub["test"] = hub["test"], Dataset.from_dict({"text": ["a"]})
    with refused("no-such-column", "set label to one of text", "(test) has no column 'label'"):
        datasets.load("somebody/something")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("several", [True, False])
def test_a_class_of_one_example_leaves_the_others_in_proportion(tmp_path, number, several):
    labels = ["a"] * 140 + ["b"] * 40 + ["c"] * 20 + [f"rare {index}" for index in range(number)]
    frame = make_texts(len(labels)).assign(label=[[label] for label in labels] if several else labels)
    frame.to_json(tmp_path / "texts.jsonl", orient="records", lines=True)
    counts = data_card.class_counts(datasets.load(str(tmp_path / "texts.jsonl")))
    assert counts.loc[["a", "b", "c"], "test"].tolist() == pytest.approx([21, 6, 3], abs=1)
    limited = data_card.class_counts(datasets.load(str(tmp_path / "texts.jsonl"), limit=20))
    assert limited.loc[["a", "b", "c"], "train"].tolist() == pytest.approx([14, 4, 2], abs=1)
