"""What was found between two models whose answers are in files, in sentences."""

import pandas as pd

from pielab.analysis.exchange import LEAST_SEEDS_TO_TEST
from pielab.analysis.file_calibration import unknown_label
from pielab.analysis.file_comparison import SIDES, Comparison
from pielab.analysis.half_splits import LEAST_SEEDS_FOR_AN_INTERVAL
from pielab.analysis.medoids import LEAST_MODELS
from pielab.analysis.paired_change import SPLIT
from pielab.data import text_files
from pielab.data.text_groups import NONE
from pielab.progress import counted


def sentences(comparison: Comparison) -> list[str]:
    """The answer first; then what another run changes, accuracy, majorities, groups, and what was left out."""
    answers = comparison.answers
    runs = len(answers.before), len(answers.after)
    found = [_changed(comparison, runs)]
    if comparison.levels is not None and comparison.labels is not None:
        found += _entities(comparison.levels, comparison.labels)
    elif comparison.labels is not None:
        found += _labels(comparison.labels)
    elif comparison.unlike is not None:
        found += _unlike(comparison)
    found.append(_another_run(comparison.changes))
    if comparison.models is not None:
        found.append(_moved(comparison.models, runs[0]))
    if comparison.accuracy is not None:
        found.append(_accuracy(comparison.accuracy, right_named(comparison)))
        if comparison.entity_f1 is not None:
            found.append(_entity_f1(comparison.entity_f1))
        found += _calibration(comparison)
    if comparison.majorities:
        found.append(_majorities(comparison.majorities))
    if comparison.consensus:
        found.append(_medoids(comparison.consensus))
    if comparison.groups is not None:
        found += _groups(comparison.groups)
    elif answers.groups is not None:
        found.append("Groups are compared where there are as many runs after as before.")
    if answers.left_out:
        found.append(f"{counted(answers.left_out, 'text')} that not every file has were left out (--common).")
    return found


def interval(low: float, high: float, digits: int = 2, also: str = "") -> str:
    """The ends in brackets, " (1.20 to 3.40)"; nothing if they are not known."""
    return "" if pd.isna(low) else f" ({also}{low:z.{digits}f} to {high:z.{digits}f})"


def _changed(comparison: Comparison, runs: tuple[int, int]) -> str:
    changes = comparison.changes.set_index("quantity")
    row, texts = changes.loc["changed"], len(comparison.answers.ids)
    share = f"{row['estimate']:.2f} %"
    ends = interval(row["low"], row["high"], also="95 % interval ")
    # Of one run a side the number of texts, of several a mean percentage.
    amounts = {part: f"{estimate:.2f} %" for part, estimate in changes["estimate"].items()}
    if runs == (1, 1):
        amounts = {part: f"{round(estimate * texts / 100):,}" for part, estimate in changes["estimate"].items()}
        first = f"{amounts['changed']} of {counted(texts, 'answer')} changed: {share}{ends}"
    elif runs[0] == runs[1]:
        first = f"A run after differs from its run before on {share} of {counted(texts, 'text')}"
        first += f", a mean of {runs[0]} pairs of runs{ends}"
    else:
        first = f"A run after differs from a run before on {share} of {counted(texts, 'text')}"
        first += f", a mean of all {runs[0] * runs[1]} pairs of runs"
    if SPLIT[0] not in changes.index or not row["estimate"]:
        return f"{first}."
    return f"{first}; {', '.join(f'{amounts[part]} from {part}' for part in SPLIT)}."


def is_generated(comparison: Comparison) -> bool:
    """Whether the answers are generated texts, which are said to move by a distance."""
    written = comparison.answers.written
    return written is not None and written.task == text_files.GENERATION


def right_named(comparison: Comparison) -> str:
    """What the share of right answers is called."""
    if comparison.answers.written is None:
        return "accuracy"
    return "share of right texts" if is_generated(comparison) else "exact match"


def _unlike(comparison: Comparison) -> list[str]:
    row = comparison.unlike.iloc[0]  # type: ignore[union-attr]  # only called with it
    what = (
        "one minus their similarity, chrF of both directions" if is_generated(comparison) else "one minus F1 of words"
    )
    another = " and ".join(f"{row[name]:.2f} % {side}" for side in SIDES if pd.notna(row[name := f"another_{side}"]))
    articles = "" if is_generated(comparison) else ", and a, an and the"
    beside = f"; two runs of the same model by {another}" if another else ""
    return [
        f"Answers are the same if they are but for capitals, spaces and punctuation{articles}. On average they differ "
        f"by {row['estimate']:.2f} %{interval(row['low'], row['high'])}, {what}{beside}."
    ]


def _medoids(found: dict[str, float]) -> str:
    first = (
        f"Each side's medoids, the answers that are most like those of its other runs, differ by {found['apart']:.2f} %"
    )
    if "null" not in found:
        return f"{first}; a null needs {2 * LEAST_MODELS} runs a side."
    return (
        f"{first}. Between halves of the runs it is {found['halved']:.2f} %, between two halves of those before "
        f"{found['null']:.2f} %: an excess of {found['excess']:z.2f} points"
        f"{interval(found['excess_low'], found['excess_high'])} over retraining alone."
    )


def _labels(labels: pd.DataFrame) -> list[str]:
    said = "An answer is the set of a text's labels, and changed if any of them did"
    said += "; probabilities of several labels are not compared."
    most = labels[labels["label"] != NONE].iloc[0]
    if not most["gained"] + most["lost"]:
        return [said]
    gained, lost = counted_texts(most["gained"]), counted_texts(most["lost"])
    return [
        said,
        f"The label that changed most is {most['label']}: gained by {gained} and lost by {lost} of the texts.",
    ]


