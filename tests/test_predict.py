"""pielab predict: trained classifiers in, one file of predictions for each out."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import test_architectures
import torch
import transformers
from conftest import TOPICS, make_texts, refused
from hypothesis import given as drawn
from hypothesis import strategies
from safetensors.torch import load_file, save_file

from pielab.commands import predict
from pielab.config.parameters import PruneParameters
from pielab.data import class_order, datasets
from pielab.errors import PielabError
from pielab.models import fine_tuned
from pielab.store import paths, predictions
from pielab.training import runs
from pielab.training.experiment import prepare

CLASSES = list(TOPICS)  # animals, food, weather
PROJECT = Path(__file__).parents[1]


def save(folder, tiny_bert, seed=3, names=CLASSES, **changes):
    """A tiny BERT with the vocabulary of the made texts, whose random weights give answers of every class."""
    shutil.copytree(tiny_bert, folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.id2label, config.label2id = dict(enumerate(names)), {name: number for number, name in enumerate(names)}
    config.update(changes)
    torch.manual_seed(seed)
    model = transformers.BertForSequenceClassification(config)
    for weight in model.parameters():
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder)
    return folder


def plain(folder, *texts):
    """The logits of each text or pair by itself, as transformers alone give them."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        rows = [model(**tokenizer(*row, truncation=True, max_length=16, return_tensors="pt")).logits for row in texts]
    return torch.cat(rows).numpy()


def logits_of(path, column="logits"):
    return np.stack(pd.read_parquet(path)[column].to_list())


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.fixture
def place(tmp_path, tiny_bert, monkeypatch):
    """A working directory with a model, `bert`, and texts with labels."""
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "bert", tiny_bert)
    make_texts(30).to_csv("texts.csv", index=False)
    return tmp_path


def run(*arguments):
    return predict.main([*map(str, arguments), "--device", "cpu", "--max-tokens", "16"])


