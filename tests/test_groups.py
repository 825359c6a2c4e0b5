"""Who pays, from a column of the data to 03, 06, the figure and the front page."""

import numpy as np
import pandas as pd
import pytest
from conftest import COLUMNS, make_texts, refused, run_cells

import pielab
from pielab.analysis import group_differences, results
from pielab.analysis.examples import groups
from pielab.data import datasets
from pielab.report import figures, page

SEEDS, NAMES = 6, ["<b>x</b>", "$y_1$ & $z", "two words"]


def summary(seed=0, harmed="two words", pruner="RTN", threshold=3.0, seeds=SEEDS, texts=300, names=NAMES):
    """As results.summary gives it, as far as groups go: models that are wrong at random, and more so in one group."""
    random = np.random.default_rng(seed)
    targets, group = random.integers(3, size=texts), np.resize(np.array(names, dtype=object), texts)
    before = np.where(random.random((seeds, texts)) < 0.1, random.integers(3, size=(seeds, texts)), targets)
    share = np.where(group == harmed, 0.5, 0.02)
    after = np.where(random.random((seeds, texts)) < share, (before + 1) % 3, before)
    found = group_differences.compare(before, after, targets, group).to_dict("list")
    known = {"dataset": "topics", "model": "bilstm", "pruner": pruner, "threshold": threshold, "seeds": seeds}
    return known | {"group": "dialect", "groups": found}


def test_a_sentence_names_who_pays_and_what_another_seed_changes():
    table = groups.of_configuration(summary(pruner="IMP-FT", threshold=90.0))
    ((heading, (sentence,)),) = groups.sentences(table).items()
    assert heading == "Who pays? topics, bilstm (by dialect)"
    row = table[(table["group"] == "two words") & (table["quantity"] == "lost accuracy")].iloc[0]
    null = table[(table["group"] == "two words") & (table["quantity"] == "changed")].iloc[0]
    assert sentence == (
        f"IMP-FT at 90 %: texts of dialect = two words lose {row['difference']:.1f} points "
        f"[{row['difference_low']:.1f}, {row['difference_high']:.1f}] more accuracy than the others (p <0.001, "
        f"corrected over 3 groups); another seed changes {null['null']:.1f} % of their answers, "
        f"{null['null'] - null['null_difference']:.1f} % of the others'."
    )
    assert groups.text({heading: [sentence]}) == f"{heading}\n- {sentence}"


def test_a_group_that_gains_less_is_not_said_to_lose():
    random = np.random.default_rng(0)
    targets, group = random.integers(3, size=300), np.resize(np.array(NAMES, dtype=object), 300)
    wrong = np.where(random.random((SEEDS, 300)) < 0.5, (targets + 1) % 3, targets)
    after = np.where((group == "two words") & (random.random((SEEDS, 300)) < 0.9), wrong, targets)
    found = group_differences.compare(wrong, after, targets, group).to_dict("list")
    table = groups.of_configuration(summary() | {"groups": found})
    (said,) = groups.sentences(table).values()
    assert "= two words gain " in said[0] and " less accuracy than the others" in said[0]


def test_where_no_group_is_harmed_the_sentence_says_how_much_it_may_be():
    table = groups.of_configuration(summary(harmed=None))
    ((sentence,),) = groups.sentences(table).values()
    most = table[table["quantity"] == "lost accuracy"]["difference_high"].max()
    assert sentence.startswith("No group can be told") and f"up to {most:.1f} points more lost accuracy" in sentence
    ((sentence,),) = groups.sentences(groups.of_configuration(summary(seeds=3))).values()
    assert sentence == "No group can be tested: that takes 4 seeds, and 20 texts in a group and outside it."


def test_there_are_at_most_six_sentences_the_largest_loss_first():
    many = [summary(seed, pruner=f"mine-{seed}") for seed in range(8)]
    table = pd.concat(map(groups.of_configuration, many), ignore_index=True)
    ((_, said),) = groups.sentences(table).items()
    sizes = [float(sentence.partition(" lose ")[2].partition(" ")[0]) for sentence in said]
    assert len(said) == 6 and sizes == sorted(sizes, reverse=True)


def test_no_groups_are_an_empty_table():
    table = groups.of_configuration(summary() | {"group": None, "groups": None})
    assert table.empty and list(table) == groups.ALL_COLUMNS
    assert groups.sentences(table) == {} and groups.text({}) == ""


def test_the_figure_fills_the_groups_that_are_told_and_draws_names_as_they_are():
    parts = [summary(pruner="Wanda", threshold="2of4"), summary(1, harmed=None, threshold=4.0)]
    table = pd.concat(map(groups.of_configuration, parts), ignore_index=True)
    figure = figures.groups(table)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["$y_1$ & $z (100)", "<b>x</b> (100)", "two words (100)"]
    for axes, quantity in zip(figure.axes, ("changed", "lost accuracy"), strict=False):
        dots = [line for line in axes.lines if line.get_linestyle() == "None"]
        filled = [x for line in dots if line.get_markerfacecolor() != "white" for x in line.get_xdata()]
        assert filled == table[table["told"] & (table["quantity"] == quantity)]["estimate"].tolist() != []
        assert sum(len(line.get_xdata()) for line in dots) == 6
    assert {"Wanda at 2:4", "another seed changes"} <= {text.get_text() for text in figure.legends[0].get_texts()}
    assert "corrected over 3 groups" in figure.legends[0].get_title().get_text()
    figure.canvas.draw()  # "$" is no formula


