"""WebNLG (Gardent et al. 2017): sets of triples from DBpedia, each with several texts that people wrote."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

from pielab.errors import warn
from pielab.progress import counted

SOURCE = "the folders train, dev and test of a release v1 of https://gitlab.com/shimorina/webnlg-dataset"
_STEMS = {"train": "train", "validation": "dev", "test": "test"}
_XML = "{}/*triples/*.xml"
FILES = tuple(form.format(stem) for stem in _STEMS.values() for form in (_XML, "{}.jsonl*"))
# Between the triples of a set, of which each has " | " between subject, property and object.
BETWEEN = " && "


def is_own(path: Path) -> bool:
    """Whether a file is of WebNLG, as the beginning of one of JSON lines tells; other data have files of its name."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return path.suffix == ".xml" or b'"triples"' in file.read(10_000)
    except (OSError, EOFError, zlib.error):
        return False


def read(folder: Path) -> dict[str, pd.DataFrame]:
    """The splits: the modified triples of a set, joined by `BETWEEN`, as text, and its texts as a list as target.

    From the makers' XML, of which lexicalisations that are not marked good are left out, or from JSON lines with the
    keys triples and texts. Warns of sets without texts, which are left out. Raises ValueError or KeyError for others.
    """
    frames, without = {}, 0
    for split, stem in _STEMS.items():
        files = sorted(folder.glob(_XML.format(stem)))
        lines = [path for end in ("", ".gz") if (path := folder / f"{stem}.jsonl{end}").exists()]
        sets = [each for path in files or lines for each in (_of_xml(path) if files else _of_lines(path))]
        if sets:
            frames[split] = pd.DataFrame([each for each in sets if each[1]], columns=["text", "target"])
            without += len(sets) - len(frames[split])
    if without:
        warn(f"{folder} has {counted(without, 'set')} of triples without a text, left out")
    return frames


def _of_xml(path: Path) -> Iterator[tuple[str, list[str]]]:
    text = path.read_text(encoding="utf-8")
    if "<!DOCTYPE" in text:  # which could define entities that grow without end
        raise ValueError(f"{path.name} has a document type")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"{path.name}: {error}") from None
    for entry in root.iter("entry"):
        triples = [_stripped(triple) for triple in entry.findall("modifiedtripleset/mtriple")]
        texts = [_stripped(lex) for lex in entry.findall("lex") if lex.get("comment", "good") == "good"]
        yield BETWEEN.join(triples), [text for text in texts if text]


def _stripped(element: ElementTree.Element) -> str:
    """The text of an element, in later versions in one of its own, on one line."""
    return " ".join((element.findtext("text") or element.text or "").split())


def _of_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    for row in map(json.loads, _lines(path)):
        yield BETWEEN.join(row["triples"]), row["texts"]


def _lines(path: Path) -> Iterator[str]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    yield from text.removesuffix("\n").split("\n")