def test_a_user_gets_the_logits_of_transformers_themselves(place):
    command = [sys.executable, "-m", "pielab", "predict", "bert", "--data", "texts.csv", "--label", "label"]
    done = subprocess.run([*command, "--max-tokens", "16"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "predictions of 1 model for 30 texts in predictions"
    table, texts = pd.read_parquet("predictions/bert.parquet"), make_texts(30)
    assert list(table) == ["id", "text", "label", "prediction", "logits"] and list(table["id"]) == list(range(30))
    assert table["text"].equals(texts["text"]) and table["label"].equals(texts["label"])
    expected = plain("bert", *zip(texts["text"], strict=True))
    assert np.allclose(np.stack(table["logits"].to_list()), expected, atol=1e-5)
    assert list(table["prediction"]) == [CLASSES[number] for number in expected.argmax(axis=1)]
    assert set(table["prediction"]) == set(CLASSES)


def test_texts_alone_are_enough(place):
    make_texts(5)[["text"]].to_csv("alone.csv", index=False)
    run("bert", "--data", "alone.csv")
    assert list(pd.read_parquet("predictions/bert.parquet")) == ["id", "text", "prediction", "logits"]


def test_pairs_are_read_as_the_tokenizer_joins_them(place):
    first, second = make_texts(20)["text"], make_texts(20, seed=1)["text"]
    second[0] = "cat " * 30  # longer than max_tokens
    pd.DataFrame({"premise": first, "hypothesis": second, "pairID": [f"p{n}" for n in range(20)]}).to_json(
        "pairs.jsonl", orient="records", lines=True
    )
    run("bert", "--data", "pairs.jsonl", "--text", "premise", "--text-pair", "hypothesis", "--id", "pairID")
    table = pd.read_parquet("predictions/bert.parquet")
    assert list(table) == ["id", "text", "text_pair", "prediction", "logits"] and table["id"][3] == "p3"
    expected = plain("bert", *zip(first, second, strict=True))
    assert np.allclose(np.stack(table["logits"].to_list()), expected, atol=1e-5)
    # The model is told which text a token is of.
    types = load_file("bert/model.safetensors")
    types["bert.embeddings.token_type_embeddings.weight"][1] = 0
    save_file(types, "bert/model.safetensors", metadata={"format": "pt"})
    assert np.abs(plain("bert", *zip(first, second, strict=True)) - expected).max() > 0.1


@pytest.mark.parametrize("family", ["Roberta", "DistilBert", "DebertaV2", "Electra", "Albert", "GPT2", "Qwen2"])
@pytest.mark.parametrize("pairs", [False, True])
def test_models_of_other_kinds_answer_as_transformers_alone(tmp_path, monkeypatch, family, pairs):
    monkeypatch.chdir(tmp_path)
    test_architectures.save(tmp_path / "model", family)
    frame = make_texts(12).assign(second=make_texts(12, seed=1)["text"])
    frame["second"] = [" ".join(text.split()[:number]) for number, text in enumerate(frame["second"], 1)]
    frame.to_csv("texts.csv", index=False)
    run("model", "--data", "texts.csv", *(["--text-pair", "second"] if pairs else []))
    expected = plain("model", *zip(*[frame["text"], frame["second"]][: 1 + pairs], strict=True))
    assert np.allclose(logits_of("predictions/model.parquet"), expected, atol=1e-4 * np.abs(expected).max())
    assert expected.std(axis=0).max() > 1e-3


def test_the_batch_changes_no_logits_beyond_rounding(place):
    texts = make_texts(40).assign(
        text=lambda frame: [" ".join(t.split()[: 1 + n % 8]) for n, t in enumerate(frame["text"])]
    )
    texts.to_csv("lengths.csv", index=False)
    for size in (1, 7, 40):
        run("bert", "--data", "lengths.csv", "--batch-size", size, "--out", f"by-{size}")
    one, seven, forty = (logits_of(f"by-{size}/bert.parquet") for size in (1, 7, 40))
    assert np.allclose(one, seven, atol=1e-5) and np.allclose(one, forty, atol=1e-5) and one.std() > 0.1


NAMED, NUMBERED = ["weather", "animals", "food"], ["LABEL_0", "LABEL_1", "LABEL_2"]
CAPITALS, AS_NUMBERS = ["Weather", "ANIMALS ", "fo od"], ["0", "1", "2"]


@pytest.mark.parametrize(
    ("own", "labels", "given", "names"),
    [
        (NAMED, CLASSES, None, NAMED),
        (CAPITALS, CLASSES, None, NAMED),
        (NAMED, ["Food"], None, ["weather", "animals", "Food"]),
        (NAMED, [], None, NAMED),
        (NUMBERED, CLASSES, NAMED, NAMED),
        (NUMBERED, ["food"], ["Weather", "Animals", "Food"], ["Weather", "Animals", "food"]),
        (NUMBERED, AS_NUMBERS, None, AS_NUMBERS),
        (NAMED, AS_NUMBERS, ["2", "0", "1"], ["2", "0", "1"]),
        (AS_NUMBERS, ["1"], None, AS_NUMBERS),
        (NUMBERED, NUMBERED[:2], None, NUMBERED),
        (["a", "A", "b"], ["a", "A"], None, ["a", "A", "b"]),
        (None, CLASSES, None, CLASSES),
        (None, ["food"], NAMED, NAMED),
    ],
)
def test_each_logit_gets_the_name_of_its_class(own, labels, given, names):
    assert class_order.of_logits("bert", own, 3, labels, given) == names


@pytest.mark.parametrize(
    ("own", "labels", "given", "id", "problem"),
    [
        (
            NUMBERED,
            CLASSES,
            None,
            "classes-do-not-match",
            "animals, food, weather, and bert has the classes LABEL_0",
        ),
        (
            NAMED,
            AS_NUMBERS,
            None,
            "classes-do-not-match",
            "0, 1, 2, and bert has the classes weather, animals, food",
        ),
        (NUMBERED, ["0", "1"], None, "classes-do-not-match", "labels 0, 1, and"),
        (NUMBERED, ["1", "2", "3"], None, "classes-do-not-match", "labels 1, 2, 3, and"),
        (["a", "A", "b"], ["a", "B"], None, "classes-do-not-match", "labels a, B, and"),
        (NAMED, ["food", "Food"], None, "classes-do-not-match", "labels food, Food, and"),
        (["a", "a", "b"], [], None, "classes-do-not-match", "labels (none), and bert has the classes a, a, b"),
        (NAMED, CLASSES, ["food", "animals", "weather"], "classes-in-another-order", "gives weather, animals, food"),
        (CAPITALS, CLASSES, CLASSES, "classes-in-another-order", "gives Weather, ANIMALS"),
        (NUMBERED, CLASSES, ["a", "b", "c"], "labels-not-among-classes", "--classes gives a, b, c"),
        (NUMBERED, CLASSES, ["a", "b"], "classes-of-another-number", "gives 2 classes, a, b, and bert has 3 logits"),
        (None, ["food", "animals"], None, "classes-do-not-match", "and bert has 3 classes without names"),
        (None, [], None, "classes-of-seed-not-given", "what its 3 classes are called"),
    ],
)
def test_an_order_that_could_be_another_is_refused(own, labels, given, id, problem):
    with refused(id, "", problem):
        class_order.of_logits("bert", own, 3, labels, given)


def test_logits_of_all_models_are_in_one_order(place, tiny_bert):
    state = load_file("bert/model.safetensors")
    save(Path("turned"), tiny_bert, names=NAMED)
    place_of = [CLASSES.index(name) for name in NAMED]
    turned = {**state, **{f"classifier.{part}": state[f"classifier.{part}"][place_of] for part in ("weight", "bias")}}
    save_file(turned, "turned/model.safetensors", metadata={"format": "pt"})
    run("turned", "bert", "--data", "texts.csv", "--label", "label")
    one, other = (pd.read_parquet(f"predictions/{name}.parquet") for name in ("turned", "bert"))
    assert one["prediction"].equals(other["prediction"])
    assert np.allclose(logits_of("predictions/turned.parquet"), logits_of("predictions/bert.parquet"), atol=1e-6)
    run("bert", "turned", "--data", "texts.csv", "--label", "label")  # in whichever order they are given


def test_labels_that_seem_to_be_in_another_order_are_warned_of(place, tiny_bert, capsys):
    save(Path("unnamed"), tiny_bert, names=NUMBERED)
    texts = make_texts(90)
    meant = [CLASSES[number] for number in plain("unnamed", *zip(texts["text"], strict=True)).argmax(axis=1)]
    texts.assign(label=meant).to_csv("texts.csv", index=False)
    run("unnamed", "--data", "texts.csv", "--label", "label", "--classes", ",".join(CLASSES))
    assert "another order" not in capsys.readouterr().err
    run("unnamed", "--data", "texts.csv", "--label", "label", "--classes", ",".join(NAMED), "--out", "wrong")
    said = capsys.readouterr().err
    assert (
        "warning: the labels may be in another order: unnamed is right on 0.0 % of the texts, and would be on " in said
    )
    assert "100.0 % with weather as animals, animals as food, food as weather; --classes gives the order" in said


@drawn(strategies.integers(2, 6), strategies.integers(0, 2**31), strategies.floats(0, 1))
def test_a_better_order_is_found_if_answers_were_renamed_and_not_by_chance(n_classes, seed, right):
    random = np.random.default_rng(seed)
    gold = random.integers(n_classes, size=400)
    chance = random.integers(n_classes, size=400)
    assert class_order.better_order(chance, gold, n_classes) is None
    answers = np.where(random.random(400) < right, gold, chance)
    assert class_order.better_order(answers, gold, n_classes) is None
    order = random.permutation(n_classes)
    renamed = np.argsort(order)[answers]
    if right > 0.8 and not np.array_equal(order, np.arange(n_classes)):
        before, after, found = class_order.better_order(renamed, gold, n_classes)
        assert found == order.tolist() and after == pytest.approx((answers == gold).mean())
        assert before == pytest.approx((renamed == gold).mean())


def test_the_test_of_another_order_is_exact():
    """12 texts gained and 1 lost by turning two classes: p = 2 orders x 14 / 2^13 = 0.0034; 30 and 0: 2 / 2^30."""

    def counts(gained, lost):
        return np.array([0] * gained + [1] * lost), np.array([1] * (gained + lost))

    assert class_order.better_order(*counts(12, 1), 2) is None
    assert class_order.better_order(*counts(20, 0), 2) is None  # 2 / 2^20 = 1.9e-6
    assert class_order.better_order(*counts(21, 0), 2) == (0.0, 1.0, [1, 0])  # 9.5e-7


SETS = pd.Series([["food"], ["animals", "food"], [], ["weather", "food"], ["animals"]] * 6)


@pytest.mark.parametrize("written", ["joined", "lists"])
def test_several_labels_a_text(place, tiny_bert, written, capsys):
    save(Path("tags"), tiny_bert, problem_type="multi_label_classification")
    texts = make_texts(30).assign(label=SETS if written == "lists" else SETS.map(";".join))
    texts.to_json("sets.jsonl", orient="records", lines=True)
    options = [] if written == "lists" else ["--label-separator", ";"]
    run("tags", "--data", "sets.jsonl", "--label", "label", *options)
    table, logits = pd.read_parquet("predictions/tags.parquet"), logits_of("predictions/tags.parquet", "label_logits")
    assert np.allclose(logits, plain("tags", *zip(texts["text"], strict=True)), atol=1e-5)
    names = [";".join(sorted(np.array(CLASSES)[row > 0])) or "(none)" for row in logits]
    assert list(table["prediction"]) == names and len(set(names)) > 3
    assert list(table["label"][:4]) == ["food", "animals;food", "(none)", "food;weather"]
    truth = np.array([[name in labels for name in CLASSES] for labels in SETS])
    f1 = [2 * (yes & true).sum() / (yes.sum() + true.sum()) for yes, true in zip((logits > 0).T, truth.T, strict=True)]
    assert f"macro-F1 {100 * np.mean(f1):.1f} %" in capsys.readouterr().out


def test_a_model_that_does_not_say_whether_a_text_has_several_labels_is_warned_of(place, capsys):
    make_texts(30).assign(label=SETS.map(";".join)).to_csv("sets.csv", index=False)
    run("bert", "--data", "sets.csv", "--label", "label", "--label-separator", ";")
    assert "warning: config.json of bert has no problem_type: each class above" in capsys.readouterr().err
    assert "animals;food" in set(pd.read_parquet("predictions/bert.parquet")["prediction"])


@pytest.mark.parametrize("problem_type", ["multi_label_classification", None])
def test_a_class_is_predicted_above_the_decision_threshold(place, tiny_bert, problem_type, capsys):
    save(Path("tags"), tiny_bert, problem_type=problem_type)
    make_texts(30).assign(label=SETS.map(";".join)).to_csv("sets.csv", index=False)
    options = ["--data", "sets.csv", "--label", "label", "--label-separator", ";"]
    run("tags", *options, "--decision-threshold", "0.8")
    assert ("each class above probability 0.8 is" in capsys.readouterr().err) == (problem_type is None)
    logits = logits_of("predictions/tags.parquet", "label_logits")
    above = [";".join(np.array(CLASSES)[row]) or "(none)" for row in 1 / (1 + np.exp(-logits)) > 0.8]
    assert list(pd.read_parquet("predictions/tags.parquet")["prediction"]) == above
    assert metadata_of("predictions/tags.parquet")["recipe"]["decision_threshold"] == 0.8
    with refused("other-predictions-in-file", "another --out", "another value of decision_threshold"):
        run("tags", *options)
    run("tags", *options, "--decision-threshold", "0", "--out", "all")
    assert set(pd.read_parquet("all/tags.parquet")["prediction"]) == {";".join(CLASSES)}


def test_a_decision_threshold_of_one_label_is_refused(place):
    with refused("threshold-of-one-label", "leave it out", "--decision-threshold 0.3 was given, and bert gives each"):
        run("bert", "--data", "texts.csv", "--label", "label", "--decision-threshold", "0.3")
    assert not Path("predictions").exists()


@pytest.mark.parametrize("models", [["bert"], ["bert", "other", "third"]])
def test_only_the_last_model_checked_is_not_loaded_again(place, tiny_bert, models, monkeypatch):
    loaded, load = [], fine_tuned.load
    monkeypatch.setattr(fine_tuned, "load", lambda model, *given: loaded.append(model) or load(model, *given))
    for seed, name in enumerate(models[1:]):
        save(Path(name), tiny_bert, seed=seed)
    run(*models, "--data", "texts.csv")
    assert [Path(model).name for model in loaded] == [*models, *models[-2::-1]]
    for model in models:
        expected = plain(model, *zip(make_texts(30)["text"], strict=True))
        assert np.allclose(logits_of(f"predictions/{model}.parquet"), expected, atol=1e-5)


def test_a_file_that_is_there_is_made_once(place, capsys):
    run("bert", "--data", "texts.csv", "--label", "label")
    file = Path("predictions/bert.parquet")
    before, stamp = file.read_bytes(), file.stat().st_mtime_ns
    capsys.readouterr()
    run("bert", "--data", "texts.csv", "--label", "label", "--batch-size", "3")
    assert "there already, of the same model, texts and options" in capsys.readouterr().out
    assert file.read_bytes() == before and file.stat().st_mtime_ns == stamp
    for different, options in {
        "data": ["--limit", "9"],
        "precision": ["--precision", "bfloat16"],
        "max_tokens, tokens": ["--max-tokens", "5"],
    }.items():
        with refused("other-predictions-in-file", "another --out", f"another value of {different}"):
            predict.main(["bert", "--data", "texts.csv", "--label", "label", "--max-tokens", "16", *options])
    make_texts(30, seed=1).to_csv("texts.csv", index=False)
    with refused("other-predictions-in-file", "another --out", "another value of data, tokens"):
        run("bert", "--data", "texts.csv", "--label", "label")
    make_texts(30).to_csv("texts.csv", index=False)
    state = load_file("bert/model.safetensors")
    state["classifier.bias"] += 1
    save_file(state, "bert/model.safetensors", metadata={"format": "pt"})
    with refused("other-predictions-in-file", "another --out", "another value of model"):
        run("bert", "--data", "texts.csv", "--label", "label")
    assert file.read_bytes() == before
    file.write_bytes(before[:-9])
    with refused("file-damaged", "another --out"):
        run("bert", "--data", "texts.csv", "--label", "label")
    pd.DataFrame({"id": [1]}).to_parquet("predictions/bert.parquet")
    file.with_name("bert.parquet.xxh128").unlink()
    with refused("other-predictions-in-file", "another --out", "by another program"):
        run("bert", "--data", "texts.csv", "--label", "label")


def test_the_file_says_what_made_it(place):
    run("bert", "--data", "texts.csv", "--label", "label", "--limit", "7")
    metadata = metadata_of("predictions/bert.parquet")
    assert metadata["model"] == "bert" and metadata["classes"] == CLASSES and metadata["task"] == "single-label"
    assert metadata["device"] == "cpu" and metadata["parameters"]["limit"] == 7
    assert metadata["recipe"]["max_tokens"] == 16 and metadata["recipe"]["precision"] == "float32"
    assert set(metadata["versions"]) == {"pielab", "torch", "transformers", "numpy"}
    assert len(pd.read_parquet("predictions/bert.parquet")) == 7


def test_models_of_one_name_are_told_apart_by_their_parents(place, tiny_bert, capsys):
    for seed, parent in enumerate(("runs/a", "runs/b")):
        Path(parent).mkdir(parents=True)
        save(Path(parent, "final"), tiny_bert, seed=seed)
    run("runs/a/final", "runs/b/final", "bert", "--data", "texts.csv")
    assert {path.name for path in Path("predictions").glob("*.parquet")} == {
        "a--final.parquet",
        "b--final.parquet",
        "bert.parquet",
    }
    said = capsys.readouterr()
    assert "a--final: runs/a/final\n" in said.out and "same weights" not in said.err
    assert not np.allclose(logits_of("predictions/a--final.parquet"), logits_of("predictions/b--final.parquet"))
    with refused("model-given-twice", "give each once", "(runs/a/final, runs/b/../a/final)"):
        run("runs/a/final", "runs/b/../a/final", "--data", "texts.csv")
    shutil.copytree("runs/a/final", "copied")
    run("runs/a/final", "copied", "--data", "texts.csv", "--out", "twins")
    assert "warning: copied has the same weights as runs/a/final" in capsys.readouterr().err


def test_models_that_no_folder_tells_apart_are_refused(place):
    shutil.copytree("bert", "a b")
    shutil.copytree("bert", "a--b")
    with refused("models-of-one-name", "rename a folder", "two of a b, a--b would be written to one file"):
        run("a b", "a--b", "--data", "texts.csv")


def test_a_link_names_a_model_and_a_record_of_another_program_does_not_matter(place):
    Path("bert/metrics.json").write_text('{"eval_accuracy": 0.9}')
    Path("my-name").symlink_to("bert")
    run("my-name", "--data", "texts.csv")
    assert Path("predictions/my-name.parquet").exists()


def test_a_folder_that_nobody_may_write_in_is_refused_before_anything_is_read(place, monkeypatch):
    monkeypatch.setattr("os.access", lambda folder, mode: False)
    with refused("out-not-writable", "give another folder", "is a folder that you may not write in"):
        run("nothing", "--data", "nothing.csv", "--out", "new/folder")


def test_a_text_of_several_lines_needs_no_label_to_be_one(place):
    Path("lines.csv").write_text('text\n"cat\ndog"\n"cow\nsheep\ngoat"\nfish\n')
    run("bert", "--data", "lines.csv")
    assert list(pd.read_parquet("predictions/bert.parquet")["text"]) == ["cat\ndog", "cow\nsheep\ngoat", "fish"]


def metadata_of(path):
    metadata = {key.decode(): value for key, value in pq.read_schema(path).metadata.items()}
    return {key: json.loads(value) for key, value in metadata.items() if key != "pandas"}


@pytest.fixture
def hub(place, tiny_bert, monkeypatch):
    """The cache of a Hub that cannot be reached, with two commits of acme/tiny, of which v1 is not the latest."""
    repository = place / "hub" / "models--acme--tiny"
    (repository / "refs").mkdir(parents=True)
    for number, (name, commit) in enumerate({"v1": "a" * 40, "main": "b" * 40}.items()):
        (repository / "refs" / name).write_text(commit)
        (repository / "snapshots").mkdir(exist_ok=True)
        save(repository / "snapshots" / commit, tiny_bert, seed=number)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return repository / "snapshots"


@pytest.mark.parametrize(
    ("revision", "commit"), [(None, "b"), ("main", "b"), ("v1", "a"), ("a" * 40, "a"), ("b" * 40, "b")]
)
def test_a_model_of_the_hub_is_that_of_its_revision(hub, revision, commit):
    run("acme/tiny", "--data", "texts.csv", *(["--revision", revision] if revision else []))
    metadata = metadata_of("predictions/tiny.parquet")
    assert metadata["commit"] == commit * 40 and metadata["parameters"]["revision"] == revision
    expected = plain(hub / (commit * 40), *zip(make_texts(30)["text"], strict=True))
    assert np.allclose(logits_of("predictions/tiny.parquet"), expected, atol=1e-5)


def test_predictions_of_another_revision_are_no_earlier_ones(hub):
    run("acme/tiny", "--data", "texts.csv")
    with refused("other-predictions-in-file", "another --out", "another value of model"):
        run("acme/tiny", "--data", "texts.csv", "--revision", "v1")


def test_a_revision_that_is_not_there_or_of_no_hub_id_is_refused(hub):
    with refused("no-such-model", "that this machine can fetch", "the Hub does not give that model at v9 ("):
        run("acme/tiny", "--data", "texts.csv", "--revision", "v9")
    with refused("revision-of-a-folder", "or leave --revision out", "--revision v1 was given, and bert is a folder"):
        run("acme/tiny", "bert", "--data", "texts.csv", "--revision", "v1")


def without(name):
    return lambda folder: (folder / name).unlink()


def config(**values):
    return lambda folder: change(folder / "config.json", **values)


def weights(**changed):
    def write(folder):
        state = load_file(folder / "model.safetensors")
        state = {name: tensor for name, tensor in (state | changed).items() if tensor is not None}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    return write


def adapter(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "bert-base-uncased"}')


def checkpoints(folder):
    shutil.copytree(folder, folder / "checkpoint-500")
    (folder / "config.json").unlink()


def no_tokenizer(folder):
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink(missing_ok=True)


NAN = torch.full((3,), float("nan"))


@pytest.mark.parametrize(
    ("damage", "id", "problem", "cure"),
    [
        (adapter, "model-is-an-adapter", "copy is an adapter of bert-base-uncased", "merge_and_unload"),
        (checkpoints, "no-model-in-folder", "copy has no config.json", "such as copy/checkpoint-500"),
        (without("model.safetensors"), "no-weights-in-folder", "copy has no model.safetensors", "beside config.json"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "weights-are-a-pickle",
            "in pytorch_model.bin, a pickle, which may run any code",
            "save it again",
        ),
        (
            config(architectures=["BertLMHeadModel"]),
            "no-sequence-classifier",
            "is a BertLMHeadModel",
            "to classify texts",
        ),
        (
            config(auto_map={"AutoConfig": "code.C"}, model_type="foreign"),
            "model-of-foreign-code",
            "needs Python code from its folder",
            "that transformers itself has",
        ),
        (config(id2label={"0": "LABEL_0"}), "model-is-a-regression", "one number (num_labels = 1)", "two classes"),
        (config(problem_type="regression"), "model-is-a-regression", "one number", "two classes"),
        (
            config(id2label={"0": "a", "2": "b", "3": "c"}),
            "class-ids-misnumbered",
            "has the ids 0, 2, 3",
            "from 0 to 2",
        ),
        (
            config(pad_token_id=99, vocab_size=44),
            "tokenizer-of-another-model",
            "has 45 tokens",
            "belongs to its config",
        ),
        (config(max_position_embeddings=8), "too-many-tokens", "max_tokens = 16 is too many", "reads 8 at most"),
        (no_tokenizer, "tokenizer-knows-no-word", "knows none of the texts' words", "the model's own tokenizer.json"),
        (config(hidden_size=32), "fine-tuned-weights-of-another-size", "have other sizes", "belong to its config.json"),
        (
            weights(**{"classifier.weight": None}),
            "fine-tuned-weights-missing",
            "lack 1 of BertForSequenceClassification, such as classifier.weight",
            "saved after fine-tuning",
        ),
        (
            weights(**{"classifier.bias": NAN}),
            "pretrained-weights-not-finite",
            "are not finite",
            "get its weights again",
        ),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"\1" * 99),
            "fine-tuned-model-not-loaded",
            "copy could not be loaded by transformers (Error while deserializing header",
            "with all its files",
        ),
    ],
)
def test_a_folder_that_is_no_whole_classifier_is_refused_before_anything_is_predicted(
    place, damage, id, problem, cure, monkeypatch
):
    shutil.copytree("bert", "copy")
    damage(Path("copy"))
    (place / "copy/code.py").write_text("raise SystemExit")
    monkeypatch.setattr("pielab.training.loop.predict", lambda *given, **options: pytest.fail("predicted"))
    with refused(id, cure, problem):
        run("bert", "copy", "--data", "texts.csv")
    assert not Path("predictions").exists()


