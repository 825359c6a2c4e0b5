"""The plan of a study as text, before it runs or while it does: notebooks, training units, disk and device time."""

import importlib
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich import filesize

from pielab.arguments import parser_for
from pielab.compression import pruners
from pielab.config import local_paths
from pielab.config import study as studies
from pielab.config.parameters import TrainParameters
from pielab.config.study import Study
from pielab.config.types import parse_seeds
from pielab.errors import warn
from pielab.jobs import estimate
from pielab.progress import counted
from pielab.store import paths

read = studies.read_file  # for scripts that call it here


def commands(study: Study, config: Mapping[str, Any]) -> dict[str, str]:
    """By pair, the command that trains its first unpruned seed, which the study then reuses.

    config: the content of the study's file.
    """
    papermill = "papermill" if shutil.which("papermill") else str(Path(sys.executable).with_name("papermill"))
    template = str(paths.shipped() / "notebooks" / "01_train.ipynb")
    by_pair = {}
    for (pair, values), entry in zip(study.dense.items(), config["configurations"], strict=True):
        # A params file may leave limit out, for which the notebook has a number of its own.
        given = {"study": values["study"], "results": values["results"], "limit": values["limit"]}
        given |= {name: value for name, value in entry.items() if name in TrainParameters.model_fields}
        given |= {"seeds": parse_seeds(values["seeds"])[0]}
        if given["results"] == "results":  # the notebook's default
            del given["results"]
        # With -p, papermill would turn a name such as 2024 into a number.
        params = str(paths.find_params(entry["params"]) or entry["params"])
        options = [papermill, template, "out.ipynb", "-f", params]
        for name, value in given.items():
            options += ["-r" if isinstance(value, str) else "-p", name, str(value)]
        by_pair[pair] = shlex.join(options)
    return by_pair


def text(study: Study, config: Mapping[str, Any], load: bool = True) -> str:
    """The whole plan of a study, as it is printed; config: the content of its file."""
    seeds = estimate.seeds(study)
    pairs = f"{counted(len(study.dense), 'pair')} of data set and model"
    runs = f"{counted(len(seeds), 'run')} (one seed of one configuration each), {seeds['done'].sum():,} done"
    parts = [
        f"study {study.folder}: {pairs}, {runs}",
        _notebooks_text(estimate.notebooks(study)),
        _units_text(estimate.units(seeds), study)
        + _controls_text(seeds.loc[seeds["configuration"].str.startswith("control-"), "units"].sum()),
        _intervals_text(study),
        _disk_text(study, *estimate.disk(study, seeds, load)),
        _times_text(estimate.times(seeds), commands(study, config)),
    ]
    return "\n\n".join(parts)


def _notebooks_text(frame: pd.DataFrame) -> str:
    whole = pd.concat([frame, frame.sum().to_frame("all").T])
    return "NOTEBOOKS\n" + whole.map("{:,}".format).to_string()


def _units_text(frame: pd.DataFrame, study: Study) -> str:
    total = frame[["in all", "done", "left"]].sum()
    not_shared = (frame["if not shared"] * frame["seeds"]).sum()
    shown = frame.map(_number)
    shown.insert(0, "epochs", [str(study.dense[pair]["epochs"]) for pair in frame.index])
    shown.loc["all"] = total.map(_number)
    of_budget = {"paper": str(pruners.ITERATIONS), "equal": "less than 1"}
    budgets = sorted({values["budget"] for values in study.dense.values()})
    iterative = [of_budget[each] + (f" (budget: {each})" if len(budgets) > 1 else "") for each in budgets]
    any_nested = any(pruners.of(values).is_nested for values in study.pruned.values())
    nested = ",\nand 1 with a nested one as well, which goes on from the threshold below" if any_nested else ""
    return (
        "TRAINING UNITS: one unit trains one model for its epochs\n"
        f"{shown.to_string(na_rep='')}\n"
        f"A seed takes 1 unit unpruned, {' or '.join(iterative)} with an iterative pruner, 1 with any other"
        f"{nested}. The unpruned training\n"
        "of a seed serves all iterative pruners of its pair: "
        f"{_number(total['in all'])} units, and not the {_number(not_shared)} if each trained its own."
    )


def _controls_text(units: float) -> str:
    if not units:
        return ""
    return (
        f"\n{_number(units)} of them train controls, which go through what pruned models go through, with nothing "
        "pruned\n(controls: false in the study's entry leaves them out)."
    )


