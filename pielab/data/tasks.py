"""Tasks: what their labels, answers, votes and metrics are. A task is a row of `TASKS`.

The other half of a row, which needs torch, is in `training.tasks`.
"""

import copyreg
import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.data import generation, questions, votes
from pielab.data.metrics import accuracy, best_decision_threshold, macro_f1
from pielab.data.task import Metric, Task
from pielab.store import entities, predictions
from pielab.store.entities import EntitySets, Tags, sets_of, together
from pielab.store.span_answers import GoldAnswers, SpanAnswers
from pielab.store.text_answers import GoldTexts, TextAnswers

if TYPE_CHECKING:
    from datasets import Dataset


def with_metrics(name: str, metrics: Mapping[str, Metric]) -> Task:
    """The task of that name with other metrics."""
    return dataclasses.replace(TASKS[name], metrics=metrics)


# By name, because lambdas cannot be sent to another process.
copyreg.pickle(Task, lambda task: (with_metrics, (task.name, task.metrics)))


def of_answers(answers: np.ndarray) -> Task:
    """The task of answers: class ids (seeds, examples), bool (seeds, examples, classes), or probabilities, float."""
    if not isinstance(answers, np.ndarray):
        return {EntitySets: TOKENS, SpanAnswers: SPANS, TextAnswers: GENERATION}[type(answers)]
    if answers.ndim == 3 and answers.dtype.kind == "f":
        return SOFT_VOTE
    return MULTI_LABEL if answers.ndim == 3 else SINGLE_LABEL


def of_targets(targets: np.ndarray) -> Task:
    """The task of targets, or of one model's answers: class ids, multi-hot (examples, classes), Tags, GoldAnswers or
    GoldTexts."""
    if task := {Tags: TOKENS, GoldAnswers: SPANS, GoldTexts: GENERATION}.get(type(targets)):
        return task
    return MULTI_LABEL if targets.ndim == 2 else SINGLE_LABEL


def of_label(label: Any) -> Task:
    """The task of a data set, from the first cell of its column of labels."""
    return MULTI_LABEL if isinstance(label, (list, tuple, np.ndarray)) else SINGLE_LABEL


def of_record(record: Mapping[str, Any]) -> Task:
    """The task of a seed's record, which names those alone whose examples have no class each."""
    of_texts = SINGLE_LABEL if record["decision_threshold"] is None else MULTI_LABEL
    return TASKS.get(record.get("task", ""), of_texts)


def of_split(split: "Dataset") -> Task:
    """The task of a split that `datasets.load` gives."""
    return next(task for task in TASKS.values() if task.column in split.column_names)


def by_word(runs: predictions.Predictions, targets: Any) -> tuple[predictions.Predictions, np.ndarray]:
    """Predictions and targets of tagged words with each word as an example of one label; all others as they are."""
    return (runs, targets) if runs.starts is None else (runs.by_word, targets.ids)


def _entities(dense: EntitySets, pruned: EntitySets, targets: Tags) -> dict[str, list]:
    gold = together(dense, pruned, sets_of(targets))[-1]
    names = entities.by_sentence(gold, entities.named(gold.entities, gold.types))
    return {"entities": names, "gold": MULTI_LABEL.ids(gold.sets[0])}


def entity_f1(predicted: np.ndarray, targets: Any) -> float:
    """F1 over the entities of all sentences; 1 if there are none.

    predicted, targets: ids of tags (words,) and Tags, or sets bool (sentences, entities) that `votes.numbered` gives.
    """
    if isinstance(targets, Tags):
        predicted, targets = votes.numbered(targets.of(predicted), targets)
    return entities.f1(predicted, targets)


def word_accuracy(predicted: np.ndarray, targets: Tags) -> float:
    """The share of words with the right tag."""
    return accuracy(predicted, targets.ids)


