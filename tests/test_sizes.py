"""Bytes and weights of models, counted by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers.pytorch_utils import Conv1D

from pielab.compression.masks import apply_masks, dense_masks, magnitude, prunable, prune
from pielab.compression.sizes import sizes
from pielab.models.classifier import BiLSTM

NAMES = ["0.weight"]


def linear(rows=6, columns=8, last=3):
    """A matrix to compress, 6 x 8, and a last layer, 3 x 6; with biases 48 + 6 + 18 + 3 = 75 weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(columns, rows), nn.Linear(rows, last))


def test_a_model_that_nothing_compressed_is_as_large_packed_as_stored():
    assert sizes(linear(), NAMES) == {
        "bytes_stored": 300,
        "bytes_packed": 300,
        "weights": 75,
        "nonzero": 75,
        "prunable": 48,
        "prunable_nonzero": 48,
    }


@pytest.mark.parametrize(("bits", "integers"), [(8, 48), (4, 24), (3, 18), (2, 12)])
def test_rounded_weights_take_their_bits_and_a_scale_for_each_row(bits, integers):
    found = sizes(linear(), NAMES, bits=bits)
    assert found["bytes_packed"] == 300 - 192 + integers + 6 * 4 and found["bytes_stored"] == 300


def test_bits_of_a_matrix_that_fill_no_whole_byte_are_rounded_up():
    # 3 x 3 weights of 3 bits are 27 bits, 4 bytes; 3 scales; last layer 3 x 3 and both biases as they are.
    assert sizes(linear(3, 3), NAMES, bits=3)["bytes_packed"] == 4 + 3 * 4 + (3 + 9 + 3) * 4


def test_the_rows_of_conv1d_are_its_columns():
    model = nn.Sequential(Conv1D(6, 8), nn.Linear(6, 3))
    assert model[0].weight.shape == (8, 6)
    assert sizes(model, NAMES, bits=8)["bytes_packed"] == 48 + 6 * 4 + (6 + 18 + 3) * 4


def test_a_vector_is_one_row():
    assert sizes(nn.LayerNorm(8), ["weight"], bits=8)["bytes_packed"] == 8 + 4 + 8 * 4


def test_two_of_four_keep_half_of_the_values_with_two_bits_each():
    assert sizes(linear(), NAMES, pattern=(2, 4))["bytes_packed"] == 300 - 192 + 24 * 4 + 24 * 2 // 8
    # 4 of 8 take three bits each.
    assert sizes(linear(), NAMES, pattern=(4, 8))["bytes_packed"] == 300 - 192 + 24 * 4 + 24 * 3 // 8


def test_a_pruned_matrix_takes_a_bit_for_each_weight_and_the_values_left():
    model = linear()
    with torch.no_grad():
        model[0].weight[:, :4] = 0
    found = sizes(model, NAMES)
    assert found["bytes_packed"] == 300 - 192 + 48 // 8 + 24 * 4 and found["bytes_stored"] == 300
    assert found["nonzero"] == 75 - 24 and found["prunable_nonzero"] == 24


def test_a_single_zero_is_not_worth_a_bitmap():
    model = linear()
    with torch.no_grad():
        model[0].weight[0, 0] = 0
    assert sizes(model, NAMES)["bytes_packed"] == 300


def test_a_matrix_of_zeros_alone_takes_its_bitmap():
    model = linear()
    nn.init.zeros_(model[0].weight)
    found = sizes(model, NAMES)
    assert found["bytes_packed"] == 300 - 192 + 6 and found["prunable_nonzero"] == 0 and found["nonzero"] == 27


def test_zeros_outside_the_compressed_matrices_are_stored_as_they_are():
    model = linear()
    nn.init.zeros_(model[1].weight)
    assert sizes(model, NAMES)["bytes_packed"] == 300


def test_tied_weights_count_once_under_either_name():
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight
    for names in (["0.weight"], ["1.weight"], ["0.weight", "1.weight"]):
        found = sizes(model, names, bits=8)
        assert found["bytes_stored"] == 256 and found["bytes_packed"] == 64 + 8 * 4 and found["prunable"] == 64


def test_half_precision_and_buffers_are_counted_as_they_are():
    model = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6)).to(torch.bfloat16)
    # BatchNorm: weight, bias, mean and variance of 6 in two bytes, and a count of eight bytes.
    assert sizes(model, NAMES)["bytes_stored"] == 2 * (48 + 6 + 4 * 6) + 8
    assert sizes(model, NAMES)["weights"] == 48 + 6 + 2 * 6


def test_the_word_vectors_of_a_bilstm_are_not_part_of_it():
    few, many = (BiLSTM(3, torch.zeros(words, 10).numpy(), hidden=4) for words in (5, 5000))
    assert sizes(few, prunable(few)) == sizes(many, prunable(many))
    assert sizes(few, prunable(few))["bytes_stored"] == 4 * sum(each.numel() for each in few.parameters())


@given(st.floats(0.05, 0.99))
@settings(max_examples=20)
def test_more_sparsity_is_never_larger_and_never_larger_than_stored(sparsity):
    model = linear()
    weights = {"0.weight": model[0].weight}
    found = [sizes(model, NAMES)]
    masks = dense_masks(weights)
    for share in (sparsity / 2, sparsity):
        masks = prune(magnitude(weights), masks, share)
        apply_masks(weights, masks)
        found.append(sizes(model, NAMES))
        assert found[-1]["prunable_nonzero"] == 48 - round(share * 48)
    packed = [each["bytes_packed"] for each in found]
    assert packed == sorted(packed, reverse=True) and packed[0] == found[0]["bytes_stored"]
