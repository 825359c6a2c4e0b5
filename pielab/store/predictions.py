"""The contract between training and analysis: one Parquet file for each seed and split.

Columns `example` (int64, the position in the split) and `logits` (a fixed-size list of float32, one for each
class). The file's metadata describe the run. Predictions of other programs work as well as pielab's own:
`pielab.importing.add` writes them.

Where logits are not known, or are too large to be kept, a file has answers in their place: a column `answer`, class ids
(integers) or a fixed-size list of bool for several labels; perhaps `error_norm` (float32), the L2 norm of p(x) - y; and
in its metadata `n_classes` and, where known, `logits_digest`, the `records.digest_arrays` of the logits they are of.

Of sentences with a tag for each word, each row has a list with an entry for each word: logits, one for each tag, or a
tag's id as the answer; and the metadata have `task`, "tokens", and `tags`, their names. In memory the words stand one
after the other.

Of questions, each row has the `answer`, a string of the question's context, `start`, the place of its first character
there, and `score`; the answer "" at -1 is no answer. The metadata have `task`, "spans". Logits are not kept.

Of generated texts, each row has the text as `answer`; `nearness`, `score` and `target_score`, as of `TextAnswers`, the
two last null if not known; and the metadata have `task`, "generation". Those of pruned models have no threshold.
"""

import contextlib
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pielab.errors import PielabError
from pielab.store import columns, paths, records
from pielab.store.prediction_arrays import File, Predictions, logits_not_kept
from pielab.store.probabilities import ANSWERS, sigmoid, softmax
from pielab.store.span_answers import SpanAnswers
from pielab.store.text_answers import TextAnswers

__all__ = ["ANSWERS", "File", "Predictions", "logits_not_kept", "read", "read_file", "read_seeds", "sigmoid"]
__all__ += ["softmax", "write", "write_answers", "write_file"]


def write(path: Path, logits: np.ndarray, metadata: Mapping[str, Any], starts: np.ndarray | None = None) -> None:
    """Write logits (examples, classes) with metadata, whose values are stored as JSON.

    starts: of tagged words, where each sentence begins (`entities.Tags`); logits are (words, tags), metadata have tags.
    """
    column = columns.lists(np.asarray(logits, dtype=np.float32))
    _write(path, {"logits": column if starts is None else columns.ragged(column, starts)}, metadata)


def write_answers(
    path: Path,
    answers: np.ndarray | SpanAnswers | TextAnswers,
    metadata: Mapping[str, Any],
    error_norms: np.ndarray | None = None,
    starts: np.ndarray | None = None,
) -> None:
    """Write answers without logits, and error norms.

    answers: class ids (examples,), bool (examples, classes), SpanAnswers or TextAnswers.

    metadata, starts: as of `write`, with n_classes and, where it is known, logits_digest.
    """
    arrays = _columns(answers, starts)
    if error_norms is not None:
        arrays["error_norm"] = pa.array(np.asarray(error_norms, dtype=np.float32))
    _write(path, arrays, metadata)


def _columns(answers: np.ndarray | SpanAnswers | TextAnswers, starts: np.ndarray | None) -> dict[str, pa.Array]:
    if isinstance(answers, SpanAnswers):
        texts = pa.array(list(answers.texts), type=pa.string())
        return {"answer": texts, "start": pa.array(answers.starts), "score": pa.array(answers.scores)}
    if isinstance(answers, TextAnswers):
        numbers = {"nearness": answers.nearness, "score": answers.scores, "target_score": answers.target_scores}
        columns_of = {name: pa.array(each.astype(np.float32), from_pandas=True) for name, each in numbers.items()}
        return {"answer": pa.array(list(answers.texts), type=pa.string()), **columns_of}
    column = pa.array(answers.astype(np.int64)) if answers.ndim == 1 else columns.lists(answers)
    return {"answer": column if starts is None else columns.ragged(column, starts)}


def write_file(path: Path, file: File) -> None:
    """Write what a file holds, as `read_file` gives it."""
    if file.logits is None:
        write_answers(path, file.classes, file.metadata, file.error_norms, file.starts)
    else:
        write(path, file.logits, file.metadata, file.starts)


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
    metadata = _metadata(table.schema.metadata or {})
    starts, task = None, metadata.get("task")
    if task == "tokens":
        column, starts = columns.unragged(column, path)
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
    if "split" in metadata:  # else they are of another program, whose seed may be another number
        records.require_place(metadata, path)
    if task == "spans":
        return File(metadata, None, columns.spans(table, path), columns.error_norms(table, path))
    if task == "generation":
        read = columns.texts(table, metadata.get("decision_threshold"), path)
        return File(metadata, None, read, columns.error_norms(table, path))
    if logits is None:
        n_classes = metadata.get("n_classes") if starts is None else len(columns.tags(metadata, path))
        answers = columns.answers(column, n_classes, path)
        return File(metadata, None, answers, columns.error_norms(table, path), starts)
    if starts is not None:
        columns.tags(metadata, path, logits.shape[1])
    return File(metadata, logits, starts=starts)


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
    words = {(run.tags, None if run.starts is None else run.starts.tobytes()) for run in runs}
    if len(shapes) > 1 or len(words) > 1:
        raise PielabError(
            "seeds-of-different-shapes",
            f"the seeds in {folder} differ in examples or classes {sorted(shapes)}{', or in words' * (len(words) > 1)}",
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
        Predictions,
        seeds=tuple(seeds),
        decision_thresholds=stacked,
        data_digest=digests.pop(),
        starts=runs[0].starts,
        tags=runs[0].tags,
    )
    logits = [run.logits for run in runs if run.logits is not None]
    if len(logits) == len(runs):
        return of_seeds(np.stack(logits))
    # Some seeds may have been trained after the others were restored from an archive.
    norms = [run.error_norms for run in runs if run.error_norms is not None]
    of_runs = [run.classes for run in runs]
    return of_seeds(
        None,
        answers=getattr(type(of_runs[0]), "stack", np.stack)(of_runs),
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
