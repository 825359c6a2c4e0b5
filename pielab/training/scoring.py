"""The score of every prunable weight, and a user's own compressor: what they need of the texts, and their checks."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pielab.compression import masks, own_functions
from pielab.compression.own_functions import OwnFunction
from pielab.compression.pruners import Pruner
from pielab.config.parameters import PruneParameters
from pielab.errors import PielabError
from pielab.models import batches
from pielab.models.targets import TargetEncoder
from pielab.training import activations, loop
from pielab.training.experiment import Experiment


def scores(
    method: Pruner,
    experiment: Experiment[PruneParameters],
    model: nn.Module,
    weights: Mapping[str, Tensor],
    seed: int,
    phase: int,
) -> Mapping[str, Tensor]:
    """The score of every prunable weight, by matrix; impact and activations are of a random sample of training texts.

    Raises PielabError if a user's own score gives something else than a number for each weight, once it is computed.
    """
    if method.score == "magnitude":
        return masks.magnitude(weights)
    if method.score == "random":
        return masks.random_scores(weights, torch.Generator().manual_seed(loop.derive_seed(seed, phase, 1)))
    own = experiment.parameters.own_function
    takes = own.takes if own else ()
    transposed = masks.transposed_weights(model)
    norms: dict[str, Tensor] = {}
    gradients: dict[str, Tensor] = {}
    if method.score == "activation" or "activations" in takes:
        tokens, _ = sample(experiment, experiment.parameters.calibration_examples, seed, phase)
        norms = activations.norms(model, weights, experiment.encoder, tokens)
    if method.score == "impact" or "gradients" in takes:
        chosen = sample(experiment, experiment.parameters.impact_examples, seed, phase)
        gradients = loop.gradients(model, weights, experiment.encoder, *chosen, task=experiment.training_task)
    if own:
        return _own_scores(own, weights, gradients, norms, transposed)
    if method.score == "impact":
        return masks.impact(weights, gradients)
    return masks.activation(weights, norms, transposed)


def _own_scores(
    own: OwnFunction,
    weights: Mapping[str, Tensor],
    gradients: Mapping[str, Tensor],
    norms: Mapping[str, Tensor],
    transposed: Collection[str],
) -> masks.Scores:
    """The scores of a user's own function; gradients and norms are empty if it takes none."""
    function = own_functions.load(own)

    def score(name: str) -> Tensor:
        turned = name in transposed
        given = {"weights": _turn(weights[name], turned)}
        if gradients:
            given["gradients"] = _turn(gradients[name], turned)
        if norms:
            given["activations"] = norms[name].clone()
        found = _call(own, function, {argument: given[argument] for argument in own.takes})
        if not isinstance(found, Tensor) or found.shape != given["weights"].shape:
            what = f"a tensor {tuple(found.shape)}" if isinstance(found, Tensor) else f"{type(found).__name__}"
            raise PielabError(
                "scores-of-other-shape",
                f"{own.name} returned {what} for the weights {tuple(given['weights'].shape)} of {name}",
                "return a tensor of the weights' shape, a score for each, of which the lowest are pruned",
            )
        if torch.isnan(found).any():
            raise PielabError(
                "scores-with-nan", f"{own.name} returned NaN for some weights of {name}", "return a number for each"
            )
        return _turn(found, turned)

    return masks.Scores(weights, score)


def sample(experiment: Experiment[PruneParameters], number: int, seed: int, phase: int) -> tuple[Any, np.ndarray]:
    """Tokens and targets, as of `loop.train`, of a random sample of training texts.

    The same for the same seed and pruning step.
    """
    tokens, targets = experiment.tokens["train"], experiment.targets["train"]
    number = min(number, len(tokens))
    chosen = np.random.default_rng((seed, phase, 1)).choice(len(tokens), size=number, replace=False)
    return tokens[chosen], experiment.training_task.gold(targets[chosen], tokens[chosen])


def compress(own: OwnFunction, experiment: Experiment[PruneParameters], model: nn.Module, seed: int) -> nn.Module:
    """The model that a user's own compressor returns, in evaluation mode.

    It is given the model, the setting, and as batches a list of inputs, such that model(**inputs).logits, or
    .start_logits and .end_logits, are those of a batch of training texts, `calibration_examples` in all.

    Raises PielabError if it returns something else than a model that answers, or, of texts to generate, generates.
    """
    p = experiment.parameters
    tokens, _ = sample(experiment, p.calibration_examples, seed, 1)
    texts = batches.to_device(tokens, experiment.encoder, experiment.device)
    plan = batches.by_length(tokens.lengths, experiment.encoder.width)
    inputs = [batch.inputs for batch in texts.in_batches(plan)]
    given = {"model": model.eval(), "setting": p.threshold, "batches": inputs}
    with torch.inference_mode(), loop.evaluating(model):
        expected = tuple(batches.logits(model(**inputs[0])).shape)
    # A compressor that draws by chance draws the same for the same seed.
    torch.manual_seed(loop.derive_seed(seed, 1, 1))
    np.random.seed(loop.derive_seed(seed, 1, 1))
    found = _call(own, own_functions.load(own), {argument: given[argument] for argument in own.takes})
    if not isinstance(found, nn.Module):
        raise PielabError(
            "no-model-returned",
            f"{own.name} returned {type(found).__name__}",
            "return the compressed model, a torch.nn.Module, also if it was changed in place",
        )
    try:
        with torch.inference_mode(), loop.evaluating(found):
            logits = batches.logits(found(**inputs[0]))
    except Exception as error:
        raise PielabError(
            "own-model-fails",
            f"the model that {own.name} returned stopped with {type(error).__name__}: {' '.join(str(error).split())}",
            "return a model that takes the inputs of the one given",
        ) from error
    *rows, classes = expected
    what = "texts" if len(rows) == 1 else "tokens"
    if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
        given_shape = tuple(logits.shape) if isinstance(logits, Tensor) else "none"
        raise PielabError(
            "model-of-other-logits",
            f"the model that {own.name} returned gives logits {given_shape} for {' x '.join(map(str, rows))} {what} "
            f"and {classes} classes",
            "return a model whose output has .logits (texts, classes), or (texts, tokens, tags), or .start_logits and "
            ".end_logits (texts, tokens), as the one given",
        )
    if not torch.isfinite(logits).all():
        raise PielabError(
            "logits-not-finite", f"the model that {own.name} returned gives logits that are not finite", "check it"
        )
    if isinstance(experiment.encoder, TargetEncoder) and not hasattr(found, "generate"):
        raise PielabError(
            "model-without-generate",
            f"the model that {own.name} returned, {type(found).__name__}, generates no texts",
            "return a model of transformers, such as the one given",
        )
    return found


def _turn(tensor: Tensor, turned: bool) -> Tensor:
    """A copy, so that no function can change the model, with output rows as rows."""
    return tensor.detach().T.clone() if turned else tensor.detach().clone()


def _call(own: OwnFunction, function: Any, given: dict[str, Any]) -> Any:
    try:
        return function(**given)
    except Exception as error:
        raise PielabError(
            "own-function-failed",
            f"{own.name} stopped with {type(error).__name__}: {' '.join(str(error).split())}",
            f"correct it in {own.path}",
        ) from error
