"""Tagged words by word, sentence and entity, against plain sets and loops."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from test_entities import as_lists, predicted, random_tags

from pielab.analysis import agreement, group_differences, levels, null
from pielab.analysis.examples import tagged_words
from pielab.store import entities


@pytest.fixture(scope="module")
def sides():
    """Gold tags, and predictions of unpruned models, of controls that are alike, and of pruned models that err more."""
    random = np.random.default_rng(0)
    gold = random_tags(60, random)
    return gold, *(predicted(random, gold, changed) for changed in (0.1, 0.1, 0.25))


def found_by(runs, gold):
    """The entities of each seed, as sets of sentence, first word, last word and type."""
    lists = [as_lists(entities.spans(gold.of(ids)), len(gold), gold.types) for ids in runs.tagged.ids]
    return [{(place, *each) for place, of_one in enumerate(model) for each in of_one} for model in lists]


def vote(models):
    counts = Counter(itertools.chain(*models))
    return {entity for entity, count in counts.items() if 2 * count > len(models)}


def halves(seeds):
    for first in itertools.combinations(range(seeds), seeds // 2):
        for second in itertools.combinations(sorted(set(range(seeds)) - set(first)), seeds // 2):
            yield first, second


def test_shares_of_entities_are_those_of_plain_sets(sides):
    gold, dense, _, pruned = sides
    table = levels.shares(dense, pruned, gold, n_splits=100, n_bootstrap=0).set_index("level")
    assert list(table.index) == list(levels.LEVELS)
    unpruned, compressed = found_by(dense, gold), found_by(pruned, gold)
    whole = vote(unpruned), vote(compressed)
    assert table.loc["entities", "all_seeds"] == pytest.approx(
        100 * len(whole[0] ^ whole[1]) / len(whole[0] | whole[1])
    )
    sums = np.zeros((2, 2))
    for first, second in halves(5):
        reference = vote([unpruned[seed] for seed in first])
        for row, side in enumerate((unpruned, compressed)):
            other = vote([side[seed] for seed in second])
            sums[row] += len(reference ^ other), len(reference | other)
    of_null, of_pruned = 100 * sums[:, 0] / sums[:, 1]
    assert table.loc["entities", ["null", "halved", "excess"]].tolist() == pytest.approx(
        [of_null, of_pruned, of_pruned - of_null]
    )
    assert table["low"].lt(table["excess"]).all() and table["excess"].lt(table["high"]).all()
    words = null.estimate(dense.by_word.classes, pruned.by_word.classes, n_splits=100, n_bootstrap=0)
    assert table.loc["words", "excess"] == pytest.approx(100 * words.excess)
    numbers = [len(gold.ids), (gold.ids > 0).sum(), len(gold), len(entities.spans(gold))]
    assert table["number"].tolist() == numbers
    # A sentence has several words, so that more of them differ.
    assert table.loc["words", "null"] < table.loc["sentences", "null"]


def test_identical_sides_differ_at_no_level_and_the_order_of_seeds_changes_nothing(sides):
    gold, dense, _, pruned = sides
    same = levels.shares(dense, dense, gold, n_splits=20, n_bootstrap=0)
    assert not same["all_seeds"].any() and np.allclose(same["excess"], 0)
    order = np.array([3, 1, 4, 0, 2])
    turned = [
        type(runs)(runs.logits[order], runs.seeds, starts=runs.starts, tags=runs.tags) for runs in (dense, pruned)
    ]
    options = {"n_splits": 100, "n_bootstrap": 0}
    pd.testing.assert_frame_equal(
        levels.shares(*turned, gold, **options), levels.shares(dense, pruned, gold, **options)
    )


def test_single_models_are_compared_at_each_level_as_agreement_does(sides):
    gold, dense, control, pruned = sides
    table = levels.agreement(dense, control, pruned, gold).set_index(["level", "comparison", "quantity"])["estimate"]
    words = agreement.count(*(runs.by_word.classes for runs in (dense, control, pruned)))
    expected = agreement.quantities(words).set_index(["comparison", "quantity"])["estimate"]
    assert table["words"].to_dict() == expected.to_dict()
    in_entities = gold.ids != gold.names.index("O")
    words = agreement.count(*(runs.by_word.classes[:, in_entities] for runs in (dense, control, pruned)))
    expected = agreement.quantities(words).set_index(["comparison", "quantity"])["estimate"]
    assert table["words in entities"].to_dict() == expected.to_dict()
    of_seed = [found_by(runs, gold) for runs in (dense, pruned)]
    own = []
    for before, after in zip(*of_seed, strict=True):
        for place in range(len(gold)):
            one, other = ({entity for entity in side if entity[0] == place} for side in (before, after))
            own.append(1 - 2 * len(one & other) / (len(one) + len(other)) if one or other else 0)
    assert table["entities", "both", "own answers changed"] == pytest.approx(100 * np.mean(own), abs=1e-3)
    without_control = levels.agreement(dense, None, pruned, gold)
    assert set(without_control["comparison"]) == {"parts", "both", "removal"}


def test_pies_by_length_are_those_of_the_sentences_of_each_quarter(sides):
    gold, dense, _, pruned = sides
    table = levels.by_length(dense, pruned, gold, n_splits=100, n_bootstrap=0)
    lengths = np.diff(gold.starts)
    whole = null.estimate(dense.classes, pruned.classes, n_splits=100, n_bootstrap=0)
    ends = [(int(words.split()[0]), int(words.split()[-1])) for words in table["words"]]
    for (fewest, most), row in zip(ends, table.itertuples(), strict=True):
        chosen = (lengths >= fewest) & (lengths <= most)
        assert row.sentences == chosen.sum() and {fewest, most} <= set(lengths)
        assert row.halved == pytest.approx(100 * whole.p_pie[chosen].mean())
        assert row.null == pytest.approx(100 * whole.p_null[chosen].mean())
        assert row.excess == pytest.approx(row.halved - row.null) and row.low < row.excess < row.high
    assert table["sentences"].sum() == len(gold) and len(ends) == 4 and ends == sorted(ends)
    assert levels.by_length(dense, dense, gold, n_splits=100)[["excess", "low", "high"]].eq(0).all(axis=None)


def test_the_configurations_that_lose_entities_are_named_with_the_types_that_they_lose_most():
    row = {"dataset": "d", "model": "m", "seeds": 8, "control": "unpruned", "entities": 50, "halved": 0.0, "null": 0.0}
    lost = {"all": (4, 1, 7), "place": (6, -1, 13), "person": (9, 2, 16), "team": (-1, -3, 1)}
    other = {"all": (1, -1, 3), "place": (9, 2, 16)}
    types = pd.DataFrame(
        row | {"pruner": pruner, "threshold": 50, "type": name, "change": 0.0, "more": more, "low": low, "high": high}
        for pruner, of in {"IMP-FT": lost, "PINS": other}.items()
        for name, (more, low, high) in of.items()
    )
    (said,) = tagged_words.sentences(types).values()
    assert said == [
        "IMP-FT at 50 % finds fewer of the gold entities than retraining does, by 4.0 [0.4, 7.6] points, an interval "
        "that holds with those of all configurations at 95 %; the most by type: person 9.0, place 6.0."
    ]
    (said,) = tagged_words.sentences(types[types["pruner"] == "PINS"]).values()
    assert said == ["Of 50 gold entities no configuration can be told to lose more than retraining does."]
    (said,) = tagged_words.sentences(types.assign(low=np.nan, high=np.nan)).values()
    assert said == ["Of 50 gold entities none can be told to be lost: that takes 4 seeds."]
    # An interval that leaves out 0 by itself, and not beside those of three more configurations.
    alone = types[types["pruner"] == "IMP-FT"]
    more = [alone, *(alone.assign(pruner=name) for name in ("MP-AI", "IBP-AI", "RP-AI"))]
    (one,), (four,) = (list(tagged_words.sentences(table).values()) for table in (alone, pd.concat(more)))
    assert "[1.0, 7.0]" in one[0] and four == [
        "Of 50 gold entities no configuration can be told to lose more than retraining does."
    ]
    assert tagged_words.sentences(types[:0]) == {}


def test_groups_of_sentences_are_compared_by_their_sets_of_entities(sides):
    gold, dense, _, pruned = sides
    groups = np.where(gold.lengths > np.median(gold.lengths), "long", "short")
    table = group_differences.compare(dense.classes, pruned.classes, gold, groups).set_index(["group", "quantity"])
    before, after = (np.array(found_by(runs, gold), dtype=object) for runs in (dense, pruned))
    for group in ("long", "short"):
        places = set(np.flatnonzero(groups == group))
        changed = [
            len({entity[0] for entity in one ^ other} & places) / len(places)
            for one, other in zip(before, after, strict=True)
        ]
        assert table.loc[(group, "changed"), "estimate"] == pytest.approx(100 * np.mean(changed))


def test_gold_entities_are_lost_by_type_beyond_what_another_half_loses(sides):
    gold, dense, control, pruned = sides
    table = levels.by_type(dense, pruned, gold, n_splits=100).set_index("type")
    unpruned, compressed = found_by(dense, gold), found_by(pruned, gold)
    right = {
        (place, *each)
        for place, of_one in enumerate(as_lists(entities.spans(gold), len(gold), gold.types))
        for each in of_one
    }
    for kind, row in table.iterrows():
        own = {entity for entity in right if kind in ("all", entity[3])}
        assert row["entities"] == len(own)
        recalls = [np.mean([len(model & own) / len(own) for model in side]) for side in (unpruned, compressed)]
        assert row["change"] == pytest.approx(100 * (recalls[1] - recalls[0]), abs=1e-3)
        lost = []
        for first, second in halves(5):
            sizes = [
                len(vote([side[seed] for seed in half]) & own)
                for side, half in ((unpruned, first), (compressed, second))
            ]
            lost.append(100 * (sizes[0] - sizes[1]) / len(own))
        assert row["halved"] == pytest.approx(np.mean(lost), abs=1e-3) and row["null"] == pytest.approx(0, abs=1e-3)
    assert (table["low"] > 0).all()
    beside = levels.by_type(dense, control, gold, n_splits=100).set_index("type")
    assert beside.loc["all", "low"] < 0 < beside.loc["all", "high"]
