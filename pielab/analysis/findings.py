"""What a study found, in sentences: which part of the answers that differ is retraining, which pruning.

An effect is told if its exact test, corrected for all configurations of the pair, gives p < .05. With fewer than 6
seeds no test at 5 % is possible, and nothing is told; with fewer than 4 there is no interval.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.analysis import change, intervals, sides, tables
from pielab.progress import counted
from pielab.store import files, settings

QUESTION = "What part of a PIE is pruning?"
TOLD = "Told: by an exact test over exchanges of seeds, corrected for all configurations of the pair, p < .05."
NOTHING = "Nothing yet: an earlier version found these PIEs, so 03_pies has to run again."
HIDDEN = "Nothing was retrained: what another seed changes hides it, and the same model before and after shows it."
# Given with the first sentence that uses the word.
DEFINITIONS = {
    "moved": "1 point is as if 1 % of the texts had changed their answer outright",
    "spread": "spread is the difference of seed-to-seed disagreement",
}
MOST = 6
NO_TEST = "no test is possible"


def of_study(table: pd.DataFrame, margin: float = 1, changes: pd.DataFrame | None = None) -> dict[str, list[str]]:
    """The sentences of `of_pair` for each data set and model, by a heading such as "sst2, bilstm (8 seeds, 872 texts)".

    table: as decomposition.of_study gives it. changes: as change.of_study does, for the sentences of
        `change.sentences`, which are the last.
    """
    found, columns = {}, ["dataset", "model", "seeds", "texts"]
    changes = table.iloc[:0] if changes is None else changes
    # Pairs whose models were not retrained are in `changes` alone.
    for pair, rows in pd.concat([table[columns], changes[columns]]).groupby(["dataset", "model"], sort=False):
        seeds = " to ".join(f"{number:g}" for number in sorted({rows["seeds"].min(), rows["seeds"].max()}))
        own, changed = (each[(each["dataset"] == pair[0]) & (each["model"] == pair[1])] for each in (table, changes))
        texts = counted(rows["texts"].iloc[0], "text") + intervals.unless_recorded(own, ", intervals of {}")
        found[f"{pair[0]}, {pair[1]} ({seeds} seeds, {texts})"] = [
            *(of_pair(own, margin) if len(own) else []),
            *(change.sentences(changed) if len(changed) else []),
        ]
    return found


def of_pair(table: pd.DataFrame, margin: float = 1) -> list[str]:
    """Up to six sentences on one data set and model, with numbers and intervals, what is told first.

    table: as decomposition.of_study gives it, of one pair. margin: in points, the effect that would matter; where
    nothing is told, the sentence says whether it may be as large. Methods without retraining are left out.
    """
    table = table[table["control"] != sides.BEFORE]
    if table.empty:
        return [HIDDEN]
    compared = tables.against_control(table)
    pruned = _effects(compared[compared["comparison"] != "training longer"])
    excess = table[(table["comparison"] == "both") & (table["quantity"] == "excess")].reset_index(drop=True)
    pruned[["excess", "excess_low", "excess_high"]] = excess[["estimate", "low", "high"]]
    has_control = ~pruned["control"].isin(["unpruned", "missing"])
    pruned["against"] = np.where(has_control, "training as long", "retraining")
    not_told = pruned[pruned["tested"] & ~pruned["told"]].groupby("against", sort=False)
    sentences = [
        *_told(pruned),
        *(_not_told(f"Pruning {_with(rows)}", rows, against, margin) for against, rows in not_told),
        *_untested(pruned[~pruned["tested"]]),
        *_limits(table),
        *_parts(table),
        *_longer(table, margin),
        *_spread(pruned[pruned["spread_told"] & (pruned["spread"].abs() > pruned["moved"])]),
    ]
    return _defined(list(dict.fromkeys(sentences))[:MOST])


def text(found: dict[str, list[str]]) -> str:
    """The sentences of `of_study` below their question, one a line."""
    blocks = ["\n".join([heading, *(f"- {sentence}" for sentence in said)]) for heading, said in found.items()]
    return "\n\n".join([QUESTION, *(blocks or [NOTHING]), TOLD]) + "\n"


def write(found: dict[str, list[str]], report: Path) -> None:
    """Write the text of `of_study` to findings.txt in a study's folder of the report."""
    with files.atomic_file(report / "findings.txt") as partial:
        partial.write_text(text(found), encoding="utf-8")


