"""What a study asks for and what of it is there, counted: notebooks, training units, seconds and bytes."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.compression import pruners, schedules
from pielab.config.parameters import PruneParameters
from pielab.config.study import Study
from pielab.config.types import parse_seeds
from pielab.errors import PielabError
from pielab.jobs import sizes
from pielab.store import paths, records

# The kinds of seeds, each with those whose time stands in for its own: the nearest first.
KINDS = {
    "unpruned": ("at initialization", "gradual", "iterative"),
    "iterative": ("unpruned", "at initialization", "gradual"),
    "at initialization": ("unpruned", "gradual", "iterative"),
    "gradual": ("at initialization", "unpruned", "iterative"),
}


def notebooks(study: Study) -> pd.DataFrame:
    """How many notebooks a study has and how many are done: a row for each notebook, columns in all, done, left.

    Those that train a part of a configuration's seeds have a row of their own.
    """
    folder = paths.root() / study.folder
    found = [(Path(path).stem + (", parts" if "/parts/" in path else ""), path) for path in study.notebooks()]
    rows = {name: {"in all": 0, "done": 0} for name in sorted({name for name, _ in found})}
    for name, path in found:
        rows[name]["in all"] += 1
        rows[name]["done"] += (folder / path).exists()
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.assign(left=frame["in all"] - frame["done"])


def seeds(study: Study) -> pd.DataFrame:
    """Every seed that a study asks for, a row each.

    Columns pair, configuration, kind (a key of KINDS; a nested pruner is an iterative one), units (how many times the
    seed is trained), from_unpruned (the units of the unpruned seed that it starts from), done, and of those that are
    done: bytes, bytes_pruned (without what only an unpruned seed keeps), seconds (of the device, as if one seed ran at
    a time), device, ended (seconds since 1970).
    """
    asked = [(pair, "dense", "unpruned", 1, 0, values) for pair, values in study.dense.items()]
    for name, values in study.pruned.items():
        pair, _, configuration = name.partition("/")
        pruner = pruners.pruner(values["pruner"])
        threshold = float(values["threshold"])
        # A nested pruner's goes on from the level below, with one unit of its own.
        phases, epochs = len(pruners.sparsities(pruner, threshold / 100)), int(values["epochs"])
        units = sum(schedules.phase_epochs(pruner, phases, epochs, values["budget"])) / epochs
        kind = "iterative" if pruner.starts_trained else pruner.schedule
        lowest = threshold == min(map(float, values["levels"] or [threshold]))
        shared = schedules.shared_epochs(epochs, values["budget"]) / epochs if pruner.starts_trained and lowest else 0
        asked.append((pair, configuration, kind, units, shared, values))
    rows = []
    for pair, configuration, kind, units, from_unpruned, values in asked:
        folder = paths.root() / study.folder / pair / configuration
        there = _names(folder / "seeds")
        for seed in parse_seeds(values["seeds"]):
            row = {"pair": pair, "configuration": configuration, "kind": kind, "units": units}
            row["from_unpruned"] = from_unpruned
            place = paths.seed(folder, seed)
            rows.append(row | (_finished(place) if place.name in there else {"done": False}))
    found = ["bytes", "bytes_pruned", "seconds", "device", "ended"]
    return pd.DataFrame(rows, columns=["pair", "configuration", "kind", "units", "from_unpruned", "done", *found])


def units(seeds: pd.DataFrame) -> pd.DataFrame:
    """The training units of each pair (rows), one unit a training of one model for its epochs.

    seeds: as `seeds` gives them. Columns seeds, configurations, units a seed, if not shared (the same if every
    iterative configuration and nested trajectory trained its own unpruned models), in all, done, left.
    """
    rows = {}
    for pair, part in seeds.groupby("pair", sort=False):
        number = int((part["configuration"] == "dense").sum())
        once = part.drop_duplicates("configuration")
        a_seed = once["units"].sum()
        rows[pair] = {
            "seeds": number,
            "configurations": len(once),
            "units a seed": a_seed,
            "if not shared": a_seed + once["from_unpruned"].sum(),
            "in all": part["units"].sum(),
            "done": part.loc[part["done"], "units"].sum(),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.assign(left=frame["in all"] - frame["done"])


def times(seeds: pd.DataFrame) -> pd.DataFrame:
    """The seconds of one unit of each pair (rows) and kind, and what they make of the units that are left.

    seeds: as `seeds` gives them. Columns: the median seconds a unit of each kind that there is in `seeds`; spent and
    left, seconds; device and others, names; borrowed, the kinds that have the time of another. A pair counts the seeds
    on the device of its newest; one with none has NaN.
    """
    rows = {}
    kinds = [kind for kind in KINDS if kind in set(seeds["kind"])]
    for pair, part in seeds.groupby("pair", sort=False):
        timed = part.dropna(subset=["seconds", "device"]).sort_values("ended")
        device = timed["device"].iloc[-1] if len(timed) else None
        here = timed[timed["device"] == device]
        own = (here["seconds"] / here["units"]).groupby(here["kind"]).median().to_dict()
        each = {kind: next((own[one] for one in (kind, *KINDS[kind]) if one in own), float("nan")) for kind in kinds}
        to_do = part[~part["done"]]
        rows[pair] = {
            **each,
            "spent": timed["seconds"].sum(),
            "left": (to_do["units"] * to_do["kind"].map(each).astype(float)).sum(skipna=False),
            "device": device,
            "others": sorted(set(timed["device"]) - {device}),
            "borrowed": [kind for kind in kinds if own and kind not in own],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def disk(study: Study, seeds: pd.DataFrame, load: bool = True) -> tuple[pd.DataFrame, dict[str, str]]:
    """The bytes of the seeds of each pair (rows), and, of each pair of which they are not known, why not.

    seeds: as `seeds` gives them. Columns unpruned and pruned (a seed), source, there, in all. What is done is measured;
    else the size is estimated from the counts of the data set.
    load: read data sets to count their examples, unless they are the paper's four, whose counts are published.
    """
    rows, unknown, counts = {}, {}, {}
    for pair, part in seeds.groupby("pair", sort=False):
        dense = part["kind"] == "unpruned"
        a_seed = {"unpruned": part.loc[dense, "bytes"].median(), "pruned": part.loc[~dense, "bytes"].median()}
        source = "measured"
        if any(map(pd.isna, a_seed.values())):
            try:
                first = next(name for name in study.pruned if name.startswith(f"{pair}/"))
                p = PruneParameters(**study.parameters("02_prune", first))
                guess, source = _estimate(p, part[dense], counts, load)
                a_seed = {kind: guess[kind] if pd.isna(size) else size for kind, size in a_seed.items()}
            except (OSError, ValueError) as error:  # a PielabError is a ValueError
                unknown[pair], source = str(error), "not known"
        left = part.loc[~part["done"], "kind"].map(lambda kind: "unpruned" if kind == "unpruned" else "pruned")
        there = part["bytes"].sum()
        in_all = there + left.map(a_seed).astype(float).sum(skipna=False)
        rows[pair] = {**a_seed, "source": source, "there": there, "in all": in_all}
    return pd.DataFrame.from_dict(rows, orient="index"), unknown


def size(folder: Path | str) -> int:
    """The bytes of all files in a folder and in those within."""
    total = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # the study may be running
                total += size(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat().st_size
    return total


def _estimate(
    p: PruneParameters, dense: pd.DataFrame, counts: dict[str, sizes.Counts], load: bool
) -> tuple[dict[str, float], str]:
    """The bytes of a seed, unpruned and pruned, and how they are known; `counts` of data sets are kept for the next."""
    if dense["done"].any():  # a pruned seed keeps what an unpruned one keeps, but for weights and early logits
        pruned = dense["bytes" if p.save_weights else "bytes_pruned"].median()
        return {"unpruned": dense["bytes"].median(), "pruned": pruned}, "measured"
    key = repr(p.data)
    if key not in counts:
        known = sizes.published_counts(p)
        if known is None and not load:
            raise PielabError(f"{p.dataset} was not read: leave out --no-data to estimate it.")
        if known is None:
            print(f"counting the examples of {p.dataset} (--no-data leaves that out)", file=sys.stderr, flush=True)
        counts[key] = known or sizes.count(p)
    pruned = sizes.seed(p, counts[key], pruned=True, with_weights=p.save_weights)
    return {"unpruned": sizes.seed(p, counts[key]), "pruned": pruned}, "estimated"


def _finished(folder: Path) -> dict[str, Any]:
    """What `seeds` says of a seed's folder; one whose record cannot be read is not done."""
    try:
        record = records.read(folder)
    except (OSError, ValueError):
        return {"done": False}
    alike = [folder / name for name in ("train.parquet", "test.parquet", "metrics.json")]
    seconds = record.get("seconds")
    return {
        "done": True,
        "bytes": size(folder),
        "bytes_pruned": sum(path.stat().st_size for path in alike if path.exists()),
        "seconds": None if seconds is None else seconds / record.get("workers", 1),
        "device": record.get("device"),
        "ended": (folder / "metrics.json").stat().st_mtime,
    }


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()
