"""Generated texts: when one is right, how they are numbered, and that files and archives give them back."""

import numpy as np
import pytest
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

from pielab.analysis import pies
from pielab.data import answer_texts, chrf, generation, tasks, votes
from pielab.store import archive, predictions
from pielab.store.text_answers import GoldTexts, TextAnswers

WORDS = st.lists(st.sampled_from(["The", "cat", "sat.", "  Cat", "é", "£5", "family-friendly"]), max_size=5)
TEXTS = WORDS.map(" ".join)
ABOUT = {"task": "generation", "n_classes": 2, "decision_threshold": 0.5, "seed": 3}


def answers(texts, targets, threshold=0.5):
    texts, nan = np.array(texts, dtype=object), np.full(len(texts), np.nan, np.float32)
    return TextAnswers(texts, generation.nearness(texts, targets), nan, nan, threshold=threshold)


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(TEXTS.filter(str.strip), min_size=1, max_size=3))
def test_nearness_is_the_mean_of_chrf_in_both_directions_to_the_most_like_text(text, written):
    (found,) = generation.nearness([text], GoldTexts((tuple(written),)))
    one, others = answer_texts.normalised_text(text), list(map(answer_texts.normalised_text, written))
    by_hand = [1.0 if one == other else (chrf.chrf(one, [other]) + chrf.chrf(other, [one])) / 2 for other in others]
    assert found == pytest.approx(max(by_hand), abs=1e-6)
    assert generation.nearness([text.upper()], GoldTexts((tuple(written),))) == found


def test_texts_are_judged_by_the_threshold_of_the_unpruned_models():
    targets = GoldTexts((("a b c d",), ("x y",), ("one two", "three")))
    texts = [["a b c d", "y", "three"], ["a b", "x y", "two"], ["q", "q", "one two"]]
    dense = TextAnswers.stack([answers(each, targets, at) for each, at in zip(texts, (0.3, 0.5, 0.9), strict=True)])
    pruned = TextAnswers.stack([answers(each, targets, None) for each in texts])
    assert dense.threshold == 0.5 and pruned.threshold is None
    unpruned_ids, none, pruned_ids, gold = votes.numbered(dense, None, pruned, targets)
    assert none is None and gold.tolist() == [1, 1, 1]
    assert unpruned_ids.tolist() == (dense.nearness >= 0.5).astype(int).tolist() == pruned_ids.tolist()
    assert not pies.find(dense, pruned).any()
    with refused("texts-without-threshold", "give the unpruned models' texts first"):
        votes.numbered(pruned)
    assert tasks.of_answers(dense) is tasks.GENERATION is tasks.of_targets(targets)


def test_what_models_that_write_nothing_write_is_wrong_and_warned_of(capsys):
    targets = GoldTexts((("a b c d",), ("x y",), ("one two", "three")))
    nothing = answers(["", "q", "three"], targets, None)
    assert generation.threshold(nothing, targets) == 0
    assert "half of the texts that the models wrote have nothing in common" in capsys.readouterr().err
    dense, pruned = (TextAnswers.stack([nothing.judged_from(at)]) for at in (0.0, None))
    assert [side.tolist() for side in votes.numbered(dense, pruned)] == [[[0, 0, 1]]] * 2
    assert generation.threshold(answers(["a b", "", "three"], targets, None), targets) > 0
    assert not capsys.readouterr().err


def test_texts_that_differ_in_case_and_punctuation_have_one_number():
    targets = GoldTexts((("a",), ("a",)))
    sides = [TextAnswers.stack([answers(row, targets)]) for row in (["The cat.", "x"], ["the CAT", "y"])]
    (one, other), distinct = generation.numbered(*sides)
    assert one[0, 0] == other[0, 0] and one[0, 1] != other[0, 1]
    assert distinct == [["the cat"], ["x", "y"]]
    assert generation.numbered(sides[0], None)[0][1] is None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=5), st.booleans())
def test_files_and_archives_give_texts_back(tmp_path_factory, texts, is_known):
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    random = np.random.default_rng(0)
    near, score, target = random.random((3, len(texts))).astype(np.float32)
    score = score if is_known else np.full(len(texts), np.nan, np.float32)
    written = TextAnswers(np.array(texts, dtype=object), near, score, target, threshold=0.5)
    path = tmp_path_factory.mktemp("texts") / "predictions.parquet"
    predictions.write_answers(path, written, ABOUT, error_norms=near)
    read = predictions.read_file(path)
    unpacked = archive.UNPACK["generation"](archive.PACK["generation"](read, 2), 2)
    for found in (read.classes, unpacked):
        assert found.texts.tolist() == texts and found.threshold == 0.5
        for name in ("nearness", "scores", "target_scores"):
            np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
    assert (read.task, read.shape, read.decision_threshold) == ("generation", (len(texts), 2), 0.5)
    np.testing.assert_array_equal(read.error_norms, near)


@pytest.mark.parametrize("wrong", [{"nearness": [0.1, 1.5]}, {"nearness": [np.nan, 0.2]}, {"threshold": "half"}])
def test_a_file_whose_texts_have_no_nearness_is_refused(tmp_path, wrong):
    near = np.array(wrong.get("nearness", [0.1, 0.2]), np.float32)
    texts = TextAnswers(np.array(["a", "b"], dtype=object), near, near, near)
    path = tmp_path / "predictions.parquet"
    about = ABOUT | {"decision_threshold": wrong.get("threshold", 0.5)}
    predictions.write_answers(path, texts, about)
    with refused("stored-texts-not-accepted", "give each example a string as the answer"):
        predictions.read_file(path)


def test_texts_are_counted_by_the_length_of_what_is_learned():
    targets = GoldTexts((("a",), ("b " * 10, "c"), ("d " * 11,), ("e " * 41,)))
    names, numbers = generation.counts(targets)
    assert dict(zip(names, numbers.tolist(), strict=True)) == {
        **dict(zip(generation.LENGTHS, (2, 1, 0, 1), strict=True)),
        "with several targets": 1,
    }
    assert generation.kinds(targets)[1].sum(axis=1).tolist() == [1, 1, 1, 1]
    assert len(targets[np.array([2, 0])]) == 2 and targets[:1].texts == (("a",),)
