"""From predictions to tables, figures and a page, without any model."""

import dataclasses
import json
import re
import shutil

import decompositions
import numpy as np
import pandas as pd
import pytest
from conftest import COLUMNS, make_texts, refused

from pielab.analysis import findings, pies, results, tables
from pielab.analysis.examples.classes import by_configuration
from pielab.analysis.null import BESIDE_NULL, by_models_per_side, estimate
from pielab.compression.pruners import KNOWN, NESTED, PRUNERS
from pielab.config.parameters import PieParameters
from pielab.data import datasets
from pielab.errors import PielabError
from pielab.jobs import status
from pielab.progress import counted
from pielab.report import early, figures, page, paper, style
from pielab.report.page import PANELS, draw, write_index
from pielab.store import files, paths, predictions

SEEDS = 4


def write_runs(folder, classes, configuration, targets):
    """Predictions and metrics as training would leave them; classes (seeds, examples)."""
    for seed, run in enumerate(classes):
        place = paths.seed(folder, seed)
        place.mkdir(parents=True)
        predictions.write(place / "test.parquet", np.eye(3)[run] * 4, {"seed": seed})
        record = configuration | {"seed": seed, "metric": "accuracy", "test": float((run == targets).mean())}
        (place / "metrics.json").write_text(json.dumps(record))


def made_parameters(root):
    return {
        "study": "made",
        "results": str(root / "results"),
        "dataset": str(root / "topics.csv"),
        **COLUMNS,
        "model": "bilstm",
        "seeds": f"0-{SEEDS - 1}",
        "n_splits": 20,
        "n_bootstrap": 20,
    }


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory):
    """A study of two pruners at two thresholds, whose models are wrong at random, the more the more is pruned."""
    root = tmp_path_factory.mktemp("study")
    make_texts(120).to_csv(root / "topics.csv", index=False)
    data = datasets.load(str(root / "topics.csv"))
    targets = datasets.targets(data["test"])
    random = np.random.default_rng(0)

    def runs(share_wrong):
        wrong = random.random((SEEDS, len(targets))) < share_wrong
        return np.where(wrong, random.integers(3, size=len(targets)), targets)

    pair = root / "results" / "made" / "topics-bilstm"
    made = {"dataset": "topics", "model": "bilstm"}
    write_runs(pair / "dense", runs(0.2), made | {"pruner": "unpruned", "threshold": 0.0}, targets)
    for pruner in ("IMP-FT", "MP-AI"):
        for threshold in (50.0, 99.0):
            p = PieParameters(**made_parameters(root) | {"pruner": pruner, "threshold": threshold})
            write_runs(p.folder, runs(threshold / 120), made | {"pruner": pruner, "threshold": threshold}, targets)
            dense, pruned = (predictions.read_seeds(folder, p.seeds) for folder in (p.dense_folder, p.folder))
            null = estimate(dense.classes, pruned.classes, n_splits=p.n_splits, n_bootstrap=p.n_bootstrap)
            frame = results.examples(data["test"], dense, pruned, null)
            summary = results.summary(p, data, dense, pruned, null)
            results.write_pies(p.folder, frame, summary, p, datasets.digest(data))
    return root / "results" / "made"


def test_the_table_of_examples_is_what_was_voted(study_folder):
    frame, record = results.read_pies(study_folder / "topics-bilstm" / "IMP-FT-99" / "pies.parquet")
    dense = predictions.read_seeds(study_folder / "topics-bilstm" / "dense", range(SEEDS)).classes
    assert frame["unpruned"].tolist() == pies.majority(dense).tolist()
    assert frame["pie"].tolist() == (frame["unpruned"] != frame["pruned"]).tolist()
    assert all(sum(votes) == SEEDS for votes in frame["pruned_votes"])
    assert record["summary"]["pies"] == frame["pie"].sum() and record["summary"]["seeds"] == SEEDS