def effectiveness(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Accuracy for class ids (examples,), or macro-F1 for multi-hot classes (examples, classes), as in Table 9."""
    return of_targets(predicted).score(predicted, targets)


def _class_label(names: list[str]) -> Any:
    from datasets import ClassLabel  # here, because it takes a second, and votes and metrics need none of it

    return ClassLabel(names=names)


def _hot_list(names: list[str]) -> Any:
    from datasets import List, Value

    return List(Value("int8"), length=len(names))


def _tag_list(names: list[str]) -> Any:
    from datasets import List

    return List(_class_label(names))


SINGLE_LABEL = Task(
    name="single-label",
    answer="one class for a text",
    hub="text-classification",
    column="label",
    together=None,
    once=False,
    labels=lambda cell: (cell,),
    cells=lambda ids, n_classes: [class_id for (class_id,) in ids],
    feature=_class_label,
    targets=lambda split: np.asarray(split["label"], dtype=np.int64),
    class_names=lambda split: split.features["label"].names,
    counts=lambda targets, names: (names, np.bincount(targets, minlength=len(names))),
    # Where several answers are right, `votes.numbered` gives bool (examples, answers).
    hot=lambda targets, n_classes: targets * 1.0 if targets.dtype == bool else np.eye(n_classes)[targets],
    ids=lambda targets: targets.tolist(),
    kinds=lambda targets, names: (names, np.eye(len(names))[targets]),
    by_example=lambda values, targets: values,
    entities=lambda dense, pruned, targets: {},
    probabilities=predictions.softmax,
    answers=predictions.ANSWERS["single-label"],
    decision_threshold=None,
    threshold_split="train",
    shares_threshold=False,
    metrics={"accuracy": accuracy},
    of_votes=True,
    packages=(),
    votes=votes.count,
    vote="majority",
    majority=votes.majority,
    disagreements=votes.class_disagreements,
    by_text="accuracy",
    judged=lambda answers, targets: votes.agree(votes.majority(answers)[None], targets),
    judged_disagreements=votes.judged_class_disagreements,
)
MULTI_LABEL = Task(
    name="multi-label",
    answer="several classes for a text",
    hub="text-classification",
    column="labels",
    together=None,
    once=False,
    labels=tuple,
    cells=lambda ids, n_classes: [[int(class_id in labels) for class_id in range(n_classes)] for labels in ids],
    feature=_hot_list,
    targets=lambda split: np.asarray(split["labels"], np.float32).reshape(-1, split.features["labels"].length),
    # No feature of such a column holds names.
    class_names=lambda split: json.loads(split.info.description)["classes"],
    counts=lambda targets, names: (names, targets.sum(axis=0).astype(int)),
    hot=lambda targets, n_classes: targets,
    ids=lambda targets: [np.flatnonzero(row).tolist() for row in targets],
    kinds=lambda targets, names: (names, targets),
    by_example=lambda values, targets: values,
    entities=lambda dense, pruned, targets: {},
    probabilities=predictions.sigmoid,
    answers=predictions.ANSWERS["multi-label"],
    decision_threshold=best_decision_threshold,
    threshold_split="train",
    shares_threshold=False,
    metrics={"macro-F1": macro_f1},
    of_votes=True,
    packages=(),
    votes=lambda answers, n_classes: answers.sum(axis=0),
    vote="majority",
    majority=votes.majority_sets,
    disagreements=votes.set_disagreements,
    by_text="F1 of each text",
    judged=votes.f1_by_text,
    judged_disagreements=votes.judged_set_disagreements,
)
# Entities are voted on as labels are, in sets that `votes.numbered` gives.
TOKENS = dataclasses.replace(
    MULTI_LABEL,
    name="tokens",
    answer="a tag for each word",
    hub="token-classification",
    column="tags",
    cells=lambda ids, n_classes: [list(tags) for tags in ids],
    feature=_tag_list,
    targets=lambda split: Tags.of_sentences(split["tags"], split.features["tags"].feature.names),
    class_names=lambda split: split.features["tags"].feature.names,
    counts=lambda targets, names: (names, np.bincount(targets.ids, minlength=len(names))),
    hot=lambda targets, n_classes: np.eye(n_classes)[targets.ids],
    ids=lambda given: MULTI_LABEL.ids(entities.types_by_sentence(given) if isinstance(given, Tags) else given),
    kinds=lambda targets, names: (targets.types, entities.types_by_sentence(targets)),
    by_example=lambda values, targets: np.add.reduceat(values, targets.starts[:-1]) / targets.lengths,
    probabilities=predictions.softmax,
    answers=predictions.ANSWERS["tokens"],
    decision_threshold=None,
    metrics={"entity F1": entity_f1, "word accuracy": word_accuracy},
    entities=_entities,
    by_text="F1 of the entities of each sentence",
)
# Answers are voted on as classes are, numbered within each question.
SPANS = dataclasses.replace(
    SINGLE_LABEL,
    name="spans",
    answer="a part of the context for a question, or none",
    hub="question-answering",
    column="answers",
    together="text_pair",
    cells=lambda answers, n_classes: list(answers),
    feature=lambda names: questions.feature(),
    targets=questions.gold_answers,
    class_names=lambda split: list(questions.LOGITS),
    counts=lambda targets, names: questions.counts(targets),
    ids=lambda given: (questions.words_asked(given) if isinstance(given, GoldAnswers) else given).tolist(),
    kinds=lambda targets, names: questions.kinds(targets),
    answers=predictions.ANSWERS["spans"],
    decision_threshold=questions.decision_threshold,
    threshold_split="validation",
    metrics={
        "exact match": lambda answers, targets: questions.exact_match(answers.texts, targets),
        "F1": lambda answers, targets: questions.f1(answers.texts, targets),
    },
    of_votes=False,
    entities=questions.answers_of,
    by_text="exact match",
)
# A text is wrong or right, and these are voted on as classes.
GENERATION = dataclasses.replace(
    SINGLE_LABEL,
    name="generation",
    answer="a text for another text",
    hub="text-generation",
    column="targets",
    together="text",
    once=True,
    cells=lambda targets, n_classes: list(targets),
    feature=lambda names: generation.feature(),
    targets=generation.gold_texts,
    class_names=lambda split: list(generation.CLASSES),
    counts=lambda targets, names: generation.counts(targets),
    ids=lambda given: (generation.lengths(given) if isinstance(given, GoldTexts) else given).tolist(),
    kinds=lambda targets, names: generation.kinds(targets),
    answers=predictions.ANSWERS["generation"],
    decision_threshold=generation.threshold,
    threshold_split="validation",
    shares_threshold=True,
    metrics={"chrF": generation.mean_chrf, "BLEU": generation.bleu},
    of_votes=False,
    packages=("sacrebleu",),
    by_text="share of right texts",
)
# The single-label task of probabilities (seeds, examples, classes) in place of class ids. No data set is of it, so that
# it is not in `TASKS`.
SOFT_VOTE = dataclasses.replace(
    SINGLE_LABEL,
    name="soft vote",
    vote="highest mean probability",
    majority=votes.soft_vote,
    judged=lambda answers, targets: votes.soft_vote(answers)[None] == targets,
)
# What the examples of a task are that have no class each, in a sentence.
NO_CLASSES = {
    "tokens": "words with tags",
    "spans": "questions with answers in a context",
    "generation": "texts to generate",
}
TASKS = {task.name: task for task in (SINGLE_LABEL, MULTI_LABEL, TOKENS, SPANS, GENERATION)}
