"""The figure of what changes answers: training again, training longer, and removing weights."""

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, StrMethodFormatter

from pielab.analysis import intervals, tables
from pielab.progress import counted
from pielab.report import style
from pielab.store import settings

_PALETTE = sns.color_palette("colorblind")
# What each comparison and part is about: its colour, its marker, its name in the legend.
LOOKS = {
    "training longer": (_PALETTE[9], "D", "training longer"),
    "removal": (_PALETTE[3], "o", "removing weights"),
    "both": (_PALETTE[4], "s", "both, against unpruned models: there is no control"),
}
TICKS = [-64, -16, -4, -1, 0, 1, 4, 16, 64]


@style.styled
def decomposition(table: pd.DataFrame) -> Figure:
    """The parts of the answers that differ, then moved and spread against the control, a row for each configuration.

    table: as decomposition.of_study gives it, of one data set and model.
    """
    rows = table[["pruner", "threshold"]].drop_duplicates()
    # Half a row of space between pruners.
    places = np.arange(len(rows)) + 0.5 * (rows["pruner"] != rows["pruner"].shift()).cumsum() - 0.5
    places = pd.Series(places.to_numpy(), index=pd.MultiIndex.from_frame(rows))
    labels = [f"{pruner} {settings.text(pruner, threshold).removesuffix(' %')}" for pruner, threshold in places.index]
    names = [style.short(label.strip(), 30) for label in labels]
    size = (8.4 + 0.08 * max(map(len, names)), 0.22 * places.iloc[-1] + 2.5)
    figure, (left, middle, right) = plt.subplots(
        1, 3, figsize=size, sharey=True, width_ratios=(1.3, 1, 1), layout="constrained"
    )
    _draw_parts(left, table[table["comparison"] == "parts"], places)
    compared = tables.against_control(table)
    compared = compared[compared["quantity"].isin(["moved", "spread"])]
    _draw_points(middle, compared[compared["quantity"] == "moved"], places)
    _draw_points(right, compared[compared["quantity"] == "spread"], places)
    texts = counted(table["texts"].iloc[0], "text")
    left.set_title(f"Of {texts}, an unpruned model and\none of another seed differ on … %", loc="left")
    middle.set_title("moved from the control, points\n(1: as if 1 % of texts had changed)", loc="left")
    right.set_title("spread against the control, points\n(models differ less or more)", loc="left")
    left.set_yticks(places, names)
    left.set_ylim(places.iloc[-1] + 0.7, -0.7)
    figure.suptitle(f"{style.pair(table)}: {_seeds(table)}, {texts}", fontsize="medium")
    style.legend(figure, _note(table, compared))
    return figure


def _draw_parts(axes: Axes, parts: pd.DataFrame, places: pd.Series) -> None:
    """Retraining as a bar from 0, and from its end one step for each other part, forwards or back, to all of them."""
    for (pruner, threshold, control), rows in parts.groupby(["pruner", "threshold", "control"], sort=False):
        place, points = places[pruner, threshold], rows.set_index("quantity")["estimate"]
        end = points["retraining"]
        axes.barh(place, end, height=0.72, color="0.8", linewidth=0, label="training again")
        # Steps have a lane each, so that one that goes back hides nothing.
        for part, lane in (("training longer", -0.18), ("removal", 0.18)):
            if part in points:
                colour, _, label = LOOKS["both" if control == "missing" and part == "removal" else part]
                options = {"height": 0.36, "color": colour, "linewidth": 0, "label": label}
                axes.barh(place + lane, points[part], left=end, **options)
                end += points[part]
        axes.plot([end, end], [place - 0.42, place + 0.42], color="black", linewidth=1.5, label="in all")
        most = max(end, points["retraining"], points["retraining"] + points.get("training longer", 0))
        axes.annotate(f"{end:z.1f}", (most, place), (4, 0), textcoords="offset points", va="center", fontsize="small")
    axes.set_xlim(0, 1.12 * axes.get_xlim()[1])
    axes.grid(axis="y", visible=False)


def _draw_points(axes: Axes, rows: pd.DataFrame, places: pd.Series) -> None:
    """Estimates with their intervals, filled if told from 0."""
    axes.axvline(0, color=style.UNPRUNED, linestyle="--", linewidth=0.8)
    for row in rows.itertuples():
        colour, marker, label = LOOKS[row.comparison]
        place = places[row.pruner, row.threshold]
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.5)
        face = colour if _told(row) else "white"
        axes.plot(row.estimate, place, marker, color=colour, markerfacecolor=face, markersize=5, label=label)
    axes.set_xscale("symlog", linthresh=1, linscale=1)
    ends = rows[["estimate", "low", "high"]]
    axes.set_xlim(min(1.4 * ends.min(axis=None), -1.1), max(1.4 * ends.max(axis=None), 1.1))
    axes.xaxis.set(major_locator=FixedLocator(TICKS), major_formatter=StrMethodFormatter("{x:g}"))
    axes.minorticks_off()


def _told(row: Any) -> bool:
    """By the exact test, or by the interval where no test is possible."""
    return row.p_corrected < 0.05 if row.p_corrected == row.p_corrected else row.low > 0 or row.high < 0


def _seeds(table: pd.DataFrame) -> str:
    fewest, most = table["seeds"].agg(["min", "max"])
    return counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"


def _note(table: pd.DataFrame, compared: pd.DataFrame) -> str:
    """What bars and fillings mean, and which control is whose."""
    tested = compared["p_corrected"].notna()
    lines = []
    if compared["low"].notna().any():
        texts = counted(table["texts"].iloc[0], "text")
        lines.append(f"lines: {intervals.level(table)} intervals at these {texts}, seeds vary")
    if tested.any():
        lines.append("filled: exact test, corrected for all configurations, p < .05")
    if (compared["low"].notna() & ~tested).any():
        lines.append("filled: 0 is outside the interval (below 6 seeds no test at 5 % is possible)")
    if compared["low"].isna().any():
        lines.append("below 4 seeds there is no interval")
    controls = []
    for control, rows in compared[compared["comparison"] == "removal"].groupby("control", sort=False):
        own = ", ".join(map(style.short, rows["pruner"].unique()))
        controls.append(f"{'the unpruned models' if control == 'unpruned' else style.short(control)}: control of {own}")
    lines.append("; ".join(controls))
    return "\n".join(textwrap.fill(line, 125, break_on_hyphens=False) for line in filter(None, lines))