def test_the_tables_of_a_study(study_folder):
    seeds = results.seeds(study_folder)
    table = results.effectiveness(seeds)
    assert table["pruner"].tolist() == ["unpruned", "IMP-FT", "IMP-FT", "MP-AI", "MP-AI"]
    assert table["seeds"].tolist() == [SEEDS] * 5 and table["change"][0] == 0
    by_hand = seeds[(seeds["pruner"] == "MP-AI") & (seeds["threshold"] == 99)]["effectiveness"]
    assert table["mean"].iloc[-1] == pytest.approx(by_hand.mean())
    shares = results.pie_shares(results.configurations(study_folder))
    assert np.allclose(shares["excess_percent"], shares["halved_pies_percent"] - shares["null_percent"])
    assert shares["null_percent"].nunique() == 1
    assert (shares["excess_low"] <= shares["excess_high"]).all() and shares["models_per_side"].eq(2).all()


def test_pies_to_read_come_by_turns_and_once(study_folder):
    found = results.pie_examples(study_folder, number=7)
    assert len(found) == 7 and found["text"].is_unique
    assert found.head(4)[["pruner", "threshold"]].drop_duplicates().shape[0] == 4
    assert found["label"].isin(["animals", "food", "weather"]).all()
    assert (found["unpruned votes"] != found["pruned votes"]).all()
    one = results.pie_examples(study_folder, number=3, folder=study_folder / "topics-bilstm" / "MP-AI-99")
    assert set(one["pruner"]) == {"MP-AI"}


def test_votes_in_words():
    assert results.describe_votes(np.array([1, 0, 5]), ["a", "b", "c"]) == "c 5, a 1"
    assert results.describe_votes(np.array([0, 0]), ["a", "b"]) == "none"


def test_an_empty_study_says_what_to_run(tmp_path):
    with refused("study-without-pies", "pielab run 03_pies", f"{tmp_path} has no PIEs yet"):
        results.configurations(tmp_path)
    with refused("report-without-tables", "pielab run 06_report -p study", f"{tmp_path / 'report'} has no tables"):
        write_index(tmp_path)


def test_predictions_of_other_examples_stop(study_folder):
    dense = predictions.read_seeds(study_folder / "topics-bilstm" / "dense", range(SEEDS))
    name = str(study_folder.parents[1] / "topics.csv")
    results.check_same_data(datasets.load(name), dense, dense)
    with refused("predictions-of-other-data", "give the same dataset, columns and limit", "labels than these 5"):
        results.check_same_data(datasets.load(name, limit=5), dense, dense)
    other = dataclasses.replace(dense, data_digest="of other texts")
    with refused("predictions-of-other-data", problem="the pruned predictions were made on other texts"):
        results.check_same_data(datasets.load(name), dense, other)
    several = dataclasses.replace(dense, decision_thresholds=np.full(SEEDS, 0.5))
    with refused("single-label-against-multi-label", "decision_threshold", "multi-label and the data are not"):
        results.check_same_data(datasets.load(name), dense, several)


def test_texts_that_changed_after_the_pies_were_found_are_not_shown(study_folder, tmp_path):
    folder = tmp_path / "a-b" / "MP-AI-50"
    folder.mkdir(parents=True)
    frame, record = results.read_pies(study_folder / "topics-bilstm" / "MP-AI-50" / "pies.parquet")
    p = PieParameters(**made_parameters(study_folder.parents[1]) | {"pruner": "MP-AI", "threshold": 50})
    results.write_pies(folder, frame, record["summary"], p, digest="of what they were")
    with refused("texts-changed-after-pies", "topics.csv", f"behind {folder / 'pies.parquet'} have changed since"):
        results.pie_examples(tmp_path)


def test_only_the_seeds_that_voted_are_in_the_tables(study_folder):
    extra = paths.seed(study_folder / "topics-bilstm" / "dense", 9)
    shutil.copytree(paths.seed(study_folder / "topics-bilstm" / "dense", 0), extra)
    record = json.loads((extra / "metrics.json").read_text()) | {"seed": 9}
    (extra / "metrics.json").write_text(json.dumps(record))
    found = results.seeds(study_folder)
    shutil.rmtree(extra)
    assert set(found["seed"]) == set(range(SEEDS))


