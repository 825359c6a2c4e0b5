"""What the tables of the verdicts on the paper's findings hold, below report/tables."""

from pielab.report.written_files import CONFIGURATION, SEEDS
from pielab.report.written_tables import CONTROL, PAIR, ends, table, texts

VERDICT = {"verdict": "string: holds, does not hold, or cannot be told"}
COMPARED = {
    "observed": "PIEs of halves of the seeds less all texts; of changed, how far answers moved from unpruned models",
    "retraining": "the same of what unpruned halves differ on",
    "training_longer": "the same of what unpruned halves and controls differ on",
    "beyond_retraining": "observed less retraining",
    "beyond_training_longer": "observed less training_longer; of changed, how far answers moved from controls",
}
VERDICT_TABLES = (
    table(
        "verdicts",
        "which of the paper's findings hold; a row a configuration and finding",
        CONFIGURATION
        | SEEDS
        | CONTROL
        | {"finding": "string: changed, accuracy, el2n, longer, harder, harder_as_long"}
        | {
            name: text
            for column, about in COMPARED.items()
            for name, text in {column: f"number: {about}", **ends(column)}.items()
        }
        | {
            "p_both": "number: of changed, the smaller corrected p of moved and spread, from unpruned models",
            "p_removal": "number: the same from controls",
            "confidence": "number: the level of each interval, such that those of a pair hold together at 95 %",
            "verdict": "string: holds, no more than training longer, no more than retraining, does not hold, or "
            "cannot be told",
        },
    ),
    table(
        "growth",
        "whether PIEs grow with sparsity; to read",
        PAIR
        | {"pruner": CONFIGURATION["pruner"], "step": "string: to the next setting, or from the first to the last"}
        | SEEDS
        | {"from": "string: a setting", "to": "string: a setting"}
        | {
            "differ, %": "string: on how many texts an unpruned and a pruned model of another seed differ",
            "PIEs, %": "string: the paper's number, of all seeds",
        }
        | texts("difference")
        | VERDICT,
    ),
    table(
        "best_and_worst",
        "whether the most accurate pruner has the fewest PIEs; to read",
        PAIR
        | SEEDS
        | {"pruned": "string: the setting"}
        | {"best": "string: the most accurate pruner, with its score", "worst": "string: the least accurate one"}
        | {
            "differ, %": "string: on how many texts an unpruned and a pruned model of another seed differ",
            "PIEs, %": "string: the paper's number, of all seeds",
        }
        | texts("difference")
        | VERDICT
        | {"fewest": "string: the pruner that differs on the fewest texts, and those that cannot be told from it"},
    ),
)
