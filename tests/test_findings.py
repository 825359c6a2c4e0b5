"""What a study found, in sentences: each branch by an example."""

import io
import re

import pandas as pd
import pytest
from decompositions import bbc_news, control, grid, pruned

from pielab.analysis import findings, tables

NOTHING = [(0.0, -1.0, 1.0), (0.0, -0.5, 0.5), (0.0, -0.5, 0.5)]
POINT = "; 1 point is as if 1 % of the texts had changed their answer outright."
SPREAD = "; spread is the difference of seed-to-seed disagreement."


def one(threshold=50, against="control-FT", moved=(0.1, -0.2, 0.4, 0.16), spread=(-0.5, -1.1, 0.1, 0.3), **of):
    """The sentences on a single configuration whose excess is 0 [-1, 1]."""
    rows = pruned(of.pop("pruner", "IMP-FT"), threshold, against, NOTHING[0], moved, spread, moved, spread, 8.5, **of)
    return findings.of_pair(pd.DataFrame(rows))


def test_a_study_in_six_sentences():
    assert findings.of_pair(bbc_news()) == [
        "Pruning can first be told from training as long at 90 % with IMP-FT (moved by 0.6 points [0.3, 0.9]) and "
        "at 99 % "
        "with IIBP-FT (moved by 1.6 points [1.3, 2.0]), and from retraining at 90 % with MP-AI (moved by 6.2 points "
        "[3.9, 8.6]), at these texts; with IMP-FT to 90 % and with IIBP-FT to 99 % the share of PIEs does not show it "
        "(excess over retraining -0.6 to 2.0 points [intervals -2.3 to 4.7])" + POINT,
        "Pruning with IMP-FT to 50 % and with IIBP-FT to 50 and 90 % cannot be told from training as long: "
        "answers moved by 0.1 to 0.2 points [intervals -0.3 to 0.5] at these texts, by less than the margin "
        "of 1 point.",
        "Pruning with MP-AI to 50 % cannot be told from retraining: answers moved by 0.2 points [-1.3, 1.7] at these "
        "texts, but it may be up to 1.7 points, beyond the margin of 1 point.",
        "With MP-AI to 90 %, where pruning adds most, an unpruned and a pruned model of another seed differ on 25.6 % "
        "[23.6, 27.6] of these texts: 9.9 points [8.7, 11.1] by retraining and 15.7 points [10.5, 21.0] by removing "
        "weights.",
        "Training longer with nothing pruned (control-FT) is told from retraining: answers moved by 0.9 "
        "points [0.2, 1.7], with a spread of -1.5 points [-2.5, -0.5], at these texts" + SPREAD,
        "Most is spread: with IMP-FT and IIBP-FT to 99 % and with MP-AI to 90 % pruned models differ more from each "
        "other than those they are compared with (spread 2.9 to 11.4 points [intervals 1.0 to 14.2]), at these texts.",
    ]


@pytest.mark.parametrize(
    ("moved", "margin", "bound"),
    [
        ((0.1, -0.2, 0.4, 0.16), 1, "by less than the margin of 1 point"),
        ((0.1, -0.2, 0.4, 0.16), 0.5, "by less than the margin of 0.5 points"),
        ((0.1, -0.2, 0.4, 0.16), 0.3, "but it may be up to 0.4 points, beyond the margin of 0.3 points"),
        ((-0.1, -1.5, 1.3, 1.0), 1, "but it may be up to 1.3 points, beyond the margin of 1 point"),
    ],
)
def test_where_nothing_is_told_the_sentence_says_how_much_it_may_be(moved, margin, bound):
    rows = pruned("IMP-FT", 50, "control-FT", NOTHING[0], moved, NOTHING[2], moved, (0, -1, 1, 0.9), 8.5)
    first = findings.of_pair(pd.DataFrame(rows), margin)[0]
    estimate = f"{moved[0]:.1f} points [{moved[1]:.1f}, {moved[2]:.1f}]"
    said = (
        f"Pruning with IMP-FT to 50 % cannot be told from training as long: answers moved by {estimate} at these texts"
    )
    assert first == f"{said}, {bound}{POINT}"


