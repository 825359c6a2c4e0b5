"""Votes of several models, and where two of them differ, for many half-splits of the seeds at once.

`first` and `second` are the weights of the two sides' votes, (half-splits, seeds).
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from pielab.data import distinct_texts, generation
from pielab.data.answer_texts import normalised_span
from pielab.errors import PielabError
from pielab.store.entities import EntitySets, Tags, sets_of, together
from pielab.store.span_answers import GoldAnswers, SpanAnswers
from pielab.store.text_answers import GoldTexts, TextAnswers

# Blocks of votes that stay in a processor's cache during one matrix product over all half-splits.
EXAMPLES_AT_ONCE, COLUMNS_AT_ONCE = 512, 512

# Probabilities are added up in whole millionths, so that a tie is one on every machine, in whatever order it adds.
PARTS = 1_000_000
# How far probabilities of half precision, or of two decimals, may add up to something else than 1.
ROUNDING = 0.01

# What `pies.disagreements` yields.
Disagreements = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]
# For blocks of the examples, (half-splits, block) each: whether the null and the pruned models disagree, and how right
# the unpruned models of the first side and the pruned models of the second are.
JudgedDisagreements = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
# For blocks of the examples, their indices, and the three votes of `_class_votes`, (half-splits, block) each.
_SideVotes = Iterator[tuple[np.ndarray, ...]]


def majority(predictions: np.ndarray) -> np.ndarray:
    """The most frequent class of each example (examples,); ties go to the smallest class id.

    predictions: class ids (seeds, examples).
    """
    return count(predictions).argmax(axis=1)


def count(predictions: np.ndarray, n_classes: int | None = None) -> np.ndarray:
    """How many seeds voted for each class, (examples, classes), from class ids (seeds, examples)."""
    _check(predictions, 2)
    classes = np.arange(n_classes or int(predictions.max(initial=0)) + 1)
    return (predictions[:, :, None] == classes).sum(axis=0)


def majority_sets(predictions: np.ndarray) -> np.ndarray:
    """The classes that more than half of the seeds predict, bool (examples, classes); exactly half is not enough.

    predictions: bool (seeds, examples, classes).
    """
    _check(predictions, 3)
    return 2 * predictions.sum(axis=0) > len(predictions)


def soft_vote(probabilities: np.ndarray) -> np.ndarray:
    """The class with the highest mean probability of each example (examples,); ties go to the smallest class id.

    probabilities: (seeds, examples, classes). Means that differ by less than a millionth may tie.
    """
    return _in_parts(probabilities).sum(axis=0, dtype=np.int64).argmax(axis=1)


def numbered(*answers: Any) -> list[Any]:
    """The answers of several sides, and perhaps targets, as arrays in which the same number means the same everywhere.

    Sets of entities (EntitySets, or the Tags of one model) become sets of labels, bool (seeds, sentences, entities) or
    (sentences, entities). SpanAnswers become class ids (seeds, questions), the same for answers that SQuAD takes as
    the same, the shorter ones first; GoldAnswers become bool (questions, answers), which of these are right. Generated
    texts become 0 or 1, whether they are right (`generation.right_or_wrong`). Arrays, and None, stay as they are.
    """
    if any(isinstance(each, TextAnswers | GoldTexts) for each in answers):
        return generation.right_or_wrong(*answers)
    if any(isinstance(each, SpanAnswers | GoldAnswers) for each in answers):
        return numbered_spans(*answers)[0]
    sides = [sets_of(each) if isinstance(each, Tags) else each for each in answers]
    places = [place for place, side in enumerate(sides) if isinstance(side, EntitySets)]
    for place, side in zip(places, together(*(sides[place] for place in places)) if places else [], strict=True):
        is_one = isinstance(answers[place], Tags) and answers[place].ids.ndim == 1
        sides[place] = side.sets[0] if is_one else side.sets
    return sides


def numbered_spans(*answers: Any) -> tuple[list[Any], list[list[str]]]:
    """As `numbered`, of SpanAnswers, GoldAnswers and None; and the texts of each question by number, normalised."""
    given = {place: each for place, each in enumerate(answers) if each is not None}
    as_models = [each.as_models if isinstance(each, GoldAnswers) else each for each in given.values()]
    normalised: dict[str, str] = {}
    for text in itertools.chain.from_iterable(each.texts.flat for each in as_models):
        if text not in normalised:
            normalised[text] = normalised_span(text)
    texts = [np.frompyfunc(normalised.__getitem__, 1, 1)(each.texts) for each in as_models]
    ids, distinct = distinct_texts.numbered(*texts, shortest_first=True)
    found: list[Any] = [None] * len(answers)
    for (place, each), own in zip(given.items(), ids, strict=True):
        found[place] = own
        if isinstance(each, GoldAnswers):
            found[place] = np.zeros((own.shape[1], max(map(len, distinct), default=0)), dtype=bool)
            found[place][np.arange(own.shape[1]), own] = True
    return found, distinct


def differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether two answers to an example differ, bool (examples,); answers (examples, ...)."""
    return np.any(first != second, axis=tuple(range(1, first.ndim)))


