"""The medoid of texts, for many subsets of the models, by brute force; and how far texts moved."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.analysis import agreement, half_splits, medoids, pies
from pielab.data import distinct_texts


def draw(seed, models=6, examples=5, texts=4):
    """Numbers of texts, and similarities in quarters, so that many sums tie."""
    random = np.random.default_rng(seed)
    quarters = random.integers(5, size=(examples, texts, texts)) / 4
    similarities = np.maximum(quarters, quarters.swapaxes(1, 2)).astype(np.float32)
    similarities[:, range(texts), range(texts)] = 1
    return random.integers(texts, size=(models, examples)), similarities


def brute(texts, similarity):
    """The medoid of a list of texts by rational numbers: the largest mean over the others, ties to the smallest."""

    def mean(place):
        others = [text for other, text in enumerate(texts) if other != place]
        return sum(Fraction(float(similarity[texts[place], text])) for text in others) / len(others)

    return min(range(len(texts)), key=lambda place: (-mean(place), texts[place]))


@given(st.integers(0, 10_000), st.integers(3, 7))
def test_the_medoid_is_that_of_brute_force_for_every_subset(seed, models):
    ids, similarities = draw(seed, models)
    weights = np.random.default_rng(seed).integers(3, size=(6, models))
    weights[:, :2] += 1
    weights[0] = 1
    found = medoids.of_subsets(ids, similarities, weights)
    for subset, row in zip(found, weights, strict=True):
        for example, medoid in enumerate(subset):
            texts = np.repeat(ids[:, example], row).tolist()
            assert medoid == texts[brute(texts, similarities[example])]
    assert np.array_equal(medoids.of_models(ids, similarities), found[0])


@given(st.integers(0, 10_000), st.permutations(range(6)))
def test_the_medoid_is_the_same_whatever_the_order_of_the_models(seed, order):
    ids, similarities = draw(seed)
    # Sums of thirds, tenths and sevenths differ in their last bits with the order, unless they are in exact parts.
    similarities = np.round(similarities * np.float32(4 / 7) * 2**20) / 2**20
    similarities[:, range(4), range(4)] = 1
    weights = np.random.default_rng(seed).integers(1, 4, size=(3, 6))
    found = medoids.of_subsets(ids, similarities, weights)
    assert np.array_equal(found, medoids.of_subsets(ids[list(order)], similarities, weights[:, list(order)]))


@given(st.integers(0, 10_000), st.integers(3, 7))
def test_where_only_equal_texts_are_alike_the_medoid_is_the_majority(seed, models):
    ids, _ = draw(seed, models)
    alike = np.broadcast_to(np.eye(4, dtype=np.float32), (5, 4, 4))
    assert np.array_equal(medoids.of_models(ids, alike), pies.majority(ids))


def test_the_medoid_of_five_texts_and_of_texts_that_tie():
    sides = np.array([["a cat sat"], ["a cat sits"], ["a cat sat there"], ["dogs"], ["dogs"]], dtype=object)
    (ids,), texts = distinct_texts.numbered(sides)
    like = distinct_texts.similarities(texts)
    # Most frequent are the dogs, and most like all others is the cat that sat.
    assert [texts[0][pies.majority(ids)[0]], texts[0][medoids.of_models(ids, like)[0]]] == ["dogs", "a cat sat"]
    (ids,), texts = distinct_texts.numbered(np.array([["b"], ["c"], ["a"]], dtype=object))
    assert medoids.of_models(ids, distinct_texts.similarities(texts)).tolist() == [texts[0].index("a")]


def test_identical_sides_differ_nowhere_in_any_half_split():
    ids, similarities = draw(1, examples=50)
    first, second = (np.array(side) for side in zip(*half_splits.draw(6, 20, 5).all, strict=True))
    halves = [
        medoids.of_subsets(side, similarities, weights) for side in (ids, ids.copy()) for weights in (first, second)
    ]
    assert np.array_equal(halves[0], halves[2]) and np.array_equal(halves[1], halves[3])
    assert (halves[0] != halves[1]).any()  # the null
    distance = agreement.similarity_distance(similarities)
    assert not distance(*[medoids.of_models(ids, similarities)] * 2).any()


def test_two_models_have_no_medoid():
    ids, similarities = draw(0, models=5)
    with refused("too-few-models-for-a-medoid", "at least three models on each side", "2 models"):
        medoids.of_models(ids[:2], similarities)
    halves = np.array([first for first, _ in half_splits.draw(5, 20, 20).all])
    with refused("too-few-models-for-a-medoid", "six seeds", "2 models"):
        medoids.of_subsets(ids, similarities, halves)


def texts_of(random, probabilities, models):
    """Numbers of texts (models, examples), drawn from (examples, texts)."""
    steps = random.random((models, len(probabilities), 1))
    return (steps > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=2)


def count(unpruned, pruned, similarities):
    return agreement.count(unpruned, pruned=pruned, distance=agreement.similarity_distance(similarities))


def moved(counted):
    """What `agreement.quantities` gives, without its intervals, which take longer."""
    sums, seeds = agreement.pair_sums(counted).sum(axis=(1, 2)), counted.seeds
    share = agreement.coefficients(counted.sides)["both", "moved"] @ sums / (2 * seeds * (seeds - 1))
    return 100 * share / counted.texts


def laws(random, examples=60, texts=5):
    """Of each example how probable its texts are, and how alike, from texts' words."""
    words = [[" ".join(random.choice(["cat", "dog", "sat", "ran"], 4)) for _ in range(texts)] for _ in range(examples)]
    return random.dirichlet(np.ones(texts), examples), distinct_texts.similarities(words)


