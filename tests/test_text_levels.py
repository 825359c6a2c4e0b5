"""Generated texts as right or wrong and by how far they are apart, against plain loops over strings."""

import functools
import itertools

import numpy as np
import pytest
from written_texts import DAMAGED, UNPRUNED, data, draw

from pielab.analysis import intervals, null, paired_change, pies, tables, text_levels
from pielab.analysis.paired_change import SPLIT
from pielab.data import chrf, generation
from pielab.data.answer_texts import normalised_text
from pielab.report import marked
from pielab.store.predictions import Predictions
from pielab.store.text_answers import TextAnswers

SPLIT_OF = data(train=1, validation=1, test=24)["test"]
TARGETS = generation.gold_texts(SPLIT_OF)
THRESHOLD = 0.9


def side(law, seed, seeds=6, threshold=None):
    drawn = draw(SPLIT_OF, law, seeds, np.random.default_rng(seed)).judged_from(threshold)
    return Predictions(None, tuple(range(seeds)), answers=drawn)


@pytest.fixture(scope="module")
def sides():
    return side(UNPRUNED, 0, threshold=THRESHOLD), side(DAMAGED, 1)


@functools.cache
def unlike(one, other):
    one, other = map(normalised_text, (one, other))
    return 0 if one == other else 1 - (chrf.chrf(one, [other]) + chrf.chrf(other, [one])) / 2


def right(runs):
    return (runs.answers.nearness >= np.float32(THRESHOLD)).astype(int)


def medoid(texts):
    """The text with the largest mean similarity to the others, the first of several in the order of characters."""
    mean = {
        text: -sum(unlike(text, other) for place, other in enumerate(texts) if place != own)
        for own, text in enumerate(texts)
    }
    return min(mean, key=lambda text: (-round(mean[text], 4), normalised_text(text)))


def test_each_level_is_that_of_plain_strings(sides):
    dense, pruned = sides
    shares = text_levels.shares(dense, pruned, TARGETS, n_splits=20, n_bootstrap=0).set_index("level")
    assert tuple(shares.index) == text_levels.LEVELS
    apart = [unlike(*(medoid(run.answers.texts[:, place]) for run in sides)) for place in range(24)]
    assert shares.loc["texts", "all_seeds"] == pytest.approx(100 * np.mean(apart), abs=0.01)
    votes = [2 * right(run).sum(axis=0) > 6 for run in sides]
    assert shares.loc["right or wrong", "all_seeds"] == pytest.approx(100 * np.mean(votes[0] != votes[1]))
    assert pies.find(dense.classes, pruned.classes).tolist() == (votes[0] != votes[1]).tolist()
    assert (shares["halved"] - shares["null"]).tolist() == pytest.approx(shares["excess"].tolist())
    found = text_levels.agreement(dense, None, pruned, TARGETS).set_index(["level", "comparison", "quantity"])
    one, other = (run.answers.texts for run in sides)
    pairs = list(itertools.permutations(range(6), 2))
    mean = np.mean([unlike(one[i, place], other[j, place]) for i, j in pairs for place in range(24)])
    assert found.loc[("texts", "parts", "in all"), "estimate"] == pytest.approx(100 * mean, abs=0.01)
    own = np.mean([unlike(one[i, place], other[i, place]) for i in range(6) for place in range(24)])
    assert found.loc[("texts", "both", "own answers changed"), "estimate"] == pytest.approx(100 * own, abs=0.01)


def test_nothing_depends_on_which_side_is_which_nor_on_the_order_of_the_models(sides):
    dense, pruned = sides
    order = [3, 0, 5, 1, 4, 2]
    both = [Predictions(None, tuple(order), answers=run.answers[order]) for run in sides]
    turned = Predictions(None, pruned.seeds, answers=pruned.answers.judged_from(THRESHOLD)), dense
    tables_of = [text_levels.agreement(one, None, other, TARGETS) for one, other in (sides, both, turned)]
    whole = [text_levels.shares(*pair, TARGETS, n_splits=10, n_bootstrap=0) for pair in (sides, both, turned)]
    for own, shares in zip(tables_of[1:], whole[1:], strict=True):
        symmetric = own["quantity"].isin(["moved", "excess", "own answers changed"]) & (own["comparison"] == "both")
        wanted = own.index[symmetric & ((own["quantity"] != "excess") | (own is tables_of[1]))]
        assert own["estimate"][wanted].tolist() == tables_of[0]["estimate"][wanted].tolist()
        assert shares["all_seeds"].tolist() == whole[0]["all_seeds"].tolist()
    same = text_levels.shares(dense, dense, TARGETS, n_splits=10, n_bootstrap=10)
    assert same[["all_seeds", "excess", "low", "high"]].eq(0).all(axis=None)


