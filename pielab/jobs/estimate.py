"""Counts what a study asks for and what is done, and estimates the time and disk space of the rest."""

import contextlib
import functools
import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.compression import schedules
from pielab.config.parameters import PruneParameters, TrainParameters
from pielab.config.study import Study
from pielab.config.types import parse_seeds
from pielab.data import tasks
from pielab.errors import PielabError, missing_package
from pielab.jobs.counts import Counts, count_examples, published_counts, require_fetched
from pielab.store import paths, records

# Bytes of metrics.json: a kilobyte or two, and a line for each matrix of a pruned transformer.
RECORD = 3_000
# The parameters of bert-base-uncased but for the last layer, by `Task.hub`; one that tags words or reads has no pooler.
BERT_BASE = {
    "text-classification": 109_482_240,
    "token-classification": 108_891_648,
    "question-answering": 108_891_648,
}
# Those of gpt2, whose last layer is its embeddings.
GPT2 = 124_439_808
# The bytes of an answer with its place and scores where texts are kept in place of logits, by task: as measured for
# QAMR, and for E2E's texts of 110 characters.
BYTES_OF_ANSWER = {"spans": 40, "generation": 130}
GLOVE_WIDTHS = {"glove-6b-50d": 50, "glove.840B.300d.txt": 300}

# The kinds of seeds, each with the kinds whose time can stand in for its own, the most similar first.
KINDS = {
    "unpruned": ("at initialization", "gradual", "iterative"),
    "iterative": ("unpruned", "at initialization", "gradual"),
    "at initialization": ("unpruned", "gradual", "iterative"),
    "gradual": ("at initialization", "unpruned", "iterative"),
}


def notebooks(study: Study) -> pd.DataFrame:
    """How many notebooks a study has and how many are done: a row for each notebook, columns in all, done, left.

    Notebooks that train a part of a configuration's seeds have a row of their own.
    """
    folder = paths.root() / study.folder
    names = [Path(path).stem + (", parts" if "/parts/" in path else "") for path in study.notebooks()]
    done = pd.Series([(folder / path).exists() for path in study.notebooks()]).groupby(names)
    frame = pd.DataFrame({"in all": done.size(), "done": done.sum()})
    return frame.assign(left=frame["in all"] - frame["done"])


def seeds(study: Study) -> pd.DataFrame:
    """Every seed that a study asks for, one row each.

    Columns pair, configuration, seed, kind (a key of KINDS; nested pruners count as iterative), units (how many times
    the seed is trained), from_unpruned (the units of the unpruned seed that it starts from), done, and for finished
    seeds bytes, bytes_pruned (without files that only an unpruned seed has), bytes_weights (of its weights once),
    seconds (of the device, as if one seed ran at a time), device, ended (unix seconds).
    """
    rows = []
    for configuration, values in study.configurations.items():
        kind = "unpruned"
        units: float = 1
        from_unpruned: float = 0
        if not configuration.unpruned:
            p = PruneParameters(**study.parameters("02_prune", configuration.target))
            trajectory, epochs = p.trajectory, p.epochs
            kind = p.method.schedule if trajectory.start == "initial" else "iterative"
            units = sum(step.epochs for step in trajectory.own_steps) / epochs
            # The first configuration of a trajectory stands for its start.
            from_unpruned = trajectory.start_epochs / epochs if trajectory.own_steps == trajectory.steps else 0
        row: dict[str, Any] = {"pair": configuration.pair, "configuration": configuration.name}
        row |= {"kind": kind, "units": units, "from_unpruned": from_unpruned}
        folder = configuration.folder(paths.root() / study.folder)
        there = set((folder / "seeds").glob("*"))
        for seed in parse_seeds(values["seeds"]):
            seed_folder = paths.seed(folder, seed)
            rows.append(row | {"seed": seed} | (_finished(seed_folder) if seed_folder in there else {"done": False}))
    columns = ["pair", "configuration", "seed", "kind", "units", "from_unpruned", "done"]
    sizes = ["bytes", "bytes_pruned", "bytes_weights"]
    return pd.DataFrame(rows, columns=[*columns, *sizes, "seconds", "device", "ended"])


