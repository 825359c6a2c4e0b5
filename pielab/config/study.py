"""A study file: its notebooks, and the parameters of each."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pielab.compression import pruners
from pielab.config import yaml_files
from pielab.config.parameters import DEFAULTS, FIELDS, NOTEBOOKS, JobParameters, TrainParameters
from pielab.config.types import format_seeds, parse_seeds
from pielab.config.validation import current_names, validate
from pielab.errors import PielabError, near_miss
from pielab.store import paths
from pielab.store.paths import Configuration

REPORTS = (NOTEBOOKS["06_report"], NOTEBOOKS["07_explore"])
# The parameters of 06_report and 07_explore that a study file may set.
OPTIONS = list(dict.fromkeys(name for kind in REPORTS for name in kind.model_fields if name in DEFAULTS))
# What a job asks of its machine; the others go to the notebooks as they were written.
OF_JOBS = {"threads", "workers", "processes", *JobParameters.model_fields}
# What is given beside a user's own function, and a pruner of pielab's has.
OF_OWN_FUNCTIONS = ("schedule", "retraining", "scope")
# The parameters that an entry's pruners and the top of a study file set, and so no entry.
NOT_IN_AN_ENTRY = {"pruner", "threshold", "study", *OPTIONS}


@dataclass(frozen=True)
class Study:
    """The folder of a study, and the parameters of each of its notebooks.

    folder: as in the study file, relative to the project's folder. report: the parameters of 06 and 07.
    configurations: the parameters of each; of a pair, the unpruned models stand first, then controls, then pruned ones.
    record: the content of the study file, with the parameters of each of its params files, without which `read` can
        read it again.
    """

    folder: str
    report: dict[str, Any]
    configurations: dict[Configuration, dict[str, Any]]
    record: dict[str, Any]

    @functools.cached_property
    def dense(self) -> dict[str, dict[str, Any]]:
        """The parameters of the unpruned models by pair, such as "bbc-news-bilstm"."""
        return {each.pair: values for each, values in self.configurations.items() if each.unpruned}

    @functools.cached_property
    def pruned(self) -> dict[str, dict[str, Any]]:
        """The parameters of pruned models and controls by target, such as "bbc-news-bilstm/IMP-FT-90"."""
        return {each.target: values for each, values in self.configurations.items() if not each.unpruned}

    def of_pair(self, pair: str) -> list[Configuration]:
        """The configurations of a pair, the unpruned models first."""
        return [configuration for configuration in self.configurations if configuration.pair == pair]

    def parameters(self, notebook: str, target: str = "", part: str = "") -> dict[str, Any]:
        """The parameters that papermill injects; target: a key of `dense` or `pruned`; part: one of `parts`."""
        values = (self.dense | self.pruned)[target] if target else self.report
        names = NOTEBOOKS[notebook].model_fields
        return {name: values[name] for name in names} | ({"seeds": part} if part else {})

    def parts(self, pair: str) -> list[str]:
        """The seeds of each job of a pair, such as ["0-4", "5-9"]; empty if one job trains all."""
        values = self.dense[pair]
        seeds, number = parse_seeds(values["seeds"]), values["seeds_per_job"]
        if not number or number >= len(seeds):
            return []
        return [format_seeds(seeds[start : start + number]) for start in range(0, len(seeds), number)]

    def producer(self, target: str) -> str:
        """The target whose job trains `target`: itself, or that of a nested pruner's highest threshold."""
        own = next(configuration for configuration in self.configurations if configuration.target == target)
        if own.unpruned or not pruners.of(self.configurations[own]).is_nested:
            return target
        of_method = [configuration for configuration in self.of_pair(own.pair) if configuration.method == own.method]
        return max(of_method, key=lambda configuration: configuration.setting).target

    def control(self, target: str) -> str | None:
        """The target of the control that a configuration is compared with, if the study trains it."""
        values = self.pruned[target]
        name = pruners.control(pruners.of(values), values["budget"])
        setting = float(values["threshold"]) if name and pruners.pruner(name).is_nested else 0.0
        control = Configuration(paths.slug(values["dataset"]), paths.slug(values["model"]), name or "unpruned", setting)
        return control.target if control.target in self.pruned else None

    def notebooks(self) -> list[str]:
        """The paths of all notebooks of the study, relative to its folder."""
        notebooks = []
        for pair in self.dense:
            for configuration in self.of_pair(pair):
                target, name = configuration.target, "01_train" if configuration.unpruned else "02_prune"
                notebooks += [f"{target}/parts/{part}/{name}.ipynb" for part in self.parts(pair)]
                notebooks.append(f"{target}/{name}.ipynb")
                notebooks += [] if configuration.unpruned else [f"{target}/03_pies.ipynb"]
            notebooks += [f"{pair}/04_el2n.ipynb", f"{pair}/05_readability.ipynb"]
        return [*notebooks, "report/06_report.ipynb", "report/07_explore.ipynb"]


