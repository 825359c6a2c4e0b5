"""pielab compare of answers that are texts: to questions, and generated, from the files that other programs write."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused

from pielab.analysis import file_comparison
from pielab.commands import compare
from pielab.data import answer_texts, chrf, paired_answers
from pielab.report import comparison_page
from pielab.report.comparison_sentences import sentences

COLUMNS = dict.fromkeys(compare.COLUMNS)
SOURCES = ["name[Aromi]", "name[Cocum], area[<b>]", "name[Zizzi]"]
REFERENCES = [["Aromi is a pub.", "There is a pub called Aromi."], ["Cocum is by the river."], ["Zizzi is cheap."]]
BEFORE = ["Aromi is a pub.", "Cocum, by the <i>river</i>", "Zizzi is a cheap pub."]
AFTER = ["aromi is a pub", "Cocum, on the <i>river</i>", "Zizzi"]
GOLD = {"q1": ["Ada Lovelace", "Ada"], "q2": [], "q3": ["in Rome"]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def text_file(name, texts):
    path = Path(f"{name}.txt")
    path.write_text("\n".join(texts) + "\n")
    return path


def references(kind="csv"):
    if kind == "csv":
        rows = [(source, text) for source, texts in zip(SOURCES, REFERENCES, strict=True) for text in texts]
        pd.DataFrame(rows, columns=["mr", "ref"]).to_csv(path := "references.csv", index=False)
    elif kind == "txt":
        Path(path := "references.txt").write_text("\n\n".join("\n".join(texts) for texts in REFERENCES))
    else:
        pd.DataFrame({"id": range(3), "targets": REFERENCES}).to_json(
            path := "references.jsonl", orient="records", lines=True
        )
    return Path(path)


def dev():
    rows = [
        {"id": id, "question": f"who is {id}?", "answers": [{"text": text, "answer_start": 0} for text in texts]}
        for id, texts in GOLD.items()
    ]
    whole = {"version": "2", "data": [{"title": "", "paragraphs": [{"context": "Ada", "qas": rows}]}]}
    Path("dev.json").write_text(json.dumps(whole))
    return Path("dev.json")


def similarity(one, other):
    return chrf.similarities([answer_texts.normalised_text(text) for text in (one, other)])[0, 1]


@pytest.mark.parametrize("kind", ["csv", "txt", "jsonl"])
def test_two_files_of_generated_texts_and_references_of_any_kind(kind):
    sides = [text_file("before", BEFORE)], [text_file("after", AFTER)]
    found = file_comparison.compare(paired_answers.read(*sides, COLUMNS, references=references(kind)))
    apart = [1 - similarity(*pair) for pair in zip(BEFORE, AFTER, strict=True)]
    assert found.unlike["estimate"].tolist() == [pytest.approx(100 * np.mean(apart), abs=1e-3)]
    rows = found.by_text.set_index("id")
    assert rows["distance"].tolist() == pytest.approx(apart, abs=1e-6) and rows["changed"].tolist() == [0, 1, 1]
    near = [
        [max(similarity(text, reference) for reference in own) for text, own in zip(side, REFERENCES, strict=True)]
        for side in (BEFORE, AFTER)
    ]
    right = [np.array(side) >= np.median(near[0]) for side in near]
    accuracy = found.accuracy.set_index("quantity")["estimate"]
    assert accuracy["before"] == pytest.approx(100 * right[0].mean()) == pytest.approx(200 / 3)
    assert accuracy["after"] == pytest.approx(100 * right[1].mean())
    changes = found.changes.set_index("quantity")["estimate"]
    assert changes["right to wrong"] == pytest.approx(100 * (right[0] & ~right[1]).mean())
    assert changes["changed"] == pytest.approx(200 / 3) and found.matrix is None and not found.majorities
    assert json.dumps(found.numbers)


def test_texts_that_have_nothing_in_common_with_the_references_are_wrong():
    sides = [text_file("before", [""] * 3)], [text_file("after", ["", *AFTER[1:]])]
    found = file_comparison.compare(paired_answers.read(*sides, COLUMNS, references=references("csv")))
    assert found.accuracy.set_index("quantity")["estimate"]["before"] == 0


def test_the_page_shows_texts_beside_each_other_and_runs_nothing_of_the_files(capsys):
    sides = ["--before", text_file("before", BEFORE), "--after", text_file("after", AFTER)]
    assert compare.main([*map(str, sides), "--references", str(references()), "--csv", "rows.csv"]) == 0
    said, page = capsys.readouterr().out, Path("comparison.html").read_text()
    assert "2 of 3 answers changed" in said and "Share of right texts is 66.67 % before" in said
    assert "one minus their similarity" in said and "There is one run of each model" in said
    assert "<b>before</b>: Cocum, <mark>by</mark> the &lt;i&gt;river&lt;/i&gt;" in page and "<i>river" not in page
    assert "<b>after</b>: Cocum, <mark>on</mark> the" in page and "area[&lt;b&gt;]" in page
    # Those that differ most come first.
    assert page.index("<b>before</b>: Zizzi <mark>is a cheap pub.") < page.index("<b>before</b>: Cocum")
    assert list(pd.read_csv("rows.csv")) == ["id", "text", "label", "before", "after", "distance", "changed"]


def generated(seed, share):
    """Texts of a run, each with some words of its own."""
    random = np.random.default_rng(seed)
    words = ["cheap", "nice", "old", "small", "quiet"]
    return [
        " ".join(str(random.choice(words)) if random.random() < share else word for word in text.split())
        for text in [texts[0] for texts in REFERENCES] * 10
    ]


def test_several_runs_move_by_a_distance_and_medoids_have_a_null(tmp_path):
    models = [[generated(seed, share) for seed in range(first, first + 6)] for first, share in ((0, 0.2), (9, 0.6))]
    # All runs of a side in one file, a line each, and as files.
    Path("before.jsonl").write_text("\n".join(json.dumps({"run": 1, "outputs": texts}) for texts in models[0]))
    after = [text_file(f"after-{seed}", texts) for seed, texts in enumerate(models[1])]
    Path("gold.txt").write_text("\n".join([texts[0] for texts in REFERENCES] * 10))
    read = paired_answers.read([Path("before.jsonl")], after, COLUMNS, references=Path("gold.txt"))
    found = file_comparison.compare(read)
    distinct = sorted({text for side in models for run in side for text in run})
    normal = [answer_texts.normalised_text(text) for text in distinct]
    u = chrf.similarities(normal)
    at = {text: place for place, text in enumerate(distinct)}
    ids = np.array([[[at[text] for text in run] for run in side] for side in models])

    def apart(one, other):
        return float(np.mean(1 - u[one, other]))

    between = [apart(ids[0, place], ids[1, place]) for place in range(6)]
    assert found.unlike["estimate"][0] == pytest.approx(100 * np.mean(between), abs=1e-3)
    own = [np.mean([apart(side[i], side[j]) for i, j in itertools.permutations(range(6), 2)]) for side in ids]
    crossed = np.mean([apart(ids[0, i], ids[1, j]) for i, j in itertools.permutations(range(6), 2)])
    moved = found.models.set_index("quantity")
    assert moved.loc["moved", "estimate"] == pytest.approx(100 * (crossed - np.mean(own)), abs=1e-3)
    assert moved["p"].between(0, 1).all()
    chosen = []
    for side in ids:
        sums = [[sum(u[one, other] for other in row) for one in row] for row in side.T.tolist()]
        chosen.append([row[int(np.argmax(values))] for row, values in zip(side.T.tolist(), sums, strict=True)])
    assert found.consensus["apart"] == pytest.approx(100 * np.mean(1 - u[chosen[0], chosen[1]]), abs=0.5)
    assert found.consensus["null"] < found.consensus["halved"]
    assert found.majorities["pies"] == 100 * found.by_text["majority_changed"].mean() > 0
    said = "\n".join(sentences(found))
    assert "medoids" in said and "an excess of" in said and "of three runs a side" in comparison_page.page(found)
    # Of sides of unequal size what needs no pairs, and of three runs no null.
    fewer = paired_answers.read([Path("before.jsonl")], after[:3], COLUMNS)
    unequal = file_comparison.compare(fewer)
    assert unequal.unlike["low"].isna().all() and set(unequal.consensus) == {"apart"} and unequal.accuracy is None
    assert "a null needs 6 runs a side" in "\n".join(sentences(unequal)) and comparison_page.page(unequal)


def test_answers_to_questions_are_those_that_squads_script_scores(capsys):
    before, after = {"q1": "Ada", "q2": "", "q3": "Rome"}, {"q3": "in Rome", "q1": "Lovelace", "q2": "Ada"}
    Path("before.json").write_text(json.dumps(before))
    with gzip.open("after.json.gz", "wt") as file:
        file.write(json.dumps(after))
    sides = ["--before", "before.json", "--after", "after.json.gz", "--references", str(dev())]
    assert compare.main(sides) == 0
    said = capsys.readouterr().out
    assert "3 of 3 answers changed" in said and "2 from right to wrong, 1 from wrong to right" in said
    assert "Exact match is 66.67 % before and 33.33 % after" in said
    found = file_comparison.compare(
        paired_answers.read([Path("before.json")], [Path("after.json.gz")], COLUMNS, references=Path("dev.json"))
    )
    f1 = [answer_texts.token_f1(before[id], after[id]) for id in before]
    assert found.unlike["estimate"][0] == pytest.approx(100 * (1 - np.mean(f1)), abs=1e-3)
    assert found.by_text["text"].tolist() == [f"who is {id}?" for id in before]
    # From one right answer to another is a change too.
    Path("other.json").write_text(json.dumps(before | {"q1": "Ada Lovelace"}))
    both = paired_answers.read([Path("before.json")], [Path("other.json")], COLUMNS, references=Path("dev.json"))
    assert file_comparison.compare(both).changes["estimate"].tolist() == [pytest.approx(100 / 3), 0, 0, 0]
    # The same from rows, with people's answers in a column; the articles and the case of letters are no change.
    for name, answers in {"one": before, "two": {id: f"The {text.upper()}" for id, text in before.items()}}.items():
        rows = pd.DataFrame(
            {"uid": list(answers), "prediction": list(answers.values()), "answers": list(GOLD.values())}
        )
        rows.to_json(f"{name}.jsonl", orient="records", lines=True)
    same = paired_answers.read([Path("one.jsonl")], [Path("two.jsonl")], COLUMNS, task="spans")
    assert file_comparison.compare(same).changes["estimate"].tolist() == [0, 0, 0, 0]


def test_three_readers_vote_for_the_most_frequent_answer():
    sides = {"a": ["Ada", "the Ada", "Rome"], "b": ["Rome", "Rome", "Ada Lovelace"]}
    paths = []
    for side, answers in sides.items():
        for run, answer in enumerate(answers):
            paths.append(Path(f"{side}{run}.json"))
            paths[-1].write_text(json.dumps({"q1": answer, "q2": "", "run": str(run)}))
    found = file_comparison.compare(paired_answers.read(paths[:3], paths[3:], COLUMNS))
    assert found.by_text["majority_changed"].tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("after", "options", "id", "problem", "cure"),
    [
        ("one\ntwo", {}, "ids-not-in-every-file", "lacks 1 id", "--common"),
        ('{"0": "a", "1": "b"}', {}, "answers-and-generated-texts", "after.json has answers", "by --task"),
        ('{"id": 1, "text": "a"}', {"task": "generation"}, "no-column-of-texts", "it has id, text", "with --answer"),
        ('{"answer": ["a"]}\n{"answer": "b"}', {"task": "spans"}, "answer-not-a-text", "['a'] in place", "one string"),
        ('{"outputs": "a"}', {}, "outputs-not-a-list", "has 'a' as outputs", "a list of strings"),
        ('{"id": 1, "answer": "a"}\n{"id": 1, "answer": "b"}', {"task": "generation"}, "id-of-text-repeated", "1", ""),
        ("one\ntwo\n3", {"references": "gold.txt"}, "references-of-other-texts", "none of '1'", "same order"),
        ("one\ntwo\n3", {"references": "none.txt"}, "no-such-references", "no file none.txt", "--references"),
        ("one\ntwo\n3", {"references": "gold.csv"}, "no-column-of-references", "it has a, b", "call it"),
    ],
)
def test_what_cannot_be_compared_is_refused(after, options, id, problem, cure):
    kind = ".txt" if not after.startswith("{") else ".json" if after.startswith('{"0"') else ".jsonl"
    path = Path(f"after{kind}")
    path.write_text(after)
    Path("gold.txt").write_text("a")
    Path("gold.csv").write_text("a,b\n1,2")
    given = {name: Path(value) if name == "references" else value for name, value in options.items()}
    with refused(id, cure, problem):
        paired_answers.read([text_file("before", BEFORE)], [path], COLUMNS, **given)


def test_a_source_without_references_and_references_of_classes_are_refused():
    pd.DataFrame({"id": range(3), "targets": [["a"], [], ["b"]]}).to_json("r.jsonl", orient="records", lines=True)
    sides = [text_file("before", BEFORE)], [text_file("after", AFTER)]
    with refused("texts-without-references", "one text that people wrote", "none for text 1"):
        paired_answers.read(*sides, COLUMNS, references=Path("r.jsonl"))
    pd.DataFrame({"id": range(2), "answer": ["x", "y"]}).to_csv("classes.csv", index=False)
    with refused("references-of-classes", "give --task", "does not tell"):
        paired_answers.read([Path("classes.csv")], [Path("classes.csv")], COLUMNS, references=Path("r.jsonl"))
