"""Pruners compared at equal sparsity: accuracy, PIEs beyond the null, and epochs of training."""

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.analysis import null, results
from pielab.compression.pruners import KNOWN
from pielab.compression.schedules import trajectory
from pielab.errors import PielabError
from pielab.store import paths, predictions, records

# The pruner that the others are compared with, if the study has it.
REFERENCE = "IMP-FT"
PAIR = ["dataset", "model"]
# For imported predictions, which come without metrics.
NOT_EVALUATED = pd.DataFrame({"metric": [], "effectiveness": []})
SHARES = ["pies_percent", "halved_pies_percent", "null_percent", "excess_percent", "excess_low", "excess_high"]


def pruners(study_folder: Path) -> pd.DataFrame:
    """One row per configuration whose PIEs are known, by data set, model, threshold and pruner.

    Columns: the configuration; epochs and unpruned_epochs (of training behind each of its models, and behind each
    unpruned one; NaN if their predictions were imported); seeds; metric; unpruned, the mean of the unpruned models;
    mean, low and high of the pruned models (95 % interval); shares of PIEs as in results.pie_shares; and difference:
    how many more PIEs the configuration has than the reference (IMP-FT, else the first pruner) at that threshold, in
    percent of the test examples over the same half-splits, with its interval; NaN for the reference itself.
    """
    seeds = dict(iter(results.seeds(study_folder).groupby(results.CONFIGURATION)))
    rows = []
    for (dataset, model, threshold), group in results.configurations(study_folder).groupby([*PAIR, "threshold"]):
        folder, names = study_folder / paths.Configuration(dataset, model).pair, group["pruner"].tolist()
        reference = REFERENCE if REFERENCE in names else names[0]
        # Every pruner is compared with the same unpruned models and the same reference.
        read = functools.cache(functools.partial(_classes, folder))
        epochs_of_unpruned = unpruned_epochs(folder)
        unpruned = seeds.get((dataset, model, "unpruned", 0.0), NOT_EVALUATED)["effectiveness"].mean()
        for summary in group.to_dict("records"):
            row = {name: summary[name] for name in (*PAIR, "threshold", "pruner")}
            row["epochs"] = epochs(folder, paths.Configuration.of(row).name, row["pruner"], threshold)
            row["unpruned_epochs"] = epochs_of_unpruned
            own = seeds.get((dataset, model, row["pruner"], threshold), NOT_EVALUATED)
            metric = summary["metric"] if own.empty else own["metric"].iloc[0]
            row |= {"seeds": summary["seeds"], "metric": metric, "unpruned": unpruned}
            interval = [math.nan] * 3 if own.empty else null.seed_interval(own["effectiveness"])
            row |= dict(zip(("mean", "low", "high"), interval, strict=True))
            row |= {name: summary[name] for name in SHARES} | {"reference": reference}
            own = paths.Configuration.of(row)
            compared = _difference(read, own.name, dataclasses.replace(own, method=reference).name)
            rows.append(row | dict(zip(("difference", "difference_low", "difference_high"), compared, strict=True)))
    return pd.DataFrame(rows)


def difference(pair_folder: Path | str, configuration: str, reference: str) -> tuple[float, float, float]:
    """How many more PIEs a configuration such as "PINS-90" has than another of its pair, with a 95 % interval.

    In percent of the test examples, over the same half-splits of the seeds; NaN if the two have different seeds.

    Raises PielabError if the pair has no PIEs of one of them.
    """
    known = sorted(path.parent.name for path in Path(pair_folder).glob("*/pies.parquet"))
    for name in (configuration, reference):
        if name not in known:
            raise PielabError(
                "no-pies-of-a-configuration",
                f"{pair_folder} has no PIEs of {name}",
                f"give two of {', '.join(known) or 'another pair'}",
            )
    return _difference(functools.partial(_classes, Path(pair_folder)), configuration, reference)


def epochs(pair_folder: Path, name: str, pruner: str, threshold: float) -> float:
    """How many epochs a model of a configuration was trained, including those of the unpruned model it starts from.

    NaN if its predictions were imported.
    """
    record = _first_record(pair_folder / name)
    if "losses" not in record or pruner not in KNOWN:
        return math.nan
    recipe, own = record["parameters"], sum(len(losses) for losses in record["losses"])
    budget = recipe.get("budget", "paper")
    return own + trajectory(KNOWN[pruner], threshold, recipe.get("levels") or (), recipe["epochs"], budget).start_epochs


