"""The same model before and after: against naive loops, worked examples, and what must give exactly nothing."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from hypothesis import given as drawn
from hypothesis import strategies
from hypothesis.extra.numpy import arrays
from scipy import special, stats
from sklearn.metrics import brier_score_loss

from pielab.analysis import agreement, null, paired_change
from pielab.store import paths, predictions
from pielab.store.predictions import Predictions
from pielab.store.span_answers import GoldAnswers, SpanAnswers

SHARES = ["changed", *paired_change.SPLIT]
LOGITS = strategies.floats(-20, 20, width=32)


def of(logits, threshold=None):
    logits = np.asarray(logits, dtype=np.float32)
    thresholds = None if threshold is None else np.full(len(logits), threshold, dtype=np.float32)
    return Predictions(logits, tuple(range(len(logits))), thresholds)


def between(before, after, targets, **numerical):
    return paired_change.between(before, after, np.asarray(targets), numerical).set_index("quantity")


def answers(*models, classes=3):
    """Predictions of models that are sure of these class ids (seeds, examples)."""
    return of(9 * np.eye(classes)[np.array(models)])


def test_the_split_of_a_worked_example():
    """Ten texts of class 0: the first model gets 2 wrong anew, 1 right and 1 wrong in another way; the second none."""
    before = answers([0, 0, 0, 0, 0, 0, 1, 1, 1, 2], [0] * 10)
    after = answers([0, 0, 0, 0, 1, 2, 0, 2, 1, 2], [0] * 10)
    table = between(before, after, [0] * 10)
    assert table.loc[SHARES, "estimate"].tolist() == pytest.approx([20, 10, 5, 5])
    # Of the four texts that the first had wrong, the other seed has all right, and so the other way round.
    assert table.loc[SHARES, "another_seed"].tolist() == pytest.approx([40, 20, 20, 0])


def test_the_calibration_error_of_a_worked_example():
    """Bins 0.80 to 0.87 and 0.53 to 0.60: 4 texts at 0.85 of which 2 are right, and 1 at 0.55 that is right."""
    probability = np.array([0.85, 0.85, 0.85, 0.85, 0.55])
    logits = np.log(np.stack([probability, 1 - probability], axis=1))[None]
    table = between(of(logits), of(logits), [0, 0, 1, 1, 0])
    error = abs(2 - 4 * 0.85) / 5 + abs(1 - 0.55) / 5
    assert table.loc["expected calibration error before", "estimate"] == pytest.approx(error)
    brier = (2 * 2 * 0.15**2 + 2 * 2 * 0.85**2 + 2 * 0.45**2) / 5
    assert table.loc["Brier score after", "estimate"] == pytest.approx(brier)
    assert table.loc["Brier score", "estimate"] == 0 == table.loc["expected calibration error", "estimate"]


@pytest.mark.parametrize("threshold", [None, 0.5])
@pytest.mark.parametrize("seeds", [4, 8])
def test_the_same_weights_change_nothing(seeds, threshold):
    random = np.random.default_rng(seeds)
    runs, texts = of(random.normal(size=(seeds, 50, 4)), threshold), 50
    targets = random.integers(4, size=texts) if threshold is None else random.integers(2, size=(texts, 4))
    table = between(runs, runs, targets, another_batch_size=runs)
    none = [*SHARES, "KL", "expected calibration error", "Brier score"]
    assert (table.loc[none, ["estimate", "another_batch_size"]] == 0).all(axis=None)
    assert (table.loc[SHARES, "low"] == 0).all() and table.loc["KL", ["low", "high"]].tolist() == [0, 0]
    # [0, 3.7 / (N n)], as percent.
    assert table.loc[SHARES, "high"].tolist() == pytest.approx([100 * -math.log(0.025) / (seeds * texts)] * 4)
    assert (table.loc["changed", "another_seed"] > 0) and table["another_precision"].isna().all()


def test_equal_seeds_change_nothing_from_one_to_another():
    runs = of(np.repeat(np.random.default_rng(0).normal(size=(1, 40, 3)), 6, axis=0))
    table = between(runs, runs, np.zeros(40, dtype=int))
    columns = ["another_seed", "another_seed_low", "another_seed_high"]
    assert (table.loc[SHARES, columns] == 0).all(axis=None)
    assert table.loc["KL", columns].tolist() == pytest.approx([0, 0, 0], abs=1e-12)


def naive(before, after, targets, threshold=None):
    """Every quantity of one model, text by text."""
    rights, answered, probabilities = [], [], []
    for logits in (before, after):
        p = special.softmax(logits, axis=1) if threshold is None else special.expit(logits)
        said = logits.argmax(axis=1).tolist() if threshold is None else [tuple(row) for row in p > threshold]
        right = [
            one == (other if threshold is None else tuple(other == 1)) for one, other in zip(said, targets, strict=True)
        ]
        answered.append(said), rights.append(right), probabilities.append(p)
    found = dict.fromkeys(SHARES, 0.0)
    for was, now, was_right, is_right in zip(*answered, *rights, strict=True):
        if was != now:
            found["changed"] += 100 / len(targets)
            part = "right to wrong" if was_right else "wrong to right" if is_right else "wrong to another wrong"
            found[part] += 100 / len(targets)
    p, q = probabilities
    found["KL"] = np.mean([divergence(one, other, threshold) for one, other in zip(p, q, strict=True)])
    for when, p, right in zip((" before", " after"), probabilities, rights, strict=True):
        hot = np.eye(p.shape[1])[targets] if threshold is None else targets
        found[f"Brier score{when}"] = ((p - hot) ** 2).sum() / len(targets)
        events = (
            zip(p.max(axis=1), right, strict=True) if threshold is None else zip(p.ravel(), hot.ravel(), strict=True)
        )
        found[f"expected calibration error{when}"] = calibration_error(list(events))
    return found


def divergence(p, q, threshold):
    if threshold is None:
        return stats.entropy(p, q)
    return sum(stats.entropy([one, 1 - one], [other, 1 - other]) for one, other in zip(p, q, strict=True))


def calibration_error(events):
    error = 0.0
    for number in range(15):
        own = [event for event in events if number / 15 < event[0] <= (number + 1) / 15 or (number == event[0] == 0)]
        error += abs(sum(right for _, right in own) - sum(p for p, _ in own)) / len(events)
    return error


# Not so sure that 1 - p would be rounded to 0, and off the edges of the bins.
CASES = arrays(np.float32, (2, 3, 6, 3), elements=strategies.floats(-8, 8, width=32), fill=strategies.nothing())


@drawn(CASES, arrays(np.int64, 6, elements=strategies.integers(0, 2)))
def test_as_naive_loops_count_with_one_label(logits, targets):
    compare_with_loops(logits, targets, None)


@drawn(CASES, arrays(np.int64, (6, 3), elements=strategies.integers(0, 1)))
def test_as_naive_loops_count_with_several_labels(logits, targets):
    compare_with_loops(logits, targets, 0.4)


def compare_with_loops(logits, targets, threshold):
    before, after = (of(side, threshold) for side in logits)
    by_seed = paired_change.by_seed(before, after, targets)
    pairs = zip(*logits.astype(np.float64), strict=True)
    loops = pd.DataFrame([naive(*pair, targets, threshold) for pair in pairs])
    # Rounding may put a probability on the other side of an edge or of the threshold.
    pd.testing.assert_frame_equal(by_seed[list(loops)], loops, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(by_seed[paired_change.SPLIT].sum(axis=1), by_seed["changed"])

    table = between(before, after, targets)
    np.testing.assert_allclose(table["estimate"], by_seed.mean(), atol=1e-12)
    ordered = [(i, j) for i in range(3) for j in range(3) if i != j]
    other = pd.DataFrame([naive(*logits[0].astype(np.float64)[[i, j]], targets, threshold) for i, j in ordered]).mean()
    names = [*SHARES, "KL"]
    np.testing.assert_allclose(table.loc[names, "another_seed"], other[names], rtol=1e-6, atol=1e-6)


def test_the_brier_score_is_that_of_scikit_learn():
    random = np.random.default_rng(1)
    logits, targets = random.normal(size=(3, 60, 4)), random.integers(4, size=60)
    table = between(of(logits), of(2 * logits), targets)
    own = [
        brier_score_loss(targets, special.softmax(2 * one.astype(np.float32), axis=1), scale_by_half=False)
        for one in logits
    ]
    assert table.loc["Brier score after", "estimate"] == pytest.approx(np.mean(own), rel=1e-5)


def test_what_another_seed_changes_is_the_retraining_of_the_decomposition():
    random = np.random.default_rng(2)
    runs = of(random.normal(size=(6, 80, 3)) + 2 * random.normal(size=(80, 3)))
    row = between(runs, runs, np.zeros(80, dtype=int)).loc["changed"]
    retraining = agreement.quantities(agreement.count(runs.classes)).set_index(["comparison", "quantity"])
    ends = retraining.loc[("parts", "retraining"), ["estimate", "low", "high"]]
    assert row[["another_seed", "another_seed_low", "another_seed_high"]].tolist() == pytest.approx(ends.tolist())


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_logits_that_stand_for_never_and_always_are_finite(threshold):
    least = np.finfo(np.float32).min
    before = of(
        [[[0, least, 1], [least, least, 3]], [[1, 2, least], [0, 0, 0]], [[-least, 0, least], [1, 1, 1]]], threshold
    )
    targets = np.array([0, 2] if threshold is None else [[1, 0, 0], [0, 0, 1]])
    table = between(before, of(before.logits[::-1], threshold), targets)
    assert np.isfinite(table[["estimate", "low", "high"]]).all(axis=None)
    assert np.isfinite(table.loc[[*SHARES, "KL"], "another_seed"]).all() and table.loc["KL", "estimate"] > 1e30


@pytest.mark.parametrize(
    ("seeds", "own", "other"), [(1, False, False), (2, False, False), (3, True, False), (4, True, True)]
)
def test_few_seeds_have_estimates_and_no_interval(seeds, own, other):
    random = np.random.default_rng(3)
    before, after = (of(random.normal(size=(seeds, 30, 3))) for _ in range(2))
    table = between(before, after, random.integers(3, size=30))
    assert table["estimate"].notna().all() and table["low"].notna().all() == own == table["high"].notna().any()
    assert table.loc[[*SHARES, "KL"], "another_seed"].notna().all() == (seeds > 1)
    assert table["another_seed_low"].notna().any() == other


def test_where_few_answers_change_the_wider_interval_counts():
    """Four seeds that change one answer each have no deviation between them; Poisson's of 4 has [1.09, 10.24]."""
    before, after = answers(*[[0] * 100] * 4), answers(*[[1, *[0] * 99]] * 4)
    row = between(before, after, [0] * 100).loc["changed"]
    assert row[["low", "estimate", "high"]].tolist() == pytest.approx([1.0899 / 4, 1, 10.2416 / 4], rel=1e-4)


