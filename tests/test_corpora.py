"""The paper's data sets, from small files made in the forms their makers distribute."""

import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from pielab.data import corpora, datasets


@pytest.fixture
def small(monkeypatch):
    """The sizes that the made files have."""
    for name, value in {
        "IMDB_PER_CLASS": 6,
        "IMDB_VALIDATION": 4,
        "REUTERS_DOCUMENTS": 12,
        "REUTERS_LEAST_OF_A_TOPIC": 6,
        "REUTERS_TEST": 4,
        "REUTERS_VALIDATION": 4,
    }.items():
        monkeypatch.setattr(corpora, name, value)


def imdb_files():
    for split in ("train", "test"):
        for label in ("neg", "pos"):
            for index in range(6):
                yield f"aclImdb/{split}/{label}/{index}_{1 if label == 'neg' else 9}.txt", f"{split} {label} é {index}"
    yield "aclImdb/train/unsup/0_0.txt", "no label"
    yield "aclImdb/README", "about"


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_imdb(tmp_path, small, kind):
    if kind == "folder":
        for name, text in imdb_files():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    else:
        with tarfile.open(tmp_path / "aclImdb_v1.tar.gz", "w:gz") as archive:
            for name, text in imdb_files():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    data = datasets.load("imdb", data_dir=str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [8, 4, 12]
    assert datasets.class_names(data) == ["neg", "pos"] and np.bincount(data["validation"]["label"]).tolist() == [2, 2]
    assert all(text.startswith("test") and "é" in text for text in data["test"]["text"])


def test_imdb_cut_short_says_what_it_has(tmp_path, small):
    for name, text in list(imdb_files())[:-5]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    problem = f"IMDB has 6 test reviews of each class, {tmp_path} has 6 neg, 3 pos"
    with refused("imdb-incomplete", "get aclImdb_v1", problem):
        datasets.load("imdb", data_dir=str(tmp_path))
    (tmp_path / "aclImdb_v1.tar.gz").write_bytes(b"half a file")
    with refused("corpus-broken", "get aclImdb_v1.tar.gz", f"the imdb files in {tmp_path} are broken"):
        datasets.load("imdb", data_dir=str(tmp_path))


SNLI = [
    ("neutral", 'He said "no', "a\u2028b"),
    ("-", "unclear", "unclear"),
    ("entailment", "NA", "None"),
    ("contradiction", "x", "y"),
]


@pytest.mark.parametrize("kind", ["jsonl", "zip", "txt", "tsv.gz"])
def test_snli_without_examples_that_have_no_gold_label(tmp_path, kind):
    columns = ("gold_label", "sentence1", "sentence2")
    lines = [json.dumps(dict(zip(columns, row, strict=True)) | {"captionID": "1"}) for row in SNLI]
    table = ["\t".join(("gold_label", "captionID", "sentence1", "sentence2"))]
    table += ["\t".join((row[0], "1", *row[1:])) for row in SNLI]
    for stem in ("train", "dev", "test"):
        name = f"snli_1.0_{stem}"
        if kind == "zip":
            with zipfile.ZipFile(tmp_path / "snli_1.0.zip", "a") as archive:
                archive.writestr(f"snli_1.0/{name}.jsonl", "\n".join(lines))
        elif kind == "tsv.gz":
            (tmp_path / f"{name}.tsv.gz").write_bytes(gzip.compress("\n".join(table).encode()))
        else:
            text = "\n".join(lines if kind == "jsonl" else table)
            (tmp_path / f"{name}.{kind}").write_text(text, encoding="utf-8")
    data = datasets.load("snli", data_dir=str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [3, 3, 3]
    assert datasets.class_names(data) == ["contradiction", "entailment", "neutral"]
    assert data["test"]["text"][:2] == ['He said "no', "NA"] and data["test"]["text_pair"][0] == "a\u2028b"


def test_snli_cut_short(tmp_path):
    for stem in ("train", "dev", "test"):
        (tmp_path / f"snli_1.0_{stem}.txt").write_text("gold_label\tsentence1\tsentence2\nneutral\tonly half")
    with refused("snli-cut-short", "get snli_1.0.zip", f"SNLI's train file in {tmp_path}"):
        datasets.load("snli", data_dir=str(tmp_path))
    (tmp_path / "snli_1.0_train.txt").unlink()
    with refused("no-snli", "get snli_1.0.zip", f"{tmp_path} has no snli_1.0_train.jsonl"):
        datasets.load("snli", data_dir=str(tmp_path))


def reuters_record(number, topics, body):
    marks = "".join(f"<D>{topic}</D>" for topic in topics)
    text = f"<BODY>{body}&#3;</BODY>" if body else ""
    return f'<REUTERS TOPICS="YES" NEWID="{number}">\n<TOPICS>{marks}</TOPICS>\n<TEXT>{text}</TEXT>\n</REUTERS>\n'


def test_reuters_keeps_documents_with_a_body_and_a_frequent_topic(tmp_path, small):
    records = [
        reuters_record(index, ["grain", "rare"] if index == 0 else ["grain"], f"Wheat &lt;W> rose 3.5%, café {index}")
        for index in range(6)
    ]
    records += [reuters_record(index, ["acq"], "Firm A bought firm B.") for index in range(6)]
    records += [reuters_record(20, ["rare"], "no frequent topic"), reuters_record(21, [], "no topic")]
    records += [reuters_record(22, ["acq"], ""), "<REUTERS><BODY>no list of topics</BODY></REUTERS>"]
    (tmp_path / "reut2-000.sgm").write_bytes("".join(records[:8]).encode("latin-1"))
    (tmp_path / "reut2-001.sgm").write_bytes("".join(records[8:]).encode("latin-1"))
    data = datasets.load("reuters", data_dir=str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [4, 4, 4]
    assert datasets.class_names(data) == ["acq", "grain"] and datasets.is_multi_label(data)
    texts = {text for split in datasets.SPLITS for text in data[split]["text"]}
    assert texts == {"wheat w rose café", "firm a bought firm b"}
    (tmp_path / "reut2-001.sgm").unlink()
    problem = f"gives 12 documents, {tmp_path} gives 6"
    with refused("reuters-incomplete", "get reuters21578.tar.gz", problem):
        datasets.load("reuters", data_dir=str(tmp_path))


@pytest.mark.parametrize("kind", ["sgm", "bits"])
def test_aapd_in_both_published_forms(tmp_path, kind):
    rows = [("first abstract", ["cs.it", "math.it"], "101"), ("second", ["cs.lg"], "010"), ("third", ["cs.it"], "100")]
    for sgm, bits in (("train", "train"), ("val", "dev"), ("test", "test")):
        if kind == "sgm":
            (tmp_path / f"text_{sgm}").write_text("\n".join(row[0] for row in rows) + "\n")
            (tmp_path / f"label_{sgm}").write_text("\n".join(" ".join(row[1]) for row in rows) + "\n")
        else:
            (tmp_path / f"aapd_{bits}.tsv").write_text("".join(f"{row[2]}\t{row[0]}\n" for row in rows))
    data = datasets.load("aapd", data_dir=str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [3, 3, 3]
    names = ["cs.it", "cs.lg", "math.it"] if kind == "sgm" else ["00", "01", "02"]
    assert datasets.class_names(data) == names
    assert datasets.targets(data["test"]).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_aapd_without_its_training_texts_or_with_lines_missing(tmp_path):
    for name in ("text_val", "label_val", "text_test", "label_test", "label_train"):
        (tmp_path / name).write_text("cs.it\n")
    assert sorted(corpora.CORPORA["aapd"].read(tmp_path)) == ["test", "validation"]
    with refused("corpus-without-training-texts", "get text_", f"{tmp_path} has no training texts of aapd"):
        datasets.load("aapd", data_dir=str(tmp_path))
    (tmp_path / "text_test").write_text("cs.it\nanother\n")
    problem = f"{tmp_path}/text_test has 2 lines and {tmp_path}/label_test 1"
    with refused("aapd-lines-differ", "get text_", problem):
        corpora.CORPORA["aapd"].read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("snli_1.0_train.jsonl", b'{"gold_label": "neutral"}'),
        ("snli_1.0_train.txt", b"gold_label\tsentence1\nneutral\ta"),
        ("snli_1.0_train.jsonl.gz", gzip.compress(b"a", mtime=0)[:-9]),
        ("snli_1.0_train.jsonl.gz", gzip.compress(b"a", mtime=0)[:10] + b"\xff" * 20),
        ("snli_1.0.zip", b"half a file"),
    ],
)
def test_a_broken_file_of_any_kind_is_one_sentence(tmp_path, name, content):
    (tmp_path / "snli_1.0_dev.txt").touch()
    (tmp_path / name).write_bytes(content)
    with refused("corpus-broken", "get snli_1.0.zip", f"the snli files in {tmp_path} are broken"):
        datasets.load("snli", data_dir=str(tmp_path))


SENTENCES = ["1\tAda , or the countess , wrote it .", "2\tIt rains in Rome ."]
ASKED = [
    "1\t0 3\t7\t0\t0\tWho wrote it ?\t0\t11:0 1 2 3\t12:3",
    "2\t2\t7\t0\t3\tWhat happens in Rome ?\t0 1 3\t11:1\t12:",
]


def write_qamr(folder, *, train=False):
    (folder / "wiki-sentences.tsv.gz").write_bytes(gzip.compress("\n".join(SENTENCES).encode() + b"\n"))
    for stem in ("dev", "test", *(["train"] if train else [])):
        (folder / f"filtered_{stem}.tsv").write_text("".join(f"{row}\n" for row in ASKED * (4 if stem == "dev" else 1)))


def test_qamr_has_the_words_of_three_people_as_answers_in_their_sentence(tmp_path):
    write_qamr(tmp_path)
    data = datasets.load("qamr", data_dir=str(tmp_path))
    assert {split: len(data[split]) for split in data} == {"train": 4, "validation": 4, "test": 2}
    who, what = data["test"]
    assert who["text"] == "Who wrote it ?" and who["text_pair"] == "Ada , or the countess , wrote it ."
    assert who["answers"] == [
        {"text": "Ada", "start": 0},
        {"text": "Ada , or the", "start": 0},
        {"text": "the", "start": 9},
    ]
    assert what["answers"] == [{"text": "It rains in Rome", "start": 0}, {"text": "rains", "start": 3}]
    # Each sentence is in one split.
    assert not set(data["train"]["text_pair"]) & set(data["validation"]["text_pair"])


def test_qamr_with_its_training_set_without_its_sentences_and_cut_short(tmp_path):
    write_qamr(tmp_path, train=True)
    data = datasets.load("qamr", data_dir=str(tmp_path))
    assert {split: len(data[split]) for split in data} == {"train": 2, "validation": 8, "test": 2}
    with (tmp_path / "filtered_test.tsv").open("a") as file:
        file.write("1\t0\t7")
    with refused("qamr-cut-short", "get filtered_", f"line 3 of {tmp_path}/filtered_test.tsv has 3 fields and not 9"):
        datasets.load("qamr", data_dir=str(tmp_path))
    (tmp_path / "wiki-sentences.tsv.gz").rename(tmp_path / "wiki-sentences.txt")
    with refused("corpus-not-found", "get filtered_", "qamr needs its original files"):
        datasets.load("qamr", data_dir=str(tmp_path))


@pytest.mark.parametrize("name", ["reuters", "aapd"])
def test_a_corpus_that_is_not_there_says_where_to_get_it(tmp_path, name, monkeypatch):
    monkeypatch.delenv("PIELAB_DATA", raising=False)
    cure = f"get {corpora.CORPORA[name].source}, and give their folder as data_dir"
    with refused("corpus-not-found", cure, f"{name} needs its original files"):
        datasets.load(name, data_dir=str(tmp_path))


def test_imdb_and_snli_from_the_hub(tmp_path, small, monkeypatch):
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

    monkeypatch.delenv("PIELAB_DATA", raising=False)
    reviews = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    rows = {"text": [f"text {index}" for index in range(12)], "label": [0, 1] * 6}
    imdb = DatasetDict(
        {split: Dataset.from_dict(rows, features=reviews) for split in ("train", "test", "unsupervised")}
    )
    names = ["entailment", "neutral", "contradiction"]
    pairs = Features({"premise": Value("string"), "hypothesis": Value("string"), "label": ClassLabel(names=names)})
    rows = {"premise": list("abcd"), "hypothesis": ["b"] * 4, "label": [0, 1, 2, -1]}
    snli = DatasetDict({split: Dataset.from_dict(rows, features=pairs) for split in datasets.SPLITS})
    hub = {"stanfordnlp/imdb": imdb, "stanfordnlp/snli": snli}
    monkeypatch.setattr("datasets.load_dataset", lambda name, configuration: hub[name])
    assert [len(datasets.load("imdb")[split]) for split in datasets.SPLITS] == [8, 4, 12]
    data = datasets.load("snli")
    assert len(data["test"]) == 3 and data["test"].column_names == ["text", "text_pair", "label"]


@pytest.mark.parametrize("name", ["imdb", "snli"])
@pytest.mark.parametrize("given", [True, False])
def test_an_unreachable_hub_says_where_original_files_would_be(tmp_path, monkeypatch, name, given):
    def refuse(*where):
        raise ConnectionError("no way to the Hub")

    monkeypatch.delenv("PIELAB_DATA", raising=False)
    monkeypatch.setattr("datasets.load_dataset", refuse)
    cure = f"get {corpora.CORPORA[name].source}, and give their folder as data_dir"
    place = tmp_path if given else "data_dir, which is not set"
    with refused("corpus-not-fetched", cure, f"files of {name} are not in {place}, and 'stanfordnlp/{name}'") as caught:
        datasets.load(name, data_dir=str(tmp_path) if given else None)
    assert "no way to the Hub" in caught.value.problem


@pytest.mark.parametrize(
    ("name", "splits", "columns", "problem"),
    [
        ("imdb", ["train"], ["text", "label"], "has no test split with labels, it has train"),
        ("imdb", ["test"], ["text", "label"], "has no train split with labels, it has test"),
        ("imdb", ["train", "test"], ["review", "label"], "has no column 'text'"),
        ("imdb", ["train", "test"], ["text", "label"], "the training examples (6 0, 6 1) are too few"),
        ("snli", ["train", "test"], ["premise", "hypothesis", "label"], "has no validation split with labels"),
        ("snli", ["train", "validation", "test"], ["premise", "label"], "has no column 'hypothesis'"),
    ],
)
def test_a_hub_that_lacks_a_split_a_column_or_examples(tmp_path, monkeypatch, name, splits, columns, problem):
    from datasets import Dataset, DatasetDict

    monkeypatch.delenv("PIELAB_DATA", raising=False)
    rows = {column: [0, 1] * 6 if column == "label" else list("abcdefghijkl") for column in columns}
    hub = DatasetDict({split: Dataset.from_dict(rows) for split in splits})
    monkeypatch.setattr("datasets.load_dataset", lambda *names: hub)
    with refused("corpus-not-fetched", "give their folder as data_dir", problem):
        datasets.load(name)


REAL = Path(os.environ.get("PIELAB_DATA", "nowhere"))


@pytest.mark.parametrize(
    ("name", "sizes", "classes"),
    [
        ("reuters", {"train": 6737, "validation": 1440, "test": 1429}, 23),
        ("imdb", {"train": 20_000, "validation": 5_000, "test": 25_000}, 2),
        ("snli", {"validation": 9842, "test": 9824}, 3),
        ("aapd", {"validation": 1000, "test": 1000}, 54),
    ],
)
def test_the_originals_have_the_sizes_of_table_7(name, sizes, classes):
    folder = corpora.CORPORA[name].find(REAL)
    if folder is None:
        pytest.skip(f"PIELAB_DATA has no {name}")
    frames = corpora.CORPORA[name].read(folder)
    assert {split: len(frames[split]) for split in sizes} == sizes
    labels = pd.concat(list(frames.values()))["label"]
    assert len(set(labels.explode())) == classes