def test_an_interval_without_0_that_the_test_does_not_tell_is_named():
    """As with 6 seeds, whose smallest p of 2/64 no correction may double."""
    first = one(90, "unpruned", moved=(16.2, 7.9, 24.5, 0.062), seeds=6)[0]
    assert first == (
        "Pruning with IMP-FT to 90 % cannot be told from retraining: answers moved by 16.2 points [7.9, 24.5] at these "
        "texts, but it may be up to 24.5 points, beyond the margin of 1 point; with IMP-FT to 90 % 0 is outside the "
        f"interval, yet the corrected test does not tell it{POINT}"
    )


def test_a_wide_interval_among_narrow_ones_is_named():
    first = findings.of_pair(grid(effects=(0.0, 0.1, 0.15, 0.2, 0.45)))[0]
    assert "by less than the margin of 1 point except with IMP-FT" not in first
    wide = grid(effects=(0.0, 0.1, 0.15, 0.2, 0.24))
    wide.loc[(wide["pruner"] == "IMP-FT") & (wide["threshold"] == 99), "high"] = 3.0
    bound = "by less than the margin of 1 point except with IMP-FT to 99 %, where it may be up to 3.0 points."
    assert bound in findings.of_pair(wide)[1]


@pytest.mark.parametrize(("against", "null"), [("control-FT", "training as long"), ("unpruned", "retraining")])
def test_what_is_told_and_what_the_share_of_pies_does_not_show(against, null):
    first = one(90, against, moved=(0.6, 0.3, 0.9, 0.008))[0]
    assert first == (
        f"Pruning can be told from {null} at 90 % with IMP-FT (moved by 0.6 points [0.3, 0.9]), at these texts, "
        "which the "
        f"share of PIEs does not show (excess over retraining 0.0 points [-1.0, 1.0]){POINT}"
    )


def test_what_the_share_of_pies_shows_has_no_such_clause():
    moved = (4.1, 3.3, 4.8, 0.008)
    rows = pruned("IMP-FT", 99, "control-FT", (12.6, 9.3, 15.9), moved, NOTHING[2], moved, (0, -1, 1, 0.9), 22.5)
    first = findings.of_pair(pd.DataFrame(rows))[0]
    said = "told from training as long at 99 % with IMP-FT (moved by 4.1 points [3.3, 4.8]), at these texts"
    assert first == f"Pruning can be {said}{POINT}"


def test_an_effect_on_spread_alone_is_told_too():
    first, *_, last = one(spread=(2.0, 1.0, 3.0, 0.008))
    assert first.startswith(
        "Pruning can be told from training as long at 50 % with IMP-FT (only in spread, by 2.0 points [1.0, 3.0]), "
        "at these"
    )
    assert "cannot be told" not in first and "does not show" not in first
    assert last.startswith("Most is spread: with IMP-FT to 50 % pruned models differ more from each other than those")


def test_models_that_got_steadier_differ_less():
    last = one(spread=(-2.0, -3.0, -1.0, 0.008))[-1]
    assert last == (
        "Most is spread: with IMP-FT to 50 % pruned models differ less from each other than those they are compared "
        "with (spread -2.0 points [-3.0, -1.0]), at these texts."
    )


@pytest.mark.parametrize("seeds", [4, 5])
def test_with_four_seeds_nothing_is_told(seeds):
    found = findings.of_pair(bbc_news(seeds=seeds))
    assert found[:3] == [
        "Against training as long, pruning with IMP-FT and IIBP-FT to 50, 90 and 99 % moved answers by 0.1 to "
        "4.1 points [intervals -0.3 to 4.8] at these texts; no test is possible" + POINT,
        "Against retraining, pruning with MP-AI to 50 and 90 % moved answers by 0.2 to 6.2 points [intervals -1.3 to "
        "8.6] at these texts; no test is possible.",
        f"With {seeds} seeds no test at 5 % is possible (the smallest p is 2/2^{seeds} = {2 / 2**seeds:.2g}), so "
        "nothing is told here.",
    ]
    assert found[4].startswith(
        "Training longer with nothing pruned (control-FT), against retraining: answers moved by 0.9 points [0.2, 1.7], "
        "with"
    )
    assert not any("is told" in sentence.replace("nothing is told", "") for sentence in found)


def test_with_two_seeds_there_is_no_interval():
    found = findings.of_pair(bbc_news(seeds=2))
    assert "With 2 seeds there is no interval, and no test at 5 % is possible (the smallest p is 2/2^2 = 0.5)." in found
    assert not any("[" in sentence for sentence in found)
    assert found[3].endswith(
        "differ on 25.6 % of these texts: 9.9 points by retraining and 15.7 points by removing weights."
    )


