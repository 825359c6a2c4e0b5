"""The paper's numbers are in the package, whole, and stand beside ours."""

import pandas as pd
import pytest
from conftest import refused

from pielab.compression.pruners import PRUNERS
from pielab.data import data_card, datasets, published


@pytest.mark.parametrize("name", ["table4_pies_percent", "table9_effectiveness", "table10_effectiveness_on_pies"])
def test_the_tables_have_every_configuration(name):
    table = published.table(name)
    pruned = table[table["pruner"] != "none"]
    assert len(pruned) == 8 * 40 and set(pruned["pruner"]) == set(PRUNERS)
    assert set(pruned["threshold"]) == {20, 50, 70, 90, 99} and set(table["dataset"]) == set(published.DATASETS)


def test_on_the_binary_task_the_two_accuracies_add_up_to_one_in_the_paper_too():
    table = published.table("table10_effectiveness_on_pies")
    imdb = table[table["dataset"] == "IMDB"]
    assert ((imdb["pruned"] + imdb["unpruned"] - 1).abs() < 0.0021).all()


def test_ours_beside_the_published():
    ours = pd.DataFrame(
        [("imdb", "bert-base-uncased", "IMP-FT", 50.0, 12.5), ("bbc-news", "bilstm", "IMP-FT", 50.0, 4.0)],
        columns=[*published.KEYS, "pies_percent"],
    )
    found = published.compare(ours, "table4_pies_percent", {"pies_percent": "pies_percent"})
    assert found["published pies_percent"].tolist() == [10] and found["difference of pies_percent"].tolist() == [2.5]
    with refused("unknown-published-table", "give one of table10", "no published table is called 'table3'"):
        published.table("table3")


@pytest.mark.parametrize(
    ("length", "tokens"), [(1, 1), (2, 2), (3, 4), (232, 256), (256, 256), (256.5, 512), (430, 512)]
)
def test_max_tokens_is_the_first_power_of_two_that_is_enough(length, tokens):
    assert data_card.max_tokens(length) == tokens


def test_max_tokens_of_the_paper_follow_from_its_own_quantiles():
    table = published.table("table7_datasets").set_index("dataset").drop(index="SNLI")
    assert [data_card.max_tokens(each) for each in table["tokens_85_percent"]] == table["max_tokens"].tolist()


def test_a_card_by_hand(tmp_path):
    frame = pd.DataFrame({"text": ["a b c", "a b", "a", "a b c d"] * 10, "label": ["x", "y"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    card = data_card.data_card(datasets.load(str(tmp_path / "t.csv")))
    assert card[["train", "val", "test", "classes"]].tolist() == [28, 6, 6, 2]
    assert card[["mean_len", "median_len", "min_len", "max_len", "max_tokens"]].tolist() == [2.5, 2.5, 1, 4, 4]


def test_a_card_beside_table_7(tmp_path):
    frame = pd.DataFrame({"text": ["a b c", "d e f"] * 20, "label": ["x", "y"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = data_card.compare_with_published("imdb", datasets.load(str(tmp_path / "t.csv")))
    assert table.loc["mean_len"].tolist() == [268, 3, -265] and table.loc["train", "published"] == 20_000


def test_settings_that_are_no_percentages_do_not_hinder_the_comparison():
    printed = published.table("table4_pies_percent").iloc[0]
    names = {"dataset": published.DATASETS[printed["dataset"]], "model": published.MODELS[printed["model"]]}
    ours = pd.DataFrame(
        [
            {**names, "pruner": printed["pruner"], "threshold": float(printed["threshold"]), "pies_percent": 1.0},
            {**names, "pruner": "Wanda", "threshold": "2of4", "pies_percent": 2.0},
        ]
    )
    column = next(name for name in printed.index if "pies" in name)
    (row,) = published.compare(ours, "table4_pies_percent", {"pies_percent": column}).to_dict("records")
    assert row["published pies_percent"] == printed[column]
