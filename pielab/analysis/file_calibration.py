"""How well probabilities are calibrated, before and after, of two models whose logits are in files."""

import numpy as np
import pandas as pd
from scipy import special

from pielab.analysis import null, paired_change
from pielab.analysis.exact import welch
from pielab.analysis.paired_change import CALIBRATION
from pielab.data.paired_answers import PairedAnswers
from pielab.store.predictions import Predictions

COLUMNS = ["measure", "quantity", "estimate", "low", "high"]


def unknown_label(answers: PairedAnswers) -> str | None:
    """A label of which it is not known which logit is its own; None if each is known, or there are no labels."""
    labels = () if answers.targets is None else np.unique(answers.targets)
    names = (answers.classes[label] for label in labels)
    return next((name for name in names if name not in (answers.logit_classes or ())), None)


def compare(answers: PairedAnswers) -> pd.DataFrame | None:
    """Each measure of `CALIBRATION`, as `paired_change.between` defines it, before and after, and the difference.

    Columns `COLUMNS`; quantity is "before", "after" or "difference". With one run a side, the intervals of the Brier
    score, a mean over texts, are Student's t, for texts to come; the expected calibration error has none, because it is
    too large in few texts, even if all probabilities are right, and resampled texts make it larger still. With several
    runs they are for other runs at these texts. None without logits or labels, or if `unknown_label` gives one.
    """
    if answers.before_logits is None or answers.after_logits is None or answers.logit_classes is None:
        return None
    if answers.targets is None or unknown_label(answers):
        return None
    places = {name: place for place, name in enumerate(answers.logit_classes)}
    targets = np.array([places.get(name, -1) for name in answers.classes])[answers.targets]
    sides = answers.before_logits, answers.after_logits
    runs = [_of_runs(side, targets) for side in sides]
    rows = []
    for measure in CALIBRATION:
        before, after = (side[f"{measure} before"].to_numpy() for side in runs)
        if len(before) == len(after) == 1:
            estimates = before[0], after[0], after[0] - before[0]
            ends = [(estimate, np.nan, np.nan) for estimate in estimates]
            if measure == "Brier score":
                first, second = (_brier_of_texts(side[0], targets) for side in sides)
                ends = [null.seed_interval(of_texts) for of_texts in (first, second, second - first)]
        else:
            is_paired = len(before) == len(after)
            difference = null.seed_interval(after - before) if is_paired else welch(before, after)
            ends = [null.seed_interval(before), null.seed_interval(after), difference]
        quantities = zip(("before", "after", "difference"), ends, strict=True)
        rows += [(measure, quantity, *row) for quantity, row in quantities]
    table = pd.DataFrame(rows, columns=COLUMNS)
    scores = table["quantity"] != "difference"
    table.loc[scores, "low"] = table.loc[scores, "low"].clip(lower=0)
    return table


def _of_runs(logits: np.ndarray, targets: np.ndarray) -> pd.DataFrame:
    """The measures of each run of one side, from logits (runs, texts, classes)."""
    side = Predictions(logits, tuple(range(len(logits))))
    return paired_change.by_seed(side, side, targets)


def _brier_of_texts(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The Brier score of each text, (texts,), from logits (texts, classes)."""
    probabilities = special.softmax(logits.astype(np.float64), axis=-1)
    own = probabilities[np.arange(len(targets)), targets]
    return (probabilities**2).sum(axis=-1) - 2 * own + 1