def unpruned_epochs(pair_folder: Path) -> float:
    """How many epochs an unpruned model of a pair was trained for; NaN if its predictions were imported."""
    record = _first_record(pair_folder / "dense")
    return sum(len(losses) for losses in record["losses"]) if "losses" in record else math.nan


def budget(table: pd.DataFrame) -> str:
    """How long the models were trained, in a sentence for each pair; table: as `pruners` gives it."""
    lines = []
    for (dataset, model), rows in table.groupby(PAIR, sort=False):
        epochs_behind = rows[["epochs", "unpruned_epochs"]].stack()
        if epochs_behind.isna().any() or len(epochs_behind) < 2 * len(rows):
            sentence = "the training of some models is not known, because they were made elsewhere"
        elif epochs_behind.nunique() == 1:
            sentence = f"an equal budget, {epochs_behind.iloc[0]:g} epochs for every model, pruned or not"
        else:
            least, most = rows["epochs"].min(), rows["epochs"].max()
            pruned = f"{least:g}" if least == most else f"{least:g} to {most:g}"
            sentence = (
                f"unequal budgets, {rows['unpruned_epochs'].iloc[0]:g} epochs for unpruned models and {pruned} for "
                f"pruned ones, and what longer training changes counts as PIEs"
            )
        lines.append(f"{dataset}, {model}: {sentence}.")
    return "\n".join(lines)


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `pruners` as text, each estimate with its 95 % interval; shares in % of the test examples."""
    shown = table[PAIR].copy()
    shown["pruned"] = [f"{threshold:g} %" for threshold in table["threshold"]]
    shown["pruner"] = table["pruner"]
    shown["epochs"] = ["?" if math.isnan(number) else f"{number:g}" for number in table["epochs"]]
    shown[["seeds", "metric"]] = table[["seeds", "metric"]]
    shown["unpruned"] = ["?" if math.isnan(mean) else f"{mean:.3f}" for mean in table["unpruned"]]
    shown["mean"] = _with_intervals(table, "mean", "low", "high", digits=3)
    for name, column in {"PIEs": "pies_percent", "halved": "halved_pies_percent", "null": "null_percent"}.items():
        shown[name] = [f"{share:.1f}" for share in table[column]]
    shown["excess"] = _with_intervals(table, "excess_percent", "excess_low", "excess_high", digits=1)
    shown["difference"] = _with_intervals(table, "difference", "difference_low", "difference_high", digits=1)
    shown.loc[table["pruner"] == table["reference"], "difference"] = "reference"
    return shown


def _with_intervals(table: pd.DataFrame, *columns: str, digits: int) -> list[str]:
    """An estimate, and its interval if it has one: "0.931 [0.927, 0.934]"."""
    texts = []
    for row in table[list(columns)].itertuples(index=False, name=None):
        # z: no minus sign before a value that rounds to 0.
        value, low, high = (f"{number:z.{digits}f}" for number in row)
        texts.append("?" if value == "nan" else value if low == "nan" else f"{value} [{low}, {high}]")
    return texts


def _difference(
    read: Callable[..., tuple[tuple[int, ...], np.ndarray]], configuration: str, reference: str
) -> tuple[float, float, float]:
    """As `difference`, where `read` is `_classes` of the pair's folder."""
    (seeds, predicted), (reference_seeds, predicted_by_reference) = (read(name) for name in (configuration, reference))
    if configuration == reference or seeds != reference_seeds:
        return math.nan, math.nan, math.nan
    _, dense = read("dense", seeds)
    return tuple(100 * share for share in null.difference(dense, predicted, predicted_by_reference))


def _classes(
    pair_folder: Path, configuration: str, seeds: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], np.ndarray]:
    """The seeds that voted in a configuration, or those given, and their predictions of the test set."""
    folder = pair_folder / configuration
    seeds = seeds or tuple(results.read_record(folder / "pies.parquet")["seeds"])
    return seeds, predictions.read_seeds(folder, seeds).classes


def _first_record(folder: Path) -> dict:
    first = next(iter(sorted(folder.glob("seeds/[0-9]*/metrics.json"))), None)
    return records.read(first.parent) if first else {}
