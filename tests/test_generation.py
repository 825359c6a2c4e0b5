"""Generated texts: their tokens, losses, decoding and norms, and models that write them."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
import transformers
from conftest import refused, write_generator
from datasets import Dataset, DatasetDict, Features, List, Value
from tokenizers import Tokenizer, models, pre_tokenizers

from pielab.compression import masks
from pielab.config.parameters import PruneParameters
from pielab.data import generation as texts_of
from pielab.models import batches, generation
from pielab.models.targets import TargetEncoder
from pielab.store import paths, predictions, records
from pielab.store.text_answers import GoldTexts
from pielab.training import activations, decoding, distillation, experiment, loop, pruned_seed, runs
from pielab.training.experiment import prepare
from pielab.training.tasks import TASKS

TASK = TASKS["generation"]
KINDS = ("gpt2", "t5")
SOURCES = ["cat runs", "the dog sees the cat", "wolves", "cat runs", "the birds near the dog run", "dog"]
TARGETS = ["the cat runs", "the dog sees a cat", "wolves are near", "a cat runs fast", "birds run", "a dog"]
READS, WRITES = 12, 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with a GPT-2 and one with a T5, of two layers."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    for kind, folder in folders.items():
        write_generator(folder, kind, SOURCES + TARGETS, READS + WRITES)
    return {kind: str(folder) for kind, folder in folders.items()}


@pytest.fixture(params=KINDS)
def folder(request, folders):
    return folders[request.param]


@pytest.fixture
def encoder(folder):
    return generation.encoder(folder, SOURCES + TARGETS, READS, WRITES)


@pytest.fixture
def network(folder):
    return generation.build(folder).eval()


def test_the_tokens_are_those_of_the_source_and_the_labels_those_of_the_target(encoder):
    found = encoder.encode_targets(SOURCES, TARGETS)
    tokenizer = encoder.tokenizer
    labels = np.split(found.labels, found.word_starts[1:-1])
    for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        own, read = labels[number].tolist(), found[number : number + 1]
        assert own[-1] == encoder.end and own[:-1] == tokenizer(target, add_special_tokens=False)["input_ids"]
        if encoder.start is None:
            assert read.ids.tolist() == [*tokenizer(source)["input_ids"], encoder.end, *own[:-1]]
            assert np.flatnonzero(read.first).tolist() == list(range(len(read.ids) - len(own), len(read.ids)))
        else:
            assert read.ids.tolist() == tokenizer(source)["input_ids"]
            assert read.decoder.ids.tolist() == [encoder.start, *own[:-1]]
        assert read.labels.tolist() == own
    chosen = np.array([4, 0, 0])
    again = encoder.encode_targets([SOURCES[place] for place in chosen], [TARGETS[place] for place in chosen])
    assert again.ids.tolist() == found[chosen].ids.tolist() and again.labels.tolist() == found[chosen].labels.tolist()
    assert again.word_starts.tolist() == found[chosen].word_starts.tolist()
    sources = encoder.sources(found)
    assert sources.labels is None and sources.word_starts is None
    of_source = [row.tolist() for row in np.split(sources.ids, sources.starts[1:-1])]
    ending = [] if encoder.start is not None else [encoder.end]
    assert of_source == [row + ending for row in tokenizer(SOURCES)["input_ids"]]
    assert len(encoder.encode_targets([], [])) == 0 and len(encoder.sources(encoder.encode_targets([], []))) == 0


def test_the_loss_is_that_of_transformers_own_labels(encoder, network):
    found = encoder.encode_targets(SOURCES, TARGETS)
    gold = torch.from_numpy(TASK.gold(None, found))
    (batch,) = batches.to_device(found, encoder, torch.device("cpu")).in_batches([np.arange(len(found))])
    logits = loop.logits(network, batch, torch.float32)
    sources, targets = (
        [row.tolist() for row in np.split(ids, starts[1:-1])]
        for ids, starts in (
            (encoder.sources(found).ids, encoder.sources(found).starts),
            (found.labels, found.word_starts),
        )
    )
    losses = []
    for source, target in zip(sources, targets, strict=True):
        if encoder.start is None:  # these shift the labels themselves
            ids, labels = [*source, *target], [*[-100] * len(source), *target]
        else:
            ids, labels = source, target
        with torch.no_grad():
            losses.append(network(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss * len(target))
    total = torch.stack(losses).sum()
    torch.testing.assert_close(TASK.loss(logits, gold[batch.places]), total / len(found.labels))
    torch.testing.assert_close(TASK.loss(logits, gold[batch.places], reduction="sum"), total, rtol=1e-5, atol=1e-4)


def test_texts_are_those_that_transformers_generate_one_by_one_whatever_the_batch(encoder, network):
    found, gold = encoder.encode_targets(SOURCES, TARGETS), GoldTexts(tuple((text,) for text in TARGETS))
    predicted = decoding.predict(network, encoder, found, gold)
    for number, row in enumerate(np.split(encoder.sources(found).ids, encoder.sources(found).starts[1:-1])):
        ids = torch.from_numpy(row.astype(np.int64))[None]
        # The most probable token again and again, without a cache.
        written: list[int] = []
        scores = []
        while len(written) < WRITES and written[-1:] != [encoder.end]:
            own = torch.tensor([written], dtype=torch.int64)
            if encoder.start is None:
                logits = network(input_ids=torch.cat([ids, own], dim=1)).logits
            else:
                start = torch.tensor([[encoder.start]])
                logits = network(input_ids=ids, decoder_input_ids=torch.cat([start, own], dim=1)).logits
            log_p = logits[0, -1].log_softmax(-1)
            written.append(int(log_p.argmax()))
            scores.append(log_p.max().item())
        text = encoder.tokenizer.decode(written, skip_special_tokens=True).strip()
        assert predicted.answers.texts[number] == text
        assert predicted.answers.scores[number] == pytest.approx(np.mean(scores), abs=1e-5)
    assert len(set(predicted.answers.texts)) > 1
    np.testing.assert_array_equal(predicted.answers.nearness, texts_of.nearness(predicted.answers.texts.tolist(), gold))
    for size in (1, 2, 6):
        again = decoding.predict(network, encoder, found, gold, batch_size=size)
        assert again.answers.texts.tolist() == predicted.answers.texts.tolist()
        for one, other in zip(again.arrays[1:], predicted.arrays[1:], strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
    none = decoding.predict(network, encoder, encoder.encode_targets([], []), GoldTexts(()))
    assert len(none.answers) == 0 and none.error_norms.shape == (0,)


def test_error_norms_and_target_scores_are_means_over_the_tokens_of_the_target(encoder, network, monkeypatch):
    found, gold = encoder.encode_targets(SOURCES, TARGETS), GoldTexts(tuple((text,) for text in TARGETS))
    monkeypatch.setattr(decoding, "LOGITS_AT_ONCE", 3000)
    predicted = decoding.predict(network, encoder, found, gold)
    logits = loop.predict(network, encoder, found).astype(np.float64)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    of_label = p[np.arange(len(p)), found.labels]
    norms = np.sqrt((p**2).sum(axis=1) - 2 * of_label + 1)
    for number, (start, end) in enumerate(zip(found.word_starts, found.word_starts[1:], strict=False)):
        assert predicted.error_norms[number] == pytest.approx(norms[start:end].mean(), abs=1e-5)
        assert predicted.answers.target_scores[number] == pytest.approx(np.log(of_label[start:end]).mean(), abs=1e-5)


def test_each_distinct_source_is_decoded_once(encoder, network, monkeypatch):
    written = []
    real = network.generate
    monkeypatch.setattr(
        network, "generate", lambda **options: written.append(len(options["input_ids"])) or real(**options)
    )
    found, gold = encoder.encode_targets(SOURCES, TARGETS), GoldTexts(tuple((text,) for text in TARGETS))
    texts = decoding.predict(network, encoder, found, gold).answers.texts
    assert sum(written) == len(set(SOURCES)) == 5 and texts[0] == texts[3]


def test_what_a_checkpoint_says_of_generation_does_not_count(folders, tmp_path):
    network = generation.build(folders["gpt2"])
    network.generation_config.repetition_penalty, network.generation_config.forced_eos_token_id = 5.0, 3
    network.save_pretrained(tmp_path)
    generation.encoder(folders["gpt2"], None, READS).tokenizer.save_pretrained(tmp_path)
    config = generation.build(str(tmp_path)).generation_config
    assert config.repetition_penalty is None and config.forced_eos_token_id is None
    assert (config.do_sample, config.num_beams, config.pad_token_id) == (False, 1, config.eos_token_id)


def test_a_decoder_without_a_padding_token_is_given_the_one_that_ends_texts(folders):
    assert transformers.AutoTokenizer.from_pretrained(folders["gpt2"]).pad_token_id is None
    encoder, network = generation.encoder(folders["gpt2"], None, READS), generation.build(folders["gpt2"])
    assert encoder.padding == encoder.end == network.config.pad_token_id == encoder.tokenizer.pad_token_id
    rows = [[5, 6, 7], [8]]
    inputs = generation.prompts(rows, encoder.padding, network)
    assert inputs["input_ids"].tolist() == [[5, 6, 7], [encoder.end, encoder.end, 8]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    network = generation.build(folders["t5"])
    inputs = generation.prompts(rows, 0, network)
    assert inputs["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def edited(folder, tmp_path, **changes):
    """A copy of a model whose config.json and tokenizer_config.json have other values; None takes one away."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for name in ("config.json", "tokenizer_config.json"):
        written = json.loads((tmp_path / name).read_text())
        written |= {key: value for key, value in changes.items() if key in written}
        (tmp_path / name).write_text(json.dumps({key: each for key, each in written.items() if each is not None}))
    return str(tmp_path)