def read(report: Path) -> dict[str, list[str]]:
    """The sentences that `write` wrote; empty if it has not."""
    path = report / "findings.txt"
    blocks = path.read_text(encoding="utf-8").split("\n\n")[1:-1] if path.exists() else []
    return {block.splitlines()[0]: [line.removeprefix("- ") for line in block.splitlines()[1:]] for block in blocks}


def _effects(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration: moved and spread in one comparison, each with its interval and whether it is told."""
    effects = rows[["pruner", "threshold", "seeds", "control"]].drop_duplicates(ignore_index=True)
    for quantity in ("moved", "spread"):
        own = rows[rows["quantity"] == quantity].reset_index(drop=True)
        effects[[quantity, f"{quantity}_low", f"{quantity}_high"]] = own[["estimate", "low", "high"]]
        effects[f"{quantity}_told"] = own["p_corrected"] < 0.05
        effects["tested"] = own["p_corrected"].notna()
    effects["told"] = effects["moved_told"] | effects["spread_told"]
    return effects


def _not_told(subject: str, rows: pd.DataFrame, against: str, margin: float) -> str:
    large = rows[rows["moved_high"] > margin]
    limit = f"the margin of {counted(margin, 'point')}"
    may_be = f"it may be up to {large['moved_high'].max():.1f} points"
    if large.empty:
        bound = f"by less than {limit}"
    elif len(large) == len(rows):
        bound = f"but {may_be}, beyond {limit}"
    else:
        bound = f"by less than {limit} except {_with(large)}, where {may_be}"
    apart = rows[(rows["moved_low"] > 0) | (rows["moved_high"] < 0)]
    if not apart.empty:
        bound += f"; {_with(apart)} 0 is outside the interval, yet the corrected test does not tell it"
    moved = _span(rows, "moved")
    return f"{subject} cannot be told from {against}: answers moved by {moved} at these texts, {bound}."


def _told(pruned: pd.DataFrame) -> list[str]:
    """At which sparsity each pruner is first told, and where its excess over retraining hides that."""
    told = pruned[pruned["told"]]
    if told.empty:
        return []
    first = told.drop_duplicates("pruner")  # from mild to severe, as results come
    pieces = []
    for against, rows in first.groupby("against", sort=False):
        at = []
        in_order = rows.assign(setting=tables.setting_texts(rows))
        for (setting, moved), group in in_order.groupby(["setting", "moved_told"], sort=False):
            by = f"moved by {_span(group, 'moved')}" if moved else f"only in spread, by {_span(group, 'spread')}"
            at.append(f"at {setting} with {_and(group['pruner'])} ({by})")
        pieces.append(f"from {against} {_and(at)}")
    word = "can first be told" if pruned["pruner"].duplicated().any() else "can be told"
    hidden = told[told["moved_told"] & (told["excess_low"] <= 0) & (told["excess_high"] >= 0)]
    sentence = f"Pruning {word} {', and '.join(pieces)}, at these texts"
    if not hidden.empty:
        excess = _span(hidden, "excess")
        where = ", which" if len(told) == 1 else f"; {_with(hidden)}"
        sentence += (
            f"{where} the share of PIEs does not show{' it' * (len(told) > 1)} (excess over retraining {excess})"
        )
    return [f"{sentence}."]


def _untested(pruned: pd.DataFrame) -> list[str]:
    """The intervals alone."""
    return [
        f"Against {against}, pruning {_with(rows)} moved answers by {_span(rows, 'moved')} at these texts; {NO_TEST}."
        for against, rows in pruned.groupby("against", sort=False)
    ]


def _limits(table: pd.DataFrame) -> list[str]:
    """What cannot be said, for want of seeds or of a control."""
    sentences = []
    for seeds in sorted(set(table["seeds"])):
        smallest = f"the smallest p is 2/2^{seeds} = {2 / 2**seeds:.2g}"
        if seeds < 4:
            sentences.append(f"With {seeds} seeds there is no interval, and no test at 5 % is possible ({smallest}).")
        elif seeds < 6:
            sentences.append(f"With {seeds} seeds no test at 5 % is possible ({smallest}), so nothing is told here.")
    missing = table[(table["control"] == "missing") & (table["comparison"] == "both")]["pruner"].unique()
    if len(missing):
        sentences.append(f"For {_and(missing)} there is no control: what training longer does is in these numbers.")
    return sentences


def _parts(table: pd.DataFrame) -> list[str]:
    """What the answers that differ are made of, where pruning adds most."""
    parts = table[table["comparison"] == "parts"]
    removal = parts[parts["quantity"] == "removal"]
    if removal.empty:
        return []
    most = removal.loc[removal["estimate"].idxmax()]
    own = parts[(parts["pruner"] == most["pruner"]) & (parts["threshold"] == most["threshold"])]
    numbers = own.set_index("quantity")[["estimate", "low", "high"]]
    made_by = {"retraining": "retraining", "training longer": "training longer", "removal": "removing weights"}
    if most["control"] == "missing":
        made_by["removal"] = "training longer and removing weights"
    in_order = [part for part in made_by if part in numbers.index]
    shares = [f"{_estimate(*numbers.loc[part], unit=' points')} by {made_by[part]}" for part in in_order]
    where = f"W{_with(own.head(1))[1:]}{', where pruning adds most' if len(removal) > 1 else ''}"
    differ = f"differ on {_estimate(*numbers.loc['in all'], unit=' %')} of these texts"
    return [f"{where}, an unpruned and a pruned model of another seed {differ}: {_and(shares)}."]


def _longer(table: pd.DataFrame, margin: float) -> list[str]:
    """What training as long with nothing pruned does."""
    rows = table[table["comparison"] == "training longer"].drop_duplicates(["control", "quantity"])
    names = rows["control"].where(rows["control"] != "missing", rows["pruner"])
    effects, sentences = _effects(rows.assign(pruner=names, threshold=0.0)), []
    for (tested, told), group in effects.groupby(["tested", "told"]):
        subject = f"Training longer with nothing pruned ({_and(group['pruner'])})"
        moved, spread = (
            _span(group, quantity) + " (not told)" * bool(told and not group[f"{quantity}_told"].all())
            for quantity in ("moved", "spread")
        )
        effect = f"answers moved by {moved}, with a spread of {spread}, at these texts"
        if told:
            sentences.append(f"{subject} is told from retraining: {effect}.")
        elif tested:
            sentences.append(_not_told(subject, group, "retraining", margin))
        else:
            sentences.append(f"{subject}, against retraining: {effect}; {NO_TEST}.")
    return sentences


def _spread(rows: pd.DataFrame) -> list[str]:
    """Where models differ more, or less, from each other rather than from their controls."""
    pieces = []
    for is_more, group in rows.groupby(rows["spread"] > 0):
        differ = f"differ {'more' if is_more else 'less'} from each other than those they are compared with"
        pieces.append(f"{_with(group)} pruned models {differ} (spread {_span(group, 'spread')})")
    return [f"Most is spread: {'; '.join(pieces)}, at these texts."] if pieces else []


def _with(rows: pd.DataFrame) -> str:
    """The pruners and sparsities of rows: "with IMP-FT and MP-AI to 50 and 90 % and with PINS to 90 %"."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for pruner, own in rows.groupby("pruner", sort=False):
        groups.setdefault(tuple(tables.setting_texts(own)), []).append(pruner)
    return _and(f"with {_and(pruners)}" + _to(own) for own, pruners in groups.items())


def _to(texts: tuple[str, ...]) -> str:
    """ " to 50 and 90 %", or nothing without settings."""
    numbers = settings.joined(list(texts))
    percent = " %" if numbers != list(texts) else ""
    return f" to {_and(numbers)}{percent}" if any(texts) else ""


def _span(rows: pd.DataFrame, quantity: str) -> str:
    """The estimates of rows in points, with their interval, or from where to where their intervals go."""
    low, high = rows[f"{quantity}_low"].min(), rows[f"{quantity}_high"].max()
    if len(rows) == 1:
        return _estimate(rows[quantity].iloc[0], low, high, unit=" points")
    estimates = dict.fromkeys(f"{end:z.1f}" for end in rows[quantity].agg(["min", "max"]))
    interval = f" [intervals {low:z.1f} to {high:z.1f}]" if low == low else ""
    return f"{' to '.join(estimates)} points{interval}"


def _estimate(estimate: float, low: float, high: float, *, unit: str) -> str:
    interval = f" [{low:z.1f}, {high:z.1f}]" if low == low else ""
    return f"{estimate:z.1f}{unit}{interval}"


def _and(names: Iterable[str]) -> str:
    *others, last = (" ".join(name.split()) for name in names)
    return f"{', '.join(others)} and {last}" if others else last


def _defined(sentences: list[str]) -> list[str]:
    """With the definition of each term in the first sentence that uses it."""
    for term, definition in DEFINITIONS.items():
        place = next((place for place, sentence in enumerate(sentences) if term in sentence), None)
        if place is not None:
            sentences[place] = f"{sentences[place].removesuffix('.')}; {definition}."
    return sentences