def find(name: str) -> Path:
    """A study's file by its path, or by its name in params/studies/; the path as given if there is neither."""
    found = map(paths.find_params, (name, f"params/studies/{name}.yaml"))
    # A folder of that name may hold the data.
    return next((path for path in found if path and path.is_file()), Path(name))


def read_file(path: Path) -> dict[str, Any]:
    """The content of a study's file, for `read`. Raises PielabError if it is missing or not YAML."""
    if not path.is_file():
        folders = [folder / "params/studies" for folder in (paths.root(), paths.shipped())]
        known = ", ".join(sorted({file.stem for folder in folders for file in folder.glob("*.yaml")}))
        raise PielabError(
            "no-such-study-file",
            f"there is no study file {path}",
            f"give a file, or one of params/studies: {known}",
        )
    try:
        config = yaml_files.load(path)
    except ValueError as error:
        raise PielabError(
            "study-file-not-yaml",
            f"{path} is not YAML ({error})",
            "correct it there, after the example of params/studies/demo.yaml",
        ) from None
    return config if isinstance(config, dict) else {}


def read(config: Mapping[str, Any]) -> Study:
    """A study, checked as a whole before any notebook runs; `config` is the content of a params/studies/ file.

    config: may hold under "params", by their names, the contents of params files, which then are not read; so does the
        record of a study in its folder.

    Raises PielabError with the entry or file, the name and the accepted values.
    """
    report = {name: config.get(name, DEFAULTS[name]) for name in OPTIONS}
    known = ["study", *OPTIONS, "configurations"]
    if unknown := sorted(map(str, set(config).difference([*known, "params"]))):
        guess = near_miss(unknown[0], known)
        raise PielabError(
            "unknown-study-option",
            f"a study has no {', '.join(unknown)}",
            f"{guess}it has {', '.join(known)}; parameters of training, and controls, belong to an entry of "
            "configurations",
        )
    if not config.get("study") or not isinstance(config.get("configurations"), list):
        lacking = "list of configurations" if config.get("study") else "name"
        raise PielabError(
            "not-a-study",
            f"this is no study, because it has no {lacking}",
            "give study: a name, and configurations: a list, after the example of params/studies/demo.yaml; to "
            "snakemake, --configfile params/studies/demo.yaml, or another study",
        )
    if not config["configurations"]:
        raise PielabError(
            "study-without-configurations",
            f"the study {config['study']} has no configurations",
            "give one at least, with params: a file of params/, and pruners: {name: [thresholds]}",
        )
    report["study"] = config["study"]
    for kind in REPORTS:
        _check(kind, report, "the study")
    if re.search(r"[{}\x00-\x1f]", report["results"]):
        raise PielabError(
            "results-with-braces",
            f"the study's results folder is {report['results']!r}",
            "give one without braces and control characters, which Snakemake would read as patterns",
        )
    configurations: dict[Configuration, dict[str, Any]] = {}
    params = _kept_params(config)
    for entry in config["configurations"]:
        values = _values(entry, params) | report
        unpruned = Configuration(paths.slug(values["dataset"]), paths.slug(values["model"]))
        if (pair := unpruned.pair) in {configuration.pair for configuration in configurations}:
            raise PielabError("pair-twice", f"the study has {pair} twice", "put all its pruners into one entry")
        where = f"the study, {pair}"
        configurations[unpruned] = values
        kinds: tuple[type[BaseModel], ...]
        kinds = (NOTEBOOKS["04_el2n"], NOTEBOOKS["05_readability"], JobParameters, TrainParameters)
        for parameters in kinds:
            checked = _check(parameters, values, where)
            values |= {name: value for name, value in checked if name in OF_JOBS}
        if len(checked.seeds) < 2:
            raise PielabError(
                "study-of-one-seed",
                f"{where} has one seed",
                "give two at least, because the null compares one with the other",
            )
        pruned = _pruned(values, entry["pruners"], where)
        controls = _controls(pruned, where) if values["controls"] else {}
        configurations |= (_pruned(values, controls, where) if controls else {}) | pruned
    folder, record = str(Path(report["results"]).expanduser() / report["study"]), {**config, "params": params}
    return Study(folder, report, configurations, record)


def _controls(pruned: Mapping[Configuration, Mapping[str, Any]], where: str) -> dict[str, list[float]]:
    """The controls that the pruned configurations of a pair need, each with its settings."""
    found: dict[str, list[float]] = {}
    for values in pruned.values():
        name, levels = pruners.control(pruners.of(values), values["budget"]), values["levels"] or [0]
        if name and found.setdefault(name, levels) != levels:
            raise PielabError(
                "nested-controls-differ",
                f"{where} has {values['pruner']} at {levels} and another nested pruner at {found[name]}, but the "
                "control of both trains once for each threshold",
                "give both the same thresholds, or controls: false",
            )
    return found


