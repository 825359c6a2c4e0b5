"""The paper's tables by number. Its own published values, put in as if they were ours, must come out as printed."""

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from pielab.analysis import results
from pielab.compression.pruners import PRUNERS
from pielab.data import published
from pielab.report import paper

KEYS = ["dataset", "model", "pruner", "threshold"]


def as_ours(name, **columns):
    names = {"dataset": published.DATASETS, "model": published.MODELS, "pruner": {"none": "unpruned"}}
    table = published.table(name).replace(names).rename(columns=columns)
    return table.assign(threshold=table["threshold"].astype(float))


def marked(styler, style):
    """The (row, column) labels of the cells that have a style such as ("font-weight", "bold")."""
    styler._compute()
    data = styler.data
    return {(data.index[row], data.columns[column]) for (row, column), styles in styler.ctx.items() if style in styles}


@pytest.fixture(scope="module")
def effectiveness():
    return as_ours("table9_effectiveness")


@pytest.fixture(scope="module")
def on_pies(effectiveness):
    table = as_ours("table10_effectiveness_on_pies", pruned="pruned_on_pies", unpruned="unpruned_on_pies")
    mean = effectiveness.set_index(KEYS)["mean"]
    table["pruned_on_all"] = [mean[tuple(row)] for row in table[KEYS].to_numpy()]
    table["unpruned_on_all"] = [mean[(*row, "unpruned", 0.0)] for row in table[["dataset", "model"]].to_numpy()]
    return table


def test_table_9_marks_the_best_pruner_as_the_paper_does(effectiveness):
    styler = paper.table_9(effectiveness)
    assert styler.data.shape == (64, 6)
    assert styler.data.loc[("bert-base-uncased", "imdb", "IMP-FT"), [0.0, 20.0]].tolist() == [
        "0.932 ± 0.005",
        "0.924 ± 0.004",
    ]
    bold = {
        column: row[2]
        for row, column in marked(styler, ("font-weight", "bold"))
        if row[:2] == ("bert-base-uncased", "imdb")
    }
    # As printed in bold in the paper's Table 9.
    assert bold == {20.0: "IMP-FT", 50.0: "IMP-WR", 70.0: "IMP-WR", 90.0: "IIBP-WR", 99.0: "IIBP-FT"}


def test_table_10_marks_the_31_values_that_the_paper_prints_in_bold(on_pies):
    styler = paper.table_10(on_pies)
    bold = marked(styler, ("font-weight", "bold"))
    assert len(bold) == 31
    assert (("bilstm", "aapd", "RP-AI"), (99.0, "unpruned")) in bold
    blue = marked(styler, ("color", "#0b5cad"))
    assert (("bilstm", "imdb", "IIBP-FT"), (50.0, "pruned")) in blue
    assert all(side == "pruned" and row[0] == "bilstm" for row, (_, side) in blue if row[1] in ("imdb", "snli"))


def test_table_4_marks_best_and_worst_and_leaves_cells_not_run_empty(effectiveness):
    shares = as_ours("table4_pies_percent")
    some = shares[(shares["model"] == "bilstm") & (shares["dataset"] == "imdb") & (shares["threshold"] <= 50)]
    some = some[some["pruner"] != "RP-AI"]
    styler = paper.table_4(some, effectiveness)
    assert styler.data.index.get_level_values("pruner").tolist() == list(PRUNERS)
    assert list(styler.data.columns) == [20, 50, 70, 90, 99]
    assert styler.data.notna().sum().tolist() == [7, 7, 0, 0, 0]
    assert "nan" not in styler.to_html().lower()
    # 0.883 of IIBP-FT and of IMP-FT is the best at 20 %.
    quality = effectiveness[(effectiveness["dataset"] == "imdb") & (effectiveness["model"] == "bilstm")]
    at_20 = quality[quality["threshold"] == 20].set_index("pruner")["mean"]
    best = {row[2] for row, column in marked(styler, ("font-weight", "bold")) if column == 20}
    worst = {row[2] for row, column in marked(styler, ("font-style", "italic")) if column == 20}
    assert best == set(at_20.index[at_20 == at_20.max()]) and worst == set(at_20.index[at_20 == at_20.min()])


