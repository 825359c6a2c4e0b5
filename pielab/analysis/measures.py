"""Other measures of how much two sets of models differ, each as its authors define it."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from pielab.analysis import half_splits, pies
from pielab.data import tasks
from pielab.data.votes import agree, check_classes, numbered
from pielab.errors import PielabError
from pielab.store.predictions import Predictions


def flips(dense: np.ndarray, pruned: np.ndarray, targets: np.ndarray) -> float:
    """The share of answers that turn from right to wrong or from wrong to right (Dutta et al. 2024), mean over seeds.

    dense, pruned: class ids (seeds, examples) of the same seeds in the same order. targets: class ids (examples,), or
        bool (examples, classes), which of them are right.
    A wrong answer that turns into another wrong one is no flip.
    """
    for answers in (dense, pruned):
        check_classes(answers)
    if dense.shape != pruned.shape or dense.shape[-1:] != targets.shape[:1]:
        raise PielabError(
            "predictions-of-other-shape",
            f"predictions {dense.shape}, {pruned.shape} and targets {targets.shape} do not fit",
            "give the predictions of the same seeds as (seeds, examples), and targets as (examples,)",
        )
    return float((agree(dense, targets) != agree(pruned, targets)).mean())


def spearman(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each example's classes, ranked by mean probability (Holste et al. 2023).

    dense, pruned: probabilities (seeds, examples, classes). Gives (examples,), between -1 and 1; NaN where all classes
    of one side are equal.
    """
    ranks = [stats.rankdata(probabilities.mean(axis=0), axis=1) for probabilities in (dense, pruned)]
    centred = [side - side.mean(axis=1, keepdims=True) for side in ranks]
    product = (centred[0] * centred[1]).sum(axis=1)
    scale = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    return np.divide(product, scale, out=np.full(len(product), np.nan), where=scale > 0)


def spearman_pies(dense: np.ndarray, pruned: np.ndarray, share: float = 0.05) -> np.ndarray:
    """The examples with the lowest rank correlation, bool (examples,): a fixed share of all (Holste et al. 2023)."""
    correlation = spearman(dense, pruned)
    lowest = np.zeros(len(correlation), dtype=bool)
    lowest[np.argsort(correlation, kind="stable")[: round(share * len(correlation))]] = True
    return lowest


def class_recall_test(dense: np.ndarray, pruned: np.ndarray, targets: np.ndarray) -> pd.DataFrame:
    """Which classes lose or gain more recall than accuracy as a whole does (Hooker et al. 2019, Welch's t-test).

    dense, pruned: class ids (seeds, examples), at least two seeds on each side. targets: class ids (examples,).
    One row for each class that has examples: class, examples, unpruned and pruned (mean recall), change (of recall,
    beyond the change of accuracy), p, and p_corrected for the number of classes (Benjamini and Hochberg 1995).
    """
    for answers in (dense, pruned):
        check_classes(answers)
    if min(len(dense), len(pruned)) < 2:
        raise PielabError(
            "too-few-seeds-to-test",
            f"{len(dense)} unpruned and {len(pruned)} pruned seeds are too few for a test over seeds",
            "give at least two seeds on each side",
        )
    rows = []
    for label in np.unique(targets):
        of_class = targets == label
        recalls = [(predicted[:, of_class] == label).mean(axis=1) for predicted in (dense, pruned)]
        accuracies = [(predicted == targets).mean(axis=1) for predicted in (dense, pruned)]
        shifted = [recall - accuracy for recall, accuracy in zip(recalls, accuracies, strict=True)]
        change = shifted[1].mean() - shifted[0].mean()
        varies = any(np.ptp(side) > 0 for side in shifted)
        p = stats.ttest_ind(*shifted, equal_var=False).pvalue if varies else float(change == 0)
        rows.append((label, int(of_class.sum()), recalls[0].mean(), recalls[1].mean(), change, p))
    table = pd.DataFrame(rows, columns=["class", "examples", "unpruned", "pruned", "change", "p"])
    return table.assign(p_corrected=stats.false_discovery_control(table["p"]))


