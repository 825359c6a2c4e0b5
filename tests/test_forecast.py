"""How long a study will take: a worked example, studies that are played through, and records as jobs leave them."""

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given as given_any
from hypothesis import strategies as st
from test_plan import config, record  # noqa: F401
from test_status import put, run

from pielab.commands.study import progress_line
from pielab.config import study
from pielab.jobs import estimate, forecast, notebook_state, status
from pielab.store import records

NONE = {"done": False, "seconds": math.nan, "device": None, "ended": math.nan}


def seed(notebook, kind="iterative", units=3.0, seconds=None, ended=None, pair="p"):
    done = {"done": True, "seconds": seconds, "device": "cpu", "ended": ended} if seconds is not None else NONE
    return {"pair": pair, "configuration": "c", "kind": kind, "units": units, "notebook": notebook, **done}


def seconds_left(seeds, notebooks, now):
    columns = ["pair", "name", "done", "started", "ended"]
    frame = pd.DataFrame.from_dict(notebooks, orient="index", columns=columns)
    return forecast.seconds_left(pd.DataFrame(seeds), frame.astype({"started": float, "ended": float}), now)


def test_a_seed_takes_its_units_and_a_notebook_what_others_of_its_name_took():
    seeds = [
        *(seed("train", "unpruned", 1.0, 10.0, ended) for ended in (12, 22)),
        *(seed("quick", "iterative", 0.0, 0.5, ended) for ended in (27, 28)),
        *(seed("slow") for _ in range(2)),
    ]
    notebooks = {
        "train": ["p", "01_train", True, 0, 25],
        "quick": ["p", "02_prune", True, 25, 29],
        "slow": ["p", "02_prune", False, 29, None],
        "pies": ["p", "03_pies", False, None, None],
    }
    # Two seeds of 3 units of 10 s, the 3 s that the other notebook of that name took beside its seeds, and the median
    # of 3 s and of 5 s for a notebook that is the first of its name; 1 s of it has passed.
    assert seconds_left(seeds, notebooks, now=30) == 2 * 30 + 3 + 4 - 1
    # With another that runs beside it all the time, half of that but no less than the longest notebook.
    notebooks["other"] = ["q", "03_pies", False, 0, None]
    assert seconds_left(seeds, notebooks, now=30) == 2 * 30 + 3 - 1
    notebooks |= {f"pies {number}": ["p", "03_pies", False, None, None] for number in range(25)}
    assert seconds_left(seeds, notebooks, now=30) == (2 * 30 + 3 - 1 + 26 * 4) / 2


def test_what_a_running_notebook_has_done_is_not_expected_again():
    ran = {"train": ["p", "01_train", False, 100, None]}
    earlier, now = seed("train", "unpruned", 1.0, 10.0, 50), seed("train", "unpruned", 1.0, 10.0, 114)
    # An earlier run trained one; this one took 4 s and then 10 s for a seed, and is 6 s into the last.
    assert seconds_left([earlier, now, seed("train", "unpruned", 1.0)], ran, now=120) == 4 + 10 - 6
    # One that takes longer than its kind has nothing left.
    assert seconds_left([earlier, now, seed("train", "unpruned", 1.0)], ran, now=500) == 0


@pytest.mark.parametrize(
    ("seeds", "notebooks"),
    [
        ([seed("train", "unpruned", 1.0)], {"train": ["p", "01_train", False, 0, None]}),  # no seed is done
        # Of another pair none is.
        (
            [seed("train", "unpruned", 1.0, 10.0, 12), seed("other", "unpruned", 1.0, pair="q")],
            {"train": ["p", "01_train", True, 0, 15], "other": ["q", "01_train", False, 15, None]},
        ),
        # The notebooks that are done do not say when they ran.
        (
            [seed("train", "unpruned", 1.0, 10.0, 12)],
            {"train": ["p", "01_train", True, None, None], "pies": ["p", "03_pies", False, 15, None]},
        ),
    ],
)
def test_what_is_not_measured_is_not_forecast(seeds, notebooks):
    assert math.isnan(seconds_left(seeds, notebooks, now=20))


@given_any(
    jobs=st.lists(st.tuples(st.sampled_from([0, 1, 3]), st.integers(1, 4)), min_size=12, max_size=30),
    at_once=st.integers(1, 4),
    seconds=st.integers(1, 30),
    own=st.integers(2, 20),
    share=st.floats(0.5, 0.95),
)
def test_a_study_that_is_played_through_ends_when_it_was_said_to(jobs, at_once, seconds, own, share):
    """Each job trains some seeds of some units; the first free worker takes the next job."""
    free, seeds, notebooks = [0.0] * at_once, [], {}
    jobs = [(1, 1), (0, 1), *jobs]
    for number, (units, count) in enumerate(jobs):
        worker = int(np.argmin(free))
        start = free[worker]
        ends = [start + own + units * seconds * place for place in range(1, count + 1)]
        seeds += [seed(number, units=float(units), seconds=units * seconds, ended=end) for end in ends]
        free[worker] = ends[-1] + 1
        notebooks[number] = ["p", "02_prune", True, start, free[worker]]
    end, now = max(free), share * max(free)
    seeds = [each if each["ended"] <= now else each | NONE for each in seeds]
    for number, (*names, _, started, ended) in notebooks.items():
        if ended > now:
            notebooks[number] = [*names, False, started if started <= now else None, None]
    # What is at work at the end cannot be split: the bound of list scheduling, and the own seconds of what runs.
    longest = max(own + units * seconds * count for units, count in jobs)
    assert seconds_left(seeds, notebooks, now) == pytest.approx(end - now, abs=longest + own)


