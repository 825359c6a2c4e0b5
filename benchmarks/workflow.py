"""Overhead of the workflow itself: a study of 1,000 configurations whose notebooks do nothing.

    .venv/bin/python benchmarks/workflow.py [--configurations 40] [--profile workflow/profiles/slurm ...]

Prints the time and memory of Snakemake's planning, the time per job when Snakemake runs some of them, and that of one
job alone. Other options are passed to Snakemake.
"""

import argparse
import contextlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import yaml

PROJECT = Path(__file__).parents[1]
PRUNERS = ("IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-WR", "IMP-FT", "MP-AI", "IRP-FT", "RP-AI")
THRESHOLDS = [round(0.5 + 0.75 * step, 2) for step in range(125)]
PAIR = "bbc-news-bilstm"


def make_project(folder: Path) -> None:
    """Copy the project, with notebooks reduced to their parameters cell, and write the study."""
    for name in ("params", "workflow", "pielab"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "notebooks").mkdir()
    for path in sorted((PROJECT / "notebooks").glob("0*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
        nbformat.write(notebook, folder / "notebooks" / path.name)
    entry = {
        "params": f"params/{PAIR}.yaml",
        "device": "cpu",
        "memory_gb": 1,
        "pruners": dict.fromkeys(PRUNERS, THRESHOLDS),
    }
    study = {"study": "nothing", "configurations": [entry]}
    (folder / "params/studies/nothing.yaml").write_text(yaml.safe_dump(study))


def snakemake(folder: Path, *options: str) -> tuple[float, str]:
    """Wall seconds of a Snakemake run, and its output."""
    command = [sys.executable, "-m", "snakemake", "--configfile", "params/studies/nothing.yaml", *options]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-5000:])
    return seconds, done.stdout + done.stderr


def alone(folder: Path) -> tuple[float, float]:
    """Wall seconds of one job, and the peak MB of its processes together."""
    command = [sys.executable, "-m", "pielab.jobs.run", "notebooks/03_pies.ipynb", "results/nothing/alone.ipynb"]
    start, peak = time.perf_counter(), 0
    process = psutil.Popen([*command, "results/nothing", "{}"], cwd=folder)
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            family = [process, *process.children(recursive=True)]
            # Memory shared by several processes counts once.
            peak = max(peak, sum(each.memory_full_info().pss for each in family))
        time.sleep(0.2)
    if process.returncode:
        sys.exit("the job failed")
    return time.perf_counter() - start, peak / 2**20


def spread(values: list[float], digits: int = 1) -> str:
    return f"median {statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the workflow itself costs.")
    parser.add_argument("--configurations", type=int, default=40, help="how many of the 1,000 to run")
    parser.add_argument("--repeats", type=int, default=5, help="how often to plan, and to run a job alone")
    given, passed_on = parser.parse_known_args()
    profile = passed_on or ["--profile", "workflow/profiles/default"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        planning = [snakemake(folder, *profile, "--dryrun", "--quiet", "all")[0] for _ in range(given.repeats)]
        # The largest of the children so far: only planning has run.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"planning 1,000 configurations, 2,007 jobs: {spread(planning)} s, {peak:.0f} MB", flush=True)
        names = [f"{pruner}-{threshold:g}" for threshold in THRESHOLDS for pruner in PRUNERS][: given.configurations]
        targets = [f"results/nothing/{PAIR}/{each}/03_pies.ipynb" for each in names]
        seconds, number = snakemake(folder, *profile, "--", *targets)[0], 2 * given.configurations + 1
        print(f"{number} jobs of it: {seconds:.0f} s in all, {seconds / number:.2f} s a job", flush=True)
        times, peaks = zip(*[alone(folder) for _ in range(given.repeats)], strict=True)
        print(f"a job alone: {spread(times)} s, {spread(peaks, 0)} MB")


if __name__ == "__main__":
    main()
