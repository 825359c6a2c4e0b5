"""What is given as logits and is none: probabilities, votes, losses, and answers as two numbers."""

import numpy as np

from pielab.errors import PielabError


def check_logits(logits: dict[str, np.ndarray], multi_label: bool) -> None:
    """Raises PielabError for probabilities or their logarithms, where these are not as good as logits.

    logits: (seeds, examples, classes), by the name that messages give them. multi_label: whether texts have several.
    """
    for split, values in logits.items():
        low, high, sums = values.min(), values.max(), values.sum(axis=2, dtype=np.float64)
        # Class ids as a 1 among zeros are logits; votes and percentages have the same sum in each row.
        not_ids, alike = (values > 0).sum(axis=2).max() > 1, np.allclose(sums, sums.mean(), rtol=0.01, atol=0)
        if low >= 0 and (multi_label or (not_ids and (high <= 1 or alike))):
            raise PielabError(
                "probabilities-for-logits",
                f"the {split} logits are from {low:g} to {high:g}, as probabilities, votes or answers are",
                "give np.log(p) of probabilities p if texts have one label, or np.log(p / (1 - p)) of several labels', "
                "with p clipped, such as p.clip(1e-6, 1 - 1e-6); and answers as answers, not as logits",
            )
        if not multi_label and low >= 0 and np.allclose(np.exp(-values).sum(axis=2), 1, atol=0.01):
            raise PielabError(
                "losses-for-logits", f"the {split} logits are negative logarithms of probabilities", "negate them"
            )
    # A model that predicts nothing has logits below 0 as well; log-probabilities of a half or more are above -0.7.
    highest = max((float(values.max()) for values in logits.values()), default=np.inf)
    if multi_label and np.log(0.5) <= highest <= 0:
        raise PielabError(
            "log-probabilities-for-logits",
            f"no logit is above 0, the highest is {highest:g}, as of log-probabilities, and texts have several labels",
            "give np.log(p / (1 - p)) of the probabilities p, clipped to p.clip(1e-6, 1 - 1e-6)",
        )


def two_numbers(logits: np.ndarray, multi_label: bool) -> bool:
    """Whether logits (seeds, examples, classes) are two numbers alone, which tell an answer and no probabilities.

    If texts have one label, each has the higher number for one class, as class ids in one-hot form do.
    """
    low, high = logits.min(), logits.max()
    if low == high or not ((logits == low) | (logits == high)).all():
        return False
    return multi_label or bool(((logits == high).sum(axis=2) == 1).all())
