"""The null: worked examples, a brute-force version, and its interval in simulation."""

import itertools
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from pielab.analysis import half_splits, null, pies
from pielab.data import tasks


def draw_runs(random, seeds, examples=300, classes=4, flip=0.3):
    """Models that mostly give an example's own class, and any other with probability `flip`."""
    answer = np.random.default_rng(99).integers(classes, size=examples)
    other = random.integers(classes, size=(seeds, examples))
    return np.where(random.random((seeds, examples)) < flip, other, answer)


def brute_null(dense, pruned):
    seeds = range(len(dense))
    half = len(dense) // 2
    shares = [
        (
            pies.find(dense[list(one)], dense[list(two)]).mean(),
            pies.find(dense[list(one)], pruned[list(two)]).mean(),
        )
        for one in itertools.combinations(seeds, half)
        for two in itertools.combinations([each for each in seeds if each not in one], half)
    ]
    return np.mean(shares, axis=0)


@settings(max_examples=25)
@given(st.integers(2, 5), st.integers(0, 1000), st.booleans())
def test_the_null_is_the_mean_over_all_half_splits(seeds, seed, multi_label):
    random = np.random.default_rng(seed)
    if multi_label:
        dense, pruned = random.random((2, seeds, 20, 3)) < 0.5
    else:
        dense, pruned = random.integers(3, size=(2, seeds, 20))
    found = null.estimate(dense, pruned, n_splits=60, n_bootstrap=60)
    expected = brute_null(dense, pruned)
    assert np.allclose([found.null, found.pruned], expected)
    assert math.isclose(found.excess, expected[1] - expected[0], abs_tol=1e-12)
    assert np.isclose(found.p_pie.mean(), found.pruned) and np.isclose(found.p_null.mean(), found.null)
    assert found.models_per_side == seeds // 2


def test_two_unpruned_models_that_never_agree_and_a_pruned_one_that_does():
    dense = np.array([[0, 0, 0], [1, 1, 1]])
    found = null.estimate(dense, pruned=np.array([[1, 0, 2], [0, 0, 1]]))
    # Half-splits: dense 0 against (dense 1, pruned 1), dense 1 against (dense 0, pruned 0).
    assert found.null == 1
    assert found.p_pie.tolist() == [0, 0.5, 1]
    assert math.isnan(found.low) and math.isnan(found.high)


@settings(max_examples=25)
@given(st.integers(2, 6), st.integers(0, 1000), st.booleans())
def test_the_difference_of_two_pruners_is_that_of_their_excesses(seeds, seed, multi_label):
    random = np.random.default_rng(seed)
    if multi_label:
        dense, pruned, other = random.random((3, seeds, 20, 3)) < 0.5
    else:
        dense, pruned, other = random.integers(3, size=(3, seeds, 20))
    found, low, high = null.difference(dense, pruned, other, n_splits=60, n_bootstrap=60)
    one, two = (null.estimate(dense, each, n_splits=60, n_bootstrap=60) for each in (pruned, other))
    assert math.isclose(found, one.excess - two.excess, abs_tol=1e-12)
    assert low <= high if seeds >= 4 else math.isnan(low) and math.isnan(high)
    back = null.difference(dense, other, pruned, n_splits=60, n_bootstrap=60)
    assert np.allclose([found, low, high], [-back[0], -back[2], -back[1]], equal_nan=True)
    assert null.difference(dense, pruned, pruned, n_splits=60, n_bootstrap=60)[0] == 0


def test_one_seed_has_no_null():
    with refused("too-few-unpruned-models", "add seeds", "at least two unpruned models"):
        null.estimate(np.zeros((1, 3), int), np.zeros((1, 3), int))


def test_the_interval_holds_zero_when_pruning_is_only_another_training():
    held = 0
    for trial in range(20):
        random = np.random.default_rng(trial)
        found = null.estimate(draw_runs(random, 8), draw_runs(random, 8), n_splits=60, n_bootstrap=60, seed=trial)
        held += found.low <= 0 <= found.high
    assert held >= 17


