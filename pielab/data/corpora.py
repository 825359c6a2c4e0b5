"""The paper's four data sets, read from their original files (Section 3, A.2)."""

import gzip
import html
import io
import json
import re
import string
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from sklearn.model_selection import train_test_split

from pielab.errors import PielabError, first_line

SOURCES = {
    "imdb": "aclImdb_v1.tar.gz of https://ai.stanford.edu/~amaas/data/sentiment/, or the folder aclImdb in it",
    "snli": "snli_1.0.zip of https://nlp.stanford.edu/projects/snli/, or snli_1.0_{train,dev,test}.jsonl in it",
    "reuters": "reuters21578.tar.gz of https://www.daviddlewis.com/resources/testcollections/reuters21578/",
    "aapd": "text_{train,val,test} and label_{train,val,test} of https://github.com/lancopku/SGM, or aapd_*.tsv",
}
# The sizes of the originals (Table 7); files with fewer examples are incomplete.
IMDB_PER_CLASS, IMDB_VALIDATION = 12_500, 5_000
REUTERS_DOCUMENTS, REUTERS_LEAST_OF_A_TOPIC, REUTERS_TEST, REUTERS_VALIDATION = 9_606, 100, 1_429, 1_440

HUB = {"imdb": "stanfordnlp/imdb", "snli": "stanfordnlp/snli"}

Frames = dict[str, pd.DataFrame]


def read(name: str, folder: Path) -> Frames:
    """The splits of "imdb", "snli", "reuters" or "aapd" from the original files in `folder`.

    Columns: text, text_pair (SNLI), and label: a string, or a list of strings (Reuters, AAPD). The splits are the
    paper's; AAPD without its training texts gives validation and test alone.

    Raises PielabError if files are missing or broken.
    """
    try:
        return {"imdb": imdb, "snli": snli, "reuters": reuters, "aapd": aapd}[name](folder)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, PielabError):
            raise
        raise PielabError(
            "corpus-broken", f"the {name} files in {folder} are broken ({first_line(error)})", f"get {SOURCES[name]}"
        ) from None


def find(name: str, *folders: Path) -> Path | None:
    """The first of `folders`, or of their subfolders, with files of this data set; None if there is none."""
    patterns = {
        "imdb": ("aclImdb", "aclImdb_v1.tar.gz", "imdb.parquet"),
        "snli": ("snli_1.0.zip", "snli_1.0_dev.*"),
        "reuters": ("reuters21578.tar.gz", "reut2-*.sgm"),
        "aapd": ("label_*", "aapd_*.tsv*"),
    }[name]
    for folder in folders:
        subfolders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        for path in (folder, *subfolders):
            if any(any(path.glob(pattern)) for pattern in patterns):
                return path
    return None


def imdb(folder: Path) -> Frames:
    """25,000 training reviews, of which a stratified 5,000 become validation, and 25,000 test reviews."""
    if (table := folder / "imdb.parquet").exists():
        rows = pq.read_table(table, columns=["text", "label", "split"]).to_pandas()
        rows["label"] = rows["label"].map({0: "neg", 1: "pos"})
    else:
        rows = pd.DataFrame(_imdb_files(folder), columns=["split", "label", "text"])
    parts = {split: part.drop(columns="split") for split, part in rows.groupby("split")}
    for split in ("train", "test"):
        counts = Counter(parts[split]["label"]) if split in parts else {}
        if counts != {"neg": IMDB_PER_CLASS, "pos": IMDB_PER_CLASS}:
            has = ", ".join(f"{number} {label}" for label, number in sorted(counts.items())) or "none"
            raise PielabError(
                "imdb-incomplete",
                f"IMDB has {IMDB_PER_CLASS:,} {split} reviews of each class, {folder} has {has}",
                f"get {SOURCES['imdb']}",
            )
    return _imdb_validation(parts)


def _imdb_validation(parts: Frames) -> Frames:
    """Moves 5,000 training reviews, in proportion to the classes, to validation (A.2)."""
    labels = parts["train"]["label"]
    train, validation = train_test_split(parts["train"], test_size=IMDB_VALIDATION, stratify=labels, random_state=0)
    return {"train": train, "validation": validation, "test": parts["test"]}


