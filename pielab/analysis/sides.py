"""Whether the two sides of a comparison were made alike, from the records of their seeds."""

from collections import Counter
from pathlib import Path
from typing import Any

from pielab.config.parameters import PrunedParameters, TrainParameters
from pielab.config.types import format_seeds
from pielab.store import paths, records
from pielab.store.predictions import Predictions


def show_differences(p: PrunedParameters, dense: Predictions) -> None:
    """Print the lines of `differences`; nothing if there are none."""
    print("".join(f"{line}\n" for line in differences(p, dense)), end="")


def differences(p: PrunedParameters, dense: Predictions) -> list[str]:
    """What besides the pruning differs between the unpruned and the pruned models of the seeds, or is not known.

    dense: the predictions of the unpruned models. Seeds without a record of their training, such as imported ones, are
        not compared.

    Returns a sentence for each thing: a parameter, the content of word vectors, model or tokens, the precision, the
    device, a version, the unpruned models that pruning started from.
    """
    different, restarted = Counter(), []
    unknown: dict[str, list[int]] = {"unpruned": [], "pruned": []}
    for seed, logits in zip(dense.seeds, dense.logits, strict=True):
        sides = {"unpruned": _record(p.dense_folder, seed), "pruned": _record(p.folder, seed)}
        for side, record in sides.items():
            unknown[side] += [seed] if record and "inputs" not in record else []
        unpruned, pruned = map(_made_with, sides.values())
        both = [name for name in unpruned if name in pruned]
        different.update((name, unpruned[name], pruned[name]) for name in both if unpruned[name] != pruned[name])
        now = records.digest_arrays(logits)
        restarted += [seed] if sides["pruned"].get("starts_from", now) != now else []
    lines = [
        f"The two sides differ in {name}: {unpruned} unpruned, {pruned} pruned (seeds: {number} of {len(dense.seeds)})."
        for (name, unpruned, pruned), number in different.items()
    ]
    if restarted:
        lines.append(f"Pruning started from other unpruned models than these (seeds: {format_seeds(restarted)}).")
    if earlier := "; ".join(f"{side} {format_seeds(seeds)}" for side, seeds in unknown.items() if seeds):
        lines.append(
            "It is not known what word vectors or model files held for seeds that an earlier version trained "
            f"({earlier})."
        )
    return lines


def _record(folder: Path, seed: int) -> dict[str, Any]:
    """The record of a seed that pielab trained; empty for any other."""
    place = paths.seed(folder, seed)
    record = records.read(place) if (place / "metrics.json").exists() else {}
    return record if "parameters" in record else {}


def _made_with(record: dict[str, Any]) -> dict[str, str]:
    """What should be the same on both sides, as far as the record says it."""
    if not record:
        return {}
    parameters = [name for name in (*TrainParameters.model_fields, "data") if name != "precision"]
    shared = {name: record["parameters"].get(name) for name in parameters}
    shared |= {f"the content of {name.replace('_', ' ')}": value for name, value in record.get("inputs", {}).items()}
    # Of the precision, what "auto" came to.
    shared |= {name: record[name] for name in ("precision", "device") if name in record}
    versions = record.get("versions", {})
    shared |= {f"the version of {name}": versions[name] for name in ("torch", "transformers") if name in versions}
    return {name: str(value) for name, value in shared.items()}
