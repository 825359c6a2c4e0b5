"""The paper's four data sets, read from the files that their makers distribute (Section 3, A.2)."""

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

from pielab.errors import PielabError

SOURCES = {
    "imdb": "aclImdb_v1.tar.gz of https://ai.stanford.edu/~amaas/data/sentiment/, or the folder aclImdb in it",
    "snli": "snli_1.0.zip of https://nlp.stanford.edu/projects/snli/, or snli_1.0_{train,dev,test}.jsonl in it",
    "reuters": "reuters21578.tar.gz of https://www.daviddlewis.com/resources/testcollections/reuters21578/",
    "aapd": "text_{train,val,test} and label_{train,val,test} of https://github.com/lancopku/SGM, or aapd_*.tsv",
}
# What the originals hold (Table 7): anything else was cut short.
IMDB_PER_CLASS, IMDB_VALIDATION = 12_500, 5_000
REUTERS_DOCUMENTS, REUTERS_LEAST_OF_A_TOPIC, REUTERS_TEST, REUTERS_VALIDATION = 9_606, 100, 1_429, 1_440

HUB = {"imdb": "stanfordnlp/imdb", "snli": "stanfordnlp/snli"}

Frames = dict[str, pd.DataFrame]


def read(name: str, folder: Path) -> Frames:
    """The splits of "imdb", "snli", "reuters" or "aapd" from the original files in `folder`.

    Columns: text, text_pair (SNLI), and label: a string, or a list of strings (Reuters, AAPD). Every split that the
    files have, in the paper's partition; AAPD without its training texts gives validation and test.

    Raises PielabError with what is missing or broken, and where to get it.
    """
    try:
        return {"imdb": imdb, "snli": snli, "reuters": reuters, "aapd": aapd}[name](folder)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, PielabError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PielabError(f"the {name} files in {folder} are broken ({reason}): get {SOURCES[name]}.") from None


def find(name: str, *folders: Path) -> Path | None:
    """The first of `folders`, or of their subfolders, that has files of this data set."""
    patterns = {
        "imdb": ("aclImdb", "aclImdb_v1.tar.gz", "imdb.parquet"),
        "snli": ("snli_1.0.zip", "snli_1.0_dev.*"),
        "reuters": ("reuters21578.tar.gz", "reut2-*.sgm"),
        "aapd": ("label_*", "aapd_*.tsv*"),
    }[name]
    for folder in folders:
        for place in (folder, *(sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else ())):
            if any(any(place.glob(pattern)) for pattern in patterns):
                return place
    return None


def imdb(folder: Path) -> Frames:
    """25,000 reviews to train on, of which 5,000, stratified, become validation, and 25,000 to test on."""
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
                f"IMDB has {IMDB_PER_CLASS:,} {split} reviews of each class, {folder} has {has}: get {SOURCES['imdb']}."
            )
    return _imdb_validation(parts)


def _imdb_validation(parts: Frames) -> Frames:
    """5,000 of the training reviews, in proportion to the classes, become validation (A.2)."""
    labels = parts["train"]["label"]
    train, validation = train_test_split(parts["train"], test_size=IMDB_VALIDATION, stratify=labels, random_state=0)
    return {"train": train, "validation": validation, "test": parts["test"]}


def from_hub(name: str, frames: Frames) -> Frames:
    """IMDB or SNLI as the Hub gives them, in the form that `read` gives."""
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
                if found := name.search(member.name):
                    yield *found.groups(), members.extractfile(member).read().decode()
    elif (folder / "aclImdb").is_dir():
        for path in sorted((folder / "aclImdb").glob("*/*/*.txt")):
            if found := name.search(path.as_posix()):
                yield *found.groups(), path.read_text(encoding="utf-8")
    else:
        raise PielabError(f"{folder} has no IMDB: get {SOURCES['imdb']}.")


def snli(folder: Path) -> Frames:
    """Premise and hypothesis; examples without a gold label ("-") are left out."""
    frames = {}
    for split, stem in (("train", "train"), ("validation", "dev"), ("test", "test")):
        frame = pd.DataFrame(_snli_rows(folder, stem), columns=["label", "text", "text_pair"])
        frames[split] = frame[frame["label"] != "-"]
    return frames


def _snli_rows(folder: Path, stem: str) -> list[tuple[str, str, str]]:
    """JSON lines, or tab-separated lines without quoting whose header names the columns; plain, .gz or in the zip."""
    columns = ("gold_label", "sentence1", "sentence2")
    lines = _lines(_snli_text(folder, stem))
    if lines[0].startswith("{"):
        return [tuple(json.loads(line)[column] for column in columns) for line in lines]
    header = lines[0].split("\t")
    places = [header.index(column) for column in columns]
    rows = [line.split("\t") for line in lines[1:]]
    if any(len(row) != len(header) for row in rows):
        raise PielabError(f"SNLI's {stem} file in {folder} is cut short: get {SOURCES['snli']}.")
    return [tuple(row[place] for place in places) for row in rows]


