"""Two findings of the paper that compare configurations: PIEs grow with sparsity, and better pruners have fewer.

Both count on how many texts an unpruned model and a pruned model of another seed differ (`agreement`, in percent). What
retraining alone changes is a part of it that all configurations of a pair share, so that their differences lack it.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import intervals, results, sides, tables
from pielab.analysis.agreement import Agreement, Pair, pair_sums, pairs, seed_variance
from pielab.analysis.verdicts import FALSE, HOLDS, UNKNOWN
from pielab.store import settings
from pielab.store.paths import CONFIGURATION, Configuration

PAIR = ["dataset", "model"]
DIFFERENCE = ["difference", "low", "high", "confidence", "verdict"]
GROWTH = [*PAIR, "pruner", "seeds", "threshold", "next_threshold", "step"]
GROWTH += ["percent", "pies_percent", "next_percent", "next_pies_percent", *DIFFERENCE]
BEST_AND_WORST = [*PAIR, "seeds", "threshold"]
BEST_AND_WORST += [f"{side}{end}" for side in ("best", "worst") for end in ("", "_score", "_percent", "_pies_percent")]
BEST_AND_WORST += [*DIFFERENCE, "fewest", "as_few"]


def growth(study: Path | results.Results) -> pd.DataFrame:
    """Whether PIEs grow with sparsity (Table 4): for each pruner a row for each step between its settings, and for all.

    Columns: dataset, model, pruner, seeds; threshold and next_threshold; step, "next" or "first to last"; percent and
    next_percent, on how many texts an unpruned and a pruned model of another seed differ; pies_percent and
    next_pies_percent, the paper's number, of all seeds; difference with its interval, low and high; confidence, the
    level of each interval, such that all of a pair hold together at 95 %; and verdict: "holds", "does not hold" where
    it falls, or "cannot be told".
    """
    rows = []
    for of_pair in _pairs(results.read(study)):
        steps: list[tuple[dict[str, Any], dict[str, Any], str]] = []
        for _, group in itertools.groupby(of_pair, key=lambda row: row["pruner"]):
            in_order = sorted(group, key=lambda row: settings.order(row["pruner"], row["threshold"]))
            steps += [(*two, "next") for two in itertools.pairwise(in_order)]
            steps += [(in_order[0], in_order[-1], "first to last")] if len(in_order) > 2 else []
        for before, after, step in steps:
            row = {name: before[name] for name in (*PAIR, "pruner", "seeds", "threshold")}
            row |= {"next_threshold": after["threshold"], "step": step}
            row |= _shares(before, "") | _shares(after, "next_")
            rows.append(row | difference(before, after, len(steps)))
    return pd.DataFrame(rows, columns=GROWTH)


def best_and_worst(study: Path | results.Results) -> pd.DataFrame:
    """Whether the most accurate pruner has fewer PIEs than the least accurate one, at each sparsity (Table 4).

    Columns: dataset, model, seeds, threshold; best and worst, the pruners by mean effectiveness, each with _score,
    _percent and _pies_percent; difference, worst less best, with its interval and verdict as in `growth`, at a level
    such that those of every two pruners at every sparsity hold together; fewest, the pruner whose models differ on the
    fewest texts, and as_few, those that cannot be told from it.
    """
    study, rows = results.read(study), []
    scores = results.seeds(study).groupby(CONFIGURATION)["effectiveness"].mean().to_dict()
    for of_pair in _pairs(study):
        groups: dict[Any, list[dict[str, Any]]] = {}
        for row in of_pair:
            groups.setdefault(settings.order(row["pruner"], row["threshold"]), []).append(row)
        compared = {order: group for order, group in sorted(groups.items()) if len(group) > 1}
        number = sum(len(group) * (len(group) - 1) // 2 for group in compared.values())
        for group in compared.values():
            score = {row["pruner"]: scores.get(tuple(row[name] for name in CONFIGURATION), np.nan) for row in group}
            best, worst = (choose(group, key=lambda row: score[row["pruner"]]) for choose in (max, min))
            fewest = min(group, key=lambda row: _kernel(row).sum())
            as_few = [
                row["pruner"]
                for row in group
                if row is not fewest and difference(fewest, row, number)["verdict"] != HOLDS
            ]
            row = {name: best[name] for name in (*PAIR, "seeds", "threshold")}
            for side, chosen in {"best": best, "worst": worst}.items():
                row |= {side: chosen["pruner"], f"{side}_score": score[chosen["pruner"]]} | _shares(chosen, f"{side}_")
            row |= difference(best, worst, number)
            rows.append(row | {"fewest": fewest["pruner"], "as_few": ", ".join(as_few)})
    return pd.DataFrame(rows, columns=BEST_AND_WORST)


def difference(first: dict[str, Any], second: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """On how many more texts, in points, models of the second configuration differ from unpruned ones of another seed.

    first, second: rows of results.configurations, of the same seeds. number: of the differences whose intervals hold
    together at 95 %. Keys: difference, low, high, confidence, and verdict, whether the second has more.
    """
    kernel = _kernel(second) - _kernel(first)
    seeds, confidence = len(kernel), 1 - (1 - intervals.RECORDED) / number
    estimate = kernel.sum() / (seeds * (seeds - 1))
    half_width = float(intervals.half_width(np.sqrt(seed_variance(kernel[None])[0]), seeds - 1, confidence))
    low, high = estimate - half_width, estimate + half_width
    verdict = HOLDS if low > 0 else FALSE if high < 0 else UNKNOWN
    return {"difference": estimate, "low": low, "high": high, "confidence": confidence, "verdict": verdict}


def _pairs(study: results.Results) -> list[list[dict[str, Any]]]:
    """The retrained configurations of each pair of data set and model that have the same seeds, without controls."""
    found = tables.without_controls(results.configurations(study))
    found = found[found["agreement"].notna() & (found["control"] != sides.BEFORE)]
    folders = [Configuration.of(row).folder(study.folder) for row in found.to_dict("records")]
    found = found.assign(voted=[tuple(study.pies_record(folder)["seeds"]) for folder in folders])
    return [rows.to_dict("records") for _, rows in found.groupby([*PAIR, "voted"], sort=False)]


def _kernel(row: dict[str, Any]) -> np.ndarray:
    """How often the unpruned model of one seed and the pruned one of another differ, in percent, (seeds, seeds)."""
    found = Agreement.of(row["agreement"])
    place = pairs(found.sides).index(Pair("unpruned", "pruned", same_seed=False))
    return 100 / found.texts * pair_sums(found)[place] / 2


def _shares(row: dict[str, Any], prefix: str) -> dict[str, float]:
    kernel = _kernel(row)
    percent = kernel.sum() / (len(kernel) * (len(kernel) - 1))
    return {f"{prefix}percent": percent, f"{prefix}pies_percent": row["pies_percent"]}


def format_growth(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `growth` as text, to read."""
    shown = table[["dataset", "model", "pruner", "step", "seeds"]].copy()
    nexts = table[["pruner"]].assign(threshold=table["next_threshold"])
    shown["from"], shown["to"] = tables.setting_texts(table), tables.setting_texts(nexts)
    for name, title in {"percent": "differ, %", "pies_percent": "PIEs, %"}.items():
        pairs = zip(table[name], table[f"next_{name}"], strict=True)
        shown[title] = [f"{before:.1f} to {after:.1f}" for before, after in pairs]
    shown["difference"] = tables.with_intervals(table, "difference", "low", "high", digits=1)
    return shown.assign(verdict=table["verdict"])


def format_best_and_worst(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `best_and_worst` as text, to read."""
    shown = table[["dataset", "model", "seeds"]].copy()
    shown["pruned"] = tables.setting_texts(table.assign(pruner=table["best"]))
    for side in ("best", "worst"):
        shown[side] = [f"{name} ({score:.3f})" for name, score in zip(table[side], table[f"{side}_score"], strict=True)]
    for name, title in {"percent": "differ, %", "pies_percent": "PIEs, %"}.items():
        pairs = zip(table[f"best_{name}"], table[f"worst_{name}"], strict=True)
        shown[title] = [f"{best:.1f}, {worst:.1f}" for best, worst in pairs]
    shown["difference"] = tables.with_intervals(table, "difference", "low", "high", digits=1)
    shown["verdict"] = table["verdict"]
    shown["fewest"] = table["fewest"] + table["as_few"].where(table["as_few"] == "", " as " + table["as_few"])
    return shown
