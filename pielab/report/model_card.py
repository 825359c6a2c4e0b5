"""The model card of an exported seed, README.md in the Hub's format, from the records and PIEs of its study."""

import json
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from markupsafe import Markup
from safetensors import safe_open

from pielab.compression import pruners
from pielab.data import glue, tasks
from pielab.report import markdown, model_card_results, model_card_use, provenance
from pielab.store import records, settings
from pielab.store.paths import Configuration

# The Hub's names of the metrics that have other ones here, and of data sets that pielab reads by a name of their own.
METRICS = {"macro-F1": "f1", "F1": "f1", "Matthews correlation": "matthews_correlation"}
DATASETS = {"imdb": "stanfordnlp/imdb", "snli": "stanfordnlp/snli"}
REMOVED = {
    "magnitude": "the weights of the smallest magnitude",
    "impact": "the weights whose removal changes the loss least, to first order",
    "random": "weights chosen at random",
    "importance": "the weights whose smoothed, uncertain importance to the loss is lowest (PINS)",
    "activation": "the weights whose magnitude, times the norm of their inputs, is lowest (Wanda)",
}
SCOPES = {"local": "in each matrix", "row": "in each row of a matrix", "global": "over all matrices together"}
SCHEDULES = {
    "iterative": "trained, then three times pruned and trained again",
    "nested": "trained, then pruned and trained again once for each level",
    "at initialization": "pruned at initialization, then trained",
    "gradual": "pruned while it was trained",
    "one-shot": "trained, then compressed in one step, and not trained again",
}
RETRAINING = {
    "fine-tuning": "from the values that the weights had",
    "rewinding": "from the initial values of the weights",
}


def text(seed_folder: Path, weights: Path, name: str, license: str | None = None) -> str:
    """The card of a seed, YAML and Markdown; what the study does not know is said to be unknown.

    seed_folder: in a study's results, with its record. weights: the folder with its safetensors files. name: of the
    folder it is written to. license: an identifier of the Hub's, such as "mit".

    Raises PielabError if a record or the PIEs of the configuration are damaged.
    """
    record = records.read(seed_folder)
    configuration, p = Configuration.of(record), record["parameters"]
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, finalize=markdown.escape, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.get_template("model_card.md")
    method = pruners.of(p) if "pruner" in p else None
    compressed = _compressed(record, method, weights) if method else {}
    filled = template.render(
        metadata=Markup(_metadata(record, name, license).to_yaml()),
        title=f"{configuration.model}, {configuration.title}",
        base=configuration.model,
        dataset=configuration.dataset,
        seed=record["seed"],
        n_seeds=len(list(seed_folder.parent.glob("[0-9]*/metrics.json"))),
        metric=record["metric"],
        score=f"{record['test']:.3f}",
        license=license,
        citations=Markup("\n\n".join(provenance.citations(record["versions"]["pielab"]).values())),
        **model_card_use.USE[tasks.of_record(record).hub](record, name),
        parameters=Markup(_parameters(record)),
        training=markdown.table(_training(record).items()),
        limits=_limits(record, _tags(record)),
        **compressed,
        **model_card_results.of_seeds(seed_folder, record),
        **model_card_results.of_pies(seed_folder.parents[1]),
    )
    ModelCard(filled)  # raises ValueError for a block of metadata that the Hub would not read
    return filled


def zeros(weights: Path) -> pd.DataFrame:
    """The weights of a folder's safetensors files, and how many are zero; a row a tensor, by name: size, zeros."""
    rows = {}
    for path in sorted(weights.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118, it is no dictionary
                tensor = file.get_tensor(name)
                rows[name] = (tensor.size, tensor.size - np.count_nonzero(tensor))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["size", "zeros"])


def _metadata(record: dict[str, Any], name: str, license: str | None) -> ModelCardData:
    """The front matter of the card, with the model's own results on the test texts."""
    dataset, is_of_hub = record["dataset"], "dataset_revision" in record
    is_glue = dataset.startswith(glue.PREFIX)
    hub = glue.HUB if is_glue else DATASETS.get(dataset, dataset.replace("--", "/", 1))
    hub = hub if is_of_hub else None  # a file of the same name is another data set
    kind, scores = tasks.of_record(record).hub, {record["metric"]: record["test"]}
    scores |= {metric: values["test"] for metric, values in record.get("further", {}).items()}
    base = {"base_model": record["parameters"]["model"], "base_model_relation": "finetune"}
    found = [
        EvalResult(
            task_type=kind,
            dataset_type=hub or dataset,
            dataset_name=dataset,
            dataset_config=dataset.removeprefix(glue.PREFIX) if hub == glue.HUB else None,
            dataset_split="test",
            dataset_revision=record.get("dataset_revision"),
            metric_type=METRICS.get(metric, metric),
            metric_name=metric,
            metric_value=value,
        )
        for metric, value in scores.items()
    ]
    return ModelCardData(
        license=license or "unknown",
        library_name="transformers",
        pipeline_tag=kind,
        tags=["pielab", *_tags(record)],
        datasets=[hub] if hub else None,
        metrics=list(dict.fromkeys(METRICS.get(metric, metric) for metric in scores)),
        model_name=name,
        eval_results=found,
        **(base if "model_revision" in record else {}),
    )


