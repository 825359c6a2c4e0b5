"""pielab predict of tagged words: token classifiers and sentences in, files that compare and import take out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from conftest import refused, write_tagger
from test_imported_tags import conll

from pielab.__main__ import main
from pielab.commands import predict
from pielab.data import paired_answers, prediction_texts
from pielab.store import predictions

TAGS = ["O", "B-pet", "I-pet", "B-wild"]
WORDS = [["the", "cats", "near"], ["dogs"], ["the", "birds", "see", "the", "cat"], ["dogs"]]
GOLD = [["O", "B-pet", "O"], ["B-pet"], ["O", "B-wild", "O", "O", "B-pet"], ["B-pet"]]
READS = 16


def save(folder, seed, names=TAGS):
    """A tiny token classifier with random weights."""
    folder.mkdir()
    write_tagger(folder, READS)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.id2label, config.label2id = dict(enumerate(names)), {name: place for place, name in enumerate(names)}
    torch.manual_seed(seed)
    transformers.BertForTokenClassification(config).save_pretrained(folder)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with two models and a data set of sentences."""
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        save(tmp_path / f"bert-{seed}", seed)
    (tmp_path / "named").mkdir()
    rows = [list(zip(*pair, strict=True)) for pair in zip(WORDS, GOLD, strict=True)]
    Path("named/test.conll").write_text(conll(rows))
    return tmp_path


def run(*arguments):
    return predict.main([*map(str, arguments), "--device", "cpu"])


def plain(folder, words):
    """The logits of a sentence's words by transformers alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    first = [inputs.word_ids().index(word) for word in range(len(words))]
    with torch.inference_mode():
        return model(**inputs).logits[0, first].numpy()


def test_a_user_gets_the_tags_of_transformers_and_compare_and_import_take_the_files(place, capsys):
    run("bert-0", "bert-1", "--data", "named", "--label", "label")
    said, models = capsys.readouterr().out, []
    for seed in range(2):
        path = Path(f"predictions/bert-{seed}.parquet")
        table = pd.read_parquet(path)
        assert list(table) == ["id", "words", "label", "prediction", "logits"] and list(table["id"]) == [0, 1, 2, 3]
        assert [list(row) for row in table["words"]] == WORDS and [list(row) for row in table["label"]] == GOLD
        models.append([[TAGS[tag] for tag in plain(f"bert-{seed}", words).argmax(axis=1)] for words in WORDS])
        assert [list(row) for row in table["prediction"]] == models[-1]
        for row, words in zip(table["logits"], WORDS, strict=True):
            np.testing.assert_allclose(np.stack(row), plain(f"bert-{seed}", words), atol=1e-5)
        metadata = pq.read_schema(path).metadata
        assert json.loads(metadata[b"classes"]) == TAGS and json.loads(metadata[b"task"]) == "tokens"
    assert models[0] != models[1] and said.count("entity F1 ") == 2
    paths = [Path(f"predictions/bert-{seed}.parquet") for seed in range(2)]
    found = paired_answers.read(
        paths[:1], paths[1:], dict.fromkeys(("id", "answer", "logits", "label", "text", "group"))
    )
    assert found.sentences.words == WORDS and found.targets is not None and found.before_logits is None
    assert main(["import-predictions", *map(str, paths), "--study", "s", "--dataset", "named", "--model", "bert"]) == 0
    stored = predictions.read_seeds("results/s/named-bert/dense", range(2))
    words = [[tag for row in model for tag in row] for model in models]
    assert [[stored.tags[tag] for tag in ids] for ids in stored.tagged.ids] == words
    # The score that is printed is that of the study.
    scores = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert [f"entity F1 {100 * float(score):.1f} %" in said for score in scores] == [True, True]
    capsys.readouterr()
    run("bert-0", "--data", "named", "--label", "label")
    assert "there already" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["words alone", "jsonl", "parquet"])
def test_words_alone_are_enough_and_lists_do_the_same(place, kind):
    table = pd.DataFrame({"tokens": WORDS, "key": [f"s{number}" for number in range(4)]})
    given = ["--text", "tokens", "--id", "key"]
    if kind == "words alone":
        Path("data.conll").write_text("\n\n".join("\n".join(row) for row in WORDS))
        data, given = "data.conll", []
    elif kind == "jsonl":
        table.to_json(data := "data.jsonl", orient="records", lines=True)
    else:
        table.to_parquet(data := "data.parquet")
    run("bert-0", "--data", data, *given, "--limit", 3)
    found = pd.read_parquet("predictions/bert-0.parquet")
    assert list(found) == ["id", "words", "prediction", "logits"] and len(found) == 3
    assert list(found["id"]) == (["s0", "s1", "s2"] if given else [0, 1, 2])
    assert list(found["prediction"][2]) == [TAGS[tag] for tag in plain("bert-0", WORDS[2]).argmax(axis=1)]


def test_models_and_words_that_do_not_fit_are_refused(place):
    save(place / "numbered", 0, [f"LABEL_{number}" for number in range(4)])
    with refused("classes-no-tags", "give --classes, the tag of each logit", "LABEL_0"):
        run("numbered", "--data", "named")
    run("numbered", "--data", "named", "--classes", ",".join(TAGS))
    assert Path("predictions/numbered.parquet").exists()
    config = transformers.AutoConfig.from_pretrained("bert-0")
    (place / "texts").mkdir()
    write_tagger(place / "texts", READS)
    transformers.BertForSequenceClassification(config).save_pretrained("texts")
    with refused("no-tagger", "a token classifier", "texts is a BertForSequenceClassification"):
        run("texts", "--data", "named")
    pd.DataFrame({"text": ["the cat", "dogs"]}).to_csv("texts.csv", index=False)
    with refused("no-sequence-classifier", "to classify texts", "bert-0 is a BertForTokenClassification"):
        run("bert-0", "--data", "texts.csv")
    Path("long.conll").write_text("\n".join(["the"] * 15))
    with refused("sentence-does-not-fit", "split the sentence", "sentence 1 of long.conll has 17 tokens"):
        run("bert-0", "--data", "long.conll")
    with refused("pairs-of-tagged-words", "leave text_pair out"):
        prediction_texts.read("named/test.conll", text_pair="2")
    with refused("single-column", "tag of each word"):
        prediction_texts.read("long.conll", label="label")
    pd.DataFrame({"text": WORDS[:2], "label": [["O"], ["O"]]}).to_json("short.jsonl", orient="records", lines=True)
    with refused("words-and-tags-differ", "give each word a tag"):
        prediction_texts.read("short.jsonl", label="label")
