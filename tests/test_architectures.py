"""Each architecture of docs/models.md with a tiny random model: padding, pruning, a training step, the longest text."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from conftest import FILLERS, TOPICS, make_texts, refused
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from pielab.compression import masks
from pielab.models import classifier, question_answering, tagging
from pielab.training import loop

PROJECT = Path(__file__).parents[1]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"]
VOCABULARY = {word: place for place, word in enumerate([*SPECIAL, *(w for t in TOPICS.values() for w in t), *FILLERS])}
TEXTS = [*make_texts(6)["text"], "cat", "the cat " * 9]
READS = 24  # tokens, of the models with a limit

USUAL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
# RoBERTa's kind has places for padding and for those before it.
ROBERTA = USUAL | {"max_position_embeddings": READS + 1, "pad_token_id": 0}
BART = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
BART |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_start_token_id": 2}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
FUNNEL = {"d_model": 16, "block_sizes": [1, 1], "n_head": 2, "d_head": 8, "d_inner": 32}
RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
# Those of docs/models.md, and some more of their kinds.
SIZES = {
    "Bert": USUAL,
    "DistilBert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "Roberta": ROBERTA,
    "XLMRoberta": ROBERTA,
    "Albert": USUAL | {"embedding_size": 8},
    "DebertaV2": USUAL | RELATIVE | {"position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True},
    "Electra": USUAL | {"embedding_size": 8},
    "MPNet": ROBERTA | {"max_position_embeddings": READS + 2},
    "ModernBert": USUAL | {"global_attn_every_n_layers": 2, "local_attention": 8},
    "Longformer": ROBERTA | {"attention_window": [4, 4]},
    "Bart": BART,
    "T5": T5,
    "GPT2": {"n_embd": 16, "n_layer": 2, "n_head": 2},
    "OPT": {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "ffn_dim": 32,
        "word_embed_proj_dim": 16,
    },
    "GPTNeoX": USUAL,
    "Llama": USUAL | GROUPED,
    "Qwen2": USUAL | GROUPED,
    "Camembert": ROBERTA,
    "Deberta": USUAL | RELATIVE,
    "MobileBert": USUAL | {"embedding_size": 8, "intra_bottleneck_size": 8, "true_hidden_size": 8},
    "RoFormer": USUAL,
    "XLM": {"emb_dim": 16, "n_layers": 2, "n_heads": 2},
    "Mistral": USUAL | GROUPED,
    "Gemma": USUAL | GROUPED,
    "Qwen3": USUAL | GROUPED,
    "Phi": USUAL,
    "GPTNeo": {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global", "local"], 1]]},
    "Bloom": {"hidden_size": 16, "n_layer": 2, "n_head": 2},
    "MBart": BART,
    "MT5": T5,
}
WITHOUT_LIMIT = {"T5", "MT5", "Bloom"}


def words_tokenizer():
    """Whole words, with <s> and </s> around a text."""
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    template = {"single": "<s> $A </s>", "special_tokens": [("<s>", 1), ("</s>", 2)]}
    tokenizer.post_processor = processors.TemplateProcessing(**template)
    return tokenizer


def bytes_tokenizer():
    """Parts of words, as Qwen's own class reads them whatever the file says."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    options = {"special_tokens": SPECIAL, "initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    tokenizer.train_from_iterator(TEXTS, BpeTrainer(vocab_size=300, show_progress=False, **options))
    return tokenizer


