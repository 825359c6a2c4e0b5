"""The answer of each notebook to its question, in one sentence with an interval."""

from typing import Any

import pandas as pd

from pielab.analysis import intervals, null, tables
from pielab.analysis.examples import readability
from pielab.progress import counted
from pielab.store.paths import Configuration

FEW_SEEDS = "; an interval takes three seeds"


def of_training(test: pd.Series, metric: str) -> str:
    """How well the unpruned models do, and how far they are apart; test: of each seed."""
    spread = f", from {test.min():.3f} to {test.max():.3f}" if len(test) > 1 else ""
    return f"Mean test {metric} of {counted(len(test), 'unpruned model')}: {_estimate(test, 3)}{spread}{_few(test)}."


def of_pruning(unpruned: pd.Series, pruned: pd.Series, metric: str, title: str) -> str:
    """By how much pruning changes the mean; of each seed, in the same order."""
    change = 100 * (pruned.to_numpy() - unpruned.to_numpy())
    seeds = counted(len(change), "seed")
    return (
        f"{title} changes mean test {metric} from {unpruned.mean():.3f} to {pruned.mean():.3f}, that is, by "
        f"{_estimate(change, 1)} points ({seeds}{_few(change)}). Single answers may change all the same."
    )


def of_pies(summary: dict[str, Any]) -> str:
    """How many PIEs there are beyond the null; summary: as analysis.summary gives it."""
    excess = _row(summary, "excess_percent", "excess_low", "excess_high", digits=1)
    told = "there is no interval below four seeds"
    if summary["excess_low"] > 0:
        told = "so not all of them are retraining"
    elif summary["excess_low"] <= 0:  # NaN is neither
        told = "so they cannot be told from retraining"
    if summary["excess_high"] < 0:
        told = "fewer than retraining makes"
    texts = counted(summary["examples"], "test text")
    return (
        f"{summary['pies']:,} of {texts} ({summary['pies_percent']:.1f} %) are PIEs. "
        f"Between halves of the seeds they are {summary['halved_pies_percent']:.1f} %, where retraining alone makes "
        f"{summary['null_percent']:.1f} %: an excess of {excess} points, {told}."
    )


def of_el2n(table: pd.DataFrame) -> list[str]:
    """For each configuration, PIEs among the examples that matter most; table: as el2n.by_configuration gives it."""
    last = table[table["bin"] == table["bin"].max()]
    excess = tables.with_intervals(100 * last[["excess", "low", "high"]], "excess", "low", "high", digits=1)
    return [
        f"{Configuration.of(row).title}: of the {counted(row['examples'], 'training example')} with the highest EL2N "
        f"{100 * row['p_pie']:.1f} % are PIEs between halves of the seeds, {100 * row['p_null']:.1f} % by retraining "
        f"alone: an excess of {text} points{intervals.unless_recorded(table, ' (intervals of {})')}."
        for row, text in zip(last.to_dict("records"), excess, strict=True)
    ]


def of_readability(table: pd.DataFrame) -> list[str]:
    """For each configuration, how long its PIEs are; table: as readability.by_configuration gives it."""
    length = table[table["score"] == readability.LENGTH]
    ratio = tables.with_intervals(length, "ratio", "low", "high", digits=2)
    more = tables.with_intervals(length, "more", "more_low", "more_high", digits=2)
    return [
        f"{Configuration.of(row).title}: PIEs are {own} times as long as all test texts; between halves of the seeds "
        f"{row['halved']:.2f} times, where those that retraining alone changes are {row['null']:.2f} times: a "
        f"difference of {text}{intervals.unless_recorded(table, ' (intervals of {})')}."
        for row, own, text in zip(length.to_dict("records"), ratio, more, strict=True)
    ]


def _estimate(values: pd.Series, digits: int) -> str:
    estimate = dict(zip(("mean", "low", "high"), null.seed_interval(values), strict=True))
    return _row(estimate, "mean", "low", "high", digits=digits)


def _row(values: dict[str, Any], *names: str, digits: int) -> str:
    return tables.with_intervals(pd.DataFrame([values]), *names, digits=digits)[0]


def _few(values: pd.Series) -> str:
    return FEW_SEEDS if len(values) < 3 else ""
