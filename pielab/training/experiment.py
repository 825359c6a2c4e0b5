"""Encode the texts of a configuration, and run a model on it: build, train, predict."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from datasets import DatasetDict
from torch import Tensor, nn

from pielab.compression.gradual import Gradual
from pielab.compression.schedules import Schedule, share
from pielab.config.parameters import BuildParameters, PruneParameters, TrainParameters
from pielab.data import datasets, tasks
from pielab.errors import PielabError, require
from pielab.models import classifier
from pielab.models.encoders import TextEncoder, WordEncoder
from pielab.models.targets import TargetEncoder
from pielab.models.tokens import Tokens
from pielab.store import records
from pielab.training import decoding, loop, precisions
from pielab.training.tasks import TASKS, TrainingTask
from pielab.training.workers import OnEpoch

# The parameters of an experiment; an experiment with PruneParameters is one with TrainParameters as well.
P = TypeVar("P", bound=BuildParameters)
P_co = TypeVar("P_co", bound=BuildParameters, covariant=True)


@dataclass(frozen=True)
class Experiment(Generic[P_co]):
    """A configuration with its texts encoded, shared by all its seeds.

    precision: of training and predictions (`loop.choose_precision`). encoder: of the model (`classifier.encoder`).
    tokens: of the texts of each split. seconds: the second texts of pairs, and none of others. targets: of each split,
    class ids (examples,), multi-hot (examples, classes) float, `entities.Tags`, `span_answers.GoldAnswers` or
    `text_answers.GoldTexts`.
    class_names: in the order of the ids. data_digest: a hash of texts and labels. task: of the data set
    (`datasets.task_of`).
    inputs: hashes of what the parameters only name, "token_ids" and "word_vectors" or "model_files"; they do not depend
    on a file's path or date. revisions: "model_revision" and "dataset_revision", the commits of what is on the Hub;
    all seeds start from that of the model.
    """

    parameters: P_co
    device: torch.device
    precision: torch.dtype
    encoder: TextEncoder = field(repr=False)
    tokens: dict[str, Tokens] = field(repr=False)
    seconds: dict[str, list[str]] = field(repr=False)
    targets: dict[str, Any] = field(repr=False)
    class_names: list[str]
    data_digest: str
    task: tasks.Task = field(repr=False)
    inputs: dict[str, str]
    revisions: dict[str, str]

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def metric(self) -> str:
        """The metric that models are compared by, such as "accuracy"."""
        return self.task.metric

    @property
    def precision_name(self) -> str:
        """What "auto" stands for on this machine, such as "bfloat16"."""
        return str(self.precision).removeprefix("torch.")

    @property
    def training_task(self) -> TrainingTask:
        """The half of the task that needs torch."""
        return TASKS[self.task.name]

    def recipe(self, kind: type[BuildParameters] | None = None) -> dict[str, Any]:
        """The parameters that a seed's result depends on, by name, and the digest of its data.

        kind: TrainParameters leaves out those that unpruned models do not depend on.
        """
        truncation = {"truncation": "longest_first"} if self.encoder.cuts_pairs else {}
        return self.parameters.recipe(kind) | {"data": self.data_digest} | truncation

    def seed_process(self) -> None:
        """Set threads and deterministic kernels, so that a seed's result does not depend on the process."""
        torch.set_num_threads(self.parameters.threads)
        if self.device.type == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)

    def build(self, seed: int) -> nn.Module:
        """The model in a seed's initial state, on the device."""
        p = self.parameters
        options = {"vectors": getattr(self.encoder, "vectors", None), "num_hidden_layers": p.num_hidden_layers}
        options["revision"] = self.revisions.get("model_revision")
        return self.training_task.models.build(p.model, self.n_classes, seed, **options).to(self.device)

    def train(
        self: "Experiment[TrainParameters]",
        model: nn.Module,
        seed: int,
        phase: int,
        epochs: int,
        on_epoch: OnEpoch,
        **options: Any,
    ) -> list[float]:
        """Train in place on the training split; returns the mean loss of each epoch.

        phase: the number of the pruning step, from 1, or 0 if unpruned; order and dropout differ between phases.
        options: further ones of `loop.train`: weights, masks, gradual, teacher.
        """
        p = self.parameters
        options |= {"epochs": epochs, "batch_size": p.batch_size, "learning_rate": p.learning_rate}
        options |= {"warmup": p.warmup, "decay": p.decay, "weight_decay": p.weight_decay}
        options |= {"bucketed": p.bucketed, "precision": self.precision, "seed": loop.derive_seed(seed, phase)}
        task = self.training_task
        data = (self.encoder, self.tokens["train"], task.gold(self.targets["train"], self.tokens["train"]))
        return loop.train(model, *data, **options, task=task, on_epoch=on_epoch)

    def predict(self, model: nn.Module, split: str) -> Any:
        """Logits (examples, classes) float32 of a split, (words, tags), or (candidates, 2); or `decoding.Generated`."""
        return self._predict(model, split, self.precision)

    def _predict(self, model: nn.Module, split: str, precision: torch.dtype, batch_size: int | None = None) -> Any:
        if isinstance(self.encoder, TargetEncoder):
            given = (self.encoder, self.tokens[split], self.targets[split])
            return decoding.predict(model, *given, precision, batch_size)
        return loop.predict(model, self.encoder, self.tokens[split], precision, batch_size)

    def read(self, logits: Any, split: str) -> Any:
        """What the answers of a split are read from: the logits, or of questions the best part of each context."""
        longest = self.parameters.max_answer_tokens
        return self.training_task.read(logits, self.tokens[split], self.seconds[split], longest)

    def predict_otherwise(self: "Experiment[TrainParameters]", model: nn.Module) -> dict[str, Any]:
        """The same of the test split in batches as in training, and in the other precision.

        What they change is the numerical null of a change of the weights. Keys: "test-batch-size", and "test-precision"
        if the device can compute in it.
        """
        predict = partial(self._predict, model, "test")
        logits = {"test-batch-size": predict(self.precision, self.parameters.batch_size)}
        other = torch.float32 if self.precision == torch.bfloat16 else torch.bfloat16
        if self.device.type != "mps" and precisions.can_compute(
            model, other
        ):  # on MPS it depends on the version of macOS
            logits["test-precision"] = predict(other)
        return logits


