"""Two studies side by side, from their folders to the table of pielab compare."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from scipy import stats
from test_decomposition import SEEDS, find

from pielab.__main__ import main
from pielab.analysis import agreement, change, results, study_comparison, study_differences
from pielab.analysis.study_comparison import StudyComparison
from pielab.commands import compare
from pielab.data import datasets, importing
from pielab.report import study_comparison_page
from pielab.store import digests


def write_study(given, name, changed, pruners=("mine",)):
    """A study of models that answer 0, but for a share of the texts drawn anew; compressed ones for more of them."""
    where = {key: given[key] for key in ("results", "dataset", "text", "label", "model")} | {"study": name}
    data = datasets.load(given["dataset"], text="text", label="label")
    random = np.random.default_rng(0)
    draws = random.random((SEEDS, len(data["test"])))
    sides = {"unpruned": (draws < 0.2).astype(int)} | {pruner: (draws < changed).astype(int) for pruner in pruners}
    for pruner, answers in sides.items():
        threshold = {} if pruner == "unpruned" else {"pruner": pruner, "threshold": 90}
        importing.add(np.eye(len(datasets.class_names(data)))[answers], **where, **threshold)
    for pruner in pruners:
        find(given | {"study": name}, pruner, control="unpruned")
    return str(Path(given["results"]) / name), sides


def page(folder):
    return ["--out", str(folder / "page.html")]


@pytest.fixture
def studies(given):
    first, sides = write_study(given, "first", 0.3, ("mine", "other"))
    second, _ = write_study(given, "second", 0.6)
    return first, second, sides


def test_what_both_studies_have_is_side_by_side(studies, tmp_path, capsys):
    first, second, sides = studies
    assert compare.main([first, second, "--csv", str(tmp_path / "both.csv"), *page(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"a row for each quantity: {tmp_path / 'both.csv'}\n" in out and "other at 90 %  " not in out
    table = pd.read_csv(tmp_path / "both.csv").set_index("quantity")
    assert list(table.index) == [*study_comparison.SHARES, "moved", "own answers changed"]
    assert set(table["pruner"]) == {"mine"}
    for name, study in (("first", first), ("second", second)):
        summary = results.configurations(study).set_index("pruner").loc["mine"]
        assert table.loc["PIEs", f"{name}_estimate"] == pytest.approx(summary["pies_percent"])
        own = change.of_study(study).query("quantity == 'changed' and pruner == 'mine'").iloc[0]
        ends = [f"{name}_{end}" for end in ("estimate", "low", "high")]
        assert table.loc["own answers changed", ends].tolist() == pytest.approx(
            own[["estimate", "low", "high"]].tolist()
        )
    moved = agreement.quantities(agreement.count(sides["unpruned"], pruned=sides["mine"])).query("comparison == 'both'")
    assert table.loc["moved", "first_low"] == pytest.approx(moved.query("quantity == 'moved'")["low"].item())
    assert table.loc["own answers changed", "second_low"] > table.loc["own answers changed", "first_high"]
    assert f"{table.loc['PIEs', 'second_estimate']:.2f}" in out


def test_the_table_as_json_has_the_numbers_of_the_csv(studies, tmp_path, capsys):
    assert compare.main([*studies[:2], "--json", *page(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0]["quantity"] == "PIEs" and rows[0]["first_low"] is None


def test_studies_without_a_common_configuration_are_refused(studies, given, tmp_path):
    third, _ = write_study(given, "third", 0.3, ("else",))
    with refused("studies-of-other-configurations", "pruner and threshold", "mine at 90"):
        compare.main([studies[0], third, "--csv", str(tmp_path / "both.csv"), *page(tmp_path)])
    assert not (tmp_path / "both.csv").exists() and not (tmp_path / "page.html").exists()


def test_a_folder_that_is_not_there_and_half_of_the_arguments_are_refused(studies, tmp_path, capsys):
    with refused("no-such-study", "results/demo", "nowhere"):
        compare.main([studies[0], "nowhere"])
    with refused("study-given-twice", "give two", "the same study"):
        compare.main([studies[0], f"{studies[0]}/."])
    for arguments in ([], [studies[0]], ["--before", "a.csv"], [*studies[:2], "--before", "a.csv", "--after", "b.csv"]):
        with pytest.raises(SystemExit) as stopped:
            compare.main(arguments)
        assert stopped.value.code == 2 and "the folders of two studies" in capsys.readouterr().err


def table(first, second, quantity="moved", configurations=1):
    """What `study_comparison.compare` gives of made intervals: (estimate, low, high) of either study."""
    rows = [["texts", "bilstm", "mine", float(setting), quantity, *first, *second] for setting in range(configurations)]
    return study_comparison._with_difference(pd.DataFrame(rows, columns=study_comparison.COLUMNS[:11]))


def side_by_side(table, **more):
    """Two studies of this table that differ in nothing else."""
    nothing = {"differences": pd.DataFrame(columns=study_differences.COLUMNS), "alone": ([], []), "common_seeds": ""}
    return StudyComparison(("one", "other"), table, **(nothing | more))


def test_the_page_has_the_answer_and_what_was_different(studies, tmp_path, capsys):
    assert compare.main([*studies[:2], *page(tmp_path)]) == 0
    out, html = capsys.readouterr().out, (tmp_path / "page.html").read_text()
    answer = "Of 1 configuration that both studies have, 1 differs beyond what other seeds explain, the most mine"
    assert answer in out and answer in html and out.endswith(f"page: {tmp_path / 'page.html'}\n")
    seeds = f"Both have models of the seeds 0-{SEEDS - 1}, so they are not independent"
    for sentence in (seeds, "1 configuration only the first study has.", "name no difference of seeds, texts"):
        assert sentence in out and sentence in html
    assert "Only the first: other at 90 % (topics, bilstm)" in html and html.count("data:image/svg+xml") == 4


def test_a_page_of_another_program_stays(studies, tmp_path):
    (tmp_path / "page.html").write_text("<html>")
    with refused("not-overwritten", "another name", "page.html"):
        compare.main([*studies[:2], *page(tmp_path)])
    assert (tmp_path / "page.html").read_text() == "<html>"


def test_the_same_study_elsewhere_is_said_to_be_made_again_and_no_more(studies, tmp_path, capsys):
    assert compare.main([studies[0], str(shutil.copytree(studies[0], tmp_path / "again")), *page(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "The two studies give the same numbers for 2 configurations, all that both have." in out
    assert "not that other seeds would give them" in out and "be told" not in out


def test_other_seeds_texts_and_parameters_are_listed(studies, given, tmp_path):
    """Records of trained models, which those of made ones lack."""
    folders = [Path(studies[0]), shutil.copytree(studies[0], tmp_path / "again")]
    known = {"epochs": 2, "threshold": 90.0}
    changed = [({"limit": None}, "1.0"), ({"limit": 5, "seed": "<b>"}, "2.0")]
    for folder, (parameters, version) in zip(folders, changed, strict=True):
        for path in folder.glob("*/mine-90/seeds/00/metrics.json"):
            record = json.loads(path.read_text()) | {"parameters": known | parameters, "versions": {"torch": version}}
            path.write_text(json.dumps(record))
            path.with_name(digests.FOLDER_LIST).unlink(missing_ok=True)
    found = study_differences.differences(*folders)
    assert found[["what", "first", "second"]].to_numpy().tolist() == [
        ["version of torch", "1.0", "2.0"],
        ["limit", "None", "5"],
        ["seed", "(default)", "<b>"],
    ]
    assert [[one.method for one in named] for named in found["configurations"]] == [["mine"]] * 3
    html = study_comparison_page.page(side_by_side(table((1, 0, 2), (2, 1, 3)), differences=found))
    assert "Different in the records of the two: version of torch, limit, seed." in html
    assert "&lt;b&gt;" in html and "<b></td>" not in html


def test_a_difference_is_told_by_its_own_interval_and_not_by_whether_two_overlap():
    """Of two intervals of the same width that overlap by a quarter of it, the difference still excludes 0."""
    found = table((10, 8, 12), (13, 11, 15))
    ends = found[["difference", "difference_low", "difference_high"]].iloc[0].tolist()
    assert ends == pytest.approx([3, 3 - 8**0.5, 3 + 8**0.5])
    assert "1 differs beyond what other seeds explain" in study_comparison_page.sentences(side_by_side(found))[0]


def test_no_told_difference_is_not_said_to_be_agreement():
    found = study_comparison_page.sentences(side_by_side(table((10, 8, 12), (11, 8, 14), configurations=40)))
    assert found[0] == (
        "Of the 40 configurations that both studies have, none is told to differ beyond what other seeds explain."
    )
    assert "0 exclude 0" in found[1] and "about 2.0 would by chance" in found[1]
    assert "does not mean that the studies agree: the intervals reach as far as 4.61 points" in found[2]


def test_without_intervals_nothing_is_told():
    found = study_comparison_page.sentences(side_by_side(table((10, np.nan, np.nan), (20, np.nan, np.nan))))
    assert "cannot be told" in found[0] and "take three seeds, of PIEs and moved four" in found[0]


def test_the_interval_of_a_difference_of_studies_holds_the_truth():
    """Of means over seeds, with Student's t of either study, of other numbers of seeds and other spreads."""
    random, rows = np.random.default_rng(0), 2000
    sides = []
    for seeds, spread in ((4, 3.0), (8, 1.0)):
        values = random.normal(5, spread, (rows, seeds))
        half = stats.t.ppf(0.975, seeds - 1) * stats.sem(values, axis=1)
        sides.append([values.mean(axis=1), values.mean(axis=1) - half, values.mean(axis=1) + half])
    columns = dict(zip(study_comparison.COLUMNS[5:11], np.concatenate(sides), strict=True))
    found = study_comparison._with_difference(pd.DataFrame(columns))
    assert 0.94 < (~study_comparison.told(found)).mean() < 0.98


def test_all_studies_of_a_folder_are_one_tidy_table(studies, given, tmp_path, capsys):
    *_, sides = studies
    (Path(given["results"]) / "empty").mkdir()
    assert main(["merge", given["results"], "--csv", str(tmp_path / "all.csv")]) == 0
    assert capsys.readouterr().out == f"2 studies, 5 configurations: {tmp_path / 'all.csv'}\n"
    table = pd.read_csv(tmp_path / "all.csv")
    assert list(table) == ["study", "dataset", "model", "pruner", "threshold", "quantity", "estimate", "low", "high"]
    assert not table.duplicated(list(table)[:6]).any()
    own = table[(table["study"] == "first") & (table["pruner"] == "mine")].set_index("quantity")["estimate"]
    assert own["own answers changed"] == pytest.approx(100 * (sides["unpruned"] != sides["mine"]).mean())
    data = datasets.load(given["dataset"], text="text", label="label")
    assert own["accuracy"] == pytest.approx((sides["mine"] == datasets.targets(data["test"])).mean())
    with refused("no-studies-in-folder", "give the folder of results"):
        study_comparison.of_folder(tmp_path)
