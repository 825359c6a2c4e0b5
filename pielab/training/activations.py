"""How large the inputs of a model's weights are, over some texts: what Wanda weighs magnitudes by."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pielab.errors import PielabError
from pielab.models import batches
from pielab.models.batches import Encoder
from pielab.models.tokens import Tokens
from pielab.training import loop

Add = Callable[[Tensor, Tensor], None]


@torch.inference_mode()
def norms(model: nn.Module, weights: Mapping[str, Tensor], encoder: Encoder, tokens: Tokens) -> dict[str, Tensor]:
    """The root of the mean square of each input of each of `weights`, over all tokens of the texts: (inputs,) float32.

    In one forward pass of all layers, without dropout and in float32; texts of one length share a batch, so that no
    padding counts unless the encoder pads to a fixed width. For embeddings, whose rows have one input each, and for
    vectors all are 1. Of an LSTM, hidden states are inputs too.

    Raises PielabError if a weight has no inputs of this kind.
    """
    of_weights = {id(weight): name for name, weight in weights.items()}
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def add(weight: Tensor, inputs: Tensor) -> None:
        if name := of_weights.get(id(weight)):
            rows = inputs.reshape(-1, inputs.shape[-1])
            # By parts, so that the squares stay small beside the inputs, and in the processor's cache.
            sums[name] = sums.get(name, 0) + sum(part.float().square().sum(0) for part in rows.split(512))
            counts[name] = counts.get(name, 0) + len(rows)

    hooks = [_hook(module, add) for module in model.modules()]
    plan = _of_one_length(tokens, encoder.width)
    texts = batches.to_device(tokens, encoder, next(model.parameters()).device)
    try:
        with loop.evaluating(model):
            for batch in texts.in_batches(plan):
                model(**batch.inputs)
    finally:
        for hook in filter(None, hooks):
            hook.remove()
    embeddings = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    vectors = [weight for weight in weights.values() if weight.dim() < 2]
    constant = {of_weights.get(id(weight)) for weight in [*embeddings, *vectors]}
    if missing := [name for name in weights if name not in sums and name not in constant]:
        raise PielabError(
            "weights-without-activations",
            f"{type(model).__name__} has {missing[0]} in no linear layer, LSTM or embedding whose inputs can be seen",
            "give a method that needs no activations, such as Magnitude or RTN",
        )
    return {
        name: weight.new_ones(weight.shape[-1]) if name in constant else (sums[name] / max(counts[name], 1)).sqrt()
        for name, weight in weights.items()
    }


def _of_one_length(tokens: Tokens, width: int | None) -> list[np.ndarray]:
    """Batches of texts of one length each, the shortest first; all have the same if the width is fixed.

    What a decoder reads has one length, too.
    """
    if width:
        return batches.by_length(tokens.lengths, width)
    decoded = tokens.decoder.lengths if tokens.decoder else np.zeros(len(tokens), np.int64)
    chosen = []
    for length, of_decoder in np.unique(np.stack([tokens.lengths, decoded]), axis=1).T:
        places = np.flatnonzero((tokens.lengths == length) & (decoded == of_decoder))
        size = max(1, batches.TOKENS_AT_ONCE // max(int(length), 1))
        chosen += [places[start : start + size] for start in range(0, len(places), size)]
    return chosen


def _hook(module: nn.Module, add: Add) -> torch.utils.hooks.RemovableHandle | None:
    """Add up the inputs of a layer's weights whenever it is called."""
    if isinstance(module, nn.LSTM):
        return module.register_forward_hook(
            lambda _, arguments, outputs: _of_lstm(module, arguments[0], outputs[0], add)
        )
    if isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D":
        weight: Any = module.weight
        return module.register_forward_pre_hook(lambda _, arguments: add(weight, arguments[0]))
    return None


def _of_lstm(lstm: nn.LSTM, inputs: Tensor, outputs: Tensor, add: Add) -> None:
    """Add up the inputs and the hidden states of each layer; those of all but the last are computed again."""
    directions = ["", "_reverse"] if lstm.bidirectional else [""]
    time = 1 if lstm.batch_first else 0
    for layer in range(lstm.num_layers):
        own = [getattr(lstm, f"{kind}_l{layer}{end}") for end in directions for kind in _KINDS[: 4 if lstm.bias else 2]]
        if layer < lstm.num_layers - 1:
            start = inputs.new_zeros(len(directions), inputs.shape[1 - time], lstm.hidden_size)
            options = (lstm.bias, 1, 0.0, False, lstm.bidirectional, lstm.batch_first)
            states = torch._VF.lstm(inputs, (start, start), own, *options)[0]
        else:
            states = outputs
        for place, end in enumerate(directions):
            add(getattr(lstm, f"weight_ih_l{layer}{end}"), inputs)
            # What a step adds to the next one; the backward direction comes from the end.
            of_direction = states[..., place * lstm.hidden_size : (place + 1) * lstm.hidden_size]
            number = states.shape[time] - 1
            add(getattr(lstm, f"weight_hh_l{layer}{end}"), of_direction.narrow(time, 1 if end else 0, number))
        inputs = states


_KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
