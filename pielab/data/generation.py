"""Texts that are generated from other texts: when one is right, what they are counted by, and metrics."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.data import chrf, distinct_texts
from pielab.data.answer_texts import normalised_text
from pielab.data.words import words
from pielab.errors import PielabError, missing_package, warn
from pielab.store.text_answers import GoldTexts, TextAnswers

if TYPE_CHECKING:
    from datasets import Dataset

CLASSES = ("wrong", "right")
# The most tokens of a text, unless max_answer_tokens says otherwise.
MAX_ANSWER_TOKENS = 64
# How many words the text has that models learn from, by which texts are counted: up to each number, and more.
MOST_WORDS = (10, 20, 40)
LENGTHS = ("1 to 10 words", "11 to 20 words", "21 to 40 words", "over 40 words")


def feature() -> Any:
    """The feature of a column of targets."""
    from datasets import List, Value  # here, because it takes a second

    return List(Value("string"))


def gold_texts(split: "Dataset") -> GoldTexts:
    """The texts of a split that people wrote."""
    return GoldTexts(tuple(map(tuple, split["targets"])))


def lengths(targets: GoldTexts) -> np.ndarray:
    """The place in `LENGTHS` of each source's first text, (examples,)."""
    numbers = [len(words(texts[0])) for texts in targets.texts]
    return np.searchsorted(MOST_WORDS, numbers, side="left").astype(np.int64)


def counts(targets: GoldTexts) -> tuple[list[str], np.ndarray]:
    """How many sources have a first text of each length, and how many have several texts, with the names of these."""
    several = sum(len(texts) > 1 for texts in targets.texts)
    return [*LENGTHS, "with several targets"], np.array([*np.bincount(lengths(targets), minlength=4), several])


def kinds(targets: GoldTexts) -> tuple[list[str], np.ndarray]:
    """`LENGTHS`, and for each source which of them its first text has, (examples, lengths) of 0 and 1."""
    return list(LENGTHS), np.eye(len(LENGTHS))[lengths(targets)]


def nearness(texts: Sequence[str], targets: GoldTexts) -> np.ndarray:
    """How like each text is to the most like one that people wrote for its source, (examples,) float32 from 0 to 1.

    The mean of chrF in both directions, of texts as `normalised_text` has them.
    """
    found = [_nearest(text, frozenset(written)) for text, written in zip(texts, targets.texts, strict=True)]
    return np.array(found, dtype=np.float32)


# Models often write the same for a source, which stands in several rows of a training split.
@functools.lru_cache(maxsize=2**16)
def _nearest(text: str, written: frozenset[str]) -> float:
    return float(chrf.similarities(list(map(normalised_text, (text, *sorted(written)))))[0, 1:].max())


def threshold(answers: TextAnswers, targets: GoldTexts) -> float:
    """The median nearness of one model's texts, from which on a text is right."""
    return median(answers.nearness)


def median(nearness: np.ndarray) -> float:
    """The median, from which on a text is right; warns if it is 0, as of models that write nothing."""
    found = float(np.median(nearness)) if nearness.size else 0.0
    if nearness.size and not found:
        warn(
            "half of the texts that the models wrote have nothing in common with people's, so that the threshold is 0, "
            "and all others are right; train the models for longer, or with another learning rate"
        )
    return found


def is_right(nearness: np.ndarray, threshold: float) -> np.ndarray:
    """Whether texts of that nearness are right, bool; one that has nothing in common with people's never is."""
    return (nearness >= np.float32(threshold)) & (nearness > 0)


def right_or_wrong(*answers: TextAnswers | GoldTexts | None) -> list[Any]:
    """Whether texts are right, as ids of `CLASSES`, (seeds, examples) int64; of people's texts all are, (examples,).

    Those of all sides are judged by the threshold of the first one that has one: the unpruned models.

    Raises PielabError if none has.
    """
    sides = [each for each in answers if isinstance(each, TextAnswers)]
    threshold = next((side.threshold for side in sides if side.threshold is not None), None)
    if sides and threshold is None:
        raise PielabError(
            "texts-without-threshold",
            "generated texts were given without those of the unpruned models, whose threshold tells which are right",
            "give the unpruned models' texts first, or a threshold by judged_from",
        )
    return [
        np.ones(len(each), dtype=np.int64)
        if isinstance(each, GoldTexts)
        else None
        if each is None
        else is_right(each.nearness, threshold or 0.0).astype(np.int64)
        for each in answers
    ]


def numbered(*answers: TextAnswers | None) -> tuple[list[Any], list[list[str]]]:
    """The texts of several sides by number, (seeds, examples), and those of each example by number, normalised.

    Texts that are the same but for what `normalised_text` takes away have the same number.
    """
    known: dict[str, str] = {}
    given = {place: each for place, each in enumerate(answers) if each is not None}
    for each in given.values():
        known |= {text: normalised_text(text) for text in set(each.texts.flat) - known.keys()}
    texts = [np.frompyfunc(known.__getitem__, 1, 1)(each.texts) for each in given.values()]
    ids, distinct = distinct_texts.numbered(*texts)
    found: list[Any] = [None] * len(answers)
    for place, own in zip(given, ids, strict=True):
        found[place] = own
    return found, distinct


def mean_chrf(answers: TextAnswers, targets: GoldTexts) -> float:
    """The mean over texts of sacrebleu's sentence chrF, the largest of those against people's texts, from 0 to 1."""
    return float(np.mean([chrf.chrf(*given) for given in zip(answers.texts, targets.texts, strict=True)]))


def bleu(answers: TextAnswers, targets: GoldTexts) -> float:
    """sacrebleu's BLEU of all texts together, each against all those that people wrote for its source, from 0 to 1.

    Raises PielabError if sacrebleu is not installed.
    """
    with missing_package():
        from sacrebleu import corpus_bleu  # here, because it is an extra
    most = max(map(len, targets.texts))
    # None where a source has fewer texts than others: beside an empty one no answer would be too short.
    references: Any = [
        [texts[place] if place < len(texts) else None for texts in targets.texts] for place in range(most)
    ]
    # force: without a warning that texts seem to be split into words already.
    score = corpus_bleu(list(answers.texts), references, force=True).score
    return min(score / 100, 1.0)  # which rounding exceeds
