"""The study's figures, each drawn from a tidy table; here too are those of a single run."""

import functools
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, StrMethodFormatter

from pielab.analysis import intervals
from pielab.progress import counted
from pielab.report import style
from pielab.report.change_figure import change  # noqa: F401
from pielab.report.decomposition_figure import decomposition  # noqa: F401
from pielab.report.diagrams import half_split, vote_of_seeds, weights  # noqa: F401
from pielab.report.groups_figure import groups  # noqa: F401
from pielab.report.levels_figure import entity_types, levels  # noqa: F401

# The figures of notebooks 00 to 03 and 07 are found here as well.
from pielab.report.run_figures import by_models_per_side, losses, p_pie, scores, search, two_sides, votes  # noqa: F401
from pielab.report.style import ALL, ONLY_PIES, UNPRUNED
from pielab.report.tradeoff_figure import tradeoff  # noqa: F401
from pielab.report.verdicts_figure import verdicts  # noqa: F401


@style.styled
def effectiveness(seeds: pd.DataFrame) -> Figure:
    """Figure 1: mean test accuracy or F1 by threshold, a line for each pruner, against the unpruned models.

    seeds: as results.seeds gives them. Bars and bands are one standard deviation over seeds.
    """
    figure, panels = style.pair_panels(seeds)
    for axes, part in panels:
        unpruned = part[part["pruner"] == "unpruned"]["effectiveness"]
        mean, spread = unpruned.mean(), unpruned.std() if len(unpruned) > 1 else 0
        axes.axhline(mean, color=UNPRUNED, linestyle="--", label="unpruned")
        axes.axhspan(mean - spread, mean + spread, color=UNPRUNED, alpha=0.15, linewidth=0)
        for name, rows in style.by_pruner(part):
            group = rows.groupby(style.setting_texts(rows), sort=False)["effectiveness"].agg(["mean", "std"]).fillna(0)
            style.pruner_line(axes, name, seeds, group.index, group["mean"], (group["std"], group["std"]))
        axes.set_title(f"{style.pair(part)}: {counted(part['seed'].nunique(), 'seed')}")
        axes.set(ylabel=f"test {part['metric'].iloc[0]}")
        style.up_to_one(axes, part["effectiveness"])
    style.legend_below(figure, seeds, "mean over seeds; bars and band: one standard deviation")
    return figure


@style.styled
def pie_shares(configurations: pd.DataFrame) -> Figure:
    """Table 4 as a figure, with its null: the share of PIEs by threshold, a line for each pruner.

    configurations: as results.configurations gives them. Bars are 95 % intervals of the excess over the null.
    """
    figure, panels = style.pair_panels(configurations)
    for axes, part in panels:
        axes.axhline(part["null_percent"].mean(), color=UNPRUNED, linestyle="--", label="null: retraining alone")
        for name, rows in style.by_pruner(part):
            bars = style.error_bars(rows, "excess_percent", "excess_low", "excess_high")
            style.pruner_line(axes, name, configurations, style.setting_texts(rows), rows["halved_pies_percent"], bars)
        side, texts = part[["models_per_side", "examples"]].iloc[0]
        axes.set_title(f"{style.pair(part)}: {counted(side, 'model')} a side, {counted(texts, 'text')}")
        axes.set_ylabel("PIEs, % of the test examples")
        if part["halved_pies_percent"].max() > 10 * part["null_percent"].mean():
            # Mild pruning, which asks whether there is more than the null, would lie on one line.
            axes.set_yscale("symlog", linthresh=1, linscale=0.2)
            ticks = FixedLocator([0, 1, 2, 5, 10, 20, 50, 100])
            axes.yaxis.set(major_locator=ticks, major_formatter=StrMethodFormatter("{x:g}"))
        style.from_zero(axes)
    note = "mean over half-splits of the seeds;\nbars: 95 % interval of the excess over the null"
    style.legend_below(figure, configurations, note)
    return figure


@style.styled
def comparison(table: pd.DataFrame) -> Figure:
    """Accuracy against PIEs beyond the null, a panel for each threshold; table: as comparison.pruners gives it.

    The panels of a pair of data set and model share a row of up to five. Scales differ between panels, because at high
    sparsity a pruner or two can be far from all others.
    """
    table = table.assign(setting=style.setting_texts(table))
    most = table.groupby(["dataset", "model"])["setting"].nunique().max()
    figure, panels = style.panels(table, "dataset", "model", "setting", columns=min(most, 5))
    for axes, part in panels:
        for name, rows in style.by_pruner(part):
            xerr = style.error_bars(rows, "mean", "low", "high")
            yerr = style.error_bars(rows, "excess_percent", "excess_low", "excess_high")
            marker = style.marker_style(name, table)
            axes.errorbar(rows["mean"], rows["excess_percent"], yerr, xerr, capsize=2, label=name, **marker)
        axes.axvline(part["unpruned"].iloc[0], color=UNPRUNED, linestyle=":", label="unpruned models")
        axes.axhline(0, color=UNPRUNED, linestyle="--", label="null: retraining alone")
        first = part.iloc[0]
        axes.set_title(f"{style.pair(part)}: {first['setting']}\n{counted(first['seeds'], 'seed')}")
        axes.set(xlabel=f"test {first['metric']}", ylabel="excess of PIEs, %")
    note = f"excess in % of the test examples; bars: {intervals.level(table)} intervals over seeds; scales differ"
    style.legend(figure, note)
    return figure


