"""Tags of models elsewhere in a study of tagged words: from lists, and from files, word by word in their place."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import make_texts, refused, run_cells

from pielab.__main__ import main
from pielab.analysis import results
from pielab.data import datasets, importing
from pielab.store import entities, predictions

SENTENCES = [
    [("Ada", "B-person"), ("Lovelace", "I-person"), ("lives", "O")],
    [("Rome", "B-city"), (".", "O")],
    [("Ada", "B-person"), ("sees", "O"), ("Rome", "B-city")],
    [("Rome", "B-city"), (".", "O")],  # the same words again
]
TAGS = ["O", "B-city", "B-person", "I-person", "I-city"]


def conll(sentences):
    return "\n\n".join("\n".join("\t".join(row) for row in sentence) for sentence in sentences)


def drawn(seeds, seed=0):
    """For each of some models the tags of each sentence, most of them right."""
    random = np.random.default_rng(seed)
    return [
        [[tag if random.random() < 0.7 else str(random.choice(TAGS)) for _, tag in words] for words in SENTENCES]
        for _ in range(seeds)
    ]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A working directory with a data set of four sentences, and the parameters of a study of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "named").mkdir()
    (tmp_path / "named/test.conll").write_text(conll(SENTENCES))
    return {"study": "mine", "dataset": "named", "model": "other"}


def stored(name="dense", seeds=range(4)):
    """The tags in the store, as they were given."""
    runs = predictions.read_seeds(f"results/mine/named-other/{name}", seeds)
    assert runs.logits is None and runs.task == "tokens"
    words = [[runs.tags[tag] for tag in ids] for ids in runs.tagged.ids]
    return [[row[start:end] for start, end in zip(runs.starts, runs.starts[1:], strict=False)] for row in words]


def test_tags_are_stored_as_answers_of_the_data_and_the_letters_that_it_lacks(mine):
    table = importing.add(test := drawn(4), **mine)
    assert stored() == test
    runs = predictions.read_seeds("results/mine/named-other/dense", range(4))
    assert runs.tags == tuple(TAGS)  # the data have no I-city
    gold = datasets.targets(datasets.load("named")["test"])
    sides = entities.together(runs.classes, entities.sets_of(gold))
    assert table["entity F1"].tolist() == [entities.f1(said, sides[1].said[0]) for said in sides[0].said]
    # Letters of other schemes are those of BIO, and the same tags again change nothing.
    again = [[[tag.replace("B-city", "U-city") for tag in row] for row in model] for model in test]
    importing.add(again, **mine)
    with refused("other-predictions-in-place", "give another study name"):
        importing.add(drawn(4, seed=1), **mine)


ONE = [[tag for _, tag in words] for words in SENTENCES]


@pytest.mark.parametrize(
    ("given", "id", "problem", "cure"),
    [
        ({"test": [ONE[:3]]}, "tags-of-other-sentences", "seed 0 are of 3 sentences, named has 4", "in their order"),
        ({"test": ONE}, "tags-of-other-sentences", "tags of seed 0 are of 3 sentences", "in their order"),
        ({"test": ["O", "B-city"]}, "tags-of-other-sentences", "seed 0 are 'O', named has 4", "in their order"),
        ({"test": [[*ONE[:3], ["O"]]]}, "words-and-tags-differ", "sentence 4 has 2 words and 1 tag", "each word a tag"),
        ({"test": [[*ONE[:3], "O"]]}, "tags-not-a-list", "sentence 4 has 'O' in place of tags", "give a list"),
        ({"test": [[*ONE[:3], ["city", "O"]]]}, "tag-of-no-entity", "'city' for the word 'Rome'", "write O, or B-"),
        (
            {"test": [[*ONE[:3], ["B-City", "O"]]]},
            "tags-of-other-types",
            "B-City, and the entities",
            "as the data does",
        ),
        ({"test": [ONE], "seeds": "0-1"}, "tags-and-seeds-differ", "are of 1 model, the seeds are 2", "as many"),
        ({"test": [ONE], "classes": TAGS}, "classes-of-tags", "need neither", "omit both"),
        ({"test": np.zeros((1, 9, 4))}, "numbers-for-tagged-words", "predictions are numbers", "give tags"),
        ({"test": [ONE], "early": [[]]}, "early-answers-given", "without logits", "leave early out"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_nothing_is_written(mine, tmp_path, given, id, problem, cure):
    with refused(id, cure, problem):
        importing.add(**mine, **given)
    assert not (tmp_path / "results").exists()


def test_tags_are_refused_for_texts_of_one_label(mine, tmp_path, capsys):
    (tmp_path / "topics").mkdir()
    make_texts(4).to_csv("topics/test.csv", index=False)
    with refused("strings-as-answers", "give logits", "topics has labels of whole texts"):
        importing.add([ONE], **mine | {"dataset": "topics"})
    with refused("strings-as-answers", "or class ids"):
        importing.add([["food"] * 4], **mine | {"dataset": "topics"})
    words = ["import-predictions", "named/test.conll", "--study", "mine", "--dataset", "topics", "--model", "other"]
    assert main(words) == 2
    assert "topics has labels of whole texts" in capsys.readouterr().err and not (tmp_path / "results").exists()


def write(kind, tags, name, shuffled=None):
    """A file of one model's tags; returns its name."""
    words = [[word for word, _ in sentence] for sentence in SENTENCES]
    rows = pd.DataFrame({"id": range(4), "words": words, "answer": tags})
    rows = rows if shuffled is None else rows.sample(frac=1, random_state=shuffled)
    if kind == "conll":
        columns = [
            [(*pair, tag) for pair, tag in zip(*each, strict=True)] for each in zip(SENTENCES, tags, strict=True)
        ]
        Path(path := f"{name}.conll").write_text(conll(columns))
    elif kind == "parquet":
        rows.to_parquet(path := f"{name}.parquet")
    else:
        columns = {"ids": ["id", "answer"], "words": ["words", "answer"], "alone": ["answer"]}[kind]
        rows[columns].to_json(path := f"{name}.jsonl", orient="records", lines=True)
    return path