def units(seeds: pd.DataFrame) -> pd.DataFrame:
    """The training units of each pair (rows); one unit trains one model for its epochs.

    seeds: as `seeds` gives them. Columns seeds, configurations, units a seed, if not shared (units a seed if every
    iterative configuration and nested trajectory trained its own unpruned models), in all, done, left.
    """
    rows = {}
    for pair, part in seeds.groupby("pair", sort=False):
        once = part.drop_duplicates("configuration")
        a_seed = once["units"].sum()
        rows[pair] = {
            "seeds": int((part["kind"] == "unpruned").sum()),
            "configurations": len(once),
            "units a seed": a_seed,
            "if not shared": a_seed + once["from_unpruned"].sum(),
            "in all": part["units"].sum(),
            "done": part.loc[part["done"], "units"].sum(),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.assign(left=frame["in all"] - frame["done"])


def times(seeds: pd.DataFrame) -> pd.DataFrame:
    """The seconds of one unit for each pair (rows) and kind, and the time of the units left.

    seeds: as `seeds` gives them. Columns: the median seconds per unit of each kind in `seeds`; spent and left, in
    seconds; device and others, names of devices; borrowed, the kinds that take the time of another kind. Medians are
    over the seeds on the device of the pair's newest seed, NaN without any. Seeds of 0 units, of a method that does not
    train, count as spent alone.
    """
    rows = {}
    kinds = [kind for kind in KINDS if kind in set(seeds["kind"])]
    for pair, part in seeds.groupby("pair", sort=False):
        timed = part.dropna(subset=["seconds", "device"]).sort_values("ended")
        device = timed["device"].iloc[-1] if len(timed) else None
        on_device = timed[(timed["device"] == device) & (timed["units"] > 0)]
        own = (on_device["seconds"] / on_device["units"]).groupby(on_device["kind"]).median().to_dict()
        per_unit = {
            kind: next((own[source] for source in (kind, *KINDS[kind]) if source in own), float("nan"))
            for kind in kinds
        }
        left = part[~part["done"] & (part["units"] > 0)]
        rows[pair] = {
            **per_unit,
            "spent": timed["seconds"].sum(),
            "left": (left["units"] * left["kind"].map(per_unit).astype(float)).sum(skipna=False),
            "device": device,
            "others": sorted(set(timed["device"]) - {device}),
            "borrowed": [kind for kind in kinds if own and kind not in own],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def disk(study: Study, seeds: pd.DataFrame, load: bool = True) -> tuple[pd.DataFrame, dict[str, str]]:
    """The bytes of the seeds of each pair (rows); and by pair, why its sizes are not known, if they are not.

    seeds: as `seeds` gives them. Columns unpruned and pruned (per seed), source, there, in all. Sizes are measured on
    finished seeds, or else estimated from the counts of the data set.
    load: read data sets to count their examples, unless their counts are published, as of the paper's four.
    """
    rows, unknown = {}, {}
    counts: dict[str, Counts] = {}
    for pair, part in seeds.groupby("pair", sort=False):
        dense = part["kind"] == "unpruned"
        per_seed = {"unpruned": part.loc[dense, "bytes"].median(), "pruned": part.loc[~dense, "bytes"].median()}
        source = "measured"
        if any(map(pd.isna, per_seed.values())):
            try:
                p = PruneParameters(**study.parameters("02_prune", study.of_pair(pair)[1].target))
                with missing_package():  # a transformer's weights are counted with torch
                    estimated, source = _estimate(p, part[dense], counts, load)
                per_seed = {kind: estimated[kind] if pd.isna(size) else size for kind, size in per_seed.items()}
            except (OSError, ValueError) as error:  # a PielabError is a ValueError
                unknown[pair], source = str(error), "not known"
        left = part.loc[~part["done"], "kind"].map(lambda kind: "unpruned" if kind == "unpruned" else "pruned")
        used = part["bytes"].sum()
        in_all = used + left.map(per_seed).astype(float).sum(skipna=False)
        rows[pair] = {**per_seed, "source": source, "there": used, "in all": in_all}
    return pd.DataFrame.from_dict(rows, orient="index"), unknown


def folder_bytes(folder: Path | str) -> int:
    """The bytes of all files in a folder and its subfolders."""
    total = 0
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # the study may be running
                total += folder_bytes(entry.path) if entry.is_dir(follow_symlinks=False) else entry.stat().st_size
    return total


def _estimate(
    p: PruneParameters, dense: pd.DataFrame, counts: dict[str, Counts], load: bool
) -> tuple[dict[str, float], str]:
    """The bytes of an unpruned and a pruned seed, and their source; counts: filled in as a cache for the next pair."""
    if dense["done"].any():  # a pruned seed has the files of an unpruned one except for weights and further logits
        weights = dense["bytes_weights"].median() if p.save_weights else 0
        return {"unpruned": dense["bytes"].median(), "pruned": dense["bytes_pruned"].median() + weights}, "measured"
    key = repr(p.data)
    if key not in counts:
        known = published_counts(p)
        if known is None and not load:
            raise PielabError("data-set-not-counted", f"{p.dataset} was not read", "leave out --no-data to estimate it")
        if known is None:
            print(f"counting the examples of {p.dataset} (--no-data leaves that out)", file=sys.stderr, flush=True)
        counts[key] = known or count_examples(p)
    pruned = seed_bytes(p, counts[key], pruned=True, with_weights=p.save_weights)
    return {"unpruned": seed_bytes(p, counts[key]), "pruned": pruned}, "estimated"


def _finished(folder: Path) -> dict[str, Any]:
    """The columns of `seeds` that are read from a seed's folder; a seed with an unreadable record is not done."""
    try:
        return _read_finished(folder, (folder / "metrics.json").stat().st_mtime_ns)
    except (OSError, ValueError):
        return {"done": False}


@functools.cache
def _read_finished(folder: Path, modified: int) -> dict[str, Any]:
    """`_finished`, read once by a process that counts again each minute; modified: when its record was."""
    record = records.read(folder)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    seconds = record.get("seconds")
    return {
        "done": True,
        "bytes": folder_bytes(folder),
        "bytes_pruned": sum(sizes.get(name, 0) for name in ("train.parquet", "test.parquet", "metrics.json")),
        # Earlier versions kept no more than shared.safetensors, with an equal budget.
        "bytes_weights": sizes.get("weights.safetensors", sizes.get("shared.safetensors")),
        "seconds": None if seconds is None else seconds / record.get("workers", 1),
        "device": record.get("device"),
        "ended": (folder / "metrics.json").stat().st_mtime,
    }


def prediction_bytes(examples: int, classes: int, task: tasks.Task = tasks.SINGLE_LABEL) -> int:
    """The bytes of one file of logits, to a tenth, or of answers that are texts, to a half."""
    if task.name in BYTES_OF_ANSWER:
        return 1_000 + BYTES_OF_ANSWER[task.name] * examples
    logits = examples * classes
    # As measured for 2 to 54 classes: 4 bytes a logit; 5 an example, whose 8 are compressed; and 2 for the place of a
    # logit in Parquet's dictionary, which is full after 1 MB, or 262,144 logits.
    return 1_000 + 5 * examples + 4 * logits + 2 * min(logits, 2**18)


def weight_bytes(p: TrainParameters, classes: int, task: tasks.Task = tasks.SINGLE_LABEL) -> int:
    """The bytes of the weights of a task's model, 4 per parameter; the paper's models have those of its Table 5.

    Raises PielabError if another model or its word vectors are not on this machine.
    """
    if p.model == "bilstm":
        return 4 * (407_552 + 800 * _width(p.word_vectors) + 129 * classes)
    if p.model == "gpt2" and task is tasks.GENERATION and p.num_hidden_layers is None:
        return 4 * GPT2
    if p.model == "bert-base-uncased" and p.num_hidden_layers is None and task.hub in BERT_BASE:
        return 4 * (BERT_BASE[task.hub] + 769 * classes)
    from pielab.models import classifier
    from pielab.training.tasks import TASKS

    require_fetched(p.model.removesuffix("-2l"))
    layers, revision = p.num_hidden_layers, p.model_revision
    model = TASKS[task.name].models.build(p.model, classes, num_hidden_layers=layers, revision=revision, meta=True)
    return 4 * classifier.count_parameters(model)


def seed_bytes(p: TrainParameters, counts: Counts, pruned: bool = False, with_weights: bool = True) -> int:
    """The bytes of a seed's folder: predictions, the record, and the weights if `with_weights`.

    pruned: without the logits that only an unpruned seed has, early ones (for EL2N) and those of the numerical null,
        and with the weights once; an unpruned one has them twice if pruners with an equal budget branch off from it.
    """
    train, test = (prediction_bytes(number, counts.classes, counts.task) for number in (counts.train, counts.test))
    logits = train + test + (0 if pruned else train + 2 * test)
    branches = not pruned and p.budget == "equal" and schedules.branch_epochs(p.epochs) > 0
    return logits + RECORD + (weight_bytes(p, counts.classes, counts.task) * (1 + branches) if with_weights else 0)


def _width(name: str) -> int:
    """The width of word vectors: of GloVe by its name, else from the first line of the file."""
    if width := GLOVE_WIDTHS.get(Path(name).name):
        return width
    from pielab.models import word_vectors

    file = paths.find(name)
    if file is None or not file.stat().st_size:
        return word_vectors.read(name).matrix.shape[1]  # raises what training would
    with file.open("rb") as text:
        first = text.readline().split()
    # Files of word2vec and fastText begin with two counts.
    return int(first[1]) if len(first) == 2 else len(first) - 1
