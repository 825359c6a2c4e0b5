"""Whether what 03_pies compares was made alike."""

import json
import shutil

import numpy as np
import pytest
from conftest import run_cells

from pielab.analysis import sides
from pielab.config.parameters import PrunedParameters, PruneParameters
from pielab.data import datasets
from pielab.store import digests, paths, predictions, records
from pielab.training import runs
from pielab.training.experiment import prepare


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A place for the two seeds of both sides, which are trained once."""
    return tmp_path_factory.mktemp("sides") / "results"


@pytest.fixture
def compared(given, trained):
    """Parameters of 03_pies whose two sides were made alike."""
    values = given | {"epochs": 1}
    if not trained.exists():
        p = PruneParameters(**values)
        runs.train_pruned(prepare(p, datasets.load(**p.data)))
        shutil.copytree(given["results"], trained)
    shutil.copytree(trained, given["results"], dirs_exist_ok=True)
    return PrunedParameters(**{name: values[name] for name in PrunedParameters.model_fields if name in values})


def said(p):
    return sides.differences(p, predictions.read_seeds(p.dense_folder, p.seeds))


def change(folder, seed, **changes):
    path = paths.seed(folder, seed) / "metrics.json"
    record = json.loads(path.read_text()) | changes
    path.with_name(digests.FOLDER_LIST).unlink(missing_ok=True)  # as if it had been written so
    path.write_text(json.dumps({name: value for name, value in record.items() if value is not None}))


def test_nothing_is_said_of_sides_that_were_made_alike(compared, capsys):
    assert said(compared) == []
    sides.show_differences(compared, predictions.read_seeds(compared.dense_folder, compared.seeds))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "changes", "shown"),
    [
        ("precision", {"precision": "bfloat16"}, "bfloat16 unpruned, float32 pruned"),
        ("device", {"device": "NVIDIA H100"}, "NVIDIA H100 unpruned, cpu pruned"),
        ("the version of torch", {"versions": {"torch": "1.0"}}, "1.0 unpruned, "),
        ("the version of transformers", {"versions": {"transformers": "4.0"}}, "4.0 unpruned, "),
        ("the content of word vectors", {"inputs": {"word_vectors": "x"}}, "x unpruned, "),
        ("the content of token ids", {"inputs": {"token_ids": "x"}}, "x unpruned, "),
        ("epochs", {"parameters": {"epochs": 7}}, "7 unpruned, 1 pruned"),
        ("warmup", {"parameters": {"warmup": 0.1}}, "0.1 unpruned, None pruned"),
    ],
)
def test_what_differs_between_the_sides_is_said_once(compared, name, changes, shown):
    before = records.read(paths.seed(compared.dense_folder, 1))
    merged = {key: before[key] | value if isinstance(value, dict) else value for key, value in changes.items()}
    change(compared.dense_folder, 1, **merged)
    (line,) = said(compared)
    assert line.startswith(f"The two sides differ in {name}: {shown}") and line.endswith(" pruned (seeds: 1 of 2).")


def test_an_unpruned_seed_that_was_trained_again_is_told_from_the_one_that_pruning_started_from(compared, given):
    shutil.rmtree(paths.seed(compared.dense_folder, 1))
    p = PruneParameters(**given | {"epochs": 1})
    runs.train_dense(prepare(p, datasets.load(**p.data)))
    assert said(compared) == []  # the same bits
    path = paths.seed(compared.dense_folder, 1) / "test.parquet"
    logits, metadata = predictions.read(path)
    predictions.write(path, logits + np.float32(1), metadata)
    path.with_name(digests.FOLDER_LIST).unlink()
    assert said(compared) == ["Pruning started from other unpruned models than these (seeds: 1)."]


def test_what_an_earlier_version_did_not_record_is_said_to_be_unknown(compared):
    for seed in (0, 1):
        change(compared.dense_folder, seed, inputs=None)
    change(compared.folder, 1, inputs=None, starts_from=None, precision=None)
    (line,) = said(compared)
    assert line.startswith("It is not known") and line.endswith(" (unpruned 0-1; pruned 1).")


def test_predictions_made_elsewhere_are_not_compared(compared):
    change(compared.dense_folder, 0, parameters=None, inputs=None)
    (paths.seed(compared.folder, 1) / "metrics.json").unlink()
    assert said(compared) == []


def test_the_notebook_says_it(compared, given, capsys):
    change(compared.dense_folder, 0, precision="bfloat16")
    run_cells("03_pies", **given | {"epochs": 1, "n_splits": 5, "n_bootstrap": 5})
    assert (
        "The two sides differ in precision: bfloat16 unpruned, float32 pruned (seeds: 1 of 2).\n"
        in capsys.readouterr().out
    )
