"""Data sets with files of their own kind: one entry of `CORPORA`, at the end, and one reader each.

Those of the paper have its splits (Section 3, A.2).
"""

import gzip
import html
import json
import re
import string
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path, PurePosixPath

import pandas as pd

from pielab.data import assets, e2e, qamr, tables, webnlg
from pielab.data.tables import Frames, text_columns
from pielab.errors import PielabError, first_line

IMDB = "aclImdb_v1.tar.gz of https://ai.stanford.edu/~amaas/data/sentiment/, or the folder aclImdb in it"
SNLI = "snli_1.0.zip of https://nlp.stanford.edu/projects/snli/, or snli_1.0_{train,dev,test}.jsonl in it"
REUTERS = "reuters21578.tar.gz of https://www.daviddlewis.com/resources/testcollections/reuters21578/"
AAPD = "text_{train,val,test} and label_{train,val,test} of https://github.com/lancopku/SGM, or aapd_*.tsv"

# The sizes of the originals (Table 7); files with fewer examples are incomplete.
IMDB_PER_CLASS, IMDB_VALIDATION = 12_500, 5_000
REUTERS_DOCUMENTS, REUTERS_LEAST_OF_A_TOPIC, REUTERS_TEST, REUTERS_VALIDATION = 9_606, 100, 1_429, 1_440


@dataclass(frozen=True)
class Corpus:
    """Where a data set is found, and how it becomes splits.

    files: patterns of names; a folder with such a file is the data set's if is_own says so. source: where to
    get them.
    read: the splits in that folder, with the columns text, text_pair of pairs, and label, a string or a list of them;
    or text and target. test_alone: whether there may be no training texts, for predictions made elsewhere.
    fetch: the same at a revision on the Hub, if no folder has the files; None if it cannot be fetched.
    """

    source: str = ""
    files: tuple[str, ...] = ()
    read: Callable[[Path], Frames] | None = None
    fetch: Callable[[str | None], Frames] | None = None
    test_alone: bool = False
    is_own: Callable[[Path], bool] = Path.exists

    def find(self, *folders: Path) -> Path | None:
        """The first of `folders`, or of their subfolders, with its files; None if there is none."""
        places = [place for folder in folders for place in (folder, *sorted(folder.glob("*/")))]
        return next((place for place in places for name in self.files if any(map(self.is_own, place.glob(name)))), None)


def load(name: str, folders: Sequence[Path], revision: str | None = None) -> Frames | None:
    """The splits of a data set in `CORPORA`, from its files in `folders` or fetched; None for another name.

    Raises PielabError if files are missing or broken, or if there are no training texts.
    """
    corpus = CORPORA.get(name)
    if not corpus:
        return None
    folder, source = corpus.find(*folders), corpus.source
    if not folder and corpus.fetch:
        return _fetched(name, corpus.fetch, source, folders, revision)
    if not folder or not corpus.read:
        raise PielabError(
            "corpus-not-found", f"{name} needs its original files", f"get {source}, and give their folder as data_dir"
        )
    try:
        frames = corpus.read(folder)
    except PielabError:
        raise
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise PielabError(
            "corpus-broken", f"the {name} files in {folder} are broken ({first_line(error)})", f"get {source}"
        ) from None
    if "train" not in frames and not (corpus.test_alone and "test" in frames):
        raise PielabError("corpus-without-training-texts", f"{folder} has no training texts of {name}", f"get {source}")
    return frames


def _fetched(
    name: str, fetch: Callable[[str | None], Frames], source: str, folders: Sequence[Path], revision: str | None
) -> Frames:
    try:
        return fetch(revision)
    except PielabError as error:
        if not source:
            raise
        places = ", ".join(map(str, folders)) or "data_dir, which is not set"
        raise PielabError(
            "corpus-not-fetched",
            f"the original files of {name} are not in {places}, and {error.problem}",
            f"get {source}, and give their folder as data_dir",
        ) from None


def _bbc_news(revision: str | None = None) -> Frames:
    """2,127 distinct articles: 1,000 test, 200 validation, the rest training; the split is fixed."""
    classes: dict[str, str] = {}
    with zipfile.ZipFile(assets.fetch("bbc-news")) as archive:
        for path in map(PurePosixPath, sorted(archive.namelist())):
            if path.match("bbcnews/data/*/*.txt"):
                raw = archive.read(str(path))
                try:
                    article = raw.decode()
                except UnicodeDecodeError:
                    article = raw.decode("latin-1")
                classes.setdefault(article.strip(), path.parent.name)
    frame = pd.DataFrame(classes.items(), columns=["text", "label"])
    return _split(frame, frame["label"], validation=200, test=1000)