def test_a_control_that_was_not_trained():
    found = findings.of_pair(grid(missing=True))
    assert found[1].startswith("Pruning with IIBP-WR and IIBP-FT to 20, 50 and 70 % and with IBP-AI, IMP-WR,")
    assert all("training as long" not in sentence for sentence in found)
    assert found[2] == (
        "For IIBP-WR, IIBP-FT, IMP-WR, IMP-FT and IRP-FT there is no control: what training longer does is in these "
        "numbers."
    )
    moved = (1.0, 0.5, 1.5, 0.008)
    parts = findings.of_pair(pd.DataFrame(pruned("wanda", 50, "missing", NOTHING[0], moved, moved, moved, moved, 9)))[2]
    assert parts == (
        "With wanda to 50 %, an unpruned and a pruned model of another seed differ on 9.9 % [7.9, 11.9] of these "
        "texts: 9.9 points [8.7, 11.1] by retraining and 0.0 points [-1.0, 1.0] by training longer and removing "
        "weights."
    )


def test_training_longer_that_cannot_be_told():
    small = {"excess": NOTHING[0], "moved": (0.1, -0.2, 0.4, 0.3), "spread": (0, -1, 1, 0.9)}
    assert findings.of_pair(pd.DataFrame(control("control-WR", small))) == [
        "Training longer with nothing pruned (control-WR) cannot be told from retraining: answers moved by 0.1 points "
        "[-0.2, 0.4] at these texts, by less than the margin of 1 point" + POINT
    ]
    both = pd.DataFrame(control("control-FT") + control("control-WR", small | {"moved": (0.9, 0.1, 1.7, 0.01)}))
    (found,) = findings.of_pair(both)
    assert found.startswith("Training longer with nothing pruned (control-FT and control-WR) is told from retraining: ")
    assert (
        "moved by 0.9 points [intervals 0.1 to 1.7], with a spread of -1.5 to 0.0 points [intervals -2.5 to 1.0] (not"
        in found
    )


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("seeds", [2, 4, 6, 8])
@pytest.mark.parametrize("effects", [(0.0,) * 5, (0.0, 0.1, 0.4, 2.0, 8.0), (20.0, 30.0, 40.0, 50.0, 60.0)])
def test_the_papers_grid_takes_at_most_six_sentences_and_each_interval_says_what_it_is_about(effects, seeds, missing):
    found = findings.of_pair(grid(effects, seeds=seeds, missing=missing))
    assert 3 <= len(found) <= 6 and len(set(found)) == len(found)
    for sentence in found:
        assert "these texts" in sentence or "[" not in sentence
        assert sentence.endswith(".") and sentence[0].isupper() and ".." not in sentence and "nan" not in sentence
        assert not re.search(r"(?<![.\d])1 points|  |-0\.0\b|\b1 seeds", sentence)
    nothing = all(effect == 0 for effect in effects)
    if seeds >= 6:
        assert any("cannot be told" in sentence for sentence in found) == (effects[0] == 0)
        assert any(sentence.startswith("Pruning can ") for sentence in found) == (not nothing)


def test_the_text_of_a_study_is_read_back(tmp_path):
    table = pd.concat([bbc_news(), grid(model="minilm", seeds=4)], ignore_index=True)
    found = findings.of_study(table, margin=2)
    assert list(found) == ["bbc-news, bilstm (8 seeds, 1,000 texts)", "bbc-news, minilm (4 seeds, 1,000 texts)"]
    assert found["bbc-news, bilstm (8 seeds, 1,000 texts)"] == findings.of_pair(bbc_news(), margin=2)
    assert "beyond" not in findings.text(found)
    findings.write(found, tmp_path)
    assert findings.read(tmp_path) == found and findings.read(tmp_path / "none") == {}
    lines = (tmp_path / "findings.txt").read_text().splitlines()
    assert lines[0] == "What part of a PIE is pruning?" and lines[-1].startswith("Told: by an exact test")


def test_a_name_of_several_lines_stays_on_one(tmp_path):
    found = findings.of_study(bbc_news().replace("IMP-FT", "my\n\n- own"))
    findings.write(found, tmp_path)
    assert "my - own to 50 %" in found["bbc-news, bilstm (8 seeds, 1,000 texts)"][1]
    assert findings.read(tmp_path) == found


