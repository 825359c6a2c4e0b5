"""Which training examples matter most for generalisation: EL2N (Section 4.2; Paul et al. 2021)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pielab.analysis import intervals, null, pies, results
from pielab.config.parameters import InfluenceParameters, PairParameters
from pielab.config.types import format_seeds
from pielab.data import datasets, tasks
from pielab.errors import PielabError
from pielab.store import predictions

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict


def el2n(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """EL2N of each example (examples,): the mean over initialisations of the L2 norm of p(x) - y (equation 1).

    probabilities: (seeds, examples, classes) of unpruned models early in training: softmax for single-label tasks,
        sigmoid for multi-label ones. targets: (examples, classes), one-hot or multi-hot.
    """
    if probabilities.ndim != 3 or probabilities.shape[1:] != targets.shape:
        raise PielabError(
            "probabilities-of-other-shape",
            f"probabilities {probabilities.shape} and targets {targets.shape} do not fit",
            "give (seeds, examples, classes) and (examples, classes)",
        )
    return np.linalg.norm(probabilities - targets, axis=2).mean(axis=0)


def bins(scores: np.ndarray, number: int = 20) -> np.ndarray:
    """The bin of each example (examples,), 0 for the lowest scores: by rank, so that all bins are equally full."""
    ranks = pd.Series(scores).rank(method="first").to_numpy() - 1
    return (ranks * number // len(scores)).astype(int)


def by_bin(places: np.ndarray, **shares: np.ndarray) -> pd.DataFrame:
    """The mean of each share in each bin of EL2N (Figure 4): columns bin (from 1), examples, and one for each share.

    places: (examples,), as `bins` gives them. shares: (examples,) each, for instance whether an example is a PIE.
    """
    frame = pd.DataFrame({"bin": places + 1, **shares})
    grouped = frame.groupby("bin")
    return grouped.mean().assign(examples=grouped.size()).reset_index()


def scores(p: PairParameters, data: "DatasetDict") -> np.ndarray:
    """EL2N of the training examples (examples,), from the unpruned models' early predictions (Section 4.2)."""
    early = predictions.read_seeds(p.dense_folder, p.seeds, "early")
    results.check_same_data(data, early, early, split="train")
    return error_norms_of(p.dense_folder, early, "early", datasets.targets(data["train"]))


def extremes(scores: np.ndarray, split: "Dataset", number: int = 3, characters: int = 200) -> pd.DataFrame:
    """The texts with the lowest and with the highest EL2N, `number` each; columns EL2N, label, text (cut).

    label: the text's classes, the types of a sentence's entities, or the question word.
    """
    order = np.argsort(scores, kind="stable")
    places = [*order[:number], *order[max(number, len(order) - number) :]]
    chosen, task = split.select(places), tasks.of_split(split)
    targets = task.targets(chosen)
    names, _ = task.kinds(targets, task.class_names(split))
    return pd.DataFrame(
        {
            "EL2N": scores[places],
            "label": [", ".join(names[each] for each in np.atleast_1d(ids)) for ids in task.ids(targets)],
            "text": [text[:characters] for text in datasets.joined_texts(chosen)],
        }
    )


def error_norms(runs: predictions.Predictions, targets: np.ndarray) -> np.ndarray:
    """The mean over seeds of the L2 norm of p(x) - y, (examples,): EL2N if the runs are early ones of the training set.

    targets: class ids (examples,), or multi-hot (examples, classes); or Tags, and the mean over a sentence's words.

    Raises PielabError if the runs have neither logits nor error norms.
    """
    if runs.error_norms is not None:
        return runs.error_norms.astype(np.float64).mean(axis=0)
    if runs.logits is None:
        raise predictions.logits_not_kept(f"the predictions of the seeds {format_seeds(runs.seeds)}")
    task = tasks.TASKS[runs.task]
    hot = task.hot(targets, runs.shape[2])
    # One seed at a time, because the probabilities of all seeds take several times the memory of their logits.
    norms = [el2n(task.probabilities(logits)[None], hot) for logits in runs.logits]
    return task.by_example(np.mean(norms, axis=0), targets)


def error_norms_of(folder: Path, runs: predictions.Predictions, split: str, targets: np.ndarray) -> np.ndarray:
    """`error_norms` of a configuration's runs, as they are read from its folder.

    Each seed has its own, because some may have been restored from an archive without logits, and others not.
    """
    if runs.logits is not None or runs.error_norms is not None:
        return error_norms(runs, targets)
    of_seed = [error_norms(predictions.read_seeds(folder, (seed,), split), targets) for seed in runs.seeds]
    return np.mean(of_seed, axis=0)


def by_configuration(
    p: InfluenceParameters, scores: np.ndarray, confidence: float = intervals.RECORDED
) -> pd.DataFrame:
    """The share of PIEs among the training examples of each bin of EL2N (Figure 4), beside its null.

    One row for each configuration and bin: pruner, threshold, bin, examples, pies (all seeds on both sides), p_pie and
    p_null (over half-splits of the seeds, as in null.Null), their difference excess with an interval from low to high
    (bootstrap over seeds) and its level, confidence; and seeds, their number.
    """
    dense = predictions.read_seeds(p.dense_folder, p.seeds, "train").classes
    places, parts = bins(scores, p.bins), []
    for folder, summary in results.pair_configurations(p):
        pruned = predictions.read_seeds(folder, p.seeds, "train").classes
        p_pie, p_null, excess = null.excess_by_group(
            dense, pruned, places, n_splits=p.n_splits, n_bootstrap=p.n_bootstrap, confidence=confidence
        )
        table = by_bin(places, pies=pies.find(dense, pruned), p_pie=p_pie, p_null=p_null)
        parts.append(table.join(excess).assign(**results.configuration_of(summary), seeds=len(p.seeds)))
    return pd.concat(parts, ignore_index=True)
