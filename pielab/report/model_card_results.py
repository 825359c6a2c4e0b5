"""What a study knows of a seed and its configuration, for the model card: scores, changed answers, PIEs and groups."""

from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pielab.analysis import answers, change, decomposition, findings, paired_change, results, tables
from pielab.analysis.examples import groups
from pielab.data.votes import differ, numbered
from pielab.progress import counted
from pielab.report import markdown
from pielab.store import paths, predictions, records
from pielab.store.paths import Configuration


def of_seeds(seed_folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    """The card's table of scores, what compression changes in their mean, and what it changed in this one model.

    Unpruned models are compared as far as the study has them.
    """
    folder, seed, metric = seed_folder.parents[1], record["seed"], record["metric"]
    dense = folder.parent / paths.DENSE
    if folder == dense:
        scores = _scores(dense)
        return {
            "accuracy": _accuracy({"unpruned": scores}, seed, metric),
            "pruning": answers.of_training(scores, metric),
        }
    unpruned, compressed = _scores(dense), _scores(folder)
    common = unpruned.index.intersection(compressed.index)
    if (folder / "pies.parquet").exists():  # a folder may hold more seeds, from another run
        common = common.intersection(results.read_record(folder / "pies.parquet")["seeds"])
    if common.empty:
        table = _accuracy({"compressed": compressed}, seed, metric)
        return {"accuracy": table, "pruning": "The study has no unpruned models of these seeds.", "own": []}
    sides = {"unpruned": unpruned[common], "compressed": compressed[common]}
    return {
        "accuracy": _accuracy(sides, seed, metric),
        "pruning": answers.of_pruning(unpruned[common], compressed[common], metric, Configuration.of(record).title),
        "own": _own(folder, dense, seed) if seed in unpruned else [],
    }


def _accuracy(sides: dict[str, pd.Series], seed: int, metric: str) -> Markup:
    """The score of the seed itself, and the mean over seeds with its interval and its range, for each side."""
    rows = [(f"{side}, seed {seed}", 1, f"{scores[seed]:.3f}", "") for side, scores in sides.items() if seed in scores]
    for side, scores in sides.items():
        mean = tables.with_intervals(tables.means({side: scores}, ""), "mean test ", "low", "high", digits=3)[0]
        rows.append((f"{side}, mean", len(scores), mean, f"{scores.min():.3f} to {scores.max():.3f}"))
    return markdown.table(rows, ["models", "seeds", f"test {metric}", "from the lowest to the highest"])


def _scores(folder: Path) -> pd.Series:
    """The test score of each seed of a configuration."""
    read = [records.read(path.parent) for path in sorted(folder.glob("seeds/[0-9]*/metrics.json"))]
    return pd.Series({record["seed"]: record["test"] for record in read}, dtype=float)


def _own(folder: Path, dense: Path, seed: int) -> list[str]:
    """How many answers of this one model differ from those of the unpruned model of its seed."""
    before, after = numbered(*(predictions.read_seeds(side, (seed,)).classes for side in (dense, folder)))
    changed, texts = int(differ(before[0], after[0]).sum()), before.shape[1]
    return [
        f"This model answers {changed:,} of {counted(texts, 'test text')} ({100 * changed / texts:.2f} %) otherwise "
        "than the unpruned model of its seed."
    ]


def of_pies(folder: Path) -> dict[str, Any]:
    """What 03 found for the configuration; empty if it has not run."""
    if not (folder / "pies.parquet").exists():
        return {"pies": None}
    study = results.Results(folder.parents[1])
    summary = results.as_today(study.pies_record(folder)["summary"])
    parts = decomposition.of_study(study)
    own = (parts[paths.CONFIGURATION] == list(Configuration.of(summary).record.values())).all(axis=1)
    changed = change.of_configuration(summary) if summary["change"] else None
    said = findings.of_study(parts[own], changes=changed)
    by_group = groups.of_configuration(summary)
    return {
        "pies": answers.of_pies(summary),
        "changes": _changes(changed),
        "findings": [sentence for sentences in said.values() for sentence in sentences],
        "told": findings.TOLD if own.any() else None,
        "column": summary["group"],
        "groups": _groups(by_group),
        "harmed": [sentence for sentences in groups.sentences(by_group).values() for sentence in sentences],
    }


def _changes(changed: pd.DataFrame | None) -> Markup | None:
    if changed is None:
        return None
    rows = changed.set_index("quantity")
    names = ["changed", *paired_change.SPLIT]
    cells = [(part, *(change.percent(rows.loc[part], side) for side in ("estimate", "another_seed"))) for part in names]
    seeds = counted(rows["seeds"].iloc[0], "seed")
    return markdown.table(cells, [f"% of the test texts, mean over {seeds}", "own answers", "another seed"])


def _groups(by_group: pd.DataFrame) -> Markup | None:
    """A row for each group, with changed answers and lost accuracy in points; a star where it is told to be harmed."""
    if by_group.empty:
        return None
    cells = tables.with_intervals(by_group, "estimate", "low", "high", digits=1)
    stars = [" ★" * bool(told) for told in by_group["told"]]
    table = by_group.assign(cell=[cell + star for cell, star in zip(cells, stars, strict=True)])
    table = table.pivot(index=["group", "texts"], columns="quantity", values="cell").reset_index()
    columns = ["group", "texts", "changed", "lost accuracy"]
    head = ["group", "texts", "own answers changed", "lost accuracy"]
    return markdown.table(table[columns].itertuples(index=False), head)
