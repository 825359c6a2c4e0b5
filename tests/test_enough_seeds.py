"""How many seeds are enough: subsets by slicing and by recounting, known effects and none, and a worked example."""

import itertools
import runpy
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import PROJECT
from hypothesis import given, settings
from hypothesis import strategies as st

from pielab.analysis import agreement, enough_seeds, exchange, null, null_by_models, pies
from pielab.analysis.enough_seeds import Compressed
from pielab.data import votes
from pielab.report import seeds_figure
from pielab.store import paths, predictions
from pielab.store.paths import Configuration


def answers(random, seeds, law):
    """Class ids (seeds, texts) of models that answer each text by its law (texts, classes)."""
    return (random.random((seeds, len(law), 1)) > law.cumsum(axis=1)).sum(axis=2)


def compressed(random, seeds, texts=150, changes=(0.0, 0.0), control=True):
    """The unpruned models, and configurations that change the answers of a share of the texts."""
    law = random.dirichlet([0.3, 0.3, 0.3], texts)
    found = []
    for number, share in enumerate(changes):
        changed = np.where(random.random((texts, 1)) < share, np.roll(law, 1, axis=1), law)
        other = answers(random, seeds, law) if control else None
        name = Configuration("d", "m", f"P{number % 2}", 50.0 + number // 2)
        found.append(Compressed(name, "retrained", answers(random, seeds, changed), other))
    return answers(random, seeds, law), found


def ask(changes, seeds=12, numbers=(4, 6, 8), subsets=10, halves=0, seed=0):
    unpruned, configurations = compressed(np.random.default_rng(seed), seeds, changes=changes)
    drawn = enough_seeds.draw(seeds, numbers, subsets)
    return enough_seeds.questions(enough_seeds.measure(unpruned, configurations, drawn, halves))


def column(asked, question, quantity, other=""):
    rows = asked[(asked["question"] == question) & (asked["quantity"] == quantity) & (asked["compared_with"] == other)]
    return rows.set_index("seeds")["estimate"]


@pytest.mark.parametrize(("seed", "control"), [(0, True), (1, False), (2, True)])
def test_choosing_rows_of_the_table_gives_what_counting_again_gives(seed, control):
    random = np.random.default_rng(seed)
    unpruned, configurations = compressed(random, 9, texts=40, changes=(0.1, 0.6), control=control)
    drawn = enough_seeds.draw(9, (4, 7), subsets=1, seed=seed)
    found = enough_seeds.measure(unpruned, configurations, drawn, halves=1)
    assert len(found) == 2 * len(drawn) and {few.part for few in drawn} == {"all", "first", "second"}
    for few in drawn:
        rows = found[(found[["seeds", "part"]] == [few.seeds, few.part]).all(axis=1)]
        start = "control" if control else "unpruned"
        counted = [
            agreement.count(
                **{"unpruned": unpruned[few.chosen], "pruned": each.answers[few.chosen]},
                control=each.control[few.chosen] if control else None,
            )
            for each in configurations
        ]
        p = exchange.tests(counted, start, "pruned")[["p_moved_corrected", "p_spread_corrected"]]
        told = np.where(p.isna(), np.nan, p < 0.05)
        np.testing.assert_array_equal(rows[["moved told", "spread told"]].to_numpy(dtype=float), told)
        for row, table, each in zip(rows.to_dict("records"), counted, configurations, strict=True):
            table = agreement.quantities(table).set_index(["comparison", "quantity"])
            for name, key in enough_seeds.QUANTITIES.items():
                assert row[name] == table.loc[key, "estimate"]
                assert row[name] + row[f"{name}_half_width"] == table.loc[key, "high"]
            assert row["own answers changed"] == pytest.approx(table.loc[("both", "own answers changed"), "estimate"])
            sides = unpruned[few.chosen], each.answers[few.chosen]
            assert row["PIEs"] == pytest.approx(100 * pies.find(*sides).mean())
            halves = null.estimate(*sides, n_splits=100, n_bootstrap=100)
            assert row["split-half excess told"] == (halves.low > 0 or halves.high < 0)


def test_draws_are_the_same_for_a_seed_and_their_parts_share_no_seed():
    drawn = enough_seeds.draw(10, (4, 6, 12), subsets=3, seed=1)
    assert [(few.seeds, few.part) for few in drawn[:3]] == [(10, "all"), (4, "first"), (4, "second")]
    assert len(drawn) == 1 + 3 * 2 + 3  # six of ten leave no six others, and twelve there are not
    for first, second in zip(drawn[1:7:2], drawn[2:7:2], strict=True):
        assert first.subset == second.subset and not set(first.chosen) & set(second.chosen)
    again = enough_seeds.draw(10, (4, 6, 12), subsets=3, seed=1)
    assert [few.chosen.tolist() for few in again] == [few.chosen.tolist() for few in drawn]
    other = enough_seeds.draw(10, (4, 6, 12), subsets=3, seed=2)
    assert [few.chosen.tolist() for few in other] != [few.chosen.tolist() for few in drawn]


def test_the_answers_are_the_same_twice():
    pd.testing.assert_frame_equal(ask((0.3,), 8, (6,), halves=1), ask((0.3,), 8, (6,), halves=1))


def test_agreement_rises_to_one_where_much_changes():
    asked = ask((0.02, 0.2, 0.5, 0.9), seeds=16, numbers=(4, 6, 8, 14), subsets=15)
    alike = column(asked, "told alike", "moved", "all seeds")
    assert alike.index.tolist() == [6, 8, 14]  # with four seeds no test is possible
    assert alike.min() > 80 and alike[14] == 100
    tau = column(asked, "order of pruners", "moved", "all seeds")
    assert tau.is_monotonic_increasing and tau[14] == 1
    assert column(asked, "told alike", "moved", "as many others").index.tolist() == [6, 8]
    # What is unbiased does not depend on the seeds; the paper's share falls with them.
    moved, shares = column(asked, "value", "moved"), column(asked, "value", "PIEs")
    assert moved[4] == pytest.approx(moved[16], rel=0.1) and shares[4] > 1.05 * shares[16]


def test_without_an_effect_few_seeds_tell_one_in_a_twentieth():
    told = []
    for study in range(60):
        unpruned, configurations = compressed(np.random.default_rng(study), 8, texts=60)
        drawn = enough_seeds.draw(8, (6,), subsets=2, seed=study)
        found = enough_seeds.measure(unpruned, configurations, drawn, halves=0)
        first = found[found["part"] == "first"].groupby("subset")[["moved told", "spread told"]]
        told += first.max().max(axis=1).tolist()
    assert 0 < np.mean(told) <= 0.08


def test_verdicts_and_orders_of_a_worked_example():
    columns = [*enough_seeds.KEYS, "seeds", "subset", "part", "moved", "PIEs", "moved told"]
    rows = [
        *(
            ("f", "A", 50, 9, 0, "all", 1, 4, 1),
            ("f", "B", 50, 9, 0, "all", 2, 3, 0),
            ("f", "C", 50, 9, 0, "all", 3, 2, 1),
        ),
        *(("f", "A", 50, 6, 0, "first", 1, 4, 1), ("f", "B", 50, 6, 0, "first", 3, 3, 0)),
        *(("f", "C", 50, 6, 0, "first", 2, 2, 0), ("f", "A", 50, 6, 1, "first", 3, 4, 0)),
        *(("f", "B", 50, 6, 1, "first", 2, 3, 1), ("f", "C", 50, 6, 1, "first", 1, 2, 0)),
    ]
    measured = pd.DataFrame(rows, columns=columns)
    measured[["excess", "spread", "own answers changed", "spread told", "split-half excess told"]] = 1.0
    for name in enough_seeds.QUANTITIES:
        measured[f"{name}_half_width"] = measured["seeds"].map({9: 0.5, 6: 1.0})
    asked = enough_seeds.questions(measured)

    def only(question, quantity):
        return column(asked, question, quantity, "all seeds")[6]

    # In the first draw C's effect is missed; in the second A's and C's, and B's is told by these alone.
    assert only("told alike", "moved") == pytest.approx(100 / 3)
    assert (only("missed", "moved"), only("told by these alone", "moved")) == pytest.approx((50, 100 / 6))
    assert only("same sign", "spread") == 100
    # One of three pairs turned around, then all.
    assert only("order of pruners", "moved") == pytest.approx((1 / 3 - 1) / 2)
    assert (only("same pruner least", "moved"), only("same pruner least", "PIEs")) == (50, 100)
    assert "order of thresholds" not in set(asked["question"])
    row = asked[(asked["question"] == "told alike") & (asked["quantity"] == "moved")].iloc[0]
    assert row[["subsets", "cases", "unit"]].tolist() == [2, 3, "%"]
    promised = column(asked, "half-width promised by a pilot", "excess")
    assert promised[9] == pytest.approx(0.7325, abs=1e-4)  # t(8) / 3 over t(5) / sqrt(6)
    table = enough_seeds.table(asked[asked["compared_with"] != ""])
    assert table.loc[("told alike", "moved", "%"), 6] == "33"


def test_the_table_has_both_comparisons():
    table = enough_seeds.table(ask((0.1, 0.4)).query("compared_with != ''"))
    assert table.loc[("told alike", "moved", "%"), 6].count(" / ") == 1
    assert " / " not in table.loc[("told alike", "moved", "%"), 8]


@settings(max_examples=15)
@given(st.integers(0, 1000), st.booleans())
def test_the_null_by_models_is_that_of_naive_votes_over_all_sides(seed, several):
    random = np.random.default_rng(seed)
    given, targets = random.integers(3, size=(5, 12)), random.integers(3, size=12)
    vote, of_targets = pies.majority, targets
    if several:
        given, of_targets, vote = np.eye(3, dtype=bool)[given], None, pies.majority_sets
    found = null_by_models.estimate(given, of_targets).set_index(["quantity", "models"])
    for models in (1, 2):
        naive = []
        for first in map(list, itertools.combinations(range(5), models)):
            for second in map(list, itertools.combinations(set(range(5)) - set(first), models)):
                one, two = vote(given[first]), vote(given[second])
                naive.append([votes.differ(one, two).mean(), ((targets == one.T) != (targets == two.T)).mean()])
        answers, correctness = 100 * np.mean(naive, axis=0)
        assert found.loc[null_by_models.ANSWERS, models][["splits", "estimate"]].tolist() == pytest.approx(
            [len(naive), answers]
        )
        if not several:
            assert found["estimate"][null_by_models.CORRECTNESS, models] == pytest.approx(correctness)
    assert len(found) == (2 if several else 4)


def test_the_null_by_models_has_the_published_one_beside_it_and_intervals_around_it():
    random = np.random.default_rng(0)
    given = answers(random, 10, random.dirichlet([0.3, 0.3], 200))
    found = null_by_models.estimate(given, np.zeros(200, dtype=int), n_splits=60)
    by_models = found[found["quantity"] == null_by_models.ANSWERS].set_index("models")
    assert by_models.index.tolist() == [1, 2, 3, 4, 5] and by_models.loc[5, "estimate"] < by_models.loc[1, "estimate"]
    assert (found["low"] < found["estimate"]).all() and (found["estimate"] < found["high"]).all()
    # Of two classes, other answers are right answers against wrong ones.
    assert np.array_equal(*(rows["estimate"] for _, rows in found.groupby("quantity")))
    assert null_by_models.BERTS_ON_MNLI[1] > null_by_models.BERTS_ON_MNLI[30]


def test_the_figure_shows_every_question_at_every_number_of_seeds():
    asked = ask((0.1, 0.4, 0.2, 0.6))
    figure = seeds_figure.enough_seeds(asked)
    with_all, with_others, widths, legend = figure.axes
    assert with_all.get_title() == "Agreement with all 12 seeds"
    lines = {line.get_label(): line.get_xydata().tolist() for line in with_all.lines}
    assert len(lines) == len(seeds_figure.AGREEMENT)
    moved = column(asked, "told alike", "moved", "all seeds")
    assert lines["moved told"] == [[6, moved[6]], [8, moved[8]]]
    others = {line.get_label(): line.get_xdata().tolist() for line in with_others.lines}
    assert others["same pruner has fewest PIEs"] == [4, 6] and others["moved told"] == [6]
    assert [line.get_xdata().tolist() for line in widths.lines[:2]] == [[4, 6, 8, 12], [6, 8, 12]]
    labels = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (legend, widths)]
    assert labels[0] == list(lines) and labels[1][-1] == "promised by a pilot of 6"


