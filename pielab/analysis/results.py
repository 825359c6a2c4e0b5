"""The results of a study: its records and PIEs, written and read, and one row per example, configuration or seed."""

import functools
import io
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

# Scripts find these here as well.
from pielab.analysis.sides import check_same_data  # noqa: F401
from pielab.analysis.summary import as_today, examples, summary  # noqa: F401
from pielab.analysis.tables import (  # noqa: F401
    answer_names,
    as_column,
    describe_votes,
    effectiveness,
    effectiveness_on_pies,
    label,
    means,
    pie_shares,
    pruner_order,
    save,
    sort_as_paper,
    texts,
)
from pielab.config.parameters import PairParameters, PieParameters
from pielab.data import datasets
from pielab.errors import PielabError
from pielab.store import digests, files, paths, records, settings
from pielab.store.paths import CONFIGURATION

if TYPE_CHECKING:
    from datasets import DatasetDict

EXAMPLE_COLUMNS = [*CONFIGURATION, "text", "label", "unpruned votes", "pruned votes", "P(PIE)", "P(null)"]


def write_pies(folder: Path, frame: pd.DataFrame, numbers: dict[str, Any], p: PieParameters, digest: str) -> None:
    """Write a configuration's examples to pies.parquet, with its summary, `numbers`, and the texts' source."""
    record = {"summary": numbers, "data": p.data, "digest": digest, "seeds": p.seeds}
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({"pielab": json.dumps(record)})
    with files.atomic_file(folder / "pies.parquet", digest=True) as partial:
        pq.write_table(table, partial)