def test_what_cannot_generate_is_refused_before_anything_is_trained(folders, tmp_path, tiny_bert):
    with refused("bilstm-of-generated-texts", "gpt2"):
        generation.encoder("bilstm", None, READS)
    problem = f"max_tokens = 12 and max_answer_tokens = 9 need 21 tokens, and {folders['gpt2']} reads 20 at most"
    with refused("answer-does-not-fit", "lower one of them", problem):
        generation.encoder(folders["gpt2"], None, 12, 9)
    with refused("no-decoder-start-token", "decoder_start_token_id"):
        generation.encoder(edited(folders["t5"], tmp_path / "a", decoder_start_token_id=None), None, READS)
    ends = {"eos_token_id": 9999, "eos_token": None}
    with refused("no-end-token", "eos_token_id"):
        generation.encoder(edited(folders["t5"], tmp_path / "b", **ends), None, READS)
    with refused("no-end-token"):
        generation.encoder(tiny_bert, None, READS)
    model = transformers.AutoModel.from_pretrained(folders["gpt2"])
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path / "c")
    transformers.AutoTokenizer.from_pretrained(folders["gpt2"]).save_pretrained(tmp_path / "c")
    with refused("encoder-weights-missing", "", "lack 1 of the language model's, such as lm_head.weight"):
        generation.build(str(tmp_path / "c"))


