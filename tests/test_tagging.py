"""Tagged words: their tokens, their batches, and models that tag them, from the first weights to a pruned seed."""

import json

import numpy as np
import pytest
import torch
import transformers
from conftest import refused, write_tagger
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from hypothesis import given as drawn
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from tokenizers.trainers import BpeTrainer

from pielab.commands import export
from pielab.config.parameters import PruneParameters
from pielab.data import datasets
from pielab.data.prediction_texts import PredictionTexts
from pielab.models import batches, fine_tuned, tagging, tokens
from pielab.store import paths, predictions, records
from pielab.training import distillation, loop, pruned_seed, runs, seed
from pielab.training.experiment import prepare
from pielab.training.tasks import TASKS

NAMES = ("O", "B-animal", "I-animal")
ANIMALS, OTHERS = ["cat", "dogs", "wolves", "birds"], ["the", "near", "sees", "runs"]
SENTENCES = [["the", "cats", "near"], ["dogs"], ["the", "wolves", "birds", "see", "the", "cat"], ["birds", "near"]]
READS = 16


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    """A folder with a BERT of two layers without a head, some of whose words are two tokens."""
    folder = tmp_path_factory.mktemp("tagger")
    write_tagger(folder, READS)
    return str(folder)


@pytest.fixture(scope="module")
def encoder(tagger):
    return tagging.encoder(tagger, [" ".join(sentence) for sentence in SENTENCES], READS)


def pieces(encoder, found):
    """The tokens of each sentence, the first of a word with a star."""
    names = encoder.tokenizer.convert_ids_to_tokens(found.ids.tolist())
    marked = [f"{'*' if first else ''}{name}" for name, first in zip(names, found.first, strict=True)]
    return [" ".join(marked[start:end]) for start, end in zip(found.starts, found.starts[1:], strict=False)]


def test_every_word_has_a_first_token_and_every_sentence_its_special_ones(encoder):
    found = encoder.encode_words(SENTENCES)
    assert pieces(encoder, found)[:2] == ["[CLS] *the *cat ##s *near [SEP]", "[CLS] *dog ##s [SEP]"]
    assert found.word_starts.tolist() == [0, 3, 4, 10, 12]
    assert pieces(encoder, found[np.array([3, 1])]) == [pieces(encoder, found)[index] for index in (3, 1)]
    assert len(encoder.encode_words([])) == 0 and encoder.encode(["the cats"])[:1].first is None
    # The same word twice, and a word that is text of a special token.
    assert pieces(encoder, encoder.encode_words([["cat", "cat"], ["cat", "[SEP]"]])) == [
        "[CLS] *cat *cat [SEP]",
        "[CLS] *cat *[SEP] [SEP]",
    ]


def test_the_tokens_of_many_words_are_made_once_and_kept(encoder, monkeypatch, tmp_path):
    monkeypatch.setattr(tokens, "CACHE_FROM_CHARACTERS", 10)
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    found = encoder.encode_words(SENTENCES)
    with monkeypatch.context() as patched:
        patched.setattr(type(encoder.tokenizer), "__call__", lambda *texts, **options: pytest.fail("made anew"))
        again = encoder.encode_words(SENTENCES)
    assert pieces(encoder, found) == pieces(encoder, again) and again.first.dtype == bool
    assert pieces(encoder, encoder.encode_words([["the"], ["cats near"]])) == [
        "[CLS] *the [SEP]",
        "[CLS] *cat ##s near [SEP]",
    ]


def test_no_word_is_cut_or_left_out(encoder):
    problem = "sentence 2 of the test split has 17 tokens, more than max_tokens = 16"
    with refused("sentence-does-not-fit", "raise max_tokens to 17, or split the sentence", problem):
        encoder.encode_words([["the"] * 14, ["the"] * 15], "the test split")
    assert encoder.encode_words([["the"] * 14]).lengths.tolist() == [READS]


