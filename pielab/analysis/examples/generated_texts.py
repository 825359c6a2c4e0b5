"""How far the generated texts of each configuration of a study moved, in sentences."""

from typing import Any

import pandas as pd

from pielab.analysis import intervals, tables
from pielab.analysis.text_levels import LEVELS
from pielab.store.paths import Configuration

QUESTION = "How far did the texts move?"
ELSEWHERE = (
    "In the other findings an answer of these models is whether a text is right, and of a model's own answers the text."
)


def rows(levels: pd.DataFrame) -> pd.DataFrame:
    """The rows of `tagged_words.of_study` that are of texts as texts, with moved from the control where there is one.

    Columns of moved: moved, moved_low, moved_high, and against, the control or unpruned models.
    """
    found = levels[levels["level"] == LEVELS[-1]].copy()
    known = found["moved_from_control"].notna()
    for end in ("", "_low", "_high"):
        found[f"moved{end}"] = found[f"moved{end}"].mask(known, found[f"moved_from_control{end}"])
    return found.assign(against=found["control"].where(known, "unpruned models"))


def sentences(levels: pd.DataFrame) -> dict[str, list[str]]:
    """Which configurations moved their texts, by a heading for each data set and model, the farthest first.

    levels: as `tagged_words.of_study` gives it. They did if the interval of moved leaves out 0, so wide that those of
    all configurations of a pair hold together at 95 %. The last sentence of each heading is `ELSEWHERE`.
    """
    found = {}
    for (dataset, model), pair in rows(levels).groupby(["dataset", "model"], sort=False):
        level = 1 - (1 - intervals.RECORDED) / len(pair)
        pair = intervals.rescaled(pair, ("moved", "moved_low", "moved_high"), pair["seeds"] - 1, level)
        moved = pair[pair["moved_low"] > 0].sort_values("moved", ascending=False, kind="stable")
        said = [_moved(row) for row in moved.to_dict("records")]
        none = "No configuration can be told to have moved its texts beyond what retraining does."
        if pair["moved_low"].isna().all():
            none = "Of no configuration can that be told: it takes 4 seeds."
        found[f"{QUESTION} {dataset}, {model}"] = [*(said or [none]), ELSEWHERE]
    return found


def _moved(row: dict[str, Any]) -> str:
    size = tables.with_intervals(pd.DataFrame([row]), "moved", "moved_low", "moved_high", digits=1)[0]
    return (
        f"{Configuration.of(row).title} moved the texts by {size} points from {row['against']}, an interval that holds "
        "with those of all configurations at 95 %; 100 points is from texts to others that have nothing in common."
    )
