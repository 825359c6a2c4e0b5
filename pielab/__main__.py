"""The command `pielab`, also `python -m pielab`: the name of what to do, and its arguments.

Exit status: 0 if it is done; 1 if it failed on its way; 2 if what was given is not accepted; 130 if interrupted.
"""

import importlib
import os
import sys
from collections.abc import Callable

from pielab.errors import PielabError, TransientError, missing_package, near_miss

# What each is for, and the module that does it. Modules are imported when they are called, so that help is quick.
COMMANDS = {
    "new": ("commands.new", "write the params and study files of your own data, which run as they are"),
    "run": ("commands.run", "run one notebook, its parameters checked before anything starts"),
    "study": ("commands.study", "run a study: all its notebooks and the report"),
    "plan": ("jobs.plan", "what a study takes: notebooks, training, disk, hours; runs nothing"),
    "status": ("jobs.status", "how far a study is"),
    "report": ("report.page", "write a study's report/index.html again"),
    "predict": ("commands.predict", "classifiers that are trained already in, predictions out, one file each"),
    "compare": ("commands.compare", "files of two models' answers in, one page of what changed out"),
    "export": ("commands.export", "a seed's model out, as a folder that from_pretrained loads, with its model card"),
    "import-predictions": ("commands.import_predictions", "predictions of other programs into a study, for 03 to 07"),
    "archive": ("commands.archive", "a study's answers and records as small files, to be kept in a repository"),
    "restore": ("commands.restore", "the seeds of an archive back into results, without training them"),
    "merge": ("commands.merge", "all studies of a results folder in one tidy CSV"),
    "fetch": ("data.assets", "download the demo's data and weights, so that it runs offline"),
    "doctor": ("commands.doctor", "this machine: versions, GPU, cache, network"),
    "errors": ("commands.errors", "what an error message means, and its cure"),
}
HELP = """usage: pielab COMMAND ...

Which examples change their answer when a language model is pruned, and is that more than retraining noise?

{commands}

for example:
  pielab run 02_prune -p pruner IMP-FT -p threshold 90
  pielab study demo
  pielab new reviews.csv --text body --label stars
  pielab compare --before dense.csv --after int4.csv

pielab COMMAND --help shows the arguments of a command and examples. Exit status: 0 done, 1 failed on its way,
2 something that was given is not accepted, 130 interrupted.
"""


def run(arguments: list[str] | None = None) -> int:
    """`main` as a process of its own, which ends quietly when a reader such as head closes the pipe."""
    try:
        status = main(arguments)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's last flush would fail as well
        return 1


def main(arguments: list[str] | None = None) -> int:
    """Run a command and give its exit status; what is wrong is one sentence on stderr."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        width = max(map(len, COMMANDS))
        print(HELP.format(commands="\n".join(f"  {name:<{width}}  {about}" for name, (_, about) in COMMANDS.items())))
        return 0 if arguments else 2
    try:
        if arguments[0] == "--version":
            from pielab import __version__

            print(f"pielab {__version__}")
            return 0
        with missing_package():
            return _command(arguments[0])(arguments[1:], f"pielab {arguments[0]}")
    except PielabError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 1 if isinstance(error, TransientError) else 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _command(name: str) -> Callable[[list[str], str], int]:
    if name not in COMMANDS:
        guess = near_miss(name, COMMANDS)
        raise PielabError(
            "unknown-command", f"pielab has no command {name}", f"{guess}give one of {', '.join(COMMANDS)}"
        )
    return importlib.import_module(f"pielab.{COMMANDS[name][0]}").main


if __name__ == "__main__":
    sys.exit(run())
