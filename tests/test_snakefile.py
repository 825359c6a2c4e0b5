"""What Snakemake would do with a study, and what each job asks for, without running anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pielab.compression.pruners import KNOWN
from pielab.store import files

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def planned(tmp_path):
    """The jobs of the smoke study with the changes given: a dict by output of what each asks for."""

    def planned(environment=None, **changes):
        config = yaml.safe_load((PROJECT / "params/studies/smoke.yaml").read_text())
        config |= {"study": "planned", "results": str(tmp_path)}
        config["configurations"][0] |= changes
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "64", "--dryrun"]
        done = subprocess.run(
            [
                *command,
                "--nolock",
                "--printshellcmds",
                "--workflow-profile",
                "none",
                "--configfile",
                str(tmp_path / "study.yaml"),
            ],
            cwd=PROJECT,
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = {}
        for job in re.split(r"\n(?=(?:local)?rule )", done.stdout):
            output = re.search(rf"    output: {tmp_path}/planned/([^\s,]+)", job)
            if output:
                asked = dict(re.findall(r"(\w+)=([^,\s]+)", re.search(r"    resources: (.*)", job)[1]))
                threads = re.search(r"    threads: (\d+)", job)
                command = re.search(r"Shell command: (.*)", job)[1]
                inputs = re.findall(rf"{tmp_path}/planned/([^\s,]+)", re.search(r"    input: (.*)", job)[1])
                found[output[1]] = asked | {
                    "threads": threads[1] if threads else "1",
                    "inputs": set(inputs),
                    "command": command,
                }
        return found

    return planned


PAIR = "bbc-news-bilstm"


def test_one_job_trains_all_seeds_and_analysis_asks_for_no_gpu(planned):
    jobs = planned(device="auto", memory_gb=6, hours=1.5, workers=2, threads=2, processes=3)
    train, prune = jobs[f"{PAIR}/dense/01_train.ipynb"], jobs[f"{PAIR}/IMP-FT-90/02_prune.ipynb"]
    for each in (train, prune):
        asked = {
            name: each[name] for name in ("gpu", "mem_mb", "runtime", "workers", "threads", "cpus_per_task", "attempt")
        }
        assert asked == {
            "gpu": "1",
            "mem_mb": "6000",
            "runtime": "90",
            "workers": "2",
            "threads": "4",
            "cpus_per_task": "4",
            "attempt": "1",
        }
    assert prune["inputs"] == {f"{PAIR}/dense/01_train.ipynb"}
    others = {name: job for name, job in jobs.items() if "01_train" not in name and "02_prune" not in name}
    others.pop("report/index.html")
    assert len(others) == 7
    control = f"{PAIR}/control-FT/02_prune.ipynb"
    assert jobs[f"{PAIR}/IMP-FT-90/03_pies.ipynb"]["inputs"] == {f"{PAIR}/IMP-FT-90/02_prune.ipynb", control}
    assert all((job["gpu"], job["mem_mb"], job["runtime"]) == ("0", "6000", "120") for job in others.values())
    assert others[f"{PAIR}/05_readability.ipynb"]["threads"] == "3"


def test_the_cpu_asks_for_no_gpu(planned):
    assert {job.get("gpu", "0") for job in planned(device="cpu").values()} == {"0"}


def test_seeds_are_split_over_jobs_and_gathered_by_one_that_trains_nothing(planned):
    jobs = planned(device="auto", seeds="0-4", seeds_per_job=2, workers=2)
    for folder, notebook in (("dense", "01_train"), ("IMP-FT-90", "02_prune"), ("MP-AI-90", "02_prune")):
        parts = {f"{PAIR}/{folder}/parts/{part}/{notebook}.ipynb" for part in ("0-1", "2-3", "4")}
        whole = jobs[f"{PAIR}/{folder}/{notebook}.ipynb"]
        assert parts <= whole["inputs"] and (whole["gpu"], whole["workers"], whole["threads"]) == ("0", "1", "1")
        assert all(
            (jobs[part]["gpu"], jobs[part]["workers"], jobs[part]["threads"]) == ("1", "2", "2") for part in parts
        )
    # A part waits for the unpruned models of its own seeds alone.
    assert jobs[f"{PAIR}/IMP-FT-90/parts/2-3/02_prune.ipynb"]["inputs"] == {f"{PAIR}/dense/parts/2-3/01_train.ipynb"}


def test_the_file_of_ones_own_function_is_an_input(planned, tmp_path, monkeypatch):
    folder = tmp_path / "planned"  # of the study, whose files `planned` gives
    folder.mkdir()
    (folder / "mine.py").write_text("def score(weights):\n    return weights.abs()\n")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    jobs = planned(pruners={"IMP-FT": [90], "mine:score": [50]})
    of_files = {name: jobs[f"{PAIR}/{name}/02_prune.ipynb"]["inputs"] for name in ("score-50", "IMP-FT-90")}
    assert of_files["score-50"] - of_files["IMP-FT-90"] == {"mine.py"}


def test_every_pruner_has_its_jobs(planned):
    given = {name: [0.00001, 90, 99.5] for name in KNOWN if name != "RTN"} | {"RTN": [8, 2]}
    given["Wanda"].append("2:4")
    jobs = planned(pruners=given)
    wanted = {
        f"{PAIR}/{name}-{threshold}/02_prune.ipynb"
        for name in given
        for threshold in ("1e-05", "90", "99.5")
        if name != "RTN"
    }
    wanted |= {f"{PAIR}/{name}/02_prune.ipynb" for name in ("RTN-8", "RTN-2", "Wanda-2of4")}
    assert wanted <= jobs.keys()


def test_a_nested_pruners_seeds_are_made_by_the_job_of_its_topmost_threshold(planned):
    pruners = {"IMP-FT": [50, 90], "IMP-FT-nested": [50, 99.5, 90]}
    jobs = planned(pruners=pruners)
    top, dense = f"{PAIR}/IMP-FT-nested-99.5/02_prune.ipynb", f"{PAIR}/dense/01_train.ipynb"
    assert jobs[top]["inputs"] == jobs[f"{PAIR}/IMP-FT-90/02_prune.ipynb"]["inputs"] == {dense}
    for threshold in (50, 90):
        assert jobs[f"{PAIR}/IMP-FT-nested-{threshold}/02_prune.ipynb"]["inputs"] == {dense, top}
    assert '"levels": [50, 99.5, 90]' in jobs[top]["command"]
    assert '"levels": null' in jobs[f"{PAIR}/IMP-FT-90/02_prune.ipynb"]["command"]


def test_a_part_of_a_nested_pruners_seeds_waits_for_the_same_part_of_the_topmost(planned):
    jobs = planned(pruners={"IMP-WR-nested": [50, 90]}, seeds="0-3", seeds_per_job=2)
    for part in ("0-1", "2-3"):
        each = f"parts/{part}/02_prune.ipynb"
        dense, top = f"{PAIR}/dense/parts/{part}/01_train.ipynb", f"{PAIR}/IMP-WR-nested-90/{each}"
        assert jobs[f"{PAIR}/IMP-WR-nested-50/{each}"]["inputs"] == {dense, top}
        assert jobs[top]["inputs"] == {dense}
    parts = {f"{PAIR}/IMP-WR-nested-50/parts/{part}/02_prune.ipynb" for part in ("0-1", "2-3")}
    assert jobs[f"{PAIR}/IMP-WR-nested-50/02_prune.ipynb"]["inputs"] == parts | {f"{PAIR}/dense/01_train.ipynb"}


def test_a_gathering_job_asks_for_a_gpu_only_if_its_parameters_insist(planned):
    jobs = planned(device="cuda", seeds_per_job=1)
    assert jobs[f"{PAIR}/dense/01_train.ipynb"]["gpu"] == "1"


def test_a_container_may_run_the_notebooks(planned):
    inside = "apptainer exec --nv torch.sif python"
    jobs = planned(environment={"PIELAB_PYTHON": inside})
    assert jobs[f"{PAIR}/dense/01_train.ipynb"]["command"].startswith(f"{inside} -m pielab.jobs.run notebooks/01")
    command = planned()[f"{PAIR}/dense/01_train.ipynb"]["command"]
    assert command.startswith(f"{sys.executable} -m pielab.jobs.run notebooks/01")


def test_a_study_that_runs_is_not_run_twice(tmp_path):
    config = yaml.safe_load((PROJECT / "params/studies/smoke.yaml").read_text()) | {"results": str(tmp_path)}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "1", "--nolock"]
    options = ["--workflow-profile", "none", "--configfile", str(tmp_path / "study.yaml")]
    held = files.lock(tmp_path / "smoke/.lock", "the study")
    done = subprocess.run([*command, *options], cwd=PROJECT, capture_output=True, text=True, check=False)
    held.release()
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"error: the study {tmp_path}/smoke is being run by process {os.getpid()} on " in done.stderr
    assert {path.name for path in (tmp_path / "smoke").iterdir()} == {".lock"}
