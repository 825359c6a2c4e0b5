"""The documentation as a site: it is built from the pages, and what a browser shows of it."""

import importlib.util
import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import contrast, screen, until

PROJECT = Path(__file__).parents[1]
PAGES = [
    *("index", "start", "questions", "own-data", "own-methods", "cluster", "messages", "files", "null"),
    *("generated/gallery", "generated/api", "generated/api-analysis"),
]
# What a stranger asks, and what the page that he is led to says.
QUESTIONS = {
    "What is a PIE": "the majority vote of N pruned models differs",
    "How many seeds": "Four give an interval",
    "my own CSV": "pielab new reviews.csv",
    "my own pruner": "module:function",
    "a cluster": "Each notebook is a SLURM job of its own",
    "What does this error mean": "out-of-memory",
}
HEADINGS = "return [...document.querySelectorAll('h1, h2, h3, h4, h5')].map(heading => +heading.tagName[1])"
IMAGES = "return [...document.images].filter(image => !image.alt || !image.naturalWidth).map(image => image.outerHTML)"


def pages_module():
    spec = importlib.util.spec_from_file_location("pages", PROJECT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_arguments_of_a_docstring_become_a_list():
    lines = ["|w| of x.", "", "x, y: two `*a` things", "    that go on. z: more.", "w: one.", "", "Raises nothing."]
    pages_module().as_restructured_text(lines)
    assert lines == [
        *(r"\|w\| of x.", ""),
        *("", "- **x, y**: two `*a` things", "  that go on. z: more.", "", "- **w**: one."),
        *("", "Raises nothing."),
    ]


def test_the_gallery_has_every_figure_of_the_notebooks_with_its_call(tmp_path):
    text = pages_module().gallery(tmp_path)
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert {"weights", "half_split", "decomposition", "change", "classes", "el2n", "scores"} <= drawn
    for name in drawn:
        assert f"## {name}\n" in text and f"({name}.png)" in text
    assert 'page.show(study_results, "classes")' in text and "pielab.figures.half_split()" in text


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "--conf-dir", "docs"]
    done = subprocess.run([*command, ".", str(folder)], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_can_be_read_by_anybody_without_network(site, browser):
    notebooks = [f"notebooks/{path.stem}" for path in sorted((PROJECT / "notebooks").glob("0*.ipynb"))]
    browser.get_log("browser"), browser.get_log("performance")
    for name in [*(f"docs/{page}" for page in PAGES), *notebooks]:
        browser.get((site / f"{name}.html").as_uri())
        levels = browser.execute_script(HEADINGS)
        assert levels[0] == 1 and levels.count(1) == 1, name
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), (name, levels)
        assert browser.execute_script(IMAGES) == [], name
        for width, scheme in ((1300, "light"), (400, "dark")):
            with screen(browser, width, scheme):
                texts, faint = contrast(browser)
                assert texts and not faint, (name, scheme, faint[:3])
                wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
                assert wide <= 0, (name, width)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert asked and not [url for url in asked if url.startswith("http")]


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_in_one_click(site, browser, question):
    browser.get((site / "index.html").as_uri())
    until(browser, lambda: browser.find_elements("css selector", "article h1"))
    (row,) = [row for row in browser.find_elements("css selector", "article tr") if question in row.text]
    browser.get(row.find_element("tag name", "a").get_attribute("href"))
    until(browser, lambda: QUESTIONS[question] in browser.find_element("css selector", "article").text)


@pytest.mark.slow
def test_the_search_finds_a_page_without_a_server(site, browser):
    browser.get((site / "search.html").as_uri() + "?q=control")
    until(browser, lambda: browser.find_elements("css selector", "#search-results li a"))
    found = [link.text for link in browser.find_elements("css selector", "#search-results li a")]
    assert "Questions" in found or any("control" in text.lower() for text in found)
