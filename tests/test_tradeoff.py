"""What compression bought and what it cost, from the records of seeds to a table and a figure."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pielab.analysis import agreement, results, tradeoff
from pielab.config.parameters import PieParameters
from pielab.report import figures, page
from pielab.store import paths
from pielab.store.paths import Configuration

SEEDS, TEXTS = 4, 100
PIE = {"study": "s", "dataset": "d.csv", "text": "text", "label": "label", "text_pair": None, "data_dir": None}
PIE |= {"label_separator": None, "limit": None, "n_splits": 2, "n_bootstrap": 2, "pruner": "MP-AI", "threshold": 50}


def answers(changed):
    """Of unpruned models that answer 0, each with this many of its own answers changed."""
    made = np.zeros((SEEDS, TEXTS), dtype=int)
    made[:, :changed] = 1
    return made


def write(study, scores, pruner="unpruned", threshold=0.0, model="m", changed=None, **record):
    """The records of a configuration's seeds, and with `changed` its PIEs."""
    configuration = Configuration("d", model, pruner, threshold)
    folder = configuration.folder(study)
    for seed, score in enumerate(scores):
        place = paths.seed(folder, seed)
        place.mkdir(parents=True)
        own = {name: value[seed] if isinstance(value, list) else value for name, value in record.items()}
        own = configuration.record | {"seed": seed, "metric": "accuracy", "test": score} | own
        (place / "metrics.json").write_text(json.dumps(own))
    if changed is not None:
        summary = configuration.record | {"agreement": agreement.count(answers(0), pruned=answers(changed)).record}
        p = PieParameters(**PIE | {"results": str(study.parent), "model": "bilstm", "seeds": f"0-{SEEDS - 1}"})
        results.write_pies(folder, pd.DataFrame({"example": [0]}), summary, p, "digest")


def size(packed, nonzero=10):
    return {"bytes_stored": 40, "bytes_packed": packed, "weights": 10, "nonzero": nonzero}


@pytest.fixture
def study(tmp_path):
    """Unpruned models of 40 bytes; half of them left by one pruner; a rounded one of another size."""
    folder = tmp_path / "s"
    write(folder, [0.9, 0.8, 0.9, 0.8], size=size(40), seconds_per_text=[1e-3, 2e-3, 3e-3, 9e-3], device="cpu")
    times = {"seconds_per_text": 1e-3, "device": "cpu"}
    write(folder, [0.8, 0.7, 0.8, 0.7], "MP-AI", 50.0, changed=3, size=size(25, 5), **times)
    write(folder, [0.9, 0.8, 0.8, 0.9], "RTN", 4.0, changed=0, size=[size(10), size(12), size(10), size(12)], **times)
    return folder


def rows(table):
    return table.set_index("pruner")


def test_a_row_for_each_configuration_with_its_size_and_what_it_changed(study):
    table = tradeoff.of_study(study)
    assert list(table) == tradeoff.COLUMNS and table["pruner"].tolist() == ["unpruned", "MP-AI", "RTN"]
    by = rows(table)
    assert by["packed_percent"].tolist() == [100, 62.5, 27.5] and by["bytes_packed"].tolist() == [40, 25, 11]
    assert by["bytes_stored"].tolist() == [40] * 3 and by["nonzero"].tolist() == [10, 5, 10]
    assert by["seconds_per_text"].tolist() == [2.5e-3, 1e-3, 1e-3] and set(by["device"]) == {"cpu"}
    assert by["changed"].tolist() == [0, 3, 0] and by["another_seed"].tolist() == [0] * 3
    # No answer of 4 x 100 changed: the exact Poisson interval.
    assert by.loc["RTN", "changed_high"] == pytest.approx(100 * stats.chi2.ppf(0.975, 2) / 2 / 400)


def test_the_change_of_effectiveness_is_paired_by_seed(study):
    by = rows(tradeoff.of_study(study))
    # The pruned models are all worse by 0.1, which the deviation between seeds would hide.
    assert by.loc["MP-AI", ["change", "change_low", "change_high"]].tolist() == pytest.approx([-0.1] * 3)
    half = stats.t.ppf(0.975, 3) * stats.sem([0, 0, -0.1, 0.1])
    assert by.loc["RTN", ["change", "change_low", "change_high"]].tolist() == pytest.approx([0, -half, half])
    half = stats.t.ppf(0.975, 3) * stats.sem([0.9, 0.8, 0.9, 0.8])
    assert by.loc["unpruned", "effectiveness_low"] == pytest.approx(0.85 - half)
    assert by.loc["unpruned", ["change", "change_low", "changed"]].tolist() == [0, 0, 0]


