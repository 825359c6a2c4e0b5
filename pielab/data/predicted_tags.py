"""The tags that a model gives words, as the columns of a file of predictions, and how right they are."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from pielab.data import tagged, tasks
from pielab.data.prediction_texts import PredictionTexts
from pielab.store.entities import OUTSIDE, Tags


def columns(texts: PredictionTexts, answers: np.ndarray, classes: Sequence[str]) -> tuple[dict[str, Sequence], str]:
    """The columns id, words, label with gold tags, and prediction, lists of tags; and the score in words.

    answers: places in classes, (words,).
    """
    words = texts.words or []
    parts = np.split(np.array(classes, dtype=object)[answers], np.cumsum(list(map(len, words)))[:-1])
    predicted = [part.tolist() for part in parts]
    found: dict[str, Sequence] = {"id": texts.ids, "words": words}
    if texts.tags is None:
        return found | {"prediction": predicted}, "no gold labels"
    # The model's tags may be those of another scheme, and its types others than the data's.
    said = tagged.bio(words, predicted, texts.where)
    names = [OUTSIDE, *sorted(set(chain.from_iterable([*said, *texts.tags])) - {OUTSIDE})]
    sides = [
        Tags.of_sentences([[names.index(tag) for tag in row] for row in rows], names) for rows in (said, texts.tags)
    ]
    score = f"{tasks.TOKENS.metric} {100 * tasks.TOKENS.score(sides[0].ids, sides[1]):.1f} %"
    return found | {"label": [list(row) for row in texts.tags], "prediction": predicted}, score
