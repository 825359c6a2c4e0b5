"""What changed between two models whose answers are in files: one run a side, or several.

Shares are percent of the texts, KL is in nats. With one run a side, intervals and tests are for texts to come; with
several, intervals are for other runs at these texts, as in `paired_change` and `agreement`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from pielab.analysis import agreement, exchange, file_calibration, file_entities, file_texts, null, paired_change
from pielab.analysis.exact import difference_of_shares, percent, welch
from pielab.analysis.paired_change import SPLIT
from pielab.data import paired_texts, tasks, text_files
from pielab.data.paired_answers import PairedAnswers
from pielab.data.text_groups import NONE
from pielab.data.votes import agree, differ
from pielab.store.entities import EntitySets
from pielab.store.predictions import Predictions

ENDS = ["estimate", "low", "high"]
ANOTHER = ["another_seed", "another_seed_low", "another_seed_high"]
SIDES = ("before", "after")
COLUMNS = ["quantity", *ENDS, *(f"another_{side}{end}" for side in SIDES for end in ("", "_low", "_high"))]
# Two runs that differ have no majority.
LEAST_VOTES = 3
# With more classes there is no table of answers before and after.
MOST_CLASSES = 10


@dataclass(frozen=True)
class Comparison:
    """What changed between the runs before and after.

    changes: a row for "changed" and, with labels, for each of its parts, and for "KL" with logits; columns `COLUMNS`,
    of which another_before and another_after are what another run of the same side changes.
    accuracy: rows "before", "after" and "difference"; columns quantity, estimate, low, high, p. None without labels.
    calibration: of `file_calibration.compare`.
    majorities: PIEs and their null by name; empty unless both sides have `LEAST_VOTES` runs.
    models: rows "moved" and "spread" of `agreement.quantities`, with p. None unless there are as many runs after as
    before, and several. groups: of `file_groups.compare`, None without groups.
    matrix: texts by answer before (rows) and after, a mean over runs. None for more than `MOST_CLASSES`, and for sets.
    labels: where an answer is a set, a row for each label, and "(none)" for the empty set, those that changed most
    first: on how many texts it was given before and after, gained and lost, means over compared pairs of runs. Of
    tagged words instead of `file_entities.by_type`. levels, entity_f1: of `file_entities`, None without tags or labels.
    entities: which entities are said before and after, and are right if that is known; None without tags.
    by_text: a row a text, in the order of the first file: id, text, group and label, if known; the answers of each run;
    changed, the share of compared pairs of runs that differ; majority_changed, as of `majorities`; and confidence, the
    mean probability of the answers on the side that is less sure, if there are logits. Of texts besides distance.
    unlike, consensus: of `file_texts`, where answers are texts; models are then of that distance where texts are
    generated, and majorities of whether they are right.
    """

    answers: PairedAnswers
    changes: pd.DataFrame
    accuracy: pd.DataFrame | None
    majorities: dict[str, float]
    models: pd.DataFrame | None
    groups: pd.DataFrame | None
    matrix: pd.DataFrame | None
    by_text: pd.DataFrame
    labels: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    levels: pd.DataFrame | None = None
    entity_f1: pd.DataFrame | None = None
    entities: list[EntitySets] | None = None
    unlike: pd.DataFrame | None = None
    consensus: dict[str, float] | None = None

    @property
    def numbers(self) -> dict[str, Any]:
        """All of them but those of single texts, as plain lists and numbers, for JSON; None for what is not known."""
        of_texts = ("changes", "accuracy", "calibration", "models", "groups", "labels")
        tables = {name: getattr(self, name) for name in (*of_texts, "levels", "entity_f1", "unlike")}
        records = {
            name: table.astype(object).where(table.notna(), None).to_dict("records")
            for name, table in tables.items()
            if table is not None
        }
        runs = {side: len(getattr(self.answers, side)) for side in SIDES}
        matrix = {} if self.matrix is None else {"classes": list(self.matrix), "matrix": self.matrix.values.tolist()}
        counts = {"texts": len(self.answers.ids), "left_out": self.answers.left_out, "runs": runs}
        counts["changed_texts"] = int((self.by_text["changed"] > 0).sum())
        majorities = {name: None if np.isnan(value) else value for name, value in self.majorities.items()}
        written: dict[str, Any] = {} if self.consensus is None else {"consensus": self.consensus}
        written |= {} if self.answers.written is None else {"threshold": self.answers.written.threshold}
        return counts | records | {"majorities": majorities} | matrix | written


def compare(answers: PairedAnswers) -> Comparison:
    """The comparison of two sides of one or several runs each."""
    before, after, targets = _within_texts(answers)
    pairs = list(zip(*_pairs(before, after), strict=True))
    sets = None if answers.sentences is None else file_entities.sets(answers.sentences)
    votes = _votes(answers, before, after, sets)
    found = Comparison(
        answers,
        _changes(answers, before, after, targets),
        None if targets is None else _accuracy(agree(before, targets), agree(after, targets)),
        _majorities(*votes) if votes else {},
        _models(before, after, answers.written) if len(before) == len(after) > 1 else None,
        _groups(before, after, None if answers.written else targets, answers.groups),
        _matrix(answers) if answers.members is None and 0 < len(answers.classes) <= MOST_CLASSES else None,
        _by_text(answers, before, after, votes, sets),
        None if answers.members is None or sets is not None else _labels(answers, *votes),
        file_calibration.compare(answers),
    )
    if answers.written is not None:
        unlike = file_texts.unlike(answers.written, pairs)
        return replace(found, unlike=unlike, consensus=file_texts.consensus(answers.written))
    if answers.sentences is None or sets is None:
        return found
    return replace(
        found,
        labels=file_entities.by_type(sets[0], sets[1], pairs),
        levels=file_entities.levels(answers.sentences, sets[0], sets[1], pairs),
        entity_f1=file_entities.f1(*sets) if len(sets) == 3 else None,
        entities=sets,
    )


def _votes(
    answers: PairedAnswers, before: np.ndarray, after: np.ndarray, sets: list[EntitySets] | None
) -> list[np.ndarray]:
    """Both sides' answers as a majority takes them: of sets one for each label, or entity, and of generated texts
    whether they are right; empty if that is not known."""
    if answers.written is not None:
        return file_texts.votes(answers.written)
    if sets is not None:
        return [side.sets for side in sets[:2]]
    if answers.members is None:
        return [before, after]
    return [answers.members[side] for side in (answers.before, answers.after)]


def _within_texts(answers: PairedAnswers) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Answers and targets as ids within each text, few even if there are many classes; their order is kept.

    Of answers that are texts the targets are bool (texts, ids), which of them are right.
    """
    if answers.written is not None:
        return answers.before, answers.after, answers.written.right
    sides = [answers.before, answers.after, *([] if answers.targets is None else [answers.targets[None]])]
    ids = stats.rankdata(np.concatenate(sides), method="dense", axis=0).astype(int) - 1
    before, after, targets = np.split(ids, np.cumsum([len(answers.before), len(answers.after)]))
    return before, after, targets[0] if len(targets) else None


