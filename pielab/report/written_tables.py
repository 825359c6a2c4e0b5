"""What the tables of a study's report hold: the CSVs below report/tables, their columns, types and meanings."""

from pielab.report.written_files import CONFIGURATION, FILES, LEVEL, SEEDS, File

PAIR = {name: CONFIGURATION[name] for name in ("dataset", "model")}
COUNTED = SEEDS | {"texts": "integer: how many test texts"}
METRIC = {"metric": "string: accuracy, macro-F1 or another"}
CONTROL = {"control": "string: what was trained likewise with nothing pruned"}
ESTIMATE = {
    "estimate": "number: points, but for KL (nats) and the calibration error and Brier score (numbers)",
    "low": "number: lower end of its interval, other seeds at these texts",
    "high": "number: upper end",
}
SHARES = {
    "pies_percent": "number: PIEs in percent of the test texts, all seeds on both sides",
    "halved_pies_percent": "number: the same of halves of the seeds",
    "null_percent": "number: on how many percent unpruned halves differ",
    "excess_percent": "number: halved_pies_percent less null_percent",
    "excess_low": "number: lower end of its interval",
    "excess_high": "number: upper end",
}


def table(name: str, about: str, columns: dict[str, str]) -> File:
    return File(f"report/tables/{name}.csv", about, columns)


def texts(*names: str) -> dict[str, str]:
    """Columns to read, with intervals in brackets."""
    return {name: "string: an estimate with its interval in brackets, or a number" for name in names}


def ends(name: str) -> dict[str, str]:
    return {f"{name}_low": f"number: lower end of the interval of {name}", f"{name}_high": "number: upper end"}


