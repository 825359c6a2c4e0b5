"""The test by exchange: brute force, identical sides, known effects, and the correction for several configurations."""

import itertools

import numpy as np
import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from pielab.analysis import agreement, exchange


def draw(random, seeds, texts=100, flip=0.3, shift=0.0):
    """Models that mostly give a text's own answer, which is another one for the first texts if shifted."""
    answer = np.random.default_rng(99).integers(4, size=texts)
    answer = np.where(np.arange(texts) < shift * texts, (answer + 1) % 4, answer)
    return np.where(random.random((seeds, texts)) < flip, random.integers(4, size=(seeds, texts)), answer)


def naive(first, second):
    """Moved and |spread| of two sides, in whole texts, from all pairs of predictions."""
    d = [
        sum((one != two).sum() for (i, one), (j, two) in itertools.product(enumerate(x), enumerate(y)) if i != j)
        for x, y in ((first, second), (first, first), (second, second))
    ]
    return 2 * d[0] - d[1] - d[2], abs(d[2] - d[1])


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_p_values_are_those_of_exchanging_the_predictions(seed):
    random = np.random.default_rng(seed)
    first, second = draw(random, 6, 20), draw(random, 6, 20, shift=0.1, flip=0.4)
    found = []
    for exchanged in itertools.product([False, True], repeat=6):
        mask = np.array(exchanged)[:, None]
        found.append(naive(np.where(mask, second, first), np.where(mask, first, second)))
    expected = np.mean(np.array(found) >= found[0], axis=0)
    table = exchange.tests([agreement.count(first, pruned=second)], "unpruned", "pruned")
    assert table.loc[0, ["p_moved", "p_spread"]].tolist() == expected.tolist()


@given(st.integers(0, 1000), st.integers(0, 63))
def test_exchanging_predictions_permutes_the_table(seed, exchanged):
    """The statistics from the signs are those of the predictions exchanged, as moved and spread."""
    random = np.random.default_rng(seed)
    sides = draw(random, 6, 20), draw(random, 6, 20, shift=0.2, flip=0.5)
    signs = exchange.exchanges(6)[[0, exchanged]]
    found = np.array(exchange.statistics(agreement.count(sides[0], pruned=sides[1]), "unpruned", "pruned", signs))
    mask = signs[1][:, None] < 0
    expected = np.array([naive(*sides), naive(np.where(mask, *sides[::-1]), np.where(mask, *sides))]).T
    # Both in the same units: those of the observed statistic.
    assert found[:, 1] * expected[:, 0] == pytest.approx(expected[:, 1] * found[:, 0])


def test_statistics_are_in_units_of_their_deviation_over_all_exchanges():
    random = np.random.default_rng(0)
    one = agreement.count(draw(random, 8), pruned=draw(random, 8, flip=0.5))
    moved, spread = exchange.statistics(one, "unpruned", "pruned", exchange.exchanges(8))
    assert moved.mean() == pytest.approx(0, abs=1e-12) and moved.std() == pytest.approx(1)
    assert (spread**2).mean() == pytest.approx(1)


@pytest.mark.parametrize("seeds", [6, 16, 17])
def test_the_first_exchange_is_the_observed_one_and_they_are_always_the_same(seeds):
    signs = exchange.exchanges(seeds)
    assert signs.shape == (min(2**seeds, 65_536), seeds)
    assert (signs[0] == 1).all() and set(np.unique(signs)) == {-1, 1}
    assert np.array_equal(signs, exchange.exchanges(seeds))
    if seeds <= 16:
        assert len(np.unique(signs, axis=0)) == 2**seeds


def test_pruned_models_that_are_their_controls_have_a_p_value_of_one():
    random = np.random.default_rng(0)
    unpruned, control = draw(random, 6), draw(random, 6)
    other = agreement.count(unpruned, control, draw(random, 6, shift=0.5))
    table = exchange.tests([agreement.count(unpruned, control, control), other], "control", "pruned")
    assert table.loc[0].tolist() == [1] * 4
    assert table.loc[1, "p_moved"] == table.loc[1, "p_moved_corrected"] == 2 / 2**6