def from_hub(name: str, frames: Frames) -> Frames:
    """The splits of IMDB or SNLI on the Hub, in the form that `read` gives."""
    if name == "imdb":
        return _imdb_validation(frames)
    return {
        split: frame.rename(columns={"premise": "text", "hypothesis": "text_pair"})[["label", "text", "text_pair"]]
        for split, frame in frames.items()
    }


def _imdb_files(folder: Path) -> Iterator[tuple[str, str, str]]:
    name = re.compile(r"aclImdb/(train|test)/(neg|pos)/\d+_\d+\.txt$")
    archive = folder / "aclImdb_v1.tar.gz"
    if archive.exists():
        with tarfile.open(archive) as members:
            for member in members:
                if match := name.search(member.name):
                    yield *match.groups(), members.extractfile(member).read().decode()
    elif (folder / "aclImdb").is_dir():
        for path in sorted((folder / "aclImdb").glob("*/*/*.txt")):
            if match := name.search(path.as_posix()):
                yield *match.groups(), path.read_text(encoding="utf-8")
    else:
        raise PielabError("no-imdb", f"{folder} has no IMDB", f"get {SOURCES['imdb']}")


def snli(folder: Path) -> Frames:
    """Premise and hypothesis; examples without a gold label ("-") are left out."""
    frames = {}
    for split, stem in (("train", "train"), ("validation", "dev"), ("test", "test")):
        frame = pd.DataFrame(_snli_rows(folder, stem), columns=["label", "text", "text_pair"])
        frames[split] = frame[frame["label"] != "-"]
    return frames


def _snli_rows(folder: Path, stem: str) -> list[tuple[str, str, str]]:
    """Gold label and sentences of each example, from JSON lines or from tab-separated lines without quoting."""
    columns = ("gold_label", "sentence1", "sentence2")
    lines = _lines(_snli_text(folder, stem))
    if lines[0].startswith("{"):
        return [tuple(json.loads(line)[column] for column in columns) for line in lines]
    header = lines[0].split("\t")
    positions = [header.index(column) for column in columns]
    rows = [line.split("\t") for line in lines[1:]]
    if any(len(row) != len(header) for row in rows):
        raise PielabError("snli-cut-short", f"SNLI's {stem} file in {folder} is cut short", f"get {SOURCES['snli']}")
    return [tuple(row[position] for position in positions) for row in rows]


def _snli_text(folder: Path, stem: str) -> str:
    if (archive := folder / "snli_1.0.zip").exists():
        with zipfile.ZipFile(archive) as members:
            return members.read(f"snli_1.0/snli_1.0_{stem}.jsonl").decode()
    for suffix in (".jsonl", ".txt", ".tsv", "_subset20k.tsv"):
        for path in (folder / f"snli_1.0_{stem}{suffix}", folder / f"snli_1.0_{stem}{suffix}.gz"):
            if path.exists():
                return _read_text(path)
    raise PielabError("no-snli", f"{folder} has no snli_1.0_{stem}.jsonl", f"get {SOURCES['snli']}")


def reuters(folder: Path) -> Frames:
    """9,606 documents in 23 topics: those with a body and at least one topic of 100 documents or more (A.2).

    Texts are lower-cased, without punctuation and digits. The split is stratified by each document's rarest topic and
    has the paper's sizes (6,737 / 1,440 / 1,429); its own assignment of documents is not published.
    """
    documents = [_reuters_document(record) for text in _reuters_files(folder) for record in _RECORD.findall(text)]
    documents = [(body, topics) for body, topics in documents if body and topics]
    counts = Counter(topic for _, topics in documents for topic in topics)
    frequent = {topic for topic, count in counts.items() if count >= REUTERS_LEAST_OF_A_TOPIC}
    documents = [(body, [topic for topic in topics if topic in frequent]) for body, topics in documents]
    frame = pd.DataFrame([(body, topics) for body, topics in documents if topics], columns=["text", "label"])
    if len(frame) != REUTERS_DOCUMENTS:
        raise PielabError(
            "reuters-incomplete",
            f"Reuters-21578 gives {REUTERS_DOCUMENTS:,} documents, {folder} gives {len(frame):,}",
            f"get {SOURCES['reuters']}",
        )
    rarest = frame["label"].map(lambda topics: min(topics, key=counts.__getitem__))
    rest, test = train_test_split(frame, test_size=REUTERS_TEST, stratify=rarest, random_state=0)
    train, validation = train_test_split(
        rest, test_size=REUTERS_VALIDATION, stratify=rarest[rest.index], random_state=0
    )
    return {"train": train, "validation": validation, "test": test}


