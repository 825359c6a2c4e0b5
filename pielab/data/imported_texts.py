"""Answers to questions, and generated texts, of models elsewhere, as the files in which a study keeps them."""

import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.config.parameters import PairParameters, PrunedParameters
from pielab.data import generation, tasks
from pielab.data.answer_texts import normalised_span
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store.predictions import File
from pielab.store.span_answers import SpanAnswers
from pielab.store.text_answers import TextAnswers

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

_WORD = re.compile(r"\S+")


def spans(
    values: Mapping[str, Sequence],
    p: PairParameters,
    data: "DatasetDict",
    classes: Sequence[str] | None = None,
    decision_thresholds: Any = None,
) -> dict[str, list[File]]:
    """The files of all seeds by split, with answers to questions; "" is no answer.

    An answer begins where its context has it: at the place that is nearest to a gold answer, or the first one if there
    are none. If the context has it only but for what SQuAD's normalisation takes away, the answer is what the context
    has there. Scores are not known, and 0.

    values: by split, for each model the answer to each question. Raises PielabError unless they are of the data's
    questions and in their contexts, and if there is something that is of classes.
    """
    _check_no_classes(classes)
    if decision_thresholds is not None:
        raise PielabError(
            "decision-thresholds-of-questions",
            f"decision_thresholds = {decision_thresholds!r} was given, and the predictions are answers to questions",
            'omit it, and give "" where a model finds no answer',
        )
    found = {}
    for split, models in values.items():
        rows = data["train" if split == "early" else split]
        starts = [[answer["start"] for answer in answers] for answers in rows["answers"]]
        known: dict[tuple[int, str], tuple[str, int]] = {}
        found[split] = [
            File({"task": tasks.SPANS.name}, None, _placed(texts, rows["text_pair"], starts, known, where))
            for texts, where in _models(models, rows, split, p)
        ]
    return found


def generated(
    values: Mapping[str, Sequence],
    p: PairParameters,
    data: "DatasetDict",
    classes: Sequence[str] | None = None,
    decision_thresholds: Any = None,
) -> dict[str, list[File]]:
    """The files of all seeds by split, with generated texts, whose scores are not known.

    The threshold of unpruned models, from which on a text is right, is the given one, or else the median nearness of
    all their texts for the validation split, or for the test split if there are none. "validation" is in no file.

    values: by split, for each model the text for each source. Raises PielabError unless they are of the data's sources,
    for a threshold of pruned models, and if there is something that is of classes.
    """
    _check_no_classes(classes)
    answers = {}
    for split, models in values.items():
        rows = data["train" if split == "early" else split]
        targets = generation.gold_texts(rows)
        answers[split] = [_near(texts, targets) for texts, _ in _models(models, rows, split, p)]
    thresholds = _thresholds(decision_thresholds, answers.pop("validation", answers["test"]), p)
    return {
        split: [
            File({"task": tasks.GENERATION.name, "decision_threshold": above}, None, each.judged_from(above))
            for each, above in zip(of_seeds, thresholds, strict=True)
        ]
        for split, of_seeds in answers.items()
    }


def _check_no_classes(classes: Sequence[str] | None) -> None:
    if classes is not None:
        raise PielabError(
            "classes-of-texts",
            f"classes = {reprlib.repr(list(classes))} was given, and the predictions are texts, which have none",
            "omit it",
        )


def _models(models: Any, rows: "Dataset", split: str, p: PairParameters) -> list[tuple[list[str], str]]:
    """Each model's texts, checked, and how messages call them."""
    if len(models) != len(p.seeds):
        raise PielabError(
            "texts-and-seeds-differ",
            f"the {split} answers are of {counted(len(models), 'model')}, the seeds are {len(p.seeds)}",
            "give as many",
        )
    found = []
    for given, seed in zip(models, p.seeds, strict=True):
        where = f"the {split} answers of seed {seed}"
        texts = list(given) if isinstance(given, (list, tuple, np.ndarray)) else given
        if not isinstance(texts, list) or len(texts) != len(rows):
            number = f"of {counted(len(texts), 'text')}" if isinstance(texts, list) else reprlib.repr(texts)
            raise PielabError(
                "answers-of-other-examples",
                f"{where} are {number}, {p.dataset} has {len(rows)}",
                "give one string for each example of pielab.datasets.load, in their order (it splits a single file at "
                "random, but not a folder's test file)",
            )
        if (wrong := next((place for place, text in enumerate(texts) if not isinstance(text, str)), None)) is not None:
            raise PielabError(
                "answer-not-a-string",
                f"{where} have {reprlib.repr(texts[wrong])} at example {wrong}, counted from 0",
                'give a string for each example, and "" for none',
            )
        found.append(([str(text) for text in texts], where))
    return found


