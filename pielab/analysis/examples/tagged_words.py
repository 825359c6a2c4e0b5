"""What the models of a study that tag words change at each level, and which entities they lose."""

from pathlib import Path

import pandas as pd

from pielab.analysis import results


def of_study(study: Path | results.Results, kind: str = "shares") -> pd.DataFrame:
    """A table of `levels` of all configurations of a study that tag words; no rows if there are none.

    kind: "shares", "agreement" or "by_type". Columns: the configuration and seeds, then those of the function of
    `analysis.levels` with that name.
    """
    study, parts = results.read(study), []
    for folder in study.pies_in:
        summary = study.pies_record(folder)["summary"]
        if "levels" in summary:
            known = results.configuration_of(summary) | {"seeds": summary["seeds"]}
            table = pd.DataFrame(summary["levels"][kind])
            parts.append(table.assign(**known)[[*known, *table]])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
