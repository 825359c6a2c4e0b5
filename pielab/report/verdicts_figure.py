"""The figure of which of the paper's findings hold: a square for each configuration and finding."""

import textwrap

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.analysis import verdicts as found
from pielab.progress import counted
from pielab.report import style

_PALETTE = sns.color_palette("colorblind")
# The colour of a verdict's square and the sign on it, so that either tells.
LOOKS = {
    found.HOLDS: (_PALETTE[0], "●"),
    found.TRAINING_LONGER: (_PALETTE[1], "»"),
    found.RETRAINING: (_PALETTE[8], "="),
    found.FALSE: ("0.55", "×"),
    found.UNKNOWN: ("0.93", "?"),
}
COLUMNS = 3


@style.styled
def verdicts(table: pd.DataFrame) -> Figure:
    """A panel a finding, with pruners as rows and thresholds as columns; the number is what PIEs have more of it.

    table: as verdicts.of_study gives it, of one data set and model.
    """
    findings = [name for name in found.FINDINGS if (table["finding"] == name).any()]
    pruners = style.pruners(table)
    thresholds = style.positions(table)
    rows = -(-len(findings) // COLUMNS)
    width = COLUMNS * (0.5 * len(thresholds) + 0.4) + 0.09 * max(map(len, pruners)) + 0.4
    size = (max(width, 8.2), rows * (0.3 * len(pruners) + 0.75) + 1.1)
    figure, grid = plt.subplots(rows, COLUMNS, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes in grid.flat[len(findings) :]:
        axes.set_axis_off()
    for axes, name in zip(grid.flat, findings, strict=False):
        _draw(axes, table[table["finding"] == name], pruners, thresholds)
        finding = found.FINDINGS[name]
        below = f"{finding.source}: {finding.unit}" if finding.source else finding.unit
        axes.set_title(f"{textwrap.fill(finding.title, 32)}\n({below})", fontsize="small")
    for verdict, (colour, sign) in LOOKS.items():
        if (table["verdict"] != verdict).all():
            continue
        grid[0, 0].plot([], [], "s", color=colour, markersize=11, label=f"{sign} {verdict}")
    seeds, level = table["seeds"].iloc[0], table["confidence"].iloc[0]
    figure.suptitle(f"{style.pair(table)}: {counted(seeds, 'seed')}", fontsize="medium")
    note = (
        "A number is what PIEs of halves of the seeds have more than all texts; of changed answers, how far they moved "
        f"from unpruned models. Columns: {style.x_label(table)}. Intervals of {100 * level:.4g} %, so that those of a "
        "panel hold together at 95 %."
    )
    style.legend(figure, textwrap.fill(note, 100), most=3)
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, pruners: list[str], thresholds: dict[str, int]) -> None:
    places = [thresholds[text] for text in style.setting_texts(rows)]
    for row, x in zip(rows.to_dict("records"), places, strict=True):
        y, (colour, sign) = pruners.index(row["pruner"]), LOOKS[row["verdict"]]
        axes.add_patch(plt.Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, color=colour, linewidth=0))
        light = row["verdict"] in (found.UNKNOWN, found.RETRAINING, found.TRAINING_LONGER)
        number = "" if pd.isna(row["observed"]) else f" {row['observed']:z.{1 if abs(row['observed']) < 9.95 else 0}f}"
        axes.text(x, y, sign + number, ha="center", va="center", fontsize=6.5, color="black" if light else "white")
    axes.set_xlim(-0.6, len(thresholds) - 0.4)
    axes.set_ylim(len(pruners) - 0.4, -0.6)
    axes.set_xticks(range(len(thresholds)), list(thresholds))
    axes.set_yticks(range(len(pruners)), [style.short(name, 24) for name in pruners])
    axes.grid(visible=False)
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