def _placed(
    texts: list[str],
    contexts: Sequence[str],
    gold: list[list[int]],
    known: dict[tuple[int, str], tuple[str, int]],
    where: str,
) -> SpanAnswers:
    """One model's answers, with where they begin. known: of the questions and answers that were placed already."""
    nowhere = []
    for question, (text, context, starts) in enumerate(zip(texts, contexts, gold, strict=True)):
        key = question, text
        if key in known:
            continue
        places = _places(text, context)
        if places:
            known[key] = min(places, key=lambda place: min((abs(place[1] - start) for start in starts), default=0))
        elif text.strip():
            nowhere.append(question)
        else:
            known[key] = "", -1
    if nowhere:
        raise PielabError(
            "answers-not-in-contexts",
            f"{where} have {len(nowhere):,} that do not stand in their contexts, the first is "
            f"{reprlib.repr(texts[nowhere[0]])} at example {nowhere[0]}, counted from 0",
            'give parts of the contexts, in any case and with any punctuation, or "" for no answer',
        )
    answers, begins = zip(*(known[key] for key in enumerate(texts)), strict=True) if texts else ((), ())
    scores = np.zeros(len(texts), dtype=np.float32)
    return SpanAnswers(np.array(answers, dtype=object), np.array(begins, dtype=np.int64), scores)


def _places(text: str, context: str) -> list[tuple[str, int]]:
    """What the context has, and where, that is an answer: the same characters, or else the same words for SQuAD."""
    if not text.strip():
        return []
    if exact := [(text, match.start()) for match in re.finditer(f"(?={re.escape(text)})", context)]:
        return exact
    parts = [(word, part) for part in _WORD.finditer(context) for word in normalised_span(part[0]).split()]
    words, wanted = [word for word, _ in parts], normalised_span(text).split()
    last = len(wanted) - 1
    return [
        (context[parts[place][1].start() : parts[place + last][1].end()], parts[place][1].start())
        for place in range(len(words) - last if wanted else 0)
        if words[place : place + last + 1] == wanted
    ]


def _near(texts: list[str], targets: Any) -> TextAnswers:
    unknown = np.full(len(texts), np.nan, dtype=np.float32)
    return TextAnswers(np.array(texts, dtype=object), generation.nearness(texts, targets), unknown, unknown)


def _thresholds(given: Any, judged: Sequence[TextAnswers], p: PairParameters) -> list[float | None]:
    """The threshold of each seed; None of pruned ones. judged: of which texts the median is taken without `given`."""
    if isinstance(p, PrunedParameters):
        if given is None:
            return [None] * len(p.seeds)
        raise PielabError(
            "decision-thresholds-of-pruned-texts",
            f"decision_thresholds = {given!r} was given for {p.pruner}, whose texts are judged by those of the "
            "unpruned models",
            "omit it, and give it where the unpruned models are added",
        )
    if given is None:
        return [generation.median(np.array([answers.nearness for answers in judged]))] * len(p.seeds)
    try:
        thresholds = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        thresholds = np.array(np.nan)
    if thresholds.shape not in {(), (len(p.seeds),)} or not ((thresholds >= 0) & (thresholds <= 1)).all():
        raise PielabError(
            "nearness-not-accepted",
            f"decision_thresholds = {given!r} is not accepted",
            "give the nearness to people's texts from which on a text is right, from 0 to 1, or "
            f"{len(p.seeds)} of them, one for each seed",
        )
    return np.broadcast_to(thresholds, len(p.seeds)).tolist()