def jensen_shannon(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """The Jensen-Shannon divergence in bits of the mean probabilities (Lin 1991), (examples,), from 0 to 1.

    dense, pruned: probabilities (seeds, examples, classes) that add up to one over the classes.
    """
    unpruned_mean, pruned_mean = dense.mean(axis=0), pruned.mean(axis=0)
    mixture = (unpruned_mean + pruned_mean) / 2
    divergences = [stats.entropy(side, mixture, base=2, axis=1) for side in (unpruned_mean, pruned_mean)]
    return sum(divergences) / 2


def kappa(dense: np.ndarray, pruned: np.ndarray) -> float:
    """Cohen's kappa of the two majority votes, agreement beyond chance (Cohen 1960); class ids (seeds, examples).

    Equal votes give 1, also where all are for one class and the formula would give 0 / 0.
    """
    unpruned_vote, pruned_vote = pies.majority(dense), pies.majority(pruned)
    equal = (unpruned_vote == pruned_vote).all()
    return 1.0 if equal else float(cohen_kappa_score(unpruned_vote, pruned_vote))


def compare_with_null(dense: Predictions, pruned: Predictions, targets: np.ndarray, n_splits: int = 20) -> pd.DataFrame:
    """These measures for one configuration, each beside its null: how much two sets of unpruned models differ.

    targets: class ids (examples,), or multi-hot (examples, classes). One row for each measure that the task has:
    measure; source; all_seeds, with every seed on both sides; halved and null, means over half-splits of the seeds, of
    unpruned halves against pruned ones and against unpruned ones. Those of probabilities are left out if a side has
    answers alone.
    """
    measures_of = MEASURES[dense.task]
    (dense, targets), (pruned, _) = (tasks.by_word(side, targets) for side in (dense, pruned))
    *answers, targets = numbered(dense.classes, pruned.classes, targets)
    of_sides = dense.logits, pruned.logits
    found = [tasks.TASKS[dense.task].probabilities(logits) for logits in of_sides if logits is not None]
    probabilities = found if len(found) == len(of_sides) else None
    all_seeds = np.ones(len(dense.seeds), dtype=bool)

    def between(first: np.ndarray, side: int, second: np.ndarray) -> dict[str, float]:
        both = (probabilities[0][first], probabilities[side][second]) if probabilities else None
        return measures_of(answers[0][first], answers[side][second], both, targets)

    splits = np.array(half_splits.half_splits(len(all_seeds), n_splits, np.random.default_rng(0)), dtype=bool)
    table = pd.DataFrame({"all_seeds": between(all_seeds, 1, all_seeds)})
    for name, side in (("halved", 1), ("null", 0)):
        table[name] = pd.DataFrame([between(first, side, second) for first, second in splits]).mean()
    table.insert(0, "source", table.index.map(SOURCES))
    return table.rename_axis("measure").reset_index()


SOURCES = {
    "flips": "Dutta et al. 2024",
    "Cohen's kappa of the votes": "Cohen 1960",
    "Jensen-Shannon divergence, bits": "Lin 1991",
    "rank correlation of the classes": "Holste et al. 2023",
    "of the 5 % least correlated, PIEs": "Holste et al. 2023",
}


# The probabilities of both sides, (seeds, examples, classes) each; None if they are not known.
Probabilities = tuple[np.ndarray, np.ndarray] | None


def _single_label_measures(
    dense: np.ndarray, pruned: np.ndarray, probabilities: Probabilities, targets: np.ndarray
) -> dict[str, float]:
    found = {"flips": flips(dense, pruned, targets), "Cohen's kappa of the votes": kappa(dense, pruned)}
    if probabilities:
        found["Jensen-Shannon divergence, bits"] = float(jensen_shannon(*probabilities).mean())
    return found


def _multi_label_measures(
    dense: np.ndarray, pruned: np.ndarray, probabilities: Probabilities, targets: np.ndarray
) -> dict[str, float]:
    if not probabilities:
        return {}
    correlation = float(np.nanmean(spearman(*probabilities)))
    lowest = spearman_pies(*probabilities)
    share = float(pies.find(dense, pruned)[lowest].mean()) if lowest.any() else float("nan")
    return {"rank correlation of the classes": correlation, "of the 5 % least correlated, PIEs": share}


# Those of tagged words are of each word.
MEASURES = {
    "single-label": _single_label_measures,
    "multi-label": _multi_label_measures,
    "tokens": _single_label_measures,
    "spans": _single_label_measures,
    "generation": _single_label_measures,
}
