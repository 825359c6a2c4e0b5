"""Tables of a study from its results: data frames in, data frames out."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pielab.analysis import intervals, null, text_levels
from pielab.compression.pruners import CONTROLS, KNOWN
from pielab.store import files, settings
from pielab.store.entities import in_words
from pielab.store.paths import CONFIGURATION

if TYPE_CHECKING:
    from datasets import Dataset


# How an empty answer to a question is written.
NO_ANSWER = "(no answer)"


def effectiveness(seeds: pd.DataFrame) -> pd.DataFrame:
    """Table 9: mean and standard deviation over seeds per configuration, and the change against unpruned models."""
    grouped = seeds.groupby([*CONFIGURATION, "metric"], sort=False)["effectiveness"]
    table = grouped.agg(seeds="count", mean="mean", std="std").reset_index()
    keys = ["dataset", "model", "metric"]
    unpruned = table[table["pruner"] == "unpruned"].set_index(keys)["mean"]
    before = [unpruned.get(key) for key in table[keys].itertuples(index=False, name=None)]
    return table.assign(change=table["mean"] - before)


def pie_shares(configurations: pd.DataFrame) -> pd.DataFrame:
    """Table 4 beside its null: the share of PIEs with all seeds, then with half of them on each side, in percent.

    And with intervals their excess over the null, the halved shares, and how many more PIEs there are than with the
    control.
    """
    columns = ["seeds", "examples", "pies_percent", "models_per_side", "halved_pies_percent", "null_percent"]
    columns += ["excess_percent", "excess_low", "excess_high", *null.HALVED_INTERVALS, *null.HALVED_REMOVAL]
    return configurations[[*CONFIGURATION, *columns]]


def effectiveness_on_pies(configurations: pd.DataFrame) -> pd.DataFrame:
    """Table 10, unpruned and pruned models on the PIEs and on all examples, and what was counted beside the null.

    Columns as `null.effectiveness_on_pies` and `null.effectiveness_beside_null` name them.
    """
    columns = ["unpruned_on_pies", "pruned_on_pies", "unpruned_on_all", "pruned_on_all"]
    columns += [by_text for name in columns if (by_text := f"{name}_by_text") in configurations]
    return configurations[[*CONFIGURATION, "metric", "seeds", "pies", *columns, "judged_by", *null.BESIDE_NULL]]


def decomposition(table: pd.DataFrame, to_come: bool = False) -> pd.DataFrame:
    """A decomposition as text, a row for each configuration: its parts, then what it is against unpruned and control.

    table: as decomposition.of_study gives it. to_come: intervals for texts to come instead of these texts, and no p.

    Points with intervals; "in all" and "own answers changed" in percent of the texts; p corrected.
    """
    ends = ("low_to_come", "high_to_come") if to_come else ("low", "high")
    cells = table.assign(cell=np.array(with_intervals(table, "estimate", *ends, digits=1), dtype=object))
    shown = table[[*CONFIGURATION, "seeds", "texts", "control"]].drop_duplicates(ignore_index=True)

    def column(rows: pd.DataFrame, quantity: str, value: str = "cell") -> pd.Series:
        own = rows[rows["quantity"] == quantity].set_index(CONFIGURATION)[value]
        return own.reindex(pd.MultiIndex.from_frame(shown[CONFIGURATION])).reset_index(drop=True)

    parts, from_control = cells[cells["comparison"] == "parts"], against_control(cells)
    compared = column(from_control, "moved", "comparison")
    of_control, missing = compared == "training longer", compared == "both"
    for part in ("retraining", "training longer", "removal", "in all"):
        shown[part] = column(parts, part)
    shown.loc[missing, "removal"] += " with training longer"
    from_unpruned = against_control(cells[cells["comparison"] != "removal"])
    for quantity in ("excess", "moved", "spread"):
        shown[f"{quantity} from unpruned"] = column(from_unpruned, quantity)
    for quantity in ("moved", "spread"):
        shown[f"{quantity} from control"] = column(from_control, quantity).mask(of_control | missing)
        if not to_come:
            shown[f"p of {quantity}"] = column(from_control, quantity, "p_corrected").map(format_p)
    shown["own answers changed"] = column(from_unpruned, "own answers changed")
    shown[missing] = shown[missing].fillna("no control")
    pruned = setting_texts(shown).mask(of_control, "nothing")
    shown = shown.drop(columns="threshold")
    shown.insert(3, "pruned", pruned)
    return with_level(shown.fillna("none"), table)


def format_p(p: float) -> str:
    """A p-value of three decimals; "no test" for NaN."""
    return "no test" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def against_control(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a decomposition that compare a configuration with its control, and a control with unpruned models.

    table: as decomposition.of_study gives it. Where there is no control, with unpruned models too.
    """
    order = table["comparison"].map({"removal": 0, "both": 1, "training longer": 2})
    return table[order == order.groupby([table[name] for name in CONFIGURATION]).transform("min")]


