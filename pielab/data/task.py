"""What a task is: its labels, answers, votes and metrics as functions of arrays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.data.votes import Disagreements, JudgedDisagreements

if TYPE_CHECKING:
    from datasets import Dataset

# The value of a metric, from answers and targets, (examples,) or (examples, classes), or of tagged words or questions.
Metric = Callable[[Any, Any], float]


@dataclass(frozen=True)
class Task:
    """A kind of task, as functions of arrays: targets (examples, ...), answers (seeds, examples, ...).

    The targets of tagged words are `Tags`, and answers beside them, of one model, the ids of tags (words,). Those of
    questions are `GoldAnswers`, and answers beside them `SpanAnswers`; those of generated texts `GoldTexts` and
    `TextAnswers`.

    answer: what a model says of an example, in words. hub: the task as the Hub calls it.
    column: of a split, with the labels. together: the column of which pielab cuts each text into one split; None if
        examples are cut one by one. once: whether each of its values is one example where nothing is learned, so that
        only in train several rows have it. labels: a cell of a file's label column, as a tuple of labels.
    cells: what `column` holds, from a tuple of class ids for each example (of questions from their answers) and the
        number of classes.
    feature: of `column`, from the class names. targets, class_names: of a split. counts: the classes and how many
        examples (or words) have each, from targets and class names; of questions their kinds. hot: targets as
        (examples, classes) of 0 and 1, given the number of classes. ids: targets or votes as tables hold them, class
        ids or lists of them.
    kinds: what texts are counted by, from targets and class names: the names, and for each text which it has,
        (examples, kinds) of 0 and 1. by_example: the mean of each example's values, from values as `hot` has rows, and
        targets.
    entities: from the answers of both sides and the targets, the columns of a table of examples that say what their
        votes are for, and which of it is right; no columns where votes are for classes.
    probabilities: of logits. answers: from logits and decision thresholds (`predictions.ANSWERS`).
    decision_threshold: the best one, from logits and targets; None if the task has none. threshold_split: the split on
        which it is the best. shares_threshold: whether that of unpruned models is that of pruned ones too.
    metrics: by name, the main one first. of_votes: whether they take answers as they are voted on. packages: those that
        metrics need and only an extra has.
    votes: how many seeds answered each class, (examples, classes), given the number of classes. vote: its name.
        majority: the vote, (examples, ...). disagreements: of `pies.disagreements`.
    by_text: the name of what `judged` gives: for each text how right the answers of several seeds are, (votes or seeds,
        examples), from 0 to 1. judged_disagreements: the same where two sides of the seeds disagree, of
        `null.effectiveness_beside_null`.
    """

    name: str
    answer: str
    hub: str
    column: str
    together: str | None
    once: bool
    labels: Callable[[Any], tuple]
    cells: Callable[[Sequence[tuple[int, ...]], int], list]
    feature: Callable[[list[str]], Any]
    targets: Callable[["Dataset"], Any]
    class_names: Callable[["Dataset"], list[str]]
    counts: Callable[[Any, list[str]], tuple[list[str], np.ndarray]]
    hot: Callable[[Any, int], np.ndarray]
    ids: Callable[[Any], list]
    kinds: Callable[[Any, list[str]], tuple[list[str], np.ndarray]]
    by_example: Callable[[np.ndarray, Any], np.ndarray]
    entities: Callable[[Any, Any, Any], dict[str, list]]
    probabilities: Callable[[np.ndarray], np.ndarray]
    answers: Callable[[Any, Any], Any]
    decision_threshold: Callable[[Any, Any], float | None] | None
    threshold_split: str
    shares_threshold: bool
    metrics: Mapping[str, Metric]
    of_votes: bool
    packages: tuple[str, ...]
    votes: Callable[[np.ndarray, int], np.ndarray]
    vote: str
    majority: Callable[[np.ndarray], np.ndarray]
    disagreements: Callable[..., Disagreements]
    by_text: str
    judged: Callable[[np.ndarray, np.ndarray], np.ndarray]
    judged_disagreements: Callable[..., JudgedDisagreements]

    @property
    def metric(self) -> str:
        """The main metric's name."""
        return next(iter(self.metrics))

    def score(self, predicted: np.ndarray, targets: Any, metric: str | None = None) -> float:
        """A metric, by default the main one, of the answers of one model."""
        return self.metrics[metric or self.metric](predicted, targets)
