"""The numbers of the paper's Tables 4, 5, 7, 8, 9 and 10, and their comparison with ours."""

from pathlib import Path

import pandas as pd

from pielab.errors import PielabError
from pielab.store.paths import CONFIGURATION as KEYS

FOLDER = Path(__file__).parent
# The paper's names, and pielab's.
DATASETS = {"IMDB": "imdb", "SNLI": "snli", "Reuters": "reuters", "AAPD": "aapd"}
MODELS = {"BERT": "bert-base-uncased", "BiLSTM": "bilstm"}


def table(name: str) -> pd.DataFrame:
    """A table of the paper as printed, for instance "table4_pies_percent"; thresholds in percent."""
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.csv")))
        raise PielabError("unknown-published-table", f"no published table is called {name!r}", f"give one of {known}")
    return pd.read_csv(path)


def compare(ours: pd.DataFrame, name: str, columns: dict[str, str]) -> pd.DataFrame:
    """Our values next to the published ones, for every configuration in both.

    ours: columns dataset, model, pruner, threshold and the keys of `columns`, which maps our column to the published
        one. Gives <column>, published <column> and difference of <column> (ours - published) for each of these keys.
    """
    theirs = table(name).replace({"dataset": DATASETS, "model": MODELS, "pruner": {"none": "unpruned"}})
    new_names = {old: f"published {new}" for new, old in columns.items()}
    theirs = theirs[[*KEYS, *columns.values()]].rename(columns=new_names)
    # Beside settings such as "2of4", percentages are objects.
    theirs = theirs.astype({"threshold": float}).astype({"threshold": ours["threshold"].dtype})
    both = ours[[*KEYS, *columns]].merge(theirs, on=KEYS, how="inner", validate="one_to_one")
    for column in columns:
        both[f"difference of {column}"] = both[column] - both[f"published {column}"]
    return both
