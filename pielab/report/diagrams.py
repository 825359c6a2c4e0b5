"""Pictures of what the notebooks do: which weights go, what is compared with what, and how models vote on a text."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pielab.progress import counted
from pielab.report import style
from pielab.report.style import ONLY_PIES, UNPRUNED

if TYPE_CHECKING:
    from torch import Tensor


@style.styled
def weights(values: Mapping[str, "Tensor"], masks: Mapping[str, "Tensor"], most: int = 6) -> Figure:
    """How large the weights of each matrix are, those that a mask keeps and those that it prunes; the largest first.

    values, masks: by name, as masks.prunable and masks.prune give them. most: at most so many matrices.
    """
    names = sorted(masks, key=lambda name: -masks[name].numel())[:most]
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    size = (4 * columns, 1.6 * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes, name in zip(grid.flat, names, strict=False):
        own, kept = (of[name].detach().cpu().numpy().ravel() for of in (values, masks))
        low, high = np.quantile(own, [0.001, 0.999])
        sides = {"color": [UNPRUNED, ONLY_PIES], "label": ["kept", "pruned"]}
        axes.hist([own[kept], own[~kept]], np.linspace(low, high, 81), stacked=True, linewidth=0, **sides)
        axes.set_title(f"{style.short(name, 34)}: {kept.size:,}, {1 - kept.mean():.0%} pruned", fontsize="small")
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("weight", fontsize="small")
    figure.supylabel("number of weights", fontsize="small")
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return figure


@style.styled
def vote_of_seeds(answers: Mapping[str, Sequence[str]], majorities: Mapping[str, str], label: str) -> Figure:
    """One text as its models answer it: a square for each seed, a row for each side, and at its end the majority.

    answers: by side, "unpruned" and the pruner's name, each model's answer. majorities: of each side. label: its own.
    """
    seeds = max(map(len, answers.values()))
    known = sorted({answer for side in answers.values() for answer in side} | set(majorities.values()))
    colours = dict(zip(known, sns.color_palette("colorblind", len(known)), strict=True))
    figure, axes = plt.subplots(figsize=(max(5.4, 0.5 * seeds + 3.6), 1.9), layout="constrained")
    for row, (side, given) in enumerate(answers.items()):
        for seed, answer in enumerate(given):
            axes.add_patch(plt.Rectangle((seed, 1 - row), 0.9, 0.8, color=colours[answer]))
        most, height = majorities[side], 1.4 - row
        _arrow(axes, (seeds, height), (seeds + 1, height), UNPRUNED, "->")
        axes.text(seeds + 1.2, height, style.short(most, 24), va="center", color=colours[most], weight="bold")
    for answer in known:
        axes.plot([], [], "s", color=colours[answer], label=style.short(answer, 24))
    axes.set(xlim=(-0.1, seeds + 5), ylim=(-0.1, 1.9), xticks=[], yticks=[1.4, 0.4])
    axes.set_yticklabels(list(answers))
    _bare(axes, f"{counted(seeds, 'seed')}, and the majority; label: {style.short(label, 40)}")
    figure.legend(loc="outside lower center", ncols=min(len(known), 5), frameon=False)
    return figure


@style.styled
def half_split(seeds: int = 8) -> Figure:
    """What is compared with what: all seeds with all seeds, and halves A and B of the seeds, unpruned and pruned."""
    figure, axes = plt.subplots(figsize=(7.6, 2.3), layout="constrained")
    half, gap = seeds // 2, 2.0
    right = 2 * half + gap
    for row, colour in enumerate((ONLY_PIES, UNPRUNED)):
        for seed in range(2 * half):
            # The pruned models of A are compared with nothing in this split.
            alpha = 1.0 if row or seed >= half else 0.25
            corner = (seed + gap * (seed >= half), row)
            axes.add_patch(plt.Rectangle(corner, 0.85, 0.5, facecolor=colour, edgecolor="none", alpha=alpha))
    for name, place in (("half A of the seeds", half / 2), ("half B", 1.5 * half + gap)):
        axes.text(place, 1.62, name, ha="center")
    _arrow(axes, (half - 0.1, 1.25), (half + gap, 1.25), UNPRUNED)
    _arrow(axes, (half - 0.1, 1.1), (half + gap, 0.25), ONLY_PIES)
    _arrow(axes, (right + 0.4, 0.2), (right + 0.4, 1.3), "0.3")
    axes.text(half + gap / 2, 1.34, "null", ha="center", color=UNPRUNED)
    axes.text(half + 0.05, 0.25, "halved\nPIEs", va="center", color=ONLY_PIES)
    axes.text(right + 0.7, 0.75, "PIEs, as in the paper:\nall seeds on both sides", va="center")
    axes.set(xlim=(-0.2, right + 6.5), ylim=(-0.1, 1.9), xticks=[], yticks=[0.25, 1.25])
    axes.set_yticklabels(["pruned", "unpruned"])
    _bare(axes, "")
    return figure


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, style: str = "<->") -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": style, "linewidth": 1.5, "color": colour})


def _bare(axes: Axes, title: str) -> None:
    """Without lines and ticks, for these show no numbers."""
    axes.grid(visible=False)
    axes.tick_params(length=0)
    sns.despine(ax=axes, left=True, bottom=True)
    axes.set_title(title, fontsize="small")
