"""The state of a study that runs, from files as its jobs leave them."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import contrast, screen, until

from pielab.config import study
from pielab.errors import PielabError
from pielab.jobs import notebook_state, status
from pielab.store import paths

PROJECT = Path(__file__).parents[1]
PAIR = "bbc-news-bilstm"
NOTEBOOKS = [
    f"{PAIR}/dense/01_train.ipynb",
    *(f"{PAIR}/{each}-90/{name}.ipynb" for each in ("IMP-FT", "MP-AI") for name in ("02_prune", "03_pies")),
    f"{PAIR}/04_el2n.ipynb",
    f"{PAIR}/05_readability.ipynb",
    "report/06_report.ipynb",
    "report/07_explore.ipynb",
]
TRAIN, PRUNE = NOTEBOOKS[:2]
SHARES = "dataset,model,pruner,threshold,seeds,examples,pies_percent\n"
FAULT = "the disk of <results> is full & nothing was written: free some of it"


@pytest.fixture
def study_folder(tmp_path):
    """The smoke study without its control, of one unpruned and two pruned configurations of two seeds each, before
    anything has run.
    """
    folder = tmp_path / "smoke"
    smoke = (PROJECT / "params/studies/smoke.yaml").read_text()
    put(folder / "study.yaml", smoke.replace("device: cpu", "device: cpu\n    controls: false"))
    return folder


def put(path, text="{}"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def train(folder, configuration, *seeds):
    for seed in seeds:
        put(paths.seed(folder / configuration, seed) / "metrics.json")


def run(folder, name, age=0.0, **changes):
    record = {"host": "node7", "pid": 12, "job": "4711", "started": time.time() - 3600} | changes
    put(paths.log(folder, folder / name))
    put(paths.fault(folder, folder / name), "")
    path = put(paths.run_record(folder, folder / name), json.dumps(record))
    os.utime(path, (time.time() - age,) * 2)
    return path


def fail(folder, name, failure=FAULT):
    run(folder, name, failed=2000.0, kind="PielabError", failure=failure, retry=False)
    put(paths.fault(folder, folder / name), f"error: {name} did not finish: PielabError: {failure}\n  read the log\n")


def finish(folder, *names):
    for name in names:
        put(folder / name)


def notebooks(folder):
    return {each.path: each for row in notebook_state.read(folder) for each in row.notebooks}


def linked(page):
    return re.findall(r'(?:href|src)="([^"#]+)"', page.read_text(encoding="utf-8"))


def test_a_study_that_has_not_begun_waits(study_folder):
    rows = notebook_state.read(study_folder)
    assert [row.folder for row in rows] == [f"{PAIR}/dense", f"{PAIR}/IMP-FT-90", f"{PAIR}/MP-AI-90", PAIR, "report"]
    assert [row.threshold for row in rows] == ["", "90 %", "90 %", "", ""]
    assert [each.path for row in rows for each in row.notebooks] == NOTEBOOKS
    assert {row.state for row in rows} == {"waiting"}
    counts = dict.fromkeys(notebook_state.SYMBOLS, 0) | {"waiting": 9, "notebooks": 9, "seeds": 0, "seeds_asked": 6}
    assert notebook_state.count(rows) == counts


def test_a_notebook_runs_while_it_shows_signs_of_life(study_folder):
    run(study_folder, TRAIN, age=60, started=1000.0)
    found = notebooks(study_folder)[TRAIN]
    assert (found.state, found.where, found.since) == ("running", "node7, SLURM job 4711", 1000.0)
    assert found.read == f"logs/{TRAIN}"
    # Run once more, it is not done yet.
    finish(study_folder, TRAIN)
    assert notebooks(study_folder)[TRAIN].state == "running"


def test_a_notebook_whose_process_on_this_machine_has_ended_was_stopped(study_folder):
    ended = subprocess.Popen(["true"])
    ended.wait()
    run(study_folder, TRAIN, host=socket.gethostname(), pid=ended.pid)
    assert notebooks(study_folder)[TRAIN].state == "stopped"
    run(study_folder, TRAIN, host=socket.gethostname(), pid=os.getpid())
    assert notebooks(study_folder)[TRAIN].state == "running"


def test_a_notebook_without_a_sign_of_life_was_stopped(study_folder):
    last = run(study_folder, TRAIN, age=120, job=None).stat().st_mtime
    found = notebooks(study_folder)[TRAIN]
    assert (found.state, found.where, found.since) == ("stopped", "node7", last)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"failure": 3, "failed": "y"}', '{"started": "x", "host": 5}']
    + [json.dumps({"host": socket.gethostname()} | more) for more in ({}, {"pid": "x", "started": 1})],
)
def test_a_sign_of_life_may_be_damaged(study_folder, text):
    run(study_folder, TRAIN)
    put(paths.run_record(study_folder, study_folder / TRAIN), text)
    found = notebooks(study_folder)[TRAIN]
    assert (found.state, found.where) == ("running", "") and abs(found.since - time.time()) < 60


def test_a_notebook_that_failed_gives_its_sentence_and_is_read_as_its_page(study_folder):
    fail(study_folder, TRAIN)
    found = notebooks(study_folder)[TRAIN]
    assert (found.state, found.fault, found.read, found.since) == ("failed", FAULT, f"logs/{TRAIN}", 2000.0)
    assert found.fault_file == f"logs/{PAIR}/dense/01_train.txt"
    page = put(paths.log(study_folder, study_folder / TRAIN).with_suffix(".html"))
    assert notebooks(study_folder)[TRAIN].read == page.relative_to(study_folder).as_posix()
    finish(study_folder, TRAIN)
    assert notebooks(study_folder)[TRAIN].state == "done"


def test_what_an_earlier_version_left_is_understood(study_folder):
    log, text = (name(study_folder, study_folder / TRAIN) for name in (paths.log, paths.fault))
    put(log)
    put(text, f"error: x.ipynb did not finish: PielabError: {FAULT}\n  read the log")
    found = notebooks(study_folder)[TRAIN]
    assert (found.state, found.read, found.since) == ("failed", f"logs/{TRAIN}", text.stat().st_mtime)
    assert found.fault == f"error: x.ipynb did not finish: PielabError: {FAULT}"
    text.write_text("")  # it began again
    running = put(log.with_suffix(".running"), json.dumps({"host": "node7", "pid": 12, "job": None, "started": 1.0}))
    found = notebooks(study_folder)[TRAIN]
    assert (found.state, found.where, found.since) == ("running", "node7", 1.0)
    os.utime(running, (time.time() - 200,) * 2)
    assert notebooks(study_folder)[TRAIN].state == "stopped"
    running.unlink()  # the disk was too full to tell of the failure
    assert notebooks(study_folder)[TRAIN].state == "stopped"


def test_the_empty_file_that_snakemake_makes_is_no_fault(study_folder):
    put(paths.fault(study_folder, study_folder / TRAIN), "")
    assert notebooks(study_folder)[TRAIN].state == "waiting"


def test_a_finished_notebook_is_read_as_its_page_unless_that_is_older(study_folder):
    finish(study_folder, TRAIN)
    assert notebooks(study_folder)[TRAIN].read == TRAIN
    page = put((study_folder / TRAIN).with_suffix(".html"))
    assert notebooks(study_folder)[TRAIN].read == TRAIN.replace(".ipynb", ".html")
    os.utime(page, (1, 1))
    assert notebooks(study_folder)[TRAIN].read == TRAIN


def test_only_whole_seeds_that_are_asked_for_count(study_folder):
    train(study_folder, f"{PAIR}/dense", 0, 1, 7)
    train(study_folder, f"{PAIR}/MP-AI-90", 1)
    put(study_folder / PAIR / "IMP-FT-90/seeds/.partial-00/metrics.json")
    train(study_folder, f"{PAIR}/RP-AI-50", 0, 1)  # taken out of the study
    rows = notebook_state.read(study_folder)
    assert [row.seeds for row in rows] == [(2, 2), (0, 2), (1, 2), (0, 0), (0, 0)]
    assert notebook_state.count(rows)["seeds"] == 3


def test_parts_of_a_configuration_are_told_of_until_it_is_done(study_folder):
    def part(seeds):
        return PRUNE.replace("02_prune", f"parts/{seeds}/02_prune")

    config = yaml.safe_load((study_folder / "study.yaml").read_text())
    config["configurations"][0] |= {"seeds": "0-14", "seeds_per_job": 5}
    put(study_folder / "study.yaml", yaml.safe_dump(config))
    finish(study_folder, part("0-4"))
    run(study_folder, part("10-14"))
    fail(study_folder, part("5-9"))
    fail(study_folder, part("0-4"))
    rows = notebook_state.read(study_folder)
    told = [(each.name, each.state) for each in rows[1].notebooks]
    failed, running = ("02_prune, seeds 5-9", "failed"), ("02_prune, seeds 10-14", "running")
    assert told == [failed, running, ("02_prune", "waiting"), ("03_pies", "waiting")]
    counts = notebook_state.count(rows)
    assert (counts["notebooks"], counts["failed"], counts["running"], counts["done"]) == (9, 1, 1, 0)
    finish(study_folder, PRUNE)
    assert [each.state for each in notebook_state.read(study_folder)[1].notebooks] == ["done", "waiting"]


def test_the_page_links_each_notebook_and_escapes_what_went_wrong(study_folder):
    finish(study_folder, TRAIN, PRUNE)
    put((study_folder / TRAIN).with_suffix(".html"))
    fail(study_folder, NOTEBOOKS[2])
    run(study_folder, NOTEBOOKS[3])
    run(study_folder, NOTEBOOKS[4], age=3600)
    page = status.page(study_folder)
    assert page == study_folder / "report/index.html"
    links = linked(page)
    assert all((page.parent / link).exists() for link in links)
    expected = {f"../{PAIR}/dense/01_train.html", f"../{PRUNE}", *(f"../logs/{name}" for name in NOTEBOOKS[2:5])}
    expected |= {f"../logs/{PAIR}/IMP-FT-90/03_pies.txt"}
    assert set(links) == expected
    text = page.read_text(encoding="utf-8")
    assert "the disk of &lt;results&gt; is full &amp; nothing" in text and "<results>" not in text
    assert text.count("<script") == 1 and "http:" not in text and "https:" not in text
    assert '<meta http-equiv="refresh" content="60">' in text
    for state, number in {"failed": 1, "stopped": 1, "running": 1, "waiting": 4, "done": 2}.items():
        assert f"{number} {state}</span>" in text
    assert "0 of 6" in text and "2 of 9" in text and "node7, SLURM job 4711" in text
    assert text.index("the disk of") < text.index("Every configuration")
    # There is nothing of a report yet.
    assert re.findall('<h2 id="(.+?)"', text) == ["failed", "stopped", "running", "configurations"]


def test_below_the_progress_is_what_there_is_of_a_report(study_folder):
    tables = study_folder / "report/tables"
    put(tables / "pie_shares.csv", f"{SHARES}<topics>,m,RP-AI,50,3,9,1.26\n<topics>,m,RP-AI,70,4,9,2\n")
    page = status.page(study_folder).read_text(encoding="utf-8")
    assert re.findall('<h2 id="(.+?)"', page) == ["configurations", "overview", "pie_shares", "cite"]
    assert "Here N is 3 to 4" in page and "<td>1.3</td>" in page and "&lt;topics&gt;" in page
    put(tables / "pie_examples.csv", "text,label,unpruned votes,pruned votes,P(PIE),P(null),model,pruner,threshold\n")
    names = ("06_report.html", "figures/pie_shares.png", "figures/pie_shares.svg", "tables/table_02.html")
    for name in (*names, "tables/table_02.csv", "tables/table_02.tex"):
        put(study_folder / "report" / name)
    page = status.page(study_folder)
    text = page.read_text(encoding="utf-8")
    sections = ["overview", "pie_shares", "paper", "examples", "notebooks", "cite"]
    assert re.findall('<h2 id="(.+?)"', text) == ["configurations", *sections]
    links = linked(page)
    assert {"06_report.html", "figures/pie_shares.png", "tables/table_02.tex"} <= set(links)
    assert all((page.parent / link).exists() for link in links)
    within = set(re.findall('href="#(.+?)"', text))
    assert within - {PAIR} == {"report", "pie_shares", "examples"} and all(f'id="{name}"' in text for name in within)
    assert "all done" not in text and "not finished" in text


def test_the_page_can_be_read_in_the_dark_and_keeps_open_what_was_open(study_folder, browser):
    finish(study_folder, TRAIN)
    fail(study_folder, NOTEBOOKS[2])
    run(study_folder, NOTEBOOKS[3])
    run(study_folder, NOTEBOOKS[4], age=3600)
    put(study_folder / "report/tables/pie_shares.csv", f"{SHARES}{PAIR},m,RP-AI,50,3,9,1\n")
    page = status.page(study_folder).as_uri()
    for scheme in ("light", "dark"):
        with screen(browser, 400, scheme):
            browser.get(page)
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
            assert contrast(browser)[1] == []
    opened = 'return [...document.querySelectorAll("details[open] h2")].map(heading => heading.id)'
    # The first click may still find the phone's layout, and miss.
    heading = browser.find_element("css selector", "#pie_shares")
    until(browser, lambda: heading.click() or browser.execute_script(opened))
    browser.refresh()
    until(browser, lambda: browser.execute_script(opened) == ["pie_shares"])


def test_a_link_to_a_log_that_is_gone_is_not_made(study_folder):
    fail(study_folder, TRAIN)
    run(study_folder, PRUNE, age=3600)
    for name in (TRAIN, PRUNE):
        paths.log(study_folder, study_folder / name).unlink()
    assert set(linked(status.page(study_folder))) == {f"../logs/{PAIR}/dense/01_train.txt"}


def test_the_report_gives_way_to_the_page_when_a_notebook_runs_again(study_folder):
    put(study_folder / "report/index.html", "the report of an earlier run")
    put(paths.finished(study_folder))
    assert status.page(study_folder) is None
    run(study_folder, TRAIN)
    page = status.page(study_folder)
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    assert "earlier run" not in page.read_text(encoding="utf-8")


def test_no_page_takes_the_place_of_the_report(study_folder, monkeypatch, capsys):
    finish(study_folder, *NOTEBOOKS)
    assert status.page(study_folder) is None and not (study_folder / "report/index.html").exists()
    assert "the report comes last" in printed(monkeypatch, capsys, study_folder)
    put(study_folder / "report/index.html", "the report")
    put(paths.finished(study_folder))
    assert f"page: {study_folder}/report/index.html" in printed(monkeypatch, capsys, study_folder)
    assert (study_folder / "report/index.html").read_text() == "the report"
    put(study_folder / "report/findings.txt", "What part of a PIE is pruning?\n")
    assert printed(monkeypatch, capsys, study_folder).endswith("/report/index.html\n\nWhat part of a PIE is pruning?\n")
    run(study_folder, TRAIN)
    assert "PIE" not in printed(monkeypatch, capsys, study_folder)  # what was found may be of other models


def printed(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["status", *map(str, arguments)])
    status.main()
    return capsys.readouterr().out


def test_the_terminal_says_what_is_not_done(study_folder, monkeypatch, capsys):
    train(study_folder, f"{PAIR}/dense", 0, 1)
    train(study_folder, f"{PAIR}/MP-AI-90", 0)
    finish(study_folder, TRAIN)
    fail(study_folder, PRUNE)
    run(study_folder, NOTEBOOKS[3], started=1.7e9)
    assert printed(monkeypatch, capsys, study_folder).splitlines() == [
        "smoke: 50 % |███████████████░░░░░░░░░░░░░░░| 3/6 seeds, 1/9 notebooks done, 1 failed, 1 running, 6 waiting",
        f"failed   {PAIR}/IMP-FT-90  0/2 seeds  02_prune: {FAULT}",
        f"           read {study_folder}/logs/{PRUNE}",
        f"running  {PAIR}/MP-AI-90  1/2 seeds  02_prune on node7, SLURM job 4711 since {status.clock(1.7e9)}",
        f"waiting  {PAIR}: 1 with nothing done yet",
        "waiting  report: 1 with nothing done yet",
        f"page: {study_folder}/report/index.html",
    ]
    assert (study_folder / "report/index.html").exists()


def test_the_terminal_says_how_what_was_stopped_goes_on(study_folder):
    last = run(study_folder, TRAIN, age=1000, job=None).stat().st_mtime
    found = status.lines(study_folder, notebook_state.read(study_folder))
    assert found[1] == f"stopped  {PAIR}/dense  0/2 seeds  01_train on node7 was killed after {status.clock(last)}"
    assert found[-1] == "what was stopped goes on when the study is run again"


def test_watching_ends_when_all_is_done(study_folder, monkeypatch, capsys):
    monkeypatch.setattr(time, "sleep", lambda seconds: finish(study_folder, *NOTEBOOKS))
    assert "9/9 notebooks done" in printed(monkeypatch, capsys, study_folder, "--watch")
    assert "0 of 9" in (study_folder / "report/index.html").read_text(encoding="utf-8")


def test_watching_can_be_interrupted(study_folder, monkeypatch, capsys):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    assert "0/9 notebooks done" in printed(monkeypatch, capsys, study_folder, "--watch")


@pytest.mark.parametrize("text", [None, "", "- a: [", "study: x"])
def test_a_folder_that_is_no_study_says_so(tmp_path, text):
    if text is not None:
        put(tmp_path / "mine/study.yaml", text)
    with pytest.raises(PielabError, match="study") as raised:
        status.page(tmp_path / "mine")
    assert (raised.value.id == "folder-without-study") == (text != "study: x")
    done = subprocess.run(
        [sys.executable, "-m", "pielab.status", str(tmp_path / "mine")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    if text != "study: x":
        cure = "start the study with pielab study mine, or give the folder of another, such as results/demo"
        expected = f"{tmp_path}/mine/study.yaml is missing or no study: {cure}."
        assert done.stderr == f"error: {expected}\n"


def loaded_by_page(folder):
    """The modules that a job loads which writes the page of a study."""
    code = "import pathlib, sys; from pielab.jobs import status; status.page(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", f"{code}; print(*sys.modules)", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_each_job_can_afford_the_page(study_folder):
    drawing = {"torch", "matplotlib", "seaborn", "nbformat"}
    assert not loaded_by_page(study_folder) & {*drawing, "pandas", "scipy", "datasets", "rich"}
    put(study_folder / "report/tables/pie_shares.csv", f"{SHARES}bbc-news,bilstm,RP-AI,50,30,9,1\n")
    assert "pandas" in loaded_by_page(study_folder) and not loaded_by_page(study_folder) & drawing


def test_the_page_of_a_study_of_the_papers_size_opens_a_few_files(tmp_path, monkeypatch):
    config = yaml.safe_load((PROJECT / "params/studies/paper.yaml").read_text())
    folder = put(tmp_path / "paper/study.yaml", yaml.safe_dump(config, sort_keys=False)).parent
    train(folder, "snli-bilstm/dense", *range(30))
    opened, open_file = [], io.open
    monkeypatch.setattr("io.open", lambda *given, **named: opened.append(given[0]) or open_file(*given, **named))
    text = status.page(folder).read_text(encoding="utf-8")
    # The study, the parameters of its eight pairs, and the page; none for a seed or a notebook.
    assert 1 + 8 < len(opened) < 20
    assert "30 of 10080" in text and "0 of 682" in text and text.count("<tr>") == 1 + 8 * 43 + 1


def test_a_study_keeps_its_status_when_its_params_files_change(tmp_path, monkeypatch, capsys):
    params = tmp_path / "mine.yaml"
    params.write_text((PROJECT / "params/bbc-news-bilstm.yaml").read_text())
    config = yaml.safe_load((PROJECT / "params/studies/smoke.yaml").read_text())
    config["configurations"][0] |= {"params": str(params), "controls": False}
    folder = put(tmp_path / "smoke/study.yaml", yaml.safe_dump(study.read(config).record)).parent
    finish(folder, *NOTEBOOKS)
    before = printed(monkeypatch, capsys, folder)
    params.write_text("{dataset: snli, model: bilstm, seeds: 0-9}")
    assert printed(monkeypatch, capsys, folder) == before and "9/9 notebooks done" in before
    params.unlink()
    assert printed(monkeypatch, capsys, folder) == before