def test_a_word_that_becomes_no_token_is_read_as_an_unknown_one(encoder, monkeypatch):
    for word in ("\u200b", "\ufe0f", "", " "):
        found = encoder.encode_words([["the"], [word], ["cat", word, "near", word]])
        assert pieces(encoder, found) == [
            "[CLS] *the [SEP]",
            "[CLS] *[UNK] [SEP]",
            "[CLS] *cat *[UNK] *near *[UNK] [SEP]",
        ]
        monkeypatch.setattr(encoder.tokenizer, "_special_tokens_map", {})
        with refused("word-without-token", "remove it with its tag", f"the word {word!a} in sentence 2 of the data"):
            encoder.encode_words([["the"], ["cat", word, "near"]])
        monkeypatch.undo()


def byte_tokenizer(folder, family, splits_first):
    """A folder with a configuration and a tokenizer of bytes, for which a word begins with a space."""
    tokenizer, last = Tokenizer(models.BPE()), pre_tokenizers.ByteLevel(add_prefix_space=False)
    split = pre_tokenizers.Split(" ", behavior="merged_with_next")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, last]) if splits_first else last
    tokenizer.decoder = decoders.ByteLevel()
    options = {"special_tokens": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]}
    options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
    texts = ["the cat sees the cat near the dog"] * 3
    tokenizer.train_from_iterator(texts, BpeTrainer(vocab_size=300, show_progress=False, **options))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    special = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
    kind = getattr(transformers, f"{family}Config")
    kind(vocab_size=tokenizer.get_vocab_size(), **sizes, **special).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>").save_pretrained(folder)
    path = folder / "tokenizer_config.json"  # without the class, which the family tells
    given = {name: value for name, value in json.loads(path.read_text()).items() if name != "tokenizer_class"}
    path.write_text(json.dumps(given))
    return str(folder)


@pytest.mark.parametrize("family", ["Roberta", "ModernBert"])
def test_words_of_a_tokenizer_of_bytes_are_read_as_in_a_text_and_so_by_transformers_later(tmp_path, family):
    encoder = tagging.encoder(byte_tokenizer(tmp_path, family, splits_first=False), ["the cat"], READS)
    found = encoder.encode_words([["the", "cat"]])
    assert [piece for piece in pieces(encoder, found)[0].split() if piece[0] == "*"] == ["*Ġthe", "*Ġcat"]
    encoder.tokenizer.save_pretrained(tmp_path / "saved")
    plain = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert plain(["the", "cat"], is_split_into_words=True)["input_ids"] == found.ids.tolist()


def test_what_tags_no_words_is_refused_before_anything_is_trained(tmp_path, tagger, monkeypatch):
    with refused("bilstm-of-tagged-words", "give a transformer", "it gives a text one class"):
        tagging.encoder("bilstm", [], READS)
    transformers.BartConfig().save_pretrained(tmp_path)
    with refused("no-token-classifier", "such as bert", "no token classifier of the architecture bart"):
        tagging.encoder(str(tmp_path), [], READS)
    (tmp_path / "llama").mkdir()
    with refused("tokenizer-joins-words", "such as bert", "as if no space were between them"):
        tagging.encoder(byte_tokenizer(tmp_path / "llama", "Llama", splits_first=True), [], READS)
    monkeypatch.setattr(transformers.BertTokenizer, "is_fast", False)
    with refused("tokenizer-without-words", "a fast one of transformers", "BertTokenizer, does not tell which word"):
        tagging.encoder(tagger, [], READS)


def test_the_logits_of_a_sentence_do_not_depend_on_its_batch(tagger, encoder):
    sentences = [SENTENCES[index % 4][: 1 + index % 5] for index in range(23)]
    found, model = encoder.encode_words(sentences), tagging.build(tagger, 3).eval()
    alone = np.concatenate([loop.predict(model, encoder, found[index : index + 1]) for index in range(23)])
    assert alone.shape == (sum(map(len, sentences)), 3) and np.ptp(alone, axis=0).min() > 0.1
    for size in (None, 1, 4):
        np.testing.assert_allclose(loop.predict(model, encoder, found, batch_size=size), alone, atol=1e-5)
    random, masked = np.random.default_rng(0), set()
    for plan in (batches.bucketed(found.lengths, 2, random), batches.shuffled(23, 4, random)):
        for batch in batches.to_device(found, encoder, torch.device("cpu")).in_batches(plan):
            outputs = batch.outputs(model(**batch.inputs).logits).detach()
            np.testing.assert_allclose(outputs, alone[batch.places.numpy()], atol=1e-5)
            masked.add("attention_mask" in batch.inputs)
    assert masked == {True, False}


