"""The figures of levels: what changes by word, sentence and entity, of answers and texts; and lost entities."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.analysis import intervals
from pielab.analysis.span_levels import LEVELS as LEVELS_OF_ANSWERS
from pielab.analysis.text_levels import LEVELS as LEVELS_OF_TEXTS
from pielab.progress import counted
from pielab.report import style
from pielab.store.paths import CONFIGURATION, Configuration

_PALETTE = sns.color_palette("colorblind")
# What is between two votes, where no vote is counted.
BETWEEN = {LEVELS_OF_ANSWERS[-1]: "1 - F1", LEVELS_OF_TEXTS[-1]: "1 - u"}
PIES, MOVED, FROM_CONTROL = _PALETTE[1], _PALETTE[4], _PALETTE[3]


@style.styled
def levels(table: pd.DataFrame) -> Figure:
    """PIEs beside their null, and how far answers moved, a panel a level with a row for each configuration.

    table: as tagged_words.of_study gives it, of one data set and model. Levels have scales of their own, for models
    that differ on few words differ on many sentences. u is the similarity of two texts.
    """
    names, columns = _titles(table), table["level"].unique()
    width = 1.3 + 0.08 * max(map(len, names)) + 1.75 * max(len(columns), 3)
    size = (width, 2 * (0.22 * len(names) + 0.7) + 1.1)
    figure, grid = plt.subplots(2, len(columns), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for (above, below), level in zip(grid.T, columns, strict=True):
        rows = table[table["level"] == level]
        _draw_pies(above, rows)
        _draw_moved(below, rows)
        above.set_title(f"{level}\n{BETWEEN.get(level, 'PIEs')}, %", loc="left")
        below.set_title("moved, points", loc="left")
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(names)), names)
    grid[0, 0].set_ylim(len(names) - 0.4, -0.6)
    numbers = dict(_numbers(table))
    if len(set(numbers.values())) == 1:  # each level has the same questions or texts
        numbers = {"questions" if LEVELS_OF_ANSWERS[0] in numbers else "texts": numbers.popitem()[1]}
    counts = ", ".join(f"{number:,} {level}" for level, number in numbers.items())
    figure.suptitle(f"{style.pair(table)}: {counted(table['seeds'].max(), 'seed')}; {counts}", fontsize="medium")
    of_pies = "of PIEs that of the excess over the null"
    style.legend(figure, f"PIEs: halves of the seeds; lines: {intervals.level(table)} intervals, {of_pies}")
    return figure


def _draw_pies(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    if rows["halved"].isna().all():
        axes.text(
            0.5, 0.5, "needs three models a side", transform=axes.transAxes, ha="center", va="center", color="0.4"
        )
        axes.set_xticks([])
        return
    axes.axvline(rows["null"].iloc[0], color=style.UNPRUNED, linestyle="--", label="null: retraining alone")
    ends = ((rows["null"] + rows[end]).clip(0, 100) for end in ("low", "high"))
    _points(axes, rows["halved"], *ends, places, PIES, "o", "PIEs")
    axes.set_xlim(0, min(1.06 * max(axes.get_xlim()[1], 1), 103))


def _draw_moved(axes: Axes, rows: pd.DataFrame) -> None:
    places = np.arange(len(rows))
    axes.axvline(0, color=style.UNPRUNED, linestyle="--", linewidth=0.8)
    looks = {"moved": (MOVED, "s", "moved from unpruned models")}
    looks["moved_from_control"] = (FROM_CONTROL, "D", "moved from the control")
    for (name, (colour, marker, label)), shift in zip(looks.items(), (-0.14, 0.14), strict=True):
        ends = (rows[f"{name}_low"], rows[f"{name}_high"])
        if rows[name].isna().all():
            continue
        _points(axes, rows[name], *ends, places + shift, colour, marker, label)


def _points(axes: Axes, values: pd.Series, low: pd.Series, high: pd.Series, places: np.ndarray, *looks: Any) -> None:
    colour, marker, label = looks
    axes.hlines(places, low, high, color=colour, linewidth=1.3)
    axes.plot(values, places, marker, color=colour, markersize=4.5, label=label)
    axes.grid(axis="y", visible=False)


@style.styled
def entity_types(table: pd.DataFrame) -> Figure:
    """Types as rows and a dot for each configuration: recall of single models, and gold entities lost beyond the null.

    table: as tagged_words.types_of_study gives it, of one data set and model.
    """
    types = table.drop_duplicates("type")
    counts = zip(types["type"], types["entities"], strict=True)
    labels = [f"{style.short(name, 24)} ({number:,})" for name, number in counts]
    parts = [rows for _, rows in table.groupby(CONFIGURATION, sort=False)]
    size = (7.4 + 0.07 * max(map(len, labels)), max(0.42, 0.13 * (len(parts) + 1)) * len(labels) + 1.6)
    figure, (left, right) = plt.subplots(1, 2, figsize=size, sharey=True, layout="constrained")
    lanes = np.linspace(-0.36, 0.36, len(parts) + 2)[1:-1]
    places = dict(zip(types["type"], range(len(types)), strict=True))
    for axes in (left, right):
        axes.axvline(0, color=style.UNPRUNED, linestyle="--", linewidth=0.8)
        axes.grid(axis="y", visible=False)
        for place in range(1, len(types)):
            axes.axhline(place - 0.5, color="0.9", linewidth=0.8)
    for number, (rows, lane) in enumerate(zip(parts, lanes, strict=True)):
        y = rows["type"].map(places).to_numpy() + lane
        title = style.short(Configuration.of(rows.iloc[0]).title, 30)
        looks = {"color": f"C{number % 10}", "marker": "osD^vP*X<>"[(number // 10 + number) % 10], "markersize": 4.5}
        left.plot(rows["change"], y, linestyle="", **looks)
        right.hlines(y, rows["low"], rows["high"], color=looks["color"], linewidth=1.2)
        right.plot(rows["more"], y, linestyle="", label=title, **looks)
    left.set_yticks(range(len(labels)), labels)
    left.set_ylim(len(labels) - 0.5, -0.5)
    left.set_ylabel("type (gold entities)")
    left.set_title("recall of a model, change in points", loc="left")
    right.set_title("lost by the vote beyond the null, points", loc="left")
    figure.suptitle(f"{style.pair(table)}: {counted(table['seeds'].max(), 'seed')}", fontsize="medium")
    style.legend(
        figure,
        f"in percent of a type's gold entities; lines: {intervals.level(table)} intervals over halves of the seeds",
    )
    return figure


def _titles(table: pd.DataFrame) -> list[str]:
    keys = table[CONFIGURATION].drop_duplicates().itertuples(index=False, name=None)
    return [style.short(Configuration(*key).title, 30) for key in keys]


def _numbers(table: pd.DataFrame) -> Sequence[tuple[str, int]]:
    known = table.drop_duplicates("level")
    return list(zip(known["level"], known["number"], strict=True))
