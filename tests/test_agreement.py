"""How often models differ: naive counts, sums that hold, a worked example, and intervals by their formulas."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pielab.analysis import agreement, pies
from pielab.analysis.agreement import Agreement, Pair

SIDES = ("unpruned", "control", "pruned")


def draw(seed, sides=3, seeds=4, texts=40, classes=3, several=False):
    """Predictions of sides that differ in how often they give a text's own answer, most of all the last."""
    random = np.random.default_rng(seed)
    if several:
        common = random.random((texts, classes)) < 0.3
        other = random.random((sides, seeds, texts, classes)) < 0.3
    else:
        common = random.integers(classes, size=texts)
        other = random.integers(classes, size=(sides, seeds, texts))
    flips = random.random((sides, seeds, texts)) < np.linspace(0.1, 0.5, sides)[:, None, None]
    flips = flips[..., None] if several else flips
    return dict(zip(SIDES if sides == 3 else ("unpruned", "pruned"), np.where(flips, other, common), strict=True))


def d(sides, first, second, same=False):
    """D by a double loop, in points."""
    pairs = [
        (model, other)
        for i, model in enumerate(sides[first])
        for j, other in enumerate(sides[second])
        if (i == j) is same
    ]
    return 100 * np.mean([[not np.array_equal(*answers) for answers in zip(*pair, strict=True)] for pair in pairs])


def table(**sides):
    return agreement.quantities(agreement.count(**sides)).set_index(["comparison", "quantity"])


@given(st.integers(0, 1000), st.integers(2, 3), st.integers(2, 4), st.sampled_from([0, 2, 8, 9, 70]))
def test_counts_are_those_of_a_naive_double_loop(seed, sides, seeds, classes):
    several = classes > 3
    given = draw(seed, sides, seeds, 12, classes or 3, several)
    found = agreement.count(**given)
    models = [model for side in given.values() for model in side]
    naive = [
        [np.sum([not np.array_equal(*two) for two in zip(one, other, strict=True)]) for other in models]
        for one in models
    ]
    assert found.differing.reshape(len(models), -1).tolist() == naive
    assert (found.sides, found.seeds, found.texts) == (tuple(given), seeds, 12)


def test_sets_of_many_classes_are_equal_only_in_every_class():
    base = np.zeros((2, 4, 130), dtype=bool)
    base[:, :, 5] = True
    other = base.copy()
    other[:, 1, 129] = other[:, 2, 64] = other[:, 3, 0] = True
    found = agreement.count(base, pruned=other)
    assert found.differing[0, :, 1].tolist() == [[3, 3]] * 2
    assert found.differing[1, :, 1].tolist() == [[0, 0]] * 2


@given(st.integers(0, 1000), st.integers(2, 5), st.booleans())
def test_the_covariance_is_that_over_all_texts(seed, seeds, several):
    given = draw(seed, 3, seeds, 15, several=several)
    by_text = [agreement.count(**{side: answers[:, [text]] for side, answers in given.items()}) for text in range(15)]
    shares = []
    for pair in agreement.pairs(SIDES):
        one, two = SIDES.index(pair.first), SIDES.index(pair.second)
        mask = np.eye(seeds, dtype=bool) == pair.same_seed
        shares.append([text.differing[one, :, two][mask].mean() for text in by_text])
    assert np.allclose(agreement.count(**given).covariance, np.cov(shares))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(2, 6), st.booleans())
def test_quantities_are_their_formulas_and_add_up(seed, seeds, several):
    given = draw(seed, 3, seeds, several=several)
    found = table(**given)["estimate"]
    u, c, p = SIDES
    parts = found["parts"]
    assert parts.to_dict() == pytest.approx(
        {
            "retraining": d(given, u, u),
            "training longer": d(given, u, c) - d(given, u, u),
            "removal": d(given, u, p) - d(given, u, c),
            "removal from control": d(given, c, p) - d(given, c, c),
            "interaction": d(given, u, p) - d(given, u, c) - d(given, c, p) + d(given, c, c),
            "in all": d(given, u, p),
        }
    )
    assert list(parts.index[-1:]) == ["in all"]
    for name, (x, y) in {"both": (u, p), "training longer": (u, c), "removal": (c, p)}.items():
        assert found[name].to_dict() == pytest.approx(
            {
                "excess": d(given, x, y) - d(given, x, x),
                "moved": d(given, x, y) - (d(given, x, x) + d(given, y, y)) / 2,
                "spread": (d(given, y, y) - d(given, x, x)) / 2,
                "own answers changed": d(given, x, y, same=True),
                "kept by the seed": d(given, x, y) - d(given, x, y, same=True),
            }
        )
    # What adds up does so to the last bits of a float.
    exact = {"rel": 0, "abs": 1e-12}
    assert parts["retraining"] + parts["training longer"] + parts["removal"] == pytest.approx(parts["in all"], **exact)
    assert parts["removal from control"] + parts["interaction"] == pytest.approx(parts["removal"], **exact)
    moved, spread = (found.xs(name, level="quantity") for name in ("moved", "spread"))
    assert moved["training longer"] + moved["removal"] + parts["interaction"] == pytest.approx(moved["both"], **exact)
    assert spread["training longer"] + spread["removal"] == pytest.approx(spread["both"], **exact)