def test_the_script_of_the_docs_reads_a_study(tmp_path, texts_csv, monkeypatch, capsys):
    values = yaml.safe_load((PROJECT / "params/bbc-news-bilstm.yaml").read_text())
    values |= {"dataset": texts_csv, "results": str(tmp_path), "seeds": "0-7"}
    pruners = {"IMP-FT": [50, 90], "MP-AI": [50, 90], "IMP-WR": [90], "RTN": [8, 4]}
    config = {"study": "s", "results": str(tmp_path), "params": {"params/made.yaml": values}}
    config["configurations"] = [{"params": "params/made.yaml", "pruners": pruners}]
    random, pair = np.random.default_rng(0), tmp_path / "s" / "topics-bilstm"
    complete = ["dense", "control-FT", "IMP-FT-50", "IMP-FT-90", "MP-AI-50", "MP-AI-90", "RTN-8", "RTN-4"]
    for name in complete:
        for seed in range(8):
            (folder := paths.seed(pair / name, seed)).mkdir(parents=True)
            predictions.write(folder / "test.parquet", random.normal(size=(27, 3)), {})
    (tmp_path / "s" / "study.yaml").write_text(yaml.safe_dump(config))
    path, out = PROJECT / "docs/how_many_seeds.py", tmp_path / "out.csv"
    monkeypatch.setattr(sys, "argv", [str(path), str(tmp_path / "s"), str(out), "--subsets", "2", "--halves", "0"])
    runpy.run_path(str(path), run_name="__main__")
    assert "8 seeds, complete in 8 of 9 configurations" in capsys.readouterr().out
    found = pd.read_csv(out)
    assert set(found["family"]) == {
        "controls",
        "retrained",
        "not retrained",
        "unpruned",
        "control-FT",
        "100 BERTs on MNLI",
    }
    cases = found[(found["question"] == "told alike") & (found["seeds"] == 6)].groupby("family")["cases"].first()
    assert cases.to_dict() == {"controls": 1, "retrained": 4, "not retrained": 2}
    assert {"half-width simulated", "differ, by models on a side"} <= set(found["question"])
    assert out.with_suffix(".png").stat().st_size > 10_000
