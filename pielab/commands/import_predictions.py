"""Take predictions that other programs made into a study, where the notebooks from 03 on find them."""

import argparse
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pielab.arguments import parser_for
from pielab.errors import PielabError
from pielab.progress import counted

if TYPE_CHECKING:
    import numpy as np

    from pielab.data.answer_files import AnswerFile
    from pielab.data.tag_files import TaggedWords

EXAMPLES = """for example:
  pielab import-predictions dense-*.parquet --study mine --dataset reviews --model bert
  pielab import-predictions int8-*.parquet --study mine --dataset reviews --model bert --pruner int8 --threshold 75
  pielab run 03_pies -p study mine -p dataset reviews -p model bert -p pruner int8 -p threshold 75 -p limit None

A file is one model's answers to the test texts, of one label each, as pielab predict writes it and pielab compare
reads it: CSV, TSV, Parquet, JSON or JSON lines with logits or answers, a column of ids, and the texts, by which its
rows are put in the order of the data. Without texts the ids must be the places of the test texts, from 0. What needs
probabilities, KL and calibration, is known with logits alone.

Of tagged words a file has the tags: the last column of a .conll file, or a column of lists. Its words, or without them
the numbers of words, must be those of the data, in its order or by ids that are the places of the sentences.

Of questions a file has the answers: JSON of strings by id, as SQuAD's script reads it, or rows with ids or questions;
"" is no answer. Of texts to generate it has one text a line (.txt), or a list of outputs for each run (JSON lines), in
the order of the data, or rows with the sources.
"""


def main(arguments: list[str], program: str = "pielab import-predictions") -> int:
    """Check all files, write them into the study and print each model's score."""
    parser = parser_for(program, "Take predictions of other programs into a study, for notebooks 03 to 07.", EXAMPLES)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="one a model, in the order of the seeds")
    parser.add_argument("--study", required=True)
    parser.add_argument("--dataset", required=True, help="the data, as the notebooks take it")
    parser.add_argument("--model", required=True, help="a name for the model")
    parser.add_argument("--pruner", help="a name for the compression; without it the models are the unpruned ones")
    parser.add_argument("--threshold", type=float, help="percent of the model that it removed; 0 for a control")
    parser.add_argument("--seeds", help="such as 0-3; 0, 1, 2 ... if not given")
    parser.add_argument("--classes", help="the classes in the order of the logits, separated by commas")
    parser.add_argument("--results", default="results")
    for option, about in {
        "text": "texts",
        "text-pair": "second texts",
        "label": "labels",
        "target": "texts to write",
    }.items():
        parser.add_argument(f"--{option}", help=f"the data's column of the {about}")
    parser.add_argument("--no-answer", action="store_true", help="questions of the data may have no answer")
    about = "the nearness from which a generated text of unpruned models is right (their median)"
    parser.add_argument("--decision-threshold", type=float, metavar="P", help=about)
    parser.add_argument("--label-separator", help="what separates several labels in the data")
    for option in ("id", "answer", "logits"):
        parser.add_argument(f"--{option}", help=f"the files' column of {option}s".replace("logitss", "logits"))
    given = parser.parse_args(arguments)
    print(_add(given).to_string(index=False))
    return 0


def _add(given: argparse.Namespace) -> Any:
    from pielab.data import answer_files, datasets, imported_tags, importing, tasks, text_files

    names_of_data = ("text", "text_pair", "label", "target", "label_separator", "no_answer")
    options = {name: value for name in names_of_data if (value := getattr(given, name))}
    own = {name: getattr(given, name) for name in ("id", "answer", "logits")} | dict.fromkeys(
        ("label", "text", "group")
    )
    data = datasets.load(given.dataset, **options)
    task = tasks.of_split(data["test"]).name
    of_strings = task in tasks.NO_CLASSES
    names, texts = datasets.class_names(data), datasets.joined_texts(data["test"])
    classes = given.classes.split(",") if given.classes else None
    if of_strings and task != tasks.TOKENS.name:
        files = text_files.read_all(given.files, own)
        ids = text_files.ids_of(given.dataset, data["test"], options)
        found: list = [_texts(file, list(data["test"]["text"]), ids, given.dataset) for file in files]
    else:
        files = answer_files.read_all(given.files, own, tags=of_strings)
        imported_tags.check_kind(files[0].tagged is not None, data, given.dataset)
        words = list(data["test"]["words"]) if of_strings else []
        found = [
            _tags(file, file.tagged, words, texts, given.dataset)
            if file.tagged
            else _predictions(file, texts, names, classes, given.dataset)
            for file in files
        ]
    kinds = {file.logits is None: file.path for file in files}
    if len(kinds) > 1:
        raise PielabError(
            "logits-of-some-files",
            f"{kinds[True]} has answers alone, and {kinds[False]} has logits",
            "give files that all have logits, or leave these out of all",
        )
    pruned = {"pruner": given.pruner} if given.pruner else {}
    return importing.add(
        found,
        study=given.study,
        dataset=given.dataset,
        model=given.model,
        threshold=given.threshold,
        seeds=given.seeds,
        results=given.results,
        classes=classes if of_strings else None,
        decision_thresholds=given.decision_threshold,
        **pruned,
        **options,
    )


