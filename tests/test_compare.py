"""The command pielab compare, as a user runs it: two files in, a page out."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import contrast, refused, screen, until

from pielab.commands import compare

DOCUMENT = Path(__file__).parents[1] / "docs" / "bring-your-own.md"
ATTACK = "<script>document.title = 'executed'</script>"
IMAGE = "<img src=x onerror=\"document.title = 'executed'\">"
CLASSES = ["neg", "neu", IMAGE]


def write(path, seed, texts=60, lean=0.0, rows=None, **more):
    """Logits and answers of a made model, a line for each text; the texts "late" lean towards the first class."""
    random = np.random.default_rng(seed)
    places = np.arange(texts)
    logits = 2 * np.eye(3)[places % 3] + random.normal(size=(texts, 3))
    logits += lean * (places >= texts / 2)[:, None] * np.eye(3)[0]
    frame = pd.DataFrame(
        {
            "id": [f"{ATTACK} {place}" for place in places],
            "logits": logits.tolist(),
            "prediction": [CLASSES[place] for place in logits.argmax(axis=1)],
            "label": [CLASSES[place % 3] for place in places],
            "text": [f"{IMAGE} text {place} aardvark" for place in places],
            "part": np.where(places >= texts / 2, f"late {ATTACK}", "early"),
        }
    )
    frame.sample(frac=1, random_state=seed).head(rows).to_json(path, orient="records", lines=True)
    return str(path)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A file before and one after, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "before & <b>.jsonl", 0), write(tmp_path / "after.jsonl", 1, lean=2)


def run(*arguments):
    assert compare.main(list(map(str, arguments))) == 0


def sides(files):
    return ["--before", files[0], "--after", files[1]]


def test_two_files_in_a_page_out(files, tmp_path):
    command = [sys.executable, "-m", "pielab", "compare", *sides(files), "--group", "part", "--csv", "texts.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    first, *_, last = done.stdout.splitlines()
    assert last == "page: comparison.html" and not done.stderr
    table = pd.read_csv(tmp_path / "texts.csv")
    changed = int((table["before"] != table["after"]).sum())
    assert first.startswith(f"{changed} of 60 answers changed: {100 * changed / 60:.2f} % (95 % interval ")
    page = (tmp_path / "comparison.html").read_text()
    assert first in page and "There is one run of each model" in page
    assert not list(tmp_path.glob(".partial-*"))


def test_a_mistake_is_one_sentence_and_nothing_is_written(files, tmp_path):
    command = [
        sys.executable,
        "-m",
        "pielab",
        "compare",
        "--before",
        files[0],
        "--after",
        files[0],
        "--csv",
        "texts.csv",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert not done.stdout and len(list(tmp_path.iterdir())) == 2


def test_neither_the_page_nor_the_help_needs_torch(files):
    code = f"""
import contextlib, sys
from pielab.commands import compare
with contextlib.suppress(SystemExit):
    compare.main(["--help"])