def test_a_model_that_reads_ahead_or_its_padding_is_refused(folders, tmp_path, monkeypatch):
    config = transformers.RobertaConfig(
        vocab_size=300,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.3,
    )
    torch.manual_seed(0)
    transformers.RobertaForCausalLM(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(folders["gpt2"]).save_pretrained(tmp_path)
    with refused("model-reads-ahead", "gpt2 or llama"):
        generation.build(str(tmp_path))
    real = generation.prompts
    monkeypatch.setattr(
        generation,
        "prompts",
        lambda *given: {name: each.fill_(1) if "mask" in name else each for name, each in real(*given).items()},
    )
    for kind in KINDS:
        with refused("padding-changes-logits"):
            generation.build(folders[kind])


def test_a_source_that_does_not_fit_is_refused_and_a_target_cut_and_counted(encoder):
    long = " ".join(["cat"] * 30)
    number = len(encoder.tokenizer(long, add_special_tokens=False)["input_ids"]) + 1
    with refused("source-does-not-fit", f"raise max_tokens to {number}", "text 2 of the test split has"):
        encoder.encode_targets(["cat", long], ["dog", "dog"], "the test split")
    found = encoder.encode_targets(["cat", "dog"], [long, "dog"])
    assert np.diff(found.word_starts).tolist()[0] == WRITES and encoder.n_cut(found) == 1
    assert encoder.end not in found[:1].labels


@pytest.mark.parametrize("start", [None, 0])
def test_texts_with_what_no_token_stands_for_are_counted(start):
    words = ["<pad>", "</s>", "<unk>", "cat", "dog"]
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    given = {"eos_token": "</s>", "pad_token": "<pad>"}
    texts = [["cat", "dog", "cat {", "dog", "{"], ["dog", "dog }", "cat", "cat", "}"]]
    for unknown, expected in (("<unk>", 3), (None, 0), ("</s>", 0)):
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=unknown, **given)
        found = TargetEncoder(tokenizer, 16, 0, end=1, start=start)
        assert found.n_unknown(found.encode_targets(*texts)) == expected
    assert found.n_unknown(found.encode_targets([], [])) == 0


