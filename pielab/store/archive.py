"""A study's answers without logits and weights, small enough to be kept in a repository: one file a seed and pair.

<archive>/<pair>/<seed>.parquet has a row for each configuration: pruner and threshold, its record (the text of
metrics.json), and for each split the answers, one byte a text, the digest of the logits that they are of, and of
unpruned models the error norms. study.yaml is that of the study.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pielab.errors import PielabError
from pielab.store import files, paths, predictions, records
from pielab.store.paths import Configuration
from pielab.store.predictions import File
from pielab.store.span_answers import SpanAnswers
from pielab.store.text_answers import TextAnswers

SPLITS = ("test", "train", "early", "test-batch-size", "test-precision")
CURE = "bring it back from where the archive is from, or delete it and archive the study again"


def _list(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind))  # as Parquet names it, so that a table read is equal to the one written


@dataclass(frozen=True)
class Row:
    """A configuration of one seed: the text of its record, and its predictions by split."""

    text: str
    splits: dict[str, File]

    @property
    def record(self) -> dict[str, Any]:
        return json.loads(self.text)


SCHEMA = pa.schema(
    {
        "pruner": pa.string(),
        "threshold": pa.string(),
        "record": pa.string(),
        "predictions": _list(
            pa.struct(
                {
                    "split": pa.string(),
                    "answers": _list(pa.uint16()),
                    "logits_digest": pa.string(),
                    "error_norms": _list(pa.float32()),
                }
            )
        ),
    }
)
# The answers of one split as whole numbers, one for each text or byte, and back; given the number of classes. Of tagged
# words one for each word, and after each sentence the number of tags, which is none of their ids. Of questions and
# generated texts the bytes of their answers as JSON.
PACK: dict[str, Callable[[File, int], np.ndarray]] = {
    "single-label": lambda file, n_classes: file.classes.astype(np.uint16),
    "multi-label": lambda file, n_classes: np.packbits(file.classes, axis=1).ravel(),
    "tokens": lambda file, n_classes: np.insert(file.classes.astype(np.uint16), np.asarray(file.starts)[1:], n_classes),
    "spans": lambda file, n_classes: np.frombuffer(_spans_as_json(file.classes), np.uint8).astype(np.uint16),
    "generation": lambda file, n_classes: np.frombuffer(_texts_as_json(file.classes), np.uint8).astype(np.uint16),
}
UNPACK: dict[str, Callable[[np.ndarray, int], Any]] = {
    "single-label": lambda packed, n_classes: packed.astype(np.int64),
    "multi-label": lambda packed, n_classes: np.unpackbits(
        packed.astype(np.uint8).reshape(-1, -(-n_classes // 8)), axis=1, count=n_classes
    ).astype(bool),
    "tokens": lambda packed, n_classes: packed[packed != n_classes].astype(np.int64),
    "spans": lambda packed, n_classes: _spans_of_json(packed.astype(np.uint8).tobytes()),
    "generation": lambda packed, n_classes: _texts_of_json(packed.astype(np.uint8).tobytes()),
}


def _spans_as_json(answers: SpanAnswers) -> bytes:
    scores = [round(score, 4) for score in answers.scores.astype(float).tolist()]
    return json.dumps([answers.texts.tolist(), answers.starts.tolist(), scores], ensure_ascii=False).encode()


def _spans_of_json(packed: bytes) -> SpanAnswers:
    texts, starts, scores = json.loads(packed)
    return SpanAnswers(np.array(texts, dtype=object), np.array(starts, np.int64), np.array(scores, np.float32))


def _texts_as_json(answers: TextAnswers) -> bytes:
    # As many digits as tell two numbers of single precision apart, because nearness tells which texts are right.
    numbers = [
        [None if np.isnan(number) else float(f"{number:.9g}") for number in each.tolist()]
        for each in (answers.nearness, answers.scores, answers.target_scores)
    ]
    return json.dumps([answers.texts.tolist(), *numbers, answers.threshold], ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


def _texts_of_json(packed: bytes) -> TextAnswers:
    texts, *numbers, threshold = json.loads(packed.decode("utf-8", "surrogatepass"))
    return TextAnswers(
        np.array(texts, dtype=object), *(np.array(each, np.float32) for each in numbers), threshold=threshold
    )


def file(folder: Path, pair: str, seed: int) -> Path:
    """The file of a seed of a pair."""
    return folder / pair / f"{seed:02d}.parquet"


def table(rows: Sequence[Row], pair: str, seed: int) -> pa.Table:
    """A seed's configurations as the table that `write` writes."""
    first = rows[0].splits["test"]
    task, n_classes = first.task, first.shape[1]
    listed = [
        {
            "pruner": Configuration.of(row.record).method,
            "threshold": str(Configuration.of(row.record).setting),
            "record": row.text,
            "predictions": [
                {
                    "split": split,
                    "answers": PACK[task](file, n_classes),
                    "logits_digest": file.logits_digest,
                    "error_norms": file.error_norms,
                }
                for split, file in row.splits.items()
            ],
        }
        for row in rows
    ]
    about = {"pair": pair, "seed": seed, "task": task, "n_classes": n_classes}
    about |= {"tags": first.tags} if first.tags else {}
    return pa.Table.from_pylist(listed, SCHEMA.with_metadata({"pielab": json.dumps(about)}))


