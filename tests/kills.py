"""Kills a worker, or interrupts it all, at random moments of the training of tiny seeds, again and again.

    python tests/kills.py --kill 50 --interrupt 50

Each time it must end in a sentence, within 2 s of an interrupt, without a process or a partial file left; and what is
run again must come to the same predictions, byte for byte. Prints what happened; the exit status is 1 if it was wrong.
"""

import argparse
import collections
import faulthandler
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

# Small models are quickest with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
from conftest import COLUMNS, make_texts

from pielab.config.parameters import PruneParameters
from pielab.data import datasets
from pielab.errors import TransientError
from pielab.training import runs
from pielab.training.experiment import Experiment, prepare

# A run that takes longer than this hangs.
HANGS_AFTER = 120
INTERRUPTED_WITHIN = 2
UNDISTURBED = "it ended first, so another round is made"


def prepared(folder: Path, results: str) -> Experiment:
    """Four seeds to prune, two at a time."""
    texts, vectors = folder / "topics.csv", folder / "vectors.txt"
    if not texts.exists():
        make_texts(180).to_csv(texts, index=False)
        vectors.write_text("".join(f"{word} 0.1 0.2 0.3 0.4\n" for word in ("cat", "bread", "rain", "the")))
    p = PruneParameters(
        **COLUMNS | {"dataset": str(texts), "word_vectors": str(vectors), "results": str(folder / results)},
        **{"study": "kills", "model": "bilstm", "max_tokens": 8, "epochs": 1, "batch_size": 16, "learning_rate": 5e-3},
        **{"seeds": "0-3", "workers": 2, "device": "cpu", "pruner": "IMP-FT", "threshold": 60},
    )
    return prepare(p, datasets.load(**p.data))


def workers() -> list[psutil.Process]:
    """The processes that train seeds, among the children of this one."""
    found = []
    for child in psutil.Process().children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:  # it has just ended
            continue
    return found


def predictions(experiment: Experiment) -> dict[Path, bytes]:
    folder = experiment.parameters.study_folder
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("**/seeds/*/*.parquet")}


class Disturbance(threading.Thread):
    """Kills one of the workers, or interrupts all processes as a terminal does, after some seconds."""

    def __init__(self, kind: str, after: float, random: np.random.Generator):
        super().__init__()
        self.kind, self.after, self.random = kind, after, random
        self.ended, self.moment = threading.Event(), time.monotonic()

    def run(self) -> None:
        self.ended.wait(self.after)
        found = []
        while self.kind == "kill" and not found and not self.ended.is_set():
            found = workers()
        if self.ended.is_set():
            return
        self.moment = time.monotonic()
        if self.kind == "interrupt":
            os.killpg(0, signal.SIGINT)
        else:
            found[self.random.integers(len(found))].kill()


def round_of(
    kind: str, experiment: Experiment, wanted: dict[Path, bytes], seconds: float, random: np.random.Generator
) -> str:
    """Train, disturbed at a random moment of the `seconds` that it takes, check what is left, and say what happened."""
    after = random.uniform(0, seconds)
    disturbance = Disturbance(kind, after, random)
    faulthandler.dump_traceback_later(HANGS_AFTER, exit=True)
    try:
        disturbance.start()
        runs.train_pruned(experiment)
        disturbance.ended.set()
        happened = UNDISTURBED
    except KeyboardInterrupt:
        happened = "interrupted"
    except TransientError as error:
        happened = error.id
    took = time.monotonic() - disturbance.moment
    faulthandler.cancel_dump_traceback_later()
    disturbance.join()
    assert not workers(), f"a worker outlives the run, after {after:.2f} s"
    made = predictions(experiment)
    assert made.items() <= wanted.items(), f"other predictions, after {after:.2f} s"
    if happened == "interrupted":
        assert took < INTERRUPTED_WITHIN, f"{took:.1f} s until it ended, after {after:.2f} s"
        partial = list(experiment.parameters.study_folder.rglob(".partial-*"))
        assert not partial, f"{partial} is left, after {after:.2f} s"
    return happened


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill workers, or interrupt them all, at random moments.")
    for kind in ("kill", "interrupt"):
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    random = np.random.default_rng(given.seed)
    with tempfile.TemporaryDirectory() as name:
        undisturbed = prepared(Path(name), "undisturbed")
        start = time.monotonic()
        runs.train_pruned(undisturbed)
        seconds, wanted = time.monotonic() - start, predictions(undisturbed)
        happened: collections.Counter[str] = collections.Counter()
        whole = 0
        todo = ["kill"] * given.kill + ["interrupt"] * given.interrupt
        while todo:
            # Anew when the seeds of the last are all there.
            experiment, start = prepared(Path(name), f"disturbed-{whole}"), time.monotonic()
            what = round_of(todo[0], experiment, wanted, seconds, random)
            happened[f"{todo[0]}: {what}"] += 1
            if what == UNDISTURBED:
                seconds = min(seconds, time.monotonic() - start)
            else:
                todo.pop(0)
            whole += predictions(experiment) == wanted
    print(f"undisturbed, it takes {seconds:.1f} s; all seeds were done {whole} times")
    print("\n".join(f"{number:3} {what}" for what, number in happened.items()))


if __name__ == "__main__":
    # A group of its own, because an interrupt is for all of it.
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted outside of the training")
