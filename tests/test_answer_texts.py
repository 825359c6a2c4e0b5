"""Answers that are texts: SQuAD's scores, against torchmetrics and a second writing, and what is taken from texts."""

import re
from string import punctuation

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pielab.data import answer_texts

WORDS = ["the", "a", "An", "THE", "cat", "Cat's", "cat", "u.s.", "3,5", "-", "–", "", "theatre", "a.", "é", "\tdog\n"]
TEXTS = st.lists(st.sampled_from(WORDS)).map(" ".join)


def second_writing(answer, reference):
    """Exact match and F1, word by word and with lists alone."""

    def words(text):
        kept = [character for character in text.lower() if character not in punctuation]
        return [word for word in re.split(r"\s+", "".join(kept)) if word not in ("", "a", "an", "the")]

    one, left = words(answer), words(reference)
    exact, total, shared = one == left, len(one) + len(left), 0
    for word in one:
        if word in left:
            left.remove(word)
            shared += 1
    return exact, float(exact) if not shared else 2 * shared / total


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=3))
def test_scores_are_those_of_a_second_writing_best_over_the_references(answer, references):
    exact, of_words = zip(*(second_writing(answer, reference) for reference in references), strict=True)
    assert answer_texts.exact_match(answer, references) == max(exact)
    assert answer_texts.f1(answer, references) == pytest.approx(max(of_words))


def test_scores_are_those_of_torchmetrics():
    squad = pytest.importorskip("torchmetrics.functional.text").squad
    random = np.random.default_rng(0)
    for _ in range(50):
        answers = [" ".join(random.choice(WORDS, random.integers(5))) for _ in range(100)]
        references = [answers[place : place + place % 2 + 1] for place in random.permutation(100)]
        given = [{"id": str(place), "prediction_text": answer} for place, answer in enumerate(answers)]
        targets = [
            {"id": str(place), "answers": {"text": texts, "answer_start": [0] * len(texts)}}
            for place, texts in enumerate(references)
        ]
        found = squad(given, targets)
        for name, score in (("exact_match", answer_texts.exact_match), ("f1", answer_texts.f1)):
            mean = np.mean([score(*each) for each in zip(answers, references, strict=True)])
            assert float(found[name]) == pytest.approx(100 * mean, rel=1e-5)


def test_no_answer_is_right_only_where_there_is_none():
    for none in ("", "The", " ... "):
        assert answer_texts.f1(none, []) == answer_texts.f1(none, [""]) == answer_texts.exact_match(none, []) == 1
        assert answer_texts.f1(none, ["a cat"]) == answer_texts.exact_match(none, ["a cat"]) == 0
        assert answer_texts.f1("a cat", [none]) == answer_texts.f1("a cat", []) == 0


@given(TEXTS, TEXTS)
def test_f1_is_the_same_in_both_directions_and_one_for_the_same_words(first, second):
    assert answer_texts.token_f1(first, second) == answer_texts.token_f1(second, first)
    assert answer_texts.token_f1(first, f" The {first.upper()}!") == 1


@pytest.mark.parametrize(
    ("text", "span", "generated"),
    [
        ("The  Blue Spice.", "blue spice", "the blue spice"),
        ("a family-friendly\nU.S. pub", "familyfriendly us pub", "a family friendly u s pub"),
        ("„Straße“ – 5€, $5", "„straße“ – 5€ 5", "straße 5 5"),
        ("हिन्दी।", "हिन्दी।", "हिन्दी"),
        ("他说「好。」", "他说「好。」", "他说 好"),
        ("theatre an", "theatre", "theatre an"),
    ],
)
def test_what_is_taken_from_spans_and_from_generated_texts(text, span, generated):
    assert answer_texts.normalised_span(text) == answer_texts.normalised_span(span) == span
    assert answer_texts.normalised_text(text) == answer_texts.normalised_text(generated) == generated
