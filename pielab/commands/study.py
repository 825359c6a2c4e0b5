"""Run a study with Snakemake, and say while it runs how far it is, and at its end what it found."""

import contextlib
import importlib.util
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from pielab.arguments import parser_for
from pielab.config import local_paths
from pielab.config import study as studies
from pielab.errors import PielabError, SeveralErrors
from pielab.jobs import notebook_state
from pielab.store import paths

EXAMPLES = """for example:
  pielab study params/studies/demo.yaml
  pielab study demo --open
  pielab study params/studies/mine.yaml --cluster slurm
  pielab study demo -- --dryrun       what follows -- is for Snakemake

The same command goes on with a study that was stopped; what is finished is kept.
"""
SECONDS_BETWEEN_LINES = 60


def main(arguments: list[str], program: str = "pielab study") -> int:
    """Check the study file, run the study and give the exit status."""
    parser = parser_for(program, "Run a study: train, prune, analyse, and write its report.", EXAMPLES)
    parser.add_argument("study", help="a study's file, or the name of one in params/studies/")
    parser.add_argument("--cluster", choices=["slurm"], help="submit its jobs to a queueing system")
    parser.add_argument("--open", action="store_true", help="show the report in the browser at the end")
    # argparse cannot tell options of Snakemake from its own.
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given, more = parser.parse_args(arguments[:end]), arguments[end + 1 :]
    if importlib.util.find_spec("snakemake") is None:
        raise ModuleNotFoundError(name="snakemake")  # which its own process would say in many lines
    file = studies.find(given.study)
    study = studies.read(studies.read_file(file))
    folder = paths.root() / study.folder
    if missing := local_paths.missing(study, folder):
        raise SeveralErrors(*missing)
    workflow = paths.shipped() / "workflow"
    profile, default = (str(workflow / "profiles" / name) for name in (given.cluster or "default", "default"))
    command = [sys.executable, "-m", "snakemake", "--profile", profile, "--configfile", str(file.absolute())]
    # Otherwise Snakemake would read a profiles/default of the working directory, which may be another project's.
    command += ["--snakefile", str(workflow / "Snakefile"), "--workflow-profile", default]
    print(f"{folder / 'report' / 'index.html'} shows how far it is, and what is found so far", flush=True)
    with _lines(folder):
        status = subprocess.run([*command, *more], cwd=paths.root(), check=False).returncode
    report = folder / "report" / "index.html"
    if status == 0 and not more:
        _show_findings(folder)
        print(f"report: {report}")
    if given.open and report.exists():
        import webbrowser

        webbrowser.open(report.absolute().as_uri())
    return min(status, 1)


def progress_line(counts: dict[str, int], seconds: float, left: str) -> str:
    """How far a study is, after how long, and how long it will take, if that is known.

    counts: as notebook_state.count gives them. seconds: since the start. left: as forecast.text gives it.
    """
    line = (
        f"{counts['seeds']} of {counts['seeds_asked']} seeds, {counts['done']} of {counts['notebooks']} notebooks done"
    )
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{line}{failed} after {seconds / 60:.0f} min{left and f'; {left}'}"


@contextlib.contextmanager
def _lines(folder: Path) -> Iterator[None]:
    """Prints a line a minute while a study runs, where Snakemake's own display needs a terminal."""
    ended = threading.Event()

    def lines() -> None:
        start, counted = time.monotonic(), False
        while not ended.wait(SECONDS_BETWEEN_LINES if counted else 5):
            # Until Snakemake has written the study's record, there is nothing to count.
            with contextlib.suppress(PielabError):
                from pielab.jobs import forecast  # needs pandas, with which a slip would be told later

                rows = notebook_state.read(folder)
                line = progress_line(notebook_state.count(rows), time.monotonic() - start, forecast.text(folder, rows))
                print(line, flush=True)
                counted = True

    if not sys.stdout.isatty():
        threading.Thread(target=lines, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _show_findings(folder: Path) -> None:
    found = folder / "report" / "findings.txt"
    if found.exists():
        for line in found.read_text(encoding="utf-8").splitlines():
            print(textwrap.fill(line, 100, subsequent_indent="  " if line.startswith("- ") else ""))
