"""A study through Snakemake and papermill, as a user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, so that results and Snakemake's records stay out of the user's."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params", "workflow", "pielab"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def snakemake(project, study, *options):
    command = [sys.executable, "-m", "snakemake", "--profile", "workflow/profiles/default", "--cores", "2"]
    environment = os.environ | {"PYTHONPATH": str(project)}
    return subprocess.run(
        [*command, "--configfile", f"params/studies/{study}.yaml", *options],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def write_study(project, name, **changes):
    config = yaml.safe_load((PROJECT / "params/studies/smoke.yaml").read_text()) | {"study": name}
    config["configurations"][0] |= changes
    (project / f"params/studies/{name}.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def smoke(project):
    """The results of the smoke study."""
    done = snakemake(project, "smoke")
    assert done.returncode == 0, done.stderr[-5000:]
    return project / "results/smoke"


def test_the_smoke_study_runs_and_a_second_run_starts_nothing(project, smoke):
    folder = smoke
    page = (folder / "report/index.html").read_text()
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert links and all((folder / "report" / link).exists() for link in links)
    rendered = {path.relative_to(folder).as_posix() for path in folder.glob("**/0*.ipynb")}
    pair = "bbc-news-bilstm"
    pruned = [f"{pair}/{each}/{name}.ipynb" for each in ("IMP-FT-90", "MP-AI-90") for name in ("02_prune", "03_pies")]
    analysis = [f"{pair}/{name}.ipynb" for name in ("04_el2n", "05_readability")]
    of_study = [f"report/{name}.ipynb" for name in ("06_report", "07_explore")]
    assert rendered == {f"{pair}/dense/01_train.ipynb", *pruned, *analysis, *of_study}
    for name in rendered:
        assert f"../{name}".replace("../report/", "").replace(".ipynb", ".html") in links
    by_pair = {f"{kind}-{pair}" for kind in ("effectiveness_on_pies", "readability", "readability_matched")}
    by_pruner = {f"{kind}-{pruner}" for kind in ("classes", "el2n") for pruner in ("IMP-FT", "MP-AI")}
    for kind in ("png", "svg"):
        drawn = {path.stem for path in (folder / "report/figures").glob(f"*.{kind}")}
        assert drawn == {"effectiveness", "pie_shares", *by_pair, *by_pruner}
    tidy = {"effectiveness", "pie_shares", "effectiveness_on_pies", "classes", "el2n", "readability", "pie_examples"}
    by_number = {f"table_{number:02d}" for number in range(2, 11)}
    # readability_matched is drawn from the same table as readability.
    assert {path.stem for path in (folder / "report/tables").glob("*.csv")} == tidy | by_number
    assert {path.stem for path in (folder / "report/tables").glob("*.tex")} == by_number
    before = {path: path.stat().st_mtime_ns for path in folder.glob("**/*") if path.is_file()}
    second = snakemake(project, "smoke")
    assert second.returncode == 0 and "Nothing to be done" in second.stdout + second.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.glob("**/*") if path.is_file()} == before


def test_the_rendered_notebook_is_the_record(smoke):
    notebook = json.loads((smoke / "bbc-news-bilstm/IMP-FT-90/02_prune.ipynb").read_text())
    (cell,) = [cell for cell in notebook["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    injected = "".join(cell["source"])
    for line in ("threshold = 90", 'pruner = "IMP-FT"', "max_tokens = 16", 'seeds = "0-1"', "limit = 200"):
        assert line in injected
    assert not any(
        "stderr" in str(output.get("name")) for cell in notebook["cells"] for output in cell.get("outputs", [])
    )


def test_a_crashed_notebook_stays_in_the_logs_and_does_not_pass_for_a_finished_one(project):
    # So high a learning rate makes the loss infinite.
    write_study(project, "crash", learning_rate=1e30)
    done = snakemake(project, "crash")
    assert done.returncode != 0
    log = project / "results/crash/logs/bbc-news-bilstm/dense/01_train.ipynb"
    errors = [output for cell in json.loads(log.read_text())["cells"] for output in cell.get("outputs", [])]
    assert any("lower learning_rate" in str(output.get("evalue")) for output in errors)
    assert not list((project / "results/crash").glob("bbc-news-bilstm/*/*.ipynb"))
    assert "results/crash/logs/bbc-news-bilstm/dense/01_train.ipynb" in done.stderr
    assert re.search(r"error: .*01_train.ipynb did not finish: PielabError: the loss became", done.stderr)
    assert not (project / "results/crash/report").exists()


def test_a_study_with_a_mistake_stops_before_anything_runs(project):
    write_study(project, "mistake", epochs="many")
    done = snakemake(project, "mistake")
    assert done.returncode != 0
    assert "error: epochs = 'many' is not accepted by the study, bbc-news-bilstm: give how many epochs" in done.stderr
    assert "Traceback" not in done.stderr and not (project / "results/mistake").exists()
