"""The figure of how many seeds are enough: agreement of few seeds with all, and how wide intervals are."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.report import style

# Question and quantity, with their label and marker.
AGREEMENT = {
    ("told alike", "moved"): ("moved told", "o"),
    ("told alike", "spread"): ("spread told", "s"),
    ("told alike", "split-half excess"): ("split-half excess told", "D"),
    ("same sign", "spread"): ("sign of spread", "^"),
    ("same pruner least", "moved"): ("same pruner moves least", "v"),
    ("same pruner least", "PIEs"): ("same pruner has fewest PIEs", "P"),
}
WIDTHS = {"excess": "o", "moved": "s", "spread": "D"}


@style.styled
def enough_seeds(asked: pd.DataFrame, family: str = "retrained") -> Figure:
    """How often few seeds say what all say, or what as many others say, and the half-widths of intervals, by seeds.

    asked: as enough_seeds.questions gives it. family: of the configurations to show.
    """
    asked = asked[asked["family"] == family]
    figure, ((with_all, with_others), (widths, legend)) = plt.subplots(2, 2, figsize=(7, 5.8), layout="constrained")
    numbers = sorted(asked.loc[asked["question"] == "value", "seeds"].unique())
    _agreement(with_all, asked[asked["compared_with"] == "all seeds"], f"Agreement with all {numbers[-1]} seeds")
    _agreement(with_others, asked[asked["compared_with"] == "as many others"], "Agreement with as many other seeds")
    _widths(widths, asked)
    for axes in (with_all, with_others, widths):
        axes.set(xlabel="seeds", xticks=numbers, xlim=(numbers[0] - 1, numbers[-1] + 1))
    with_others.sharey(with_all)
    lowest = min(axes.dataLim.y0 for axes in (with_all, with_others))
    with_all.set_ylim(min(50, lowest - 3), 103)
    legend.set_axis_off()
    legend.legend(*with_all.get_legend_handles_labels(), loc="center", frameon=False, title="agreement")
    widths.legend(frameon=False)
    return figure


def _agreement(axes: Axes, asked: pd.DataFrame, title: str) -> None:
    for (key, (label, marker)), colour in zip(AGREEMENT.items(), sns.color_palette("colorblind"), strict=False):
        rows = asked[(asked["question"] == key[0]) & (asked["quantity"] == key[1])]
        axes.plot(rows["seeds"], rows["estimate"], marker=marker, color=colour, label=label)
    axes.set(title=title, ylabel="%")


def _widths(axes: Axes, asked: pd.DataFrame) -> None:
    for (name, marker), colour in zip(WIDTHS.items(), sns.color_palette("dark"), strict=False):
        rows = asked[asked["quantity"] == name]
        found, promised = (rows[rows["question"] == f"half-width{end}"] for end in ("", " promised by a pilot"))
        axes.plot(found["seeds"], found["estimate"], marker, color=colour, label=f"{name}, found")
        axes.plot(promised["seeds"], promised["estimate"], "--", color=colour)
    axes.plot([], [], "--", color="0.4", label="promised by a pilot of 6")
    axes.set(title="Half of the 95 % interval", ylabel="points")
    style.from_zero(axes)