def test_figures_show_every_pruner_with_its_null_and_n(study_folder):
    configurations, seeds = results.configurations(study_folder), results.seeds(study_folder)
    accuracy = figures.effectiveness(seeds)
    assert accuracy.axes[0].get_title() == "topics, bilstm: 4 seeds"
    shares = figures.pie_shares(configurations)
    names = {text.get_text() for text in shares.legends[0].get_texts()}
    assert names == {"null: retraining alone", "IMP-FT", "MP-AI"}
    assert "2 models a side" in shares.axes[0].get_title()
    drawn = {line.get_ydata()[0] for line in shares.axes[0].lines if line.get_linestyle() == "--"}
    assert drawn == {configurations["null_percent"].iloc[0]}
    on_pies = figures.effectiveness_on_pies(configurations)
    assert len(on_pies.axes) == 2
    points = {each.get_label(): each[0].get_ydata().tolist() for each in on_pies.axes[0].containers}
    of_pruner = configurations[configurations["pruner"] == "IMP-FT"]
    assert points == {f"{side}, PIEs": of_pruner[f"halved_{side}_on_pies"].tolist() for side in ("unpruned", "pruned")}


def test_a_configuration_that_removes_nothing_has_a_place_beside_the_pruned_ones():
    rows = [("unpruned", 0.0, 0.9), ("control-FT", 0.0, 0.8), ("IMP-FT", 90.0, 0.7)]
    frame = pd.DataFrame([(*row[:2], seed, row[2]) for row in rows for seed in range(2)])
    frame.columns = ["pruner", "threshold", "seed", "effectiveness"]
    (axes,) = figures.effectiveness(frame.assign(dataset="d", model="m", metric="accuracy")).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "90"]
    assert {each.get_label() for each in axes.containers} == {"control-FT", "IMP-FT"}


def test_pruners_are_told_apart_by_colour_and_marker():
    for look in (style.COLOURS, style.MARKERS):
        assert len({look[name] for name in PRUNERS}) == 8
        assert all(look[name] == look[name.removesuffix("-nested")] for name in NESTED)


def test_a_nested_pruner_stands_beside_its_own_hollow_and_dotted(study_folder):
    whole = results.configurations(study_folder)
    beside = whole[whole["pruner"] == "IMP-FT"].assign(pruner="IMP-FT-nested")
    whole = results.sort_as_paper(pd.concat([beside, whole.replace("MP-AI", "wanda")], ignore_index=True))
    assert list(dict.fromkeys(whole["pruner"])) == ["IMP-FT", "IMP-FT-nested", "wanda"]
    lines = {each.get_label(): each[0] for each in figures.pie_shares(whole).axes[0].containers}
    assert list(lines) == ["IMP-FT", "IMP-FT-nested", "wanda"]
    own, nested = lines["IMP-FT"], lines["IMP-FT-nested"]
    assert (own.get_color(), own.get_marker()) == (nested.get_color(), nested.get_marker())
    assert (own.get_linestyle(), nested.get_linestyle()) == ("-", ":")
    assert nested.get_markerfacecolor() == "white" != own.get_markerfacecolor()


def test_the_legend_of_all_pruners_is_whole(study_folder):
    table = results.configurations(study_folder).query("pruner == 'IMP-FT' and dataset == 'topics'")
    every = pd.concat([table.assign(pruner=name) for name in KNOWN], ignore_index=True)
    figure = figures.pie_shares(every)
    figure.canvas.draw()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert len(legend.get_texts()) == len(KNOWN) + 1 and box.x0 >= 0 and box.x1 <= figure.bbox.x1


def test_names_that_are_not_the_papers_come_last_and_are_drawn(study_folder):
    more = {"IMP-FT": "wanda", "MP-AI": "AWQ"}
    whole, seeds = results.configurations(study_folder), results.seeds(study_folder)
    own = whole.assign(pruner=whole["pruner"].map(more))
    whole = pd.concat([own, whole], ignore_index=True)
    assert sorted(set(whole["pruner"]), key=results.pruner_order) == ["IMP-FT", "MP-AI", "AWQ", "wanda"]
    lines = []
    for figure in (figures.pie_shares(whole), figures.effectiveness(pd.concat([seeds, seeds.replace(more)]))):
        containers = figure.axes[0].containers
        lines.append({each.get_label(): (each[0].get_color(), each[0].get_marker()) for each in containers})
    assert set(lines[0]) == {"IMP-FT", "MP-AI", "AWQ", "wanda"} and len(set(lines[0].values())) == 4
    assert lines[0] == lines[1]
    titles = [axes.get_title() for axes in figures.effectiveness_on_pies(own).axes]
    assert {title.partition(":")[0] for title in titles} == {"AWQ", "wanda"}


