"""Group texts into batches, and cut the batches on the device, to which all tokens are copied once."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pielab.models.tokens import Tokens
from pielab.store.entities import items

# Texts are sorted by length within pools of 50 batches; a small data set has four pools at least.
POOL, LEAST_POOLS = 50, 4
# Tokens in a batch of predictions, padding included; larger batches need more memory and are no quicker. A recurrent
# model, which reads one width token by token, is small and waits at every token, so that its batches are larger.
TOKENS_AT_ONCE, TOKENS_FIXED_WIDTH = 2**13, 2**17


class Encoder(Protocol):
    """What batches need to know of an encoder.

    padding: the token id that texts are padded with. width: the number of tokens that all texts are padded to, or None
        to pad to the longest of the batch and mask the padding.
    """

    @property
    def padding(self) -> int: ...

    @property
    def width(self) -> int | None: ...


class Batch(NamedTuple):
    """A batch of a model's inputs, and which of its outputs they give.

    places: (outputs,), the indices of its texts, of the words of its sentences or of the candidates of its questions.
    inputs: (texts, width) each.
    first: (outputs,), the first token of each word, or each candidate, of all tokens of the batch laid out flat; None
        if a text is an output.
    """

    places: Tensor
    inputs: dict[str, Tensor]
    first: Tensor | None

    def outputs(self, logits: Tensor) -> Tensor:
        """The logits (outputs, classes) of those that the model gives, (texts, classes) or (texts, width, classes)."""
        return logits if self.first is None else logits.flatten(0, 1)[self.first]


@dataclass(frozen=True)
class DeviceTokens:
    """The tokens of all texts on a device.

    ids: (tokens,). starts: (texts,), where each text begins. lengths: (texts,), in tokens. types: (tokens,), as of
        Tokens.
    On the CPU, where reading them does not wait for the device: known, the lengths; and of tagged words or candidates,
        word_starts, as of Tokens, and offsets, (words,), how many tokens of the sentence come before each word.
    decoder: the tokens that a decoder reads, whose outputs are all that there are. has_labels: whether tokens are given
        a mask even if none is padding, because that which ends a text may be the one to pad with, and then transformers
        warn.
    """

    encoder: Encoder
    ids: Tensor = field(repr=False)
    starts: Tensor = field(repr=False)
    lengths: Tensor = field(repr=False)
    known: np.ndarray = field(repr=False)
    types: Tensor | None = field(default=None, repr=False)
    word_starts: np.ndarray | None = field(default=None, repr=False)
    offsets: np.ndarray | None = field(default=None, repr=False)
    decoder: "DeviceTokens | None" = field(default=None, repr=False)
    has_labels: bool = False

    def in_batches(self, chosen: list[np.ndarray]) -> Iterator[Batch]:
        """Each batch of the chosen texts."""
        if self.decoder is None:
            yield from self._in_batches(chosen)
            return
        for batch, decoded in zip(self._in_batches(chosen), self.decoder._in_batches(chosen), strict=True):
            of_decoder = {f"decoder_{name}": each for name, each in decoded.inputs.items()}
            yield Batch(decoded.places, batch.inputs | of_decoder, decoded.first)

    def _in_batches(self, chosen: list[np.ndarray]) -> Iterator[Batch]:
        if not chosen:
            return
        widths = [self.encoder.width or int(self.known[batch].max()) for batch in chosen]
        arrays = [[batch, *self._words(batch, width)] for batch, width in zip(chosen, widths, strict=True)]
        flat = [array for of_batch in arrays for array in of_batch]
        # In one copy, because a copy for every batch would make the device wait.
        on_device = iter(torch.from_numpy(np.concatenate(flat)).to(self.ids.device).split(list(map(len, flat))))
        for batch, width, of_batch in zip(chosen, widths, arrays, strict=True):
            texts, *words = (next(on_device) for _ in of_batch)
            places, first = words or (texts, None)
            padded = self.has_labels or bool(self.known[batch].min() < width)
            yield Batch(places, self._inputs(texts, width, padded), first)

    def _words(self, batch: np.ndarray, width: int) -> list[np.ndarray]:
        """`places` and `first` of a batch of sentences of tagged words, of others nothing."""
        if self.word_starts is None or self.offsets is None:
            return []
        words = items(self.word_starts, batch)
        rows = np.repeat(np.arange(len(batch)), self.word_starts[batch + 1] - self.word_starts[batch])
        return [words, rows * width + self.offsets[words]]

    def _inputs(self, places: Tensor, width: int, padded: bool) -> dict[str, Tensor]:
        steps = torch.arange(width, device=self.ids.device)
        positions = self.starts[places, None] + steps
        if not padded:
            # Attention has quicker kernels without a mask.
            return {"input_ids": self.ids[positions].long()} | self._types(positions)
        mask = steps < self.lengths[places, None]
        ids = torch.where(mask, self.ids[positions.clamp_(max=len(self.ids) - 1)].long(), self.encoder.padding)
        if self.encoder.width:
            return {"input_ids": ids}
        return {"input_ids": ids, "attention_mask": mask.long()} | self._types(positions, mask)

    def _types(self, positions: Tensor, mask: Tensor | int = 1) -> dict[str, Tensor]:
        return {} if self.types is None else {"token_type_ids": self.types[positions].long() * mask}


def logits(output: Any) -> Any:
    """The logits of a model's output; of a reader of questions, which has two outputs, (texts, tokens, 2)."""
    if hasattr(output, "start_logits"):
        return torch.stack([output.start_logits, output.end_logits], dim=-1)
    return getattr(output, "logits", None)


