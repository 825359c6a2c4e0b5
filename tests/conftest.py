"""Small data that the tests make themselves, and a place of their own for results."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Small models are quickest with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
import yaml

from pielab.errors import PielabError

with contextlib.suppress(ModuleNotFoundError):  # a machine with a GPU may lack it, and test_gpu needs none
    from hypothesis import settings

    # The same examples in every run, and no limit on the time of one: a busy machine is no failure.
    settings.register_profile("pielab", deadline=None, derandomize=True, max_examples=50)
    settings.load_profile("pielab")

# The files that take longest. They are the first, so that no process is left alone with one of them at the end.
LONGEST = ("slurm", "workflow", "notebooks", "benchmarks", "runs", "run", "importing", "own_functions")
# What a notebook is told of texts in a file of the columns text and label.
COLUMNS = {
    "data_dir": None,
    "text": "text",
    "text_pair": None,
    "label": "label",
    "label_separator": None,
    "group": None,
    "limit": None,
}
TOPICS = {
    "animals": ["cat", "dog", "horse", "cow", "sheep", "goat", "bird", "fish", "mouse", "wolf"],
    "food": ["bread", "milk", "cheese", "apple", "pear", "soup", "rice", "bean", "salt", "cake"],
    "weather": ["rain", "snow", "wind", "storm", "cloud", "frost", "hail", "sun", "fog", "ice"],
}
PROJECT = Path(__file__).parents[1]
FILLERS = ["the", "a", "of", "and", "with", "near", "some", "every", "old", "new"]


def pytest_collection_modifyitems(items):
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def make_texts(number: int, seed: int = 0) -> pd.DataFrame:
    """Texts of eight words whose topic words tell their class; columns text, label."""
    random = np.random.default_rng(seed)
    rows = []
    for index in range(number):
        topic = list(TOPICS)[index % len(TOPICS)]
        words = [*random.choice(TOPICS[topic], size=3), *random.choice(FILLERS, size=5)]
        rows.append({"text": " ".join(random.permutation(words)), "label": topic})
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, so that results and Snakemake's records stay out of the user's."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params", "workflow", "pielab"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this package, built without a network."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("notebooks", "params", "workflow", "pielab"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def install(folder: Path, wheel: Path) -> tuple[Path, Path]:
    """A virtual environment with nothing but a wheel: its Python, and its folder of packages."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    return folder / "bin/python", site


@contextlib.contextmanager
def refused(id: str, cure: str = "", problem: str = "", kind: type[PielabError] = PielabError):
    """What is inside must raise the message of that id, with these parts of its cure and of its problem."""
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.id == id, str(caught.value)
    assert cure in caught.value.cure and problem in caught.value.problem, str(caught.value)
    assert "\n" not in str(caught.value)


def wait_for(what: str, sign: Callable[[], Any]) -> Any:
    """What `sign` gives, as soon as it gives something; minutes without it are a failure, on a busy machine too."""
    end = time.monotonic() + 300
    while not (found := sign()):
        assert time.monotonic() < end, f"no {what} after 300 s"
        time.sleep(0.1)
    return found


