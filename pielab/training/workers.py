"""Several seeds at once, each in a process of its own: a small model alone cannot fill a GPU, nor one thread a CPU."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from typing import Any

from pielab.progress import end_with_parent

# What a seed tells the progress bar: a note, and how many steps were made.
ReportProgress = Callable[[str, int], None]
# Trains one seed: function(experiment, seed, report).
SeedFunction = Callable[[Any, int, ReportProgress], None]
# Called after each epoch, with its number and mean loss.
OnEpoch = Callable[[int, float], None]


def run_seeds(
    function: SeedFunction, experiment: Any, seeds: Sequence[int], workers: int, report: ReportProgress
) -> None:
    """Call function(experiment, seed, report) for every seed, `workers` at a time.

    The processes inherit the environment, so that they share the GPU of this one, and each computes with the
    experiment's own number of threads: the results are those of one process. If a seed fails, those under way are
    finished first.
    """
    if workers == 1 or len(seeds) < 2:
        for seed in seeds:
            function(experiment, seed, report)
        return
    # A forked child cannot use a GPU, and one of a process with threads of its own can hang.
    context = multiprocessing.get_context("spawn")
    # Its put ends when the note can be read, so that those of a seed that is done are all there.
    notes = context.SimpleQueue()
    with ProcessPoolExecutor(
        min(workers, len(seeds)), mp_context=context, initializer=_begin, initargs=(function, experiment, notes)
    ) as pool:
        pending = {pool.submit(_train, seed) for seed in seeds}
        failed = None
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                while not notes.empty():
                    report(*notes.get())
                failed = failed or next((each for each in done if not each.cancelled() and each.exception()), None)
                if failed:
                    pending = {each for each in pending if not each.cancel()}
        finally:
            pool.shutdown(cancel_futures=True)
        if failed:
            failed.result()


def _begin(function: SeedFunction, experiment: Any, notes: Any) -> None:
    """What a process keeps for all its seeds."""
    global _function, _experiment, _report
    _function, _experiment, _report = function, experiment, lambda note, steps=1: notes.put((note, steps))
    experiment.seed_process()
    end_with_parent()


def _train(seed: int) -> None:
    _function(_experiment, seed, _report)


def epoch_note(report: ReportProgress, seed: int, what: str, epochs: int) -> OnEpoch:
    """Reports each epoch of a seed, as one step."""
    return lambda epoch, loss: report(f"seed {seed}, {what}, epoch {epoch} of {epochs}, loss {loss:.3f}", 1)