def test_the_front_page_stands_alone(study_folder):
    folder = study_folder / "report"
    configurations, seeds = results.configurations(study_folder), results.seeds(study_folder)
    results.save(results.effectiveness(seeds), folder, "effectiveness")
    results.save(results.pie_shares(configurations), folder, "pie_shares")
    results.save(results.effectiveness_on_pies(configurations), folder, "effectiveness_on_pies")
    examples = results.pie_examples(study_folder, 5)
    results.save(examples.assign(text="<script>alert(1)</script>"), folder, "pie_examples")
    found = findings.of_study(decompositions.bbc_news().replace("IMP-FT", "<script>"))
    findings.write(found, folder)
    results.save(tables.decomposition(decompositions.bbc_news()), folder, "decomposition_at_these_texts")
    for kind in PANELS:
        draw(study_folder, kind)
    paper.write_tables(study_folder)
    notebook = {
        "cells": [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# One $x$"}],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    place = study_folder / "topics-bilstm" / "MP-AI-99"
    (place / "03_pies.ipynb").write_text(json.dumps(notebook))
    (study_folder / "logs").mkdir()
    (study_folder / "logs" / "02_prune.ipynb").write_text(json.dumps(notebook))
    page = write_index(study_folder).read_text()
    linked = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert linked and all((folder / link).exists() for link in linked)
    assert "../topics-bilstm/MP-AI-99/03_pies.html" in linked and not any("logs" in link for link in linked)
    assert page.count("<script>") == 1 and "<script>alert" not in page and "http" not in page
    assert paths.finished(study_folder).exists()
    sentences = [sentence.replace("<", "&lt;").replace(">", "&gt;") for said in found.values() for sentence in said]
    assert len(sentences) == 6 and all(f"<li>{sentence}</li>" in page for sentence in sentences)
    assert re.findall('<h2 id="(.+?)"', page)[0] == "findings" and "<td>0.6 [0.3, 0.9]</td>" in page
    assert "1 notebooks and 20 seeds of models, all done." in page
    assert {"figures/classes-MP-AI.png", "figures/effectiveness_on_pies-topics-bilstm.svg"} <= set(linked)
    assert {"tables/table_04.tex", "tables/table_09.csv"} <= set(linked)
    assert '<span class="missing">classes-IIBP-FT</span>' in page and ">classes-MP-AI</a>" in page
    rendered = (place / "03_pies.html").read_text()
    assert not re.search(r'(?:src|href)="?https?:', rendered)


def test_the_classes_of_pies_by_hand(tmp_path):
    folder = tmp_path / "d-m" / "MP-AI-50"
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"label": [[0, 1], [1], [1, 2], []], "pie": [True, False, True, False]})
    beside = {"halved": [0.25, 1.0, 0.5], "null": [0.5, 1, 0], "more": [-0.25, 0, 0.5], "low": [0] * 3, "high": [1] * 3}
    summary = {"dataset": "d", "model": "m", "pruner": "MP-AI", "threshold": 50.0, "classes": ["a", "b", "c"]}
    summary |= {"classes_beside_null": beside, "seeds": 4}
    p = PieParameters(**made_parameters(tmp_path) | {"pruner": "MP-AI", "threshold": 50})
    results.write_pies(folder, frame, summary, p, "digest")
    table = by_configuration(tmp_path)
    assert table["class"].tolist() == ["b", "a", "c"] and table["rank"].tolist() == [1, 2, 3]
    assert table["percent"].tolist() == [75, 25, 25] and table["pies_percent"].tolist() == [100, 50, 50]
    assert table["halved_percent"].tolist() == [100, 25, 50] and table["null_percent"].tolist() == [100, 50, 0]
    assert table["more"].tolist() == [0, -25, 50] and table["more_high"].tolist() == [100] * 3
    # Wilson's interval of 1 of 2, by its formula with z = 1.96.
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([9.453, 90.547], abs=1e-3)
    del summary["classes_beside_null"]  # as in a study of before
    results.write_pies(folder, frame.assign(pie=False), summary, p, "digest")
    empty = by_configuration(tmp_path)
    assert empty["pies_percent"].isna().all() and empty["null_percent"].isna().all()
    figures.classes(empty)