def _entities(levels: pd.DataFrame, types: pd.DataFrame) -> list[str]:
    words, entities = levels.set_index("quantity").loc[["words", "entities"], "estimate"]
    found = [
        "An answer is the set of a sentence's entities, and changed if any of them did: "
        f"{words:.2f} % of the words have another tag, and the entities differ by {entities:.2f} % (100 less F1)."
    ]
    if types[["gained", "lost"]].to_numpy().sum():
        before, gained, lost = (counted_texts(types[name].sum()) for name in ("before", "gained", "lost"))
        most = types.iloc[0]
        found.append(
            f"Of {before} entities before {lost} are lost, and {gained} are gained; most of the type {most['label']}, "
            f"{counted_texts(most['lost'])} lost and {counted_texts(most['gained'])} gained."
        )
    return found


def _entity_f1(table: pd.DataFrame) -> str:
    before, after, difference = table.to_dict("records")
    return (
        f"Entity F1 is {before['estimate']:.2f} % before and {after['estimate']:.2f} % after, a difference of "
        f"{difference['estimate']:+z.2f} points{interval(difference['low'], difference['high'])}."
    )


def counted_texts(number: float) -> str:
    """A number of texts, or of a mean over runs with one decimal: "1,200", "30.3"."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def _accuracy(accuracy: pd.DataFrame, title: str) -> str:
    before, after, difference = accuracy.to_dict("records")
    ends = interval(difference["low"], difference["high"])
    exact = "" if pd.isna(difference["p"]) else f", McNemar's exact p {_p(difference['p'])}"
    return (
        f"{title.capitalize()} is {before['estimate']:.2f} % before and {after['estimate']:.2f} % after, a difference "
        f"of {difference['estimate']:+z.2f} points{ends}{exact}."
    )


def _calibration(comparison: Comparison) -> list[str]:
    """None without logits."""
    if comparison.calibration is None:
        if comparison.answers.before_logits is None:
            return []
        label = unknown_label(comparison.answers)
        return [f"Calibration is left out, because it is not known which logit is that of the label {label}."]
    table = comparison.calibration.set_index(["measure", "quantity"])
    brier, error = (table.loc[measure] for measure in ("Brier score", "expected calibration error"))
    low, high = brier.loc["difference", ["low", "high"]]
    return [
        f"The Brier score (lower is better) is {brier.loc['before', 'estimate']:.4f} before and "
        f"{brier.loc['after', 'estimate']:.4f} after, a difference of {brier.loc['difference', 'estimate']:+z.4f}"
        f"{interval(low, high, 4)}; the expected calibration error is {error.loc['before', 'estimate']:.4f} and "
        f"{error.loc['after', 'estimate']:.4f}."
    ]


def _another_run(changes: pd.DataFrame) -> str:
    row = changes.set_index("quantity").loc["changed"]
    known = [
        f"two runs {side} on {row[name]:.2f} %{interval(row[f'{name}_low'], row[f'{name}_high'])}"
        for side in SIDES
        if pd.notna(row[name := f"another_{side}"])
    ]
    if not known:
        return (
            "There is one run of each model, so it is not known how many answers training the same model again would "
            "change: give more runs of each, from other seeds."
        )
    return f"Runs of the same model differ too: {' and '.join(known)} of the texts."


def _moved(models: pd.DataFrame, runs: int) -> str:
    row = models.set_index("quantity").loc["moved"]
    told = f"Beyond that, answers moved by {row['estimate']:z.2f} points{interval(row['low'], row['high'])}"
    if runs < LEAST_SEEDS_TO_TEST:
        return f"{told}; a test needs {LEAST_SEEDS_TO_TEST} runs a side."
    verdict = "the model changed" if row["p"] < 0.05 else "this cannot be told from retraining"
    return f"{told}: {verdict} (exact p {_p(row['p'])})."


def _majorities(found: dict[str, float]) -> str:
    first = f"By majority vote {found['pies']:.2f} % of the texts changed (PIEs)"
    if "null" not in found:
        return f"{first}."
    return (
        f"{first}. Between halves of the runs it is {found['halved_pies']:.2f} %, between two halves of those before "
        f"{found['null']:.2f} %: an excess of {found['excess']:z.2f} points"
        f"{interval(found['excess_low'], found['excess_high'])} over retraining alone."
    )


def _groups(groups: pd.DataFrame) -> list[str]:
    from pielab.analysis.group_differences import LEAST_TEXTS  # here, because it takes a second

    if groups["p"].isna().all():
        return [
            f"Groups are not tested: that takes one run a side, or {LEAST_SEEDS_FOR_AN_INTERVAL} or more, and "
            f"{LEAST_TEXTS} texts in a group and outside it."
        ]
    told = groups[(groups["p_corrected"] < 0.05) & (groups["difference"] > 0)]
    if told.empty:
        return ["No group of texts is told to be harmed more than the others."]
    return [
        f"Texts of the group {row.group} {_harm(row.quantity, row.estimate).format(row.difference)} than the others, "
        f"p {_p(row.p_corrected)}, corrected for the groups."
        for row in told.itertuples()
    ]


def _harm(quantity: str, estimate: float) -> str:
    if quantity == "changed":
        return "changed {:.2f} points more answers"
    # Texts that gain, but less than the others, lose nothing.
    return "gained {:.2f} points less accuracy" if estimate < 0 else "lost {:.2f} points more accuracy"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
