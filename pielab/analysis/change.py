"""The same model before and after compression, for every configuration of a study: as a table, and in sentences.

`paired_change` has what is compared, and how.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from pielab.analysis import paired_change, results
from pielab.compression import pruners
from pielab.store.paths import CONFIGURATION, Configuration

COLUMNS = [*CONFIGURATION, "seeds", "texts", *paired_change.COLUMNS]
# What a model has gone through since it was the one that it is compared with, by the schedule of its method.
SINCE = {
    "one-shot": "From the same weights, without retraining, ",
    "iterative": "Retraining included, ",
    "nested": "Retraining included, ",
    "at initialization": "Trained anew from the same seed, ",
    "gradual": "Trained anew from the same seed, ",
}
RIGHT = "right to another right"
SAME_WEIGHTS = {"another_batch_size": "another batch size", "another_precision": "bfloat16 against float32"}


def of_study(study: Path | results.Results) -> pd.DataFrame:
    """The rows of `of_configuration` for every configuration of a study, in the paper's order.

    Configurations whose PIEs were found by an earlier version, without this, are left out.
    """
    found = results.configurations(study).to_dict("records")
    parts = [of_configuration(summary) for summary in found if isinstance(summary["change"], dict)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def of_configuration(summary: dict[str, Any]) -> pd.DataFrame:
    """What changes in the models of a configuration, one row for each quantity.

    summary: as results.summary gives it. Columns: the configuration, seeds and texts, then as `paired_change.between`.
    """
    known = {name: summary[name] for name in CONFIGURATION}
    known |= {"seeds": summary["seeds"], "texts": summary["examples"]}
    return pd.DataFrame(summary["change"]).assign(**known)[[*known, *summary["change"]]]


def by_configuration(table: pd.DataFrame) -> list[tuple[Configuration, pd.DataFrame]]:
    """The rows of each configuration of `of_study`, by their quantity."""
    parts = [rows.set_index("quantity") for _, rows in table.groupby(CONFIGURATION, sort=False)]
    return [(Configuration.of(rows.iloc[0]), rows) for rows in parts]


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `of_study` as text, one row for each configuration; shares in percent, KL in nats.

    KL and calibration need logits, and are left out if no configuration has them.
    """
    shown, known = [], table.loc[table["quantity"] == "KL", "estimate"].notna().any()
    for configuration, rows in by_configuration(table):
        row = {"dataset": configuration.dataset, "model": configuration.model, "configuration": configuration.title}
        row |= {name: rows[name].iloc[0] for name in ("seeds", "texts")}
        row |= {part: percent(rows.loc[part]) for part in ("changed", *paired_change.SPLIT)}
        beside = {"another_seed": "another seed", **SAME_WEIGHTS}
        row |= {words: percent(rows.loc["changed"], name) for name, words in beside.items()}
        shown.append(row | (_of_probabilities(rows, beside) if known else {}))
    return pd.DataFrame(shown or {name: [] for name in ("dataset", "model", "configuration")})


def _of_probabilities(rows: pd.DataFrame, beside: dict[str, str]) -> dict[str, str]:
    """What is known of the probabilities of one configuration, as text by column."""
    row = {"KL": _with_interval(rows.loc["KL"], "estimate", "{:.2g}")}
    row |= {f"KL, {words}": _with_interval(rows.loc["KL"], name, "{:.2g}") for name, words in beside.items()}
    for name in paired_change.CALIBRATION:
        row[f"{name} before"] = _with_interval(rows.loc[f"{name} before", ["estimate"]], "estimate", "{:.3f}")
        row[f"{name}, change"] = _with_interval(rows.loc[name], "estimate", "{:z.3f}")
    return row if rows.loc["KL", "estimate"] >= 0 else dict.fromkeys(row, "not known")


def sentences(table: pd.DataFrame) -> list[str]:
    """Up to three sentences on one data set and model: how many of a model's own answers change.

    table: as `of_study` gives it, of one pair. Methods without retraining come first.
    """
    controls: list[str] = []
    groups: dict[str, list[tuple[Configuration, pd.DataFrame]]] = {since: [] for since in SINCE.values()}
    for configuration, rows in by_configuration(table):
        method = pruners.METHODS.get(configuration.method)
        if method and method.is_control:
            controls.append(f"{percent(rows.loc['changed'], unit=' %')} ({configuration.title})")
        else:
            groups.setdefault(SINCE[method.schedule] if method else "", []).append((configuration, rows))
    said: list[str] = []
    for since, group in groups.items():
        if group:
            sentence = since + _extremes(sorted(group, key=lambda part: part[1].loc["changed", "estimate"]))
            if controls and since == SINCE["iterative"]:
                sentence += f"; retraining with nothing pruned changes {' and '.join(controls)}"
            said.append(f"{sentence}{'' if said else _beside(group[0][1].loc['changed'])}.")
    return said[:3]


def _extremes(group: list[tuple[Configuration, pd.DataFrame]]) -> str:
    """How many answers change with the first and the last configuration of a group."""
    pieces: list[str] = []
    for configuration, rows in [group[0], *group[1:][-1:]]:
        split = ", ".join(f"{percent(pd.Series({'estimate': share}))} {part}" for part, share in outcomes(rows).items())
        changed = percent(rows.loc["changed"], unit=" %")
        said = changed if pieces else f"changes {changed} of a model's own answers"
        pieces.append(f"{configuration.title} {said} ({split})")
    if len(group) > 2:
        pieces = [f"{pieces[0]}, the fewest of {len(group)} configurations", f"{pieces[1]}, the most"]
    return ", and ".join(pieces)


def outcomes(rows: pd.DataFrame) -> pd.Series:
    """What the changed answers of a configuration turn into, in percent of all answers, by name.

    rows: as of `by_configuration`. From right to another right only if any do, where several answers are right.
    """
    found = rows.loc[paired_change.SPLIT, "estimate"]
    rest = rows.loc["changed", "estimate"] - found.sum()
    return pd.concat([found, pd.Series({RIGHT: rest})]) if rest > 1e-9 else found


def _beside(changed: pd.Series) -> str:
    """What another seed changes, and another batch size and precision of the same weights."""
    names = {"another_seed": "another seed changes", **SAME_WEIGHTS}
    measured = [f"{words} {percent(changed, name, ' %')}" for name, words in names.items() if changed[name] >= 0]
    return f"; {', '.join(measured)}" if measured else ""


def percent(row: pd.Series, column: str = "estimate", unit: str = "") -> str:
    """A share and its interval, with two decimals below 1 %: "0.86 [0.61, 1.10]"; "not measured" if it was not."""
    return _with_interval(row, column, "{:.2f}" if row[column] < 1 else "{:.1f}", unit)


def _with_interval(row: pd.Series, column: str, digits: str, unit: str = "") -> str:
    ends = ("low", "high") if column == "estimate" else (f"{column}_low", f"{column}_high")
    value, low, high = (row.get(name, float("nan")) for name in (column, *ends))
    interval = f" [{digits.format(low)}, {digits.format(high)}]" if low == low else ""
    return digits.format(value) + unit + interval if value == value else "not measured"
