"""The figure of the parts: bars that add up, points with intervals, and a note that fits what is drawn."""

import itertools

import decompositions
import pytest
from matplotlib.colors import to_rgb

from pielab.report import figures, style
from pielab.report.decomposition_figure import LOOKS


def drawn(table):
    """The figure, its panels, and the note above its legend."""
    figure = figures.decomposition(table)
    figure.draw_without_rendering()
    return figure, figure.axes, figure.legends[0].get_title().get_text()


def points(axes):
    """Estimate, and whether it is filled, of each row from the top."""
    lines = [line for line in axes.lines if line.get_marker() in {look[1] for look in LOOKS.values()}]
    ordered = sorted(lines, key=lambda line: line.get_ydata()[0])
    return [(line.get_xdata()[0], line.get_markerfacecolor() != "white") for line in ordered]


def intervals(axes):
    lines = [line.get_xdata() for line in axes.lines if line.get_marker() == "None" and line.get_linestyle() == "-"]
    return [line for line in lines if line[0] == line[0]]


def test_the_parts_of_a_row_end_at_all_of_them():
    table = decompositions.bbc_news()
    _, (left, *_), _ = drawn(table)
    in_all = table[(table["comparison"] == "parts") & (table["quantity"] == "in all")]["estimate"]
    ticks = [line.get_xdata()[0] for line in left.lines if to_rgb(line.get_color()) == (0, 0, 0)]
    assert ticks == pytest.approx(in_all.tolist()) and len(ticks) == 9
    assert [text.get_text() for text in left.texts] == [f"{total:.1f}" for total in in_all]
    labels = [label.get_text() for label in left.get_yticklabels()]
    assert labels == ["control-FT", "IMP-FT 50", "IMP-FT 90", "IMP-FT 99", *labels[4:7], "MP-AI 50", "MP-AI 90"]


def test_a_negative_part_goes_back_from_where_the_one_before_it_ended():
    table = decompositions.bbc_news().query("pruner == 'IMP-FT' and threshold == 50")
    _, (left, *_), _ = drawn(table)
    retraining, longer, removal = [bar for container in left.containers for bar in container]
    assert longer.get_width() < 0 and removal.get_width() < 0
    assert retraining.get_width() == pytest.approx(longer.get_x())
    assert longer.get_x() + longer.get_width() == pytest.approx(removal.get_x())
    assert longer.get_y() + longer.get_height() == pytest.approx(removal.get_y())  # a lane each


def test_what_the_test_tells_is_filled_and_nothing_else():
    table = decompositions.bbc_news()
    _, (_, moved, spread), note = drawn(table)
    told = [True, False, True, True, False, False, True, False, True]
    assert points(moved) == list(zip([0.9, 0.1, 0.6, 4.1, 0.1, 0.2, 1.6, 0.2, 6.2], told, strict=True))
    assert [filled for _, filled in points(spread)] == [True, False, False, True, False, False, True, False, True]
    assert len(intervals(moved)) == len(intervals(spread)) == 9
    assert note.splitlines() == [
        "lines: 95 % intervals at these 1,000 texts, seeds vary",
        "filled: exact test, corrected for all configurations, p < .05",
        "control-FT: control of IMP-FT, IIBP-FT; the unpruned models: control of MP-AI",
    ]


def test_below_six_seeds_what_is_filled_goes_by_the_interval():
    _, (_, moved, _), note = drawn(decompositions.bbc_news(seeds=4))
    assert [filled for _, filled in points(moved)] == [True, False, True, True, False, False, True, False, True]
    assert "0 is outside the interval (below 6 seeds no test at 5 % is possible)" in note and "exact" not in note


def test_below_four_seeds_nothing_is_filled_and_there_is_no_interval():
    _, (_, moved, spread), note = drawn(decompositions.bbc_news(seeds=2))
    assert not any(filled for _, filled in points(moved) + points(spread))
    assert intervals(moved) == [] and note.startswith("below 4 seeds there is no interval\n")


def test_without_a_control_the_figure_says_so():
    figure, (left, moved, _), note = drawn(decompositions.grid(missing=True))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "both, against unpruned models: there is no control" in names and "training longer" not in names
    assert note.splitlines()[-1] == "the unpruned models: control of IBP-AI, MP-AI, RP-AI"
    assert len(points(moved)) == 40 == len(left.get_yticks())


@pytest.mark.parametrize(
    "pruner", ["IMP-FT", "$x_1$ <b>", "a name that is longer than any that a table would hold" * 3]
)
def test_nothing_is_cut_off_and_no_title_runs_into_another(pruner):
    name = "a-data-set-with-a-name-that-goes-on-and-on-and-on"
    table = decompositions.bbc_news(dataset=name, model=name).replace("IMP-FT", pruner)
    figure, axes, _ = drawn(table)
    assert axes[0].get_yticklabels()[1].get_text() == style.short(f"{pruner} 50", 30)
    boxes = [panel._left_title.get_window_extent() for panel in axes]
    assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))
    for box in (*boxes, figure.legends[0].get_window_extent(), axes[0].get_tightbbox()):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