def agree(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether the answers of models are those of other models, or the targets, bool (seeds, examples).

    first: class ids (seeds, examples), or bool (seeds, examples, classes), sets that are equal as a whole.
    second: in the same form, or one for all seeds; or, of class ids, bool (examples, classes), which of them are right.
    """
    if first.ndim == 2 and second.dtype == bool:
        return second[np.arange(len(second)), first]
    equal = first == second
    return equal.all(axis=2) if equal.ndim == 3 else equal


def class_disagreements(dense: np.ndarray, pruned: np.ndarray, first: np.ndarray, second: np.ndarray) -> Disagreements:
    """`pies.disagreements` of class ids (seeds, examples), or of probabilities (seeds, examples, classes)."""
    for block, reference, of_null, of_pruned in _class_votes(dense, pruned, first, second):
        yield block, reference != of_null, reference != of_pruned


def judged_class_disagreements(
    dense: np.ndarray, pruned: np.ndarray, targets: np.ndarray, first: np.ndarray, second: np.ndarray
) -> JudgedDisagreements:
    """Where the voted classes differ, and whether those of the first, unpruned, and the second, pruned, side are right.

    dense, pruned: class ids (seeds, examples), or probabilities (seeds, examples, classes). targets: as of `agree`.
    """
    for block, reference, of_null, of_pruned in _class_votes(dense, pruned, first, second):
        right = targets[block]
        yield reference != of_null, reference != of_pruned, agree(reference, right), agree(of_pruned, right)


def _class_votes(dense: np.ndarray, pruned: np.ndarray, first: np.ndarray, second: np.ndarray) -> _SideVotes:
    """The classes voted by the unpruned first side, the unpruned second and the pruned second, by blocks."""
    if dense.ndim == 3:
        yield from _soft_votes(_in_parts(dense), _in_parts(pruned), first, second)
        return
    for answers in (dense, pruned):
        check_classes(answers)
    classes = int(max(dense.max(initial=0), pruned.max(initial=0))) + 1
    varied = _varied(dense, pruned)
    # A power of two, so that a mask gives the part below one vote.
    vote = 2 ** (classes - 1).bit_length()
    first, second = (np.c_[vote * side, np.full(len(side), -1, dtype=np.float32)] for side in (first, second))
    for start in range(0, len(varied), EXAMPLES_AT_ONCE):
        block = varied[start : start + EXAMPLES_AT_ONCE]
        of_sides = ((dense, first), (dense, second), (pruned, second))
        yield block, *(_winners(answers[:, block], weights, classes, vote) for answers, weights in of_sides)


def _soft_votes(dense: np.ndarray, pruned: np.ndarray, first: np.ndarray, second: np.ndarray) -> _SideVotes:
    """As `_class_votes`, from probabilities `_in_parts`."""
    # If every model finds the same class the likeliest, so does every mean.
    varied = _varied(dense.argmax(axis=2), pruned.argmax(axis=2))
    for start in range(0, len(varied), EXAMPLES_AT_ONCE):
        block = varied[start : start + EXAMPLES_AT_ONCE]
        of_sides = ((dense, first), (dense, second), (pruned, second))
        yield block, *(_likeliest(parts[:, block], weights) for parts, weights in of_sides)


def _likeliest(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The class of the highest weighted sum (half-splits, block); ties go to the smallest class id."""
    # Whole numbers that double precision holds exactly.
    by_class, weights = np.moveaxis(parts, 2, 0).astype(np.float64), weights.astype(np.float64)
    most = weights @ by_class[0]
    winners = np.zeros(most.shape, dtype=int)
    for label, of_class in enumerate(by_class[1:], start=1):
        sums = weights @ of_class
        winners[sums > most] = label
        np.maximum(most, sums, out=most)
    return winners


def _varied(dense: np.ndarray, pruned: np.ndarray) -> np.ndarray:
    """The examples to which not all models give the same class."""
    return np.flatnonzero((dense != dense[0]).any(axis=0) | (pruned != dense[0]).any(axis=0))


def _winners(predicted: np.ndarray, weights: np.ndarray, classes: int, vote: int) -> np.ndarray:
    """The majority class (half-splits, block) by weighted votes; ties go to the smallest class id.

    weights: (half-splits, seeds + 1), the weights of the seeds' votes in units of `vote`, and last -1.
    """
    # The votes minus the class id, in units where a vote exceeds any id: the maximum resolves ties as well.
    indicators = np.empty((len(predicted) + 1, predicted.shape[1]), dtype=np.float32)
    most = np.full((len(weights), predicted.shape[1]), -np.inf, dtype=np.float32)
    for label in range(classes):
        np.equal(predicted, label, out=indicators[:-1])
        indicators[-1] = label
        np.maximum(most, weights @ indicators, out=most)
    return -most.astype(np.int32) & (vote - 1)


def set_disagreements(dense: np.ndarray, pruned: np.ndarray, first: np.ndarray, second: np.ndarray) -> Disagreements:
    """`pies.disagreements` of sets of majority classes; dense, pruned: bool (seeds, examples, classes)."""
    # If all models agree on an example and class, nothing can differ there.
    varied = (dense != dense[0]).any(axis=0) | (pruned != dense[0]).any(axis=0)
    examples, classes = np.nonzero(varied)
    # Where the columns of each example begin, and the last ones end, so that a block holds whole examples.
    starts = np.flatnonzero(np.diff(examples, prepend=-1, append=-1))
    begin = 0
    while begin < len(starts) - 1:
        end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + COLUMNS_AT_ONCE, side="right")) - 1)
        chosen = examples[starts[begin] : starts[end]], classes[starts[begin] : starts[end]]
        reference = _weighted_majority(dense[:, *chosen], first)
        differing = [reference != _weighted_majority(side[:, *chosen], second) for side in (dense, pruned)]
        offsets = starts[begin:end] - starts[begin]
        # As bytes, because numpy takes twice the time for bools.
        merged = [np.bitwise_or.reduceat(columns.view(np.uint8), offsets, axis=0) for columns in differing]
        of_null, of_pruned = (rows.view(bool).T for rows in merged)
        yield examples[starts[begin:end]], of_null, of_pruned
        begin = end


