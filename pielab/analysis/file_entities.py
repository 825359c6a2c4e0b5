"""What changed between two models of tagged words whose tags are in files: words, and entities lost and gained."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from pielab.analysis import null
from pielab.analysis.exact import welch
from pielab.data.tag_files import Sentences
from pielab.data.text_groups import NONE
from pielab.store import entities
from pielab.store.entities import EntitySets

# The runs that are compared, as places of each side.
Pairs = Sequence[tuple[int, int]]
F1 = ["quantity", "estimate", "low", "high"]


def sets(sentences: Sentences) -> list[EntitySets]:
    """The entities before, after and, if there are any, of gold, in one numbering."""
    sides = [sentences.before, sentences.after, *([] if sentences.gold is None else [sentences.gold])]
    return entities.together(*map(entities.sets_of, sides))


def levels(sentences: Sentences, before: EntitySets, after: EntitySets, pairs: Pairs) -> pd.DataFrame:
    """On how much two runs differ, in percent: rows "words", those with another tag, and "entities", 100 less F1.

    Columns: quantity, estimate, and low and high, of other runs, where each run before has one after; and
    another_before and another_after, what another run of the same side changes.
    """
    sides: dict[str, tuple[np.ndarray, np.ndarray, Callable]] = {
        "words": (sentences.before.ids, sentences.after.ids, lambda one, other: np.mean(one != other)),
        "entities": (before.said, after.said, lambda one, other: 1 - entities.f1(one, other)),
    }
    rows = []
    for name, (first, second, distance) in sides.items():
        between = [100 * distance(first[one], second[other]) for one, other in pairs]
        estimate, *ends = null.seed_interval(np.array(between))
        row = {"quantity": name, "estimate": estimate}
        row |= dict(zip(("low", "high"), ends if len(first) == len(second) else (np.nan, np.nan), strict=True))
        for side, runs in (("before", first), ("after", second)):
            own = [100 * distance(one, other) for place, one in enumerate(runs) for other in runs[:place]]
            row[f"another_{side}"] = np.mean(own) if own else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def f1(before: EntitySets, after: EntitySets, gold: EntitySets) -> pd.DataFrame:
    """The F1 over all entities in percent, a mean over runs: rows "before", "after" and "difference".

    Columns `F1`; the intervals are for other runs at these sentences.
    """
    sides = [np.array([100 * entities.f1(run, gold.said[0]) for run in side.said]) for side in (before, after)]
    rows = [null.seed_interval(side) for side in sides]
    is_paired = len(before) == len(after)
    rows.append(null.seed_interval(sides[1] - sides[0]) if is_paired else welch(*sides))
    table = pd.DataFrame(rows, columns=F1[1:])
    table.insert(0, "quantity", ["before", "after", "difference"])
    return table


def by_type(before: EntitySets, after: EntitySets, pairs: Pairs) -> pd.DataFrame:
    """How many entities of each type are said before and after, gained and lost; those that changed most first.

    Columns: label, the type; before and after, means over runs; gained and lost, means over pairs of runs. An entity
    with another first or last word, or type, is another one.
    """
    kinds = np.eye(len(before.types))[before.entities[:, 3]]
    first, second = (list(places) for places in zip(*pairs, strict=True))
    firsts, seconds = before.said[first], after.said[second]
    counts = {
        "before": before.said.mean(axis=0),
        "after": after.said.mean(axis=0),
        "gained": (~firsts & seconds).mean(axis=0),
        "lost": (firsts & ~seconds).mean(axis=0),
    }
    table = pd.DataFrame({"label": before.types} | {name: count @ kinds for name, count in counts.items()})
    order = (-(table["gained"] + table["lost"])).argsort(kind="stable")
    return table.iloc[order].reset_index(drop=True)


def written(side: EntitySets, words: Sequence[Sequence[str]] | None) -> np.ndarray:
    """The entities of each run and sentence as a string, (runs, sentences), such as "Ada Lovelace (person)"."""
    names = np.array(_names(side, words), dtype=object)
    rows = []
    for said in side.said:
        of_sentence = pd.Series(names[said]).groupby(side.entities[said, 0]).agg("; ".join)
        rows.append(of_sentence.reindex(range(side.sentences), fill_value=NONE).to_numpy(object))
    return np.stack(rows)


def voted(side: EntitySets) -> list[list[str]]:
    """The entities of each sentence that more than half of the runs say, such as "0-1 person"."""
    chosen = 2 * side.said.sum(axis=0) > len(side)
    rows: list[list[str]] = [[] for _ in range(side.sentences)]
    own = side.entities[chosen]
    for sentence, name in zip(own[:, 0], entities.named(own, side.types), strict=True):
        rows[sentence].append(name)
    return rows


def _names(side: EntitySets, words: Sequence[Sequence[str]] | None) -> list[str]:
    names = entities.named(side.entities, side.types)
    if words is None:
        return names
    return [entities.in_words(name, words[place]) for name, place in zip(names, side.entities[:, 0], strict=True)]