def prepare(parameters: P, data: DatasetDict) -> Experiment[P]:
    """Encode the texts for the model and choose the device.

    Raises PielabError if there are no training texts, if the machine lacks the device or a package that metrics need,
    if the model cannot be loaded, or if the schedule of a gradual pruner does not fit the steps of the training.
    """
    p = parameters
    if not len(data["train"]):
        raise PielabError(
            "empty-training-split", f"{p.dataset} has no training texts", "put a train file beside its test file"
        )
    device = loop.choose_device(p.device)
    task = datasets.task_of(p.dataset, data)
    require(task.packages)
    if p.max_answer_tokens and TASKS[task.name].error_norms is None:
        raise PielabError(
            "max-answer-tokens-of-labels",
            f"max_answer_tokens = {p.max_answer_tokens} was given, and the answers of {p.dataset} are no texts: "
            f"{task.answer}",
            "leave it out",
        )
    model_files, revision = classifier.contents(p.model, p.model_revision)
    encoder, tokens = TASKS[task.name].encode(data, p.model_copy(update={"model_revision": revision}))
    commits = {"model_revision": revision, "dataset_revision": datasets.revision(data)}
    experiment = Experiment(
        parameters=p,
        device=device,
        precision=loop.choose_precision(p.precision, device),
        encoder=encoder,
        tokens=tokens,
        seconds={
            split: data[split]["text_pair"] if "text_pair" in data[split].column_names else [] for split in tokens
        },
        targets={split: datasets.targets(data[split]) for split in datasets.SPLITS},
        class_names=datasets.class_names(data),
        data_digest=datasets.digest(data),
        task=task,
        inputs=_inputs(encoder, tokens, model_files),
        revisions={name: commit for name, commit in commits.items() if commit},
    )
    if isinstance(p, PruneParameters) and p.method.schedule == "gradual" and not p.method.is_control:
        gradual(p, len(tokens["train"]), {})  # raises PielabError before anything is trained
    experiment.seed_process()
    return experiment


def _inputs(encoder: TextEncoder, tokens: dict[str, Tokens], model_files: str) -> dict[str, str]:
    """`Experiment.inputs`: the arrays themselves, so that a tokenizer's or word vectors' file and version show in them.

    model_files: the hash of a transformer's files, which word vectors replace.
    """
    decoded = [part.decoder for part in tokens.values() if part.decoder]
    parts = [*tokens.values(), *decoded]
    of_split = [(part.starts, part.ids, part.first, part.types, part.offsets, part.labels) for part in parts]
    arrays = [array for part in of_split for array in part if array is not None]
    source = {"model_files": model_files}
    if isinstance(encoder, WordEncoder):
        source = {"word_vectors": records.digest_arrays(encoder.vectors)}
    return {"token_ids": records.digest_arrays(np.array(encoder.padding, np.int64), *arrays)} | source


def gradual(p: PruneParameters, n_texts: int, weights: Mapping[str, Tensor]) -> Gradual:
    """The gradual pruner of these weights; PielabError if its schedule does not fit the steps of the training."""
    schedule = Schedule(**{field.name: getattr(p, field.name) for field in dataclasses.fields(Schedule)})
    steps = p.epochs * -(-n_texts // p.batch_size)
    return Gradual(weights, p.method, share(p.method, p.threshold), steps, schedule)
