"""EL2N, readability and the measures of others, each against a worked example or a direct computation."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from textstat import textstat

from pielab.analysis import measures, pies
from pielab.analysis.examples import el2n, readability
from pielab.compression import schedules
from pielab.data.words import words
from pielab.store import predictions
from pielab.store.predictions import Predictions

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 4), st.integers(0, 1000))


def draw(shape, normalised=True):
    seeds, examples, classes, seed = shape
    values = np.random.default_rng(seed).random((2, seeds, examples, classes)) + 1e-3
    return values / values.sum(axis=-1, keepdims=True) if normalised else values


@given(SHAPES, st.booleans())
def test_el2n_is_the_mean_norm_of_the_error(shape, multi_label):
    probabilities = draw(shape, normalised=not multi_label)[0]
    seeds, examples, classes, seed = shape
    random = np.random.default_rng(seed)
    hot = (
        random.integers(2, size=(examples, classes))
        if multi_label
        else np.eye(classes)[random.integers(classes, size=examples)]
    )
    expected = [
        sum(
            math.sqrt(sum((probabilities[seed, index, place] - hot[index, place]) ** 2 for place in range(classes)))
            for seed in range(seeds)
        )
        / seeds
        for index in range(examples)
    ]
    assert np.allclose(el2n.el2n(probabilities, hot), expected)


@given(SHAPES, st.booleans())
def test_error_norms_are_el2n_of_all_seeds_at_once(shape, multi_label):
    *sizes, classes, seed = shape
    random = np.random.default_rng(seed)
    logits = random.normal(size=(*sizes, classes)).astype(np.float32)
    runs = Predictions(logits, tuple(range(sizes[0])), np.full(sizes[0], 0.5) if multi_label else None)
    hot = (np.eye(classes)[random.integers(classes, size=sizes[1])]).astype(np.float32 if multi_label else float)
    probabilities = (predictions.sigmoid if multi_label else predictions.softmax)(logits)
    targets = hot if multi_label else hot.argmax(axis=1)
    assert np.allclose(el2n.error_norms(runs, targets), el2n.el2n(probabilities, hot), rtol=1e-6)


def test_el2n_by_hand_and_its_limits():
    sure_and_wrong = np.array([[[1.0, 0.0]], [[1.0, 0.0]]])
    assert el2n.el2n(sure_and_wrong, np.array([[0, 1]]))[0] == pytest.approx(math.sqrt(2))
    assert el2n.el2n(sure_and_wrong, np.array([[1, 0]]))[0] == 0
    with refused("probabilities-of-other-shape", "(seeds, examples, classes)", "(2, 1, 2) and targets (1, 3)"):
        el2n.el2n(sure_and_wrong, np.array([[1, 0, 0]]))


@pytest.mark.parametrize(
    ("epochs", "epoch"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (10, 4), (26, 8), (39, 12), (72, 22)]
)
def test_the_early_epoch_is_the_first_beyond_30_per_cent(epochs, epoch):
    assert schedules.early_epoch(epochs) == epoch
    assert epoch > 0.3 * epochs >= epoch - 1


@given(st.lists(st.floats(0, 1), min_size=20, max_size=90), st.integers(1, 20))
def test_bins_are_equally_full_and_in_order(scores, number):
    found = el2n.bins(np.array(scores), number)
    sizes = np.bincount(found, minlength=number)
    assert sizes.max() - sizes.min() <= 1
    for low, high in zip(range(number - 1), range(1, number), strict=True):
        assert np.array(scores)[found == low].max() <= np.array(scores)[found == high].min()


def test_shares_by_bin_by_hand():
    table = el2n.by_bin(el2n.bins(np.array([0.4, 0.1, 0.3, 0.2]), 2), pies=np.array([True, False, False, False]))
    assert table.to_dict("list") == {"bin": [1, 2], "pies": [0, 0.5], "examples": [2, 2]}


def test_flips_by_hand():
    dense, pruned = np.array([[0, 1, 2, 0], [0, 1, 2, 0]]), np.array([[0, 2, 1, 1], [0, 1, 2, 0]])
    # Right to wrong, wrong to another wrong, right to wrong in the first seed; nothing in the second.
    assert measures.flips(dense, pruned, np.array([0, 1, 0, 0])) == 2 / 8
    with refused("predictions-of-other-shape", "(seeds, examples)", "(2, 4), (1, 4) and targets (4,)"):
        measures.flips(dense, pruned[:1], np.array([0, 1, 0, 0]))


@given(SHAPES)
def test_spearman_is_scipys_for_each_example(shape):
    dense, pruned = draw(shape)
    found = measures.spearman(dense, pruned)
    for index, value in enumerate(found):
        expected = stats.spearmanr(dense.mean(axis=0)[index], pruned.mean(axis=0)[index]).statistic
        assert value == pytest.approx(expected)


def test_spearman_pies_are_the_lowest_share():
    dense = np.array([[[0.1, 0.3, 0.6]] * 20])
    pruned = dense.copy()
    pruned[0, 7] = [0.6, 0.3, 0.1]
    assert np.flatnonzero(measures.spearman_pies(dense, pruned)).tolist() == [7]
    assert measures.spearman_pies(dense, pruned, share=0.25).sum() == 5


@given(SHAPES)
def test_jensen_shannon_is_scipys_distance_squared(shape):
    dense, pruned = draw(shape)
    expected = jensenshannon(dense.mean(axis=0), pruned.mean(axis=0), base=2, axis=1) ** 2
    assert np.allclose(measures.jensen_shannon(dense, pruned), expected, atol=1e-7)


def test_kappa_by_hand():
    # Votes agree on 3 of 4; by chance on 1/2 * 1/4 + 1/2 * 3/4 = 1/2.
    dense, pruned = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    assert measures.kappa(dense, pruned) == pytest.approx((0.75 - 0.5) / 0.5)
    assert measures.kappa(dense, dense) == 1


def made_predictions(random, seeds=4, examples=40, thresholds=None):
    logits = random.normal(size=(seeds, examples, 3)) + 2 * np.eye(3)[np.arange(examples) % 3]
    return Predictions(logits.astype(np.float32), tuple(range(seeds)), thresholds)


def test_measures_stand_beside_their_null():
    random = np.random.default_rng(0)
    dense, pruned = made_predictions(random), made_predictions(random)
    targets = np.arange(40) % 3
    table = measures.compare_with_null(dense, pruned, targets).set_index("measure")
    assert table.loc["flips", "all_seeds"] == measures.flips(dense.classes, pruned.classes, targets)
    assert table.loc["Cohen's kappa of the votes", "all_seeds"] == measures.kappa(dense.classes, pruned.classes)
    pairs = [(one, two) for one in itertools.combinations(range(4), 2) for two in [tuple({0, 1, 2, 3} - set(one))]]
    for column, other in (("halved", pruned), ("null", dense)):
        by_hand = [measures.kappa(dense.classes[list(one)], other.classes[list(two)]) for one, two in pairs]
        assert table.loc["Cohen's kappa of the votes", column] == pytest.approx(np.mean(by_hand))
    # "Pruned" models that are the unpruned ones differ by what retraining alone makes.
    same = measures.compare_with_null(dense, dense, targets).set_index("measure")
    assert same["halved"].tolist() == same["null"].tolist()
    assert same["all_seeds"].tolist() == [0, 1, 0]


def test_measures_of_several_labels():
    random = np.random.default_rng(0)
    dense, pruned = (made_predictions(random, thresholds=np.full(4, 0.5, np.float32)) for _ in range(2))
    table = measures.compare_with_null(dense, pruned, np.eye(3)[np.arange(40) % 3]).set_index("measure")
    lowest = measures.spearman_pies(predictions.sigmoid(dense.logits), predictions.sigmoid(pruned.logits))
    assert lowest.sum() == 2
    share = pies.multi_label(dense.classes, pruned.classes)[lowest].mean()
    assert table.loc["of the 5 % least correlated, PIEs", "all_seeds"] == share
    assert table.loc["rank correlation of the classes"].drop("source").between(-1, 1).all()


def test_equal_votes_agree_fully_even_for_one_class():
    assert measures.kappa(np.zeros((2, 5), int), np.zeros((2, 5), int)) == 1


def test_the_class_recall_test_finds_the_class_that_lost_more_than_the_others():
    random = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], 100)

    def runs(wrong_of_class_2):
        share = np.where(targets == 2, wrong_of_class_2, 0.1)
        return np.where(random.random((12, 300)) < share, (targets + 1) % 3, targets)

    dense, pruned = runs(0.1), runs(0.6)
    table = measures.class_recall_test(dense, pruned, targets).set_index("class")
    assert table.loc[2, "p_corrected"] < 0.001 and table.loc[2, "change"] < 0
    assert (table["p_corrected"] >= table["p"]).all() and table["examples"].tolist() == [100] * 3
    recall = [(each[:, targets == 2] == 2).mean(axis=1) - (each == targets).mean(axis=1) for each in (dense, pruned)]
    assert table.loc[2, "p"] == pytest.approx(stats.ttest_ind(*recall, equal_var=False).pvalue)
    assert measures.class_recall_test(dense, dense, targets)["p"].min() == 1
    with refused("too-few-seeds-to-test", "at least two seeds on each side", "1 unpruned and"):
        measures.class_recall_test(dense[:1], pruned, targets)


TEXTS = [
    "The cat sat on the mat. It was warm.",
    "Notwithstanding considerable difficulties, they persevered! " * 3,
    "No.",
]


def test_scores_are_textstats_own_and_the_length(tmp_path, monkeypatch):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    table = readability.scores(TEXTS)
    assert table.columns.tolist() == [*readability.SCORES, "length in tokens"] and len(table.columns) == 8
    assert table["Gunning Fog"].tolist() == [textstat.gunning_fog(text) for text in TEXTS]
    assert table["length in tokens"].tolist() == [11, 21, 2]
    # The pinned version's numbers: another version of textstat gives others.
    assert table.loc[0, "Flesch-Kincaid grade"] == pytest.approx(-2.035)
    assert table.loc[1, "difficult words"] == 4


def test_scores_are_computed_once_and_the_same_in_parallel(tmp_path, monkeypatch):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    monkeypatch.setattr(readability, "CHUNK", 2)
    monkeypatch.setattr(readability, "PARALLEL_FROM", 0)
    first = readability.scores(TEXTS, processes=2)
    monkeypatch.setattr(readability, "_score_all", lambda *_: pytest.fail("computed again"))
    pd.testing.assert_frame_equal(readability.scores(TEXTS), first)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(readability.scores(TEXTS, cache=False), first)


def made_scores(random, size):
    length = random.integers(5, 100, size=size).astype(float)
    return pd.DataFrame({"follows length": 2 * length, "noise": random.random(size), "length in tokens": length})


def test_ratios_by_hand_and_at_equal_length():
    random = np.random.default_rng(0)
    table = made_scores(random, 4000)
    found = random.random(4000) < table["length in tokens"] / 200  # long texts are PIEs more often
    rows = readability.ratios(table, found, n_bootstrap=100).set_index("score")
    by_hand = table["noise"][found].mean() / table["noise"].mean()
    assert rows.loc["noise", "ratio"] == pytest.approx(by_hand)
    assert rows.loc["noise", "low"] < by_hand < rows.loc["noise", "high"] and rows.loc["noise", "p"] > 0.01
    assert rows.loc["follows length", "ratio"] > 1.2 and rows.loc["follows length", "p"] < 1e-6
    # What follows length alone is gone when length is.
    assert rows.loc["follows length", "matched"] == pytest.approx(1, abs=0.005)
    assert rows.loc["noise", "matched_low"] < rows.loc["noise", "matched"] < rows.loc["noise", "matched_high"]


def test_the_interval_of_the_ratios_is_that_of_the_rows_drawn():
    random = np.random.default_rng(0)
    table, found = made_scores(random, 300), random.random(300) < 0.03
    values, draws = table.to_numpy(), []
    random = np.random.default_rng(7)
    for _ in range(50):
        drawn = random.integers(300, size=300)
        draws.append(values[drawn][found[drawn]].mean(axis=0) / values[drawn].mean(axis=0))
    rows = readability.ratios(table, found, n_bootstrap=50, seed=7)
    assert np.allclose(rows[["low", "high"]].T, np.quantile(draws, [0.025, 0.975], axis=0))


def test_matched_ratios_by_hand():
    table = pd.DataFrame({"score": [4.0, 2.0, 4.0, 9.0, 5.0, 7.0], readability.LENGTH: [100, 96, 104, 111, 20, 20]})
    # The first PIE is as long as the second and third text; nothing is as long as the PIE of 111; 5 stands beside 7.
    ratio, _, _ = readability.matched_ratios(table, np.array([1.0, 0, 0, 1, 1, 0]))
    assert ratio[0] == pytest.approx((4 + 5) / (3 + 7))
    # Half a PIE counts half, and is half an other: 2 of 20 tokens has its own other half beside it.
    ratio, _, _ = readability.matched_ratios(table, np.array([0, 0, 0, 0, 0.5, 0]))
    assert ratio[0] == pytest.approx(5 / ((0.5 * 5 + 7) / 1.5))
    nothing = readability.matched_ratios(table, np.zeros(6), n_bootstrap=5)
    assert all(np.isnan(each).all() for each in nothing)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_ratios_of_no_or_one_pie_or_only_pies_are_not_made_up(number):
    table = made_scores(np.random.default_rng(0), 4)
    rows = readability.ratios(table, np.arange(4) < number, n_bootstrap=10)
    assert rows["p"].isna().all() and rows["ratio"].isna().all() == (number == 0)


def test_scores_near_zero_or_below_are_compared_by_a_difference():
    random = np.random.default_rng(0)
    length = random.integers(5, 30, size=400).astype(float)
    grade = pd.Series(random.normal([-1.0, 0.05, 3.0, 0.0], 1.5, (400, 4)).T.tolist())
    table = pd.DataFrame(
        {"below": grade[0], "near": grade[1], "above": grade[2], "none": 0.0, readability.LENGTH: length}
    )
    table["rare"] = (random.random(400) < 0.03).astype(float)  # a count has a zero, however small its mean is
    assert readability.has_ratio(table).tolist() == [False, False, True, False, True, True]
    is_pie = np.arange(400) < 80
    harder = table + np.outer(is_pie, [1, 1, 1, 0, 0, 0])
    for scores, sign in ((harder, 1), (table - np.outer(is_pie, [1, 1, 1, 0, 0, 0]), -1)):
        rows = readability.ratios(scores, is_pie, n_bootstrap=50).set_index("score")
        assert rows["unit"].tolist() == ["difference", "difference", "ratio", "difference", "ratio", "ratio"]
        assert rows.loc[["below", "near", "none"], "ratio"].isna().all()
        assert (np.sign(rows.loc[["below", "near"], ["low", "high", "matched_low", "matched_high"]]) == sign).all(
            axis=None
        )
        assert np.sign(rows.loc["above", "ratio"] - 1) == sign
        beside = readability.beside_null(scores, *draw_votes(random, is_pie))
        assert beside.loc[3, ["halved", "null", "more"]].tolist() == [0, 0, 0]
        assert (np.sign(beside.loc[:1, "more"]) == sign).all() and (
            np.sign(beside.loc[:1, "more_matched"]) == sign
        ).all()


def draw_votes(random, changed):
    """Unpruned and pruned class ids (8, examples): the pruned models answer otherwise where `changed`."""
    dense, pruned = (random.random((2, 8, len(changed))) < 0.2).astype(int)
    return dense, np.where(changed, 1 - pruned, pruned)


def test_beside_the_null_by_hand_at_equal_length():
    table = pd.DataFrame({"score": [4.0, 2.0, 6.0, 9.0], readability.LENGTH: [100, 100, 100, 10]})
    dense = np.array([[0, 0, 0, 0], [0, 1, 0, 0]])
    pruned = np.array([[1, 0, 0, 1], [1, 1, 0, 1]])
    # Single models: the null is the second text. A pruned one differs on the first and the last, and either
    # unpruned one on the second.
    (row,) = readability.beside_null(table, dense, pruned)[:1].to_dict("records")
    mean = table["score"].mean()
    assert row["null"] == pytest.approx(2 / mean) and row["halved"] == pytest.approx((4 + 9 + 4 + 9 + 2 + 2) / 6 / mean)
    # Nothing is as long as the last; beside the first stand 2 and 6, beside the second 4 and 6.
    assert row["null_matched"] == pytest.approx(2 / 5)
    assert row["halved_matched"] == pytest.approx((4 + 4 + 2 + 2) / (4 + 4 + 5 + 5))
    assert row["more_matched"] == pytest.approx(row["halved_matched"] - row["null_matched"])
    assert np.isnan(row["more_low"])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("A man sleeps. [SEP] He is awake.", "A man sleeps. He is awake."),
        ("A man sleeps [SEP] He is awake", "A man sleeps. He is awake"),
        ('"Really?" [SEP] Yes.', '"Really?" Yes.'),
        (" [SEP] Yes.", "Yes."),
        ("Good.<br /><br />Bad.<br>Fine.</p>", "Good.  Bad. Fine."),
        (
            'See <a href="x" class=y>this</a> &amp; that, it&#39;s &lt;b&gt;bold&lt;/b&gt;',
            "See  this  & that, it's  bold",
        ),
        ("[CLS] one [PAD] two </s>", "one   two"),
        ("1 < 2 and a <b and c> d, AT&T, I <3 it, x?a=1&lt=2", "1 < 2 and a <b and c> d, AT&T, I <3 it, x?a=1&lt=2"),
        ("No markup [at all] here.", "No markup [at all] here."),
    ],
)
def test_text_is_scored_as_people_read_it(text, read):
    assert readability.without_markup(text) == read
    first, second = readability.scores([text, read], cache=False).to_numpy()
    assert np.array_equal(first, second) and first[-1] == len(words(read))


@pytest.mark.parametrize("text", ["", "<br />", "[SEP]", "!!!", "\u200b", "猫が好きです。"])
def test_a_text_of_no_words_has_scores(text):
    assert np.isfinite(readability.scores([text, "A cat."], cache=False).to_numpy()).all()


@pytest.mark.parametrize("number", [1, 2, 5])
def test_few_or_equal_pies_are_compared_without_a_warning(number):
    table = pd.DataFrame({"score": [3.0] * 8, "other": [1.0] * 5 + [2.0] * 3, readability.LENGTH: [10] * 8})
    rows = readability.ratios(table, np.arange(8) < number, n_bootstrap=20)
    assert rows["ratio"][0] == 1 and np.isnan(rows["p"][0])
