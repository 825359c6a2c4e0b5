"""Folders of transformers whose files do not belong together, or that pielab cannot use."""

import json
import re
import shutil
import warnings
from pathlib import Path

import pytest
import transformers
from conftest import make_texts, refused
from safetensors.torch import load_file, save_file

from pielab.errors import PielabError
from pielab.models import classifier

TEXTS = list(make_texts(60)["text"])


@pytest.fixture
def folder(tmp_path, tiny_bert):
    """A copy of the tiny BERT, to be damaged."""
    return Path(shutil.copytree(tiny_bert, tmp_path / "copy"))


def change(path, **values):
    """Write other values into a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def remove(folder, *names):
    for name in names:
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("family", "files"),
    [
        ("Bert", ()),
        ("Bert", ("tokenizer_config.json",)),
        ("Roberta", ()),
        ("GPT2", ()),
        ("DebertaV2", ()),
        ("Albert", ()),
        ("Electra", ()),
        ("T5", ()),
        ("OPT", ()),
        ("Qwen2", ()),
    ],
)
def test_a_folder_without_its_vocabulary_is_refused(tmp_path, tiny_bert, family, files):
    getattr(transformers, f"{family}Config")().save_pretrained(tmp_path)
    for name in files:
        shutil.copy(Path(tiny_bert, name), tmp_path)
    with refused("tokenizer-knows-no-word", "the model's own tokenizer.json", "knows none of the texts' words"):
        classifier.encoder(str(tmp_path), TEXTS, 16)


def test_a_tokenizer_that_cannot_read_at_all_is_refused_too(tmp_path):
    transformers.MPNetConfig().save_pretrained(tmp_path)
    with refused("model-not-loaded", "the folder of a saved transformers model", "Missing [UNK] token"):
        classifier.encoder(str(tmp_path), TEXTS, 16)


def test_a_tokenizer_that_drops_or_does_not_know_most_of_the_texts_is_warned_of(folder, capsys):
    remove(folder, "tokenizer.json")
    lines = (folder / "vocab.txt").read_text().split("\n")
    (folder / "vocab.txt").write_text("\n".join(lines[:12]))
    change(folder / "config.json", vocab_size=12)
    encoder = classifier.encoder(str(folder), TEXTS, 16)
    said = capsys.readouterr().err
    assert re.search(r"^warning: \d\d% of the texts' characters are unknown to the tokenizer of", said, re.M)
    assert 0.5 < encoder.unknown_share < 1


@pytest.mark.parametrize("texts", [TEXTS, ["cat [SEP] dog"] * 3, ["", " ", "cat"], ["CAT, dog. Cow"], [], None])
def test_texts_that_the_tokenizer_knows_pass_without_a_word(tiny_bert, texts):
    assert classifier.encoder(tiny_bert, texts, 16).unknown_share < 0.3


def test_a_tokenizer_of_far_fewer_tokens_than_the_model_embeds_is_warned_of(folder, capsys):
    change(folder / "config.json", vocab_size=60)
    classifier.encoder(str(folder), TEXTS, 16)
    assert "has 45 tokens and the model embeds 60; is it the model's own" in capsys.readouterr().err
    change(folder / "config.json", vocab_size=46)
    classifier.encoder(str(folder), TEXTS, 16)
    assert not capsys.readouterr().err


def test_a_tokenizer_of_more_tokens_than_the_model_embeds_is_refused(folder):
    change(folder / "config.json", vocab_size=44)
    with refused("tokenizer-of-another-model", "whose tokenizer belongs", "has 45 tokens, and the model embeds 44"):
        classifier.encoder(str(folder), TEXTS, 16)


def test_an_added_token_that_is_not_embedded_is_refused_where_a_text_has_it(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained(folder)
    encoder = classifier.encoder(str(folder), TEXTS, 16)
    assert encoder.encode(["the cat"]).ids.tolist() == [2, 35, 5, 3]
    with refused("token-not-embedded", "embeddings were resized", "the token 'zebra' of id 45"):
        encoder.encode(["the cat", "the zebra"])


@pytest.mark.parametrize("max_tokens", [1, 2])
def test_max_tokens_must_leave_a_token_of_the_text(tiny_bert, max_tokens):
    with refused("too-few-tokens", "give 3 at least", f"max_tokens = {max_tokens} leaves nothing of a text"):
        classifier.encoder(tiny_bert, TEXTS, max_tokens)
    assert classifier.encoder(tiny_bert, TEXTS, 3).encode(["cat dog"]).ids.tolist() == [2, 5, 3]


@pytest.mark.parametrize(
    "changed", [{"vocab_size": 60}, {"hidden_size": 32}, {"intermediate_size": 8}, {"max_position_embeddings": 64}]
)
def test_weights_of_other_sizes_than_the_configuration_says_are_refused(folder, changed):
    change(folder / "config.json", **changed)
    problem = "have other sizes than its config.json says, such as bert.e"
    with refused("encoder-weights-of-another-size", "whose weights belong to its config.json", problem):
        classifier.build(str(folder), 3)


def test_weights_that_are_not_finite_are_refused(folder):
    state = load_file(folder / "model.safetensors")
    state["bert.encoder.layer.1.output.dense.weight"][0, 0] = float("nan")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with refused("pretrained-weights-not-finite", "get its weights again", "are not finite before any training"):
        classifier.build(str(folder), 3)


def test_a_classification_layer_of_another_size_is_made_anew(tiny_bert):
    assert classifier.build(tiny_bert, 5).classifier.out_features == 5


AUTO_MAP = {"AutoConfig": "code.C", "AutoModelForSequenceClassification": "code.C", "AutoTokenizer": ["code.C", None]}


@pytest.fixture
def with_code(folder, monkeypatch):
    """The folder with a Python file that must not run, and nobody to ask whether it may."""
    (folder / "code.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass C: pass\n")
    monkeypatch.setattr("builtins.input", lambda *text: pytest.fail("asked"))
    monkeypatch.setattr("signal.alarm", lambda seconds: pytest.fail("waits for an answer"))
    yield folder
    assert not (folder / "ran").exists()


@pytest.mark.parametrize(
    "load",
    [
        lambda model: classifier.encoder(model, TEXTS, 16),
        lambda model: classifier.build(model, 3),
        lambda model: classifier.build(model, 3, meta=True),
    ],
)
@pytest.mark.parametrize("architectures", [["BertModel"], ["Foreign"], []])
def test_code_in_a_models_folder_is_neither_run_nor_asked_about(with_code, load, architectures):
    change(with_code / "config.json", auto_map=AUTO_MAP, model_type="foreign", architectures=architectures)
    with refused("model-of-foreign-code", "that transformers itself has", "needs Python code from its folder"):
        load(str(with_code))


@pytest.mark.parametrize(
    ("file", "values"), [("config.json", {}), ("tokenizer_config.json", {"tokenizer_class": "Foreign"})]
)
def test_a_model_of_transformers_whose_folder_also_has_code_is_loaded_without_it(with_code, file, values):
    change(with_code / file, auto_map=AUTO_MAP, **values)
    for meta in (False, True):
        assert type(classifier.build(str(with_code), 3, meta=meta)).__name__ == "BertForSequenceClassification"
    assert classifier.encoder(str(with_code), TEXTS, 16).encode(["cat"]).ids.tolist() == [2, 5, 3]


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: bytes(range(256)) * 4]
)
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"])
def test_a_damaged_file_of_a_model_is_one_sentence(folder, name, damage):
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with refused("model-not-loaded", "the folder of a saved transformers model", str(folder)):
        classifier.encoder(str(folder), TEXTS, 16)
        classifier.build(str(folder), 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[
            (name, content)
            for name in ("tokenizer.json", "tokenizer_config.json", "config.json")
            for content in ("[]", "3")
        ],
        ("tokenizer.json", '{"model": 3}'),
        ("config.json", '{"vocab_size": "many", "model_type": "bert"}'),
    ],
)
def test_json_of_another_kind_is_one_sentence(folder, name, content):
    (folder / name).write_text(content)
    with refused("model-not-loaded", "the folder of a saved transformers model"):
        classifier.encoder(str(folder), TEXTS, 16)


@pytest.mark.parametrize("damage", [lambda raw: b"", lambda raw: bytes(range(256)) * 4])
def test_a_damaged_vocabulary_that_is_the_only_one_is_one_sentence(folder, damage):
    remove(folder, "tokenizer.json")
    (folder / "vocab.txt").write_bytes(damage((folder / "vocab.txt").read_bytes()))
    with pytest.raises(PielabError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier.encoder(str(folder), TEXTS, 16)
