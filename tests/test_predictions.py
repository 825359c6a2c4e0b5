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
