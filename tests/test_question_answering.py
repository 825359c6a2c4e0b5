"""Questions: their tokens, gold candidates, losses, best spans, and models that answer them."""

import itertools

import numpy as np
import pytest
import torch
import transformers
from conftest import refused, write_tagger
from datasets import Dataset, DatasetDict
from hypothesis import given as drawn
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer
from torch.nn import functional

from pielab.compression import masks
from pielab.config.parameters import PruneParameters
from pielab.data import datasets
from pielab.models import candidates, classifier, pretrained, question_answering, tokens
from pielab.models.encoders import SubwordEncoder
from pielab.report import model_card_use
from pielab.store.span_answers import GoldAnswers
from pielab.training import activations, distillation, loop
from pielab.training.tasks import TASKS

TASK = TASKS["spans"]
QUESTIONS = ["see the cat", "birds", "see", "the dog"]
CONTEXTS = ["the cats run near  dogs", "near", "the wolves see the cat", "the dog near"]
# "cats", none, "wolves see" and another, "dog near".
ANSWERS = GoldAnswers((("cats",), (), ("wolves see", "cat"), (" dog near ",)), ((4,), (), (4, 19), (3,)))
READS = 16


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with a BERT of two layers without a head, some of whose words are two tokens."""
    folder = tmp_path_factory.mktemp("reader")
    write_tagger(folder, READS)
    return str(folder)


@pytest.fixture(scope="module")
def encoder(reader):
    return question_answering.encoder(reader, [*QUESTIONS, *CONTEXTS], READS)


def pieces(found, contexts, number):
    """The characters of each candidate of a question, but the first, which has none."""
    start, end = found.word_starts[number : number + 2]
    assert found.offsets[start].tolist() == [-1, -1]
    return [contexts[number][begin:stop] for begin, stop in found.offsets[start + 1 : end]]


def arrays(found):
    return [getattr(found, name).tolist() for name in ("ids", "starts", "types", "first", "offsets")]


def test_the_tokens_are_the_tokenizers_own_and_the_candidates_those_of_the_context(encoder):
    found = encoder.encode_questions(QUESTIONS, CONTEXTS)
    plain = encoder.tokenizer(QUESTIONS, CONTEXTS)
    for name, array in (("input_ids", found.ids), ("token_type_ids", found.types)):
        assert array.tolist() == list(itertools.chain(*plain[name]))
    assert [pieces(found, CONTEXTS, number) for number in (0, 1)] == [
        ["the", "cat", "s", "run", "near", "dog", "s"],
        ["near"],
    ]
    assert found.offsets.dtype == np.int32 and found.word_starts.tolist() == [0, 8, 10, 17, 21]
    firsts = [row[:1] for row in np.split(found.first, found.starts[1:-1])]
    assert all(first.all() for first in firsts)
    chosen = np.array([2, 0])
    alone = encoder.encode_questions([QUESTIONS[index] for index in chosen], [CONTEXTS[index] for index in chosen])
    assert arrays(found[chosen]) == arrays(alone) and arrays(found[2:3]) == arrays(alone[:1])
    nothing = encoder.encode_questions([], [])
    assert len(nothing) == 0 and candidates.gold(GoldAnswers((), ()), nothing).shape == (0, 3)
    assert len(candidates.best_spans(np.empty((0, 2)), nothing, [])) == 0


def test_the_tokens_of_many_questions_are_made_once_and_kept(encoder, monkeypatch, tmp_path):
    found = encoder.encode_questions(QUESTIONS, CONTEXTS)
    monkeypatch.setattr(tokens, "CACHE_FROM_CHARACTERS", 10)
    monkeypatch.setattr("pielab.models.encoders.QUESTIONS_AT_ONCE", 3)
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path))
    made = encoder.encode_questions(QUESTIONS, CONTEXTS)
    with monkeypatch.context() as patched:
        patched.setattr(type(encoder.tokenizer), "__call__", lambda *texts, **options: pytest.fail("made anew"))
        kept = encoder.encode_questions(QUESTIONS, CONTEXTS)
    assert arrays(found) == arrays(made) == arrays(kept)
    assert kept.offsets.dtype == np.int32 and kept.first.dtype == bool
    assert encoder.encode_questions(["see the"], ["cat near"]).lengths.tolist() == [7]


def test_the_end_of_a_context_is_cut_and_answers_there_are_counted(encoder):
    contexts = ["near " * 20 + "cat", "the cats " * 9]
    found = encoder.encode_questions(["see", "the dogs"], contexts)
    assert found.lengths.tolist() == [READS, READS]
    assert pieces(found, contexts, 1) == (["the", "cat", "s"] * 4)[:10]
    places = [(100, "cat"), (0, "near"), (45, "near near near"), (0, "near " * 12 + "near")]
    for (start, text), lost in zip(places, (1, 0, 0, 1), strict=True):
        answers = GoldAnswers(((text,), ("cats",)), ((start,), (4,)))
        assert candidates.behind_cut(answers, found) == lost
        assert candidates.gold(answers, found)[: found.word_starts[1], 1:].sum() == 2 - 2 * lost
    # "the cats the cats the cats the" is what is left of the second.
    for text, start, lost in (("cats", 22, 0), ("the", 27, 0), ("the cats", 27, 1), ("cats", 31, 1)):
        assert candidates.behind_cut(GoldAnswers(((), (text,)), ((), (start,))), found) == lost
    problem = (
        "question 2 of the test split has 13 tokens, which with the 3 that the model adds leaves none of max_tokens"
    )
    with refused("question-does-not-fit", "raise max_tokens to 17 at least", problem):
        encoder.encode_questions(["see", "the " * 13], ["near", "near"], "the test split")
    assert encoder.encode_questions(["the " * 12], ["near near"]).word_starts.tolist() == [0, 2]


def test_gold_candidates_are_those_that_the_first_answer_falls_in(encoder):
    found = encoder.encode_questions(QUESTIONS, CONTEXTS)
    gold = candidates.gold(ANSWERS, found)
    assert gold[:, 0].tolist() == np.repeat(np.arange(4), [8, 2, 7, 4]).tolist() and gold.dtype == np.int32
    assert np.flatnonzero(gold[:, 1]).tolist() == [2, 8, 12, 19]
    assert np.flatnonzero(gold[:, 2]).tolist() == [3, 8, 14, 20]
    # An answer may begin or end inside a token.
    inside = candidates.gold(GoldAnswers((("at",), (), ("e", "cat"), ("o",)), ((5,), (), (2, 19), (5,))), found)
    assert np.flatnonzero(inside[:, 1]).tolist() == np.flatnonzero(inside[:, 2]).tolist() == [2, 8, 11, 19]
    chosen = np.array([3, 1])
    assert (
        candidates.gold(ANSWERS[chosen], found[chosen])[:, 1:].tolist()
        == np.concatenate([gold[17:, 1:], gold[8:10, 1:]]).tolist()
    )
    with pytest.raises(TypeError, match="no tokens of questions"):
        candidates.gold(ANSWERS, encoder.encode(CONTEXTS))


@pytest.mark.parametrize("trims", [False, True])
def test_the_space_before_a_word_is_no_part_of_an_answer(trims):
    contexts = ["the cat  sees\n a \U0001f63a near", " \u00e9t\u00e9 the", "the cat"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "special_tokens": ["<pad>"]}
    tokenizer.train_from_iterator(["the cat sees near"] * 3, BpeTrainer(vocab_size=300, show_progress=False, **options))
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trims)
    found = SubwordEncoder(
        transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>"), 64, 0
    ).encode_questions(["the"] * 3, contexts)
    # The four bytes of an emoji are tokens of the same character, and white space is none.
    assert pieces(found, contexts, 0) == ["the", "cat", "sees", "a", *["\U0001f63a"] * 4, "near"]
    assert pieces(found, contexts, 1) == ["\u00e9", "\u00e9", "t", "\u00e9", "\u00e9", "the"] and found.types is None
    answers = GoldAnswers((("\U0001f63a near",), (" \u00e9t\u00e9",), ("cat",)), ((17,), (0,), (4,)))
    gold = candidates.gold(answers, found)
    best = candidates.best_spans(8.0 * gold[:, 1:], found, contexts)
    assert best.texts == ("\U0001f63a near", "\u00e9t\u00e9", "cat")
    assert [context[slice(*place)] for context, *place in zip(contexts, best.starts, best.ends, strict=True)] == [
        *best.texts
    ]


@pytest.mark.parametrize("adds_space", [False, True])
def test_the_first_letter_of_a_word_is_part_of_an_answer_whatever_the_tokenizer_leaves_out(adds_space, tmp_path):
    contexts = ["the cat (\u20ac5) sees\u200b \u00e9t\u00e9\x00s.", " near  the"]
    tokenizer = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Whitespace(), pre_tokenizers.ByteLevel(add_prefix_space=adds_space)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.Punctuation()])
    options = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet(), "special_tokens": ["<pad>", "<s>"]}
    options |= {"vocab_size": 300, "show_progress": False}
    tokenizer.train_from_iterator(["the cat sees near"] * 5, BpeTrainer(**options))
    # As those of RobBERT, it takes the letter that a word begins with for a space, and trims it.
    tokenizer.post_processor = processors.RobertaProcessing(("<s>", 1), ("<s>", 1), True, adds_space)
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>")
    plain = fast("the", contexts[0], return_offsets_mapping=True)
    own = {contexts[0][begin:end] for begin, end in plain["offset_mapping"][2:]}
    assert ("at" in own and "cat" not in own) is adds_space
    found = SubwordEncoder(fast, 64, 0).encode_questions(["the"] * 2, contexts)
    assert {"the", "cat", "(", "sees", ".", "s"} <= set(pieces(found, contexts, 0))
    assert pieces(found, contexts, 1) == ["near", "the"]
    texts = ["cat", "\u20ac5", "sees", "\u00e9t\u00e9"]
    for text in texts:
        answers = GoldAnswers(((text,), ("near",)), ((contexts[0].index(text),), (1,)))
        best = candidates.best_spans(8.0 * candidates.gold(answers, found)[:, 1:], found, contexts)
        assert best.texts == (text, "near")

    # The code of an exported model's card counts the letters likewise.
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=len(fast), initializer_range=1.0, **sizes)
    fast.save_pretrained(tmp_path)
    transformers.set_seed(0)
    model = transformers.BertForQuestionAnswering(config).eval()
    model.save_pretrained(tmp_path)
    given = {"folder": repr(str(tmp_path)), "max_tokens": 64, "longest": 3, "none": ""}
    code = model_card_use.LOAD_QUESTIONS.format(**given)
    for number, context in enumerate(contexts):
        names: dict = {}
        example = 'question, context = "Who wrote it?", "Ada Lovelace wrote it."'
        exec(code.replace(example, f"question, context = 'the', {context!r}"), names)
        one = found[[number]]
        output = model(torch.from_numpy(one.ids[None].astype(np.int64)))
        logits = torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1).detach().numpy()
        (answer,) = candidates.best_spans(logits[one.first], one, [context], 3).texts
        assert names["answer"] == answer != ""


def test_what_answers_no_questions_is_refused_before_anything_is_trained(tmp_path, reader, monkeypatch):
    with refused("bilstm-of-questions", "give a transformer", "it gives a text one class"):
        question_answering.encoder("bilstm", [], READS)
    transformers.GemmaConfig().save_pretrained(tmp_path)
    with refused("no-question-answering", "such as bert", "no model of the architecture gemma"):
        question_answering.encoder(str(tmp_path), [], READS)
    tokenizer = Tokenizer.from_file(f"{reader}/tokenizer.json")
    template = {"single": "$A [CLS]", "pair": "$A [SEP] $B [CLS]", "special_tokens": [("[CLS]", 2), ("[SEP]", 3)]}
    tokenizer.post_processor = processors.TemplateProcessing(**template)
    last = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, cls_token="[CLS]", pad_token="[PAD]")
    with monkeypatch.context() as patched:
        patched.setattr(pretrained, "load_tokenizer", lambda *given: last)
        with refused("class-token-not-first", "puts it first", "puts [CLS], which stands for no answer, behind"):
            question_answering.encoder(reader, [], READS)
    monkeypatch.setattr(transformers.BertTokenizer, "is_fast", False)
    with refused("tokenizer-without-characters", "a fast one of transformers", "BertTokenizer, does not tell which"):
        question_answering.encoder(reader, [], READS)


def test_a_model_of_one_type_is_told_none_and_plain_transformers_neither(tmp_path):
    write_tagger(tmp_path, READS)
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    config.type_vocab_size = 1
    transformers.BertModel(config).save_pretrained(tmp_path)
    found = question_answering.encoder(str(tmp_path), QUESTIONS, READS)
    assert found.encode_questions(QUESTIONS, CONTEXTS).types is None
    found.tokenizer.save_pretrained(tmp_path / "saved")
    plain = transformers.AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert set(plain("see", "the cat")) == {"input_ids", "attention_mask"}


def draw_batch(seed, questions=5):
    """Logits, those of a teacher, and gold of questions of one to six candidates; the last has no gold candidate."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 7, questions)
    gold = np.zeros((lengths.sum(), 3), dtype=np.int32)
    gold[:, 0] = np.repeat(random.permutation(questions), lengths)
    ends = np.cumsum(lengths)
    for end, length in list(zip(ends, lengths, strict=True))[:-1]:
        gold[end - random.integers(1, length + 1), 1] = gold[end - random.integers(1, length + 1), 2] = 1
    logits, taught = (torch.from_numpy(random.normal(size=(ends[-1], 2), scale=3)) for _ in range(2))
    return logits.requires_grad_(), taught, torch.from_numpy(gold), list(itertools.pairwise([0, *ends.tolist()]))


