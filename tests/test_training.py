"""The loop: what a seed fixes, what padding may not change, what must stay zero."""

import contextlib
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from conftest import make_texts, refused
from transformers import get_scheduler

from pielab.compression.masks import dense_masks, magnitude, prunable, prune
from pielab.errors import TransientError
from pielab.models import batches, classifier
from pielab.training import loop, precisions


@pytest.fixture
def task(vectors_file):
    """Encoded texts with class ids, and a fresh small BiLSTM for them."""
    frame = make_texts(96)
    encoder = classifier.encoder("bilstm", frame["text"], 8, vectors_file)
    targets = frame["label"].astype("category").cat.codes.to_numpy().astype(np.int64)

    def build(seed=0):
        torch.manual_seed(seed)
        return classifier.BiLSTM(3, encoder.vectors, hidden=12)

    return encoder, encoder.encode(frame["text"]), targets, build


def fit(task, model, **changes):
    encoder, tokens, targets, _ = task
    options = {"epochs": 4, "batch_size": 16, "learning_rate": 1e-2, "seed": 0} | changes
    return loop.train(model, encoder, tokens, targets, **options)


def test_the_same_seed_gives_the_same_predictions_and_another_one_does_not(task):
    encoder, tokens, _, build = task
    logits = []
    for seed in (0, 0, 1):
        model = build()
        fit(task, model, seed=seed)
        logits.append(loop.predict(model, encoder, tokens))
    assert np.array_equal(logits[0], logits[1]) and not np.array_equal(logits[0], logits[2])


def test_a_transformers_dropout_is_fixed_by_the_seed_too(tiny_bert):
    frame = make_texts(30)
    encoder = classifier.encoder(tiny_bert, [], 16)
    tokens, targets = encoder.encode(frame["text"]), np.arange(30) % 3
    logits = []
    for seed in (0, 0, 1):
        model = classifier.build(tiny_bert, 3)
        loop.train(model, encoder, tokens, targets, epochs=1, batch_size=8, learning_rate=1e-3, seed=seed)
        logits.append(loop.predict(model, encoder, tokens))
    assert np.array_equal(logits[0], logits[1]) and not np.array_equal(logits[0], logits[2])


def test_training_learns(task):
    encoder, tokens, targets, build = task
    model = build()
    seen = []
    losses = fit(task, model, epochs=20, on_epoch=lambda epoch, loss: seen.append((epoch, loss)))
    assert losses[-1] < losses[0] / 2 and seen == list(enumerate(losses, start=1))
    assert (loop.predict(model, encoder, tokens).argmax(axis=1) == targets).mean() > 0.9


def test_several_labels_are_trained_with_one_loss_each(task):
    encoder, tokens, targets, build = task
    model = build()
    hot = np.eye(3, dtype=np.float32)[targets]
    loop.train(model, encoder, tokens, hot, epochs=8, batch_size=16, learning_rate=1e-2, seed=0)
    said = loop.predict(model, encoder, tokens) > 0
    assert (said == hot.astype(bool)).mean() > 0.9


def test_the_batch_a_text_is_in_does_not_change_a_transformers_logits(tiny_bert):
    encoder = classifier.encoder(tiny_bert, [], 16)
    tokens = encoder.encode(["cat", "rain snow wind storm cloud frost hail sun", "bread milk"])
    model = classifier.build(tiny_bert, 3)
    together = loop.predict(model, encoder, tokens)
    alone = [loop.predict(model, encoder, tokens[index : index + 1])[0] for index in range(3)]
    assert np.allclose(together, alone, atol=1e-5)


def test_predictions_are_in_the_order_of_the_rows(tiny_bert):
    encoder = classifier.encoder(tiny_bert, [], 16)
    tokens = encoder.encode([*make_texts(20)["text"], "cat", "dog cow"])
    model = classifier.build(tiny_bert, 3)
    one = loop.predict(model, encoder, tokens)
    alone = [loop.predict(model, encoder, tokens[index : index + 1])[0] for index in range(len(tokens))]
    assert np.allclose(one, alone, atol=1e-5)
    assert np.allclose(one[::-1], loop.predict(model, encoder, tokens[::-1]), atol=1e-5)


def test_a_loss_that_is_not_finite_stops_with_its_step_and_learning_rate(task):
    model = task[3]()
    calls = []

    def spoil(module, inputs, output):
        calls.append(1)
        return classifier.Output(output.logits * (float("nan") if len(calls) == 9 else 1))

    model.register_forward_hook(spoil)
    problem = "became nan at step 9 (epoch 2) with learning_rate = 0.01"
    with refused("loss-not-finite", "lower learning_rate", problem):
        fit(task, model)


