"""The column by which results are compared: read from any file, checked, and part of no recipe and no digest."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import make_texts, refused
from datasets import Dataset, DatasetDict
from hypothesis import given
from hypothesis import strategies as st

from pielab.config.parameters import PruneParameters
from pielab.data import datasets, glue, text_groups
from pielab.data.text_groups import NONE


def load(path, frame, **names):
    """The groups of the texts of a file, by text."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in frame.to_dict("records")))
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    data = datasets.load(str(path), **{"group": "kind"} | names)
    found = pd.concat([data[split].to_pandas()[["text", "group"]] for split in datasets.SPLITS])
    return found.set_index("text")["group"]


def texts(values):
    """As many texts, each of its own, with their kind."""
    frame = make_texts(len(values))
    return frame.assign(text=frame["text"] + [f" w{place}" for place in range(len(frame))], kind=values)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["a", "b", None], ["a", "b", NONE]),
        ([3, 1, 2], ["3", "1", "2"]),
        ([0.5, 1.5, 0.5], ["0.5", "1.5", "0.5"]),
        ([True, False, True], ["True", "False", "True"]),
        (["<b>x</b> & y", " two\n lines ", "$x_1$"], ["<b>x</b> & y", "two lines", "$x_1$"]),
    ],
)
def test_values_are_strings_whatever_the_file(tmp_path, suffix, values, names):
    frame = texts(20 * values)
    found = load(tmp_path / f"texts{suffix}", frame)
    assert found[frame["text"]].tolist() == 20 * names


def test_integers_beside_empty_cells_and_categories_of_parquet(tmp_path):
    frame = texts(20 * [1, 2, None])
    assert set(load(tmp_path / "numbers.parquet", frame)) == {"1", "2", NONE}
    frame["kind"] = pd.Categorical(20 * ["x", "y", None], categories=["x", "y", "never"])
    assert set(load(tmp_path / "categories.parquet", frame)) == {"x", "y", NONE}
    frame["kind"] = pd.array(20 * [True, False, None], dtype="boolean")
    assert set(load(tmp_path / "bools.parquet", frame)) == {"True", "False", NONE}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_many_numbers_become_quarters_of_all_splits_named_by_their_range(tmp_path, suffix):
    values = np.random.default_rng(0).permutation(np.arange(1, 101))
    frame = texts(values)
    found = load(tmp_path / f"texts{suffix}", frame)
    assert found.value_counts().to_dict() == {"1 to 25": 25, "26 to 50": 25, "51 to 75": 25, "76 to 100": 25}
    low, high = (found[frame["text"]].str.split(" to ").str[end].astype(int).to_numpy() for end in (0, 1))
    assert ((low <= values) & (values <= high)).all()


def test_few_numbers_stay_as_they_are_and_codes_as_they_are_written(tmp_path):
    assert set(load(tmp_path / "texts.csv", texts(10 * ["01", "1", "2", "3", "1e1"]))) == {"01", "1", "2", "3", "1e1"}


@given(st.lists(st.one_of(st.none(), st.integers(-50, 50), st.floats(-5, 5)), min_size=12))
def test_quarters_are_ranges_in_order_that_never_overlap(cells):
    cells = [*cells, *range(100, 111)]  # of more than ten values
    named = text_groups._quarters(pd.Series(cells, dtype=object))
    table = pd.DataFrame({"number": pd.to_numeric(pd.Series(cells, dtype=object)), "name": named})
    assert (table["name"][table["number"].isna()] == NONE).all()
    ends = table.dropna().groupby("name")["number"].agg(["min", "max"]).sort_values("min")
    assert 2 <= len(ends) <= 4 and (ends["min"].to_numpy()[1:] > ends["max"].to_numpy()[:-1]).all()
    for name, (low, high) in ends.iterrows():
        assert name == (f"{low:.15g} to {high:.15g}" if high > low else f"{low:.15g}")


@pytest.mark.parametrize("usual", [0, 99])
def test_a_number_that_most_texts_have_is_a_group(usual):
    cells = pd.Series([usual] * 90 + list(range(1, 13)), dtype=object)
    named = text_groups._quarters(cells)
    assert len(set(named)) == 2 and named[:90] == [named[0]] * 90


