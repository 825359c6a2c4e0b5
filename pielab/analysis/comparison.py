"""Pruners compared at equal sparsity: accuracy, PIEs beyond the null, and epochs of training."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import intervals, null, results, tables
from pielab.compression.pruners import METHODS, is_own, of
from pielab.compression.schedules import trajectory
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store import predictions, settings
from pielab.store.paths import DENSE, Configuration

# The pruner that the others are compared with, if the study has it.
REFERENCE = "IMP-FT"
PAIR = ["dataset", "model"]
# For imported predictions, which come without metrics.
NOT_EVALUATED = pd.DataFrame({"metric": [], "effectiveness": []})
SHARES = ["pies_percent", "halved_pies_percent", "null_percent", "excess_percent", "excess_low", "excess_high"]


def pruners(
    study: Path | results.Results, reference: str = REFERENCE, confidence: float = intervals.RECORDED
) -> pd.DataFrame:
    """One row per configuration whose PIEs are known, by data set, model, threshold and pruner.

    Columns: the configuration; epochs and unpruned_epochs (of training behind each of its models, and behind each
    unpruned one; NaN if their predictions were imported); seeds; metric; unpruned, the mean of the unpruned models;
    mean, low and high of the pruned models; shares of PIEs as in results.pie_shares; and difference:
    how many more PIEs the configuration has than the reference (else the first pruner) at that threshold, in
    percent of the test examples over the same half-splits, with its interval; NaN for the reference itself. And
    confidence, the level of all intervals.
    """
    study = results.read(study)
    rows, scores = [], dict(iter(results.seeds(study).groupby(results.CONFIGURATION)))
    for (dataset, model), of_pair in tables.without_controls(results.configurations(study)).groupby(PAIR):
        unpruned = Configuration(dataset, model)
        mean = scores.get(dataclasses.astuple(unpruned), NOT_EVALUATED)["effectiveness"].mean()
        # Every pruner is compared with the same unpruned models. The predictions of a pair are released after it.
        read = functools.cache(functools.partial(_classes, study))
        orders = pd.Series(list(map(settings.order, of_pair["pruner"], of_pair["threshold"])), of_pair.index)
        for _, group in of_pair.groupby(orders):
            names, threshold = group["pruner"].tolist(), group["threshold"].iloc[0]
            compared_with = Configuration(dataset, model, reference if reference in names else names[0], threshold)
            for summary in group.to_dict("records"):
                configuration = Configuration.of(summary)
                folder = configuration.folder(study.folder)
                row = {name: summary[name] for name in (*PAIR, "threshold", "pruner")}
                row["epochs"] = epochs(study.first_record(folder))
                row["unpruned_epochs"] = epochs(study.first_record(unpruned.folder(study.folder)))
                own = scores.get(dataclasses.astuple(configuration), NOT_EVALUATED)
                metric = summary["metric"] if own.empty else own["metric"].iloc[0]
                row |= {"seeds": summary["seeds"], "metric": metric, "unpruned": mean}
                interval = [math.nan] * 3 if own.empty else null.seed_interval(own["effectiveness"], confidence)
                row |= dict(zip(("mean", "low", "high"), interval, strict=True))
                row |= {name: summary[name] for name in SHARES} | {"reference": compared_with.method}
                compared = _difference(read, folder, compared_with.folder(study.folder), confidence)
                rows.append(row | dict(zip(("difference", "difference_low", "difference_high"), compared, strict=True)))
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    excess = ("excess_percent", "excess_low", "excess_high")
    return intervals.rescaled(table, excess, table["seeds"] - 1, confidence).assign(confidence=confidence)


def difference(
    pair_folder: Path | str, configuration: str, reference: str, confidence: float = intervals.RECORDED
) -> tuple[float, float, float]:
    """How many more PIEs a configuration such as "PINS-90" has than another of its pair, with an interval.

    In percent of the test examples, over the same half-splits of the seeds; NaN if the two have different seeds.

    Raises PielabError if the pair has no PIEs of one of them.
    """
    pair_folder = Path(pair_folder)
    study = results.read(pair_folder.parent)
    known = [folder.name for folder in study.pies_in if folder.parent == pair_folder]
    for name in (configuration, reference):
        if name not in known:
            raise PielabError(
                "no-pies-of-a-configuration",
                f"{pair_folder} has no PIEs of {name}",
                f"give two of {', '.join(known) or 'another pair'}",
            )
    read = functools.partial(_classes, study)
    return _difference(read, pair_folder / configuration, pair_folder / reference, confidence)


def epochs(record: Mapping[str, Any]) -> float:
    """How many epochs a model was trained, including those of the unpruned model it starts from.

    record: of a seed. NaN if it was imported, or if its pruner is not known.
    """
    if "losses" not in record:
        return math.nan
    own = sum(len(losses) for losses in record["losses"])
    if record["pruner"] == "unpruned":
        return own
    recipe = {"pruner": record["pruner"]} | record["parameters"]
    if recipe["pruner"] not in METHODS and not is_own(recipe["pruner"]):
        return math.nan
    levels, budget = recipe.get("levels") or (), recipe.get("budget", "paper")
    return own + trajectory(of(recipe), record["threshold"], levels, recipe["epochs"], budget).start_epochs


def budget(table: pd.DataFrame) -> str:
    """How long the models were trained, in a sentence for each pair; table: as `pruners` gives it."""
    lines = []
    for (dataset, model), rows in table.groupby(PAIR, sort=False):
        epochs_behind = rows[["epochs", "unpruned_epochs"]].stack()
        if epochs_behind.isna().any() or len(epochs_behind) < 2 * len(rows):
            sentence = "the training of some models is not known, because they were made elsewhere"
        elif epochs_behind.nunique() == 1:
            sentence = f"an equal budget, {counted(epochs_behind.iloc[0], 'epoch')} for every model, pruned or not"
        else:
            least, most = rows["epochs"].min(), rows["epochs"].max()
            pruned = f"{least:g}" if least == most else f"{least:g} to {most:g}"
            sentence = (
                f"unequal budgets, {counted(rows['unpruned_epochs'].iloc[0], 'epoch')} for unpruned models and "
                f"{pruned} for pruned ones, and what longer training changes counts as PIEs"
            )
        lines.append(f"{dataset}, {model}: {sentence}.")
    return "\n".join(lines)


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `pruners` as text, each estimate with its interval; shares in % of the test examples."""
    shown = table[PAIR].copy()
    shown["pruned"] = tables.setting_texts(table)
    shown["pruner"] = table["pruner"]
    shown["epochs"] = ["?" if math.isnan(number) else f"{number:g}" for number in table["epochs"]]
    shown[["seeds", "metric"]] = table[["seeds", "metric"]]
    shown["unpruned"] = ["?" if math.isnan(mean) else f"{mean:.3f}" for mean in table["unpruned"]]
    shown["mean"] = tables.with_intervals(table, "mean", "low", "high", digits=3)
    for name, column in {"PIEs": "pies_percent", "halved": "halved_pies_percent", "null": "null_percent"}.items():
        shown[name] = [f"{share:.1f}" for share in table[column]]
    shown["excess"] = tables.with_intervals(table, "excess_percent", "excess_low", "excess_high", digits=1)
    shown["difference"] = tables.with_intervals(table, "difference", "difference_low", "difference_high", digits=1)
    shown.loc[table["pruner"] == table["reference"], "difference"] = "reference"
    return tables.with_level(shown, table)


def _difference(read: Callable, folder: Path, reference: Path, confidence: float) -> tuple[float, float, float]:
    """As `difference`, of two folders of a pair, where `read` is `_classes` of their study."""
    (seeds, predicted), (reference_seeds, predicted_by_reference) = read(folder), read(reference)
    if folder == reference or seeds != reference_seeds:
        return math.nan, math.nan, math.nan
    _, dense = read(folder.parent / DENSE, seeds)
    share, low, high = null.difference(dense, predicted, predicted_by_reference, confidence=confidence)
    return 100 * share, 100 * low, 100 * high


def _classes(
    study: results.Results, folder: Path, seeds: tuple[int, ...] | None = None
) -> tuple[tuple[int, ...], np.ndarray]:
    """The seeds that voted in a configuration, or those given, and their predictions of the test set."""
    seeds = seeds or tuple(study.pies_record(folder)["seeds"])
    return seeds, predictions.read_seeds(folder, seeds).classes
