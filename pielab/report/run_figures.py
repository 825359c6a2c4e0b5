"""The figures of a single training, search or configuration."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from pielab.progress import counted
from pielab.report import style
from pielab.report.style import ALL, ONLY_PIES, UNPRUNED


@style.styled
def losses(frame: pd.DataFrame, title: str) -> Figure:
    """The training loss of every seed by epoch; columns seed, epoch, loss."""
    figure, axes = plt.subplots(figsize=(5, 2.8), layout="constrained")
    sns.lineplot(frame, x="epoch", y="loss", units="seed", estimator=None, color=ALL, marker="o", ax=axes)
    axes.set(title=style.short(title, 60), xlabel="epoch", ylabel="mean training loss", ylim=(0, None))
    axes.locator_params(axis="x", integer=True)
    return figure


@style.styled
def search(table: pd.DataFrame, metric: str) -> Figure:
    """Every trial of tuning.search by each hyper-parameter that varied, with the best trial marked."""
    names = [name for name in ("epochs", "batch_size", "learning_rate") if table[name].nunique() > 1]
    names = names or ["learning_rate"]
    ended, failed = table.dropna(subset="validation"), table[table["validation"].isna()]
    best = ended.nlargest(1, "validation")
    size = (max(2.9 * len(names), 4.2), 3)
    figure, grid = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes, name in zip(grid[0], names, strict=True):
        axes.plot(ended[name], ended["validation"], "o", color=ALL, alpha=0.6, label="trial")
        axes.plot(best[name], best["validation"], "*", color=ONLY_PIES, markersize=14, label="the best")
        if len(failed):  # at the lower edge, because they have no value
            edge = {"transform": axes.get_xaxis_transform(), "label": "failed"}
            axes.plot(failed[name], [0.03] * len(failed), "x", color=UNPRUNED, **edge)
        axes.set_xlabel(name.replace("_", " ") + (", log scale" if name == "learning_rate" else ""))
        axes.margins(0.1)
        if name == "epochs":
            axes.locator_params(axis="x", integer=True)
            continue
        values = table[name].unique()
        if name == "learning_rate":
            # A range below a factor of ten, as in Table 8, is too narrow for ticks at powers of ten.
            values = {float(f"{rate:.2g}") for rate in np.geomspace(values.min(), values.max(), 3)}
        axes.set_xscale("log")
        axes.set_xticks(sorted(values), labels=[f"{value:g}" for value in sorted(values)])
        axes.minorticks_off()
    grid[0][0].set_ylabel(f"validation {metric}")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{counted(len(table), 'trial')} of random search, one model each", fontsize="medium")
    return figure


@style.styled
def two_sides(dense: pd.Series, pruned: pd.Series, metric: str, name: str) -> Figure:
    """The test accuracy of each seed, unpruned and pruned, with a line from one to the other."""
    figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
    for before, after in zip(dense, pruned, strict=True):
        axes.plot([0, 1], [before, after], color=ALL, marker="o", alpha=0.7)
    axes.set(xticks=[0, 1], xticklabels=["unpruned", name], xlim=(-0.4, 1.4), ylabel=f"test {metric}")
    axes.set_title(f"each line is one of {counted(len(dense), 'seed')}")
    return figure


@style.styled
def p_pie(frame: pd.DataFrame, models_per_side: int) -> Figure:
    """P(PIE) and P(null) of the test examples, each sorted from the highest; columns p_pie, p_null."""
    figure, axes = plt.subplots(figsize=(5.4, 3), layout="constrained")
    for column, label, colour, line in (
        ("p_pie", "pruned against unpruned", ONLY_PIES, "-"),
        ("p_null", "null: unpruned against unpruned", UNPRUNED, "--"),
    ):
        values = frame[column].sort_values(ascending=False).to_numpy()
        axes.plot(100 * pd.RangeIndex(1, len(values) + 1) / len(values), values, line, color=colour, label=label)
    axes.set(xlabel="% of the test examples, the surest first", ylabel="probability of a disagreement")
    axes.set(xlim=(0, 100), ylim=(0, 1.02), title=f"{counted(models_per_side, 'model')} on each side")
    axes.legend(frameon=False)
    return figure


@style.styled
def scores(table: pd.DataFrame, examples: pd.DataFrame, title: str) -> Figure:
    """How many of all examples, of PIEs and of what retraining alone changes score at most so much, a panel a score.

    table: as readability.scores gives it. examples: of the same texts, with columns p_pie and p_null, by which each
    counts among the PIEs of halves of the seeds, and in their null.
    """
    figure, panels = plt.subplots(2, -(-table.shape[1] // 2), figsize=(9, 4.4), sharey=True, layout="constrained")
    for axes, name in zip(panels.flat, table, strict=False):
        for label, weights, colour, line in (
            ("all texts", np.ones(len(table)), ALL, "-"),
            ("null: retraining alone", examples["p_null"].to_numpy(), UNPRUNED, "--"),
            ("PIEs", examples["p_pie"].to_numpy(), ONLY_PIES, "-"),
        ):
            if weights.any():
                sns.ecdfplot(x=table[name], weights=weights, color=colour, linestyle=line, label=label, ax=axes)
        # One text without a full stop would squeeze all others into a line.
        low, high = table[name].quantile([0.01, 0.99])
        axes.set(title=name, xlabel="", ylabel="", xlim=(low, high) if low < high else None)
    figure.suptitle(style.short(title, 80), fontsize="medium")
    figure.supylabel("share of texts with at most this score", fontsize="medium")
    handles = {line.get_label(): line for axes in panels.flat for line in axes.lines}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False)
    return figure


@style.styled
def by_models_per_side(table: pd.DataFrame) -> Figure:
    """The share of PIEs and its null by the number of models that vote; table: as null.by_models_per_side gives it."""
    figure, axes = plt.subplots(figsize=(5.4, 3), layout="constrained")
    for column, label, colour, line in (
        ("pies", "pruned against unpruned", ONLY_PIES, "-o"),
        ("null", "null: unpruned against unpruned", UNPRUNED, "--o"),
    ):
        axes.plot(table["models_per_side"], 100 * table[column], line, color=colour, label=label)
        low, high = 100 * table[f"{column}_low"], 100 * table[f"{column}_high"]
        axes.fill_between(table["models_per_side"], low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="models on each side", ylabel="% of the test examples", ylim=(0, None))
    axes.set_title("mean, and 5 to 95 % of the ways to draw the sides")
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    return figure


@style.styled
def votes(table: pd.DataFrame, pruner: str) -> Figure:
    """The votes for each class from the models of both sides, for one example.

    table: a row for each class; columns class, unpruned and pruned (numbers of votes), and label (whether it is one).
    """
    figure, axes = plt.subplots(figsize=(4.8, 0.42 * len(table) + 1.1), layout="constrained")
    for side, shift, colour, name in (
        ("unpruned", -0.2, UNPRUNED, "unpruned"),
        ("pruned", 0.2, style.COLOURS.get(pruner, ONLY_PIES), pruner),
    ):
        axes.barh(np.arange(len(table)) + shift, table[side], height=0.36, color=colour, label=name)
    names = [style.short(name, 28) + " (label)" * own for name, own in table[["class", "label"]].to_numpy()]
    axes.set(yticks=range(len(table)), yticklabels=names, xlabel="models that vote for the class")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.locator_params(axis="x", integer=True)
    figure.legend(loc="outside right upper", frameon=False)
    return figure