@style.styled
def effectiveness_on_pies(configurations: pd.DataFrame) -> Figure:
    """Figure 3: how right unpruned and pruned models are on all examples and where they disagree, with the null.

    configurations: as results.configurations gives them. On PIEs: halves of the seeds, as the null; bars are 95 %
    intervals of the difference from the null.
    """
    figure, panels = style.panels(configurations, "dataset", "model", "pruner")
    positions = style.positions(configurations)
    for axes, part in panels:
        side, seeds = part[["models_per_side", "seeds"]].iloc[0]
        axes.set_title(f"{style.name(part)}\n{side} of {counted(seeds, 'seed')} a side")
        places = style.setting_texts(part).map(positions)
        axes.axhline(
            part["null_on_pies"].mean(), color=UNPRUNED, linestyle="--", label="null: unpruned, where unpruned disagree"
        )
        for side, line, marker, shift in (("unpruned", "-", "o", -0.04), ("pruned", ":", "s", 0.04)):
            by_text = part.get(f"{side}_on_all_by_text", pd.Series(np.nan, part.index))
            on_all = by_text.fillna(part[f"{side}_on_all"])
            axes.plot(places, on_all, line, color=ALL, marker=marker, label=f"{side}, all examples")
            bars = style.error_bars(part, f"{side}_more", f"{side}_more_low", f"{side}_more_high")
            options = {"color": ONLY_PIES, "marker": marker, "linestyle": line, "capsize": 2}
            axes.errorbar(places + shift, part[f"halved_{side}_on_pies"], yerr=bars, label=f"{side}, PIEs", **options)
        style.up_to_one(axes, part[["null_on_pies", "unpruned_on_all", "pruned_on_all"]], margin=0.03)
        axes.set_xticks(list(positions.values()), **style.tick_labels(positions))
        judged_by = part["judged_by"].iloc[0]
        axes.set(xlabel=style.x_label(configurations), ylabel=judged_by, xlim=(-0.3, len(positions) - 0.7))
    style.legend(figure, "bars: 95 % interval of the difference from the null", most=3 if len(panels) > 2 else 2)
    return figure


@style.styled
def classes(table: pd.DataFrame) -> Figure:
    """Figures 2 and 6: the classes of the PIEs and of all test examples, the most frequent class first.

    table: as classes.by_configuration gives it. Of halves of the seeds, as the null; lines are intervals of the
    difference from it. Not joined as in the paper, because classes have no order.
    """
    table = table.assign(setting=style.setting_texts(table))
    # Room for the name of each class.
    height = max(2.7, 0.9 + 0.14 * table["rank"].max())
    figure, panels = style.panels(table, "dataset", "model", "pruner", "setting", height=height)
    dataset = None
    for axes, part in panels:
        ranks, first = part["rank"], part.iloc[0]
        lines = style.error_bars(part, "more", "more_low", "more_high")
        axes.barh(ranks, part["percent"], height=0.7, color=ALL, alpha=0.35, label="all test examples")
        marker: dict[str, Any]
        marker = {"color": UNPRUNED, "marker": "|", "markersize": 8, "markeredgewidth": 1.5, "zorder": 3}
        axes.plot(part["null_percent"], ranks, linestyle="none", label="null: where unpruned disagree", **marker)
        marker = {"color": ONLY_PIES, "linestyle": "none", "marker": "s", "markersize": 3, "elinewidth": 0.8}
        axes.errorbar(part["halved_percent"], ranks, xerr=lines, label="PIEs", **marker)
        axes.set_title(f"{style.name(part)}\n{_amount(first['setting'])}: {counted(first['pies'], 'PIE')}")
        # Panels of the same classes side by side share their names.
        is_named = first["dataset"] != dataset or axes.get_subplotspec().is_first_col()  # type: ignore[union-attr]
        dataset = first["dataset"]
        axes.set_yticks(ranks, part["class"].map(lambda name: style.short(name, 24)) if is_named else [""] * len(part))
        axes.tick_params(axis="y", labelsize="small" if len(part) <= 10 else "x-small")
        axes.set(xlabel="% that have the class", ylim=(ranks.max() + 0.6, 0.4))
        axes.set_xlim(left=0)
        axes.grid(axis="y", visible=False)
    style.legend(figure, _note(table, "lines"), most=3)
    return figure


@style.styled
def el2n(table: pd.DataFrame) -> Figure:
    """Figure 4: the share of PIEs by bin of EL2N in the training set, a line for each threshold, with the null.

    table: as el2n.by_configuration gives it. Shares are means over half-splits of the seeds, comparable with the null.
    Bands are intervals of the excess over the null.
    """
    figure, panels = _by_bin(table)
    for axes, _ in panels:
        axes.set(xlabel="bin of EL2N, the hardest last", ylabel="PIEs, % of the bin")
        axes.locator_params(axis="x", integer=True)
    style.legend(figure)
    return figure


