"""The answers of two models to the same texts, from files, paired by id and never by place."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.data import answer_files, paired_texts, tag_files, text_files
from pielab.data.answer_files import AnswerFile
from pielab.data.label_checks import NUMBER, check_spelling
from pielab.data.tag_files import Sentences
from pielab.errors import PielabError
from pielab.progress import counted


@dataclass(frozen=True)
class PairedAnswers:
    """The answers of some runs of the model before and of the model after, for the same texts in the same order.

    before_files, after_files: in the order of the runs. ids: (texts,) strings. classes: all answers and labels.
    before, after: (runs, texts), places in `classes`. before_logits, after_logits: (runs, texts, classes of the
    logits), in the same order of classes on both sides; None unless every file has logits. logit_classes: that order,
    None for a class that no answer tells. targets: (texts,), places in `classes`. texts, groups: (texts,) strings. None
    for what no file has. left_out: how many texts are left out, because some file lacks them. labels, members: where
    an answer is a set, all labels, and which of them each of `classes` has, bool (classes, labels); else None.
    sentences: of tagged words, their tags; an answer is then the set of a sentence's entities, labels are types.
    written: of questions and generated texts, their answers; before and after are then numbers within each example, and
    there are no classes.
    """

    before_files: list[AnswerFile]
    after_files: list[AnswerFile]
    ids: np.ndarray
    classes: list[str]
    before: np.ndarray
    after: np.ndarray
    before_logits: np.ndarray | None = None
    after_logits: np.ndarray | None = None
    targets: np.ndarray | None = None
    texts: np.ndarray | None = None
    groups: np.ndarray | None = None
    left_out: int = 0
    labels: list[str] | None = None
    members: np.ndarray | None = None
    logit_classes: list[str | None] | None = None
    sentences: Sentences | None = None
    written: paired_texts.Texts | None = None

    @property
    def is_paired(self) -> bool:
        """Whether both sides have the same number of runs, so that each run before has one after."""
        return len(self.before) == len(self.after)


def read(
    before: Sequence[Path],
    after: Sequence[Path],
    columns: Mapping[str, str | None],
    common: bool = False,
    separator: str | None = None,
    task: str | None = None,
    references: Path | None = None,
) -> PairedAnswers:
    """The files of both sides, each one run.

    columns: as of `answer_files.read_all`. common: whether texts that some file lacks are left out.
    separator: of several labels in a string. task: of `text_files`, where answers are texts; None if the files tell it.
    references: of `text_files.read_all`.

    Raises PielabError for a file that is given twice, for files of different texts, and for answers in other words.
    """
    if of_texts := text_files.task_of([*before, *after], task):
        first, second = (text_files.read_all(side, columns, references) for side in (before, after))
        return _of_texts(of_texts, first, second, common)
    if references:
        raise PielabError(
            "references-of-classes",
            f"--references {references} was given, and {before[0]} does not tell that its answers are texts",
            f"give --task {text_files.QUESTIONS} or {text_files.GENERATION} too, or leave the references out",
        )
    files = answer_files.read_all([*before, *after], columns, separator, sets=True)
    _check_different(files)
    ids, left_out = _common_ids(files, common)
    places = [file.ids.get_indexer(ids) for file in files]

    def agreed(option: str) -> np.ndarray | None:
        return _agreed(files, places, ids, option)

    tagged = [(file.path, file.tagged) for file in files if file.tagged]
    sentences = tag_files.together(tagged, places, len(before)) if tagged else None
    answers = [file.answers[place] for file, place in zip(files, places, strict=True)]
    label = agreed("label")
    _check_words(files, answers[: len(before)], answers[len(before) :], label)
    classes = _in_order({*np.concatenate(answers), *([] if label is None else label)})
    labels, members = _members(files, classes)
    check_spelling(labels or classes, "the files")
    index = pd.Index(classes)
    coded = np.stack([index.get_indexer(answer) for answer in answers])
    logits, logit_classes = _logits(files, places)
    return PairedAnswers(
        before_files=files[: len(before)],
        after_files=files[len(before) :],
        ids=ids.to_numpy(object),
        classes=classes,
        before=coded[: len(before)],
        after=coded[len(before) :],
        before_logits=None if logits is None else logits[: len(before)],
        after_logits=None if logits is None else logits[len(before) :],
        targets=None if label is None else index.get_indexer(label),
        texts=agreed("text"),
        groups=agreed("group"),
        left_out=left_out,
        labels=labels,
        members=members,
        logit_classes=logit_classes,
        sentences=sentences,
    )


def _of_texts(task: str, before: list[AnswerFile], after: list[AnswerFile], common: bool) -> PairedAnswers:
    files = [*before, *after]
    _check_different(files)
    ids, left_out = _common_ids(files, common)
    places = [file.ids.get_indexer(ids) for file in files]
    answers = np.stack([file.answers[place] for file, place in zip(files, places, strict=True)])
    gold = _agreed(files, places, ids, "gold")
    people = None if gold is None else gold.tolist()
    written = paired_texts.together(task, answers[: len(before)], answers[len(before) :], people)
    return PairedAnswers(
        before_files=before,
        after_files=after,
        ids=ids.to_numpy(object),
        classes=[],
        before=written.ids[0],
        after=written.ids[1],
        texts=_agreed(files, places, ids, "text"),
        groups=_agreed(files, places, ids, "group"),
        left_out=left_out,
        written=written,
    )


def _check_different(files: list[AnswerFile]) -> None:
    for first, second in itertools.combinations(files, 2):
        if first.digest == second.digest:
            names = f"{first.path} was given twice" if first.path.resolve() == second.path.resolve() else ""
            raise PielabError(
                "answers-given-twice",
                names or f"{first.path} and {second.path} have the same content",
                "give the file of each run once, because the same model twice has nothing to compare",
            )


def _common_ids(files: list[AnswerFile], common: bool) -> tuple[pd.Index, int]:
    """The ids that every file has, in the order of the first, and how many are left out, if they may be."""
    ids, everything = files[0].ids, files[0].ids
    for file in files[1:]:
        ids, everything = ids[ids.isin(file.ids)], everything.append(file.ids[~file.ids.isin(everything)])
    if ids.empty:
        other = next(file for file in files if not file.ids.isin(files[0].ids).all())
        raise PielabError(
            "no-common-ids",
            f"no id is in every file ({files[0].path} has {files[0].ids[0]!r}, {other.path} has {other.ids[0]!r})",
            "give files of the same texts, and name the column of their ids with --id",
        )
    for file in files:
        if not common and len(lacking := everything[~everything.isin(file.ids)]):
            raise PielabError(
                "ids-not-in-every-file",
                f"{file.path} lacks {counted(len(lacking), 'id')} that other files have, the first is {lacking[0]!r}",
                f"give files of the same texts, or --common to compare the {len(ids):,} that all have",
            )
    return ids, len(everything) - len(ids)


def _agreed(files: list[AnswerFile], places: list[np.ndarray], ids: pd.Index, option: str) -> np.ndarray | None:
    """The labels, texts or groups, on which all files that have them must agree; None if no file has them."""
    known = [
        (file.path, values[place])
        for file, place in zip(files, places, strict=True)
        if (values := getattr(file, option)) is not None
    ]
    for path, values in known[1:]:
        if len(differing := np.flatnonzero(values != known[0][1])):
            first = differing[0]
            raise PielabError(
                "files-of-different-texts",
                f"{known[0][0]} and {path} differ in the {option} of {counted(len(differing), 'id')}, the first is "
                f"{ids[first]!r}, {_short(known[0][1][first])} against {_short(values[first])}",
                f"give answers to the same texts, or name another column with --{option}",
            )
    return known[0][1] if known else None


def _short(words: str) -> str:
    return repr(words if len(words) <= 40 else f"{words[:40]} …")


def _members(files: list[AnswerFile], classes: list[str]) -> tuple[list[str] | None, np.ndarray | None]:
    """All labels, and which of them each of the classes has; None if an answer is no set."""
    if files[0].sets is None:
        return None, None
    sets = _sets(files)
    labels = _in_order({label for written in classes for label in sets[written]})
    return labels, np.array([[label in sets[written] for label in labels] for written in classes], dtype=bool)


def _sets(files: list[AnswerFile]) -> dict[str, tuple[str, ...]]:
    return dict(item for file in files for item in (file.sets or {}).items())


def _check_words(
    files: list[AnswerFile], before: list[np.ndarray], after: list[np.ndarray], label: np.ndarray | None
) -> None:
    """Raises PielabError if the two sides, or answers and labels, have no word in common; of sets, no label."""
    sets = _sets(files)

    def words(answers: np.ndarray) -> set[str]:
        return {word for written in set(answers) for word in sets.get(written, (written,))}

    first, second = (words(np.concatenate(side)) for side in (before, after))
    # A model that gives no text any label uses no other words.
    if first and second and not first & second:
        raise PielabError(
            "answers-in-other-words",
            f"no answer of one side ever occurs on the other ({_some(first)} before, {_some(second)} after)",
            "write the classes alike in all files, or name the right columns with --answer or --logits",
        )
    if label is not None and (first | second) and words(label) and not (first | second) & words(label):
        raise PielabError(
            "labels-in-other-words",
            f"no answer is ever a label ({_some(first | second)} against {_some(words(label))})",
            "write classes and labels alike, name the right column with --label, or rename it to compare without",
        )


def _some(words: Iterable[str]) -> str:
    words = _in_order(set(words))
    return ", ".join(map(_short, words[:3])) + (" ..." if len(words) > 3 else "")


def _in_order(words: set[str]) -> list[str]:
    """By their values if all are numbers, else by the alphabet."""
    if all(NUMBER.fullmatch(word) for word in words):
        return sorted(words, key=lambda word: (float(word), word))
    return sorted(words)


def _logits(files: list[AnswerFile], places: list[np.ndarray]) -> tuple[np.ndarray | None, list[str | None] | None]:
    """The logits of all runs, (runs, texts, classes), in the same order of classes, and these as far as they are known.

    None unless every file has logits.
    """
    logits = [file.logits for file in files if file.logits is not None]
    if len(logits) < len(files):
        return None, None
    n_logits = [own.shape[1] for own in logits]
    for file, number in zip(files, n_logits, strict=True):
        if number != n_logits[0]:
            raise PielabError(
                "different-numbers-of-logits",
                f"{files[0].path} has {n_logits[0]} logits a text, {file.path} has {number}",
                "give logits of the same classes, or answers without logits",
            )
    order: dict[int, str] = {}
    for file in files:
        order |= file.names
    is_shared = all(order[place] == name for file in files for place, name in file.names.items())
    classes = list(order.values())
    if is_shared and len(set(classes)) == len(classes):
        stacked = np.stack([own[place] for own, place in zip(logits, places, strict=True)])
        return stacked, [order.get(column) for column in range(n_logits[0])]
    for file in files:
        if set(file.names.values()) != set(files[0].names.values()) or len(file.names) < n_logits[0]:
            raise PielabError(
                "order-of-logits-unknown",
                f"the logits of {files[0].path} and {file.path} are of classes in another order, which their answers "
                "do not tell",
                "give the logits as columns logit_<class>, or answers without logits",
            )
    names: list[str | None] = list(files[0].names.values())
    in_order = []
    for file, own, place in zip(files, logits, places, strict=True):
        columns: dict[str | None, int] = {name: column for column, name in file.names.items()}
        in_order.append(own[place][:, [columns[name] for name in names]])
    return np.stack(in_order), names
