"""Who pays: the groups of texts in which each configuration of a study changes more, or loses more accuracy."""

from pathlib import Path
from typing import Any

import pandas as pd

from pielab.analysis import results, tables
from pielab.analysis.group_differences import COLUMNS, LEAST_TEXTS
from pielab.progress import counted
from pielab.store.paths import CONFIGURATION, Configuration

NO_GROUP = "No column to compare by was given (group = None)."
QUESTION = "Who pays?"
# At most so many sentences on a pair of data set and model.
MOST = 6
HARM = {
    "lost accuracy": "lose {} more accuracy than the others",
    "changed": "change {} more of their answers than the others",
    "moved": "move by {} more than the others",
}
HELPED_LESS = "gain {} less accuracy than the others"
ALL_COLUMNS = [*CONFIGURATION, "seeds", "column", *COLUMNS]


def of_study(study: Path | results.Results) -> pd.DataFrame:
    """The rows of `of_configuration` for every configuration of a study that has groups, in the paper's order."""
    found = results.configurations(study)
    parts = [of_configuration(row) for row in found[found["groups"].notna()].to_dict("records")]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=ALL_COLUMNS)


def of_configuration(summary: dict[str, Any]) -> pd.DataFrame:
    """What a configuration changes in each group; no rows without groups.

    summary: as results.summary gives it. Columns: the configuration; seeds; column, the name of the data's column; and
    those of `group_differences.compare`.
    """
    known = {name: summary[name] for name in (*CONFIGURATION, "seeds")} | {"column": summary.get("group")}
    table = pd.DataFrame(summary["groups"] or {name: [] for name in COLUMNS})
    return table.assign(**known)[[*known, *table]]


def sentences(table: pd.DataFrame) -> dict[str, list[str]]:
    """Which groups a configuration harms more than the other texts, by a heading for each data set and model.

    table: as `of_study` gives it. Up to six sentences, lost accuracy before changed answers before moved, the largest
    difference first; each group of a configuration once.
    """
    found = {}
    for (dataset, model), pair in table.groupby(["dataset", "model"], sort=False):
        order = pair["quantity"].map(list(HARM).index)
        harmed = pair.assign(order=order)[pair["told"].astype(bool)]
        harmed = harmed.sort_values(["order", "difference"], ascending=[True, False], kind="stable")
        harmed = harmed.drop_duplicates([*CONFIGURATION, "group"])
        said = [_harmed(row, pair) for row in harmed.to_dict("records")] or [_none_harmed(pair)]
        found[f"{QUESTION} {dataset}, {model} (by {pair['column'].iloc[0]})"] = said[:MOST]
    return found


def text(found: dict[str, list[str]]) -> str:
    """The sentences of `sentences` below their headings, one a line."""
    return "\n\n".join("\n".join([heading, *(f"- {line}" for line in said)]) for heading, said in found.items())


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text, a row for each configuration, group and quantity, each estimate with its interval."""
    cells = table[[*CONFIGURATION[:2], "group", "texts", "quantity"]].copy()
    cells.insert(2, "configuration", [Configuration.of(row).title for row in table.to_dict("records")])
    cells["points"] = tables.with_intervals(table, "estimate", "low", "high", digits=1)
    null = tables.with_intervals(table, "null", "null_low", "null_high", digits=1)
    is_changed = table["quantity"] == "changed"
    cells["another seed"] = pd.Series(null, index=table.index).where(is_changed, "")
    ends = ["difference", "difference_low", "difference_high"]
    cells["more than the others"] = tables.with_intervals(table, *ends, digits=1)
    cells["another seed, more"] = table["null_difference"].map("{:z.1f}".format).where(is_changed, "")
    cells["p"] = table["p_corrected"].map(tables.format_p)
    cells["told"] = table["told"].map({True: "harmed more", False: ""})
    return cells


def _harmed(row: dict[str, Any], pair: pd.DataFrame) -> str:
    size = tables.with_intervals(pd.DataFrame([row]), "difference", "difference_low", "difference_high", digits=1)[0]
    number, _, interval = size.partition(" ")
    helped = row["quantity"] == "lost accuracy" and row["estimate"] < 0
    harm = (HELPED_LESS if helped else HARM[row["quantity"]]).format(f"{number} points {interval}")
    same = (pair[CONFIGURATION] == [row[name] for name in CONFIGURATION]).all(axis=1) & (pair["quantity"] == "changed")
    null = pair[same & (pair["group"] == row["group"])].iloc[0]
    p, tested = tables.format_p(row["p_corrected"]), pair[same]["p"].notna().sum()
    return (
        f"{Configuration.of(row).title}: texts of {row['column']} = {row['group']} {harm} (p "
        f"{p}, corrected over {counted(tested, 'group')}); another seed changes {null['null']:.1f} % of their answers, "
        f"{null['null'] - null['null_difference']:z.1f} % of the others'."
    )


def _none_harmed(pair: pd.DataFrame) -> str:
    """That no group is, and how much more accuracy one may lose at most."""
    lost = pair[(pair["quantity"] == "lost accuracy") & pair["p"].notna()]
    if lost.empty:
        return f"No group can be tested: that takes 4 seeds, and {LEAST_TEXTS} texts in a group and outside it."
    most = lost.loc[lost["difference_high"].idxmax()].to_dict()
    return (
        "No group can be told to be harmed more than the other texts; the upper ends of the intervals are up to "
        f"{most['difference_high']:.1f} points more lost accuracy ({most['column']} = {most['group']}, "
        f"{counted(most['texts'], 'text')}, {Configuration.of(most).title})."
    )
