"""Questions with answers in a context: from SQuAD's JSON and from tables of any form, the same data."""

import gzip
import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import PROJECT, refused
from datasets import Dataset, DatasetDict, Features, List, Value
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from pielab.__main__ import main
from pielab.analysis.examples import el2n
from pielab.config.parameters import PruneParameters
from pielab.data import data_card, datasets, questions, spans, splits, tasks
from pielab.store.span_answers import GoldAnswers, SpanAnswers

CONTEXT = "In 1999 \U0001f600 Anna sang in Rome."
ASKED = [("Who sang?", [("Anna", 10)]), ("Where, and in what city?", [("in Rome", 20), ("Rome", 23)])]
COLUMNS = {"text": "question", "text_pair": "context", "label": "answers"}


def rows(contexts=10, asked=ASKED):
    """Questions on a few contexts, as the Hub has them but for the form of answers."""
    return [
        {
            "id": f"{number}-{place}",
            "title": f"title {number // 5}",
            "context": f"{CONTEXT} {number}",
            "question": question,
            "answers": [{"text": text, "answer_start": start} for text, start in answers],
        }
        for number in range(contexts)
        for place, (question, answers) in enumerate(asked)
    ]


def squad(table):
    """The same as SQuAD's JSON."""
    articles: dict = defaultdict(lambda: defaultdict(list))
    for row in table:
        question = {key: row[key] for key in row if key not in ("title", "context")}
        articles[row["title"]][row["context"]].append(question)
    data = [
        {"title": title, "paragraphs": [{"context": context, "qas": qas} for context, qas in paragraphs.items()]}
        for title, paragraphs in articles.items()
    ]
    return {"version": "1.1", "data": data}


def of(data):
    """The questions of all splits."""
    return sorted(
        (row["text"], row["text_pair"], [(answer["text"], answer["start"]) for answer in row["answers"]])
        for split in datasets.SPLITS
        for row in data[split]
    )


def expected():
    """The questions of `rows`, as `of` gives them."""
    return sorted((question, f"{CONTEXT} {number}", answers) for number in range(10) for question, answers in ASKED)


def save(path, value):
    path.write_text(json.dumps(value))
    return str(path)


def test_squads_json_becomes_three_splits_of_questions(tmp_path):
    data = datasets.load(save(tmp_path / "qa.json", squad(rows())))
    assert data["train"].column_names == ["text", "text_pair", "answers"] and of(data) == expected()
    assert [len(data[split]) for split in datasets.SPLITS] == [16, 2, 2]
    assert datasets.class_names(data) == ["start", "end"] and not datasets.is_multi_label(data)
    assert datasets.task_of("qa.json", data) is tasks.SPANS is tasks.of_split(data["test"])
    targets, two = datasets.targets(data["test"]), (("in Rome", "Rome"), (20, 23))
    assert targets == GoldAnswers((("Anna",), two[0]), ((10,), two[1]))
    assert targets.asked == ("who", "where") and tasks.of_targets(targets) is tasks.SPANS
    assert targets.tobytes() == b'[[["Anna"], ["in Rome", "Rome"]], [[10], [20, 23]]]'
    assert targets[::-1] == targets[np.array([1, 0])] == GoldAnswers((two[0], ("Anna",)), (two[1], (10,)))
    assert targets[np.array([False, True])].asked == ("where",) and len(targets[:0]) == 0
    (tmp_path / "squad.json.gz").write_bytes(gzip.compress(json.dumps(squad(rows()), indent=2).encode()))
    assert datasets.digest(datasets.load(str(tmp_path / "squad.json.gz"))) == datasets.digest(data)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "form", ["jsonl", "json", "parquet", "parquet of columns", "start", "data", "Hub", "Hub of columns"]
)
def test_tables_of_any_form_are_the_same_data(tmp_path, monkeypatch, form, named):
    table, name = rows(), str(tmp_path / f"qa.{form.split()[0] if form[0] in 'jp' else 'json'}")
    for row in table:
        if form.endswith("columns"):
            row["answers"] = {key: [answer[key] for answer in row["answers"]] for key in ("text", "answer_start")}
        if form == "start":
            row["answers"] = [{"start": each["answer_start"], "text": each["text"], "n": 1} for each in row["answers"]]
    if form.startswith("parquet"):
        pd.DataFrame(table).to_parquet(name)
    elif form.startswith("Hub"):
        name, answer = "owner/name", {"text": Value("string"), "answer_start": Value("int32")}
        feature = {key: List(kind) for key, kind in answer.items()} if form.endswith("columns") else List(answer)
        features = Features({**dict.fromkeys(table[0], Value("string")), "answers": feature})
        hub = DatasetDict(train=Dataset.from_list(table, features=features))
        monkeypatch.setattr("datasets.load_dataset", lambda *given: hub)
    elif form == "data":
        save(tmp_path / "qa.json", {"data": table})
    else:
        pd.DataFrame(table).to_json(name, orient="records", lines=form == "jsonl")
    data = datasets.load(name, **(COLUMNS if named else {}))
    assert of(data) == expected()
    assert datasets.digest(data) == datasets.digest(datasets.load(save(tmp_path / "squad.json", squad(rows()))))


