"""Any Hugging Face language model that generates texts, with an encoder or without, and its encoder of texts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pielab.compression import masks
from pielab.data.generation import MAX_ANSWER_TOKENS
from pielab.errors import PielabError
from pielab.models import classifier, padding_token, pretrained
from pielab.models.targets import TargetEncoder

HEADS = ("CausalLM", "Seq2SeqLM")
# How transformers' classes of language models are called.
ARCHITECTURES = ("CausalLM", "LMHeadModel", "ConditionalGeneration", "Seq2SeqLM", "MTModel")


def head(config: Any) -> str:
    """The head of a language model of that configuration, as of `pretrained.HEAD`."""
    return HEADS[bool(config.is_encoder_decoder)]


def encoder(
    model: str,
    texts: Sequence[str] | None,
    max_tokens: int | None,
    max_answer_tokens: int | None = None,
    *,
    revision: str | None = None,
) -> TargetEncoder:
    """`classifier.encoder` of a model that generates texts.

    texts: all that it will read or learn to write. max_tokens: as many as leave room for what it generates if None.
    max_answer_tokens: the most that it generates; not checked if None.

    Raises PielabError besides if transformers have no language model of the architecture, if it has no token that ends
    texts or that a decoder begins with, or if it reads fewer tokens than a text and its answer may have.
    """
    if model == "bilstm":
        raise PielabError(
            "bilstm-of-generated-texts",
            "model = 'bilstm' was given for texts to generate, and it gives a text one class",
            "give a transformer, such as gpt2 or t5-small",
        )
    config = pretrained.load_config(model, revision=revision)
    _check_architecture(model, config)
    network = pretrained.without_weights(model, config, head(config))
    masks.prunable(network)  # raises PielabError before anything is trained
    plain = classifier.subword_encoder(model, config, texts, max_tokens, revision, head(config))
    tokenizer, longest = plain.tokenizer, pretrained.longest_text(network)
    if not config.is_encoder_decoder:
        longest = min(longest, tokenizer.model_max_length)
    if max_tokens is None and not config.is_encoder_decoder:
        plain = replace(plain, max_tokens=int(longest) - (max_answer_tokens or MAX_ANSWER_TOKENS))
    max_tokens = plain.max_tokens
    needed = (max_answer_tokens or 0) + (0 if config.is_encoder_decoder else max_tokens)
    if max_answer_tokens and needed > longest:
        given = "" if config.is_encoder_decoder else f"max_tokens = {max_tokens} and "
        raise PielabError(
            "answer-does-not-fit",
            f"{given}max_answer_tokens = {max_answer_tokens} need {needed} tokens, and {model} reads {longest} at most",
            "lower one of them" if given else "lower max_answer_tokens",
        )
    own: dict[str, Any] = {"end": _end(model, config, tokenizer), "start": _start(model, config)}
    return TargetEncoder(**vars(plain), **own, max_answer_tokens=max_answer_tokens or MAX_ANSWER_TOKENS)


def build(
    model: str,
    n_classes: int = 0,
    seed: int = 0,
    *,
    vectors: None = None,
    num_hidden_layers: int | None = None,
    revision: str | None = None,
    meta: bool = False,
) -> nn.Module:
    """A language model in its initial state, as `classifier.build` gives a classifier; its classes are its tokens.

    It generates greedily, whatever its checkpoint says.

    Raises PielabError besides if a text's logits depend on padding, or on what follows.
    """
    from transformers import GenerationConfig

    torch.manual_seed(seed)
    config = pretrained.load_config(model, num_hidden_layers, revision)
    if meta:
        return pretrained.without_weights(model, config, head(config))
    tokenizer = pretrained.load_tokenizer(model, revision)
    padding = padding_token.set_padding(model, config, tokenizer, revision)
    ends = {"eos_token_id": _end(model, config, tokenizer), "decoder_start_token_id": _start(model, config)}
    network = pretrained.load_weights(model, config, revision, head(config), whole=True)
    network.generation_config = GenerationConfig(do_sample=False, num_beams=1, pad_token_id=padding, **ends)
    padding_token.check_padding(model, network, _next_alone_and_padded)
    if not config.is_encoder_decoder:
        _check_causal(model, network)
    return network


def prompts(rows: Sequence[Any], padding: int, network: nn.Module) -> dict[str, Tensor]:
    """What a model generates from: the token ids of texts, padded on the side away from what it writes, and a mask."""
    config: Any = network.config
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), padding)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        place = slice(len(row)) if config.is_encoder_decoder else slice(width - len(row), width)
        ids[number, place], mask[number, place] = torch.as_tensor(row, dtype=ids.dtype), 1
    device = next(network.parameters()).device
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def _end(model: str, config: Any, tokenizer: Any) -> int:
    """The token that ends a text: the tokenizer's, or the configuration's."""
    of_config = getattr(config, "eos_token_id", None)
    choices = [tokenizer.eos_token_id, *(of_config if isinstance(of_config, list) else [of_config])]
    end = next((each for each in choices if pretrained.is_embedded(each, config)), None)
    if end is None:
        raise PielabError(
            "no-end-token",
            f"neither the tokenizer of {model} nor its configuration has a token that ends texts, which the model "
            "embeds, so that it could not learn where a text ends",
            "give its config.json an eos_token_id, or a language model, such as gpt2 or t5-small",
        )
    return end


def _start(model: str, config: Any) -> int | None:
    """What a decoder reads first; None of a model without an encoder."""
    if not config.is_encoder_decoder:
        return None
    start = getattr(config, "decoder_start_token_id", None)
    if not pretrained.is_embedded(start, config):
        raise PielabError(
            "no-decoder-start-token",
            f"the configuration of {model} does not say with which token its decoder begins",
            "give its config.json a decoder_start_token_id, for T5 that of its padding",
        )
    return start


def _check_architecture(model: str, config: Any) -> None:
    import transformers

    name = "SEQ_TO_SEQ_CAUSAL_LM" if config.is_encoder_decoder else "CAUSAL_LM"
    if type(config) not in getattr(transformers, f"MODEL_FOR_{name}_MAPPING"):
        raise PielabError(
            "no-language-model",
            f"transformers have no model of the architecture {config.model_type}, which {model} is of, that generates "
            "texts",
            "give a model of one that they have, such as gpt2, llama, t5 or bart",
        )


def _next_alone_and_padded(network: Any, text: list[int]) -> tuple[Tensor, Tensor]:
    """The logits of the token after a text, alone and in a batch with a longer one."""
    padding = network.config.pad_token_id
    options = {"max_new_tokens": 1, "output_logits": True, "return_dict_in_generate": True}
    alone, padded = (
        network.eval().generate(**prompts(rows, padding, network), **options).logits[0]
        for rows in ([text], [text, text + text])
    )
    return alone, padded[:1]


@torch.no_grad()
def _check_causal(model: str, network: Any) -> None:
    """Raises PielabError if the logits after a token depend on those that follow, which it could then copy."""
    text = torch.arange(4)[None]
    both, mask = (text, text.where(text < 3, 0)), torch.ones_like(text)
    logits, others = (network(input_ids=ids, attention_mask=mask).logits[0, :-1] for ids in both)
    if not torch.allclose(logits, others, rtol=0, atol=padding_token.PADDING_TOLERANCE * logits.abs().max().item()):
        raise PielabError(
            "model-reads-ahead",
            f"{type(network).__name__} of {model} gives a token other logits when other tokens follow it, so that it "
            "cannot generate texts",
            "give a language model, such as gpt2 or llama, or one with an encoder and a decoder",
        )
