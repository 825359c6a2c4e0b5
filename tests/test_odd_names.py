"""Names of data sets, columns and classes that HTML, LaTeX or a figure could take for something else."""

import ast
import json
import re
import warnings
from xml.dom import minidom

import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import COLUMNS, PROJECT, make_texts, until
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.text import Text

from pielab.progress import Progress
from pielab.report import explore, figures, paper, style

ATTACK = "<img src=x onerror=\"document.title = 'executed'\">"
CLASSES = {"animals": f"{ATTACK}a", "food": "$x_1^$ % & # { } ~ ^ \\ _", "weather": "天气 الطقس 🌧 \u202eback\n\nline"}
LATEX = re.compile(r"(?<!\\)[%$#_{}]|\\(?![%&$#_{}\\]|text\w+|space)|[~^]")


def shown(notebook: str, values: dict) -> list[str]:
    """The HTML of what the cells of a notebook display, run in this process with these parameters."""
    parts: list[str] = []

    def display(*values, **options):
        parts.extend(getattr(value, "_repr_html_", lambda: None)() or "" for value in values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", display)
        patch.setattr(explore, "display", display)
        for cell in json.loads((PROJECT / "notebooks" / f"{notebook}.ipynb").read_text())["cells"]:
            if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", []):
                body = ast.parse("".join(cell["source"])).body
                last = body.pop().value if isinstance(body[-1], ast.Expr) else ast.parse("None", mode="eval").body
                exec(compile(ast.Module(body, []), notebook, "exec"), values)
                display(eval(compile(ast.Expression(last), notebook, "eval"), values))
    return parts


@pytest.fixture(scope="module")
def study(tmp_path_factory, vectors_file):
    """A study of such names, and the HTML of what all its notebooks display."""
    root = tmp_path_factory.mktemp("odd")
    frame = make_texts(180).replace({"label": CLASSES})
    file = root / f"{ATTACK}.csv"
    frame.rename(columns={"text": f"text {ATTACK}", "label": f"label {ATTACK}"}).to_csv(file, index=False)
    values = COLUMNS | {"study": "odd", "results": str(root / "results"), "dataset": str(file), "model": "bilstm"}
    values |= {"text": f"text {ATTACK}", "label": f"label {ATTACK}", "word_vectors": vectors_file, "max_tokens": 8}
    values |= {"epochs": 1, "batch_size": 16, "learning_rate": 5e-3, "seeds": "0-3", "device": "cpu"}
    values |= {"pruner": "IMP-FT", "threshold": 99, "n_splits": 20, "n_bootstrap": 20, "bins": 5}
    values |= {"trials": 2, "epochs_range": 1, "batch_sizes": [16, 32], "learning_rate_range": 5e-3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the made texts have one length and no difficult word
        notebooks = sorted((PROJECT / "notebooks").glob("*.ipynb"))
        parts = [part for path in notebooks for part in shown(path.stem, dict(values))]
    return root / "results" / "odd", "\n".join(parts)


def test_names_are_escaped_in_every_notebook_and_page(study):
    folder, html = study
    assert "<img src=x" not in html and html.count("&lt;img src=x") > 10
    pages = [*folder.glob("report/*.html"), *folder.glob("report/tables/*.html")]
    assert len(pages) > 5 and [path for path in pages if "<img src=x" in path.read_text(encoding="utf-8")] == []


def test_no_name_runs_in_a_browser(study, browser, tmp_path):
    folder, html = study
    (tmp_path / "all.html").write_text(f'<meta charset="utf-8">{html}', encoding="utf-8")
    menus = []
    for page in (tmp_path / "all.html", folder / "report" / "index.html"):
        browser.get(page.as_uri())
        # The table of 07 has menus of its values; below it is another copy of its head, which is hidden.
        for button in browser.find_elements("css selector", ".dtcc-button"):
            if button.is_displayed():
                browser.execute_script("arguments[0].click()", button)
                until(browser, lambda: browser.find_elements("css selector", ".dtcc-dropdown"))
                menus.append(browser.find_element("css selector", ".dtcc-dropdown").text)
                browser.execute_script("document.body.click()")
        assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0
        # Of all of the page, because a part of it is folded.
        text = browser.find_element("tag name", "body").get_property("textContent")
        assert browser.title != "executed" and "<img src=x" in text
    assert len(menus) == 5 and any("<img src=x" in menu for menu in menus), menus


def test_every_table_of_a_notebook_escapes_its_texts():
    for path in (PROJECT / "notebooks").glob("*.ipynb"):
        code = [
            "".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"
        ]
        assert [line for line in "\n".join(code).splitlines() if ".style" in line and 'escape="html"' not in line] == []


def test_progress_is_text():
    assert "<b>" not in Progress("<b>", 1)._repr_html_()


@pytest.mark.parametrize("name", [ATTACK, CLASSES["food"], "天气", r"\input{x}", "a_b", "x" * 300])
def test_names_in_tables_of_the_paper_are_text(name):
    index = pd.MultiIndex.from_tuples([(name, name)], names=["model", "dataset"])
    styler = pd.DataFrame([[name, 0.5]], index=index, columns=[name, "train"]).style.format(precision=1)
    row = next(line for line in paper.latex(styler.set_caption("c"), "t").splitlines() if "0.5" in line)
    names = [cell.strip() for cell in row.removesuffix(r"\\").split(" & ")]
    assert len(names) == 4 or r"\&" in row
    assert not LATEX.search(row.removesuffix(r"\\"))
    assert name not in paper.labelled(styler).to_html() or not set("<&") & set(name)


def labelled(names):
    """Figures with these names of classes: those that draw names."""
    votes = pd.DataFrame({"class": names, "unpruned": 1, "pruned": 2, "label": True})
    columns = {"dataset": names[0], "model": names[-1], "pruner": "MP-AI", "threshold": 90.0, "pies": 4}
    shares = {"percent": 9.0, "pies_percent": 8.0, "halved_percent": 8.0, "null_percent": 3.0}
    shares |= {"more": 5.0, "more_low": 4.0, "more_high": 6.0}
    classes = pd.DataFrame({"class": names, "rank": np.arange(len(names)) + 1}).assign(**columns, **shares)
    losses = pd.DataFrame({"seed": [0, 0], "epoch": [1, 2], "loss": [1.0, 0.5]})
    return [
        figures.votes(votes, "MP-AI"),
        figures.classes(classes),
        figures.losses(losses, f"{names[0]} on {names[-1]}"),
    ]


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text)]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("$5", "$5"),
        ("$x_1^$", "$x_1^$"),
        (r"\frac{", r"\frac{"),
        ("a\n\nb\tc", "a b c"),
        ("a\x08\x00b", "ab"),
        ("\u202eback\u2067", "back"),
        ("zero\u200bwidth", "zero\u200bwidth"),
        ("الطقس", "الطقس"),
        ("天气 🌧", "□□ □"),
        ("n" * 3000, ""),
        (ATTACK, ""),
    ],
)
def test_a_figure_shows_a_name_as_it_is_and_on_one_line(name, drawn, tmp_path, monkeypatch):
    own = [font for font in font_manager.fontManager.ttflist if font.fname.startswith(matplotlib.get_data_path())]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    style._other_fonts.cache_clear()
    for place, figure in enumerate(labelled([name, "b"])):
        figures.save(figure, tmp_path, f"figure-{place}")
        minidom.parse(str(tmp_path / f"figure-{place}.svg"))
        assert any(drawn in text for text in texts(figure)) or len(name) > 28, texts(figure)
        assert sum("no font of this system" in text for text in texts(figure)) == ("□" in drawn)
    style._other_fonts.cache_clear()


