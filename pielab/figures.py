"""The study's figures: tidy tables in, a matplotlib figure out."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.pruning import PRUNERS

# The same colour and marker for a pruner in every figure; colour-blind readers can tell them apart by either.
COLOURS = dict(zip(PRUNERS, sns.color_palette("colorblind", len(PRUNERS)), strict=True))
MARKERS = dict(zip(PRUNERS, "osD^vPX*", strict=True))
UNPRUNED = "0.25"
ALL, ONLY_PIES = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[1]


def losses(frame: pd.DataFrame, title: str) -> Figure:
    """The training loss of every seed by epoch; columns seed, epoch, loss."""
    with _style():
        figure, axes = plt.subplots(figsize=(5, 2.8), layout="constrained")
        sns.lineplot(frame, x="epoch", y="loss", units="seed", estimator=None, color=ALL, marker="o", ax=axes)
        axes.set(title=title, xlabel="epoch", ylabel="mean training loss", ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
    return _done(figure)


def two_sides(dense: pd.Series, pruned: pd.Series, metric: str, name: str) -> Figure:
    """The test accuracy of each seed, unpruned and pruned, with a line from one to the other."""
    with _style():
        figure, axes = plt.subplots(figsize=(4, 3), layout="constrained")
        for before, after in zip(dense, pruned, strict=True):
            axes.plot([0, 1], [before, after], color=ALL, marker="o", alpha=0.7)
        axes.set(xticks=[0, 1], xticklabels=["unpruned", name], xlim=(-0.4, 1.4), ylabel=f"test {metric}")
        axes.set_title(f"each line is one of {len(dense)} seeds")
    return _done(figure)


def p_pie(frame: pd.DataFrame, models_per_side: int) -> Figure:
    """How sure it is that an example is a PIE, beside how often retraining alone changes it; columns p_pie, p_null."""
    with _style():
        figure, axes = plt.subplots(figsize=(5.4, 3), layout="constrained")
        for column, label, colour, line in (
            ("p_pie", "pruned against unpruned", ONLY_PIES, "-"),
            ("p_null", "null: unpruned against unpruned", UNPRUNED, "--"),
        ):
            values = frame[column].sort_values(ascending=False).to_numpy()
            axes.plot(100 * pd.RangeIndex(1, len(values) + 1) / len(values), values, line, color=colour, label=label)
        axes.set(xlabel="% of the test examples, the surest first", ylabel="probability of a disagreement")
        axes.set(xlim=(0, 100), ylim=(0, 1.02), title=f"{models_per_side} models on each side")
        axes.legend(frameon=False)
    return _done(figure)


def by_models_per_side(table: pd.DataFrame) -> Figure:
    """The share of PIEs and its null by the number of models that vote; as statistics.by_models_per_side gives them."""
    with _style():
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
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    return _done(figure)


def votes(table: pd.DataFrame, pruner: str) -> Figure:
    """How many models of each side voted for each class, of one example.

    table: a row for each class, columns class, unpruned, pruned (how many), and label, whether the example has it.
    """
    with _style():
        figure, axes = plt.subplots(figsize=(4.8, 0.42 * len(table) + 1.1), layout="constrained")
        for side, shift, colour, name in (
            ("unpruned", -0.2, UNPRUNED, "unpruned"),
            ("pruned", 0.2, COLOURS[pruner], pruner),
        ):
            places = [place + shift for place in range(len(table))]
            axes.barh(places, table[side], height=0.36, color=colour, label=name)
        # A dollar would begin a formula.
        names = [name.replace("$", r"\$") + " (label)" * own for name, own in table[["class", "label"]].to_numpy()]
        axes.set(yticks=range(len(table)), yticklabels=names, xlabel="models that vote for the class")
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside right upper", frameon=False)
    return _done(figure)


def effectiveness(seeds: pd.DataFrame) -> Figure:
    """Figure 1: mean test accuracy or F1 by threshold, a line for each pruner, against the unpruned models.

    seeds: as tables.seeds gives them. Bars and bands are one standard deviation over seeds.
    """
    with _style():
        figure, panels = _panels(seeds)
        for (dataset, model), axes in panels.items():
            part = _pair(seeds, dataset, model)
            unpruned = part[part["pruner"] == "unpruned"]["effectiveness"]
            thresholds = _positions(seeds)
            mean, spread = unpruned.mean(), unpruned.std() if len(unpruned) > 1 else 0
            axes.axhline(mean, color=UNPRUNED, linestyle="--", label="unpruned")
            axes.axhspan(mean - spread, mean + spread, color=UNPRUNED, alpha=0.15, linewidth=0)
            for name, rows in _by_pruner(part):
                group = rows.groupby("threshold")["effectiveness"].agg(["mean", "std"]).fillna(0)
                _line(axes, name, thresholds, group.index, group["mean"], (group["std"], group["std"]))
            axes.set_title(f"{dataset}, {model}: {_counted(part, 'seed')}")
            axes.set_ylabel(f"test {part['metric'].iloc[0]}")
            axes.set_ylim(0, 1)
        _finish(figure, panels, "mean over seeds; bars and band: one standard deviation")
    return _done(figure)


def pie_shares(configurations: pd.DataFrame) -> Figure:
    """Table 4 as a picture, beside its null: the share of PIEs by threshold, a line for each pruner.

    configurations: as tables.configurations gives them. Bars are 95 % intervals of the excess over the null.
    """
    with _style():
        figure, panels = _panels(configurations)
        for (dataset, model), axes in panels.items():
            part = _pair(configurations, dataset, model)
            thresholds = _positions(configurations)
            axes.axhline(part["null_percent"].mean(), color=UNPRUNED, linestyle="--", label="null: retraining alone")
            for name, rows in _by_pruner(part):
                share = rows["halved_pies_percent"]
                below = (rows["excess_percent"] - rows["excess_low"]).clip(lower=0)
                above = (rows["excess_high"] - rows["excess_percent"]).clip(lower=0)
                _line(axes, name, thresholds, rows["threshold"], share, (below, above))
            side = part["models_per_side"].iloc[0]
            axes.set_title(
                f"{dataset}, {model}: {side} model{'s' if side > 1 else ''} a side, {part['examples'].iloc[0]:,} texts"
            )
            axes.set_ylabel("PIEs, % of the test examples")
            axes.set_ylim(0, None)
        _finish(figure, panels, "mean over halvings of the seeds;\nbars: 95 % interval of the excess over the null")
    return _done(figure)


def effectiveness_on_pies(configurations: pd.DataFrame) -> Figure:
    """Figure 3: how well the unpruned and the pruned majority do on all examples and on the PIEs, with the null."""
    lines = (
        ("unpruned_on_all", "unpruned, all examples", ALL, "-", "o"),
        ("pruned_on_all", "pruned, all examples", ALL, ":", "s"),
        ("unpruned_on_pies", "unpruned, PIEs", ONLY_PIES, "-", "o"),
        ("pruned_on_pies", "pruned, PIEs", ONLY_PIES, ":", "s"),
    )
    with _style():
        figure, panels = _pruner_panels(configurations)
        positions = _positions(configurations)
        for axes, part in panels:
            where = [positions[threshold] for threshold in part["threshold"]]
            null = part["null_on_pies"].mean()
            axes.axhline(null, color=UNPRUNED, linestyle="--", label="null: unpruned, where unpruned disagree")
            for column, label, colour, style, marker in lines:
                axes.plot(where, part[column], style, color=colour, marker=marker, label=label)
            axes.set_ylim(0, 1)
            axes.set(xticks=list(positions.values()), xticklabels=[f"{each:g}" for each in positions])
            axes.set(xlabel="% of weights pruned", ylabel=part["metric"].iloc[0])
            axes.set_xlim(-0.3, len(positions) - 0.7)
        handles, labels = panels[0][0].get_legend_handles_labels()
        wide = configurations["pruner"].nunique() > 2
        figure.legend(handles, labels, loc="outside lower center", ncols=3 if wide else 2, frameon=False)
    return _done(figure)


def el2n(table: pd.DataFrame) -> Figure:
    """Figure 4: the share of PIEs by bin of EL2N in the training set, a line for each threshold, with the null.

    table: as analysis.el2n gives it. Shares are over halvings of the seeds, so that they can be compared with the null.
    """
    thresholds = sorted(set(table["threshold"]))
    markers = {threshold: "osD^v"[place % 5] for place, threshold in enumerate(thresholds)}
    colours = dict(zip(thresholds, sns.color_palette("viridis_r", len(thresholds) + 1)[1:], strict=True))
    with _style():
        figure, panels = _pruner_panels(table)
        handles: dict[str, object] = {}
        for axes, part in panels:
            null = part.groupby("bin")["p_null"].mean()
            axes.plot(null.index, 100 * null, color=UNPRUNED, linestyle="--", label="null: retraining alone")
            for threshold, rows in part.groupby("threshold"):
                style = {"color": colours[threshold], "marker": markers[threshold], "markersize": 3}
                axes.plot(rows["bin"], 100 * rows["p_pie"], label=f"{threshold:g} % pruned", **style)
            axes.set_ylim(0, None)
            axes.set(xlabel="bin of EL2N, the hardest last", ylabel="PIEs, % of the bin")
            axes.xaxis.get_major_locator().set_params(integer=True)
            handles |= {label: each for each, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
    return _done(figure)


def readability(table: pd.DataFrame) -> Figure:
    """Figure 5: the mean of each score over PIEs divided by its mean over all examples, by threshold, with the null.

    table: as analysis.readability_ratios gives it. Bars are 95 % bootstrap intervals over examples.
    """
    pairs = list(table.groupby(["dataset", "model"], sort=False).groups)
    names = list(dict.fromkeys(table["score"]))
    lines = -(-len(names) // 4)
    with _style():
        size = (11.5, 2.4 * lines * len(pairs) + 1)
        figure, grid = plt.subplots(lines * len(pairs), 4, figsize=size, squeeze=False, layout="constrained")
        handles: dict[str, object] = {}
        for index, (pair, name) in enumerate((pair, name) for pair in pairs for name in names):
            axes, part = grid.flat[index], _pair(table, *pair)
            part = part[part["score"] == name]
            positions = _positions(table)
            axes.axhline(1, color="0.7", linewidth=0.8)
            axes.axhline(part["null"].mean(), color=UNPRUNED, linestyle="--", label="null: retraining alone")
            for pruner, rows in _by_pruner(part):
                bars = (rows["ratio"] - rows["low"]).clip(lower=0), (rows["high"] - rows["ratio"]).clip(lower=0)
                _line(axes, pruner, positions, rows["threshold"], rows["ratio"], bars)
            mean = part.groupby("threshold")["ratio"].mean()
            axes.plot([positions[each] for each in mean.index], mean, color="black", linewidth=2.5, label="mean")
            texts = f"{part['examples'].iloc[0]:,} texts"
            axes.set_title(f"{name}\n{pair[0]}, {pair[1]}: {texts}", fontsize="small")
            if index // 4 == lines * len(pairs) - 1:
                axes.set_xlabel("% of weights pruned")
            handles |= {label: each for each, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.supylabel("mean over PIEs / mean over all", fontsize="medium")
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False)
    return _done(figure)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as SVG and PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"svg.hashsalt": "pielab", "svg.fonttype": "none"}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=150)


def _style():
    return plt.rc_context(
        {
            **sns.axes_style("whitegrid"),
            **sns.plotting_context("paper", font_scale=1.05),
            "grid.color": "0.92",
            "axes.edgecolor": "0.6",
            "axes.titlesize": "medium",
        }
    )


def _panels(frame: pd.DataFrame) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """One panel for each data set and model, three to a line."""
    pairs = list(frame.groupby(["dataset", "model"], sort=False).groups)
    columns = min(3, len(pairs))
    lines = -(-len(pairs) // columns)
    size = (max(4.1 * columns, 5.6), 3.1 * lines + 1.1)
    figure, grid = plt.subplots(lines, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[len(pairs) :]:
        axes.set_axis_off()
    return figure, dict(zip(pairs, grid.flat, strict=False))


def _pruner_panels(frame: pd.DataFrame) -> tuple[Figure, list[tuple[Axes, pd.DataFrame]]]:
    """A line for each data set and model, a column for each pruner; panels that have rows, titled, with them."""
    pairs = list(frame.groupby(["dataset", "model"], sort=False).groups)
    pruners = [name for name in PRUNERS if name in set(frame["pruner"])]
    size = (max(3.1 * len(pruners), 6.2), 2.7 * len(pairs) + 1)
    figure, grid = plt.subplots(len(pairs), len(pruners), figsize=size, squeeze=False, layout="constrained")
    panels = []
    for (dataset, model), line_of_axes in zip(pairs, grid, strict=True):
        part = _pair(frame, dataset, model)
        for pruner, axes in zip(pruners, line_of_axes, strict=True):
            rows = part[part["pruner"] == pruner]
            if rows.empty:
                axes.set_axis_off()
                continue
            axes.set_title(f"{pruner}: {dataset}, {model}\n{rows['seeds'].iloc[0]} seeds")
            panels.append((axes, rows))
    return figure, panels


def _finish(figure: Figure, panels: dict[tuple[str, str], Axes], note: str) -> None:
    """Shared ticks, and one legend of everything that any panel shows."""
    handles: dict[str, object] = {}
    for axes in panels.values():
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        axes.set_xlabel("% of the prunable weights pruned")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False, title=note)


def _line(axes: Axes, name: str, positions: dict[float, int], thresholds, values, bars) -> None:
    # Pruners stand a little beside one another, so that their bars do not hide each other.
    shift = (list(PRUNERS).index(name) - (len(PRUNERS) - 1) / 2) * 0.05
    where = [positions[threshold] + shift for threshold in thresholds]
    axes.errorbar(where, values, yerr=bars, color=COLOURS[name], marker=MARKERS[name], label=name, capsize=2)
    axes.set(xticks=list(positions.values()), xticklabels=[f"{each:g}" for each in positions])
    axes.set_xlim(-0.5, len(positions) - 0.5)


def _positions(frame: pd.DataFrame) -> dict[float, int]:
    """Thresholds at equal distances: 90 and 99 % are as far apart to a model as 20 and 50 %."""
    return {threshold: place for place, threshold in enumerate(sorted(set(frame["threshold"]) - {0.0}))}


def _pair(frame: pd.DataFrame, dataset: str, model: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["model"] == model)]


def _by_pruner(frame: pd.DataFrame):
    return [(name, rows) for name, rows in frame.groupby("pruner", sort=False) if name in PRUNERS]


def _counted(frame: pd.DataFrame, column: str) -> str:
    number = frame[column].nunique()
    return f"{number} {column}{'s' if number > 1 else ''}"


def _done(figure: Figure) -> Figure:
    # Closed, a notebook shows the figure once, as the value of its cell, and not again as an open window.
    plt.close(figure)
    return figure