def test_a_folder_with_pairs_several_labels_and_a_limit(tmp_path):
    frame = texts(30 * ["a", "b"])
    frame["second"], frame["label"] = frame["text"].str.upper(), frame["label"] + ";all"
    frame.iloc[:40].to_csv(tmp_path / "train.csv", index=False)
    frame.iloc[40:].to_csv(tmp_path / "test.csv", index=False)
    given = {"text_pair": "second", "label_separator": ";", "group": "kind", "limit": 12}
    data = datasets.load(str(tmp_path), **given)
    kinds = dict(zip(frame["text"], frame["kind"], strict=True))
    for split in datasets.SPLITS:
        assert data[split]["group"] == [kinds[text] for text in data[split]["text"]]
    assert len(data["test"]) == 12 and datasets.is_multi_label(data)
    assert datasets.digest(data) == datasets.digest(datasets.load(str(tmp_path), **given | {"group": None}))


def test_test_texts_alone_have_groups(tmp_path):
    texts(10 * ["a", "b"]).to_csv(tmp_path / "test.csv", index=False)
    data = datasets.load(str(tmp_path), group="kind")
    assert data["test"]["group"] == 10 * ["a", "b"] and len(data["train"]) == 0


def test_without_a_group_there_is_no_column(tmp_path):
    texts(20 * ["a", "b"]).to_csv(tmp_path / "texts.csv", index=False)
    assert "group" not in datasets.load(str(tmp_path / "texts.csv"))["test"].column_names


def test_a_column_called_group_may_be_the_text(tmp_path):
    frame = texts(20 * ["a", "b"]).rename(columns={"text": "group"})
    frame.to_csv(tmp_path / "texts.csv", index=False)
    data = datasets.load(str(tmp_path / "texts.csv"), text="group", group="kind")
    assert set(data["test"]["group"]) == {"a", "b"} and data["test"]["text"][0] in set(frame["group"])


def test_a_column_of_a_hub_data_set(monkeypatch):
    part = Dataset.from_pandas(texts(20 * ["a", "b"]), preserve_index=False)
    monkeypatch.setattr("datasets.load_dataset", lambda *args, **options: DatasetDict(train=part))
    assert set(datasets.load("owner/name", group="kind")["train"]["group"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("values", "names", "id", "cure", "problem"),
    [
        (list("ab"), {"group": "dialect"}, "no-such-column", "set group to one of text, label, kind", "'dialect'"),
        (list("ab"), {"group": "text"}, "column-given-twice", "a column of its own", "text and group are both 'text'"),
        (list("ab"), {"group": "label"}, "column-given-twice", "a column of its own", "label and group are both"),
        (["a"], {}, "single-group", "or None", "has a single value, 'a'"),
        ([None], {}, "single-group", "or None", "has a single value, '(none)'"),
        ([f"v{number}" for number in range(60)], {}, "too-many-groups", "of at most 50 values", "has 60 values"),
    ],
)
def test_a_column_that_cannot_be_compared_by_is_refused(tmp_path, values, names, id, cure, problem):
    with refused(id, cure, problem):
        load(tmp_path / "texts.csv", texts(60 // len(values) * values), **names)


def test_a_column_that_one_file_lacks_is_refused(tmp_path):
    frame = texts(20 * ["a", "b"])
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.drop(columns="kind").to_csv(tmp_path / "test.csv", index=False)
    with refused("no-such-column", "set group to one of text, label", "(test) has no column 'kind'"):
        datasets.load(str(tmp_path), group="kind")


def test_data_sets_of_their_own_files_have_no_further_column(tmp_path, monkeypatch):
    frames = {split: make_texts(30) for split in ("train", "validation", "test")}
    monkeypatch.setattr(glue, "load", lambda *args: frames)
    with refused("group-of-known-dataset", "give None", "group = 'kind' was given, and glue-rte has no columns"):
        datasets.load("glue-rte", group="kind")


def test_no_seed_depends_on_the_group(given):
    with_group, without = (PruneParameters(**given | {"group": group}) for group in ("kind", None))
    assert with_group.recipe() == without.recipe() and with_group.data["group"] == "kind"
