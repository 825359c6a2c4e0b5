"""A study through Snakemake and papermill, as a user runs it."""

import json
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from conftest import has_recurrent_bfloat16, snakemake, snakemake_command, wait_for, write_study

from pielab.jobs import status
from pielab.report import render, written
from pielab.report.written_levels import LEVEL_TABLES
from pielab.store import paths


@pytest.fixture(scope="module")
def smoke(project):
    """The results of the smoke study."""
    done = snakemake(project, "smoke")
    assert done.returncode == 0, done.stderr[-5000:]
    assert "is not up to date" not in done.stderr
    return project / "results/smoke"


def test_the_smoke_study_runs_and_a_second_run_starts_nothing(project, smoke):
    folder = smoke
    page = (folder / "report/index.html").read_text()
    links = re.findall(r'(?:href|src)="([^"#]+)"', page)
    assert links and all((folder / "report" / link).exists() for link in links)
    rendered = {path.relative_to(folder).as_posix() for path in folder.glob("**/0*.ipynb")}
    pair = "bbc-news-bilstm"
    configurations = ("control-FT", "IMP-FT-90", "MP-AI-90")
    pruned = [f"{pair}/{each}/{name}.ipynb" for each in configurations for name in ("02_prune", "03_pies")]
    analysis = [f"{pair}/{name}.ipynb" for name in ("04_el2n", "05_readability")]
    of_study = [f"report/{name}.ipynb" for name in ("06_report", "07_explore")]
    assert rendered == {f"{pair}/dense/01_train.ipynb", *pruned, *analysis, *of_study}
    for name in rendered:
        assert f"../{name}".replace("../report/", "").replace(".ipynb", ".html") in links
    kinds = ("decomposition", "change", "comparison", "effectiveness_on_pies", "readability", "readability_matched")
    kinds += ("verdicts",)
    by_pair = {f"{kind}-{pair}" for kind in kinds}
    by_pruner = {f"{kind}-{pruner}" for kind in ("classes", "el2n") for pruner in ("control-FT", "IMP-FT", "MP-AI")}
    for kind in ("png", "svg"):
        drawn = {path.stem for path in (folder / "report/figures").glob(f"*.{kind}")}
        assert drawn == {"effectiveness", "pie_shares", "tradeoff", *by_pair, *by_pruner}
    tidy = {"effectiveness", "pie_shares", "comparison", "effectiveness_on_pies", "classes", "el2n", "readability"}
    tidy |= {
        "tradeoff",
        "sizes",
        "change",
        "change_by_configuration",
        "pie_examples",
        "decomposition",
        "decomposition_at_these_texts",
        "decomposition_to_come",
        "verdicts",
        "growth",
        "best_and_worst",
    }
    by_number = {f"table_{number:02d}" for number in range(2, 11)}
    # readability_matched is drawn from the same table as readability.
    assert {path.stem for path in (folder / "report/tables").glob("*.csv")} == tidy | by_number
    assert {path.stem for path in (folder / "report/tables").glob("*.tex")} == by_number
    assert yaml.safe_load((folder / "study.yaml").read_text())["params"].keys() == {"params/bbc-news-bilstm.yaml"}
    before = modified(folder)
    second = snakemake(project, "smoke")
    assert second.returncode == 0 and "Nothing to be done" in second.stdout + second.stderr
    assert modified(folder) == before


def modified(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("**/*") if path.is_file() and path.name != ".lock"}


def predictions(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("seeds/*/*.parquet")}


