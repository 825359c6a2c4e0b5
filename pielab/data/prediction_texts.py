"""The texts that trained models are to predict, with their ids and gold labels, from a file or a data set."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from pielab.data import corpora, glue, label_checks, labels, sources, spans, tables, tagged
from pielab.data.tables import SPLITS
from pielab.data.words import SEPARATOR
from pielab.errors import PielabError
from pielab.store.span_answers import GoldAnswers
from pielab.store.text_answers import GoldTexts


@dataclass(frozen=True)
class PredictionTexts:
    """Texts to predict.

    ids: (texts,), those of a column as strings, or the rows' numbers from 0. firsts, seconds: the texts, and the
    second texts of pairs or None. gold: the names of each text's labels, or None if no label was asked for.
    classes: the names of all labels of the file, in their order; empty without labels. multi_label: whether a text may
    have several labels, None without labels. digest: a hash of all of these. words, tags: of sentences of words. asked:
    whether firsts are questions and seconds their contexts; answers: the gold ones, None if the file has none.
    generated: whether firsts are sources of texts to generate; written: those that people wrote, None without any.
    """

    where: str
    ids: list = field(repr=False)
    firsts: list[str] = field(repr=False)
    seconds: list[str] | None = field(repr=False)
    gold: list[tuple[str, ...]] | None = field(repr=False)
    classes: list[str]
    multi_label: bool | None
    digest: str
    words: list[list[str]] | None = field(default=None, repr=False)
    tags: list[tuple[str, ...]] | None = field(default=None, repr=False)
    asked: bool = False
    answers: GoldAnswers | None = field(default=None, repr=False)
    generated: bool = False
    written: GoldTexts | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.firsts)

    @property
    def joined(self) -> list[str]:
        """One text for each example, pairs joined as those that pielab trains on (`datasets.joined_texts`)."""
        if self.seconds is None:
            return self.firsts
        return [f"{first}{SEPARATOR}{second}" for first, second in zip(self.firsts, self.seconds, strict=True)]


def read(
    name: str,
    text: str = "text",
    text_pair: str | None = None,
    label: str | None = None,
    id: str | None = None,
    label_separator: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    target: str | None = None,
    generate: bool = False,
) -> PredictionTexts:
    """The texts of a file, or of a split of a folder or of any other data set of `datasets.load`, in its order.

    text, text_pair, label, id: columns. label_separator: as of `datasets.load`. split: test if not given; a file has
        none. limit: only the first so many texts; the classes are still those of all. Columns called question, context
        and perhaps answers and id, as SQuAD's, are these if there is none called `text`. target: the column of texts
        to generate, or else source and target if there are these, and none called `text`; a source that stands there
        several times is one text. generate: whether to generate texts for which there are no targets.

    Raises PielabError if the data or a column is missing, if texts, labels or ids cannot be meant, or if two texts have
    the same id.
    """
    given = {"text": text, "text_pair": text_pair, "label": label, "id": id, "target": target}
    columns = {parameter: column for parameter, column in given.items() if column is not None}
    frame = _split_of(name, columns, split, bool(label_separator))
    if not target and not {"label", "question"} & set(frame) and (found := _sources_of(frame, text)):
        columns = columns | found
        frame = _split_of(name, columns, split, False) if frame.empty else frame
    if generate or "target" in columns:
        return _sources(frame, columns, name, limit)
    if text not in frame and {"question", "context"} <= set(frame):
        usual = {key: part for key, part in {**spans.COLUMNS, "id": "id"}.items() if part in frame}
        columns = usual | {key: column for key, column in columns.items() if key != "text"}
        # The rows of a CSV are read once all columns are there.
        frame = _split_of(name, columns, split, False) if frame.empty else frame
        return _questions(frame, columns, name, limit)
    if text_pair and label and spans.has_answers({"all": frame}, columns):
        return _questions(frame, columns, name, limit)
    if text in frame and any(isinstance(cell, (list, np.ndarray)) for cell in frame[text]):
        return _words(frame, columns, name, limit)
    chosen = tables.select(frame, columns, name, joined=bool(label_separator))
    parts = [part for part in ("text", "text_pair") if part in chosen]
    tables.check_texts({"all": chosen[parts].assign(label="")}, name)
    ids = _ids(chosen, id, name)
    gold, classes, multi_label = (None, [], None) if label is None else _gold(chosen, label_separator, name)
    firsts, *seconds = (list(chosen[part])[:limit] for part in parts)
    cut = (ids[:limit], firsts, seconds[0] if seconds else None, gold and gold[:limit])
    return PredictionTexts(name, *cut, classes, multi_label, _digest(cut))


def _questions(frame: pd.DataFrame, columns: dict[str, str], where: str, limit: int | None) -> PredictionTexts:
    """`read` of questions with their contexts, perhaps with gold answers."""
    given = {"label": "answers"} | columns
    frame = frame if "label" in columns else frame.assign(answers=[[] for _ in range(len(frame))])
    encoded = spans.encode({"all": frame}, {key: given[key] for key in spans.COLUMNS}, None, True, where)["all"][:limit]
    ids = _ids(
        tables.select(frame, {"id": columns["id"]}, where) if "id" in columns else frame, columns.get("id"), where
    )
    firsts, seconds = list(encoded["text"]), list(encoded["text_pair"])
    texts, starts = (
        tuple(tuple(answer[key] for answer in row) for row in encoded["answers"]) for key in ("text", "start")
    )
    answers = GoldAnswers(texts, starts) if "label" in columns else None
    digest = _digest((ids[:limit], firsts, seconds, answers and [answers.texts, answers.starts]))
    return PredictionTexts(where, ids[:limit], firsts, seconds, None, [], None, digest, asked=True, answers=answers)


def _sources_of(frame: pd.DataFrame, text: str) -> dict[str, str]:
    """The columns of sources and targets, if they have the names that pielab looks for."""
    if text not in frame:
        return dict(sources.COLUMNS) if set(sources.COLUMNS.values()) <= set(frame) else {}
    return {"target": "target"} if set(frame) == {"text", "target"} else {}


def _sources(frame: pd.DataFrame, columns: dict[str, str], where: str, limit: int | None) -> PredictionTexts:
    """`read` of sources, perhaps with the texts that people wrote."""
    others = {"label": columns.get("label"), "text_pair": columns.get("text_pair")}
    if given := next((name for name, column in others.items() if column), None):
        raise PielabError(
            "given-beside-sources",
            f"--{given.replace('_', '-')} {others[given]} was given, and {where} has texts to generate from",
            "leave it out; --target names the column of the texts that people wrote",
        )
    if "target" in columns:
        encoded = sources.encode({"all": frame}, {name: columns[name] for name in sources.COLUMNS}, where)["all"]
        encoded = encoded[~encoded["text"].duplicated()]
        places, written = encoded.index, GoldTexts(tuple(map(tuple, encoded["targets"]))[:limit])
        firsts = list(encoded["text"])
    else:
        chosen = tables.select(frame, {"text": columns["text"]}, where)
        tables.check_texts({"all": chosen.assign(label="")}, where)
        firsts, written, places = list(chosen["text"]), None, range(len(chosen))
    ids = (
        _ids(tables.select(frame, {"id": columns["id"]}, where).iloc[places], columns["id"], where)
        if ("id" in columns)
        else list(range(len(firsts)))
    )
    firsts, ids = firsts[:limit], ids[:limit]
    digest = _digest((ids, firsts, written and written.texts))
    return PredictionTexts(where, ids, firsts, None, None, [], None, digest, generated=True, written=written)


def _words(frame: pd.DataFrame, columns: dict[str, str], where: str, limit: int | None) -> PredictionTexts:
    """`read` of sentences that are lists of words, perhaps with lists of gold tags."""
    tagged.check_unpaired("text_pair" in columns, where)
    chosen = tables.select(frame, columns, where, words=True)
    chosen = chosen.map(lambda cell: cell.tolist() if isinstance(cell, np.ndarray) else cell)
    if "id" in chosen:
        chosen["id"] = chosen["id"].astype(str)
    ids, words = _ids(chosen, columns.get("id"), where)[:limit], list(chosen["text"])
    tags = tagged.bio(words, chosen["label"], where)[:limit] if "label" in chosen else None
    tagged.check_words(words, where)
    words = words[:limit]
    digest = _digest((ids, words, tags))
    return PredictionTexts(where, ids, list(map(" ".join, words)), None, None, [], None, digest, words, tags)


def _digest(values: tuple) -> str:
    return hashlib.sha256(json.dumps(values).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _split_of(name: str, columns: dict[str, str], split: str | None, joined: bool) -> pd.DataFrame:
    folders = [Path(folder) for folder in (os.environ.get("PIELAB_DATA"),) if folder]
    frames = corpora.load(name, folders) or glue.load(name, folders) or tables.load(name, folders, columns, joined)
    if split and "all" in frames:
        raise PielabError(
            "split-of-a-file",
            f"--split {split} was given, and {name} is one file",
            "leave --split out, or give a folder",
        )
    split = "all" if "all" in frames else tables.split_of(split or "test")
    if split not in frames:
        has = ", ".join(part for part in SPLITS if part in frames)
        raise PielabError("no-such-split", f"{name} has no split to predict but {has}", f"give --split {has}")
    return frames[split]


def _ids(chosen: pd.DataFrame, id: str | None, where: str) -> list:
    if id is None:
        return list(range(len(chosen)))
    repeated = chosen["id"][chosen["id"].duplicated()]
    if len(repeated):
        raise PielabError(
            "id-twice",
            f"{where} has {len(repeated)} texts whose {id!r} another one has, such as {repeated.iloc[0]!r}",
            "give as --id a column that differs in every row, or leave it out to number the rows",
        )
    return list(chosen["id"])


def _gold(chosen: pd.DataFrame, separator: str | None, where: str) -> tuple[list[tuple[str, ...]], list[str], bool]:
    """The names of each text's labels, all of them in their order, and whether a text may have several."""
    rows, task = labels.as_tuples({"all": chosen}, separator, where)
    distinct = sorted(set(chain.from_iterable(rows["all"])))
    names = labels.names_of(distinct)
    label_checks.check_classes(names, len(chosen), task, where)
    of_label = dict(zip(distinct, names, strict=True))
    return [tuple(of_label[label] for label in row) for row in rows["all"]], names, task.name == "multi-label"
