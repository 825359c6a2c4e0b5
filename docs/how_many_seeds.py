"""How many seeds are enough, from a study with many: how often a few of them say what all of them say.

python docs/how_many_seeds.py STUDY_FOLDER OUT.csv [--pair bbc-news-bilstm] [--subsets 100] [--halves 10]

Reads the predictions of a pair, and its data for the labels; a configuration that lacks some of the seeds is left out.
Writes the numbers to OUT.csv, the figure to OUT.png beside it, and prints the tables.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.analysis import enough_seeds, null_by_models, sides
from pielab.analysis.enough_seeds import Compressed
from pielab.compression import pruners
from pielab.config import study as studies
from pielab.config.parameters import PieParameters
from pielab.data import datasets, tasks
from pielab.jobs import intervals
from pielab.report import seeds_figure
from pielab.store import paths, predictions


def read(folder: Path, pair: str | None) -> tuple[np.ndarray, np.ndarray, list[Compressed]]:
    """The answers of a pair's unpruned models, the targets, and the answers of every configuration with all seeds."""
    study = studies.read(studies.read_file(paths.study_file(folder)))
    pair = pair or next(iter(study.dense))
    unpruned, *others = study.of_pair(pair)
    trained = {
        each.target: {int(path.parent.name) for path in (folder / each.target).glob("seeds/[0-9]*/test.parquet")}
        for each in (unpruned, *others)
    }
    seeds = sorted(trained[unpruned.target])
    complete = [target for target, of_target in trained.items() if of_target.issuperset(seeds)]
    print(f"{pair}: {len(seeds)} seeds, complete in {len(complete)} of {len(trained)} configurations")
    runs = {target: predictions.read_seeds(folder / target, seeds) for target in complete}
    data = datasets.load(**PieParameters(**study.parameters("03_pies", others[0].target)).data)
    compressed = []
    for each in [each for each in others if each.target in complete]:
        sides.check_same_data(data, runs[unpruned.target], runs[each.target])
        values, control = study.pruned[each.target], study.control(each.target)
        method = pruners.of(values)
        of_control = runs[control].classes if control in runs and not method.is_control else None
        if method.is_control:
            family = "controls"
        elif method.is_one_shot:
            family = "not retrained"
        elif of_control is None and pruners.control(method, values["budget"]):
            family = "retrained, control missing"
        else:
            family = "retrained"
        compressed.append(Compressed(each, family, runs[each.target].classes, of_control))
    return runs[unpruned.target].classes, tasks.of_split(data["test"]).targets(data["test"]), compressed


def simulated(asked: pd.DataFrame) -> pd.DataFrame:
    """What `pielab plan` says without a pilot of the excess's half-width, from the own answers that changed."""
    rows, all_seeds = [], asked["seeds"].max()
    changed = asked[(asked["quantity"] == "own answers changed") & (asked["seeds"] == all_seeds)]
    for row in changed.itertuples():
        for seeds in asked.loc[asked["family"] == row.family, "seeds"].unique():
            low, high = intervals.simulated(seeds, row.estimate)
            known = {"family": row.family, "question": "half-width simulated", "quantity": "excess", "unit": "points"}
            rows.append(known | {"compared_with": "", "seeds": seeds, "low": low, "high": high})
    return pd.DataFrame(rows)


def nulls(unpruned: np.ndarray, targets: np.ndarray | None, compressed: list[Compressed]) -> pd.DataFrame:
    """The null by models on a side, of the unpruned models and the controls, and the published one."""
    alike = {each.configuration.name: each.answers for each in compressed if each.family == "controls"}
    tables, targets = [], targets if targets.ndim == 1 else None
    for family, answers in ({"unpruned": unpruned} | alike).items():
        found = null_by_models.estimate(answers, targets).rename(columns={"models": "seeds", "splits": "subsets"})
        tables.append(found.assign(family=family))
    published = null_by_models.BERTS_ON_MNLI
    table = pd.DataFrame({"seeds": list(published), "estimate": list(published.values())})
    tables.append(table.assign(family="100 BERTs on MNLI", quantity=null_by_models.CORRECTNESS))
    known = {"compared_with": "as many others", "cases": 1, "unit": "% of texts"}
    return pd.concat(tables).assign(question="differ, by models on a side", **known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pair", help="such as bbc-news-bilstm; by default the study's first")
    parser.add_argument("--subsets", type=int, default=100, help="for each number of seeds")
    parser.add_argument("--halves", type=int, default=10, help="how many of these for the split-half null")
    options = parser.parse_args()
    unpruned, targets, compressed = read(options.study, options.pair)
    drawn = enough_seeds.draw(len(unpruned), subsets=options.subsets)
    asked = enough_seeds.questions(enough_seeds.measure(unpruned, compressed, drawn, options.halves))
    null = nulls(unpruned, targets, compressed)
    pd.concat([asked, simulated(asked), null]).round(4).to_csv(options.out, index=False)
    for family, rows in asked.groupby("family", sort=False):
        for part in (rows[rows["compared_with"] != ""], rows[rows["compared_with"] == ""]):
            print(f"\n{family}\n\n{enough_seeds.table(part).reset_index().to_markdown(index=False)}")
    by_models = null.pivot_table("estimate", ["family", "quantity"], "seeds").round(2)
    print(f"\nnull by models on a side, %\n\n{by_models.reset_index().to_markdown(index=False)}")
    seeds_figure.enough_seeds(asked).savefig(options.out.with_suffix(".png"), dpi=120)


if __name__ == "__main__":
    main()