def _pruned(values: dict[str, Any], settings: Mapping[str, Any], where: str) -> dict[Configuration, dict[str, Any]]:
    """The parameters of each pruned configuration of a pair, checked."""
    if not settings:
        raise PielabError(
            "study-without-pruners", f"{where} has no pruners", "give one at least, such as IMP-FT: [50, 90]"
        )
    pruned: dict[Configuration, dict[str, Any]] = {}
    given: dict[str, tuple[str, float | str]] = {}  # by folder
    for pruner, thresholds in settings.items():
        if not isinstance(thresholds, list) or not thresholds:
            raise PielabError(
                "thresholds-not-listed",
                f"{where} has {pruner}: {thresholds}",
                "give a list of thresholds, such as [50, 90]",
            )
        for threshold in thresholds:
            of_others = {} if pruners.is_own(pruner) else dict.fromkeys(OF_OWN_FUNCTIONS)
            own = values | of_others | {"pruner": pruner, "threshold": threshold, "levels": None}
            configuration = _check(NOTEBOOKS["03_pies"], own, where).configuration
            if pruner in pruners.METHODS or pruners.is_own(pruner):
                own["levels"] = thresholds if pruners.of(own).is_nested else None
            _check(NOTEBOOKS["02_prune"], own, where, f"{where}, {pruner}")
            same = given.setdefault(configuration.name, (pruner, configuration.setting))
            if same != (pruner, configuration.setting):
                raise PielabError(
                    "configurations-in-one-folder",
                    f"{where} has {same[0]} at {same[1]!r} and {pruner} at {threshold!r}, both in {configuration.name}",
                    "give thresholds that differ in their first six digits, and functions of different names",
                )
            pruned[configuration] = own
    return pruned


def _kept_params(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The contents of params files that a study holds itself, by their names."""
    params = config.get("params") or {}
    if not isinstance(params, Mapping) or not all(isinstance(values, Mapping) for values in params.values()):
        raise PielabError(
            "params-beside-configurations",
            f"the study {config['study']} has params = {params!r} beside its configurations",
            "name a params file in each configuration; only the record in a study's folder holds their contents here",
        )
    return dict(params)


def _values(entry: Mapping[str, Any], kept: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The parameters of an entry: those of its params file, overridden by its own.

    kept: the contents of params files, to which that of the entry is added.
    """
    params, settings = (entry.get("params"), entry.get("pruners")) if isinstance(entry, Mapping) else (None, None)
    if not isinstance(params, str) or not isinstance(settings, Mapping):
        raise PielabError(
            "incomplete-configuration",
            "one of the study's configurations lacks params or pruners",
            "give it params: a file of params/, and pruners: {name: [thresholds]}",
        )
    if unused := sorted(NOT_IN_AN_ENTRY.intersection(entry)):
        raise PielabError(
            "not-for-an-entry",
            f"the study's entry of {params} sets {', '.join(unused)}",
            "leave that out: pruners: {name: [thresholds]} sets pruner and threshold, the top of the file the others",
        )
    if params not in kept:
        path = paths.find_params(params)
        if path is None:
            raise PielabError(
                "no-such-params-file",
                f"the study asks for {paths.root() / params}, which does not exist",
                "give a file of params/",
            )
        kept[params] = DEFAULTS | current_names(yaml_files.read_params(path))
    own = {name: value for name, value in entry.items() if name not in {"params", "pruners"}}
    values = DEFAULTS | current_names(kept[params]) | current_names(own)
    if unknown := sorted(map(str, values.keys() - FIELDS)):
        guess = near_miss(unknown[0], FIELDS)
        raise PielabError(
            "parameter-of-no-notebook",
            f"{params} or its entry in the study sets {', '.join(unknown)}, which no notebook has",
            f"{guess}correct the name, or leave it out",
        )
    of_own = [name for name in OF_OWN_FUNCTIONS if values.get(name) is not None]
    if of_own and not any(map(pruners.is_own, settings)):
        raise PielabError(
            "no-own-function-to-set",
            f"{params} or its entry in the study sets {', '.join(of_own)}, and none of its pruners is a function of "
            "yours",
            "leave that out, because the pruners of pielab have their own",
        )
    if values.get("levels") is not None:
        raise PielabError(
            "levels-in-a-study",
            f"{params} or its entry in the study sets levels",
            "leave that out, because a nested pruner passes through the thresholds that the study gives it",
        )
    for name in ("dataset", "model"):
        if not isinstance(values.get(name), str):
            raise PielabError("unnamed-dataset-or-model", f"{params} does not say which {name}", "give its name")
    return values


def _check(kind: type[BaseModel], values: Mapping[str, Any], *where: str) -> Any:
    """As `validate`, without the values that are not of this kind."""
    return validate(kind, {name: value for name, value in values.items() if name in kind.model_fields}, *where)
