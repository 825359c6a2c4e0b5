"""What changes in the same model, over a study: sentences, tables and the figure."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decompositions import bbc_news
from test_decomposition import add, find, models  # noqa: F401

from pielab.analysis import change, findings, paired_change, results
from pielab.report import figures
from pielab.store.paths import Configuration

ANOTHER_SEED = {"another_seed": 9.86, "another_seed_low": 7.63, "another_seed_high": 12.09}


def configuration(method, setting, changed, split, numerical=(0.0, 0.0125), seeds=8, **of):
    """A configuration's rows: changed, with its interval, and its three parts; calibration and KL are any numbers."""
    name = Configuration("bbc-news", "bilstm", method, setting)
    rows = pd.DataFrame({"quantity": paired_change.QUANTITIES, "estimate": 0.02, "low": 0.01, "high": 0.04})
    rows = rows.set_index("quantity")
    rows.loc["changed", ["estimate", "low", "high"]] = changed
    rows.loc[paired_change.SPLIT, "estimate"] = split
    shares = ["changed", *paired_change.SPLIT, "KL"]
    rows[list(ANOTHER_SEED)] = np.nan
    rows[list(paired_change.NUMERICAL)] = numerical
    rows.loc[shares, list(ANOTHER_SEED)] = list(ANOTHER_SEED.values())
    if seeds < 3:
        rows[["low", "high", "another_seed_low", "another_seed_high"]] = np.nan
    known = name.record | {"seeds": seeds, "texts": 1000} | of
    return rows.reset_index().assign(**known)[change.COLUMNS]


IMP_FT = ("IMP-FT", 50.0, (8.5, 7.0, 10.0), (2.8, 4.8, 0.9))
OTHERS = [
    ("IMP-FT", 90.0, (8.9, 7.6, 10.3), (3.3, 4.6, 1.0)),
    ("IMP-FT", 99.0, (22.5, 19.3, 25.8), (16.5, 3.8, 2.2)),
]
CONTROL = ("control-FT", 0.0, (9.3, 7.4, 11.1), (3.3, 5.0, 1.0))
MINE = ("mine", 4.0, (0.86, 0.7, 1.1), (0.4, 0.3, 0.16))
NONE = ("mine", 8.0, (0.0, 0.0, 0.05), (0.0, 0.0, 0.0))
UNKNOWN = (np.nan, np.nan)


def study(*parts, **of):
    return pd.concat([configuration(*part, **of) for part in parts], ignore_index=True)


def test_one_configuration_in_a_sentence():
    assert change.sentences(study(MINE)) == [
        "mine at 4 % changes 0.86 % [0.70, 1.10] of a model's own answers (0.40 right to wrong, 0.30 wrong to right, "
        "0.16 wrong to another wrong); another seed changes 9.9 % [7.6, 12.1], another batch size 0.00 %, bfloat16 "
        "against float32 0.01 %."
    ]


def test_what_has_happened_since_is_said_and_the_control_beside_it():
    first, second = change.sentences(study(IMP_FT, *OTHERS, CONTROL, MINE, numerical=UNKNOWN))
    assert first == (
        "Retraining included, IMP-FT at 50 % changes 8.5 % [7.0, 10.0] of a model's own answers (2.8 right to wrong, "
        "4.8 wrong to right, 0.90 wrong to another wrong), the fewest of 3 configurations, and IMP-FT at 99 % 22.5 % "
        "[19.3, 25.8] (16.5 right to wrong, 3.8 wrong to right, 2.2 wrong to another wrong), the most; retraining with "
        "nothing pruned changes 9.3 % [7.4, 11.1] (control-FT); another seed changes 9.9 % [7.6, 12.1]."
    )
    assert second.startswith("mine at 4 % changes 0.86 % [0.70, 1.10]") and "another seed" not in second


@pytest.mark.parametrize(
    ("method", "since"),
    [("MP-AI", "Trained anew from the same seed, MP-AI at"), ("GMP", "Trained anew"), ("IMP-WR-nested", "Retraining")],
)
def test_every_schedule_has_its_words(method, since):
    assert change.sentences(study((method, *IMP_FT[1:])))[0].startswith(since)


def test_methods_without_retraining_come_first(monkeypatch):
    one_shot = type("OneShot", (), {"schedule": "one-shot", "is_control": False})
    monkeypatch.setitem(change.pruners.METHODS, "Wanda", one_shot)
    first, second = change.sentences(study(IMP_FT, ("Wanda", "2of4", *MINE[2:])))
    assert first.startswith("From the same weights, without retraining, Wanda at 2:4 changes 0.86 %")
    assert second.startswith("Retraining included, IMP-FT")


def test_a_single_seed_has_sentences_without_intervals():
    (said,) = change.sentences(study(MINE, seeds=1))
    assert said.startswith("mine at 4 % changes 0.86 % of a model's own answers (") and "[" not in said


def test_settings_of_any_kind_are_named_and_none_is_lost():
    table = study(MINE, ("mine", "2of4", *MINE[2:]), CONTROL, IMP_FT)
    shown = change.format_table(table)
    assert shown["configuration"].tolist() == ["mine at 4 %", "mine at 2:4", "control-FT", "IMP-FT at 50 %"]
    assert shown["changed"].tolist() == ["0.86 [0.70, 1.10]"] * 2 + ["9.3 [7.4, 11.1]", "8.5 [7.0, 10.0]"]
    assert set(shown["another batch size"]) == {"0.00"} and set(shown["bfloat16 against float32"]) == {"0.01"}
    unknown = change.format_table(study(MINE, numerical=UNKNOWN))
    assert unknown[["another batch size", "bfloat16 against float32"]].eq("not measured").all(axis=None)