def write_data(number, random):
    """A data set of sources with targets, of which some sources have several."""
    rows = {"text": [], "targets": []}
    for _ in range(number):
        animal, place = random.choice(["cat", "dog", "wolves"]), random.choice(["near", "runs", "sees"])
        rows["text"].append(f"{animal} {place}")
        rows["targets"].append([f"the {animal} {place}", *([f"a {animal}"] if random.random() < 0.5 else [])])
    return Dataset.from_dict(rows, features=Features({"text": Value("string"), "targets": List(Value("string"))}))


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    return DatasetDict({split: write_data(n, random) for split, n in (("train", 40), ("validation", 8), ("test", 12))})


def parameters(folder, tmp_path, **more):
    given = {"study": "texts", "results": str(tmp_path), "dataset": "texts", "model": folder, "max_tokens": READS}
    given |= {"max_answer_tokens": WRITES, "seeds": "0", "epochs": 3, "batch_size": 8, "learning_rate": 5e-3}
    given |= {"device": "cpu", "pruner": "IMP-FT", "threshold": 90, "save_weights": True}
    return PruneParameters(**given | more)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_trained_pruned_and_written(kind, folders, tmp_path, data):
    for pruner, threshold in (("IMP-FT", 90), ("PINS", 80), ("RTN", 4), ("Wanda", "2of4")):
        how = {"pruner": pruner, "threshold": threshold, "prune_pooler": pruner != "PINS", "window": 2}
        p = parameters(folders[kind], tmp_path, **how)
        runs.train_pruned(prepare(p, data))
        folder = paths.seed(p.folder, 0)
        record = records.read(folder)
        assert record["task"] == "generation" and record["decision_threshold"] is None
        assert record["metric"] == "chrF" and 0 < record["test"] <= 1
        assert record["sparsity"] == pytest.approx(
            {"IMP-FT": 0.9, "PINS": 0.8, "RTN": 0, "Wanda": 0.5}[pruner], abs=1e-3
        )
        tied = transformers.AutoConfig.from_pretrained(folder / "model").tie_word_embeddings
        assert not any("lm_head" in name or "shared" in name or "wte" in name for name in record["pruned"]) and tied
    dense = paths.seed(p.dense_folder, 0)
    record = records.read(dense)
    test = predictions.read_file(dense / "test.parquet")
    validation = record["decision_threshold"]
    assert test.classes.threshold == validation and 0 < validation <= 1
    for name in ("train", "early", "test-batch-size", "test-precision"):
        file = predictions.read_file(dense / f"{name}.parquet")
        assert file.task == "generation" and (file.error_norms > 0).all() and np.isfinite(file.classes.scores).all()
    assert predictions.read_file(folder / "test.parquet").classes.threshold is None


