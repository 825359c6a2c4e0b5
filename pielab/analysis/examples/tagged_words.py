"""What the models of a study change at each level, of tasks that have several, and which gold entities they lose."""

from pathlib import Path
from typing import Any

import pandas as pd

from pielab.analysis import intervals, levels, results, tables
from pielab.store.paths import CONFIGURATION, Configuration

NO_TAGS = "No configuration of this study tags words."
NO_LEVELS = "No configuration of this study tags words, answers questions or generates texts."
QUESTION = "Which entities are lost?"
# Of single models at each level: moved and own answers changed from unpruned models, and moved from the control.
SINGLE = {
    "changed": ("both", "own answers changed"),
    "moved": ("both", "moved"),
    "moved_from_control": ("removal", "moved"),
}
KNOWN = [*CONFIGURATION, "seeds", "control"]
LEVELS = [*KNOWN, *levels.SHARES, *(f"{name}{end}" for name in SINGLE for end in ("", "_low", "_high"))]
TYPES = [*KNOWN, *levels.BY_TYPE]
LENGTHS = [*KNOWN, *levels.BY_LENGTH]
# At most so many types in a sentence.
MOST = 3


def of_study(study: Path | results.Results) -> pd.DataFrame:
    """The rows of `of_configuration` for every configuration of a study that has levels, in the paper's order."""
    return _of_study(study, of_configuration, LEVELS)


def types_of_study(study: Path | results.Results) -> pd.DataFrame:
    """The rows of `types_of_configuration` for every configuration of a study that tags words, in the paper's order."""
    return _of_study(study, types_of_configuration, TYPES)


def lengths_of_study(study: Path | results.Results) -> pd.DataFrame:
    """PIEs by the length of a sentence, of every configuration of a study that tags words, in the paper's order."""
    return _of_study(study, lengths_of_configuration, LENGTHS)


def of_configuration(summary: dict[str, Any]) -> pd.DataFrame:
    """What a configuration changes at each level, in percent and points; no rows for texts with labels.

    summary: as results.summary gives it. Columns: the configuration; seeds; control; those of `levels.shares`; and,
    with intervals, changed, moved and moved_from_control, as `levels.agreement` gives them. The last is NaN without a
    control. Those of `levels.shares` are NaN at a level where votes take more seeds.
    """
    if not summary.get("levels"):
        return pd.DataFrame(columns=LEVELS)
    found, single = (pd.DataFrame(summary["levels"][name]) for name in ("shares", "agreement"))
    found = found.set_index("level").reindex(dict.fromkeys([*found["level"], *single["level"]])).reset_index()
    found["number"] = found["number"].ffill().astype(int)
    single = single.set_index(["level", "comparison", "quantity"])
    if "training longer" not in single.index.unique("comparison"):
        single = single.drop(index="removal", level="comparison")
    columns: dict[str, Any] = {name: summary[name] for name in KNOWN}
    for name, (comparison, quantity) in SINGLE.items():
        rows = single.reindex([(level, comparison, quantity) for level in found["level"]])
        columns |= {
            f"{name}{end}": rows[column].to_numpy()
            for column, end in {"estimate": "", "low": "_low", "high": "_high"}.items()
        }
    return found.assign(**columns)[LEVELS]


def types_of_configuration(summary: dict[str, Any]) -> pd.DataFrame:
    """Which gold entities a configuration loses, a row a type, as `levels.by_type` gives it; no rows for texts."""
    return _rows(summary, "by_type", TYPES)


def lengths_of_configuration(summary: dict[str, Any]) -> pd.DataFrame:
    """PIEs by the length of a sentence, a row a quarter, as `levels.by_length` gives it; no rows for texts."""
    return _rows(summary, "by_length", LENGTHS)


def _rows(summary: dict[str, Any], name: str, columns: list[str]) -> pd.DataFrame:
    found = summary.get("levels", {}).get(name)
    if found is None:
        return pd.DataFrame(columns=columns)
    return pd.DataFrame(found).assign(**{known: summary[known] for known in KNOWN})[columns]


