"""Texts by number within each example, votes on them, and matrices of their similarities."""

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.analysis import pies
from pielab.data import answer_texts, chrf, distinct_texts

TEXTS = ["", "b", "B", "a", "aa", "é", "\ud800"]


def draw(seed, models=(3, 2), examples=8):
    random = np.random.default_rng(seed)
    return [np.array(TEXTS, dtype=object)[random.integers(len(TEXTS), size=(each, examples))] for each in models]


@given(st.integers(0, 10_000), st.permutations(range(5)))
def test_a_number_stands_for_the_same_text_everywhere_in_an_example(seed, order):
    sides = draw(seed)
    found, texts = distinct_texts.numbered(*sides)
    for ids, side in zip(found, sides, strict=True):
        assert [[texts[example][id] for example, id in enumerate(row)] for row in ids] == side.tolist()
    every = np.concatenate(sides)
    assert texts == [sorted(set(column)) for column in every.T]
    (again,), same = distinct_texts.numbered(every[list(order)])
    assert same == texts and np.array_equal(again, np.concatenate(found)[list(order)])


def mode(texts):
    """The most frequent text; ties to the shorter, then the first by its characters."""
    return min(texts, key=lambda text: (-list(texts).count(text), len(text), text))


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_the_majority_of_answers_is_their_mode_in_any_company(seed, models):
    side, other = draw(seed, (models, 3))
    for sides in ([side], [side, other], [other, side]):
        numbers, texts = distinct_texts.numbered(*sides, shortest_first=True)
        ids = next(own for own, each in zip(numbers, sides, strict=True) if each is side)
        found = [texts[example][id] for example, id in enumerate(pies.majority(ids))]
        assert found == [mode(each) for each in side.T]


def test_numbers_of_no_examples():
    (ids,), texts = distinct_texts.numbered(np.empty((3, 0), dtype=object))
    assert ids.shape == (3, 0) and texts == [] and distinct_texts.similarities(texts).shape == (0, 0, 0)


def test_similarities_are_in_parts_whose_sums_are_exact():
    texts = [["a cat", "a cat sat", "the dog"], ["one"], ["two", "three"]]
    found = distinct_texts.similarities(texts)
    assert found.shape == (3, 3, 3) and found.dtype == np.float32
    assert np.array_equal(found * 2**20, np.round(found * 2**20))
    assert found[0] == pytest.approx(chrf.similarities(texts[0]), abs=2**-21)
    assert found[1].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_any_function_of_two_texts_is_a_similarity_by_the_mean_of_both_directions():
    of_answers = distinct_texts.of_pairs(answer_texts.token_f1)
    assert of_answers(["barack obama", "obama", "x"]) == pytest.approx(
        np.array([[1, 2 / 3, 0], [2 / 3, 1, 0], [0, 0, 1]])
    )
    one_way = distinct_texts.of_pairs(lambda one, other: float(one < other))
    assert one_way(["a", "b"]).tolist() == [[1, 0.5], [0.5, 1]]
    for value in (50, -0.1, float("nan")):
        with refused("similarity-out-of-range", "from 0 to 1", "'a' and 'b' is"):
            distinct_texts.of_pairs(lambda one, other, value=value: value)(["a", "b"])
