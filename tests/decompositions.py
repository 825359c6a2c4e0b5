"""Decompositions as `decomposition.of_study` gives them, made from a few numbers of each configuration."""

import math

import numpy as np
import pandas as pd

QUANTITIES = ["estimate", "low", "high", "low_to_come", "high_to_come", "p", "p_corrected"]
RETRAINING = (9.9, 8.7, 11.1)
LONGER = {"excess": (-0.6, -1.9, 0.8), "moved": (0.9, 0.2, 1.7, 0.008), "spread": (-1.5, -2.5, -0.5, 0.02)}
# Of BBC news and the BiLSTM, 8 seeds. With their intervals: excess, moved and spread against the unpruned models; moved
# and spread against the control, each with p; own answers changed.
BBC_NEWS = """
IMP-FT  50 control-FT -0.8 -2.2  0.6   1.2 1.0 1.5  -2.0 -3.3 -0.8   0.1 -0.2  0.4 .16   -0.5 -1.1  0.1 .3     8.5
IMP-FT  90 control-FT -0.6 -2.3  1.2   1.2 0.4 2.1  -1.8 -2.9 -0.7   0.6  0.3  0.9 .008  -0.3 -0.8  0.3 .4     8.9
IMP-FT  99 control-FT 12.6  9.3 15.9   2.7 1.4 4.0   9.9  7.0 12.8   4.1  3.3  4.8 .008  11.4  8.6 14.2 .008  22.5
IIBP-FT 50 control-FT -0.7 -1.9  0.5   1.0 0.6 1.4  -1.7 -2.7 -0.7   0.1 -0.3  0.5 .2    -0.2 -1.1  0.8 .8     8.6
IIBP-FT 90 control-FT -0.4 -2.2  1.3   0.9 0.6 1.3  -1.4 -2.9  0.2   0.2  0.0  0.5 .055   0.1 -1.1  1.3 .8     8.5
IIBP-FT 99 control-FT  2.0 -0.7  4.7   0.6 0.1 1.2   1.4 -0.9  3.6   1.6  1.3  2.0 .008   2.9  1.0  4.7 .008  11.8
MP-AI   50 unpruned    1.1 -1.3  3.5   0.2 -1.3 1.7  0.9 -1.8  3.6   0.2 -1.3  1.7 .7     0.9 -1.8  3.6 .6    11.6
MP-AI   90 unpruned   15.7 10.5 21.0   6.2 3.9 8.6   9.5  5.9 13.1   6.2  3.9  8.6 .008   9.5  5.9 13.1 .008  24.7
"""


def bbc_news(**changes) -> pd.DataFrame:
    rows = control("control-FT", **changes)
    for line in BBC_NEWS.split("\n")[1:-1]:
        pruner, threshold, against, *numbers = line.split()
        numbers = list(map(float, numbers))
        both, away, own = [numbers[:3], numbers[3:6], numbers[6:9]], [numbers[9:13], numbers[13:17]], numbers[17]
        rows += pruned(pruner, threshold, against, *both, *away, own, **changes)
    return pd.DataFrame(rows)


def control(name, longer=LONGER, **changes) -> list[dict]:
    """The rows of a control, with its excess, moved and spread against the unpruned models."""
    of = {"pruner": name, "threshold": 0.0, "control": name} | changes
    parts = {"retraining": RETRAINING, "training longer": longer["excess"]}
    return _rows(of, {"parts": _in_all(parts), "training longer": _kept(longer, 9.3)})


def pruned(pruner, threshold, against, excess, moved, spread, moved_away, spread_away, own, **changes) -> list[dict]:
    """The rows of a pruned configuration.

    against: its control, "unpruned" or "missing". moved_away, spread_away: against that, with p.
    """
    of = {"pruner": pruner, "threshold": float(threshold), "control": against} | changes
    both = _kept({"excess": excess, "moved": moved, "spread": spread}, own)
    parts = {"retraining": RETRAINING, "removal": excess}
    removal = _kept({"excess": _sum(moved_away, spread_away), "moved": moved_away, "spread": spread_away}, own)
    tables = {"both": both, "removal": removal}
    if against == "missing":
        tables = {"both": both}
    elif against != "unpruned":
        away = _sum(excess, LONGER["excess"], sign=-1)
        parts = {"retraining": RETRAINING, "training longer": LONGER["excess"], "removal": away}
        parts |= {"removal from control": removal["excess"], "interaction": _sum(away, removal["excess"], sign=-1)}
        tables = {"both": both, "training longer": _kept(LONGER, 9.3), "removal": removal}
    return _rows(of, {"parts": _in_all(parts), **tables})


def grid(effects=(0.0, 0.1, 0.4, 2.0, 8.0), model="bilstm", seeds=8, missing=False) -> pd.DataFrame:
    """The paper's grid: eight pruners at five thresholds, each with one of these effects or a little more."""
    of, rows = {"model": model, "seeds": seeds}, []
    for name in () if missing else ("control-FT", "control-WR"):
        rows += control(name, **of)
    for place, pruner in enumerate(["IIBP-WR", "IIBP-FT", "IBP-AI", "IMP-WR", "IMP-FT", "MP-AI", "IRP-FT", "RP-AI"]):
        for effect, threshold in zip(effects, (20, 50, 70, 90, 99), strict=True):
            against = "unpruned" if pruner.endswith("AI") else "missing" if missing else f"control-{pruner[-2:]}"
            moved = effect * (1 + place / 4)
            p = 0.008 if moved > 0.5 else 0.6
            spread = 1.5 * moved
            away = [(moved, moved - 0.5, moved + 0.5, p), (spread, spread - 1, spread + 1, p if moved > 1 else 0.5)]
            excess = (moved + spread, moved + spread - 2, moved + spread + 2)
            rows += pruned(pruner, threshold, against, excess, *away, *away, 8 + moved, **of)
    return pd.DataFrame(rows)


def _kept(comparison: dict, own: float) -> dict:
    return comparison | {"own answers changed": (own, own - 1, own + 1), "kept by the seed": (0.4, 0.1, 0.7)}


def _in_all(parts: dict) -> dict:
    """With the sum of the parts that add up."""
    summed = [parts[name] for name in ("retraining", "training longer", "removal") if name in parts]
    total = sum(part[0] for part in summed)
    return parts | {"in all": (total, total - 2, total + 2)}


def _sum(one, other, sign=1) -> tuple:
    estimate = one[0] + sign * other[0]
    half_width = math.hypot(one[2] - one[1], other[2] - other[1]) / 2
    return estimate, estimate - half_width, estimate + half_width


def _rows(of: dict, comparisons: dict) -> list[dict]:
    of = {"dataset": "bbc-news", "model": "bilstm", "seeds": 8, "texts": 1000} | of
    rows = []
    for comparison, quantities in comparisons.items():
        for quantity, numbers in quantities.items():
            estimate, low, high, *p = numbers
            values = [estimate, low, high, 1.5 * low - 0.5 * estimate, 1.5 * high - 0.5 * estimate]
            p = p[0] if p and of["seeds"] >= 6 and quantity in ("moved", "spread") else math.nan
            values = values if of["seeds"] >= 4 else [estimate, *[np.nan] * 4]
            numbers = dict(zip(QUANTITIES, [*values, p, p], strict=True))
            rows.append(of | {"comparison": comparison, "quantity": quantity} | numbers)
    return rows
