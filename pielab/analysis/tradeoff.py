"""What compression bought, and what it cost: size and speed beside effectiveness and changed answers."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pielab.analysis import intervals, null, results, tables
from pielab.analysis.agreement import Agreement, quantities
from pielab.store import paths, records
from pielab.store.paths import CONFIGURATION, Configuration

SIZES = ["bytes_stored", "bytes_packed", "weights", "nonzero"]
COLUMNS = [*CONFIGURATION, "seeds", "metric", "effectiveness", "effectiveness_low", "effectiveness_high"]
COLUMNS += ["change", "change_low", "change_high", "changed", "changed_low", "changed_high", "another_seed"]
COLUMNS += [*SIZES, "packed_percent", "seconds_per_text", "device", "confidence"]


def of_study(study: Path | results.Results, confidence: float = intervals.RECORDED) -> pd.DataFrame:
    """One row for each configuration, the unpruned models ("unpruned") too, in the paper's order.

    effectiveness: the mean over seeds. change: of it, against the unpruned models of the same seeds.
    changed: on how many percent of the test texts a model answers otherwise than the unpruned model of its seed.
    another_seed: on how many two unpruned models of different seeds differ.
    The first three with _low and _high, intervals over seeds, whose level is the last column, confidence.
    bytes_stored, bytes_packed, weights, nonzero: as `compression.sizes` counts them, means over seeds.
    packed_percent: bytes_packed in percent of the unpruned models' size.
    seconds_per_text: of predicting the test split, the median over seeds. device: where.

    NaN where a number is not known: sizes and seconds of predictions made elsewhere or by an earlier version, changed
    answers of configurations without PIEs, intervals of fewer than three seeds, of changed answers four.
    """
    study = results.read(study)
    seeds, changed = results.seeds(study), _changed(study, confidence)
    scores = {key: of.set_index("seed")["effectiveness"] for key, of in seeds.groupby(CONFIGURATION, sort=False)}
    metrics = seeds.groupby(CONFIGURATION, sort=False)["metric"].first()
    rows = []
    for key, own in scores.items():
        folder = Configuration(*key).folder(study.folder)
        by_seed = {record["seed"]: record for record in study.records[folder]}
        unpruned = scores.get((*key[:2], "unpruned", 0.0), own.iloc[:0])
        rows.append(
            dict(zip(CONFIGURATION, key, strict=True))
            | {"seeds": len(own), "metric": metrics[key]}
            | _interval("effectiveness", own, confidence)
            | _interval("change", (own - unpruned).dropna(), confidence)
            | changed.get(folder, {})
            | of_records([by_seed[seed] for seed in own.index])
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    pair = [table["dataset"], table["model"]]
    is_unpruned = table["pruner"] == "unpruned"
    table.loc[is_unpruned, ["changed", "changed_low", "changed_high"]] = 0.0
    table["another_seed"] = table["another_seed"].fillna(table.groupby(pair)["another_seed"].transform("mean"))
    before = table["bytes_packed"].where(is_unpruned).groupby(pair).transform("max")
    return table.assign(packed_percent=_percent(table, before), confidence=confidence)


def of_records(of_seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The size of a configuration's models, their seconds a text and the device, from the records of its seeds.

    NaN if no record has it, and "" for the device.
    """
    sizes = pd.DataFrame([record.get("size", {}) for record in of_seeds]).reindex(columns=SIZES).mean()
    timed = [record for record in of_seeds if "seconds_per_text" in record]
    seconds = float(np.median([record["seconds_per_text"] for record in timed])) if timed else math.nan
    devices = ", ".join(sorted({record["device"] for record in timed}))
    return {**sizes.astype(float).to_dict(), "seconds_per_text": seconds, "device": devices}


def of_folders(folders: dict[str, Path], seeds: Sequence[int]) -> pd.DataFrame:
    """The size and speed of configurations as text, by name; the first is that of the unpruned models."""
    of_seeds = [[records.read(paths.seed(folder, seed)) for seed in seeds] for folder in folders.values()]
    table = pd.DataFrame(map(of_records, of_seeds), index=pd.Index(folders, name="models"))
    before = pd.Series(table["bytes_packed"].iloc[0], table.index)
    return _as_text(table.assign(packed_percent=_percent(table, before)))


def format_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `of_study` as text, each estimate with its interval; "?" where a number is not known."""
    methods = [Configuration.of(row).title for row in table.to_dict("records")]
    shown = table[["dataset", "model"]].assign(method=methods, seeds=table["seeds"], metric=table["metric"])
    for name, digits in (("effectiveness", 3), ("change", 3), ("changed", 2)):
        shown[name] = tables.with_intervals(table, name, f"{name}_low", f"{name}_high", digits=digits)
    shown = pd.concat([shown.rename(columns={"changed": "own answers changed, %"}), _as_text(table)], axis=1)
    return tables.with_level(shown, table)


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Sizes, seconds and device to be read; "?" where they are not known."""
    numbers = {
        "MB stored": (table["bytes_stored"] / 1e6, "{:.2f}"),
        "MB packed": (table["bytes_packed"] / 1e6, "{:.2f}"),
        "packed, %": (table["packed_percent"], "{:.1f}"),
        "non-zero weights, %": (100 * table["nonzero"] / table["weights"], "{:.1f}"),
        "ms a text": (1000 * table["seconds_per_text"], "{:.2f}"),
    }
    shown = {name: values.map(text.format).where(values.notna(), "?") for name, (values, text) in numbers.items()}
    return pd.DataFrame(shown).assign(device=table["device"].replace("", "?"))


def _percent(table: pd.DataFrame, before: pd.Series) -> pd.Series:
    """The packed size in percent of the unpruned models', `before`, or of the stored size where that is not known.

    An unpruned model is as large packed as stored, and a pruned one is stored as the unpruned one is.
    """
    return 100 * table["bytes_packed"] / before.fillna(table["bytes_stored"])


def _interval(name: str, values: pd.Series, confidence: float) -> dict[str, float]:
    """The mean over seeds and the ends of its interval; empty without values."""
    found = null.seed_interval(values, confidence) if len(values) else [math.nan] * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), found, strict=True))


def _changed(study: results.Results, confidence: float) -> dict[Path, dict[str, float]]:
    """By folder, own answers changed with their interval, and what another seed changes."""
    found = {}
    for folder in study.pies_in:
        # PIEs of an earlier version have none.
        if record := study.pies_record(folder)["summary"].get("agreement"):
            agreement = Agreement.of(record)
            table = quantities(agreement, confidence).set_index(["comparison", "quantity"])
            own = table.loc["both" if "pruned" in agreement.sides else "training longer", "own answers changed"]
            found[folder] = {"changed": own["estimate"], "changed_low": own["low"], "changed_high": own["high"]}
            found[folder]["another_seed"] = table.loc[("parts", "retraining"), "estimate"]
    return found