def test_moved_is_nothing_on_average_without_an_effect_and_a_planted_one_is_found():
    def moved(law, number):
        table = text_levels.agreement(
            side(UNPRUNED, 2 * number, 4, THRESHOLD), None, side(law, 2 * number + 1, 4), TARGETS
        )
        table = table[(table["comparison"] == "both") & (table["quantity"] == "moved")]
        return table.set_index("level")["estimate"]

    nothing = np.array([moved(UNPRUNED, number)[list(text_levels.LEVELS)] for number in range(40)])
    error = nothing.std(axis=0, ddof=1) / np.sqrt(len(nothing))
    assert (np.abs(nothing.mean(axis=0)) < 3 * error).all() and (error < 1).all()
    assert (moved(DAMAGED, 100) > 5 * error).all()
    table = text_levels.agreement(side(UNPRUNED, 3, 6, THRESHOLD), None, side(DAMAGED, 4), TARGETS, intervals.RECORDED)
    found = table[(table["quantity"] == "moved") & (table["level"] == "texts") & (table["comparison"] == "both")]
    assert found["low"].item() > 0


def test_two_models_a_side_have_no_medoid_and_yet_a_distance():
    runs = side(UNPRUNED, 0, 4, THRESHOLD), side(DAMAGED, 1, 4)
    shares = text_levels.shares(*runs, TARGETS, n_splits=3, n_bootstrap=0)
    assert shares["level"].tolist() == ["right or wrong"]
    assert set(text_levels.agreement(runs[0], None, runs[1], TARGETS)["level"]) == set(text_levels.LEVELS)


def test_what_stands_for_a_side_is_its_medoid_as_a_model_wrote_it_or_the_first_seeds_text(sides):
    shown = text_levels.consensus(*(run.answers for run in sides))
    for run, texts in zip(sides, shown.values(), strict=True):
        for place, text in enumerate(texts):
            written = run.answers.texts[:, place].tolist()
            assert text in written and unlike(text, medoid(written)) == 0
    few = text_levels.consensus(*(run.answers[:2] for run in sides))
    assert list(few.values()) == [run.answers.texts[0].tolist() for run in sides]


def test_a_text_changes_if_it_differs_after_normalisation(sides):
    dense, pruned = sides
    counted = paired_change.by_seed(dense, pruned, TARGETS)
    was, now = map(right, sides)
    for seed in range(6):
        pairs = zip(*(run.answers.texts[seed] for run in sides), strict=True)
        differs = np.array([normalised_text(one) != normalised_text(other) for one, other in pairs])
        one, other = was[seed] == 1, now[seed] == 1
        parts = [one & ~other, ~one & other, differs & ~one & ~other]
        expected = [100 * part.mean() for part in (differs, *parts)]
        assert counted.loc[seed, ["changed", *SPLIT]].tolist() == pytest.approx(expected)
    again = paired_change.between(dense, dense, TARGETS).set_index("quantity")
    assert again.loc[["changed", *SPLIT], "estimate"].eq(0).all()
    shouted = np.array([[text.upper() for text in row] for row in dense.answers.texts], dtype=object)
    loud = TextAnswers(shouted, *(getattr(dense.answers, name) for name in ("nearness", "scores", "target_scores")))
    assert paired_change.by_seed(dense, Predictions(None, dense.seeds, answers=loud), TARGETS)["changed"].eq(0).all()


def test_effectiveness_is_that_of_texts_and_of_how_many_are_right(sides):
    dense, pruned = sides
    found = null.effectiveness_on_pies(dense.classes, pruned.classes, TARGETS)
    scores = [generation.mean_chrf(dense.answers[seed], TARGETS) for seed in range(6)]
    assert found["unpruned_on_all"] == pytest.approx(np.mean(scores))
    assert found["pruned_on_all_by_text"] == np.mean(2 * right(pruned).sum(axis=0) > 6)
    # A PIE is right on one side alone.
    assert found["unpruned_on_pies_by_text"] + found["pruned_on_pies_by_text"] == pytest.approx(1)
    assert found["pruned_on_pies"] < found["unpruned_on_pies"]


def test_the_words_that_differ_are_marked_and_nothing_is_html_that_was_not():
    one, other = marked.differing("The Family-friendly <b> pub, by the river.", "the family friendly bar, by the sea")
    assert one == "The Family-friendly &lt;b&gt; <mark>pub,</mark> by the <mark>river.</mark>".replace(
        "&lt;b&gt; <mark>pub,", "<mark>&lt;b&gt; pub,"
    )
    assert other == "the family friendly <mark>bar,</mark> by the <mark>sea</mark>"
    assert marked.differing("Same, text!", "same text") == ("Same, text!", "same text")


def test_the_label_of_a_text_is_what_people_wrote_and_no_vote_is_for_it():
    row = {"example": 3, "label": 0, "unpruned_text": "a", "pruned_text": "b"}
    assert tables.label(row, SPLIT_OF, generation.CLASSES) == SPLIT_OF[3]["targets"][0]
    assert not tables.right_votes(row).size
    assert tables.texts(row) == {"unpruned text": "a", "pruned text": "b"} and tables.texts({"label": 0}) == {}
