"""Train several seeds at once in separate processes, because one small model uses neither a GPU nor a CPU fully."""

from collections.abc import Callable, Sequence
from typing import Any

from pielab import processes

# Advances the progress bar: report(note, steps).
ReportProgress = Callable[[str, int], None]
# Trains one seed: function(experiment, seed, report).
SeedFunction = Callable[[Any, int, ReportProgress], None]
# Called after each epoch, with its number and mean loss.
OnEpoch = Callable[[int, float], None]


def run_seeds(
    function: SeedFunction, experiment: Any, seeds: Sequence[int], workers: int, report: ReportProgress
) -> None:
    """Call function(experiment, seed, report) for every seed, `workers` at a time.

    The processes inherit the environment, so that they share this process's GPU, and each uses the experiment's number
    of threads, so that results do not depend on `workers`. Exceptions and interrupts: as in `processes.run`.
    """
    if workers == 1 or len(seeds) < 2:
        for seed in seeds:
            function(experiment, seed, report)
        return
    processes.run(_train, (function, experiment), seeds, workers, lambda note: report(*note))


def _train(shared: tuple[SeedFunction, Any], seed: int, send: Callable[[tuple[str, int]], None]) -> None:
    function, experiment = shared
    experiment.seed_process()
    function(experiment, seed, lambda note, steps: send((note, steps)))


def epoch_note(report: ReportProgress, seed: int, what: str, epochs: int) -> OnEpoch:
    """A function that reports each epoch of a seed as one step; what: the kind of training, for its note."""
    return lambda epoch, loss: report(f"seed {seed}, {what}, epoch {epoch} of {epochs}, loss {loss:.3f}", 1)