def test_the_loss_and_its_gradient_are_those_of_transformers(tagger, encoder):
    found, model = encoder.encode_words(SENTENCES), tagging.build(tagger, 3).eval()
    gold = np.random.default_rng(0).integers(3, size=12)
    [batch] = batches.to_device(found, encoder, torch.device("cpu")).in_batches([np.arange(4)])
    labels = torch.full(batch.inputs["input_ids"].shape, -100)
    for row, (start, end) in enumerate(zip(found.starts, found.starts[1:], strict=False)):
        labels[row, np.flatnonzero(found.first[start:end])] = torch.from_numpy(
            gold[slice(*found.word_starts[row : row + 2])]
        )
    loss = model(**batch.inputs, labels=labels).loss
    loss.backward()
    theirs = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    ours = TASKS["tokens"].loss(batch.outputs(model(**batch.inputs).logits), torch.from_numpy(gold)[batch.places])
    assert ours.item() == pytest.approx(loss.item(), rel=1e-6)
    summed = loop.gradients(model, dict(model.named_parameters()), encoder, found, gold, 3, TASKS["tokens"])
    for name, gradient in theirs.items():
        torch.testing.assert_close(summed[name] / 12, gradient, atol=1e-6, rtol=1e-4)
    for module in model.modules():  # as far as dropout goes, training in one batch is that batch
        module.p = 0.0
    options = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "seed": 0, "task": TASKS["tokens"]}
    assert loop.train(model, encoder, found, gold, **options) == pytest.approx([loss.item()], rel=1e-5)


@drawn(st.integers(0, 9))
def test_self_regularisation_weighs_each_word_by_its_own_certainty(seed):
    random = np.random.default_rng(seed)
    student, teacher = (torch.from_numpy(random.normal(size=(9, 4), scale=2)) for _ in range(2))
    gold, task = torch.from_numpy(random.integers(4, size=9)), TASKS["tokens"]
    alone = [distillation.loss(student[[n]], teacher[[n]], gold[[n]], task) for n in range(9)]
    torch.testing.assert_close(distillation.loss(student, teacher, gold, task), torch.stack(alone).mean())


@pytest.fixture
def experiment(given, tagger):
    """Makes an experiment on sentences in which animals, one or two after the other, are entities."""
    random = np.random.default_rng(0)
    splits = {}
    for split, number in {"train": 24, "validation": 8, "test": 8}.items():
        words, tags = [], []
        for _ in range(number):
            animals = random.choice(ANIMALS, size=random.integers(1, 3)).tolist()
            others = random.choice(OTHERS, size=random.integers(1, 6)).tolist()
            words.append([*others, *animals])
            tags.append([0] * len(others) + [1, 2][: len(animals)])
        kinds = {"text": Value("string"), "words": List(Value("string")), "tags": List(ClassLabel(names=list(NAMES)))}
        columns = {"text": list(map(" ".join, words)), "words": words, "tags": tags}
        splits[split] = Dataset.from_dict(columns, features=Features(kinds))
        splits[split].info.description = json.dumps({"classes": list(NAMES)})

    def make(**changes):
        options = {"model": tagger, "max_tokens": READS, "seeds": "0", "learning_rate": 1e-2, "batch_size": 6}
        return prepare(PruneParameters(**given | options | changes), DatasetDict(splits))

    make.splits = splits
    return make


PRUNED = {
    "IBP-AI": ({}, 0.6),
    "IIBP-FT": ({}, 0.6),
    "IMP-WR-nested": ({"levels": [30, 60]}, 0.6),
    "control-FT": ({"threshold": 0}, 0.0),
    "PINS": ({}, 0.6),
    "Wanda": ({}, 0.6),
    "Magnitude": ({"threshold": "2:4"}, 0.5),
    "RTN": ({"threshold": 4}, 0.0),
}


