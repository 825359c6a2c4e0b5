"""The numbers of one configuration that 03 stores and the report shows, and its examples, one row each."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pielab.analysis import (
    group_differences,
    intervals,
    levels,
    null,
    paired_change,
    pies,
    sides,
    span_levels,
    tables,
    text_levels,
)
from pielab.config.parameters import PieParameters
from pielab.data import datasets, tasks
from pielab.data.votes import numbered
from pielab.errors import PielabError
from pielab.store.predictions import Predictions

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

# What changes at each level, of tasks that have several.
LEVELS = {
    "tokens": levels.of_configuration,
    "spans": span_levels.of_configuration,
    "generation": text_levels.of_configuration,
}
# What is beside the votes of examples, of tasks whose votes do not say what the answers are; from both sides' answers.
BESIDE = {"generation": text_levels.consensus}


def examples(split: "Dataset", dense: Predictions, pruned: Predictions, estimate: null.Null) -> pd.DataFrame:
    """One row per example of the split, in its order.

    Columns: example; label (class id, or the ids of its classes); unpruned, pruned (the majority class, or the set
    of majority classes); unpruned_votes, pruned_votes (a count for each class); pie; p_pie and p_null as in null.Null.
    Of tagged words also entities, those that any model or the label names, such as "3-4 person"; gold, which of them
    are the label's; and unpruned, pruned and votes are of these. Of questions so answers, such as "12 Ada Lovelace",
    which begins at the context's character 12, or "-1 " for none; label is the word that asks. Of generated texts the
    votes are for wrong and right; label is the length of the first target (`generation.LENGTHS`); and unpruned_text and
    pruned_text are as `text_levels.consensus` gives them.

    Raises PielabError for a null of another vote.
    """
    _check_vote(estimate)
    task = tasks.of_split(split)
    targets, sides, beside = task.targets(split), (dense.classes, pruned.classes), BESIDE.get(task.name)
    frame = pd.DataFrame({"example": np.arange(len(split)), "label": task.ids(targets)})
    frame = frame.assign(**task.entities(*sides, targets), **(beside(*sides) if beside else {}))
    *answers_of, gold = numbered(*sides, targets)
    # As many as any question has answers, where these are numbered within it.
    n_classes = gold.shape[1] if gold.ndim == 2 else dense.shape[2]
    for side, answers in zip(("unpruned", "pruned"), answers_of, strict=True):
        frame[side] = task.ids(task.majority(answers))
        frame[f"{side}_votes"] = task.votes(answers, n_classes).tolist()
    return frame.assign(pie=pies.find(*answers_of), p_pie=estimate.p_pie, p_null=estimate.p_null)


def votes_of_one(
    examples: pd.DataFrame, split: "Dataset", names: Sequence[str], pruner: str, dense: Predictions, pruned: Predictions
) -> tuple[str, dict[str, Any]]:
    """The text of the clearest PIE, that which retraining alone would change least, and the arguments of its figure.

    Of generated texts, those that stand for the two sides are behind it.

    examples: as `examples` gives them; if none is a PIE, the text on which models agree least. names: of the classes.
    The arguments are those of figures.vote_of_seeds.
    """
    surprise = (examples["p_pie"] - examples["p_null"]).where(examples["pie"])
    place = int((surprise if examples["pie"].any() else examples["p_null"]).idxmax())
    task, row = tasks.of_split(split), examples.loc[place]
    names = tables.answer_names(row, split, names)
    answers = numbered(dense.classes, pruned.classes, task.targets(split))
    sides = dict(zip(("unpruned", pruner), zip(answers[:2], ("unpruned", "pruned"), strict=True), strict=True))
    text = datasets.joined_texts(split.select([place]))[0]
    for side, generated in zip(sides, tables.texts(row).values(), strict=False):
        text += f" | {side}: {generated}"
    return text, {
        "answers": {
            side: [_named(ids, names) for ids in task.ids(of_models[:, place])]
            for side, (of_models, _) in sides.items()
        },
        "majorities": {side: _named(row[column], names) for side, (_, column) in sides.items()},
        "label": tables.label(row, split, names) or "none",
    }


def _named(ids: Any, names: Sequence[str]) -> str:
    return ", ".join(names[index] for index in np.atleast_1d(ids)) or "none"


def summary(
    parameters: PieParameters,
    data: "DatasetDict",
    dense: Predictions,
    pruned: Predictions,
    estimate: null.Null,
    control: sides.Control | None = None,
) -> dict[str, Any]:
    """The numbers of one configuration that the report shows; shares are of all test examples, in percent.

    Raises PielabError for a null of another level than 95 %, or of another vote, which the report would call by the
    same names.
    """
    _check_vote(estimate)
    if estimate.confidence != intervals.RECORDED:
        raise PielabError(
            "null-of-another-level",
            f"the null has intervals of {100 * estimate.confidence:g} %, and a study stores those of "
            f"{100 * intervals.RECORDED:g} %",
            "give this cell a null that was estimated without confidence, and show the other one beside it",
        )
    control = control or sides.Control(sides.MISSING)
    both, of_control = (dense.classes, pruned.classes), control.predictions.classes if control.predictions else None
    removal = (math.nan, math.nan, math.nan)
    if of_control is not None:
        removal = null.difference(*both, of_control, n_splits=parameters.n_splits, n_bootstrap=parameters.n_bootstrap)
    is_pie = pies.find(*both)
    targets = datasets.targets(data["test"])
    kinds, hot = tasks.TASKS[dense.task].kinds(targets, datasets.class_names(data))
    beside_null = null.beside_null(*both, hot, n_splits=parameters.n_splits)
    numerical = paired_change.numerical(parameters.dense_folder, parameters.seeds)
    levels_of, numbers = LEVELS.get(dense.task), (parameters.n_splits, parameters.n_bootstrap)
    return {
        **parameters.configuration.record,
        "metric": tasks.TASKS[dense.task].metric,
        "seeds": len(parameters.seeds),
        "examples": len(is_pie),
        "classes": kinds,
        "pies": int(is_pie.sum()),
        "pies_percent": 100 * float(is_pie.mean()),
        "models_per_side": estimate.models_per_side,
        "halved_pies_percent": 100 * estimate.pruned,
        "halved_pies_low": 100 * estimate.pruned_low,
        "halved_pies_high": 100 * estimate.pruned_high,
        "null_percent": 100 * estimate.null,
        "null_low": 100 * estimate.null_low,
        "null_high": 100 * estimate.null_high,
        "excess_percent": 100 * estimate.excess,
        "excess_low": 100 * estimate.low,
        "excess_high": 100 * estimate.high,
        **null.effectiveness_on_pies(*both, targets),
        "judged_by": tasks.TASKS[dense.task].by_text,
        **null.effectiveness_beside_null(*both, targets, n_splits=parameters.n_splits),
        "classes_beside_null": beside_null.drop(columns="confidence").to_dict("list"),
        **{name: 100 * share for name, share in zip(null.HALVED_REMOVAL, removal, strict=True)},
        "control": control.name,
        "agreement": sides.agreement(parameters, *both, of_control).record,
        "change": paired_change.between(dense, pruned, targets, numerical)[paired_change.COLUMNS].to_dict("list"),
        "group": parameters.group,
        "groups": group_differences.of_split(data["test"], *both),
        **(levels_of(dense, control.predictions, pruned, targets, *numbers) if levels_of else {}),
    }


def _check_vote(estimate: null.Null) -> None:
    if estimate.vote != tasks.SINGLE_LABEL.vote:
        raise PielabError(
            "null-of-another-vote",
            f"the null was estimated for the vote by {estimate.vote}, and a study stores PIEs of majority votes",
            "give this cell a null of dense.classes and pruned.classes, and show the other one beside it",
        )


def as_today(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary with the entries that an earlier 03 did not write."""
    # An earlier 03 compared numbers from all seeds with a null from half of them, and an earlier one had no controls,
    # and did not compare the same model before and after.
    later = dict.fromkeys([*null.HALVED_REMOVAL, *null.HALVED_INTERVALS], math.nan) | {
        "control": sides.MISSING,
        "agreement": None,
        "change": None,
        "group": None,
        "groups": None,
    }
    compared = {"judged_by": summary["metric"], **dict.fromkeys(null.BESIDE_NULL, math.nan)}
    return later | summary | ({} if "judged_by" in summary else compared)
