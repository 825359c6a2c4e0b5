"""Sources and the texts to generate from them: read in any form, in splits that share no source, and scored."""

import gzip
import json
import sys

import numpy as np
import pandas as pd
import pytest
import sacrebleu
import yaml
from conftest import refused
from datasets import Dataset, DatasetDict, Features, List, Value
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from pielab import errors
from pielab.__main__ import main
from pielab.config.parameters import PruneParameters
from pielab.data import data_card, datasets, sources, tasks, webnlg
from pielab.store.text_answers import GoldTexts, TextAnswers

# Of s0 two targets, one of them twice, and rows of other sources between them.
PAIRS = [("s0", "a text"), ("s1", "one"), ("s0", "another"), ("s1", "two"), ("s0", "a text")]
OF_SOURCE = {"s0": ["a text", "another"], "s1": ["one", "two"]}
LEARNED = [
    ["a text", "another"],
    ["one", "two"],
    ["another", "a text"],
    ["two", "one"],
    ["a text", "another"],
]


def table(pairs, **names):
    return pd.DataFrame(pairs, columns=["source", "target"]).rename(columns=names)


def folder_of(path, train=PAIRS, test=PAIRS, validation=PAIRS):
    for split, pairs in {"train": train, "test": test, "validation": validation}.items():
        table(pairs).to_csv(path / f"{split}.csv", index=False)
    return str(path)


def many(sources=20, each=3):
    return [(f"s{number}", f"text {number} {place}") for place in range(each) for number in range(sources)]


def test_pairs_are_learned_one_by_one_and_a_source_is_one_example_elsewhere(tmp_path):
    data = datasets.load(folder_of(tmp_path))
    assert data["train"].column_names == ["text", "targets"] and data["train"]["targets"] == LEARNED
    assert data["train"]["text"] == [source for source, _ in PAIRS]
    for split in ("validation", "test"):
        assert dict(zip(data[split]["text"], data[split]["targets"], strict=True)) == OF_SOURCE
    assert datasets.task_of("mine", data) is tasks.GENERATION is tasks.of_split(data["test"])
    assert datasets.targets(data["test"]) == GoldTexts((("a text", "another"), ("one", "two")))
    assert datasets.class_names(data) == ["wrong", "right"] and not datasets.is_multi_label(data)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("form", ["csv", "tsv", "semicolons", "jsonl", "parquet", "lists", "parquet of lists", "Hub"])
def test_tables_of_any_form_are_the_same_data(tmp_path, monkeypatch, form, named):
    frame = table(many())
    if "lists" in form or form == "Hub":
        frame = frame.groupby("source", sort=False, as_index=False)["target"].agg(list)
    name = str(tmp_path / "mine.parquet")
    if form.startswith("parquet"):
        frame.to_parquet(name)
    elif form == "Hub":
        features = Features({"source": Value("string"), "target": List(Value("string"))})
        hub = DatasetDict(train=Dataset.from_dict(frame.to_dict("list"), features=features))
        monkeypatch.setattr("datasets.load_dataset", lambda *given: hub)
        name = "owner/name"
    elif form in ("jsonl", "lists"):
        name = str(tmp_path / "mine.jsonl")
        frame.to_json(name, orient="records", lines=True)
    else:
        name = str(tmp_path / ("mine.tsv" if form == "tsv" else "mine.csv"))
        frame.to_csv(name, index=False, sep={"tsv": "\t", "semicolons": ";"}.get(form, ","))
    if form == "semicolons" and not named:
        with refused("no-such-column", "set text to one of source;target"):
            datasets.load(name)
        return
    data = datasets.load(name, **({"text": "source", "target": "target"} if named else {}))
    found = {row["text"]: sorted(row["targets"]) for split in datasets.SPLITS for row in data[split]}
    assert found == {f"s{number}": [f"text {number} {place}" for place in range(3)] for number in range(20)}
    assert [len(data[split]) for split in datasets.SPLITS] == [42, 3, 3]


def test_columns_of_the_names_text_or_label_go_before_source_and_target(tmp_path):
    frame = table([(f"s{row}", f"t{row}") for row in range(20)]).assign(label=["a", "b"] * 10, text=[*"abcdefghij"] * 2)
    path = str(tmp_path / "mine.csv")
    frame.to_csv(path, index=False)
    assert datasets.class_names(datasets.load(path)) == ["a", "b"]
    assert datasets.load(path, target="target")["train"]["text"][0] in frame["text"].tolist()
    frame.drop(columns="text").assign(target=["a", "b"] * 10).to_csv(path, index=False)
    with refused("no-such-column", "set text to one of source, target, label"):
        datasets.load(path)
    assert datasets.class_names(datasets.load(path, text="source", label="target")) == ["a", "b"]


