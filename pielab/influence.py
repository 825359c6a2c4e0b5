"""Which training examples matter most for generalisation: EL2N (Section 4.2; Paul et al. 2021)."""

import numpy as np
import pandas as pd

from pielab.errors import PielabError


def el2n(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """EL2N of each example (examples,): the mean over initialisations of the L2 norm of p(x) - y (equation 1).

    probabilities: (seeds, examples, classes), softmax for one label, sigmoid for several, of unpruned models early in
        training. targets: (examples, classes), one-hot or multi-hot.
    """
    if probabilities.ndim != 3 or probabilities.shape[1:] != targets.shape:
        raise PielabError(
            f"probabilities {probabilities.shape} and targets {targets.shape} do not fit: give (seeds, examples, "
            f"classes) and (examples, classes)."
        )
    return np.linalg.norm(probabilities - targets, axis=2).mean(axis=0)


def bins(scores: np.ndarray, number: int = 20) -> np.ndarray:
    """The bin of each example (examples,), 0 for the lowest scores: by rank, so that all bins are equally full."""
    ranks = pd.Series(scores).rank(method="first").to_numpy() - 1
    return (ranks * number // len(scores)).astype(int)


def by_bin(places: np.ndarray, **shares: np.ndarray) -> pd.DataFrame:
    """The mean of some shares in each bin of EL2N (Figure 4): columns bin (from 1), examples, and one for each share.

    places: (examples,), as `bins` gives them. shares: (examples,) each, such as whether the example is a PIE.
    """
    frame = pd.DataFrame({"bin": places + 1, **shares})
    grouped = frame.groupby("bin")
    return grouped.mean().assign(examples=grouped.size()).reset_index()