def test_the_order_of_seeds_and_texts_does_not_matter_nor_how_many_are_read_at_once(monkeypatch):
    random = np.random.default_rng(4)
    sides, targets = random.normal(size=(2, 5, 40, 3)), random.integers(3, size=40)
    table = between(*map(of, sides), targets)
    order, texts = random.permutation(5), random.permutation(40)
    monkeypatch.setattr(paired_change, "LOGITS_AT_ONCE", 50)
    again = between(*(of(side[order][:, texts]) for side in sides), targets[texts])
    pd.testing.assert_frame_equal(table, again)


def test_sides_of_other_shapes_are_refused():
    with refused("sides-of-unequal-size", "the same number of seeds"):
        between(answers([0, 1]), answers([0, 1], [0, 1]), [0, 0])


def test_the_numerical_null_is_that_of_all_seeds_or_not_measured(tmp_path):
    for seed in (0, 1):
        folder = paths.seed(tmp_path, seed)
        folder.mkdir(parents=True)
        for split in ("test", "test-batch-size", *["test-precision"] * (seed == 0)):
            predictions.write(folder / f"{split}.parquet", np.full((3, 2), seed), {"seed": seed, "split": split})
    found = paired_change.numerical(tmp_path, (0, 1))
    assert list(found) == ["another_batch_size"] and found["another_batch_size"].logits.mean() == 0.5
    assert list(paired_change.numerical(tmp_path, (0,))) == list(paired_change.NUMERICAL)


