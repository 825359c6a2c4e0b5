"""Disagreements of many half-splits at once are those of one after the other."""

from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pielab.analysis import half_splits, pies
from pielab.data import votes


@given(st.integers(2, 7), st.integers(0, 10_000), st.booleans(), st.integers(1, 6), st.integers(1, 6))
def test_every_half_split_disagrees_where_its_votes_do(seeds, seed, multi_label, examples_at_once, columns_at_once):
    random = np.random.default_rng(seed)
    likely = random.random(14)
    if multi_label:
        dense, pruned = random.random((2, seeds, 14, 4)) < (likely**4)[:, None]
    else:
        dense, pruned = np.where(random.random((2, seeds, 14)) < likely, random.integers(5, size=(2, seeds, 14)), 2)
    splits = half_splits.half_splits(seeds, 20, random)
    found = np.zeros((2, len(splits), 14), dtype=bool)
    sizes = {"EXAMPLES_AT_ONCE": examples_at_once, "COLUMNS_AT_ONCE": columns_at_once}
    seen = []
    with mock.patch.multiple(votes, **sizes):
        for part, of_null, of_pruned in pies.disagreements(dense, pruned, splits):
            seen += part.tolist()
            found[0][:, part], found[1][:, part] = of_null, of_pruned
    assert seen == sorted(set(seen))  # each in one part, and in order
    for index, (first, second) in enumerate(splits):
        one, other = first == 1, second == 1
        assert np.array_equal(found[0][index], pies.find(dense[one], dense[other]))
        assert np.array_equal(found[1][index], pies.find(dense[one], pruned[other]))


@given(st.integers(2, 5), st.integers(0, 10_000), st.booleans())
def test_a_weight_of_two_is_a_model_that_votes_twice(seeds, seed, multi_label):
    random = np.random.default_rng(seed)
    shape = (2, seeds, 10, 3) if multi_label else (2, seeds, 10)
    dense, pruned = random.integers(2, size=shape).astype(bool if multi_label else int)
    first, second = random.integers(0, 3, size=(2, seeds))
    first[0], second[-1] = 1, 2
    found = np.zeros((2, 10), dtype=bool)
    for part, of_null, of_pruned in pies.disagreements(dense, pruned, [(first, second)]):
        found[:, part] = of_null[0], of_pruned[0]
    majority = pies.majority_sets if multi_label else pies.majority
    sides = [
        np.repeat(answers, weights, axis=0) for answers, weights in ((dense, first), (dense, second), (pruned, second))
    ]
    reference, *others = (majority(side) for side in sides)
    for row, other in zip(found, others, strict=True):
        assert np.array_equal(row, (reference != other).reshape(10, -1).any(axis=1))
