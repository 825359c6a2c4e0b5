"""A study file as the notebooks it asks for, each with its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pielab.compression.pruners import NESTED
from pielab.config import parameters
from pielab.config.parameters import (
    ExploreParameters,
    InfluenceParameters,
    JobParameters,
    PieParameters,
    PruneParameters,
    ReadabilityParameters,
    ReportParameters,
    TrainParameters,
)
from pielab.config.types import format_seeds, parse_seeds
from pielab.config.validation import current_names, validate
from pielab.errors import PielabError
from pielab.store import paths

# What a study file may say of 06_report and 07_explore, with what holds if it does not.
OPTIONS = {"results": "results", "examples": 20, "split": "test", "rows": 1000}
# What decides how a study is run and no result of it.
JOB = {"workers": 1} | JobParameters().model_dump()
# What a params file may leave out.
DEFAULTS = {
    name: field.default
    for kind in parameters.NOTEBOOKS.values()
    for name, field in kind.model_fields.items()
    if not field.is_required()
}


@dataclass(frozen=True)
class Study:
    """The folder of a study, and the parameters of each of its notebooks.

    folder: as the study file writes it, from the project's folder.
    dense: by pair, such as "bbc-news-bilstm". pruned: by pair and configuration, such as "bbc-news-bilstm/IMP-FT-90".
    """

    folder: str
    report: dict[str, Any]
    dense: dict[str, dict[str, Any]]
    pruned: dict[str, dict[str, Any]]

    def parameters(self, notebook: str, target: str = "", part: str = "") -> dict[str, Any]:
        """What papermill injects into a notebook: `target` is a key of `dense` or `pruned`, `part` one of `parts`."""
        of_pair = dict.fromkeys(("01_train", "04_el2n", "05_readability"), self.dense)
        given = {**of_pair, "02_prune": self.pruned, "03_pies": self.pruned}.get(notebook)
        kind = parameters.NOTEBOOKS[notebook]
        values = given[target] if given else self.report
        return {name: values[name] for name in kind.model_fields} | ({"seeds": part} if part else {})

    def parts(self, pair: str) -> list[str]:
        """The seeds of each job of a pair, such as ["0-4", "5-9"]; empty if one job trains them all."""
        values = self.dense[pair]
        seeds, number = parse_seeds(values["seeds"]), values["seeds_per_job"]
        if not number or number >= len(seeds):
            return []
        return [format_seeds(seeds[start : start + number]) for start in range(0, len(seeds), number)]

    def producer(self, target: str) -> str:
        """The configuration whose training makes the seeds of `target`: of a nested pruner, its topmost one."""
        values = self.pruned[target]
        highest = max(values["levels"] or [values["threshold"]], key=float)
        return f"{target.partition('/')[0]}/{paths.configuration(values['pruner'], highest)}"

    def notebooks(self) -> list[str]:
        """Every notebook that the study renders, by its path in the study's folder."""
        found = []
        for pair in self.dense:
            trained = [(f"{pair}/dense", "01_train")]
            trained += [(target, "02_prune") for target in self.pruned if target.startswith(f"{pair}/")]
            for target, name in trained:
                found += [f"{target}/parts/{part}/{name}.ipynb" for part in self.parts(pair)]
                found.append(f"{target}/{name}.ipynb")
                found += [f"{target}/03_pies.ipynb"] if name == "02_prune" else []
            found += [f"{pair}/04_el2n.ipynb", f"{pair}/05_readability.ipynb"]
        return [*found, "report/06_report.ipynb", "report/07_explore.ipynb"]


def read(config: Mapping[str, Any]) -> Study:
    """Check a whole study before anything of it runs; `config` is the content of a params/studies/ file.

    Raises PielabError with the file, the name and what is accepted.
    """
    report = {name: config.get(name, default) for name, default in OPTIONS.items()}
    if not config.get("study") or not isinstance(config.get("configurations"), list):
        raise PielabError("this is no study: give snakemake --configfile params/studies/demo.yaml, or another study.")
    known = ["study", *OPTIONS, "configurations"]
    if unknown := set(config).difference(known):
        raise PielabError(f"{', '.join(sorted(unknown))} is nothing a study has: {', '.join(known)}.")
    report["study"] = config["study"]
    for kind in (ReportParameters, ExploreParameters):
        validate(kind, _only(kind, report), "the study")
    dense, pruned = {}, {}
    for entry in config["configurations"]:
        values = _values(entry) | {"study": report["study"], "results": report["results"]}
        pair = paths.pair(values["dataset"], values["model"])
        if pair in dense:
            raise PielabError(f"the study has {pair} twice: put all its pruners into one entry.")
        where = f"the study, {pair}"
        dense[pair] = values
        for kind in (InfluenceParameters, ReadabilityParameters, JobParameters):
            validate(kind, _only(kind, values), where)
        seeds = validate(TrainParameters, _only(TrainParameters, values), where).seeds
        if len(seeds) < 2:
            raise PielabError(f"{where} has one seed: give two at least, for the null compares one with the other.")
        if not entry["pruners"]:
            raise PielabError(f"{where} has no pruners: give one at least, such as IMP-FT: [50, 90].")
        for pruner, thresholds in entry["pruners"].items():
            if not isinstance(thresholds, list):
                raise PielabError(f"{where} has {pruner}: {thresholds}: give a list of thresholds, such as [50, 90].")
            for threshold in thresholds:
                levels = thresholds if pruner in NESTED else None
                each = values | {"pruner": pruner, "threshold": threshold, "levels": levels}
                validate(PieParameters, _only(PieParameters, each), where)
                _check_budget(validate(PruneParameters, _only(PruneParameters, each), where), where)
                pruned[f"{pair}/{paths.configuration(pruner, threshold)}"] = each
    return Study(str(Path(report["results"]).expanduser() / report["study"]), report, dense, pruned)


def _values(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an entry: its params file, with what the entry sets anew."""
    if not isinstance(entry, Mapping) or "params" not in entry or not isinstance(entry.get("pruners"), Mapping):
        raise PielabError(
            "each of a study's configurations needs params: a file of params/, and pruners: {name: [thresholds]}."
        )
    path = paths.root() / entry["params"]
    if not path.exists():
        raise PielabError(f"the study asks for {path}, which is not there: give a file of params/.")
    values = (
        JOB
        | DEFAULTS
        | current_names(yaml.safe_load(path.read_text()))
        | current_names({name: value for name, value in entry.items() if name not in {"params", "pruners"}})
    )
    known = {name for kind in (*parameters.NOTEBOOKS.values(), JobParameters) for name in kind.model_fields}
    unknown = sorted(set(values) - known)
    if unknown:
        raise PielabError(
            f"{entry['params']} or its entry in the study sets {', '.join(unknown)}: no notebook knows it."
        )
    if values.get("levels") is not None:
        raise PielabError(
            f"{entry['params']} or its entry in the study sets levels: leave that out, for a nested pruner passes "
            f"through the thresholds that the study gives it."
        )
    for name in ("dataset", "model"):
        if not isinstance(values.get(name), str):
            raise PielabError(f"{entry['params']} does not say which {name}: give its name.")
    return values


def _check_budget(p: PruneParameters, where: str) -> None:
    try:
        _ = p.phase_epochs
    except PielabError as error:
        raise PielabError(f"{where}, {p.pruner}: {error}") from None


def _only(kind: type[parameters.Parameters], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in kind.model_fields}
