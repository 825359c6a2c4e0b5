"""How many seeds are enough: how often a few of a study's seeds say what all of them say.

The same few seeds are drawn for the unpruned models, the controls and the pruned ones, many times. What is counted of
single models follows from one table of agreement of all models, whose rows and columns are chosen; majorities are voted
again. Few seeds of many are part of the many, so that they agree too well with them where they are not much fewer. So
two sets of seeds that share none are compared as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import agreement, exchange, intervals, null, pies
from pielab.analysis.agreement import Agreement
from pielab.store import settings
from pielab.store.paths import Configuration

NUMBERS = (4, 6, 8, 10, 15, 20)
# The seeds of the pilot from which `pielab plan` says how wide intervals will be.
PILOT = exchange.LEAST_SEEDS_TO_TEST
# Exchanges for a test of some of the seeds: all of them up to 12 seeds, else as many that are drawn.
EXCHANGES = 4096
LEVEL = 0.05
# Half-splits to average for the split-half null, and samples of its bootstrap.
HALF_SPLITS = 100
QUANTITIES = {"excess": ("both", "excess"), "moved": ("removal", "moved"), "spread": ("removal", "spread")}
VERDICTS = ("moved", "spread", "split-half excess")
KEYS = ["family", "pruner", "threshold"]
DRAW = ["seeds", "subset"]


@dataclass(frozen=True)
class Compressed:
    """The answers of a configuration, and those of its control, all of the same seeds in the same order.

    family: of configurations whose tests are corrected together. answers, control: class ids (seeds, examples), or bool
        (seeds, examples, classes). control: None where the unpruned models are the control.
    """

    configuration: Configuration
    family: str
    answers: np.ndarray
    control: np.ndarray | None = None


class Subset(NamedTuple):
    """Some of the seeds. part: "first", "second" (the same number of others, of the same draw), or "all"."""

    seeds: int
    subset: int
    part: str
    chosen: np.ndarray


def draw(seeds: int, numbers: Sequence[int] = NUMBERS, subsets: int = 100, seed: int = 0) -> list[Subset]:
    """All seeds, and for each smaller number as many random ones, `subsets` times, with others up to half of them."""
    random = np.random.default_rng(seed)
    orders = [random.permutation(seeds) for _ in range(subsets)]
    drawn = [Subset(seeds, 0, "all", np.arange(seeds))]
    for number in (number for number in numbers if number < seeds):
        for place, order in enumerate(orders):
            drawn.append(Subset(number, place, "first", np.sort(order[:number])))
            if 2 * number <= seeds:
                drawn.append(Subset(number, place, "second", np.sort(order[number : 2 * number])))
    return drawn


def measure(
    unpruned: np.ndarray, compressed: Sequence[Compressed], drawn: Sequence[Subset], halves: int = 10
) -> pd.DataFrame:
    """What each subset of the seeds says of each configuration: one row for each of both.

    unpruned: answers, as those of `Compressed`. drawn: as `draw` gives them. halves: for how many subsets of each size
        the split-half null is estimated, which takes longest.

    Columns: `KEYS`; seeds, subset and part, as in `Subset`; excess (from the unpruned models), moved and spread (from
    the control) in points, and excess_half_width and so on, of their intervals; own answers changed from the unpruned
    models, in percent; PIEs, the paper's share in percent, with all these seeds on both sides; and moved told, spread
    told (corrected exact test, p < .05) and split-half excess told (its interval leaves out 0): 1 or 0, NaN for tests
    of fewer than six seeds and where the null was not estimated.
    """
    parts, agreements = [], []
    for each in compressed:
        agreements.append(agreement.count(unpruned, each.control, each.answers))
        table = _single_models(agreements[-1], drawn)
        table["PIEs"] = _pies(unpruned, each.answers, drawn)
        table["split-half excess told"] = [
            _is_excess_told(unpruned[few.chosen], each.answers[few.chosen]) if few.subset < halves else np.nan
            for few in drawn
        ]
        configuration = each.configuration
        named = dict(zip(KEYS, (each.family, configuration.method, configuration.setting), strict=True))
        parts.append(pd.DataFrame(drawn).drop(columns="chosen").join(table).assign(**named))
    for family in {each.family: None for each in compressed}:
        places = [place for place, each in enumerate(compressed) if each.family == family]
        told = np.array([_told([agreements[place] for place in places], few.chosen) for few in drawn])
        for number, place in enumerate(places):
            parts[place][["moved told", "spread told"]] = told[:, number]
    return pd.concat(parts, ignore_index=True)


def of_seeds(given: Agreement, chosen: np.ndarray) -> Agreement:
    """The agreement of some of the seeds; without a covariance over texts, so without intervals for texts to come."""
    differing = given.differing[:, chosen][..., chosen]
    return replace(given, seeds=len(chosen), differing=differing, covariance=np.full_like(given.covariance, np.nan))


def _single_models(given: Agreement, drawn: Sequence[Subset]) -> pd.DataFrame:
    """The quantities of single models and the half-widths of their intervals, as `agreement.quantities` has them."""
    coefficients, point = agreement.coefficients(given.sides), 4 * given.texts / 100
    weights = 2 * np.array([coefficients[key] for key in QUANTITIES.values()])
    kernels = np.tensordot(weights, agreement.pair_sums(given), axes=1)
    own = given.differing[0, :, -1].diagonal() * 100 / given.texts
    t = {seeds: intervals.half_width(1, seeds - 1) for seeds in {few.seeds for few in drawn}}
    rows = []
    for few in drawn:
        chosen = kernels[:, few.chosen][:, :, few.chosen]
        estimates = chosen.sum(axis=(1, 2)) / (point * few.seeds * (few.seeds - 1))
        widths = t[few.seeds] * np.sqrt(agreement.seed_variance(chosen) / point**2)
        rows.append([*estimates, *widths, own[few.chosen].mean()])
    names = [*QUANTITIES, *(f"{name}_half_width" for name in QUANTITIES), "own answers changed"]
    return pd.DataFrame(rows, columns=names)


def _pies(unpruned: np.ndarray, pruned: np.ndarray, drawn: Sequence[Subset]) -> np.ndarray:
    """The paper's share of PIEs for each subset, in percent."""
    weights = [np.isin(np.arange(len(unpruned)), few.chosen).astype(int) for few in drawn]
    found = np.zeros(len(drawn))
    for _, _, differs in pies.disagreements(unpruned, pruned, [(votes, votes) for votes in weights]):
        found += differs.sum(axis=1)
    return 100 * found / unpruned.shape[1]