def test_a_long_name_loses_its_middle():
    assert style.short("n" * 40) == "n" * 40
    assert style.short("a" * 26 + "n" * 3000 + "z" * 12) == "a" * 26 + "…" + "z" * 12


def test_a_script_that_a_font_of_the_system_has_is_drawn_with_it(tmp_path, monkeypatch):
    font = FontBuilder(1000, isTTF=True)
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0)), pen.lineTo((500, 0)), pen.lineTo((0, 500)), pen.closePath()
    font.setupGlyphOrder([".notdef", "sky"])
    font.setupCharacterMap({ord("天"): "sky"})
    font.setupGlyf(dict.fromkeys([".notdef", "sky"], pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys([".notdef", "sky"], (600, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": "One Chinese Letter", "styleName": "Regular"})
    font.setupOS2(), font.setupPost()
    font.save(tmp_path / "one.ttf")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(tmp_path / "one.ttf")
    style._other_fonts.cache_clear()
    for place, figure in enumerate(labelled(["天", "b"])):
        figures.save(figure, tmp_path, f"figure-{place}")
        (family,) = {tuple(text.get_fontfamily()) for text in figure.findobj(Text) if "天" in text.get_text()}
        assert family[-1] == "One Chinese Letter" and not any("no font" in text for text in texts(figure))
    style._other_fonts.cache_clear()
