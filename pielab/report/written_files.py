"""What the files of a study hold: each kind of file with its columns or keys, their types and meanings."""

import re
from dataclasses import dataclass, field

CONFIGURATION = {
    "dataset": "string: the data set",
    "model": "string: the model",
    "pruner": "string: the pruner or other method; unpruned without any",
    "threshold": "number: percent pruned, bits of rounding, or a pattern such as 2of4; 0 if unpruned",
}
SEEDS = {"seeds": "integer: how many seeds"}
LEVEL = {"confidence": "number: the level of the intervals, 0.95"}
LOGITS = {
    "example": "integer: place in the split, from 0",
    "logits": "list of float32: one for each class, in their order; where only answers are known, `answer` in their "
    "place, an integer or a list of bool, and perhaps `error_norm`, float32: the L2 norm of p(x) - y. Of tagged words "
    "a list of these, one for each word; of questions `answer`, a string, `start`, its first character in the context, "
    "-1 for no answer, `score` and `error_norm`",
}
# What may stand in the place of a name in <>.
PLACES = {"<pair>": "(?!report/|logs/)[^/]+", "<notebook>": r"\d\d_\w+", "<seed>": r"\d+", "<number>": r"\d+"}


@dataclass(frozen=True)
class File:
    """A kind of file: its name below the study's folder, what it is, and what its columns or keys hold.

    columns: by name, the type (integer, number, string, bool, list or object) and the meaning. key: what the columns
    are called.
    """

    name: str
    about: str
    columns: dict[str, str] = field(default_factory=dict)
    key: str = "column"

    def matches(self, name: str) -> bool:
        """Whether the file of this name, such as "bbc-news-bilstm/dense/01_train.ipynb", is of this kind."""
        pattern = re.sub("<.+?>", lambda place: PLACES.get(place[0], "[^/]+"), re.escape(self.name))
        return re.fullmatch(pattern, name) is not None


