"""Train several seeds at once in separate processes, because one small model uses neither a GPU nor a CPU fully."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

from pielab.progress import end_with_parent

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
    of threads, so that results do not depend on `workers`. The first exception of a seed is raised once the seeds in
    progress are finished; those still waiting are cancelled.
    """
    if workers == 1 or len(seeds) < 2:
        for seed in seeds:
            function(experiment, seed, report)
        return
    # A forked process cannot use a GPU, and it can hang if its parent has threads.
    context = multiprocessing.get_context("spawn")
    # put() returns once the message is readable, so none of a finished seed's messages is lost.
    notes = context.SimpleQueue()
    with ProcessPoolExecutor(
        min(workers, len(seeds)), mp_context=context, initializer=_start_process, initargs=(function, experiment, notes)
    ) as pool:
        pending = {pool.submit(_train, seed) for seed in seeds}
        failed = None
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                while not notes.empty():
                    report(*notes.get())
                errors = (future for future in done if not future.cancelled() and future.exception())
                failed = failed or next(errors, None)
                if failed:
                    pending = {future for future in pending if not future.cancel()}
        finally:
            pool.shutdown(cancel_futures=True)
        if failed:
            failed.result()


def _start_process(function: SeedFunction, experiment: Any, notes: Any) -> None:
    """Set up a process once for all its seeds."""
    global _function, _experiment, _report
    _function, _experiment, _report = function, experiment, lambda note, steps=1: notes.put((note, steps))
    experiment.seed_process()
    end_with_parent()


def _train(seed: int) -> None:
    _function(_experiment, seed, _report)


def epoch_note(report: ReportProgress, seed: int, what: str, epochs: int) -> OnEpoch:
    """A function that reports each epoch of a seed as one step; what: the kind of training, for its note."""
    return lambda epoch, loss: report(f"seed {seed}, {what}, epoch {epoch} of {epochs}, loss {loss:.3f}", 1)
