"""Softmax, sums and the loss over the candidates of each question, for start and end.

Logits (candidates, 2) of all questions of a batch stand one after the other. gold: of the same candidates, as
`models.candidates.gold` gives it. How many questions there are is read nowhere, because a GPU would wait for that: what
there is one of for each question has as many rows as there are candidates, and those behind the questions are 0.
"""

import torch
from torch import Tensor
from torch.nn import functional


def log_softmax(logits: Tensor, gold: Tensor) -> Tensor:
    """The log-probability of each candidate among those of its question, for start and end, (candidates, 2)."""
    rows = _rows(gold)
    highest = torch.zeros_like(logits).scatter_reduce(
        0, rows[:, None].expand_as(logits), logits.detach(), "amax", include_self=False
    )
    shifted = logits - highest[rows]
    # A question's sum is 1 at least, that of its highest candidate.
    return shifted - _sums(shifted.exp(), rows).clamp(min=1).log().index_select(0, rows)


def total(values: Tensor, gold: Tensor) -> Tensor:
    """The sum of values (candidates, 2) over the candidates of each question: of its start, of its end, of the next."""
    return _sums(values, _rows(gold)).flatten()


def log_choices(log_p: Tensor, gold: Tensor) -> Tensor:
    """The log of how many candidates each question has, or of 2 if it has one, in the places of `total`."""
    return total(torch.ones_like(log_p), gold).clamp(min=2).log()


def mean(values: Tensor, gold: Tensor) -> Tensor:
    """The mean over starts and ends of the questions with a gold candidate; 0 if there are none. values: as `total`."""
    weights = total(gold[:, 1:], gold)
    return (values * weights).sum() / weights.sum().clamp(min=1)


def loss(logits: Tensor, gold: Tensor, reduction: str = "mean") -> Tensor:
    """The mean of the cross-entropies of start and end, over the questions with a gold candidate, or their sum.

    reduction: "mean"; "sum"; or "none", each cross-entropy in the places of `total`.
    """
    losses = total(-log_softmax(logits, gold) * gold[:, 1:], gold)
    return {"mean": lambda: mean(losses, gold), "sum": lambda: losses.sum() / 2, "none": lambda: losses}[reduction]()


def _rows(gold: Tensor) -> Tensor:
    """The row of each candidate's question, from 0."""
    questions = gold[:, 0]
    return functional.pad(questions[1:] != questions[:-1], (1, 0)).cumsum(0)


def _sums(values: Tensor, rows: Tensor) -> Tensor:
    return torch.zeros_like(values).index_add(0, rows, values)
