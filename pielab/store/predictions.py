"""The contract between training and analysis: one Parquet file for each seed and split.

Columns `example` (int64, the position in the split) and `logits` (a fixed-size list of float32, one for each
class). The file's metadata describe the run. Predictions of other programs work as well as pielab's own:
`pielab.importing.add` writes them.

Where logits are not known, or are too large to be kept, a file has answers in their place: a column `answer`, class ids
(integers) or a fixed-size list of bool for several labels; perhaps `error_norm` (float32), the L2 norm of p(x) - y; and
in its metadata `n_classes` and, where known, `logits_digest`, the `records.digest_arrays` of the logits they are of.
"""

import contextlib
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import special

from pielab.errors import PielabError
from pielab.store import columns, paths, records

# The answers of each task, from logits (..., examples, classes) and decision thresholds (...).
ANSWERS: dict[str, Callable[[np.ndarray, Any], np.ndarray]] = {
    "single-label": lambda logits, thresholds: logits.argmax(axis=-1),
    "multi-label": lambda logits, thresholds: (
        # Both in single precision, so that 0.29 is the same number here and where it was chosen (tasks).
        sigmoid(np.asarray(logits, dtype=np.float32)) > np.asarray(thresholds, dtype=np.float32)[..., None, None]
    ),
}