@drawn(st.integers(0, 19))
def test_the_loss_and_its_gradient_are_those_of_torch_question_by_question(seed):
    logits, _, gold, bounds = draw_batch(seed)
    alone = []
    for start, end in bounds:
        own, right = logits[start:end], gold[start:end, 1:]
        log_p = TASK.log_probabilities(logits, gold)[start:end]
        torch.testing.assert_close(log_p, functional.log_softmax(own, dim=0))
        if right.any():
            alone.append(torch.stack([functional.cross_entropy(own[:, k], right[:, k].argmax()) for k in range(2)]))
    theirs = torch.stack(alone).mean()
    for reduction, expected in (("mean", theirs), ("sum", theirs * len(alone))):
        ours = TASK.loss(logits, gold, reduction=reduction)
        torch.testing.assert_close(ours, expected)
        torch.testing.assert_close(
            *(torch.autograd.grad(each, logits, retain_graph=True)[0] for each in (ours, expected))
        )
    each = TASK.loss(logits, gold, reduction="none")
    torch.testing.assert_close(each[: 2 * len(alone)], torch.cat(alone))
    assert not each[2 * len(alone) :].any()
    torch.testing.assert_close(TASK.mean(each, gold), theirs)


def test_the_loss_of_extreme_logits_is_exact_and_none_without_a_gold_candidate():
    logits = torch.tensor([[1e4, -1e4], [0.0, 0.0], [-1e30, -3e4], [-1e30, -3e4]], requires_grad=True)
    gold = torch.tensor([[4, 1, 0], [4, 0, 1], [2, 1, 0], [2, 0, 1]])
    loss = TASK.loss(logits, gold, reduction="none")
    assert loss.tolist() == pytest.approx([0, 0, np.log(2), np.log(2), 0, 0, 0, 0])
    loss.sum().backward()
    assert logits.grad.tolist() == [[0, 0], [0, 0], [-0.5, 0.5], [0.5, -0.5]]
    lost = TASK.loss(logits, gold * torch.tensor([1, 0, 0]))
    assert lost.item() == 0 and not torch.autograd.grad(lost, logits)[0].any()