def test_classes_are_points_that_no_line_joins_each_with_its_name():
    """However many there are; classes have no order."""
    names = [f"topic {number}" for number in range(23)]
    table = pd.DataFrame({"class": names, "rank": np.arange(23) + 1, "percent": np.arange(23, 0, -1.0)})
    table = table.assign(dataset="d", model="m", pruner="IMP-FT", pies=9, null_percent=3.0, halved_percent=4.0)
    table = table.assign(more=1.0, more_low=-1.0, more_high=2.0)
    (left, right) = figures.classes(pd.concat([table.assign(threshold=threshold) for threshold in (50.0, 90.0)])).axes
    assert [label.get_text() for label in left.get_yticklabels()] == names
    assert {label.get_text() for label in right.get_yticklabels()} == {""}  # the same, beside it
    assert [bar.get_width() for bar in left.patches] == table["percent"].tolist()
    assert {line.get_linestyle() for axes in (left, right) for line in axes.lines} == {"None"}
    pies = next(drawn for drawn in left.containers if drawn.get_label() == "PIEs")
    assert set(pies[0].get_xdata()) == {4.0} and left.get_ylim()[0] > left.get_ylim()[1]
    # From where the difference from the null would be -1 to where it would be 2.
    assert [segment[:, 0].tolist() for segment in pies[2][0].get_segments()] == [[2.0, 5.0]] * 23


def test_a_study_of_before_is_drawn_without_what_was_not_counted_then(study_folder, tmp_path):
    shutil.copytree(study_folder, tmp_path / "made")
    p = PieParameters(**made_parameters(study_folder.parents[1]) | {"pruner": "MP-AI", "threshold": 50})
    for path in (tmp_path / "made").glob("*/*/pies.parquet"):
        frame, record = results.read_pies(path)
        new = {"judged_by", "classes_beside_null", "agreement", "control", "change", *BESIDE_NULL} - {"null_on_pies"}
        earlier = {name: value for name, value in record["summary"].items() if name not in new}
        results.write_pies(path.parent, frame, earlier, p, record["digest"])
    ratios = {"dataset": "topics", "model": "bilstm", "pruner": "MP-AI", "threshold": 50.0, "score": "Dale-Chall"}
    earlier = pd.DataFrame([ratios | {"ratio": 1.1, "low": 1.0, "high": 1.2, "null": 1.1, "examples": 9}])
    earlier.to_csv(tmp_path / "made/topics-bilstm/readability.csv", index=False)
    not_counted = ("readability", "el2n", "decomposition", "change", "verdicts")
    for kind in PANELS:
        expected = 0 if kind.startswith(not_counted) else len(draw(study_folder, kind))
        assert len(draw(tmp_path / "made", kind)) == expected
    on_pies = results.effectiveness_on_pies(results.configurations(tmp_path / "made"))
    assert (
        on_pies[["null_on_pies", "unpruned_more"]].isna().all(axis=None) and on_pies["unpruned_on_pies"].notna().all()
    )


def test_figures_come_one_for_each_pair_or_pruner_and_old_ones_go(study_folder):
    folder = study_folder / "report" / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes-IRP-FT.png").write_text("of a pruner that is no longer in the study")
    drawn = draw(study_folder, "classes")
    assert list(drawn) == ["classes-IMP-FT", "classes-MP-AI"]
    assert sorted(path.name for path in folder.glob("classes*.png")) == ["classes-IMP-FT.png", "classes-MP-AI.png"]
    assert list(draw(study_folder, "effectiveness_on_pies")) == ["effectiveness_on_pies-topics-bilstm"]
    assert draw(study_folder, "readability") == {}
    titles = [axes.get_title() for axes in drawn["classes-MP-AI"].axes]
    assert titles[1].startswith("MP-AI: topics, bilstm\n99 % pruned: ")