def test_a_folder_keeps_its_splits_and_lacks_none_of_its_own(tmp_path):
    save(tmp_path / "train.json", squad(rows()))
    save(tmp_path / "dev.json", squad(rows(3)))
    data = datasets.load(str(tmp_path), group="title")
    assert [len(data[split]) for split in datasets.SPLITS] == [18, 6, 2]
    assert set(data["train"]["group"]) == {"title 0", "title 1"}
    assert data["validation"]["text_pair"] == [row["context"] for row in rows(3)]
    (tmp_path / "train.json").rename(tmp_path / "test.json")
    (tmp_path / "dev.json").unlink()
    data = datasets.load(str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [0, 0, 20] and datasets.digest(data)
    assert len(datasets.targets(data["train"])) == 0


def test_squads_own_files_are_trained_on_and_tested_on(tmp_path):
    for name, number in (("train-v2.0", 8), ("dev-v2.0", 3)):
        asked = [{"question": f"{name} {place}", "answers": [], "id": f"{name}{place}"} for place in range(number)]
        paragraphs = [{"context": f"context {place} of {name}", "qas": [each]} for place, each in enumerate(asked)]
        (tmp_path / f"{name}.json").write_text(json.dumps({"version": "v2.0", "data": [{"paragraphs": paragraphs}]}))
    data = datasets.load(str(tmp_path), no_answer=True)
    assert {split: len(data[split]) for split in data} == {"train": 7, "validation": 1, "test": 3}
    assert all(text.startswith("dev-v2.0") for text in data["test"]["text"])


def test_columns_of_the_names_text_or_label_go_before_squads(tmp_path):
    frame = pd.DataFrame(rows()).assign(label=["a", "b"] * 10, text=[f"text {number}" for number in range(20)])
    frame.to_json(tmp_path / "qa.jsonl", orient="records", lines=True)
    assert datasets.class_names(datasets.load(str(tmp_path / "qa.jsonl"))) == ["a", "b"]
    frame.drop(columns="label").to_json(tmp_path / "qa.jsonl", orient="records", lines=True)
    with refused("no-such-column", "set label to one of id, title, context", "no column 'label'"):
        datasets.load(str(tmp_path / "qa.jsonl"))
    named = {"text": "text", "text_pair": "context", "label": "answers"}
    assert datasets.task_of("qa", datasets.load(str(tmp_path / "qa.jsonl"), **named)) is tasks.SPANS


@settings(max_examples=20)
@drawn(st.lists(st.integers(1, 20), min_size=3, max_size=30), st.integers(0, 5))
def test_no_context_is_in_two_splits(counts, seed):
    frame = pd.DataFrame({"text_pair": np.repeat([f"c{place}" for place in range(len(counts))], counts), "label": 0})
    size = int(0.15 * len(frame))
    if size < 1 or sum(sorted(counts)[:-1]) <= size:
        return  # too few to cut, or one context is nearly all
    found = splits.complete({"all": frame}, seed, "x", "text_pair")
    contexts = {split: set(part["text_pair"]) for split, part in found.items()}
    assert sum(map(len, contexts.values())) == len(counts) and all(contexts.values())
    assert sorted(pd.concat(found.values()).index) == list(range(len(frame)))
    for split in ("validation", "test"):
        assert len(found[split]) <= max(size, min(counts[int(name[1:])] for name in contexts[split]))
    again = splits.complete({"all": frame}, seed, "x", "text_pair")
    assert all(again[split].equals(found[split]) for split in found)


def test_questions_without_answers_need_a_parameter_and_are_drawn_in_proportion(tmp_path):
    asked = [*ASKED, ("Why did she sing?", []), ("Name the year.", [("1999", 3)])]
    table = [row | {"is_impossible": not row["answers"], "plausible_answers": []} for row in rows(50, asked)]
    path = save(tmp_path / "qa.json", squad(table))
    with refused("questions-without-answers", "set no_answer to true", "question '0-2' has no answer, and so 50 of"):
        datasets.load(path)
    data = datasets.load(path, no_answer=True, limit=8)
    counts = data_card.class_counts(data)
    assert counts.loc["without an answer"].tolist() == [2, 2, 2] and counts.loc["examples"].tolist() == [8, 8, 8]
    whole = data_card.class_counts(datasets.load(path, no_answer=True))
    of_words = dict.fromkeys(questions.WORDS, 0) | dict.fromkeys(["who", "where", "why", "other"], 50)
    assert whole.sum(axis=1).to_dict() == of_words | {"without an answer": 50, "examples": 200}
    targets = datasets.targets(data["test"])
    names, kinds = tasks.SPANS.kinds(targets, datasets.class_names(data))
    assert names == list(questions.WORDS) and kinds.shape == (8, 8) and (kinds.sum(axis=1) == 1).all()
    asked = el2n.extremes(np.arange(8.0), data["test"], 4)
    assert asked["label"].tolist() == list(targets.asked) and asked["text"][0].endswith(data["test"]["text_pair"][0])
    assert kinds.argmax(axis=1).tolist() == tasks.SPANS.ids(targets) == list(map(names.index, targets.asked))


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("Whose dog barked?", "who"),
        ("To whom was it given?", "who"),
        ("What's new?", "what"),
        ("In WHICH year, and how?", "which"),
        ("How many?", "how"),
        ("Is somewhat Howard anywhere?", "other"),
        ("", "other"),
    ],
)
def test_a_question_is_counted_by_its_first_question_word(question, word):
    assert questions.word(question) == word


