"""Parameters that name files and folders of this machine, checked before anything starts."""

import json
import os
import re
from pathlib import Path

from pielab.config.base_parameters import Parameters
from pielab.config.parameters import NOTEBOOKS, BuildParameters
from pielab.config.study import Study
from pielab.config.validation import validate
from pielab.errors import PielabError
from pielab.store import paths

_IS_PATH = re.compile(r"~|\.{0,2}/|.*\.(csv|tsv|parquet|jsonl?|conll)(\.gz)?$", re.IGNORECASE | re.DOTALL)


def check(p: Parameters) -> None:
    """Raises PielabError if a file or folder that is named is not there, or the results folder cannot be written.

    A data set or model whose name is no path may be the Hub's; notebooks that read predictions alone need no model.
    """
    paths.require_folder(p.study_folder)
    paths.require_folder(getattr(p, "folder", p.study_folder) / "seeds")
    given = p.model_dump()
    data_dir = given.get("data_dir")
    if data_dir and not Path(data_dir).expanduser().is_dir():
        raise _no_such_path(p, "data_dir", "folder")
    dataset = given.get("dataset", "")
    if _IS_PATH.match(dataset) and not paths.find(dataset, data_dir, os.environ.get("PIELAB_DATA")):
        raise _no_such_path(p, "dataset", "file or folder")
    if not isinstance(p, BuildParameters):
        return
    model = None if p.model in {"bilstm", "minilm", "minilm-2l"} else paths.find(p.model)
    if (model and not model.is_dir()) or (not model and _IS_PATH.match(p.model)):
        raise _no_such_path(p, "model", "folder")
    if model and not _is_json(model / "config.json"):
        raise PielabError(
            "model-without-config",
            f"model = {p.model!r} has no config.json, or one that is not JSON",
            "give a folder with a saved transformers model, or get its config.json again",
        )
    vectors = paths.find(p.word_vectors)
    if p.model == "bilstm" and p.word_vectors != "glove-6b-50d" and not (vectors and vectors.is_file()):
        raise _no_such_path(p, "word_vectors", "file")


def missing(study: Study, folder: Path) -> list[PielabError]:
    """The errors of `check` for a study, each once; none if it is finished, because its results need nothing else.

    folder: of the study.
    """
    errors = {}
    for pair in [] if paths.finished(folder).exists() else study.dense:
        try:
            check(validate(NOTEBOOKS["01_train"], study.parameters("01_train", pair), "the study"))
        except PielabError as error:
            errors[str(error)] = error
    return list(errors.values())


def _is_json(path: Path) -> bool:
    try:
        return bool(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return False


def _no_such_path(p: Parameters, name: str, kind: str) -> PielabError:
    value, accepted = getattr(p, name), type(p).model_fields[name].description
    return PielabError("no-such-path", f"{name} = {value!r} is no {kind} here", f"give {accepted}")