class Results:
    """The results of a study so far; each file is read once, when it is first needed.

    folder: the study's. pies_in: the folders of the configurations whose PIEs are known.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._contents: dict[Path, bytes] = {}
        self._pies_records: dict[Path, dict[str, Any]] = {}

    @functools.cached_property
    def pies_in(self) -> list[Path]:
        return [path.parent for path in sorted(self.folder.glob("*/*/pies.parquet"))]

    @functools.cached_property
    def records(self) -> dict[Path, list[dict[str, Any]]]:
        """The records of all seeds, by the folder of their configuration."""
        of_seeds = sorted(self.folder.glob("*/*/seeds/[0-9]*/metrics.json"))
        by_folder = itertools.groupby(of_seeds, key=lambda path: path.parents[2])
        return {folder: [records.read(path.parent) for path in group] for folder, group in by_folder}

    def first_record(self, folder: Path) -> dict[str, Any]:
        """The record of a configuration's first seed; empty if its predictions were imported without records."""
        return self.records.get(folder, [{}])[0]

    def pies(self, folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
        """A configuration's examples, and its record: summary, data (as datasets.load takes them), digest, seeds.

        Raises PielabError if the file is damaged.
        """
        with records.checked_read(folder / "pies.parquet", _cure(folder / "03_pies.ipynb"), digest=False) as path:
            return pq.read_table(self.content(path)).to_pandas(), self.pies_record(folder)

    def pies_record(self, folder: Path) -> dict[str, Any]:
        """The record of `pies` alone."""
        if folder not in self._pies_records:
            with records.checked_read(folder / "pies.parquet", _cure(folder / "03_pies.ipynb"), digest=False) as path:
                stored = pq.read_schema(self.content(path)).metadata[b"pielab"]
                self._pies_records[folder] = json.loads(stored)
        return self._pies_records[folder]

    def content(self, path: Path) -> io.BytesIO:
        """A file as it is on disk: compressed, PIEs take a tenth of the memory that their data frame does.

        Raises ValueError if the file is not as it was written.
        """
        if path not in self._contents:
            digests.check(path)
            self._contents[path] = path.read_bytes()
        return io.BytesIO(self._contents[path])


def read(study: Path | str | Results) -> Results:
    """The results of a study, given its folder; what has been read already is returned unchanged."""
    return study if isinstance(study, Results) else Results(study)


def read_pies(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The examples and the record of one configuration, as `Results.pies` gives them."""
    return Results(path.parent).pies(path.parent)


def read_record(path: Path) -> dict[str, Any]:
    """The record of `read_pies` alone, without reading the examples."""
    return Results(path.parent).pies_record(path.parent)


def _cure(notebook: Path) -> str:
    return f"delete {notebook} and give the same command again, which makes both anew"


def configurations(study: Path | Results) -> pd.DataFrame:
    """One row per configuration of the study whose PIEs are known, as `summary` gives them, in the paper's order.

    study: its folder, or its results as `read` gives them, here and below. Raises PielabError if it has no PIEs yet.
    """
    study = read(study)
    if not study.pies_in:
        raise PielabError(
            "study-without-pies",
            f"{study.folder} has no PIEs yet",
            "run 03_pies for a configuration (pielab run 03_pies), or a whole study (pielab study demo)",
        )
    return sort_as_paper(pd.DataFrame([as_today(study.pies_record(folder)["summary"]) for folder in study.pies_in]))


def seeds(study: Path | Results, further: bool = False) -> pd.DataFrame:
    """One row per trained seed: dataset, model, pruner ("unpruned" too), threshold, seed, metric, effectiveness.

    further: also a row for each metric beside the task's own, such as accuracy where the task's own is F1.

    Where PIEs are known, only the seeds that voted, because a folder may hold more seeds from another run.
    """
    study, rows = read(study), []
    voted: dict[Path, set[int]] = {}
    for folder in study.pies_in:
        for side in (folder, folder.parent / paths.DENSE):
            voted.setdefault(side, set()).update(study.pies_record(folder)["seeds"])
    for folder, of_seeds in study.records.items():
        for record in of_seeds:
            if record["seed"] in voted.get(folder, {record["seed"]}):
                columns = {name: record[name] for name in (*CONFIGURATION, "seed", "metric")}
                rows.append(columns | {"effectiveness": record["test"]})
                for name, values in record.get("further", {}).items() if further else ():
                    rows.append(columns | {"metric": name, "effectiveness": values["test"]})
    table = pd.DataFrame(rows, columns=[*CONFIGURATION, "seed", "metric", "effectiveness"])
    return sort_as_paper(table, "seed")


def pie_examples(study: Path | Results, number: int = 20, folder: Path | None = None) -> pd.DataFrame:
    """Table 1: PIEs with their text, label and both votes, by turns from every configuration, or from one `folder`.

    Of generated texts also "unpruned text" and "pruned text", which stand for the sides (`text_levels.consensus`).

    Examples of a configuration are ordered by P(PIE) - P(null), the largest first; no text is shown twice.
    """
    study, queues = read(study), []
    loaded: dict[str, DatasetDict] = {}
    for place in [folder] if folder else study.pies_in:
        frame, record = study.pies(place)
        key = json.dumps([record["data"], record["digest"]], sort_keys=True)
        loaded[key] = loaded.get(key) or load_data(record, place / "pies.parquet")
        surprise = (frame["p_pie"] - frame["p_null"])[frame["pie"]].sort_values(ascending=False, kind="stable")
        # More than `number` are never needed, because fewer than that have been shown when the last is chosen.
        rows = frame.loc[surprise.index[:number]].to_dict("records")
        queues.append([(record["summary"], row, key) for row in rows])
    chosen: dict[tuple[str, int], dict[str, Any]] = {}
    while any(queues) and len(chosen) < number:
        for queue in queues:
            while queue and (queue[0][2], queue[0][1]["example"]) in chosen:
                queue.pop(0)
            if queue and len(chosen) < number:
                made_by, row, key = queue.pop(0)
                chosen[key, row["example"]] = _example(made_by, row, loaded[key])
    texts = {name: None for row in chosen.values() for name in row if name not in EXAMPLE_COLUMNS}
    after = EXAMPLE_COLUMNS.index("label") + 1
    columns = [*EXAMPLE_COLUMNS[:after], *texts, *EXAMPLE_COLUMNS[after:]]
    return pd.DataFrame(chosen.values(), columns=columns).fillna(dict.fromkeys(texts, ""))


def save_pair_table(table: pd.DataFrame, p: PairParameters, name: str) -> None:
    """Write a table of the pair as CSV, for the report."""
    with files.atomic_file(p.pair_folder / f"{name}.csv", digest=True) as partial:
        table.to_csv(partial, index=False)


def read_pair_tables(study: Path | Results, name: str) -> pd.DataFrame:
    """The tables of that name of all pairs of a study, in one frame; empty if no pair has one."""
    study, parts = read(study), []
    for path in sorted(study.folder.glob(f"*/{name}.csv")):
        with records.checked_read(path, _cure(path.parent / f"*_{name}.ipynb"), digest=False):
            table = pd.read_csv(study.content(path))
        if "threshold" in table:
            table["threshold"] = list(map(settings.of_text, table["threshold"]))
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def pair_configurations(p: PairParameters, study: Results | None = None) -> list[tuple[Path, dict[str, Any]]]:
    """Folders and summaries of the pair's configurations whose PIEs are known, in the paper's order."""
    study = study or read(p.study_folder)
    folders = [folder for folder in study.pies_in if folder.parent == p.pair_folder]
    summaries = [(folder, study.pies_record(folder)["summary"]) for folder in folders]
    if not summaries:
        raise PielabError(
            "pair-without-pies",
            f"{p.pair_folder} has no PIEs yet",
            "run 03_pies for a configuration first (pielab run 03_pies)",
        )
    return sorted(summaries, key=lambda pair: _place(pair[1]))


def most_pies(p: PairParameters) -> tuple[paths.Configuration, pd.DataFrame]:
    """The configuration of the pair that has the most PIEs, the first of several, and its examples."""
    study = read(p.study_folder)
    folder, numbers = max(pair_configurations(p, study), key=lambda pair: pair[1]["pies_percent"])
    return paths.Configuration.of(numbers), study.pies(folder)[0]


def _place(numbers: dict[str, Any]) -> tuple:
    """A sort key for the order of the paper's tables."""
    return pruner_order(numbers["pruner"]), settings.order(numbers["pruner"], numbers["threshold"])


def configuration_of(numbers: dict[str, Any]) -> dict[str, Any]:
    """The entries of a configuration's summary that identify it."""
    return paths.Configuration.of(numbers).record


def _example(numbers: dict[str, Any], row: dict[str, Any], data: "DatasetDict") -> dict[str, Any]:
    names = answer_names(row, data["test"], datasets.class_names(data))
    return {
        **configuration_of(numbers),
        "text": datasets.joined_texts(data["test"].select([row["example"]]))[0],
        "label": label(row, data["test"], names),
        **texts(row),
        "unpruned votes": describe_votes(row["unpruned_votes"], names),
        "pruned votes": describe_votes(row["pruned_votes"], names),
        "P(PIE)": row["p_pie"],
        "P(null)": row["p_null"],
    }


def load_data(record: dict[str, Any], path: Path) -> "DatasetDict":
    """The data in which the PIEs of `path` were found; PielabError if its texts or labels have changed since."""
    data = datasets.load(**record["data"])
    if datasets.digest(data) != record["digest"]:
        raise PielabError(
            "texts-changed-after-pies",
            f"the texts or labels behind {path} have changed since it was written",
            f"train again, or restore {record['data']['name']}",
        )
    return data