def save(folder, family, tokens=("unk", "bos", "eos", "pad"), **changes):
    """A folder with a tiny random model and a tokenizer that has these special tokens."""
    tokenizer = bytes_tokenizer() if family in {"Qwen2", "Qwen3"} else words_tokenizer()
    names = {"unk": "<unk>", "bos": "<s>", "eos": "</s>", "pad": "<pad>"}
    options = {f"{name}_token": names[name] for name in tokens}
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **options).save_pretrained(folder)

    kind = getattr(transformers, f"{family}Config")
    given = {"vocab_size": tokenizer.get_vocab_size(), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    given |= {kind.attribute_map.get("max_position_embeddings", "max_position_embeddings"): READS, "num_labels": 3}
    torch.manual_seed(0)
    config = kind(**given | SIZES.get(family, USUAL) | changes)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    for weight in model.parameters():  # larger than usual, so that a token changes the logits
        torch.nn.init.normal_(weight, std=0.3)
    for module in model.modules():
        if isinstance(module, torch.nn.Embedding) and module.padding_idx is not None:
            module.weight.data[module.padding_idx] = 0
    model.save_pretrained(folder)
    return str(folder)


def logits_alone_and_together(folder, max_tokens=READS):
    encoder, model = classifier.encoder(folder, TEXTS, max_tokens), classifier.build(folder, 3)
    together = loop.predict(model, encoder, encoder.encode(TEXTS))
    return together, np.concatenate([loop.predict(model, encoder, encoder.encode([text])) for text in TEXTS])


@pytest.mark.parametrize("family", SIZES)
def test_an_architecture_works(tmp_path, family):
    folder = save(tmp_path, family)
    together, alone = logits_alone_and_together(folder)
    assert np.abs(together - alone).max() < 1e-5 * np.abs(alone).max() + 1e-6
    assert np.abs(together - together[0]).max() > 1e-3 * np.abs(alone).max()  # texts differ

    encoder, model = classifier.encoder(folder, TEXTS, READS), classifier.build(folder, 3)
    tokens, targets = encoder.encode(TEXTS), np.arange(len(TEXTS)) % 3
    longest = encoder.encode(["the " * 99])
    assert longest.lengths.tolist() == [READS] and np.isfinite(loop.predict(model, encoder, longest)).all()
    if family not in WITHOUT_LIMIT:
        with refused("too-many-tokens", f"reads {READS} at most", f"max_tokens = {READS + 1} is too many"):
            classifier.encoder(folder, TEXTS, READS + 1)

    weights, parameters = masks.prunable(model), dict(model.named_parameters())
    left = {name for name, weight in parameters.items() if weight.dim() > 1} - set(weights)
    last = masks.last_layer(model)
    assert last.out_features == 3 and type(last) is classifier.FullPrecision
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    assert {id(parameters[name]) for name in left} == {id(last.weight)} | embeddings

    before = {name: weight.detach().clone() for name, weight in weights.items()}
    options = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "seed": 0}
    zero = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    assert np.isfinite(loop.train(model, encoder, tokens, targets, **options, weights=weights, masks=zero)).all()
    trained = {name for name in weights if not torch.equal(before[name], weights[name])}
    assert len(trained) > len(weights) / 2
    gradients = loop.gradients(model, weights, encoder, tokens, targets)
    assert set(gradients) == set(weights)

    if family != "Longformer":  # its configuration lists the layers' windows
        assert classifier.build(folder, 3, num_hidden_layers=1).config.num_hidden_layers == 1


# How many matrices the encoder (and decoder) have, those between it and the last layer, and the last layer.
BIG_BIRD = {"qa_classifier.intermediate.dense", "qa_classifier.output.dense"}
V1_1 = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
SCOPES = [
    ("Bert", "SequenceClassification", 12, {"bert.pooler.dense"}, "classifier", {}),
    ("Roberta", "SequenceClassification", 12, {"classifier.dense"}, "classifier.out_proj", {}),
    ("DistilBert", "SequenceClassification", 12, {"pre_classifier"}, "classifier", {}),
    ("Electra", "SequenceClassification", 13, {"classifier.dense"}, "classifier.out_proj", {}),
    ("Deberta", "SequenceClassification", 12, {"pooler.dense"}, "classifier", {}),
    ("DebertaV2", "SequenceClassification", 12, {"pooler.dense"}, "classifier", {}),
    ("ModernBert", "SequenceClassification", 8, {"head.dense"}, "classifier", {}),
    ("GPT2", "SequenceClassification", 8, set(), "score", {}),
    ("T5", "SequenceClassification", 32, {"classification_head.dense"}, "classification_head.out_proj", {}),
    ("Bart", "SequenceClassification", 32, {"classification_head.dense"}, "classification_head.out_proj", {}),
    ("Bert", "TokenClassification", 12, set(), "classifier", {}),
    ("ModernBert", "TokenClassification", 8, {"head.dense"}, "classifier", {}),
    ("T5", "TokenClassification", 12, set(), "classifier", {}),
    ("Llama", "TokenClassification", 14, set(), "score", {}),
    ("Bert", "QuestionAnswering", 12, set(), "qa_outputs", {}),
    ("BigBird", "QuestionAnswering", 12, BIG_BIRD, "qa_classifier.qa_outputs", {}),
    ("Llama", "QuestionAnswering", 14, set(), "qa_outputs", {}),
    ("T5", "QuestionAnswering", 32, set(), "qa_outputs", {}),
    ("Bart", "QuestionAnswering", 32, set(), "qa_outputs", {}),
    ("T5", "Seq2SeqLM", 32, set(), "lm_head", {}),
    ("T5", "Seq2SeqLM", 36, set(), "lm_head", V1_1),
    ("Bart", "Seq2SeqLM", 32, set(), "lm_head", {}),
    ("GPT2", "CausalLM", 8, set(), "lm_head", {}),
    ("Llama", "CausalLM", 14, set(), "lm_head", {}),
    ("Llama", "CausalLM", 14, set(), "lm_head", {"tie_word_embeddings": True}),
    ("Roberta", "CausalLM", 12, {"lm_head.dense"}, "lm_head.decoder", {"is_decoder": True}),
]