WORDS = ["--study", "mine", "--dataset", "named", "--model", "other"]


@pytest.mark.parametrize(
    ("kind", "shuffled"), [("conll", None), ("parquet", 1), ("ids", 1), ("words", None), ("alone", None)]
)
def test_files_of_tags_come_to_their_sentences(mine, capsys, kind, shuffled):
    models = drawn(4)
    files = [write(kind, tags, f"dense-{seed}", shuffled) for seed, tags in enumerate(models)]
    assert main(["import-predictions", *files, *WORDS]) == 0
    assert stored() == models
    assert "entity F1" in capsys.readouterr().out
    assert main(["import-predictions", *files, *WORDS, "--pruner", "int8", "--threshold", "75"]) == 0
    assert stored("int8-75") == models


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (conll(SENTENCES[:3]), "3 rows, 3 of them with texts of the test texts, and named has 4 test texts"),
        (conll(SENTENCES).replace("lives", "lived"), "has the words ['Ada', 'Lovelace', 'lived'] where named has"),
        (conll([SENTENCES[1], SENTENCES[0], *SENTENCES[2:]]), "['Rome', '.'] where named has ['Ada'"),
        (conll(SENTENCES).replace("B-city", "city"), "sentence 2 has the tag 'city' for the word 'Rome'"),
        (conll(SENTENCES).replace("B-city", "B-town"), "of seed 0 have B-town, and the entities of named are city"),
    ],
)
def test_files_that_do_not_fit_are_one_sentence_and_nothing_is_written(mine, tmp_path, text, sentence, capsys):
    (tmp_path / "other.conll").write_text(text)
    assert main(["import-predictions", "other.conll", *WORDS]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1 and not (tmp_path / "results").exists()


def test_answers_of_whole_texts_are_refused_for_words(mine, capsys):
    pd.DataFrame({"id": range(4), "answer": ["city"] * 4}).to_csv("other.csv", index=False)
    assert main(["import-predictions", "other.csv", *WORDS]) == 2
    assert "named has words with tags" in capsys.readouterr().err


def spans(tags):
    """The entities of a sentence as a set, by the plainest reading of conlleval's rule."""
    found, open_at = set(), None
    for place, tag in enumerate([*tags, "O"]):
        if open_at is not None and (tag[0] in "BO" or tag[2:] != tags[open_at][2:]):
            found.add((open_at, place - 1, tags[open_at][2:]))
            open_at = None
        if tag != "O" and open_at is None:
            open_at = place
    return found


def test_the_notebooks_run_on_tags_and_leave_out_what_needs_probabilities(mine, tmp_path):
    random, places = np.random.default_rng(2), ["Rome", "Amsterdam", "Ouagadougou", "Montevideo"]
    words = [[str(random.choice(places)) for _ in range(random.integers(2, 9))] for _ in range(40)]
    gold = [[(word, str(random.choice(TAGS[:4]))) for word in row] for row in words]
    (tmp_path / "named/test.conll").write_text(conll(gold))
    sides = {
        name: [[[tag if random.random() < share else "O" for _, tag in row] for row in gold] for _ in range(4)]
        for name, share in {"unpruned": 0.9, "int8": 0.7}.items()
    }
    importing.add(sides["unpruned"], **mine)
    importing.add(sides["int8"], **mine, pruner="int8", threshold=75)
    given = mine | {"seeds": "0-3", "n_splits": 10, "n_bootstrap": 10, "limit": None}
    run_cells("03_pies", **given, pruner="int8", threshold=75)
    run_cells("06_report", study="mine")
    run_cells("07_explore", study="mine")
    frame, record = results.read(tmp_path / "results/mine").pies(tmp_path / "results/mine/named-other/int8-75")

    def vote(side, sentence):
        said = Counter(entity for model in sides[side] for entity in spans(model[sentence]))
        return {entity for entity, votes in said.items() if votes > 2}

    assert frame["pie"].tolist() == [vote("unpruned", place) != vote("int8", place) for place in range(40)]
    assert {"shares", "agreement", "by_length", "by_type"} == set(record["summary"]["levels"])
    assert (tmp_path / "results/mine/report/index.html").exists()
