"""PIEs against a version written out example by example."""

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.analysis import pies


def brute_majority(votes):
    counts = {each: votes.count(each) for each in votes}
    most = max(counts.values())
    return min(each for each, count in counts.items() if count == most)


def brute_set(rows, classes):
    return {index for index in range(classes) if sum(row[index] for row in rows) > len(rows) / 2}


@st.composite
def class_ids(draw):
    seeds, examples, classes = draw(st.integers(1, 7)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    one = st.lists(st.integers(0, classes - 1), min_size=examples, max_size=examples)
    side = st.lists(one, min_size=seeds, max_size=seeds).map(np.array)
    return draw(side), draw(side)


@st.composite
def multi_hot(draw):
    shape = draw(st.integers(1, 7)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    size = int(np.prod(shape))
    side = st.lists(st.booleans(), min_size=size, max_size=size).map(lambda each: np.array(each).reshape(shape))
    return draw(side), draw(side)


@given(class_ids())
def test_single_label_pies_are_those_of_the_definition(sides):
    dense, pruned = sides
    expected = [
        brute_majority(dense[:, index].tolist()) != brute_majority(pruned[:, index].tolist())
        for index in range(dense.shape[1])
    ]
    assert pies.single_label(dense, pruned).tolist() == expected
    assert pies.find(dense, pruned).tolist() == expected


@given(multi_hot())
def test_multi_label_pies_are_those_of_the_definition(sides):
    dense, pruned = sides
    expected = [
        brute_set(dense[:, index].tolist(), dense.shape[2]) != brute_set(pruned[:, index].tolist(), dense.shape[2])
        for index in range(dense.shape[1])
    ]
    assert pies.multi_label(dense, pruned).tolist() == expected
    assert pies.find(dense, pruned).tolist() == expected


@given(class_ids())
def test_the_same_models_have_no_pies(sides):
    assert not pies.single_label(sides[0], sides[0]).any()


def test_a_tie_goes_to_the_smallest_class():
    assert pies.majority(np.array([[2], [1], [2], [1]])).tolist() == [1]
    assert pies.majority(np.array([[3], [0], [1], [2]])).tolist() == [0]


def test_exactly_half_is_no_majority_set():
    half = np.array([[[True, True]], [[True, False]]])
    assert pies.majority_sets(half).tolist() == [[True, False]]


def test_votes_count_every_class():
    assert pies.votes(np.array([[0, 2], [0, 1]]), n_classes=3).tolist() == [[2, 0, 0], [0, 1, 1]]


def test_unequal_numbers_of_seeds_stop():
    with refused("sides-of-unequal-size", "the same number of seeds", "(3, 2) and pruned ones (2, 2)"):
        pies.single_label(np.zeros((3, 2), int), np.zeros((2, 2), int))


def test_predictions_of_the_wrong_shape_stop():
    with refused("predictions-without-votes", "give (seeds, examples)", "shape (2, 2, 2)"):
        pies.majority(np.zeros((2, 2, 2), int))


@pytest.mark.parametrize("shape", [(3, 0), (3, 0, 4)])
def test_no_examples_have_no_pies(shape):
    nothing = np.zeros(shape, dtype=int if len(shape) == 2 else bool)
    assert pies.find(nothing, nothing).shape == (0,)
