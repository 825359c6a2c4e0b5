"""Which texts share a batch, and batches cut on the device itself, where all tokens lie from the start."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from pielab.models.tokens import Tokens

# Of so many batches at a time the texts are sorted by length, and of a small data set of a quarter at most.
POOL, LEAST_POOLS = 50, 4
# As many tokens with their padding make a batch of predictions; more need memory and are no quicker. A model that reads
# texts of one width token by token is small and waits at each, so that it gets many more.
TOKENS_AT_ONCE, TOKENS_FIXED_WIDTH = 2**13, 2**17


class Encoder(Protocol):
    """padding: the token id that texts are filled up with. width: to how many tokens; None, the longest of the batch
    and a mask that hides the padding.
    """

    padding: int
    width: int | None


@dataclass(frozen=True)
class DeviceTokens:
    """The tokens of all texts on a device.

    ids: (tokens,). starts: (texts,), where each text begins. lengths: (texts,), of each text; on the CPU, known.
    """

    encoder: Encoder
    ids: Tensor = field(repr=False)
    starts: Tensor = field(repr=False)
    lengths: Tensor = field(repr=False)
    known: np.ndarray = field(repr=False)

    def in_batches(self, chosen: list[np.ndarray]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """For each batch the places of its texts, (examples,), and the model's inputs, (examples, width) each."""
        if not chosen:
            return
        # Carried to the device together: a device that computes need not wait for each.
        together = torch.from_numpy(np.concatenate(chosen)).to(self.ids.device)
        for indices, places in zip(chosen, together.split([len(each) for each in chosen]), strict=True):
            lengths = self.known[indices]
            width = self.encoder.width or int(lengths.max())
            yield places, self._inputs(places, width, padded=bool(lengths.min() < width))

    def _inputs(self, places: Tensor, width: int, padded: bool) -> dict[str, Tensor]:
        steps = torch.arange(width, device=self.ids.device)
        where = self.starts[places, None] + steps
        if not padded:
            # Without a mask attention has quicker kernels.
            return {"input_ids": self.ids[where].long()}
        there = steps < self.lengths[places, None]
        ids = torch.where(there, self.ids[where.clamp_(max=len(self.ids) - 1)].long(), self.encoder.padding)
        return {"input_ids": ids} if self.encoder.width else {"input_ids": ids, "attention_mask": there.long()}


def to_device(tokens: Tokens, encoder: Encoder, device: torch.device) -> DeviceTokens:
    """Texts with all their tokens on the device."""
    # Even of no text with a word a place can be read.
    ids = tokens.ids if len(tokens.ids) else np.zeros(1, np.int32)
    on_device = [torch.from_numpy(each).to(device) for each in (ids, tokens.starts[:-1], tokens.lengths)]
    return DeviceTokens(encoder, *on_device, known=tokens.lengths)


def shuffled(number: int, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Every example once, in batches of `size` and one of what is left."""
    order = random.permutation(number)
    return [order[start : start + size] for start in range(0, number, size)]


def bucketed(lengths: np.ndarray, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """As `shuffled`, but texts of like length share a batch: shuffled, sorted within pools of many batches, and the
    batches shuffled again.

    lengths: (texts,), in tokens.
    """
    order = random.permutation(len(lengths))
    # What is left of whole batches is a batch of chance texts: those at one end of a pool would weigh more.
    left = len(order) % size
    rest, order = order[:left], order[left:]
    pool = size * max(1, min(POOL, len(order) // (LEAST_POOLS * size)))
    parts = [order[start : start + pool] for start in range(0, len(order), pool)]
    by_length = [part[np.argsort(lengths[part], kind="stable")] for part in parts]
    batches = [part[start : start + size] for part in by_length for start in range(0, len(part), size)]
    batches += [rest] if left else []
    return [batches[index] for index in random.permutation(len(batches))]


def by_length(lengths: np.ndarray, width: int | None) -> list[np.ndarray]:
    """Every example once, the shortest first, in batches for predictions."""
    order = np.argsort(lengths, kind="stable")
    if width:
        return np.split(
            order, range(max(1, TOKENS_FIXED_WIDTH // width), len(order), max(1, TOKENS_FIXED_WIDTH // width))
        )
    batches, start = [], 0
    while start < len(order):
        ahead = lengths[order[start : start + TOKENS_AT_ONCE]]
        size = max(1, int((ahead * np.arange(1, len(ahead) + 1) <= TOKENS_AT_ONCE).sum()))
        batches.append(order[start : start + size])
        start += size
    return batches
