"""Compression without retraining: rounding, magnitude and Wanda, on matrices and on whole seeds."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given as drawn
from hypothesis import strategies as st
from torch import nn
from transformers import AutoModelForSequenceClassification, GPT2Config, GPT2ForSequenceClassification
from transformers.pytorch_utils import Conv1D

from pielab.compression import masks, one_shot, pruners
from pielab.config.parameters import PieParameters, PruneParameters
from pielab.config.validation import validate
from pielab.data import datasets
from pielab.models.encoders import WordEncoder
from pielab.store import paths, predictions, records, settings
from pielab.training import activations, pruned_seed, runs
from pielab.training.experiment import prepare

MATRICES = st.tuples(st.integers(1, 6), st.integers(1, 12), st.integers(0, 10_000))


def matrix(rows, inputs, seed):
    return torch.randn(rows, inputs, generator=torch.Generator().manual_seed(seed))


def rounded(weights, bits):
    """Round to nearest, a second time: value by value, in Python's floats."""
    rows = []
    for row in weights.tolist():
        scale = max(map(abs, row)) / (2 ** (bits - 1) - 0.5)
        integers = [round(value / scale) if scale else 0 for value in row]
        rows.append([scale * min(max(whole, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1) for whole in integers])
    return rows


@drawn(MATRICES, st.integers(2, 8))
def test_rounding_is_what_ten_lines_of_python_give(shape, bits):
    weights = matrix(*shape)
    found = one_shot.round_to_nearest(weights, bits)
    steps = (found - torch.tensor(rounded(weights, bits))).abs() / (
        weights.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 0.5)
    )
    # A row's largest weight is half a step between two integers, where the last digit of a float decides.
    is_largest = weights.abs() == weights.abs().amax(dim=1, keepdim=True)
    assert steps[~is_largest].max() < 1e-3 if (~is_largest).any() else True
    assert steps.max() < 1.001
    assert all(len(set(row.tolist())) <= 2**bits for row in found)


def test_rows_of_zeros_stay_zero_and_integers_what_they_are():
    assert one_shot.round_to_nearest(torch.zeros(2, 3), 4).tolist() == [[0.0] * 3] * 2
    integers = torch.tensor([[-127.5, -127.0, 0.0, 1.0, 126.0]])  # with the scale 1
    assert one_shot.round_to_nearest(integers, 8)[0, 1:].tolist() == integers[0, 1:].tolist()


@pytest.mark.skipif(not importlib.util.find_spec("torchao"), reason="torchao is not installed")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bits", [8, 4])
def test_rounding_agrees_with_torchao(bits):
    from torchao.quantization import IntxWeightOnlyConfig, quantize_
    from torchao.quantization.granularity import PerAxis

    layer = nn.Linear(64, 32, bias=False)
    ours, most = one_shot.round_to_nearest(layer.weight.detach(), bits), 2 ** (bits - 1)
    step = layer.weight.detach().abs().amax(dim=1, keepdim=True) / (most - 0.5)
    model = nn.Sequential(layer)
    quantize_(model, IntxWeightOnlyConfig(weight_dtype=getattr(torch, f"int{bits}"), granularity=PerAxis(0)))
    difference = (model[0].weight.dequantize() - ours).abs() / step
    # One step where a row's largest weight falls on a tie, and no other difference.
    assert difference.max() < 1.01 and (difference > 0.01).sum() <= 32


@drawn(MATRICES, st.floats(0.01, 0.99), st.booleans())
def test_every_row_loses_exactly_its_share_and_the_lowest_scores(shape, share, has_ties):
    scores = matrix(*shape).abs()
    scores = scores.round() if has_ties else scores
    kept = masks.prune_rows("w", scores, torch.ones_like(scores, dtype=torch.bool), share)
    assert ((~kept).sum(dim=1) == round(share * shape[1])).all()
    for row, of_row in zip(scores, kept, strict=True):
        assert of_row.all() or not of_row.any() or row[~of_row].max() <= row[of_row].min()


