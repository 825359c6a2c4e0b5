"""Which of the paper's findings hold in a study, and which are no more than retraining, or than training longer.

What PIEs are like is compared with the examples on which unpruned models disagree, and with those on which unpruned
models and controls do, half of the seeds on each side, so that the numbers of models are equal. For each finding the
intervals of all configurations of a pair of data set and model hold together (Bonferroni); exact tests are corrected.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from pielab.analysis import decomposition, half_splits, intervals, null, results, sides
from pielab.analysis.examples import el2n, readability
from pielab.data import datasets, tasks
from pielab.data.votes import numbered
from pielab.store import paths, predictions
from pielab.store.paths import CONFIGURATION, DENSE, Configuration

if TYPE_CHECKING:
    from datasets import DatasetDict

HOLDS = "holds"
TRAINING_LONGER = "no more than training longer"
RETRAINING = "no more than retraining"
FALSE = "does not hold"
UNKNOWN = "cannot be told"
VERDICTS = [HOLDS, TRAINING_LONGER, RETRAINING, FALSE, UNKNOWN]
# Half-splits to average; each is taken once more for every seed that is left out.
N_SPLITS = 50


@dataclass(frozen=True)
class Finding:
    """Something that the paper says of PIEs.

    source: where. unit: of its numbers, which are 0 if PIEs are as all examples. sign: 1 if PIEs have more of it, -1 if
        less. margin: less than this would not matter, in the same unit.
    """

    title: str
    source: str
    unit: str
    sign: int
    margin: float


FINDINGS = {
    "changed": Finding("Pruning changes answers", "Table 4", "points moved", 1, 1),
    "accuracy": Finding("Accuracy is lower on PIEs", "Figure 3", "points of accuracy", -1, 5),
    "el2n": Finding("PIEs matter for generalisation", "Figure 4", "percentiles of EL2N", 1, 5),
    "longer": Finding("PIEs are longer", "Figure 5", "% of the length", 1, 5),
    "harder": Finding("PIEs are harder to read", "Figure 5", "standard deviations", 1, 0.1),
    "harder_as_long": Finding("PIEs are harder to read than texts as long", "", "standard deviations", 1, 0.1),
}
ENDS = ("", "_low", "_high")
COMPARISONS = ["observed", "retraining", "training_longer", "beyond_retraining", "beyond_training_longer"]
COLUMNS = [*CONFIGURATION, "seeds", "control", "finding", *(name + end for name in COMPARISONS for end in ENDS)]
COLUMNS += ["p_both", "p_removal", "confidence", "verdict"]


def of_study(study: Path | results.Results, decomposed: pd.DataFrame | None = None) -> pd.DataFrame:
    """The verdict on each of FINDINGS for every configuration of a study that was retrained, in the paper's order.

    Columns: the configuration; seeds; control, as in `sides.Control`; finding, a key of FINDINGS; in its unit, each
    with its interval (_low, _high): observed, how PIEs of halves of the seeds differ from all examples; retraining and
    training_longer, the same of the examples on which unpruned halves disagree with unpruned ones and with controls;
    beyond_retraining and beyond_training_longer, observed less those; p_both and p_removal, the smaller of the
    corrected p of moved and spread, from unpruned models and from controls; confidence, the level of each interval,
    such that those of all configurations of a pair hold together at 95 %; and verdict, one of VERDICTS.

    Of "changed", observed is what moved from unpruned models, beyond_training_longer what moved from controls. What a
    study lacks, such as early predictions of the training texts for EL2N, has no row.

    decomposed: as decomposition.of_study gives it, if it has been computed already.
    """
    study = results.read(study)
    decomposed = decomposition.of_study(study) if decomposed is None else decomposed
    tables = [_of_pair(study, pair, decomposed) for pair in sorted({folder.parent for folder in study.pies_in})]
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=COLUMNS)
    return results.sort_as_paper(pd.concat(tables, ignore_index=True).reindex(columns=COLUMNS), "finding")


def _of_pair(study: results.Results, pair: Path, decomposed: pd.DataFrame) -> pd.DataFrame:
    folders = [folder for folder in study.pies_in if folder.parent == pair]
    summaries = {folder: results.as_today(study.pies_record(folder)["summary"]) for folder in folders}
    retrained = {
        folder: summary
        for folder, summary in summaries.items()
        if summary["agreement"] is not None and summary["control"] != sides.BEFORE and folder.name != summary["control"]
    }
    if not retrained:
        return pd.DataFrame()
    confidence = 1 - (1 - intervals.RECORDED) / len(retrained)
    rows, first = _moved(decomposed, retrained, confidence), next(iter(retrained))
    data = results.load_data(study.pies_record(first), first / "pies.parquet")
    for split in ("test", "train"):
        rows += _of_split(study, retrained, split, data, confidence)
    return pd.DataFrame(rows).assign(confidence=confidence)


def _moved(
    decomposed: pd.DataFrame, retrained: Mapping[Path, dict[str, Any]], confidence: float
) -> list[dict[str, Any]]:
    """The rows of "changed", from the decomposition."""
    at_95 = ("estimate", "low", "high")
    table = intervals.rescaled(decomposed, at_95, decomposed["seeds"] - 1, confidence).set_index(CONFIGURATION)
    rows = []
    for folder, summary in retrained.items():
        own = table.loc[[tuple(summary[name] for name in CONFIGURATION)]].set_index(["comparison", "quantity"])
        row = _known(folder, summary) | {"finding": "changed"}
        for comparison, name, p in (
            ("both", "observed", "p_both"),
            ("both", "beyond_retraining", "p_both"),
            ("removal", "beyond_training_longer", "p_removal"),
        ):
            if (comparison, "moved") in own.index:
                moved = own.loc[(comparison, "moved"), ["estimate", "low", "high"]]
                row |= dict(zip((name + end for end in ENDS), moved, strict=True))
                row[p] = own.loc[[(comparison, "moved"), (comparison, "spread")], "p_corrected"].min()
        rows.append(row | {"verdict": _verdict_of_tests(row, FINDINGS["changed"].margin)})
    return rows


def _verdict_of_tests(row: Mapping[str, Any], margin: float) -> str:
    """The verdict by the exact tests: those against the control tell removal, those against unpruned models both."""
    if row.get("p_removal", np.nan) < 0.05:
        return HOLDS
    told, control = row.get("p_both", np.nan) < 0.05, row["control"]
    if told and control == sides.MISSING:
        return UNKNOWN  # it may be training longer
    longer = told and control != sides.UNPRUNED
    moved, smaller = ("beyond_training_longer", TRAINING_LONGER) if longer else ("beyond_retraining", RETRAINING)
    return smaller if row[f"{moved}_high"] < margin else UNKNOWN


def _of_split(
    study: results.Results,
    retrained: Mapping[Path, dict[str, Any]],
    split: str,
    data: "DatasetDict",
    confidence: float,
) -> list[dict[str, Any]]:
    """The rows of the findings that say what the PIEs of a split are like."""
    columns: dict[tuple[int, ...], pd.DataFrame] = {}
    # Only what several configurations are compared with is kept in memory.
    shared = functools.cache(lambda folder, seeds: predictions.read_seeds(folder, seeds, split).classes)
    rows = []
    for folder, summary in retrained.items():
        seeds = tuple(study.pies_record(folder)["seeds"])
        own_control = [summary["control"]] if summary["control"] not in (sides.UNPRUNED, sides.MISSING) else []
        folders = [folder.parent / name for name in (DENSE, folder.name, *own_control)]
        if not all(_has(each, seeds, split) for each in folders):
            continue
        dense, *control = (shared(each, seeds) for each in (folders[0], *folders[2:]))
        pruned = predictions.read_seeds(folder, seeds, split).classes
        if seeds not in columns:
            columns[seeds] = _columns(folder.parent / DENSE, seeds, split, dense, data)
        for finding, numbers in compared(dense, pruned, control, columns[seeds], confidence).items():
            row = _known(folder, summary) | {"finding": finding} | numbers
            rows.append(row | {"verdict": verdict(row, FINDINGS[finding], summary["control"])})
    return rows


def _has(folder: Path, seeds: tuple[int, ...], split: str) -> bool:
    return all((paths.seed(folder, seed) / f"{split}.parquet").exists() for seed in seeds)


def _columns(
    dense_folder: Path, seeds: tuple[int, ...], split: str, dense: np.ndarray, data: "DatasetDict"
) -> pd.DataFrame:
    """What is compared of each example of a split, a column a finding, 0 on average; NaN where an example has none."""
    targets, task = datasets.targets(data[split]), tasks.of_split(data[split])
    if split == "train":
        if not _has(dense_folder, seeds, "early"):
            return pd.DataFrame(index=range(len(targets)))
        early = predictions.read_seeds(dense_folder, seeds, "early")
        norms = el2n.error_norms_of(dense_folder, early, "early", targets)
        return pd.DataFrame({"el2n": 100 * (stats.rankdata(norms) - 0.5) / len(norms) - 50})
    answers, gold = numbered(dense, targets)
    right = np.mean([task.judged(of_seed[None], gold)[0] for of_seed in answers], axis=0)
    scores = readability.scores(datasets.joined_texts(data[split]))
    length = scores.pop(readability.LENGTH)
    spread = scores.std(ddof=0)
    harder = ((scores - scores.mean()) / spread.where(spread > 0, 1)).mean(axis=1)
    return pd.DataFrame(
        {
            "accuracy": 100 * (right - right.mean()),
            "longer": 100 * (length / length.mean() - 1),
            "harder": harder,
            "harder_as_long": harder - readability.mean_of_others_as_long(harder, length),
        }
    )


def compared(
    dense: np.ndarray, pruned: np.ndarray, control: list[np.ndarray], columns: pd.DataFrame, confidence: float
) -> dict[str, dict[str, float]]:
    """COMPARISONS of each column with their intervals, over half-splits of the seeds, by column.

    dense, pruned: answers of the same seeds, as `null.estimate` takes them. control: those of the controls, or nothing.
    columns: a row an example, each 0 on average; NaN for an example that does not count. confidence: of the intervals.
    """
    splits = half_splits.draw(len(dense), N_SPLITS, n_bootstrap=0)
    both = np.concatenate([columns.fillna(0), columns.notna()], axis=1)
    sums = null.disagreement_sums(dense, pruned, both, splits)
    for models in control:
        sums = np.concatenate([sums, null.disagreement_sums(dense, models, both, splits)[:, 1:]], axis=1)

    def statistic(sums: np.ndarray) -> np.ndarray:
        of_null, of_pruned, *of_control = np.moveaxis(np.divide(*np.split(sums, 2, axis=-1)), -2, 0)
        of_control = of_control or [np.full_like(of_null, np.nan)]
        return np.concatenate(
            [of_pruned, of_null, *of_control, of_pruned - of_null, *(of_pruned - each for each in of_control)], axis=-1
        )

    # (estimate or end, comparison, column)
    found = np.reshape(half_splits.interval(statistic, sums, splits, confidence), (3, len(COMPARISONS), -1))
    names = [name + end for end in ENDS for name in COMPARISONS]
    of_columns = np.moveaxis(found, -1, 0).reshape(-1, len(names)).tolist()
    return {finding: dict(zip(names, of, strict=True)) for finding, of in zip(columns, of_columns, strict=True)}


def verdict(row: Mapping[str, Any], finding: Finding, control: str) -> str:
    """The verdict on a finding that says what PIEs are like, from the intervals of COMPARISONS.

    control: as in `sides.Control`. Where the unpruned models are the control, only retraining has to be exceeded.
    """

    def ends(name: str) -> tuple[float, float]:
        low, high = sorted(finding.sign * row[name + end] for end in ("_low", "_high"))
        return low, high

    low, high = ends("observed")
    if not low > 0:
        return FALSE if high < finding.margin else UNKNOWN
    low, high = ends("beyond_retraining")
    if not low > 0:
        return RETRAINING if high < finding.margin else UNKNOWN
    if control == sides.UNPRUNED:
        return HOLDS
    low, high = ends("beyond_training_longer")
    if not low > 0:
        return TRAINING_LONGER if high < finding.margin else UNKNOWN
    return HOLDS


def _known(folder: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    return Configuration.of(summary).record | {"seeds": summary["seeds"], "control": summary["control"]}
