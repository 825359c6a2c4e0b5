"""How long the rest of a study will take, from what its finished seeds and notebooks took."""

import dataclasses
import functools
import json
import math
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.config.study import Study
from pielab.config.types import parse_seeds
from pielab.jobs import estimate, notebook_state
from pielab.jobs.notebook_state import Row

# The last seconds in which it counts how many notebooks run at once.
WINDOW = 600


def text(study_folder: Path, rows: list[Row]) -> str:
    """Such as "about 40 min left"; "" if no notebook runs, or if some of the rest is not measured yet.

    rows: as `notebook_state.read` gives them.
    """
    notebooks = [notebook for row in rows for notebook in row.notebooks]
    running = {notebook.path: notebook.since for notebook in notebooks if notebook.state == "running"}
    if not running:
        return ""
    study = dataclasses.replace(notebook_state.study_of(study_folder), folder=str(study_folder.absolute()))
    seconds = seconds_left(*tables(study, running), time.time())
    if math.isnan(seconds):
        return ""
    return f"about {max(1, round(seconds / 60))} min left" if seconds < 6000 else f"about {seconds / 3600:.0f} h left"


def tables(study: Study, running: Mapping[str, float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The seeds and the notebooks of a study, as `seconds_left` takes them.

    running: by its path, when each notebook that runs has started, in unix seconds.
    """
    rows = {}
    for path in study.notebooks():
        started, ended = (running[path], None) if path in running else _times(Path(study.folder, path))
        rows[path] = {
            "pair": path.partition("/")[0],
            "name": Path(path).stem + (", part" if "/parts/" in path else ""),
            "done": path not in running and Path(study.folder, path).exists(),
            "started": started,
            "ended": ended,
        }
    notebooks = pd.DataFrame.from_dict(rows, orient="index").astype({"started": float, "ended": float})
    seeds = estimate.seeds(study)
    return seeds.assign(notebook=_notebook_of_each(study, seeds)), notebooks


def seconds_left(seeds: pd.DataFrame, notebooks: pd.DataFrame, now: float) -> float:
    """The seconds until all is done, with as many notebooks at once as of late; NaN if some are not measured yet.

    A seed takes its units times the seconds of one in its pair. A notebook takes, beside its seeds, the median of those
    of its name and pair, or else of its name, or else of all.

    seeds: as `estimate.seeds` gives them, and notebook, the path of the one that trains each. notebooks: by path their
        pair, name, done, started and ended, in unix seconds, NaN if that is not known or yet to come.
    """
    per_unit = estimate.times(seeds).to_dict("index")
    left = seeds[~seeds["done"]]
    rows = left[["pair", "kind", "units"]].itertuples(index=False)
    costs = pd.Series([units and units * per_unit[pair][kind] for pair, kind, units in rows], left.index, dtype=float)
    done, started, ended = (notebooks[name] for name in ("done", "started", "ended"))
    # Seeds from before their notebook's start were trained by an earlier run of it.
    recent = seeds[seeds["ended"].astype(float) > seeds["notebook"].map(started)].groupby("notebook")
    last = recent["ended"].max().reindex(notebooks.index).astype(float)
    trained = recent["seconds"].sum().reindex(notebooks.index, fill_value=0).astype(float)
    own = (ended.fillna(last) - started - trained).clip(lower=0)
    expected = _medians(own.where(done), notebooks).fillna(own.median())
    expected += costs.groupby(left["notebook"]).sum().reindex(notebooks.index, fill_value=0)
    spent = (now - last.fillna(started)).fillna(0)  # on what a running notebook is at
    rest = (expected - spent).clip(lower=0)[~done]
    if costs.isna().any() or rest.isna().any():
        return math.nan
    return max(rest.sum() / _at_once(started, ended, now), rest.max())


def _medians(own: pd.Series, notebooks: pd.DataFrame) -> pd.Series:
    """By notebook the median of those of its name in its pair, or else of those of its name, or else of all."""
    names = notebooks["name"]
    in_pair = own.groupby([notebooks["pair"], names]).transform("median")
    return in_pair.fillna(own.groupby(names).transform("median")).fillna(own.median())


def _at_once(started: pd.Series, ended: pd.Series, now: float) -> float:
    """How many notebooks ran at once lately, on the average while any ran; at least 1."""
    moments = np.arange(now - WINDOW, now + 1)[:, None]
    running = ((started.to_numpy() <= moments) & (moments < ended.fillna(math.inf).to_numpy())).sum(axis=1)
    return max(1.0, running[running > 0].mean()) if running.any() else 1.0


def _notebook_of_each(study: Study, seeds: pd.DataFrame) -> list[str]:
    """The path of the notebook that trains each seed; that of a nested pruner's highest threshold trains the others."""
    folders = {}
    for configuration in study.configurations:
        name = "01_train" if configuration.unpruned else "02_prune"
        folders[configuration.pair, configuration.name] = study.producer(configuration.target), name
    folder_of_part: dict[tuple[str, int], str] = {}
    for pair in study.dense:
        for part in study.parts(pair):
            folder_of_part |= {(pair, seed): f"parts/{part}/" for seed in parse_seeds(part)}
    found = []
    for pair, configuration_name, seed in seeds[["pair", "configuration", "seed"]].itertuples(index=False):
        target, name = folders[pair, configuration_name]
        found.append(f"{target}/{folder_of_part.get((pair, seed), '')}{name}.ipynb")
    return found


def _times(path: Path) -> tuple[float | None, float | None]:
    """When a rendered notebook started and ended; None if there is none, or if it does not say."""
    try:
        return _read_times(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, LookupError, TypeError):
        return None, None


@functools.cache
def _read_times(path: Path, modified: int) -> tuple[float, float]:
    """modified: when the file was, so that it is read again after a change."""
    papermill = json.loads(path.read_bytes())["metadata"]["papermill"]
    started, ended = (datetime.fromisoformat(papermill[name]).timestamp() for name in ("start_time", "end_time"))
    return started, ended
