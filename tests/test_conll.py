"""Words with a tag each: from files of columns and from lists, in any layout the same data."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import refused
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from pielab.__main__ import main
from pielab.analysis.examples import el2n
from pielab.config.parameters import PruneParameters
from pielab.data import conll, data_card, datasets, tasks
from pielab.store import entities, paths

PROJECT = Path(__file__).parents[1]
SENTENCES = [
    [("Anna", "B-PER"), ("Maria", "I-PER"), ("lives", "O"), ("in", "O"), ("Rome", "B-LOC"), (".", "O")],
    [("#", "O"), ("1", "O")],
    [("#rome", "B-LOC"), ("caf\u00e9\u00a0", "O"), ("#", "O"), ("x", "O")],
    [("Milan", "B-LOC"), ("Rome", "B-LOC")],
]
TAGS = ["O", "B-LOC", "B-PER", "I-PER"]


def columns(separator="\t", end="\n", between="", sentences=SENTENCES):
    """A .conll file of words and tags."""
    return "".join(
        "".join(f"{word}{separator}{tag}{end}" for word, tag in sentence) + between + end for sentence in sentences
    )


def table(text, columns=("text", "label"), label="label"):
    """The sentences of a file, as pairs of a word and its tag."""
    frame = conll.table(text, columns, label, Path("x.conll"))
    return [list(zip(*cells, strict=True)) for cells in zip(*(frame[column] for column in columns), strict=True)]


def of(data):
    """The sentences of all splits, as pairs of a word and its tag."""
    names = datasets.class_names(data)
    return [
        [(word, names[tag]) for word, tag in zip(row["words"], row["tags"], strict=True)]
        for split in datasets.SPLITS
        for row in data[split]
    ]


def load(path, sentences=SENTENCES * 5, **options):
    path.write_text(columns(sentences=sentences), encoding="utf-8")
    return datasets.load(str(path), **options)


@pytest.mark.parametrize(
    "text",
    [
        columns(),
        columns(" "),
        columns("   "),
        columns(" \t "),
        columns(end="\r\n"),
        columns(end="\r"),
        columns(between="\t"),
        columns(between=" "),
        columns().rstrip("\n"),
        "\n\n \n" + columns(end="\n").replace("\n\n", "\n\n\t\n\n"),
        "-DOCSTART- -X- O O\n\n" + columns() + "-DOCSTART-\n" + columns()[:0],
        columns().replace("\n\n", "\n-DOCSTART-\tO\n"),
        "# newdoc id = a b c\n# text = Anna Maria\n" + columns().replace("\n\n", "\n\n# O O O\n# text = x\n"),
        "# newdoc\n" + columns(" ").replace("\n\n", "\n\n# newpar\n"),
        "# id 5f9\tdomain=en\n" + columns(),
    ],
)
def test_files_of_any_layout_have_the_same_words(text):
    assert table(text) == SENTENCES


@pytest.mark.parametrize(("word", "tag"), [("2", "4"), ("2", "label"), ("text", "3"), ("4", "text"), ("4", "1")])
def test_columns_are_called_by_their_number_or_are_the_first_and_the_last(word, tag):
    places = {"text": 0, "label": 3, **{str(number): number - 1 for number in range(1, 5)}}
    rows = [[["_"] * 4 for _ in sentence] for sentence in SENTENCES]
    for sentence, cells in zip(SENTENCES, rows, strict=True):
        for pair, row in zip(sentence, cells, strict=True):
            row[places[word]], row[places[tag]] = pair
    text = "\n\n".join("\n".join(map("\t".join, sentence)) for sentence in rows)
    assert table(f"# id = a b c\n1 -DOCSTART- O\n\n{text}", (word, tag), tag) == SENTENCES


WORD = st.tuples(st.text(st.characters(exclude_characters="\t\r\n"), min_size=1, max_size=6), st.sampled_from(TAGS))


@settings(max_examples=25)
@given(st.lists(st.lists(WORD, min_size=1, max_size=4), min_size=1, max_size=3))
def test_any_words_between_tabs_are_read_as_they_are_but_for_spaces_at_their_ends(sentences):
    sentences = [[(word.strip(" ") or "a", tag) for word, tag in sentence] for sentence in sentences]
    assert table(columns(sentences=sentences)) == sentences


def test_lines_of_several_lengths_are_named():
    for text, problem in (
        (f"{columns()}\nNN\tO\tX\n", "3 columns in line 20, and 2 in line 1"),
        ("# a b\nx O\n# no comment here\n", "4 columns in line 3, and 2 in line 2"),
        ("x y\tO\nz O\n", "x.conll has 2 columns in line 2, and 3 in line 1"),
    ):
        with refused("columns-of-lines-differ", "separated by tabs, or by spaces if no word has one", problem):
            table(text)


def test_a_file_becomes_three_splits_of_words_and_tags(tmp_path):
    data = load(tmp_path / "words.conll")
    assert [len(data[split]) for split in datasets.SPLITS] == [14, 3, 3]
    assert data["train"].column_names == ["text", "words", "tags"] and datasets.class_names(data) == TAGS
    assert sorted(of(data)) == sorted(SENTENCES * 5)
    for split in datasets.SPLITS:
        assert data[split]["text"] == [" ".join(words) for words in data[split]["words"]]
        targets = datasets.targets(data[split])
        assert isinstance(targets, entities.Tags) and targets.names == tuple(TAGS)
        assert targets.ids.dtype == np.int64 and targets.ids.tolist() == [
            tag for row in data[split]["tags"] for tag in row
        ]
        assert targets.lengths.tolist() == list(map(len, data[split]["words"]))
    assert datasets.task_of("words.conll", data) is tasks.TOKENS is tasks.of_split(data["test"])
    assert not datasets.is_multi_label(data)
    (tmp_path / "words.conll.gz").write_bytes(gzip.compress((tmp_path / "words.conll").read_bytes()))
    assert datasets.digest(datasets.load(str(tmp_path / "words.conll.gz"))) == datasets.digest(data)
    assert paths.slug("data/words.conll") == "words"


def test_a_folder_keeps_its_splits_and_may_have_test_sentences_alone(tmp_path):
    parts = {"train": SENTENCES * 2, "dev": SENTENCES[:1], "test": SENTENCES[::-1]}
    for split, sentences in parts.items():
        (tmp_path / f"{split}.conll").write_text(columns(sentences=sentences), encoding="utf-8")
    assert of(datasets.load(str(tmp_path))) == [row for sentences in parts.values() for row in sentences]
    for split in ("train", "dev"):
        (tmp_path / f"{split}.conll").unlink()
    data = datasets.load(str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [0, 0, 4] and of(data) == SENTENCES[::-1]
    assert len(datasets.targets(data["train"])) == 0 and datasets.digest(data)


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "names of the Hub", "ids of the Hub"])
def test_lists_are_the_same_data_as_the_file(tmp_path, monkeypatch, kind):
    expected = load(tmp_path / "words.conll")
    words, tags = ([[pair[place] for pair in sentence] for sentence in SENTENCES * 5] for place in (0, 1))
    frame, name = pd.DataFrame({"tokens": words, "ner_tags": tags}), str(tmp_path / f"words.{kind}")
    if kind == "parquet":
        frame.to_parquet(name)
    elif kind.startswith("json"):
        frame.to_json(name, orient="records", lines=kind == "jsonl")
    else:
        name = "owner/name"
        feature = List(Value("string") if kind.startswith("names") else ClassLabel(names=TAGS[::-1]))
        features = Features({"tokens": List(Value("string")), "ner_tags": feature})
        if kind.startswith("ids"):
            frame["ner_tags"] = frame["ner_tags"].map(lambda row: [TAGS[::-1].index(tag) for tag in row])
        hub = DatasetDict(train=Dataset.from_dict(frame.to_dict("list"), features=features))
        monkeypatch.setattr("datasets.load_dataset", lambda *given: hub)
    data = datasets.load(name, text="tokens", label="ner_tags")
    assert of(data) == of(expected) and datasets.digest(data) == datasets.digest(expected)
    assert datasets.class_names(data) == TAGS


def test_the_digest_is_of_words_their_bounds_tags_and_what_these_mean(tmp_path):
    def digest(*sentences):
        return datasets.digest(load(tmp_path / "words.conll", [list(sentence) for sentence in sentences] * 8))

    one, two = (("a", "O"), ("b", "B-X"), ("c", "I-X")), (("d", "O"),)
    others = [
        ((*one[:2], ("C", "I-X")), two),
        ((("a b", "O"), ("c", "B-X"), ("c", "I-X")), two),
        ((*one[:2], ("c", "O")), (("d", "I-X"),)),
        ((*one[:2], ("c", "B-Y")), two),
        (one, (("d", "I-X"),)),
        ((*one, *two), two),
        (one[:2], (one[2], *two)),
    ]
    assert len({digest(one, two), *(digest(*other) for other in others)}) == 8
    assert digest(one, two) == digest(one, two)


def test_a_sentence_is_shown_with_the_types_of_its_entities(tmp_path):
    data = load(
        tmp_path / "words.conll", [[("Rome", "B-LOC")], [("Anna", "B-PER"), ("Rome", "B-LOC")], [("x", "O")]] * 8
    )
    shown = el2n.extremes(np.arange(len(data["train"]), dtype=float), data["train"], 9)
    types = {"Rome": "LOC", "Anna Rome": "LOC, PER", "x": ""}
    assert shown["label"].tolist() == shown["text"].map(types).tolist() and set(shown["text"]) == set(types)


def test_fewer_sentences_are_drawn_with_the_types_in_proportion(tmp_path):
    kinds = (
        [[("x", "O")]] * 120
        + [[("Rome", "B-LOC")]] * 60
        + [[("Anna", "B-PER"), ("M", "I-PER"), ("Rome", "B-LOC")]] * 20
    )
    sentences = [[(f"w{number}", "O"), *kind] for number, kind in enumerate(kinds)]
    data, small = load(tmp_path / "words.conll", sentences), load(tmp_path / "words.conll", sentences, limit=20)
    whole = data_card.class_counts(data)
    assert whole.loc[["O", "B-LOC", "B-PER", "examples"], "test"].tolist() == [48, 12, 3, 30]
    drawn = data_card.class_counts(small)
    assert drawn.loc["examples"].tolist() == [20] * 3 and drawn.loc[["B-LOC", "B-PER"], "train"].tolist() == [8, 2]
    again = load(tmp_path / "words.conll", sentences, limit=20)
    assert datasets.digest(again) == datasets.digest(small) != datasets.digest(data)
    card = data_card.data_card(data)
    assert (card["train"], card["min_len"], card["max_len"], card["classes"]) == (140, 2, 4, 4)


@pytest.mark.parametrize(
    ("given", "read"),
    [("B-X I-X E-X S-Y", "B-X I-X I-X B-Y"), ("B-X L-X U-X O", "B-X I-X B-X O"), ("B-X M-X E-X O", "B-X I-X I-X O")],
)
def test_marks_of_the_end_of_entities_are_read_as_those_of_their_inside(tmp_path, capsys, given, read):
    data = load(tmp_path / "words.conll", [list(zip("abcd", given.split(), strict=True))] * 20)
    assert of(data)[0] == list(zip("abcd", read.split(), strict=True)) and not capsys.readouterr().err


def test_entities_that_begin_with_an_inside_tag_are_counted_where_the_data_are_first_shown(tmp_path, capsys):
    odd = [("a", "I-X"), ("b", "I-X"), ("c", "I-Y"), ("d", "O"), ("e", "B-X"), ("f", "I-X")]
    data = load(tmp_path / "words.conll", [odd] * 10)
    assert not capsys.readouterr().err
    counts = data_card.class_counts(data)
    assert counts.sum(axis=1).to_dict() == {"O": 10, "B-X": 10, "I-X": 30, "I-Y": 10, "examples": 10}
    said = "the data have I- tags that continue no entity of their type, and so begin one: 20"
    assert capsys.readouterr().err == f"warning: {said}\n"
    assert main(["new", str(tmp_path / "words.conll"), "--model", "bilstm"]) == 2
    assert capsys.readouterr().err.startswith(f"warning: {said}\nerror: ")


def test_sentences_in_lists_have_groups(tmp_path):
    rows = [
        {"text": list(dict(sentence)), "label": [tag for _, tag in sentence], "source": "ab"[place % 2]}
        for place, sentence in enumerate([[("x", "O"), ("y", "B-X")]] * 20)
    ]
    (tmp_path / "words.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = datasets.load(str(tmp_path / "words.jsonl"), group="source")
    assert data["test"].column_names == ["text", "words", "group", "tags"]
    assert sorted(group for split in datasets.SPLITS for group in data[split]["group"]) == ["a"] * 10 + ["b"] * 10


def test_types_that_differ_in_capitals_are_a_warning(tmp_path, capsys):
    load(tmp_path / "words.conll", [[("a", "B-Per"), ("b", "B-PER")]] * 10)
    assert "has the labels 'PER' and 'Per', which differ in capitals alone" in capsys.readouterr().err


def test_a_column_may_be_a_number_in_yaml_and_on_the_command_line(given):
    p = PruneParameters(**given | {"text": 2, "label": 4})
    assert (p.text, p.label) == ("2", "4") and p.recipe()["text"] == "2"


def test_new_writes_a_params_file_in_which_no_sentence_is_cut(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    load(tmp_path / "words.conll")
    assert main(["new", "words.conll", "--model", "minilm-2l"]) == 0
    params = yaml.safe_load((tmp_path / "params/words.yaml").read_text())
    assert (params["text"], params["label"], params["max_tokens"]) == ("text", "label", 512)
    assert "14 training and 3 test texts, 4 classes: O, B-LOC" in capsys.readouterr().out


def test_the_example_of_the_documents_is_read():
    page = (PROJECT / "docs/own-data.md").read_text().partition("## Tagged words")[2]
    words = [("Anna", "B-PER"), ("Maria", "I-PER"), ("lives", "O"), ("in", "O"), ("Rome", "B-LOC"), (".", "O")]
    assert table(re.search(r"```\n(.*?)```", page, re.DOTALL)[1]) == [words]