def test_three_texts_by_hand():
    found = table(
        unpruned=np.array([[0, 0, 0], [0, 0, 1]]),
        control=np.array([[0, 0, 0], [0, 1, 1]]),
        pruned=np.array([[2, 0, 0], [2, 1, 0]]),
    )["estimate"]
    # U: the two models differ on the third text. U_0, C_1 on two, U_1, C_0 on one. C: on two. U_0, P_1: on two,
    # U_1, P_0: on two. C_0, P_1: on two; C_1, P_0: on all three. Own answers: U, P 1 and 3; U, C 0 and 1; C, P 1 and 2.
    third = 100 / 3
    assert found["parts"].tolist() == pytest.approx([third * x for x in (1, 0.5, 0.5, 0.5, 0, 2)])
    assert found["both", "own answers changed"] == pytest.approx(third * 2)
    assert found["training longer", "own answers changed"] == pytest.approx(third * 0.5)
    assert found["removal", "own answers changed"] == pytest.approx(third * 1.5)
    assert found["both"][["moved", "spread"]].tolist() == pytest.approx([third * 1, third * 0])


def test_moved_is_one_point_if_one_text_in_a_hundred_becomes_another_answer_outright():
    before = np.zeros((4, 100), dtype=int)
    after = before.copy()
    after[:, 7] = 1
    found = table(unpruned=before, pruned=after)
    assert found["estimate"]["both"].to_dict() == {
        **{"excess": 1, "moved": 1, "spread": 0},
        **{"own answers changed": 1, "kept by the seed": 0},
    }
    # All seeds agree on it, and other texts would not be these.
    assert found.loc[("both", "moved"), ["low", "high"]].tolist() == [1, 1]
    assert found.loc[("both", "moved"), "low_to_come"] < 0.01 < 2.9 < found.loc[("both", "moved"), "high_to_come"]


def test_without_controls_removal_is_everything_beyond_retraining():
    sides = draw(0, sides=2)
    found = table(**sides)["estimate"]
    assert list(found["parts"].index) == ["retraining", "removal", "in all"]
    assert list(found.index.unique(level=0)) == ["parts", "both", "removal"]
    assert found["removal"].equals(found["both"])
    assert found["parts", "removal"] == found["both", "excess"]


def test_a_control_itself_has_only_training_longer():
    sides = draw(0)
    found = table(unpruned=sides["unpruned"], control=sides["control"])["estimate"]
    assert list(found["parts"].index) == ["retraining", "training longer", "in all"]
    assert list(found.index.unique(level=0)) == ["parts", "training longer"]
    whole = table(**sides)["estimate"]
    assert found["training longer"].equals(whole["training longer"])


def test_pruned_models_that_are_the_controls_have_no_removal():
    sides = draw(0)
    found = table(unpruned=sides["unpruned"], control=sides["control"], pruned=sides["control"])
    for name in ("removal", "interaction"):
        assert found.loc[("parts", name)].tolist() == [0] * 5
    assert found.loc[("removal", "own answers changed"), "estimate"] == 0


def test_a_record_is_json_and_gives_the_same_agreement():
    found = agreement.count(**draw(0))
    again = Agreement.of(json.loads(json.dumps(found.record)))
    assert (again.sides, again.seeds, again.texts) == (found.sides, found.seeds, found.texts)
    assert np.array_equal(again.differing, found.differing) and again.differing.dtype == np.int64
    pd.testing.assert_frame_equal(agreement.quantities(again), agreement.quantities(found))