def _pairs(before: Any, after: Any) -> tuple[list[int], list[int]]:
    """Which run before is compared with which after: those of the same place, or all if sides are of unequal size."""
    if len(before) == len(after):
        return list(range(len(before))), list(range(len(after)))
    first, second = np.indices((len(before), len(after)))
    return first.ravel().tolist(), second.ravel().tolist()


def _changes(answers: PairedAnswers, before: np.ndarray, after: np.ndarray, targets: np.ndarray | None) -> pd.DataFrame:
    texts = before.shape[1]
    shares = ["changed"] if targets is None else ["changed", *SPLIT]
    target = np.zeros(texts, dtype=int) if targets is None else targets
    n_classes = target.shape[1] if target.ndim == 2 else 1 + int(max(ids.max() for ids in (before, after, target)))
    table = _between(before, after, target, n_classes).loc[shares]
    if len(before) == len(after) == 1:
        counts = (table["estimate"] * texts / 100).round().astype(int)
        table[ENDS] = [percent(count, texts) for count in counts]
    if answers.before_logits is not None and answers.after_logits is not None:
        nothing = np.zeros(texts, dtype=int)
        table.loc["KL"] = _between(answers.before_logits, answers.after_logits, nothing).loc["KL"]
        if len(before) == len(after) == 1:
            of_texts = _divergence(answers.before_logits[0], answers.after_logits[0])
            table.loc["KL", ENDS] = np.clip(null.seed_interval(of_texts), 0, None)
    return table.rename_axis("quantity").reset_index()[COLUMNS]


