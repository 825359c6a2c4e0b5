"""What a data set looks like in numbers: Table 7, computed."""

import numpy as np
import pandas as pd
from datasets import DatasetDict

from pielab import datasets, encoding, published


def card(data: DatasetDict) -> pd.Series:
    """Table 7's statistics of a data set, under its names; lengths in words of all splits together.

    max_tokens is the first power of two that 85 % of the texts fit into (A.2); the paper makes an exception for SNLI,
    whose longest text gives its 128.
    """
    columns = [column for column in ("text", "text_pair") if column in data["train"].column_names]
    parts = [[text for split in datasets.SPLITS for text in data[split][column]] for column in columns]
    lengths = np.array([sum(len(encoding.words(text)) for text in texts) for texts in zip(*parts, strict=True)])
    cut = np.quantile(lengths, 0.85)
    return pd.Series(
        {
            "train": len(data["train"]),
            "test": len(data["test"]),
            "val": len(data["validation"]),
            "mean_len": lengths.mean(),
            "median_len": np.median(lengths),
            "min_len": lengths.min(),
            "max_len": lengths.max(),
            "std_len": lengths.std(),
            "tokens_85_percent": cut,
            "max_tokens": max_tokens(cut),
            "classes": len(datasets.class_names(data)),
        }
    )


def max_tokens(length: float) -> int:
    """The first power of two that is not below `length` (A.2)."""
    return 1 << max(int(np.ceil(length)) - 1, 0).bit_length()


def beside_published(name: str, data: DatasetDict) -> pd.DataFrame:
    """The card of one of the paper's data sets next to Table 7: columns published, ours, difference."""
    table = published.table("table7_datasets").set_index("dataset")
    theirs = table.loc[next(paper for paper, ours in published.DATASETS.items() if ours == name)]
    ours = card(data)
    frame = pd.DataFrame({"published": theirs[ours.index].astype(float), "ours": ours})
    return frame.assign(difference=frame["ours"] - frame["published"])