assert not {{"pandas", "scipy", "matplotlib"}} & set(sys.modules)
compare.main({sides(files)!r} + ["--group", "part"])
assert not {{"torch", "transformers"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_numbers_as_json_are_alone_on_stdout(files, capsys):
    run(*sides(files), "--json")
    numbers = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert numbers["texts"] == 60 and numbers["runs"] == {"before": 1, "after": 1}
    assert numbers["changes"][0]["estimate"] == pytest.approx(100 * numbers["changed_texts"] / 60)
    assert numbers["changes"][0]["another_before"] is None and numbers["classes"] == sorted(CLASSES)


@pytest.mark.parametrize("runs", [2, 6])
def test_several_runs_are_beside_what_another_run_changes(tmp_path, capsys, runs):
    before = [write(tmp_path / f"before-{run}.jsonl", run) for run in range(runs)]
    after = [write(tmp_path / f"after-{run}.jsonl", 100 + run, lean=3) for run in range(runs)]
    run("--before", *before, "--after", *after, "--group", "part", "--out", tmp_path / "page.html")
    out = capsys.readouterr().out
    assert out.startswith("A run after differs from its run before on ") and f"mean of {runs} pairs of runs" in out
    assert "two runs before on" in out and "two runs after on" in out and ("(PIEs)" in out) == (runs == 6)
    assert ("the model changed (exact p = 0.0" in out) == (runs == 6)
    assert ("a test needs 6 runs a side" in out) == ("Groups are not tested" in out) == (runs == 2)
    assert (f"Texts of the group late {ATTACK} changed" in out) == (runs == 6)
    page = (tmp_path / "page.html").read_text()
    assert page.index("before-1.jsonl<div") < page.index("after-1.jsonl<div")


def test_sides_of_unequal_size_are_compared_without_pairs(files, tmp_path, capsys):
    third = write(tmp_path / "third.jsonl", 3)
    run("--before", files[0], third, "--after", files[1], "--group", "part")
    out = capsys.readouterr().out
    assert "Groups are compared where there are as many runs after as before." in out
    assert "mean of all 2 pairs of runs" in out and "two runs after" not in out
    assert "different numbers of runs" in (tmp_path / "comparison.html").read_text()


def test_texts_that_are_left_out_are_counted(tmp_path, files, capsys):
    fewer = write(tmp_path / "fewer.jsonl", 4, rows=50)
    run("--before", files[0], "--after", fewer, "--common")
    sentence = "10 texts that not every file has were left out (--common)."
    assert sentence in capsys.readouterr().out and sentence in (tmp_path / "comparison.html").read_text()


def test_nothing_changed_is_a_page_too(tmp_path, files, capsys):
    frame = pd.read_json(files[0], lines=True)[["id", "prediction"]]
    frame.to_csv(tmp_path / "same.csv", index=False)
    run("--before", files[0], "--after", tmp_path / "same.csv")
    assert capsys.readouterr().out.startswith("0 of 60 answers changed: 0.00 % (95 % interval 0.00 to 5.96).")
    assert "No answer changed." in (tmp_path / "comparison.html").read_text()


def test_one_text_and_one_class_are_a_page_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.jsonl").write_text('{"id": 1, "logits": [1.0, -2.0]}')
    (tmp_path / "other.jsonl").write_text('{"id": "1", "logits": [1.0, -1.0], "group": "x", "label": 0}')
    run("--before", "one.jsonl", "--after", "other.jsonl", "--group", "group")
    assert "0 of 1 answer changed: 0.00 % (95 % interval 0.00 to 97.50)." in capsys.readouterr().out


def test_only_own_output_is_overwritten(files, tmp_path):
    run(*sides(files), "--csv", "texts.csv")
    run(*sides(files), "--csv", "texts.csv")
    (tmp_path / "mine.html").write_text("<html>")
    (tmp_path / "mine.csv").write_text("id,text\n")
    for option, path in (("--out", "mine.html"), ("--csv", "mine.csv"), ("--out", files[0]), ("--csv", tmp_path)):
        with refused("not-overwritten", "another name", str(path)):
            compare.main([*sides(files), option, str(path)])
    with refused("outputs-in-one-file", "a file of its own", "new"):
        compare.main([*sides(files), "--out", "new", "--csv", "new"])
    assert (tmp_path / "mine.csv").read_text() == "id,text\n" and not (tmp_path / "new").exists()


def test_a_page_of_many_changed_texts_holds_the_surest_thousand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts = 3000
    answers = np.arange(texts) % 2
    for name, ids in (("before", answers), ("after", 1 - answers)):
        logits = np.linspace(0.1, 5, texts)[:, None] * (2 * np.eye(2)[ids] - 1)
        pd.DataFrame({"id": np.arange(texts), "logits": logits.tolist()}).to_parquet(f"{name}.parquet")
    run("--before", "before.parquet", "--after", "after.parquet")
    page = (tmp_path / "comparison.html").read_text()
    assert "1,000 of 3,000 texts" in page
    assert '[\\"2999\\"' in page and '[\\"2000\\"' in page and '[\\"1999\\"' not in page


def test_the_page_works_in_a_browser_and_runs_nothing_of_the_files(files, tmp_path, browser):
    from selenium.webdriver.common.by import By

    run(*sides(files), "--group", "part")
    browser.get((tmp_path / "comparison.html").as_uri())
    rows = "table.dataTable tbody tr"
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, rows)) == 10)
    assert browser.title == "What changed?"
    shown = browser.find_element(By.TAG_NAME, "body").text
    assert "before & <b>.jsonl" in shown and ATTACK in shown and IMAGE in shown
    assert all(image.get_property("naturalWidth") for image in browser.find_elements(By.TAG_NAME, "img"))
    search = browser.find_element(By.CSS_SELECTOR, "input[type=search]")
    search.send_keys("text 30 ")
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, rows)) < 10)
    for width, scheme in itertools.product((1300, 400), ("light", "dark")):
        with screen(browser, width, scheme):
            texts, faint = contrast(browser)
            assert texts > 50 and not faint, (width, scheme, faint[:3])
            assert browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert browser.title == "What changed?"