@pytest.fixture
def running(config):  # noqa: F811
    """A study with its unpruned seeds and one pruned seed, the second of the notebook that runs."""
    read, now = study.read(config), time.time()
    (pair,) = read.dense
    folder = Path(read.folder)
    put(folder / "study.yaml", yaml.safe_dump(read.record))
    for number in (0, 1):
        record(read, "dense", number, seconds=100, device="cpu")
    record(read, "IMP-FT-50", 0, seconds=330, device="cpu")
    began, ended = (datetime.fromtimestamp(now - ago, UTC).isoformat() for ago in (230, 0))
    metadata = {"papermill": {"start_time": began, "end_time": ended}}
    put(folder / pair / "dense/01_train.ipynb", json.dumps({"metadata": metadata}))
    run(folder, f"{pair}/IMP-FT-50/02_prune.ipynb", started=now - 350)
    return read, folder


def test_the_study_and_its_status_say_the_same(running):
    _, folder = running
    rows = notebook_state.read(folder)
    # 3 seeds of 3 units of 110 s, 2 at initialization of 100 s, and 30 s for each of 10 notebooks; 1.66 at once.
    left = forecast.text(folder, rows)
    assert left == "about 15 min left"
    assert f", 9 waiting, {left}" in status.lines(folder, rows)[0]
    assert progress_line(notebook_state.count(rows), 590, left) == (
        "3 of 8 seeds, 1 of 11 notebooks done after 10 min; about 15 min left"
    )


def test_nothing_is_forecast_of_a_study_that_does_not_run(running):
    _, folder = running
    next(folder.glob("logs/*/IMP-FT-50/02_prune.json")).unlink()
    rows = notebook_state.read(folder)
    assert forecast.text(folder, rows) == "" and "left" not in status.lines(folder, rows)[0]


def test_a_long_study_is_told_in_hours(running, monkeypatch):
    monkeypatch.setattr(forecast, "seconds_left", lambda *tables: 5.4 * 3600)
    _, folder = running
    assert forecast.text(folder, notebook_state.read(folder)) == "about 5 h left"


def test_a_seed_and_a_notebook_are_read_once_and_again_after_a_change(running, monkeypatch):
    read, folder = running
    opened, original = [], Path.read_bytes
    monkeypatch.setattr(records, "read", lambda seed: (opened.append(seed), {"seconds": 1.0})[1])
    monkeypatch.setattr(Path, "read_bytes", lambda path: (opened.append(path), original(path))[1])
    for number in (4, 0):
        forecast.tables(read, {})
        assert len(opened) == number
        opened.clear()
    (changed,) = folder.glob("*/IMP-FT-50/seeds/00/metrics.json")
    changed.write_text("{}")
    forecast.tables(read, {})
    assert opened == [changed.parent]


def test_a_notebook_that_does_not_say_when_it_ran_is_done(running):
    read, folder = running
    (path,) = folder.glob("*/dense/01_train.ipynb")
    for text in ("", "[]", "{}", '{"metadata": {"papermill": {"start_time": null, "end_time": "x"}}}'):
        path.write_text(text)
        _, notebooks = forecast.tables(read, {})
        row = notebooks.loc[path.relative_to(folder).as_posix()]
        assert row["done"] and math.isnan(row["started"]) and math.isnan(row["ended"])


def test_each_seed_is_trained_by_a_notebook_of_the_study(config):  # noqa: F811
    entry = config["configurations"][0]
    entry |= {
        "seeds": "0-4",
        "seeds_per_job": 3,
        "pruners": {"IMP-FT-nested": [50, 90], "MP-AI": [60]},
        "controls": True,
    }
    seeds, notebooks = forecast.tables(study.read(config), {})
    assert set(seeds["notebook"]) == {path for path in notebooks.index if "/parts/" in path and "nested-50" not in path}
    found = seeds.set_index(["configuration", "seed"])["notebook"]
    assert found["IMP-FT-nested-50", 4] == "topics-bilstm/IMP-FT-nested-90/parts/3-4/02_prune.ipynb"
    assert found["dense", 0] == "topics-bilstm/dense/parts/0-2/01_train.ipynb"
    assert estimate.seeds(study.read(config))["seed"].tolist() == list(range(5)) * found.index.unique(0).size
