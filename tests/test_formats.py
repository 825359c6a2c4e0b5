"""Tables as other programs write them: quotation marks, delimiters, encodings and compression."""

import codecs
import gzip
import json

import pandas as pd
import pytest
from conftest import make_texts, refused

from pielab.data import datasets


def read(path, **options):
    """The texts with their labels, of all splits, sorted."""
    data = datasets.load(str(path), **options)
    names = datasets.class_names(data)
    return sorted((row["text"], names[row["label"]]) for split in datasets.SPLITS for row in data[split])


def table(rows, delimiter="\t", header=("text", "label")):
    return "".join(f"{delimiter.join(row)}\n" for row in (header, *rows))


PLAIN = [(f"text {index}", ("pos", "neg")[index % 2]) for index in range(20)]


@pytest.mark.parametrize(
    "rows",
    [
        [('"The film', "pos"), ('This "book"', "neg")],
        [('"The film', "pos"), ('This is "', "neg")],
        [('"The film', "pos"), ("between", "neg"), ('This is "', "neg")],
        [('"The film', "pos"), ("never closed", "neg")],
        [('20" screen', "pos"), ('"great" film', "neg")],
        [('""quoted" twice', "pos"), ('"', "neg")],
        [('"a', "pos"), ('b" c', "neg"), ('"d', "pos"), ('e"', "neg")],
    ],
)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(("suffix", "delimiter"), [("tsv", "\t"), ("csv", ","), ("csv", ";")])
def test_quotation_marks_that_nobody_closes_are_part_of_the_text(tmp_path, rows, order, suffix, delimiter):
    path = tmp_path / f"texts.{suffix}"
    rows = [*PLAIN[:10], *rows, *PLAIN[10:]]
    path.write_text(table([row[::order] for row in rows], delimiter, ("text", "label")[::order]))
    assert read(path) == sorted(rows)


def test_quotation_marks_that_nobody_closes_swallow_no_sets_of_labels(tmp_path):
    rows = [(text, ("a;b", "c;d", "", "e")[index % 4]) for index, (text, _) in enumerate(PLAIN)]
    rows += [('"The film', "a;c"), ('This is "', "b;d;e")]
    (tmp_path / "texts.tsv").write_text(table(rows))
    data = datasets.load(str(tmp_path / "texts.tsv"), label_separator=";")
    assert sum(len(data[split]) for split in datasets.SPLITS) == len(rows)


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_what_pandas_writes_is_read_as_it_was(tmp_path, kind):
    delimiter = {"csv": ",", "tsv": "\t"}[kind]
    texts = [
        'He said "no"',
        "two\nlines",
        f"a{delimiter}b",
        f'"x{delimiter}\ny"',
        "back\\slash",
        "a\r\nb",
        '"',
        "x" * 200_000,
    ]
    texts += [f"line one{delimiter}x\nline two {index}" for index in range(10)] + ["one", "two"]
    frame = pd.DataFrame({"text": texts, "label": ["pos", "neg"] * 10})
    frame.to_csv(tmp_path / f"texts.{kind}", index=False, sep=delimiter)
    assert read(tmp_path / f"texts.{kind}") == sorted(frame.itertuples(index=False, name=None))


def test_quotation_marks_that_are_escaped_by_a_backslash(tmp_path):
    frame = pd.DataFrame(PLAIN, columns=["text", "label"])
    frame.loc[:2, "text"] = ['"No", he said, and "yes"', 'a, "b"', 'C:\\\\new "x", y']
    frame.to_csv(tmp_path / "texts.csv", index=False, escapechar="\\", doublequote=False)
    assert read(tmp_path / "texts.csv") == sorted(frame.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (table([("Good, film", "pos"), ("Bad, film", "neg")], ","), "line 2 has 3 fields, the header 2"),
        (table([*PLAIN, ("Good, film", "pos")], ","), "line 22 has 3 fields, the header 2"),
        (table([*PLAIN, ("Good, film", "")], ","), "line 22 has 3 fields, the header 2"),
        (table([(str(i), "a", " b", "pos") for i in range(20)], ",", ("id", "text", "label")), "line 2 has 4 fields"),
        (table([*PLAIN, ("cut short",)], ","), "line 22 has 1 fields, the header 2"),
        (table([*PLAIN, ('"great" film', "pos"), ('"a, b"', "neg")], ","), "line 22: ',' expected after"),
        (
            table([*PLAIN, ('"a, b"', "neg"), ('"The film', "pos"), ('This is "', "neg")], ","),
            "a quotation mark opened in line 23 joins it to line 24",
        ),
        (table([*PLAIN, ('"The film', '"pos"'), ('This "is" it', '"neg"')], ","), "expected after"),
    ],
)
def test_rows_that_do_not_fit_the_header(tmp_path, text, problem):
    (tmp_path / "texts.csv").write_text(text)
    with refused("table-broken", "put quotation marks round", problem):
        datasets.load(str(tmp_path / "texts.csv"))
    with refused("table-broken", "put quotation marks round", problem):
        datasets.load(str(tmp_path / "texts.csv"), label_separator=";")


