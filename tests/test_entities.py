"""Entities of tags, and sets of entities of several models."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from pielab.analysis import agreement, measures, null, paired_change, pies
from pielab.analysis.examples import el2n
from pielab.data import tasks, votes
from pielab.errors import PielabError
from pielab.store import entities, paths, predictions
from pielab.store.entities import Tags

NAMES = ("O", "B-LOC", "B-PER", "I-LOC", "I-PER")


def tags_of(sentences, names=NAMES):
    ids = np.array([names.index(tag) for sentence in sentences for tag in sentence], dtype=np.int64)
    return Tags(ids, np.cumsum([0, *map(len, sentences)]), names)


@given(st.lists(st.lists(st.sampled_from(NAMES), max_size=5), min_size=1, max_size=8), st.data())
def test_sentences_are_chosen_with_their_words(sentences, data):
    chosen = data.draw(st.lists(st.integers(0, len(sentences) - 1), max_size=6))
    tags, expected = tags_of(sentences), tags_of([sentences[index] for index in chosen])
    found = tags[np.array(chosen, dtype=int)]
    assert found.ids.tolist() == expected.ids.tolist() and found.starts.tolist() == expected.starts.tolist()
    of_two = tags.of(np.stack([tags.ids, tags.ids[::-1]]))
    assert len(tags[1:]) == len(sentences) - 1 and of_two[: len(tags)].ids.tolist() == of_two.ids.tolist()


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


def test_sides_of_other_sentences_or_types_are_refused():
    one, other = (entities.sets_of(tags_of(sentences)) for sentences in ([["O"]], [["O"], ["O"]]))
    without = entities.sets_of(tags_of([["O"]], NAMES[:2]))
    for sides in ((one, other), (one, without)):
        with refused("entities-of-other-sentences", "on the same sentences", "1 sentences with the types"):
            pies.find(*sides)


def test_f1_is_that_of_all_entities_of_all_sentences():
    gold, predicted = tags_of([["B-PER", "I-PER"], ["O", "B-LOC"]]), tags_of([["B-PER", "O"], ["B-PER", "B-LOC"]])
    first, second = entities.together(entities.sets_of(predicted), entities.sets_of(gold))
    assert entities.f1(first.sets[0], second.sets[0]) == pytest.approx(2 * 1 / (3 + 2))
    assert entities.f1(second.sets[0], second.sets[0]) == 1
    none = entities.sets_of(tags_of([["O"], ["O"]])).sets[0]
    assert entities.f1(none, none) == 1 and none.shape == (2, 1)
    assert entities.named(entities.spans(gold), gold.types) == ["0-1 PER", "1-1 LOC"]


def test_files_of_tagged_words_are_read_as_they_were_written(tmp_path):
    random = np.random.default_rng(2)
    tags = random_tags(7, random, 3)
    logits = random.normal(size=(3, tags.ids.shape[1], 5)).astype(np.float32)
    about = {"task": "tokens", "tags": list(NAMES)}
    for seed in range(3):
        place = paths.seed(tmp_path / "with", seed)
        place.mkdir(parents=True)
        predictions.write(place / "test.parquet", logits[seed], about | {"seed": seed}, tags.starts)
        without = paths.seed(tmp_path / "without", seed)
        without.mkdir(parents=True)
        answers = predictions.read_file(place / "test.parquet")
        predictions.write_answers(without / "test.parquet", answers.classes, about, starts=tags.starts)
    runs, answered = (predictions.read_seeds(tmp_path / name, range(3)) for name in ("with", "without"))
    assert np.array_equal(runs.logits, logits) and runs.shape == answered.shape == (3, 7, 5)
    assert runs.task == answered.task == "tokens" and runs.tags == NAMES
    for read in (runs, answered):
        assert np.array_equal(read.tagged.ids, logits.argmax(axis=2))
        assert np.array_equal(read.classes.said, entities.sets_of(tags.of(logits.argmax(axis=2))).said)
        assert np.array_equal(read.by_word.classes, logits.argmax(axis=2)) and read.by_word.task == "single-label"
    assert runs.by_word.shape == answered.by_word.shape == (3, tags.ids.shape[1], 5)
    table = pq.read_table(paths.seed(tmp_path / "with", 0) / "test.parquet")
    pq.write_table(table.take(random.permutation(7)), tmp_path / "shuffled.parquet")
    assert np.array_equal(predictions.read_file(tmp_path / "shuffled.parquet").logits, logits[0])


@pytest.mark.parametrize(
    ("about", "starts", "message"),
    [
        ({"tags": list(NAMES[:4])}, [0, 2, 3], "5 logits for each word"),
        ({}, [0, 2, 3], "has the tags None"),
        ({"tags": list(NAMES)}, None, "give each sentence a list"),
    ],
)
def test_files_of_tagged_words_that_cannot_be_meant_are_refused(tmp_path, about, starts, message):
    predictions.write(tmp_path / "test.parquet", np.zeros((3, 5)), about | {"task": "tokens"}, starts)
    with pytest.raises(PielabError, match=message):
        predictions.read_file(tmp_path / "test.parquet")


def test_seeds_of_other_sentences_are_not_read_together(tmp_path):
    for seed, starts in enumerate(([0, 2, 3], [0, 1, 3])):
        place = paths.seed(tmp_path, seed)
        place.mkdir(parents=True)
        predictions.write(place / "test.parquet", np.zeros((3, 5)), {"task": "tokens", "tags": list(NAMES)}, starts)
    with refused("seeds-of-different-shapes", "run them alike", "or in words"):
        predictions.read_seeds(tmp_path, range(2))


def models(random, number, tags, changed=0.1):
    """Tags of several models, each of which changes some of the same words at random."""
    noise = random.random((number, len(tags.ids))) < changed
    return tags.of(np.where(noise, random.integers(0, len(NAMES), noise.shape), tags.ids))


def test_pies_null_and_agreement_are_those_of_sets_of_strings():
    random = np.random.default_rng(3)
    gold = random_tags(40, random)
    dense, pruned = models(random, 6, gold), models(random, 6, gold, 0.3)
    sides = [entities.sets_of(side) for side in (dense, pruned)]
    plain = [
        [as_lists(entities.spans(side.of(ids)), len(gold), gold.types) for ids in side.ids] for side in (dense, pruned)
    ]

    def vote(of_models, sentence):
        counts = Counter(entity for model in of_models for entity in model[sentence])
        return {entity for entity, count in counts.items() if 2 * count > len(of_models)}

    expected = [vote(plain[0], sentence) != vote(plain[1], sentence) for sentence in range(40)]
    assert pies.find(*sides).tolist() == expected and 0 < sum(expected) < 40
    found = null.estimate(*sides, n_splits=1000, n_bootstrap=0)
    halves = [(half, tuple(set(range(6)) - set(half))) for half in itertools.combinations(range(6), 3)]
    shares = np.zeros(2)
    for first, second in halves:
        votes_of = [
            [vote([side[seed] for seed in half], place) for place in range(40)]
            for side, half in ((plain[0], first), (plain[0], second), (plain[1], second))
        ]
        shares += [np.mean([a != b for a, b in zip(votes_of[0], other, strict=True)]) for other in votes_of[1:]]
    assert [found.null, found.pruned] == pytest.approx(shares / len(halves))
    counted = agreement.count(*sides[:1], pruned=sides[1])
    differing = [
        [sum(a != b for a, b in zip(plain[0][i], plain[1][j], strict=True)) for j in range(6)] for i in range(6)
    ]
    assert counted.differing[0, :, 1].tolist() == differing
    effectiveness = null.effectiveness_on_pies(*sides, gold)
    assert 0 < effectiveness["pruned_on_pies"] < effectiveness["unpruned_on_all"] < 1
    of_one = [tasks.TOKENS.score(ids, gold) for ids in dense.ids]
    assert effectiveness["unpruned_on_all"] == pytest.approx(np.mean(of_one))
    beside = null.effectiveness_beside_null(*sides, gold, n_splits=20)
    assert 0 < beside["halved_pruned_on_pies"] < beside["halved_unpruned_on_pies"] < 1
    assert not pies.find(sides[0], sides[0]).any()


def test_moved_by_a_distance_is_0_on_the_mean_without_an_effect_and_finds_one():
    gold = random_tags(30, np.random.default_rng(6))
    moved = {0.1: [], 0.3: []}
    for study in range(100):
        random = np.random.default_rng(study)
        unpruned = models(random, 6, gold)
        for changed in moved if study < 10 else [0.1]:
            sides = [entities.sets_of(side) for side in (unpruned, models(random, 6, gold, changed))]
            table = agreement.quantities(agreement.count(sides[0], pruned=sides[1], distance=agreement.f1_distance))
            moved[changed] += [table.set_index(["comparison", "quantity"]).loc["both", "estimate"]["moved"]]
    without, planted = moved.values()
    assert abs(np.mean(without)) < 3 * np.std(without) / np.sqrt(len(without)) and np.std(without) > 0
    assert np.mean(planted) > np.quantile(without, 0.95)


def test_distances_add_up_to_those_of_a_plain_loop():
    random = np.random.default_rng(7)
    gold = random_tags(20, random)
    dense, pruned = (entities.sets_of(models(random, 3, gold, changed)) for changed in (0.1, 0.3))
    counted = agreement.count(dense, pruned=pruned, distance=agreement.f1_distance)
    one, other = entities.together(dense, pruned)
    for i, j in np.ndindex(3, 3):
        expected = [
            1 - f1_score(*pair, zero_division=1)
            for pair in zip(other.sets[j].astype(int), one.sets[i].astype(int), strict=True)
        ]
        assert counted.differing[0, i, 1, j] == pytest.approx(np.sum(expected), abs=1e-4)
    same = agreement.count(dense, pruned=dense, distance=agreement.f1_distance)
    assert np.array_equal(same.differing[0], same.differing[1]) and not same.differing[0, :, 0].diagonal().any()
    both = agreement.quantities(same).set_index(["comparison", "quantity"]).loc["both", "estimate"]
    assert both["own answers changed"] == 0 and both["spread"] == 0


def predicted(random, gold, changed):
    """Predictions of models of which each errs in some words."""
    tags = models(random, 5, gold, changed)
    logits = 3 * np.eye(len(NAMES))[tags.ids] + random.normal(0, 0.3, (5, len(gold.ids), 5))
    return predictions.Predictions(logits.astype(np.float32), tuple(range(5)), starts=gold.starts, tags=NAMES)


def test_paired_change_is_that_of_sets_by_sentence_and_of_probabilities_by_word():
    random = np.random.default_rng(5)
    gold = random_tags(30, random)
    before, after = predicted(random, gold, 0.1), predicted(random, gold, 0.2)
    table = paired_change.between(before, after, gold, {"another_batch_size": before}).set_index("quantity")
    by_word = paired_change.between(before.by_word, after.by_word, gold.ids).set_index("quantity")
    sentences = ["changed", *paired_change.SPLIT]
    others = table.index.difference(sentences)
    columns = ["estimate", "low", "high", "another_seed", "another_seed_low", "another_seed_high"]
    pd.testing.assert_frame_equal(table.loc[others, columns], by_word.loc[others, columns])
    plain = [
        [as_lists(entities.spans(runs.tagged.of(ids)), 30, gold.types) for ids in runs.tagged.ids]
        for runs in (before, after)
    ]
    changed = [np.mean([a != b for a, b in zip(*pair, strict=True)]) for pair in zip(*plain, strict=True)]
    assert table.loc["changed", "estimate"] == pytest.approx(100 * np.mean(changed))
    assert table.loc[paired_change.SPLIT, "estimate"].sum() == pytest.approx(table.loc["changed", "estimate"])
    right = as_lists(entities.spans(gold), 30, gold.types)
    to_wrong = [
        np.mean([a == r != b for a, b, r in zip(*pair, right, strict=True)]) for pair in zip(*plain, strict=True)
    ]
    assert table.loc["right to wrong", "estimate"] == pytest.approx(100 * np.mean(to_wrong))
    assert (table.loc[sentences, "another_batch_size"] == 0).all() and table.loc["changed", "another_seed"] > 0
    measured = measures.compare_with_null(before, after, gold, n_splits=4)
    pd.testing.assert_frame_equal(
        measured, measures.compare_with_null(before.by_word, after.by_word, gold.ids, n_splits=4)
    )


def test_el2n_of_a_sentence_is_the_mean_of_its_words():
    random = np.random.default_rng(4)
    gold = random_tags(5, random)
    logits = random.normal(size=(2, len(gold.ids), 5)).astype(np.float32)
    runs = predictions.Predictions(logits, (0, 1), starts=gold.starts, tags=NAMES)
    by_word = el2n.error_norms(runs.by_word, gold.ids)
    expected = [by_word[start:end].mean() for start, end in zip(gold.starts, gold.starts[1:], strict=False)]
    assert el2n.error_norms(runs, gold) == pytest.approx(expected)