def test_the_documents_show_what_their_example_prints(tmp_path, monkeypatch, capsys):
    text = DOCUMENT.read_text()
    (example,), (shown,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("py", "console"))
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    command, _, printed = shown.partition("\n")
    run(*command.removeprefix("$ pielab compare ").split())
    assert capsys.readouterr().out == printed
    assert shown in (DOCUMENT.parents[1] / "README.md").read_text()


def test_the_page_does_without_itables(files, tmp_path, monkeypatch):
    """It comes with the extra "study" alone."""
    monkeypatch.setitem(sys.modules, "pielab.report.data_table", None)
    monkeypatch.delattr("pielab.report.data_table", raising=False)
    run(*sides(files))
    page = (tmp_path / "comparison.html").read_text()
    assert page.count(" aardvark</td>") > 10 and "&lt;script&gt;" in page and "<script" not in page


def test_sets_of_labels_in_a_page_out(tmp_path, capsys):
    random = np.random.default_rng(0)
    gold = random.random((120, 3)) < 0.4
    for name, share in {"before": 0.05, "after": 0.3}.items():
        given = gold ^ (random.random(gold.shape) < share)
        rows = {key: [[*np.array(CLASSES)[row]] for row in sets] for key, sets in (("answer", given), ("label", gold))}
        frame = pd.DataFrame({"id": range(120)} | rows)
        frame.to_json(tmp_path / f"{name}.jsonl", orient="records", lines=True)
        frame.map(lambda cell: "|".join(cell) if isinstance(cell, list) else cell).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    out = []
    for after, options in (("after.jsonl", []), ("after.csv", ["--separator", "|"])):
        sides = ["--before", tmp_path / "before.jsonl", "--after", tmp_path / after]
        run(*sides, *options, "--out", tmp_path / "page.html")
        out.append(capsys.readouterr().out)
    assert out[0] == out[1] and "An answer is the set of a text's labels, and changed if any of them did" in out[0]
    html = (tmp_path / "page.html").read_text()
    assert "Texts that lost or gained a label" in html and "Labels gained and lost" in html and "&lt;img src=x" in html
    assert IMAGE not in html and "Texts by their answer before" not in html


def test_a_group_that_gains_less_is_not_said_to_lose(tmp_path, capsys):
    texts = 400
    part, label = np.where(np.arange(texts) % 2, "late", "early"), np.full(texts, "a")
    before = np.where(np.arange(texts) % 4 < 2, "b", "a")
    after = np.where((part == "late") & (np.arange(texts) % 20 > 1), before, "a")
    for name, answer in {"before": before, "after": after}.items():
        frame = pd.DataFrame({"id": range(texts), "answer": answer, "label": label, "part": part})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    sides = ["--before", tmp_path / "before.csv", "--after", tmp_path / "after.csv"]
    run(*sides, "--group", "part", "--out", tmp_path / "page.html")
    out = capsys.readouterr().out
    assert (
        "Texts of the group late gained " in out
        and "points less accuracy than the others" in out
        and " lost " not in out
    )