@pytest.mark.parametrize(
    "text",
    [
        table([(str(index), *row) for index, row in enumerate(PLAIN)], ","),
        table([(f'"{index}"', *row) for index, row in enumerate(PLAIN, 1)], ","),
        table([(*row, "") for row in PLAIN], ","),
        table([(*row, "", "") for row in PLAIN], ",", ("text", "label", "", "more")),
        table([(*row, "x")[: 2 + index % 2] for index, row in enumerate(PLAIN)], ",", ("text", "label", "more")),
        table(PLAIN, ",").replace("\n", "\r\n\r\n"),
        table(PLAIN, ",").replace("\n", "\r"),
        table(PLAIN, ",") + "  \n\n",
        table(PLAIN, ";"),
        table(PLAIN, "\t"),
        table(PLAIN, "|"),
        table([(*row, "1;2,3") for row in PLAIN], ";", ("text", "label", "a,b"))[:-1].replace("1;2", "1 2"),
    ],
)
def test_unusual_tables_that_say_what_they_mean(tmp_path, text):
    (tmp_path / "texts.csv").write_bytes(text.encode())
    assert read(tmp_path / "texts.csv") == sorted(PLAIN)
    (tmp_path / "texts.tsv").write_bytes(text.encode())
    assert read(tmp_path / "texts.tsv") == sorted(PLAIN)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le+mark", "utf-16-be+mark"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json"])
@pytest.mark.parametrize("compressed", [False, True])
def test_encodings_and_compression(tmp_path, encoding, suffix, compressed):
    rows = [("caf\u00e9 \u2028 \U0001f600 x", "pos"), *PLAIN[1:]]
    records = [dict(zip(("text", "label"), row, strict=True)) for row in rows]
    text = {
        ".csv": table(rows, ","),
        ".tsv": table(rows),
        ".jsonl": "\n".join(json.dumps(record, ensure_ascii=False) for record in records),
        ".json": json.dumps(records, ensure_ascii=False, indent=1),
    }[suffix]
    name, marked, _ = encoding.partition("+")
    mark = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}[name] if marked else b""
    data = mark + text.encode(name)
    path = tmp_path / f"Texts{suffix.upper()}{'.gz' if compressed else ''}"
    path.write_bytes(gzip.compress(data) if compressed else data)
    assert read(path) == sorted(rows)


def test_a_json_file_may_have_an_object_on_each_line_and_a_parquet_may_be_compressed(tmp_path):
    frame = pd.DataFrame(PLAIN, columns=["text", "label"])
    frame.to_json(tmp_path / "texts.json", orient="records", lines=True)
    frame.to_parquet(tmp_path / "texts.parquet")
    (tmp_path / "texts.parquet.gz").write_bytes(gzip.compress((tmp_path / "texts.parquet").read_bytes()))
    assert read(tmp_path / "texts.json") == read(tmp_path / "texts.parquet.gz") == sorted(PLAIN)


@pytest.mark.parametrize(
    ("name", "data", "id", "problem", "cure"),
    [
        (
            "x.csv",
            "text,label\ncaf\u00e9,a\n".encode("cp1252"),
            "not-utf-8",
            "can't decode byte 0xe9",
            "save it as UTF-8",
        ),
        ("x.jsonl", '{"text": "\u00e9"}'.encode("latin-1"), "not-utf-8", "can't decode byte", "save it as UTF-8"),
        ("x.csv", table(PLAIN, ",").encode("utf-16-le"), "not-utf-8", "it has zero bytes", "CSV UTF-8"),
        ("x.csv", table(PLAIN, ",").encode("utf-16-be"), "not-utf-8", "it has zero bytes", "CSV UTF-8"),
        ("x.csv", b"", "data-file-unreadable", "it is empty", "check that it is complete"),
        ("x.jsonl", b"\n", "data-file-unreadable", "it has no rows", "check that it is complete"),
        ("x.json", b"[]", "data-file-unreadable", "it has no rows", "check that it is complete"),
        ("x.json", b'["a", "b"]', "data-file-unreadable", "not every row is an object", "check that"),
        ("x.json", b'[{"text": "a"}', "data-file-unreadable", "could not be read as json", "check that it is complete"),
        ("x.json", b'{"text": ["a"], "label": ["b"]}', "data-file-unreadable", "it is one object of columns", "check"),
        ("x.json", b'{"text": {"0": "a"}, "label": {"0": "b"}}', "data-file-unreadable", "one object", "check"),
        ("x.csv", b"text,label\na,b\ntext,label\nc,d\n", "header-repeated", "more than once", "keep the first alone"),
        ("x.csv.gz", b"text,label\n", "data-file-unreadable", "could not be read as csv", "check that it is complete"),
        ("x.csv.gz", gzip.compress(b"text,label\n" * 9, mtime=0)[:-9], "data-file-unreadable", "as csv", "check that"),
        (
            "x.csv.zip",
            b"PK",
            "unknown-kind-of-file",
            "x.csv.zip is of an unknown kind",
            "give a file that ends in .csv",
        ),
        ("x.xlsx", b"PK", "unknown-kind-of-file", "x.xlsx is of an unknown kind", ".json, or in one of these and .gz"),
        ("x.csv", b"text,label\n", "table-without-rows", "has a header and no rows", "add rows, or remove the file"),
        ("x.csv", b"text,label,label\na,b,c\n", "column-name-twice", "two columns 'label'", "rename or remove"),
        ("x.csv", b"text,text,label\na,b,c\n", "column-name-twice", "two columns 'text'", "rename or remove"),
        ("x.csv", b"body,label\na,b,c\n", "no-such-column", "no column 'text'", "set text to one of body, label"),
        ("x.csv", b"body;stars\na,b;c\n", "no-such-column", "no column 'text'", "set text to one of body;stars"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name, data, id, problem, cure):
    (tmp_path / name).write_bytes(data)
    with refused(id, cure, problem):
        datasets.load(str(tmp_path / name))


@pytest.mark.parametrize("empty", ["train", "test", "validation"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_split_without_rows(tmp_path, empty, suffix):
    for split in datasets.SPLITS:
        frame = make_texts(0 if split == empty else 20)
        frame = pd.DataFrame(columns=["text", "label"]) if split == empty else frame
        path = tmp_path / f"{split}{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    with refused("table-without-rows", "remove the file", f"({empty}) has a header and no rows"):
        datasets.load(str(tmp_path))