def test_a_configuration_of_more_classes_than_the_weights_have_is_refused(place):
    change(Path("bert/config.json"), id2label={str(number): str(number) for number in range(4)})
    problem = "2 weights of bert have other sizes than its config.json says, such as classifier.bias"
    with refused("fine-tuned-weights-of-another-size", "number of classes", problem):
        run("bert", "--data", "texts.csv")


@pytest.mark.parametrize(
    ("arguments", "id", "problem", "cure"),
    [
        (
            ["nobody/such"],
            "no-such-model",
            "there is no folder nobody/such here",
            "a Hub id that this machine can fetch",
        ),
        (["./bart"], "no-such-model", "there is no folder ./bart here", "a folder of save_pretrained"),
        (["texts.csv"], "model-is-a-file", "texts.csv is a file", "the folder of a model"),
        (["minilm"], "model-not-fine-tuned", "minilm is what a study's models start from", "folder of a trained seed"),
        (["bert", "--text", "body"], "no-such-column", "no column 'body'", "one of text, label"),
        (["bert", "--id", "number"], "no-such-column", "no column 'number'", "set id to one of"),
        (
            ["bert", "--label", "label", "--id", "text", "--text", "label"],
            "column-given-twice",
            "",
            "a column of its own",
        ),
        (["bert", "--data", "none.csv"], "no-such-data-file", "no file 'none.csv'", "full path"),
        (["bert", "--data", "twice.csv", "--id", "id"], "id-twice", "has 1 texts whose 'id' another one has", "--id"),
        (["bert", "--data", "empty.csv"], "empty-cells", "has 1 rows with no 'text'", "fill or drop"),
        (["bert", "--split", "test"], "split-of-a-file", "--split test was given", "leave --split out"),
        (
            ["bert", "--data", "folder", "--split", "dev"],
            "no-such-split",
            "no split to predict but train",
            "--split train",
        ),
        (["bert", "--classes", "a,b,a"], "classes-repeated", "--classes a,b,a gives a class twice", "each once"),
        (["bert", "--out", "texts.csv"], "out-not-writable", "because texts.csv is no folder", "another folder"),
        (["bert", "--out", "texts.csv/a/b"], "out-not-writable", "/texts.csv is no folder", "another folder"),
        (
            ["bert", "--data", "other.csv", "--label", "label"],
            "classes-do-not-match",
            "labels cat, dog, and",
            "--classes",
        ),
        (
            ["one", "--data", "sets.csv", "--label", "label", "--label-separator", ";"],
            "model-of-one-label",
            "",
            "problem_",
        ),
        (
            ["bert", "other"],
            "models-of-other-classes",
            "bert has the classes animals, food, weather, and other",
            "--classes",
        ),
        (["bert", "--device", "cuda"], "no-such-device", "device = 'cuda' is not on this machine", "auto"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_and_nothing_is_written(
    place, tiny_bert, arguments, id, problem, cure, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    texts = make_texts(6)
    texts.assign(id=["a", "b", "c", "d", "e", "a"]).to_csv("twice.csv", index=False)
    texts.assign(text=["", *texts["text"][1:]]).to_csv("empty.csv", index=False)
    texts.assign(label=["cat", "dog"] * 3).to_csv("other.csv", index=False)
    texts.assign(label=["food;weather", "animals"] * 3).to_csv("sets.csv", index=False)
    Path("folder").mkdir()
    texts.to_csv("folder/train.csv", index=False)
    save(Path("other"), tiny_bert, names=["a", "b", "c"])
    save(Path("one"), tiny_bert, problem_type="single_label_classification")
    before = sorted(place.rglob("*"))
    given = arguments if "--data" in arguments else [*arguments, "--data", "texts.csv"]
    with refused(id, cure, problem, kind=PielabError):
        predict.main(given)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    "wrong",
    [
        ["--limit", "0"],
        ["--batch-size", "many"],
        ["--precision", "int8"],
        ["--label"],
        ["--decision-threshold", "x"],
    ],
)
def test_argparse_refuses_what_it_can(place, wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        predict.main(["bert", "--data", "texts.csv", *wrong])
    assert caught.value.code == 2 and "pielab predict: error: argument" in capsys.readouterr().err


def test_the_help_is_there_without_torch():
    code = "import sys; from pielab.commands import predict\ntry: predict.main(['--help'])\nexcept SystemExit: "
    code += "print({'torch', 'transformers', 'pandas', 'datasets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "examples:\n  pielab predict my-bert-0" in done.stdout and done.stdout.endswith("set()\n")


def trained(given, folder, **changes):
    """The folder of a study's results, with a trained seed and perhaps a pruned one, on texts with a test file."""
    p = PruneParameters(**given | {"dataset": str(folder), "seeds": "0", "epochs": 1} | changes)
    experiment = prepare(p, datasets.load(**p.data))
    runs.train_dense(experiment)
    runs.train_pruned(experiment)
    return p


@pytest.fixture
def topics(place):
    """A folder with a train and a test file."""
    (place / "topics").mkdir()
    make_texts(60).to_csv("topics/train.csv", index=False)
    make_texts(24, seed=1).to_csv("topics/test.csv", index=False)
    return place / "topics"


@pytest.mark.parametrize("model", ["bert", "bilstm"])
def test_a_studys_seeds_answer_as_they_did_in_the_study(place, topics, given, model):
    p = trained(given, topics, model=model, pruner="MP-AI", save_weights=True)
    dense, pruned = (paths.seed(folder, 0) for folder in (p.dense_folder, p.folder))
    assert predict.main([str(dense), str(pruned), "--data", "topics", "--label", "label", "--device", "cpu"]) == 0
    for seed, name in {dense: "dense--seeds--00", pruned: "MP-AI-60--seeds--00"}.items():
        study, ours = predictions.read(seed / "test.parquet")[0], logits_of(f"predictions/{name}.parquet")
        assert np.allclose(ours, study, atol=1e-5)
        answers = list(pd.read_parquet(f"predictions/{name}.parquet")["prediction"])
        assert answers == [CLASSES[number] for number in study.argmax(axis=1)]
    if model == "bert":  # the same weights, as any folder of transformers
        shutil.copytree(pruned / "model", "exported")
        options = ["--data", "topics", "--label", "label", "--device", "cpu", "--max-tokens", str(p.max_tokens)]
        predict.main(["exported", *options])
        assert np.allclose(logits_of("predictions/exported.parquet"), study, atol=1e-5)
        assert json.loads(Path("exported/config.json").read_text())["id2label"] == dict(
            zip("012", CLASSES, strict=True)
        )
        predict.main([str(pruned / "model"), *options, "--out", "again"])
        assert np.array_equal(logits_of("again/MP-AI-60--seeds--00.parquet"), ours)


def test_a_studys_pairs_and_several_labels_are_read_as_in_the_study(place, topics, given):
    for split, seed in (("train", 0), ("test", 1)):
        texts = make_texts(60, seed=seed).rename(columns={"text": "first"})
        texts = texts.assign(second=make_texts(60, seed=seed + 2)["text"], label=(SETS.tolist() * 2))
        texts["label"] = texts["label"].map(";".join)
        texts.to_csv(topics / f"{split}.csv", index=False)
    columns = {"text": "first", "text_pair": "second", "label_separator": ";"}
    p = trained(given, topics, model="bert", pruner="MP-AI", save_weights=True, max_tokens=12, **columns)
    options = ["--text", "first", "--text-pair", "second", "--label", "label", "--label-separator", ";"]
    predict.main([str(paths.seed(p.folder, 0)), "--data", "topics", *options, "--device", "cpu"])
    study, metadata = predictions.read(paths.seed(p.folder, 0) / "test.parquet")
    table = pd.read_parquet("predictions/MP-AI-60--seeds--00.parquet")
    assert np.allclose(np.stack(table["label_logits"].to_list()), study, atol=1e-5)
    answers = predictions.ANSWERS["multi-label"](study, metadata["decision_threshold"])
    assert list(table["prediction"]) == [";".join(np.array(CLASSES)[row]) or "(none)" for row in answers]


def test_a_seed_without_weights_is_refused_and_an_older_one_takes_the_order_of_the_labels(place, topics, given):
    p = trained(given, topics, model="bert", pruner="MP-AI")
    with refused("seed-without-weights", "with save_weights: true", "and not its weights"):
        predict.main([str(paths.seed(p.folder, 0)), "--data", "topics"])
    folder = str(p.dense_folder.parent)
    with refused("no-model-in-folder", "such as " + folder + "/MP-AI-60/seeds/00", "has no config.json"):
        predict.main([folder, "--data", "topics"])
    seed = paths.seed(p.dense_folder, 0)
    before = Path("bert/config.json").read_text()
    change(Path("bert/config.json"), hidden_act="relu")
    with refused("seed-of-another-model", "bring those back", "was trained from other files of bert than are here now"):
        predict.main([str(seed), "--data", "topics"])
    Path("bert/config.json").write_text(before)
    record = json.loads((seed / "metrics.json").read_text())
    assert record.pop("classes") == CLASSES
    (seed / "metrics.json").write_text(json.dumps(record))
    (seed / "digests.xxh128").unlink()
    with refused("classes-of-seed-not-given", "--classes", "does not say what its 3 classes are called"):
        predict.main([str(seed), "--data", "topics"])
    predict.main([str(seed), "--data", "topics", "--label", "label"])
    study = predictions.read(seed / "test.parquet")[0].argmax(axis=1)
    table = pd.read_parquet("predictions/dense--seeds--00.parquet")
    assert list(table["prediction"]) == [CLASSES[number] for number in study]


def test_a_model_of_the_hub_is_read_at_its_commit(place, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = shutil.copytree("bert", place / "cache" / commit)
    fetched = []
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda id, **options: fetched.append((id, options)) or str(snapshot)
    )
    monkeypatch.setattr("pielab.models.pretrained.source", lambda model: (str(snapshot), None))
    monkeypatch.setattr("pielab.models.classifier.contents", lambda model, revision: ("digest", revision))
    run("owner/reviews", "--data", "texts.csv")
    assert np.allclose(logits_of("predictions/reviews.parquet"), plain("bert", *zip(make_texts(30)["text"])), atol=1e-5)
    stored = pq.read_schema("predictions/reviews.parquet").metadata
    assert json.loads(stored[b"commit"]) == commit and json.loads(stored[b"model"]) == "owner/reviews"
    assert fetched[0][0] == "owner/reviews" and not any("bin" in name for name in fetched[0][1]["allow_patterns"])