def without_controls(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of pruners and unpruned models."""
    return table[~table["pruner"].isin(CONTROLS)]


def means(sides: dict[str, pd.Series], metric: str) -> pd.DataFrame:
    """The mean over seeds of each side, such as {"unpruned": ..., "pruned": ...}, with its 95 % interval."""
    rows = [(name, len(values), *null.seed_interval(values)) for name, values in sides.items()]
    return pd.DataFrame(rows, columns=["models", "seeds", f"mean test {metric}", "low", "high"]).set_index("models")


def with_intervals(table: pd.DataFrame, *columns: str, digits: int) -> list[str]:
    """An estimate, and its interval if it has one: "0.931 [0.927, 0.934]"."""
    texts = []
    for row in table[list(columns)].itertuples(index=False, name=None):
        # z: no minus sign before a value that rounds to 0.
        value, low, high = (f"{number:z.{digits}f}" for number in row)
        texts.append("?" if value == "nan" else value if low == "nan" else f"{value} [{low}, {high}]")
    return texts


def with_level(shown: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """A table as text, with its level in a column `confidence` if that is not the 95 % of all that is stored."""
    return shown.assign(confidence=table["confidence"].iloc[0]) if intervals.unless_recorded(table, "{}") else shown


def as_column(summary: dict[str, Any]) -> pd.DataFrame:
    """A summary as a table to read, one row per number."""
    numbers = {name: value for name, value in summary.items() if not isinstance(value, list | dict)}
    shown = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in numbers.items()}
    return pd.DataFrame({"value": shown})


def save(frame: pd.DataFrame, report: Path, name: str) -> None:
    """Write a table of the report as CSV."""
    with files.atomic_file(report / "tables" / f"{name}.csv", digest=True) as partial:
        frame.to_csv(partial, index=False)


def answer_names(row: Mapping[str, Any] | pd.Series, split: "Dataset", names: Sequence[str]) -> Sequence[str]:
    """What the votes of a row of `summary.examples` are for: the classes, the entities of its sentence, or answers."""
    if "answers" in row:
        return [answer.partition(" ")[2] or NO_ANSWER for answer in row["answers"]]
    if "entities" not in row:
        return names
    words = split["words"][row["example"]]
    return [in_words(entity, words) for entity in row["entities"]]


def right_votes(row: Mapping[str, Any] | pd.Series) -> np.ndarray:
    """Which of what the votes of a row of `summary.examples` are for is the label; nothing of generated texts."""
    return np.atleast_1d([] if text_levels.CONSENSUS[0] in row else row.get("gold", row["label"])).astype(int)


def label(row: Mapping[str, Any] | pd.Series, split: "Dataset", names: Sequence[str]) -> str:
    """The label of a row of `summary.examples` in words; of generated texts the first that people wrote.

    names: as `answer_names` gives them.
    """
    if text_levels.CONSENSUS[0] in row:
        return split["targets"][int(row["example"])][0]
    return ", ".join(names[index] for index in right_votes(row))


def texts(row: Mapping[str, Any] | pd.Series) -> dict[str, str]:
    """The generated texts of a row of `summary.examples`, "unpruned text" and "pruned text"; empty if it has none."""
    return {name.replace("_", " "): row[name] for name in text_levels.CONSENSUS if name in row}


def describe_votes(votes: np.ndarray, names: Sequence[str]) -> str:
    """The classes with votes, the most votes first: "sports 7, tech 1"."""
    order = np.argsort(-np.asarray(votes), kind="stable")
    return ", ".join(f"{names[index]} {votes[index]}" for index in order if votes[index]) or "none"


def setting_texts(table: pd.DataFrame) -> pd.Series:
    """The settings of a table's configurations, to be read: "90 %", "4 bits", "2:4"."""
    return pd.Series(list(map(settings.text, table["pruner"], table["threshold"])), table.index, dtype=object)


def pruner_order(pruner: str) -> tuple[int, str]:
    """A sort key for the order of the paper's tables: unpruned models and controls first, nested and others last."""
    names = ["unpruned", *CONTROLS, *KNOWN]
    return (names.index(pruner) if pruner in names else len(names)), pruner


def sort_as_paper(frame: pd.DataFrame, *further: str) -> pd.DataFrame:
    """Rows sorted by dataset, model, pruner in the order of the paper's tables, threshold, and `further` columns."""
    ranks = {
        "pruner_rank": frame["pruner"].map(pruner_order),
        "setting_rank": pd.Series(list(map(settings.order, frame["pruner"], frame["threshold"])), frame.index, object),
    }
    ordered = frame.assign(**ranks).sort_values(["dataset", "model", *ranks, *further], ignore_index=True)
    return ordered.drop(columns=list(ranks))