def test_the_interval_leaves_zero_when_pruning_changes_answers():
    random = np.random.default_rng(0)
    found = null.estimate(draw_runs(random, 8), draw_runs(random, 8, flip=0.9), n_splits=60, n_bootstrap=60)
    assert 0 < found.low < found.excess < found.high


def test_the_excess_by_group_finds_the_group_that_pruning_changes():
    random = np.random.default_rng(0)
    dense, pruned, changed = (draw_runs(random, 8, **flip) for flip in ({}, {}, {"flip": 0.9}))
    groups = np.arange(dense.shape[1]) % 3
    pruned = np.where(groups == 1, changed, pruned)
    _, _, table = null.excess_by_group(dense, pruned, groups, n_splits=60, n_bootstrap=60)
    assert (table["low"] <= 0).tolist() == [True, False, True] and (table["high"] > 0).all()
    whole = null.estimate(dense, pruned, n_splits=60, n_bootstrap=60)
    assert np.average(table["excess"], weights=np.bincount(groups)) == pytest.approx(whole.excess)
    _, _, two = null.excess_by_group(dense[:2], pruned[:2], groups)
    assert two["low"].isna().all() and two["excess"].notna().all()


def test_the_same_seed_gives_the_same_interval():
    dense, pruned = draw_runs(np.random.default_rng(0), 8), draw_runs(np.random.default_rng(1), 8)
    one, two = (null.estimate(dense, pruned, n_splits=30, n_bootstrap=30, seed=3) for _ in range(2))
    assert (one.low, one.high) == (two.low, two.high)


@given(st.integers(1, 6), st.integers(0, 1000))
def test_on_the_pies_of_a_binary_task_the_two_accuracies_add_up_to_one(seeds, seed):
    random = np.random.default_rng(seed)
    dense, pruned = random.integers(2, size=(2, seeds, 30))
    found = null.effectiveness_on_pies(dense, pruned, random.integers(2, size=30))
    if pies.find(dense, pruned).any():
        assert math.isclose(found["unpruned_on_pies"] + found["pruned_on_pies"], 1)
    else:
        assert math.isnan(found["unpruned_on_pies"])


def test_effectiveness_on_pies_by_hand():
    dense = np.array([[0, 1, 2, 0], [0, 1, 2, 1]])
    pruned = np.array([[0, 2, 1, 0], [0, 2, 1, 0]])
    targets = np.array([0, 1, 1, 1])
    found = null.effectiveness_on_pies(dense, pruned, targets)
    assert found["unpruned_on_all"] == 0.5 and found["pruned_on_all"] == 0.5
    assert found["unpruned_on_pies"] == 0.5 and found["pruned_on_pies"] == 0.5
    beside = null.effectiveness_beside_null(dense, pruned, targets)
    # The two unpruned models disagree on the last example alone; one of them is right there, one is not.
    assert beside["null_on_pies"] == 0.5
    # Single models disagree with a pruned one on the second and third, and the second unpruned one on the last as well:
    # it is right on the second and the last, the pruned one on the third.
    assert beside["halved_unpruned_on_pies"] == pytest.approx(3 / 5) and beside[
        "halved_pruned_on_pies"
    ] == pytest.approx(2 / 5)
    assert beside["unpruned_more"] == pytest.approx(0.1) and math.isnan(beside["unpruned_more_low"])


def test_multi_label_effectiveness_is_the_mean_macro_f1_of_the_seeds():
    dense = np.array([[[1, 0], [0, 1]], [[1, 0], [1, 0]]], dtype=bool)
    pruned = ~dense
    found = null.effectiveness_on_pies(dense, pruned, targets=np.array([[1, 0], [0, 1]], dtype=np.float32))
    # The first seed is right throughout (1.0); the second has F1 2/3 for class 0 and 0 for class 1.
    assert math.isclose(found["unpruned_on_all"], (1 + (2 / 3 + 0) / 2) / 2)
    # Text by text, the second is right on one of the two.
    assert found["unpruned_on_all_by_text"] == 0.75


