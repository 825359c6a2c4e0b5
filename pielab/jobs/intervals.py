"""How wide the intervals of a study will be, before its models are trained."""

import pandas as pd

from pielab.analysis import decomposition, results
from pielab.analysis.intervals import narrowing
from pielab.config.study import Study
from pielab.config.types import parse_seeds
from pielab.store import paths

LEAST_SEEDS_OF_A_PILOT = 6


def of_study(study: Study) -> pd.DataFrame:
    """How wide the 95 % interval of the excess will be at the seeds asked for: a row for each pair.

    Columns: seeds; pilot, the seeds that the pair's configurations have so far, if six at least; half_width, in points,
    of the median configuration, NaN without a pilot; and p, the smallest p-value that an exact test can have.
    """
    rows, folder = {}, paths.root() / study.folder
    known = any((folder / target / "pies.parquet").exists() for target in study.pruned)
    table = decomposition.of_study(results.read(folder)) if known else pd.DataFrame()
    for pair, values in study.dense.items():
        seeds, half_width, pilot = len(parse_seeds(values["seeds"])), float("nan"), 0
        if len(table):
            of_pair = table[(table["dataset"] + "-" + table["model"] == pair) & (table["quantity"] == "excess")]
            of_pair = of_pair[(of_pair["comparison"] == "both") & (of_pair["seeds"] >= LEAST_SEEDS_OF_A_PILOT)]
            if len(of_pair):
                pilot = int(of_pair["seeds"].median())
                half_width = (of_pair["high"] - of_pair["low"]).median() / 2 * narrowing(seeds) / narrowing(pilot)
        rows[pair] = {"seeds": seeds, "half_width": half_width, "pilot": pilot, "p": 2 / 2**seeds}
    return pd.DataFrame.from_dict(rows, orient="index")


def simulated(seeds: int, own_answers_changed: float) -> tuple[float, float]:
    """The narrowest and the widest that half of such an interval was in simulations at 1,000 texts, in points.

    own_answers_changed: in percent of the texts, between a model and the pruned model of its seed.
    """
    return tuple(number * own_answers_changed**0.5 * narrowing(seeds) / narrowing(8) for number in (0.17, 0.3))