@drawn(st.integers(0, 9))
def test_self_regularisation_weighs_each_start_and_end_by_its_own_certainty(seed):
    logits, taught, gold, bounds = draw_batch(seed)
    alone = [
        distillation.loss(
            *(each[None, start:end, k] for each in (logits, taught)), gold[start:end, 1 + k].argmax()[None]
        )
        if end - start > 1
        else torch.tensor(0.0, dtype=torch.float64)
        for start, end in bounds[:-1]
        for k in range(2)
    ]
    torch.testing.assert_close(distillation.loss(logits, taught, gold, TASK), torch.stack(alone).mean())


def test_no_batch_makes_a_gpu_wait_for_its_loss():
    """A tensor on the meta device has no values, so that reading one fails."""
    logits, taught = (torch.empty(9, 2, device="meta") for _ in range(2))
    gold = torch.empty(9, 3, device="meta", dtype=torch.int32)
    assert TASK.loss(logits, gold).shape == distillation.loss(logits, taught, gold, TASK).shape == ()


def draw_questions(seed, questions=6):
    """Tokens of questions of one to nine candidates, each a character of its context, and logits with ties."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 10, questions)
    contexts = ["abcdefghijklm"[: length - 1] for length in lengths]
    offsets = [[[-1, -1], *([place, place + 1] for place in range(length - 1))] for length in lengths]
    found = tokens.Tokens(
        np.zeros(lengths.sum(), np.int32),
        np.cumsum([0, *lengths]),
        first=np.ones(lengths.sum(), bool),
        offsets=np.concatenate(offsets).astype(np.int32),
    )
    return found, contexts, random.integers(-4, 5, (lengths.sum(), 2)).astype(np.float32)


@drawn(st.integers(0, 999), st.integers(1, 12))
def test_the_best_span_is_that_of_all_spans(seed, longest):
    found, contexts, logits = draw_questions(seed)
    best = candidates.best_spans(logits, found, contexts, longest)
    for number, (start, end) in enumerate(itertools.pairwise(found.starts)):
        context, (begin, stop) = contexts[number], logits[start + 1 : end].T
        spans = [(i, j) for i in range(len(context)) for j in range(i, min(i + longest, len(context)))]
        null = logits[start].sum()
        assert best.null_scores[number] == null
        if not spans:
            assert (best.texts[number], best.starts[number], best.scores[number]) == ("", -1, null)
            continue
        i, j = max(spans, key=lambda span: (begin[span[0]] + stop[span[1]], -span[0], -span[1]))
        assert best.texts[number] == context[i : j + 1] and best.scores[number] == begin[i] + stop[j]
        assert (best.starts[number], best.ends[number]) == (i, j + 1)
    answers = best.answers(0.5)
    none = best.null_scores - best.scores > 0.5
    assert [text == "" for text in answers.texts] == [
        not text or is_none for text, is_none in zip(best.texts, none, strict=True)
    ]
    assert (answers.starts[none] == -1).all()
    assert np.array_equal(answers.scores, np.where(none, best.null_scores, best.scores).astype(np.float32))
    assert tuple(best.answers(None).texts) == best.texts


@drawn(st.integers(0, 999))
def test_the_best_threshold_is_the_lowest_of_the_best(seed):
    random = np.random.default_rng(seed)
    scores = random.integers(-3, 4, (2, 8)).astype(float)
    best = candidates.BestSpans(("x",) * 8, *np.zeros((2, 8), int), *scores)
    right, right_if_none = random.choice([0, 0.25, 0.5, 1], 8), random.integers(0, 2, 8)

    def value(threshold):
        return np.where(best.null_scores - best.scores > threshold, right_if_none, right).sum()

    found = best.best_threshold(right, right_if_none)
    differences = scores[1] - scores[0]
    others = [*differences, differences.min() - 1, differences.max() + 1]
    assert value(found) == max(map(value, others))
    assert all(value(other) < value(found) for other in others if other < found)


@drawn(st.integers(0, 999))
def test_error_norms_are_the_mean_of_start_and_end(seed):
    logits, _, gold, bounds = draw_batch(seed)
    gold[:, 0] = torch.repeat_interleave(torch.arange(5), torch.tensor([end - start for start, end in bounds]))
    found = candidates.error_norms(logits.detach().numpy(), gold.numpy())
    for number, (start, end) in enumerate(bounds):
        right = gold[start:end, 1:].double()
        # An answer that was cut is another candidate, of probability 0.
        cut = 1 - right.sum(0, keepdim=True)
        errors = torch.cat([functional.softmax(logits[start:end], dim=0) - right, cut])
        assert found[number] == pytest.approx(errors.norm(dim=0).mean().item())
    assert len(candidates.error_norms(np.empty((0, 2)), np.empty((0, 3), int))) == 0


ANIMALS, OTHERS = ["cat", "dogs", "wolves", "birds"], ["the", "near", "see", "runs"]


def make_questions(number, seed=0):
    """Questions whose answers are the animals of their context; a third has none."""
    random = np.random.default_rng(seed)
    rows = []
    for index in range(number):
        text = " ".join(random.choice(ANIMALS, size=index % 3))
        before, after = (random.choice(OTHERS, size=random.integers(1, 3)).tolist() for _ in range(2))
        context = " ".join([*before, *([text] if text else []), *after])
        answers = [{"text": text, "start": len(" ".join([*before, ""]))}] if text else []
        rows.append({"text": "see the", "text_pair": context, "answers": answers})
    return rows


def gold_answers(split):
    texts = tuple(tuple(answer["text"] for answer in row) for row in split["answers"])
    return GoldAnswers(texts, tuple(tuple(answer["start"] for answer in row) for row in split["answers"]))


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(datasets, "targets", gold_answers)
    parts = {"train": make_questions(30), "validation": make_questions(3, 1), "test": make_questions(12, 2)}
    return DatasetDict({split: Dataset.from_list(rows) for split, rows in parts.items()})


def test_answers_behind_the_cut_are_told_once_for_all_splits(data, given, reader, capsys):
    p = PruneParameters(**given | {"model": reader, "max_tokens": READS})
    encoder, found = TASK.encode(data, p)
    assert encoder.max_tokens == READS and not capsys.readouterr().err
    assert {split: len(part) for split, part in found.items()} == {"train": 30, "validation": 3, "test": 12}
    assert arrays(found["test"]) == arrays(encoder.encode_questions(data["test"]["text"], data["test"]["text_pair"]))
    TASK.encode(data, p.model_copy(update={"max_tokens": 8}))
    line = capsys.readouterr().err
    lost = {}
    for split in ("train", "test"):
        # Of the eight tokens, five are the question and those around it.
        answers = [(row["text_pair"], row["answers"][0]) for row in data[split] if row["answers"]]
        whole = [context[: answer["start"] + len(answer["text"])] for context, answer in answers]
        lost[split] = sum(len(encoder.tokenizer.tokenize(text)) > 3 for text in whole)
    assert line.startswith(f"warning: of 30 train questions {lost['train']}, ") and "validation" in line
    assert (
        f"of 12 test questions {lost['test']} have an answer behind max_tokens = 8; models are not trained on" in line
    )


def test_a_model_learns_the_animals_of_a_context_and_answers_alone_and_in_transformers_alike(data, reader, tmp_path):
    p = {name: data["train"][name] for name in ("text", "text_pair")}
    encoder, model = (
        question_answering.encoder(reader, [*p["text"], *p["text_pair"]], READS),
        TASK.models.build(reader, 2),
    )
    found = {split: encoder.encode_questions(data[split]["text"], data[split]["text_pair"]) for split in data}
    gold = {split: TASK.gold(gold_answers(data[split]), found[split]) for split in data}
    weights = masks.prunable(model)
    assert type(masks.last_layer(model)) is classifier.FullPrecision and "qa_outputs.weight" not in weights
    assert len(weights) == 12 and all("attention" in name or "dense" in name for name in weights)

    whole = loop.gradients(model, weights, encoder, found["train"], gold["train"], 30, TASK)
    parts = loop.gradients(model, weights, encoder, found["train"], gold["train"], 7, TASK)
    for name in weights:
        torch.testing.assert_close(whole[name], parts[name], atol=1e-5, rtol=1e-4)
        assert whole[name].abs().max() > 0
    assert set(activations.norms(model, weights, encoder, found["test"])) == set(weights)

    options = {"epochs": 12, "batch_size": 6, "learning_rate": 1e-2, "seed": 0, "task": TASK, "bucketed": True}
    teacher = distillation.Teacher(lambda model: 0.0)
    losses = loop.train(model, encoder, found["train"], gold["train"], teacher=teacher, **options)
    assert losses[-1] < losses[0] / 3
    contexts = data["test"]["text_pair"]
    logits = loop.predict(model, encoder, found["test"])
    best = candidates.best_spans(logits, found["test"], contexts).answers(0.0)
    texts = [(row or ("",))[0] for row in gold_answers(data["test"]).texts]
    right = np.array(best.texts) == texts
    assert np.mean(right) > 0.8 and "" in best.texts
    assert candidates.error_norms(logits, gold["test"])[right].mean() < 0.5

    alone = [loop.predict(model, encoder, found["test"][index : index + 1]) for index in range(12)]
    np.testing.assert_allclose(np.concatenate(alone), logits, atol=1e-4)
    pretrained.save(tmp_path, model, encoder.tokenizer, ["start", "end"], False)
    plain = transformers.AutoModelForQuestionAnswering.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for number, row in enumerate(data["test"]):
        inputs = tokenizer(row["text"], row["text_pair"], return_tensors="pt")
        assert "token_type_ids" in inputs
        output = plain(**inputs)
        ours = found["test"].first[slice(*found["test"].starts[number : number + 2])]
        theirs = torch.stack([output.start_logits[0], output.end_logits[0]], dim=-1).detach().numpy()[ours]
        np.testing.assert_allclose(theirs, alone[number], atol=1e-4)