def test_pruned_weights_stay_zero_and_the_others_move(task):
    model = task[3]()
    weights = prunable(model)
    masks = prune(magnitude(weights), dense_masks(weights), 0.7)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    fit(task, model, weights=weights, masks=masks)
    for name, mask in masks.items():
        assert (weights[name].detach()[~mask] == 0).all()
        assert (weights[name].detach()[mask] != before[name][mask]).any()


def test_the_summed_gradient_is_that_of_one_batch_however_it_is_cut(task):
    encoder, tokens, targets, build = task
    model = build()
    weights = prunable(model)
    whole = loop.gradients(model, weights, encoder, tokens[:30], targets[:30], batch_size=30)
    parts = loop.gradients(model, weights, encoder, tokens[:30], targets[:30], batch_size=7)
    loss = torch.nn.functional.cross_entropy(
        model(**next(batches.to_device(tokens[:30], encoder, "cpu").in_batches([np.arange(30)])).inputs).logits,
        torch.from_numpy(targets[:30]),
        reduction="sum",
    )
    direct = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
    for name in weights:
        assert torch.allclose(whole[name], direct[name], atol=1e-5)
        assert torch.allclose(whole[name], parts[name], atol=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_weights_that_the_logits_do_not_depend_on_have_gradient_zero(task):
    encoder, tokens, targets, build = task
    model = build()
    model.unused = torch.nn.Linear(2, 2)
    gradients = loop.gradients(model, dict(model.named_parameters()), encoder, tokens, targets)
    assert not gradients["unused.weight"].any() and gradients["classifier.weight"].any()


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("run", ["predict", "gradients"])
def test_every_module_is_in_its_mode_again_after_an_evaluation(tiny_bert, monkeypatch, run, broken):
    encoder = classifier.encoder(tiny_bert, [], 16)
    tokens, model = encoder.encode(make_texts(30)["text"]), classifier.build(tiny_bert, 3).train()
    model.bert.embeddings.eval()  # frozen by somebody
    before, seen = [module.training for module in model.modules()], []

    def forward(*args, **inputs):
        seen.append(any(module.training for module in model.modules()))
        if broken:
            raise RuntimeError("out of memory")
        return original(*args, **inputs)

    original = model.forward
    monkeypatch.setattr(model, "forward", forward)
    weights, targets = prunable(model), np.arange(30) % 3
    call = {
        "predict": lambda: loop.predict(model, encoder, tokens),
        "gradients": lambda: loop.gradients(model, weights, encoder, tokens, targets),
    }[run]
    with pytest.raises(RuntimeError) if broken else contextlib.nullcontext():
        call()
    assert [module.training for module in model.modules()] == before and not any(seen) and seen


def test_an_epoch_trains_with_dropout_whatever_was_done_after_the_one_before(tiny_bert):
    frame = make_texts(30)
    encoder = classifier.encoder(tiny_bert, [], 16)
    tokens, targets = encoder.encode(frame["text"]), np.arange(30) % 3
    losses = []
    for evaluate in (True, False):
        model = classifier.build(tiny_bert, 3)
        options = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "seed": 0}
        after = (lambda epoch, loss, model=model: model.eval()) if evaluate else lambda epoch, loss: None
        losses.append(loop.train(model, encoder, tokens, targets, **options, on_epoch=after))
    assert losses[0] == losses[1]


def test_a_device_that_is_not_there_says_what_is():
    assert loop.choose_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with refused("no-such-device", "cpu; auto", "device = 'cuda' is not on this machine", TransientError):
            loop.choose_device("cuda")


def test_bfloat16_trains_as_well_and_its_logits_are_not_rounded(task):
    encoder, tokens, targets, build = task
    losses, logits = {}, {}
    if not precisions.can_compute(build(), torch.bfloat16):
        pytest.skip("this CPU has no recurrent layers in bfloat16")
    for precision in (torch.float32, torch.bfloat16):
        model = build()
        losses[precision] = fit(task, model, epochs=20, precision=precision)
        logits[precision] = loop.predict(model, encoder, tokens, precision)
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert losses[torch.bfloat16] != losses[torch.float32]
    assert losses[torch.bfloat16][0] == pytest.approx(losses[torch.float32][0], abs=0.02)
    assert (logits[torch.bfloat16].argmax(axis=1) == targets).mean() > 0.9
    rounded = torch.from_numpy(logits[torch.bfloat16]).bfloat16().float().numpy()
    assert logits[torch.bfloat16].dtype == np.float32 and (rounded != logits[torch.bfloat16]).mean() > 0.9


