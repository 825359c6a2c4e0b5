"""The kinds of figures of a report: from which table each is drawn, how many there are, and where they are written."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from pielab.analysis import change, comparison, decomposition, results, tradeoff, verdicts
from pielab.analysis.examples import classes, groups, readability, tagged_words
from pielab.errors import PielabError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What a table of seeds calls models of which nothing is removed.
UNPRUNED = "unpruned"
BY_PAIR, BY_PRUNER = ("dataset", "model"), ("pruner",)


@dataclass(frozen=True)
class Panel:
    """A kind of figure of the report, which the function of report/figures with its name draws from a table.

    read: the table from a study's results. keys: the columns of which each combination has a figure of its own, as in
        the paper. saved: whether its table, unless empty, is written to report/tables as well. nothing: said in 06 of
        an empty table, instead of that a notebook has not run.
    """

    title: str
    read: Callable[[results.Results], pd.DataFrame]
    keys: tuple[str, ...] = ()
    saved: bool = False
    nothing: str = ""
    known: str | None = None


# A new figure is one entry here, one function in report/figures, and a place in report/questions.
PANELS = {
    "decomposition": Panel(
        "What part of a PIE is pruning: training again, training longer, and removing weights",
        decomposition.of_study,
        BY_PAIR,
        saved=True,
    ),
    "change": Panel(
        "What changes in the same model, beside another seed, another batch size and bfloat16",
        change.of_study,
        BY_PAIR,
        saved=True,
    ),
    "groups": Panel(
        "Who pays: change, lost accuracy and movement by group of texts",
        groups.of_study,
        BY_PAIR,
        saved=True,
        nothing=groups.NO_GROUP,
    ),
    "effectiveness": Panel("Accuracy or F1 against the unpruned models (Figure 1)", results.seeds),
    "tradeoff": Panel(
        "What compression bought: size beside accuracy or F1, and own answers changed",
        tradeoff.of_study,
        saved=True,
        known="packed_percent",
    ),
    "pie_shares": Panel(
        "How many test examples are PIEs, and how many retraining alone would change (Table 4)", results.configurations
    ),
    "levels": Panel(
        "How much changes by word, sentence and entity, beside the null",
        tagged_words.of_study,
        BY_PAIR,
        saved=True,
        nothing=tagged_words.NO_LEVELS,
    ),
    "sentence_lengths": Panel(
        "PIEs by the length of a sentence",
        tagged_words.lengths_of_study,
        BY_PRUNER,
        saved=True,
        nothing=tagged_words.NO_TAGS,
    ),
    "entity_types": Panel(
        "Which gold entities are lost, by type",
        tagged_words.types_of_study,
        BY_PAIR,
        saved=True,
        nothing=tagged_words.NO_TAGS,
    ),
    "comparison": Panel(
        "Pruners at equal sparsity: accuracy or F1, and PIEs beyond the null", comparison.pruners, BY_PAIR
    ),
    "effectiveness_on_pies": Panel(
        "Accuracy or F1 on all examples and on the PIEs (Figures 3, 7 to 13)", results.configurations, BY_PAIR
    ),
    "classes": Panel(
        "The classes of the PIEs and of all test examples (Figures 2, 6)",
        classes.by_configuration,
        BY_PRUNER,
        saved=True,
    ),
    "el2n": Panel(
        "PIEs of the training set by how much an example matters for generalisation, EL2N (Figures 4, 14 to 20)",
        functools.partial(results.read_pair_tables, name="el2n"),
        BY_PRUNER,
        saved=True,
    ),
    "readability": Panel(
        "How hard the PIEs are to read, compared with all examples (Figures 5, 21 to 27)",
        readability.of_study,
        BY_PAIR,
        saved=True,
    ),
    "readability_matched": Panel(
        "The same, compared with other examples as long as the PIEs",
        readability.of_study,
        BY_PAIR,
    ),
    "verdicts": Panel(
        "Which of the paper's findings hold, and which are no more than retraining, or training longer",
        verdicts.of_study,
        BY_PAIR,
        saved=True,
        nothing="nothing to draw for verdicts: no configuration of this study was retrained.",
    ),
}


def draw(
    study: Path | results.Results, kind: str, table: pd.DataFrame | None = None, *, pruners: Sequence[str] | None = None
) -> "dict[str, Figure]":
    """A study's figures of one kind, a key of PANELS, by name; written as SVG and PNG to report/figures.

    study: its folder, or its results as results.read gives them. table: the data of the figures, if they have been
        computed already. pruners: those to show; the table that is written, and what is corrected in it for the number
        of configurations, is of all.

    There is one figure for each pair of data set and model ("readability-snli-bilstm"), one for each pruner
    ("el2n-IMP-FT"), or a single one. Empty if the notebook that computes the data has not run.
    """
    from pielab.report import figures  # here, because every job writes the page, and draws nothing

    panel, study = PANELS[kind], results.read(study)
    report, table = study.folder / "report", panel.read(study) if table is None else table
    folder, draw_figure = report / "figures", getattr(figures, kind)
    # Before anything is written or deleted, because a name may be mistyped.
    shown = table if pruners is None or table.empty else _of_pruners(table, pruners)
    if panel.saved and not table.empty:
        results.save(table, report, kind)
    # What was removed from the study must not leave its figure, or its table, behind.
    tables = [kind, f"{kind}_by_configuration"] if table.empty else []
    stale = [path for name in tables for path in (report / "tables").glob(f"{name}.csv*")]
    if panel.known and not shown.empty:
        shown = shown.dropna(subset=[panel.known])
    for path in [*folder.glob(f"{kind}.*"), *folder.glob(f"{kind}-*"), *stale]:
        path.unlink()
    if shown.empty:
        return {}
    parts = shown.groupby(list(panel.keys), sort=False) if panel.keys else [((), shown)]
    drawn = {"-".join([kind, *key]): draw_figure(part) for key, part in parts}
    for name, figure in drawn.items():
        figures.save(figure, folder, name)
    return drawn


def show(
    study: Path | results.Results, kind: str, table: pd.DataFrame | None = None, *, pruners: Sequence[str] | None = None
) -> None:
    """Draw the figures of one kind and display them in the notebook; arguments as in `draw`."""
    from IPython.display import display

    drawn = draw(study, kind, table, pruners=pruners)
    if drawn:
        display(*drawn.values())
    else:
        missing = f"nothing to draw for {kind} yet: the notebook that makes it has not run for this study"
        print(PANELS[kind].nothing or missing)


def _of_pruners(table: pd.DataFrame, pruners: Sequence[str]) -> pd.DataFrame:
    """The rows of some pruners, and of the unpruned models; PielabError if the table lacks one."""
    known = [name for name in table["pruner"].unique() if name != UNPRUNED]
    if not pruners or not set(pruners) <= set(known):
        raise PielabError(
            "pruners-not-in-figure", f"the figure cannot show {pruners!r}", f"give a list of some of {', '.join(known)}"
        )
    return table[table["pruner"].isin([*pruners, UNPRUNED])]
