"""The first page of a report, what made it, and how it behaves in a browser."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from conftest import contrast, screen, until
from decompositions import bbc_news

from pielab.analysis import findings, results, tables
from pielab.report import figures, first_page, page, provenance, questions
from pielab.report.panels import PANELS
from pielab.store import paths
from pielab.store.paths import CONFIGURATION

PAIR = {"dataset": "bbc-news", "model": "bilstm"}


def rows(*settings, **columns):
    """A table of configurations of one pair."""
    table = pd.DataFrame(settings, columns=["pruner", "threshold"]).astype({"threshold": object})
    return table.assign(**PAIR, **columns)[[*CONFIGURATION, *columns]]


SETTINGS = [("IMP-FT", 50.0), ("IMP-FT", 90.0), ("Wanda", "2of4")]
SHARES = rows(*SETTINGS, seeds=8, examples=1000, pies_percent=5.0, models_per_side=4, null_percent=5.0).assign(
    halved_pies_percent=[5.5, 7.0, 12.25], excess_percent=[0.5, 2.0, 7.25], excess_low=-1.0, excess_high=10.0
)


def test_every_figure_and_table_has_one_question():
    asked = questions.QUESTIONS.values()
    assert sorted(kind for question in asked for kind in question.figures) == sorted(PANELS)
    assert sorted(name for question in asked for name in question.tables) == sorted(questions.TABLES)
    assert questions.NOTES.keys() <= questions.TABLES.keys() and set(first_page.FIGURES) <= PANELS.keys()


def test_what_was_studied_is_one_sentence():
    assert first_page.abstract(SHARES) == (
        "This study compares unpruned models with models compressed by IMP-FT and Wanda, in 3 configurations of bilstm "
        "on bbc-news (8 seeds, 1,000 test texts): which answers change, and is that more than retraining alone changes?"
    )
    control = rows(("control-FT", 0.0), seeds=7, examples=1000)
    assert "of bilstm on bbc-news (7 to 8 seeds, 1,000 test texts), and with controls" in first_page.abstract(
        pd.concat([control, SHARES])
    )
    assert first_page.abstract(control) == ""


def test_the_table_of_all_configurations_by_hand():
    effectiveness = rows(("unpruned", 0.0), *SETTINGS, metric="accuracy", mean=0.9, change=[0, 0.01, -0.02, -0.1])
    bought = effectiveness.assign(change_low=-0.2, change_high=0.1)
    changed = rows(*SETTINGS, quantity="changed", estimate=[0.5, 8.0, np.nan], low=0.25, high=9.0)
    found = {"effectiveness": effectiveness, "pie_shares": SHARES, "tradeoff": bought, "change": changed}
    table = first_page.overview(found | {"decomposition": bbc_news()}).set_index("configuration")
    assert table.loc["unpruned"].tolist() == ["0.900", *[""] * 7]
    expected = ["0.900", "-0.020 [-0.200, 0.100]", "7.0", "5.0", "2.0 [-1.0, 10.0]", "8.0 [0.2, 9.0]"]
    assert table.loc["IMP-FT at 90 %"].tolist() == [*expected, "0.6 [0.3, 0.9]", "0.008"]
    assert table.loc["Wanda at 2:4"].tolist()[-4:] == ["7.2 [-1.0, 10.0]", "not measured", "", ""]
    assert table.columns[0] == "accuracy" and "control-FT" in table.index
    # While a study runs, and of an earlier version, less is known.
    assert list(first_page.overview({"pie_shares": SHARES})) == [*("configuration", "PIEs, %", "null, %", "excess")]
    earlier = first_page.overview({"effectiveness": effectiveness, "pie_shares": SHARES[[*CONFIGURATION, "seeds"]]})
    assert earlier.columns[1:].tolist() == ["accuracy", "difference"] and earlier["difference"][2] == "-0.020"


def test_what_made_a_study_is_read_from_its_file_and_its_seeds(tmp_path):
    versions = {"pielab": "0.1.0", "torch": "2.13.0"}
    for seed, device in enumerate(("cpu", "cuda", "cpu")):
        folder = paths.seed(tmp_path / "bbc-news-bilstm/dense", seed)
        folder.mkdir(parents=True)
        record = PAIR | {"pruner": "unpruned", "threshold": 0.0, "seed": seed, "device": device, "versions": versions}
        (folder / "metrics.json").write_text(json.dumps(record))
    found = provenance.of_study(results.read(tmp_path))
    assert found["software"].to_dict("split")["data"] == [
        ["bbc-news", "bilstm", seeds, models, "pielab 0.1.0, torch 2.13.0", device, ""]
        for seeds, models, device in (("0,2", 2, "cpu"), ("1", 1, "cuda"))
    ]
    entry = {"params": "params/a.yaml", "pruners": {"IMP-FT": [50]}}
    params = {"params/a.yaml": {"dataset": "a", "limit": None}}
    config = {"study": "s", "results": "my results", "configurations": [entry], "params": params}
    paths.study_file(tmp_path).write_text(json.dumps(config))
    found = provenance.of_study(results.read(tmp_path))
    assert found["commands"][0] == "pielab study 'my results/s/study.yaml'"
    assert found["configurations"].startswith("study: s\n") and "dataset" not in found["configurations"]
    assert found["parameters"].to_dict("list") == {"parameter": ["dataset"], "params/a.yaml": ["a"]}
    # Of an earlier version, which held no params.
    paths.study_file(tmp_path).write_text(json.dumps({name: config[name] for name in ("study", "configurations")}))
    assert provenance.of_study(results.read(tmp_path)).keys() == {"commands", "configurations", "software"}


def test_citations_are_bibtex_of_the_software_and_the_paper():
    software, article = provenance.citations().values()
    assert "version = {0.1.0}" in software and "Tropeano, Pietro and Maistro, Maria and Ruotsalo" in article
    assert all(entry.count("{") == entry.count("}") and entry.endswith(",\n}") for entry in (software, article))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The page of a study with a name that is markup, and one figure."""
    folder = tmp_path_factory.mktemp("study") / "a <b> study"
    shares = SHARES.assign(dataset="<script>alert(1)</script>")
    for name, table in {"pie_shares": shares, "comparison": rows(*SETTINGS, seeds=8, mean=[0.9, 0.1, 0.5])}.items():
        tables.save(table, folder / "report", name)
    findings.write(findings.of_study(bbc_news()), folder / "report")
    cell = '<td style="background-color: #bfe6d8">1.0</td>'
    (folder / "report/tables/table_04.html").write_text(f"<table><tr><th>1</th>{cell}</tr></table>")
    figures.save(figures.pie_shares(SHARES), folder / "report" / "figures", "pie_shares")
    return page.write_index(folder)


