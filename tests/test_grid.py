"""The archived answers of docs/grid, and the tables of docs/results.md that come from them."""

import importlib.util
import re

import numpy as np
import pandas as pd
import pytest
from conftest import PROJECT

from pielab.analysis import agreement, pies
from pielab.config import study as studies
from pielab.config.types import parse_seeds
from pielab.store import archive, paths, settings
from pielab.store.entities import Tags, sets_of

# The folders of archived answers, each of one pair, and how many trainings a seed takes.
GRIDS = {"grid": 94, "grid-minilm": 16, "grid-reuters": 11, "wnut17": 12}
# Those of which only tables are kept, because their answers are parts of other people's texts.
TABLES_ALONE = ["qamr"]


@pytest.fixture(scope="module", params=GRIDS)
def grid(request):
    return PROJECT / "docs" / request.param


def pair_of(grid):
    study = studies.read(studies.read_file(paths.study_file(grid)))
    (pair,) = study.dense
    return study, pair, parse_seeds(study.dense[pair]["seeds"])


@pytest.fixture(scope="module")
def grid_tables():
    spec = importlib.util.spec_from_file_location("grid_tables", PROJECT / "docs/grid_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def answers(grid):
    """The answers to the test texts by configuration, (seeds, examples, ...), and their effectiveness by seed."""
    study, pair, seeds = pair_of(grid)
    classes, scores = {}, {}
    for seed in seeds:
        rows = archive.read(archive.file(grid, pair, seed))
        assert {paths.Configuration.of(row.record).target for row in rows} == {
            each.target for each in study.of_pair(pair)
        }
        for row in rows:
            key = paths.Configuration.of(row.record)
            classes.setdefault((key.method, key.setting), []).append(row.splits["test"])
            scores.setdefault((key.method, key.setting), []).append(row.record["test"])
    return {key: of_seeds_together(of_seeds) for key, of_seeds in classes.items()}, scores


def of_seeds_together(files):
    stacked = np.array([file.classes for file in files])
    return stacked if files[0].starts is None else sets_of(Tags(stacked, files[0].starts, files[0].tags))


def read(grid, name: str) -> pd.DataFrame:
    table = pd.read_csv(grid / "tables" / f"{name}.csv")
    return table.assign(threshold=table["threshold"].map(settings.of_text))


@pytest.mark.parametrize("name", [*GRIDS, *TABLES_ALONE])
def test_the_tables_of_the_results_are_those_of_the_csvs(grid_tables, name):
    page, found = (PROJECT / "docs/results.md").read_text(), grid_tables.blocks(PROJECT / "docs" / name)
    shown = re.findall(rf"<!-- {name}: (\w+) -->", page)
    assert len(shown) > 2 and set(shown) <= set(found)
    filled = grid_tables.fill(page, name, found)
    assert filled == page, f"run python docs/grid_tables.py docs/{name} docs/results.md"


def test_the_csvs_have_what_the_answers_say(grid, answers):
    classes, scores = answers
    dense = classes["unpruned", 0.0]
    for row in read(grid, "pie_shares").itertuples():
        assert row.seeds == len(dense) and row.examples == dense.shape[1]
        share = 100 * pies.find(dense, classes[row.pruner, row.threshold]).mean()
        assert row.pies_percent == pytest.approx(share, rel=1e-5)
    main = read(grid, "effectiveness").drop_duplicates(["pruner", "threshold"])  # of several metrics the first
    for row in main.itertuples():
        assert row.mean == pytest.approx(np.mean(scores[row.pruner, row.threshold]), rel=1e-5)
    decomposition = read(grid, "decomposition")
    assert len(decomposition.groupby(["pruner", "threshold"])) > 4
    for (pruner, threshold, control), rows in decomposition.groupby(["pruner", "threshold", "control"]):
        if threshold not in (0, 50, 99):  # a twentieth of a second each
            continue
        pruned = classes[pruner, threshold]
        of_control = classes[control, 0.0] if control not in ("unpruned", pruner) else None
        counted = agreement.count(dense, pruned) if control == pruner else agreement.count(dense, of_control, pruned)
        counted = agreement.quantities(counted).set_index(["comparison", "quantity"])
        for row in rows.itertuples():
            same = counted.loc[(row.comparison, row.quantity)]
            assert [row.estimate, row.low, row.high] == pytest.approx(same[["estimate", "low", "high"]], rel=2e-5)


def test_what_the_grid_took_is_what_was_planned(grid):
    (study, pair, seeds), cost = pair_of(grid), read(grid, "cost")
    assert set(cost["seeds"]) == {len(seeds)} and len(cost) == len(study.of_pair(pair))
    # Iterative pruners and controls train three times, methods without retraining never, all others once.
    assert cost["units"].sum() == GRIDS[grid.name] * len(seeds)
