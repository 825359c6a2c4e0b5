"""Shared elements of all figures: colours and markers, panels, legends, and the pruners' lines."""

import contextlib
import functools
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib import get_data_path
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

from pielab.analysis import tables
from pielab.compression.pruners import CONTROLS, GRADUAL, KNOWN, NESTED, ONE_SHOT, PRUNERS, SCOPED
from pielab.store import settings

# The same for a pruner in every figure; colour-blind readers can tell pruners apart by colour or marker alone.
COLOURS = dict(zip(PRUNERS, sns.color_palette("colorblind", len(PRUNERS)), strict=True))
MARKERS = dict(zip(PRUNERS, "osD^vPX*", strict=True))
COLOURS |= dict(zip(GRADUAL, ("#332288", "#117733", "#882255"), strict=True))
MARKERS |= dict(zip(GRADUAL, "phd", strict=True))
COLOURS |= dict(zip(ONE_SHOT, ("#aa4499", "#999933", "#44aa99"), strict=True))
MARKERS |= dict(zip(ONE_SHOT, "<>H", strict=True))
COLOURS |= dict.fromkeys(CONTROLS, "0.45")
MARKERS |= dict(zip(CONTROLS, "oDsP", strict=True))
# Variants look like the pruner they derive from, but hollow: nested ones dotted, those of the other scope dashed.
VARIANTS = dict.fromkeys(NESTED, ":") | dict.fromkeys(SCOPED, "--")
for _name in VARIANTS:
    COLOURS[_name], MARKERS[_name] = (styles[_name.rpartition("-")[0]] for styles in (COLOURS, MARKERS))
# For pruners without a colour of their own.
MORE_COLOURS, MORE_MARKERS = ("#56b4e9", "#661100", "#6699cc", "#cc6677", "#ddcc77"), "8<>Hd"
UNPRUNED = "0.25"
ALL, ONLY_PIES = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[1]
# Right to wrong, wrong to right, wrong to another wrong.
SPLIT = (sns.color_palette("colorblind")[3], sns.color_palette("colorblind")[9], "0.7")
# Controls of the direction of writing, with which a name would turn the words beside it around.
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: the function draws its figure with the shared fonts and grid, and returns it closed.

    Its texts are drawn as they are, in any script that a font of this system has, and never read as formulas.
    A notebook shows a closed figure once, as the value of its cell, and not again as an open window.
    """

    @functools.wraps(draw)
    def draw_styled(*args: Any, **kwargs: Any) -> Figure:
        shared = {**sns.axes_style("whitegrid"), **sns.plotting_context("paper", font_scale=1.05)}
        shared |= {"grid.color": "0.92", "axes.edgecolor": "0.6", "axes.titlesize": "medium"}
        shared |= {"text.parse_math": False}
        with plt.rc_context(shared):
            figure = draw(*args, **kwargs)
            _complete_fonts(figure)
        plt.close(figure)
        return figure

    return draw_styled


def short(name: str, most: int = 40) -> str:
    """A name on one line of a figure: without control characters, and its middle left out if it is long."""
    characters = [
        character
        for character in " ".join(name.split())
        if unicodedata.category(character) not in {"Cc", "Cs"} and unicodedata.bidirectional(character) not in TURNING
    ]
    if len(characters) > most:
        characters[2 * most // 3 : len(characters) - most // 3 + 1] = "…"
    return "".join(characters)


def _complete_fonts(figure: Figure) -> None:
    """Gives texts with characters that the figure's font lacks other fonts; □ and a note if this system has none."""
    axes_of_labels = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    labels = [axis.get_ticklabels() for axis in axes_of_labels]  # which also brings the texts of ticks up to date
    base, texts = FontProperties().get_name(), figure.findobj(Text)
    lacking = {character for text in texts for character in text.get_text()}
    lacking = _lacking({character for text in texts for character in text.get_text()} - {"\n"}, findfont(base))
    if not lacking:
        return
    families, unknown = _other_fonts(frozenset(lacking))
    boxes = dict.fromkeys(map(ord, unknown), "□")
    for axis, of_axis in zip(axes_of_labels, labels, strict=True):
        if any(unknown.intersection(label.get_text()) for label in of_axis):
            axis.set_ticklabels([label.get_text().translate(boxes) for label in of_axis])
    for text in texts:
        if lacking.intersection(text.get_text()):
            text.set(text=text.get_text().translate(boxes), fontfamily=[base, *families])
    if unknown:
        note = "□ is a character that no font of this system has"
        figure.suptitle("\n".join(filter(None, [figure.get_suptitle(), note])), fontsize="small")