@settings(max_examples=30)
@drawn(st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("xyz")), min_size=12, max_size=40))
def test_rows_and_lists_of_targets_are_the_same_pairs(pairs):
    columns = {"text": "source", "target": "target"}
    rows = table(pairs)
    own = sources.encode({"all": rows}, columns, "x")["all"] if len(set(rows["source"])) > 1 else None
    if own is None:
        return
    assert [targets[0] for targets in own["targets"]] == rows["target"].tolist() and list(own.index) == list(rows.index)
    for source, targets in zip(own["text"], own["targets"], strict=True):
        assert sorted(targets) == sorted({target for other, target in pairs if other == source})
    lists = rows.groupby("source", sort=False, as_index=False)["target"].agg(np.array)
    joined = sources.encode({"all": lists}, columns, "x")["all"]
    counted = [sorted(map(repr, frame[["text", "targets"]].itertuples(index=False))) for frame in (own, joined)]
    assert len(joined) == len(pairs) and [row[:20] for row in counted[0]] == [row[:20] for row in counted[1]]


def test_no_source_is_in_two_splits_that_pielab_cuts(tmp_path):
    path = str(tmp_path / "mine.csv")
    table(many()).assign(dialect=["a", "b", "c"] * 20).to_csv(path, index=False)
    for seed in range(3):
        data = datasets.load(path, seed=seed, group="dialect")
        of_split = [set(data[split]["text"]) for split in datasets.SPLITS]
        assert sum(map(len, of_split)) == 20 == len(set.union(*of_split))
        first = {f"s{number}": "abc"[number % 3] for number in range(20)}
        assert data["test"]["group"] == [first[text] for text in data["test"]["text"]]
        assert set(data["train"]["group"]) == {*"abc"}
    with refused("too-few-contexts-to-split", "of more sources", "has 9 targets left to train on, all of one source"):
        table([("s", f"t{row}") for row in range(9)] + [("r", "t")]).iloc[:9].to_csv(path, index=False)
        frame = pd.DataFrame({"text": ["s"] * 9, "label": [()] * 9})
        datasets.splits.complete({"all": frame}, 0, "x", "text")


def test_a_limit_draws_pairs_to_learn_and_sources_to_test_with_all_their_targets(tmp_path):
    data = datasets.load(folder_of(tmp_path, many(), many(), many()), limit=7, seed=1)
    assert [len(data[split]) for split in datasets.SPLITS] == [7, 7, 7]
    for split in datasets.SPLITS:
        for row in data[split]:
            assert sorted(row["targets"]) == [f"text {row['text'][1:]} {place}" for place in range(3)]
    assert len({row["targets"][0] for row in data["train"]}) == 7 and len(set(data["test"]["text"])) == 7
    assert data["train"].to_dict() == datasets.load(str(tmp_path), limit=7, seed=1)["train"].to_dict()