def to_device(tokens: Tokens, encoder: Encoder, device: torch.device) -> DeviceTokens:
    """Copy all tokens to the device."""
    # One token at least, because padding is read as a clamped index.
    arrays = (tokens.ids if len(tokens.ids) else np.zeros(1, np.int32), tokens.starts[:-1], tokens.lengths)
    ids, starts, lengths = (torch.from_numpy(array).to(device) for array in arrays)
    types = None if tokens.types is None else torch.from_numpy(tokens.types).to(device)
    on_device = DeviceTokens(encoder, ids, starts, lengths, tokens.lengths, types)
    if tokens.decoder is not None:
        return replace(on_device, decoder=to_device(tokens.decoder, encoder, device))
    if tokens.first is None or tokens.word_starts is None:
        return on_device
    before = np.repeat(tokens.starts[:-1], np.diff(tokens.word_starts))
    on_device = replace(on_device, has_labels=tokens.labels is not None)
    return replace(on_device, word_starts=tokens.word_starts, offsets=np.flatnonzero(tokens.first) - before)


def shuffled(number: int, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Every example once, shuffled, in batches of `size`; the last one may be smaller."""
    order = random.permutation(number)
    return [order[start : start + size] for start in range(0, number, size)]


def bucketed(lengths: np.ndarray, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Every example once, texts of like length in a batch: shuffled, sorted within pools, the batches shuffled again.

    lengths: (texts,), in tokens. One batch may be smaller than `size`.
    """
    order = random.permutation(len(lengths))
    # The smaller batch gets random texts: the shortest or longest ones of a pool would weigh more than others.
    left = len(order) % size
    rest, order = order[:left], order[left:]
    pool = size * max(1, min(POOL, len(order) // (LEAST_POOLS * size)))
    parts = [order[start : start + pool] for start in range(0, len(order), pool)]
    by_length = [part[np.argsort(lengths[part], kind="stable")] for part in parts]
    batches = [part[start : start + size] for part in by_length for start in range(0, len(part), size)]
    batches += [rest] if left else []
    return [batches[index] for index in random.permutation(len(batches))]


def by_length(
    lengths: np.ndarray, width: int | None, size: int | None = None, at_once: int = TOKENS_AT_ONCE
) -> list[np.ndarray]:
    """Every example once, the shortest first, in batches for predictions.

    lengths: (texts,), in tokens. width: that of the encoder. size: texts in a batch; by default, as many as are quick,
    with so many tokens `at_once`.
    """
    order = np.argsort(lengths, kind="stable")
    if width and not size:
        size = max(1, TOKENS_FIXED_WIDTH // width)
    if size:
        return np.split(order, range(size, len(order), size))
    batches, start = [], 0
    while start < len(order):
        ahead = lengths[order[start : start + at_once]]
        size = max(1, int((ahead * np.arange(1, len(ahead) + 1) <= at_once).sum()))
        batches.append(order[start : start + size])
        start += size
    return batches