@drawn(st.integers(1, 5), st.integers(1, 4), st.sampled_from([(1, 2), (2, 4), (1, 4), (4, 8)]), st.integers(0, 99))
def test_a_pattern_holds_in_every_group(rows, groups, kept_of, seed):
    kept, of = kept_of
    scores = matrix(rows, groups * of, seed).abs()
    found = masks.prune({"w": scores}, masks.dense_masks({"w": scores}), 0, kept_of=kept_of)["w"]
    assert (found.view(rows, groups, of).sum(dim=2) == kept).all()
    highest = scores.view(rows, groups, of).topk(kept, dim=2).values.sum()
    assert torch.isclose((scores * found).sum(), highest)


def test_rows_go_on_from_masks_and_never_back():
    scores = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    first = torch.tensor([[True, True, True, False]])
    assert masks.prune({"w": scores}, {"w": first}, 0.5, "row")["w"].tolist() == [[True, True, False, False]]
    with refused("already-pruned-further", "raise the sparsity", "a row of w"):
        masks.prune({"w": scores}, {"w": ~first}, 0.5, "row")
    with refused("scores-not-numbers", problem="w"):
        masks.prune({"w": torch.full((1, 4), torch.nan)}, {"w": first}, 0.5, "row")


def test_the_rows_of_a_conv1d_are_its_columns():
    config = GPT2Config(vocab_size=20, n_embd=8, n_layer=1, n_head=2, num_labels=3, pad_token_id=0)
    model = GPT2ForSequenceClassification(config)
    weights = masks.prunable(model)
    turned = masks.transposed_weights(model)
    of_conv = {name for name, module in model.named_modules() if isinstance(module, Conv1D)}
    assert {name.removesuffix(".weight") for name in turned} == of_conv and turned <= weights.keys()
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    one_shot.compress(model, weights, pruners.pruner("RTN"), 3.0)
    for name, weight in weights.items():
        rows = (lambda each, is_turned=name in turned: each.T if is_turned else each)(before[name])
        found = weight.detach().T if name in turned else weight.detach()
        assert torch.equal(found, one_shot.round_to_nearest(rows, 3))
    ids = torch.randint(1, 20, (6, 5), generator=torch.Generator().manual_seed(0))

    class Encoder:
        width, padding = None, 0

    from pielab.models.tokens import Tokens

    tokens = Tokens(ids.flatten().numpy().astype(np.int32), np.arange(0, 31, 5))
    norms = activations.norms(model, weights, Encoder(), tokens)
    assert {name: len(norm) for name, norm in norms.items()} == {
        name: weight.shape[0 if name in turned else 1] for name, weight in weights.items()
    }
    scores = masks.activation(weights, norms, turned)
    counts = one_shot.compress(model, weights, pruners.pruner("Wanda"), "2of4", scores)
    assert all(2 * lost == size for lost, size in counts.values())
    for name, weight in weights.items():
        found = weight.detach().T if name in turned else weight.detach()
        assert ((found.reshape(len(found), -1, 4) != 0).sum(dim=2) <= 2).all()


