"""The file format between training and analysis."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from pielab.data import tasks
from pielab.store import paths, predictions


def write_seed(folder, seed, logits, **metadata):
    path = paths.seed(folder, seed) / "test.parquet"
    path.parent.mkdir(parents=True)
    predictions.write(path, logits, {"seed": seed, **metadata})
    return path


def test_what_is_written_is_read(tmp_path):
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    predictions.write(tmp_path / "p.parquet", logits, {"model": "bilstm", "threshold": 90.0, "pruner": None})
    found, metadata = predictions.read(tmp_path / "p.parquet")
    assert np.array_equal(found, logits)
    assert metadata == {"model": "bilstm", "threshold": 90.0, "pruner": None}


def test_the_columns_are_the_documented_ones(tmp_path):
    predictions.write(tmp_path / "p.parquet", np.zeros((2, 3)), {})
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert schema.names == ["example", "logits"]
    assert schema.field("example").type == pa.int64()
    assert schema.field("logits").type == pa.list_(pa.float32(), 3)


def test_predictions_of_others_in_any_order_and_plain_lists_are_read(tmp_path):
    table = pa.table({"example": [1, 0], "logits": [[1.0, 2.0], [3.0, 4.0]]})
    pq.write_table(table.replace_schema_metadata({"writer": "not json"}), tmp_path / "p.parquet")
    assert predictions.read(tmp_path / "p.parquet")[0].tolist() == [[3, 4], [1, 2]]


def test_seeds_are_stacked(tmp_path):
    for seed in (0, 3):
        write_seed(tmp_path, seed, np.full((2, 2), float(seed)))
    found = predictions.read_seeds(tmp_path, (0, 3))
    assert found.logits.shape == (2, 2, 2) and found.task == "single-label"
    assert (found.logits[1] == 3).all() and found.seeds == (0, 3)


def test_several_labels_use_each_runs_own_decision_threshold(tmp_path):
    for seed, threshold in enumerate((0.2, 0.8)):
        write_seed(tmp_path, seed, np.zeros((1, 2)), decision_threshold=threshold)  # probability one half
    found = predictions.read_seeds(tmp_path, (0, 1))
    assert found.task == "multi-label" and found.classes.tolist() == [[[True, True]], [[False, False]]]


def test_faults_are_one_sentence(tmp_path):
    path = write_seed(tmp_path, 0, np.zeros((2, 2)))
    with refused("no-such-predictions", "train this seed", str(Path("01/test.parquet"))):
        predictions.read_seeds(tmp_path, (0, 1))
    write_seed(tmp_path, 1, np.zeros((3, 2)))
    with refused("seeds-of-different-shapes", "run them alike", "(2, 2), (3, 2)"):
        predictions.read_seeds(tmp_path, (0, 1))
    write_seed(tmp_path, 2, np.zeros((2, 2)), data="other texts")
    with refused("seeds-of-different-data", "run them alike", str(tmp_path)):
        predictions.read_seeds(tmp_path, (0, 2))
    write_seed(tmp_path, 3, np.zeros((2, 2)), decision_threshold=0.5)
    with refused("decision-threshold-of-some", "give it to all", str(tmp_path)):
        predictions.read_seeds(tmp_path, (0, 3))
    write_seed(tmp_path, 4, np.full((2, 2), np.nan))
    with refused("stored-logits-not-finite", "lower learning_rate", str(Path("04/test.parquet"))):
        predictions.read_seeds(tmp_path, (4,))
    pq.write_table(pa.table({"example": [1, 2], "logits": [[1.0, 2.0], [3.0, 4.0]]}), tmp_path / "p.parquet")
    with refused("examples-misnumbered", "number them as in the split", "p.parquet are not 0 to 1, each once"):
        predictions.read(tmp_path / "p.parquet")
    for examples in ([0, 0], [1, 1], [0, None], ["0", "1"], [0.0, 0.5], [-1, 0]):
        pq.write_table(pa.table({"example": examples, "logits": [[1.0], [2.0]]}), tmp_path / "p.parquet")
        with refused("examples-misnumbered", "number them as in the split", "p.parquet are not 0 to 1, each once"):
            predictions.read(tmp_path / "p.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with refused("file-damaged", f"delete {path.parent}", f"{path} is damaged ("):
        predictions.read(path)


@pytest.mark.parametrize(
    "logits",
    [
        [[1.0], [2.0, 3.0, 4.0]],  # together as many numbers as two rows of two
        [[1.0, 2.0, 3.0, 4.0], None],
        pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        [[], []],
        [1.0, 2.0],
        [["1", "2"], ["3", "4"]],
        [[True, False], [False, True]],
        [[[1.0]], [[2.0]]],
        [b"12345678", b"12345678"],
    ],
)
def test_logits_that_are_not_one_number_for_each_class_are_refused(logits, tmp_path):
    pq.write_table(pa.table({"example": [0, 1], "logits": logits}), tmp_path / "p.parquet")
    with refused(
        "stored-logits-not-lists", "one number for each class", f"the logits of {tmp_path / 'p.parquet'} are "
    ):
        predictions.read(tmp_path / "p.parquet")


def test_a_missing_logit_is_refused_and_any_kind_of_number_is_read(tmp_path):
    pq.write_table(pa.table({"example": [0, 1], "logits": [[1.0, None], [2.0, 3.0]]}), tmp_path / "p.parquet")
    with refused("stored-logits-not-finite", "lower learning_rate"):
        predictions.read(tmp_path / "p.parquet")
    for kind in (pa.list_(pa.int8()), pa.large_list(pa.float64()), pa.list_(pa.float32(), 2)):
        table = pa.table({"example": [0, 1], "logits": pa.array([[1, 2], [3, 4]], kind)})
        pq.write_table(table, tmp_path / "p.parquet")
        assert predictions.read(tmp_path / "p.parquet")[0].tolist() == [[1, 2], [3, 4]]


@given(st.integers(0, 10_000))
def test_the_decision_threshold_is_the_first_of_the_best(seed):
    random = np.random.default_rng(seed)
    logits = random.normal(size=(12, 3)).astype(np.float32)
    targets = (random.random((12, 3)) < 0.4).astype(np.float32)
    found = tasks.best_decision_threshold(logits, targets)
    scores = [tasks.macro_f1(predictions.sigmoid(logits) > step / 100, targets) for step in range(100)]
    assert scores[round(found * 100)] == max(scores) and max(scores[: round(found * 100)], default=-1) < max(scores)


def test_a_class_of_any_logit_is_above_a_threshold_of_zero():
    logits = np.array([-80.0, -30.0, -17.0, 0.0, 80.0], dtype=np.float32)
    assert predictions.ANSWERS["multi-label"](logits[None], np.zeros(1)).all()
    assert np.array_equal(predictions.sigmoid(logits) > 0, [True] * 5) and predictions.sigmoid(logits)[-1] == 1
    # The lowest threshold is best where every class is true of every text.
    assert tasks.best_decision_threshold(logits[:, None] - 0.5, np.ones((5, 1))) == 0


@given(st.integers(0, 99), st.integers(-3, 3), st.booleans())
def test_the_threshold_is_compared_as_it_was_chosen(step, apart, double):
    """With logits whose probabilities are the threshold itself, or a rounding or two beside it."""
    threshold = step / 100
    probability = max(np.float32(threshold), np.float32(1e-6))
    logits = np.float32(np.log(probability / (1 - probability)))
    for _ in range(abs(apart)):
        logits = np.nextafter(logits, np.float32(np.sign(apart) * np.inf))
    logits = np.array([[logits], [-50]], dtype=float if double else np.float32)
    said = predictions.ANSWERS["multi-label"](logits, np.array(threshold))
    answers = [predictions.ANSWERS["multi-label"](logits, np.array(other / 100)) for other in range(100)]
    scores = [tasks.macro_f1(each, np.array([[1], [0]])) for each in answers]
    best = tasks.best_decision_threshold(logits, np.array([[1], [0]]))
    assert best == np.argmax(scores) / 100 and np.array_equal(answers[step], said)


@given(st.integers(0, 10_000))
def test_macro_f1_is_that_of_scikit_learn(seed):
    random = np.random.default_rng(seed)
    said, targets = random.random((2, 6, 4)) < random.random(4)
    expected = f1_score(targets, said, average="macro", zero_division=0)
    assert np.isclose(tasks.macro_f1(said, targets.astype(np.float32)), expected)


@given(st.lists(st.floats(-80, 80), min_size=2, max_size=5))
def test_probabilities(values):
    logits = np.array(values)
    assert np.isclose(predictions.softmax(logits).sum(), 1)
    assert np.allclose(predictions.sigmoid(logits), 1 / (1 + np.exp(-logits)))


def test_metadata_are_json(tmp_path):
    predictions.write(tmp_path / "p.parquet", np.zeros((1, 2)), {"versions": {"torch": "1"}})
    stored = pq.read_schema(tmp_path / "p.parquet").metadata
    assert json.loads(stored[b"versions"]) == {"torch": "1"}


def write_answers(folder, seed, answers, norms=None, **metadata):
    path = paths.seed(folder, seed) / "test.parquet"
    path.parent.mkdir(parents=True)
    predictions.write_answers(path, np.asarray(answers), {"seed": seed, "n_classes": 3, **metadata}, norms)
    return path


@pytest.mark.parametrize("answers", [[2, 0], [[True, False, True], [False] * 3]])
def test_answers_without_logits_are_read_as_they_were_written(answers, tmp_path):
    for seed in (0, 1):
        write_answers(tmp_path, seed, answers, [0.5, 1.25], logits_digest=f"digest {seed}", data="texts")
    found = predictions.read_seeds(tmp_path, (0, 1))
    assert found.classes.tolist() == [answers, answers] and found.shape == (2, 2, 3)
    assert found.task == ("single-label" if found.classes.ndim == 2 else "multi-label")
    assert found.error_norms.tolist() == [[0.5, 1.25]] * 2 and found.error_norms.dtype == np.float32
    assert found.logits is None and found.data_digest == "texts" and found.logits_digests == ("digest 0", "digest 1")
    with refused("logits-not-kept", "use the answers", "seeds 0, 1 are answers without logits"):
        _ = found.probabilities
    with refused("logits-not-kept", "use the answers", str(Path("00/test.parquet"))):
        predictions.read(paths.seed(tmp_path, 0) / "test.parquet")


def test_seeds_with_logits_among_seeds_without_have_their_answers(tmp_path):
    """As when some seeds were restored from an archive, and others trained since."""
    logits = np.array([[0, 2, 1], [3, 0, 0]], dtype=np.float32)
    write_answers(tmp_path, 0, [2, 1], [0.5, 0.5])
    write_seed(tmp_path, 1, logits)
    found = predictions.read_seeds(tmp_path, (0, 1))
    assert found.classes.tolist() == [[2, 1], [1, 0]] and found.logits is None and found.error_norms is None
    assert found.logits_digests == (None, predictions.read_seeds(tmp_path, (1,)).logits_digests[0])
    write_answers(tmp_path, 2, [[True] * 3] * 2)
    with refused("answers-of-different-kinds", "run them alike", str(tmp_path)):
        predictions.read_seeds(tmp_path, (0, 2))
    write_answers(tmp_path, 3, [2, 1, 0])
    with refused("seeds-of-different-shapes", "run them alike", "(2, 3), (3, 3)"):
        predictions.read_seeds(tmp_path, (0, 3))
    write_answers(tmp_path, 4, [2, 1], n_classes=4)
    with refused("seeds-of-different-shapes", "run them alike", "(2, 3), (2, 4)"):
        predictions.read_seeds(tmp_path, (0, 4))


@pytest.mark.parametrize(
    ("answers", "metadata", "id"),
    [
        ([0, 3], {"n_classes": "3"}, "stored-answers-of-other-classes"),
        ([0, -1], {"n_classes": "3"}, "stored-answers-of-other-classes"),
        ([0, 1], {}, "stored-answers-of-other-classes"),
        ([0, 1], {"n_classes": '"3"'}, "stored-answers-of-other-classes"),
        (pa.array([[True, False]] * 2, pa.list_(pa.bool_(), 2)), {"n_classes": "3"}, "stored-answers-of-other-classes"),
        ([0, None], {"n_classes": "3"}, "stored-answers-not-accepted"),
        ([0.0, 1.0], {"n_classes": "3"}, "stored-answers-not-accepted"),
        (["a", "b"], {"n_classes": "3"}, "stored-answers-not-accepted"),
        ([[True], [False, True]], {"n_classes": "2"}, "stored-answers-not-accepted"),
        (pa.array([[True, None]] * 2, pa.list_(pa.bool_(), 2)), {}, "stored-answers-not-accepted"),
    ],
)
def test_answers_that_are_no_class_of_the_data_are_refused(answers, metadata, id, tmp_path):
    table = pa.table({"example": [0, 1], "answer": answers}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "p.parquet")
    with refused(id, "class", f"the answers of {tmp_path / 'p.parquet'} are "):
        predictions.read_file(tmp_path / "p.parquet")


@pytest.mark.parametrize("norms", [[0.1, None], [0.1, -0.1], [0.1, float("inf")], ["0.1", "0.2"]])
def test_error_norms_that_are_none_are_refused(norms, tmp_path):
    table = pa.table({"example": [0, 1], "answer": [0, 1], "error_norm": norms})
    pq.write_table(table.replace_schema_metadata({"n_classes": "2"}), tmp_path / "p.parquet")
    with refused("stored-error-norms-not-accepted", "leave the column out", "p.parquet has error norms"):
        predictions.read_file(tmp_path / "p.parquet")


def test_answers_are_put_in_the_order_of_their_examples_with_their_norms(tmp_path):
    table = pa.table({"example": [1, 0], "answer": [2, 1], "error_norm": [0.5, 1.0]})
    pq.write_table(table.replace_schema_metadata({"n_classes": "3"}), tmp_path / "p.parquet")
    found = predictions.read_file(tmp_path / "p.parquet")
    assert found.classes.tolist() == [1, 2] and found.error_norms.tolist() == [1.0, 0.5]
    pq.write_table(pa.table({"example": [1, 2], "answer": [2, 1]}), tmp_path / "p.parquet")
    with refused("examples-misnumbered", "number them as in the split"):
        predictions.read_file(tmp_path / "p.parquet")
