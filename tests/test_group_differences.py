"""Change, lost accuracy and movement by group: naive counts, a worked example, and simulations with a known truth."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pielab.analysis import agreement
from pielab.analysis.group_differences import COLUMNS, QUANTITIES, compare


def draw(seed, seeds=5, texts=120, classes=3, several=False, groups=3):
    random = np.random.default_rng(seed)
    shape = (seeds, texts, classes) if several else (seeds, texts)
    targets = random.random(shape[1:]) < 0.4 if several else random.integers(classes, size=texts)
    other = random.random((2, *shape)) < 0.4 if several else random.integers(classes, size=(2, *shape))
    flips = random.random((2, seeds, texts)) < np.array([0.2, 0.4])[:, None, None]
    before, after = np.where(flips[..., None] if several else flips, other, targets)
    return before, after, targets.astype(int), random.choice(list("abcde")[:groups], size=texts).astype(object)


def differ(one, other):
    return (one != other).any(axis=-1) if one.ndim == 2 else one != other


def naive(before, after, targets):
    """The quantities of some texts, and on how many unpruned models differ, in points, by double loops."""
    n = len(before)
    others = [(i, j) for i in range(n) for j in range(n) if i != j]
    d = {}
    sides = (before, after)
    for x, y in ((0, 0), (0, 1), (1, 1)):
        d[x, y] = 100 * np.mean([differ(sides[x][i], sides[y][j]) for i, j in others])
    changed = 100 * np.mean([differ(one, two) for one, two in zip(*sides, strict=True)])
    wrong = [100 * np.mean([differ(model, targets) for model in side]) for side in sides]
    return {
        "changed": changed,
        "lost accuracy": wrong[1] - wrong[0],
        "moved": d[0, 1] - (d[0, 0] + d[1, 1]) / 2,
        "null": d[0, 0],
    }


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(2, 5), st.booleans())
def test_numbers_are_those_of_double_loops(seed, seeds, several):
    before, after, targets, groups = draw(seed, seeds, several=several)
    table = compare(before, after, targets, groups).set_index(["group", "quantity"])
    assert list(table.reset_index()[COLUMNS]) == COLUMNS
    for name in set(groups):
        own, others = (
            naive(before[:, part], after[:, part], targets[part]) for part in (groups == name, groups != name)
        )
        assert set(table.loc[name, "texts"]) == {(groups == name).sum()}
        for quantity in QUANTITIES:
            row = table.loc[(name, quantity)]
            assert row["estimate"] == pytest.approx(own[quantity], abs=1e-9)
            assert row["difference"] == pytest.approx(own[quantity] - others[quantity], abs=1e-9)
        changed = table.loc[(name, "changed")]
        assert changed["null"] == pytest.approx(own["null"])
        assert changed["null_difference"] == pytest.approx(own["null"] - others["null"], abs=1e-9)
    assert (table.loc[(slice(None), ["lost accuracy", "moved"]), ["null", "null_difference"]] == 0).all(axis=None)


def test_intervals_of_a_worked_example():
    """Means over seeds are those of Student's t; a difference has the variance of seeds and that of texts."""
    before, after, targets, groups = draw(3)
    table = compare(before, after, targets, groups).set_index(["group", "quantity"])
    own = groups == "b"
    lost = 100 * ((before == targets).astype(float) - (after == targets))
    values = lost[:, own].mean(axis=1)
    expected = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    row = table.loc[("b", "lost accuracy")]
    assert (row["low"], row["high"]) == pytest.approx(expected)

    of_seeds = (values - lost[:, ~own].mean(axis=1)).var(ddof=1) / 5
    least = lost.mean(axis=0).var(ddof=1)
    of_texts = [max(lost[:, part].mean(axis=0).var(ddof=1), least) / part.sum() for part in (own, ~own)]
    variance = of_seeds + sum(of_texts)
    freedom = variance**2 / (
        of_seeds**2 / 4 + of_texts[0] ** 2 / (own.sum() - 1) + of_texts[1] ** 2 / ((~own).sum() - 1)
    )
    half_width = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert row["difference_high"] - row["difference"] == pytest.approx(half_width)
    assert row["difference"] - row["difference_low"] == pytest.approx(half_width)
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(row["difference"]) / np.sqrt(variance), freedom))
    # At these texts the others are as everywhere else in pielab.
    there = agreement.quantities(agreement.count(before[:, own], pruned=after[:, own]))
    there = there.set_index(["comparison", "quantity"])[["low", "high"]]
    for quantity, key in (("changed", "own answers changed"), ("moved", "moved")):
        assert table.loc[("b", quantity), ["low", "high"]].tolist() == pytest.approx(there.loc[("both", key)].tolist())


def test_p_is_corrected_by_holm_within_a_quantity():
    table = compare(*draw(5, groups=5))
    for _, rows in table.groupby("quantity"):
        p = np.sort(rows["p"])
        by_hand = np.maximum.accumulate(p * np.arange(len(p), 0, -1)).clip(max=1)
        assert np.sort(rows["p_corrected"]) == pytest.approx(by_hand)
        assert (rows["p_corrected"] >= rows["p"]).all()
    two = compare(*draw(5, groups=2))  # the difference of one is that of the other
    assert two["p_corrected"].tolist() == two["p"].tolist()