def test_the_inputs_of_an_lstm_are_those_of_its_cells(given):
    p = PruneParameters(**given | {"seeds": "0"})
    experiment = prepare(p, datasets.load(**p.data))
    assert isinstance(experiment.encoder, WordEncoder)
    model, tokens = experiment.build(0), experiment.tokens["train"][np.arange(7)]
    found = activations.norms(model, masks.prunable(model), experiment.encoder, tokens)
    assert (tokens.lengths == 8).all()
    ids = torch.from_numpy(tokens.ids.astype(np.int64)).view(7, 8)
    inputs, lstm = nn.functional.embedding(ids, model.vectors), model.lstm
    with torch.no_grad():
        for layer in range(2):
            outputs = []
            for end, order in (("", range(8)), ("_reverse", range(7, -1, -1))):
                cell = nn.LSTMCell(inputs.shape[2], lstm.hidden_size)
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                    getattr(cell, kind).copy_(getattr(lstm, f"{kind}_l{layer}{end}"))
                state, hidden = None, {}
                for place in order:
                    state = cell(inputs[:, place], state)
                    hidden[place] = state[0]
                before = torch.stack([hidden[place] for place in list(order)[:-1]])
                expected = before.square().mean(dim=(0, 1)).sqrt()
                torch.testing.assert_close(found[f"lstm.weight_hh_l{layer}{end}"], expected, rtol=1e-4, atol=1e-6)
                expected = inputs.square().mean(dim=(0, 1)).sqrt()
                torch.testing.assert_close(found[f"lstm.weight_ih_l{layer}{end}"], expected, rtol=1e-4, atol=1e-6)
                outputs.append(torch.stack([hidden[place] for place in range(8)], dim=1))
            inputs = torch.cat(outputs, dim=2)


def test_padding_is_no_activation(given, tiny_bert):
    p = PruneParameters(**given | {"seeds": "0", "model": tiny_bert})
    experiment = prepare(p, datasets.load(**p.data))
    model, tokens = experiment.build(0).eval(), experiment.tokens["train"][np.arange(9)]
    weights = masks.prunable(model, output_layer=True, embeddings=True)
    found = activations.norms(model, weights, experiment.encoder, tokens)
    seen = []
    layer = model.bert.encoder.layer[1].output.dense
    layer.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0][0]))
    with torch.no_grad():
        for start, length in zip(tokens.starts[:-1], tokens.lengths, strict=True):
            model(input_ids=torch.from_numpy(tokens.ids[start : start + length].astype(np.int64))[None])
    name = next(name for name, weight in model.named_parameters() if weight is layer.weight)
    torch.testing.assert_close(found[name], torch.cat(seen).square().mean(dim=0).sqrt(), rtol=1e-4, atol=1e-6)
    assert set(found["bert.embeddings.word_embeddings.weight"].tolist()) == {1.0}


def test_weights_without_inputs_are_refused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.odd, self.last = nn.Parameter(torch.ones(3, 3)), nn.Linear(3, 2)

    with refused("weights-without-activations", "Magnitude", "odd"):
        from pielab.models.tokens import Tokens

        class Encoder:
            width, padding = None, 0

        model = Odd()
        activations.norms(model, {"odd": model.odd}, Encoder(), Tokens(np.zeros(0, np.int32), np.zeros(1, np.int64)))


def run(given, **changes):
    p = validate(PruneParameters, given | changes, "02_prune")
    experiment = prepare(p, datasets.load(**p.data))
    return p, experiment, runs.train_pruned(experiment)


@pytest.mark.parametrize(
    ("pruner", "threshold", "name"),
    [("RTN", 8, "RTN-8"), ("Magnitude", 50, "Magnitude-50"), ("Wanda", 25, "Wanda-25"), ("Wanda", "2:4", "Wanda-2of4")],
)
def test_a_seed_is_the_unpruned_one_compressed(given, tiny_bert, pruner, threshold, name):
    p, experiment, metrics = run(given, model=tiny_bert, pruner=pruner, threshold=threshold, save_weights=True)
    assert p.folder.name == name and p.trajectory.epochs == 0
    folder = paths.seed(p.folder, 1)
    record = records.read(folder)
    assert record["losses"] == [] and record["threshold"] == p.threshold == records.read(folder)["threshold"]
    unpruned = experiment.build(1)
    pruned_seed.load_unpruned(experiment, 1, unpruned)
    loaded = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    after = dict(loaded.named_parameters())
    for matrix_name, weight in masks.prunable(unpruned).items():
        lost, _ = record["pruned"][matrix_name]
        now = after[matrix_name].detach()
        if pruner == "RTN":
            assert torch.equal(now, one_shot.round_to_nearest(weight.detach(), 8)) and lost == 0
        else:
            zeros = (now == 0).sum(dim=1)
            assert torch.equal(now[now != 0], weight.detach()[now != 0]) and lost == int((now == 0).sum())
            if pruner == "Wanda":
                assert set(zeros.tolist()) == {round(now.shape[1] * (0.5 if threshold == "2:4" else 0.25))}
    for untouched in ("classifier.weight", "bert.embeddings.word_embeddings.weight"):
        assert torch.equal(after[untouched], dict(unpruned.named_parameters())[untouched])
    logits = predictions.read(folder / "test.parquet")[0]
    np.testing.assert_allclose(experiment.predict(loaded, "test"), logits, rtol=1e-4, atol=1e-5)
    assert metrics["sparsity"].tolist() == pytest.approx([settings_share(pruner, threshold)] * 2, abs=0.01)
    # Known again, and not made anew.
    written = (folder / "metrics.json").stat().st_mtime_ns
    run(given, model=tiny_bert, pruner=pruner, threshold=threshold, save_weights=True)
    assert (folder / "metrics.json").stat().st_mtime_ns == written


