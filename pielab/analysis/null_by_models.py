"""How often two majorities of models that were trained alike differ, by the number of models that vote on a side."""

import numpy as np
import pandas as pd

from pielab.analysis import agreement, half_splits, intervals
from pielab.analysis.half_splits import HalfSplits
from pielab.data import tasks

ANSWERS, CORRECTNESS = "majority answers", "correctness of the majority"
# On how many of MNLI's texts, in percent, the correctness of two majorities of BERTs differs that were fine-tuned from
# the same weights, by models on a side; from the answers of 100 BERTs (McCoy, Min and Linzen 2020).
BERTS_ON_MNLI = {1: 6.28, 4: 4.03, 8: 2.78, 15: 1.91, 30: 1.37}


def estimate(
    answers: np.ndarray, targets: np.ndarray | None = None, n_splits: int = 200, seed: int = 0
) -> pd.DataFrame:
    """The share of texts on which two majorities differ, and on which only one of them is right, in percent.

    answers: class ids (seeds, examples), or bool (seeds, examples, classes), of four seeds at least. targets: class ids
        (examples,), for answers that are class ids; None to leave out who is right. n_splits: how many ways to draw two
        sides without a common seed.

    One row for each quantity and number of models on a side, from 1 to half of the seeds: quantity, models, splits,
    estimate, low, high. The 95 % interval varies the seeds; with one model on a side it is that of single models, else
    that of leaving out one seed, which errs on the wide side the more, the more models vote (docs/null.md).
    """
    names = [ANSWERS] if targets is None else [ANSWERS, CORRECTNESS]
    rows, random = _of_single_models(answers, targets), np.random.default_rng(seed)
    left_out = 1 - np.eye(len(answers), dtype=int)
    for models in range(2, len(answers) // 2 + 1):
        averaged = half_splits.half_splits(len(answers), n_splits, random, models)
        without = [[(first * kept, second * kept) for first, second in averaged] for kept in left_out]
        splits = HalfSplits(len(answers), averaged, without, [])
        shares = 100 * _differing(answers, targets, splits) / answers.shape[1]
        found = half_splits.interval(lambda values: values, shares, splits)
        rows += [(name, models, len(averaged), *values) for name, *values in zip(names, *found, strict=False)]
    table = pd.DataFrame(rows, columns=["quantity", "models", "splits", "estimate", "low", "high"])
    return table.assign(low=table["low"].clip(lower=0), high=table["high"].clip(upper=100))


def _of_single_models(answers: np.ndarray, targets: np.ndarray | None) -> list[tuple]:
    """The rows of one model on a side: the mean over all pairs."""
    compared = {ANSWERS: answers}
    if targets is not None:
        compared[CORRECTNESS] = (answers == targets).astype(int)
    rows, (seeds, texts) = [], answers.shape[:2]
    for name, given in compared.items():
        (kernel,) = agreement.pair_sums(agreement.count(given)) * 50 / texts
        share = kernel.sum() / (seeds * (seeds - 1))
        (width,) = intervals.half_width(np.sqrt(agreement.seed_variance(kernel[None])), seeds - 1)
        rows.append((name, 1, seeds * (seeds - 1), share, share - width, share + width))
    return rows


def _differing(answers: np.ndarray, targets: np.ndarray | None, splits: HalfSplits) -> np.ndarray:
    """On how many texts the majorities of both sides, and their correctness, differ, (half-splits, 2)."""
    first, second = (np.array(side, dtype=np.float32) for side in zip(*splits.all, strict=True))
    found = np.zeros((len(first), 2))
    task, targets = tasks.of_answers(answers), answers[0] if targets is None else targets
    for differ, _, one, other in task.judged_disagreements(answers, answers, targets, first, second):
        found += np.transpose([differ.sum(axis=1), (one != other).sum(axis=1)])
    return found
