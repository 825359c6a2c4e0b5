"""What a seed computes on a GPU. The same comparisons run on the CPU, where they are known to work.

pytest -m gpu tests/test_gpu.py     those of a GPU alone
"""

import itertools
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from conftest import PROJECT, has_recurrent_bfloat16, make_texts
from test_runs import contents, prepared

from pielab.config.parameters import PruneParameters
from pielab.data.assets import ASSETS
from pielab.store import paths, predictions, records
from pielab.store.cache import cache_folder
from pielab.training import runs

ON_A_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here"),
    # The bytes decide, whatever PyTorch warns of.
    pytest.mark.filterwarnings("default:.*determinis:UserWarning"),
]
# A device, a model and a precision.
CASES = [
    pytest.param("cpu", "bilstm", "float32", id="cpu-bilstm"),
    pytest.param("cpu", "transformer", "bfloat16", id="cpu-transformer"),
    *(
        pytest.param("cuda", model, precision, id=f"cuda-{model}-{precision}", marks=ON_A_GPU)
        for model, precision in itertools.product(["bilstm", "transformer"], ["float32", "bfloat16"])
    ),
]
HAS_RECURRENT_BFLOAT16 = has_recurrent_bfloat16()
# What starts processes does so once on the CPU.
FEWER_CASES = [CASES[0], *CASES[2:]]
# Trains the unpruned seed and prunes it, and is killed after an epoch of the second iteration.
KILLED = """
import json, os, signal, sys
from test_runs import loop, prepared, runs

trainings, train = [], loop.train

def killed(*data, on_epoch, **options):
    trainings.append(1)
    last = len(trainings) == 3
    return train(*data, on_epoch=(lambda *note: os.kill(os.getpid(), signal.SIGKILL)) if last else on_epoch, **options)

loop.train = killed
runs.train_pruned(prepared(json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def hard_texts(tmp_path_factory):
    """Texts of 8 to 320 words, a third of them with the label of another, so that two seeds differ in their answers."""
    random, frame = np.random.default_rng(0), make_texts(240)
    frame["text"] = (frame["text"] + " ") * random.integers(1, 41, size=240)
    changed = random.choice(240, size=80, replace=False)
    frame.loc[changed, "label"] = frame["label"].to_numpy()[random.permutation(changed)]
    path = tmp_path_factory.mktemp("hard") / "topics.csv"
    frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def transformer(tiny_bert, tmp_path_factory):
    """The tiny BERT with room for long texts, for which a GPU has other kernels, and weights that learn in 2 epochs."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder = tmp_path_factory.mktemp("transformer")
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(tiny_bert, max_position_embeddings=512, initializer_range=0.2)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def train(given, hard_texts, transformer, tmp_path):
    """A function that trains and prunes seeds of a model, in a results folder of its own, and gives the experiment."""

    def train(name, device, model, precision, **changes):
        values = given | {"dataset": hard_texts, "results": str(tmp_path / name), "epochs": 1, "seeds": "0"}
        values |= {"device": device, "precision": precision, "max_tokens": 12 if device == "cpu" else 320}
        if model == "transformer":
            values |= {"model": transformer, "learning_rate": 1e-3, "epochs": 2}
        experiment = prepared(values | changes)
        runs.train_pruned(experiment)
        return experiment

    return train


def dense_files(device, model):
    """How many files of predictions an unpruned seed has: on some CPUs a BiLSTM has none in bfloat16."""
    return 4 if device == "cpu" and model == "bilstm" and not HAS_RECURRENT_BFLOAT16 else 5


def made(experiment):
    """The predictions of the unpruned and of the pruned seeds, byte for byte."""
    p = experiment.parameters
    return [contents(folder) for folder in (p.dense_folder, p.folder)]


@pytest.mark.parametrize(("device", "model", "precision"), CASES)
def test_the_same_seed_gives_the_same_files(train, device, model, precision):
    one, two = (made(train(name, device, model, precision, pruner="IIBP-FT")) for name in ("one", "two"))
    assert one == two and [len(files) for files in one] == [dense_files(device, model), 2]