def kernel(sides, weights):
    """h_ij of a combination of pairs, by loops, in points."""
    seeds = len(sides["unpruned"])
    h = np.zeros((seeds, seeds))
    for i, j in np.ndindex(seeds, seeds):
        for pair, weight in weights.items():
            x, y = sides[pair.first], sides[pair.second]
            two = [(x[i], y[i]), (x[j], y[j])] if pair.same_seed else [(x[i], y[j]), (x[j], y[i])]
            h[i, j] += (i != j) * weight * np.mean([100 * np.mean(one != other) for one, other in two])
    return h


@settings(max_examples=10)
@given(st.integers(0, 1000), st.integers(4, 6))
def test_intervals_are_those_of_the_formulas(seed, n):
    sides = draw(seed, 3, n)
    found = table(**sides)
    for name, weights in {
        ("both", "excess"): {Pair("unpruned", "pruned", False): 1, Pair("unpruned", "unpruned", False): -1},
        ("parts", "in all"): {Pair("unpruned", "pruned", False): 1},
        ("removal", "moved"): {
            Pair("control", "pruned", False): 1,
            Pair("control", "control", False): -0.5,
            Pair("pruned", "pruned", False): -0.5,
        },
        ("training longer", "kept by the seed"): {
            Pair("unpruned", "control", False): 1,
            Pair("unpruned", "control", True): -1,
        },
    }.items():
        h = kernel(sides, weights)
        total, rows = h.sum(), h.sum(axis=1)
        estimate = total / (n * (n - 1))
        left_out = 4 * (n - 1) / (n * (n - 2) ** 2) * sum((row / (n - 1) - estimate) ** 2 for row in rows)
        four = [h[i, j] * h[k, m] for i, j, k, m in np.ndindex(n, n, n, n) if len({i, j, k, m}) == 4]
        unbiased = estimate**2 - np.mean(four)
        of_seeds = min(max((left_out + unbiased) / 2, 0.75 * left_out), left_out)
        half_width = stats.t.ppf(0.975, n - 1) * math.sqrt(of_seeds)
        low, high = estimate - half_width, estimate + half_width
        if name == ("parts", "in all"):
            low = max(low, 0)
        assert found.loc[name, ["estimate", "low", "high"]].tolist() == pytest.approx([estimate, low, high], abs=1e-9)
        texts = 40
        by_text = [
            kernel({side: answers[:, [text]] for side, answers in sides.items()}, weights).sum() / (n * (n - 1))
            for text in range(texts)
        ]
        of_texts = np.var(by_text, ddof=1) / texts
        freedom = (of_seeds + of_texts) ** 2 / (of_seeds**2 / (n - 1) + of_texts**2 / (texts - 1))
        half_width = stats.t.ppf(0.975, freedom) * math.sqrt(of_seeds + of_texts)
        to_come = [min(low, estimate - half_width), max(high, estimate + half_width)]
        if name == ("parts", "in all"):
            to_come[0] = max(to_come[0], 0)
        assert found.loc[name, ["low_to_come", "high_to_come"]].tolist() == pytest.approx(to_come, abs=1e-9)


@given(st.integers(0, 1000), st.integers(4, 7))
def test_the_variance_is_between_three_quarters_of_that_of_leaving_out_one_seed_and_all_of_it(seed, n):
    h = np.random.default_rng(seed).normal(size=(100, n, n))
    h = (h + h.transpose(0, 2, 1)) * (1 - np.eye(n))
    without = [np.delete(np.delete(h, i, 1), i, 2).sum(axis=(1, 2)) / ((n - 1) * (n - 2)) for i in range(n)]
    left_out = (n - 1) / n * ((without - np.mean(without, axis=0)) ** 2).sum(axis=0)
    shares = agreement.seed_variance(h) / left_out
    assert (shares > 0.75 - 1e-9).all() and (shares < 1 + 1e-9).all()
    # Noise of pairs alone, whose unbiased variance is about half of that of leaving out one seed.
    assert 0.2 < np.isclose(shares, 0.75).mean() < 0.9


def own_changed(changed, seeds=4, texts=1000):
    """The row of own answers changed, where so many of each seed did, on texts of its own."""
    before = np.zeros((seeds, texts), dtype=int)
    after = before.copy()
    for seed, number in enumerate(changed):
        after[seed, seed * 50 : seed * 50 + number] = 1
    return table(unpruned=before, pruned=after).loc[("both", "own answers changed")]