def test_a_tagger_is_pruned_by_every_schedule(experiment):
    unpruned = experiment()
    runs.train_dense(unpruned)
    weights = pruned_seed.prunable(unpruned.build(0), unpruned.parameters)
    assert all("attention" in name or "dense" in name for name in weights) and len(weights) == 12
    for pruner, (changes, sparsity) in PRUNED.items():
        found = experiment(pruner=pruner, **changes)
        model, record = pruned_seed.prune_seed(found, 0)
        # Of a row of 16 weights, as many as are nearest to the share.
        assert record["sparsity"] == pytest.approx(sparsity, abs=0.02) and record["pruned"].keys() == weights.keys()
        logits, _, scores, seconds = seed.evaluate(found, model, 0)
        assert logits["test"].shape == (len(found.targets["test"].ids), 3) and seconds["test"] > 0
        assert set(scores[found.metric]) == set(datasets.SPLITS)


def test_a_users_own_compressor_is_given_batches_of_sentences(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "def compress(model, batches):\n    assert all(set(batch) <= KEYS for batch in batches)\n    return {}\n"
    for name, returned in (("good", "model"), ("bad", "Cut(model)")):
        module = "class Cut(torch.nn.Module):\n    def __init__(self, model):\n        super().__init__()\n"
        module += "        self.model = model\n\n    def forward(self, **inputs):\n"
        module += "        return type('O', (), {'logits': self.model(**inputs).logits[:, 0]})\n\n\n"
        start = "import torch\n\nKEYS = {'input_ids', 'attention_mask'}\n\n\n"
        (tmp_path / f"{name}.py").write_text(start + module + text.format(returned))
    runs.train_dense(experiment())
    model, record = pruned_seed.prune_seed(experiment(pruner="good:compress", threshold=50), 0)
    assert model.num_labels == 3 and record["losses"] == []
    with refused("model-of-other-logits", "(texts, tokens, tags)", "tokens and 3 classes"):
        pruned_seed.prune_seed(experiment(pruner="bad:compress", threshold=50), 0)


def test_a_seed_of_tagged_words_is_kept_and_loads_in_transformers_alone(experiment, tmp_path):
    found = experiment(pruner="MP-AI", threshold=50, save_weights=True, epochs=6)
    runs.train_pruned(found)
    runs.train_dense(found)
    p, test = found.parameters, found.targets["test"]
    folder = paths.seed(p.folder, 0)
    record, file = records.read(folder), predictions.read_file(folder / "test.parquet")
    assert record["task"] == file.metadata["task"] == "tokens"
    assert file.metadata["tags"] == record["classes"] == list(NAMES)
    assert record["losses"][0][-1] < record["losses"][0][0] / 2
    starts = {name: predictions.read_file(folder / f"{name}.parquet").starts for name in ("test", "train")}
    assert starts["test"].tolist() == test.starts.tolist()
    assert starts["train"].tolist() == found.targets["train"].starts.tolist()

    export._write_model(tmp_path, dense := paths.seed(p.dense_folder, 0), records.read(dense))
    for saved, of in ((folder / "model", folder), (tmp_path, dense)):
        model = transformers.AutoModelForTokenClassification.from_pretrained(saved).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(saved)
        assert model.config.id2label == dict(enumerate(NAMES))
        logits = predictions.read(of / "test.parquet")[0]
        for number, words in enumerate(experiment.splits["test"]["words"]):
            inputs = tokenizer(words, is_split_into_words=True, return_tensors="pt")
            first = [inputs.word_ids().index(word) for word in range(len(words))]
            plain = model(**inputs).logits[0, first].detach().numpy()
            np.testing.assert_allclose(plain, logits[slice(*test.starts[number : number + 2])], atol=1e-5)
    # pielab predict reads both seeds as the study did.
    words = experiment.splits["test"]["words"]
    rows = (list(range(len(words))), list(map(" ".join, words)))
    sentences = PredictionTexts("a.conll", *rows, None, None, [], None, "", words=list(words))
    for of in (folder, dense):
        model = fine_tuned.check(str(of), sentences)
        assert model.class_names == list(NAMES)
        again = loop.predict(model.build(), model.encoder, model.tokens)
        np.testing.assert_allclose(again, predictions.read(of / "test.parquet")[0], atol=1e-5)
    texts = PredictionTexts("a.csv", [0], ["the cat"], None, None, [], None, "")
    with refused("seed-of-another-task", "give a .conll file", "gives a tag for each word, and a.csv has texts"):
        fine_tuned.check(str(folder), texts)
