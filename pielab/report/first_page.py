"""The first page of a report: what was studied in one sentence, one figure, and one table of all configurations."""

from collections.abc import Iterable, Mapping

import pandas as pd

from pielab.analysis import change, tables
from pielab.analysis.examples import generated_texts
from pielab.compression.pruners import CONTROLS
from pielab.progress import counted
from pielab.store.paths import CONFIGURATION, Configuration

# The kinds of figures that say most, the first that was drawn: own answers changed where nothing is retrained.
FIGURES = ("decomposition", "change", "pie_shares")
# Those of all digits that `overview` takes, beside those of the questions.
TABLES = ("tradeoff", "change", "decomposition", "levels")
NOTE = (
    "In percent of the test texts, with 95 % intervals over seeds. <b>PIEs</b> are those between halves of the seeds, "
    "as is their <b>null</b>, what retraining alone changes; <b>excess</b> is the difference. "
    '<a href="#pie_shares">The paper\'s number</a> is of all seeds. <b>own answers changed</b> compares models of the '
    "same seed. <b>moved</b>, in points, is how much two sides differ beyond what each differs in itself, against the "
    "control, or against unpruned models if there is none; <b>p</b> is that of an exact test, corrected for all "
    "configurations. Empty: not measured."
)
OF_TEXTS = (
    " Of generated texts, PIEs, <b>moved</b> and <b>p</b> are of right or wrong. <b>own texts apart</b> is how unlike "
    "each other the texts of models of the same seed are, one minus their similarity u; <b>texts moved</b> is moved "
    "with that distance."
)


def note(found: Mapping[str, pd.DataFrame]) -> str:
    """What is said above the table of `overview`."""
    return NOTE + (OF_TEXTS if len(_texts(found)) else "")


def _texts(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The rows of generated texts."""
    return generated_texts.rows(found["levels"]) if "levels" in found else pd.DataFrame()


def abstract(shares: pd.DataFrame) -> str:
    """What was studied, in one sentence; shares: as tables.pie_shares gives it."""
    pairs = [
        f"{model} on {dataset} ({_range(rows['seeds'], 'seed')}, {_range(rows['examples'], 'test text')})"
        for (dataset, model), rows in shares.groupby(["dataset", "model"], sort=False)
    ]
    compressed = tables.without_controls(shares)
    if compressed.empty:  # while the study runs
        return ""
    controls = shares["pruner"].isin(CONTROLS).any()
    return (
        f"This study compares unpruned models with models compressed by {_and(compressed['pruner'].unique())}, in "
        f"{counted(len(compressed), 'configuration')} of {_and(pairs)}"
        f"{', and with controls that were trained as long with nothing pruned' if controls else ''}: which answers "
        "change, and is that more than retraining alone changes?"
    )


def overview(found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row for each configuration, as text: accuracy, PIEs beside their null, own answers changed, and moved.

    found: tables of the report by name, effectiveness, tradeoff, pie_shares, change, decomposition and levels. The
        columns of those that are missing, as in reports of earlier versions and of studies that still run, are left
        out. Of generated texts, which differ nearly always, how far apart they are stands for how many changed.
    """
    columns, metrics = {}, set()
    if "effectiveness" in found:
        scores = found["effectiveness"].rename(columns={"mean": "effectiveness"})
        metrics = set(scores["metric"])
        columns["score"] = _cells(scores, "effectiveness", digits=3)
        # That of an earlier version has no intervals.
        changes = found.get("tradeoff", scores)
        columns["difference"] = _cells(changes[changes["pruner"] != "unpruned"], "change", digits=3)
    if "pie_shares" in found:
        shares = found["pie_shares"]
        columns["PIEs, %"] = _cells(shares, "halved_pies_percent")
        columns["null, %"] = _cells(shares, "null_percent")
        columns["excess"] = _cells(shares, "excess_percent", "excess_low", "excess_high")
    if "change" in found:
        changed = found["change"]
        changed = changed[changed["quantity"] == "changed"]
        columns["own answers changed, %"] = _by_configuration(changed, changed.apply(change.percent, axis="columns"))
    if len(texts := _texts(found)):
        columns["own texts apart, %"] = apart = _cells(texts, "changed")
        columns["own answers changed, %"] = {
            key: cell for key, cell in columns.get("own answers changed, %", {}).items() if key not in apart
        }
        columns["texts moved"] = _cells(texts, "moved")
    if "decomposition" in found:
        compared = tables.against_control(found["decomposition"])
        moved = compared[compared["quantity"] == "moved"]
        columns["moved"] = _cells(moved, "estimate", "low", "high")
        columns["p"] = _by_configuration(moved, moved["p_corrected"].map(tables.format_p))
    rows = list(dict.fromkeys(key for column in columns.values() for key in column))
    table = pd.DataFrame({name: [column.get(key, "") for key in rows] for name, column in columns.items() if column})
    configurations = [Configuration(*key) for key in rows]
    for name, field in {"model": "model", "data set": "dataset", "configuration": "title"}.items():
        values = [getattr(configuration, field) for configuration in configurations]
        if name == "configuration" or len(set(values)) > 1:  # the abstract has those of which there is one
            table.insert(0, name, values)
    return table.rename(columns={"score": metrics.pop() if len(metrics) == 1 else "accuracy or F1"})


def _cells(table: pd.DataFrame, value: str, low: str = "", high: str = "", digits: int = 1) -> dict[tuple, str]:
    """Estimates with their intervals, if there are any, by configuration; empty of an earlier version without them."""
    if value not in table:
        return {}
    ends = [low or f"{value}_low", high or f"{value}_high"]
    known = table.reindex(columns=[*table, *(name for name in ends if name not in table)])
    return _by_configuration(table, tables.with_intervals(known, value, *ends, digits=digits))


def _by_configuration(table: pd.DataFrame, cells: Iterable[str]) -> dict[tuple, str]:
    keys = table[CONFIGURATION].itertuples(index=False, name=None)
    return dict(zip(keys, cells, strict=True))


def _range(numbers: pd.Series, noun: str) -> str:
    """ "8 seeds", or "6 to 8 seeds"."""
    least, most = numbers.min(), numbers.max()
    return counted(most, noun) if least == most else f"{least:,} to {counted(most, noun)}"


def _and(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
