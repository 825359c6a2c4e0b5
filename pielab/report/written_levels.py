"""What the tables of tagged words hold, by word, sentence and entity, below report/tables; texts have none."""

from pielab.report.written_files import CONFIGURATION, SEEDS
from pielab.report.written_tables import CONTROL, PAIR, ends, table, texts

# What 03 found the control to be, which may be no folder of models.
COMPARED = {"control": CONTROL["control"] + ", or unpruned, before or missing"}
OVER_HALVES = {
    "low": "number: lower end of its interval over halves of the seeds",
    "high": "number: upper end",
}
LEVEL_TABLES = (
    table(
        "levels",
        "of tagged words: what changes by word, sentence and entity; of questions: by answer and by its words; of "
        "generated texts: by right or wrong, and by the texts",
        CONFIGURATION
        | SEEDS
        | COMPARED
        | {
            "level": "string: words, words in entities, sentences or entities; of questions answers, right or "
            "wrong, or words of the answers; of generated texts right or wrong, or texts",
            "number": "integer: of words, sentences, gold entities, questions or texts",
            "all_seeds": "number: PIEs in percent, all seeds on both sides; of entities, those that one vote alone "
            "says, in percent of those that either says; of texts one minus the similarity of the medoids, a mean",
            "halved": "number: the same of halves of the seeds",
            "null": "number: the same of unpruned halves",
            "excess": "number: halved less null",
        }
        | OVER_HALVES
        | {
            name: text
            for column, about in {
                "changed": "own answers changed, percent",
                "moved": "points, from unpruned models; of entities by one minus F1, of texts by one minus similarity",
                "moved_from_control": "the same from the control",
            }.items()
            for name, text in {column: f"number: {about}", **ends(column)}.items()
        },
    ),
    table(
        "levels_by_configuration",
        "the same to read",
        PAIR
        | {"configuration": "string: the method and its setting"}
        | SEEDS
        | {"level": "string: the level, and how many words, sentences or gold entities"}
        | texts("PIEs, all seeds, %", "PIEs, halves, %", "null, %", "excess", "own answers changed, %")
        | texts("moved from unpruned", "moved from control"),
    ),
    table(
        "sentence_lengths",
        "of tagged words: PIEs by the length of a sentence",
        CONFIGURATION
        | SEEDS
        | COMPARED
        | {
            "quarter": "integer: of the sentences by their words, 1 is the shortest",
            "words": "string: its fewest and most",
            "sentences": "integer: how many",
            "halved": "number: PIEs of halves of the seeds, percent of the sentences",
            "null": "number: the same of unpruned halves",
            "excess": "number: halved less null",
        }
        | OVER_HALVES,
    ),
    table(
        "entity_types",
        "of tagged words: which gold entities are lost, by type",
        CONFIGURATION
        | SEEDS
        | COMPARED
        | {
            "type": "string: of entities; all",
            "entities": "integer: how many gold ones",
            "change": "number: of the recall of a single model, points",
            "halved": "number: how many more an unpruned half of the seeds finds than a pruned one, percent of a type",
            "null": "number: how many more than the other unpruned half",
            "more": "number: halved less null",
        }
        | OVER_HALVES,
    ),
    table(
        "entity_types_by_configuration",
        "the same to read",
        PAIR
        | {"configuration": "string: the method and its setting"}
        | SEEDS
        | {"type": "string: of entities; all", "gold entities": "integer: how many"}
        | texts("recall, change", "lost by halves", "lost by the null", "lost beyond the null"),
    ),
)
