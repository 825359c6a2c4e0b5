"""Who pays: changed answers and lost accuracy by group of texts, between two models whose answers are in files."""

import numpy as np
import pandas as pd

from pielab.analysis import group_differences
from pielab.analysis.exact import difference_in_group, difference_of_shares, percent
from pielab.analysis.group_differences import LEAST_TEXTS, holm, in_order

COLUMNS = ["group", "texts", "quantity", "estimate", "low", "high", "difference", "p", "p_corrected"]


def compare(
    before: np.ndarray, after: np.ndarray, targets: np.ndarray | None, groups: np.ndarray
) -> pd.DataFrame | None:
    """What changes in each group of texts, in points: percent of the group's texts.

    before, after: class ids (runs, texts). targets: class ids (texts,), or None. groups: names (texts,).

    One row for each group and quantity: "changed", answers that changed, and with targets "lost accuracy". Columns
    `COLUMNS`: the estimate with its 95 % interval; difference, from all other texts; p of the difference, two-sided;
    and p_corrected, over the groups of a quantity (Holm 1979). With one run a side, intervals and tests are exact, for
    texts to come, and groups of fewer than `LEAST_TEXTS` are not tested. With several they are those of
    `group_differences.compare`, NaN for fewer than four. None for sides of unequal size.
    """
    if len(before) != len(after):
        return None
    if len(before) > 1:
        target = before[0] if targets is None else targets
        table = group_differences.compare(before, after, target, groups)
        kept = ["changed"] if targets is None else ["changed", "lost accuracy"]
        return table.loc[table["quantity"].isin(kept), COLUMNS].reset_index(drop=True)
    right = [np.zeros(len(groups), dtype=bool) if targets is None else side[0] == targets for side in (before, after)]
    lost, won = right[0] & ~right[1], right[1] & ~right[0]
    differs, rows = before[0] != after[0], []
    for name in sorted(set(groups), key=in_order):
        chosen = groups == name
        known = {"group": name, "texts": int(chosen.sum())}
        rows.append(known | {"quantity": "changed"} | _of_group(differs, np.zeros_like(lost), chosen))
        if targets is not None:
            rows.append(known | {"quantity": "lost accuracy"} | _of_group(lost, won, chosen))
    table = pd.DataFrame(rows)
    by_quantity = table.groupby("quantity")["p"]
    table["p_corrected"] = by_quantity.transform(holm) if len(set(groups)) > 2 else table["p"]
    return table[COLUMNS]


def _of_group(lost: np.ndarray, won: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    size, n_lost, n_won = int(chosen.sum()), int(lost[chosen].sum()), int(won[chosen].sum())
    ends = difference_of_shares(n_lost, n_won, size) if won.any() else percent(n_lost, size)
    found = dict(zip(("estimate", "low", "high"), ends, strict=True))
    others = 100 * (lost[~chosen].mean() - won[~chosen].mean()) if size < len(chosen) else np.nan
    is_tested = min(size, len(chosen) - size) >= LEAST_TEXTS
    p = difference_in_group(lost, won, chosen) if is_tested else np.nan
    return found | {"difference": found["estimate"] - others, "p": p}