ARCHIVE = (
    File("study.yaml", "the study, from which the configurations of a seed are known"),
    File(
        "<pair>/<seed>.parquet",
        "one seed: a row for each configuration; zstd",
        {
            "pruner": CONFIGURATION["pruner"],
            "threshold": "string: percent pruned, bits of rounding, or a pattern",
            "record": "string: metrics.json as it is",
            "predictions": "list: for each split its name, `split`; `answers`, class ids, or if texts have several "
            "labels one bit a class, filled up to bytes for each text (numpy.packbits); `logits_digest`, of the logits "
            "that they are of; `error_norms`, of the test and early predictions of unpruned models, the L2 norm of "
            "p(x) - y",
        },
    ),
)
SEED = "<pair>/<configuration>/seeds/<seed>"
PREDICTIONS = {
    "test.parquet": "logits of the test texts: all that the analysis needs",
    "train.parquet": "logits of the training texts",
    "early.parquet": "unpruned seeds: logits of the training texts early in training, for EL2N",
    "test-batch-size.parquet": "unpruned seeds: logits of the test texts in batches of another size",
    "test-precision.parquet": "unpruned seeds: the same in bfloat16 in place of float32, or back",
}
FILES = (
    File("study.yaml", "the study as last run, with the contents of its params files"),
    *(File(f"{SEED}/{name}", about, LOGITS) for name, about in PREDICTIONS.items()),
    File(
        f"{SEED}/metrics.json",
        "the record of a seed",
        CONFIGURATION
        | {
            "seed": "integer: the seed",
            "task": "string: if words are tagged: tokens; if questions are answered: spans",
            "classes": "list: names of the classes, or tags, in the order of the logits",
            "metric": "string: accuracy, macro-F1 or another",
            "train": "number: the metric on the training texts",
            "validation": "number: on the validation texts",
            "test": "number: on the test texts",
            "further": "object: if the task has more metrics: each on all three splits",
            "decision_threshold": "number: above which probability a class is predicted; null if texts have one label",
            "sparsity": "number: share of the prunable weights that is zero",
            "trainable": "integer: trained parameters",
            "size": "object: bytes_stored; bytes_packed, as the method's format would take; weights; nonzero",
            "seconds_per_text": "number: of predicting the test texts",
            "losses": "list: mean training loss of each epoch",
            "seconds": "number: of training and predicting",
            "pruned": "object: if pruned: how many weights of each matrix, and of how many",
            "starts_from": "string: if pruned: digest of the logits of the unpruned seed it starts from",
            "parameters": "object: every parameter that decides the result",
            "inputs": "object: digests of token ids, word vectors or the pretrained model",
            "model_revision": "string: if the model is on the Hub: its commit",
            "dataset_revision": "string: if the data are on the Hub: their commit",
            "device": "string: cpu, or the name of the GPU",
            "precision": "string: float32 or bfloat16",
            "workers": "integer: seeds that trained at once",
            "versions": "object: of pielab and the libraries that compute",
        },
        "key",
    ),
    File(f"{SEED}/weights.safetensors", "the trained weights of unpruned seeds; of pruned BiLSTMs with save_weights"),
    File(
        f"{SEED}/shared.safetensors",
        "unpruned seeds: the weights where pruners with an equal budget branch off",
    ),
    File(f"{SEED}/model/<file>", "pruned transformers with save_weights: the folder that from_pretrained loads"),
    File(f"{SEED}/digests.xxh128", "digests of the files of this folder, as `xxhsum --check` reads them"),
    File(
        "<pair>/<configuration>/pies.parquet",
        "the test texts with the votes on both sides; its metadata have the summary that 03_pies shows, as JSON. Of "
        "tagged words also `entities`, what models or the label say, such as 3-4 person (first word, last word, type), "
        "and `gold`, the places in it of the label's; votes are for these, and `label` has their types. Of questions "
        "`answers`, such as 12 Ada Lovelace (the first character in the context, and the words), and `gold` likewise; "
        "`label` has the word that asks. Of generated texts `unpruned_text` and `pruned_text`, which stand for the "
        "sides; votes are for wrong and right, and `label` is the length of the first target, 0 the shortest",
        {
            "example": "integer: place in the split, from 0",
            "label": "integer: its class; a list, if texts have several labels",
            "unpruned": "integer: the majority of the unpruned models; a list likewise",
            "unpruned_votes": "list of integer: how many unpruned models voted for each class",
            "pruned": "integer: the majority of the pruned models; a list likewise",
            "pruned_votes": "list of integer: how many pruned models voted for each class",
            "pie": "bool: whether the two majorities differ",
            "p_pie": "number: share of half-splits of the seeds in which it is a PIE",
            "p_null": "number: share of half-splits in which unpruned halves differ",
        },
    ),
    File(
        "<pair>/card.csv",
        "the data set, as in the paper's Tables 2 and 7",
        {"dataset": CONFIGURATION["dataset"]}
        | {name: f"integer: {name}ing examples" for name in ("train", "test")}
        | {"val": "integer: validation examples"}
        | {
            f"{name}_len": f"number: {name} length of a text, in words"
            for name in ("mean", "median", "min", "max", "std")
        }
        | {
            "tokens_85_percent": "number: tokens that hold 85 % of the texts",
            "max_tokens": "integer: the smallest power of two that 85 % of the texts fit into",
            "classes": "integer: number of classes",
            "classification": "string: binary, multi-class or multi-label",
        },
    ),
    File(
        "<pair>/el2n.csv",
        "PIEs of the training set by how much an example matters (04_el2n); a row a configuration and bin",
        {
            "bin": "integer: from 1, the lowest EL2N",
            "pies": "number: share of PIEs, all seeds on both sides",
            "p_pie": "number: mean over the bin's examples of their share of half-splits as PIEs",
            "p_null": "number: the same between unpruned halves",
            "examples": "integer: in the bin",
            "excess": "number: p_pie less p_null",
            "low": "number: lower end of its interval",
            "high": "number: upper end",
        }
        | LEVEL
        | CONFIGURATION
        | SEEDS,
    ),
    File(
        "<pair>/readability.csv",
        "PIEs against all test texts (05_readability); a row a configuration and score",
        {
            "score": "string: a readability score, or the length",
            "mean": "number: over all texts",
            "pies_mean": "number: over PIEs",
            "unit": "string: ratio or difference, of what all columns but the means are",
            "ratio": "number: pies_mean / mean",
            "low": "number: lower end of the interval of the ratio or difference",
            "high": "number: upper end",
            "p": "number: of Welch's t-test between PIEs and the rest",
            "matched": "number: PIEs against other texts of their length",
            "matched_low": "number: lower end of its interval",
            "matched_high": "number: upper end",
        }
        | {
            f"{name}{end}": f"number: {about}{', against others as long' if end else ''}"
            for end in ("", "_matched")
            for name, about in {
                "halved": "of PIEs of halves of the seeds",
                "null": "of what unpruned halves differ on",
                "more": "halved less null",
            }.items()
        }
        | {
            f"more_{end}{suffix}": f"number: {end} end of the interval of more{suffix}"
            for suffix in ("", "_matched")
            for end in ("low", "high")
        }
        | LEVEL
        | {"pies": "integer: how many PIEs", "examples": "integer: how many texts"}
        | CONFIGURATION
        | {"p_corrected": "number: p, corrected over all rows (Benjamini and Hochberg 1995)"},
    ),
    File("<pair>/tune/<file>", "00_tune: the search of Optuna, and the params file of the best values"),
    *(
        File(f"{folder}/<notebook>.{end}", about)
        for folder in ("<pair>", "<pair>/<configuration>", "report")
        for end, about in (("ipynb", "a rendered notebook: the record of what was run"), ("html", "the same as a page"))
    ),
    *(
        File(f"logs/{folder}<notebook>.txt", "what the notebook wrote while it ran")
        for folder in ("<pair>/<configuration>/", "<pair>/", "report/")
    ),
    File("report/index.html", "the report, or how far the study is"),
    File("report/findings.txt", "the headline sentences"),
    *(File(f"report/figures/<figure>.{end}", "a figure of the report") for end in ("svg", "png")),
)
