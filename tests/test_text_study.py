"""A study of generated texts, by the cells of the notebooks from 03 on: from predictions to report and explorer."""

import numpy as np
import pandas as pd
import pytest
from test_tagged_study import run
from written_texts import DAMAGED, UNPRUNED, write

from pielab.analysis import results, text_levels
from pielab.analysis.examples import generated_texts, tagged_words
from pielab.data import datasets, generation
from pielab.report import explore, levels_figure, written
from pielab.store import predictions

LAWS = {("unpruned", 0.0): UNPRUNED, ("control-FT", 0.0): UNPRUNED, ("IMP-FT", 90.0): DAMAGED}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study that was analysed, with what its notebooks left in their names, and what they printed."""
    folder, left = tmp_path_factory.mktemp("texts"), {}
    data = write(folder / "texts", LAWS)
    given = {"study": "texts", "results": str(folder), "dataset": "texts", "model": "t5", "seeds": "0-5"}
    given |= {"n_splits": 20, "n_bootstrap": 20, "group": "group"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(datasets, "load", lambda **_: data)
        for method, setting in list(LAWS)[1:]:
            of = {"pruner": method, "threshold": setting, "control": "control-FT" if method == "IMP-FT" else "auto"}
            left["03_pies", method] = run(given | of, "03_pies")
        for name in ("04_el2n", "05_readability", "06_report", "07_explore"):
            left[name] = run(given, name)
        yield folder / "texts", left, data


def test_the_pies_are_texts_that_only_one_side_has_right(study):
    folder, _, data = study
    dense, pruned = (predictions.read_seeds(folder / "texts-t5" / name, range(6)) for name in ("dense", "IMP-FT-90"))
    threshold = np.median(
        [predictions.read_file(path).decision_threshold for path in folder.glob("*/dense/*/*/test.parquet")]
    )
    votes = [2 * (side.answers.nearness >= np.float32(threshold)).sum(axis=0) > 6 for side in (dense, pruned)]
    frame, record = results.read(folder).pies(folder / "texts-t5/IMP-FT-90")
    assert frame["pie"].tolist() == (votes[0] != votes[1]).tolist() and 0 < frame["pie"].sum() < len(frame)
    assert frame["pruned"].tolist() == votes[1].astype(int).tolist()
    assert frame["unpruned_votes"].map(sum).eq(6).all()
    assert frame["label"].tolist() == generation.lengths(generation.gold_texts(data["test"])).tolist()
    summary = record["summary"]
    assert summary["metric"] == "chrF" and summary["judged_by"] == "share of right texts"
    assert 0 < summary["pruned_on_all"] < summary["unpruned_on_all"] < 1
    shares = pd.DataFrame(summary["levels"]["shares"]).set_index("level")
    assert tuple(shares.index) == text_levels.LEVELS
    assert shares.loc["right or wrong", "all_seeds"] == pytest.approx(summary["pies_percent"])
    assert summary["control"] == "control-FT"


def test_the_report_says_how_far_the_texts_moved_and_headlines_no_share_of_texts_that_differ(study):
    folder, left, _ = study
    page = (folder / "report/index.html").read_text()
    assert "right or wrong (60)" in page and "texts (60)" in page and "Which entities are lost" not in page
    assert "IMP-FT at 90 % moved the texts by" in page and "points from control-FT" in page
    overview = page[page.index("own texts apart, %") :]
    assert "own answers changed, %" not in overview[: overview.index("</table>")]
    drawn = {path.stem for path in (folder / "report/figures").glob("*.png")}
    assert {f"{kind}-texts-t5" for kind in ("levels", "change", "decomposition", "groups", "verdicts")} <= drawn
    assert {"classes-IMP-FT", "el2n-IMP-FT", "pie_shares"} <= drawn
    for name in ("levels", "levels_by_configuration", "pie_examples"):
        (kind,) = written.kinds(f"report/tables/{name}.csv")
        assert list(kind.columns) == list(pd.read_csv(folder / f"report/tables/{name}.csv"))
    assert left["04_el2n"]["table"]["p_null"].between(0, 1).all()
    measures = left["03_pies", "IMP-FT"]["measures"].set_index("measure")
    assert measures.index.tolist() == ["flips", "Cohen's kappa of the votes"]


def test_a_configuration_without_effect_is_not_told_to_have_moved(study):
    levels = tagged_words.of_study(study[0])
    (said,) = generated_texts.sentences(levels).values()
    assert len(said) == 2 and said[0].startswith("IMP-FT at 90 %") and "right" in said[1]
    of_control = levels[levels["pruner"] == "control-FT"]
    (none,) = generated_texts.sentences(of_control).values()
    assert none[0].startswith("No configuration")
    panels = levels_figure.levels(levels).axes
    assert [axes.get_title(loc="left") for axes in panels[:2]] == ["right or wrong\nPIEs, %", "texts\n1 - u, %"]


def test_a_pie_is_shown_with_both_texts_and_what_people_wrote(study):
    folder, left, data = study
    frame = left["07_explore"]["pies"]
    differing = frame[frame["unpruned text"] != frame["pruned text"]]
    shown = explore.example(differing).data
    assert "<mark>" in shown and "<b>source</b>" in shown and "&lt;b&gt;" in shown and "(label)" not in shown
    row = differing.iloc[0]
    assert row["label"] == data["test"][int(row["example"])]["targets"][0]
    own = predictions.read_seeds(folder / "texts-t5/dense", range(6)).answers.texts[:, row["example"]]
    assert row["unpruned text"] in own and frame["unpruned votes"].str.contains("right|wrong").all()
    assert "unpruned text" in explore.as_html(frame)
    same = frame[frame["unpruned text"] == frame["pruned text"]]
    assert "though their votes differ" in explore.example(same).data
    examples = results.pie_examples(folder, 5)
    assert examples["pruned text"].str.len().gt(0).all() and "<mark>" in (folder / "report/index.html").read_text()