def test_the_page_of_all_files_knows_each_that_a_study_writes_with_its_columns(smoke):
    numbers, found = {"integer", "number"}, set()
    for path in smoke.rglob("*"):
        name = path.relative_to(smoke).as_posix()
        is_digest = path.suffix == ".xxh128" and path.name != "digests.xxh128"
        if not path.is_file() or is_digest or any(part.startswith(".") for part in name.split("/")):
            continue
        (kind,) = written.kinds(name)
        columns = {column: meaning.split(": ", 1) for column, meaning in kind.columns.items()}
        found.add(kind.name)
        if path.suffix == ".json":
            own = json.loads(path.read_text())
            assert all(about.startswith("if ") for column, (_, about) in columns.items() if column not in own)
            assert own.keys() <= columns.keys()
        elif columns:
            table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
            # The smoke study has no generated texts.
            columns = {name: of for name, of in columns.items() if not of[1].endswith("; else no such column")}
            assert set(table) == columns.keys(), name
            for column, (type_name, _) in columns.items():
                known = table[column].dropna()
                is_number = pd.api.types.is_numeric_dtype(known) and known.dtype != bool
                assert is_number or known.empty or type_name not in numbers, (name, column)
                assert type_name != "integer" or (known == known.round()).all(), (name, column)
                assert type_name != "bool" or known.dtype == bool, (name, column)
    # What the smoke study has none of: a search, groups, saved models, equal budgets, the paper's own data, tags.
    missing = {kind.name for kind in (*written.FILES, *written.TABLES)} - found
    seed = "<pair>/<configuration>/seeds/<seed>"
    of_others = {f"{seed}/shared.safetensors", f"{seed}/model/<file>", "<pair>/tune/<file>"}
    of_others |= {f"report/tables/{name}.csv" for name in ("groups", "table_<number>_beside_published")}
    of_others |= {kind.name for kind in LEVEL_TABLES}
    if not has_recurrent_bfloat16():
        of_others.add(f"{seed}/test-precision.parquet")
    assert missing == of_others


def test_snakemake_killed_and_run_again_in_parts_comes_to_the_same(project, smoke):
    write_study(project, "killed", seeds_per_job=1)
    folder = project / "results/killed/bbc-news-bilstm/dense"
    targets = ["results/killed/bbc-news-bilstm/dense/01_train.ipynb"]
    first = subprocess.Popen(
        snakemake_command("killed", "--cores", "2", "--", *targets),
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seed = folder / "seeds/00"
    wait_for("seed", seed.exists)
    first.kill()
    first.wait()
    made = modified(seed)
    assert made
    done = snakemake(project, "killed", "--", *targets)
    assert done.returncode == 0, done.stderr[-3000:]
    assert modified(seed) == made
    files = 4 + has_recurrent_bfloat16()
    assert predictions(folder) == predictions(smoke / "bbc-news-bilstm/dense") and len(predictions(folder)) == 2 * files
    assert {path.parent.name for path in folder.glob("parts/*/01_train.ipynb")} == {"0", "1"}
    said = json.loads((folder / "01_train.ipynb").read_text())["cells"]
    assert any('seeds = "0-1"' in "".join(cell["source"]) for cell in said)


# The jobs of the smoke study that train nothing.
ANALYSED = {"pies": 3, "el2n": 1, "readability": 1, "report": 1, "explore": 1}


def test_the_code_of_a_notebook_decides_whether_it_is_rendered_again_and_not_its_time_or_prose(
    project, smoke, tmp_path
):
    # Without Snakemake's own record, which make clean deletes, and which knows the whole file and not its code.
    copy = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns(".snakemake"))

    def edit(name, kind, place):
        path = copy / "notebooks" / name
        notebook = json.loads(path.read_text())
        [cell for cell in notebook["cells"] if cell["cell_type"] == kind][place]["source"].append("\n# More.")
        path.write_text(json.dumps(notebook))

    for path in (copy / "notebooks").iterdir():
        path.touch()
    edit("01_train.ipynb", "markdown", 0)
    planned = snakemake(copy, "smoke", "--dryrun")
    assert "Nothing to be done" in planned.stdout + planned.stderr
    changed = (project / "pielab/analysis/pies.py").read_text() + "# More.\n"
    (copy / "pielab/analysis/pies.py").write_text(changed)
    planned = snakemake(copy, "smoke", "--dryrun").stderr
    assert all(re.search(rf"{rule} +{number}\b", planned) for rule, number in ANALYSED.items())
    assert not re.search(r"(train|prune) +\d", planned)
    shutil.copy(project / "pielab/analysis/pies.py", copy / "pielab/analysis/pies.py")
    assert "Nothing to be done" in snakemake(copy, "smoke", "--dryrun").stderr
    edit("03_pies.ipynb", "code", -1)
    planned = snakemake(copy, "smoke", "--dryrun").stderr
    assert re.search(r"pies +3\b", planned) and re.search(r"report +1\b", planned)
    assert not re.search(r"(train|prune) +\d", planned)


