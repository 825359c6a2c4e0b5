"""pielab predict of questions: readers and SQuAD's JSON in, files that compare and import take out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from conftest import refused, write_tagger

from pielab.__main__ import main
from pielab.commands import predict
from pielab.data import answer_texts, paired_answers, prediction_texts
from pielab.store import predictions

CONTEXTS = ["the cat near the birds", "dogs see the cat", "the birds see"]
GOLD = [["the cat", "cat"], ["dogs"], []]
IDS = ["q0", "q1", "q2"]
READS = 20


def save(folder, seed):
    """A tiny reader with random weights."""
    folder.mkdir()
    write_tagger(folder, READS)
    torch.manual_seed(seed)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.num_labels = 2
    transformers.BertForQuestionAnswering(config).save_pretrained(folder)


def run(*arguments):
    return predict.main([*map(str, arguments), "--device", "cpu"])


def plain(folder, context, threshold):
    """The answer to the question "the cat" by transformers alone."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder, dtype=torch.float32).eval()
    inputs = tokenizer("the cat", context, return_tensors="pt", return_offsets_mapping=True)
    (offsets,) = inputs.pop("offset_mapping").tolist()
    with torch.inference_mode():
        found = model(**inputs)
    start, end = found.start_logits[0].numpy(), found.end_logits[0].numpy()
    places = [place for place, which in enumerate(inputs.sequence_ids(0)) if which == 1]
    scores = {(one, other): start[one] + end[other] for one in places for other in places if one <= other}
    one, other = max(scores, key=scores.get)
    if threshold is not None and start[0] + end[0] - scores[one, other] > threshold:
        return ""
    return context[offsets[one][0] : offsets[other][1]]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with two readers, and a folder of questions."""
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        save(tmp_path / f"bert-{seed}", seed)
    paragraphs = []
    for id, context, texts in zip(IDS, CONTEXTS, GOLD, strict=True):
        answers = [{"text": text, "answer_start": context.index(text)} for text in texts]
        paragraphs.append({"context": context, "qas": [{"id": id, "question": "the cat", "answers": answers}]})
    (tmp_path / "asked").mkdir()
    whole = {"version": "v2.0", "data": [{"title": "", "paragraphs": paragraphs}]}
    (tmp_path / "asked/test.json").write_text(json.dumps(whole))
    return tmp_path


def test_readers_answer_as_transformers_do_and_compare_and_import_take_the_files(place, capsys):
    run("bert-0", "bert-1", "--data", "asked/test.json", "--decision-threshold", "-0.05")
    said, models = capsys.readouterr().out, []
    for seed in range(2):
        table = pd.read_parquet(f"predictions/bert-{seed}.parquet")
        assert list(table) == ["id", "text", "text_pair", "label", "prediction", "start", "score"]
        assert list(table["id"]) == IDS and [list(row) for row in table["label"]] == GOLD
        models.append([plain(f"bert-{seed}", context, -0.05) for context in CONTEXTS])
        assert list(table["prediction"]) == models[-1]
        for row in table.itertuples():
            assert row.text_pair[row.start :].startswith(row.prediction) or row.start == -1
        right = np.mean([answer_texts.exact_match(*pair) for pair in zip(models[-1], GOLD, strict=True)])
        assert f"exact match {100 * right:.1f} %, F1 " in said
    files = [Path(f"predictions/bert-{seed}.parquet") for seed in range(2)]
    found = paired_answers.read(
        files[:1], files[1:], dict.fromkeys(("id", "answer", "logits", "label", "text", "group"))
    )
    assert found.written.task == "spans" and found.written.before.tolist() == models[:1]
    assert found.written.right is not None and list(found.texts) == ["the cat"] * 3
    words = ["--study", "s", "--dataset", "asked", "--model", "bert", "--no-answer"]
    assert main(["import-predictions", *map(str, files), *words]) == 0
    assert predictions.read_seeds("results/s/asked-bert/dense", range(2)).classes.texts.tolist() == models
    capsys.readouterr()
    run("bert-0", "--data", "asked/test.json", "--decision-threshold", "-0.05")
    assert "there already" in capsys.readouterr().out
    with refused("other-predictions-in-file", "another --out", "decision_threshold"):
        run("bert-0", "--data", "asked/test.json")


def test_rows_without_answers_and_columns_of_other_names(place):
    rows = pd.DataFrame({"question": ["the cat"] * 3, "context": CONTEXTS})
    rows.to_csv("rows.csv", index=False)
    run("bert-0", "--data", "rows.csv", "--limit", 2)
    found = pd.read_parquet("predictions/bert-0.parquet")
    assert list(found) == ["id", "text", "text_pair", "prediction", "start", "score"] and list(found["id"]) == [0, 1]
    assert list(found["prediction"]) == [plain("bert-0", context, None) for context in CONTEXTS[:2]]
    answers = [
        {"text": texts, "answer_start": [c.index(t) for t in texts]} for c, texts in zip(CONTEXTS, GOLD, strict=True)
    ]
    rows.assign(gold=answers).to_json("rows.jsonl", orient="records", lines=True)
    given = {"text": "question", "text_pair": "context", "label": "gold"}
    read = prediction_texts.read("rows.jsonl", **given)
    assert read.asked and read.answers.texts == tuple(map(tuple, GOLD))


def test_models_and_questions_that_do_not_fit_are_refused(place):
    pd.DataFrame({"text": ["the cat", "dogs"]}).to_csv("texts.csv", index=False)
    with refused("no-sequence-classifier", "to classify texts", "bert-0 is a BertForQuestionAnswering"):
        run("bert-0", "--data", "texts.csv")
    (place / "classifier").mkdir()
    write_tagger(place / "classifier", READS)
    config = transformers.AutoConfig.from_pretrained("classifier")
    transformers.BertForSequenceClassification(config).save_pretrained("classifier")
    with refused("no-reader", "fine-tuned to answer questions", "a BertForSequenceClassification"):
        run("classifier", "--data", "asked")
    with refused("threshold-not-a-probability", "such as 0.5", "-0.5"):
        run("classifier", "--data", "texts.csv", "--decision-threshold", "-0.5", "--classes", "a,b")
    with refused("question-does-not-fit", "raise max_tokens", "question 1 of asked"):
        run("bert-0", "--data", "asked", "--max-tokens", 4)
