"""The figure of what compression bought and what it cost: effectiveness and changed answers by size."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, StrMethodFormatter

from pielab.analysis import intervals
from pielab.progress import counted
from pielab.report import style

SIZES, CHANGED = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100], [0, 0.1, 1, 10, 100]
# Columns of panels side by side; further pairs come below.
MOST_COLUMNS = 4


@style.styled
def tradeoff(table: pd.DataFrame) -> Figure:
    """Test accuracy or F1, and answers changed, by the packed size of the models; a column for each data set and model.

    table: as tradeoff.of_study gives it, rows of known size. Methods of the same name are joined by a line, from the
    smallest to the largest.
    """
    parts = [part for _, part in table.groupby(["dataset", "model"], sort=False)]
    columns = min(len(parts), MOST_COLUMNS)
    rows = 2 * -(-len(parts) // columns)
    size = (max(4.1 * columns, 6.2), 2.6 * rows + 1)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat:
        axes.set_axis_off()
    for number, part in enumerate(parts):
        above, column = divmod(number, columns)
        top, bottom = grid[2 * above : 2 * above + 2, column]
        _draw(top, part, table, "effectiveness")
        _draw(bottom, part, table, "changed")
        fewest, most = part["seeds"].agg(["min", "max"])
        seeds = counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"
        top.set_title(f"{style.pair(part)}: {seeds}")
        top.set_ylabel(f"test {part['metric'].iloc[0]}")
        top.axhline(_unpruned(part), color=style.UNPRUNED, linestyle="--", label="unpruned models")
        bottom.axhline(part["another_seed"].mean(), color=style.UNPRUNED, linestyle=":", label="another seed changes")
        bottom.set(xlabel="size, % of the unpruned models'", ylabel="own answers changed, %")
        _scale_changed(bottom, part)
    bars = f"{intervals.level(table)} intervals over seeds"
    apart = "methods of equal size a little apart"
    style.legend(figure, f"as stored in each method's format, {apart};\nmean over seeds; bars: {bars}")
    return figure


def _scale_changed(axes: Axes, part: pd.DataFrame) -> None:
    """From 0, and logarithmic where some compressions would lie on the axis, because others change far more answers."""
    changed = part.loc[part["pruner"] != "unpruned", "changed"]
    if changed.min() < changed.max() / 20:
        axes.set_yscale("symlog", linthresh=CHANGED[1], linscale=0.5)
        axes.yaxis.set(major_locator=FixedLocator(CHANGED), major_formatter=StrMethodFormatter("{x:g}"))
        # Room for the markers at 0 and at the top.
        axes.set_ylim(-0.02, 1.3 * axes.get_ylim()[1])
    else:
        style.from_zero(axes)


def _unpruned(part: pd.DataFrame) -> float:
    return part.loc[part["pruner"] == "unpruned", "effectiveness"].mean()


def _draw(axes: Axes, part: pd.DataFrame, table: pd.DataFrame, value: str) -> None:
    """The configurations of a pair, with a logarithmic axis of sizes."""
    axes.set_axis_on()
    axes.set_xscale("log")
    names = style.pruners(part)
    low, high = min(part["packed_percent"].min() / 1.2, 80), max(part["packed_percent"].max(), 100) * 1.2
    for name, rows in style.by_pruner(part):
        rows = rows.sort_values("packed_percent")
        # Over a thirtieth of the axis, because methods of equal sparsity are equally large.
        shift = (high / low) ** (((names.index(name) + 0.5) / len(names) - 0.5) / 30)
        bars = style.error_bars(rows, value, f"{value}_low", f"{value}_high")
        look, sizes = style.marker_style(name, table), rows["packed_percent"] * shift
        axes.errorbar(sizes, rows[value], yerr=bars, label=name, capsize=2, **look)
    axes.xaxis.set(major_locator=FixedLocator(SIZES), major_formatter=StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(low, high)
