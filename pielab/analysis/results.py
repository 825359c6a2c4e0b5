"""The study's tables: one row per example, configuration or seed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, DatasetDict

from pielab.analysis import null, pies
from pielab.compression.pruners import KNOWN
from pielab.config.parameters import PairParameters, PieParameters
from pielab.data import datasets, tasks
from pielab.errors import PielabError
from pielab.store import files, paths, records
from pielab.store.predictions import Predictions

CONFIGURATION = ["dataset", "model", "pruner", "threshold"]
EXAMPLE_COLUMNS = [*CONFIGURATION, "text", "label", "unpruned votes", "pruned votes", "P(PIE)", "P(null)"]


def examples(split: Dataset, dense: Predictions, pruned: Predictions, estimate: null.Null) -> pd.DataFrame:
    """One row per example of the split, in its order.

    Columns: example; label (class id, or the ids of its classes); unpruned, pruned (the majority class, or the set
    of majority classes); unpruned_votes, pruned_votes (a count for each class); pie; p_pie and p_null as in null.Null.
    """
    task = tasks.of_split(split)
    frame = pd.DataFrame({"example": np.arange(len(split)), "label": task.ids(task.targets(split))})
    for side, runs in {"unpruned": dense, "pruned": pruned}.items():
        frame[side] = task.ids(task.majority(runs.classes))
        frame[f"{side}_votes"] = task.votes(runs.classes, runs.logits.shape[2]).tolist()
    return frame.assign(pie=pies.find(dense.classes, pruned.classes), p_pie=estimate.p_pie, p_null=estimate.p_null)


def summary(
    parameters: PieParameters,
    data: DatasetDict,
    dense: Predictions,
    pruned: Predictions,
    estimate: null.Null,
) -> dict[str, Any]:
    """The numbers of one configuration that the report shows; shares are of all test examples, in percent."""
    p = parameters
    is_pie = pies.find(dense.classes, pruned.classes)
    targets = datasets.targets(data["test"])
    return {
        "dataset": paths.slug(p.dataset),
        "model": paths.slug(p.model),
        "pruner": p.pruner,
        "threshold": p.threshold,
        "metric": tasks.TASKS[dense.task].metric,
        "seeds": len(p.seeds),
        "examples": len(is_pie),
        "classes": datasets.class_names(data),
        "pies": int(is_pie.sum()),
        "pies_percent": 100 * float(is_pie.mean()),
        "models_per_side": estimate.models_per_side,
        "halved_pies_percent": 100 * estimate.pruned,
        "null_percent": 100 * estimate.null,
        "excess_percent": 100 * estimate.excess,
        "excess_low": 100 * estimate.low,
        "excess_high": 100 * estimate.high,
        **null.effectiveness_on_pies(dense.classes, pruned.classes, targets),
    }


def check_same_data(data: DatasetDict, dense: Predictions, pruned: Predictions, split: str = "test") -> None:
    """Raise PielabError unless both sides' predictions were made on this split of these data."""
    number, digest, task = len(data[split]), datasets.digest(data), tasks.of_split(data[split]).name
    for side, runs in {"unpruned": dense, "pruned": pruned}.items():
        if number != runs.logits.shape[1] or runs.data_digest not in (None, digest):
            raise PielabError(
                "predictions-of-other-data",
                f"the {side} predictions were made on other texts or labels than these {number}",
                "give the same dataset, columns and limit as in training, or train again if the data have changed",
            )
        if runs.task != task:
            raise PielabError(
                "single-label-against-multi-label",
                f"the {side} predictions are {runs.task} and the data are not",
                "multi-label predictions need decision_threshold in the metadata of their files",
            )


def write_pies(folder: Path, frame: pd.DataFrame, summary: dict[str, Any], p: PieParameters, digest: str) -> None:
    """Write a configuration's examples to pies.parquet, with its summary and the source of the texts as metadata."""
    record = {"summary": summary, "data": p.data, "digest": digest, "seeds": p.seeds}
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({"pielab": json.dumps(record)})
    with files.atomic_file(folder / "pies.parquet") as partial:
        pq.write_table(table, partial)