@pytest.mark.parametrize("threshold", [None, 0.5])
@pytest.mark.parametrize("without", [(0,), (1,), (0, 1)])
def test_answers_alone_give_the_same_changes_and_no_number_of_probabilities(threshold, without):
    random = np.random.default_rng(0)
    sides = [of(random.normal(size=(5, 60, 3)), threshold) for _ in range(2)]
    targets = random.integers(3, size=60) if threshold is None else random.integers(2, size=(60, 3))
    known = between(*sides, targets, another_batch_size=sides[1])
    for side in without:
        runs = sides[side]
        sides[side] = Predictions(None, runs.seeds, answers=runs.classes, n_classes=3)
    table = between(*sides, targets, another_batch_size=sides[1])
    pd.testing.assert_frame_equal(table.loc[SHARES], known.loc[SHARES], check_exact=True)
    both = table.drop(index=SHARES)[["estimate", "low", "high", "another_batch_size"]]
    one = {"expected calibration error before", "Brier score before"} if 0 not in without else set()
    one |= {"expected calibration error after", "Brier score after"} if 1 not in without else set()
    assert set(both.index[both["estimate"].notna()]) == one
    assert table.loc["KL", "another_seed"] == known.loc["KL", "another_seed"] or 0 in without
    pd.testing.assert_series_equal(table.loc[sorted(one), "estimate"], known.loc[sorted(one), "estimate"])


