"""Any Hugging Face model that answers questions by a part of their context, and its encoder."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn

from pielab.compression import masks
from pielab.errors import PielabError
from pielab.models import classifier, pretrained
from pielab.models.encoders import SubwordEncoder

HEAD = "QuestionAnswering"

# A model in its initial state, as `classifier.build` gives one of texts, of the two classes start and end.
build = partial(classifier.build, head=HEAD)


def encoder(
    model: str, texts: Sequence[str] | None, max_tokens: int | None, *, revision: str | None = None
) -> SubwordEncoder:
    """`classifier.encoder` of a model that answers questions. texts: all questions and contexts.

    Raises PielabError besides if transformers have no such model of the architecture, or its tokenizer does not tell
    which characters a token is of, or begins a text with another token than its own for classes.
    """
    if model == "bilstm":
        raise PielabError(
            "bilstm-of-questions",
            "model = 'bilstm' was given for questions, and it gives a text one class",
            "give a transformer, such as minilm-2l or bert-base-uncased",
        )
    config = pretrained.load_config(model, revision=revision)
    _check_architecture(model, config)
    config.num_labels = 2  # some architectures refuse another number
    network = pretrained.without_weights(model, config, HEAD)
    masks.prunable(network)  # raises PielabError before anything is trained
    encoder = classifier.subword_encoder(model, config, texts, max_tokens, revision, HEAD)
    _check_tokenizer(model, encoder.tokenizer)
    _set_types(encoder.tokenizer, network)
    return encoder


def _check_architecture(model: str, config: Any) -> None:
    from transformers import MODEL_FOR_QUESTION_ANSWERING_MAPPING

    if type(config) not in MODEL_FOR_QUESTION_ANSWERING_MAPPING:
        raise PielabError(
            "no-question-answering",
            f"transformers have no model of the architecture {config.model_type}, which {model} is of, that answers "
            "questions",
            "give a model of one that they have, such as bert, distilbert, roberta, deberta-v2 or modernbert",
        )


def _check_tokenizer(model: str, tokenizer: Any) -> None:
    if not tokenizer.is_fast:
        raise PielabError(
            "tokenizer-without-characters",
            f"the tokenizer of {model}, {type(tokenizer).__name__}, does not tell which characters a token is of",
            "give a model whose tokenizer is a fast one of transformers, with a tokenizer.json",
        )
    ids, of_classes = tokenizer("a", "b")["input_ids"], tokenizer.cls_token_id
    if of_classes in ids and ids[0] != of_classes:
        raise PielabError(
            "class-token-not-first",
            f"the tokenizer of {model} puts {tokenizer.cls_token}, which stands for no answer, behind the question",
            "give a model whose tokenizer puts it first, such as bert, roberta, deberta-v2 or modernbert",
        )


def _set_types(tokenizer: Any, network: nn.Module) -> None:
    """Make a tokenizer give no types of tokens to a model that takes none, or ignores them."""
    if not pretrained.embeds_types(network, tokenizer("a", "b").get("token_type_ids")):
        names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
        # Saved with the tokenizer.
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names