@pytest.mark.parametrize(("device", "model", "precision"), FEWER_CASES)
def test_several_workers_give_the_results_of_one(train, device, model, precision):
    one = train("one", device, model, precision, seeds="0-2")
    two = train("two", device, model, precision, seeds="0-2", workers=2)
    assert made(one) == made(two) and [len(files) for files in made(one)] == [3 * dense_files(device, model), 6]
    record = records.read(paths.seed(two.parameters.folder, 0))
    assert record["workers"] == 2 and "workers" not in record["parameters"]


@pytest.mark.parametrize(("device", "model", "precision"), FEWER_CASES)
def test_a_killed_seed_goes_on_to_the_results_of_one_that_was_not(train, tmp_path, device, model, precision):
    whole = train("whole", device, model, precision)
    values = whole.parameters.model_dump(mode="json") | {"seeds": "0", "results": str(tmp_path / "killed")}
    environment = os.environ | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'tests'}"}
    command = [sys.executable, "-c", KILLED, json.dumps(values)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    experiment = prepared(values)
    folder = experiment.parameters.folder
    assert paths.phase(folder, 0).exists() and not paths.seed(folder, 0).exists()
    runs.train_pruned(experiment)
    assert made(experiment) == made(whole)


@pytest.mark.parametrize(("device", "model", "precision"), CASES)
def test_another_device_or_precision_changes_fewer_answers_than_another_seed(train, device, model, precision):
    """Of a GPU against the CPU in float32; of the CPU, float32 against bfloat16."""
    if dense_files(device, model) < 5:
        pytest.skip("this CPU has no recurrent layers in bfloat16")
    here = train("here", device, model, precision, seeds="0-2")
    there = train("there", "cpu", model, other(device, precision), seeds="0-2", max_tokens=here.parameters.max_tokens)
    assert_nearer_than_seeds(here, there)


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        pytest.param("cpu", "float32", marks=pytest.mark.slow),
        *(pytest.param("cuda", precision, marks=ON_A_GPU) for precision in ("float32", "bfloat16")),
    ],
)
def test_the_same_holds_on_real_texts(tmp_path, device, precision):
    if dense_files(device, "bilstm") < 5:
        pytest.skip("this CPU has no recurrent layers in bfloat16")
    if not all((cache_folder() / ASSETS[name].filename).exists() for name in ("bbc-news", "glove-6b-50d")):
        pytest.skip("not in the cache: pielab fetch bbc-news glove-6b-50d")
    params = yaml.safe_load((PROJECT / "params/bbc-news-bilstm.yaml").read_text())
    params = {name: value for name, value in params.items() if name in PruneParameters.model_fields}
    params |= {"study": "test", "pruner": "IMP-FT", "threshold": 90, "limit": 100, "epochs": 2, "seeds": "0-2"}
    here = prepared(params | {"results": str(tmp_path / "here"), "device": device, "precision": precision})
    beside = {"results": str(tmp_path / "there"), "device": "cpu", "precision": other(device, precision)}
    there = prepared(params | beside)
    for experiment in (here, there):
        runs.train_pruned(experiment)
    assert_nearer_than_seeds(here, there)


def other(device, precision):
    """The precision of the CPU that a device in this precision is compared with."""
    return "bfloat16" if (device, precision) == ("cpu", "float32") else "float32"


def assert_nearer_than_seeds(here, there):
    """The same seed differs in no more answers, on the average, than two seeds do there, and these do in some."""
    for folder in ("dense_folder", "folder"):
        ours, theirs = (
            predictions.read_seeds(getattr(experiment.parameters, folder), experiment.parameters.seeds).classes
            for experiment in (here, there)
        )
        between_seeds = [(one != two).sum() for one, two in itertools.combinations(theirs, 2)]
        assert (ours != theirs).sum(axis=1).mean() <= max(between_seeds) > 0
