"""Studies through the SLURM profile, on a SLURM that the tests start: done, killed, and gone on with."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import slurm
import yaml
from conftest import has_recurrent_bfloat16, snakemake_command, wait_for, write_study

from pielab.config import study
from pielab.config.validation import check
from pielab.data import datasets
from pielab.training import runs
from pielab.training.experiment import prepare

# This SLURM keeps no accounts and answers at once.
OPTIONS = [
    *("--slurm-status-command", "squeue", "--max-status-checks-per-second", "10"),
    *("--slurm-init-seconds-before-status-checks", "1"),
]
# Snakemake's command, asking SLURM every second; while no job ends, the plugin waits 10 seconds longer each time.
EVERY_SECOND = """
import asyncio
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.sleep = lambda self: asyncio.sleep(1)
main()
"""
PAIR = "bbc-news-bilstm"
PRUNED = f"{PAIR}/MP-AI-90"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a SLURM of one node."""
    if not sys.platform.startswith("linux"):
        pytest.skip("SLURM runs on Linux alone")
    if lacking := slurm.missing():
        pytest.skip(f"no SLURM on this machine, {', '.join(lacking)} missing: python tests/slurm.py install")
    folder = tmp_path_factory.mktemp("slurm")
    slurm.start(folder)
    yield folder
    slurm.stop(folder)
    assert slurm.processes(folder) == []


class Run:
    """Snakemake at work on a study through the SLURM profile."""

    def __init__(self, cluster: Path, project: Path, study: str, *options: str):
        self.cluster = cluster
        self.log = project / f"{study}.log"
        self.folder = project / "results" / study
        python, _, _, *arguments = snakemake_command(study, *OPTIONS, *options, profile="slurm")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [python, "-c", EVERY_SECOND, *arguments],
                cwd=project,
                env=os.environ | slurm.environment(cluster) | {"PYTHONPATH": str(project)},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def jobs(self, *states: str) -> dict[str, str]:
        """Its SLURM jobs in these states: what each is of, by its id."""
        name = re.search(r"SLURM run ID: (\S+)", self.output)
        if not name:
            return {}
        command = ("squeue", "--noheader", "--format=%i|%k", f"--states={','.join(states)}", "--name", name[1])
        return dict(line.split("|") for line in slurm.ask(self.cluster, *command).splitlines())

    def running(self, rule: str, other_than: str = "") -> str | None:
        """The id of a job of a rule that runs."""
        jobs = self.jobs("RUNNING")
        return next((job for job, what in jobs.items() if what.startswith(f"rule_{rule}_") and job != other_than), None)

    def wait_for(self, what: str, there):
        """What `there` gives, as soon as it gives something."""

        def sign():
            assert self.process.poll() is None, f"it ended before {what}: {self.output[-3000:]}"
            return there()

        return wait_for(what, sign)

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.process.kill()
        self.process.wait()

    def wait(self) -> None:
        assert self.process.wait(600) == 0, self.output[-5000:]


def finished(configuration):
    return sorted(path.name for path in configuration.glob("seeds/[0-9]*"))


def kernel(cluster, job):
    """The process id of the kernel of a job's notebook."""
    for number in slurm.processes(cluster):
        try:
            command = Path(f"/proc/{number}/cmdline").read_bytes()
            variables = Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"ipykernel_launcher" in command and f"SLURM_JOB_ID={job}".encode() in variables:
            return number
    return None


def changed(study_folder):
    """When each file of a study was last written, but for the lock that each Snakemake takes."""
    files = [path for path in study_folder.glob("**/*") if path.is_file() and path.name != ".lock"]
    return {path: path.stat().st_mtime_ns for path in files}


def predictions(study_folder):
    return {path.relative_to(study_folder): path.read_bytes() for path in study_folder.glob("**/seeds/*/*.parquet")}


def train_here(project, name):
    """The predictions of a study's seeds, trained one after another in this process."""
    config = yaml.safe_load((project / f"params/studies/{name}.yaml").read_text()) | {"study": "here"}
    p = check("02_prune", study.read(config).parameters("02_prune", PRUNED))
    experiment = prepare(p, datasets.load(**p.data))
    runs.train_dense(experiment)
    runs.train_pruned(experiment)
    return predictions(p.study_folder)


def starts_nothing(cluster, project, name, *options):
    """Whether the same command leaves a finished study as it is."""
    folder = project / "results" / name
    before = changed(folder)
    with Run(cluster, project, name, *options) as second:
        second.wait()
    return "Nothing to be done" in second.output and not second.jobs("all") and changed(folder) == before


def test_training_alone_asks_for_a_gpu_and_a_second_run_starts_nothing(cluster, project):
    write_study(project, "quick", device="auto", pruners={"MP-AI": [90]})
    target = f"results/quick/{PRUNED}/03_pies.ipynb"
    with Run(cluster, project, "quick", target) as run:
        run.wait()
    jobs = run.jobs("COMPLETED")
    assert len(jobs) == 3 and not run.jobs("FAILED", "CANCELLED") and (project / target).exists()
    for job, what in jobs.items():
        trains = what.startswith(("rule_train", "rule_prune"))
        assert ("gres:gpu:1" in slurm.ask(cluster, "scontrol", "show", "job", job)) == trains
    assert starts_nothing(cluster, project, "quick", target)


@pytest.mark.slow
def test_a_study_killed_at_every_turn_goes_on_and_comes_to_the_same_beside_another(cluster, project, monkeypatch):
    # Seeds of seconds, so that there is a middle of a seed to kill.
    write_study(project, "killed", device="cpu", epochs=30, seeds="0-2", pruners={"MP-AI": [90]})
    write_study(project, "beside", device="cpu")
    with Run(cluster, project, "killed") as run:
        dense, pruned = run.folder / PAIR / "dense", run.folder / PRUNED

        def middle(rule, configuration, seeds, other_than=""):
            """The id of the job of a rule, as soon as these seeds are whole: it is at the next."""
            job = run.wait_for(f"job of {rule}", lambda: run.running(rule, other_than))
            run.wait_for(f"seeds {seeds}", lambda: len(finished(configuration)) >= len(seeds))
            assert finished(configuration) == seeds
            return job

        job = middle("train", dense, ["00"])
        first = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in dense.glob("seeds/00/*")}
        slurm.ask(cluster, "scancel", job)

        with Run(cluster, project, "beside", f"results/beside/{PAIR}/dense/01_train.ipynb") as beside:
            again = middle("train", dense, ["00", "01"], other_than=job)
            os.kill(kernel(cluster, again), signal.SIGKILL)
            beside.wait()

        middle("prune", pruned, ["00"])
        os.kill(slurm.pid(cluster, "slurmd"), signal.SIGKILL)
        run.wait_for("end of slurmd", lambda: slurm.pid(cluster, "slurmd") is None)
        slurm.start_node(cluster)
        run.wait()

    notebooks = [path for path in run.folder.glob("**/0*.ipynb") if "logs" not in path.parts]
    assert len(notebooks) == len(run.jobs("COMPLETED")) == 7 and (run.folder / "report/index.html").exists()
    assert len(run.jobs("CANCELLED")) == 1 and len(run.jobs("FAILED")) == 1
    assert len(beside.jobs("COMPLETED")) == 1 and not beside.jobs("CANCELLED", "FAILED")
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in first} == first
    monkeypatch.chdir(project)
    expected = train_here(project, "killed")
    dense_files = 4 + has_recurrent_bfloat16()
    assert len(expected) == 3 * (dense_files + 2) and predictions(run.folder) == expected
    assert starts_nothing(cluster, project, "killed")
