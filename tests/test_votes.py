"""The soft vote, by the class of the highest mean probability, beside the majority vote."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.analysis import agreement, group_differences, half_splits, measures, null, pies
from pielab.data import tasks
from pielab.store.predictions import Predictions

# Of a text and two classes: two models are nearly undecided for the first, one is sure of the second.
TORN = np.array([[[0.55, 0.45]], [[0.6, 0.4]], [[0.05, 0.95]]])


def draw_probabilities(random, seeds, examples=14, classes=4):
    """In tenths, so that many means are ties."""
    return random.multinomial(10, np.full(classes, 1 / classes), size=(2, seeds, examples)) / 10


def exact_vote(tenths):
    """The class of the highest sum by rational numbers, ties to the smallest."""
    sums = [[sum(Fraction(str(p)) for p in of_class) for of_class in example.T] for example in tenths.swapaxes(0, 1)]
    return [of_classes.index(max(of_classes)) for of_classes in sums]


def test_the_majority_says_a_and_the_mean_probability_b():
    assert pies.majority(TORN.argmax(axis=2)).tolist() == [0]
    assert pies.soft_vote(TORN).tolist() == [1]  # 0.4 against 0.6
    agreed = np.repeat(TORN[:1], 3, axis=0)
    assert not pies.find(TORN.argmax(axis=2), agreed.argmax(axis=2)).any()
    assert pies.find(TORN, agreed).all()
    found = null.effectiveness_on_pies(TORN, agreed, targets=np.array([1]))
    assert (found["unpruned_on_pies"], found["pruned_on_pies"]) == (1, 0)


def test_the_predictions_of_a_study_give_probabilities_to_vote_with():
    logits = np.log(TORN).astype(np.float32)
    assert np.allclose(Predictions(logits, (0, 1, 2)).probabilities, TORN)
    assert pies.soft_vote(Predictions(logits, (0, 1, 2)).probabilities).tolist() == [1]
    several = Predictions(logits, (0, 1, 2), decision_thresholds=np.full(3, 0.5))
    assert np.allclose(several.probabilities, 1 / (1 + 1 / TORN))
    with refused("answers-not-probabilities", "with several labels bool (seeds, examples, classes)"):
        pies.find(several.probabilities, several.probabilities)


@given(st.integers(1, 7), st.integers(0, 10_000))
def test_models_that_are_sure_vote_as_the_majority_does_ties_included(seeds, seed):
    random = np.random.default_rng(seed)
    dense, pruned = random.integers(4, size=(2, seeds, 14))
    sure = [np.eye(4)[side] for side in (dense, pruned)]
    assert pies.soft_vote(sure[0]).tolist() == pies.majority(dense).tolist()
    assert pies.find(*sure).tolist() == pies.find(dense, pruned).tolist()
    if seeds > 1:
        numbers = {"n_splits": 20, "n_bootstrap": 10}
        one, other = null.estimate(*sure, **numbers), null.estimate(dense, pruned, **numbers)
        assert np.array_equal(one.p_pie, other.p_pie) and np.array_equal(one.p_null, other.p_null)
        assert (one.excess, one.vote) == (other.excess, "highest mean probability")
        targets = random.integers(4, size=14)
        by_hand = null.effectiveness_beside_null(dense, pruned, targets, n_splits=20)
        soft = null.effectiveness_beside_null(*sure, targets, n_splits=20)
        assert list(soft.values()) == pytest.approx(list(by_hand.values()), nan_ok=True)


@given(st.integers(2, 7), st.integers(0, 10_000))
def test_every_half_split_disagrees_where_its_soft_votes_do(seeds, seed):
    random = np.random.default_rng(seed)
    dense, pruned = draw_probabilities(random, seeds)
    # Ties and rounding go the same way in single precision.
    assert pies.soft_vote(dense).tolist() == pies.soft_vote(dense.astype(np.float32)).tolist() == exact_vote(dense)
    splits = half_splits.half_splits(seeds, 20, random)
    found = np.zeros((2, len(splits), 14), dtype=bool)
    for block, of_null, of_pruned in pies.disagreements(dense, pruned, splits):
        found[0][:, block], found[1][:, block] = of_null, of_pruned
    for index, (first, second) in enumerate(splits):
        one, other = first == 1, second == 1
        assert np.array_equal(found[0][index], pies.find(dense[one], dense[other]))
        assert np.array_equal(found[1][index], pies.find(dense[one], pruned[other]))


@given(st.integers(2, 6), st.integers(0, 1000))
def test_soft_votes_do_not_depend_on_the_order_of_the_models(seeds, seed):
    random = np.random.default_rng(seed)
    dense, _ = random.dirichlet(np.ones(3), size=(2, seeds, 30))
    assert np.array_equal(pies.soft_vote(dense), pies.soft_vote(dense[random.permutation(seeds)]))
    assert np.array_equal(pies.soft_vote(dense[:1]), dense[0].argmax(axis=1))


def test_fewer_models_disagree_by_soft_votes_too():
    random = np.random.default_rng(0)
    certain = random.dirichlet(np.ones(3), size=200)
    dense, pruned = 0.5 * certain + 0.5 * random.dirichlet(np.ones(3), size=(2, 8, 200))
    table = null.by_models_per_side(dense, pruned, n_splits=20)
    assert table["null"].is_monotonic_decreasing
    _, _, of_groups = null.excess_by_group(dense, pruned, np.arange(200) % 2, n_splits=20, n_bootstrap=20)
    whole = null.estimate(dense, pruned, n_splits=20, n_bootstrap=20)
    assert of_groups["excess"].mean() == pytest.approx(whole.excess)
    assert null.difference(dense, pruned, pruned, n_splits=20, n_bootstrap=20)[0] == 0
    assert null.beside_null(dense, pruned, certain, n_splits=20)["halved"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("numbers", "problem"),
    [
        (np.log(TORN), "the least is -2.996"),
        (TORN * [2, 0], "add up to"),
        (np.full((3, 1, 2), np.nan), "nan"),
    ],
)
def test_numbers_that_are_no_probabilities_are_refused(numbers, problem):
    for use in (tasks.of_answers(numbers).majority, lambda side: null.estimate(side, side)):
        with refused("answers-not-probabilities", "as Predictions.probabilities has them", problem):
            use(numbers)
    with refused("answers-not-probabilities"):
        null.estimate(TORN, numbers)


def test_probabilities_are_compared_with_probabilities_alone():
    for sides in ((TORN, TORN > 0.5), (TORN > 0.5, TORN)):
        for use in (pies.find, null.estimate):
            with refused("sides-of-unequal-kind", "or probabilities, on both sides", "float64"):
                use(*sides)


@pytest.mark.parametrize("numbers", [TORN, TORN[..., 0]], ids=["of each class", "of one class"])
@pytest.mark.parametrize(
    "use",
    [
        lambda side: agreement.count(side, pruned=side),
        lambda side: group_differences.compare(side, side, np.zeros(1, dtype=int), np.array(["a"])),
        lambda side: measures.flips(side, side, np.zeros(1, dtype=int)),
        lambda side: measures.class_recall_test(side, side, np.zeros(1, dtype=int)),
    ],
    ids=["agreement", "groups", "flips", "recall"],
)
def test_what_compares_classes_refuses_probabilities(use, numbers):
    with refused("answers-without-classes", "as Predictions.classes has them", str(numbers.shape)):
        use(numbers)


def test_probabilities_of_one_class_have_no_vote():
    for use in (pies.find, null.estimate):
        with refused("answers-without-classes", "give class ids"):
            use(TORN[..., 0], TORN[..., 0])
    with refused("answers-without-classes"):
        pies.multi_label(TORN, TORN)
    # Class ids that a spreadsheet made decimal numbers are class ids.
    assert pies.majority(np.array([[2.0], [1.0], [2.0]])).tolist() == [2]
