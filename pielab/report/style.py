"""What all figures share: colours and markers, panels, legends, and the lines of the pruners."""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.compression.pruners import GRADUAL, KNOWN, NESTED, PRUNERS, SCOPED

# The same colour and marker for a pruner in every figure; colour-blind readers can tell them apart by either.
COLOURS = dict(zip(PRUNERS, sns.color_palette("colorblind", len(PRUNERS)), strict=True))
MARKERS = dict(zip(PRUNERS, "osD^vPX*", strict=True))
COLOURS |= dict(zip(GRADUAL, ("#332288", "#117733", "#882255"), strict=True))
MARKERS |= dict(zip(GRADUAL, "phd", strict=True))
# A nested pruner, or one of the other scope, has those of the pruner that it stands beside: hollow, dotted or dashed.
VARIANTS = dict.fromkeys(NESTED, ":") | dict.fromkeys(SCOPED, "--")
for _name in VARIANTS:
    COLOURS[_name], MARKERS[_name] = (look[_name.rpartition("-")[0]] for look in (COLOURS, MARKERS))
# For names that pielab does not know.
MORE_COLOURS, MORE_MARKERS = ("#56b4e9", "#999933", "#aa4499", "#44aa99", "#661100"), "<>8Hd"
UNPRUNED = "0.25"
ALL, ONLY_PIES = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[1]


def context():
    """A figure's fonts and grid: `with style.context(): ...`."""
    return plt.rc_context(
        {
            **sns.axes_style("whitegrid"),
            **sns.plotting_context("paper", font_scale=1.05),
            "grid.color": "0.92",
            "axes.edgecolor": "0.6",
            "axes.titlesize": "medium",
        }
    )


def pair_panels(frame: pd.DataFrame) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """One panel for each data set and model, three to a line."""
    pairs = list(frame.groupby(["dataset", "model"], sort=False).groups)
    figure, grid = _grid(len(pairs), columns=3, width=4.1, height=3.1, least=5.6)
    return figure, dict(zip(pairs, grid, strict=True))


def panels(frame: pd.DataFrame, *keys: str, columns: int = 4) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A panel with its rows for each combination of `keys` that has rows, so many to a line."""
    parts = [part for _, part in frame.groupby(list(keys), sort=False)]
    figure, grid = _grid(len(parts), columns=columns, width=3.1, height=2.7, least=6.2)
    return figure, list(zip(grid, parts, strict=True))


def _grid(number: int, columns: int, width: float, height: float, least: float) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, of that size in inches each; `least` is the least width of all, for the legend."""
    columns = min(columns, number)
    lines = -(-number // columns)
    size = (max(width * columns, least), height * lines + 1)
    figure, grid = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[number:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:number])


def name(part: pd.DataFrame) -> str:
    """The title of a panel of one pruner, data set and model."""
    first = part.iloc[0]
    return f"{first['pruner']}: {first['dataset']}, {first['model']}"


def legend_below(figure: Figure, panels: dict[tuple[str, str], Axes], note: str) -> None:
    """Shared ticks, and one legend of everything that any panel shows."""
    for axes in panels.values():
        axes.set_xlabel("% of the prunable weights pruned")
    legend(figure, panels.values(), note)


def legend(figure: Figure, panels: Iterable[Axes], note: str) -> None:
    """One legend of everything that any panel shows."""
    handles: dict[str, object] = {}
    for axes in panels:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    options = {"ncols": columns(handles, 4), "frameon": False, "title": note}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", **options)


def columns(labels: Iterable[str], most: int) -> int:
    """How many columns a legend has; some pruners have long names."""
    return most if set(labels).isdisjoint(VARIANTS) else most - 1


def pruner_line(axes: Axes, name: str, frame: pd.DataFrame, thresholds, values, bars) -> None:
    """One pruner's points at its thresholds, with bars and a line; `frame` is all that the figure shows."""
    places, names = positions(frame), pruners(frame)
    place = names.index(name)
    # Pruners stand a little beside one another, so that their bars do not hide each other.
    shift = (place - (len(names) - 1) / 2) * 0.05
    where = [places[threshold] + shift for threshold in thresholds]
    axes.errorbar(where, values, yerr=bars, label=name, capsize=2, **marker_style(name, frame))
    axes.set(xticks=list(places.values()), xticklabels=[f"{each:g}" for each in places])
    axes.set_xlim(-0.5, len(places) - 0.5)


def marker_style(name: str, frame: pd.DataFrame) -> dict[str, str]:
    """Colour, marker and line of a pruner; `frame` is all that the figure shows."""
    names = pruners(frame)
    more = names.index(name) - len(set(names) & set(KNOWN))
    found = {
        "color": COLOURS.get(name, MORE_COLOURS[more % len(MORE_COLOURS)]),
        "marker": MARKERS.get(name, MORE_MARKERS[more % len(MORE_MARKERS)]),
    }
    return found | ({"linestyle": VARIANTS[name], "markerfacecolor": "white"} if name in VARIANTS else {})


def from_zero(axes: Axes) -> None:
    """The y axis from 0, with room above the highest point."""
    axes.set_ylim(0, 1.06 * axes.get_ylim()[1])


def error_bars(rows: pd.DataFrame, value: str, low: str, high: str) -> tuple[pd.Series, pd.Series]:
    """Lengths below and above `value`; an interval that does not hold its value ends at it."""
    return (rows[value] - rows[low]).clip(lower=0), (rows[high] - rows[value]).clip(lower=0)


def positions(frame: pd.DataFrame) -> dict[float, int]:
    """Thresholds at equal distances: 90 and 99 % are as far apart to a model as 20 and 50 %."""
    return {threshold: place for place, threshold in enumerate(sorted(set(frame["threshold"]) - {0.0}))}


def of_pair(frame: pd.DataFrame, dataset: str, model: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["model"] == model)]


def by_pruner(frame: pd.DataFrame):
    return [(name, rows) for name, rows in frame.groupby("pruner", sort=False) if name != "unpruned"]


def pruners(frame: pd.DataFrame) -> list[str]:
    """The pruners of a figure in the order of pruners.KNOWN, the paper's first, then other names."""
    here = set(frame["pruner"]) - {"unpruned"}
    return [*(name for name in KNOWN if name in here), *sorted(here - set(KNOWN))]


def counted(frame: pd.DataFrame, column: str) -> str:
    number = frame[column].nunique()
    return f"{number} {column}{'s' if number > 1 else ''}"


def close(figure: Figure) -> Figure:
    # Closed, a notebook shows the figure once, as the value of its cell, and not again as an open window.
    plt.close(figure)
    return figure
