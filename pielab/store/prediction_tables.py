"""The predictions of one model on texts of the user's, as a Parquet file that any tool reads."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pielab.errors import PielabError
from pielab.store import files, records
from pielab.store.columns import lists, ragged


def write(
    path: Path,
    columns: Mapping[str, Sequence],
    logits: np.ndarray | None,
    metadata: Mapping[str, Any],
    name: str = "logits",
    starts: np.ndarray | None = None,
) -> None:
    """Write the columns, and after them logits (texts, classes) float32 as lists, if given; metadata as JSON.

    name: of the column of logits. starts: where each sentence of words begins, if logits are (words, tags).
    """
    arrays, names = [*map(pa.array, columns.values())], [*columns]
    if logits is not None:
        values = lists(np.asarray(logits, dtype=np.float32))
        arrays, names = [*arrays, values if starts is None else ragged(values, starts)], [*names, name]
    stored = {key: json.dumps(value) for key, value in metadata.items()}
    with files.atomic_file(path, digest=True) as partial:
        pq.write_table(pa.table(arrays, names=names, metadata=stored), partial)


def is_written(path: Path, recipe: Mapping[str, Any]) -> bool:
    """Whether a file has the predictions of this recipe, the entry "recipe" of its metadata.

    Raises PielabError if it is damaged or of another recipe.
    """
    if not path.exists():
        return False
    cure = f"give another --out folder, or delete {path}"
    with records.checked_read(path, cure):
        metadata = pq.read_schema(path).metadata or {}
        written = json.loads(metadata.get(b"recipe", b"{}"))
    if written != recipe:
        different = ", ".join(name for name in recipe if written.get(name) != recipe[name])
        how = f"with another value of {different}" if written else "by another program"
        raise PielabError("other-predictions-in-file", f"{path} was made {how}", cure)
    return True
