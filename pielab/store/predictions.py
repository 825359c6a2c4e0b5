"""The contract between training and analysis: one Parquet file of logits for each seed and split.

Columns `example` (int64, the position in the split) and `logits` (a fixed-size list of float32, one for each
class). The file's metadata describe the run. Predictions of other programs work as well as pielab's own:
`pielab.importing.add` writes them.
"""

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from scipy import special

from pielab.errors import PielabError
from pielab.store import paths, records

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
    """The logits of one configuration's seeds on one split.

    logits: (seeds, examples, classes) float32.
    decision_thresholds: (seeds,), the probability above which a class is predicted if multi-label; else None.
    data_digest: the hash of the texts and labels, if the files have one.
    """

    logits: np.ndarray
    seeds: tuple[int, ...]
    decision_thresholds: np.ndarray | None = None
    data_digest: str | None = None

    @property
    def task(self) -> str:
        """The task's name in `data.tasks`."""
        return "single-label" if self.decision_thresholds is None else "multi-label"

    @property
    def classes(self) -> np.ndarray:
        """The predicted classes: ids (seeds, examples), or bool (seeds, examples, classes) if multi-label."""
        return ANSWERS[self.task](self.logits, self.decision_thresholds)

    @property
    def probabilities(self) -> np.ndarray:
        """(seeds, examples, classes) float64: the softmax of the logits, or their sigmoid if multi-label."""
        logits = self.logits.astype(np.float64)
        return softmax(logits) if self.decision_thresholds is None else sigmoid(logits)


def write(path: Path, logits: np.ndarray, metadata: Mapping[str, Any]) -> None:
    """Write logits (examples, classes) with metadata, whose values are stored as JSON."""
    examples, classes = logits.shape
    values = pa.array(np.ascontiguousarray(logits, dtype=np.float32).ravel())
    columns = [np.arange(examples, dtype=np.int64), pa.FixedSizeListArray.from_arrays(values, classes)]
    stored = {key: json.dumps(value) for key, value in metadata.items()}
    pq.write_table(pa.table(columns, names=["example", "logits"], metadata=stored), path)


def read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Logits (examples, classes) float32 in the order of `example`, and the metadata."""
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
        column = table["logits"].combine_chunks()
    logits = _matrix(column, path)
    if not np.array_equal(examples, np.arange(len(table))):
        raise PielabError(
            "examples-misnumbered",
            f"the examples of {path} are not 0 to {len(table) - 1}, each once",
            "number them as in the split",
        )
    if not np.isfinite(logits).all():
        raise PielabError(
            "stored-logits-not-finite",
            f"{path} has logits that are not finite numbers",
            "its model had diverged, train it with a lower learning_rate",
        )
    metadata = _metadata(table.schema.metadata or {})
    if "split" in metadata:  # else they are of another program, whose seed may be another number
        records.require_place(metadata, path)
    return logits, metadata


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
    runs = [read(paths.seed(folder, seed) / f"{split}.parquet") for seed in seeds]
    shapes = {logits.shape for logits, _ in runs}
    if len(shapes) > 1:
        raise PielabError(
            "seeds-of-different-shapes",
            f"the seeds in {folder} differ in examples or classes {sorted(shapes)}",
            "run them alike",
        )
    digests = {metadata.get("data") for _, metadata in runs}
    if len(digests) > 1:
        raise PielabError(
            "seeds-of-different-data", f"the seeds in {folder} were made on different texts or labels", "run them alike"
        )
    thresholds = [metadata.get("decision_threshold") for _, metadata in runs]
    if len({threshold is None for threshold in thresholds}) > 1:
        raise PielabError(
            "decision-threshold-of-some",
            f"only some seeds in {folder} have a decision_threshold in their metadata",
            "give it to all",
        )
    stacked = None if thresholds[0] is None else np.array(thresholds, dtype=np.float32)
    return Predictions(np.stack([logits for logits, _ in runs]), tuple(seeds), stacked, digests.pop())


def _matrix(column: pa.Array, path: Path) -> np.ndarray:
    """A column of lists of numbers as (rows, numbers) float32; PielabError if the lists are not equally long."""
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    numbers = is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))
    shortest, longest = pc.min_max(pc.list_value_length(column)).as_py().values() if numbers else (0, 0)
    if shortest != longest or not longest or column.null_count:
        raise PielabError(
            "stored-logits-not-lists",
            f"the logits of {path} are {len(column)} of {kind}, from {shortest} to {longest} numbers long",
            "give each example one number for each class",
        )
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)  # null becomes NaN
    return values.reshape(len(column), -1)


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
