"""Write the params file and the study file of a user's own data, which run as they are."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pielab.arguments import parser_for
from pielab.errors import PielabError
from pielab.store import files, paths

if TYPE_CHECKING:
    import pandas as pd
    from datasets import DatasetDict

EXAMPLES = """for example:
  pielab new reviews.csv --text body --label stars
  pielab new reviews.csv --text body --label stars --model bert-base-uncased
  pielab study reviews

In a terminal it asks for columns that were not given.
"""
# Names that columns of texts and labels often have, the likeliest first.
TEXTS = ("text", "sentence", "body", "review", "content", "premise", "question", "title")
LABELS = ("label", "labels", "class", "category", "sentiment", "stars", "rating", "target", "gold_label", "answers")
BILSTM = {"epochs": 5, "batch_size": 64, "learning_rate": 3e-3, "seeds": "0-7"}
TRANSFORMER = {"epochs": 3, "batch_size": 32, "learning_rate": 3e-5, "seeds": "0-5"}
MINILM = ("minilm", "minilm-2l")
RECIPES = {"bilstm": BILSTM, "minilm-2l": TRANSFORMER | {"learning_rate": 3e-4}}
LONGEST = {"bilstm": 256}
# Which models cannot do tasks whose examples have no class each, and which can.
_LABELLERS = (("bilstm",), "minilm-2l, minilm, a Hub id, or the folder of a transformer")
UNFIT = {
    "tokens": _LABELLERS,
    "spans": _LABELLERS,
    "generation": (("bilstm", *MINILM), "a Hub id such as gpt2 or google-t5/t5-small, or the folder of such a model"),
}
PRUNERS = {"IMP-FT": [50, 90], "MP-AI": [90], "RTN": [4], "Magnitude": [50]}


def main(arguments: list[str], program: str = "pielab new") -> int:
    """Check the data, write both files and say what to do next."""
    parser = parser_for(program, "Write params/NAME.yaml and params/studies/NAME.yaml for data of your own.", EXAMPLES)
    parser.add_argument("data", help="a CSV, Parquet, JSONL or .conll file, SQuAD's JSON, or a folder of such files")
    parser.add_argument("--text", help="the column of the texts")
    parser.add_argument("--text-pair", help="the column of the second texts, if there are pairs")
    parser.add_argument("--label", help="the column of the labels")
    parser.add_argument("--target", help="the column of texts to generate, in place of labels")
    parser.add_argument("--label-separator", help="what separates several labels of a text, such as ';'")
    parser.add_argument("--no-answer", action="store_true", help="questions may have no answer, as in SQuAD 2.0")
    parser.add_argument("--group", help="a column to compare by: a dialect, a source")
    parser.add_argument("--model", default="bilstm", help="bilstm, minilm, minilm-2l, a Hub id, or a folder")
    parser.add_argument("--name", help="the name of both files and of the study; that of the data if not given")
    given = parser.parse_args(arguments)
    name = given.name or paths.slug(given.data.removesuffix(".gz"))
    targets = [paths.root() / "params" / f"{name}.yaml", paths.root() / "params" / "studies" / f"{name}.yaml"]
    for target in targets:
        paths.require_folder(target.parent)
        if target.exists():
            raise PielabError("file-in-place", f"{target} is there already", "give another --name, or delete it")
    params = _params(given)
    contents = [_yaml(params, f"# pielab run 02_prune -f params/{name}.yaml"), _study(name)]
    for target, content in zip(targets, contents, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic_file(target) as partial:
            partial.write_text(content, encoding="utf-8")
        print(target)
    print(f"\npielab plan {name}     what the study takes\npielab study {name}    run it, and write its report")
    return 0


def _params(given: argparse.Namespace) -> dict[str, Any]:
    """The params file's content, after the data have been read as a notebook would read them."""
    from pielab.data import datasets, tagged, tasks

    columns: dict[str, Any] = {"text": given.text, "label": given.label}
    if given.target:
        columns = {"text": given.text, "target": given.target} | ({"label": given.label} if given.label else {})
    if None in columns.values():
        columns = _columns(given.data, columns)
    optional = ("text_pair", "label_separator", "no_answer", "group")
    columns |= {name: getattr(given, name) for name in optional if getattr(given, name)}
    data = datasets.load(given.data, **columns)
    names = datasets.class_names(data)
    tagged.warn_of_begun_inside(map(datasets.targets, data.values()))
    task = tasks.of_split(data["train"]).name
    unfit, fit = UNFIT.get(task, ((), ""))
    if given.model in unfit:
        raise PielabError(
            "task-without-transformer",
            f"{given.data} has {tasks.NO_CLASSES[task]}, and the {given.model} gives whole texts a class",
            f"give --model {fit}",
        )
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    print(
        f"{given.data}: {len(data['train']):,} training and {len(data['test']):,} test texts, "
        f"{len(names)} classes: {shown}"
    )
    path = paths.find(given.data)
    dataset = str(path.absolute()) if path else given.data
    model = {"model": given.model, "max_tokens": _tokens(data, given.model)}
    return {"dataset": dataset, **columns, "limit": None, **model, **RECIPES.get(given.model, TRANSFORMER)}


