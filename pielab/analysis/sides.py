"""Which models a configuration is compared with, and whether they were made alike, from the records of their seeds."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.analysis.agreement import Agreement, count
from pielab.compression import pruners
from pielab.config.parameters import PieParameters, PrunedParameters, TrainParameters
from pielab.config.types import format_seeds
from pielab.data import datasets, tasks
from pielab.errors import PielabError
from pielab.store import paths, predictions, records
from pielab.store.predictions import Predictions

if TYPE_CHECKING:
    from datasets import DatasetDict

UNPRUNED, BEFORE, MISSING = "unpruned", "before", "missing"


@dataclass(frozen=True)
class Control:
    """What a configuration is compared with, to tell removing weights from training as its models were trained.

    name: of the folder of the controls; "unpruned" if the unpruned models are the control; "before" if nothing was
        retrained, so that each is compared with the same model before (`paired_change`); "missing" if it is not known
        or was not trained. predictions: those of the controls, None if they have no folder of their own.
    """

    name: str
    predictions: Predictions | None = None


def control(p: PieParameters) -> Control:
    """The control of a configuration, for the same seeds; prints how to get one that is missing.

    Raises PielabError for a control that is not there, or that the pruner does not have.
    """
    if p.pruner in pruners.CONTROLS:
        return Control(p.folder.name)
    if p.control is None:
        return Control(MISSING)
    own = _own_control(p)
    name = {"auto": own, paths.DENSE: UNPRUNED}.get(p.control, p.control)
    if own not in (name, MISSING) and name in (UNPRUNED, *pruners.CONTROLS):
        raise PielabError(
            "control-of-another-pruner",
            f"control = {p.control!r} was given for {p.pruner}, whose control is {own}",
            "give control = 'auto', or None for no control",
        )
    if name in (UNPRUNED, BEFORE, MISSING):
        return Control(name)
    folder = p.pair_folder / name
    lacking = [seed for seed in p.seeds if not paths.seed(folder, seed).exists()]
    if lacking and p.control != "auto":
        raise PielabError(
            "no-such-control",
            f"control = {name!r} was given, and {folder} has no seed {format_seeds(lacking)}",
            "train or import it for the same seeds first, or give control = None",
        )
    if lacking:
        method, threshold = (name, 0) if name in pruners.CONTROLS else ("control-nested", p.threshold)
        print(
            f"The control {name} has no seed {format_seeds(lacking)}, so what removing weights changes cannot be told "
            "from what training\nlonger changes. To train it, run 02_prune with the parameters of this configuration, "
            f'but pruner = "{method}" and threshold = {threshold:g}.'
        )
        return Control(MISSING)
    return Control(name, predictions.read_seeds(folder, p.seeds))


def check_same_data(
    data: "DatasetDict",
    dense: Predictions,
    pruned: Predictions,
    split: str = "test",
    control: Control | None = None,
) -> None:
    """Raise PielabError unless both sides' predictions, and the control's, were made on this split of these data."""
    number, digest, task = len(data[split]), datasets.digest(data), tasks.of_split(data[split]).name
    compared = {"unpruned": dense, "pruned": pruned}
    if control and control.predictions:
        compared[control.name] = control.predictions
    for side, runs in compared.items():
        if number != runs.shape[1] or runs.data_digest not in (None, digest):
            raise PielabError(
                "predictions-of-other-data",
                f"the {side} predictions were made on other texts or labels than these {number}",
                "give the same dataset, columns and limit as in training, or train again if the data have changed",
            )
        if runs.task != task:
            raise PielabError(
                "single-label-against-multi-label",
                f"the {side} predictions are {runs.task} and the data are not",
                "multi-label predictions need decision_threshold in the metadata of their files",
            )


def agreement(p: PrunedParameters, dense: np.ndarray, pruned: np.ndarray, control: np.ndarray | None) -> Agreement:
    """Who of the models of a configuration, of its control and of the unpruned ones agrees with whom.

    dense, pruned, control: class ids (seeds, examples), or bool (seeds, examples, classes).
    """
    return count(dense, control=pruned) if p.pruner in pruners.CONTROLS else count(dense, control, pruned)


def _own_control(p: PieParameters) -> str:
    """The folder's name of the control that the pruner has, or as in `Control`, by its first seed's record."""
    record = _record(p.folder, p.seeds[0])
    if not record:
        return MISSING
    if record.get("losses") == []:
        return BEFORE
    name = pruners.control(pruners.of(record["parameters"]), record["parameters"].get("budget", "paper"))
    if name is None:
        return UNPRUNED
    setting = p.threshold if pruners.pruner(name).is_nested else 0.0
    return replace(p.configuration, method=name, setting=setting).name


def show_differences(p: PrunedParameters, dense: Predictions, control: Control | None = None) -> None:
    """Print the lines of `differences`, of the control as well; nothing if there are none."""
    lines = differences(p, dense)
    if control and control.predictions:
        lines += differences(p, dense, control.name)
    print("".join(f"{line}\n" for line in lines), end="")


def differences(p: PrunedParameters, dense: Predictions, control: str | None = None) -> list[str]:
    """What besides the pruning differs between the unpruned and the pruned models of the seeds, or is not known.

    dense: the predictions of the unpruned models. control: the folder's name of controls, which are then compared
        instead of the pruned models. Seeds without a record of their training, such as imported ones, are not compared.

    Returns a sentence for each thing: a parameter, the content of word vectors, model or tokens, the precision, the
    device, a version, the unpruned models that pruning started from.
    """
    different: Counter[tuple[str, Any, Any]] = Counter()
    restarted = []
    name, folder = ("pruned", p.folder) if control is None else (control, p.pair_folder / control)
    unknown: dict[str, list[int]] = {"unpruned": [], name: []}
    for seed, now in zip(dense.seeds, dense.logits_digests, strict=True):
        sides = {"unpruned": _record(p.dense_folder, seed), name: _record(folder, seed)}
        for side, record in sides.items():
            unknown[side] += [seed] if record and "inputs" not in record else []
        unpruned, other = map(_made_with, sides.values())
        both = [each for each in unpruned if each in other]
        different.update((each, unpruned[each], other[each]) for each in both if unpruned[each] != other[each])
        restarted += [seed] if now and sides[name].get("starts_from", now) != now else []
    lines = [
        f"The two sides differ in {each}: {unpruned} unpruned, {other} {name} (seeds: {number} of {len(dense.seeds)})."
        for (each, unpruned, other), number in different.items()
    ]
    if restarted:
        what = "Pruning" if control is None else control
        lines.append(f"{what} started from other unpruned models than these (seeds: {format_seeds(restarted)}).")
    levels = [_record(each, dense.seeds[0]).get("parameters", {}).get("levels") for each in (p.folder, folder)]
    if levels[0] != levels[1] and None not in levels:
        lines.append(f"{p.pruner} passed through {levels[0]} %, and {control} through {levels[1]} %.")
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
