"""Parameters that name files and folders of this machine, checked before anything starts."""

import os
import re
from pathlib import Path

from pielab.config.base_parameters import Parameters
from pielab.errors import PielabError
from pielab.store import paths

_IS_PATH = re.compile(r"~|\.{0,2}/|.*\.(csv|tsv|parquet|jsonl?)(\.gz)?$", re.IGNORECASE | re.DOTALL)


def check(p: Parameters) -> None:
    """Raises PielabError if a file or folder that is named is not there, or the results folder cannot be written.

    A data set or model whose name is no path may be the Hub's; notebooks that read predictions alone need no model.
    """
    paths.require_folder(p.study_folder)
    given = p.model_dump()
    data_dir = given.get("data_dir")
    if data_dir and not Path(data_dir).expanduser().is_dir():
        raise _missing(p, "data_dir", "folder")
    dataset = given.get("dataset", "")
    if _IS_PATH.match(dataset) and not paths.find(dataset, data_dir, os.environ.get("PIELAB_DATA")):
        raise _missing(p, "dataset", "file or folder")
    if "word_vectors" not in given:
        return
    model = paths.find(p.model)
    if (model and not model.is_dir()) or (not model and _IS_PATH.match(p.model)):
        raise _missing(p, "model", "folder")
    vectors = paths.find(p.word_vectors)
    if p.model == "bilstm" and p.word_vectors != "glove-6b-50d" and not (vectors and vectors.is_file()):
        raise _missing(p, "word_vectors", "file")


def _missing(p: Parameters, name: str, kind: str) -> PielabError:
    value, accepted = getattr(p, name), type(p).model_fields[name].description
    return PielabError("no-such-path", f"{name} = {value!r} is no {kind} here", f"give {accepted}")
