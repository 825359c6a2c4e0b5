"""Inputs that a stranger really gives and that pielab refuses: what is given, the command, and the sentence expected.

python tests/bad_inputs.py FOLDER runs every command in a folder of its own and prints what each did, as JSON.
"""

import contextlib
import dataclasses
import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
import time
import zipfile
from pathlib import Path

HEAVY = {"torch", "transformers", "datasets"}
UNREAD, A_LINE = "mine.yaml could not be read as parameters", "write a line such as epochs: 3 for each"


@dataclasses.dataclass(frozen=True)
class BadInput:
    """name: in a few words. command: what follows "pielab". given, cure: parts of the sentence expected.

    files: contents by path; a path that ends in / is an empty folder. imports: the modules of HEAVY that it may need.
    """

    name: str
    command: str
    given: str
    cure: str
    files: dict[str, str | bytes] = dataclasses.field(default_factory=dict)
    imports: frozenset[str] = frozenset()

    def make(self, folder: Path) -> None:
        """Write its files."""
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                (folder / name).mkdir()
            else:
                (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def rows(*cells: str, header: str = "text,label", number: int = 12) -> str:
    """A CSV of these rows, again and again; {} in a row is its number."""
    lines = [cells[place % len(cells)].replace("{}", str(place)) for place in range(number)]
    return "\n".join([header, *lines]) + "\n"


def data(name: str, content: str | bytes | None, given: str, cure: str, file: str = "reviews.csv", options: str = ""):
    """A data file of the columns text and label, given to pielab new."""
    command = f"new {file} --text text --label label {options}"
    files = {} if content is None else {file: content}
    return BadInput(name, command, given, cure, files)


def folder(name: str, files: dict[str, str | bytes], given: str, cure: str):
    """A folder of data files."""
    files = {f"mine/{file}": content for file, content in files.items()}
    return BadInput(name, "new mine --text text --label label", given, cure, files)


def words(name: str, content: str | bytes, given: str, cure: str, options: str = ""):
    """A file of words and tags."""
    return data(name, content, given, cure, "words.conll", options)


def lists(name: str, words: object, tags: object, given: str, cure: str, options: str = ""):
    """Words and tags in lists, in the last row of four."""
    rows = [*[{"text": ["Anna", "sings"], "label": ["B-PER", "O"]}] * 3, {"text": words, "label": tags}]
    return data(name, "\n".join(map(json.dumps, rows)), given, cure, "words.jsonl", options)


def questions(name: str, given: str, cure: str, options: str = "", file: str = "qa.jsonl", **changes: object):
    """Questions with answers in a context, in the last row of four changes; None takes a column out."""
    row = {"context": "Anna \U0001f600 sings", "answers": [ANSWER]}
    rows = [{"id": f"q{place}", "question": f"Who sings {place}?"} | row for place in (1, 2, 3, 4)]
    rows[-1] = {column: cell for column, cell in (rows[-1] | changes).items() if cell is not None}
    content = "\n".join(map(json.dumps, rows))
    return BadInput(name, f"new {file} {options}", given, cure, {file: content})


TARGETS = "--text source --target target"


def targets(name: str, given: str, cure: str, options: str = TARGETS, **changes: object):
    """Texts to generate, in the last row of four changes; None takes a column out."""
    rows = [{"source": f"name[{place}]", "target": f"This is {place}."} for place in (1, 2, 3, 4)]
    rows[-1] = {column: cell for column, cell in (rows[-1] | changes).items() if cell is not None}
    return BadInput(name, f"new texts.jsonl {options}", given, cure, {"texts.jsonl": "\n".join(map(json.dumps, rows))})


def squad(name: str, articles: object, given: str, cure: str):
    """SQuAD's JSON, of these articles."""
    return BadInput(name, "new qa.json", given, cure, {"qa.json": json.dumps({"version": "1.1", "data": articles})})


def article(**changes: object) -> dict:
    """One article with one question; None takes a key of its out."""
    question = {"id": "q1", "question": f"Who sings {changes.get('id')}?", "answers": [ANSWER]} | changes
    context = question.pop("context", "Anna sings")
    question = {key: value for key, value in question.items() if value is not None}
    return {"title": "Anna", "paragraphs": [{"context": context, "qas": [question]}]}


def parameter(name: str, value: str, given: str, cure: str, notebook: str = "02_prune", **files: str | bytes):
    """A parameter of a notebook by name, as in -p seeds 0-."""
    return BadInput(f"{name} = {value}", f"run {notebook} -p {name} {shlex.quote(value)}", given, cure, files)


def params(name: str, content: str | bytes, given: str, cure: str):
    """A params file."""
    return BadInput(name, "run 02_prune -f mine.yaml", given, cure, {"mine.yaml": content})


PARAMS = """dataset: reviews.csv
text: text
label: label
model: bilstm
max_tokens: 16
epochs: 2
batch_size: 16
learning_rate: 3.0e-3
seeds: 0-3
"""
STUDY = """study: mine
configurations:
  - params: params/mine.yaml
    pruners: {IMP-FT: [50, 90]}
"""


def study(name: str, content: str | bytes, given: str, cure: str, params: str = PARAMS, command: str = "plan"):
    """A study file, and its params file."""
    files = {"mine.yaml": content, "params/mine.yaml": params, "reviews.csv": GOOD}
    return BadInput(name, f"{command} mine.yaml", given, cure, files)


def answers(*labels: str, header: str = "id,prediction") -> str:
    """A CSV of answers."""
    return "\n".join([header, *(f"{place},{label}" for place, label in enumerate(labels))]) + "\n"


def compare(name: str, before: str | bytes, after: str | bytes, given: str, cure: str, options: str = ""):
    """Two files of answers."""
    files = {"before.csv": before, "after.csv": after}
    return BadInput(name, f"compare --before before.csv --after after.csv {options}", given, cure, files)


def archive(*names: str) -> bytes:
    """A zip of small files, as a spreadsheet is one."""
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as written:
            for name in names:
                written.writestr(name, "<xml/>")
        return file.getvalue()


GOOD = rows("a fine film {},good", "a dull film {},bad", number=40)
XLSX = archive("[Content_Types].xml", "xl/workbook.xml")
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< >>\nendobj\n"
PAGE = "<!DOCTYPE html>\n<html><head><title>reviews.csv at main</title></head></html>\n"
POINTER = (
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32\nsize 12345\n"
)
PARQUET = b"PAR1" + bytes(40) + b"PAR1"
ANSWER = {"text": "Anna", "answer_start": 0}
WORDS = "Anna\tB-PER\nsings\tO\n\n"
BEFORE, AFTER = answers("a", "b", "a", "b"), answers("a", "b", "b", "b")
NO_SPLIT = "put train.csv"

DATA = [
    data("missing file", None, "there is no file 'reviews.csv'", "give its full path"),
    BadInput(
        "missing folder",
        "new mine/data --text text --label label",
        "'mine/data' is neither",
        "give the path",
        imports=frozenset(HEAVY),  # it may be a data set of the Hub
    ),
    data("empty file", "", "could not be read as csv (it is empty)", "check that it is complete"),
    data("header alone", "text,label\n", "has a header and no rows", "add rows"),
    data("no header", GOOD.partition("\n")[2], "has no column 'text'", "set text to one of"),
    data("one class", rows("film {},good"), "has 1 class", "two at least"),
    data("one row", rows("film,good", number=1), "has 1 class", "two at least"),
    data("a row for each class", rows("fine,good", "dull,bad", number=2), "2 examples, too few to split", "7 at least"),
    data("no label column", rows("a {},b", header="text,sentiment"), "no column 'label'", "text, sentiment"),
    data("Text for text", rows("a {},b", "c {},d", header="Text,label"), "no column 'text'", "did you mean Text"),
    data("texts for text", rows("a {},b", "c {},d", header="texts,label"), "no column 'text'", "did you mean texts"),
    data("column twice", rows("a {},b,c", header="text,text,label"), "has two columns 'text'", "all of them but one"),
    data("commas not quoted", rows("well, fine {},good", "dull {},bad"), "has 3 fields", "put quotation marks round"),
    data("rows cut short", rows("fine {},good", "dull {}"), "has 1 fields, the header 2", "quotation marks"),
    data(
        "quotation marks open",
        rows('"well, fine {},good', "dull {},bad"),
        "could not be read as a table",
        "double those",
    ),
    data("header again", GOOD + "text,label\n" + GOOD, "has its header more than once", "keep the first"),
    data("Latin-1", rows("très bien {},good", "mal {},bad").encode("latin-1"), "is not UTF-8", "save it as UTF-8"),
    data("UTF-16 without its mark", GOOD.encode("utf-16-le"), "is not UTF-8 (it has zero bytes)", "save it as UTF-8"),
    data("zero bytes in a text", rows("fi\0ne {},good", "dull {},bad"), "has zero bytes", "save it"),
    data("xlsx", XLSX, "is of an unknown kind", "give a file that ends in .csv", file="reviews.xlsx"),
    data("xlsx named csv", XLSX, "is a zip archive", "save its table as CSV"),
    data("pdf", PDF, "is of an unknown kind", "give a file that ends in .csv", file="reviews.pdf"),
    data("pdf named csv", PDF, "is a PDF", "save its table as CSV"),
    data("web page named csv", PAGE, "is a web page", "download the file itself"),
    data("pointer of Git LFS", POINTER, "is a pointer of Git LFS", "git lfs pull"),
    data("Parquet named csv", PARQUET, "is a Parquet file", ".parquet"),
    data("csv named Parquet", GOOD, "could not be read as parquet", "of the kind that", file="reviews.parquet"),
    data("zip", archive("reviews.csv"), "is of an unknown kind", "or in one of these and .gz", file="reviews.zip"),
    data("gz cut short", gzip.compress(GOOD.encode())[:40], "could not be read", "complete", file="reviews.csv.gz"),
    data("csv named gz", GOOD, "could not be read as csv (Not a gzipped file", "check", file="reviews.csv.gz"),
    data("gzipped csv named csv", gzip.compress(GOOD.encode()), "is gzipped", ".gz"),
    data("JSON array of arrays", '[["fine", "good"], ["dull", "bad"]]', "not every row", "kind", file="reviews.json"),
    data("JSON of columns", '{"text": {"0": "a"}, "label": {"0": "b"}}', "one object of", "kind", file="reviews.json"),
    data("JSON lines broken", '{"text": "a", "label": "b"}\n{"text": ', "line 2", "check", file="reviews.jsonl"),
    data("JSON lines empty", "\n", "it has no rows", "check that it is complete", file="reviews.jsonl"),
    data(
        "texts as lists of words",
        '{"text": ["a", "b"], "label": "c"}\n' * 4,
        "row 1 is of the type list",
        "join the parts",
        file="reviews.jsonl",
    ),
    data(
        "labels as objects",
        "".join(f'{{"text": "a {place}", "label": {{"b": 1}}}}\n' for place in range(4)),
        "has the label {",
        "give strings, numbers",
        file="reviews.jsonl",
    ),
    data("labels with NaN", rows("fine {},0.0", "dull {},1.0", "so {},nan"), "has the label 'nan'", "leave"),
    data("labels missing", rows("fine {},0.0", "dull {},1.0", "so {},"), "has 4 rows with no 'label'", "fill or drop"),
    data("a trailing space", rows("fine {},good", "dull {},bad", "yes {},good "), "'good' and 'good '", "write them"),
    data(
        "-1 for no label", rows("a {},0", "b {},1", "c {},2", "d {},-1"), "has the label -1", "leave its examples out"
    ),
    data("texts missing", rows("fine {},good", ",bad"), "has 6 rows with no 'text'", "fill or drop them"),
    data("texts all the same", rows("film,good", "film,bad"), "all 12 texts of", "column of the texts"),
    data(
        "texts are numbers", rows("{},good", "{},bad"), "all 12 texts of reviews.csv are numbers", "column of the texts"
    ),
    data("texts as labels", rows("a {},a {}", number=30), "has 30 different labels in 30", "column of the classes"),
    data("lists as strings", rows("a {},\"['x', 'y']\"", "b {},['x']"), "a list written as text", "label_separator"),
    data("text as label", GOOD, "are both 'text'", "a column of its own", options="--label text"),
    data("separator never there", GOOD, "occurs in no label", "or omit it", options="--label-separator ';'"),
    data("no second text", GOOD, "has no column 'premise'", "set text_pair to one of", options="--text-pair premise"),
    data("no group", GOOD, "has no column 'dialect'", "set group to one of", options="--group dialect"),
    folder("folder without splits", {"notes.csv": GOOD}, "has no train and no test file", NO_SPLIT),
    folder("empty folder", {"x/": ""}, "has no train and no test file", NO_SPLIT),
    folder("train twice", {"train.csv": GOOD, "train.jsonl": "{}"}, "two files of the train split", "leave one"),
    folder(
        "other columns in test", {"train.csv": GOOD, "test.csv": rows("a {},b", header="text,y")}, "(test)", "text, y"
    ),
    folder("other classes in test", {"train.csv": GOOD, "test.csv": rows("a {},so")}, "(test) has labels that", "add"),
    BadInput(
        "columns nobody named", "new r.csv", "has the columns a, b", "by --text", {"r.csv": rows("c,d", header="a,b")}
    ),
    BadInput("params file there", "new r.csv", "is there already", "--name", {"r.csv": GOOD, "params/r.yaml": "a: 1"}),
]

TAGGED = [
    words("words without tags", "Anna\nsings\n\n", "has one column, and so no tags", "after a tab or a space"),
    words("lines of two lengths", WORDS + "Anna\n", "has 1 column in line 4, and 2 in line 1", "as many columns"),
    words("column of tags not there", WORDS, "has no column '4'", "set label to one of text, 2", "--label 4"),
    words("column of words not there", WORDS, "has no column '0'", "set text to one of 1, label", "--text 0"),
    words("one column for words and tags", WORDS, "no column 'label'", "set label to one of 1, 2", "--text 2"),
    words("tags without B- or I-", "Anna PER\nsings O\n", "sentence 1 has the tag 'PER' for the word 'Anna'", "B-PER"),
    words("tags all O", "Anna O\nsings O\n", "(all) are 'O'", "the column of the tags as label"),
    words("empty word", WORDS + "\tO\nsings\tO\n", "sentence 2 has an empty word, number 1 of 2", "leave it out"),
    words("numbers of words", "1 Anna B-PER\n2 sings O\n", "all words of words.conll are numbers", "words as text"),
    words("no words at all", "\n\t\n-DOCSTART- O\n", "as conll (it has no words)", "check that it is complete"),
    words("types that look alike", WORDS + "Anna\tB-PER\u200b\n", "'PER' and 'PER\\u200b'", "write them alike"),
    words("words that are no text", b"Anna\xff\tB-PER\n" + bytes(40), "is not UTF-8", "save it as UTF-8"),
    words("group of each word", WORDS.replace("\t", "\tX\t"), "a value for each word", "or None", "--group 2"),
    lists("words and tags of two lengths", ["a", "b"], ["O"], "sentence 4 has 2 words and 1 tag", "each word a tag"),
    lists("sentence without words", [], [], "sentence 4 has no words", "leave it out"),
    lists("words beside texts", "Anna sings", ["O"], "sentence 4 is the text 'Anna sings'", "in every row, or texts"),
    lists("word that is a number", [1], ["O"], "sentence 4 has the word 1", "give words that are strings"),
    lists("tag that is a number", ["a"], [0], "sentence 4 has the tag 0 for the word 'a'", "such as B-PER"),
    lists("tags beside labels", ["a"], "O", "has labels that are lists", "give lists in every row"),
    lists("separator of tags", ["a"], ["O"], "label_separator = ';'", "omit label_separator", "--label-separator ';'"),
    words("pairs of words", WORDS.replace("\t", "\tX\t"), "text_pair was given", "give None", "--text-pair 2"),
    folder("tags never in training", {"train.conll": WORDS * 9, "test.conll": "Rome B-LOC\n"}, "['B-LOC']", "add"),
    data(
        "tags of strings",
        '{"text": "Anna sings on", "label": ["B-PER", "O", "O"]}\n{"text": "a", "label": ["O"]}\n',
        "has the tags of words as labels, such as ['B-PER', 'O', 'O']",
        "lists of words as text",
        "words.jsonl",
    ),
    BadInput(
        "compare of words and texts",
        "compare --before a.conll --after b.csv",
        "a.conll has a tag for each word, and b.csv has none",
        "give files that all have tags",
        {"a.conll": WORDS, "b.csv": "id,prediction\n0,O\n"},
    ),
    BadInput(
        "words for the BiLSTM",
        "new words.conll",
        "words.conll has words with tags, and the bilstm",
        "give --model minilm-2l",
        {"words.conll": WORDS * 8},
        frozenset({"datasets"}),
    ),
    BadInput(
        "import for words",
        "import-predictions a.csv --study s --dataset words.conll --model m",
        "the test predictions are numbers, and words.conll has words with tags",
        "give tags, for each model a list for each sentence",
        {"words.conll": WORDS * 8, "a.csv": "id,prediction\n0,O\n"},
        frozenset({"datasets"}),
    ),
]

SPANS = [
    questions(
        "answer elsewhere",
        "question 'q4' has the answer 'Anna' at 1, where its context has 'nna ",
        "from 0",
        answers=[{"text": "Anna", "start": 1}],
    ),
    questions(
        "answer nowhere",
        "its context has 'Ann', and nowhere that answer",
        "how many characters of the context",
        answers=[{"text": "Eve", "answer_start": 0}],
    ),
    questions(
        "answer counted in UTF-16",
        "as if it were counted in UTF-16",
        "as Python does",
        answers={"text": ["sings"], "answer_start": [8]},
    ),
    questions(
        "answer counted in bytes",
        "as if it were counted in bytes of UTF-8",
        "as Python does",
        answers=[{"text": "sings", "start": 10}],
    ),
    questions(
        "question and context exchanged",
        "its question has that answer",
        "exchange text and text_pair",
        "--text context --text-pair question --label answers",
    ),
    questions("no contexts", "text_pair was not given", "contexts as text_pair", "--text question --label answers"),
    questions("context missing", "has 1 rows with no 'context'", "fill or drop", context=None),
    questions("empty context", "question 'q4' has an empty context", "leave it out", context=" "),
    questions("empty question", "question 'q4' has an empty question", "leave it out", question=""),
    questions(
        "empty answer",
        "question 'q4' has an answer that is empty",
        "leave that answer out",
        answers=[ANSWER, {"text": "", "start": 0}],
    ),
    questions(
        "answers without places", "question 'q4' has the answers ['Anna']", 'a list of {"text"', answers=["Anna"]
    ),
    questions("answer as a string", "question 'q4' has the answers 'Anna'", "or call the column", answers="Anna"),
    questions("answers that are classes", "question 'q4' has the answers 1", "or call the column", answers=1),
    questions(
        "answer at a word's number",
        "has the answers [{'start': 1.5",
        '"answer_start"',
        answers=[{"text": "Anna", "start": 1.5}],
    ),
    questions(
        "answers and places of two lengths",
        "question 'q4' has the answers {",
        'or {"text": [...]',
        answers={"text": ["Anna"], "answer_start": []},
    ),
    questions("no answer", "question 'q4' has no answer, and so 1 of 4 questions", "set no_answer", answers=[]),
    questions("separator of answers", "label_separator = ';'", "omit label_separator", "--label-separator ';'"),
    squad("impossible with answers", [article(is_impossible=True)], "'q1' has the answer 'Anna', and is_", "plausible"),
    squad("SQuAD without qas", [{"paragraphs": [{"context": "Anna"}]}], 'list under "qas" (it has context)', "give {"),
    squad("SQuAD without context", [article(context=None)], "paragraph 1 of article 1 has no text", '"context": ...'),
    squad("SQuAD without answers", [article(answers=None)], 'list under "answers" (it has id, question)', "give {"),
    squad("SQuAD of strings", ["Who sings?"], 'article 1 has no list under "paragraphs" (it is \'Who', "give {"),
    squad("SQuAD without questions", [], "as json (it has no questions)", "check that it is complete"),
    squad(
        "SQuAD with an id twice", [article(), article()], "1 id of more than one question, such as 'q1'", "leave out"
    ),
    squad("SQuAD of one context", [article(id=place) for place in range(9)], "all of one context", "of more contexts"),
    data("no_answer without questions", GOOD, "no_answer is true, and reviews.csv has", "leave", options="--no-answer"),
    targets("empty target", "row 4 has an empty target", "leave it out", target=" "),
    targets("target missing", "row 4 has an empty target", "leave it out", target=None),
    targets("an empty one of several targets", "row 4 has an empty target", "leave it out", target=["a", ""]),
    targets("no targets", "row 4 has an empty list of targets", "leave it out", target=[]),
    targets("target that is a number", "row 4 has the target 7", "give a text, or a list of texts", target=7),
    targets("target with its place", "row 4 has the target {", "or a list", target={"text": "a", "answer_start": 0}),
    targets("targets by name", "row 4 has the target ['a', 1]", "label", "", target=["a", 1]),
    targets("empty source", "row 4 has an empty source", "leave it out", source=""),
    targets("source missing", "has 1 rows with no 'source'", "fill or drop", source=None),
    targets("no column of targets", "has no column 'ref'", "set target to one of", "--text source --target ref"),
    targets("targets as texts", "text and target are both 'target'", "of its own", "--text target --target target"),
    *(
        targets(f"target and {option}", f"{option} = ", f"leave {option} out", f"{TARGETS} --{flag}")
        for option, flag in {
            "label": "label source",
            "text_pair": "text-pair source",
            "label_separator": "label-separator ';'",
            "no_answer": "no-answer",
        }.items()
    ),
    BadInput(
        "texts to generate for the BiLSTM",
        "new texts.csv",
        "texts.csv has texts to generate, and the bilstm",
        "give --model a Hub id such as gpt2",
        {"texts.csv": rows("a {},b {}", header="source,target")},
        frozenset({"datasets"}),
    ),
    BadInput(
        "texts to generate of one source",
        "new texts.csv --model gpt2",
        "all 12 texts of texts.csv are 'a'",
        "give the column",
        {"texts.csv": rows("a,b {}", header="source,target")},
    ),
    BadInput(
        "questions for the BiLSTM",
        "new qa.json",
        "qa.json has questions with answers in a context, and the bilstm",
        "give --model minilm-2l",
        {"qa.json": json.dumps({"data": [article(id=place, context=f"Anna {place}") for place in range(9)]})},
        frozenset({"datasets"}),
    ),
]

READ = {"a.json": '{"q1": "Anna", "q2": ""}', "b.json": '{"q1": "Ann", "q2": ""}'}
ASKED = json.dumps({"data": [article(id=place, context=f"Anna {place}") for place in range(20)]})
GENERATED = [
    BadInput(
        "compare of answers and generated texts",
        "compare --before a.json --after b.txt",
        "a.json has answers to questions, and b.txt generated texts",
        "give files of one kind, or say by --task",
        {**READ, "b.txt": "Anna sings.\n"},
    ),
    BadInput(
        "compare with references of other questions",
        "compare --before a.json --after b.json --references qa.json",
        "qa.json has references of 20 texts, and none of 'q1', which a.json has",
        "with the same ids",
        READ | {"qa.json": ASKED},
    ),
    BadInput(
        "compare with references that are not there",
        "compare --before a.json --after b.json --references qa.json",
        "there is no file qa.json",
        "that of the --references",
        READ,
    ),
    BadInput(
        "compare of classes with references",
        "compare --before a.csv --after b.csv --references a.txt",
        "--references a.txt was given, and a.csv does not tell that its answers are texts",
        "give --task spans or generation too",
        {"a.csv": answers("a", "b"), "b.csv": answers("a", "a"), "a.txt": "a\n"},
    ),
    BadInput(
        "compare of texts in a file of nothing",
        "compare --before a.txt --after b.csv --task generation",
        "b.csv has no column of answers under a usual name, it has id, label",
        "name it with --answer",
        {"a.txt": "a\n", "b.csv": answers("a", header="id,label")},
    ),
    BadInput(
        "import of answers to other questions",
        "import-predictions a.json --study s --dataset qa.json --model m",
        "a.json has 2 answers, and not one to each of the 3 texts of the test split of qa.json",
        "answer the test split",
        READ | {"qa.json": ASKED},
        frozenset({"datasets"}),
    ),
    BadInput(
        "import of answers that their contexts lack",
        "import-predictions a.csv --study s --dataset qa.json --model m",
        "the test answers of seed 0 have 3 that do not stand in their contexts, the first is 'Eve'",
        "give parts of the contexts",
        {"qa.json": ASKED, "a.csv": answers("Eve", "Eve", "Eve")},
        frozenset({"datasets"}),
    ),
]

PARAMETERS = [
    parameter("prunner", "IMP-FT", "prunner is not a parameter of 02_prune", "did you mean pruner"),
    parameter("temperature", "2", "temperature is not a parameter of 02_prune", "it has study, results"),
    parameter("seeds", "0-", "seeds = '0-'", "a range such as 0-29"),
    parameter("seeds", "5-2", "seeds = '5-2'", "a range such as 0-29"),
    parameter("seeds", "a", "seeds = 'a'", "a range such as 0-29"),
    parameter("epochs", "0", "epochs = 0", "from 1"),
    parameter("epochs", "2.5", "epochs = 2.5", "from 1"),
    parameter("learning_rate", "fast", "learning_rate = 'fast'", "above 0, such as 2e-3"),
    parameter("learning_rate", "0", "learning_rate = 0", "above 0, such as 2e-3"),
    parameter("threshold", "0", "threshold = 0", "above 0 and below 100"),
    parameter("threshold", "100", "threshold = 100", "above 0 and below 100"),
    parameter("threshold", "50%", "threshold = '50%'", "such as 90"),
    parameter("threshold", "2:5", "threshold = '2:5'", '"2:4" (of every 4'),
    parameter("pruner", "L0", "pruner = 'L0'", "one of IIBP-WR"),
    parameter("pruner", "IMPFT", "pruner = 'IMPFT'", "did you mean IMP-FT"),
    parameter("pruner", "imp-ft", "pruner = 'imp-ft'", "did you mean IMP-FT"),
    parameter("device", "gpu", "device = 'gpu'", "auto, cpu, cuda or mps"),
    parameter("study", "a/b", "study = 'a/b'", "letters, digits"),
    parameter("precision", "fp16", "precision = 'fp16'", "float32 or bfloat16"),
    parameter("budget", "same", "budget = 'same'", "paper (each retraining"),
    parameter("bucketed", "yes", "bucketed = 'yes'", "True or False"),
    parameter(
        "model", "./no-such-folder", "model = './no-such-folder' is no folder here", "or a folder with a transformer"
    ),
    parameter(
        "model",
        "weights.bin",
        "model = 'weights.bin' is no folder here",
        "or a folder with a transformer",
        **{"weights.bin": "x"},
    ),
    parameter("word_vectors", "glove.txt", "word_vectors = 'glove.txt' is no file", "give glove-6b-50d, or the path"),
    parameter("dataset", "nope.csv", "dataset = 'nope.csv' is no file or folder here", "a CSV"),
    parameter("data_dir", "no-such-folder", "data_dir = 'no-such-folder' is no folder here", "give a folder, or None"),
    parameter("results", "notes", "notes is a file", "give another place", notes="mine"),
    parameter(
        "model",
        "./empty",
        "model = './empty' has no config.json",
        "a folder with a saved",
        **{"empty/notes.txt": "x"},
    ),
    parameter(
        "model",
        "./broken",
        "config.json, or one that is not JSON",
        "get its config.json again",
        **{"broken/config.json": '{"model_type": '},
    ),
    parameter("study", "one", "one/logs is a file", "move that file", "03_pies", **{"results/one/logs": "x"}),
    parameter(
        "study",
        "two",
        "bbc-news-bilstm is a file",
        "move that file",
        **{"results/two/bbc-news-bilstm": "x"},
    ),
    parameter("pruner", "mine:score", "mine", "file", "02_prune"),
    parameter("examples", "none", "examples = 'none'", "how many PIEs to show", "06_report"),
    parameter("margin", "-1", "margin = -1", "the points above 0", "03_pies"),
    params(
        "tab in a params file",
        "epochs: 3\n\tlimit: 4\n",
        UNREAD,
        A_LINE,
    ),
    params(
        "params file of lists",
        "- epochs\n",
        f"{UNREAD} (it has no names",
        A_LINE,
    ),
    params(
        "empty params file",
        "",
        f"{UNREAD} (it has no names",
        A_LINE,
    ),
    params(
        "binary params file",
        b"\x89PNG\r\n\x1a\n\x00\xff",
        UNREAD,
        A_LINE,
    ),
    params("Latin-1 params file", "text: été\n".encode("latin-1"), UNREAD, "in UTF-8"),
    params("name twice", "epochs: 2\nepochs: 3\n", "epochs is there twice", A_LINE),
    params("base 60", "seeds: 1:30\n", "1:30 is the number 90 to YAML", "in quotes"),
    params("yes for a name", "label: yes\n", "label = True", "truth values unless they are in quotes"),
    params("misspelt in a file", "epoch: 3\n", "epoch is not a parameter of 02_prune", "did you mean epochs"),
    params("a number as name", "3: 4\n", "3 is not a parameter of 02_prune", "it has study"),
    params("a list for a number", "epochs: [2, 3]\n", "epochs = [2, 3]", "from 1"),
    BadInput("params file missing", "run 02_prune -f mine.yaml", "there is no file mine.yaml", "give a YAML file"),
    BadInput(
        "folder as params file", "run 02_prune -f mine", "there is no file mine", "give a YAML file", {"mine/": ""}
    ),
]

ENTRY = "  - params: params/mine.yaml\n"
STUDIES = [
    study("study without configurations", "study: mine\nconfigurations: []\n", "has no configurations", "one at least"),
    study(
        "study without a name",
        STUDY.partition("\n")[2],
        "no study, because it has no name",
        "give study: a name",
        command="study",
    ),
    study("params file as a study", PARAMS, "a study has no batch_size, dataset", "it has study, results"),
    study("empty study file", "", "no study, because it has no name", "params/studies/demo.yaml"),
    study("pruners as a list", "study: m\nconfigurations:\n" + ENTRY + "    pruners: [IMP-FT]\n", "pruners", "{name:"),
    study("no pruners", "study: m\nconfigurations:\n" + ENTRY, "lacks params or pruners", "and pruners: {name"),
    study("threshold without a list", STUDY.replace("[50, 90]", "50"), "has IMP-FT: 50", "a list of thresholds"),
    study(
        "params file of a study missing", STUDY.replace("/mine", "/nope"), "params/nope.yaml, which", "file of params/"
    ),
    study("params of a study broken", STUDY, "could not be read as parameters", "epochs: 3", "epochs: [3"),
    study("pair twice", STUDY + ENTRY + "    pruners: {RP-AI: [50]}\n", "has reviews-bilstm twice", "into one entry"),
    study("folders equal", STUDY.replace("[50, 90]", "[50, 50.0000001]"), "both in IMP-FT-50", "first six digits"),
    study("unknown key of a study", "seeds: 0-3\n" + STUDY, "a study has no seeds", "it has study, results"),
    study("misspelt key of a study", STUDY.replace("study:", "studdy:"), "studdy", "did you mean study"),
    study("misspelt in an entry", STUDY + "    epoch: 3\n", "sets epoch,", "did you mean epochs"),
    study("levels in an entry", STUDY + "    levels: [50]\n", "sets levels", "leave that out", command="study"),
    study("pruner of a study unknown", STUDY.replace("IMP-FT", "IMPFT"), "pruner = 'IMPFT'", "did you mean IMP-FT"),
    study("study with a slash", STUDY.replace("study: mine", "study: a/b"), "study = 'a/b'", "letters, digits"),
    study("study that is a number", STUDY.replace("study: mine", "study: 2024"), "study = 2024", "in quotes"),
    study("one seed", STUDY + "    seeds: 0\n", "has one seed", "two at least"),
    study("tab in a study file", STUDY + "\tseeds: 0-3\n", "mine.yaml is not YAML", "demo.yaml", command="study"),
    study(
        "study of data that are not there",
        STUDY,
        "dataset = 'gone.csv' is no file",
        "a CSV",
        PARAMS.replace("reviews", "gone"),
        "study",
    ),
    study(
        "study of a missing model",
        STUDY + "    model: ./gone\n",
        "model = './gone' is no folder",
        "bilstm",
        command="study",
    ),
    BadInput("folder as a study file", "plan mine", "there is no study file mine", "give a file", {"mine/": ""}),
    BadInput("study missing", "study nope", "there is no study file nope", "one of params/studies: aapd"),
    BadInput(
        "cluster unknown", "study mine.yaml --cluster pbs", "invalid choice: 'pbs'", "slurm", {"mine.yaml": STUDY}
    ),
]

LOGITS = '{{"id": 1, "logits": [-1.5, {}]}}\n{{"id": 2, "logits": [1.0, -2.0]}}\n'
COMMANDS = [
    BadInput("unknown command", "prune", "pielab has no command prune", "did you mean"),
    BadInput("misspelt command", "sudy demo", "pielab has no command sudy", "did you mean study"),
    BadInput("run alone", "run", "the following arguments are required", "notebook"),
    BadInput("unknown option", "run 02 --epochs 3", "unrecognized arguments: --epochs 3", "-p"),
    BadInput("unknown notebook", "run 08_more", "there is no notebook 08_more", "one of 00_tune"),
    BadInput("output of another kind", "run 02 out.html", "out.html is no notebook's name", "ends in .ipynb"),
    BadInput("output is a folder", "run 02 out.ipynb", "is a folder", "name of a notebook", {"out.ipynb/": ""}),
    BadInput("-p with one word", "run 02 -p epochs=3", "-p/--parameter: expected 2 arguments", "NAME VALUE"),
    BadInput("errors unknown", "errors out-of-memmory", "no message has out-of-memmory", "did you mean out-of-memory"),
    BadInput("fetch unknown", "fetch glove", "no asset is called 'glove'", "give one of bbc-news"),
    BadInput(
        "status of no study",
        "status mine",
        "mine/study.yaml is missing or no study",
        "pielab study mine",
        {"mine/": ""},
    ),
    BadInput(
        "status of what is missing",
        "status results/nope",
        "results/nope/study.yaml is missing",
        "the folder of another",
    ),
    BadInput(
        "status of a file",
        "status mine.yaml",
        "mine.yaml/study.yaml is missing or no",
        "pielab study mine.yaml",
        {"mine.yaml": STUDY},
    ),
    BadInput("report before its notebook", "report mine", "has no tables yet", "06_report", {"mine/study.yaml": STUDY}),
    BadInput("report of what is missing", "report results/nope", "results/nope", "folder"),
    BadInput(
        "compare of one side", "compare --before a.csv", "give --before and --after", "or the folders of two studies"
    ),
    BadInput(
        "compare of missing files", "compare --before a.csv --after b.csv", "there is no file a.csv", "give the path"
    ),
    BadInput(
        "compare of missing studies", "compare results/a results/b", "there is no folder results/a", "that of a study"
    ),
    BadInput("compare of no studies", "compare a b", "a has no PIEs yet", "03_pies", {"a/": "", "b/": ""}),
    compare("same file", BEFORE, BEFORE, "have the same content", "the file of each run once"),
    compare("unequal ids", BEFORE, AFTER + "9,a\n", "before.csv lacks 1 id", "or --common"),
    compare(
        "no common id",
        BEFORE,
        answers("a", "b").replace("0,", "x,").replace("1,", "y,"),
        "no id is in every file",
        "--id",
    ),
    compare("duplicate ids", BEFORE + "0,a\n", AFTER, "1 rows whose id stands further up", "one answer for each text"),
    compare("no id", BEFORE, answers("a", header="row,prediction"), "no column of ids", "name it with --id"),
    compare("no answers", BEFORE, answers("a", header="id,guess"), "no column of answers", "--answer or --logits"),
    compare("answers missing", BEFORE, answers("a", "b", "", "b"), "1 rows with no 'prediction'", "fill or drop them"),
    compare(
        "answers in other words",
        BEFORE,
        answers("0", "1", "1", "1"),
        "no answer of one side",
        "write the classes alike",
    ),
    compare("header of answers alone", BEFORE, "id,prediction\n", "has a header and no rows", "add rows"),
    compare("group missing", BEFORE, AFTER, "has no column 'dialect'", "set --group to one of", "--group dialect"),
    compare("page where another file is", BEFORE, AFTER, "before.csv is there", "another name", "--out before.csv"),
    compare(
        "page and table in one", BEFORE, AFTER, "are both x.html", "a file of its own", "--out x.html --csv x.html"
    ),
    compare("page in a file", BEFORE, AFTER, "before.csv is a file", "another place", "--out before.csv/x.html"),
    compare(
        "Latin-1 answers", BEFORE, answers("é", "b").encode("latin-1"), "after.csv is not UTF-8", "save it as UTF-8"
    ),
    BadInput(
        "logits not finite",
        "compare --before a.jsonl --after b.jsonl",
        "that are not finite numbers for '1'",
        "the model has diverged",
        {"a.jsonl": LOGITS.format("2.0"), "b.jsonl": LOGITS.format("NaN")},
    ),
    BadInput(
        "logits of two lengths",
        "compare --before a.jsonl --after b.jsonl",
        "has texts with 2 and 3 logits",
        "one for each class",
        {"a.jsonl": LOGITS.format("2.0"), "b.jsonl": LOGITS.format("2.0, 3.0")},
    ),
]

BAD_INPUTS = [*COMMANDS, *PARAMETERS, *STUDIES, *DATA, *TAGGED, *SPANS, *GENERATED]


def outcome(bad: BadInput, folder: Path) -> dict:
    """What the command does in this process: status, stderr, files changed, modules imported, and what it raised."""
    from pielab.__main__ import main

    bad.make(folder)
    os.chdir(folder)
    before, modules, crash, start = _files(folder), set(sys.modules), "", time.monotonic()
    stdout = io.TextIOWrapper(io.BytesIO())
    with contextlib.redirect_stderr(io.StringIO()) as stderr, contextlib.redirect_stdout(stdout):
        try:
            status = main(shlex.split(bad.command))
        except SystemExit as ended:  # of argparse
            status = ended.code
        except Exception as error:
            status, crash = 1, f"{type(error).__name__}: {error}"
    return {
        "status": status,
        "stderr": stderr.getvalue(),
        "crash": crash,
        "written": sorted(_files(folder) ^ before),
        "imported": sorted(HEAVY & (set(sys.modules) - modules)),
        "seconds": time.monotonic() - start,
    }


def _files(folder: Path) -> set[str]:
    return {f"{path.relative_to(folder)} {path.is_dir() or path.read_bytes()!r}" for path in folder.rglob("*")}


def is_one_sentence(bad: BadInput, stderr: str) -> bool:
    """Whether stderr is one line "error: ..." with what was given and the cure; argparse's has its usage above it."""
    *usage, last = re.sub(r"^warning: .*\n", "", stderr, flags=re.MULTILINE).splitlines() or [""]
    if usage and usage[0].startswith("usage: "):
        return ": error: " in last and all(part in stderr for part in (bad.given, bad.cure))
    said, _, cure = last.partition(bad.given)
    return not usage and said.startswith("error: ") and bad.cure in cure


def main(folder: Path) -> None:
    from pielab.commands import run

    # Nothing that is accepted by mistake starts.
    run._execute = lambda *given: 0
    subprocess.run = lambda command, **options: subprocess.CompletedProcess(command, 0)
    light_first = sorted(BAD_INPUTS, key=lambda bad: len(bad.imports))
    print(json.dumps({bad.name: outcome(bad, folder / f"{place:03}") for place, bad in enumerate(light_first)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
