"""Tags that models elsewhere gave the words of sentences, as the files in which a study keeps them."""

import reprlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from pielab.config.parameters import PairParameters
from pielab.data import datasets, tagged, tasks
from pielab.errors import PielabError
from pielab.progress import counted
from pielab.store.entities import OUTSIDE, Tags
from pielab.store.predictions import File

if TYPE_CHECKING:
    from datasets import DatasetDict


def are_strings(values: Any) -> bool:
    """Whether what stands first in a list, or in lists of lists, is a string."""
    found = values
    while isinstance(found, (list, tuple, np.ndarray)) and len(found):
        found = found[0]
    return isinstance(found, str) and found is not values


def check_kind(are_strings: bool, data: "DatasetDict", dataset: str) -> None:
    """Raises PielabError for strings of texts that have labels, and numbers of tagged words, questions or texts."""
    task = tasks.of_split(data["test"])
    if are_strings == (task.name in tasks.NO_CLASSES):
        return
    if are_strings:
        raise PielabError(
            "strings-as-answers",
            "the test predictions are strings, as tags of words, answers to questions and generated texts are, and "
            f"{dataset} has labels of whole texts",
            "give logits (seeds, examples, classes), or class ids in the order of pielab.datasets.class_names",
        )
    if task is tasks.TOKENS:
        raise PielabError(
            "numbers-for-tagged-words",
            f"the test predictions are numbers, and {dataset} has words with tags",
            'give tags, for each model a list for each sentence, such as [[["O", "B-person"], ["O"]]]',
        )
    raise PielabError(
        "numbers-for-texts",
        f"the test predictions are no strings, and {dataset} has {tasks.NO_CLASSES[task.name]}",
        'give for each model a list with one string for each example, such as [["in Rome", ""], ["Rome", "1924"]]',
    )


def files(
    values: Mapping[str, Sequence],
    p: PairParameters,
    data: "DatasetDict",
    classes: Sequence[str] | None = None,
    decision_thresholds: Any = None,
) -> dict[str, list[File]]:
    """The files of all seeds by split, with answers, and `task` and `tags` as metadata.

    The tags are those of the data, and of each type that of B- or I- which the data lack.

    values: by split, for each model the tags of each sentence. Raises PielabError unless they are of the data's words
    and types, and if there is something that is of classes.
    """
    if classes is not None or decision_thresholds is not None:
        raise PielabError(
            "classes-of-tags",
            "classes or decision_thresholds were given, and the predictions are tags, which need neither",
            "omit both",
        )
    names = datasets.class_names(data)
    types = dict.fromkeys(name[2:] for name in names if name != OUTSIDE)
    names = [*names, *(tag for kind in types for tag in (f"B-{kind}", f"I-{kind}") if tag not in names)]
    about = {"task": tasks.TOKENS.name, "tags": names}
    found = {}
    for split, models in values.items():
        if len(models) != len(p.seeds):
            raise PielabError(
                "tags-and-seeds-differ",
                f"the {split} tags are of {counted(len(models), 'model')}, the seeds are {len(p.seeds)}",
                "give as many",
            )
        sentences = data["train" if split == "early" else split]["words"]
        runs = [
            _ids(tags, sentences, names, split, seed, p.dataset) for tags, seed in zip(models, p.seeds, strict=True)
        ]
        found[split] = [File(about, None, run.ids, starts=run.starts) for run in runs]
    return found


def _ids(
    model: Any, sentences: Sequence[Sequence[str]], names: Sequence[str], split: str, seed: int, dataset: str
) -> Tags:
    """One model's tags."""
    where = f"the {split} tags of seed {seed}"
    are_rows = isinstance(model, (list, tuple, np.ndarray))
    if not are_rows or len(model) != len(sentences):
        number = f"of {counted(len(model), 'sentence')}" if are_rows else reprlib.repr(model)
        raise PielabError(
            "tags-of-other-sentences",
            f"{where} are {number}, {dataset} has {len(sentences)}",
            "give those of pielab.datasets.load in their order (it splits a single file at random, but not a folder's "
            "test file)",
        )
    lists = [list(tags) if isinstance(tags, (tuple, np.ndarray)) else tags for tags in model]
    rows = tagged.bio(sentences, lists, where)
    if unknown := sorted(set(chain.from_iterable(rows)) - set(names)):
        types = sorted({name[2:] for name in names if name != OUTSIDE})
        raise PielabError(
            "tags-of-other-types",
            f"{where} have {', '.join(unknown[:3])}, and the entities of {dataset} are {', '.join(types)}",
            f"write types as the data does, and {OUTSIDE} where a model says one that the data lacks; or compare files "
            "by pielab compare, which takes any types",
        )
    places = {name: place for place, name in enumerate(names)}
    return Tags.of_sentences([[places[tag] for tag in row] for row in rows], names)