def without_weights(family, task, **changes):
    kind = getattr(transformers, f"{family}Config")
    config = kind(**{"vocab_size": 50, "pad_token_id": 0} | SIZES.get(family, USUAL) | changes)
    with torch.device("meta"):
        return getattr(transformers, f"AutoModelFor{task}").from_config(config)


@pytest.mark.parametrize(("family", "task", "in_encoder", "between", "last", "changes"), SCOPES)
def test_pooler_and_head_can_be_left_out_whatever_the_task(family, task, in_encoder, between, last, changes):
    model = without_weights(family, task, **changes)
    logits = model.get_submodule(last)
    found, encoder = masks.prunable(model), masks.prunable(model, pooler=False)
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    left = {id(weight) for name, weight in model.named_parameters() if weight.dim() == 2 and name not in found}
    assert masks.last_layer(model) is logits and left == embeddings | {id(logits.weight)}
    # The order is the model's, which decides between equal scores.
    assert list(encoder) == [name for name in found if name.removesuffix(".weight") not in between]
    assert len(encoder) == in_encoder and len(found) == in_encoder + len(between)

    both = masks.prunable(model, pooler=False, output_layer=True, embeddings=True)
    assert {id(weight) for weight in both.values()} == {id(weight) for weight in encoder.values()} | left
    tied = id(logits.weight) in embeddings
    assert tied == (task in {"CausalLM", "Seq2SeqLM"} and model.config.tie_word_embeddings)
    assert len(masks.prunable(model, pooler=False, output_layer=True)) == in_encoder + (not tied)


PINS_NAMES = ("attention.self", "attention.output.dense", "output.dense", "intermediate.dense")


@pytest.mark.parametrize("task", ["SequenceClassification", "TokenClassification", "QuestionAnswering"])
@pytest.mark.parametrize("family", ["Bert", "Roberta", "Electra", "Deberta"])
def test_without_the_pooler_the_matrices_are_those_that_the_code_of_pins_finds_by_name(family, task):
    model = without_weights(family, task, **{"embedding_size": 16} if family == "Electra" else {})
    named = [name for name, weight in model.named_parameters() if weight.dim() == 2 and "embeddings" not in name]
    theirs = [name for name in named if any(part in name for part in PINS_NAMES)]
    assert list(masks.prunable(model, pooler=False)) == theirs


