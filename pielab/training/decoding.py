"""What language models write, greedily, and how probable they find that and the texts that people wrote."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.attention import sdpa_kernel

from pielab.data.generation import nearness
from pielab.models import batches, generation, pretrained, tokens
from pielab.models.targets import TargetEncoder
from pielab.models.tokens import Tokens
from pielab.store.text_answers import GoldTexts, TextAnswers
from pielab.training import loop, precisions

# Tokens of the texts and answers of a batch that is generated, and logits that are in memory at once.
TOKENS_AT_ONCE, LOGITS_AT_ONCE = 2**14, 2**26


@dataclass(frozen=True)
class Generated:
    """What a model wrote for the texts of a split.

    answers: without a threshold. error_norms: (examples,) float64, the mean over a target's tokens of the L2 norm of
    p(x) - y, where the model reads the target so far (EL2N).
    """

    answers: TextAnswers
    error_norms: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """All of it as numbers."""
        written = np.frombuffer("\0".join(self.answers.texts).encode("utf-8", "surrogatepass"), dtype=np.uint8)
        return written, self.answers.scores, self.answers.target_scores, self.error_norms


@torch.inference_mode()
@sdpa_kernel(loop.ATTENTION)
def predict(
    model: nn.Module,
    encoder: TargetEncoder,
    given: Tokens,
    targets: GoldTexts,
    precision: torch.dtype = torch.float32,
    batch_size: int | None = None,
) -> Generated:
    """What a model writes for texts, whose tokens are given with those of their targets; each distinct text once.

    batch_size: texts in a batch; by default, as many as are quick. Rounding apart, it changes nothing.

    Raises PielabError if the device cannot compute in the precision.
    """
    sources = encoder.sources(given)
    index: dict[bytes, int] = {}
    rows = [row.tobytes() for row in np.split(sources.ids, sources.starts[1:-1])[: len(sources)]]
    place = np.array([index.setdefault(row, len(index)) for row in rows], dtype=np.int64)
    first = np.unique(place, return_index=True)[1]
    distinct, of_distinct = write(model, encoder, sources[first], precision, batch_size)
    texts, scores = np.array(distinct, dtype=object)[place], of_distinct[place]
    target_scores, norms = _of_labels(model, encoder, given, precision, batch_size)
    numbers = (nearness(texts.tolist(), targets), scores, target_scores)
    return Generated(TextAnswers(texts, *(each.astype(np.float32) for each in numbers)), norms)


@torch.inference_mode()
@sdpa_kernel(loop.ATTENTION)
def write(
    model: nn.Module,
    encoder: TargetEncoder,
    sources: Tokens,
    precision: torch.dtype = torch.float32,
    batch_size: int | None = None,
    on_batch: Callable[[int], None] = lambda texts: None,
) -> tuple[list[str], np.ndarray]:
    """The text that a model writes for each source, and the mean log-probability of its tokens, (texts,) float64.

    Always the most probable token; of a text only what is no special token, without white space around it. on_batch:
    called with the number of texts of each batch.

    Raises PielabError if the device cannot compute in the precision.
    """
    precisions.check(model, precision)
    rows: list[Any] = [None] * len(sources)
    plan = batches.by_length(sources.lengths + encoder.max_answer_tokens, None, batch_size, TOKENS_AT_ONCE)
    of_text = np.split(sources.ids, sources.starts[1:-1])
    network: Any = model
    with loop.evaluating(model), loop.computing_in(precision, next(model.parameters()).device):
        for chosen in plan:
            inputs = generation.prompts([of_text[index] for index in chosen], encoder.padding, model)
            found = network.generate(**inputs, max_new_tokens=encoder.max_answer_tokens)
            start = inputs["input_ids"].shape[1] if encoder.start is None else 1
            for index, row in zip(chosen, found[:, start:].tolist(), strict=True):
                rows[index] = row[: row.index(encoder.end) + 1] if encoder.end in row else row
            on_batch(len(chosen))
    scores = _of_labels(model, encoder, encoder.joined(sources, tokens.join(rows)), precision, batch_size)[0]
    return [encoder.tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows], scores


def _of_labels(
    model: nn.Module, encoder: TargetEncoder, given: Tokens, precision: torch.dtype, batch_size: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The means over each text's labels of their log-probability, and of the norm of p(x) - y, (texts,) float64."""
    if given.labels is None or given.word_starts is None:
        raise TypeError("these are no tokens of texts with targets, which TargetEncoder.encode_targets gives")
    if not len(given):
        return np.empty(0), np.empty(0)
    device = next(model.parameters()).device
    labels = torch.from_numpy(given.labels).to(device).long()
    lengths = given.lengths if given.decoder is None else np.maximum(given.lengths, given.decoder.lengths)
    n_choices = pretrained.n_embeddings(model.config)
    at_once = int(LOGITS_AT_ONCE // n_choices)
    plan = batches.by_length(lengths, None, batch_size, at_once)
    of_labels = torch.empty((2, len(labels)), dtype=torch.float64)
    with loop.evaluating(model):
        for batch in batches.to_device(given, encoder, device).in_batches(plan):
            log_p = loop.logits(model, batch, precision).log_softmax(dim=-1)
            rows, gold = torch.arange(len(log_p), device=device), labels[batch.places]
            of_gold, errors = log_p[rows, gold], log_p.exp()
            errors[rows, gold] -= 1
            of_labels[:, batch.places.cpu()] = torch.stack([of_gold, errors.norm(dim=-1)]).double().cpu()
    sums = np.add.reduceat(of_labels.numpy(), given.word_starts[:-1], axis=1)
    log_p_of_gold, norms = sums / np.diff(given.word_starts)
    return log_p_of_gold, norms
