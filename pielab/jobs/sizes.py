"""How large the folder of a seed will be, before there is one."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pielab.config.parameters import DataParameters, TrainParameters
from pielab.data import assets, published
from pielab.errors import PielabError
from pielab.store import paths
from pielab.store.cache import cache_folder

# metrics.json: a kilobyte or two, and a line for each matrix of a pruned transformer.
RECORD = 3_000


class Counts(NamedTuple):
    """How many training examples, test examples and classes a data set has."""

    train: int
    test: int
    classes: int


def published_counts(p: DataParameters) -> Counts | None:
    """The counts of one of the paper's four data sets, as Table 7 gives them; None for another data set."""
    table = published.table("table7_datasets").replace({"dataset": published.DATASETS}).set_index("dataset")
    if p.dataset not in table.index:
        return None
    train, test, classes = (int(table.loc[p.dataset, name]) for name in Counts._fields)
    return Counts(min(train, p.limit or train), min(test, p.limit or test), classes)


def count(p: DataParameters) -> Counts:
    """The counts of a data set that is on this machine.

    Raises PielabError if it is not.
    """
    from pielab.data import datasets

    _require_fetched(p.dataset)
    data = datasets.load(**p.data)
    return Counts(len(data["train"]), len(data["test"]), len(datasets.class_names(data)))


def predictions(examples: int, classes: int) -> int:
    """The bytes of one file of logits, by writing one: Parquet adds up to half to the plain 4 a logit, 8 an example."""
    from pielab.store.predictions import write

    file = io.BytesIO()
    write(file, np.random.default_rng(0).normal(size=(examples, classes)), {})
    return file.getbuffer().nbytes


def weights(p: TrainParameters, classes: int) -> int:
    """The bytes of a model's weights, 4 a parameter; the paper's models count as its Table 5 says.

    Raises PielabError if the model or its word vectors are not on this machine.
    """
    known = published.table("table5_parameters").replace({"dataset": published.DATASETS, "model": published.MODELS})
    row = known[(known["dataset"] == p.dataset) & (known["model"] == p.model)]
    if len(row) and _is_of_paper(p):
        return 4 * int(row["parameters"].iloc[0])
    from pielab.models import classifier

    if p.model == "bilstm":
        model = classifier.BiLSTM(classes, np.zeros((1, _width(p.word_vectors)), dtype=np.float32))
    else:
        _require_fetched(p.model.removesuffix("-2l"))
        model = classifier.build(p.model, classes, num_hidden_layers=p.num_hidden_layers, meta=True)
    return 4 * classifier.count_parameters(model)


def seed(p: TrainParameters, counts: Counts, pruned: bool = False, with_weights: bool = True) -> int:
    """The bytes of a seed's folder: predictions, the record, and the weights unless they are not kept.

    pruned: without the early logits, which an unpruned seed keeps for EL2N.
    """
    train, test = predictions(counts.train, counts.classes), predictions(counts.test, counts.classes)
    logits = train + test + (0 if pruned else train)
    return logits + RECORD + (weights(p, counts.classes) if with_weights else 0)


def _is_of_paper(p: TrainParameters) -> bool:
    """Whether the model is as large as the paper's: with all its layers, and the BiLSTM on vectors 300 wide."""
    return p.num_hidden_layers is None and (p.model != "bilstm" or Path(p.word_vectors).name == "glove.840B.300d.txt")


def _width(word_vectors: str) -> int:
    """How many numbers a word vector has, from the first line of a text file: to read all takes minutes."""
    from pielab.models.word_vectors import load

    _require_fetched(word_vectors)
    file = paths.find(word_vectors)
    if word_vectors in assets.ASSETS or file is None:
        return len(load(word_vectors).mean)
    with file.open("rb") as text:
        first = text.readline().split()
    # word2vec's and fastText's files begin with two counts.
    return int(first[1]) if len(first) == 2 else len(first) - 1


def _require_fetched(name: str) -> None:
    """Nothing is fetched for an estimate."""
    if name in assets.ASSETS and not (cache_folder() / assets.ASSETS[name].filename).exists():
        raise PielabError(f"{name} is not in the cache: run python -m pielab.assets, which fetches it.")