def _imdb(folder: Path) -> Frames:
    """25,000 training reviews, of which a stratified 5,000 become validation (A.2), and 25,000 test reviews."""
    columns = ["split", "label", "text"]
    if (table := folder / "imdb.parquet").exists():
        rows = pd.read_parquet(table, columns=columns)
        rows["label"] = rows["label"].map({0: "neg", 1: "pos"})
    else:
        # Those in train and test, neg and pos; unsup has reviews without a label.
        files = _files(folder, "aclImdb_v1.tar.gz", "aclImdb/t*/[np]*/[0-9]*_[0-9]*.txt")
        rows = pd.DataFrame([(*path.parts[-3:-1], review.decode()) for path, review in files], columns=columns)
    if rows.empty:
        raise PielabError("no-imdb", f"{folder} has no IMDB", f"get {IMDB}")
    parts = {split: rows.loc[rows["split"] == split, ["text", "label"]] for split in ("train", "test")}
    for split, part in parts.items():
        counts = Counter(part["label"])
        if counts != {"neg": IMDB_PER_CLASS, "pos": IMDB_PER_CLASS}:
            has = ", ".join(f"{number} {label}" for label, number in sorted(counts.items())) or "none"
            raise PielabError(
                "imdb-incomplete",
                f"IMDB has {IMDB_PER_CLASS:,} {split} reviews of each class, {folder} has {has}",
                f"get {IMDB}",
            )
    return tables.with_validation(IMDB_VALIDATION, **parts)


def _snli(folder: Path) -> Frames:
    """Premise and hypothesis; examples without a gold label ("-") are left out."""
    stems = {"train": "train", "validation": "dev", "test": "test"}
    frames = {split: _snli_table(folder, stem) for split, stem in stems.items()}
    return {split: frame[frame["label"] != "-"] for split, frame in frames.items()}


def _snli_table(folder: Path, stem: str) -> pd.DataFrame:
    """Sentences and gold labels from JSON lines, or from tab-separated lines without quoting."""
    suffixes = (".jsonl", ".txt", ".tsv", "_subset20k.tsv")
    path: Path | zipfile.Path | None = _first(folder, [f"snli_1.0_{stem}{suffix}" for suffix in suffixes])
    if (archive := folder / "snli_1.0.zip").exists():
        path = zipfile.Path(archive, f"snli_1.0/snli_1.0_{stem}.jsonl")
    if not path:
        raise PielabError("no-snli", f"{folder} has no snli_1.0_{stem}.jsonl", f"get {SNLI}")
    columns, lines = ["sentence1", "sentence2", "gold_label"], _lines(path)
    if lines[0].startswith("{"):
        return text_columns(pd.DataFrame(map(itemgetter(*columns), map(json.loads, lines)), columns=columns), columns)
    header, *rows = [line.split("\t") for line in lines]
    if any(len(row) != len(header) for row in rows):
        raise PielabError("snli-cut-short", f"SNLI's {stem} file in {folder} is cut short", f"get {SNLI}")
    return text_columns(pd.DataFrame(rows, columns=header), columns)


def _reuters(folder: Path) -> Frames:
    """9,606 documents in 23 topics: those with a body and at least one topic of 100 documents or more (A.2).

    Texts are lower-cased, without punctuation and digits. The split is stratified by each document's rarest topic and
    has the paper's sizes (6,737 / 1,440 / 1,429); its own assignment of documents is not published.
    """
    files = [text.decode("latin-1") for _, text in _files(folder, "reuters21578.tar.gz", "reut2-*.sgm")]
    if not files:
        raise PielabError("no-reuters", f"{folder} has no Reuters-21578", f"get {REUTERS}")
    documents = [_reuters_document(record) for text in files for record in _RECORD.findall(text)]
    documents = [(body, topics) for body, topics in documents if body and topics]
    counts = Counter(topic for _, topics in documents for topic in topics)
    frequent = {topic for topic, count in counts.items() if count >= REUTERS_LEAST_OF_A_TOPIC}
    documents = [(body, [topic for topic in topics if topic in frequent]) for body, topics in documents]
    frame = pd.DataFrame([(body, topics) for body, topics in documents if topics], columns=["text", "label"])
    if len(frame) != REUTERS_DOCUMENTS:
        raise PielabError(
            "reuters-incomplete",
            f"Reuters-21578 gives {REUTERS_DOCUMENTS:,} documents, {folder} gives {len(frame):,}",
            f"get {REUTERS}",
        )
    rarest = frame["label"].map(lambda topics: min(topics, key=counts.__getitem__))
    return _split(frame, rarest, REUTERS_VALIDATION, REUTERS_TEST)


_RECORD = re.compile(r"<REUTERS\b.*?</REUTERS>", re.DOTALL)
_TOPICS = re.compile(r"<TOPICS>(.*?)</TOPICS>", re.DOTALL)
_BODY = re.compile(r"<BODY>(.*?)</BODY>", re.DOTALL)
_REMOVED = str.maketrans("", "", string.punctuation + string.digits)