def test_each_comparison_finds_the_change_that_is_its_own():
    random = np.random.default_rng(0)
    unpruned, control = draw(random, 8), draw(random, 8)
    # Only removal changes the law, to other answers; then only training longer does, to steadier models.
    removal = agreement.count(unpruned, control, draw(random, 8, shift=0.3))
    steadier = agreement.count(unpruned, draw(random, 8, flip=0.1), draw(random, 8, flip=0.1))
    p = {
        (name, *pair): exchange.tests([one], *pair).iloc[0]
        for name, one in {"removal": removal, "steadier": steadier}.items()
        for pair in itertools.combinations(("unpruned", "control", "pruned"), 2)
    }
    least = 2 / 2**8
    assert p["removal", "unpruned", "pruned"]["p_moved"] == p["removal", "control", "pruned"]["p_moved"] == least
    assert p["removal", "unpruned", "control"].min() > 0.05
    assert p["steadier", "unpruned", "control"]["p_spread"] == p["steadier", "unpruned", "pruned"]["p_spread"] == least
    assert p["steadier", "control", "pruned"].min() > 0.05


@given(st.integers(0, 1000), st.integers(1, 4))
def test_step_down_is_that_of_its_definition(seed, tests):
    values = np.random.default_rng(seed).integers(5, size=(30, tests)).astype(float)
    order = sorted(range(tests), key=lambda test: -values[0, test])
    expected, earlier = {}, 0.0
    for place, test in enumerate(order):
        largest = values[:, order[place:]].max(axis=1)
        expected[test] = earlier = max(earlier, (largest >= values[0, test]).mean())
    assert exchange.step_down(values).tolist() == [expected[test] for test in range(tests)]


def test_a_test_alone_is_corrected_only_for_its_own_two_statistics():
    random = np.random.default_rng(1)
    pairs = [agreement.count(draw(random, 7), pruned=draw(random, 7)) for _ in range(3)]
    whole, alone = exchange.tests(pairs, "unpruned", "pruned"), exchange.tests(pairs[:1], "unpruned", "pruned")
    assert whole.loc[0, ["p_moved", "p_spread"]].equals(alone.loc[0, ["p_moved", "p_spread"]])
    for name in ("p_moved", "p_spread"):
        assert (whole[f"{name}_corrected"] >= whole[name]).all()
        assert whole.loc[0, f"{name}_corrected"] >= alone.loc[0, f"{name}_corrected"] >= alone.loc[0, name]


def test_equal_laws_are_seldom_told_apart():
    random, found = np.random.default_rng(0), []
    for _ in range(60):
        pairs = [agreement.count(draw(random, 6), pruned=draw(random, 6)) for _ in range(2)]
        found.append(exchange.tests(pairs, "unpruned", "pruned").min())
    rejected = np.mean(np.array(found) <= 0.05, axis=0)
    # The least of two p-values of 5 % each; the corrected ones are of the whole family.
    assert (rejected[:2] <= 0.2).all() and (rejected[2:] <= 0.1).all()


def test_five_seeds_have_no_test():
    random = np.random.default_rng(0)
    table = exchange.tests([agreement.count(draw(random, 5), pruned=draw(random, 5))] * 2, "unpruned", "pruned")
    assert table.shape == (2, 4) and table.isna().all(axis=None)
    assert exchange.tests([], "unpruned", "pruned").empty


def test_configurations_of_different_seeds_have_no_test_together():
    random = np.random.default_rng(0)
    pairs = [agreement.count(draw(random, seeds), pruned=draw(random, seeds)) for seeds in (6, 7)]
    with refused("tests-of-different-seeds", "test them apart", "6 and 7 seeds"):
        exchange.tests(pairs, "unpruned", "pruned")


def test_noise_is_told_beside_configurations_whose_seeds_moved_by_different_amounts():
    """Neither hides the other: moved and spread are compared on one scale."""
    random, told = np.random.default_rng(2), 0

    def moved():
        return np.concatenate(
            [draw(random, 1, flip=0.2, shift=share) for share in random.gamma(0.5, 0.3, 8).clip(0, 1)]
        )

    for _ in range(10):
        unpruned = draw(random, 8, flip=0.2)
        others = [agreement.count(unpruned, pruned=moved()) for _ in range(20)]
        noisier = agreement.count(unpruned, pruned=draw(random, 8, flip=0.36))
        told += exchange.tests([noisier, *others], "unpruned", "pruned")["p_spread_corrected"].iloc[0] < 0.05
    assert told >= 8
