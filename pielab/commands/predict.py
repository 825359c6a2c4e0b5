"""pielab predict: models that are trained already in, one file of predictions for each out."""

import argparse
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pielab.arguments import parser_for
from pielab.errors import PielabError, as_transient, warn
from pielab.progress import Progress, counted
from pielab.store import paths

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from pielab.data.prediction_texts import PredictionTexts
    from pielab.models.fine_tuned import FineTuned

EXAMPLES = """examples:
  pielab predict my-bert-0 my-bert-1 --data reviews.csv --text body --label stars
  pielab predict my-bert-0 --data pairs.jsonl --text premise --text-pair hypothesis --label gold --id pairID
  pielab predict acme/reviews-bert --revision v2 --data reviews.csv
  pielab predict results/demo/bbc-news-minilm-2l/dense/seeds/0* --data bbc-news --label label
  pielab predict my-tagger-0 my-tagger-1 --data test.conll --label label
  pielab predict my-reader-0 my-reader-1 --data dev-v2.0.json --decision-threshold 0
  pielab predict my-gpt2-0 my-gpt2-1 --data testset_w_refs.csv --text mr --target ref
"""


@dataclass(frozen=True)
class Job:
    """One model to predict with.

    file: of its predictions. logits_of: the class of each of its logits. recipe: what the predictions depend on, by
    which an earlier file is known.
    """

    model: "FineTuned"
    file: Path
    logits_of: list[str]
    recipe: dict[str, Any]


def main(arguments: list[str], program: str = "pielab predict") -> int:
    """Predict the texts of a file with each model, after all of them were checked; the exit status."""
    options = _parser(program).parse_args(arguments)
    classes = [name.strip() for name in options.classes.split(",")] if options.classes else None
    if classes and len(set(classes)) < len(classes):
        raise PielabError(
            "classes-repeated", f"--classes {options.classes} gives a class twice", "give each once, in their order"
        )
    out = Path(options.out).expanduser()
    above = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        reason = "is a folder that you may not write in" if above.is_dir() else "is no folder"
        raise PielabError(
            "out-not-writable",
            f"--out {options.out} cannot be written, because {above} {reason}",
            "give another folder",
        )
    with as_transient(options.out):
        _predict(options, classes)
    return 0


def names_of(models: "Sequence[FineTuned]") -> list[str]:
    """A file name for each model: the last part of its path, with as many more as tell it from the others.

    Raises PielabError if two models are the same, or cannot be told apart by the names of their folders.
    """
    places = [model.parts for model in models]
    if twice := next((place for place in places if places.count(place) > 1), None):
        given = ", ".join(model.given for model in models if model.parts == twice)
        raise PielabError("model-given-twice", f"the same model was given twice ({given})", "give each once")

    def name(place: tuple[str, ...], length: int) -> str:
        return paths.slug("/".join(place[-length:])) or "model"

    names = []
    for place in places:
        length = 3 if place[-2:-1] == ("seeds",) else 1  # a seed's number alone says little
        others = [other for other in places if other != place]
        while length < len(place) and any(
            name(other, length).casefold() == name(place, length).casefold() for other in others
        ):
            length += 1
        names.append(name(place, length))
    if len({name.casefold() for name in names}) < len(names):
        given = ", ".join(model.given for model in models)
        raise PielabError("models-of-one-name", f"two of {given} would be written to one file", "rename a folder")
    return names


