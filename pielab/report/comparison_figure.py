"""The figures of pielab compare, as panels that stand below each other on a narrow page."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pielab.analysis.paired_change import SPLIT
from pielab.report import style
from pielab.store.paths import Configuration

_BLUE = style.ALL
ROWS = {"": "changed", "another_before": "another run before", "another_after": "another run after"}
WIDTH = 4.4
# More labels are in the table alone.
MOST_LABELS = 20


@style.styled
def changed(changes: pd.DataFrame) -> Figure:
    """How many answers changed, with its interval, and below it what another run of the same side changes.

    changes: of `file_comparison.Comparison`.
    """
    row = changes.set_index("quantity").loc["changed"]
    names = {"": ("estimate", "low", "high")} | {name: (name, f"{name}_low", f"{name}_high") for name in list(ROWS)[1:]}
    known = {ROWS[name]: row[list(ends)].tolist() for name, ends in names.items() if pd.notna(row[ends[0]])}
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.35 * len(known)), layout="constrained")
    for place, (estimate, low, high) in enumerate(known.values()):
        colour = style.UNPRUNED if place else _BLUE
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot(estimate, place, "s" if place else "o", color=colour, markersize=6)
    axes.set_yticks(range(len(known)), list(known))
    axes.set_ylim(len(known) - 0.4, -0.6)
    axes.set_xlim(0, 1.15 * max(np.nanmax(list(known.values())), 1e-9))
    axes.set_title("% of the texts with another answer", loc="left")
    return figure


@style.styled
def split(changes: pd.DataFrame) -> Figure:
    """Of the changed answers, how many became wrong, right, or wrong in another way, as a bar to 100 %."""
    shares = changes.set_index("quantity").loc[SPLIT, "estimate"]
    shares = 100 * shares / shares.sum()
    figure, axes = plt.subplots(figsize=(WIDTH, 1.5), layout="constrained")
    ends = shares.cumsum() - shares
    for part, colour in zip(SPLIT, style.SPLIT, strict=True):
        axes.barh(0, shares[part], left=ends[part], color=colour, linewidth=0, label=part)
        if shares[part] > 8:
            axes.text(ends[part] + shares[part] / 2, 0, f"{shares[part]:.0f} %", ha="center", va="center")
    axes.set(xlim=(0, 100), yticks=[])
    axes.grid(visible=False)
    axes.set_title("what the changed answers became", loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


@style.styled
def matrix(counts: pd.DataFrame) -> Figure:
    """Texts by their answer before (rows) and after (columns); colours are for those that changed."""
    names = [style.short(name, 16) for name in counts]
    size = 0.9 + 0.55 * len(names)
    figure, axes = plt.subplots(
        figsize=(max(WIDTH, size + 0.09 * max(map(len, names)) + 1), size + 0.8), layout="constrained"
    )
    values = counts.to_numpy(dtype=float)
    is_same = np.eye(len(names), dtype=bool)
    digits = ",.0f" if np.allclose(values, values.round()) else ",.1f"
    shared = {"annot": True, "fmt": digits, "cbar": False, "linewidths": 1, "square": True, "ax": axes}
    shared |= {"xticklabels": names, "yticklabels": names, "annot_kws": {"fontsize": "small"}}
    most = max(values[~is_same].max(initial=0), 1)
    sns.heatmap(values, mask=is_same, cmap="Blues", vmin=0, vmax=1.3 * most, **shared)
    sns.heatmap(values, mask=~is_same, cmap=["0.93"], **shared)
    axes.set(xlabel="answer after", ylabel="answer before")
    axes.tick_params(axis="x", rotation=30 if max(map(len, names)) > 4 else 0)
    axes.tick_params(axis="y", rotation=0)
    axes.set_title("texts by their answers", loc="left")
    return figure


@style.styled
def labels(table: pd.DataFrame, title: str) -> Figure:
    """On how many texts each label was lost, to the left, and gained, to the right; the most changed first.

    table: of `file_comparison.Comparison`; of tagged words it counts entities by type.
    """
    shown = table[table["gained"] + table["lost"] > 0].head(MOST_LABELS)
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2 + 0.26 * len(shown)), layout="constrained")
    for name, sign, colour in (("lost", -1, style.ONLY_PIES), ("gained", 1, style.ALL)):
        axes.barh(range(len(shown)), sign * shown[name], color=colour, linewidth=0, height=0.7, label=name)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [style.short(label, 30) for label in shown["label"]])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(lambda value, place: f"{abs(value):,g}")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", visible=False)
    axes.set_title(title, loc="left")
    style.legend(figure)
    return figure


@style.styled
def studies(rows: pd.DataFrame, names: tuple[str, str]) -> Figure:
    """One quantity of two studies, a line for each configuration: either estimate with its interval.

    rows: of `study_comparison.compare`, of one quantity. names: of the studies.
    """
    labels: dict[float, str] = {}
    places: list[float] = []
    for pair, part in rows.groupby(["dataset", "model"], sort=False):
        labels[len(labels)] = style.short(", ".join(pair), 34)
        for row in part.to_dict("records"):
            places.append(len(labels))
            labels[len(labels)] = style.short(Configuration.of(row).title, 30)
    figure, axes = plt.subplots(figsize=(WIDTH, 1.5 + 0.24 * len(labels)), layout="constrained")
    kinds = zip(("first", "second"), names, (-0.14, 0.14), (style.ALL, style.ONLY_PIES), "os", strict=True)
    for side, name, shift, colour, marker in kinds:
        estimate, where = rows[f"{side}_estimate"], np.array(places) + shift
        axes.hlines(where, rows[f"{side}_low"].fillna(estimate), rows[f"{side}_high"].fillna(estimate), color=colour)
        label = f"{side}: {style.short(name, 44)}"
        axes.plot(estimate, where, marker, color=colour, markersize=4, label=label)
    axes.set_yticks(list(labels), list(labels.values()))
    for place, tick in zip(labels, axes.get_yticklabels(), strict=True):
        tick.set_fontweight("normal" if place in places else "bold")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_title(style.short(f"{rows['quantity'].iloc[0]}, %"), loc="left")
    style.legend(figure, most=1)
    return figure