@dataclass(frozen=True)
class Predictions:
    """The predictions of one configuration's seeds on one split: logits, or answers if some seeds have no logits.

    logits: (seeds, examples, classes) float32, or None.
    decision_thresholds: (seeds,), the probability above which a class is predicted if multi-label; else None.
    data_digest: the hash of the texts and labels, if the files have one.
    answers: in place of logits, class ids (seeds, examples), or bool (seeds, examples, classes). n_classes: with them.
    error_norms: (seeds, examples) float32, the L2 norm of p(x) - y, if the files of answers have it.
    stored_digests: of each seed's logits, where these are not there; None where it is not known.
    """

    logits: np.ndarray | None
    seeds: tuple[int, ...]
    decision_thresholds: np.ndarray | None = None
    data_digest: str | None = None
    answers: np.ndarray | None = None
    n_classes: int | None = None
    error_norms: np.ndarray | None = None
    stored_digests: tuple[str | None, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many seeds, examples and classes."""
        seeds, examples, *classes = (self.classes if self.logits is None else self.logits).shape
        return seeds, examples, *(classes or [self.n_classes])

    @property
    def task(self) -> str:
        """The task's name in `data.tasks`."""
        sets = self.decision_thresholds is not None if self.answers is None else self.answers.ndim == 3
        return "multi-label" if sets else "single-label"

    @property
    def classes(self) -> np.ndarray:
        """The predicted classes: ids (seeds, examples), or bool (seeds, examples, classes) if multi-label."""
        if self.logits is None:
            return np.asarray(self.answers)
        return ANSWERS[self.task](self.logits, self.decision_thresholds)

    @property
    def probabilities(self) -> np.ndarray:
        """(seeds, examples, classes) float64: the softmax of the logits, or their sigmoid if multi-label.

        Raises PielabError if the logits were not kept.
        """
        if self.logits is None:
            raise logits_not_kept(f"the predictions of the seeds {', '.join(map(str, self.seeds))}")
        logits = self.logits.astype(np.float64)
        return softmax(logits) if self.decision_thresholds is None else sigmoid(logits)

    @property
    def logits_digests(self) -> tuple[str | None, ...]:
        """The `records.digest_arrays` of each seed's logits; None where it is not known."""
        return self.stored_digests if self.logits is None else tuple(map(records.digest_arrays, self.logits))


@dataclass(frozen=True)
class File:
    """What one file holds: logits (examples, classes) or, in their place, answers (examples, ...) and error norms."""

    metadata: dict[str, Any]
    logits: np.ndarray | None
    answers: np.ndarray | None = None
    error_norms: np.ndarray | None = None

    @property
    def decision_threshold(self) -> float | None:
        return self.metadata.get("decision_threshold")

    @property
    def run(self) -> Predictions:
        """The same as predictions of one seed."""
        logits, answers, norms = (
            None if values is None else values[None] for values in (self.logits, self.answers, self.error_norms)
        )
        threshold = self.decision_threshold
        thresholds = None if threshold is None else np.array([threshold], dtype=np.float32)
        of, seed = self.metadata.get, self.metadata.get("seed", 0)
        digests = (of("logits_digest"),)
        return Predictions(logits, (seed,), thresholds, of("data"), answers, of("n_classes"), norms, digests)

    @property
    def shape(self) -> tuple[int, int]:
        """How many examples and classes."""
        return self.run.shape[1:]

    @property
    def classes(self) -> np.ndarray:
        """The predicted classes: ids (examples,), or bool (examples, classes) if multi-label."""
        return self.run.classes[0]

    @property
    def task(self) -> str:
        """The task's name in `data.tasks`."""
        return self.run.task

    @property
    def logits_digest(self) -> str | None:
        return self.run.logits_digests[0]


def logits_not_kept(what: str) -> PielabError:
    """The error of what needs logits and has answers alone."""
    return PielabError(
        "logits-not-kept",
        f"{what} are answers without logits, so their probabilities are not known",
        "use the answers, or train or import these seeds again with their logits",
    )


def write(path: Path, logits: np.ndarray, metadata: Mapping[str, Any]) -> None:
    """Write logits (examples, classes) with metadata, whose values are stored as JSON."""
    _write(path, {"logits": columns.lists(np.asarray(logits, dtype=np.float32))}, metadata)


def write_answers(
    path: Path, answers: np.ndarray, metadata: Mapping[str, Any], error_norms: np.ndarray | None = None
) -> None:
    """Write answers without logits: class ids (examples,), or bool (examples, classes); and perhaps error norms.

    metadata: as of `write`, with n_classes and, where it is known, logits_digest.
    """
    arrays = {"answer": pa.array(answers.astype(np.int64)) if answers.ndim == 1 else columns.lists(answers)}
    if error_norms is not None:
        arrays["error_norm"] = pa.array(np.asarray(error_norms, dtype=np.float32))
    _write(path, arrays, metadata)


def write_file(path: Path, file: File) -> None:
    """Write what a file holds, as `read_file` gives it."""
    if file.logits is None:
        write_answers(path, file.classes, file.metadata, file.error_norms)
    else:
        write(path, file.logits, file.metadata)


def _write(path: Path, arrays: Mapping[str, pa.Array], metadata: Mapping[str, Any]) -> None:
    examples = np.arange(len(next(iter(arrays.values()))), dtype=np.int64)
    stored = {key: json.dumps(value) for key, value in metadata.items()}
    pq.write_table(pa.table([examples, *arrays.values()], names=["example", *arrays], metadata=stored), path)


def read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits (examples, classes) float32 in the order of `example`, and the metadata.

    Raises PielabError if the file has answers without logits, or for what `read_file` refuses.
    """
    file = read_file(path)
    if file.logits is None:
        raise logits_not_kept(f"the predictions of {path}")
    return file.logits, file.metadata


def read_file(path: Path) -> File:
    """What a file holds, in the order of `example`. Raises PielabError if it is missing, damaged or not as written."""
    if not path.exists():
        raise PielabError(
            "no-such-predictions", f"there are no predictions {path}", "train this seed, or leave it out of seeds"
        )
    with records.checked_read(path, records.retraining_cure(path.parent)):
        table = pq.read_table(path)
        examples = table["example"].to_numpy()
        if (examples[:-1] > examples[1:]).any():
            table = table.sort_by("example")
            examples = table["example"].to_numpy()
        has_answers = "answer" in table.column_names and "logits" not in table.column_names
        column = table["answer" if has_answers else "logits"].combine_chunks()
    logits = None if has_answers else columns.matrix(column, path)
    if not np.array_equal(examples, np.arange(len(table))):
        raise PielabError(
            "examples-misnumbered",
            f"the examples of {path} are not 0 to {len(table) - 1}, each once",
            "number them as in the split",
        )
    if logits is not None and not np.isfinite(logits).all():
        raise PielabError(
            "stored-logits-not-finite",
            f"{path} has logits that are not finite numbers",
            "its model had diverged, train it with a lower learning_rate",
        )
    metadata = _metadata(table.schema.metadata or {})
    if "split" in metadata:  # else they are of another program, whose seed may be another number
        records.require_place(metadata, path)
    if logits is None:
        answers = columns.answers(column, metadata.get("n_classes"), path)
        return File(metadata, None, answers, columns.error_norms(table, path))
    return File(metadata, logits)


def read_seeds(folder: Path | str, seeds: Sequence[int], split: str = "test") -> Predictions:
    """The predictions of a configuration's seeds, `<folder>/seeds/<seed>/<split>.parquet`.

    Raises PielabError if a file is missing, or the seeds differ in their examples.
    """
    if not Path(folder).exists():
        configurations = sorted(path.parent.name for path in Path(folder).parent.glob("*/seeds"))
        raise PielabError(
            "no-predictions-of-configuration",
            f"there are no predictions in {folder} (beside it: {', '.join(configurations) or 'nothing'})",
            "run 01_train or 02_prune with these parameters first, or add predictions made elsewhere by "
            "pielab.importing.add",
        )
    runs = [read_file(paths.seed(folder, seed) / f"{split}.parquet") for seed in seeds]
    shapes = {run.shape for run in runs}
    if len(shapes) > 1:
        raise PielabError(
            "seeds-of-different-shapes",
            f"the seeds in {folder} differ in examples or classes {sorted(shapes)}",
            "run them alike",
        )
    digests = {run.metadata.get("data") for run in runs}
    if len(digests) > 1:
        raise PielabError(
            "seeds-of-different-data", f"the seeds in {folder} were made on different texts or labels", "run them alike"
        )
    thresholds = [run.decision_threshold for run in runs]
    if len({run.task for run in runs}) > 1 and len({threshold is None for threshold in thresholds}) > 1:
        raise PielabError(
            "decision-threshold-of-some",
            f"only some seeds in {folder} have a decision_threshold in their metadata",
            "give it to all",
        )
    if len({run.task for run in runs}) > 1:
        raise PielabError(
            "answers-of-different-kinds",
            f"some seeds in {folder} have one class as the answer, and others a set of classes",
            "run them alike",
        )
    stacked = None if None in thresholds else np.array(thresholds, dtype=np.float32)
    of_seeds = functools.partial(
        Predictions, seeds=tuple(seeds), decision_thresholds=stacked, data_digest=digests.pop()
    )
    logits = [run.logits for run in runs if run.logits is not None]
    if len(logits) == len(runs):
        return of_seeds(np.stack(logits))
    # Some seeds may have been trained after the others were restored from an archive.
    norms = [run.error_norms for run in runs if run.error_norms is not None]
    return of_seeds(
        None,
        answers=np.stack([run.classes for run in runs]),
        n_classes=runs[0].shape[1],
        error_norms=np.stack(norms) if len(norms) == len(runs) else None,
        stored_digests=tuple(run.logits_digest for run in runs),
    )


def _metadata(stored: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The metadata entries that are JSON, as pielab writes them; those of other programs are left out."""
    metadata = {}
    for key, value in stored.items():
        with contextlib.suppress(ValueError):
            metadata[key.decode()] = json.loads(value)
    return metadata


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return special.expit(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