def test_sentences_follow_those_of_the_decomposition():
    table = study(IMP_FT)
    (before,), (after,) = (findings.of_study(bbc_news(), **more).values() for more in ({}, {"changes": table}))
    assert after == before + change.sentences(table) and len(after) == len(before) + 1
    other = findings.of_study(bbc_news(model="another"), changes=table)
    first, second = other.values()
    assert not any("own answers" in sentence for sentence in first) and second == change.sentences(table)


def drawn(table):
    figure = figures.change(table)
    figure.draw_without_rendering()
    return figure, *figure.axes


def test_the_figure_shows_what_changed_and_its_split():
    table = study(MINE, NONE, IMP_FT, *OTHERS, CONTROL)
    figure, left, right = drawn(table)
    points = [line.get_xdata()[0] for line in left.lines if line.get_marker() == "o"]
    assert points == [0.86, 0.0, 8.5, 8.9, 22.5, 9.3]
    assert [text.get_text() for text in left.texts][:3] == ["0.86", "0.00", "8.5"]
    widths = np.array([bar.get_width() for container in right.containers for bar in container]).reshape(6, 3)
    assert widths.sum(axis=1) == pytest.approx([100, 0, 100, 100, 100, 100])
    assert widths[2] == pytest.approx([100 * share / 8.5 for share in IMP_FT[3]])
    # 0 is there beside powers of ten, and no interval is cut off.
    low, high = left.get_xlim()
    assert low < 0 and high > 25.8 and 0 in left.get_xticks() and 0.01 in left.get_xticks()
    assert [label.get_text() for label in left.get_yticklabels()][1:3] == ["mine at 8 %", "IMP-FT at 50 %"]
    assert figure.get_suptitle() == "bbc-news, bilstm: 8 seeds, 1,000 texts"


@pytest.mark.parametrize("seeds", [1, 8])
def test_what_is_not_known_is_left_out_of_the_figure_and_said(seeds):
    figure, left, _ = drawn(study(NONE, MINE, numerical=UNKNOWN, seeds=seeds))
    note = figure.legends[0].get_title().get_text().replace("\n", " ")
    assert "another batch size: not measured" in note and "bfloat16 against float32: not measured" in note
    assert ("below 3 seeds there is no interval" in note) == (seeds == 1) != ("95 % intervals" in note)
    assert np.isfinite(left.get_xlim()).all()


def test_a_long_name_is_cut_in_the_figure_and_nothing_runs_into_another():
    figure, left, right = drawn(study(MINE).replace({"mine": "$x_1$ " * 30}))
    boxes = [axes._left_title.get_window_extent() for axes in (left, right)]
    assert boxes[0].x1 < boxes[1].x0 and len(left.get_yticklabels()[0].get_text()) <= 34
    for box in (*boxes, figure.legends[0].get_window_extent(), left.get_tightbbox()):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_the_table_of_a_study_is_what_was_written_and_an_earlier_version_is_left_out(given, add, monkeypatch):  # noqa: F811
    add(models(add, 0.2, 0))
    add(models(add, 0.3, 1), pruner="mine", threshold=90)
    summary = find(given, "mine")
    folder = Path(given["results"]) / given["study"]
    table = change.of_study(folder)
    pd.testing.assert_frame_equal(table, change.of_configuration(summary))
    again = json.loads(json.dumps(summary))
    pd.testing.assert_frame_equal(table, change.of_configuration(again))
    assert table["quantity"].tolist() == paired_change.QUANTITIES and table["another_precision"].isna().all()

    written = results.summary
    monkeypatch.setattr(results, "summary", lambda *args: written(*args) | {"change": None})
    find(given, "mine")
    table = change.of_study(folder)
    assert table.empty and list(table) == change.COLUMNS
    # A table without columns could not be read again.
    assert list(change.format_table(table)) == ["dataset", "model", "configuration"]


def test_a_pair_of_which_nothing_was_retrained_has_its_sentences():
    changes = study(("RTN", 4.0, *MINE[2:]))
    (said,) = findings.of_study(bbc_news().iloc[:0], 1, changes).values()
    assert said == change.sentences(changes)
    table = bbc_news().query("pruner == 'MP-AI'")
    (alone,) = findings.of_study(table.assign(control="before")).values()
    assert alone == [findings.HIDDEN] and findings.of_pair(table) != alone
    both = pd.concat([table, table.assign(pruner="mine", control="before")])
    assert findings.of_pair(both) == findings.of_pair(table)


def test_what_is_not_known_without_logits_is_left_out_or_said_to_be_unknown():
    table = study(MINE, IMP_FT)
    unknown = ~table["quantity"].isin(["changed", *paired_change.SPLIT])
    numbers = ["estimate", "low", "high", *ANOTHER_SEED, *paired_change.NUMERICAL]
    of_mine = table.mask(unknown & (table["pruner"] == "mine"), other=np.nan).assign(
        **table[[*change.CONFIGURATION, "seeds", "texts", "quantity"]]
    )
    known, shown = change.format_table(table), change.format_table(of_mine)
    probabilities = [name for name in known if name.startswith(("KL", "expected", "Brier"))]
    assert len(probabilities) == 8 and set(shown.loc[0, probabilities]) == {"not known"}
    pd.testing.assert_series_equal(shown.loc[1], known.loc[1])
    nothing = table.copy()
    nothing.loc[unknown, numbers] = np.nan
    pd.testing.assert_frame_equal(change.format_table(nothing), known.drop(columns=probabilities))
    assert change.sentences(nothing) == change.sentences(table)