def test_predictions_made_elsewhere_have_neither_size_nor_seconds(tmp_path):
    write(tmp_path / "s", [0.9, 0.8])
    write(tmp_path / "s", [0.8, 0.7], "AWQ", 50.0)
    table = tradeoff.of_study(tmp_path / "s")
    unknown = [*tradeoff.SIZES, "packed_percent", "seconds_per_text", "effectiveness_low"]
    assert table[unknown].isna().all(axis=None) and table["device"].tolist() == ["", ""]
    assert math.isnan(table["changed"].iloc[1]) and table["change"].iloc[1] == pytest.approx(-0.1)
    shown = tradeoff.format_table(table)
    assert shown.loc[1, ["MB packed", "ms a text", "device", "own answers changed, %"]].tolist() == ["?"] * 4
    assert page.draw(tmp_path / "s", "tradeoff") == {}
    assert (tmp_path / "s/report/tables/tradeoff.csv").exists()


def test_unpruned_models_of_an_earlier_version_are_as_large_as_the_pruned_are_stored(tmp_path):
    write(tmp_path / "s", [0.9, 0.8])
    write(tmp_path / "s", [0.8, 0.7], "MP-AI", 50.0, size=size(10))
    assert rows(tradeoff.of_study(tmp_path / "s")).loc["MP-AI", "packed_percent"] == 25


def test_a_pair_is_compared_with_its_own_unpruned_models(study):
    write(study, [0.5] * 4, model="other", size=size(20))
    write(study, [0.4] * 4, "MP-AI", 50.0, model="other", size=size(10))
    table = tradeoff.of_study(study)
    other = rows(table[table["model"] == "other"])
    assert other.loc["MP-AI", ["packed_percent", "change"]].tolist() == pytest.approx([50, -0.1])
    assert other["another_seed"].isna().all()


def test_the_table_to_read_names_methods_by_their_setting(study):
    shown = tradeoff.format_table(tradeoff.of_study(study)).set_index("method")
    assert shown.index[:2].tolist() == ["unpruned", "MP-AI at 50 %"]
    row = shown.loc["MP-AI at 50 %"]
    # 12 changed answers of 400 are few: the exact Poisson interval.
    assert row["own answers changed, %"] == "3.00 [1.55, 5.24]"
    assert row[["packed, %", "non-zero weights, %", "ms a text"]].tolist() == ["62.5", "50.0", "1.00"]


def test_one_configuration_before_and_after(study):
    folders = {"unpruned": study / "d-m/dense", "pruned": study / "d-m/MP-AI-50"}
    found = tradeoff.of_folders(folders, range(SEEDS))
    assert found.index.tolist() == ["unpruned", "pruned"] and found["packed, %"].tolist() == ["100.0", "62.5"]
    assert found["ms a text"].tolist() == ["2.50", "1.00"]


def test_the_figure_has_a_column_for_each_pair_with_both_references(study):
    write(study, [0.5] * 4, model="other", size=size(20))
    write(study, [0.4] * 4, "MP-AI", 50.0, model="other", size=size(10), changed=2)
    drawn = page.draw(study, "tradeoff")
    assert list(drawn) == ["tradeoff"] and (study / "report/figures/tradeoff.png").exists()
    shown = [axes for axes in drawn["tradeoff"].axes if axes.axison]
    assert [axes.get_title() for axes in shown if axes.get_title()] == ["d, m: 4 seeds", "d, other: 4 seeds"]
    labels = [set(axes.get_legend_handles_labels()[1]) for axes in shown]
    assert {"unpruned models", "MP-AI", "RTN"} in labels and {"another seed changes", "MP-AI"} in labels
    # No answer and 3 % in the first column, 2 % alone in the other.
    assert [axes.get_yscale() for axes in shown] == ["linear", "linear", "symlog", "linear"]
    for axes in shown:
        points = axes.containers[0].lines[0].get_xdata()
        assert len(points) == 1 and 48 < points[0] < 65


def test_many_pairs_wrap_and_methods_are_joined_by_size():
    known = {"dataset": "d", "seeds": 4, "metric": "accuracy", "another_seed": 5.0}
    table = pd.DataFrame(
        [
            known
            | {"model": f"m{model}", "pruner": pruner, "packed_percent": size, "effectiveness": 0.9, "changed": 1.0}
            for model in range(6)
            for pruner, size in (("unpruned", 100), ("RTN", 30), ("RTN", 10), ("RTN", 20))
        ]
    )
    ends = [f"{name}_{end}" for name in ("effectiveness", "changed") for end in ("low", "high")]
    drawn = figures.tradeoff(table.assign(**dict.fromkeys(ends, np.nan)))
    shown = [axes for axes in drawn.axes if axes.axison]
    assert len(drawn.axes) == 16 and len(shown) == 12
    assert shown[0].containers[0].lines[0].get_xdata().tolist() == pytest.approx([10, 20, 30])