def test_answers_are_scored_as_squad_does():
    gold = GoldAnswers((("the Cat", "a black cat"), (), ("Rome",), ("Anna",)), ((0, 0), (), (0,), (0,)))
    texts = np.array(["Cat.", "", "old Rome", ""], dtype=object)
    predicted = SpanAnswers(texts, np.array([0, -1, 0, -1]), np.zeros(4, dtype=np.float32))
    assert tasks.SPANS.score(predicted, gold) == 0.5 and tasks.SPANS.metric == "exact match"
    assert tasks.SPANS.score(predicted, gold, "F1") == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)


def test_the_digest_is_of_questions_contexts_answers_and_where_they_are(tmp_path):
    def digest(answers=ASKED[0][1], **changes):
        table = rows()
        table[0] |= changes | {"answers": [{"text": text, "answer_start": start} for text, start in answers]}
        return datasets.digest(datasets.load(save(tmp_path / "qa.json", squad(table))))

    others = [
        digest(question="Who sings?"),
        digest(context=f"{CONTEXT} Anna"),
        digest([("Anna", 10), ("Anna", 10)]),
        digest([("in", 20)]),
        digest([("n", 11)]),
        digest([("n", 12)]),
    ]
    assert len({digest(), *others}) == 7 and digest(title="another") == digest()


@settings(max_examples=25)
@drawn(st.text(min_size=1, max_size=12), st.data())
def test_an_answer_in_any_text_is_found_where_it_is_and_nowhere_else(context, data):
    start = data.draw(st.integers(0, len(context) - 1))
    text = data.draw(st.integers(start + 1, len(context)).map(lambda end: context[start:end]))
    frame = pd.DataFrame({"question": ["Who?", "What?"], "context": [context] * 2}, dtype=object)
    frame["answers"] = [[{"text": text, "start": start}], [{"text": text, "start": start + 1}]]

    def read(frame):
        return spans.encode({"all": frame}, COLUMNS, None, False, "x")["all"]["answers"].tolist()

    if not text.strip() or not context.strip():
        return
    assert read(frame[:1]) == [[{"text": text, "start": start}]]
    if context[start + 1 :].startswith(text):
        assert read(frame)[1] == [{"text": text, "start": start + 1}]
    else:
        with pytest.raises(Exception, match="row 2 has the answer"):
            read(frame)


def test_new_writes_a_params_file_of_questions(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "qa.json", squad(rows(10, [*ASKED, ("Why?", [])])))
    assert main(["new", "qa.json", "--model", "minilm-2l", "--no-answer", "--name", "qa"]) == 0
    params = yaml.safe_load((tmp_path / "params/qa.yaml").read_text())
    assert params | COLUMNS | {"no_answer": True, "model": "minilm-2l"} == params
    assert "text_pair column: context" in capsys.readouterr().out


def test_no_recipe_of_other_data_has_no_answer(given):
    assert "no_answer" not in PruneParameters(**given).recipe()
    p = PruneParameters(**given | {"no_answer": True})
    assert p.recipe()["no_answer"] is True and p.data["no_answer"] is True


@pytest.mark.parametrize("notebook", ["00_tune", "01_train"])
def test_the_notebooks_show_the_data_before_they_train(tmp_path, given, notebook):
    path = save(tmp_path / "qa.json", squad(rows()))
    cells = json.loads((PROJECT / f"notebooks/{notebook}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    names: dict = {}
    for cell in code:
        if "prepare(p, data)" in "".join(cell["source"]):
            break
        exec("".join(cell["source"]), names)
        if "parameters" in cell["metadata"].get("tags", []):
            names |= {"dataset": path, "results": str(tmp_path / "results"), "study": "s", "model": "minilm-2l"}
    assert len(names["data"]["train"]) == 16
    if notebook == "01_train":
        (card,) = tmp_path.glob("results/s/*/card.csv")
        assert pd.read_csv(card).loc[0, ["classification", "train", "classes"]].tolist() == ["spans", 16, 2]