def _snli_text(folder: Path, stem: str) -> str:
    if (archive := folder / "snli_1.0.zip").exists():
        with zipfile.ZipFile(archive) as members:
            return members.read(f"snli_1.0/snli_1.0_{stem}.jsonl").decode()
    for suffix in (".jsonl", ".txt", ".tsv", "_subset20k.tsv"):
        for path in (folder / f"snli_1.0_{stem}{suffix}", folder / f"snli_1.0_{stem}{suffix}.gz"):
            if path.exists():
                return _read_text(path)
    raise PielabError(f"{folder} has no snli_1.0_{stem}.jsonl: get {SOURCES['snli']}.")


def reuters(folder: Path) -> Frames:
    """9,606 documents in 23 topics: those with a body, and with a topic that at least 100 of them have (A.2).

    Lower-cased, punctuation and digits removed. The split is stratified by the rarest topic of each document, with the
    paper's counts (6,737 / 1,440 / 1,429); which documents it drew is not published.
    """
    documents = [_reuters_document(record) for text in _reuters_files(folder) for record in _RECORD.findall(text)]
    documents = [(body, topics) for body, topics in documents if body and topics]
    counts = Counter(topic for _, topics in documents for topic in topics)
    kept = [
        (body, [topic for topic in topics if counts[topic] >= REUTERS_LEAST_OF_A_TOPIC]) for body, topics in documents
    ]
    frame = pd.DataFrame([each for each in kept if each[1]], columns=["text", "label"])
    if len(frame) != REUTERS_DOCUMENTS:
        raise PielabError(
            f"Reuters-21578 gives {REUTERS_DOCUMENTS:,} documents, {folder} gives {len(frame):,}: "
            f"get {SOURCES['reuters']}."
        )
    rarest = frame["label"].map(lambda topics: min(topics, key=counts.__getitem__))
    rest, test = train_test_split(frame, test_size=REUTERS_TEST, stratify=rarest, random_state=0)
    of_rest = rarest[rest.index]
    train, validation = train_test_split(rest, test_size=REUTERS_VALIDATION, stratify=of_rest, random_state=0)
    return {"train": train, "validation": validation, "test": test}


_RECORD = re.compile(r"<REUTERS\b.*?</REUTERS>", re.DOTALL)
_TOPICS = re.compile(r"<TOPICS>(.*?)</TOPICS>", re.DOTALL)
_BODY = re.compile(r"<BODY>(.*?)</BODY>", re.DOTALL)
_DROPPED = str.maketrans("", "", string.punctuation + string.digits)


def _reuters_document(record: str) -> tuple[str, list[str]]:
    body, topics = _BODY.search(record), _TOPICS.search(record)
    plain = html.unescape(body.group(1)).replace("\x03", " ") if body else ""
    return " ".join(plain.lower().translate(_DROPPED).split()), re.findall(r"<D>(.*?)</D>", topics.group(1))


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
        raise PielabError(f"{folder} has no Reuters-21578: get {SOURCES['reuters']}.")
    yield from (path.read_text(encoding="latin-1") for path in files)


def aapd(folder: Path) -> Frames:
    """Abstracts with their arXiv categories, in either published form: SGM's two files a split, or one .tsv of bits."""
    frames = {}
    for split, stems in (("train", ("train",)), ("validation", ("val", "dev")), ("test", ("test",))):
        for read_split in (_aapd_sgm, _aapd_bits):
            rows = next((found for stem in stems if (found := read_split(folder, stem)) is not None), None)
            if rows is not None:
                frames[split] = pd.DataFrame(rows, columns=["text", "label"])
                break
    if not frames:
        raise PielabError(f"{folder} has no AAPD: get {SOURCES['aapd']}.")
    return frames


def _aapd_sgm(folder: Path, stem: str) -> list[tuple[str, list[str]]] | None:
    texts, labels = (_first(folder, f"{kind}_{stem}") for kind in ("text", "label"))
    if texts is None or labels is None:
        return None
    lines = [_lines(_read_text(path)) for path in (texts, labels)]
    if len(lines[0]) != len(lines[1]):
        raise PielabError(f"{texts} has {len(lines[0])} lines and {labels} {len(lines[1])}: get {SOURCES['aapd']}.")
    return [(text, label.split()) for text, label in zip(*lines, strict=True)]


def _aapd_bits(folder: Path, stem: str) -> list[tuple[str, list[str]]] | None:
    path = _first(folder, f"aapd_{stem}.tsv")
    if path is None:
        return None
    rows = [line.split("\t", 1) for line in _lines(_read_text(path))]
    if any(len(row) != 2 or set(row[0]) - {"0", "1"} for row in rows):
        raise PielabError(f"{path} is not one line of label bits, a tab and a text each: get {SOURCES['aapd']}.")
    return [(text, [f"{place:02d}" for place, bit in enumerate(bits) if bit == "1"]) for bits, text in rows]


def _lines(text: str) -> list[str]:
    """Lines that end in a newline and nothing else: texts hold other characters that str.splitlines splits at."""
    return text.removesuffix("\n").split("\n")


def _first(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.exists()), None)


def _read_text(path: Path) -> str:
    opener: Callable[..., io.TextIOWrapper] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return file.read()
