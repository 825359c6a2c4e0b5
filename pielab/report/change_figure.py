"""The figure of what changes in the same model: how many answers, and which."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, StrMethodFormatter

from pielab.analysis import intervals, paired_change
from pielab.analysis.change import RIGHT, by_configuration, outcomes
from pielab.progress import counted
from pielab.report import style

_PALETTE = sns.color_palette("colorblind")
COLOURS = dict(zip(paired_change.SPLIT, style.SPLIT, strict=True)) | {RIGHT: "0.87"}
MARKS = {"another_batch_size": ("another batch size", "|"), "another_precision": ("bfloat16 against float32", "x")}
# So that a number can be read where a line passes behind it.
_BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
TICKS = [0, 0.001, 0.01, 0.1, 1, 10, 100]


@style.styled
def change(table: pd.DataFrame) -> Figure:
    """How many of a model's own answers change, and into what, a row for each configuration.

    table: as change.of_study gives it, of one data set and model. Shares differ by powers of ten, so they are on a
    logarithmic axis, linear below one answer of all seeds; the split of the changed answers is beside it, in percent
    of them.
    """
    parts = by_configuration(table)
    methods = pd.Series([configuration.method for configuration, _ in parts])
    # Half a row of space between methods.
    places = np.arange(len(parts)) + 0.5 * (methods != methods.shift()).cumsum() - 0.5
    names = [style.short(configuration.title, 34) for configuration, _ in parts]
    size = (7.4 + 0.08 * max(map(len, names)), 0.22 * places.iloc[-1] + 2.5)
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, width_ratios=(1.5, 1), layout="constrained")
    for place, (_, rows) in zip(places, parts, strict=True):
        _draw_changed(left, rows.loc["changed"], place)
        _draw_split(right, outcomes(rows), place)
    _scale(left, table)
    left.set_title("% of a model's own answers that change", loc="left")
    right.set_title("of the changed answers, %", loc="left")
    left.set_yticks(places, names)
    left.set_ylim(places.iloc[-1] + 0.7, -0.7)
    right.set_xlim(0, 100)
    right.grid(axis="y", visible=False)
    fewest, most = table["seeds"].agg(["min", "max"])
    seeds = counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"
    texts = counted(table["texts"].iloc[0], "text")
    figure.suptitle(f"{style.pair(table)}: {seeds}, {texts}", fontsize="medium")
    style.legend(figure, _note(table), most=3)
    return figure


def _draw_changed(axes: Axes, row: pd.Series, place: float) -> None:
    """What changed with its interval, in front of what another seed changes; and what the same weights change."""
    around = [place - 0.42, place + 0.42]
    axes.fill_betweenx(around, row["another_seed_low"], row["another_seed_high"], color="0.88", linewidth=0)
    axes.plot([row["another_seed"]] * 2, around, color=style.UNPRUNED, linewidth=1.5, label="another seed")
    axes.plot([row["low"], row["high"]], [place, place], color=_PALETTE[0], linewidth=1.5)
    axes.plot(row["estimate"], place, "o", color=_PALETTE[0], markersize=5, label="compressed")
    for name, (label, marker) in MARKS.items():
        axes.plot(row[name], place, marker, color=_PALETTE[1], markersize=6, label=label)
    end = np.nanmax([row["estimate"], row["high"]])
    text = f"{row['estimate']:.2f}" if row["estimate"] < 1 else f"{row['estimate']:.1f}"
    axes.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center", fontsize="small", bbox=_BEHIND)


def _draw_split(axes: Axes, split: pd.Series, place: float) -> None:
    """The parts of the changed answers as a bar to 100 %; none if no answer changed."""
    end = 0.0
    for part, share in split.items():
        width = 100 * share / max(split.sum(), 1e-12)
        axes.barh(place, width, left=end, height=0.72, color=COLOURS[part], linewidth=0, label=part)
        end += width


def _scale(axes: Axes, table: pd.DataFrame) -> None:
    """Logarithmic from one answer of all seeds on, and linear below, so that 0 is there."""
    changed = table[table["quantity"] == "changed"]
    least = 10 ** np.floor(np.log10(100 / (changed["seeds"] * changed["texts"]).max()))
    ends = changed[["estimate", "high", "another_seed", "another_seed_high", *MARKS]]
    axes.set_xscale("symlog", linthresh=least, linscale=0.5)
    axes.set_xlim(-0.2 * least, max(3 * ends.max(axis=None), 10 * least))
    ticks = [tick for tick in TICKS if not 0 < tick < least]
    axes.xaxis.set(major_locator=FixedLocator(ticks), major_formatter=StrMethodFormatter("{x:g}"))
    axes.minorticks_off()


def _note(table: pd.DataFrame) -> str:
    changed = table[table["quantity"] == "changed"]
    lines = []
    if changed["low"].notna().any():
        lines.append(f"lines and grey bands: {intervals.level(table)} intervals at these texts, seeds vary")
    if changed["low"].isna().any():
        lines.append("below 3 seeds there is no interval")
    for name, (label, _) in MARKS.items():
        if changed[name].isna().all():
            lines.append(f"{label}: not measured")
    return "\n".join(textwrap.wrap("; ".join(lines), 110, break_on_hyphens=False))
