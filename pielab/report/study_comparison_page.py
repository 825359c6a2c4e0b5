"""One page of two studies side by side, readable without server or network."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pielab.analysis.study_comparison import DIFFERENCE, NOTE, SIDES, StudyComparison, told
from pielab.analysis.study_differences import TEXTS
from pielab.progress import counted
from pielab.report import comparison_figure, render
from pielab.report.comparison_page import image, plain, sortable
from pielab.report.comparison_sentences import interval
from pielab.store.paths import CONFIGURATION, Configuration

# The unpruned models' own, which all configurations of a data set and model share.
NULL = "their null"
# More configurations are counted, not named.
MOST_NAMED = 4


def page(comparison: StudyComparison) -> str:
    """The HTML of the page; everything from the studies is escaped."""
    told_of = sentences(comparison)
    tables = {}
    if len(comparison.differences):
        note = (
            "Of each configuration the record of its first seed is read; of predictions made elsewhere there is none."
        )
        tables["What was different"] = note, plain(_different(comparison), "files")
    return render.render(
        "study_comparison.html",
        title="Do two studies agree?",
        names=comparison.names,
        answer=told_of[0],
        more=told_of[1:],
        figures=[(title, image(figure)) for title, figure in _figures(comparison)],
        tables=tables,
        note=NOTE,
        explore=sortable(_quantities(comparison.table), ["data set", "model", "configuration", "quantity", "told"]),
        alone=[
            (side, [_name(each) for each in of_side]) for side, of_side in zip(SIDES, comparison.alone, strict=True)
        ],
    )


def sentences(comparison: StudyComparison) -> list[str]:
    """The answer first; then how far it goes, what else was different, and which configurations one study lacks."""
    rows = comparison.table[comparison.table["quantity"] != NULL]
    known = rows[rows["difference_low"].notna()]
    configurations, is_told = rows.groupby(CONFIGURATION, sort=False), told(rows)
    number = configurations.ngroups
    same = int(configurations["difference"].apply(lambda values: np.allclose(values, 0)).sum())
    differing = rows[is_told].groupby(CONFIGURATION, sort=False).ngroups
    both = f"{counted(number, 'configuration')} that both studies have"
    seeds = comparison.common_seeds
    if same == number:
        found = [f"The two studies give the same numbers for {counted(number, 'configuration')}, all that both have."]
    elif known.empty:
        found = [
            f"Whether {both} differ by more than other seeds explain cannot be told, for want of intervals (they "
            f"take three seeds, of PIEs and moved four); "
            f"{same} of them {'has' if same == 1 else 'have'} the same numbers in both."
        ]
    else:
        found = [f"Of {'the ' * (number > 1)}{both}, {_differing(rows[is_told], differing)}."]
        found += _how_far(known[~told(known)], len(known), int(is_told.sum()))
        if same:
            found.append(f"{counted(same, 'configuration')} {'has' if same == 1 else 'have'} the same numbers in both.")
    if seeds and same == number:
        found.append(
            f"Both have models of the seeds {seeds}: this shows that the numbers can be made again, not that other "
            "seeds would give them."
        )
    elif seeds:
        found.append(
            f"Both have models of the seeds {seeds}, so they are not independent: where the two models of a seed are "
            "alike, the intervals of the differences are wider than they need be."
        )
    return [*found, *_else(comparison)]


def _differing(rows: pd.DataFrame, number: int) -> str:
    if not number:
        return "none is told to differ beyond what other seeds explain"
    most = rows.loc[rows["difference"].abs().idxmax()]
    return (
        f"{number} {'differs' if number == 1 else 'differ'} beyond what other seeds explain, the most "
        f"{_name(Configuration.of(most))}: {most['quantity']} {most['first_estimate']:z.2f} in the first and "
        f"{most['second_estimate']:z.2f} in the second, a difference of {most['difference']:+z.2f} points"
        f"{interval(most['difference_low'], most['difference_high'], also='95 % interval ')}"
    )


def _how_far(untold: pd.DataFrame, known: int, number: int) -> Iterator[str]:
    yield (
        f"Of {counted(known, 'difference')} with an interval {number} {'excludes' if number == 1 else 'exclude'} 0; if "
        f"the studies differed in nothing but their seeds, about {0.05 * known:.1f} would by chance."
    )
    if len(untold):
        ends = untold[["difference_low", "difference_high"]].abs().max(axis=1)
        widest = untold.loc[ends.idxmax()]
        yield (
            "That no difference is told does not mean that the studies agree: the intervals reach as far as "
            f"{ends.max():.2f} points ({_name(Configuration.of(widest))}, {widest['quantity']})."
        )


def _else(comparison: StudyComparison) -> Iterator[str]:
    what = list(dict.fromkeys(comparison.differences["what"]))
    if TEXTS in what:
        yield (
            "The studies have different test texts, and the intervals are of other seeds alone: a difference may be "
            "one of texts."
        )
    if what:
        yield f"Different in the records of the two: {', '.join(what)}."
    else:
        yield "The records of the two name no difference of seeds, texts, parameters or versions."
    alone = [
        f"{counted(len(configurations), 'configuration')} only the {side}"
        for side, configurations in zip(SIDES, comparison.alone, strict=True)
        if configurations
    ]
    if alone:
        yield f"{' and '.join(alone)} study has."


def _name(configuration: Configuration) -> str:
    return f"{configuration.title} ({configuration.dataset}, {configuration.model})"


def _figures(comparison: StudyComparison) -> Iterator[tuple[str, Figure]]:
    for quantity, rows in comparison.table.groupby("quantity", sort=False):
        if quantity != NULL:
            yield f"{quantity}, of either study", comparison_figure.studies(rows, comparison.names)


def _quantities(table: pd.DataFrame) -> pd.DataFrame:
    """The table to read: numbers that sort, each with its interval beside it."""
    shown = pd.DataFrame({"data set": table["dataset"], "model": table["model"]})
    shown["configuration"] = [Configuration.of(row).title for row in table[CONFIGURATION].to_dict("records")]
    shown["quantity"] = table["quantity"]
    columns = {side: [f"{side}_{end}" for end in ("estimate", "low", "high")] for side in SIDES}
    for name, (estimate, *ends) in (columns | {"difference": DIFFERENCE}).items():
        shown[name] = table[estimate].round(2) + 0.0
        shown[f"95 % of {name}"] = [interval(*row).strip(" ()") for row in table[ends].itertuples(index=False)]
    shown["told"] = np.where(table["difference_low"].isna(), "", np.where(told(table), "yes", "no"))
    return shown


def _different(comparison: StudyComparison) -> pd.DataFrame:
    table = comparison.differences
    configurations = comparison.table[CONFIGURATION].drop_duplicates()
    everything = len(configurations) + len(configurations[["dataset", "model"]].drop_duplicates())
    return table.assign(configurations=[_listed(named, everything) for named in table["configurations"]]).rename(
        columns={"what": ""}
    )


def _listed(named: Sequence[Configuration], everything: int) -> str:
    if len(named) == everything:
        return "all, and the unpruned models"
    listed = [_name(configuration) for configuration in named[:MOST_NAMED]]
    return "; ".join(listed + [f"and {len(named) - MOST_NAMED} more"] * (len(named) > MOST_NAMED))