def _tags(record: dict[str, Any]) -> list[str]:
    if "pruner" not in record["parameters"]:
        return []
    method = pruners.of(record["parameters"])
    return [] if method.is_control else ["quantization" if method.score == "rounding" else "pruning"]


def _compressed(record: dict[str, Any], method: pruners.Pruner, weights: Path) -> dict[str, Any]:
    """What the card says of a compressed seed and not of an unpruned one."""
    return {
        "done": f"{'trained again' if method.is_control else 'compressed'} by {Configuration.of(record).title}",
        "method": _method(record, method),
        "compression": markdown.table(_compression(record, method, weights).items()),
        "packed": _packed_format(record, method),
    }


def _method(record: dict[str, Any], method: pruners.Pruner) -> str:
    """What happened to the weights, in a sentence."""
    setting, is_pruned = record["threshold"], record["sparsity"] > 0
    if method.is_control:
        return "Nothing was compressed: this model was trained as long as pruned ones are, to compare them with it."
    if method.score == "rounding":
        levels = 2 ** int(setting)
        return (
            f"Each compressed weight was rounded to the nearest of {levels} values, integers times a scale of its row."
        )
    kept = settings.pattern(setting)
    share = f"{kept[1] - kept[0]} of every {kept[1]} weights" if kept else f"{100 * record['sparsity']:.1f} %"
    removed = REMOVED.get(method.score or "", f"those weights that {method.score} chose")
    if method.is_own and not is_pruned:
        return f"The weights were changed by {method.score}, a function of the study's own."
    return f"{share} of the prunable weights were set to zero: {removed}, {SCOPES[method.scope]}."


def _compression(record: dict[str, Any], method: pruners.Pruner, weights: Path) -> dict[str, str]:
    counts = zeros(weights)
    compressed = counts.loc[counts.index.intersection(list(record["pruned"]))].sum()
    everything = counts.sum()
    rows = {"method": Configuration.of(record).title}
    if not method.is_control:
        rows["schedule"] = SCHEDULES[method.schedule]
    if method.retraining:
        rows["retraining"] = RETRAINING[method.retraining]
    share = f"{compressed['size']:,} of {everything['size']:,} weights"
    rows["prunable" if method.is_control else "compressed"] = f"{len(record['pruned'])} matrices, {share}"
    rows |= {"zeros in them": _share(compressed), "zeros in all weights": _share(everything)}
    for kind in ("stored", "packed"):
        size = record.get("size", {}).get(f"bytes_{kind}")
        rows[f"size {kind}"] = "not known" if size is None else f"{size / 1e6:.2f} MB"
    return rows


def _share(counts: pd.Series) -> str:
    return f"{100 * counts['zeros'] / max(1, counts['size']):.2f} % ({counts['zeros']:,})"


def _packed_format(record: dict[str, Any], method: pruners.Pruner) -> str:
    if method.score == "rounding":
        return f"integers of {record['threshold']:g} bits with a scale for each row"
    kept = settings.pattern(record["threshold"])
    return "the values left and their places" if kept else "a bitmap with the values left"


def _training(record: dict[str, Any]) -> dict[str, str]:
    p, versions = record["parameters"], record["versions"]
    rows = {"base model": _with_commit(record, "model"), "data": _with_commit(record, "dataset")}
    rows["classes"] = ", ".join(record.get("classes", ["not known"]))
    rows["examples of a split, at most"] = p["limit"] and f"{p['limit']:,}"
    rows["task"] = tasks.of_record(record).answer
    names = ["epochs", "batch_size", "learning_rate", "warmup", "decay", "weight_decay", "budget", "max_tokens"]
    rows |= {name.replace("_", " "): p.get(name) for name in [*names, "max_answer_tokens"]}
    rows |= {"seed": record["seed"], "precision": record["precision"], "device": record["device"]}
    rows["versions"] = ", ".join(f"{name} {number}" for name, number in versions.items())
    return {name: str(value) for name, value in rows.items() if value is not None}


def _with_commit(record: dict[str, Any], name: str) -> str:
    commit = record.get(f"{name}_revision")
    return f"{record[name]} at {commit}" if commit else record[name]


def _parameters(record: dict[str, Any]) -> str:
    """The recipe as JSON, without the BiLSTM's and with the model's name for its path, which may be a private one."""
    recipe = {name: value for name, value in record["parameters"].items() if name not in ("word_vectors", "padding")}
    return json.dumps(recipe | {"model": record["model"]}, indent=1, ensure_ascii=False)


def _limits(record: dict[str, Any], tags: list[str]) -> list[str]:
    stored = {"pruning": "The zeros are values in dense tensors", "quantization": "The rounded weights are floats"}
    found = [f"{stored[tag]}: the files are not smaller and the model is not faster by itself." for tag in tags]
    found.append("All was counted on the test texts of these data alone; on other texts it may be otherwise.")
    if record["precision"] != "float32":
        found.append(f"The study computed in {record['precision']}; in float32, logits differ by rounding.")
    return found
