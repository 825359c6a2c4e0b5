"""Answers to questions, each a part of its question's context: those of people, and those of models."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class GoldAnswers:
    """The answers of each question, of several people perhaps, and none to a question that its context cannot answer.

    texts: the answers as the context has them. starts: where each begins in the context, in characters from 0.
    asked: what each question asks for (`questions.word`), by which questions are counted; empty where none are.
    """

    texts: tuple[tuple[str, ...], ...] = field(repr=False)
    starts: tuple[tuple[int, ...], ...] = field(repr=False)
    asked: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __len__(self) -> int:
        """How many questions."""
        return len(self.texts)

    def __getitem__(self, chosen: slice | np.ndarray) -> "GoldAnswers":
        """The answers of the chosen questions, in the order given.

        chosen: a slice, places, or bool for each question.
        """
        places = np.arange(len(self))[chosen].tolist()
        texts, starts = (tuple(column[place] for place in places) for column in (self.texts, self.starts))
        return GoldAnswers(texts, starts, tuple(self.asked[place] for place in places if self.asked))

    @property
    def as_models(self) -> "SpanAnswers":
        """The same as if models had given them, (most answers of a question, questions); the first once more if a
        question has fewer, and no answer if it has none."""
        shape = max([1, *map(len, self.texts)]), len(self)
        texts, starts = np.full(shape, "", dtype=object), np.full(shape, -1, dtype=np.int64)
        for question, (answers, places) in enumerate(zip(self.texts, self.starts, strict=True)):
            if answers:
                texts[:, question], starts[:, question] = answers[0], places[0]
                texts[: len(answers), question], starts[: len(answers), question] = answers, places
        return SpanAnswers(texts, starts, np.zeros(shape, dtype=np.float32))

    def tobytes(self) -> bytes:
        """All texts and starts, for a digest; the same on every machine."""
        return json.dumps([self.texts, self.starts]).encode()


@dataclass(frozen=True)
class SpanAnswers:
    """The answers of one or several models to questions, each a part of its question's context.

    texts: (questions,) or (seeds, questions) of strings, as the context has them; "" is no answer. starts: int64 of the
    same shape, where each begins in the context, in characters; -1 for no answer. scores: float32 of the same shape,
    the sum of the logits of its start and its end.
    """

    texts: np.ndarray = field(repr=False)
    starts: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, chosen: Any) -> "SpanAnswers":
        return SpanAnswers(self.texts[chosen], self.starts[chosen], self.scores[chosen])

    @property
    def shape(self) -> tuple[int, ...]:
        return self.texts.shape

    @classmethod
    def stack(cls, of_seeds: "Sequence[SpanAnswers]") -> "SpanAnswers":
        """The answers of several models, (seeds, questions)."""
        return cls(*(np.stack([getattr(each, name) for each in of_seeds]) for name in ("texts", "starts", "scores")))