def _parser(program: str) -> argparse.ArgumentParser:
    parser = parser_for(
        program,
        "Predict the texts of a file with classifiers that are trained already, and write one file of "
        "predictions for each, which pielab compare reads.",
        EXAMPLES,
    )

    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
        return int(text)

    add = parser.add_argument
    add("models", nargs="+", metavar="MODEL", help="a folder of save_pretrained, a Hub id, or a seed's folder")
    add("--revision", metavar="NAME", help="a branch, tag or commit of a Hub id (the latest commit)")
    add(
        "--data",
        required=True,
        metavar="FILE",
        help="CSV, TSV, Parquet, JSONL, JSON or .conll, or a data set of pielab's",
    )
    add("--text", default="text", metavar="COLUMN", help="the column of the texts (text)")
    add("--text-pair", metavar="COLUMN", help="the column of the second texts, of pairs")
    add("--label", metavar="COLUMN", help="the column of the gold labels, by which the order of the classes is checked")
    add("--target", metavar="COLUMN", help="the column of texts that people wrote, of models that write texts")
    add("--generate", action="store_true", help="write texts for which there are none that people wrote")
    add("--label-separator", metavar="TEXT", help="what separates several labels in that column, such as ';'")
    add("--id", metavar="COLUMN", help="a column that names each text (the rows' numbers, from 0)")
    add("--classes", metavar="NAME,NAME", help="the classes as the data write them, in the order of the models' logits")
    above = "the probability above which a class is predicted, if a text may have several (0.5, or a seed's own); of "
    above += "questions, by how much the score of no answer must exceed the best (all are answered, or a seed's own)"
    add("--decision-threshold", type=float, metavar="P", help=above)
    add("--split", metavar="NAME", help="the split of a folder or data set (test)")
    add("--limit", type=count, metavar="N", help="predict the first N texts only")
    add("--out", default="predictions", metavar="FOLDER", help="where to write (predictions)")
    add("--max-tokens", type=count, metavar="N", help="how many tokens of a text to read (as many as the model reads)")
    add("--batch-size", type=count, metavar="N", help="texts in a batch (as many as are quick)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="(auto)")
    add("--precision", default="auto", choices=["auto", "float32", "bfloat16"], help="(auto: bfloat16 on a GPU)")
    return parser


def _predict(options: argparse.Namespace, classes: list[str] | None) -> None:
    """Check everything, then predict with the models whose file is not there yet."""
    from pielab.data import prediction_texts

    columns = {"text": options.text, "text_pair": options.text_pair, "label": options.label, "id": options.id}
    columns |= {"target": options.target}
    more = {"label_separator": options.label_separator, "split": options.split, "limit": options.limit}
    more |= {"generate": options.generate}
    texts = prediction_texts.read(options.data, **columns, **more)
    from pielab.data import class_order  # with torch, which takes seconds
    from pielab.models import fine_tuned
    from pielab.store import prediction_tables
    from pielab.training import decoding, loop

    device = loop.choose_device(options.device)
    precision = loop.choose_precision(options.precision, device)
    models = [fine_tuned.check(model, texts, options.max_tokens, options.revision) for model in options.models]
    models = [fine_tuned.decided(model, texts, options.decision_threshold) for model in models]
    logits_of = [
        class_order.of_logits(model.given, model.class_names, model.n_classes, texts.classes, classes)
        for model in models
    ]
    if texts.words is not None:
        class_order.check_tags([model.given for model in models], logits_of)
    given = [model.given for model in models]
    common = logits_of[0] if classes else class_order.common(given, logits_of, texts.classes)
    jobs = []
    for model, name, own in zip(models, names_of(models), logits_of, strict=True):
        file = Path(options.out).expanduser() / f"{name}.parquet"
        recipe = _recipe(model, texts, common) | {"precision": str(precision).removeprefix("torch.")}
        recipe |= {"label_separator": options.label_separator if model.multi_label else None}
        jobs.append(Job(model, file, own, recipe))
    todo = [job for job in jobs if not prediction_tables.is_written(job.file, job.recipe)]
    checked: list[nn.Module] = []
    for job in todo:
        checked.clear()  # one model at a time in memory
        checked.append(job.model.build())  # raises PielabError for wrong weights before the first prediction
    _print_jobs(jobs, texts, common)
    results = {}
    with Progress("predicting", len(todo) * len(texts)) as progress:
        for job in reversed(todo):  # the last is loaded already
            network = (checked.pop() if checked else job.model.build()).to(device)
            encoder: Any = job.model.encoder
            on_batch = functools.partial(progress.step, job.file.stem)
            how: dict[str, Any] = {"precision": precision, "batch_size": options.batch_size, "on_batch": on_batch}
            found: Any
            if texts.generated:
                found = decoding.write(network, encoder, job.model.tokens, **how)
            else:
                logits = loop.predict(network, encoder, job.model.tokens, **how)
                found = logits[:, [job.logits_of.index(name) for name in common]]
            parameters = {name: value for name, value in vars(options).items() if name != "models"}
            metadata = {"device": loop.device_name(device), "parameters": parameters}
            results[job.file] = _write(job, texts, found, common, metadata)
    for job in jobs:
        print(f"{job.file}: {results.get(job.file, 'there already, of the same model, texts and options')}")
    print(f"predictions of {counted(len(jobs), 'model')} for {counted(len(texts), 'text')} in {options.out}")


def _recipe(model: "FineTuned", texts: "PredictionTexts", classes: list[str]) -> dict[str, Any]:
    """What the predictions depend on, besides the options of the computation and of the file."""
    from pielab.store import records

    types = [array for array in (model.tokens.types, model.tokens.first) if array is not None]
    return {
        "model": model.digest,
        "data": texts.digest,
        "max_tokens": model.encoder.max_tokens,
        "tokens": records.digest_arrays(model.tokens.starts, model.tokens.ids, *types),
        "classes": classes,
        "decision_threshold": model.decision_threshold if model.multi_label or texts.asked else None,
        **({"max_answer_tokens": getattr(model.encoder, "max_answer_tokens", None)} if texts.generated else {}),
    }


def _print_jobs(jobs: list[Job], texts: "PredictionTexts", classes: list[str]) -> None:
    """The classes, which model is written where, and how many texts it may read in part."""
    kind = "answers to questions" if texts.asked else f"classes: {', '.join(classes)}"
    print("texts, written greedily" if texts.generated else kind)
    for job in jobs:
        longest = job.model.encoder.max_tokens
        full = int((job.model.tokens.lengths >= longest).sum())
        print(f"{job.file.stem}: {job.model.given}")
        if full:
            print(f"  {full:,} of {counted(len(texts), 'text')} fill its {longest} tokens, or are cut to them")
        twin = next(other for other in jobs if other.model.digest == job.model.digest)
        if twin is not job:
            warn(f"{job.model.given} has the same weights as {twin.model.given}")


def _write(job: Job, texts: "PredictionTexts", logits: Any, classes: list[str], metadata: dict[str, Any]) -> str:
    """Write a model's file, after a warning if its classes seem to be in another order; returns its score in words."""
    from importlib.metadata import version

    import numpy as np

    from pielab.data import predicted_answers, predicted_tags, tasks
    from pielab.data.text_groups import NONE
    from pielab.store import prediction_tables

    if not np.isfinite(logits[1] if texts.generated else logits).all():
        raise PielabError(
            "predicted-logits-not-finite",
            f"{job.model.given} gives logits that are not finite numbers",
            "give --precision float32; if they still are not, its weights are damaged",
        )
    task = tasks.MULTI_LABEL if job.model.multi_label else tasks.SINGLE_LABEL
    task = tasks.SPANS if texts.asked else task if texts.words is None else tasks.TOKENS
    task = tasks.GENERATION if texts.generated else task
    metadata |= {"recipe": job.recipe, "classes": classes, "task": task.name}
    metadata |= {"model": job.model.given, "commit": job.model.commit}
    metadata |= {"versions": {name: version(name) for name in ("pielab", "torch", "transformers", "numpy")}}
    if texts.generated:
        of_texts, score = predicted_answers.of_generated(texts, *logits)
        prediction_tables.write(job.file, of_texts, None, metadata)
        return score
    if texts.asked:
        from pielab.models import candidates

        best = candidates.best_spans(logits, job.model.tokens, texts.seconds or [])
        of_questions, score = predicted_answers.columns(texts, best.answers(job.model.decision_threshold))
        prediction_tables.write(job.file, of_questions, None, metadata)
        return score
    if texts.words is not None:
        of_words, score = predicted_tags.columns(texts, logits.argmax(axis=1), classes)
        prediction_tables.write(job.file, of_words, logits, metadata, starts=job.model.tokens.word_starts)
        return score
    answers = task.answers(logits, job.model.decision_threshold)
    hot = answers if job.model.multi_label else task.hot(answers, len(classes))
    separator, score = metadata["parameters"]["label_separator"] or ";", "no gold labels"

    def joined(rows: "Sequence[Sequence[str]]") -> list[str]:
        return [separator.join(sorted(row)) or NONE for row in rows]

    columns = {"id": texts.ids, "text": texts.firsts}
    if texts.seconds is not None:
        columns["text_pair"] = texts.seconds
    if texts.gold is not None:
        columns["label"] = joined(texts.gold)
        gold = np.array([[name in row for name in classes] for row in texts.gold])
        targets = gold if job.model.multi_label else gold.argmax(axis=1)
        score = f"{task.metric} {100 * task.score(answers, targets):.1f} %"
        if not job.model.multi_label:
            _warn_of_order(job.model.given, answers, targets, classes)
    columns["prediction"] = joined([[classes[number] for number in np.flatnonzero(row)] for row in hot])
    # By another name, because the largest of several labels' logits is not the answer, as it is of "logits".
    name = "label_logits" if job.model.multi_label else "logits"
    prediction_tables.write(job.file, columns, logits, metadata, name)
    return score


def _warn_of_order(model: str, answers: "np.ndarray", targets: "np.ndarray", classes: list[str]) -> None:
    from pielab.data import class_order

    if better := class_order.better_order(answers, targets, len(classes)):
        right, would_be, order = better
        meant = ", ".join(
            f"{name} as {classes[to]}" for name, to in zip(classes, order, strict=True) if name != classes[to]
        )
        warn(
            f"the labels may be in another order: {model} is right on {100 * right:.1f} % of the texts, and would be "
            f"on {100 * would_be:.1f} % with {meant}; --classes gives the order of the logits"
        )