def test_a_test_file_alone_has_examples_and_nothing_to_learn(tmp_path):
    table(PAIRS).to_csv(tmp_path / "test.csv", index=False)
    data = datasets.load(str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [0, 0, 2] and datasets.digest(data)
    assert data_card.class_counts(data)["train"].tolist() == [0] * 6


def test_the_digest_is_of_sources_and_of_all_targets_in_their_order(tmp_path):
    def digest(*pairs, other="two"):
        test = [("s1", "one"), ("s1", other)]
        return datasets.digest(datasets.load(folder_of(tmp_path, [*PAIRS, *pairs], test)))

    assert len({digest(), digest(("s1", "three")), digest(("s0", "a text")), digest(other="three")}) == 4
    assert digest() == digest()


def test_examples_are_counted_by_the_words_that_are_learned(tmp_path):
    words = [" ".join(["word"] * number) for number in (1, 10, 11, 20, 21, 40, 41)]
    pairs = [(f"s{row}", text) for row, text in enumerate(words)]
    data = datasets.load(folder_of(tmp_path, [*pairs, ("s0", words[-1])], pairs, [*pairs, ("s0", words[-1])]))
    counts = data_card.class_counts(data)
    assert counts["test"].tolist() == [2, 2, 2, 1, 0, 7] and counts["validation"].tolist() == [2, 2, 2, 1, 1, 7]
    assert counts["train"].tolist() == [2, 2, 2, 2, 2, 8]
    assert data_card.data_card(data)["mean_len"] == 1
    targets = datasets.targets(data["test"])
    names, kinds = tasks.GENERATION.kinds(targets, ["wrong", "right"])
    assert names == counts.index[:4].tolist() and kinds.argmax(axis=1).tolist() == tasks.GENERATION.ids(targets)


def answers_of(texts):
    blank = np.zeros(len(texts), dtype=np.float32)
    return TextAnswers(np.array(texts, dtype=object), blank, blank, blank)


TEXTS = st.text("ab cd.", min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@drawn(st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_metrics_are_sacrebleus(given):
    predicted, targets = answers_of([text for text, _ in given]), GoldTexts(tuple(tuple(own) for _, own in given))
    sentences = [sacrebleu.sentence_chrf(text, own).score / 100 for text, own in given]
    assert tasks.GENERATION.score(predicted, targets) == pytest.approx(np.mean(sentences))
    # References of equally many: the last one again changes none of BLEU's counts.
    streams = [[own[min(place, len(own) - 1)] for _, own in given] for place in range(3)]
    bleu = sacrebleu.BLEU().corpus_score([text for text, _ in given], streams).score / 100
    assert tasks.GENERATION.score(predicted, targets, "BLEU") == pytest.approx(bleu)
    assert list(tasks.GENERATION.metrics) == ["chrF", "BLEU"]


def test_an_empty_text_is_too_short_where_others_have_more_targets():
    targets = GoldTexts((("a b c d e",), ("x y z w v", "x y z w"), ("one two three four five",)))
    predicted = answers_of(["", "x y z w v", "one two three four five"])
    # All that is said is right, and 10 words are said of 15.
    assert tasks.GENERATION.score(predicted, targets, "BLEU") == pytest.approx(np.exp(1 - 15 / 10))
    assert tasks.GENERATION.score(answers_of(["", "", ""]), targets, "BLEU") == 0


def test_a_text_that_somebody_wrote_has_the_best_score():
    texts = ["Aromi is a pub in the city.", "There is a cheap pub called Aromi."]
    targets = GoldTexts(((*texts,), ("Cotto serves English food.",)))
    predicted = answers_of([texts[1], "Cotto serves English food."])
    assert [tasks.GENERATION.score(predicted, targets, name) for name in tasks.GENERATION.metrics] == [1, 1]


def test_a_missing_package_of_metrics_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with refused("package-missing", "pip install 'pielab[generation]'", "sacrebleu is not installed"):
        errors.require(tasks.GENERATION.packages)
    errors.require(tasks.SPANS.packages)
    with refused("package-missing", "pip install 'pielab[generation]'", "sacrebleu is not installed"):
        tasks.GENERATION.score(answers_of(["a"]), GoldTexts((("a",),)), "BLEU")


def e2e(path, stems=("trainset", "devset", "testset_w_refs"), zipped=False):
    for stem in stems:
        rows = [
            (f"name[{stem}{number}], eatType[pub]", f'A "{number}",\n{place}') for number in range(2) for place in "ab"
        ]
        text = pd.DataFrame(rows, columns=["mr", "ref"]).to_csv(index=False, quoting=int(stem == "devset"))
        (path / f"{stem}.csv{'.gz' * zipped}").write_bytes(gzip.compress(text.encode()) if zipped else text.encode())


@pytest.mark.parametrize("zipped", [False, True])
def test_e2e(tmp_path, zipped):
    e2e(tmp_path, zipped=zipped)
    data = datasets.load("e2e", str(tmp_path))
    assert [len(data[split]) for split in datasets.SPLITS] == [4, 2, 2]
    assert data["test"][1] == {
        "text": "name[testset_w_refs1], eatType[pub]",
        "targets": ['A "1",\na', 'A "1",\nb'],
    }
    assert datasets.task_of("e2e", data) is tasks.GENERATION


def test_e2e_without_its_training_texts_has_those_to_compare_models_on(tmp_path):
    e2e(tmp_path, ["devset"])
    with refused("corpus-without-training-texts", "get trainset.csv"):
        datasets.load("e2e", str(tmp_path))
    e2e(tmp_path, ["testset_w_refs"])
    assert [len(part) for part in datasets.load("e2e", str(tmp_path)).values()] == [0, 2, 2]
    (tmp_path / "testset_w_refs.csv").write_text("mr\nname[a]\n")
    with refused("corpus-broken", "get trainset.csv"):
        datasets.load("e2e", str(tmp_path))


ENTRY = """<entry category="Airport" eid="Id{0}" size="2"><originaltripleset><otriple>x</otriple></originaltripleset>
<modifiedtripleset><mtriple>A&amp;{0} | p | "B, C"</mtriple>
<mtriple>D | q | E</mtriple></modifiedtripleset>{1}</entry>"""
XML = "<?xml version='1.0' encoding='utf-8'?><benchmark><entries>{}</entries></benchmark>"
LEX = '<lex comment="{}" lid="Id1">{}</lex>'


def web_xml(path, *entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<?xml version='1.0' encoding='utf-8'?><benchmark><entries>{''.join(entries)}</entries></benchmark>"
    )


def test_webnlg_of_xml_and_of_json_lines_is_the_same(tmp_path, capsys):
    texts = ["An é & a text.", "Another\none."]
    lexes = [("good", texts[0].replace("&", "&amp;")), ("good", texts[1]), ("toFix", "no")]
    both = ENTRY.format(1, "".join(LEX.format(*lex) for lex in lexes))
    wrapped = LEX.format("good", f"<template>x</template><text>{texts[1]}</text>")
    for stem in ("train", "dev", "test"):
        web_xml(tmp_path / f"xml/{stem}/2triples/Airport.xml", both, ENTRY.format(2, wrapped))
        web_xml(tmp_path / f"xml/{stem}/7triples/Food.xml", ENTRY.format(3, ""))
        sets = [(1, [texts[0], "Another one."]), (2, ["Another one."]), (3, [])]
        rows = [{"triples": [f'A&{number} | p | "B, C"', "D | q | E"], "texts": own} for number, own in sets]
        path = tmp_path / f"lines/{stem}.jsonl.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    (tmp_path / "first").mkdir()
    (tmp_path / "first/train.jsonl").write_text('{"text": "of other data"}')
    (tmp_path / "first/dev.jsonl.gz").write_bytes(b"broken")
    found = [datasets.load("webnlg", str(tmp_path / name)) for name in ("xml", "lines")]
    assert [len(part) for part in found[0].values()] == [3, 2, 2]
    assert found[0]["test"][0] == {"text": 'A&1 | p | "B, C" && D | q | E', "targets": [texts[0], "Another one."]}
    assert datasets.digest(found[0]) == datasets.digest(found[1])
    assert capsys.readouterr().err.count("has 3 sets of triples without a text, left out") == 2
    assert datasets.digest(datasets.load("webnlg", str(tmp_path))) == datasets.digest(found[0])


@pytest.mark.parametrize("broken", ["<entry>", '<!DOCTYPE a [<!ENTITY a "aa">]><entry>&a;</entry>'])
def test_broken_xml_of_webnlg_is_refused(tmp_path, broken):
    (tmp_path / "train/1triples").mkdir(parents=True)
    (tmp_path / "train/1triples/Airport.xml").write_text(broken)
    with refused("corpus-broken", f"get {webnlg.SOURCE}", "Airport.xml"):
        datasets.load("webnlg", str(tmp_path))


def test_new_writes_a_params_file_of_texts_to_generate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table(many()).to_csv("mine.csv", index=False)
    assert main(["new", "mine.csv", "--model", "gpt2"]) == 0
    params = yaml.safe_load((tmp_path / "params/mine.yaml").read_text())
    assert params | {"text": "source", "target": "target", "max_tokens": 512} == params and "label" not in params
    assert "text column: source\ntarget column: target\n" in capsys.readouterr().out
    table(many(), source="mr", target="ref").to_csv("mine.csv", index=False)
    assert main(["new", "mine.csv", "--model", "gpt2", "--text", "mr", "--target", "ref", "--name", "other"]) == 0
    params = yaml.safe_load((tmp_path / "params/other.yaml").read_text())
    assert params | {"text": "mr", "target": "ref"} == params and "label" not in params


def test_no_recipe_of_other_data_has_a_target(given):
    assert "target" not in PruneParameters(**given).recipe()
    p = PruneParameters(**given | {"target": "ref"})
    assert p.recipe()["target"] == "ref" == p.data["target"]
