"""Pruners side by side."""

import math
import shutil

import pandas as pd
import pytest
from conftest import refused
from test_report import study_folder  # noqa: F401

from pielab.analysis import comparison, null, results
from pielab.compression import pruners
from pielab.report import figures


def test_each_pruner_stands_beside_the_others_with_its_difference_to_the_reference(study_folder):  # noqa: F811
    table = comparison.pruners(study_folder)
    assert table[["threshold", "pruner"]].values.tolist() == [
        [50, "IMP-FT"],
        [50, "MP-AI"],
        [99, "IMP-FT"],
        [99, "MP-AI"],
    ]
    assert set(table["reference"]) == {"IMP-FT"}
    of_reference = table[table["pruner"] == "IMP-FT"]
    assert of_reference[["difference", "difference_low", "difference_high"]].isna().all(axis=None)
    shares = results.pie_shares(results.configurations(study_folder)).set_index(["pruner", "threshold"])
    for row in table[table["pruner"] == "MP-AI"].itertuples():
        own, other = (shares.loc[(name, row.threshold), "halved_pies_percent"] for name in ("MP-AI", "IMP-FT"))
        # The null of 200 half-splits and of 20 is the same here: four seeds have six.
        assert row.difference == pytest.approx(own - other)
        assert row.difference_low <= row.difference <= row.difference_high
        turned = comparison.difference(
            study_folder / "topics-bilstm", f"IMP-FT-{row.threshold:g}", f"MP-AI-{row.threshold:g}"
        )
        assert turned == pytest.approx((-row.difference, -row.difference_high, -row.difference_low))
    turned = comparison.pruners(study_folder, reference="MP-AI")
    assert set(turned["reference"]) == {"MP-AI"}
    own, other = (frame["difference"].dropna().to_numpy() for frame in (table, turned))
    assert other == pytest.approx(-own)
    seeds = results.seeds(study_folder).query("pruner == 'MP-AI' and threshold == 99")["effectiveness"]
    last = table.iloc[-1]
    assert [last["mean"], last["low"], last["high"]] == pytest.approx(list(null.seed_interval(seeds)))


def test_a_difference_names_the_configurations_that_there_are(study_folder):  # noqa: F811
    pair = study_folder / "topics-bilstm"
    with refused("no-pies-of-a-configuration") as raised:
        comparison.difference(pair, "IMP-FT-50", "IMP-FT-51")
    known = "IMP-FT-50, IMP-FT-99, MP-AI-50, MP-AI-99"
    assert str(raised.value) == f"{pair} has no PIEs of IMP-FT-51: give two of {known}."


def test_the_table_to_read_has_every_estimate_with_its_interval(study_folder):  # noqa: F811
    table = comparison.pruners(study_folder)
    table.loc[3, ["mean", "low", "high"]] = 0.93149, 0.9267, 0.9341
    table.loc[3, ["excess_percent", "excess_low", "excess_high"]] = -0.02, -1.24, 0.86
    table.loc[3, ["difference", "difference_low", "difference_high"]] = 2.5, math.nan, math.nan
    table.loc[1, ["mean", "low", "high"]] = math.nan
    shown = comparison.format_table(table.assign(epochs=[8, 2, 8, 2]))
    assert shown.loc[3, ["pruned", "pruner", "epochs", "mean", "excess", "difference"]].tolist() == [
        *("99 %", "MP-AI", "2", "0.931 [0.927, 0.934]", "0.0 [-1.2, 0.9]", "2.5")
    ]
    assert shown["difference"].tolist()[::2] == ["reference"] * 2 and shown["mean"][1] == "?"
    assert comparison.format_table(table)["epochs"].tolist() == ["?"] * 4


@pytest.mark.parametrize(
    ("pruner", "losses", "budget", "epochs"),
    [
        ("IMP-FT", [[1, 1]] * 3, None, 8),
        ("MP-AI", [[1, 1]], None, 2),
        ("PINS", [[1, 1]], None, 2),
        ("IMP-FT", [[1], [1], [1]], "equal", 4),
        ("GMP-local", [[1] * 4], "equal", 4),
    ],
)
def test_the_epochs_behind_a_model(pruner, losses, budget, epochs):
    given = {"budget": budget, "epochs": epochs} if budget else {"epochs": 2}
    record = {"losses": losses, "parameters": given, "pruner": pruner, "threshold": 90.0}
    assert comparison.epochs(record) == epochs
    unpruned = {"losses": [[1] * given["epochs"]], "parameters": given, "pruner": "unpruned", "threshold": 0.0}
    assert comparison.epochs(unpruned) == given["epochs"]


def test_what_was_brought_from_elsewhere_has_no_known_epochs(study_folder):  # noqa: F811
    table = comparison.pruners(study_folder)
    assert table["epochs"].isna().all()
    said = "topics, bilstm: the training of some models is not known, because they were made elsewhere."
    assert comparison.budget(table) == said


def test_the_budget_in_words(study_folder):  # noqa: F811
    table = comparison.pruners(study_folder)
    said = comparison.budget(table.assign(epochs=4, unpruned_epochs=4))
    assert said == "topics, bilstm: an equal budget, 4 epochs for every model, pruned or not."
    said = comparison.budget(table.assign(epochs=[8, 2, 8, 2], unpruned_epochs=2))
    assert said.startswith("topics, bilstm: unequal budgets, 2 epochs for unpruned models and 2 to 8 for pruned ones,")
    assert "models and 8 for pruned ones" in comparison.budget(table.assign(epochs=8, unpruned_epochs=2))


def test_the_figure_has_a_panel_for_each_sparsity_and_a_point_for_each_pruner(study_folder):  # noqa: F811
    table = comparison.pruners(study_folder)
    figure = figures.comparison(table)
    assert [axes.get_title().split(": ")[1] for axes in figure.axes] == ["50 %\n4 seeds", "99 %\n4 seeds"]
    for axes, threshold in zip(figure.axes, (50, 99), strict=True):
        points = {each.get_label(): each[0].get_xydata()[0].tolist() for each in axes.containers}
        part = table[table["threshold"] == threshold].set_index("pruner")
        assert points == {name: part.loc[name, ["mean", "excess_percent"]].tolist() for name in part.index}
    every = pd.concat([table.iloc[:1].assign(pruner=name) for name in pruners.KNOWN], ignore_index=True)
    figure = figures.comparison(every)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_predictions_without_metrics_have_no_accuracy(study_folder, tmp_path):  # noqa: F811
    shutil.copytree(study_folder, tmp_path / "made")
    for path in (tmp_path / "made").glob("*/MP-AI-99/seeds/*/metrics.json"):
        path.unlink()
    table, whole = comparison.pruners(tmp_path / "made"), comparison.pruners(study_folder)
    assert table["mean"].isna().tolist() == [False, False, False, True]
    assert table["difference"].equals(whole["difference"])