def _between(before: np.ndarray, after: np.ndarray, targets: np.ndarray, n_classes: int | None = None) -> pd.DataFrame:
    """`paired_change.between`, with what another run of each side changes; no intervals if not paired.

    before, after: logits, or class ids (runs, texts) with n_classes.
    """
    first, second = sides = [_runs(side, n_classes) for side in (before, after)]
    if len(before) == len(after):
        table = paired_change.between(first, second, targets).set_index("quantity")[ENDS]
    else:
        of_first, of_second = _pairs(before, after)
        pairs = _runs(before[of_first], n_classes), _runs(after[of_second], n_classes)
        table = paired_change.by_seed(*pairs, targets).mean().to_frame("estimate").assign(low=np.nan, high=np.nan)
    for name, side in zip(SIDES, sides, strict=True):
        another = paired_change.between(side, side, targets).set_index("quantity")[ANOTHER]
        table[[column.replace("seed", name) for column in ANOTHER]] = another
    return table


def _runs(side: np.ndarray, n_classes: int | None) -> Predictions:
    seeds = tuple(range(len(side)))
    return Predictions(None, seeds, answers=side, n_classes=n_classes) if n_classes else Predictions(side, seeds)


def _divergence(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """KL of each text, in nats, from logits (texts, classes)."""
    first, second = (special.log_softmax(side.astype(np.float64), axis=-1) for side in (before, after))
    return (np.exp(first) * (first - second)).sum(axis=-1)


def _accuracy(before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """From whether answers are right, (runs, texts) bool on each side."""
    texts = before.shape[1]
    if len(before) == len(after) == 1:
        lost, won = int((before & ~after).sum()), int((after & ~before).sum())
        rows = [percent(int(side.sum()), texts) for side in (before, after)]
        rows.append(difference_of_shares(won, lost, texts))
        # McNemar's exact test: of the texts that are right on one side alone, half on each.
        p = stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0
    else:
        of_runs = [100 * side.mean(axis=1) for side in (before, after)]
        rows, p = [null.seed_interval(of_side) for of_side in of_runs], np.nan
        is_paired = len(before) == len(after)
        rows.append(null.seed_interval(of_runs[1] - of_runs[0]) if is_paired else welch(*of_runs))
    table = pd.DataFrame(rows, columns=ENDS).assign(p=[np.nan, np.nan, p])
    table.insert(0, "quantity", [*SIDES, "difference"])
    return table


def _majorities(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """PIEs and their null, percent of the texts; empty if too few vote.

    before, after: class ids (runs, texts), or bool sets (runs, texts, labels).
    """
    if min(len(before), len(after)) < LEAST_VOTES:
        return {}
    found = {"pies": 100 * float(_majority_changed(before, after).mean())}
    if len(before) == len(after):
        beside = null.estimate(before, after)
        found |= {"models_per_half": beside.models_per_side, "halved_pies": 100 * beside.pruned}
        found |= {"null": 100 * beside.null, "excess": 100 * beside.excess}
        found |= {"excess_low": 100 * beside.low, "excess_high": 100 * beside.high}
    return found


def _majority_changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    majority = tasks.of_answers(before).majority
    return differ(majority(before), majority(after))


def _models(before: np.ndarray, after: np.ndarray, written: paired_texts.Texts | None) -> pd.DataFrame:
    apart = file_texts.distance(written) if written and written.task == text_files.GENERATION else None
    counted = agreement.count(before, pruned=after, distance=apart)
    table = agreement.quantities(counted)
    table = table[(table["comparison"] == "both") & table["quantity"].isin(["moved", "spread"])]
    tested = exchange.tests([counted], "unpruned", "pruned").iloc[0]
    p = [tested[f"p_{quantity}"] for quantity in table["quantity"]]
    return table.drop(columns="comparison").assign(p=p).reset_index(drop=True)


def _groups(
    before: np.ndarray, after: np.ndarray, targets: np.ndarray | None, groups: np.ndarray | None
) -> pd.DataFrame | None:
    if groups is None:
        return None
    from pielab.analysis import file_groups  # here, because it takes a second

    return file_groups.compare(before, after, targets, groups)


def _matrix(answers: PairedAnswers) -> pd.DataFrame:
    runs, classes = _pairs(answers.before, answers.after), range(len(answers.classes))
    pairs = pd.DataFrame({"before": answers.before[runs[0]].ravel(), "after": answers.after[runs[1]].ravel()})
    counts = pd.crosstab(pairs["before"], pairs["after"]).reindex(index=classes, columns=classes, fill_value=0)
    return (counts / len(runs[0])).set_axis(answers.classes, axis=0).set_axis(answers.classes, axis=1)


def _labels(answers: PairedAnswers, before: np.ndarray, after: np.ndarray) -> pd.DataFrame:
    """How many texts have each label, from sets (runs, texts, labels) of either side."""
    sides = [np.concatenate([side, ~side.any(axis=2, keepdims=True)], axis=2) for side in (before, after)]
    pairs = list(zip(*_pairs(before, after), strict=True))
    gained = sum((~sides[0][one] & sides[1][other]).sum(axis=0) for one, other in pairs) / len(pairs)
    lost = sum((sides[0][one] & ~sides[1][other]).sum(axis=0) for one, other in pairs) / len(pairs)
    of_sides = {name: side.sum(axis=1).mean(axis=0) for name, side in zip(SIDES, sides, strict=True)}
    table = pd.DataFrame({"label": [*(answers.labels or ()), NONE], **of_sides, "gained": gained, "lost": lost})
    order = (-(gained + lost)).argsort(kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _by_text(
    answers: PairedAnswers,
    before: np.ndarray,
    after: np.ndarray,
    votes: Sequence[np.ndarray],
    sets: list[EntitySets] | None,
) -> pd.DataFrame:
    own = {"id": answers.ids, "text": answers.texts, "group": answers.groups}
    columns = {name: values for name, values in own.items() if values is not None}
    runs, written = _pairs(before, after), answers.written
    pairs = list(zip(*runs, strict=True))
    columns |= file_texts.by_text(written, pairs) if written else _answers_by_text(answers, sets)
    columns["changed"] = (before[runs[0]] != after[runs[1]]).mean(axis=0)
    if votes and min(len(before), len(after)) >= LEAST_VOTES:
        columns["majority_changed"] = _majority_changed(*votes)
    if answers.before_logits is not None and answers.after_logits is not None:
        logits = answers.before_logits, answers.after_logits
        sure = [special.softmax(side, axis=-1).max(axis=-1).mean(axis=0) for side in logits]
        columns["confidence"] = np.minimum(*sure)
    return pd.DataFrame(columns)


def _answers_by_text(answers: PairedAnswers, sets: list[EntitySets] | None) -> dict[str, np.ndarray]:
    """The columns label, if it is known, and of each run its answers."""
    coded = [answers.before, answers.after, *([] if answers.targets is None else [answers.targets[None]])]
    if answers.sentences is None or sets is None:
        written = [np.array(answers.classes, dtype=object)[side] for side in coded]
    else:
        written = [file_entities.written(side, answers.sentences.words) for side in sets]
    columns = {} if answers.targets is None else {"label": written[2][0]}
    for side, said in zip(SIDES, written, strict=False):
        columns |= {side if len(said) == 1 else f"{side}_{run}": of_run for run, of_run in enumerate(said, 1)}
    return columns