def _columns(data: str, given: dict[str, str | None]) -> dict[str, Any]:
    """The columns of texts and labels, asked for in a terminal; PielabError elsewhere, with those that there are.

    Those of SQuAD's questions and answers have contexts as well, as text_pair. Sources and targets are not asked for.
    """
    from pielab.data import sources, spans

    frame = _head(data)
    if not any(given.values()) and (found := sources.columns({"": frame}, spans.DEFAULTS)) != spans.DEFAULTS:
        print("".join(f"{name} column: {column}\n" for name, column in found.items()), end="")
        return dict(found)
    often = {"text": TEXTS, "label": LABELS}
    likely = {name: next((column for column in columns if column in frame), None) for name, columns in often.items()}
    missing = [name for name, column in given.items() if column is None]
    if not sys.stdin.isatty():
        unclear = [name for name in missing if likely[name] is None]
        if unclear:
            raise PielabError(
                "columns-not-given",
                f"{data} has the columns {', '.join(map(str, frame))}",
                f"say which has the {unclear[0]}s by --{unclear[0]}",
            )
        answers = {name: likely[name] for name in missing}
    else:
        print(f"{data} has the columns {', '.join(map(str, frame))}")
        answers = {name: _ask(name, likely[name]) for name in missing}
    for name in missing:
        print(f"{name} column: {answers[name]}")
    columns = given | answers
    if (columns["text"], columns.get("label")) == ("question", "answers") and "context" in frame:
        print("text_pair column: context")
        columns["text_pair"] = "context"
    return columns


def _ask(name: str, likely: str | None) -> str:
    """What the user types, or the likely column if that is nothing."""
    return input(f"column of the {name}s{f' [{likely}]' if likely else ''}: ").strip() or likely or ""


def _head(data: str) -> "pd.DataFrame":
    """The data's columns; of a folder's test file."""
    from pielab.data import formats, sources, tables

    path = paths.find(data)
    if path is None:
        raise PielabError("no-such-data", f"there is no file or folder {data}", "give the path of your data")
    found = tables.split_files(path)
    # The names decide which delimiter a CSV has; as they are never all there, its rows are not read.
    names = [*TEXTS, *LABELS, *sources.COLUMNS.values()]
    return formats.read(found.get("test") or next(iter(found.values())), names, "")


def _tokens(data: "DatasetDict", model: str) -> int:
    """How many tokens hold 95 % of the texts, at most 512 of a transformer and 256 of a BiLSTM, in steps of 8."""
    import numpy as np

    from pielab.data import datasets, words

    if {"words", "targets"} & set(data["train"].column_names):
        return 512  # no sentence may be cut, because each of its words has a tag, and no source of a text
    lengths = [len(words.words(text)) for text in datasets.joined_texts(data["train"])]
    per_word = 1 if model == "bilstm" else 1.4
    tokens = int(np.ceil(np.quantile(lengths, 0.95) * per_word / 8)) * 8
    return int(np.clip(tokens, 8, LONGEST.get(model, 512)))


def _yaml(values: dict[str, Any], comment: str) -> str:
    import yaml

    return f"{comment}\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None)}"


def _study(name: str) -> str:
    entry = {"params": f"params/{name}.yaml", "pruners": PRUNERS}
    return _yaml({"study": name, "results": "results", "configurations": [entry]}, f"# pielab study {name}")
