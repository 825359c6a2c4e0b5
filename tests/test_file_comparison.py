"""What changed between two models, in numbers: worked examples, exact intervals and tests, one run and several."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from pielab.analysis import agreement, exact, file_comparison, file_groups, group_differences, null, paired_change
from pielab.data.paired_answers import PairedAnswers
from pielab.report import comparison_sentences
from pielab.store.predictions import Predictions

CLASSES = ["neg", "neu", "pos"]


def answers(before, after, targets=None, **more):
    """Class ids of one run a side, or of several."""
    sides = [np.atleast_2d(side) for side in (before, after)]
    ids = np.array([f"t{place}" for place in range(sides[0].shape[1])], dtype=object)
    given = {"targets": None if targets is None else np.asarray(targets), "classes": CLASSES} | more
    return PairedAnswers([], [], ids, given.pop("classes"), *sides, **given)


def noisy(runs, seed, texts=400, lean=0.0):
    """Logits (runs, texts, 3) of models that mostly answer text i by i modulo 3; the last lean towards class 0."""
    random = np.random.default_rng(seed)
    logits = 2 * np.eye(3)[np.arange(texts) % 3] + random.normal(size=(runs, texts, 3))
    return logits + lean * (np.arange(texts) >= texts / 2)[:, None] * np.eye(3)[0]


def of_logits(before, after, targets, **more):
    sides = before.argmax(axis=-1), after.argmax(axis=-1)
    return answers(*sides, targets, before_logits=before, after_logits=after, **more)


def test_the_numbers_of_a_worked_example():
    """Ten texts of class 0: two become wrong, one right, one wrong in another way."""
    found = file_comparison.compare(answers([0, 0, 0, 0, 0, 0, 1, 1, 1, 2], [0, 0, 0, 0, 1, 2, 0, 2, 1, 2], [0] * 10))
    changes = found.changes.set_index("quantity")
    assert changes["estimate"].to_dict() == pytest.approx(
        {"changed": 40, "right to wrong": 20, "wrong to right": 10, "wrong to another wrong": 10}
    )
    # The exact interval of 4 of 10, as tables of the binomial distribution have it.
    assert changes.loc["changed", ["low", "high"]].tolist() == pytest.approx([12.16, 73.76], abs=0.01)
    accuracy = found.accuracy.set_index("quantity")
    assert accuracy["estimate"].to_dict() == pytest.approx({"before": 60, "after": 50, "difference": -10})
    # Of three texts that are right on one side alone, one or fewer, or two or more: certain.
    assert accuracy.loc["difference", "p"] == 1
    assert found.matrix.to_numpy().tolist() == [[4, 1, 1], [1, 1, 1], [0, 0, 1]]
    assert found.matrix.sum(axis=None) == 10 and found.models is None and found.majorities == {}
    changed = found.by_text[found.by_text["changed"] > 0]
    assert changed["id"].tolist() == ["t4", "t5", "t6", "t7"] and changed["after"].tolist() == [
        "neu",
        "pos",
        "neg",
        "pos",
    ]


def test_mcnemars_p_of_a_worked_example():
    before, after = [0] * 9 + [1] * 11, [1] * 8 + [0] * 2 + [1] * 10
    p = file_comparison.compare(answers(before, after, [0] * 20)).accuracy["p"].iloc[-1]
    assert p == pytest.approx(2 * (1 + 9) / 2**9)  # eight lost and one won


def test_without_labels_there_is_no_accuracy_and_without_logits_no_divergence():
    found = file_comparison.compare(answers([0, 1, 2], [0, 2, 2]))
    assert found.changes["quantity"].tolist() == ["changed"] and found.accuracy is None
    assert found.numbers["changed_texts"] == 1 and "accuracy" not in found.numbers


def test_the_divergence_is_a_mean_over_texts_with_its_interval():
    before, after = noisy(1, 0), noisy(1, 1)
    row = file_comparison.compare(of_logits(before, after, None)).changes.set_index("quantity").loc["KL"]
    p, q = special.softmax(before[0], axis=1), special.softmax(after[0], axis=1)
    of_texts = special.rel_entr(p, q).sum(axis=1)
    assert row["estimate"] == pytest.approx(of_texts.mean())
    assert row["high"] - row["estimate"] == pytest.approx(stats.sem(of_texts) * stats.t.ppf(0.975, 399))


def test_what_did_not_change_is_zero():
    found = file_comparison.compare(of_logits(*[noisy(1, 0)] * 2, np.arange(400) % 3))
    assert found.changes["estimate"].eq(0).all() and found.accuracy["estimate"].iloc[-1] == 0
    assert found.changes.loc[0, "high"] == pytest.approx(100 * (1 - 0.025 ** (1 / 400)))


@given(st.integers(0, 10**6))
def test_the_other_way_round_loses_what_was_won(seed):
    random = np.random.default_rng(seed)
    sides, targets = random.integers(3, size=(2, 30)), random.integers(3, size=30)
    there, back = (file_comparison.compare(answers(*pair, targets)) for pair in (sides, sides[::-1]))
    assert there.changes["estimate"].iloc[0] == back.changes["estimate"].iloc[0]
    assert there.changes["estimate"].iloc[1] == pytest.approx(back.changes["estimate"].iloc[2])
    last = there.accuracy.iloc[-1], back.accuracy.iloc[-1]
    assert [last[0][name] for name in ("estimate", "low", "p")] == pytest.approx(
        [-last[1]["estimate"], -last[1]["high"], last[1]["p"]]
    )


# Several runs a side.


def test_several_runs_have_the_numbers_of_the_modules_that_notebooks_use():
    before, after, targets = noisy(6, 0), noisy(6, 1, lean=1.5), np.arange(400) % 3
    found = file_comparison.compare(of_logits(before, after, targets))
    sides = [Predictions(side, tuple(range(6))) for side in (before, after)]
    expected = paired_change.between(*sides, targets).set_index("quantity").loc[["changed", *paired_change.SPLIT, "KL"]]
    table = found.changes.set_index("quantity")
    for name, as_named in {"estimate": "estimate", "low": "low", "another_before": "another_seed"}.items():
        assert table[name].tolist() == pytest.approx(expected[as_named].tolist())
    ids = [side.argmax(axis=-1) for side in (before, after)]
    moved = agreement.quantities(agreement.count(ids[0], pruned=ids[1])).query("comparison == 'both'")
    assert found.models.loc[0, "estimate"] == moved.query("quantity == 'moved'")["estimate"].item()
    assert found.models.loc[0, "p"] < 0.05
    assert found.majorities["excess"] == pytest.approx(100 * null.estimate(*ids).excess)


def test_many_classes_give_the_numbers_of_few(monkeypatch):
    """Answers in free text: as many classes as texts, of which each text has a few."""
    runs = np.random.default_rng(0).integers(3, size=(8, 60))
    few = file_comparison.compare(answers(runs[:4], runs[4:], np.zeros(60, dtype=int)))
    spread = runs + 3 * np.arange(60)
    names = [f"{number:03}" for number in range(180)]
    many = file_comparison.compare(answers(spread[:4], spread[4:], 3 * np.arange(60), classes=names))
    for name in ("changes", "accuracy", "models"):
        pd.testing.assert_frame_equal(getattr(few, name), getattr(many, name))
    assert few.majorities == many.majorities and few.matrix is not None and many.matrix is None


def test_sides_of_unequal_size_have_what_needs_no_pairs():
    before, after, targets = noisy(4, 0), noisy(3, 1), np.arange(400) % 3
    found = file_comparison.compare(of_logits(before, after, targets, groups=np.array(["a", "b"] * 200, dtype=object)))
    row = found.changes.set_index("quantity").loc["changed"]
    ids = [side.argmax(axis=-1) for side in (before, after)]
    pairs = [(one != two).mean() for one, two in itertools.product(*ids)]
    assert row["estimate"] == pytest.approx(100 * np.mean(pairs)) and np.isnan(row["low"])
    own = [(one != two).mean() for one, two in itertools.combinations(ids[1], 2)]
    assert row["another_after"] == pytest.approx(100 * np.mean(own))
    assert found.by_text["changed"].mean() == pytest.approx(np.mean(pairs))
    assert found.models is None and found.groups is None and set(found.majorities) == {"pies"}


# Calibration.


def with_classes(before, after, targets, **more):
    return of_logits(before, after, targets, **({"logit_classes": CLASSES} | more))


def test_the_brier_score_and_the_calibration_error_of_a_worked_example():
    """Of four texts of the class neg, answered with a probability of 0.8 or 0.6, the model is right on half."""
    before, after = (np.log([[[p, 1 - p, 1e-30]] * 4]) for p in (0.8, 0.6))
    targets = np.array([0, 0, 1, 1])
    found = file_comparison.compare(with_classes(before, after, targets))
    table = found.calibration.set_index(["measure", "quantity"])
    scores = {0.8: (2 * 0.2**2 + 2 * 0.8**2) / 2, 0.6: (2 * 0.4**2 + 2 * 0.6**2) / 2}
    assert table.loc["Brier score", "estimate"].tolist() == pytest.approx([scores[0.8], scores[0.6], -0.16])
    assert table.loc["expected calibration error", "estimate"].tolist() == pytest.approx([0.3, 0.1, -0.2])
    assert table.loc["expected calibration error", ["low", "high"]].isna().all(axis=None)
    # 0.32 less 0.08 where the model is right, and 0.72 less 1.28 where it is wrong.
    of_texts = np.array([0.24, 0.24, -0.56, -0.56])
    assert table.loc[("Brier score", "difference"), ["low", "high"]].tolist() == pytest.approx(
        list(stats.t.interval(0.95, 3, of_texts.mean(), stats.sem(of_texts)))
    )


def test_the_columns_of_logits_may_be_in_another_order_than_the_classes():
    before, after, targets = noisy(1, 0), noisy(1, 1), np.arange(400) % 3
    first = file_comparison.compare(with_classes(before, after, targets)).calibration
    turned = PairedAnswers(
        *([], [], np.array([f"t{place}" for place in range(400)], dtype=object), CLASSES),
        *(before.argmax(axis=-1), after.argmax(axis=-1), before[..., ::-1], after[..., ::-1], targets),
        logit_classes=CLASSES[::-1],
    )
    pd.testing.assert_frame_equal(file_comparison.compare(turned).calibration, first)


def test_the_calibration_of_several_runs_is_that_of_the_notebooks():
    before, after, targets = noisy(4, 0), noisy(4, 1, lean=1.5), np.arange(400) % 3
    table = file_comparison.compare(with_classes(before, after, targets)).calibration.set_index(["measure", "quantity"])
    sides = [Predictions(side, tuple(range(4))) for side in (before, after)]
    expected = paired_change.between(*sides, targets).set_index("quantity")
    for measure, of_measure in table.groupby("measure"):
        names = [f"{measure} before", f"{measure} after", measure]
        assert of_measure.to_numpy() == pytest.approx(expected.loc[names, ["estimate", "low", "high"]].to_numpy())
    unequal = file_comparison.compare(with_classes(before, after[:3], targets)).calibration
    difference = unequal[unequal["quantity"] == "difference"]
    assert (difference["low"] < difference["estimate"]).all() and (difference["estimate"] < difference["high"]).all()


def test_without_a_logit_that_is_known_to_be_a_labels_there_is_no_calibration():
    before, after, targets = noisy(1, 0), noisy(1, 1), np.arange(400) % 3
    found = file_comparison.compare(with_classes(before, after, targets, logit_classes=["neg", None, "pos"]))
    assert found.calibration is None and "calibration" not in found.numbers
    assert "which logit is that of the label neu." in " ".join(comparison_sentences.sentences(found))
    # A class that is no label of any text may be unknown.
    without = file_comparison.compare(
        with_classes(before, after, 2 * (targets > 0), logit_classes=["neg", None, "pos"])
    )
    assert without.calibration is not None


# Several labels to a text.


def sets(before, after, targets=None):
    """Sets of three labels (runs, texts, 3) as answers, coded as data.paired_answers does."""
    members = np.array(list(itertools.product([False, True], repeat=3)))
    before, after = (np.asarray(side, dtype=bool) @ [4, 2, 1] for side in (before, after))
    names = ["; ".join(np.array(CLASSES)[row]) or "(none)" for row in members]
    targets = None if targets is None else np.asarray(targets, dtype=bool) @ [4, 2, 1]
    return answers(before, after, targets, classes=names, labels=CLASSES, members=members)


def test_labels_gained_and_lost_of_a_worked_example():
    before = [[[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]]]
    after = [[[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]]
    found = file_comparison.compare(sets(before, after, [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]]))
    changes = found.changes.set_index("quantity")["estimate"].to_dict()
    assert changes == {"changed": 75, "right to wrong": 50, "wrong to right": 25, "wrong to another wrong": 0}
    assert found.labels.to_dict("records") == [
        {"label": "neu", "before": 2, "after": 0, "gained": 0, "lost": 2},
        {"label": "neg", "before": 2, "after": 3, "gained": 1, "lost": 0},
        {"label": "pos", "before": 0, "after": 1, "gained": 1, "lost": 0},
        {"label": "(none)", "before": 1, "after": 0, "gained": 0, "lost": 1},
    ]
    assert found.matrix is None and found.by_text["before"].tolist() == ["neg", "neg; neu", "(none)", "neu"]
    assert found.numbers["labels"][0]["lost"] == 2


def test_sets_of_one_label_each_have_the_numbers_of_classes():
    """But for the majority, which of sets may be none."""
    runs = np.random.default_rng(0).integers(3, size=(12, 60))
    hot, targets = np.eye(3, dtype=bool), np.zeros(60, dtype=int)
    one = file_comparison.compare(answers(runs[:6], runs[6:], targets))
    several = file_comparison.compare(sets(hot[runs[:6]], hot[runs[6:]], hot[targets]))
    for name in ("changes", "accuracy", "models"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(several, name))
    assert one.majorities != several.majorities
    gained = several.labels.set_index("label").loc[CLASSES, "gained"]
    assert gained.tolist() == pytest.approx(
        [((runs[:6] != label) & (runs[6:] == label)).sum(axis=1).mean() for label in range(3)]
    )


def test_the_majority_set_is_of_the_labels_that_more_than_half_of_the_runs_give():
    random = np.random.default_rng(0)
    before, after = random.random((2, 5, 40, 3)) < 0.5
    found = file_comparison.compare(sets(before, after))
    differing = (before.sum(axis=0) > 2) != (after.sum(axis=0) > 2)
    assert found.majorities["pies"] == pytest.approx(100 * differing.any(axis=1).mean())
    assert found.by_text["majority_changed"].tolist() == differing.any(axis=1).tolist()
    assert found.majorities["excess"] == pytest.approx(100 * null.estimate(before, after).excess)
    # Of sides of unequal size as well.
    unequal = file_comparison.compare(sets(before, after[:3]))
    differing = (before.sum(axis=0) > 2) != (after[:3].sum(axis=0) > 1)
    assert unequal.majorities == {"pies": pytest.approx(100 * differing.any(axis=1).mean())}


# Exact intervals and tests.


@given(st.integers(0, 10**6))
def test_the_test_of_a_group_is_that_of_all_ways_to_deal_out_the_texts(seed):
    random = np.random.default_rng(seed)
    outcome, size = random.choice([1, 0, -1], size=9, p=[0.3, 0.5, 0.2]), random.integers(1, 9)
    chosen = np.arange(9) < size
    expected = outcome.sum() * size / 9
    deals = [abs(outcome[list(deal)].sum() - expected) for deal in itertools.combinations(range(9), size)]
    found = abs(outcome[chosen].sum() - expected)
    p = np.mean(np.array(deals) >= found - 1e-9)
    assert exact.difference_in_group(outcome == 1, outcome == -1, chosen) == pytest.approx(p)


def test_the_test_of_a_large_group_is_quick_and_near_that_of_normal_numbers():
    random = np.random.default_rng(0)
    outcome = random.choice([1, 0, -1], size=50_000, p=[0.2, 0.7, 0.1])
    chosen = random.random(50_000) < 0.3
    p = exact.difference_in_group(outcome == 1, outcome == -1, chosen)
    assert p == pytest.approx(stats.ttest_ind(outcome[chosen], outcome[~chosen]).pvalue, abs=0.01)


@pytest.mark.parametrize(
    ("lost", "won", "texts"), [(0.1, 0.05, 100), (0.02, 0.02, 100), (0.3, 0.4, 50), (0.01, 0, 300), (0.5, 0.5, 30)]
)
def test_the_interval_of_a_difference_holds_the_truth(lost, won, texts):
    random = np.random.default_rng(0)
    draws = random.multinomial(texts, [won, lost, 1 - won - lost], size=1000)
    distinct, numbers = np.unique(draws[:, :2], axis=0, return_counts=True)
    ends = [exact.difference_of_shares(*pair, texts)[1:] for pair in distinct.tolist()]
    held = [low <= 100 * (won - lost) <= high for low, high in ends]
    assert np.average(held, weights=numbers) >= 0.94


def test_groups_of_a_worked_example():
    """Of 90 texts, all 30 of b are lost; of a, every eighth changes from wrong to right."""
    groups = np.array(["a", "a", "b"] * 30, dtype=object)
    place, is_b = np.arange(90), groups == "b"
    before = np.where(~is_b & (place % 8 == 0), 1, 0)[None]
    after = np.where(is_b, 1, 0)[None]
    won = 100 * (before[0] != after[0])[~is_b].mean()
    table = file_groups.compare(before, after, np.zeros(90, dtype=int), groups).set_index(["group", "quantity"])
    assert table.loc[("b", "changed"), ["texts", "estimate", "difference"]].tolist() == [
        30,
        100,
        pytest.approx(100 - won),
    ]
    assert table.loc[("a", "lost accuracy"), "estimate"] == pytest.approx(-won)
    assert (table["p"] < 1e-9).all() and table["p"].equals(table["p_corrected"])


def test_small_groups_are_listed_and_not_tested_and_p_is_corrected():
    groups = np.array(["a"] * 40 + ["b"] * 40 + ["c"] * 19, dtype=object)
    before, after = np.zeros((1, 99), dtype=int), (np.arange(99) < 20).astype(int)[None]
    table = file_groups.compare(before, after, None, groups).set_index("group")
    assert table["estimate"].tolist() == [50, 0, 0] and table["p"].isna().tolist() == [False, False, True]
    assert table["p_corrected"].iloc[:2].max() > table["p"].iloc[:2].min()
    assert table.loc["a", "p_corrected"] == pytest.approx(2 * table.loc["a", "p"])


def test_groups_of_several_runs_are_those_of_the_notebooks():
    before, after, targets = noisy(4, 0).argmax(-1), noisy(4, 1, lean=2).argmax(-1), np.arange(400) % 3
    groups = np.where(np.arange(400) >= 200, "late", "early").astype(object)
    table = file_groups.compare(before, after, targets, groups)
    expected = group_differences.compare(before, after, targets, groups).query("quantity != 'moved'")
    assert table["p"].tolist() == expected["p"].tolist() and table["group"].tolist() == [
        "early",
        "early",
        "late",
        "late",
    ]