def column(browser, table, number):
    return [cell.text for cell in browser.find_elements("css selector", f"{table} tbody td:nth-child({number})")]


@pytest.mark.parametrize("width", [1300, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_the_screen_and_its_colours_can_be_read(report, browser, width, scheme):
    with screen(browser, width, scheme):
        browser.get(report.as_uri())
        browser.find_element("css selector", "button[data-open=true]").click()
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        texts, faint = contrast(browser)
        assert texts > 100 and faint == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []


def test_a_column_sorts_by_its_numbers_with_mouse_and_keyboard(report, browser):
    browser.get(report.as_uri())
    assert column(browser, ".overview", 1) == ["IMP-FT at 50 %", "IMP-FT at 90 %", "Wanda at 2:4"]
    header = browser.find_elements("css selector", ".overview th")[3]
    header.find_element("tag name", "button").send_keys("\ue007")
    assert header.get_attribute("aria-sort") == "ascending"
    header.find_element("tag name", "button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert column(browser, ".overview", 4) == ["7.2 [-1.0, 10.0]", "2.0 [-1.0, 10.0]", "0.5 [-1.0, 10.0]"]
    browser.find_element("css selector", ".overview th button").click()
    assert column(browser, ".overview", 1)[0] == "IMP-FT at 50 %" and header.get_attribute("aria-sort") is None


def test_a_link_opens_what_is_folded_and_nothing_is_markup(report, browser):
    opened = "return [...document.querySelectorAll('details.fold[open] h2')].map(heading => heading.id)"
    browser.get(report.as_uri())
    assert browser.execute_script(opened) == [] and browser.title.startswith("a <b> study")
    assert browser.execute_script("return document.querySelectorAll('script').length") == 1
    browser.find_element("link text", "The paper's number").click()
    until(browser, lambda: browser.execute_script(opened) == ["pie_shares"])
    browser.get("about:blank")
    browser.get(report.as_uri() + "#cite")
    until(browser, lambda: browser.execute_script(opened) == ["cite"])
    buttons = browser.find_elements("css selector", "button[data-open]")
    buttons[0].click()
    assert len(browser.execute_script(opened)) == len(browser.find_elements("css selector", "details.fold"))
    buttons[1].click()
    assert browser.execute_script(opened) == []
    # As find-in-page does, a link to words opens the part that has them.
    browser.get("about:blank")
    browser.get(report.as_uri() + "#:~:text=Ruotsalo")
    until(browser, lambda: browser.execute_script(opened) == ["cite"])
    levels = [int(heading.tag_name[1]) for heading in browser.find_elements("css selector", "h1, h2, h3, h4")]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert browser.execute_script("return [...document.images].filter(image => !image.alt).length") == 0
