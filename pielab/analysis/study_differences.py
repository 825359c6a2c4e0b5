"""What two studies differ in beside their results: configurations, seeds, texts, parameters and versions."""

from pathlib import Path
from typing import Any

import pandas as pd

from pielab.analysis import results
from pielab.analysis.results import Results
from pielab.config.types import format_seeds
from pielab.store.paths import CONFIGURATION, Configuration

# Entries of a record, by what they are called here: the parameter precision may be "auto".
RECORDED = {"device": "device", "precision used": "precision"}
TEXTS, DEFAULT = "test texts", "(default)"
COLUMNS = ["what", "first", "second", "configurations"]


def only_in(study: Path | Results, other: Path | Results) -> list[Configuration]:
    """The configurations whose PIEs are known in a study and not in the other, in the paper's order."""
    own, others = _configurations(results.read(study)), _configurations(results.read(other))
    return [configuration for configuration in own if configuration not in others]


def common_seeds(first: Path | Results, second: Path | Results) -> str:
    """The seeds of which both studies have models of the same configuration, such as "0-7"; empty if none."""
    studies, seeds = [results.read(study) for study in (first, second)], set()
    for configuration in _common(*studies):
        seeds |= set.intersection(*(set(_pies_record(study, configuration)["seeds"]) for study in studies))
    return format_seeds(sorted(seeds))


def differences(first: Path | Results, second: Path | Results) -> pd.DataFrame:
    """What the records of two studies say differently of the configurations that both have.

    Columns `COLUMNS`: the name of a parameter, a version, a digest, "seeds" or "test texts"; its values, as strings;
    and the list of configurations, the unpruned models among them, that have these values. Of each configuration the
    record of its first seed is read. A parameter that a record lacks is at its default; of anything else the record
    says nothing, and it is left out.
    """
    studies = results.read(first), results.read(second)
    known = _common(*studies)
    unpruned = dict.fromkeys(Configuration(configuration.dataset, configuration.model) for configuration in known)
    rows: dict[tuple[str, str, str], list[Configuration]] = {}
    for configuration in (*unpruned, *known):
        for name, (one, other) in _different(*studies, configuration).items():
            rows.setdefault((name, str(one), str(other)), []).append(configuration)
    return pd.DataFrame([(*key, configurations) for key, configurations in rows.items()], columns=COLUMNS)


def _different(first: Results, second: Results, configuration: Configuration) -> dict[str, tuple[Any, Any]]:
    """What is different of a configuration, with its two values."""
    sides = [_described(study, configuration) for study in (first, second)]
    found = {name: (sides[0][name], sides[1][name]) for name in sides[0] if name in sides[1]}
    one, other = (_record(study, configuration).get("parameters") for study in (first, second))
    if one and other:
        names = [name for name in one | other if name != "data"]  # the digest of the texts, which is there already
        found |= {name: (one.get(name, DEFAULT), other.get(name, DEFAULT)) for name in names}
    return {name: values for name, values in found.items() if values[0] != values[1]}


def _described(study: Results, configuration: Configuration) -> dict[str, Any]:
    """What is known of how a configuration was made, but for its parameters."""
    described, record = {}, _record(study, configuration)
    if not configuration.unpruned:
        pies = _pies_record(study, configuration)
        texts = f"{pies['summary']['examples']:,} of the digest {pies['digest']}"
        described = {"seeds": format_seeds(pies["seeds"]), TEXTS: texts}
    described |= {name: record[key] for name, key in RECORDED.items() if key in record}
    described |= {f"version of {name}": value for name, value in record.get("versions", {}).items()}
    return described | {f"digest of {name}": value for name, value in record.get("inputs", {}).items()}


def _configurations(study: Results) -> list[Configuration]:
    return [Configuration.of(row) for row in results.configurations(study)[CONFIGURATION].to_dict("records")]


def _common(first: Results, second: Results) -> list[Configuration]:
    others = _configurations(second)
    return [configuration for configuration in _configurations(first) if configuration in others]


def _pies_record(study: Results, configuration: Configuration) -> dict[str, Any]:
    return study.pies_record(configuration.folder(study.folder))


def _record(study: Results, configuration: Configuration) -> dict[str, Any]:
    return study.first_record(configuration.folder(study.folder))
