"""What part of a PIE is pruning: retraining, training longer and removing weights, for every configuration of a study.

Of single models, in points, which are percent of the test texts; `agreement` has what is counted, `exchange` the tests.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import exchange, intervals, results, sides
from pielab.analysis.agreement import Agreement, quantities
from pielab.store.paths import CONFIGURATION, Configuration

# The sides that are exchanged to test each comparison.
EXCHANGED = {
    "both": ("unpruned", "pruned"),
    "training longer": ("unpruned", "control"),
    "removal": ("control", "pruned"),
}
COLUMNS = [*CONFIGURATION, "seeds", "texts", "control", "comparison", "quantity", "estimate"]
COLUMNS += ["low", "high", "low_to_come", "high_to_come", "confidence", "p", "p_corrected"]


def of_study(study: Path | results.Results, confidence: float = intervals.RECORDED) -> pd.DataFrame:
    """The rows of `of_configuration` for every configuration of a study, in the paper's order.

    p_corrected is for all configurations of a pair that have the same seeds, each comparison a family of its own.
    Configurations whose PIEs were found by an earlier version, without this, are left out; and those that were not
    retrained, which are compared with the same models before (analysis.change), because models of other seeds hide
    what changed.
    """
    study = results.read(study)
    found = results.configurations(study)
    voted = [study.pies_record(Configuration.of(row).folder(study.folder))["seeds"] for row in found.to_dict("records")]
    is_known = found["agreement"].notna() & (found["control"] != sides.BEFORE)
    known = found.assign(voted=list(map(tuple, voted)))[is_known]
    families = [part.to_dict("records") for _, part in known.groupby(["dataset", "model", "voted"], sort=False)]
    if not families:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat([_of_family(family, confidence) for family in families], ignore_index=True)
    return results.sort_as_paper(table, "place").drop(columns="place")


def of_configuration(summary: dict[str, Any], confidence: float = intervals.RECORDED) -> pd.DataFrame:
    """How far the answers of a configuration moved and spread, and because of what: one row for each quantity.

    summary: as results.summary gives it. Columns: the configuration; seeds; texts; control, the name of its control, or
    what stands for it (`sides.Control`); then as `agreement.quantities`; confidence, the intervals' level; and for
    moved and spread p, of the exact test, and p_corrected, for both; NaN for fewer than six seeds.

    Without controls, comparison "removal" is left out, because training longer may be part of it.
    """
    return _of_family([summary], confidence).drop(columns="place")


def _of_family(summaries: Sequence[dict[str, Any]], confidence: float) -> pd.DataFrame:
    """The rows of several configurations of one pair and the same seeds, in the order of their `place`."""
    agreements = [Agreement.of(summary["agreement"]) for summary in summaries]
    tables = []
    for summary, agreement in zip(summaries, agreements, strict=True):
        table = quantities(agreement, confidence)
        if summary["control"] == sides.MISSING:
            table = table[table["comparison"] != "removal"]
        known = {name: summary[name] for name in CONFIGURATION} | {"control": summary["control"]}
        known |= {"seeds": agreement.seeds, "texts": agreement.texts, "confidence": confidence}
        tables.append(table.assign(**known, place=range(len(table)), p=np.nan, p_corrected=np.nan))
    for comparison, exchanged in EXCHANGED.items():
        chosen = [number for number, table in enumerate(tables) if (table["comparison"] == comparison).any()]
        tested = exchange.tests([_with_sides(agreements[number], exchanged) for number in chosen], *exchanged)
        for number, p in zip(chosen, tested.to_dict("records"), strict=True):
            for quantity in ("moved", "spread"):
                row = (tables[number]["comparison"] == comparison) & (tables[number]["quantity"] == quantity)
                tables[number].loc[row, ["p", "p_corrected"]] = p[f"p_{quantity}"], p[f"p_{quantity}_corrected"]
    return pd.concat(tables, ignore_index=True)[[*COLUMNS, "place"]]


def _with_sides(agreement: Agreement, exchanged: tuple[str, str]) -> Agreement:
    """The agreement, with the unpruned models as the control of a pruner that trains as they do."""
    is_own_control = exchanged[0] == "control" and "control" not in agreement.sides
    return replace(agreement, sides=("control", "pruned")) if is_own_control else agreement