def test_identical_answers_change_nothing_and_tell_nothing():
    before, _, targets, groups = draw(1)
    table = compare(before, before, targets, groups)
    assert (table[["estimate", "difference", "difference_low", "difference_high"]] == 0).all(axis=None)
    assert (table["p_corrected"] == 1).all() and not table["told"].any()
    # No answer of so many is no proof that none ever will be.
    changed, lost = (table[table["quantity"] == quantity] for quantity in ("changed", "lost accuracy"))
    most = stats.chi2.ppf(0.975, 2) / 2 * 100 / (5 * changed["texts"])
    assert changed["high"].tolist() == pytest.approx(most.tolist())
    assert lost["high"].tolist() == pytest.approx(most.tolist()) and (lost["low"] == -lost["high"]).all()


def test_all_answers_changed_everywhere_tell_nothing():
    before, _, targets, groups = draw(1, classes=2)
    table = compare(np.zeros_like(before), np.ones_like(before), np.zeros_like(targets), groups)
    assert table["estimate"].tolist() == pytest.approx([100] * 9) and not table["told"].any()


def test_a_group_that_is_harmed_is_told_and_one_that_gains_is_not():
    _, _, targets, groups = draw(2, seeds=6, texts=400)
    right = np.tile(targets, (6, 1))
    wrong = np.where((groups == "a") & (np.random.default_rng(0).random((6, 400)) < 0.3), (right + 1) % 3, right)
    # Those that gain less than the others are harmed more.
    for before, after, harmed in ((right, wrong, {"a"}), (wrong, right, {"b", "c"})):
        table = compare(before, after, targets, groups)
        lost = table[table["quantity"] == "lost accuracy"]
        assert set(lost["group"][lost["told"]]) == harmed
        assert (lost["p_corrected"] < 0.01).all()


def test_small_groups_are_listed_and_not_tested():
    before, after, targets, groups = draw(4)
    groups[:] = "most"
    groups[:19], groups[30:50] = "few", "twenty"
    table = compare(before, after, targets, groups)
    tested = table.groupby("group")["p"].apply(lambda p: p.notna().all()).to_dict()
    assert tested == {"few": False, "most": True, "twenty": True}
    few = table[table["group"] == "few"]
    assert few["difference"].notna().all() and few[["difference_low", "p_corrected"]].isna().all(axis=None)
    assert not few["told"].any() and few["low"].notna().all()


def test_a_group_of_all_texts_has_nothing_to_differ_from():
    before, after, targets, groups = draw(4, groups=1)
    table = compare(before, after, targets, groups)
    assert len(table) == 3 and table["estimate"].notna().all() and table["difference"].isna().all()


def test_under_four_seeds_there_are_no_intervals():
    table = compare(*draw(4, seeds=3))
    nothing = ["low", "high", "difference_low", "difference_high", "p", "p_corrected"]
    assert table[nothing].isna().all(axis=None) and table[["estimate", "difference"]].notna().all(axis=None)
    assert not table["told"].any()


def test_groups_are_ordered_by_the_number_that_they_begin_with():
    before, after, targets, groups = draw(0)
    groups[:] = np.resize(["46 to 90", "5 to 11", "-2 to 4", "b", "a", "12 to 45"], 120)
    found = compare(before, after, targets, groups)["group"].drop_duplicates().tolist()
    assert found == ["-2 to 4", "5 to 11", "12 to 45", "46 to 90", "a", "b"]


def test_few_texts_that_are_alike_by_chance_tell_nothing_of_the_others():
    random = np.random.default_rng(0)
    before = np.zeros((8, 1000), dtype=int)
    groups = np.array(["few"] * 30 + ["most"] * 970, dtype=object)
    after = (random.random(1000) < 0.05) * np.ones((8, 1), dtype=int)
    after[:, :30] = 0
    table = compare(before, after, np.zeros(1000, dtype=int), groups).set_index(["group", "quantity"])
    assert table.loc[("most", "changed"), "difference"] > 3 and not table["told"].any()


@pytest.fixture(scope="module")
def simulation():
    path = Path(__file__).parents[1] / "docs/groups_simulation.py"
    spec = importlib.util.spec_from_file_location("groups_simulation", path)
    sys.modules["groups_simulation"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_planted_group_is_found_and_no_other_one(simulation, monkeypatch):
    """In 40 studies of each law; nominally, at most 2.5 % of those where groups are alike tell one."""
    monkeypatch.setattr(simulation, "MANY_TEXTS", 8000)
    monkeypatch.setattr(simulation, "MANY_SEEDS", 10)
    planted = "all harmed, e more"
    laws = {name: simulation.LAWS[name] for name in ("another seed, same law", "all groups harmed alike", planted)}
    table = simulation.simulate(laws, studies=40, seeds=8)
    found = simulation.summarize(table).set_index(["law", "quantity"])
    assert (found.loc[planted, "e told"].loc[["changed", "lost accuracy"]] >= 90).all()
    alike = found.drop(index=planted, level="law")
    assert (found["another told"] <= 10).all() and (alike["e told"] <= 10).all()
    held = table[table["law"] != planted]["held"].dropna()
    assert held.astype(bool).mean() > 0.94