DECOMPOSITION = [
    *("retraining", "training longer", "removal", "in all"),
    *(f"{quantity} from unpruned" for quantity in ("excess", "moved", "spread")),
]
TABLES = (
    table(
        "decomposition",
        "what retraining, training longer and removal contribute",
        CONFIGURATION
        | COUNTED
        | CONTROL
        | {
            "comparison": "string: parts, both, training longer, removal",
            "quantity": "string: of a comparison, such as moved or spread",
            "estimate": "number: points",
            "low": "number: lower end of its interval at these texts",
            "high": "number: upper end",
            "low_to_come": "number: lower end of its interval for texts to come",
            "high_to_come": "number: upper end",
        }
        | LEVEL
        | {"p": "number: of the exact test", "p_corrected": "number: the same, corrected for all configurations"},
    ),
    table(
        "decomposition_at_these_texts",
        "the same to read, intervals at these texts",
        PAIR
        | {"pruner": CONFIGURATION["pruner"], "pruned": "string: the threshold"}
        | COUNTED
        | CONTROL
        | texts(
            *DECOMPOSITION,
            "moved from control",
            "p of moved",
            "spread from control",
            "p of spread",
            "own answers changed",
        ),
    ),
    table(
        "decomposition_to_come",
        "the same to read, intervals for texts to come",
        PAIR
        | {"pruner": CONFIGURATION["pruner"], "pruned": "string: the threshold"}
        | COUNTED
        | CONTROL
        | texts(*DECOMPOSITION, "moved from control", "spread from control", "own answers changed"),
    ),
    table(
        "change",
        "what changes in the model of the same seed; a row a configuration and quantity",
        CONFIGURATION
        | COUNTED
        | {
            "quantity": "string: changed, its parts (the rest is right to another right); KL, calibration error and "
            "Brier score, empty without logits"
        }
        | ESTIMATE
        | {"another_seed": "number: the same between unpruned models of two seeds"}
        | ends("another_seed")
        | {
            "another_batch_size": "number: the same between batches of two sizes, same weights",
            "another_precision": "number: the same between bfloat16 and float32, same weights",
        },
    ),
    table(
        "change_by_configuration",
        "the same to read; without KL, calibration error and Brier score if no predictions have logits",
        PAIR
        | {"configuration": "string: the method and its setting"}
        | COUNTED
        | texts(
            *("changed", "right to wrong", "wrong to right", "wrong to another wrong", "another seed"),
            *("another batch size", "bfloat16 against float32", "KL", "KL, another seed", "KL, another batch size"),
            *(
                "KL, bfloat16 against float32",
                "expected calibration error before",
                "expected calibration error, change",
            ),
            *("Brier score before", "Brier score, change"),
        ),
    ),
    table(
        "groups",
        "who pays: by group of texts, if 03 was given one",
        CONFIGURATION
        | SEEDS
        | {
            "column": "string: of the data, that names the groups",
            "group": "string: the group",
            "texts": "integer: its texts",
            "quantity": "string: changed, lost accuracy, moved",
            "estimate": "number: points",
            "low": "number: lower end of its interval at these texts",
            "high": "number: upper end",
            "null": "number: what another seed changes",
        }
        | ends("null")
        | {"difference": "number: from all other texts"}
        | ends("difference")
        | {
            "p": "number: of the difference, for texts to come",
            "p_corrected": "number: corrected for the groups (Holm)",
        },
    ),
    table(
        "effectiveness",
        "accuracy or F1; a row a configuration and metric",
        CONFIGURATION
        | METRIC
        | SEEDS
        | {
            "mean": "number: over seeds",
            "std": "number: standard deviation over seeds",
            "change": "number: mean less that of the unpruned models",
        },
    ),
    table(
        "pie_shares",
        "PIEs beside their null",
        CONFIGURATION
        | SEEDS
        | {"examples": "integer: how many test texts", "models_per_side": "integer: models that vote in a half"}
        | SHARES
        | {
            "halved_pies_low": "number: lower end of the interval of halved_pies_percent",
            "halved_pies_high": "number: upper end",
        }
        | ends("null")
        | {"halved_removal_percent": "number: how many more PIEs than with the control"}
        | ends("halved_removal"),
    ),
    table(
        "comparison",
        "pruners at equal sparsity",
        CONFIGURATION
        | {
            "epochs": "number: of training behind each model",
            "unpruned_epochs": "number: behind each unpruned one",
            "metric": METRIC["metric"],
            "unpruned": "number: the mean of the unpruned models",
            "mean": "number: of the pruned models",
            "low": "number: lower end of its interval",
            "high": "number: upper end",
            "reference": "string: the pruner compared with",
            "difference": "number: how many more PIEs than the reference, percent of the texts",
        }
        | SEEDS
        | SHARES
        | ends("difference")
        | LEVEL,
    ),
    table(
        "tradeoff",
        "size against accuracy and changed answers",
        CONFIGURATION
        | SEEDS
        | METRIC
        | {"effectiveness": "number: the metric, mean over seeds"}
        | ends("effectiveness")
        | {"change": "number: of it, against the unpruned models"}
        | ends("change")
        | {"changed": "number: own answers changed, percent"}
        | ends("changed")
        | {
            "another_seed": "number: percent on which two unpruned models of different seeds differ",
            "bytes_stored": "number: of the weights as they are stored",
            "bytes_packed": "number: in the format of the method",
            "weights": "number: how many",
            "nonzero": "number: how many are not zero",
            "packed_percent": "number: bytes_packed in percent of the unpruned model's",
            "seconds_per_text": "number: of predicting, median over seeds",
            "device": "string: where",
        }
        | LEVEL,
    ),
    table(
        "sizes",
        "the same to read",
        PAIR
        | {"method": "string: the method and its setting"}
        | SEEDS
        | METRIC
        | texts(
            *("effectiveness", "change", "own answers changed, %", "MB stored", "MB packed", "packed, %"),
            *("non-zero weights, %", "ms a text"),
        )
        | {"device": "string: where it was predicted"},
    ),
    table(
        "effectiveness_on_pies",
        "who is right on the PIEs",
        CONFIGURATION
        | METRIC
        | SEEDS
        | {
            "pies": "integer: how many",
            "unpruned_on_pies": "number: the unpruned models on the PIEs",
            "pruned_on_pies": "number: the pruned ones",
            "unpruned_on_all": "number: the unpruned models on all test texts",
            "pruned_on_all": "number: the pruned ones",
            "judged_by": "string: accuracy, or F1 of each text",
            "halved_unpruned_on_pies": "number: unpruned halves, where they differ from pruned halves",
            "halved_pruned_on_pies": "number: pruned halves there",
            "null_on_pies": "number: unpruned halves, where they differ from unpruned halves",
            "unpruned_more": "number: halved_unpruned_on_pies less null_on_pies",
            "pruned_more": "number: halved_pruned_on_pies less null_on_pies",
        }
        | ends("unpruned_more")
        | ends("pruned_more"),
    ),
    table(
        "classes",
        "the classes of PIEs and of all texts",
        CONFIGURATION
        | {
            "class": "string: its name",
            "rank": "integer: 1 is the most frequent",
            "examples": "integer: texts of the class",
            "pies": "integer: PIEs of the class",
            "percent": "number: of all texts",
            "pies_percent": "number: of the PIEs",
            "low": "number: lower end of the interval of pies_percent",
            "high": "number: upper end",
            "halved_percent": "number: of the PIEs of halves of the seeds",
            "null_percent": "number: of what unpruned halves differ on",
            "more": "number: halved_percent less null_percent",
        }
        | ends("more")
        | LEVEL,
    ),
    *(
        File(file.name.replace("<pair>", "report/tables"), f"`{file.name}` of all pairs", file.columns)
        for file in FILES
        if file.name in {"<pair>/el2n.csv", "<pair>/readability.csv"}
    ),
    table(
        "pie_examples",
        "PIEs to read, the most surprising first",
        CONFIGURATION
        | {
            "text": "string: the text",
            "label": "string: its class or classes; of generated texts the first that people wrote",
            "unpruned text": "string: of generated texts, what stands for the unpruned side; else no such column",
            "pruned text": "string: the same of the pruned side; else no such column",
            "unpruned votes": "string: how many unpruned models voted for what",
            "pruned votes": "string: how many pruned ones",
            "P(PIE)": "number: share of half-splits in which it is a PIE",
            "P(null)": "number: share in which unpruned halves differ",
        },
    ),
    *(
        File(f"report/tables/table_<number>.{end}", "a table of the paper in its layout, 2 to 10")
        for end in ("csv", "tex", "html")
    ),
    File("report/tables/table_<number>_beside_published.csv", "the same beside the published values"),
)
