"""Shared elements of all figures: colours and markers, panels, legends, and the pruners' lines."""

import functools
from collections.abc import Callable

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.compression.pruners import GRADUAL, KNOWN, NESTED, PRUNERS, SCOPED

# The same for a pruner in every figure; colour-blind readers can tell pruners apart by colour or marker alone.
COLOURS = dict(zip(PRUNERS, sns.color_palette("colorblind", len(PRUNERS)), strict=True))
MARKERS = dict(zip(PRUNERS, "osD^vPX*", strict=True))
COLOURS |= dict(zip(GRADUAL, ("#332288", "#117733", "#882255"), strict=True))
MARKERS |= dict(zip(GRADUAL, "phd", strict=True))
# Variants look like the pruner they derive from, but hollow: nested ones dotted, those of the other scope dashed.
VARIANTS = dict.fromkeys(NESTED, ":") | dict.fromkeys(SCOPED, "--")
for _name in VARIANTS:
    COLOURS[_name], MARKERS[_name] = (styles[_name.rpartition("-")[0]] for styles in (COLOURS, MARKERS))
# For pruners without a colour of their own.
MORE_COLOURS, MORE_MARKERS = ("#56b4e9", "#999933", "#aa4499", "#44aa99", "#661100"), "<>8Hd"
UNPRUNED = "0.25"
ALL, ONLY_PIES = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[1]


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: the function draws its figure with the shared fonts and grid, and returns it closed.

    A notebook shows a closed figure once, as the value of its cell, and not again as an open window.
    """

    @functools.wraps(draw)
    def draw_styled(*args, **kwargs) -> Figure:
        shared = {**sns.axes_style("whitegrid"), **sns.plotting_context("paper", font_scale=1.05)}
        shared |= {"grid.color": "0.92", "axes.edgecolor": "0.6", "axes.titlesize": "medium"}
        with plt.rc_context(shared):
            figure = draw(*args, **kwargs)
        plt.close(figure)
        return figure

    return draw_styled


Panels = tuple[Figure, list[tuple[Axes, pd.DataFrame]]]


def pair_panels(frame: pd.DataFrame) -> Panels:
    """One panel for each data set and model, three to a row."""
    return panels(frame, "dataset", "model", columns=3, width=4.1, height=3.1, least=5.6)


def panels(
    frame: pd.DataFrame, *keys: str, columns: int = 4, width: float = 3.1, height: float = 2.7, least: float = 6.2
) -> Panels:
    """A panel and its part of `frame` for each combination of `keys` in it.

    columns: panels to a row. width, height: of a panel, in inches. least: the figure's least width, for the legend.
    """
    parts = [part for _, part in frame.groupby(list(keys), sort=False)]
    columns = min(columns, len(parts))
    rows = -(-len(parts) // columns)
    size = (max(width * columns, least), height * rows + 1)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[len(parts) :]:
        axes.set_axis_off()
    return figure, list(zip(grid.flat, parts, strict=False))


def pair(part: pd.DataFrame) -> str:
    """The data set and model of a panel, for its title."""
    return ", ".join(part[["dataset", "model"]].iloc[0])


def name(part: pd.DataFrame) -> str:
    """The title of a panel for one pruner, data set and model."""
    return f"{part['pruner'].iloc[0]}: {pair(part)}"


def legend_below(figure: Figure, note: str) -> None:
    """Labels the x axes, and adds one legend."""
    for axes in figure.axes:
        axes.set_xlabel("% of the prunable weights pruned")
    legend(figure, note)


def legend(figure: Figure, note: str | None = None, most: int = 4) -> None:
    """One legend for all panels, with at most `most` columns, one fewer for the long names of variants."""
    handles: dict[str, object] = {}
    for axes in figure.axes:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    options = {"ncols": most if handles.keys().isdisjoint(VARIANTS) else most - 1, "frameon": False, "title": note}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", **options)


def pruner_line(axes: Axes, name: str, frame: pd.DataFrame, thresholds, values, bars) -> None:
    """One pruner's points at its thresholds, with error bars and a line; frame: the data of the whole figure."""
    places, names = positions(frame), pruners(frame)
    # Pruners are shifted a little, so that their bars do not hide each other.
    shift = (names.index(name) - (len(names) - 1) / 2) * 0.05
    where = [places[threshold] + shift for threshold in thresholds]
    axes.errorbar(where, values, yerr=bars, label=name, capsize=2, **marker_style(name, frame))
    axes.set(xticks=list(places.values()), xticklabels=[f"{threshold:g}" for threshold in places])
    axes.set_xlim(-0.5, len(places) - 0.5)


def marker_style(name: str, frame: pd.DataFrame) -> dict[str, str]:
    """Colour, marker and line of a pruner; frame: the data of the whole figure."""
    unstyled = [pruner for pruner in pruners(frame) if pruner not in COLOURS]
    more = unstyled.index(name) if name in unstyled else 0
    colour = COLOURS.get(name, MORE_COLOURS[more % len(MORE_COLOURS)])
    marker = MARKERS.get(name, MORE_MARKERS[more % len(MORE_MARKERS)])
    variant = {"linestyle": VARIANTS[name], "markerfacecolor": "white"} if name in VARIANTS else {}
    return {"color": colour, "marker": marker, **variant}


def from_zero(axes: Axes) -> None:
    """The y axis from 0, with room above the highest point."""
    axes.set_ylim(0, 1.06 * axes.get_ylim()[1])


def error_bars(rows: pd.DataFrame, value: str, low: str, high: str) -> tuple[pd.Series, pd.Series]:
    """Lengths below and above `value`, 0 where the interval ends short of it."""
    return (rows[value] - rows[low]).clip(lower=0), (rows[high] - rows[value]).clip(lower=0)


def positions(frame: pd.DataFrame) -> dict[float, int]:
    """The pruners' thresholds at equal distances, because 90 and 99 % differ as much to a model as 20 and 50 %."""
    thresholds = sorted(set(frame.loc[frame["pruner"] != "unpruned", "threshold"]))
    return {threshold: place for place, threshold in enumerate(thresholds)}


def by_pruner(frame: pd.DataFrame):
    return [(name, rows) for name, rows in frame.groupby("pruner", sort=False) if name != "unpruned"]


def pruners(frame: pd.DataFrame) -> list[str]:
    """The pruners of a figure in the order of pruners.KNOWN, the paper's first, then other names."""
    names = set(frame["pruner"]) - {"unpruned"}
    return [*(name for name in KNOWN if name in names), *sorted(names - set(KNOWN))]


def counted(frame: pd.DataFrame, column: str) -> str:
    number = frame[column].nunique()
    return f"{number} {column}{'s' if number > 1 else ''}"
