"""The columns of a file of predictions as arrays, checked: logits, answers in their place, and error norms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pielab.errors import PielabError
from pielab.store.span_answers import SpanAnswers
from pielab.store.text_answers import TextAnswers


def lists(values: np.ndarray) -> pa.Array:
    """Values (rows, numbers) as a column of lists of a fixed size."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def ragged(values: pa.Array, starts: np.ndarray) -> pa.Array:
    """Values, one after the other, as a column of lists. starts: (rows + 1,), where each begins, and the last ends."""
    return pa.ListArray.from_arrays(pa.array(starts, type=pa.int32()), values)


def unragged(column: pa.Array, path: Path) -> tuple[pa.Array, np.ndarray]:
    """The values of a column of lists and where each begins, as of `ragged`; PielabError if it is no such column."""
    if not pa.types.is_list(column.type) or column.null_count:
        raise PielabError(
            "stored-words-not-lists",
            f"the sentences of {path} are {len(column)} of {column.type}",
            "give each sentence a list, with one entry for each of its words",
        )
    lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
    return column.flatten(), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def matrix(column: pa.Array, path: Path) -> np.ndarray:
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


def answers(column: pa.Array, n_classes: Any, path: Path) -> np.ndarray:
    """A column of answers as class ids (rows,) or bool (rows, classes); PielabError if it is neither."""
    kind, cure = column.type, "give class ids, or a list of bool with one for each class"
    is_set = pa.types.is_fixed_size_list(kind) and pa.types.is_boolean(kind.value_type)
    flat = column.flatten() if is_set else column
    if not (is_set or pa.types.is_integer(kind)) or column.null_count or flat.null_count:
        raise PielabError("stored-answers-not-accepted", f"the answers of {path} are {len(column)} of {kind}", cure)
    values = flat.to_numpy(zero_copy_only=False)
    if is_set:
        values = values.reshape(len(column), kind.list_size)
        fits = n_classes in (None, kind.list_size)
    else:
        fits = isinstance(n_classes, int) and bool(((values >= 0) & (values < n_classes)).all())
    if not fits:
        raise PielabError(
            "stored-answers-of-other-classes",
            f"the answers of {path} are not of its n_classes = {n_classes!r}",
            "give the number of classes as n_classes in the metadata, and ids from 0 to below it",
        )
    return values if is_set else values.astype(np.int64)


def tags(metadata: Mapping[str, Any], path: Path, number: int | None = None) -> list[str]:
    """The names of the tags of a file of tagged words; PielabError if it has none, or not as many as its logits."""
    names: Any = metadata.get("tags")
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_list or number not in (None, len(names)):
        raise PielabError(
            "stored-tags-not-accepted",
            f"{path} has the tags {names!r} in its metadata, and {number or 'no'} logits for each word",
            "give their names as tags in the metadata, and each word one number for each of them",
        )
    return names


def spans(table: pa.Table, path: Path) -> SpanAnswers:
    """The columns answer, start and score of answers to questions, (questions,) each.

    Raises PielabError if they are missing or of other kinds, or if an answer stands nowhere.
    """
    columns = [table[name].combine_chunks() for name in ("answer", "start", "score") if name in table.column_names]
    kinds = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating)
    fits = len(columns) == len(kinds) and all(
        is_kind(column.type) and not column.null_count for is_kind, column in zip(kinds, columns, strict=True)
    )
    if fits:
        texts, starts, scores = (column.to_numpy(zero_copy_only=False) for column in columns)
        fits = bool(((starts >= 0) == (texts != "")).all() and np.isfinite(scores).all())
    if not fits:
        raise PielabError(
            "stored-spans-not-accepted",
            f"{path} has no answers to questions in its columns answer, start and score",
            "give each question a string as the answer, the place of its first character in the context, or -1 for the "
            "empty string, which is no answer, and a finite number as the score",
        )
    return SpanAnswers(texts.astype(object), starts.astype(np.int64), scores.astype(np.float32))


def texts(table: pa.Table, threshold: Any, path: Path) -> TextAnswers:
    """The columns answer, nearness, score and target_score of generated texts, (examples,) each; null is NaN in scores.

    threshold: of the metadata. Raises PielabError if columns are missing or of other kinds, or a nearness is none.
    """
    names = ("answer", "nearness", "score", "target_score")
    found = [table[name].combine_chunks() for name in names if name in table.column_names]
    fits = len(found) == len(names) and pa.types.is_string(found[0].type) and not found[0].null_count
    if fits and (fits := all(pa.types.is_floating(column.type) for column in found[1:])):
        nearness = found[1].to_numpy(zero_copy_only=False)
        fits = bool(((nearness >= 0) & (nearness <= 1)).all()) and isinstance(threshold, float | int | None)
    if not fits:
        raise PielabError(
            "stored-texts-not-accepted",
            f"{path} has no generated texts in its columns {', '.join(names)}",
            "give each example a string as the answer, a number from 0 to 1 as its nearness to people's texts, and two "
            "numbers or null as scores",
        )
    answers, *numbers = (column.to_numpy(zero_copy_only=False) for column in found)
    return TextAnswers(answers.astype(object), *(number.astype(np.float32) for number in numbers), threshold=threshold)


def error_norms(table: pa.Table, path: Path) -> np.ndarray | None:
    """The column of error norms (rows,) float32, None without one; PielabError if some are not numbers from 0 up."""
    if "error_norm" not in table.column_names:
        return None
    column = table["error_norm"].combine_chunks()
    norms = column.to_numpy(zero_copy_only=False) if pa.types.is_floating(column.type) else np.array([np.nan])
    if not np.isfinite(norms).all() or (norms < 0).any():  # null is NaN
        raise PielabError(
            "stored-error-norms-not-accepted",
            f"{path} has error norms that are no numbers from 0 up",
            "give the L2 norm of p(x) - y of each text, or leave the column out",
        )
    return norms.astype(np.float32)