def test_own_answers_changed_has_the_t_interval_of_seeds_and_of_few_that_of_poisson():
    many = own_changed([5, 9, 7, 11])
    half_width = stats.t.ppf(0.975, 3) * stats.sem([0.5, 0.9, 0.7, 1.1])
    assert many[["low", "high"]].tolist() == pytest.approx([0.8 - half_width, 0.8 + half_width])
    # Three of 4,000 in all: 0.6187 and 8.767 are the exact limits of a Poisson number of 3.
    few = own_changed([1, 1, 1, 0])
    t = stats.t.ppf(0.975, 3) * stats.sem([0.1, 0.1, 0.1, 0])
    assert 2 * t < (8.767 - 0.6187) / 40
    assert few[["low", "high"]].tolist() == pytest.approx([0.6187 / 40, 8.767 / 40], rel=1e-3)
    # A t interval that is wider stays, without shares below 0.
    uneven = own_changed([0, 0, 0, 9])
    assert uneven[["low", "high"]].tolist() == pytest.approx([0, 0.225 + stats.t.ppf(0.975, 3) * 0.225])
    none = own_changed([0, 0, 0, 0])
    assert none[["estimate", "low", "high"]].tolist() == pytest.approx([0, 0, 3.689 / 40], rel=1e-3)
    assert none["high_to_come"] >= none["high"]


@pytest.mark.parametrize("seeds", [2, 3])
def test_fewer_than_four_seeds_have_estimates_and_no_interval(seeds):
    found = table(**draw(0, seeds=seeds))
    assert found["estimate"].notna().all()
    assert found[["low", "high", "low_to_come", "high_to_come"]].isna().all(axis=None)


def test_models_that_agree_everywhere_and_one_text_give_no_warning():
    same = np.zeros((4, 5), dtype=int)
    found = table(unpruned=same, pruned=same).drop(index=("both", "own answers changed"))
    found = found.drop(index=("removal", "own answers changed"))
    assert (found == 0).all(axis=None)
    one = table(**{side: answers[:, :1] for side, answers in draw(3).items()})
    assert one.notna().all(axis=None)


def test_predictions_that_cannot_be_compared():
    two = np.zeros((2, 3), dtype=int)
    with refused("too-few-models-to-compare", "at least two seeds", "1 seeds for 3 examples"):
        agreement.count(two[:1], pruned=two[:1])
    with refused("too-few-models-to-compare", "one example", "2 seeds for 0 examples"):
        agreement.count(two[:, :0], pruned=two[:, :0])
    with refused("sides-of-different-shapes", "the same seeds", "unpruned (2, 3), pruned (3, 3)"):
        agreement.count(two, pruned=np.zeros((3, 3), dtype=int))
    with refused("sides-of-different-shapes", "the same examples", "control (2, 4)"):
        agreement.count(two, np.zeros((2, 4), dtype=int), two)


@pytest.fixture(scope="module")
def simulation():
    """The simulation of the documentation, of fewer and shorter studies."""
    spec = importlib.util.spec_from_file_location("null_coverage", Path(__file__).parents[1] / "docs/null_coverage.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass is looked up
    spec.loader.exec_module(module)
    module.POPULATION, module.TEXTS, module.RESAMPLES = 100, 40, 4
    return module


def test_the_truths_of_the_simulation_are_those_of_its_models(simulation):
    law, random = simulation.laws()["both"], np.random.default_rng(0)
    models = law.models(4000, texts := np.arange(100), random)
    for pair, truth in zip(agreement.pairs(SIDES), law.differing(), strict=True):
        one, two = (models[SIDES.index(side)] for side in (pair.first, pair.second))
        found = (one != (two if pair.same_seed else np.roll(two, 1, axis=0))).mean(axis=0)
        assert found[texts] == pytest.approx(truth, abs=0.04) and found.mean() == pytest.approx(truth.mean(), abs=0.01)
    laws = simulation.answer_law(law.means[2])
    winners = [pies.majority(models[2][start : start + 3]) for start in range(0, 3999, 3)]
    shares = np.array([np.mean(np.array(winners) == label, axis=0) for label in range(4)]).T
    assert shares == pytest.approx(simulation.majority_law(laws, 3), abs=0.07)


def test_the_simulation_of_the_docs_runs(simulation, monkeypatch, capsys):
    options = ["--trials", "2", "--families", "1", "--halves", "1", "--seeds", "4", "6"]
    monkeypatch.setattr(sys, "argv", ["null_coverage.py", *options])
    simulation.main()
    printed = capsys.readouterr().out
    assert printed.count("\n| moved |") == 3 and "| only removal | the one that changes |" in printed
    assert "| more PIEs than the control |" in printed and "nan" not in printed