def test_an_answer_that_turns_from_right_to_another_right_is_changed_and_no_wrong_one():
    gold = GoldAnswers((("Rome", "in Rome"),) * 2, ((3, 0),) * 2)
    before, after = (
        Predictions(None, (0, 1), answers=SpanAnswers(np.array(texts, dtype=object), *np.zeros((2, 2, 2))))
        for texts in ([["Rome", "Oslo"], ["in Rome", "Oslo"]], [["in Rome", "Bern"], ["Rome", "Rome"]])
    )
    table = paired_change.between(before, after, gold).set_index("quantity")
    # Of the first question right to another right in both seeds, of the second to another wrong one and to a right one.
    assert table.loc[SHARES, "estimate"].tolist() == [100, 0, 25, 25]
    # Of two unpruned models both are right on the first question, and both say Oslo to the second.
    assert table.loc[SHARES, "another_seed"].tolist() == [50, 0, 0, 0]


def test_no_interval_of_a_share_ends_beyond_all_answers():
    before = np.repeat([[0], [1], [2], [3]], 50, axis=1)
    before[1, :3] = 0
    after = np.repeat([[0], [4], [4], [4]], 50, axis=1)
    table = between(of(8.0 * np.eye(5)[before]), of(8.0 * np.eye(5)[after]), np.zeros(50, dtype=int))
    assert table.loc["changed", ["estimate", "high", "another_seed_high"]].tolist() == [75, 100, 100]
    counted = agreement.quantities(agreement.count(before, None, after)).set_index(["comparison", "quantity"])
    own = counted.loc[("both", "own answers changed"), :]
    assert own["high"] == own["high_to_come"] == 100 and own["estimate"] == 75
    halves = null.estimate(before, after, n_splits=20, n_bootstrap=20)
    assert halves.pruned_high == halves.null_high == 1 > max(halves.pruned, halves.null)