def test_moved_is_half_the_energy_distance_by_a_double_loop_and_exact_in_any_order():
    random = np.random.default_rng(0)
    probabilities, similarities = laws(random)
    sides = [texts_of(random, probabilities, 4) for _ in range(2)]

    def d(one, other):
        apart = [
            1 - similarities[np.arange(60), first, second].astype(float)
            for i, first in enumerate(one)
            for j, second in enumerate(other)
            if i != j
        ]
        return 100 * np.mean(apart)

    u, p = sides
    counted = count(u, p, similarities)
    found = agreement.quantities(counted).set_index(["comparison", "quantity"])["estimate"]["both"]
    assert found["moved"] == pytest.approx(d(u, p) - (d(u, u) + d(p, p)) / 2) == pytest.approx(moved(counted))
    assert found["spread"] == pytest.approx((d(p, p) - d(u, u)) / 2)
    order = random.permutation(60)
    again = count(u[::-1, order], p[::-1, order], similarities[order])
    assert np.array_equal(again.differing, counted.differing[:, ::-1, :, ::-1])


def test_moved_is_zero_on_average_if_no_text_did_and_a_planted_change_is_found():
    random = np.random.default_rng(0)
    probabilities, similarities = laws(random)
    nulls, planted = [], []
    other = probabilities.copy()
    other[:30] = np.roll(other[:30], 1, axis=1)
    for _ in range(100):
        unpruned, same, changed = (texts_of(random, law, 4) for law in (probabilities, probabilities, other))
        nulls.append(moved(count(unpruned, same, similarities)))
        planted.append(moved(count(unpruned, changed, similarities)))
    error = np.std(nulls, ddof=1) / 10
    assert abs(np.mean(nulls)) < 2.5 * error and min(nulls) < 0 < max(nulls)
    # Half of the energy distance of the two laws: what the mean must be.
    apart = 1 - similarities.astype(float)
    more = other - probabilities
    truth = -100 * np.einsum("ei,eij,ej->e", more, apart, more).mean() / 2
    assert truth > 5 * error and np.mean(planted) == pytest.approx(truth, abs=3 * np.std(planted) / 10)
    assert np.mean(np.array(planted) > np.quantile(nulls, 0.95)) > 0.9
