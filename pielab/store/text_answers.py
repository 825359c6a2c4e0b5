"""Texts that are generated from other texts: those that people wrote, and those of models."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class GoldTexts:
    """The texts that people wrote for each source, one at least; the first one is that which models learn from."""

    texts: tuple[tuple[str, ...], ...] = field(repr=False)

    def __len__(self) -> int:
        """How many sources."""
        return len(self.texts)

    def __getitem__(self, chosen: slice | np.ndarray) -> "GoldTexts":
        """The texts of the chosen sources, in the order given; chosen: a slice, places, or bool for each source."""
        return GoldTexts(tuple(self.texts[place] for place in np.arange(len(self))[chosen].tolist()))

    def tobytes(self) -> bytes:
        """All texts, for a digest; the same on every machine."""
        return json.dumps(self.texts).encode()


@dataclass(frozen=True)
class TextAnswers:
    """The texts that one or several models generated.

    texts: (examples,) or (seeds, examples) of strings. nearness: float32 of the same shape, how like a text is to the
    most like one that people wrote (`generation.nearness`), from 0 to 1. scores, target_scores: float32 of the same
    shape, the mean log-probability of a token of the text, and of the text that models learn from; NaN if not known.
    threshold: the nearness from which on a text is right, that of the unpruned models; None of pruned models, which are
    judged by that of the unpruned ones.
    """

    texts: np.ndarray = field(repr=False)
    nearness: np.ndarray = field(repr=False)
    scores: np.ndarray = field(repr=False)
    target_scores: np.ndarray = field(repr=False)
    threshold: float | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, chosen: Any) -> "TextAnswers":
        columns = (self.texts, self.nearness, self.scores, self.target_scores)
        return TextAnswers(*(column[chosen] for column in columns), threshold=self.threshold)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.texts.shape

    def judged_from(self, threshold: float | None) -> "TextAnswers":
        """The same with another threshold."""
        return replace(self, threshold=threshold)

    @classmethod
    def stack(cls, of_seeds: "Sequence[TextAnswers]") -> "TextAnswers":
        """The texts of several models, (seeds, examples); their threshold is the median of theirs."""
        names = ("texts", "nearness", "scores", "target_scores")
        given = [each.threshold for each in of_seeds if each.threshold is not None]
        threshold = float(np.median(given)) if len(given) == len(of_seeds) else None
        return cls(*(np.stack([getattr(each, name) for each in of_seeds]) for name in names), threshold=threshold)