def judged_set_disagreements(
    dense: np.ndarray, pruned: np.ndarray, targets: np.ndarray, first: np.ndarray, second: np.ndarray
) -> JudgedDisagreements:
    """Where sets of majority classes differ, and the mean F1 of a text, of the first, unpruned, and the second, pruned,
    side.

    dense, pruned: bool (seeds, examples, classes). targets: multi-hot (examples, classes).
    """
    unpruned_right, pruned_right = (f1_by_text(answers, targets).astype(np.float32) for answers in (dense, pruned))
    first_share, second_share = (side / side.sum(axis=1, keepdims=True) for side in (first, second))
    for block, of_null, of_pruned in set_disagreements(dense, pruned, first, second):
        yield of_null, of_pruned, first_share @ unpruned_right[:, block], second_share @ pruned_right[:, block]


def f1_by_text(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The F1 of each seed's classes for each text, (seeds, examples); 1 if there are none, and none are predicted.

    answers: bool (seeds, examples, classes). targets: multi-hot (examples, classes).
    """
    true = targets.astype(bool)
    total = answers.sum(axis=2) + true.sum(axis=1)
    return np.where(total > 0, 2 * (answers & true).sum(axis=2) / np.maximum(total, 1), 1.0)


def _weighted_majority(predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whether more than half of the weighted votes are positive, bool (columns, half-splits); half is not enough."""
    return np.where(predicted, 1, -1).astype(np.float32).T @ weights.T > 0


def _check(predictions: np.ndarray, dimensions: int) -> None:
    _check_shape(predictions, dimensions)
    check_classes(predictions)


def _check_shape(predictions: np.ndarray, dimensions: int) -> None:
    if predictions.ndim != dimensions or not len(predictions):
        axes = ("seeds", "examples", "classes")[:dimensions]
        raise PielabError(
            "predictions-without-votes",
            f"predictions of shape {predictions.shape} have no votes",
            f"give ({', '.join(axes)})",
        )


def check_classes(answers: np.ndarray) -> None:
    """Raise PielabError for numbers that are no class ids nor whether a class is predicted, such as probabilities."""
    if answers.dtype.kind == "f" and (answers.ndim > 2 or not np.array_equal(answers, answers.round())):
        raise PielabError(
            "answers-without-classes",
            f"{answers.dtype} numbers of shape {answers.shape} were given where classes are compared",
            "give class ids (seeds, examples), or bool (seeds, examples, classes), as Predictions.classes has them",
        )


def _in_parts(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities in whole millionths, int32; PielabError if they are none."""
    _check_shape(probabilities, 3)
    given = probabilities.astype(np.float64)
    sums = given.sum(axis=2)
    # NaN is not close to 1 either.
    if probabilities.dtype.kind != "f" or (given < 0).any() or not (np.abs(sums - 1) <= ROUNDING).all():
        furthest = sums.flat[np.abs(sums - 1).argmax()]
        raise PielabError(
            "answers-not-probabilities",
            f"{probabilities.dtype} numbers were given as probabilities, the least is {given.min(initial=1):.4g} and "
            f"those of an example add up to {furthest:.4g}",
            "give numbers from 0 that add up to 1 over the classes, as Predictions.probabilities has them, or class "
            "ids (seeds, examples); for texts with several labels bool (seeds, examples, classes)",
        )
    return np.rint(PARTS * given).astype(np.int32)