def _is_excess_told(unpruned: np.ndarray, pruned: np.ndarray) -> float:
    found = null.estimate(unpruned, pruned, n_splits=HALF_SPLITS, n_bootstrap=HALF_SPLITS)
    return float(found.low > 0 or found.high < 0)


def _told(agreements: Sequence[Agreement], chosen: np.ndarray) -> np.ndarray:
    """Whether moved and spread are told from 0, (configurations, 2), by the tests of `exchange.tests`."""
    if len(chosen) < exchange.LEAST_SEEDS_TO_TEST:
        return np.full((len(agreements), 2), np.nan)
    few, signs = [of_seeds(each, chosen) for each in agreements], exchange.exchanges(len(chosen))
    if len(chosen) < agreements[0].seeds and len(signs) > EXCHANGES:
        others = 1 + np.random.default_rng(0).choice(len(signs) - 1, EXCHANGES - 1, replace=False)
        signs = signs[[0, *others]]
    starts = ["control" if "control" in each.sides else "unpruned" for each in few]
    found = [exchange.statistics(each, start, "pruned", signs) for each, start in zip(few, starts, strict=True)]
    return (exchange.corrected(np.array(found).transpose(2, 0, 1)) < LEVEL).astype(float)


def questions(measured: pd.DataFrame) -> pd.DataFrame:
    """How often few seeds say what all say, and what two sets of few say alike, by question and number of seeds.

    measured: as `measure` gives it.

    Columns: family; question; quantity; compared_with, "all seeds", "as many others", or nothing where a value is not
    compared; seeds; subsets, how many were drawn; cases, of how many configurations or orders each gives a mean (the
    median, of half-widths); estimate, its mean over the subsets; low and high, its 5 and 95 % quantiles; unit.

    In percent of verdicts, "told alike", "missed" (told by all seeds, or by the others) and "told by these alone" add
    up to 100. Two sets of seeds that tell nothing are alike as well, so "told", by these seeds, belongs beside them.
    """
    rows = []
    for family, part in measured.groupby("family", sort=False):
        whole = part[part["part"] == "all"].set_index(KEYS)
        sure = whole.index[whole["spread"].abs() > whole["spread_half_width"]]
        first, second = (part[part["part"] == name] for name in ("first", "second"))
        found = _values(part[part["part"] != "second"])
        reference = whole.drop(columns=[*DRAW, "part"]).add_suffix("_other").reset_index()
        found += _compared(first.merge(reference, on=KEYS), sure, "all seeds")
        both = first.merge(second, on=[*KEYS, *DRAW], suffixes=("", "_other"))
        found += _compared(both, sure, "as many others")
        rows += [{"family": family} | row for row in found]
    return pd.DataFrame(rows)