def read_pies(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A configuration's examples, and its record: summary, data (as datasets.load takes them), digest, seeds.

    Raises PielabError if the file is damaged.
    """
    with records.checked_read(path, _cure(path)):
        return pq.read_table(path).to_pandas(), read_record(path)


def read_record(path: Path) -> dict[str, Any]:
    """The record of `read_pies` alone, without reading the examples."""
    with records.checked_read(path, _cure(path)):
        return json.loads(pq.read_schema(path).metadata[b"pielab"])


def _cure(path: Path) -> str:
    return f"delete {path.parent / '03_pies.ipynb'} and give the same command again, which makes both anew"


def configurations(study_folder: Path) -> pd.DataFrame:
    """One row per configuration of the study whose PIEs are known, as `summary` gives them, in the paper's order.

    Raises PielabError if the study has no PIEs yet.
    """
    rows = [read_record(path)["summary"] for path in sorted(study_folder.glob("*/*/pies.parquet"))]
    if not rows:
        raise PielabError(
            "study-without-pies",
            f"{study_folder} has no PIEs yet",
            "run notebooks/03_pies.ipynb for a configuration, or 'make demo'",
        )
    return sort_as_paper(pd.DataFrame(rows))


def seeds(study_folder: Path, further: bool = False) -> pd.DataFrame:
    """One row per trained seed: dataset, model, pruner ("unpruned" too), threshold, seed, metric, effectiveness.

    further: also a row for each metric beside the task's own, such as accuracy where the task's own is F1.

    Where PIEs are known, only the seeds that voted, because a folder may hold more seeds from another run.
    """
    voted: dict[Path, set[int]] = {}
    for path in study_folder.glob("*/*/pies.parquet"):
        voted[path.parent] = set(read_record(path)["seeds"])
        voted[path.parents[1] / "dense"] = voted.get(path.parents[1] / "dense", set()) | voted[path.parent]
    rows = []
    for path in sorted(study_folder.glob("*/*/seeds/[0-9]*/metrics.json")):
        record = records.read(path.parent)
        if record["seed"] not in voted.get(path.parents[2], {record["seed"]}):
            continue
        columns = {name: record[name] for name in (*CONFIGURATION, "seed", "metric")}
        rows.append(columns | {"effectiveness": record["test"]})
        for name, values in record.get("further", {}).items() if further else ():
            rows.append(columns | {"metric": name, "effectiveness": values["test"]})
    columns = [*CONFIGURATION, "seed", "metric", "effectiveness"]
    return sort_as_paper(pd.DataFrame(rows, columns=columns), "seed")


def effectiveness(seeds: pd.DataFrame) -> pd.DataFrame:
    """Table 9: mean and standard deviation over seeds per configuration, and the change against unpruned models."""
    grouped = seeds.groupby([*CONFIGURATION, "metric"], sort=False)["effectiveness"]
    table = grouped.agg(seeds="count", mean="mean", std="std").reset_index()
    keys = ["dataset", "model", "metric"]
    unpruned = table[table["pruner"] == "unpruned"].set_index(keys)["mean"]
    before = [unpruned.get(key) for key in table[keys].itertuples(index=False, name=None)]
    return table.assign(change=table["mean"] - before)


def pie_shares(configurations: pd.DataFrame) -> pd.DataFrame:
    """Table 4 beside its null: the share of PIEs with all seeds, then with half of them on each side, in percent."""
    columns = ["seeds", "examples", "pies_percent", "models_per_side", "halved_pies_percent", "null_percent"]
    return configurations[[*CONFIGURATION, *columns, "excess_percent", "excess_low", "excess_high"]]


def effectiveness_on_pies(configurations: pd.DataFrame) -> pd.DataFrame:
    """Table 10: the two majority votes on the PIEs and on all examples, and the null on its disagreements."""
    columns = ["metric", "seeds", "pies", "unpruned_on_pies", "pruned_on_pies", "null_on_pies"]
    return configurations[[*CONFIGURATION, *columns, "unpruned_on_all", "pruned_on_all"]]


def pie_examples(study_folder: Path, number: int = 20, folder: Path | None = None) -> pd.DataFrame:
    """Table 1: PIEs with their text, label and both votes, by turns from every configuration, or from one `folder`.

    Examples of a configuration are ordered by P(PIE) - P(null), the largest first; no text is shown twice.
    """
    queues: list[list[tuple[dict[str, Any], pd.Series, str]]] = []
    loaded: dict[str, DatasetDict] = {}
    for path in [folder / "pies.parquet"] if folder else sorted(study_folder.glob("*/*/pies.parquet")):
        frame, record = read_pies(path)
        key = json.dumps([record["data"], record["digest"]], sort_keys=True)
        loaded[key] = loaded.get(key) or load_data(record, path)
        surprise = (frame["p_pie"] - frame["p_null"]).where(frame["pie"])
        order = surprise.sort_values(ascending=False, kind="stable").dropna().index
        queues.append([(record["summary"], frame.loc[index], key) for index in order])
    chosen: dict[tuple[str, int], dict[str, Any]] = {}
    while any(queues) and len(chosen) < number:
        for queue in queues:
            while queue and (queue[0][2], queue[0][1]["example"]) in chosen:
                queue.pop(0)
            if queue and len(chosen) < number:
                made_by, row, key = queue.pop(0)
                chosen[key, row["example"]] = _example(made_by, row, loaded[key])
    return pd.DataFrame(chosen.values(), columns=EXAMPLE_COLUMNS)


def means(sides: dict[str, pd.Series], metric: str) -> pd.DataFrame:
    """The mean over seeds of each side, such as {"unpruned": ..., "pruned": ...}, with its 95 % bootstrap interval."""
    rows = [(name, len(values), *null.seed_interval(values)) for name, values in sides.items()]
    return pd.DataFrame(rows, columns=["models", "seeds", f"mean test {metric}", "low", "high"]).set_index("models")


def as_column(summary: dict[str, Any]) -> pd.DataFrame:
    """A summary as a table to read, one row per number."""
    numbers = {name: value for name, value in summary.items() if name != "classes"}
    shown = {name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in numbers.items()}
    return pd.DataFrame({"value": shown})


def save(frame: pd.DataFrame, report: Path, name: str) -> None:
    """Write a table of the report as CSV."""
    (report / "tables").mkdir(parents=True, exist_ok=True)
    frame.to_csv(report / "tables" / f"{name}.csv", index=False)


def save_pair_table(table: pd.DataFrame, p: PairParameters, name: str) -> None:
    """Write a table of the pair as CSV, for the report."""
    with files.atomic_file(p.pair_folder / f"{name}.csv") as partial:
        table.to_csv(partial, index=False)


def read_pair_tables(study_folder: Path, name: str) -> pd.DataFrame:
    """The tables of that name of all pairs of a study, in one frame; empty if no pair has one."""
    parts = [pd.read_csv(path) for path in sorted(study_folder.glob(f"*/{name}.csv"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def pair_configurations(p: PairParameters) -> list[tuple[Path, dict[str, Any]]]:
    """Folders and summaries of the pair's configurations whose PIEs are known, in the paper's order."""
    summaries = [(path.parent, read_record(path)["summary"]) for path in p.pair_folder.glob("*/pies.parquet")]
    if not summaries:
        raise PielabError(
            "pair-without-pies",
            f"{p.pair_folder} has no PIEs yet",
            "run notebooks/03_pies.ipynb for a configuration first",
        )
    return sorted(summaries, key=lambda pair: (pruner_order(pair[1]["pruner"]), pair[1]["threshold"]))


def configuration_of(summary: dict[str, Any]) -> dict[str, Any]:
    """The entries of a configuration's summary that identify it."""
    return {name: summary[name] for name in CONFIGURATION}


def describe_votes(votes: np.ndarray, names: list[str]) -> str:
    """The classes with votes, the most votes first: "sports 7, tech 1"."""
    order = np.argsort(-np.asarray(votes), kind="stable")
    return ", ".join(f"{names[index]} {votes[index]}" for index in order if votes[index]) or "none"


def _example(summary: dict[str, Any], row: pd.Series, data: DatasetDict) -> dict[str, Any]:
    names = datasets.class_names(data)
    return {
        **{name: summary[name] for name in CONFIGURATION},
        "text": datasets.joined_texts(data["test"].select([row["example"]]))[0],
        "label": ", ".join(names[index] for index in np.atleast_1d(row["label"])),
        "unpruned votes": describe_votes(row["unpruned_votes"], names),
        "pruned votes": describe_votes(row["pruned_votes"], names),
        "P(PIE)": row["p_pie"],
        "P(null)": row["p_null"],
    }


def load_data(record: dict[str, Any], path: Path) -> DatasetDict:
    """The data in which the PIEs of `path` were found; PielabError if its texts or labels have changed since."""
    data = datasets.load(**record["data"])
    if datasets.digest(data) != record["digest"]:
        raise PielabError(
            "texts-changed-after-pies",
            f"the texts or labels behind {path} have changed since it was written",
            f"train again, or restore {record['data']['name']}",
        )
    return data


def pruner_order(pruner: str) -> tuple[int, str]:
    """A sort key for the order of the paper's tables: unpruned models first; nested pruners and other names last."""
    names = ["unpruned", *KNOWN]
    return (names.index(pruner) if pruner in names else len(names)), pruner


def sort_as_paper(frame: pd.DataFrame, *further: str) -> pd.DataFrame:
    """Rows sorted by dataset, model, pruner in the order of the paper's tables, threshold, and `further` columns."""
    keys = ["dataset", "model", "pruner_rank", "threshold", *further]
    ordered = frame.assign(pruner_rank=frame["pruner"].map(pruner_order)).sort_values(keys, ignore_index=True)
    return ordered.drop(columns="pruner_rank")
