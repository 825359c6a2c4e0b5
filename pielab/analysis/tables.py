"""Tables of a study from its results: data frames in, data frames out."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import null
from pielab.compression.pruners import KNOWN
from pielab.store import files
from pielab.store.paths import CONFIGURATION


def effectiveness(seeds: pd.DataFrame) -> pd.DataFrame:
    """Table 9: mean and standard deviation over seeds per configuration, and the change against unpruned models."""
    grouped = seeds.groupby([*CONFIGURATION, "metric"], sort=False)["effectiveness"]
    table = grouped.agg(seeds="count", mean="mean", std="std").reset_index()
    keys = ["dataset", "model", "metric"]
    unpruned = table[table["pruner"] == "unpruned"].set_index(keys)["mean"]
    before = [unpruned.get(key) for key in table[keys].itertuples(index=False, name=None)]
    return table.assign(change=table["mean"] - before)


def pie_shares(configurations: pd.DataFrame) -> pd.DataFrame:
    """Table 4 beside its null: the share of PIEs with all seeds, then with half of them on each side, in percent."""
    columns = ["seeds", "examples", "pies_percent", "models_per_side", "halved_pies_percent", "null_percent"]
    return configurations[[*CONFIGURATION, *columns, "excess_percent", "excess_low", "excess_high"]]


def effectiveness_on_pies(configurations: pd.DataFrame) -> pd.DataFrame:
    """Table 10, unpruned and pruned models on the PIEs and on all examples, and what was counted beside the null.

    Columns as `null.effectiveness_on_pies` and `null.effectiveness_beside_null` name them.
    """
    columns = ["unpruned_on_pies", "pruned_on_pies", "unpruned_on_all", "pruned_on_all"]
    columns += [by_text for name in columns if (by_text := f"{name}_by_text") in configurations]
    return configurations[[*CONFIGURATION, "metric", "seeds", "pies", *columns, "judged_by", *null.BESIDE_NULL]]


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


def as_column(summary: dict[str, Any]) -> pd.DataFrame:
    """A summary as a table to read, one row per number."""
    numbers = {name: value for name, value in summary.items() if not isinstance(value, list | dict)}
    shown = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in numbers.items()}
    return pd.DataFrame({"value": shown})


def save(frame: pd.DataFrame, report: Path, name: str) -> None:
    """Write a table of the report as CSV."""
    with files.atomic_file(report / "tables" / f"{name}.csv", digest=True) as partial:
        frame.to_csv(partial, index=False)


def describe_votes(votes: np.ndarray, names: list[str]) -> str:
    """The classes with votes, the most votes first: "sports 7, tech 1"."""
    order = np.argsort(-np.asarray(votes), kind="stable")
    return ", ".join(f"{names[index]} {votes[index]}" for index in order if votes[index]) or "none"


def pruner_order(pruner: str) -> tuple[int, str]:
    """A sort key for the order of the paper's tables: unpruned models first; nested pruners and other names last."""
    names = ["unpruned", *KNOWN]
    return (names.index(pruner) if pruner in names else len(names)), pruner


def sort_as_paper(frame: pd.DataFrame, *further: str) -> pd.DataFrame:
    """Rows sorted by dataset, model, pruner in the order of the paper's tables, threshold, and `further` columns."""
    keys = ["dataset", "model", "pruner_rank", "threshold", *further]
    ordered = frame.assign(pruner_rank=frame["pruner"].map(pruner_order)).sort_values(keys, ignore_index=True)
    return ordered.drop(columns="pruner_rank")
