"""The consensus of models whose answers are texts: the medoid, the text that is most like those of the other models.

Where a vote counts equal answers, a medoid adds up similar ones; with a similarity of 0 and 1 it is the majority.
"""

import numpy as np

from pielab.errors import PielabError

# Both texts of two are as like the other, so that the rule of ties would choose.
LEAST_MODELS = 3
# Less than any difference of similarities, which are multiples of 2^-20, even times the largest number of a text.
_TIE = 2.0**-40


def of_models(ids: np.ndarray, similarities: np.ndarray) -> np.ndarray:
    """The medoid of each example, (examples,): the text with the largest mean similarity to those of the other models.

    Ties go to the smallest number. ids, similarities: as in `of_subsets`. Raises PielabError for fewer than three
    models.
    """
    return of_subsets(ids, similarities, np.ones((1, len(ids))))[0]


def of_subsets(ids: np.ndarray, similarities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The medoids of many subsets of the models, such as one side of half-splits, (subsets, examples) numbers of texts.

    ids: numbers of the texts of each example, (models, examples). similarities: (examples, texts, texts), 1 for a text
        and itself. Both as `data.distinct_texts` gives them. weights: (subsets, models), whole numbers, how often each
        model is in a subset.

    Raises PielabError if no subset has three models. Where others do, a subset may have fewer, because a seed is left
    out or drawn twice; the medoid of two texts is the one with the smaller number.
    """
    most = int((weights > 0).sum(axis=1).max(initial=0))
    if most < LEAST_MODELS:
        raise PielabError(
            "too-few-models-for-a-medoid",
            f"of the texts of {most} models none is more like the others",
            "give at least three models on each side, and six seeds where halves of them are compared",
        )
    weights, found = weights.astype(np.float64), np.tile(ids[0], (len(weights), 1))
    absent = weights == 0
    for example in np.flatnonzero((ids != ids[0]).any(axis=0)):
        own = ids[:, example]
        # A text's similarity to itself is in every sum once, so that the largest sum is that over the others too.
        sums = weights @ similarities[example][np.ix_(own, own)].astype(np.float64) - _TIE * own
        sums[absent] = -np.inf
        found[:, example] = own[sums.argmax(axis=1)]
    return found
