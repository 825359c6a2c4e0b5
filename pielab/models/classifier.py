"""The paper's BiLSTM, and any Hugging Face sequence classifier."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pielab.compression import masks
from pielab.config.types import check_layers
from pielab.errors import PielabError
from pielab.models import encoders, padding_token, pretrained

INDEX = "model.safetensors.index.json"
LONGEST_TEXT = 10**6  # transformers write a limit that is none as 1e30
# What a model's initial state is read from; its tokenizer shows in the token ids.
WEIGHT_FILES = ("config.json", "model.safetensors", INDEX)


class Output(NamedTuple):
    """A model's output, under the name that transformers use."""

    logits: Tensor


class FullPrecision(nn.Linear):
    """A linear layer that computes in its weights' precision, outside any autocast.

    As the last layer, it keeps logits from being rounded until classes tie.
    """

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.to(self.weight.dtype))


class BiLSTM(nn.Module):
    """Two bidirectional LSTM layers over frozen word vectors, then three linear layers (paper, A.1).

    The word vectors are inputs, not parameters: neither counted, trained nor pruned. The features are the
    forward output at the last position and the backward output at the first, each 100 wide.
    """

    vectors: Tensor

    def __init__(self, n_classes: int, vectors: np.ndarray, hidden: int = 100):
        super().__init__()
        self.n_classes = n_classes
        self.register_buffer("vectors", torch.from_numpy(vectors), persistent=False)
        self.lstm = nn.LSTM(vectors.shape[1], hidden, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(nn.Linear(2 * hidden, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU())
        self.classifier = FullPrecision(128, n_classes)

    def forward(self, input_ids: Tensor) -> Output:
        """Logits (examples, classes) from input_ids (examples, tokens)."""
        states, _ = self.lstm(nn.functional.embedding(input_ids, self.vectors))
        hidden = self.lstm.hidden_size
        features = torch.cat([states[:, -1, :hidden], states[:, 0, hidden:]], dim=1)
        return Output(self.classifier(self.head(features)))


def encoder(
    model: str,
    texts: Sequence[str] | None,
    max_tokens: int,
    word_vectors: str = "glove-6b-50d",
    padding: str = "random",
    revision: str | None = None,
) -> encoders.TextEncoder:
    """The encoder of a model's texts, after a warning if most of their words are unknown to the model.

    texts: all texts that it will read, or None for any text. A BiLSTM's vocabulary holds their words alone.
    revision: the branch, tag or commit of a model on the Hub; its latest commit if not given.

    Raises PielabError if the model cannot be loaded or reads fewer than `max_tokens`, or if its tokenizer is that of
    another model or knows none of the words.
    """
    if model == "bilstm":
        return encoders.word_encoder(texts, max_tokens, word_vectors, padding)
    config = pretrained.load_config(model, revision=revision)
    masks.prunable(pretrained.without_weights(model, config))  # raises PielabError before anything is trained
    return subword_encoder(model, config, texts, max_tokens, revision)


def subword_encoder(
    model: str,
    config: Any,
    texts: Sequence[str] | None,
    max_tokens: int | None,
    revision: str | None = None,
    head: str = pretrained.HEAD,
) -> encoders.SubwordEncoder:
    """`encoder` of a transformer; its configuration is given, and is given a token to pad with if it has none.

    max_tokens: as many as the model reads if None. head: of the model, as of `pretrained.HEAD`.
    """
    tokenizer = pretrained.load_tokenizer(model, revision)
    pretrained.check_size(model, tokenizer, config)
    pad = padding_token.set_padding(model, config, tokenizer)
    longest = min(tokenizer.model_max_length, pretrained.longest_text(pretrained.without_weights(model, config, head)))
    if max_tokens is None and longest > LONGEST_TEXT:
        raise PielabError(
            "max-tokens-not-given", f"{model} reads texts of any length", "give max_tokens, such as those it trained on"
        )
    max_tokens = max_tokens or int(longest)
    if max_tokens > longest:
        raise PielabError(
            "too-many-tokens", f"max_tokens = {max_tokens} is too many", f"{model} reads {longest} at most"
        )
    special = tokenizer.num_special_tokens_to_add(pair=False)
    if max_tokens <= special:
        raise PielabError(
            "too-few-tokens",
            f"max_tokens = {max_tokens} leaves nothing of a text, because {model} adds {special} tokens to each",
            f"give {special + 1} at least",
        )
    if tokenizer.pad_token_id is None:  # for those who load a saved model and its tokenizer
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad)
    unknown = pretrained.unknown_share(model, tokenizer, texts or [])
    return encoders.SubwordEncoder(tokenizer, max_tokens, pad, unknown, pretrained.n_embeddings(config))


def build(
    model: str,
    n_classes: int,
    seed: int = 0,
    *,
    vectors: np.ndarray | None = None,
    num_hidden_layers: int | None = None,
    revision: str | None = None,
    meta: bool = False,
    head: str = pretrained.HEAD,
) -> nn.Module:
    """A classifier in its initial state, which the seed fixes; it returns an object with `.logits`.

    model: "bilstm"; "minilm" (six pretrained layers, fetched) or "minilm-2l" (its first two); a Hub id such as
        "bert-base-uncased"; or the folder of a saved transformers model.
    vectors: the BiLSTM's word vectors (vocabulary, width) float32; all of GloVe 6B 50-d if not given.
    num_hidden_layers: keep only the first so many layers of a transformer.
    revision: as of `encoder`.
    meta: build a transformer from its configuration alone, on the meta device, without weights.
    head: of a transformer, as of `pretrained.HEAD`.

    Raises PielabError if the model cannot be loaded, lacks weights of its encoder or has too few layers.
    """
    torch.manual_seed(seed)
    if model == "bilstm":
        check_layers(model, num_hidden_layers)
        if vectors is None:
            vectors = encoders.word_encoder(None, 1).vectors
        return BiLSTM(n_classes, vectors)
    config = pretrained.load_config(model, num_hidden_layers, revision)
    config.num_labels = n_classes
    if meta:
        return pretrained.without_weights(model, config, head)
    padding_token.set_padding(model, config, revision=revision)
    network = pretrained.load_weights(model, config, revision, head)
    padding_token.check_padding(model, network)
    masks.last_layer(network).__class__ = FullPrecision
    return network


def count_parameters(model: nn.Module) -> int:
    """The number of trainable parameters, as in Table 5."""
    return sum(parameter.numel() for parameter in model.parameters())


def contents(model: str, revision: str | None = None) -> tuple[str, str | None]:
    """A hash of the configuration and the weights that a model starts from, "" for the BiLSTM; and its commit.

    Downloads them first if they are on the Hub; the commit is None if they are not. Other files beside them, their
    dates and their place change nothing.

    Raises PielabError if the model cannot be loaded, or if it has a revision and is not on the Hub.
    """
    from huggingface_hub import snapshot_download

    here = model == "bilstm" or Path(pretrained.source(model)[0]).is_dir()
    if revision and here:
        raise PielabError(
            "model-revision-without-hub",
            f"model_revision = {revision!r} is for a model on the Hub, and {model} is none",
            "give None, or the Hub id of a model",
        )
    if model == "bilstm":
        return "", None
    folder, commit, sha256 = Path(pretrained.source(model)[0]), None, hashlib.sha256()
    with pretrained.loading(model):
        if not here:
            patterns = [*WEIGHT_FILES, "model-*-of-*.safetensors"]
            folder = Path(snapshot_download(pretrained.source(model)[0], revision=revision, allow_patterns=patterns))
            commit = folder.name
        names = [name for name in WEIGHT_FILES if (folder / name).exists()]
        if INDEX in names:
            names += sorted(set(json.loads((folder / INDEX).read_text())["weight_map"].values()))
        for name in names:
            with (folder / name).open("rb") as file:
                sha256.update(name.encode() + hashlib.file_digest(file, "sha256").digest())
    if commit and not any(name.endswith(".safetensors") for name in names):
        sha256.update(commit.encode())  # transformers convert its weights, which are in other files
    return sha256.hexdigest()[:16], commit


def check_same_files(given: str, record: dict[str, Any]) -> None:
    """Raises PielabError if the model that a seed's record names has other files now than those it started from."""
    model, stored = record["parameters"]["model"], record.get("inputs", {}).get("model_files")
    if stored and stored != contents(model, record.get("model_revision"))[0]:
        raise PielabError(
            "seed-of-another-model",
            f"{given} was trained from other files of {model} than are here now",
            "bring those back, because the seed's tokenizer and configuration are theirs",
        )
