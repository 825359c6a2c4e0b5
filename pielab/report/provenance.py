"""How a study was made, for whoever repeats it: commands, parameters, seeds, versions, and what to cite."""

import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import pielab
from pielab.analysis import results
from pielab.config import study as studies
from pielab.config.types import format_seeds
from pielab.store import paths

# As in the ACL Anthology.
PAPER = """@inproceedings{tropeano-etal-2025-easy,
  title = {As easy as {PIE}: understanding when pruning causes language models to disagree},
  author = {Tropeano, Pietro and Maistro, Maria and Ruotsalo, Tuukka and Lioma, Christina},
  booktitle = {Findings of the Association for Computational Linguistics: NAACL 2025},
  year = {2025},
  publisher = {Association for Computational Linguistics},
  pages = {6510--6536},
  doi = {10.18653/v1/2025.findings-naacl.364},
}"""
SOFTWARE = """@software{{pielab,
  title = {{pielab: which examples change their answer when a language model is pruned}},
  author = {{{{The pielab authors}}}},
  year = {{2026}},
  version = {{{version}}},
}}"""


def citations(version: str = pielab.__version__) -> dict[str, str]:
    """BibTeX of the software, of a version, and of the paper that it repeats, by what it is."""
    return {"this software": SOFTWARE.format(version=version), "the paper that it repeats": PAPER}


def of_study(study: results.Results) -> dict[str, Any]:
    """How a study was made; its entries are missing where nothing is known.

    commands; configurations, the study's file without its params files, as YAML; parameters, a table of these, a column
    for each file; software, as `software` gives it. Raises PielabError if the study's file is damaged.
    """
    found: dict[str, Any] = {}
    if (file := paths.study_file(study.folder)).exists():
        config = studies.read_file(file)
        params = config.pop("params", {})
        folder = Path(config.get("results", "results")) / config.get("study", study.folder.name)
        found["commands"] = [
            shlex.join(["pielab", "study", str(folder / file.name)]),
            shlex.join(["pielab", "report", str(folder)]),
        ]
        found["configurations"] = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, default_flow_style=None)
        if params:  # studies of earlier versions hold only the names of these files
            table = pd.DataFrame(params, dtype=object).dropna(how="all")
            found["parameters"] = table.rename_axis("parameter").reset_index()
    if not (table := software(study)).empty:
        found["software"] = table
    return found


def software(study: results.Results) -> pd.DataFrame:
    """The device, the precision and the versions of packages that trained each pair's models, and which seeds they did.

    From the records of the seeds; those of models that were trained elsewhere have none.
    """
    seeds = defaultdict(list)
    for record in (record for of_folder in study.records.values() for record in of_folder):
        if versions := record.get("versions"):
            made_by = (", ".join(f"{name} {version}" for name, version in versions.items()),)
            made_by += tuple(record.get(name, "") for name in ("device", "precision"))
            seeds[record["dataset"], record["model"], *made_by].append(record["seed"])
    rows = [(*key[:2], format_seeds(sorted(set(of))), len(of), *key[2:]) for key, of in seeds.items()]
    return pd.DataFrame(rows, columns=["data set", "model", "seeds", "models", "versions", "device", "precision"])