@pytest.mark.parametrize(
    ("family", "id", "problem"),
    [
        ("XLNet", "weights-not-matrices", "such as transformer.layer.0.rel_attn.q"),
        ("Funnel", "weights-not-matrices", "such as funnel.encoder.blocks.0.0.attention.r_kernel"),
        ("SqueezeBert", "weights-not-matrices", "such as transformer.encoder.layers.0.post_attention.conv1d.weight"),
        ("Mixtral", "weights-not-matrices", "such as model.layers.0.mlp.experts.gate_up_proj"),
        ("Canine", "weights-not-matrices", "such as canine.projection.conv.weight"),
        ("Mamba", "model-not-loaded", "Unrecognized configuration class"),
    ],
)
def test_what_cannot_be_pruned_is_refused_by_name_before_anything_is_trained(tmp_path, family, id, problem):
    sizes = {"XLNet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}, "Funnel": FUNNEL}
    sizes |= {"Mixtral": USUAL | GROUPED | {"num_local_experts": 2}}
    getattr(transformers, f"{family}Config")(**{"vocab_size": len(VOCABULARY)} | sizes.get(family, {})).save_pretrained(
        tmp_path
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=words_tokenizer(), pad_token="<pad>").save_pretrained(
        tmp_path
    )
    with refused(id, "give", problem):
        classifier.encoder(str(tmp_path), TEXTS, 8)


@pytest.mark.parametrize("family", ["Roberta", "DebertaV2", "ModernBert", "T5", "GPT2"])
def test_an_architecture_tags_words(tmp_path, family):
    folder, sentences = save(tmp_path, family), [text.split()[: READS // 2] for text in TEXTS]
    encoder, model = tagging.encoder(folder, TEXTS, READS), tagging.build(folder, 4)
    check_outputs(encoder, model, encoder.encode_words(sentences), (sum(map(len, sentences)), 4))


@pytest.mark.parametrize("family", ["Roberta", "DebertaV2", "DistilBert", "ModernBert", "Bart", "T5", "GPT2"])
def test_an_architecture_answers_questions(tmp_path, family):
    folder = save(tmp_path, family)
    encoder, model = question_answering.encoder(folder, TEXTS, READS), question_answering.build(folder, 2)
    tokens = encoder.encode_questions(["the cat", "bread"] * 4, TEXTS)
    check_outputs(encoder, model, tokens, (sum(len(text.split()) + 1 for text in TEXTS), 2))


def check_outputs(encoder, model, tokens, shape):
    """Logits do not depend on the batch, and all but the last layer and embeddings is pruned."""
    together = loop.predict(model, encoder, tokens)
    alone = np.concatenate([loop.predict(model, encoder, tokens[index : index + 1]) for index in range(len(tokens))])
    assert together.shape == shape
    assert np.abs(together - alone).max() < 1e-5 * np.abs(alone).max() + 1e-6 < np.ptp(alone, axis=0).min()
    last = masks.last_layer(model)
    embeddings = [module.weight for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    left = {id(weight) for weight in model.parameters() if weight.dim() > 1}
    assert left - {id(weight) for weight in masks.prunable(model).values()} == set(map(id, [last.weight, *embeddings]))


@pytest.mark.parametrize("family", ["FNet", "ConvBert"])
def test_what_reads_its_padding_is_refused_by_name(tmp_path, family):
    folder = save(tmp_path, family, **{"embedding_size": 16} if family == "ConvBert" else {})
    with refused("padding-changes-logits", "docs/models.md", f"{family}ForSequenceClassification of {folder} gives"):
        classifier.build(folder, 3)


DECODERS = ["GPT2", "OPT", "Llama", "Qwen2"]


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize(
    ("tokens", "changes", "pad"),
    [
        (("unk", "bos", "eos", "pad"), {"pad_token_id": None}, 0),
        (("unk", "bos", "eos", "pad"), {"pad_token_id": None, "eos_token_id": [2, 5]}, 0),
        (("unk", "bos", "eos", "pad"), {"pad_token_id": -1}, 0),
        (("unk", "bos", "eos", "pad"), {"pad_token_id": 3}, 3),
        (("unk", "bos", "eos"), {"pad_token_id": None}, 2),
        (("unk", "bos"), {"pad_token_id": None, "eos_token_id": [7, 2]}, 7),
        (("unk", "bos"), {"pad_token_id": 5}, 5),
    ],
)
def test_a_decoder_and_its_tokenizer_pad_with_the_same_token(tmp_path, family, tokens, changes, pad):
    folder = save(tmp_path, family)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | changes))
    path = tmp_path / "tokenizer_config.json"
    options = json.loads(path.read_text())
    left_out = {f"{name}_token" for name in ("unk", "bos", "eos", "pad")} - {f"{name}_token" for name in tokens}
    path.write_text(json.dumps({name: value for name, value in options.items() if name not in left_out}))
    assert classifier.encoder(folder, TEXTS, READS).padding == classifier.build(folder, 3).config.pad_token_id == pad
    together, alone = logits_alone_and_together(folder)
    assert np.abs(together - alone).max() < 1e-5 * np.abs(alone).max() + 1e-6


def test_a_model_without_any_token_to_pad_with_is_refused(tmp_path):
    folder = save(tmp_path, "GPT2", tokens=("unk",), pad_token_id=None, eos_token_id=None)
    for load in (lambda: classifier.encoder(folder, TEXTS, READS), lambda: classifier.build(folder, 3)):
        with refused("no-padding-token", "a pad_token_id", "neither the configuration of"):
            load()


@pytest.mark.parametrize("family", ["Bert", "Qwen2", "T5"])
def test_pairs_that_fit_are_one_text_and_longer_ones_keep_some_of_both(tmp_path, family):
    pairs = [("the cat", "a dog"), ("the cat " * 20, "a dog"), ("the cat " * 20, "bread"), ("cat", "bread " * 20)]
    texts, firsts = [f"{first} [SEP] {second}" for first, second in pairs], [first for first, _ in pairs]
    encoder = classifier.encoder(save(tmp_path, family), texts, READS)
    found, alone = encoder.encode(texts, firsts), encoder.encode(texts)
    assert np.array_equal(found[:1].ids, alone[:1].ids) and set(found.lengths[1:]) == {READS}
    read = encoder.tokenizer.batch_decode(
        [found[index : index + 1].ids for index in range(4)], skip_special_tokens=True
    )
    assert read[1].endswith("a dog") and read[2].endswith("bread") and read[3].startswith("cat") and "bread" in read[3]


def test_the_page_of_architectures_names_those_that_are_tested():
    """And of each the prunable share of its usual size, which transformers' default configuration is."""
    rows = re.findall(r"^\| (\w+) \| (\d+) % \|", (PROJECT / "docs/models.md").read_text(), re.MULTILINE)
    assert [name for name, _ in rows] == list(SIZES)[: len(rows)] and len(rows) >= 16
    for name, share in rows:
        config = getattr(transformers, f"{name}Config")()
        if name == "T5":
            config.decoder_start_token_id = 0
        with torch.device("meta"):
            model = transformers.AutoModelForSequenceClassification.from_config(config)
        weights = sum(weight.numel() for weight in masks.prunable(model).values())
        assert round(100 * weights / classifier.count_parameters(model)) == int(share), name