def test_a_notebook_that_is_deleted_is_made_again(project, smoke):
    notebook = smoke / "bbc-news-bilstm/MP-AI-90/02_prune.ipynb"
    deleted = notebook.rename(notebook.with_suffix(".deleted"))
    planned = snakemake(project, "smoke", "--dryrun").stderr
    deleted.rename(notebook)
    assert re.search(r"prune +1\b", planned) and not re.search(r"train +1\b", planned)


def test_the_page_of_a_study_on_its_way_gives_way_to_its_report(project, smoke):
    report = smoke / "report/index.html"
    before = report.read_text()
    (smoke / "report/07_explore.ipynb").unlink()
    running = paths.run_record(smoke, smoke / "report/07_explore.ipynb")
    running.write_text("{}")
    status.page(smoke)
    running.unlink()
    assert report.read_text() != before
    done = snakemake(project, "smoke")
    assert done.returncode == 0 and report.read_text() == before
    # Written when nothing but the report itself was missing, too.
    render.write(report, "the page of a study that was cut off before its report was made")
    paths.finished(smoke).unlink()
    done = snakemake(project, "smoke")
    assert done.returncode == 0 and report.read_text() == before
    second = snakemake(project, "smoke")
    assert "Nothing to be done" in second.stdout + second.stderr and report.read_text() == before


def test_the_rendered_notebook_is_the_record(smoke):
    notebook = json.loads((smoke / "bbc-news-bilstm/IMP-FT-90/02_prune.ipynb").read_text())
    (cell,) = [cell for cell in notebook["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    injected = "".join(cell["source"])
    for line in ("threshold = 90", 'pruner = "IMP-FT"', "max_tokens = 16", 'seeds = "0-1"', "limit = 200"):
        assert line in injected
    assert not any(
        "stderr" in str(output.get("name")) for cell in notebook["cells"] for output in cell.get("outputs", [])
    )


def test_a_study_that_retrains_nothing_compares_models_with_themselves_alone(project):
    write_study(project, "unretrained", pruners={"RTN": [4], "Wanda": ["1:2"]})
    options = {"cwd": project, "env": os.environ | {"PYTHONPATH": str(project)}, "capture_output": True, "text": True}
    command = [sys.executable, "-m", "pielab", "study", "unretrained", "--", "--cores", "2"]
    done = subprocess.run([*command, "results/unretrained/report/06_report.ipynb"], check=False, **options)
    assert done.returncode == 0, done.stderr[-5000:]
    # Into a pipe, it writes a line a minute.
    assert " of 6 seeds, " in done.stdout
    report = project / "results/unretrained/report"
    change = pd.read_csv(report / "tables/change.csv")
    assert {"RTN", "Wanda"} == set(change["pruner"]) and {"4.0", "1of2"} == set(change["threshold"].astype(str))
    found = (report / "findings.txt").read_text()
    assert "From the same weights, without retraining, " in found and "Wanda at 1:2" in found
    # Without a pruner that retrains, nothing can be told apart into retraining and removal.
    assert not (report / "tables/decomposition.csv").exists() and "control" not in found


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
    page = (project / "results/crash/report/index.html").read_text()
    assert "the loss became" in page and "1 failed" in page and "../logs/bbc-news-bilstm/dense/01_train.html" in page


def test_a_study_with_a_mistake_stops_before_anything_runs(project):
    write_study(project, "mistake", epochs="many")
    done = snakemake(project, "mistake")
    assert done.returncode != 0
    assert "error: epochs = 'many' is not accepted by the study, bbc-news-bilstm: give how many epochs" in done.stderr
    assert "Traceback" not in done.stderr and not (project / "results/mistake").exists()
