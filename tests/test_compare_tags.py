"""pielab compare of tagged words: files of tags in, a page with the entities of both sides out."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from test_imported_tags import conll, spans

from pielab.analysis import file_comparison
from pielab.commands import compare
from pielab.data import paired_answers
from pielab.report import comparison_page

COLUMNS = dict.fromkeys(compare.COLUMNS)
WORDS = [["Ada", "Lovelace", "sees", "<b>Rome</b>"], ["Rome", "is", "far"], ["no", "one"]]
GOLD = [["B-person", "I-person", "O", "B-city"], ["B-city", "O", "O"], ["O", "O"]]
BEFORE = [["B-person", "I-person", "O", "B-city"], ["B-city", "O", "O"], ["O", "B-person"]]
AFTER = [["B-person", "O", "O", "B-city"], ["B-planet", "O", "O"], ["O", "B-person"]]


def write(kind, name, tags, gold=GOLD, words=WORDS):
    """A file of one run."""
    if kind == "conll":
        rows = zip(words, *([gold] if gold else []), tags, strict=True)
        Path(path := f"{name}.conll").write_text(conll([list(zip(*row, strict=True)) for row in rows]))
        return Path(path)
    frame = pd.DataFrame({"id": range(len(words)), "words": words, "label": gold, "answer": tags})
    frame = frame.drop(columns=[] if gold else ["label"]).sample(frac=1, random_state=1)
    if kind == "parquet":
        frame.to_parquet(path := f"{name}.parquet")
    else:
        columns = ["id", "label", "answer"] if kind == "no words" else list(frame)
        frame[[name for name in columns if name in frame]].to_json(
            path := f"{name}.jsonl", orient="records", lines=True
        )
    return Path(path)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kinds", ["conll conll", "conll parquet", "jsonl conll", "parquet no words"])
def test_the_numbers_of_a_worked_example_from_files_of_any_kind(kinds):
    first, _, second = kinds.partition(" ")
    found = paired_answers.read([write(first, "before", BEFORE)], [write(second, "after", AFTER)], COLUMNS)
    found = file_comparison.compare(found)
    changes = found.changes.set_index("quantity")["estimate"]
    assert changes["changed"] == pytest.approx(200 / 3) and changes["right to wrong"] == pytest.approx(200 / 3)
    levels = found.levels.set_index("quantity")["estimate"]
    # Two of nine words; one of four entities on each side is the other's.
    assert levels.to_dict() == {"words": pytest.approx(200 / 9), "entities": pytest.approx(100 * (1 - 4 / 8))}
    f1 = found.entity_f1.set_index("quantity")["estimate"]
    assert f1.to_dict() == pytest.approx({"before": 100 * 6 / 7, "after": 100 * 2 / 7, "difference": -100 * 4 / 7})
    assert found.labels.sort_values("label").to_dict("records") == [
        {"label": "city", "before": 2, "after": 1, "gained": 0, "lost": 1},
        {"label": "person", "before": 2, "after": 2, "gained": 1, "lost": 1},
        {"label": "planet", "before": 0, "after": 1, "gained": 1, "lost": 0},
    ]
    rows = found.by_text.sort_values("id")
    assert rows["before"].tolist() == ["Ada Lovelace (person); <b>Rome</b> (city)", "Rome (city)", "one (person)"]
    assert rows["after"].tolist() == ["Ada (person); <b>Rome</b> (city)", "Rome (planet)", "one (person)"]
    assert rows["label"].tolist()[1:] == ["Rome (city)", "(none)"] and rows["changed"].tolist() == [1, 1, 0]
    assert found.matrix is None and json.dumps(found.numbers)


def test_the_page_marks_the_entities_of_both_sides_and_runs_nothing_of_the_files(capsys):
    sides = ["--before", write("conll", "before", BEFORE), "--after", write("jsonl", "after", AFTER)]
    assert compare.main([*map(str, sides), "--csv", "rows.csv"]) == 0
    said, page = capsys.readouterr().out, Path("comparison.html").read_text()
    assert "22.22 % of the words have another tag, and the entities differ by 50.00 %" in said
    assert "Of 4 entities before 2 are lost, and 2 are gained" in said
    assert "Entity F1 is 85.71 % before and 28.57 % after, a difference of -57.14 points." in said
    assert '<b>before</b>: <mark title="person">Ada Lovelace <sub>person</sub></mark> sees' in page
    assert '<b>after</b>: <mark title="person">Ada <sub>person</sub></mark> Lovelace sees' in page
    assert '<b>after</b>: <mark title="planet">Rome <sub>planet</sub></mark> is far' in page
    assert "&lt;b&gt;Rome&lt;/b&gt; <sub>city</sub></mark>" in page and "<b>Rome</b>" not in page
    assert "Entities gained and lost, by type" in page and "no one" not in page


def test_several_runs_are_beside_what_another_run_changes():
    random = np.random.default_rng(0)

    def side(name, share):
        tags = ["O", "B-city", "B-person", "I-person"]
        runs = [
            [[tag if random.random() > share else str(random.choice(tags)) for tag in row] for row in GOLD * 20]
            for _ in range(4)
        ]
        paths = [write("conll", f"{name}-{place}", run, GOLD * 20, WORDS * 20) for place, run in enumerate(runs)]
        return runs, paths

    (before, first), (after, second) = side("before", 0.1), side("after", 0.3)
    found = file_comparison.compare(paired_answers.read(first, second, COLUMNS))
    levels = found.levels.set_index("quantity")
    words = [np.array([tag for row in run for tag in row]) for run in (*before, *after)]
    assert levels.loc["words", "estimate"] == pytest.approx(
        100 * np.mean([words[place] != words[place + 4] for place in range(4)])
    )
    another = [np.mean(words[one] != words[other]) for one in range(4) for other in range(one)]
    assert levels.loc["words", "another_before"] == pytest.approx(100 * np.mean(another))
    assert levels.loc["words", "low"] < levels.loc["words", "estimate"] < levels.loc["words", "high"]
    assert found.entity_f1["low"].notna().all() and found.models is not None

    def vote(runs, sentence):
        said = Counter(entity for run in runs for entity in spans(run[sentence]))
        return {entity for entity, votes in said.items() if votes > 2}

    changed = [vote(before, place) != vote(after, place) for place in range(60)]
    assert found.by_text["majority_changed"].tolist() == changed
    assert found.majorities["pies"] == pytest.approx(100 * np.mean(changed))
    assert "more than half of the runs" in comparison_page.page(found)
    # Of sides of unequal size what needs no pairs.
    unequal = file_comparison.compare(paired_answers.read(first, second[:3], COLUMNS))
    assert unequal.levels["low"].isna().all() and unequal.entity_f1["estimate"].notna().all()


def test_without_gold_there_is_no_f1_and_columns_are_called_by_their_number():
    sides = write("conll", "before", BEFORE, gold=None), write("conll", "after", AFTER, gold=None)
    found = file_comparison.compare(paired_answers.read(sides[:1], sides[1:], COLUMNS))
    assert found.entity_f1 is None and found.accuracy is None
    # Gold behind the answers, and a column of something else between them and the words.
    for name, tags in {"third": BEFORE, "other": AFTER}.items():
        rows = zip(WORDS, [["x"] * len(row) for row in WORDS], tags, GOLD, strict=True)
        Path(f"{name}.conll").write_text(conll([list(zip(*row, strict=True)) for row in rows]))
    paths, numbers = ([Path("third.conll")], [Path("other.conll")]), {"answer": "3", "label": "4"}
    found = file_comparison.compare(paired_answers.read(*paths, COLUMNS | numbers))
    assert found.entity_f1["estimate"].tolist()[1] == pytest.approx(200 / 7)
    with refused("no-such-column", "set --answer to one of", "before.conll has no column '3'"):
        paired_answers.read(sides[:1], paths[1], COLUMNS | numbers)


@pytest.mark.parametrize(
    ("after", "id", "problem", "cure"),
    [
        (
            {"words": [["Ada", "Byron", "sees", "Rome"], *WORDS[1:]]},
            "files-of-different-texts",
            "differ in the text",
            "",
        ),
        ({"words": WORDS[:2], "tags": AFTER[:2], "gold": GOLD[:2]}, "ids-not-in-every-file", "lacks 1 id", "--common"),
        ({"tags": [["person", *AFTER[0][1:]], *AFTER[1:]]}, "tag-of-no-entity", "sentence 1 has the tag 'person'", ""),
        ({"tags": [["B-PER", "O", "O", "B-LOC"], *[["O"] * 3, ["O"] * 2]]}, "answers-in-other-words", "PER", "alike"),
    ],
)
def test_what_cannot_be_compared_is_refused(after, id, problem, cure):
    given = {"tags": AFTER, "gold": GOLD, "words": WORDS} | after
    with refused(id, cure, problem):
        paired_answers.read([write("conll", "before", BEFORE)], [write("conll", "after", **given)], COLUMNS)


def test_tags_are_not_compared_with_sets_of_labels_nor_sentences_of_other_lengths():
    before = write("conll", "before", BEFORE)
    pd.DataFrame({"id": range(3), "answer": [["person"], ["city"], []]}).to_json(
        "sets.jsonl", orient="records", lines=True
    )
    with refused("tags-beside-other-answers", "files that all have tags", "sets.jsonl has none"):
        paired_answers.read([before], [Path("sets.jsonl")], COLUMNS)
    shorter = [row[:2] for row in AFTER]
    pd.DataFrame({"answer": shorter}).to_json("shorter.jsonl", orient="records", lines=True)
    pd.DataFrame({"answer": BEFORE}).to_json("alone.jsonl", orient="records", lines=True)
    with refused("sentences-of-other-lengths", "tags of the same words", "a sentence of 4 words that has 2 in shorter"):
        paired_answers.read([Path("alone.jsonl")], [Path("shorter.jsonl")], COLUMNS)


def test_no_entities_at_all_are_a_page_too(capsys):
    nothing = [["O"] * len(row) for row in WORDS]
    sides = ["--before", write("conll", "before", nothing, None), "--after", write("jsonl", "after", nothing, None)]
    assert compare.main(list(map(str, sides))) == 0
    assert "0 of 3 answers changed" in capsys.readouterr().out