def _intervals_text(study: Study) -> str:
    from pielab.analysis.half_splits import LEAST_SEEDS_FOR_AN_INTERVAL  # here, because they take a second
    from pielab.jobs import intervals

    lines = []
    for row in intervals.of_study(study).itertuples():
        if row.seeds < LEAST_SEEDS_FOR_AN_INTERVAL:
            lines.append(f"{row.Index}, {row.seeds} seeds: no interval, from 4 seeds, and no test, from 6.")
            continue
        if row.pilot:
            width = f"± {row.half_width:.1f} points, as in its {row.pilot} seeds so far"
        else:
            few, many = (intervals.simulated(row.seeds, changed) for changed in (1, 10))
            width = (
                f"± {few[0]:.1f} to {few[1]:.1f} points if pruning changes 1 % of a model's answers, "
                f"± {many[0]:.1f} to {many[1]:.1f} if 10 %"
            )
        test = f"smallest p {row.p:.2g}" if row.p < 0.05 else f"no test at 5 % (smallest p {row.p:.2g}), from 6 seeds"
        lines.append(f"{row.Index}, {row.seeds} seeds: {width}; {test}.")
    lines.append("Of single models, as simulated at 1,000 texts. At texts to come they are wider, whatever the seeds.")
    title = "INTERVALS of how far pruning changes answers beyond retraining, 95 % at the study's own texts"
    return "\n".join([title, *lines])


def _number(value: float) -> str:
    return f"{value:,.10g}"


def _disk_text(study: Study, frame: pd.DataFrame, unknown: Mapping[str, str]) -> str:
    folder = paths.root() / study.folder
    needed = (frame["in all"] - frame["there"]).sum()
    shown = frame[["unpruned", "pruned", "there", "in all"]].map(_bytes).assign(source=frame["source"])
    shown = shown.rename(columns={"unpruned": "an unpruned seed", "pruned": "a pruned seed"})
    known = frame["in all"].sum(min_count=1)
    shown.loc["all"] = pd.Series({"there": _bytes(frame["there"].sum()), "in all": _bytes(known)})
    free = shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.exists())).free
    lines = [f"{pair} is not known until its first seed is done: {why}" for pair, why in unknown.items()]
    lines += ["all is the sum of the known pairs."] if unknown and len(unknown) < len(frame) else []
    so_far = _bytes(estimate.folder_bytes(folder))
    lines += [f"{study.folder} has {so_far} so far, all its files; {_bytes(free)} are free there."]
    lines += [f"That is too little for the {_bytes(needed)} to come: make room."] if needed > free else []
    return "DISK for the seeds\n" + "\n".join([shown.to_string(na_rep=""), *lines])


def _times_text(frame: pd.DataFrame, commands: Mapping[str, str]) -> str:
    shown = pd.DataFrame(index=frame.index)
    for kind in [kind for kind in estimate.KINDS if kind in frame.columns]:
        marks = ["~" if kind in borrowed else "" for borrowed in frame["borrowed"]]
        shown[kind] = [mark + _duration(value) for mark, value in zip(marks, frame[kind], strict=True)]
    shown["spent"], shown["left"] = frame["spent"].map(_duration), frame["left"].map(_duration)
    shown["device"] = frame["device"].map(lambda name: name or "not timed")
    left = frame["left"].sum(min_count=1)
    shown.loc["all"] = pd.Series({"spent": _duration(frame["spent"].sum()), "left": _duration(left)})
    lines = ["Device time, as if one seed ran at a time: a seed's seconds, divided by its job's workers."]
    if any(frame["borrowed"].map(len)):
        lines.append("~ is not timed yet: it is the time of another kind of the same pair.")
    for pair, others in frame["others"][frame["others"].map(len) > 0].items():
        lines.append(f"{pair} has seeds from {', '.join(others)} too: its times are those of its newest seed's device.")
    if untimed := [pair for pair in frame.index if not frame["device"][pair]]:
        known = "No pair is timed yet." if len(untimed) == len(frame) else "all is the sum of the timed pairs."
        lines.append(f"{known} One unpruned seed times a pair, and measures its disk; it counts as done for the study:")
        lines += [f"  {commands[pair]}" for pair in untimed]
    return "TIME of one unit, and of the study\n" + "\n".join([shown.to_string(na_rep=""), *lines])


def _bytes(number: float) -> str:
    return "?" if pd.isna(number) else filesize.decimal(int(number))


def _duration(seconds: float) -> str:
    if pd.isna(seconds):
        return "?"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds else "0 s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def main(arguments: list[str] | None = None, program: str = "pielab plan") -> int:
    parser = parser_for(program, "Print what a study takes; run nothing.", "for example: pielab plan demo")
    parser.add_argument("study", help="a study's file, or the name of one in params/studies/")
    parser.add_argument("--no-data", action="store_true", help="read no data set to count its examples")
    given = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a plan downloads nothing
    config = studies.read_file(studies.find(given.study))
    study = studies.read(config)
    print(text(study, config, load=not given.no_data), flush=True)
    for error in local_paths.missing(study, paths.root() / study.folder):
        warn(f"pielab study will not start: {str(error).removesuffix('.')}")
    return 0


if __name__ == "__main__":
    sys.exit(importlib.import_module("pielab.__main__").run(["plan", *sys.argv[1:]]))