def _predictions(
    file: "AnswerFile", texts: Sequence[str], names: list[str], classes: list[str] | None, dataset: str
) -> "np.ndarray":
    """The file's logits (texts, classes) in the order of the data's texts and classes; of answers alone the ids."""
    import pandas as pd

    order = _order(file, texts, dataset)
    if file.logits is None:
        places = pd.Index(names).get_indexer(file.answers)
        if (places < 0).any():
            raise PielabError(
                "answers-of-other-classes",
                f"{file.path} has answers such as {file.answers[places < 0][0]!r}, the classes of {dataset} are "
                f"{', '.join(names)}",
                "write the answers as the data's labels",
            )
        return places[order]
    columns = classes or [file.names.get(place, str(place)) for place in range(file.logits.shape[1])]
    if sorted(columns) != sorted(names):
        raise PielabError(
            "order-of-classes-unknown",
            f"the logits of {file.path} are of {', '.join(columns)}, the classes of {dataset} are {', '.join(names)}",
            "name the classes in the order of the logits by --classes, separated by commas",
        )
    return file.logits[:, [columns.index(name) for name in names]][order]


def _tags(
    file: "AnswerFile", tagged: "TaggedWords", words: Sequence[list[str]], texts: Sequence[str], dataset: str
) -> list[tuple[str, ...]]:
    """The file's tags of each sentence, in the order of the data's."""
    import pandas as pd

    places = pd.Index([str(place) for place in range(len(words))])
    by_place = len(file.ids) == len(places) and places.isin(file.ids).all()
    order = file.ids.get_indexer(places) if by_place else _order(file, texts, dataset)
    for place, (row, own) in enumerate(zip(order, words, strict=True)):
        if tagged.words is not None and tagged.words[row] != own:
            raise PielabError(
                "words-of-other-data",
                f"{file.path} has the words {reprlib.repr(tagged.words[row])} where {dataset} has "
                f"{reprlib.repr(own)}, sentence {place + 1} of its test split",
                "predict the words of the data's test split, in its order or with their places, from 0, as ids",
            )
    return [tagged.tags["answer"][row] for row in order]


def _texts(file: "AnswerFile", texts: Sequence[str], ids: Sequence[str] | None, dataset: str) -> list[str]:
    """The file's answer to each question or source, in the order of the data's.

    By the ids of the data, by the texts, or by ids that are places; whichever the file has all of.
    """
    import pandas as pd

    places, spaced = [str(place) for place in range(len(texts))], [_spaced(text) for text in texts]
    own = None if file.text is None else pd.Index([_spaced(text) for text in file.text])
    pairs = [(file.ids, ids), (own, spaced), (file.ids, places if len(file.ids) == len(texts) else None)]
    for keys, wanted in pairs:
        if keys is None or wanted is None or keys.has_duplicates or not pd.Index(wanted).isin(keys).all():
            continue
        order = keys.get_indexer(wanted)
        if own is None or list(own[order]) == spaced:
            return file.answers[order].tolist()
    raise PielabError(
        "answers-of-other-texts",
        f"{file.path} has {counted(len(file.ids), 'answer')}, and not one to each of the {counted(len(texts), 'text')} "
        f"of the test split of {dataset}",
        "answer the test split (a folder's test file; a single file is split at random), with the data's ids, the "
        "questions or sources in a column, or the places of these, from 0, as ids; without any, in their order",
    )


def _order(file: "AnswerFile", texts: Sequence[str], dataset: str) -> "np.ndarray":
    """The row of each text of the data: by the text if the file has them, else by ids that are places."""
    import numpy as np
    import pandas as pd

    from pielab.data.words import SEPARATOR

    if file.text is None:
        kind, keys, wanted = "ids", file.ids, [str(place) for place in range(len(texts))]
    else:
        # Of pairs, answer_files joins the two texts by a stroke.
        kind, keys = "texts", pd.Index([_spaced(text) for text in file.text])
        wanted = [_spaced(text.replace(SEPARATOR, " / ")) for text in texts]
    missing = ~pd.Index(wanted).isin(keys)
    if missing.any() or len(keys) != len(wanted) or keys.has_duplicates:
        found = f"{counted(len(keys), 'row')}, {len(set(keys) & set(wanted)):,} of them with {kind} of the test texts"
        raise PielabError(
            "rows-of-other-texts",
            f"{file.path} has {found}, and {dataset} has {counted(len(wanted), 'test text')}",
            "predict the texts of the data's test split (a folder's test file; a single file is split at random), each "
            "once; without a column of texts, ids are their places, from 0",
        )
    return np.asarray(keys.get_indexer(wanted))


def _spaced(text: str) -> str:
    return " ".join(text.split())
