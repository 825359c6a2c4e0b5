"""How many examples a data set has: as published, or counted where it is on this machine."""

from typing import NamedTuple

from pielab.config.parameters import DataParameters
from pielab.data import assets, published, tasks
from pielab.errors import PielabError
from pielab.store.cache import cache_folder


class Counts(NamedTuple):
    """How many training examples, test examples and classes a data set has; of tagged words, words and tags."""

    train: int
    test: int
    classes: int
    task: tasks.Task


# Data sets with published counts that are not the paper's: their training and test examples, and what is kept of them.
# CoNLL 2003: Tjong Kim Sang and De Meulder 2003, whose sentences include a -DOCSTART- for each article. SQuAD:
# Rajpurkar et al. 2016 and 2018, less the 15 % of the training questions that become validation. E2E: Novikova et al.
# 2017. WebNLG: Gardent et al. 2017. Of texts, pairs are trained on, and what is tested are sources.
PUBLISHED = {
    "conll2003": (14_041, 3_453, Counts(203_621, 46_435, 9, tasks.TOKENS)),
    "squad": (74_460, 10_570, Counts(74_460, 10_570, 2, tasks.SPANS)),
    "squad-v2": (110_772, 11_873, Counts(110_772, 11_873, 2, tasks.SPANS)),
    "e2e": (42_061, 630, Counts(42_061, 630, 2, tasks.GENERATION)),
    "webnlg": (18_102, 1_862, Counts(18_102, 1_862, 2, tasks.GENERATION)),
}


def published_counts(p: DataParameters) -> Counts | None:
    """The counts of one of the paper's four data sets from Table 7, or of one in `PUBLISHED`; None for another."""
    if p.dataset in PUBLISHED:
        train, test, counts = PUBLISHED[p.dataset]
    else:
        table = published.table("table7_datasets").replace({"dataset": published.DATASETS}).set_index("dataset")
        if p.dataset not in table.index:
            return None
        train, test, classes = (int(table.loc[p.dataset, name]) for name in ("train", "test", "classes"))
        counts = Counts(train, test, classes, tasks.TASKS[table.loc[p.dataset, "classification"]])
    share_of_train, share_of_test = (min(1, (p.limit or examples) / examples) for examples in (train, test))
    return counts._replace(train=round(share_of_train * counts.train), test=round(share_of_test * counts.test))


def count_examples(p: DataParameters) -> Counts:
    """The counts of a data set that is on this machine, or PielabError."""
    from pielab.data import datasets

    require_fetched(p.dataset)
    data = datasets.load(**p.data)
    # Of tagged words each has logits.
    train, test = (
        len(getattr(targets, "ids", targets)) for targets in map(datasets.targets, (data["train"], data["test"]))
    )
    return Counts(train, test, len(datasets.class_names(data)), tasks.of_split(data["train"]))


def require_fetched(name: str) -> None:
    """Raises PielabError for an asset that is not in the cache, because an estimate downloads nothing."""
    if name in assets.ASSETS and not (cache_folder() / assets.ASSETS[name].filename).exists():
        raise PielabError("asset-not-in-cache", f"{name} is not in the cache", "run pielab fetch, which downloads it")
