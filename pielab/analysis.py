"""EL2N and readability of the PIEs of every configuration of a pair of data set and model."""

from pathlib import Path

import numpy as np
import pandas as pd
from datasets import DatasetDict
from scipy import stats

from pielab import datasets, files, influence, pies, predictions, readability, statistics, tables
from pielab.errors import PielabError
from pielab.parameters import InfluenceParameters, PairParameters, ReadabilityParameters


def el2n_scores(p: PairParameters, data: DatasetDict) -> np.ndarray:
    """EL2N of the training examples (examples,), from the unpruned models' early predictions (Section 4.2)."""
    early = predictions.read_seeds(p.dense_folder, p.seeds, "early")
    tables.check_same_data(data, early, early, split="train")
    return error_norms(early, datasets.targets(data["train"]))


def error_norms(runs: predictions.Predictions, targets: np.ndarray) -> np.ndarray:
    """The mean over seeds of the L2 norm of p(x) - y, (examples,): EL2N if the runs are early ones of the training set.

    targets: class ids (examples,), or multi-hot (examples, classes).
    """
    probabilities = predictions.sigmoid if runs.multi_label else predictions.softmax
    hot = targets if runs.multi_label else np.eye(runs.logits.shape[2])[targets]
    # One seed after the other: the probabilities of all are several times as large as their logits.
    return np.mean([influence.el2n(probabilities(each)[None], hot) for each in runs.logits], axis=0)


def el2n(p: InfluenceParameters, data: DatasetDict, scores: np.ndarray) -> pd.DataFrame:
    """The share of PIEs among the training examples of each bin of EL2N (Figure 4), beside its null.

    One row for each configuration and bin: pruner, threshold, bin, examples, pies (all seeds on both sides), p_pie and
    p_null (over halvings of the seeds, as in statistics.Null), their difference excess with a 95 % interval from low to
    high (bootstrap over seeds), and seeds, how many there are.
    """
    dense = predictions.read_seeds(p.dense_folder, p.seeds, "train").classes
    bins, parts = influence.bins(scores, p.bins), []
    for folder, summary in _configurations(p):
        pruned = predictions.read_seeds(folder, p.seeds, "train").classes
        p_pie, p_null, excess = statistics.excess_by_group(dense, pruned, bins, p.resamples)
        table = influence.by_bin(bins, pies=pies.find(dense, pruned), p_pie=p_pie, p_null=p_null)
        parts.append(table.join(excess).assign(**_names(summary), seeds=len(p.seeds)))
    return pd.concat(parts, ignore_index=True)


def readability_ratios(p: ReadabilityParameters, scores: pd.DataFrame) -> pd.DataFrame:
    """How the PIEs of each configuration compare with all test examples, for each score (Figure 5).

    scores: of all test examples, as readability.scores gives them. One row for each configuration and score, as
    readability.ratios gives them, with p_corrected over all of them (Benjamini and Hochberg 1995), and null and
    null_matched: the ratios of the examples on which unpruned models disagree, each as much as it is one of them.
    """
    parts = []
    for folder, summary in _configurations(p):
        frame, _ = tables.read_pies(folder / "pies.parquet")
        if len(frame) != len(scores):
            raise PielabError(
                f"{folder} has PIEs of {len(frame)} texts, and {len(scores)} were scored: give the same limit."
            )
        table = readability.ratios(scores, frame["pie"].to_numpy(), p.resamples)
        weights = frame["p_null"].to_numpy()
        null = np.average(scores, axis=0, weights=weights) / scores.mean() if weights.any() else np.nan
        null_matched, _, _ = readability.matched_ratios(scores, weights)
        table = table.assign(null=np.asarray(null), null_matched=null_matched)
        parts.append(table.assign(pies=int(frame["pie"].sum()), examples=len(frame), **_names(summary)))
    whole = pd.concat(parts, ignore_index=True)
    tested = whole["p"].notna()
    whole.loc[tested, "p_corrected"] = stats.false_discovery_control(whole.loc[tested, "p"])
    return whole


def classes(study_folder: Path) -> pd.DataFrame:
    """Which classes the PIEs of each configuration of a study belong to, and which all test examples (Figure 6).

    One row for each configuration and class, the most frequent class first: class, rank (from 1), examples, pies (how
    many there are of each), percent, pies_percent and null_percent: how many of all examples, of the PIEs, and of the
    examples on which unpruned models disagree (each as much as it is one of them) have the class; low and high, the
    95 % interval of pies_percent (Wilson 1927). NaN where there is no PIE.
    """
    parts = []
    for path in sorted(study_folder.glob("*/*/pies.parquet")):
        frame, record = tables.read_pies(path)
        names = np.array(record["summary"]["classes"])
        hot = _multi_hot(frame["label"], len(names))
        order = np.argsort(-hot.sum(axis=0), kind="stable")
        hot, found, weights = hot[:, order], frame["pie"].to_numpy(), frame["p_null"].to_numpy()
        number = int(found.sum())
        nothing = np.full(len(names), np.nan)
        intervals = [
            stats.binomtest(int(count), number).proportion_ci(method="wilson") if number else (np.nan, np.nan)
            for count in hot[found].sum(axis=0)
        ]
        shares = {
            "percent": hot.mean(axis=0),
            "pies_percent": hot[found].mean(axis=0) if number else nothing,
            "low": np.array([low for low, _ in intervals]),
            "high": np.array([high for _, high in intervals]),
            "null_percent": np.average(hot, axis=0, weights=weights) if weights.any() else nothing,
        }
        part = pd.DataFrame({"class": names[order], "rank": np.arange(1, len(names) + 1)})
        part = part.assign(examples=len(frame), pies=number, **{name: 100 * each for name, each in shares.items()})
        parts.append(part.assign(**_names(record["summary"])))
    return tables.in_paper_order(pd.concat(parts, ignore_index=True), "rank") if parts else pd.DataFrame()


def save(table: pd.DataFrame, p: PairParameters, name: str) -> None:
    """Keep a table of the pair, for the report."""
    with files.whole_file(p.pair_folder / f"{name}.csv") as partial:
        table.to_csv(partial, index=False)


def read(study_folder: Path, name: str) -> pd.DataFrame:
    """A table of all pairs of a study that have it; empty if none has."""
    parts = [pd.read_csv(path) for path in sorted(study_folder.glob(f"*/{name}.csv"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _multi_hot(labels: pd.Series, n_classes: int) -> np.ndarray:
    """Which classes each example has, bool (examples, classes), of class ids or lists of them."""
    ids = [np.atleast_1d(label) for label in labels]
    hot = np.zeros((len(ids), n_classes), dtype=bool)
    hot[np.repeat(np.arange(len(ids)), [len(each) for each in ids]), np.concatenate(ids).astype(int)] = True
    return hot


def _configurations(p: PairParameters) -> list[tuple[Path, dict]]:
    """Folders and summaries of the pair's configurations whose PIEs are known, in the paper's order."""
    found = {path.parent: tables.read_record(path)["summary"] for path in p.pair_folder.glob("*/pies.parquet")}
    if not found:
        raise PielabError(f"{p.pair_folder} has no PIEs yet: run notebooks/03_pies.ipynb for a configuration first.")
    return sorted(found.items(), key=lambda each: (tables.rank(each[1]["pruner"]), each[1]["threshold"]))


def _names(summary: dict) -> dict:
    return {name: summary[name] for name in tables.CONFIGURATION}
