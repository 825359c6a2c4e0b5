"""Masks: exact, nested, and only where they belong."""

import itertools

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune

from pielab.compression import pruners
from pielab.compression.masks import Scores, apply_masks, dense_masks, impact, magnitude, prunable, prune
from pielab.models import classifier

shapes = st.tuples(st.integers(1, 12), st.integers(1, 12))
targets = st.floats(0.001, 0.999)
# Few distinct values: most scores are equal to another one.
tied = st.integers(0, 3).map(float)


def scores_of(draw_from, shape):
    values = st.lists(draw_from, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    return values.map(lambda each: torch.tensor(each, dtype=torch.float32).reshape(shape))


@st.composite
def matrices(draw, values=tied):
    return {f"m{index}": draw(scores_of(values, draw(shapes))) for index in range(draw(st.integers(1, 3)))}


@given(matrices(), targets)
def test_each_matrix_loses_exactly_its_share_however_many_scores_are_equal(scores, target):
    masks = prune(scores, dense_masks(scores), target)
    for name, mask in masks.items():
        assert int((~mask).sum()) == round(target * mask.numel())
        assert mask.dtype == torch.bool and mask.shape == scores[name].shape


def plain_mask(scores, mask, target):
    """What `prune` does to one matrix, as one would write it down: sort, and cut."""
    kept = mask.flatten().tolist()
    number = round(target * len(kept)) - kept.count(False)
    ranked = sorted((each for each in range(len(kept)) if kept[each]), key=lambda each: float(scores.flatten()[each]))
    for each in ranked[:number]:
        kept[each] = False
    return torch.tensor(kept).reshape(mask.shape)


signed = st.one_of(st.sampled_from([0.0, -0.0, 0.5, float("inf"), -float("inf")]), st.floats(-1, 1, width=32))


@given(st.data(), st.sampled_from([tied, signed]), st.tuples(targets, targets, targets).map(sorted))
def test_masks_are_those_of_a_sort(data, values, steps):
    shape = data.draw(shapes)
    mask = torch.ones(shape, dtype=torch.bool)
    for target in steps:
        scores = data.draw(scores_of(values, shape))
        expected, mask = plain_mask(scores, mask, target), prune({"m": scores}, {"m": mask}, target)["m"]
        assert torch.equal(mask, expected)


@pytest.mark.parametrize("zeros", [0, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_masks_of_larger_matrices_are_those_of_a_sort_as_well(zeros, dtype):
    torch.manual_seed(0)
    mask = torch.ones(70, 90, dtype=torch.bool)
    for target in (0.3, 0.6, 0.995):
        # Turned on its side, so that a row of the matrix is not one of the memory.
        scores = (torch.randn(90, 70, dtype=dtype).abs() * (torch.rand(90, 70) >= zeros)).T
        expected, mask = (
            plain_mask(scores.float(), mask, target),
            prune({"m": scores}, {"m": mask}, target)["m"],
        )
        assert torch.equal(mask, expected)


def test_what_is_pruned_already_may_have_any_score_and_masks_given_stay_as_they_are():
    mask = torch.tensor([[True, False, True, True]])
    scores = {"m": torch.tensor([[3.0, float("nan"), 1.0, 2.0]])}
    assert prune(scores, {"m": mask}, 0.5)["m"].tolist() == [[True, False, False, True]]
    same = prune(scores, {"m": mask}, 0.25)["m"]
    assert torch.equal(same, mask) and same.data_ptr() != mask.data_ptr()
    assert mask.tolist() == [[True, False, True, True]]


@given(shapes, targets)
def test_all_equal_scores_go_in_order(shape, target):
    scores = {"m": torch.full(shape, 0.5)}
    mask = prune(scores, dense_masks(scores), target)["m"].flatten()
    assert torch.equal(mask, torch.arange(mask.numel()) >= round(target * mask.numel()))


@given(matrices(st.floats(0, 1, width=32)), targets)
def test_the_lowest_scores_go(scores, target):
    for name, mask in prune(scores, dense_masks(scores), target).items():
        if mask.any() and not mask.all():
            assert scores[name][~mask].max() <= scores[name][mask].min()


@given(st.data(), targets)
def test_masks_are_nested_along_the_iterations(data, target):
    shape = data.draw(shapes)
    masks = dense_masks({"m": torch.zeros(shape)})
    for sparsity in pruners.sparsities(pruners.PRUNERS["IMP-FT"], target):
        before = masks["m"]
        masks = prune({"m": data.draw(scores_of(tied, shape))}, masks, sparsity)
        assert not (masks["m"] & ~before).any()
        assert int((~masks["m"]).sum()) == round(sparsity * before.numel())


@given(targets)
def test_iterations_remove_the_same_share_of_what_is_left_and_end_at_the_target(target):
    steps = pruners.sparsities(pruners.PRUNERS["IIBP-WR"], target)
    left = [1.0, *(1 - each for each in steps)]
    assert steps[-1] == target and len(steps) == 3
    assert np.allclose([after / before for before, after in itertools.pairwise(left)], (1 - target) ** (1 / 3))


@given(
    st.data(), st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True), st.sampled_from(list(pruners.NESTED))
)
def test_a_nested_trajectory_prunes_exactly_and_nothing_comes_back(data, levels, name):
    shares = [level / 100 for level in levels]
    shape, target = data.draw(shapes), data.draw(st.sampled_from(shares))
    steps = pruners.sparsities(pruners.NESTED[name], target, shares)
    assert steps == sorted(share for share in shares if share <= target)
    masks = dense_masks({"m": torch.zeros(shape)})
    for sparsity in steps:
        before = masks["m"]
        masks = prune({"m": data.draw(scores_of(tied, shape))}, masks, sparsity)
        assert not (masks["m"] & ~before).any()
        assert int((~masks["m"]).sum()) == round(sparsity * before.numel())


def test_at_initialization_prunes_once():
    assert pruners.sparsities(pruners.PRUNERS["MP-AI"], 0.9) == [0.9]


@given(st.integers(1, 12), st.integers(1, 12), targets, st.integers(0, 1000))
def test_magnitude_masks_are_those_of_torch_where_no_two_weights_are_equal(rows, columns, target, seed):
    torch.manual_seed(seed)
    layer = nn.Linear(columns, rows, bias=False)
    signs = torch.randint(2, (rows, columns)) * 2 - 1
    layer.weight.data = (torch.randperm(rows * columns) + 1.0).reshape(rows, columns) * signs
    weights = {"weight": layer.weight}
    ours = prune(magnitude(weights), dense_masks(weights), target)["weight"]
    torch_prune.l1_unstructured(layer, "weight", amount=round(target * rows * columns))
    assert torch.equal(ours, layer.weight_mask.bool())


def test_the_eight_pruners_are_those_of_table_3():
    made = {(each.score, each.schedule, each.retraining) for each in pruners.PRUNERS.values()}
    assert len(pruners.PRUNERS) == len(made) == 8
    assert ("random", "iterative", "rewinding") not in made
    for name, each in pruners.PRUNERS.items():
        assert name.endswith("-AI") == (each.schedule == "at initialization")
        assert name.endswith("-FT") == (each.retraining == "fine-tuning")
        assert name.endswith("-WR") == (each.retraining == "rewinding")


def test_a_nested_pruner_is_an_iterative_one_with_another_schedule():
    assert set(pruners.NESTED) == {f"{name}-nested" for name in ("IIBP-WR", "IIBP-FT", "IMP-WR", "IMP-FT", "IRP-FT")}
    for name, each in pruners.NESTED.items():
        paired = pruners.PRUNERS[name.removesuffix("-nested")]
        assert (each.score, each.schedule, each.retraining) == (paired.score, "nested", paired.retraining)
        assert each.starts_trained and pruners.pruner(name) is each
    assert list(pruners.KNOWN)[:8] == list(pruners.PRUNERS) and len(pruners.KNOWN) == 8 + 5 + 3 + 8 + 3 + 3


def test_an_unknown_pruner_lists_the_known_ones():
    with refused("unknown-pruner", ", ".join(pruners.KNOWN), "'IMPFT'"):
        pruners.pruner("IMPFT")


def test_no_pruning_below_what_is_pruned_already():
    scores = {"m": torch.rand(4, 4)}
    masks = prune(scores, dense_masks(scores), 0.5)
    with refused("already-pruned-further", "raise the sparsity", "m is pruned further than a share of 0.25"):
        prune(scores, masks, 0.25)


def test_scores_that_are_not_numbers_stop():
    scores = {"m": torch.tensor([[1.0, float("nan")]])}
    with refused("scores-not-numbers", "lower learning_rate", "of m are"):
        prune(scores, dense_masks(scores), 0.5)


@pytest.mark.parametrize("target", [0, 1, -0.1, 1.5])
def test_impossible_sparsities_stop(target):
    with refused("impossible-sparsity", "above 0 and below 1", f" {target} "):
        pruners.sparsities(pruners.PRUNERS["MP-AI"], target)


@pytest.mark.parametrize(
    "layers", [[nn.Embedding(3, 2), nn.Linear(2, 2)], [nn.Embedding(3, 2), nn.LSTM(2, 2)], [nn.LayerNorm(2)], []]
)
@pytest.mark.parametrize("layer_norm", [False, True])
def test_a_model_without_prunable_weights_stops(layers, layer_norm):
    with refused("no-prunable-weights", "a linear layer at its end and a layer in between", "Sequential has no linear"):
        prunable(nn.Sequential(*layers), layer_norm)


def test_a_transformer_without_a_linear_layer_stops_without_its_pooler_too():
    model = nn.Sequential(nn.LSTM(2, 2))
    model.base_model = model[0]
    with refused("no-prunable-weights", "a linear layer at its end", "Sequential has no linear"):
        prunable(model, pooler=False)


@pytest.mark.parametrize("other", [nn.Conv1d(4, 4, 1), nn.Bilinear(4, 4, 1), nn.Conv2d(4, 4, 1)])
def test_weights_that_are_no_matrices_are_refused_and_not_left_unpruned(other):
    model = nn.Sequential(nn.Linear(4, 4), other, nn.Linear(4, 2))
    with refused("weights-not-matrices", "whose weights are matrices", "in tensors of three or more dimensions"):
        prunable(model)
    assert list(prunable(nn.Sequential(nn.Linear(40, 40), other, nn.Linear(4, 2)))) == ["0.weight"]


def test_the_prunable_matrices_of_the_bilstm():
    model = classifier.BiLSTM(2, np.zeros((3, 300), dtype=np.float32))
    found = prunable(model)
    assert len(found) == 10 and not any("classifier" in name or "bias" in name for name in found)
    assert list(prunable(model, pooler=False)) == list(found)  # it has neither pooler nor base model
    # Table 5 mixes rounding and cutting: 69.6 is 69 there, and 19.9 is 20.
    share = sum(weight.numel() for weight in found.values()) / classifier.count_parameters(model)
    assert np.allclose([20 * share, 50 * share, 70 * share, 90 * share, 99 * share], [20, 50, 69, 89, 98], atol=0.7)


def test_the_prunable_matrices_of_bert_are_those_of_table_5():
    from transformers import BertConfig, BertForSequenceClassification

    with torch.device("meta"):
        model = BertForSequenceClassification(BertConfig(num_labels=2))
    found = prunable(model)
    assert len(found) == 73 and "bert.pooler.dense.weight" in found
    assert not any("embeddings" in name or "classifier" in name for name in found)
    share = sum(weight.numel() for weight in found.values()) / classifier.count_parameters(model)
    # The paper gives 15, 39, 55, 70 and 77: 15.6 and 70.3 are cut, 77.3 too, 39.0 and 54.7 rounded.
    assert np.allclose([20 * share, 50 * share, 70 * share, 90 * share, 99 * share], [15, 39, 55, 70, 77], atol=0.7)
    assert len(prunable(model, layer_norm=True)) == 73 + 24
    assert found.keys() - prunable(model, pooler=False).keys() == {"bert.pooler.dense.weight"}


@settings(max_examples=20)
@given(targets, st.integers(0, 100))
def test_applying_masks_touches_nothing_else(target, seed):
    torch.manual_seed(seed)
    model = classifier.BiLSTM(3, np.ones((3, 4), dtype=np.float32), hidden=5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = prunable(model)
    masks = prune(magnitude(weights), dense_masks(weights), target)
    apply_masks(weights, masks)
    for name, value in model.state_dict().items():
        if name in masks:
            assert torch.equal(value, before[name] * masks[name])
        else:
            assert torch.equal(value, before[name])
    again = {name: before[name].clone() for name in masks}
    apply_masks(again, {name: mask.float() for name, mask in masks.items()})
    assert all(torch.equal(again[name], weights[name]) for name in masks)


def test_impact_is_weight_times_gradient():
    weights = {"m": torch.tensor([[1.0, -2.0], [0.0, 3.0]])}
    gradients = {"m": torch.tensor([[0.5, 2.0], [9.0, -1.0]])}
    assert torch.equal(impact(weights, gradients)["m"], torch.tensor([[0.5, 4.0], [0.0, 3.0]]))


def test_scores_are_computed_when_asked_for():
    weights, asked = {"a": torch.ones(1, 2), "b": torch.ones(1, 1)}, []
    scores = Scores(weights, lambda name: asked.append(name) or weights[name])
    assert list(scores) == ["a", "b"] and len(scores) == 2 and not asked
    prune(scores, {"b": torch.ones(1, 1, dtype=torch.bool)}, 0.9)
    assert asked == ["b"]
