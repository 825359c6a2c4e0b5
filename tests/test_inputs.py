"""What a seed was made with beside its parameters: contents of files that these only name, and the machine."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import huggingface_hub.constants
import pyarrow as pa
import pytest
import torch
from conftest import make_texts, refused
from datasets import Dataset, DatasetDict
from datasets.arrow_writer import ArrowWriter
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pielab.config.parameters import PruneParameters, TrainParameters, TuneParameters
from pielab.data import datasets
from pielab.errors import PielabError
from pielab.models import classifier, encoders
from pielab.store import digests, paths, records
from pielab.training import loop, precisions, pruned_seed, runs, tuning
from pielab.training.experiment import prepare


def prepared(given, **changes):
    p = PruneParameters(**given | changes)
    return prepare(p, datasets.load(**p.data))


@pytest.fixture
def given(given):
    return given | {"seeds": "0", "epochs": 1}


@pytest.fixture
def vectors(given, tmp_path):
    path = tmp_path / "vectors.txt"
    shutil.copy(given["word_vectors"], path)
    return path


@pytest.fixture
def bert(tiny_bert, tmp_path):
    return shutil.copytree(tiny_bert, tmp_path / "bert")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def change_weights(folder):
    (path,) = folder.glob("*.safetensors")
    weights = load_file(path)
    weights["bert.embeddings.word_embeddings.weight"][9] += 1
    save_file(weights, path, metadata={"format": "pt"})


def shard(folder):
    model = classifier.build(str(folder), 3)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="4KB")


def test_word_vectors_that_changed_under_their_name_stop(given, vectors):
    given["word_vectors"] = str(vectors)
    runs.train_pruned(prepared(given))
    line = next(line for line in vectors.read_text().splitlines() if line.startswith("cat "))
    edit(vectors, line, "cat 1 2 3 4 5 6")
    again = prepared(given)
    problem = (
        f"{paths.seed(again.parameters.dense_folder, 0)} was made with other word vectors than the same parameters"
    )
    with refused("made-with-other-inputs", f"delete {again.parameters.dense_folder}", problem):
        runs.train_dense(again)
    shutil.rmtree(again.parameters.dense_folder)
    with refused("made-with-other-inputs", f"delete {again.parameters.folder}", "IMP-FT-60/seeds/00 was made with"):
        runs.train_pruned(again)


@pytest.mark.parametrize(
    ("change", "inputs"),
    [
        (change_weights, "model files"),
        (
            lambda folder: edit(folder / "config.json", '"hidden_dropout_prob": 0.1', '"hidden_dropout_prob": 0.3'),
            "model",
        ),
        (lambda folder: edit(folder / "tokenizer.json", '"cat"', '"cats"'), "token ids"),
        (lambda folder: [shard(folder), change_first_shard(folder)], "model files"),
    ],
)
def test_a_model_that_changed_in_its_folder_stops(given, bert, change, inputs):
    given |= {"model": str(bert), "pruner": "MP-AI"}
    runs.train_dense(prepared(given))
    runs.train_pruned(prepared(given))
    change(bert)
    with refused("made-with-other-inputs", "delete", f"was made with other {inputs}"):
        runs.train_dense(prepared(given))
    with refused("made-with-other-inputs", "delete", f"was made with other {inputs}"):
        runs.train_pruned(prepared(given))


def change_first_shard(folder):
    path = sorted(folder.glob("model-*.safetensors"))[0]
    save_file({name: value + 1 for name, value in load_file(path).items()}, path, metadata={"format": "pt"})


def test_what_is_no_content_of_a_model_changes_nothing(given, bert, monkeypatch):
    given |= {"model": str(bert), "pruner": "MP-AI"}
    before = prepared(given).inputs
    for name in ("README.md", ".git/HEAD", "optimizer.bin", "trainer_state.json"):
        (bert / name).parent.mkdir(exist_ok=True)
        (bert / name).write_text("{}")
    for path in bert.glob("*"):
        path.touch()
    assert prepared(given).inputs == before
    monkeypatch.chdir(bert.parent)
    assert prepared(given, model="bert").inputs == before
    shard(bert)
    assert prepared(given).inputs != before  # the same weights in other files: the model is not told to be the same


def test_a_file_of_word_vectors_is_what_its_words_have(given, vectors):
    before = prepared(given).inputs
    assert before.keys() == {"token_ids", "word_vectors"}
    lines = vectors.read_text().splitlines(keepends=True)
    vectors.write_text("".join([f"{len(lines)} 6\n", *lines]))  # word2vec's form of the same
    assert prepared(given, word_vectors=str(vectors)).inputs == before
    vectors.write_text("".join(lines[:-1]))
    after = prepared(given, word_vectors=str(vectors)).inputs
    assert all(after[name] != before[name] for name in before)
    # The mean of all vectors is that of unknown words.
    vectors.write_text("".join([*lines, "zebra 9 9 9 9 9 9\n"]))
    after = prepared(given, word_vectors=str(vectors)).inputs
    assert after["token_ids"] == before["token_ids"] and after["word_vectors"] != before["word_vectors"]


def test_another_rule_for_words_is_another_input(given, monkeypatch):
    runs.train_dense(prepared(given))
    monkeypatch.setattr(encoders, "words", lambda text: re.findall(r"[a-n]+", text))
    with refused("made-with-other-inputs", "bring those back", "other token ids and word vectors than"):
        runs.train_dense(prepared(given))


def test_files_are_hashed_once_for_all_seeds(given, bert, monkeypatch):
    hashed, original = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or original(file, kind))
    experiment = prepared(given, model=str(bert), seeds="0-2", pruner="MP-AI")
    runs.train_dense(experiment)
    runs.train_pruned(experiment)
    of_model = [Path(name).name for name in hashed if Path(name).parent == bert]
    assert sorted(of_model) == ["config.json", "model.safetensors"]


def forget(folder):
    """The record of a seed as earlier versions wrote it."""
    record = records.read(folder)
    kept = {name: value for name, value in record.items() if name not in {"inputs", "starts_from"}}
    (folder / "metrics.json").write_text(json.dumps(kept))
    (folder / digests.FOLDER_LIST).unlink()


def test_a_seed_of_an_earlier_version_stays_valid(given, vectors, monkeypatch):
    experiment = prepared(given, word_vectors=str(vectors))
    runs.train_pruned(experiment)
    for folder in (experiment.parameters.dense_folder, experiment.parameters.folder):
        forget(paths.seed(folder, 0))
    vectors.write_text(vectors.read_text().replace("cat ", "lynx "))
    monkeypatch.setattr(loop, "train", lambda *args, **options: pytest.fail("trained again"))
    assert len(runs.train_pruned(prepared(given, word_vectors=str(vectors)))) == 1


def checkpointed(given, monkeypatch, **changes):
    """An experiment that was killed after its first iteration, and its checkpoint."""
    experiment, saved = prepared(given, **changes), pruned_seed.save_checkpoint

    def killed(*args):
        saved(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pruned_seed, "save_checkpoint", killed)
        runs.train_pruned(experiment)
    return experiment, paths.phase(experiment.parameters.folder, 0)


def test_a_checkpoint_does_not_go_on_with_other_inputs(given, vectors, monkeypatch):
    experiment, path = checkpointed(given, monkeypatch, word_vectors=str(vectors))
    shutil.rmtree(experiment.parameters.dense_folder)
    edit(vectors, "cat ", "lynx ")
    with refused("made-with-other-inputs", f"delete {path}", f"{path} was made with other token ids and word vectors"):
        runs.train_pruned(prepared(given, word_vectors=str(vectors)))


def test_a_checkpoint_does_not_go_on_in_another_precision(given, monkeypatch):
    _, path = checkpointed(given, monkeypatch)
    monkeypatch.setattr(loop, "choose_precision", lambda name, device: torch.bfloat16)
    with refused("made-with-other-inputs", f"delete {path}", f"{path} was made with other precision"):
        runs.train_pruned(prepared(given))
    path.unlink()
    if precisions.can_compute(prepared(given).build(0), torch.bfloat16):
        runs.train_pruned(prepared(given))
        assert records.read(paths.seed(prepared(given).parameters.folder, 0))["precision"] == "bfloat16"


def test_a_checkpoint_of_an_earlier_version_goes_on(given, monkeypatch):
    experiment, path = checkpointed(given, monkeypatch)
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["state"])
    del state["inputs"], state["starts_from"]
    digests.beside(path).unlink()
    save_file(load_file(path), path, metadata={"state": json.dumps(state)})
    trained, original = [], loop.train
    monkeypatch.setattr(loop, "train", lambda *args, **options: trained.append(1) or original(*args, **options))
    runs.train_pruned(experiment)
    record = records.read(paths.seed(experiment.parameters.folder, 0))
    assert len(trained) == 2 and "starts_from" not in record and record["inputs"] == experiment.inputs


def test_a_search_does_not_go_on_with_other_inputs(given, vectors):
    space = {"trials": 1, "epochs_range": 1, "batch_sizes": 16, "learning_rate_range": 1e-3}
    given |= space | {"word_vectors": str(vectors)}
    p = TuneParameters(**{name: value for name, value in given.items() if name in TuneParameters.model_fields})
    tuning.search(prepare(p, datasets.load(**p.data)))
    edit(vectors, "cat ", "lynx ")
    with refused("made-with-other-inputs", "another study name", f"{p.folder} was made with other"):
        tuning.search(prepare(p, datasets.load(**p.data)))


COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture
def hub(tmp_path, tiny_bert, monkeypatch):
    """The cache of a Hub that cannot be reached, with two commits of acme/tiny; gives their folder of snapshots."""
    repository = tmp_path / "hub" / "models--acme--tiny"
    for commit in COMMITS:
        shutil.copytree(tiny_bert, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMITS[0])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(repository.parent))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return repository


def test_a_model_of_the_hub_whose_weights_changed_stops_and_its_commit_brings_it_back(given, hub):
    given |= {"model": "acme/tiny", "pruner": "MP-AI"}
    experiment = prepared(given)
    assert experiment.revisions == {"model_revision": COMMITS[0]}
    runs.train_pruned(experiment)
    folder = paths.seed(experiment.parameters.folder, 0)
    assert records.read(folder)["model_revision"] == COMMITS[0]
    change_weights(hub / "snapshots" / COMMITS[1])
    (hub / "refs" / "main").write_text(COMMITS[1])
    with refused("made-with-other-inputs", f"bring those back by model_revision = '{COMMITS[0]}'", "model files"):
        runs.train_pruned(prepared(given))
    back = prepared(given, model_revision=COMMITS[0])
    assert back.parameters.recipe(TrainParameters) == experiment.parameters.recipe(TrainParameters)
    assert len(runs.train_pruned(back)) == 1


def test_a_commit_that_changes_no_weights_changes_nothing(given, hub):
    given |= {"model": "acme/tiny", "pruner": "MP-AI"}
    runs.train_dense(prepared(given))
    (hub / "snapshots" / COMMITS[1] / "README.md").write_text("a new one")
    (hub / "refs" / "main").write_text(COMMITS[1])
    again = prepared(given)
    assert again.revisions == {"model_revision": COMMITS[1]} and len(runs.train_dense(again)) == 1


def test_a_commit_stands_for_weights_that_transformers_convert(hub):
    for commit in COMMITS:
        (hub / "snapshots" / commit / "model.safetensors").unlink()
    found = [classifier.contents("acme/tiny", commit) for commit in COMMITS]
    assert [commit for _, commit in found] == list(COMMITS) and len({content for content, _ in found}) == 2


def test_all_seeds_start_from_one_commit_though_the_hub_moves_on(given, hub):
    experiment = prepared(given, model="acme/tiny")
    before = experiment.build(0).state_dict()
    change_weights(hub / "snapshots" / COMMITS[1])
    (hub / "refs" / "main").write_text(COMMITS[1])
    after = experiment.build(0).state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("model", ["bilstm", "folder"])
def test_a_revision_of_what_is_not_on_the_hub_is_refused(given, tiny_bert, model):
    model = tiny_bert if model == "folder" else model
    with refused("model-revision-without-hub", "give None", f"and {model} is none"):
        prepared(given, model=model, model_revision="main")


def test_an_unknown_revision_is_refused(given, hub):
    with refused("model-not-loaded", "a Hub id"):
        prepared(given, model="acme/tiny", model_revision="v9")


@pytest.fixture
def hub_texts(tmp_path, monkeypatch):
    """A Hub with two commits of a data set, the first the latest, as its client caches them; gives what was asked."""
    asked = []

    def load_dataset(name, configuration, revision=COMMITS[0]):
        asked.append((name, configuration, revision))
        folder = tmp_path / "datasets" / "acme___texts" / "default" / "0.0.0" / revision
        folder.mkdir(parents=True, exist_ok=True)
        texts = make_texts(60, seed=COMMITS.index(revision))
        path = str(folder / "texts-train.arrow")
        with ArrowWriter(path=path) as writer:
            writer.write_table(pa.Table.from_pandas(texts))
            writer.finalize()
        return DatasetDict({"train": Dataset.from_file(path)})

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    return asked


def test_a_data_set_of_the_hub_has_its_commit_in_the_record(given, hub_texts):
    experiment = prepared(given, dataset="acme/texts")
    runs.train_dense(experiment)
    record = records.read(paths.seed(experiment.parameters.dense_folder, 0))
    assert record["dataset_revision"] == COMMITS[0] and "model_revision" not in record
    assert len(runs.train_dense(prepared(given, dataset="acme/texts", dataset_revision=COMMITS[0]))) == 1
    with refused("made-with-other-parameters", "another study name", "was made with data = "):
        runs.train_dense(prepared(given, dataset="acme/texts", dataset_revision=COMMITS[1]))
    assert [revision for _, _, revision in hub_texts] == [COMMITS[0], COMMITS[0], COMMITS[1]]


@pytest.mark.parametrize("name", ["imdb", "snli", "glue-cola"])
def test_a_revision_reaches_every_data_set_of_the_hub(tmp_path, monkeypatch, name):
    monkeypatch.delenv("PIELAB_DATA", raising=False)
    asked = []

    def load_dataset(*where, **options):
        asked.append(options)
        raise ConnectionError("no way to the Hub")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    for options in ({"dataset_revision": "v2"}, {}):
        with pytest.raises(PielabError):
            datasets.load(name, **options)
    assert asked == [{"revision": "v2"}, {}]


def test_a_revision_of_texts_that_are_not_on_the_hub_is_refused(given, tmp_path):
    folder = tmp_path / "split"
    folder.mkdir()
    for split in ("train", "test"):
        make_texts(30).to_csv(folder / f"{split}.csv", index=False)
    for name in (given["dataset"], str(folder), "bbc-news"):
        with refused("dataset-revision-without-hub", "give None", f"{name} is read from files here"):
            datasets.load(name, dataset_revision="main")