def test_right_answers_of_a_task_of_many_classes_are_right_however_few_the_pies():
    targets = np.eye(20, dtype=bool)
    dense = np.repeat(targets[None], 4, axis=0)
    pruned = dense.copy()
    pruned[:, :4] = False
    found = null.effectiveness_on_pies(dense, pruned, targets)
    assert found["unpruned_on_all"] == 1 and found["unpruned_on_pies"] == pytest.approx(
        0.2
    )  # the paper's, of four PIEs
    assert found["unpruned_on_pies_by_text"] == found["unpruned_on_all_by_text"] == 1
    assert found["pruned_on_pies_by_text"] == 0


@given(st.integers(2, 6), st.integers(0, 1000), st.booleans())
@settings(max_examples=20)
def test_what_is_counted_beside_the_null_is_that_of_every_half_split(seeds, seed, multi_label):
    random = np.random.default_rng(seed)
    shape = (2, seeds, 20, 3) if multi_label else (2, seeds, 20)
    dense, pruned = random.integers(2, size=shape).astype(bool if multi_label else int)
    targets, columns = random.integers(2, size=shape[2:]), random.random((20, 2))
    splits = [(a == 1, b == 1) for a, b in half_splits.half_splits(seeds, 200, random)]
    task = tasks.of_answers(dense)
    rights = {"null": [], "unpruned": [], "pruned": []}
    chosen = {"null": [], "halved": []}
    for one, other in splits:
        of_null, of_pruned = pies.find(dense[one], dense[other]), pies.find(dense[one], pruned[other])
        rights["null"] += task.judged(dense[one], targets).mean(axis=0)[of_null].tolist()
        rights["unpruned"] += task.judged(dense[one], targets).mean(axis=0)[of_pruned].tolist()
        rights["pruned"] += task.judged(pruned[other], targets).mean(axis=0)[of_pruned].tolist()
        chosen["null"] += np.flatnonzero(of_null).tolist()
        chosen["halved"] += np.flatnonzero(of_pruned).tolist()
    found = null.effectiveness_beside_null(dense, pruned, targets)
    names = {"null": "null_on_pies", "unpruned": "halved_unpruned_on_pies", "pruned": "halved_pruned_on_pies"}
    table = null.beside_null(dense, pruned, columns)
    for side, name in names.items():
        assert found[name] == pytest.approx(np.mean(rights[side])) if rights[side] else math.isnan(found[name])
    for side, examples in chosen.items():
        expected = columns[examples].mean(axis=0) if examples else [math.nan] * 2
        assert table[side].tolist() == pytest.approx(list(expected), rel=1e-5, nan_ok=True)
    assert table["more"].tolist() == pytest.approx((table["halved"] - table["null"]).tolist(), nan_ok=True)


@pytest.mark.parametrize("multi_label", [False, True])
def test_what_pies_are_like_is_that_of_their_null_when_pruning_is_only_another_training(multi_label):
    """Harder texts are longer here, and a disagreement of more models is a harder text."""
    more, less, trials = 0, 0, 40
    for trial in range(trials):
        random = np.random.default_rng(trial)
        wrong = random.choice([0.01, 0.1, 0.3, 0.5], size=200)
        targets = random.integers(2, size=(200, 3) if multi_label else 200)
        flips = random.random((2, 8, *targets.shape)) < wrong.reshape(-1, *[1] * (targets.ndim - 1))
        dense, pruned = (targets != flips).astype(bool if multi_label else int)
        length = (50 * (1 + wrong) * random.uniform(0.5, 1.5, 200))[:, None]
        table = null.beside_null(dense, pruned, length, n_splits=40)
        right = null.effectiveness_beside_null(dense, pruned, targets, n_splits=40)
        more += (table["low"] > 0).sum() + (right["unpruned_more_low"] > 0) + (right["pruned_more_low"] > 0)
        less += (table["high"] < 0).sum() + (right["unpruned_more_high"] < 0) + (right["pruned_more_high"] < 0)
    # 3 numbers of 40 studies, each nominally beyond its interval on one side in 2.5 %.
    assert more <= 9 and less <= 9