@pytest.mark.parametrize("seeds", [3, 5])
def test_few_seeds_and_small_groups_are_drawn(seeds):
    names = [*(["most"] * 18), "x" * 200, "日本"]
    figure = figures.groups(groups.of_configuration(summary(seeds=seeds, names=names, harmed="most")))
    note = figure.legends[0].get_title().get_text()
    assert ("groups of fewer than 20 texts are not tested" in note) and ("intervals" in note) == (seeds > 3)


@pytest.fixture
def study(tmp_path):
    """Predictions made elsewhere, worse on one of three dialects; and what notebooks are given."""
    folder = tmp_path / "topics"
    folder.mkdir()
    frame = make_texts(240).assign(dialect=np.resize(NAMES, 240))
    frame.to_csv(folder / "test.csv", index=False)
    given = {"study": "s", "results": str(tmp_path / "results"), "dataset": str(folder), "model": "mine"}
    given |= {"seeds": f"0-{SEEDS - 1}"}
    targets, random = datasets.targets(datasets.load(str(folder))["test"]), np.random.default_rng(0)
    before = np.where(random.random((SEEDS, 240)) < 0.1, random.integers(3, size=(SEEDS, 240)), targets)
    share = np.where(frame["dialect"] == NAMES[0], 0.5, 0.05)
    after = np.where(random.random((SEEDS, 240)) < share, (before + 1) % 3, before)
    pielab.importing.add(np.eye(3)[before], **given)
    pielab.importing.add(np.eye(3)[after], **given, pruner="shrunk", threshold=50)
    own = {"n_splits": 20, "n_bootstrap": 20, "control": "unpruned", "margin": 1, "pruner": "shrunk", "threshold": 50}
    return COLUMNS | given | {"dataset_revision": None} | own


def report(study):
    names = {"study": study["study"], "results": study["results"], "examples": 3, "margin": 1}
    run_cells("06_report", **names)
    return names


def test_a_study_with_a_group_shows_who_pays_everywhere(study, tmp_path, capsys):
    found = run_cells("03_pies", **study | {"group": "dialect"})
    said = "shrunk at 50 %: texts of dialect = <b>x</b> lose"
    assert said in capsys.readouterr().out
    by_group = found["by_group"]
    assert set(by_group["group"]) == set(NAMES) and by_group["texts"].unique().tolist() == [80]
    report(study)
    assert said in capsys.readouterr().out
    folder = tmp_path / "results" / "s" / "report"
    assert said in (folder / "findings.txt").read_text()
    saved = pd.read_csv(folder / "tables" / "groups.csv")
    pd.testing.assert_frame_equal(saved, groups.of_study(folder.parent), check_dtype=False)
    shown = (folder / "index.html").read_text()
    assert "Who pays? topics, mine (by dialect)" in shown and "&lt;b&gt;x&lt;/b&gt; lose" in shown
    assert "<b>x</b>" not in shown and "figures/groups-topics-mine.png" in shown
    assert page.PANELS["groups"].title in shown
    run_cells("03_pies", **study)
    report(study)
    assert not list(folder.glob("*/groups*")) and "Who pays" not in (folder / "index.html").read_text()


def test_a_study_without_a_group_says_so_in_a_line_and_has_no_table(study, tmp_path, capsys):
    found = run_cells("03_pies", **study)
    assert found["summary"]["groups"] is None and found["by_group"].empty
    assert capsys.readouterr().out.count(groups.NO_GROUP) == 1
    report(study)
    assert groups.NO_GROUP in capsys.readouterr().out
    folder = tmp_path / "results" / "s" / "report"
    assert not list(folder.glob("*/groups*")) and "Who pays" not in (folder / "index.html").read_text()


def test_the_pies_of_an_earlier_version_have_no_groups(study, tmp_path):
    run_cells("03_pies", **study | {"group": "dialect"})
    (path,) = (tmp_path / "results").glob("s/*/*/pies.parquet")
    frame, record = results.read_pies(path)
    earlier = {name: value for name, value in record["summary"].items() if name not in ("group", "groups")}
    p = pielab.config.validation.check("03_pies", study)
    results.write_pies(path.parent, frame, earlier, p, record["digest"])
    assert groups.of_study(tmp_path / "results" / "s").empty


def test_a_group_that_is_not_there_stops_03_before_it_writes(study, tmp_path):
    with refused("no-such-column", "set group to one of text, label, dialect", "has no column 'source'"):
        run_cells("03_pies", **study | {"group": "source"})
    assert not list((tmp_path / "results").glob("s/*/*/pies.parquet"))
