"""Two studies side by side, from their folders to the table of pielab compare."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from test_decomposition import SEEDS, find

from pielab.__main__ import main
from pielab.analysis import agreement, change, results, study_comparison
from pielab.commands import compare
from pielab.data import datasets, importing


def write_study(given, name, changed, pruners=("mine",)):
    """A study of models that answer 0, but for a share of the texts drawn anew; compressed ones for more of them."""
    where = {key: given[key] for key in ("results", "dataset", "text", "label", "model")} | {"study": name}
    data = datasets.load(given["dataset"], text="text", label="label")
    random = np.random.default_rng(0)
    draws = random.random((SEEDS, len(data["test"])))
    sides = {"unpruned": (draws < 0.2).astype(int)} | {pruner: (draws < changed).astype(int) for pruner in pruners}
    for pruner, answers in sides.items():
        threshold = {} if pruner == "unpruned" else {"pruner": pruner, "threshold": 90}
        importing.add(np.eye(len(datasets.class_names(data)))[answers], **where, **threshold)
    for pruner in pruners:
        find(given | {"study": name}, pruner, control="unpruned")
    return str(Path(given["results"]) / name), sides


@pytest.fixture
def studies(given):
    first, sides = write_study(given, "first", 0.3, ("mine", "other"))
    second, _ = write_study(given, "second", 0.6)
    return first, second, sides


def test_what_both_studies_have_is_side_by_side(studies, tmp_path, capsys):
    first, second, sides = studies
    assert compare.main([first, second, "--csv", str(tmp_path / "both.csv")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"a row for each quantity: {tmp_path / 'both.csv'}" and "other at 90" not in out
    table = pd.read_csv(tmp_path / "both.csv").set_index("quantity")
    assert list(table.index) == [*study_comparison.SHARES, "moved", "own answers changed"]
    assert set(table["pruner"]) == {"mine"}
    for name, study in (("first", first), ("second", second)):
        summary = results.configurations(study).set_index("pruner").loc["mine"]
        assert table.loc["PIEs", f"{name}_estimate"] == pytest.approx(summary["pies_percent"])
        own = change.of_study(study).query("quantity == 'changed' and pruner == 'mine'").iloc[0]
        ends = [f"{name}_{end}" for end in ("estimate", "low", "high")]
        assert table.loc["own answers changed", ends].tolist() == pytest.approx(
            own[["estimate", "low", "high"]].tolist()
        )
    moved = agreement.quantities(agreement.count(sides["unpruned"], pruned=sides["mine"])).query("comparison == 'both'")
    assert table.loc["moved", "first_low"] == pytest.approx(moved.query("quantity == 'moved'")["low"].item())
    assert table.loc["own answers changed", "second_low"] > table.loc["own answers changed", "first_high"]
    assert f"{table.loc['PIEs', 'second_estimate']:.2f}" in out


def test_the_table_as_json_has_the_numbers_of_the_csv(studies, tmp_path, capsys):
    assert compare.main([*studies[:2], "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["quantity"] == "PIEs" and rows[0]["first_low"] is None


def test_studies_without_a_common_configuration_are_refused(studies, given, tmp_path):
    third, _ = write_study(given, "third", 0.3, ("else",))
    with refused("studies-of-other-configurations", "pruner and threshold", "mine at 90"):
        compare.main([studies[0], third, "--csv", str(tmp_path / "both.csv")])
    assert not (tmp_path / "both.csv").exists()


def test_a_folder_that_is_not_there_and_half_of_the_arguments_are_refused(studies, tmp_path, capsys):
    with refused("no-such-study", "results/demo", "nowhere"):
        compare.main([studies[0], "nowhere"])
    for arguments in ([], [studies[0]], ["--before", "a.csv"], [*studies[:2], "--before", "a.csv", "--after", "b.csv"]):
        with pytest.raises(SystemExit) as stopped:
            compare.main(arguments)
        assert stopped.value.code == 2 and "the folders of two studies" in capsys.readouterr().err


def test_all_studies_of_a_folder_are_one_tidy_table(studies, given, tmp_path, capsys):
    *_, sides = studies
    (Path(given["results"]) / "empty").mkdir()
    assert main(["merge", given["results"], "--csv", str(tmp_path / "all.csv")]) == 0
    assert capsys.readouterr().out == f"2 studies, 5 configurations: {tmp_path / 'all.csv'}\n"
    table = pd.read_csv(tmp_path / "all.csv")
    assert list(table) == ["study", "dataset", "model", "pruner", "threshold", "quantity", "estimate", "low", "high"]
    assert not table.duplicated(list(table)[:6]).any()
    own = table[(table["study"] == "first") & (table["pruner"] == "mine")].set_index("quantity")["estimate"]
    assert own["own answers changed"] == pytest.approx(100 * (sides["unpruned"] != sides["mine"]).mean())
    data = datasets.load(given["dataset"], text="text", label="label")
    assert own["accuracy"] == pytest.approx((sides["mine"] == datasets.targets(data["test"])).mean())
    with refused("no-studies-in-folder", "give the folder of results"):
        study_comparison.of_folder(tmp_path)