def test_the_table_to_read_has_a_row_for_each_configuration():
    shown = tables.decomposition(bbc_news())
    assert shown.columns.tolist()[:7] == ["dataset", "model", "pruner", "pruned", "seeds", "texts", "control"]
    shown = shown.set_index(["pruner", "pruned"]).drop(columns=["dataset", "model", "seeds", "texts"])
    assert shown.loc[("control-FT", "nothing")].tolist() == [
        *("control-FT", "9.9 [8.7, 11.1]", "-0.6 [-1.9, 0.8]", "none", "9.3 [7.3, 11.3]"),
        *("-0.6 [-1.9, 0.8]", "0.9 [0.2, 1.7]", "-1.5 [-2.5, -0.5]"),
        *("none", "0.008", "none", "0.020", "9.3 [8.3, 10.3]"),
    ]
    against_control = ["moved from control", "p of moved", "spread from control", "p of spread", "own answers changed"]
    assert shown.loc[("IMP-FT", "90 %"), against_control].tolist() == [
        *("0.6 [0.3, 0.9]", "0.008", "-0.3 [-0.8, 0.3]", "0.400", "8.9 [7.9, 9.9]")
    ]
    at_initialization = shown.loc[("MP-AI", "90 %")]
    assert at_initialization[["control", "training longer"]].tolist() == ["unpruned", "none"]
    assert at_initialization["moved from control"] == at_initialization["moved from unpruned"] == "6.2 [3.9, 8.6]"


def test_the_table_says_what_was_not_trained_and_where_there_is_no_test():
    shown = tables.decomposition(grid(missing=True, seeds=4))
    row = shown[(shown["pruner"] == "IMP-FT") & (shown["pruned"] == "99 %")].iloc[0]
    assert row[["control", "training longer", "moved from control"]].tolist() == ["missing", *["no control"] * 2]
    assert row["removal"] == "40.0 [38.0, 42.0] with training longer"
    assert set(shown["p of moved"]) == {"no test"}
    assert not shown.isna().any(axis=None)
    without_intervals = tables.decomposition(bbc_news(seeds=2))
    assert not without_intervals.astype(str).map(lambda cell: "[" in cell).any(axis=None)


def test_the_table_of_texts_to_come_has_wider_intervals_and_no_test():
    now, to_come = (tables.decomposition(bbc_news(), to_come=to_come) for to_come in (False, True))
    assert set(now.columns) - set(to_come.columns) == {"p of moved", "p of spread"}
    assert now.loc[1, "moved from control"] == "0.1 [-0.2, 0.4]"
    assert to_come.loc[1, "moved from control"] == "0.1 [-0.4, 0.6]"


@pytest.mark.parametrize("to_come", [False, True])
def test_the_table_can_be_read_back(to_come):
    shown = tables.decomposition(bbc_news(), to_come)
    again = pd.read_csv(io.StringIO(shown.to_csv(index=False)), dtype=dict.fromkeys(["p of moved", "p of spread"], str))
    pd.testing.assert_frame_equal(again, shown, check_dtype=False)


def test_a_control_of_its_own_for_each_sparsity_is_a_control():
    """As that of a nested pruner, which is trained the longer the more is pruned."""
    rows = control("control-nested-90", pruner="control-nested", threshold=90.0)
    moved = (0.1, -0.2, 0.4, 0.16)
    rows += pruned("IMP-FT-nested", 90, "control-nested-90", *NOTHING, moved, (0, -1, 1, 0.9), 8.5)
    found = findings.of_pair(pd.DataFrame(rows))
    assert found[0].startswith("Pruning with IMP-FT-nested to 90 % cannot be told from training as long: ")
    assert found[2].startswith("Training longer with nothing pruned (control-nested-90) is told from retraining: ")
    shown = tables.decomposition(pd.DataFrame(rows))
    assert shown["pruned"].tolist() == ["nothing", "90 %"] and shown["removal"].tolist()[0] == "none"
    assert shown["moved from control"].tolist() == ["none", "0.1 [-0.2, 0.4]"]


@pytest.mark.parametrize("to_come", [False, True])
def test_a_study_of_before_has_nothing_to_say(to_come):
    empty = bbc_news().iloc[:0]
    assert findings.of_study(empty) == {} and tables.decomposition(empty, to_come).empty
    assert "\n\nNothing yet: an earlier version found these PIEs, so 03_pies has to run again.\n\n" in findings.text({})
