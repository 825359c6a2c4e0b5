"""The questions of a report: for each, its kinds of figures and its tables, with what their columns mean."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A part of the page, with the headings of 06_report.

    figures: kinds of figures, keys of PANELS in report/panels. tables: keys of TABLES.
    """

    title: str
    figures: tuple[str, ...]
    tables: tuple[str, ...] = ()


# By the name that a link to the part has: index.html#pie_shares.
QUESTIONS = {
    "decomposition": Question(
        "What part of a PIE is pruning?",
        ("decomposition",),
        ("decomposition_at_these_texts", "decomposition_to_come"),
    ),
    "change": Question("What changes in the same model?", ("change",), ("change_by_configuration",)),
    "groups": Question("Who pays?", ("groups",)),
    "effectiveness": Question("Does pruning cost accuracy? (Figure 1)", ("effectiveness",), ("effectiveness",)),
    "tradeoff": Question("What did compression buy?", ("tradeoff",), ("sizes",)),
    "pie_shares": Question(
        "How many examples change their prediction, beside the null?", ("pie_shares",), ("pie_shares",)
    ),
    "levels": Question(
        "Words, sentences or entities: how much changes at which level?",
        ("levels", "sentence_lengths", "entity_types"),
        ("levels_by_configuration", "entity_types_by_configuration"),
    ),
    "comparison": Question("Which pruner, at equal sparsity?", ("comparison",), ("comparison",)),
    "effectiveness_on_pies": Question(
        "Who is right on the PIEs? (Figures 3, 7 to 13)", ("effectiveness_on_pies",), ("effectiveness_on_pies",)
    ),
    "classes": Question("Which classes do PIEs belong to? (Figures 2 and 6)", ("classes",)),
    "el2n": Question("Do PIEs matter for generalisation? (Figures 4, 14 to 20)", ("el2n",)),
    "readability": Question("Are PIEs harder to read? (Figures 5, 21 to 27)", ("readability", "readability_matched")),
    "verdicts": Question("Which of the paper's findings hold?", ("verdicts",), ("growth", "best_and_worst")),
}
TABLES = {
    "decomposition_at_these_texts": "What part of a PIE is pruning? Intervals at these texts, seeds vary",
    "decomposition_to_come": "The same with intervals for texts to come, seeds and texts vary",
    "change_by_configuration": "What changes in the same model",
    "pie_shares": "PIEs beside their null, in percent of the test examples",
    "levels_by_configuration": "What changes by word, sentence and entity",
    "entity_types_by_configuration": "Which gold entities are lost, by type",
    "effectiveness": "Accuracy or F1, and its change by pruning",
    "sizes": "What compression bought: size and speed beside accuracy or F1, and own answers changed",
    "comparison": "Pruners at equal sparsity",
    "effectiveness_on_pies": "Accuracy or F1 on the PIEs, and beside the null",
    "growth": "Do PIEs grow with sparsity?",
    "best_and_worst": "Does the most accurate pruner have fewer PIEs than the least accurate one?",
}
NOTES = {
    "decomposition_at_these_texts": (
        "An unpruned model and one of another seed differ on <b>in all</b> % of the texts. That is the sum of "
        "<b>retraining</b>, on how many two unpruned models differ; <b>training longer</b>, what the control adds, "
        "which was trained as the pruned models were with nothing pruned; and <b>removal</b> of weights. <b>moved</b> "
        "(net disagreement) is 0 only if no text's probabilities of answers changed; 1 point is as if 1 % of the texts "
        "had changed their answer outright. <b>spread</b> (difference of seed-to-seed disagreement) is how much more "
        "models differ among themselves. <b>excess</b> is their sum, so that an excess of 0 does not mean no effect. "
        "<b>p</b> is that of an exact test against the control, or against the unpruned models for a control and where "
        "none was trained, corrected for all configurations. <b>own answers changed</b>, in percent of the texts, "
        "compares models of the same seed. Answers of models that generate texts are right or wrong here. In brackets: "
        "95 % intervals, of other seeds at these texts."
    ),
    "change_by_configuration": (
        "The model of a seed before compression and the model of the same seed after, at these texts. <b>changed</b> "
        "is the share of its answers that differ, in percent, and the sum of the next three columns, but where "
        "several answers are right, of questions and texts: the rest is right to another right. A generated text has "
        "changed if it differs but for case, punctuation and spaces, as it nearly always does. <b>another seed</b>, "
        "how many differ between two unpruned models; <b>another batch size</b> and <b>bfloat16 against float32</b>, "
        "how many differ with the same weights. <b>KL</b>, in nats, is the divergence of the probabilities after from "
        "those before. <b>Expected calibration error</b> has 15 bins, from 0 to 1; the <b>Brier score</b> is the sum "
        "over classes; these three need logits, and are left out where only answers are "
        "known. In brackets: 95 % intervals, over seeds."
    ),
    "sizes": (
        "<b>MB packed</b> is the size of a model as the format of its method would store it: rounded weights in their "
        "bits with a scale for each row, pruned matrices as a bitmap with the values left, in 10<sup>6</sup> bytes. "
        "<b>MB stored</b> is with every weight as a float, which zeros do not make smaller. The word vectors of a "
        "BiLSTM are not counted. <b>ms a text</b>, the time of predicting the test set on this device, is that of "
        "matrices with their zeros: only a format and a device that skip them make a pruned model faster. "
        "<b>own answers changed</b> compares models of the same seed. In brackets: 95 % intervals over seeds; "
        "?: not known, of predictions made elsewhere or by an earlier version."
    ),
    "pie_shares": (
        "<b>pies percent</b> is the paper's number: all seeds vote on both sides. Two sets of unpruned models "
        "disagree as well, the more so the fewer models vote, so the null is taken between halves of the seeds and "
        "compared with <b>halved pies percent</b>, unpruned halves against pruned halves. <b>excess</b> is their "
        "difference with a 95 % interval (over seeds). If the interval contains 0, these PIEs cannot be "
        "told from retraining noise."
    ),
    "levels_by_configuration": (
        "The same models at each level. A word is a PIE if the most frequent tag differs, a sentence if a voted entity "
        "does; of <b>entities</b>, PIEs are those that one vote alone says, in percent of those that either says. "
        "<b>null</b> and <b>excess</b> are of halves of the seeds. <b>own answers changed</b> and <b>moved</b> are of "
        "single models; of entities, one minus the F1 of two models' entities of a sentence. Longer sentences are PIEs "
        "more often, whatever made the models differ, so a share says nothing without its null. Of questions: whether "
        "the most frequent answers differ, whether one side is right and the other is not, and one minus the F1 of the "
        "words of two answers. Of generated texts: whether one side is right and the other is not, and <b>texts</b>, "
        "one minus the similarity u of two texts (chrF, after case, punctuation and spaces are taken away); between "
        "votes it is that of the two medoids, and ? with fewer than three models a side. In brackets: 95 % intervals, "
        "over seeds."
    ),
    "entity_types_by_configuration": (
        "In percent of a type's gold entities. <b>recall, change</b> is that of a single model, compressed less "
        "unpruned. <b>lost by halves</b> is how many more an unpruned half of the seeds finds by its vote than a "
        "compressed half, <b>lost by the null</b>, than the other unpruned half; <b>lost beyond the null</b> is the "
        "difference, with a 95 % interval (over seeds), not corrected for the number of types."
    ),
    "comparison": (
        "<b>epochs</b> is the training behind each model; a difference in epochs alone makes a difference in PIEs. "
        "<b>difference</b> is how many more PIEs, in percent of the test examples, a pruner has than the reference at "
        "the same sparsity, over the same half-splits of the seeds, with a 95 % interval (over seeds)."
    ),
    "effectiveness_on_pies": (
        "<b>unpruned on pies</b> and <b>pruned on pies</b> are the paper's numbers, from all seeds. Examples on which "
        "models disagree are hard with or without pruning: <b>null on pies</b> is counted where half of the unpruned "
        "models disagree with the other half, and compared with the <b>halved</b> numbers, where unpruned halves "
        "disagree with pruned halves; <b>more</b> is by how much they exceed the null, with a 95 % interval. "
        "Macro-F1 falls with the number of examples, even if all answers are right, so tasks with several labels are "
        "compared by the F1 of each text, averaged over texts. Generated texts are compared by the share that is right."
    ),
    "growth": (
        "<b>differ</b> is on how many texts, in percent, an unpruned model and a pruned model of another seed differ, "
        "at the one setting and at the other; unlike the share of PIEs, which is the paper's number, of all seeds, it "
        "does not depend on the number of seeds. Its <b>difference</b>, in points, is in brackets with its interval, "
        "so wide that those of all rows of a pair hold together at 95 %."
    ),
    "best_and_worst": (
        "At each sparsity, by mean accuracy or F1. <b>differ</b> and the intervals are those of the table above, and "
        "hold together for every two pruners at every sparsity. <b>fewest</b> is the pruner whose models differ on the "
        "fewest texts, with those that cannot be told from it."
    ),
}