def run_cells(name: str, **parameters) -> dict:
    """Runs the cells of a notebook in this process, with these names in place of its parameters; gives its names."""
    cells = json.loads((PROJECT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    for cell in cells:
        if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", []):
            exec("".join(cell["source"]), parameters)
    return parameters


def snakemake_command(study: str, *options: str, profile: str = "default") -> list[str]:
    """Snakemake on a study, as a user runs it in the project's folder."""
    command = [sys.executable, "-m", "snakemake", "--profile", f"workflow/profiles/{profile}"]
    return [*command, "--configfile", f"params/studies/{study}.yaml", *options]


def snakemake(project: Path, study: str, *options: str) -> subprocess.CompletedProcess:
    """A study run to its end on this machine."""
    return subprocess.run(
        snakemake_command(study, "--cores", "2", *options),
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        check=False,
    )


def write_study(project: Path, name: str, **changes) -> None:
    """The smoke study under another name, its configuration changed."""
    config = yaml.safe_load((PROJECT / "params/studies/smoke.yaml").read_text()) | {"study": name}
    config["configurations"][0] |= changes
    (project / f"params/studies/{name}.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture(scope="session")
def texts_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "topics.csv"
    make_texts(180).to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="session")
def vectors_file(tmp_path_factory):
    """Word vectors of width 6 for the words of make_texts, as a text file."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    random = np.random.default_rng(0)
    words = [word for topic in TOPICS.values() for word in topic] + FILLERS
    path.write_text("".join(f"{word} {' '.join(f'{each:.4f}' for each in random.normal(size=6))}\n" for word in words))
    return str(path)


@pytest.fixture
def given(tmp_path, texts_csv, vectors_file):
    """The parameters of a run of a second, as a notebook would give them; tests change what they are about."""
    return {
        "study": "test",
        "results": str(tmp_path / "results"),
        "dataset": texts_csv,
        **COLUMNS,
        "model": "bilstm",
        "num_hidden_layers": None,
        "word_vectors": vectors_file,
        "padding": "random",
        "max_tokens": 8,
        "epochs": 2,
        "batch_size": 16,
        "learning_rate": 5e-3,
        "seeds": "0-1",
        "device": "cpu",
        "threads": 1,
        "precision": "auto",
        "bucketed": True,
        "workers": 1,
        "pruner": "IMP-FT",
        "threshold": 60,
        "levels": None,
        "impact_examples": 20,
        "prune_layer_norm": False,
        "save_weights": False,
        "window": 2,
    }


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory):
    """A folder with a BERT of two layers, random weights and a vocabulary of the made texts."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-bert")
    words = [word for topic in TOPICS.values() for word in topic] + FILLERS
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        num_labels=3,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


def write_tagger(folder: Path, reads: int) -> None:
    """A BERT of two layers without a head, some of whose words are two tokens; it reads so many tokens."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    pieces = ["the", "near", "see", "run", "cat", "dog", "bird", "wolve", "##s"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    sizes |= {"vocab_size": len(vocabulary), "max_position_embeddings": reads, "initializer_range": 0.3}
    BertModel(BertConfig(**sizes)).save_pretrained(folder)


def write_generator(folder: Path, kind: str, texts: list[str], reads: int) -> None:
    """A "gpt2" or "t5" of two layers that reads so many tokens, its tokenizer trained on the texts.

    As those on the Hub, the GPT-2 has no token to pad with, and the T5's tokenizer ends each text.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from tokenizers.trainers import BpeTrainer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<pad>", "</s>"] if kind == "t5" else ["</s>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    end = backend.token_to_id("</s>")
    sizes = {"vocab_size": backend.get_vocab_size(), "eos_token_id": end}
    torch.manual_seed(0)
    if kind == "gpt2":
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")
        sizes |= {"n_positions": reads, "n_embd": 32, "n_layer": 2, "n_head": 2, "bos_token_id": end}
        model = GPT2LMHeadModel(GPT2Config(**sizes, initializer_range=0.2))
    else:
        backend.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", end)])
        names = {"eos_token": "</s>", "pad_token": "<pad>"}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=reads, **names)
        sizes |= {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "pad_token_id": 0}
        model = T5ForConditionalGeneration(T5Config(**sizes, decoder_start_token_id=0))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def has_recurrent_bfloat16() -> bool:
    """Whether this CPU has the BiLSTM's layers in bfloat16, as one with AVX-512 does."""
    import torch

    from pielab.training import precisions

    return precisions.can_compute(torch.nn.LSTM(1, 1), torch.bfloat16)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium without a window and without a network."""
    places = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(places):
        pytest.skip("no chromium and chromedriver here (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = places[0]
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=2600,1600",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=places[1]))
    yield driver
    driver.quit()


def until(driver, condition):
    """Wait until the page is as it should be: it draws the table a moment after a click."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 20).until(lambda _: condition())


@contextlib.contextmanager
def screen(driver, width, scheme):
    """A screen of this width in pixels, a phone if it is narrow, whose reader prefers the scheme, light or dark."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def contrast(driver):
    """How many texts a page shows, and which of them have a contrast below the 4.5 to 1 of WCAG 2.2 AA."""
    return driver.execute_script(CONTRAST)


CONTRAST = """
const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = color => {
  const [red, green, blue] = color.match(/[\\d.]+/g).map(value => channel(value / 255));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = node => {
  for (; node; node = node.parentElement) {
    const color = getComputedStyle(node).backgroundColor;
    if (!color.startsWith("rgba")) return color;
  }
};
const contrast = node => {
  const [dark, light] = [getComputedStyle(node).color, behind(node)].map(luminance).sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const isText = node => [...node.childNodes].some(child => child.data?.trim()) && node.checkVisibility();
const texts = [...document.querySelectorAll("body *")].filter(isText);
return [texts.length, texts.filter(node => contrast(node) < 4.5).map(node => node.outerHTML)];
"""