@style.styled
def sentence_lengths(table: pd.DataFrame) -> Figure:
    """The share of PIEs by quarter of the sentences' lengths, a line for each threshold, with the null.

    table: as tagged_words.lengths_of_study gives it; shares and bands as in `el2n`.
    """
    shares = {"p_pie": "halved", "p_null": "null", "low": "low", "high": "high"}
    bins = {name: table[column] / 100 for name, column in shares.items()} | {"bin": table["quarter"]}
    figure, panels = _by_bin(table.assign(**bins))
    words = table.drop_duplicates("quarter")
    for axes, _ in panels:
        axes.set_xticks(words["quarter"], words["words"])
        axes.set(xlabel="words of a sentence", ylabel="PIEs, % of the sentences")
    style.legend(figure, _note(table, "bands"))
    return figure


def _by_bin(table: pd.DataFrame) -> style.Panels:
    """A panel for each pruner: p_pie by bin, a line for each threshold, p_null, and bands of the excess."""
    places = style.positions(table)
    markers = {setting: "osD^v"[place % 5] for setting, place in places.items()}
    colours = dict(zip(places, sns.color_palette("viridis_r", len(places) + 1)[1:], strict=True))
    figure, panels = style.panels(table, "dataset", "model", "pruner")
    for axes, part in panels:
        axes.set_title(f"{style.name(part)}\n{counted(part['seeds'].iloc[0], 'seed')}")
        null = part.groupby("bin")["p_null"].mean()
        axes.plot(null.index, 100 * null, color=UNPRUNED, linestyle="--", label="null: retraining alone")
        for setting, rows in part.groupby(style.setting_texts(part), sort=False):
            marker = {"color": colours[setting], "marker": markers[setting], "markersize": 3}
            axes.plot(rows["bin"], 100 * rows["p_pie"], label=_amount(setting), **marker)
            band = ((100 * (rows["p_null"] + rows[end])).clip(0, 100) for end in ("low", "high"))
            axes.fill_between(rows["bin"], *band, color=colours[setting], alpha=0.15, linewidth=0)
        style.from_zero(axes)
    return figure, panels


@style.styled
def readability(table: pd.DataFrame, matched: bool = False) -> Figure:
    """Figure 5: the mean of each score over PIEs divided by its mean over all examples, by threshold, with the null.

    table: as readability.by_configuration gives it. Of halves of the seeds, as the null; bars are intervals of the
    difference from it. A difference where there is no ratio, and the title says so. The mean line is over the pruners
    that have every threshold, if there are at least two pruners and two thresholds.
    matched: divide by the mean over other examples of the same length instead.
    """
    halved, null, more, low, high = (
        name + "_matched" * matched for name in ("halved", "null", "more", "more_low", "more_high")
    )
    figure, panels = style.panels(table, "dataset", "model", "score", width=2.875, height=2.4)
    positions = style.positions(table)
    for axes, part in panels:
        is_ratio = part["unit"].iloc[0] == "ratio"
        axes.axhline(float(is_ratio), color="0.7", linewidth=0.8)
        axes.axhline(part[null].mean(), color=UNPRUNED, linestyle="--", label="null: retraining alone")
        for pruner, rows in style.by_pruner(part):
            bars = style.error_bars(rows, more, low, high)
            style.pruner_line(axes, pruner, table, style.setting_texts(rows), rows[halved], bars)
        # Over the same pruners at every threshold, so that the line does not depend on which pruners were run.
        by_setting = part.assign(place=style.setting_texts(part).map(positions))
        complete = by_setting.pivot(index="place", columns="pruner", values=halved).dropna(axis="columns")
        if min(complete.shape) > 1:
            axes.plot(complete.index, complete.mean(axis="columns"), color="black", linewidth=2.5, label="mean")
        score, texts = part[["score", "examples"]].iloc[0]
        score += "" if is_ratio else ": difference"
        axes.set_title(f"{score}\n{style.pair(part)}: {counted(texts, 'text')}", fontsize="small")
        if axes.get_subplotspec().is_last_row():  # type: ignore[union-attr]  # all axes are subplots
            axes.set_xlabel(style.x_label(table))
    others = "others as long" if matched else "all"
    figure.supylabel(f"mean over PIEs / mean over {others}", fontsize="medium")
    style.legend(figure, _note(table), most=6)
    return figure


def _note(table: pd.DataFrame, drawn: str = "bars") -> str:
    return f"halves of the seeds; {drawn}: {intervals.level(table)} interval of the difference from the null"


def _amount(setting: str) -> str:
    return f"{setting} pruned" if setting.endswith(" %") else setting


readability_matched = functools.partial(readability, matched=True)


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as SVG and PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context({"svg.hashsalt": "pielab", "svg.fonttype": "none"}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=150)