def test_a_transformers_logits_are_not_rounded_either(tiny_bert):
    encoder = classifier.encoder(tiny_bert, [], 16)
    tokens, model = encoder.encode(make_texts(30)["text"]), classifier.build(tiny_bert, 3)
    logits = {each: loop.predict(model, encoder, tokens, each) for each in (torch.float32, torch.bfloat16)}
    assert np.allclose(*logits.values(), atol=0.02) and not np.array_equal(*logits.values())
    rounded = torch.from_numpy(logits[torch.bfloat16]).bfloat16().float().numpy()
    assert (rounded != logits[torch.bfloat16]).mean() > 0.9


def test_auto_precision_is_float32_without_a_gpu():
    cpu = torch.device("cpu")
    assert loop.choose_precision("auto", cpu) == loop.choose_precision("float32", cpu) == torch.float32
    assert loop.choose_precision("bfloat16", cpu) == torch.bfloat16


def test_bucketing_leaves_a_model_that_reads_its_padding_as_it_is(task):
    encoder, tokens, _, build = task
    logits = []
    for bucketed in (False, True):
        model = build()
        fit(task, model, bucketed=bucketed)
        logits.append(loop.predict(model, encoder, tokens))
    assert np.array_equal(*logits)


def test_numbers_that_a_cpu_is_slow_for_count_as_zero_only_while_it_trains(task):
    if not torch.set_flush_denormal(False):
        pytest.skip("this CPU cannot")
    tiny, seen = torch.tensor([1e-40]), []
    fit(task, task[3](), epochs=1, on_epoch=lambda epoch, loss: seen.append((tiny * 1).item()))
    assert seen == [0] and (tiny * 1).item() > 0
    with pytest.raises(ZeroDivisionError):
        fit(task, task[3](), epochs=1, on_epoch=lambda epoch, loss: 1 / 0)
    assert (tiny * 1).item() > 0


@pytest.mark.parametrize(
    ("warmup", "decay"), [(0, "none"), (0.2, "none"), (0, "linear"), (0.2, "linear"), (0.9, "linear")]
)
def test_the_learning_rate_is_that_of_transformers(warmup, decay):
    steps, first = 20, round(warmup * 20)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    kind = "linear" if decay == "linear" else "constant_with_warmup"
    theirs = get_scheduler(kind, optimizer, num_warmup_steps=first, num_training_steps=steps)
    for step in range(steps):
        rate = loop.rate_at(step, steps, warmup, decay)
        assert 0.5 * rate == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()


def test_a_learning_rate_that_falls_to_nothing_moves_nothing_at_the_end(task):
    first = task[3]()
    fit(task, first, epochs=1, warmup=0.5, decay="linear", learning_rate=1e-9)
    untouched = task[3]()
    assert all(
        torch.allclose(one, other, atol=1e-7)
        for one, other in zip(first.parameters(), untouched.parameters(), strict=True)
    )
    plain, falling = task[3](), task[3]()
    fit(task, plain)
    fit(task, falling, decay="linear")
    assert not torch.equal(plain.classifier.weight, falling.classifier.weight)


def test_weight_decay_is_for_matrices_and_leaves_pruned_weights_zero(task):
    model = task[3]()
    weights = prunable(model)
    masks = prune(magnitude(weights), dense_masks(weights), 0.5)
    fit(task, model, weights=weights, masks=masks, weight_decay=0.1)
    assert all(not weights[name][~mask].any() for name, mask in masks.items())
    # Six steps that are too small to see without the decay of a hundredth each.
    untouched, decayed = task[3](), task[3]()
    fit(task, decayed, epochs=1, learning_rate=1e-6, weight_decay=1e4)
    for before, after in zip(untouched.parameters(), decayed.parameters(), strict=True):
        assert torch.allclose(after, before * (0.99**6 if before.dim() > 1 else 1), atol=1e-5)


def test_a_gradual_pruner_hears_the_learning_rate_of_each_step(task):
    heard, doing = [], Mock()
    doing.before_step.side_effect = heard.append
    fit(task, task[3](), epochs=1, warmup=0.5, decay="linear", learning_rate=0.01, gradual=doing)
    assert heard == pytest.approx([0.01 * loop.rate_at(step, 6, 0.5, "linear") for step in range(6)])
    assert doing.after_step.call_count == 6
