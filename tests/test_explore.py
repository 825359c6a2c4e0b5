"""The PIEs of a study to look through: in Python, and on the rendered page in a browser."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import papermill
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import contrast, make_texts, refused, screen, until
from scipy import stats

from pielab.analysis import results
from pielab.analysis.null import estimate
from pielab.config.parameters import PieParameters
from pielab.data import datasets
from pielab.report import explore, figures, render
from pielab.store import files, paths, predictions

SEEDS = 4
TESTS = 30
ATTACKS = [
    "<script>document.title = 'executed'</script> zebra",
    "<img src=x onerror=\"document.title = 'executed'\"> zebra",
    "zebra &lt;script&gt;document.title = 'executed'&lt;/script&gt; </script> <b>bold</b>",
]
LONG = "aardvark " + "cat " * 150 + "zyzzyva"
TEXTS = [*ATTACKS, LONG, "None", "line one\nline two"]
WRONG = {("IMP-FT", 50.0): 12, ("MP-AI", 99.0): 20}


def write_runs(folder, split, classes):
    """Predictions (seeds, examples) as training would leave them, the surer the later the example."""
    for seed, run in enumerate(classes):
        place = paths.seed(folder, seed)
        place.mkdir(parents=True, exist_ok=True)
        logits = np.eye(3)[run] * np.linspace(1, 4, len(run))[:, None]
        predictions.write(place / f"{split}.parquet", logits, {"seed": seed})


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory):
    """Two configurations whose PIEs are known: the first examples, which most of the pruned models get wrong."""
    root = tmp_path_factory.mktemp("explore")
    (root / "topics").mkdir()
    frame = make_texts(90 + TESTS).replace({"label": {"food": "<i>food</i>"}})
    frame.iloc[:90].to_csv(root / "topics" / "train.csv", index=False)
    test = frame.iloc[90:].reset_index(drop=True)
    test.loc[: len(TEXTS) - 1, "text"] = TEXTS
    test.to_csv(root / "topics" / "test.csv", index=False)
    data = datasets.load(str(root / "topics"))
    parameters = {"study": "made", "results": str(root / "results"), "dataset": str(root / "topics"), "data_dir": None}
    parameters |= {"text": "text", "text_pair": None, "label": "label", "label_separator": None, "limit": None}
    parameters |= {"model": "bilstm", "seeds": f"0-{SEEDS - 1}", "n_splits": 20, "n_bootstrap": 20}
    targets = {split: datasets.targets(data[split]) for split in ("train", "test")}
    dense = root / "results" / "made" / "topics-bilstm" / "dense"
    for split, kind in (("test", "test"), ("train", "train"), ("train", "early")):
        write_runs(dense, kind, np.tile(targets[split], (SEEDS, 1)))
    for (pruner, threshold), number in WRONG.items():
        p = PieParameters(**parameters, pruner=pruner, threshold=threshold)
        for split, right in targets.items():
            runs = np.tile(right, (SEEDS, 1))
            runs[:, :number] = (right[:number] + 1) % 3
            # Half of the PIEs have one model that is right, so that they are less sure.
            runs[0, 1:number:2] = right[1:number:2]
            write_runs(p.folder, split, runs)
        sides = [predictions.read_seeds(folder, p.seeds) for folder in (p.dense_folder, p.folder)]
        null = estimate(*(side.classes for side in sides), n_splits=p.n_splits, n_bootstrap=p.n_bootstrap)
        found = results.examples(data["test"], *sides, null)
        results.write_pies(p.folder, found, results.summary(p, data, *sides, null), p, datasets.digest(data))
    return root / "results" / "made"


def test_every_pie_has_a_row_with_what_is_known_of_it(study_folder):
    found = explore.study_pies(study_folder)
    assert found.groupby(["pruner", "threshold"]).size().to_dict() == WRONG
    row = found[(found["pruner"] == "MP-AI") & (found["example"] == 3)].iloc[0]
    assert row["text"] == LONG and row["label"] == "animals" and row["unpruned votes"] == "animals 4"
    assert row["pruned votes"] == "weather 3, animals 1"
    assert row["length in tokens"] == 152 and row["P(null)"] == 0
    # Sure runs that are right have small errors, and the first example the largest.
    assert found[found["example"] == 0]["error-norm percentile"].tolist() == [100, 100]
    first = found[found["pruner"] == "IMP-FT"]
    surprise = (first["P(PIE)"] - first["P(null)"]).to_numpy()
    assert (np.diff(surprise) <= 0).all() and len(set(surprise)) > 1
    assert set(first["example"]) == set(range(12))


def test_pies_of_the_training_set_have_their_el2n(study_folder):
    folder = study_folder / "topics-bilstm" / "MP-AI-99"
    split = explore.read_split(folder, "train")
    early = predictions.read_seeds(folder.parent / "dense", range(SEEDS), "early")
    targets = np.eye(3)[datasets.targets(split.examples)]
    by_hand = np.linalg.norm(predictions.softmax(early.logits) - targets, axis=2).mean(axis=0)
    assert np.allclose(split.percentile, 100 * stats.rankdata(by_hand) / len(by_hand))
    found = explore.pies(folder, split)
    assert set(found["example"]) == set(range(20)) and "error-norm percentile" not in found
    assert found["EL2N percentile"].tolist() == split.percentile[found["example"]].tolist()
    assert explore.read_split(folder, "train", split) is split
    assert explore.read_split(folder, "test", split) is not split


def test_rows_are_left_out_by_turns_and_never_silently(study_folder, monkeypatch):
    found = explore.study_pies(study_folder)
    kept = explore.top_rows(found, 10)
    assert kept.groupby("pruner").size().tolist() == [5, 5]
    assert (kept["P(PIE)"] - kept["P(null)"]).is_monotonic_decreasing
    assert len(explore.top_rows(found, 1000)) == sum(WRONG.values())
    shown = []
    monkeypatch.setattr(explore, "display", lambda *parts: shown.append("".join(part.data for part in parts)))
    explore.show(found, rows=10)
    explore.show(found)
    assert "10 of 32 PIEs of 2 configurations. Those are left out" in shown[0]
    assert "All 32 PIEs of 2 configurations. Texts are cut after 500 characters." in shown[1]
    assert "left out" not in shown[1] and "downsampled" not in shown[1]


def test_texts_and_labels_are_texts(study_folder):
    found = explore.study_pies(study_folder)
    attacks = found[found["text"].isin(ATTACKS)]
    assert len(attacks) == 6
    for page in (explore.as_html(found), *(explore.example(attacks, place).data for place in range(3))):
        assert [tag for tag in ("<img src=x", "<script>document.title", "<b>bold", "<i>food") if tag in page] == []
    assert "&lt;i&gt;food&lt;/i&gt;" in explore.as_html(found)
    assert "zyzzyva" in explore.as_html(found) and "zyzzyva" not in explore.as_html(found, text_limit=500)


def test_a_study_without_pies_can_be_looked_at_too(study_folder, tmp_path):
    shutil.copytree(study_folder, tmp_path / "made")
    for path in (tmp_path / "made").glob("*/*/pies.parquet"):
        frame, record = results.read_pies(path)
        table = pa.Table.from_pandas(frame.assign(pie=False), preserve_index=False)
        with files.atomic_file(path, digest=True) as partial:
            pq.write_table(table.replace_schema_metadata({"pielab": json.dumps(record)}), partial)
    found = explore.study_pies(tmp_path / "made")
    assert found.empty and explore.example(found).data == "There is no PIE."
    explore.show(found)
    assert explore.Explorer(tmp_path / "made").note.value == "0 PIEs of 30 examples"


def test_an_empty_study_says_what_to_run(tmp_path):
    with refused("study-without-pies", "pielab run 03_pies", f"{tmp_path / 'nothing'} has no PIEs yet"):
        explore.study_pies(tmp_path / "nothing")


def test_the_figure_of_the_votes():
    table = pd.DataFrame({"class": ["$a", "b"], "unpruned": [3, 1], "pruned": [0, 4], "label": [True, False]})
    (axes,) = figures.votes(table, "MP-AI").axes
    assert [bar.get_width() for bar in axes.patches] == [3, 1, 0, 4]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$a (label)", "b"]


def test_choosing_changes_the_table_and_the_example(study_folder):
    explorer = explore.Explorer(study_folder)
    assert {name: each.value for name, each in explorer.choices.items()} == {
        "dataset": "topics",
        "model": "bilstm",
        "pruner": "IMP-FT",
        "threshold": 50,
        "split": "test",
    }
    assert explorer.note.value == "12 PIEs of 30 examples" and len(explorer.chosen.options) == 12
    before, (table,) = explorer.whole.value, explorer.table.outputs
    explorer.chosen.value = 5
    assert explorer.whole.value != before and f"Example {explorer.pies['example'].iloc[5]}<" in explorer.whole.value
    explorer.choices["pruner"].value = "MP-AI"
    assert explorer.choices["threshold"].value == 99
    assert explorer.note.value == "20 PIEs of 30 examples" and explorer.chosen.value == 0
    assert explorer.table.outputs[0]["data"] != table["data"]
    assert "zyzzyva" in explorer.table.outputs[0]["data"]["text/html"]
    explorer.choices["split"].value = "train"
    assert explorer.note.value == "20 PIEs of 77 examples" and "EL2N percentile" in explorer.pies


def test_a_split_without_predictions_says_so_and_the_others_still_work(study_folder, tmp_path):
    shutil.copytree(study_folder, tmp_path / "made")
    for path in (tmp_path / "made").glob("**/early.parquet"):
        path.unlink()
    explorer = explore.Explorer(tmp_path / "made")
    explorer.choices["split"].value = "train"
    assert "there are no predictions" in explorer.note.value
    assert explorer.chosen.options == () and explorer.whole.value == ""
    explorer.choices["split"].value = "test"
    assert explorer.note.value == "12 PIEs of 30 examples" and explorer.whole.value


@pytest.fixture(scope="module")
def page(study_folder):
    """07_explore as papermill leaves it, rendered."""
    template = Path(__file__).parents[1] / "notebooks" / "07_explore.ipynb"
    notebook = study_folder / "report" / "07_explore.ipynb"
    notebook.parent.mkdir()
    values = {"study": study_folder.name, "results": str(study_folder.parent)}
    papermill.execute_notebook(template, notebook, values, progress_bar=False)
    assert "widgets" in json.loads(notebook.read_text())["metadata"]
    return render.notebook(notebook)


def test_the_page_loads_nothing_and_is_no_giant(page):
    content = page.read_text()
    assert "unpkg.com/@jupyter-widgets" not in content and "requirejs" not in content.lower()
    assert "These choices need a running notebook" in content
    assert page.stat().st_size < 2_000_000


@pytest.fixture
def opened(browser, page):
    browser.get_log("performance")
    browser.get(page.as_uri())
    until(browser, lambda: rows(browser))
    return browser


def rows(driver):
    """The rows that the table shows, as dicts of their texts by column."""
    names = driver.execute_script(
        "return [...document.querySelectorAll('.dt-scroll-head .dt-column-title')].map(each => each.textContent)"
    )
    cells = driver.execute_script(
        "return [...document.querySelectorAll('.dt-scroll-body tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText))"
    )
    return [dict(zip(names, line, strict=True)) for line in cells if len(line) == len(names)]


def info(driver):
    return driver.execute_script("return document.querySelector('.dt-info').textContent")


def search(driver, words, number):
    """Type words into the search box; the rows that are left, of which there should be this many."""
    box = driver.find_element("css selector", ".dt-search input")
    box.clear()
    box.send_keys(words)
    until(driver, lambda: f"to {number} of {number} entries (filtered from 32" in info(driver))
    return rows(driver)


def test_the_page_shows_the_table_without_kernel_and_network(opened, page):
    first = rows(opened)
    assert info(opened) == "Showing 1 to 10 of 32 entries" and len(first) == 10
    assert {"text", "label", "unpruned votes", "pruned votes", "P(PIE)", "P(null)", "Gunning Fog"} <= set(first[0])
    assert {row["pruner"] for row in first} == {"IMP-FT", "MP-AI"}
    assert opened.execute_script("return document.querySelectorAll('img[alt^=unpruned]').length") == 1
    assert [entry for entry in opened.get_log("browser") if entry["level"] != "INFO"] == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = {event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"}
    assert page.as_uri() in asked
    # chrome: is the browser's own page, which it opens first.
    assert all(url.startswith(("data:", "blob:", "chrome:")) for url in asked - {page.as_uri()}), asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1300, 400])
def test_a_rendered_notebook_fits_the_screen_and_its_colours_can_be_read(opened, width, scheme):
    with screen(opened, width, scheme):
        texts, faint = contrast(opened)
        assert texts > 100 and not faint, faint[:3]
        assert opened.execute_script("return document.documentElement.scrollWidth - window.innerWidth") <= 0
        paper = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_click_sorts_and_a_third_brings_the_first_order_back(opened, study_folder):
    first, column = rows(opened), "length in tokens"
    lengths = sorted(explore.study_pies(study_folder)[column])
    heads = opened.find_elements("css selector", ".dt-scroll-head th")
    (head,) = [each for each in heads if each.text == column]
    for expected in (lengths[:10], lengths[:-11:-1], [int(row[column]) for row in first]):
        head.find_element("css selector", ".dt-column-order").click()
        until(opened, lambda expected=expected: [int(row[column]) for row in rows(opened)] == expected)
    assert rows(opened) == first


def test_the_search_leaves_the_rows_that_have_the_word(opened):
    # Three texts, each a PIE of both configurations.
    assert all("zebra" in row["text"] for row in search(opened, "zebra", 6))
    assert {row["pruner"] for row in search(opened, "zebra MP-AI", 3)} == {"MP-AI"}
    assert search(opened, "nowhere", 0) == []


def test_html_in_texts_is_shown_and_never_runs(opened):
    found = search(opened, "zebra IMP-FT", 3)
    assert {row["text"] for row in found} == set(ATTACKS)
    assert "<i>food</i>" in " ".join(row["label"] + row["pruned votes"] for row in found)
    assert opened.title != "executed"
    assert opened.execute_script("return document.querySelectorAll('td b, td i, td img, td script').length") == 0


def test_a_click_on_a_text_unfolds_it(opened):
    search(opened, "aardvark", 2)
    text = opened.find_element("css selector", ".dt-scroll-body .pielab-text")
    before = text.size["height"]
    text.click()
    until(opened, lambda: text.size["height"] > before)