def _reuters_document(record: str) -> tuple[str, list[str]]:
    body, topics = _BODY.search(record), _TOPICS.search(record)
    plain = html.unescape(body.group(1)).replace("\x03", " ") if body else ""
    named = re.findall(r"<D>(.*?)</D>", topics.group(1)) if topics else []
    return " ".join(plain.lower().translate(_REMOVED).split()), named


def _aapd(folder: Path) -> Frames:
    """Abstracts with their arXiv categories, from SGM's two files for each split, or one .tsv with label bits."""
    frames, forms = {}, ("text_{}", "label_{}", "aapd_{}.tsv")
    for split, stems in (("train", ["train"]), ("validation", ["val", "dev"]), ("test", ["test"])):
        texts, labels, bits = (_first(folder, [form.format(stem) for stem in stems]) for form in forms)
        if texts and labels:
            rows = _aapd_pairs(texts, labels)
        elif bits:
            rows = _aapd_bits(bits)
        else:
            continue
        frames[split] = pd.DataFrame(rows, columns=["text", "label"])
    if not frames:
        raise PielabError("no-aapd", f"{folder} has no AAPD", f"get {AAPD}")
    return frames


def _aapd_pairs(texts: Path, labels: Path) -> list[tuple[str, list[str]]]:
    abstracts, categories = _lines(texts), _lines(labels)
    if len(abstracts) != len(categories):
        raise PielabError(
            "aapd-lines-differ", f"{texts} has {len(abstracts)} lines and {labels} {len(categories)}", f"get {AAPD}"
        )
    return list(zip(abstracts, map(str.split, categories), strict=True))


def _aapd_bits(path: Path) -> list[tuple[str, list[str]]]:
    rows = [line.split("\t", 1) for line in _lines(path)]
    if any(len(row) != 2 or set(row[0]) - {"0", "1"} for row in rows):
        raise PielabError(
            "aapd-line-broken", f"{path} has lines that are not label bits, a tab and a text", f"get {AAPD}"
        )
    return [(text, [f"{index:02d}" for index, bit in enumerate(bits) if bit == "1"]) for bits, text in rows]


def _split(frame: pd.DataFrame, strata: pd.Series, validation: int, test: int) -> Frames:
    """So many validation and test examples, in proportion to `strata`; the rest is for training."""
    from sklearn.model_selection import train_test_split  # here, because it takes half a second

    rest, test = train_test_split(frame, test_size=test, stratify=strata, random_state=0)
    train, validation = train_test_split(rest, test_size=validation, stratify=strata[rest.index], random_state=0)
    return {"train": train, "validation": validation, "test": test}


def _files(folder: Path, archive: str, pattern: str) -> Iterator[tuple[PurePosixPath | Path, bytes]]:
    """The files whose path ends as the pattern does, from the archive if the folder has it."""
    if (folder / archive).exists():
        with tarfile.open(folder / archive) as members:
            for member in members:
                if (path := PurePosixPath(member.name)).match(pattern) and (file := members.extractfile(member)):
                    yield path, file.read()
    else:
        yield from ((path, path.read_bytes()) for path in sorted(folder.glob(pattern)))


def _first(folder: Path, names: list[str]) -> Path | None:
    """The first of these files that the folder has, perhaps compressed."""
    paths = (folder / f"{name}{suffix}" for name in names for suffix in ("", ".gz"))
    return next((path for path in paths if path.exists()), None)


def _lines(path: Path | zipfile.Path) -> list[str]:
    """The lines between newlines alone, because texts hold other characters that str.splitlines splits at."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _imdb_of_hub(revision: str | None) -> Frames:
    columns = ("text", "label")
    frames = tables.from_hub("stanfordnlp/imdb", required=("train", "test"), columns=columns, revision=revision)
    return tables.with_validation(IMDB_VALIDATION, **frames)


def _snli_of_hub(revision: str | None) -> Frames:
    columns = ("premise", "hypothesis", "label")
    return tables.from_hub("stanfordnlp/snli", required=tables.SPLITS, columns=columns, revision=revision)


CORPORA = {
    "bbc-news": Corpus(fetch=_bbc_news),
    "imdb": Corpus(
        IMDB,
        ("aclImdb", "aclImdb_v1.tar.gz", "imdb.parquet"),
        _imdb,
        _imdb_of_hub,
    ),
    "snli": Corpus(SNLI, ("snli_1.0.zip", "snli_1.0_dev.*"), _snli, _snli_of_hub),
    "reuters": Corpus(REUTERS, ("reuters21578.tar.gz", "reut2-*.sgm"), _reuters),
    "aapd": Corpus(AAPD, ("label_*", "aapd_*.tsv*"), _aapd),
    "qamr": Corpus(qamr.SOURCE, qamr.FILES, qamr.read),
    "e2e": Corpus(e2e.SOURCE, e2e.FILES, e2e.read, test_alone=True),
    "webnlg": Corpus(webnlg.SOURCE, webnlg.FILES, webnlg.read, is_own=webnlg.is_own),
}