def test_a_study_without_pies_has_a_page_too(study_folder, tmp_path):
    shutil.copytree(study_folder, tmp_path / "made")
    for path in (tmp_path / "made").glob("*/*/pies.parquet"):
        frame, record = results.read_pies(path)
        p = PieParameters(**made_parameters(study_folder.parents[1]) | {"pruner": "MP-AI", "threshold": 50})
        results.write_pies(path.parent, frame.assign(pie=False), record["summary"], p, record["digest"])
    found = results.pie_examples(tmp_path / "made")
    assert found.empty and "text" in found
    shares = results.pie_shares(results.configurations(tmp_path / "made"))
    for name, table in {"pie_examples": found, "pie_shares": shares}.items():
        results.save(table, tmp_path / "made" / "report", name)
    assert "There is no PIE in this study" in write_index(tmp_path / "made").read_text()


def test_a_running_study_has_what_is_known_so_far_drawn_once_a_minute(study_folder, tmp_path, monkeypatch):
    shutil.copytree(study_folder, tmp_path / "made", ignore=shutil.ignore_patterns("report", "MP-AI-*"))
    assert early.draw(tmp_path / "made")
    report = tmp_path / "made/report"
    assert {path.stem for path in (report / "figures").iterdir()} == {"pie_shares", "change-topics-bilstm"}
    first = pd.read_csv(report / "tables/pie_shares.csv")
    assert first["pruner"].tolist() == ["IMP-FT"] * 2 and (report / "tables/change_by_configuration.csv").exists()
    shutil.copytree(study_folder / "topics-bilstm/MP-AI-50", tmp_path / "made/topics-bilstm/MP-AI-50")
    assert not early.draw(tmp_path / "made")
    monkeypatch.setattr(early, "SECONDS_BETWEEN", 0)
    held = files.lock(report / ".drawing", "another job")
    assert not early.draw(tmp_path / "made")
    held.release()
    assert early.draw(tmp_path / "made") and len(pd.read_csv(report / "tables/pie_shares.csv")) == 3


def test_figures_are_the_same_file_each_time(study_folder, tmp_path):
    seeds = results.seeds(study_folder)
    for name in ("one", "two"):
        figures.save(figures.effectiveness(seeds), tmp_path, name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_single_seed_and_no_pies_make_figures_too(study_folder):
    seeds = results.seeds(study_folder)
    figures.effectiveness(seeds[seeds["seed"] == 0])
    configurations = results.configurations(study_folder)
    empty = dict.fromkeys(["unpruned_on_pies", "pruned_on_pies", "null_on_pies", "excess_low", "excess_high"], np.nan)
    figures.effectiveness_on_pies(configurations.assign(**empty))
    figures.pie_shares(configurations.assign(**empty))
    figures.by_models_per_side(by_models_per_side(*np.zeros((2, 2, 5), dtype=int)))
    figures.two_sides(pd.Series([0.5]), pd.Series([0.6]), "accuracy", "IMP-FT")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"IMP-FT": [50, 90], "MP-AI": [50, 90], "IBP-AI": [90]}, [1.5, 2.5]),
        ({"IMP-FT": [90], "MP-AI": [50]}, None),
        ({"IMP-FT": [50, 90]}, None),
        ({"IMP-FT": [50], "MP-AI": [50]}, None),
    ],
)
def test_the_mean_ratio_is_that_of_the_same_pruners_at_every_threshold(asked, expected):
    rows = [
        {"pruner": pruner, "threshold": threshold, "halved": ratio + (threshold == 90)}
        for ratio, (pruner, thresholds) in enumerate(asked.items(), start=1)
        for threshold in thresholds
    ]
    known = {"dataset": "d", "model": "m", "score": "length", "unit": "ratio", "null": 1.0, "examples": 10}
    known |= {"more": 0.5, "more_low": 0.4, "more_high": 0.6}
    axes = figures.readability(pd.DataFrame(rows).assign(**known)).axes[0]
    means = [line.get_ydata().tolist() for line in axes.lines if line.get_label() == "mean"]
    assert means == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 seeds"), (1, "1 seed"), (1.0, "1 seed"), (2, "2 seeds"), (1200, "1,200 seeds"), (2.5, "2.5 seeds")],
)
def test_a_number_and_its_noun_agree(number, text):
    assert counted(number, "seed") == text


