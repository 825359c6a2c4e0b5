"""The results of a study are read once, whatever is made of them."""

import collections
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import refused, run_cells
from test_report import SEEDS, study_folder  # noqa: F401

from pielab.analysis import comparison, results
from pielab.analysis.examples import readability
from pielab.analysis.examples.classes import by_configuration
from pielab.analysis.examples.readability import LENGTH
from pielab.config.parameters import ReadabilityParameters
from pielab.report import explore, page, paper
from pielab.store import digests, paths
from pielab.store.paths import Configuration

SHARES = ["examples", "pies", "p_pie", "p_null", "excess", "low", "high"]
BESIDE = ["halved", "null", "more", "more_low", "more_high"]
RATIOS = ["mean", "pies_mean", "ratio", "low", "high", "p_corrected", "matched", "matched_low", "matched_high"]
RATIOS += [*BESIDE, *(f"{name}_matched" for name in BESIDE)]
# The tables of 04 and 05.
LEFT = {
    "el2n": {
        "bin": 1,
        "seeds": SEEDS,
        **dict.fromkeys(SHARES, 0.1),
    },
    "readability": {"score": "length", "unit": "ratio", "pies": 3, "examples": 9, **dict.fromkeys(RATIOS, 1.0)},
}
OPENED: collections.Counter | None = None


def count(event, arguments):
    if OPENED is not None and event == "open":
        OPENED[str(arguments[0])] += 1


sys.addaudithook(count)


@pytest.fixture
def opened(monkeypatch):
    """How often each file is opened, by Python or by pyarrow, of which Python hears nothing."""
    counter = collections.Counter()
    monkeypatch.setattr(sys.modules[__name__], "OPENED", counter)
    for name in ("read_table", "read_schema", "ParquetFile"):
        function = getattr(pq, name)

        def counting(source, *more, function=function, **options):
            if isinstance(source, (str, Path)):
                counter[str(source)] += 1
            return function(source, *more, **options)

        monkeypatch.setattr(pq, name, counting)
    return counter


def times(path):
    """How often a file is opened to be read once: another time for its digest, if it has one."""
    return 1 + digests.beside(path).exists()


@pytest.fixture
def whole(study_folder, tmp_path):  # noqa: F811
    """A copy of the study of test_report, with the tables of 04 and 05."""
    folder = tmp_path / "made"
    shutil.copytree(study_folder, folder)
    for name, columns in LEFT.items():
        row = columns | Configuration("topics", "bilstm", "MP-AI", 99.0).record
        pd.DataFrame([row]).to_csv(folder / "topics-bilstm" / f"{name}.csv", index=False)
    return folder


def test_the_report_reads_each_file_of_results_once(whole, opened):
    run_cells("06_report", study="made", results=str(whole.parent), examples=5)
    for name, number in {"metrics.json": 5 * SEEDS, "pies.parquet": 4, "el2n.csv": 1, "readability.csv": 1}.items():
        files = [path for path in whole.rglob(name) if "report" not in path.parts]
        assert len(files) == number
        assert {str(path): opened[str(path)] for path in files} == {str(path): times(path) for path in files}
    # Predictions are too large to be kept, so the comparison of pruners and the verdicts each read them once for each
    # pair, of which this study has one.
    assert {opened[str(path)] for path in whole.rglob("test.parquet")} == {2}
    assert (whole / "report/figures/readability_matched-topics-bilstm.png").exists()


def test_the_page_of_all_pies_and_the_explorer_read_them_once(whole, opened):
    study = results.read(whole)
    explore.study_pies(study)
    explore.Explorer(study)
    pies = [folder / "pies.parquet" for folder in study.pies_in]
    assert {opened[str(path)] == times(path) for path in pies} == {True} and len(pies) == 4


def test_the_readability_of_a_pair_reads_its_pies_once(whole, opened):
    named = {"study": "made", "results": str(whole.parent), "dataset": "topics.csv", "model": "bilstm"}
    p = ReadabilityParameters(**named, seeds=f"0-{SEEDS - 1}", n_bootstrap=5)
    texts = results.read(whole).pies_record(whole / "topics-bilstm" / "MP-AI-50")["summary"]["examples"]
    scores = pd.DataFrame(np.random.default_rng(0).uniform(1, 9, (texts, 8)), columns=readability.SCORES | {LENGTH: 0})
    opened.clear()
    assert len(readability.by_configuration(p, scores)) == 4 * 8
    pies = [folder / "pies.parquet" for folder in results.read(whole).pies_in]
    assert {opened[str(path)] == times(path) for path in pies} == {True}


def test_a_folder_and_its_results_give_the_same(whole):
    study, path = results.read(whole), whole / "topics-bilstm" / "MP-AI-50" / "pies.parquet"
    assert results.read(study) is study and results.read(str(whole)).folder == whole
    assert results.read_record(path) == results.read_pies(path)[1] == study.pies_record(path.parent)
    for table in (results.configurations, results.seeds, results.pie_examples, comparison.pruners, by_configuration):
        pd.testing.assert_frame_equal(table(study), table(whole))
    assert page.draw(study, "classes").keys() == page.draw(whole, "classes").keys()
    assert paper.table(study, 4).data.equals(paper.table(whole, 4).data)
    assert explore.configurations(study).equals(explore.configurations(whole))


def test_results_are_those_of_when_they_were_read(whole):
    study, folder = results.read(whole), whole / "topics-bilstm" / "MP-AI-50"
    before = results.configurations(study), results.seeds(study)
    shutil.rmtree(folder)
    assert results.configurations(study).equals(before[0]) and results.seeds(study).equals(before[1])
    assert len(results.configurations(whole)) == 3 and study.first_record(folder)["pruner"] == "MP-AI"
    assert results.read(whole).first_record(folder) == {}


def test_what_is_damaged_is_named(whole):
    path = whole / "topics-bilstm" / "MP-AI-50" / "pies.parquet"
    path.write_bytes(b"PAR1")
    for table in (results.configurations, results.pie_examples):
        with refused("file-damaged", "03_pies.ipynb", str(path)):
            table(whole)
    record = paths.seed(whole / "topics-bilstm" / "dense", 1) / "metrics.json"
    record.write_text("{")
    with refused("file-damaged", "train that seed anew", str(record)):
        _ = results.read(whole).records


def test_an_example_that_two_configurations_share_is_shown_once(whole):
    every = results.pie_examples(whole, number=1000)
    assert every["text"].is_unique
    pies = [results.read_pies(path)[0].query("pie") for path in whole.glob("*/*/pies.parquet")]
    assert len(every) == len(np.unique(np.concatenate([frame["example"] for frame in pies])))
    for number in (1, 3, 8):
        pd.testing.assert_frame_equal(results.pie_examples(whole, number), every.head(number))