_RECORD = re.compile(r"<REUTERS\b.*?</REUTERS>", re.DOTALL)
_TOPICS = re.compile(r"<TOPICS>(.*?)</TOPICS>", re.DOTALL)
_BODY = re.compile(r"<BODY>(.*?)</BODY>", re.DOTALL)
_REMOVED = str.maketrans("", "", string.punctuation + string.digits)


def _reuters_document(record: str) -> tuple[str, list[str]]:
    body, topics = _BODY.search(record), _TOPICS.search(record)
    plain = html.unescape(body.group(1)).replace("\x03", " ") if body else ""
    return " ".join(plain.lower().translate(_REMOVED).split()), re.findall(r"<D>(.*?)</D>", topics.group(1))


def _reuters_files(folder: Path) -> Iterator[str]:
    archive = folder / "reuters21578.tar.gz"
    if archive.exists():
        with tarfile.open(archive) as members:
            for member in members:
                if member.name.endswith(".sgm"):
                    yield members.extractfile(member).read().decode("latin-1")
        return
    files = sorted(folder.glob("reut2-*.sgm"))
    if not files:
        raise PielabError("no-reuters", f"{folder} has no Reuters-21578", f"get {SOURCES['reuters']}")
    yield from (path.read_text(encoding="latin-1") for path in files)


def aapd(folder: Path) -> Frames:
    """Abstracts with their arXiv categories, from SGM's two files for each split, or one .tsv with label bits."""
    frames = {}
    for split, stems in (("train", ("train",)), ("validation", ("val", "dev")), ("test", ("test",))):
        for read_split in (_aapd_sgm, _aapd_bits):
            attempts = (read_split(folder, stem) for stem in stems)
            rows = next((rows for rows in attempts if rows is not None), None)
            if rows is not None:
                frames[split] = pd.DataFrame(rows, columns=["text", "label"])
                break
    if not frames:
        raise PielabError("no-aapd", f"{folder} has no AAPD", f"get {SOURCES['aapd']}")
    return frames


def _aapd_sgm(folder: Path, stem: str) -> list[tuple[str, list[str]]] | None:
    texts, labels = (_first(folder, f"{kind}_{stem}") for kind in ("text", "label"))
    if texts is None or labels is None:
        return None
    lines = [_lines(_read_text(path)) for path in (texts, labels)]
    if len(lines[0]) != len(lines[1]):
        raise PielabError(
            "aapd-lines-differ",
            f"{texts} has {len(lines[0])} lines and {labels} {len(lines[1])}",
            f"get {SOURCES['aapd']}",
        )
    return [(text, label.split()) for text, label in zip(*lines, strict=True)]


def _aapd_bits(folder: Path, stem: str) -> list[tuple[str, list[str]]] | None:
    path = _first(folder, f"aapd_{stem}.tsv")
    if path is None:
        return None
    rows = [line.split("\t", 1) for line in _lines(_read_text(path))]
    if any(len(row) != 2 or set(row[0]) - {"0", "1"} for row in rows):
        raise PielabError(
            "aapd-line-broken",
            f"{path} has lines that are not label bits, a tab and a text",
            f"get {SOURCES['aapd']}",
        )
    return [(text, [f"{index:02d}" for index, bit in enumerate(bits) if bit == "1"]) for bits, text in rows]


def _lines(text: str) -> list[str]:
    """The lines between newlines alone, because texts hold other characters that str.splitlines splits at."""
    return text.removesuffix("\n").split("\n")


def _first(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def _read_text(path: Path) -> str:
    opener: Callable[..., io.TextIOWrapper] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return file.read()
