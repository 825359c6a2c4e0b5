"""Predictions in memory: those of one file, and those of several seeds."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pielab.errors import PielabError
from pielab.store import entities, records
from pielab.store.probabilities import ANSWERS, sigmoid, softmax
from pielab.store.span_answers import SpanAnswers
from pielab.store.text_answers import TextAnswers


@dataclass(frozen=True)
class Predictions:
    """The predictions of one configuration's seeds on one split: logits, or answers if some seeds have no logits.

    logits: (seeds, examples, classes) float32, or None; of tagged words, words in place of examples.
    decision_thresholds: (seeds,), the probability above which a class is predicted if multi-label; else None.
    data_digest: the hash of the texts and labels, if the files have one.
    answers: in place of logits, class ids (seeds, examples), or bool (seeds, examples, classes), with n_classes; or
        SpanAnswers of questions, or TextAnswers.
    error_norms: (seeds, examples) float32, the L2 norm of p(x) - y, if the files of answers have it.
    stored_digests: of each seed's logits, where these are not there; None where it is not known.
    starts, tags: of tagged words, where each sentence begins, and the names of the tags (`entities.Tags`).
    """

    logits: np.ndarray | None
    seeds: tuple[int, ...]
    decision_thresholds: np.ndarray | None = None
    data_digest: str | None = None
    answers: np.ndarray | SpanAnswers | TextAnswers | None = None
    n_classes: int | None = None
    error_norms: np.ndarray | None = None
    stored_digests: tuple[str | None, ...] = ()
    starts: np.ndarray | None = None
    tags: tuple[str, ...] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many seeds, examples and classes, or tags; a question's answer has a start and an end, as two classes,
        and a generated text is wrong or right."""
        if isinstance(self.answers, SpanAnswers | TextAnswers):
            seeds, questions = self.answers.shape
            return seeds, questions, 2
        seeds, examples, *classes = (self._answers if self.logits is None else self.logits).shape
        examples = examples if self.starts is None else len(self.starts) - 1
        return seeds, examples, *(classes or [self.n_classes])

    @property
    def task(self) -> str:
        """The task's name in `data.tasks`."""
        if self.starts is not None:
            return "tokens"
        if isinstance(self.answers, SpanAnswers | TextAnswers):
            return "spans" if isinstance(self.answers, SpanAnswers) else "generation"
        sets = self.decision_thresholds is not None if self.answers is None else self.answers.ndim == 3
        return "multi-label" if sets else "single-label"

    @property
    def classes(self) -> Any:
        """Class ids (seeds, examples), bool (seeds, examples, classes) if multi-label, EntitySets, SpanAnswers or
        TextAnswers."""
        return self._answers if self.starts is None else entities.sets_of(self.tagged)

    @property
    def tagged(self) -> entities.Tags:
        """The tags of the words, of all seeds."""
        return entities.Tags(self._answers, np.asarray(self.starts), self.tags or ())

    @property
    def by_word(self) -> "Predictions":
        """The same predictions of tagged words with each word as an example, of one label, its tag."""
        return replace(self, starts=None, tags=None, error_norms=None, n_classes=len(self.tags or ()))

    @property
    def _answers(self) -> Any:
        if self.logits is None:
            return np.asarray(self.answers) if isinstance(self.answers, list | tuple) else self.answers
        return ANSWERS[self.task](self.logits, self.decision_thresholds)

    @property
    def probabilities(self) -> np.ndarray:
        """(seeds, examples, classes) float64: the softmax of the logits, or their sigmoid if multi-label.

        Raises PielabError if the logits were not kept.
        """
        if self.logits is None:
            raise logits_not_kept(f"the predictions of the seeds {', '.join(map(str, self.seeds))}")
        logits = self.logits.astype(np.float64)
        return softmax(logits) if self.decision_thresholds is None else sigmoid(logits)

    @property
    def logits_digests(self) -> tuple[str | None, ...]:
        """The `records.digest_arrays` of each seed's logits; None where it is not known."""
        return self.stored_digests if self.logits is None else tuple(map(records.digest_arrays, self.logits))


@dataclass(frozen=True)
class File:
    """What one file holds: logits (examples, classes) or, in their place, answers (examples, ...) and error norms."""

    metadata: dict[str, Any]
    logits: np.ndarray | None
    answers: np.ndarray | SpanAnswers | TextAnswers | None = None
    error_norms: np.ndarray | None = None
    starts: np.ndarray | None = None

    @property
    def decision_threshold(self) -> float | None:
        return self.metadata.get("decision_threshold")

    @property
    def tags(self) -> tuple[str, ...] | None:
        """The names of the tags, of tagged words."""
        return None if self.starts is None else tuple(self.metadata["tags"])

    @property
    def run(self) -> Predictions:
        """The same as predictions of one seed."""
        kept: list[Any] = [self.logits, self.answers, self.error_norms]
        logits, answers, norms = (None if values is None else values[None] for values in kept)
        threshold = self.decision_threshold
        thresholds = None if threshold is None else np.array([threshold], dtype=np.float32)
        of, seed = self.metadata.get, self.metadata.get("seed", 0)
        n_classes = of("n_classes") if self.tags is None else len(self.tags)
        others = (answers, n_classes, norms, (of("logits_digest"),), self.starts, self.tags)
        return Predictions(logits, (seed,), thresholds, of("data"), *others)

    @property
    def shape(self) -> tuple[int, int]:
        """How many examples and classes."""
        return self.run.shape[1:]

    @property
    def classes(self) -> Any:
        """The answers: class ids (examples,), bool (examples, classes) if multi-label, ids of tags (words,),
        SpanAnswers or TextAnswers."""
        return self.run._answers[0]

    @property
    def task(self) -> str:
        """The task's name in `data.tasks`."""
        return self.run.task

    @property
    def logits_digest(self) -> str | None:
        return self.run.logits_digests[0]


def logits_not_kept(what: str) -> PielabError:
    """The error of what needs logits and has answers alone."""
    return PielabError(
        "logits-not-kept",
        f"{what} are answers without logits, so their probabilities are not known",
        "use the answers, or train or import these seeds again with their logits",
    )