@functools.cache
def _other_fonts(lacking: frozenset[str]) -> tuple[list[str], frozenset[str]]:
    """The names of installed fonts that together have the characters `lacking`, and the characters that none has."""
    has, left = {}, set(lacking)
    for font in sorted(fontManager.ttflist, key=lambda font: ("Sans" not in font.name, font.name)):
        # Matplotlib's own are for formulas, except the one that figures have already.
        if font.name not in has and not font.fname.startswith(get_data_path()):
            with contextlib.suppress(OSError, RuntimeError):  # it is gone, or damaged
                has[font.name] = left - _lacking(left, font.fname)
    families: list[str] = []
    while has and left & (covered := has.pop(best := max(has, key=lambda name: len(has[name] & left)))):
        families, left = [*families, best], left - covered
    return families, frozenset(left)


def _lacking(characters: set[str], path: str) -> set[str]:
    """Those of `characters` that a font file does not have."""
    font = get_font(path)
    return {character for character in characters if not font.get_char_index(ord(character))}


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
    return ", ".join(map(short, part[["dataset", "model"]].iloc[0]))


def name(part: pd.DataFrame) -> str:
    """The title of a panel for one pruner, data set and model."""
    return f"{part['pruner'].iloc[0]}: {pair(part)}"


def legend_below(figure: Figure, frame: pd.DataFrame, note: str) -> None:
    """Labels the x axes, and adds one legend; frame: the data of the whole figure."""
    for axes in figure.axes:
        axes.set_xlabel(x_label(frame, "% of the prunable weights pruned"))
    legend(figure, note)


def legend(figure: Figure, note: str | None = None, most: int = 4) -> None:
    """One legend for all panels, with at most `most` columns, one fewer for the long names of variants."""
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    options = {"ncols": most if handles.keys().isdisjoint(VARIANTS) else most - 1, "frameon": False, "title": note}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", **options)


def pruner_line(axes: Axes, name: str, frame: pd.DataFrame, texts: Iterable[str], values: pd.Series, bars: Any) -> None:
    """One pruner's points at its settings, with error bars and a line; frame: the data of the whole figure.

    texts: of its settings, as settings.texts gives them.
    """
    places, names = positions(frame), pruners(frame)
    # Pruners are shifted a little, so that their bars do not hide each other.
    shift = (names.index(name) - (len(names) - 1) / 2) * 0.05
    where = [places[each] + shift for each in texts]
    axes.errorbar(where, values, yerr=bars, label=name, capsize=2, **marker_style(name, frame))
    axes.set_xticks(list(places.values()), **tick_labels(places))
    axes.set_xlim(-0.5, len(places) - 0.5)


def marker_style(name: str, frame: pd.DataFrame) -> dict[str, Any]:
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


def up_to_one(axes: Axes, values: pd.DataFrame | pd.Series, margin: float = 0.0) -> None:
    """The y axis from 0 to 1, or from further below for negative values, such as Matthews correlations.

    margin: so that markers at 0 and 1 are not cut off.
    """
    axes.set_ylim(axes.get_ylim()[0] if (values < 0).to_numpy().any() else -margin, 1 + margin)


def error_bars(rows: pd.DataFrame, value: str, low: str, high: str) -> tuple[pd.Series, pd.Series]:
    """Lengths below and above `value`, 0 where the interval ends short of it."""
    return (rows[value] - rows[low]).clip(lower=0), (rows[high] - rows[value]).clip(lower=0)


def positions(frame: pd.DataFrame) -> dict[str, int]:
    """The settings' texts at equal distances, because 90 and 99 % differ as much to a model as 20 and 50 %.

    Percentages first, then patterns and bits, each from mild to severe.
    """
    pruned = frame.loc[frame["pruner"] != "unpruned", ["pruner", "threshold"]].drop_duplicates()
    in_order = sorted(pruned.itertuples(index=False), key=lambda row: settings.order(*row))
    texts = dict.fromkeys(settings.text(*row) or "0 %" for row in in_order)
    return {each: place for place, each in enumerate(texts)}


def tick_labels(places: dict[str, int]) -> dict[str, Any]:
    """Labels of `positions`, for set_xticks: numbers alone if all are percentages, else turned for want of room."""
    labels = settings.joined(list(places))
    return {"labels": labels} if labels != list(places) else {"labels": labels, "rotation": 45, "ha": "right"}


def x_label(frame: pd.DataFrame, percent: str = "% of weights pruned") -> str:
    """The label of an axis of `positions`, whose tick labels say what they are if not all are percentages."""
    return percent if all(each.endswith(" %") for each in positions(frame)) else "setting"


def setting_texts(frame: pd.DataFrame) -> pd.Series:
    """The keys of `positions` of a frame's rows."""
    return tables.setting_texts(frame).replace("", "0 %")


def by_pruner(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [(name, rows) for name, rows in frame.groupby("pruner", sort=False) if name != "unpruned"]


def pruners(frame: pd.DataFrame) -> list[str]:
    """The pruners of a figure, the controls first, then in the order of pruners.KNOWN, then other names."""
    names = set(frame["pruner"]) - {"unpruned"}
    known = [*CONTROLS, *KNOWN]
    return [*(name for name in known if name in names), *sorted(names - set(known))]