def settings_share(pruner, threshold):
    return 0 if pruner == "RTN" else 0.5 if settings.pattern(threshold) else threshold / 100


def test_the_last_layer_and_embeddings_are_compressed_on_request(given, tiny_bert):
    options = {"model": tiny_bert, "pruner": "Wanda", "threshold": 50, "seeds": "0"}
    p, _, _ = run(given, **options, prune_last_layer=True, prune_embeddings=True)
    pruned = records.read(paths.seed(p.folder, 0))["pruned"]
    assert {"classifier.weight", "bert.embeddings.word_embeddings.weight"} <= pruned.keys()
    with refused("made-with-other-parameters", "another study name", "prune_last_layer"):
        run(given, **options)


def test_methods_without_retraining_of_the_bilstm_are_quick_to_say_what_does_not_fit(given, tmp_path):
    with refused("rows-not-divisible", "a percentage", "no multiple of 3"):
        run(given, pruner="Wanda", threshold="1:3")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("pruner", "threshold"),
    [
        ("RTN", 1),
        ("RTN", 9),
        ("RTN", 4.5),
        ("RTN", "2:4"),
        ("IMP-FT", "2:4"),
        ("Wanda", "4:2"),
        ("Wanda", "4:4"),
        ("Wanda", 0),
        ("Magnitude", 100),
        ("Wanda", "many"),
        ("Wanda", None),
    ],
)
def test_a_setting_that_a_method_does_not_have_is_one_sentence(given, pruner, threshold, tmp_path):
    with refused("value-not-accepted", "2 to 8 bits", f"threshold = {threshold!r}"):
        run(given, pruner=pruner, threshold=threshold)
    assert not (tmp_path / "results").exists()


def test_03_takes_the_same_settings(given):
    names = PieParameters.model_fields
    for pruner, threshold, name in (
        ("RTN", 4, "RTN-4"),
        ("Wanda", "2:4", "Wanda-2of4"),
        ("mine:score", 90, "score-90"),
    ):
        p = PieParameters(**{k: v for k, v in given.items() if k in names} | {"pruner": pruner, "threshold": threshold})
        assert p.folder.name == name
        assert paths.Configuration.of(json.loads(json.dumps(p.configuration.record))) == p.configuration


def test_settings_are_told_as_what_they_are():
    given = [("IMP-FT", 90.0), ("RTN", 2.0), ("RTN", 8.0), ("Wanda", "2of4"), ("Wanda", 50.0), ("control-FT", 0.0)]
    assert [settings.text(*each) for each in given] == ["90 %", "2 bits", "8 bits", "2:4", "50 %", ""]
    in_order = sorted(given, key=lambda each: settings.order(*each))
    assert [each[1] for each in in_order] == [0.0, 50.0, 90.0, "2of4", 8.0, 2.0]
    assert [name for name, method in pruners.KNOWN.items() if method.score == "rounding"] == [*settings.IN_BITS]
