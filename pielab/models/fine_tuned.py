"""Models that are trained already: folders of save_pretrained, Hub ids, and the folders of a study's seeds."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_model
from torch import nn

from pielab.compression import masks
from pielab.data import tasks
from pielab.data.prediction_texts import PredictionTexts
from pielab.errors import PielabError, TransientError, as_transient, first_line, warn
from pielab.models import classifier, generation, padding_token, prediction_models, pretrained, saved_files
from pielab.models.encoders import TextEncoder
from pielab.models.targets import TargetEncoder
from pielab.models.tokens import Tokens
from pielab.progress import counted
from pielab.store import digests, paths, predictions, records

# What is fetched of a model on the Hub: configuration, tokenizer and weights, without copies in other formats.
HUB_FILES = [*classifier.WEIGHT_FILES, "model-*-of-*.safetensors", "adapter_config.json", "tokenizer*", "vocab*"]
HUB_FILES += ["merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model"]


@dataclass(frozen=True)
class FineTuned:
    """A trained classifier of texts, or of their words, or reader of questions, with the texts encoded for it.

    given: its folder or Hub id, as the user gave it. parts: of its path, the last of which name it best. commit: on the
    Hub, else None. digest: a hash of its configuration and weights. class_names: in the order of its logits, None if a
    seed's record does not say them. multi_label: None if it does not say. decision_threshold: the probability above
    which a multi-label model predicts a class; by how much no answer to a question must exceed the best one, None if
    all have an answer. build: the model with its weights, which are checked, on the CPU.
    """

    given: str
    parts: tuple[str, ...]
    commit: str | None
    digest: str
    class_names: list[str] | None
    n_classes: int
    multi_label: bool | None
    decision_threshold: float | None
    encoder: TextEncoder = field(repr=False)
    tokens: Tokens = field(repr=False)
    build: Callable[[], nn.Module] = field(repr=False)


def check(given: str, texts: PredictionTexts, max_tokens: int | None = None, revision: str | None = None) -> FineTuned:
    """A trained model, all of whose files but the weights are checked, with the texts encoded for it.

    given: a folder with config.json, safetensors weights and a tokenizer, as save_pretrained writes; the Hub id of
        such; or the folder of a seed in a study's results. max_tokens: as many as the model reads if None, or as many
        as the seed read in its study. revision: a branch, tag or commit of a Hub id, None for the latest commit.

    Raises PielabError if a file is missing or does not belong to the others, if it is no sequence classifier (of words,
    no token classifier) or needs Python code from its folder, or if it reads fewer tokens.
    """
    path = paths.find(given)
    if path is None and given in {"bilstm", "minilm", "minilm-2l"}:
        raise PielabError(
            "model-not-fine-tuned",
            f"{given} is what a study's models start from, and predicts no classes",
            "give the folder of a trained seed, such as results/demo/bbc-news-minilm-2l/dense/seeds/00",
        )
    if path is None:
        return _open_hub(given, texts, max_tokens, revision)
    if not path.is_dir():
        raise PielabError("model-is-a-file", f"{given} is a file", "give the folder of a model, with its config.json")
    if revision:
        raise PielabError(
            "revision-of-a-folder",
            f"--revision {revision} was given, and {given} is a folder here",
            "give a Hub id, or leave --revision out",
        )
    folder = Path(os.path.normpath(Path.cwd() / path))  # links stay, because their names tell models apart
    if (folder / "metrics.json").exists() and not (folder / "config.json").exists():
        return _open_seed(given, folder, texts, max_tokens)
    if folder.name == "model" and folder.parents[1].name == "seeds":
        return _open_seed(given, folder.parent, texts, max_tokens)
    saved_files.check(given, folder)
    with _fine_tuned(given):
        return _open_saved(given, folder.parts, texts, max_tokens)


def _open_hub(given: str, texts: PredictionTexts, max_tokens: int | None, revision: str | None) -> FineTuned:
    from huggingface_hub import snapshot_download

    at = f"at {revision} " if revision else ""
    try:
        if given.startswith((".", "/", "~")):
            raise FileNotFoundError("it is no Hub id")
        with as_transient("the model"):
            folder = Path(snapshot_download(given, revision=revision, allow_patterns=HUB_FILES))
    except TransientError:
        raise
    except Exception as error:  # the Hub's client raises errors of many kinds
        raise PielabError(
            "no-such-model",
            f"there is no folder {given} here, and the Hub does not give that model {at}({first_line(error)})",
            "give a folder of save_pretrained, a seed's folder, or a Hub id that this machine can fetch",
        ) from None
    saved_files.check(given, folder)
    with _fine_tuned(given):
        return _open_saved(given, tuple(given.split("/")), texts, max_tokens, commit=folder.name)


def _open_saved(
    given: str, parts: tuple[str, ...], texts: PredictionTexts, max_tokens: int | None, commit: str | None = None
) -> FineTuned:
    config = pretrained.load_config(given, revision=commit)
    head = prediction_models.head(texts, config)
    n_classes, multi_label = saved_files.check_config(given, config, head)
    encoder = prediction_models.encoder(given, config, texts, max_tokens, commit)
    with pretrained.loading(given):
        tokens = prediction_models.encode_apart(encoder, texts) or encoder.encode_with_types(
            texts.firsts, texts.seconds
        )
    types = None if texts.generated else tokens.types
    if types is not None and not pretrained.embeds_types(pretrained.without_weights(given, config), types):
        tokens = Tokens(tokens.ids, tokens.starts)
    return FineTuned(
        given=given,
        parts=parts,
        commit=commit,
        digest=classifier.contents(given, commit)[0],
        class_names=prediction_models.class_names(texts, config),
        n_classes=n_classes,
        multi_label=multi_label,
        decision_threshold=None if texts.asked or texts.generated else 0.5,
        encoder=encoder,
        tokens=tokens,
        build=lambda: _load_of(texts, given, config, commit),
    )


def _open_seed(given: str, folder: Path, texts: PredictionTexts, max_tokens: int | None) -> FineTuned:
    """A seed of a study, read as the study read it."""
    record, weights, saved = records.read(folder), folder / "weights.safetensors", folder / "model"
    p = record.get("parameters")
    if p is None or not (weights.exists() or saved.is_dir()):
        raise PielabError(
            "seed-without-weights",
            f"{folder} has the predictions of a seed, and not its weights",
            "give an unpruned seed, or prune it again with save_weights: true under another study name",
        )
    task = record.get("task")
    if task != prediction_models.task_of(texts):
        has = prediction_models.HAS[prediction_models.task_of(texts)]
        gives = tasks.TASKS[task].answer if task else "a text its labels"
        raise PielabError(
            "seed-of-another-task",
            f"{folder} gives {gives}, and {texts.where} has {has}",
            "give a .conll file or lists of words to models of tagged words, questions with contexts to readers, "
            "sources by --target or --generate to models that write texts, and texts to classifiers",
        )
    n_classes, commit = predictions.read_file(folder / "test.parquet").shape[1], record.get("model_revision")
    max_tokens = max_tokens or p["max_tokens"]
    encoder: TextEncoder
    if saved.is_dir():
        config = pretrained.load_config(str(saved))
        encoder = prediction_models.encoder(str(saved), config, texts, max_tokens)
    elif task:
        encoder = prediction_models.MODELS[task].encoder(p["model"], texts.joined, max_tokens, revision=commit)
    else:
        encoder = classifier.encoder(p["model"], texts.joined, max_tokens, p["word_vectors"], p["padding"], commit)

    if isinstance(encoder, TargetEncoder) and p.get("max_answer_tokens"):
        encoder = replace(encoder, max_answer_tokens=p["max_answer_tokens"])

    def build() -> nn.Module:
        if saved.is_dir():
            return _load_of(texts, str(saved), config)
        options = {"vectors": getattr(encoder, "vectors", None), "num_hidden_layers": p["num_hidden_layers"]}
        network = prediction_models.MODELS.get(task, classifier).build(
            p["model"], n_classes, **options, revision=commit
        )
        with records.checked_read(weights, records.retraining_cure(folder)):
            load_model(network, weights)
        return network

    threshold = record["decision_threshold"]
    if not saved.is_dir():
        classifier.check_same_files(given, record)
    return FineTuned(
        given=given,
        parts=folder.parts,
        commit=commit,
        digest=classifier.contents(str(saved))[0] if saved.is_dir() else digests.of(weights),
        class_names=record.get("classes"),
        n_classes=n_classes,
        multi_label=threshold is not None and not (texts.asked or texts.generated),
        decision_threshold=0.5 if threshold is None and not (texts.asked or texts.generated) else threshold,
        encoder=encoder,
        tokens=prediction_models.encode_apart(encoder, texts)
        or encoder.encode(texts.joined, texts.seconds and texts.firsts),
        build=build,
    )


def decided(model: FineTuned, texts: PredictionTexts, threshold: float | None) -> FineTuned:
    """The model, which says whether a text may have several classes, and above which probability it has one.

    threshold: of the user, None if not given; of questions by how much the score of no answer must exceed the best.

    Raises PielabError if a text may in the data, and the model gives one; or if there is a threshold and none may.
    """
    if texts.generated and threshold is not None:
        raise PielabError(
            "threshold-of-generated-texts",
            f"--decision-threshold {threshold:g} was given, and {model.given} writes texts",
            "leave it out",
        )
    if texts.asked or texts.generated:
        return replace(model, decision_threshold=model.decision_threshold if threshold is None else threshold)
    if threshold is not None and not 0 <= threshold < 1:
        raise PielabError(
            "threshold-not-a-probability",
            f"--decision-threshold {threshold:g} is not a probability from 0 to below 1",
            "give one, such as 0.5",
        )
    if texts.multi_label and model.multi_label is False:
        raise PielabError(
            "model-of-one-label",
            f"{texts.where} has several labels to a text, and {model.given} gives each one class",
            "give a model whose config.json has the problem_type multi_label_classification, or a column of one label",
        )
    if threshold is not None and not (texts.multi_label or model.multi_label):
        raise PielabError(
            "threshold-of-one-label",
            f"--decision-threshold {threshold:g} was given, and {model.given} gives each text one class, the likeliest",
            "leave it out, or give a model whose config.json has the problem_type multi_label_classification",
        )
    above = model.decision_threshold if threshold is None else threshold
    if texts.multi_label and model.multi_label is None:
        warn(f"config.json of {model.given} has no problem_type: each class above probability {above:g} is predicted")
    return replace(model, multi_label=bool(texts.multi_label or model.multi_label), decision_threshold=above)


def _load_of(texts: PredictionTexts, model: str, config: Any, revision: str | None = None) -> nn.Module:
    if texts.generated:
        with _fine_tuned(model):
            return generation.build(model, revision=revision)
    return load(model, config, revision, prediction_models.head(texts, config))


def load(model: str, config: Any, revision: str | None = None, head: str = pretrained.HEAD) -> nn.Module:
    """A classifier with all its weights, in float32; PielabError if one is missing or of another size."""
    with _fine_tuned(model):
        network, info = pretrained.read_weights(model, config, revision, head)
    if missing := sorted(info["missing_keys"]):
        raise PielabError(
            "fine-tuned-weights-missing",
            f"the weights of {model} lack {len(missing)} of {type(network).__name__}, such as {missing[0]}",
            "give a folder that was saved after fine-tuning, with its classification layer",
        )
    if resized := sorted(key for key, *_ in info["mismatched_keys"]):
        raise PielabError(
            "fine-tuned-weights-of-another-size",
            f"{len(resized)} weights of {model} have other sizes than its config.json says, such as {resized[0]}",
            "give a folder whose weights belong to its config.json, the number of classes included",
        )
    if unexpected := sorted(info["unexpected_keys"]):
        _warn_once(
            f"{type(network).__name__} has no place for {counted(len(unexpected), 'weight')} of {model}, such as "
            f"{unexpected[0]}: left out"
        )
    with _fine_tuned(model):
        padding_token.check_padding(model, network)
    last = masks.last_layer(network)
    if type(last) is nn.Linear:
        last.__class__ = classifier.FullPrecision
    return network


_warn_once = functools.cache(warn)  # not again when weights that were checked are loaded to predict


@contextmanager
def _fine_tuned(given: str) -> Iterator[None]:
    """The message of `pretrained.loading` in words that fit here, where no model starts from its first weights."""
    try:
        yield
    except PielabError as error:
        if error.id != "model-not-loaded":
            raise
        reason = first_line(error.__context__) if error.__context__ else "no reason given"
        raise PielabError(
            "fine-tuned-model-not-loaded",
            f"{given} could not be loaded by transformers ({reason})",
            "give a folder of save_pretrained with all its files, those of the tokenizer included",
        ) from None
