"""The token that a model's texts are padded with, and the check that padding changes no logits."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from pielab.errors import PielabError
from pielab.models import batches, pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Rounding changes logits by a millionth of the largest, and padding that is read by a hundredth at least.
PADDING_TOLERANCE = 1e-3


def set_padding(model: str, config: Any, tokenizer: Any = None, revision: str | None = None) -> int:
    """Give the configuration a token to pad with, which is returned: its own, the tokenizer's, or one that ends texts.

    Padding with another token than the configuration's would go unnoticed, but a decoder finds the last token of a
    text by it. tokenizer: loaded if needed, by default.

    Raises PielabError if there is no such token that the model embeds.
    """
    own: Any = getattr(config, "pad_token_id", None)
    if not pretrained.is_embedded(own, config):
        tokenizer = tokenizer or pretrained.load_tokenizer(model, revision)
        ends = getattr(config, "eos_token_id", None)
        ends = ends if isinstance(ends, list) else [ends]
        choices = [tokenizer.pad_token_id, tokenizer.eos_token_id, *ends]
        own = next((token for token in choices if pretrained.is_embedded(token, config)), None)
        if own is None:
            raise PielabError(
                "no-padding-token",
                f"neither the configuration of {model} nor its tokenizer has a token to pad with, or one that ends "
                "texts, which the model embeds",
                "give its config.json a pad_token_id",
            )
        config.pad_token_id = own
    return own


def _alone_and_padded(network: "PreTrainedModel", text: list[int]) -> tuple[Any, Any]:
    """The logits of a text alone, and with masked padding behind it: of the text, or of each of its tokens."""
    padding: Any = [network.config.pad_token_id] * len(text)
    alone, mask = torch.tensor([text]), torch.tensor([[1] * len(text) + [0] * len(text)])
    outputs = (
        network.eval()(input_ids=alone),
        network(input_ids=torch.tensor([text + padding]), attention_mask=mask),
    )
    logits, padded = (batches.logits(output).flatten(0, -2) for output in outputs)
    return logits, padded[: len(logits)]


@torch.no_grad()
def check_padding(
    model: str,
    network: "PreTrainedModel",
    alone_and_padded: Callable[["PreTrainedModel", list[int]], tuple[Any, Any]] = _alone_and_padded,
) -> None:
    """Raises PielabError unless a text has finite logits, and the same with masked padding beside it as alone.

    Batches pad texts, so its predictions would depend on the others of its batch. alone_and_padded: gives both logits.
    """
    config: Any = network.config
    embedded = int(min(pretrained.n_embeddings(config), 100))
    end = config.eos_token_id[0] if isinstance(ends := getattr(config, "eos_token_id", None), list) else ends
    special = {config.pad_token_id, end}
    text: list[Any] = [token for token in range(embedded) if token not in special][-5:]
    # Models with an encoder and a decoder read their logits at the end token.
    text += [end] if pretrained.is_embedded(end, config) and end != config.pad_token_id else []
    with pretrained.loading(model):
        logits, padded = alone_and_padded(network, text)
    if not logits.isfinite().all():
        raise PielabError(
            "pretrained-weights-not-finite",
            f"the logits of {type(network).__name__} of {model} are not finite before any training",
            "get its weights again, because some of them are damaged",
        )
    if not torch.allclose(padded, logits, rtol=0, atol=PADDING_TOLERANCE * logits.abs().max().item()):
        raise PielabError(
            "padding-changes-logits",
            f"{type(network).__name__} of {model} gives a text other logits when it is padded, so predictions would "
            "depend on the batch",
            "give a model that masks its padding, docs/models.md lists some",
        )