def test_self_regularisation_weighs_each_token_by_its_own_certainty():
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(2, 5, 7))
    gold = random.integers(7, size=5)
    found = distillation.loss(*(torch.from_numpy(each) for each in (student, teacher, gold)), TASK)

    def log_p(logits):
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    own, warm, taught = log_p(student), log_p(student / 2), log_p(teacher / 2)
    certainty = 1 + (np.exp(own) * own).sum(axis=1) / np.log(7)
    divergence = 4 * (np.exp(taught) * (taught - warm)).sum(axis=1)
    expected = certainty * divergence - (1 - certainty) * own[np.arange(5), gold]
    assert found.item() == pytest.approx(expected.mean())


def test_activations_are_those_of_the_tokens_without_padding(encoder, network):
    found, weights = encoder.encode_targets(SOURCES, TARGETS), masks.prunable(network)
    norms = activations.norms(network, weights, encoder, found)
    # The root of the mean square over tokens, from each text alone.
    alone = [activations.norms(network, weights, encoder, found[place : place + 1]) for place in range(len(found))]
    for name, norm in norms.items():
        is_decoder = name.startswith("decoder") and not re.search(r"EncDecAttention\.[kv]", name)
        lengths = torch.from_numpy(found.decoder.lengths if is_decoder else found.lengths)
        squares = torch.stack([each[name] ** 2 for each in alone])
        expected = ((squares * lengths[:, None]).sum(0) / lengths.sum()).sqrt()
        torch.testing.assert_close(norm, expected.float(), rtol=1e-4, atol=1e-5)


def test_the_inputs_of_a_seed_show_its_targets_and_an_order_of_targets_changes_no_nearness(encoder):
    found = [encoder.encode_targets(["cat"], [text]) for text in ("dog", "cat")]
    digests = [experiment._inputs(encoder, {"train": each}, "")["token_ids"] for each in found]
    assert digests[0] != digests[1]
    written = (("a cat runs", "the dog"), ("the dog", "a cat runs"))
    one, other = texts_of.nearness(["the cat runs"] * 2, GoldTexts(written))
    assert one == other == texts_of.nearness(["the cat runs"], GoldTexts((("a cat runs",),)))[0]


def test_a_users_own_compressor_is_given_batches_of_texts_and_must_return_what_generates(
    folders, data, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.py").write_text("def compress(model, batches):\n    model(**batches[0])\n    return model\n")
    (tmp_path / "bad.py").write_text(
        "import torch\n\n\nclass Other(torch.nn.Module):\n    def __init__(self, model):\n        super().__init__()\n"
        "        self.model = model\n\n    def forward(self, **inputs):\n        return self.model(**inputs)\n\n\n"
        "def compress(model, batches):\n    return Other(model)\n"
    )
    runs.train_dense(prepare(parameters(folders["t5"], tmp_path, epochs=1), data))
    given = {"threshold": 50, "epochs": 1}
    model, record = pruned_seed.prune_seed(
        prepare(parameters(folders["t5"], tmp_path, pruner="good:compress", **given), data), 0
    )
    assert hasattr(model, "generate") and record["losses"] == []
    with refused("model-without-generate", "return a model of transformers", "Other, generates no texts"):
        pruned_seed.prune_seed(prepare(parameters(folders["t5"], tmp_path, pruner="bad:compress", **given), data), 0)


def test_targets_that_are_cut_are_warned_of_by_split(folders, data, tmp_path, capsys):
    p = parameters(folders["gpt2"], tmp_path, max_answer_tokens=3)
    found = prepare(p, data)
    counts = "of 40 train texts 40, of 8 validation texts 8, of 12 test texts 12 have more tokens than "
    assert counts + "max_answer_tokens = 3" in capsys.readouterr().err
    assert max(np.diff(found.tokens["test"].word_starts)) == 3
    assert p.recipe()["max_answer_tokens"] == 3
    assert "max_answer_tokens" not in parameters(folders["gpt2"], tmp_path, max_answer_tokens=None).recipe()
