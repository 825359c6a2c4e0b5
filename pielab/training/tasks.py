"""The half of a task that needs torch: how its texts are encoded, its model and its loss. A row of `TASKS` each.

The other half is in `data.tasks`, under the same names.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from datasets import DatasetDict
from torch import Tensor
from torch.nn import functional

from pielab.config.parameters import BuildParameters
from pielab.data import datasets, tasks
from pielab.models import classifier, tagging
from pielab.models.encoders import TextEncoder
from pielab.models.tokens import Tokens


def encode_texts(data: DatasetDict, p: BuildParameters) -> tuple[TextEncoder, dict[str, Tokens]]:
    """The encoder of the model, and the tokens of each split, one sequence for each example."""
    everything = [text for split in datasets.SPLITS for text in datasets.joined_texts(data[split])]
    is_pairs = "text_pair" in data["train"].column_names
    firsts = [text for split in datasets.SPLITS for text in data[split]["text"]] if is_pairs else None
    encoder = classifier.encoder(p.model, everything, p.max_tokens, p.word_vectors, p.padding, p.model_revision)
    tokens, ends = encoder.encode(everything, firsts), np.cumsum([0, *(len(data[split]) for split in datasets.SPLITS)])
    if firsts:
        # Formerly a pair's end was cut; results of both ways must not mix, nor any other need the new recipe.
        full = np.flatnonzero(tokens.lengths == p.max_tokens)
        formerly = encoder.encode([everything[index] for index in full])
        encoder = replace(encoder, cuts_pairs=not np.array_equal(formerly.ids, tokens[full].ids))
    return encoder, {split: tokens[ends[index] : ends[index + 1]] for index, split in enumerate(datasets.SPLITS)}


def encode_words(data: DatasetDict, p: BuildParameters) -> tuple[TextEncoder, dict[str, Tokens]]:
    """The encoder of the model, and the tokens of each split's tagged words, one sequence for each sentence.

    Raises PielabError if the model tags no words, if a sentence does not fit `max_tokens`, or if its tokenizer reads
    a word as no token, and has none for unknown words.
    """
    everything = [text for split in datasets.SPLITS for text in data[split]["text"]]
    encoder = tagging.encoder(p.model, everything, p.max_tokens, revision=p.model_revision)
    return encoder, {
        split: encoder.encode_words(data[split]["words"], f"the {split} split") for split in datasets.SPLITS
    }


@dataclass(frozen=True)
class TrainingTask:
    """How models of a task are trained.

    loss: of logits and targets, (outputs, ...) both, an output for each example, or for each of its words; its
        `reduction` is torch's: "mean", "sum" or "none", one for each output or label. log_probabilities: of logits,
        with the choices of each output or label on the last axis.
    encode: texts to tokens, as `encode_texts` does. models: the module that builds its models and their encoders.
    gold: the targets of outputs, (outputs, ...), from those of examples, which `datasets.targets` gives.
    """

    loss: Callable[..., Tensor]
    log_probabilities: Callable[[Tensor], Tensor]
    encode: Callable[[DatasetDict, BuildParameters], tuple[TextEncoder, dict[str, Tokens]]] = encode_texts
    models: ModuleType = classifier
    gold: Callable[[Any], np.ndarray] = lambda targets: targets


SINGLE_LABEL = TrainingTask(
    loss=functional.cross_entropy,
    log_probabilities=lambda logits: functional.log_softmax(logits, dim=-1),
)
TASKS = {
    "single-label": SINGLE_LABEL,
    # Each label is a choice between yes and no.
    "multi-label": TrainingTask(
        loss=functional.binary_cross_entropy_with_logits,
        log_probabilities=lambda logits: torch.stack(
            [functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1
        ),
    ),
    # Each word is one of the classes.
    "tokens": replace(SINGLE_LABEL, encode=encode_words, models=tagging, gold=lambda tags: tags.ids),
}


def of_targets(targets: np.ndarray | Tensor) -> TrainingTask:
    """The task of class ids (examples,), or of multi-hot targets (examples, classes)."""
    return TASKS[tasks.of_targets(targets).name]  # type: ignore[arg-type]  # it reads ndim, which a tensor has too
