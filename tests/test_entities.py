"""Entities of tags, and sets of entities of several models."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pielab.analysis import pies
from pielab.data import entities, votes
from pielab.data.entities import Tags

NAMES = ("O", "B-LOC", "B-PER", "I-LOC", "I-PER")


def tags_of(sentences, names=NAMES):
    ids = np.array([names.index(tag) for sentence in sentences for tag in sentence], dtype=np.int64)
    return Tags(ids, np.cumsum([0, *map(len, sentences)]), names)


def by_conlleval(sentence):
    """The rule of the script, word by word: an entity ends where its type does, or a B- comes."""
    found, start, kind = [], None, None
    for place, tag in enumerate([*sentence, "O"]):
        prefix, _, of_type = tag.partition("-")
        if kind is not None and (prefix in "OB" or of_type != kind):
            found.append((start, place - 1, kind))
            kind = None
        if prefix != "O" and kind is None:
            start, kind = place, of_type
    return found


def random_tags(sentences, random, seeds=None, names=NAMES):
    lengths = random.integers(1, 9, sentences)
    shape = (lengths.sum(),) if seeds is None else (seeds, lengths.sum())
    return Tags(random.integers(0, len(names), shape), np.concatenate([[0], lengths.cumsum()]), names)


def as_lists(found, sentences, types):
    lists = [[] for _ in range(sentences)]
    for sentence, first, last, kind in found.tolist():
        lists[sentence].append((first, last, types[kind]))
    return lists


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (["B-PER", "I-PER", "O", "B-LOC"], [(0, 1, "PER"), (3, 3, "LOC")]),
        (["I-PER", "I-PER", "I-LOC"], [(0, 1, "PER"), (2, 2, "LOC")]),
        (["B-PER", "B-PER", "I-LOC", "I-LOC"], [(0, 0, "PER"), (1, 1, "PER"), (2, 3, "LOC")]),
        (["O", "O"], []),
        ([], []),
    ],
)
def test_entities_follow_the_rule_of_conlleval(sentence, expected):
    tags = tags_of([["B-PER"], sentence, ["I-PER"]])
    assert as_lists(entities.spans(tags), 3, tags.types) == [[(0, 0, "PER")], expected, [(0, 0, "PER")]]


def test_entities_of_random_tags_are_those_that_the_script_finds_word_by_word():
    tags = random_tags(20_000, np.random.default_rng(0))
    found = as_lists(entities.spans(tags), len(tags), tags.types)
    texts = np.array(tags.names)[tags.ids]
    for sentence, (start, end) in enumerate(zip(tags.starts[:-1], tags.starts[1:], strict=True)):
        assert found[sentence] == by_conlleval(texts[start:end].tolist())


def test_entities_are_those_of_seqeval():
    get_entities = pytest.importorskip("seqeval.metrics.sequence_labeling").get_entities
    tags = random_tags(2_000, np.random.default_rng(1))
    texts = np.array(tags.names)[tags.ids]
    for sentence, found in enumerate(as_lists(entities.spans(tags), len(tags), tags.types)):
        own = texts[tags.starts[sentence] : tags.starts[sentence + 1]].tolist()
        assert [(kind, first, last) for first, last, kind in found] == get_entities(own)


@settings(max_examples=60, deadline=None)
@given(seeds=st.integers(1, 9), number=st.integers(0, 2**32 - 1))
def test_voted_entities_never_overlap_and_are_those_of_a_plain_count(seeds, number):
    tags = random_tags(12, np.random.default_rng(number), seeds)
    sets = entities.sets_of(tags)
    voted = votes.majority_sets(sets.sets)
    plain = [Counter() for _ in range(len(tags))]
    for ids in tags.ids:
        for sentence, found in enumerate(as_lists(entities.spans(tags.of(ids)), len(tags), tags.types)):
            plain[sentence].update(found)
    for sentence in range(len(tags)):
        own = sets.entities[sets.entities[:, 0] == sentence]
        chosen = as_lists(own[voted[sentence, : len(own)]], len(tags), tags.types)[sentence]
        assert chosen == sorted(entity for entity, count in plain[sentence].items() if 2 * count > seeds)
        covered = [word for first, last, _ in chosen for word in range(first, last + 1)]
        assert len(covered) == len(set(covered))


@settings(max_examples=40, deadline=None)
@given(number=st.integers(0, 2**32 - 1))
def test_two_sides_in_one_numbering_are_what_they_were_and_differ_where_their_sets_do(number):
    random = np.random.default_rng(number)
    dense = random_tags(10, random, 3)
    pruned = dense.of(np.where(random.random(dense.ids.shape) < 0.2, random.integers(0, 5, dense.ids.shape), dense.ids))
    sides = [entities.sets_of(side) for side in (dense, pruned)]
    first, second = entities.together(*sides)
    assert np.array_equal(first.entities, second.entities)
    for side, numbered in zip(sides, (first, second), strict=True):
        for seed in range(3):
            assert np.array_equal(numbered.entities[numbered.said[seed]], side.entities[side.said[seed]])
    differ = [
        [as_lists(entities.spans(side.of(side.ids[seed])), 10, dense.types) for side in (dense, pruned)]
        for seed in range(3)
    ]
    for seed, (one, other) in enumerate(differ):
        expected = [of_one != of_other for of_one, of_other in zip(one, other, strict=True)]
        assert votes.differ(first.sets[seed], second.sets[seed]).tolist() == expected
    assert not pies.find(first.sets, first.sets).any()
    shuffled = random.permutation(3)
    assert np.array_equal(pies.find(first.sets[shuffled], second.sets), pies.find(first.sets, second.sets[shuffled]))


def test_f1_is_that_of_all_entities_of_all_sentences():
    gold, predicted = tags_of([["B-PER", "I-PER"], ["O", "B-LOC"]]), tags_of([["B-PER", "O"], ["B-PER", "B-LOC"]])
    first, second = entities.together(entities.sets_of(predicted), entities.sets_of(gold))
    assert entities.f1(first.sets[0], second.sets[0]) == pytest.approx(2 * 1 / (3 + 2))
    assert entities.f1(second.sets[0], second.sets[0]) == 1
    none = entities.sets_of(tags_of([["O"], ["O"]])).sets[0]
    assert entities.f1(none, none) == 1 and none.shape == (2, 1)
    assert entities.named(entities.spans(gold), gold.types) == ["0-1 PER", "1-1 LOC"]