def test_a_single_pruner_is_neither_best_nor_worst(effectiveness):
    shares = as_ours("table4_pies_percent").query("model == 'bilstm' and dataset == 'imdb' and pruner == 'IMP-FT'")
    styler = paper.table_4(shares, effectiveness[effectiveness["pruner"].isin(["unpruned", "IMP-FT"])])
    assert not marked(styler, ("font-weight", "bold")) and not marked(styler, ("font-style", "italic"))


def test_data_of_ones_own_have_the_lines_that_were_run(effectiveness):
    shares = pd.DataFrame(
        [("a_b", "bilstm", "MP-AI", 50.0, 3.0), ("a_b", "bilstm", "IMP-FT", 99.5, 4.0)], columns=[*KEYS, "pies_percent"]
    )
    styler = paper.table_4(shares, effectiveness).set_caption("of 5 %")
    assert styler.data.index.get_level_values("pruner").tolist() == ["IMP-FT", "MP-AI"]
    assert list(styler.data.columns) == [50, 99.5]
    html = paper.labelled(styler).set_uuid("t").to_html()
    tex = paper.latex(styler, "t")
    assert styler.to_html() == html and "a_b" in html
    assert r"a\_b" in tex and r"\caption{of 5 \%}" in tex and r"& \% pruned & 50 & 99.5 \\" in tex


def test_tables_5_and_6_by_hand():
    counts = pd.DataFrame(
        [
            ("d", "m", "unpruned", 0.0, 1000, 0),
            ("d", "m", "IMP-FT", 50.0, 1000, 400),
            ("d", "m", "IMP-FT", 90.0, 1000, 720),
            ("d", "m", "RTN", 4.0, 1000, 0),
            ("d", "m", "Wanda", "2of4", 1000, 500),
        ],
        columns=["dataset", "model", "pruner", "threshold", "parameters", "removed"],
    )
    remaining = paper.remaining(counts)
    assert remaining.loc[("m", "d"), ["unpruned", 50.0, 90.0]].tolist() == [1000, 600, 280]
    assert np.isnan(remaining.loc[("m", "d"), 20.0])
    percentages = paper.table_5(remaining).data.loc[("m", "d")]
    assert percentages["parameters"] == 1000 and percentages[[50.0, 90.0]].tolist() == pytest.approx([40, 72])


def test_every_figure_of_the_paper_has_a_file():
    assert list(paper.FIGURES) == list(range(1, 28))
    single = [names[0] for number, names in paper.FIGURES.items() if number not in (1, 2, 4, 6)]
    assert len(set(single)) == len(single) == 23
    assert set(paper.FIGURES[6]) == {f"classes-{pruner}" for pruner in PRUNERS}
    el2n = {paper.FIGURES[number][0] for number in (4, *range(14, 21))}
    assert el2n == {f"el2n-{pruner}" for pruner in PRUNERS}


def test_a_table_that_does_not_exist_or_was_not_run_is_one_sentence(tmp_path):
    with refused("no-such-paper-table", "give 2 to 10", "the paper has no Table 11"):
        paper.table(tmp_path, 11)
    with refused("study-without-pies", "pielab run 03_pies"):
        paper.table(tmp_path, 4)


def test_the_published_view_has_value_ours_and_difference(effectiveness):
    frame = published.compare(effectiveness, "table9_effectiveness", {"mean": "mean", "std": "std"})
    assert len(frame) == 8 * 41 and (frame["difference of mean"] == 0).all()
    assert results.pruner_order("unpruned") < results.pruner_order("IIBP-WR") < results.pruner_order("AWQ")
