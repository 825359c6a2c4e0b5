"""Which class each logit of a trained model is of, by the names of its classes and of the data's labels."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln
from scipy.stats import binom

from pielab.data import tagged
from pielab.errors import PielabError

# A better order of the classes is warned of if chance finds one as good less often than this.
CHANCE = 1e-6


def of_logits(
    model: str, own: Sequence[str] | None, n_classes: int, labels: Sequence[str], given: Sequence[str] | None
) -> list[str]:
    """The name of each logit of a model, written as the data's labels are.

    own: the names in the model's configuration, in the order of its logits; None for a seed of pielab's, which has the
        classes of its training data in their order. labels: the distinct labels of the data in their order, or none.
    given: the classes in the order of the logits, as the user knows it.

    Names match if they are the same, or else the same but for capitals and spaces; where a model only numbers its
    classes (LABEL_0), the labels 0, 1 ... are these numbers.

    Raises PielabError with both lists if labels and classes do not match so, or if two sources contradict each other.
    """
    if given and len(given) != n_classes:
        raise PielabError(
            "classes-of-another-number",
            f"--classes gives {len(given)} classes, {', '.join(given)}, and {model} has {n_classes} logits",
            "give one for each logit, in their order",
        )
    numbered = is_numbered(own)
    if given:
        if own and not numbered and (written := matched(own, given)) and written != list(given):
            raise PielabError(
                "classes-in-another-order",
                f"--classes gives {', '.join(given)}, and the config.json of {model} gives {', '.join(own)}",
                "leave --classes out, or correct the id2label of config.json if that is wrong",
            )
        if not labels:
            return list(given)
        if not (names := matched(given, labels)):
            raise PielabError(
                "labels-not-among-classes",
                f"the data have the labels {_listed(labels)}, and --classes gives {', '.join(given)}",
                "give the classes as the data write them, in the order of the logits",
            )
        return names
    if own is None and not labels:
        raise PielabError(
            "classes-of-seed-not-given",
            f"{model} does not say what its {n_classes} classes are called",
            "give --label, the column of their names, or --classes with the names in their order",
        )
    if own is not None and not labels and len(set(own)) == n_classes:
        return list(own)
    if own is None and len(labels) == n_classes:
        return list(labels)
    numbers = [str(number) for number in range(n_classes)]
    if (own is None or numbered) and set(labels) == set(numbers):
        return numbers
    names = matched(own, labels) if own and labels else None
    if not names:
        has = f"the classes {', '.join(own)}" if own else f"{n_classes} classes without names"
        raise PielabError(
            "classes-do-not-match",
            f"the data have the labels {_listed(labels) or '(none)'}, and {model} has {has}",
            "give --classes, the data's label of each logit, from the first logit to the last",
        )
    return names


def matched(names: Sequence[str], labels: Sequence[str]) -> list[str] | None:
    """`names` written as the labels are; None unless each label is one of them, and no two could be meant."""
    for key in (str, lambda name: "".join(name.split()).casefold()):
        keys, written = [key(name) for name in names], {key(label): label for label in labels}
        if len(set(keys)) == len(names) and len(written) == len(labels) and set(written) <= set(keys):
            return [written.get(key, name) for key, name in zip(keys, names, strict=True)]
    return None


def is_numbered(own: Sequence[str] | None) -> bool:
    """Whether a model's classes have the names that transformers give if nobody names them."""
    return own is not None and list(own) == [f"LABEL_{number}" for number in range(len(own))]


def common(models: Sequence[str], names: Sequence[Sequence[str]], labels: Sequence[str]) -> list[str]:
    """The order of the classes in which the logits of all models are written.

    names: of each model's logits. The order is that of the labels if these are all classes, else the first model's.

    Raises PielabError if the models do not have the same classes.
    """
    for model, own in zip(models, names, strict=True):
        if set(own) != set(names[0]):
            raise PielabError(
                "models-of-other-classes",
                f"{models[0]} has the classes {', '.join(names[0])}, and {model} has {', '.join(own)}",
                "predict with models of the same classes, or give --classes if both mean the same",
            )
    return list(labels) if set(labels) == set(names[0]) else list(names[0])


def check_tags(models: Sequence[str], names: Sequence[Sequence[str]]) -> None:
    """Raises PielabError unless the classes of all models are tags of words. names: of each model's logits."""
    for model, own in zip(models, names, strict=True):
        if others := [name for name in own if not tagged.is_tag(name)]:
            raise PielabError(
                "classes-no-tags",
                f"{model} has the classes {_listed(own)}, of which {others[0]} is no tag of a word",
                "give --classes, the tag of each logit, such as O,B-PER,I-PER",
            )


def better_order(predicted: np.ndarray, gold: np.ndarray, n_classes: int) -> tuple[float, float, list[int]] | None:
    """The accuracy as it is, that of the best other order of the classes, and that order, if it cannot be chance.

    predicted, gold: class ids (texts,). The order has for each class the one that its answers seem to mean. The test
    is McNemar's, exact and one-sided, of the texts that one order alone gets right, with p times the number of orders
    (Bonferroni).
    """
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (predicted, gold), 1)
    order = linear_sum_assignment(counts, maximize=True)[1]
    moved = order != np.arange(n_classes)
    gained, lost = counts[moved, order[moved]].sum(), counts.diagonal()[moved].sum()
    log_p = binom.logsf(gained - 1, gained + lost, 0.5) + gammaln(n_classes + 1)
    if gained <= lost or log_p >= math.log(CHANCE):
        return None
    right = counts.trace() / len(gold)
    return float(right), float(right + (gained - lost) / len(gold)), order.tolist()


def _listed(labels: Sequence[str], most: int = 20) -> str:
    return ", ".join([*labels[:most], *(["..."] if len(labels) > most else [])])