def test_one_of_each_is_in_the_singular(study_folder):
    configurations = results.configurations(study_folder).assign(seeds=1, models_per_side=1, examples=1, pies=1)
    seeds = results.seeds(study_folder).query("seed == 0")
    shares = pd.DataFrame({"p_pie": [0.5], "p_null": [0.5]})
    drawn = [
        figures.effectiveness(seeds),
        figures.pie_shares(configurations),
        figures.effectiveness_on_pies(configurations),
        figures.classes(by_configuration(study_folder).assign(pies=1)),
        figures.p_pie(shares, 1),
        figures.two_sides(pd.Series([0.5]), pd.Series([0.4]), "accuracy", "IMP-FT-90"),
    ]
    titles = [axes.get_title() for figure in drawn for axes in figure.axes]
    assert len(titles) > 6 and [title for title in titles if re.search(r"\b1 \w+s\b", title)] == []


def test_negative_correlations_are_drawn(study_folder):
    seeds = results.seeds(study_folder)
    configurations = results.configurations(study_folder)
    below = [name for name in configurations if name.endswith(("_on_all", "_on_pies"))]
    negative = [
        figures.effectiveness(seeds.assign(effectiveness=-0.3 * seeds["effectiveness"])),
        figures.effectiveness_on_pies(configurations.assign(**{name: -0.5 for name in below})),
    ]
    for axes in [axes for figure in negative for axes in figure.axes]:
        lowest = min(value for line in axes.lines for value in np.atleast_1d(line.get_ydata()))
        assert axes.get_ylim()[0] < lowest < -0.1 and axes.get_ylim()[1] >= 1
    assert figures.effectiveness(seeds).axes[0].get_ylim() == (0, 1)
    assert figures.effectiveness_on_pies(configurations).axes[0].get_ylim() == (-0.03, 1.03)


@pytest.mark.parametrize("command", ["report", "status"])
@pytest.mark.parametrize("folder", [".", "notebooks", "elsewhere"])
def test_commands_look_for_a_study_from_the_same_folders(command, folder, tmp_path, monkeypatch):
    """From the working folder, and from the project's."""
    for name in ("workflow/Snakefile", "pielab/__init__.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    for name in ("notebooks", "elsewhere/results/s/report", "results/s/report"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    with pytest.raises(PielabError) as raised:
        {"report": page.main, "status": status.main}[command](["results/s"])
    found = "results/s" if folder != "notebooks" else tmp_path / "results/s"
    assert str(raised.value).startswith(f"{found}/")


def test_a_figure_of_some_pruners_leaves_the_table_and_the_record_whole(study_folder):
    tables_folder = study_folder / "report" / "tables"
    draw(study_folder, "classes")
    whole = (tables_folder / "classes.csv").read_bytes()
    assert list(draw(study_folder, "classes", pruners=["MP-AI"])) == ["classes-MP-AI"]
    assert (tables_folder / "classes.csv").read_bytes() == whole
    (figure,) = draw(study_folder, "effectiveness", pruners=["IMP-FT"]).values()
    named = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert any("IMP-FT" in name for name in named) and not any("MP-AI" in name for name in named)
    for given in (["IMP-TF"], [], "IMP-FT"):
        with refused("pruners-not-in-figure", "give a list of some of IMP-FT, MP-AI", repr(given)):
            draw(study_folder, "effectiveness", pruners=given)
    assert (study_folder / "report" / "figures" / "effectiveness.png").exists()


def test_scores_are_drawn_for_all_texts_for_pies_and_for_their_null(study_folder):
    p = PieParameters(**made_parameters(study_folder.parents[1]) | {"pruner": "MP-AI", "threshold": 50})
    configuration, examples = results.most_pies(p)
    shares = results.configurations(study_folder).set_index(["pruner", "threshold"])["pies_percent"]
    assert shares[configuration.method, configuration.setting] == shares.max() > 0
    scores = pd.DataFrame({"length": np.arange(len(examples)), "constant": 1.0})
    figure = figures.scores(scores, examples.assign(p_pie=np.arange(len(examples)) == 2), configuration.title)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines) == ["all texts", "null: retraining alone", "PIEs"]
    # The only PIE has the length 2: nobody below, all from there on.
    assert set(lines["PIEs"].get_ydata()) == {0, 1}
    assert lines["PIEs"].get_xdata()[lines["PIEs"].get_ydata() == 1].min() == 2
    without = figures.scores(scores, examples.assign(p_pie=0.0), configuration.title)
    assert len(without.axes[0].lines) == 2
