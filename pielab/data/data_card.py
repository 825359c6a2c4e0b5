"""Statistics of a data set: its class counts, and those of Tables 2 and 7."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pielab.data import datasets, published, tagged, tasks
from pielab.data.words import words
from pielab.progress import Progress
from pielab.store import files, paths, records

if TYPE_CHECKING:
    from datasets import DatasetDict


def data_card(data: "DatasetDict") -> pd.Series:
    """Table 7's statistics of a data set, under its names; lengths in words, over all splits together.

    max_tokens is the smallest power of two that 85 % of the texts fit into (A.2); the paper's 128 for SNLI is an
    exception and comes from its longest text.
    """
    columns = [column for column in ("text", "text_pair") if column in data["train"].column_names]
    word_counts: list[int] = []
    with Progress("lengths", len(datasets.SPLITS)) as progress:
        for split in datasets.SPLITS:
            if "words" in data[split].column_names:
                word_counts += map(len, data[split]["words"])
            else:
                texts = zip(*(data[split][column] for column in columns), strict=True)
                word_counts += [sum(len(words(part)) for part in parts) for parts in texts]
            progress.step(f"{split}, {len(word_counts):,} texts")
    lengths = np.array(word_counts)
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


def class_counts(data: "DatasetDict") -> pd.DataFrame:
    """The number of examples, or of words, of each class (rows) in each split (columns), and of all examples.

    Of questions: how many ask who, what and so on, and how many have no answer. Of texts to generate: how many have
    1 to 10 words and so on, and how many sources have several. Warns of an "I-" tag that continues no
    entity.
    """
    names, task = datasets.class_names(data), tasks.of_split(data["train"])
    targets = {split: task.targets(data[split]) for split in datasets.SPLITS}
    tagged.warn_of_begun_inside(targets.values())
    counted = {split: task.counts(each, names) for split, each in targets.items()}
    counts = {split: [*numbers, len(targets[split])] for split, (_, numbers) in counted.items()}
    return pd.DataFrame(counts, index=[*counted["train"][0], "examples"])


def max_tokens(length: float) -> int:
    """The smallest power of two that is at least `length` (A.2)."""
    return 1 << max(int(np.ceil(length)) - 1, 0).bit_length()


def compare_with_published(name: str, data: "DatasetDict") -> pd.DataFrame:
    """The card of a data set, column ours; for the paper's four also published (Table 7) and difference."""
    ours = data_card(data)
    theirs = published.table("table7_datasets").replace({"dataset": published.DATASETS}).set_index("dataset")
    if name not in theirs.index:
        return ours.to_frame("ours")
    frame = pd.DataFrame({"published": theirs.loc[name, ours.index].astype(float), "ours": ours})
    return frame.assign(difference=frame["ours"] - frame["published"])


def save(frame: pd.DataFrame, pair_folder: Path, dataset: str, task: str) -> None:
    """Write card.csv into the pair's folder, for the report: `compare_with_published`'s frame and the task's name."""
    row = frame["ours"].to_dict() | {"classification": task}
    with files.atomic_file(pair_folder / "card.csv", digest=True) as partial:
        pd.DataFrame([{"dataset": paths.slug(dataset), **row}]).to_csv(partial, index=False)


def of_study(study_folder: Path) -> pd.DataFrame:
    """The cards of a study's data sets, one per row, indexed by data set; empty if there are none."""
    cards = []
    for path in sorted(study_folder.glob("*/card.csv")):
        notebook = path.parent / paths.DENSE / "01_train.ipynb"
        with records.checked_read(path, f"delete {notebook} and give the same command again, which makes both anew"):
            cards.append(pd.read_csv(path))
    return pd.concat(cards).drop_duplicates("dataset").set_index("dataset") if cards else pd.DataFrame()
