"""The figure of who pays: what each configuration changes in each group of texts."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.analysis import intervals
from pielab.analysis.group_differences import LEAST_TEXTS
from pielab.progress import counted
from pielab.report import style
from pielab.store.paths import CONFIGURATION, Configuration

TITLES = {
    "changed": "own answers changed,\n% of the group's texts",
    "lost accuracy": "accuracy lost, points",
    "moved": "moved, points",
}


@style.styled
def groups(table: pd.DataFrame) -> Figure:
    """Groups as rows and a dot for each configuration, filled where a group is harmed more than the other texts.

    table: as groups.of_study gives it, of one data set and model.
    """
    names = table[["group", "texts"]].drop_duplicates("group")
    places = dict(zip(names["group"], range(len(names)), strict=True))
    labels = [f"{style.short(name, 30)} ({texts:,})" for name, texts in names.itertuples(index=False)]
    configurations = list(table.groupby(CONFIGURATION, sort=False))
    height = max(0.45, 0.16 * (len(configurations) + 1)) * len(names) + 1.6 + 0.2 * len(configurations) / 3
    size = (8.4 + 0.07 * max(map(len, labels)), height)
    figure, panels = plt.subplots(1, 3, figsize=size, sharey=True, layout="constrained")
    for axes, (quantity, title) in zip(panels, TITLES.items(), strict=True):
        _draw(axes, table[table["quantity"] == quantity], places)
        axes.set_title(title, loc="left")
    panels[0].set_yticks(list(places.values()), labels)
    panels[0].set_ylim(len(places) - 0.5, -0.5)
    panels[0].set_ylabel(f"{style.short(str(table['column'].iloc[0]), 30)} (texts)")
    texts = table.drop_duplicates([*CONFIGURATION, "group"]).groupby(CONFIGURATION, sort=False)["texts"].sum().iloc[0]
    figure.suptitle(f"{style.pair(table)}: {counted(table['seeds'].max(), 'seed')}, {counted(texts, 'text')}")
    style.legend(figure, _note(table))
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, places: dict[str, int]) -> None:
    """The dots of a quantity, those of a group below one another, in the order of the configurations."""
    parts = list(rows.groupby(CONFIGURATION, sort=False))
    lanes = np.linspace(-0.34, 0.34, len(parts) + 2)[1:-1]
    null = rows.drop_duplicates("group")
    y = np.array([places[name] for name in null["group"]])
    if rows["quantity"].iloc[0] == "changed":
        axes.barh(y, null["null"], height=0.8, color="0.88", linewidth=0, label="another seed changes")
    else:
        axes.axvline(0, color=style.UNPRUNED, linestyle="--", linewidth=0.8)
    for place, ((_, part), lane) in enumerate(zip(parts, lanes, strict=True)):
        configuration = Configuration.of(part.iloc[0])
        colour, marker = f"C{place % 10}", "osD^vP*X<>"[(place // 10 + place) % 10]
        y = np.array([places[name] for name in part["group"]]) + lane
        axes.hlines(y, part["low"], part["high"], color=colour, linewidth=1.2)
        for told, face in ((False, "white"), (True, colour)):
            chosen = (part["told"] == told).to_numpy()
            label = style.short(configuration.title, 30) if not told else None
            axes.plot(
                part["estimate"][chosen],
                y[chosen],
                linestyle="",
                markerfacecolor=face,
                markersize=4.5,
                color=colour,
                marker=marker,
                label=label,
            )
    axes.grid(axis="y", visible=False)


def _note(table: pd.DataFrame) -> str:
    """What lines and fillings mean."""
    lines = []
    if table["low"].notna().any():
        lines.append(f"lines: {intervals.level(table)} intervals at these texts, seeds vary")
    if table["p"].notna().any():
        groups = counted(table[table["p"].notna()]["group"].nunique(), "group")
        lines.append("filled: harmed more, or helped less, than the other texts,")
        lines.append(f"for texts to come, corrected over {groups}, p < .05")
    if (table["texts"] < LEAST_TEXTS).any():
        lines.append(f"groups of fewer than {LEAST_TEXTS} texts are not tested")
    return "\n".join(lines) or "below 4 seeds there is no interval"
