"""Studies side by side: how much each configuration changes, of two that both have it, or of all in one table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.analysis import change, decomposition, results, study_differences, tables, tradeoff
from pielab.errors import PielabError
from pielab.store.paths import CONFIGURATION, Configuration

ENDS = ["estimate", "low", "high"]
# The columns of a summary, with those of the interval if there is one.
SHARES = {
    "PIEs": ["pies_percent"],
    "PIEs of half of the seeds": ["halved_pies_percent", "halved_pies_low", "halved_pies_high"],
    "their null": ["null_percent", "null_low", "null_high"],
}
NOTE = (
    "In percent of the test texts, moved in points against the unpruned models; in brackets 95 % intervals, of other "
    "seeds at these texts."
)
SIDES = ("first", "second")
DIFFERENCE = ["difference", "difference_low", "difference_high"]
COLUMNS = [*CONFIGURATION, "quantity", *(f"{side}_{end}" for side in SIDES for end in ENDS), *DIFFERENCE]


@dataclass(frozen=True)
class StudyComparison:
    """Two studies side by side.

    names: of the studies, as they were given. table: of `compare`. differences: of `study_differences.differences`.
    alone: the configurations that only the first has, and only the second. common_seeds: of both, such as "0-7".
    """

    names: tuple[str, str]
    table: pd.DataFrame
    differences: pd.DataFrame
    alone: tuple[list[Configuration], list[Configuration]]
    common_seeds: str


def of_studies(first: Path, second: Path, names: tuple[str, str]) -> StudyComparison:
    """Two studies and what was different between them; raises PielabError as `compare` does."""
    studies = results.read(first), results.read(second)
    table = compare(*studies)
    alone = study_differences.only_in(*studies), study_differences.only_in(*studies[::-1])
    differences, seeds = study_differences.differences(*studies), study_differences.common_seeds(*studies)
    return StudyComparison(names, table, differences, alone, seeds)


def compare(first: Path | results.Results, second: Path | results.Results) -> pd.DataFrame:
    """A row for each quantity of each configuration that both studies have, in the paper's order.

    Columns `COLUMNS`, of either study the estimate and its 95 % interval, in percent of the test texts, or points for
    "moved" (against the unpruned models), and the second less the first: low and high are NaN where there is none.

    The interval of the difference is that of MOVER (Zou and Donner 2008) from the two: of other seeds at the texts of
    each study, as if the studies had no model in common.

    Raises PielabError if a study has no PIEs, or if no configuration is in both.
    """
    studies = [results.read(study) for study in (first, second)]
    sides = [quantities(study).set_index([*CONFIGURATION, "quantity"]) for study in studies]
    table = sides[0].add_prefix("first_").join(sides[1].add_prefix("second_"), how="inner").reset_index()
    if table.empty:
        configurations = (results.configurations(study).iloc[0] for study in studies)
        one, other = (f"{row['dataset']}, {row['model']}, {Configuration.of(row).title}" for row in configurations)
        raise PielabError(
            "studies-of-other-configurations",
            f"{studies[0].folder} and {studies[1].folder} have no configuration in common (one has {one}, the other "
            f"{other})",
            "give studies of the same data set, model, pruner and threshold",
        )
    return _with_difference(table)[COLUMNS]


def told(table: pd.DataFrame) -> pd.Series:
    """Of which rows the 95 % interval of the difference excludes 0, bool."""
    return (table["difference_low"] > 0) | (table["difference_high"] < 0)


def _with_difference(table: pd.DataFrame) -> pd.DataFrame:
    estimates, lows, highs = (table[[f"{side}_{end}" for side in SIDES]].to_numpy().T for end in ENDS)
    below, above = estimates - lows, highs - estimates
    difference = estimates[1] - estimates[0]
    low, high = difference - np.hypot(below[1], above[0]), difference + np.hypot(above[1], below[0])
    return table.assign(**dict(zip(DIFFERENCE, (difference, low, high), strict=True)))


def of_folder(folder: Path) -> pd.DataFrame:
    """One table of all studies in a folder: the columns study, those of a configuration, quantity and `ENDS`.

    The quantities of `compare`, and of each configuration, the unpruned models too, the mean of its metric. Folders
    without PIEs are left out.

    Raises PielabError if there is no study with PIEs.
    """
    parts = []
    for path in sorted(path for path in folder.iterdir() if any(path.glob("*/*/pies.parquet"))):
        study = results.read(path)
        effective = tradeoff.of_study(study)
        columns = {"effectiveness": "estimate", "effectiveness_low": "low", "effectiveness_high": "high"}
        metric = effective.rename(columns=columns).rename(columns={"metric": "quantity"})
        part = pd.concat([metric[[*CONFIGURATION, "quantity", *ENDS]], quantities(study)], ignore_index=True)
        parts.append(part.assign(study=path.name)[["study", *CONFIGURATION, "quantity", *ENDS]])
    if not parts:
        raise PielabError(
            "no-studies-in-folder",
            f"{folder} has no study with PIEs",
            "give the folder of results, in which each study has a folder of its own",
        )
    return pd.concat(parts, ignore_index=True)


def quantities(study: results.Results) -> pd.DataFrame:
    """The shares of PIEs, moved and own answers changed, a row for each quantity of each configuration."""
    summaries = results.configurations(study)
    parts = []
    for quantity, columns in SHARES.items():
        known = dict(zip(ENDS, columns, strict=False))
        values = {end: summaries[known[end]] if end in known else np.nan for end in ENDS}
        parts.append(summaries[CONFIGURATION].assign(quantity=quantity, **values))
    moved = decomposition.of_study(study)
    parts.append(moved[(moved["comparison"] == "both") & (moved["quantity"] == "moved")])
    own = change.of_study(study)
    parts.append(own[own["quantity"] == "changed"].assign(quantity="own answers changed"))
    found = [part[[*CONFIGURATION, "quantity", *ENDS]] for part in parts if len(part)]
    return tables.sort_as_paper(pd.concat(found, ignore_index=True).rename_axis("place").reset_index(), "place")


def format_table(table: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """The table of `compare` as text, a column for each study; names: of the studies."""
    shown = table[["dataset", "model"]].assign(
        configuration=[Configuration.of(row).title for _, row in table.iterrows()]
    )
    shown["quantity"] = table["quantity"]
    for side, name in zip(SIDES, names, strict=True):
        shown[name] = tables.with_intervals(table, *(f"{side}_{end}" for end in ENDS), digits=2)
    return shown