def _values(part: pd.DataFrame) -> list[dict]:
    """The mean values by number of seeds, how much is told, and how wide intervals are, found and promised."""
    rows = []
    for name in (*QUANTITIES, "own answers changed", "PIEs"):
        unit = "points" if name in QUANTITIES else "% of texts"
        rows += _rows("value", name, "", unit, part.groupby(DRAW)[name].mean(), part)
    for name in VERDICTS:
        known = part.dropna(subset=f"{name} told")
        rows += _rows("told", name, "", "%", 100 * known.groupby(DRAW)[f"{name} told"].mean(), known)
    for name in QUANTITIES:
        widths = part.groupby(DRAW)[f"{name}_half_width"].median()
        rows += _rows("half-width", name, "", "points", widths, part)
        seeds = widths.index.get_level_values("seeds")
        if PILOT in seeds:
            for number in [number for number in seeds.unique() if number >= PILOT]:
                promised = widths[[PILOT]] * intervals.narrowing(number) / intervals.narrowing(PILOT)
                promised = promised.rename(index={PILOT: number}, level="seeds")
                rows += _rows("half-width promised by a pilot", name, "", "points", promised, part)
    return rows


def _compared(merged: pd.DataFrame, sure: pd.Index, other: str) -> list[dict]:
    """How far columns agree with those that end in "_other"; sure: the configurations whose spread has a sign."""
    rows = []
    for name in VERDICTS:
        known = merged.dropna(subset=[f"{name} told", f"{name} told_other"])
        these, others = (known[f"{name} told{suffix}"].astype(bool) for suffix in ("", "_other"))
        answers = {"told alike": these == others, "missed": others & ~these, "told by these alone": these & ~others}
        for question, holds in answers.items():
            rows += _rows(question, name, other, "%", _percent(holds, known), known)
    signed = merged[pd.MultiIndex.from_frame(merged[KEYS]).isin(sure)]
    same_sign = np.sign(signed["spread"]) == np.sign(signed["spread_other"])
    rows += _rows("same sign", "spread", other, "%", _percent(same_sign, signed), signed)

    setting = list(map(settings.text, merged["pruner"], merged["threshold"]))
    groups = {"order of pruners": setting, "order of thresholds": merged["pruner"]}
    for question, group in groups.items():
        for name in ("moved", "PIEs"):
            by_group = merged.assign(group=group).groupby([*DRAW, "group"], sort=False)[[name, f"{name}_other"]]
            orders = pd.DataFrame(
                [[*key, *_order(values.to_numpy())] for key, values in by_group if len(values) > 1],
                columns=[*DRAW, "group", "tau", "least"],
            )
            by_subset = orders.groupby(DRAW)
            rows += _rows(question, name, other, "tau", by_subset["tau"].mean(), orders)
            if question == "order of pruners":
                rows += _rows("same pruner least", name, other, "%", 100 * by_subset["least"].mean(), orders)
    return rows


def _order(values: np.ndarray) -> tuple[float, bool]:
    """Kendall's tau-b of two columns, 0 if one is constant, and whether the smallest value is in the same place."""
    tau = stats.kendalltau(*values.T).statistic
    return float(np.nan_to_num(tau)), bool(np.equal(*values.argmin(axis=0)))


def _percent(holds: pd.Series, of: pd.DataFrame) -> pd.Series:
    return 100 * holds.groupby([of[name] for name in DRAW]).mean()


def _rows(question: str, quantity: str, other: str, unit: str, by_subset: pd.Series, of: pd.DataFrame) -> list[dict]:
    """A row for each number of seeds, from one value for each subset; of: the rows behind these values."""
    cases, rows = of.groupby(DRAW).size(), []
    for seeds, values in by_subset.dropna().groupby(level="seeds"):
        row = {"question": question, "quantity": quantity, "compared_with": other, "seeds": seeds}
        low, high = values.quantile([0.05, 0.95])
        row |= {"subsets": len(values), "cases": int(cases.groupby(level="seeds").max().get(seeds, cases.max()))}
        rows.append(row | {"estimate": values.mean(), "low": low, "high": high, "unit": unit})
    return rows


def table(asked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `questions` of one family for reading: a text for each question and quantity by number of seeds.

    What is compared with all seeds and with as many others is "91 / 84", in this order.
    """
    digits = {"%": 0, "% of texts": 1}
    texts = [f"{row.estimate:.{digits.get(row.unit, 2)}f}" for row in asked.itertuples()]
    by_question = asked.assign(text=texts).groupby(["question", "quantity", "unit", "seeds"], sort=False)["text"]
    return by_question.agg(" / ".join).unstack().sort_index(axis=1).fillna("")
