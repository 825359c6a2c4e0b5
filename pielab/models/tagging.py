"""Any Hugging Face token classifier, and its encoder: models that give each word of a sentence a tag."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel

from pielab.compression import masks
from pielab.errors import PielabError
from pielab.models import classifier, pretrained
from pielab.models.encoders import SubwordEncoder

HEAD = "TokenClassification"

# A model in its initial state, as `classifier.build` gives one of texts.
build = partial(classifier.build, head=HEAD)


def encoder(model: str, texts: Sequence[str] | None, max_tokens: int, *, revision: str | None = None) -> SubwordEncoder:
    """`classifier.encoder` of a model that tags words. texts: the words of each sentence, joined.

    Raises PielabError besides if transformers have no token classifier of the model's architecture, or its tokenizer
    does not tell which word a token is of, or where one begins.
    """
    if model == "bilstm":
        raise PielabError(
            "bilstm-of-tagged-words",
            "model = 'bilstm' was given for tagged words, and it gives a text one class",
            "give a transformer, such as minilm-2l or bert-base-cased",
        )
    config = pretrained.load_config(model, revision=revision)
    _check_architecture(model, config)
    masks.prunable(pretrained.without_weights(model, config, HEAD))  # raises PielabError before anything is trained
    encoder = classifier.subword_encoder(model, config, texts, max_tokens, revision, HEAD)
    set_words_apart(model, encoder.tokenizer)
    return encoder


def _check_architecture(model: str, config: Any) -> None:
    from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    if type(config) not in MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING:
        raise PielabError(
            "no-token-classifier",
            f"transformers have no token classifier of the architecture {config.model_type}, which {model} is of",
            "give a model of one that they have, such as bert, distilbert, roberta, deberta-v2 or modernbert",
        )


def set_words_apart(model: str, tokenizer: Any) -> None:
    """Make a tokenizer read words that are given one by one as it reads them in a text.

    Raises PielabError if it does not tell which word a token is of, or where one begins.
    """
    if not tokenizer.is_fast:
        raise PielabError(
            "tokenizer-without-words",
            f"the tokenizer of {model}, {type(tokenizer).__name__}, does not tell which word a token is of",
            "give a model whose tokenizer is a fast one of transformers, with a tokenizer.json",
        )
    backend = tokenizer.backend_tokenizer
    if isinstance(backend.pre_tokenizer, ByteLevel):
        # Such as RoBERTa's, for which a word begins with a space; saved with the tokenizer.
        backend.pre_tokenizer.add_prefix_space = tokenizer.add_prefix_space = True
        tokenizer.init_kwargs["add_prefix_space"] = True
    if tokenizer(["a", "b"], is_split_into_words=True)["input_ids"] != tokenizer("a b")["input_ids"]:
        raise PielabError(
            "tokenizer-joins-words",
            f"the tokenizer of {model} reads words that are given one by one as if no space were between them",
            "give a model whose tokenizer does not, such as bert, roberta, deberta-v2, xlm-roberta or modernbert",
        )
