"""The texts that several runs answered, in one numbering, and which of them are right."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pielab.data import chrf, distinct_texts, generation, text_files, votes
from pielab.data.answer_texts import token_f1
from pielab.data.distinct_texts import Similarity
from pielab.errors import PielabError
from pielab.store.span_answers import GoldAnswers, SpanAnswers
from pielab.store.text_answers import GoldTexts, TextAnswers


@dataclass(frozen=True)
class Texts:
    """The answers of several runs to the same examples.

    task: of `text_files`. before, after: (runs, examples) strings, as they are written. ids: of both sides, the same,
    by number. distinct: those of each example by number, normalised. gold: the right answers, or what people wrote; and
    right: bool (examples, numbers), which are right. None if that is not known. threshold: of generated texts, the
    nearness to people's texts from which on one is right, the median of the runs before.
    """

    task: str
    before: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    ids: tuple[np.ndarray, np.ndarray] = field(repr=False)
    distinct: list[list[str]] = field(repr=False)
    gold: Sequence[tuple[str, ...]] | None = field(repr=False)
    right: np.ndarray | None = field(repr=False)
    threshold: float | None = None

    @functools.cached_property
    def similarities(self) -> np.ndarray:
        """How like each other the answers are, (examples, numbers, numbers)."""
        return distinct_texts.similarities(self.distinct, SIMILARITIES[self.task])


# Of questions the F1 of words, of generated texts chrF.
SIMILARITIES: dict[str, Similarity] = {
    text_files.QUESTIONS: distinct_texts.of_pairs(token_f1),
    text_files.GENERATION: chrf.similarities,
}


def together(task: str, before: np.ndarray, after: np.ndarray, gold: Sequence[tuple[str, ...]] | None) -> Texts:
    """The texts of both sides, (runs, examples), numbered within each example.

    gold: the right answers of each, perhaps none to a question. Raises PielabError for a source without any.
    """
    return _TOGETHER[task](before, after, gold)


def _questions(before: np.ndarray, after: np.ndarray, gold: Sequence[tuple[str, ...]] | None) -> Texts:
    def answers(texts: np.ndarray) -> SpanAnswers:
        # Where an answer stands is not known, and decides nothing here.
        return SpanAnswers(texts, np.zeros(texts.shape, dtype=np.int64), np.zeros(texts.shape, dtype=np.float32))

    people = None if gold is None else GoldAnswers(tuple(gold), tuple((0,) * len(texts) for texts in gold))
    (one, other, right), distinct = votes.numbered_spans(answers(before), answers(after), people)
    return Texts(text_files.QUESTIONS, before, after, (one, other), distinct, gold, right)


def _generated(before: np.ndarray, after: np.ndarray, gold: Sequence[tuple[str, ...]] | None) -> Texts:
    unknown = np.full(len(before[0]), np.nan, dtype=np.float32)
    sides = [TextAnswers(side, *[np.broadcast_to(unknown, side.shape)] * 3) for side in (before, after)]
    (one, other), distinct = generation.numbered(*sides)
    if gold is None:
        return Texts(text_files.GENERATION, before, after, (one, other), distinct, None, None)
    if () in gold:
        raise PielabError(
            "texts-without-references",
            f"the references have none for text {list(gold).index(())}, counted from 0",
            "give one text that people wrote, at least, for each, or none at all",
        )
    near = np.zeros((len(distinct), max(map(len, distinct), default=0)), dtype=np.float32)
    for texts, ids in zip([*before, *after], [*one, *other], strict=True):
        near[np.arange(len(ids)), ids] = generation.nearness(texts, GoldTexts(tuple(gold)))
    threshold = generation.median(near[np.arange(len(distinct)), one])
    right = generation.is_right(near, threshold)
    return Texts(text_files.GENERATION, before, after, (one, other), distinct, gold, right, threshold)


_TOGETHER: dict[str, Callable[..., Texts]] = {text_files.QUESTIONS: _questions, text_files.GENERATION: _generated}