def test_what_pies_are_like_leaves_the_null_when_pruning_changes_longer_texts():
    random = np.random.default_rng(0)
    dense, pruned, changed = (draw_runs(random, 8, **flip) for flip in ({}, {}, {"flip": 0.9}))
    length = random.uniform(10, 100, dense.shape[1])
    table = null.beside_null(dense, np.where(length > 50, changed, pruned), length[:, None])
    assert 0 < table["low"][0] < table["more"][0] < table["high"][0]


def test_the_interval_of_a_mean_over_seeds():
    mean, low, high = null.seed_interval(np.array([0.8, 0.9, 1.0]))
    # Student's t with two degrees of freedom, 4.303, times the standard error.
    assert (mean, high - mean, mean - low) == pytest.approx((0.9, *[4.303 * 0.1 / math.sqrt(3)] * 2), rel=1e-3)
    mean, low, high = null.seed_interval(np.array([0.8, 0.9]))
    assert mean == pytest.approx(0.85) and math.isnan(low) and math.isnan(high)


def test_the_interval_of_a_mean_holds_the_truth():
    random, held = np.random.default_rng(0), 0
    for _ in range(400):
        _, low, high = null.seed_interval(random.normal(0.9, 0.01, 4))
        held += low <= 0.9 <= high
    assert held >= 370


def test_shares_by_models_per_side_end_at_the_null_and_begin_with_pairs_of_models():
    random = np.random.default_rng(0)
    dense, pruned = random.integers(3, size=(2, 4, 50))
    table = null.by_models_per_side(dense, pruned, n_splits=100)
    assert table["models_per_side"].tolist() == [1, 2]
    found = null.estimate(dense, pruned, n_splits=100, n_bootstrap=100)
    assert np.allclose(table.iloc[-1][["pies", "null"]].tolist(), [found.pruned, found.null])
    pairs = [(dense[one] != pruned[two]).mean() for one, two in itertools.permutations(range(4), 2)]
    assert math.isclose(table["pies"][0], np.mean(pairs))
    assert (table["null_low"] <= table["null"]).all() and (table["null"] <= table["null_high"]).all()


def test_more_models_make_fewer_disagreements_by_chance():
    random = np.random.default_rng(0)
    table = null.by_models_per_side(draw_runs(random, 12), draw_runs(random, 12), n_splits=40)
    assert table["null"].is_monotonic_decreasing and table["null"].iloc[-1] < table["null"].iloc[0] / 2
    with refused("too-few-unpruned-models", "add seeds", "at least two unpruned models"):
        null.by_models_per_side(draw_runs(random, 1), draw_runs(random, 1))


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("different", [0, 1])
def test_models_that_agree_have_nothing_to_compare_and_give_no_warning(multi_label, different):
    dense = np.zeros((6, 10, 3), dtype=bool) if multi_label else np.zeros((6, 10), dtype=int)
    pruned = dense.copy()
    pruned[:, :different] = 1
    found = null.estimate(dense, pruned)
    assert np.allclose([found.excess, found.low, found.high], different / 10, rtol=0, atol=1e-12)
    table = null.beside_null(dense, pruned, np.arange(10.0)[:, None])
    assert table["null"].isna().all() and table["low"].isna().all() and table["halved"].isna().all() == (not different)
    right = null.effectiveness_beside_null(dense, pruned, dense[0])
    assert math.isnan(right["unpruned_more_low"]) and math.isnan(right["null_on_pies"])
    assert right["halved_unpruned_on_pies"] == 1 if different else math.isnan(right["halved_unpruned_on_pies"])


@pytest.mark.parametrize("options", [[], ["--several-labels"]])
def test_the_simulation_of_the_docs_runs(options, monkeypatch, capsys):
    path = Path(__file__).parents[1] / "docs/no_effect.py"
    monkeypatch.setattr(sys, "argv", [str(path), "--studies", "1", "--seeds", "4", *options])
    runpy.run_path(str(path), run_name="__main__")
    said = capsys.readouterr().out
    assert all(f"\n{number}" in said for number in ("03", "04", "05", "06"))
