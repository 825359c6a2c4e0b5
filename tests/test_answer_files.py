"""Files of answers from anywhere: read, paired by id, and refused in a sentence where they cannot be compared."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.data import paired_answers
from pielab.store import prediction_tables

NOTHING = dict.fromkeys(["id", "answer", "logits", "label", "text", "group"])
IDS = ["7", "x", "é", "10"]
BEFORE, AFTER, LABEL = ["yes", "no", "yes", "NA"], ["yes", "yes", "no", "NA"], ["yes", "no", "no", "NA"]
LOGITS = [[0.0, 2.0, -1.0], [3.0, 1.0, 0.5], [0.1, 0.3, 0.2], [-5.0, -6.0, -4.0]]


def csv(folder, name, **columns):
    """A CSV of these columns, with the ids unless others are given."""
    path = folder / f"{name}.csv"
    pd.DataFrame({"id": IDS, **columns}).to_csv(path, index=False)
    return path


def jsonl(folder, name, **columns):
    path = folder / f"{name}.jsonl"
    rows = pd.DataFrame({"id": IDS, **columns}).to_dict("records")
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def read(before, after, common=False, separator=None, **columns):
    sides = [side if isinstance(side, list) else [side] for side in (before, after)]
    return paired_answers.read(*sides, NOTHING | columns, common, separator)


def words(found, side):
    return np.array(found.classes)[getattr(found, side)].tolist()


KINDS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True, force_ascii=False),
    "json": lambda frame, path: frame.to_json(path, orient="records"),
}


@pytest.mark.parametrize("is_gzipped", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_is_paired_by_id(tmp_path, kind, is_gzipped):
    frame = pd.DataFrame({"id": IDS, "prediction": AFTER, "gold": LABEL}).iloc[[2, 0, 3, 1]]
    path = tmp_path / f"after.{kind}"
    KINDS[kind](frame, path)
    if is_gzipped:
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    found = read(csv(tmp_path, "before", answer=BEFORE), path)
    assert found.ids.tolist() == IDS
    assert words(found, "before") == [BEFORE] and words(found, "after") == [AFTER]
    assert np.array(found.classes)[found.targets].tolist() == LABEL


def test_windows_line_ends_semicolons_and_a_byte_order_mark_change_nothing(tmp_path):
    path = tmp_path / "after.csv"
    rows = ["id;pred", *(f"{id};{answer}" for id, answer in zip(IDS, AFTER, strict=True))]
    path.write_bytes(("\r\n".join(rows) + "\r\n").encode("utf-8-sig"))
    assert words(read(csv(tmp_path, "before", answer=BEFORE), path), "after") == [AFTER]


@pytest.mark.parametrize("numbers", [[1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], ["1", "2", "3", "4"]])
def test_an_id_is_the_same_as_a_number_and_as_a_string(tmp_path, numbers):
    frame = pd.DataFrame({"id": numbers, "answer": [0, 1, 1.0, 0]})
    frame.to_parquet(tmp_path / "after.parquet")
    found = read(csv(tmp_path, "before", id=[4, 3, 2, 1], answer=[0, 1, 0, 1]), tmp_path / "after.parquet")
    assert found.ids.tolist() == ["4", "3", "2", "1"] and words(found, "after") == [["0", "1", "1", "0"]]


def test_parquet_with_the_ids_as_its_index_is_read(tmp_path):
    pd.DataFrame({"uid": IDS, "answer": AFTER}).set_index("uid").to_parquet(tmp_path / "after.parquet")
    before = csv(tmp_path, "before", uid=IDS, answer=BEFORE)
    assert words(read(before, tmp_path / "after.parquet"), "after") == [AFTER]


@given(st.permutations(range(4)))
def test_the_order_of_the_rows_changes_nothing(tmp_path_factory, order):
    folder = tmp_path_factory.mktemp("order")
    shuffled = {"id": [IDS[row] for row in order], "answer": [AFTER[row] for row in order]}
    found = read(csv(folder, "before", answer=BEFORE), csv(folder, "after", **shuffled))
    assert words(found, "after") == [AFTER]


def test_texts_and_groups_are_read_from_whichever_file_has_them(tmp_path):
    before = csv(tmp_path, "before", answer=BEFORE, premise=["a", "b", "c", "d"], hypothesis=["e", "f", "g", ""])
    found = read(before, csv(tmp_path, "after", answer=AFTER, dialect=["n", "n", "s", "s"]), group="dialect")
    assert found.texts.tolist() == ["a / e", "b / f", "c / g", "d / "] and found.groups.tolist() == ["n", "n", "s", "s"]
    # As pielab predict names them; a column of texts that is given is the only one.
    pair = csv(tmp_path, "pair", answer=AFTER, text=["a", "b", "c", "d"], text_pair=["e", "f", "g", ""])
    assert read(before, pair).texts.tolist() == ["a / e", "b / f", "c / g", "d / "]
    alone = csv(tmp_path, "alone", answer=BEFORE)
    assert read(alone, pair, text="text").texts.tolist() == ["a", "b", "c", "d"]


def test_a_column_that_was_given_is_not_taken_for_another(tmp_path):
    before = csv(tmp_path, "before", target=["a", "b", "c", "d"], answer=BEFORE)
    after = csv(tmp_path, "after", target=["d", "c", "b", "a"], answer=AFTER)
    found = read(before, after, id="target")
    assert found.targets is None and words(found, "after") == [AFTER[::-1]]


def test_texts_with_quotation_marks_and_line_breaks_stay_what_they_are(tmp_path):
    texts = ['20" screen', "two\nlines", 'He said "no", twice', "\U0001f600; a\tb"]
    found = read(csv(tmp_path, "before", text=texts, answer=BEFORE), csv(tmp_path, "after", answer=AFTER))
    assert found.texts.tolist() == texts
    path = tmp_path / "raw.tsv"
    rows = ["id\tanswer\ttext", *("\t".join(row) for row in zip(IDS, AFTER, ['"a', "b", 'c"', "d"], strict=True))]
    path.write_text("\n".join(rows))
    assert read(csv(tmp_path, "before", answer=BEFORE), path).texts.tolist() == ['"a', "b", 'c"', "d"]


# Logits, and the class of each.


def test_without_answers_they_are_the_largest_logits(tmp_path):
    other = [[9.0, 0.0, 0.0]] * 4
    found = read(jsonl(tmp_path, "before", logits=LOGITS), csv(tmp_path, "after", logits=other))
    assert words(found, "before") == [["1", "0", "1", "2"]] and words(found, "after") == [["0"] * 4]
    assert found.before_logits.tolist() == [LOGITS] and found.after_logits.tolist() == [other]


def test_columns_of_logits_are_of_the_classes_that_they_are_named_after(tmp_path):
    columns = {f"logit_{name}": values for name, values in zip(["no", "yes", "NA"], np.transpose(LOGITS), strict=True)}
    ids = {"answer": [1, 0, 1, 2]}
    before = csv(tmp_path, "before", **columns, **ids)
    found = read(before, csv(tmp_path, "after", **dict(reversed(columns.items())), label=LABEL))
    assert words(found, "before") == [["yes", "no", "yes", "NA"]]
    assert found.before_logits.tolist() == [LOGITS]
    # The same logits in another order of columns are of the same classes.
    assert found.after_logits.tolist() == found.before_logits.tolist()


def test_logits_of_two_orders_are_told_by_the_answers_in_words(tmp_path):
    names = ["yes", "no", "yes", "NA"]
    turned = [row[::-1] for row in LOGITS]
    found = read(
        jsonl(tmp_path, "before", logits=LOGITS, answer=names), jsonl(tmp_path, "after", logits=turned, answer=names)
    )
    assert np.array_equal(found.before_logits, found.after_logits)


REFUSED_LOGITS = {
    "answers against them": ({"logits": LOGITS, "answer": [1, 0, 0, 2]}, "answers-against-logits", "1 answer", "order"),
    "words of no order": (
        {"logits": LOGITS, "answer": ["a", "a", "b", "c"]},
        "logits-of-unknown-classes",
        "'a'",
        "logit_<class>",
    ),
    "probabilities": (
        {"logits": [[0.2, 0.8], [0.9, 0.1], [0.5, 0.5], [1.0, 0.0]]},
        "probabilities-for-logits",
        "from 0 to 1",
        "np.log(p)",
    ),
    "no list": ({"logits": [1.0, 2.0, 3.0, 4.0]}, "logits-of-a-text-not-a-list", "for '7'", "[1.5, -0.3]"),
    "words": ({"logits": [["a", "b"]] * 4}, "logits-of-a-text-not-a-list", "for '7'", "list of numbers"),
    "not finite": (
        {"logits": [*LOGITS[:3], [1.0, float("nan"), 0.0]]},
        "logits-of-a-text-not-finite",
        "for '10'",
        "diverged",
    ),
    "two lengths": ({"logits": [*LOGITS[:3], [1.0, 2.0]]}, "logits-of-two-lengths", "2 and 3 logits", "each class"),
}


@pytest.mark.parametrize(("columns", "id", "problem", "cure"), REFUSED_LOGITS.values(), ids=REFUSED_LOGITS)
def test_logits_that_cannot_be_meant_are_refused(tmp_path, columns, id, problem, cure):
    before, after = jsonl(tmp_path, "before", **columns), jsonl(tmp_path, "after", logits=LOGITS)
    with refused(id, cure, problem):
        read(before, after)


def test_different_numbers_of_logits_are_refused(tmp_path):
    before, after = jsonl(tmp_path, "before", logits=LOGITS), jsonl(tmp_path, "after", logits=[[-1.0, 2.0]] * 4)
    with refused("different-numbers-of-logits", "the same classes", "has 3 logits a text"):
        read(before, after)


def test_an_order_of_logits_that_answers_do_not_tell_is_refused(tmp_path):
    before = jsonl(tmp_path, "before", logits=[[2.0, 1.0, 0.0]] * 3 + [[0.0, 1.0, 0.0]], answer=["a", "a", "a", "b"])
    after = jsonl(tmp_path, "after", logits=[[0.0, 1.0, 0.0]] * 3 + [[2.0, 1.0, 0.0]], answer=["a", "a", "a", "b"])
    with refused("order-of-logits-unknown", "logit_<class>", "another order"):
        read(before, after)


# Several labels to a text.

SETS = [["b", "a"], [], ["none"], ["a"]]
JOINED = ["a;b", "", "none", "a"]


def sets_of(found, side):
    """The labels of each answer, of one run."""
    return [sorted(np.array(found.labels)[found.members[answer]]) for answer in getattr(found, side)[0]]


def test_sets_are_the_same_in_lists_and_joined_and_an_empty_one_is_not_a_class_called_none(tmp_path):
    before = jsonl(tmp_path, "before", answer=SETS, label=SETS)
    parquet = tmp_path / "lists.parquet"
    pd.DataFrame({"id": IDS, "answer": [np.array(labels, dtype=object) for labels in SETS[::-1]]}).to_parquet(parquet)
    # As pielab predict writes them: sorted, "(none)" for none, with the logits of every label.
    predicted = tmp_path / "predicted.parquet"
    columns = {"id": IDS, "prediction": ["a;b", "(none)", "none", "a"], "label": ["a;b", "(none)", "none", "a"]}
    prediction_tables.write(predicted, columns, np.zeros((4, 3)), {}, "label_logits")
    spaced = csv(tmp_path, "spaced", answer=[" b ; a;", "", "none", "a;a"], label=JOINED)
    joined = read(before, [predicted, spaced], separator=";")
    assert joined.labels == ["a", "b", "none"] and joined.before_logits is None
    for side in ("before", "after"):
        assert sets_of(joined, side) == [["a", "b"], [], ["none"], ["a"]]
    assert (joined.after == joined.before[0]).all() and (joined.targets == joined.before[0]).all()
    lists = read(before, parquet)
    assert sets_of(lists, "after") == [["a"], ["none"], [], ["a", "b"]]
    assert np.array(lists.classes)[lists.before[0]].tolist() == ["a; b", "(none)", "none", "a"]


def test_ids_of_labels_are_the_same_as_numbers_and_as_strings(tmp_path):
    before = jsonl(tmp_path, "before", answer=[[1, 12], [1.0], ["7"], []])
    found = read(before, csv(tmp_path, "after", answer=["12|1", "1", "7", "(none)"]), separator="|")
    assert found.labels == ["1", "7", "12"] and (found.before == found.after).all()


def test_a_model_that_gives_no_label_at_all_is_compared(tmp_path):
    found = read(jsonl(tmp_path, "before", answer=SETS), jsonl(tmp_path, "after", answer=[[], [], [], []]))
    assert sets_of(found, "after") == [[]] * 4


REFUSED_SETS = {
    "lists and none": ({"answer": SETS}, {"answer": AFTER}, None, "sets-beside-single-answers", "--separator", "after"),
    "lists in some rows": (
        {"answer": [["a"], "a", ["b"], []]},
        {"answer": SETS},
        None,
        "answers-of-two-forms",
        "every row",
        "'a', which is none",
    ),
    "lists as answers, words as labels": (
        {"answer": SETS, "label": JOINED},
        {"answer": SETS},
        None,
        "answers-of-two-forms",
        "--separator",
        "'a;b'",
    ),
    "a separator that is none": (
        {"answer": ["a", "b", "a", "c"]},
        {"answer": ["a", "b", "b", "c"]},
        ";",
        "answer-separator-never-occurs",
        "omit it",
        "';'",
    ),
    "bits": (
        {"answer": [[0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]]},
        {"answer": SETS},
        None,
        "answers-are-bits",
        "the names",
        "[0, 1, 1]",
    ),
    "lists in lists": (
        {"answer": [[["a"]], [], [], []]},
        {"answer": SETS},
        None,
        "label-in-list-no-name",
        "[] for none",
        "['a'] is no label",
    ),
    "a label written as no label": (
        {"answer": [["(none)"], [], [], []]},
        {"answer": SETS},
        None,
        "label-like-a-set",
        "rename",
        "how no label is",
    ),
    "a label written as two": (
        {"answer": [["a; b"], ["a"], [], []]},
        {"answer": SETS},
        None,
        "label-like-a-set",
        "--separator",
        "how several are",
    ),
    "lists written as text": (
        {"answer": ["['a', 'b']", "[]", "['b']", "['a']"]},
        {"answer": AFTER},
        None,
        "answers-written-as-lists",
        ".jsonl",
        "['a', 'b']",
    ),
    "an answer that is not there": (
        {"answer": [["a"], None, ["b"], []]},
        {"answer": SETS},
        None,
        "empty-cells",
        "fill",
        "row 2",
    ),
    "logits of several labels": (
        {"label_logits": LOGITS, "answer": JOINED[:1] * 4},
        {"answer": JOINED[:1] * 4},
        None,
        "several-labels-without-separator",
        "--separator",
        "'a;b'",
    ),
    "labels without answers": (
        {"logits": LOGITS, "label": SETS},
        {"answer": SETS},
        None,
        "several-labels-without-answers",
        "--answer",
        "several labels",
    ),
    "other labels": (
        {"answer": SETS},
        {"answer": [["c"], ["d", "c"], [], []]},
        None,
        "answers-in-other-words",
        "alike",
        "'c', 'd' after",
    ),
}


@pytest.mark.parametrize(
    ("before", "after", "separator", "id", "cure", "problem"), REFUSED_SETS.values(), ids=REFUSED_SETS
)
def test_sets_that_cannot_be_meant_are_refused(tmp_path, before, after, separator, id, cure, problem):
    sides = jsonl(tmp_path, "before", **before), jsonl(tmp_path, "after", **after)
    with refused(id, cure, problem):
        read(*sides, separator=separator)


def test_logits_of_several_labels_are_not_taken_for_those_of_one(tmp_path):
    path = jsonl(tmp_path, "before", label_logits=LOGITS)
    with refused("logits-of-several-labels", "--answer", "label_logits"):
        read(path, csv(tmp_path, "after", answer=AFTER), logits="label_logits")
    with refused("no-answer-column", "--answer", "label_logits"):
        read(path, csv(tmp_path, "after", answer=AFTER))


# Files that cannot be compared.


def test_an_id_that_is_there_twice_is_refused(tmp_path):
    path = csv(tmp_path, "before", id=["a", "b", "b", "a"], answer=BEFORE)
    with refused("id-repeated", "--id", "2 rows whose id stands further up, the first is 'b'"):
        read(path, csv(tmp_path, "after", answer=AFTER))


def test_texts_that_one_file_lacks_are_refused_or_left_out(tmp_path):
    before = csv(tmp_path, "before", answer=BEFORE)
    after = csv(tmp_path, "after", id=["x", "new", "10", "7"], answer=AFTER)
    with refused(
        "ids-not-in-every-file", "--common to compare the 3 that all have", "lacks 1 id that other files have"
    ):
        read(before, after)
    found = read(before, after, common=True)
    assert found.ids.tolist() == ["7", "x", "10"] and found.left_out == 2
    assert words(found, "before") == [["yes", "no", "NA"]] and words(found, "after") == [["NA", "yes", "no"]]


def test_files_without_a_common_id_are_refused(tmp_path):
    after = csv(tmp_path, "after", id=["a", "b", "c", "d"], answer=AFTER)
    with refused("no-common-ids", "--id", "has '7'"):
        read(csv(tmp_path, "before", answer=BEFORE), after, common=True)


def test_files_without_a_common_column_of_ids_are_refused_with_their_columns(tmp_path):
    after = tmp_path / "after.csv"
    pd.DataFrame({"key": IDS, "answer": AFTER}).to_csv(after, index=False)
    with refused("no-id-column", "--id", "before.csv: id, answer; after.csv: key, answer"):
        read(csv(tmp_path, "before", answer=BEFORE), after)


@pytest.mark.parametrize(("option", "column"), [("id", "nr"), ("answer", "nr"), ("group", "nr"), ("label", "nr")])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path, option, column):
    with refused("no-such-column", f"set --{option} to one of id, answer", "no column 'nr'"):
        read(csv(tmp_path, "before", answer=BEFORE), csv(tmp_path, "after", answer=AFTER), **{option: column})


def test_a_file_without_answers_is_refused_with_its_columns(tmp_path):
    with refused("no-answer-column", "--answer", "it has id, says"):
        read(csv(tmp_path, "before", says=BEFORE), csv(tmp_path, "after", answer=AFTER))


@pytest.mark.parametrize("is_copy", [False, True])
def test_the_same_model_twice_is_refused(tmp_path, is_copy):
    first, second = csv(tmp_path, "first", answer=BEFORE), csv(tmp_path, "second", answer=AFTER)
    again = csv(tmp_path, "copy", answer=BEFORE) if is_copy else tmp_path / "." / "first.csv"
    with refused("answers-given-twice", "nothing to compare", "same content" if is_copy else "given twice"):
        read([first, second], again)


@pytest.mark.parametrize(("column", "option"), [("gold", "label"), ("text", "text")])
def test_labels_and_texts_must_be_the_same_in_all_files(tmp_path, column, option):
    before = csv(tmp_path, "before", answer=BEFORE, **{column: LABEL})
    after = csv(tmp_path, "after", answer=AFTER, **{column: ["yes", "no", "yes", "NA"]})
    with refused("files-of-different-texts", f"--{option}", "the first is 'é', 'no' against 'yes'"):
        read(before, after)


def test_answers_in_other_words_are_refused(tmp_path):
    with refused("answers-in-other-words", "alike", "('NA', 'no', 'yes' before, '0', '1' after)"):
        read(csv(tmp_path, "before", answer=BEFORE), csv(tmp_path, "after", answer=[0, 1, 1, 0]))


def test_labels_in_other_words_are_refused(tmp_path):
    before = csv(tmp_path, "before", answer=[0, 1, 1, 0], label=LABEL)
    with refused("labels-in-other-words", "--label", "'0', '1' against 'NA', 'no', 'yes'"):
        read(before, csv(tmp_path, "after", answer=[0, 1, 0, 0]))


def test_answers_that_differ_in_a_space_are_refused(tmp_path):
    with refused("labels-look-alike", "write them alike", "'no' and 'no '"):
        read(csv(tmp_path, "before", answer=BEFORE), csv(tmp_path, "after", answer=["yes", "no ", "no", "NA"]))


def test_answers_that_may_be_meant_are_warned_of(tmp_path, capsys):
    read(csv(tmp_path, "before", answer=BEFORE), csv(tmp_path, "after", answer=["yes", "No", "no", "NA"]))
    warnings = capsys.readouterr().err
    assert "'No' and 'no', which differ in capitals alone" in warnings and "the class 'NA'" in warnings


def test_half_of_a_character_can_be_written_again(tmp_path):
    path = tmp_path / "before.jsonl"
    path.write_text("".join(f'{{"id": "{id}", "answer": "\\ud83d"}}\n' for id in IDS))
    found = read(path, csv(tmp_path, "after", answer=[r"\ud83d", "a", "b", "c"]))
    assert found.classes[0].encode() == rb"\ud83d"


@pytest.mark.parametrize("kind", [csv, jsonl])
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_missing_answer_is_refused_and_na_is_a_word(tmp_path, kind, empty):
    with refused("empty-cells", "fill or drop them", "1 rows with no 'answer', the first is row 3"):
        read(kind(tmp_path, "before", answer=["yes", "no", empty, "NA"]), csv(tmp_path, "after", answer=AFTER))


def test_an_empty_file_and_none_are_refused(tmp_path):
    after, header = csv(tmp_path, "after", answer=AFTER), tmp_path / "header.csv"
    with refused("no-such-answer-file", "answers", "nowhere.csv"):
        read(tmp_path / "nowhere.csv", after)
    header.write_text("id,answer\n")
    with refused("table-without-rows", "add rows", "header.csv"):
        read(header, after)
    header.write_text("")
    with refused("data-file-unreadable", "complete", "header.csv"):
        read(header, after)