def _of_study(study: Path | results.Results, of_summary: Any, columns: list[str]) -> pd.DataFrame:
    study = results.read(study)
    parts = [of_summary(study.pies_record(folder)["summary"]) for folder in study.pies_in]
    known = [part for part in parts if not part.empty]
    return tables.sort_as_paper(pd.concat(known)) if known else pd.DataFrame(columns=columns)


def format_levels(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `of_study` to read, a row a configuration and level, with intervals in brackets."""
    shown = _configurations(table)
    shown["level"] = [f"{level} ({number:,})" for level, number in zip(table["level"], table["number"], strict=True)]
    for name, column in {"PIEs, all seeds, %": "all_seeds", "PIEs, halves, %": "halved", "null, %": "null"}.items():
        shown[name] = table[column].map("{:.1f}".format).replace("nan", "?")
    shown["excess"] = tables.with_intervals(table, "excess", "low", "high", digits=1)
    names = dict(zip(SINGLE, ("own answers changed, %", "moved from unpruned", "moved from control"), strict=True))
    for name, title in names.items():
        shown[title] = tables.with_intervals(table, name, f"{name}_low", f"{name}_high", digits=1)
    return shown.replace({"moved from control": {"?": "no control"}})


def format_types(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `types_of_study` to read, a row a configuration and type, with intervals in brackets."""
    shown = _configurations(table).assign(**{"type": table["type"], "gold entities": table["entities"]})
    for name, column in {"recall, change": "change", "lost by halves": "halved", "lost by the null": "null"}.items():
        shown[name] = table[column].map("{:z.1f}".format)
    shown["lost beyond the null"] = tables.with_intervals(table, "more", "low", "high", digits=1)
    return shown


def sentences(types: pd.DataFrame) -> dict[str, list[str]]:
    """Which configurations lose gold entities, by a heading for each data set and model, the most severe first.

    types: as `types_of_study` gives it. A configuration loses entities if it finds fewer of all gold entities than the
    null, and its interval leaves out 0, so wide that those of all configurations of a pair hold together at 95 %; the
    types that lose the most are named without a test of each.
    """
    found = {}
    for (dataset, model), pair in types.groupby(["dataset", "model"], sort=False):
        of_all = pair[pair["type"] == "all"]
        level = 1 - (1 - intervals.RECORDED) / len(of_all)
        of_all = intervals.rescaled(of_all, ("more", "low", "high"), of_all["seeds"] - 1, level)
        losing = of_all[of_all["low"] > 0].sort_values("more", ascending=False, kind="stable")
        said = [_lost(row, pair) for row in losing.to_dict("records")]
        number = f"{of_all['entities'].iloc[0]:,} gold entities"
        none = f"Of {number} no configuration can be told to lose more than retraining does."
        if of_all["low"].isna().all():
            none = f"Of {number} none can be told to be lost: that takes 4 seeds."
        found[f"{QUESTION} {dataset}, {model}"] = said or [none]
    return found


def _lost(row: dict[str, Any], pair: pd.DataFrame) -> str:
    """How many of all gold entities a configuration loses, and of which types the most."""
    title = Configuration.of(row).title
    own = pair[(pair[CONFIGURATION] == pd.Series(row)[CONFIGURATION]).all(axis="columns") & (pair["type"] != "all")]
    most = own[own["more"] > 0].sort_values("more", ascending=False, kind="stable").head(MOST)
    size = tables.with_intervals(pd.DataFrame([row]), "more", "low", "high", digits=1)[0]
    types = ", ".join(f"{name} {more:.1f}" for name, more in zip(most["type"], most["more"], strict=True))
    return (
        f"{title} finds fewer of the gold entities than retraining does, by {size} points, an interval that holds with "
        f"those of all configurations at 95 %; the most by type: {types}."
    )


def _configurations(table: pd.DataFrame) -> pd.DataFrame:
    """The data set, model, title and seeds of each row's configuration."""
    titles = [Configuration(*key).title for key in table[CONFIGURATION].itertuples(index=False, name=None)]
    return table[["dataset", "model"]].assign(configuration=titles, seeds=table["seeds"])
