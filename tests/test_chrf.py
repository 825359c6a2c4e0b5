"""chrF, against sacrebleu to the last bit and against a plain writing, and the similarity made of it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pielab.data import chrf

TEXTS = st.text("aab é\t\n好", max_size=20)


def plain(text, reference):
    """chrF of two texts by counting n-grams."""
    precisions, recalls = [], []
    for length in range(1, 7):
        of_texts = []
        for each in (text, reference):
            characters = "".join(each.split())
            of_texts.append(Counter(characters[i : i + length] for i in range(len(characters) - length + 1)))
        one, other = of_texts
        if one and other:
            shared = (one & other).total()
            precisions.append(shared / one.total())
            recalls.append(shared / other.total())
    if not sum(precisions):
        return 0
    precision, recall = np.mean(precisions), np.mean(recalls)
    return 5 * precision * recall / (4 * precision + recall)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.lists(TEXTS, min_size=1, max_size=4))
def test_scores_are_those_of_counted_n_grams(texts, references):
    found = chrf.scores(texts, references)
    assert found == pytest.approx(np.array([[plain(text, each) for each in references] for text in texts]))
    assert chrf.chrf(texts[0], references) == found[0].max()


def test_scores_are_those_of_sacrebleu_to_the_last_bit():
    sentence_chrf = pytest.importorskip("sacrebleu").sentence_chrf
    random = np.random.default_rng(0)
    for alphabet in ("ab ", "abcdefgh é. ", "abcdefghijklmnopqrstuvwxyzABC,.'好\U0001f600     "):
        for longest in (3, 12, 60):
            for _ in range(30):
                texts = ["".join(random.choice(list(alphabet), random.integers(longest))) for _ in range(8)]
                found = chrf.scores(texts[:4], texts[4:])
                expected = [[sentence_chrf(text, [each]).score for each in texts[4:]] for text in texts[:4]]
                assert (100 * found).tolist() == expected
                assert 100 * chrf.chrf(texts[0], texts[4:]) == sentence_chrf(texts[0], texts[4:]).score


@given(st.lists(TEXTS, min_size=2, max_size=5, unique=True), st.randoms(use_true_random=False))
def test_a_similarity_is_the_mean_of_both_directions_whatever_the_other_texts(texts, random):
    found = chrf.similarities(texts)
    both = [[(plain(one, other) + plain(other, one)) / 2 for other in texts] for one in texts]
    np.fill_diagonal(expected := np.array(both, dtype=float), 1)
    assert found == pytest.approx(expected)
    assert np.array_equal(found, found.T) and found.min() >= 0 and found.max() <= 1
    order = random.sample(range(len(texts)), len(texts))
    assert np.array_equal(chrf.similarities([texts[place] for place in order]), found[np.ix_(order, order)])
    assert found[0, -1] == chrf.similarities([texts[0], texts[-1]])[0, 1]


def test_texts_without_characters_are_like_themselves_alone():
    assert chrf.similarities(["", "a", "b"]).tolist() == np.eye(3).tolist()
    assert chrf.similarities([]).shape == (0, 0)
    assert chrf.chrf("", [""]) == 0  # as in sacrebleu


def test_a_half_of_a_character_is_one_as_well():
    assert chrf.chrf("a\ud800b", ["a\ud800b"]) == 1