def write(path: Path, rows: pa.Table) -> None:
    """Write the table of a seed, and its digest."""
    numbers = [f"predictions.list.element.{name}.list.element" for name in ("answers", "error_norms")]
    options = {
        "compression": "zstd",
        "compression_level": 22,
        "use_dictionary": False,
        "column_encoding": dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
        # These would hold the longest texts, and the schema, once again.
        "write_statistics": False,
        "store_schema": False,
    }
    with files.atomic_file(path, digest=True) as partial, pq.ParquetWriter(partial, SCHEMA, **options) as writer:
        writer.write_table(rows)
        writer.add_key_value_metadata(rows.schema.metadata)


def is_written(path: Path, rows: pa.Table) -> bool:
    """Whether a file has this table already. Raises PielabError if it is damaged."""
    if not path.exists():
        return False
    with records.checked_read(path, CURE):
        written = pq.read_table(path)
        return written.equals(rows) and written.schema.metadata == rows.schema.metadata


def read(path: Path) -> list[Row]:
    """The configurations of a seed's file. Raises PielabError if it is damaged, or of another pair or seed."""
    with records.checked_read(path, CURE):
        rows = pq.read_table(path)
        about = json.loads(rows.schema.metadata[b"pielab"])
        found = [_row(row, about) for row in rows.to_pylist()]
        places = [(Configuration.of(row.record), row.record["seed"]) for row in found]
    of = {(about["pair"], about["seed"])} | {(configuration.pair, seed) for configuration, seed in places}
    if {(pair, f"{seed:02d}") for pair, seed in of} != {(path.parent.name, path.stem)} or len(set(places)) < len(
        places
    ):
        named = ", ".join(f"seed {seed} of {pair}" for pair, seed in sorted(of))
        raise PielabError("archive-file-misplaced", f"{path} holds {len(places)} configurations, of {named}", CURE)
    return found


def _row(row: Mapping[str, Any], about: Mapping[str, Any]) -> Row:
    metadata, splits = records.of_predictions(json.loads(row["record"])), {}
    for stored in row["predictions"]:
        split, n_classes, norms = stored["split"], about["n_classes"], stored["error_norms"]
        packed = np.array(stored["answers"])
        answers = UNPACK[about["task"]](packed, n_classes)
        if isinstance(answers, np.ndarray) and answers.max(initial=0) >= n_classes:
            raise ValueError(f"it has answers beyond its {n_classes} classes")
        of_split = {"split": split, "n_classes": n_classes, "logits_digest": stored["logits_digest"]}
        starts = None
        if not isinstance(answers, np.ndarray) or "tags" in about:
            of_split |= {"task": about["task"]}
        if "tags" in about:
            of_split |= {"tags": about["tags"]}
            ends = np.flatnonzero(packed == n_classes)
            starts = np.concatenate([[0], ends - np.arange(len(ends))])
        splits[split] = File(metadata | of_split, None, answers, norms and np.array(norms, np.float32), starts)
    return Row(row["record"], splits)


def restore(path: Path, study_folder: Path, write: bool = True) -> int:
    """Write the seeds' folders of a file that the study lacks; how many those are.

    write: False only checks. Raises PielabError if the study has another seed in the place of one.
    """
    missing = 0
    for row in read(path):
        folder = paths.seed(Configuration.of(row.record).folder(study_folder), row.record["seed"])
        if folder.exists():
            _check_same(folder, row, path)
            continue
        missing += 1
        if write:
            with files.atomic_folder(folder) as partial:
                (partial / "metrics.json").write_text(row.text)
                for split, file in row.splits.items():
                    predictions.write_file(partial / f"{split}.parquet", file)
    return missing


def _check_same(folder: Path, row: Row, path: Path) -> None:
    """Raises PielabError unless a seed's folder has the answers of an archived one, and was made by the same recipe."""
    same = records.read(folder).get("parameters") == row.record.get("parameters")
    for split, file in row.splits.items():
        of_folder = folder / f"{split}.parquet"
        same = same and of_folder.exists() and _is_same(predictions.read_file(of_folder), file)
    if not same:
        raise PielabError(
            "other-seed-in-place",
            f"{folder} is another seed than that of {path}",
            f"delete {folder}, or give another folder by --results",
        )


def _is_same(first: File, second: File) -> bool:
    one, other = (PACK[each.task](each, each.shape[1]) for each in (first, second))
    return first.task == second.task and np.array_equal(one, other)


def read_study(folder: Path) -> str:
    """The text of the study.yaml of an archive or of a study. Raises PielabError if it is missing or damaged."""
    with records.checked_read(
        paths.study_file(folder), "give a folder in which pielab study or archive wrote it"
    ) as path:
        return path.read_text(encoding="utf-8")


def write_study(folder: Path, text: str) -> bool:
    """Write study.yaml if it is not as `text`; whether it did."""
    path = paths.study_file(folder)
    if path.exists() and read_study(folder) == text:
        return False
    with files.atomic_file(path, digest=True) as partial:
        partial.write_text(text, encoding="utf-8")
    return True
