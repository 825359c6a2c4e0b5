"""Which texts share a batch, and what a model reads of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pielab.models import batches
from pielab.models.tokens import Tokens, join

LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=400)


class Masked:
    padding, width = 9, None


class Fixed:
    padding, width = 9, 5


def padded(lengths, plan):
    return sum(len(batch) * int(lengths[batch].max()) for batch in plan)


@given(LENGTHS, st.integers(1, 50), st.integers(0, 3))
def test_every_text_is_in_one_batch_of_the_size_given_but_the_rest(lengths, size, seed):
    lengths = np.array(lengths)
    for plan in (
        batches.bucketed(lengths, size, np.random.default_rng(seed)),
        batches.shuffled(len(lengths), size, np.random.default_rng(seed)),
    ):
        assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
        sizes = sorted(map(len, plan), reverse=True)
        assert sizes == [size] * (len(lengths) // size) + ([len(lengths) % size] if len(lengths) % size else [])


def test_texts_of_like_length_share_a_batch_in_another_order_every_time():
    lengths = np.random.default_rng(0).geometric(0.03, size=2000).clip(max=200)
    random = np.random.default_rng(1)
    one, other = (batches.bucketed(lengths, 20, random) for _ in range(2))
    assert padded(lengths, one) < 1.2 * lengths.sum() < 0.5 * padded(lengths, batches.shuffled(2000, 20, random))
    first, second = ([frozenset(batch.tolist()) for batch in plan] for plan in (one, other))
    assert len(set(first) & set(second)) < 5
    # Long and short batches come in no order.
    means = [lengths[batch].mean() for batch in one]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def test_what_is_left_of_whole_batches_is_of_any_length():
    lengths = np.arange(1000)
    rests = []
    for seed in range(60):
        plan = batches.bucketed(lengths, 64, np.random.default_rng(seed))
        rests += [lengths[batch].mean() for batch in plan if len(batch) < 64]
    assert len(rests) == 60 and abs(np.mean(rests) - 499.5) < 30


def test_batches_of_predictions_have_as_many_tokens_as_are_quick():
    lengths = np.concatenate([np.full(1000, 3), np.full(300, 512), [100_000]])
    for width, most in (
        (None, batches.TOKENS_AT_ONCE),
        (512, batches.TOKENS_FIXED_WIDTH),
        (10**6, batches.TOKENS_FIXED_WIDTH),
    ):
        plan = batches.by_length(lengths, width)
        assert sorted(np.concatenate(plan)) == list(range(len(lengths)))
        assert all(len(batch) == 1 or len(batch) * (width or lengths[batch].max()) <= most for batch in plan)
    sizes = list(map(len, batches.by_length(lengths, None)))
    assert sizes == [1000, *[16] * 18, 12, 1]
    assert list(map(len, batches.by_length(lengths, 512))) == [256] * 5 + [21]


@pytest.mark.parametrize("width", [None, 512])
def test_batches_of_predictions_may_be_of_a_given_number_of_texts(width):
    plan = batches.by_length(np.array([7, 3, 9, 3, 1]), width, size=2)
    assert [batch.tolist() for batch in plan] == [[4, 1], [3, 0], [2]]


@given(st.lists(st.lists(st.integers(0, 8), max_size=5), min_size=1, max_size=12), st.data())
def test_inputs_are_the_texts_tokens_filled_up(rows, data):
    chosen = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=6)))
    for encoder in (Masked, Fixed):
        [(places, inputs, _)] = batches.to_device(join(rows), encoder, torch.device("cpu")).in_batches([chosen])
        width = encoder.width or max(len(rows[each]) for each in chosen)
        expected = [rows[each] + [9] * (width - len(rows[each])) for each in chosen]
        assert inputs["input_ids"].tolist() == expected and inputs["input_ids"].dtype == torch.int64
        assert places.tolist() == chosen.tolist()
        if encoder is Masked and any(len(rows[each]) < width for each in chosen):
            mask = [[1] * len(rows[each]) + [0] * (width - len(rows[each])) for each in chosen]
            assert inputs["attention_mask"].tolist() == mask
        else:
            assert set(inputs) == {"input_ids"}


@given(st.lists(st.lists(st.integers(0, 8), max_size=9), max_size=12), st.integers(1, 9))
def test_tokens_are_cut_and_chosen_as_lists_are(rows, longest):
    def lists(tokens: Tokens):
        return [tokens.ids[start:end].tolist() for start, end in zip(tokens.starts, tokens.starts[1:], strict=False)]

    tokens = join(rows)
    assert lists(tokens) == rows and tokens.lengths.tolist() == [len(row) for row in rows] and len(tokens) == len(rows)
    assert lists(tokens.cut(longest)) == [row[:longest] for row in rows]
    assert lists(tokens[1:4]) == rows[1:4] and lists(tokens[::-1]) == rows[::-1]


FIRST = st.lists(st.lists(st.booleans(), min_size=1, max_size=5), min_size=1, max_size=12)


def tagged(rows):
    """Tokens that are their own numbers, of sentences of words; rows: whether each is the first of a word."""
    first = np.array([each for row in rows for each in row])
    return Tokens(np.arange(len(first), dtype=np.int32), np.cumsum([0, *map(len, rows)]), first=first)


@given(FIRST, st.integers(1, 5), st.integers(0, 3))
def test_the_outputs_of_a_batch_are_those_of_its_words(rows, size, seed):
    tokens, random = tagged(rows), np.random.default_rng(seed)
    plans = [batches.bucketed(tokens.lengths, size, random), batches.shuffled(len(rows), size, random)]
    for encoder, plan in [(Masked, plans[0]), (Masked, plans[1]), (Fixed, plans[1])]:
        seen = []
        for batch in batches.to_device(tokens, encoder, torch.device("cpu")).in_batches(plan):
            outputs = batch.outputs(batch.inputs["input_ids"][:, :, None].expand(-1, -1, 2))
            assert outputs[:, 0].tolist() == np.flatnonzero(tokens.first)[batch.places.numpy()].tolist()
            seen += batch.places.tolist()
        assert sorted(seen) == list(range(tokens.first.sum()))


@given(FIRST)
def test_words_are_chosen_with_their_sentences(rows):
    tokens, chosen = tagged(rows), tagged(rows[::-2])
    assert tokens[::-2].first.tolist() == chosen.first.tolist()
    assert tokens[::-2].word_starts.tolist() == [0, *np.cumsum([sum(row) for row in rows[::-2]])]
    assert tokens[1:].ids.tolist() == tokens.ids[len(rows[0]) :].tolist() and join([[1]]).word_starts is None
