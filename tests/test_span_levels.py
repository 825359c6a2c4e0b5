"""Answers to questions as texts, as right or wrong, and by their words, against plain loops over strings."""

import itertools
from collections import Counter

import numpy as np
import pytest

from pielab.analysis import null, paired_change, pies, span_levels
from pielab.data import answer_texts
from pielab.store.predictions import Predictions
from pielab.store.span_answers import GoldAnswers, SpanAnswers

TEXTS = np.array(["the red cat", "a red cat", "red", "Rome", "Rome!", "cats of Rome", ""], dtype=object)


def draw(random, seeds=6, questions=30):
    texts = random.choice(TEXTS, (seeds, questions))
    starts = np.where(texts == "", -1, random.integers(0, 9, texts.shape))
    return Predictions(None, tuple(range(seeds)), answers=SpanAnswers(texts, starts, np.zeros(texts.shape, np.float32)))


@pytest.fixture(scope="module")
def sides():
    random = np.random.default_rng(0)
    gold = [tuple(random.choice(TEXTS[:-1], random.integers(0, 3), replace=False)) for _ in range(30)]
    answers = GoldAnswers(tuple(gold), tuple(tuple(0 for _ in texts) for texts in gold))
    return draw(random), draw(random), answers


def normalised(side):
    return [list(map(answer_texts.normalised_span, row)) for row in side.classes.texts]


def test_votes_are_those_of_plain_strings(sides):
    dense, pruned, gold = sides
    found = pies.find(dense.classes, pruned.classes)
    for question, is_pie in enumerate(found):
        counts = [Counter(model[question] for model in normalised(side)).most_common() for side in (dense, pruned)]
        clear = [len(own) == 1 or own[0][1] > own[1][1] for own in counts]
        if all(clear):
            assert is_pie == (counts[0][0][0] != counts[1][0][0])
    changed = paired_change.by_seed(dense, pruned, gold)
    for seed in range(6):
        pairs = zip(*(side.classes.texts[seed] for side in (dense, pruned)), gold.texts, strict=True)
        lost = [
            answer_texts.exact_match(one, of) and not answer_texts.exact_match(other, of) for one, other, of in pairs
        ]
        assert changed["right to wrong"][seed] == pytest.approx(100 * np.mean(lost))


def test_each_level_is_that_of_plain_strings_and_nothing_of_identical_sides(sides):
    dense, pruned, gold = sides
    table = span_levels.agreement(dense, None, pruned, gold).set_index(["level", "comparison", "quantity"])["estimate"]
    one, other = normalised(dense), normalised(pruned)
    apart = [
        1 - answer_texts.token_f1(one[i][question], other[j][question])
        for i, j in itertools.permutations(range(6), 2)
        for question in range(30)
    ]
    assert table["words of the answers", "parts", "in all"] == pytest.approx(100 * np.mean(apart), abs=1e-3)
    shares = span_levels.shares(dense, pruned, gold, n_splits=20, n_bootstrap=0).set_index("level")
    assert tuple(shares.index) == span_levels.LEVELS
    answers = null.estimate(dense.classes, pruned.classes, n_splits=20, n_bootstrap=0)
    assert shares.loc["answers", ["halved", "null"]].tolist() == pytest.approx(
        [100 * answers.pruned, 100 * answers.null]
    )
    assert (shares["halved"] - shares["null"]).tolist() == pytest.approx(shares["excess"].tolist())
    same = span_levels.shares(dense, dense, gold, n_splits=20, n_bootstrap=0)
    assert same[["all_seeds", "excess", "low", "high"]].eq(0).all(axis=None)
    order = [3, 0, 5, 1, 4, 2]
    shuffled = [Predictions(None, tuple(order), answers=side.answers[order]) for side in (dense, pruned)]
    again = span_levels.agreement(shuffled[0], None, shuffled[1], gold)["estimate"]
    assert again.tolist() == pytest.approx(table.tolist())
