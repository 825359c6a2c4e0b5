"""The half of a task that needs torch: how its texts are encoded, its model and its loss. A row of `TASKS` each.

The other half is in `data.tasks`, under the same names.
"""

import math
from collections.abc import Callable, Sequence
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
from pielab.data.generation import MAX_ANSWER_TOKENS
from pielab.errors import warn
from pielab.models import candidates, classifier, generation, question_answering, tagging
from pielab.models.encoders import TextEncoder
from pielab.models.tokens import Tokens
from pielab.training import candidate_losses


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


def encode_questions(data: DatasetDict, p: BuildParameters) -> tuple[TextEncoder, dict[str, Tokens]]:
    """The encoder of the model, and the tokens of each split's questions with their contexts, whose ends are cut.

    Warns of answers that are cut.

    Raises PielabError if the model answers no questions, or if a question leaves no room for its context.
    """
    everything = [text for split in datasets.SPLITS for name in ("text", "text_pair") for text in data[split][name]]
    encoder = question_answering.encoder(p.model, everything, p.max_tokens, revision=p.model_revision)
    encoded = {
        split: encoder.encode_questions(data[split]["text"], data[split]["text_pair"], f"the {split} split")
        for split in datasets.SPLITS
    }
    lost = {split: candidates.behind_cut(datasets.targets(data[split]), encoded[split]) for split in datasets.SPLITS}
    if behind := _counted("questions", lost, encoded):
        warn(
            f"{behind} have an answer behind max_tokens = {p.max_tokens}; models are not trained on these, and answer "
            "them wrong"
        )
    return encoder, encoded


def encode_targets(data: DatasetDict, p: BuildParameters) -> tuple[TextEncoder, dict[str, Tokens]]:
    """The encoder of the model, and the tokens of each split's texts with those of their first targets.

    Warns of targets that are cut, and of what no token stands for.

    Raises PielabError if the model generates no texts, or if a text does not fit `max_tokens`.
    """
    texts = {split: datasets.joined_texts(data[split]) for split in datasets.SPLITS}
    targets = {split: [written[0] for written in data[split]["targets"]] for split in datasets.SPLITS}
    everything = [text for split in datasets.SPLITS for text in (*texts[split], *targets[split])]
    longest = p.max_answer_tokens or MAX_ANSWER_TOKENS
    encoder = generation.encoder(p.model, everything, p.max_tokens, longest, revision=p.model_revision)
    encoded = {
        split: encoder.encode_targets(texts[split], targets[split], f"the {split} split") for split in datasets.SPLITS
    }
    if cut := _counted("texts", {split: encoder.n_cut(part) for split, part in encoded.items()}, encoded):
        warn(
            f"{cut} have more tokens than max_answer_tokens = {longest}, the one that ends them counted; models learn "
            "only what fits"
        )
    if unknown := _counted("texts", {split: encoder.n_unknown(part) for split, part in encoded.items()}, encoded):
        warn(
            f"{unknown} have characters, themselves or in their targets, that the tokenizer of {p.model} has no token "
            "for; models read them as unknown, and cannot write them"
        )
    return encoder, encoded


def _counted(what: str, numbers: dict[str, int], of: dict[str, Tokens]) -> str:
    """In words, of how many examples of each split a number is; "" if all are 0."""
    counts = (f"of {len(of[split]):,} {split} {what} {number:,}" for split, number in numbers.items() if number)
    return ", ".join(counts)


@dataclass(frozen=True)
class TrainingTask:
    """How models of a task are trained.

    loss: of logits and targets, (outputs, ...) both, an output for each example, or for each of its words, candidates
        or tokens to generate; its `reduction` is torch's: "mean", "sum" or "none", one for each choice that a model
        makes: for each output or label, or for the start and the end of each answer.
    log_probabilities: of logits and targets, with what can be chosen for each output or label on the last axis. total:
        of values like these and targets, their sums, one for each choice. log_choices: of the log-probabilities and
        targets, the log of how many there are to choose from. mean: over choices, of values of each, and targets.
    encode: texts to tokens, as `encode_texts` does. models: the module that builds its models and their encoders.
    gold: the targets of outputs, (outputs, ...), from those of examples, which `datasets.targets` gives, and their
        tokens.
    read: what answers are read from, of logits, tokens, the second texts of pairs and the most tokens of an answer, or
        None for the task's own; by default the logits.
    error_norms: the L2 norm of p(x) - y of each example, from logits and gold, where these are kept in place of logits.
    arrays: what models predict as arrays of numbers; by default the logits.
    """

    loss: Callable[..., Tensor]
    log_probabilities: Callable[[Tensor, Tensor], Tensor]
    total: Callable[[Tensor, Tensor], Tensor] = lambda values, targets: values.sum(-1)
    log_choices: Callable[[Tensor, Tensor], Tensor | float] = lambda log_p, targets: math.log(log_p.shape[-1])
    mean: Callable[[Tensor, Tensor], Tensor] = lambda values, targets: values.mean()
    encode: Callable[[DatasetDict, BuildParameters], tuple[TextEncoder, dict[str, Tokens]]] = encode_texts
    models: ModuleType = classifier
    gold: Callable[[Any, Tokens], np.ndarray] = lambda targets, tokens: targets
    read: Callable[[Any, Tokens, Sequence[str], int | None], Any] = lambda logits, tokens, seconds, longest: logits
    error_norms: Callable[[Any, np.ndarray], np.ndarray] | None = None
    arrays: Callable[[Any], tuple[np.ndarray, ...]] = lambda logits: (logits,)


SINGLE_LABEL = TrainingTask(
    loss=functional.cross_entropy,
    log_probabilities=lambda logits, targets: functional.log_softmax(logits, dim=-1),
)
TASKS = {
    "single-label": SINGLE_LABEL,
    # Each label is a choice between yes and no.
    "multi-label": TrainingTask(
        loss=functional.binary_cross_entropy_with_logits,
        log_probabilities=lambda logits, targets: torch.stack(
            [functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1
        ),
    ),
    # Each word is one of the classes.
    "tokens": replace(SINGLE_LABEL, encode=encode_words, models=tagging, gold=lambda tags, tokens: tags.ids),
    # Start and end are each one of a question's candidates.
    "spans": TrainingTask(
        loss=candidate_losses.loss,
        log_probabilities=candidate_losses.log_softmax,
        total=candidate_losses.total,
        log_choices=candidate_losses.log_choices,
        mean=candidate_losses.mean,
        encode=encode_questions,
        models=question_answering,
        gold=candidates.gold,
        read=candidates.best_spans,
        error_norms=candidates.error_norms,
    ),
    # Each token of a target is one of the vocabulary.
    "generation": replace(
        SINGLE_LABEL,
        encode=encode_targets,
        models=generation,
        gold=lambda texts, tokens: np.asarray(tokens.labels, dtype=np.int64),
        read=lambda generated, tokens, seconds, longest: generated.answers,
        error_norms=lambda generated, gold: generated.error_norms,
        arrays=lambda generated: generated.arrays,
    ),
}


def of_targets(targets: np.ndarray | Tensor) -> TrainingTask:
    """The task of class ids (examples,), or of multi-hot targets (examples, classes)."""
    return TASKS[tasks.of_targets(targets).name]  # type: ignore[arg-type]  # it reads ndim, which a tensor has too
