"""How often each panel of 03 to 06 tells PIEs from their null where pruning has no effect: see null.md.

python docs/no_effect.py [--studies 400] [--seeds 8] [--several-labels]
"""

import argparse

import numpy as np
import pandas as pd

from pielab.analysis import null, verdicts
from pielab.analysis.examples import el2n, readability
from pielab.progress import Progress

EXAMPLES, CLASSES = 1000, 4


def models(
    random: np.random.Generator, seeds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores of unpruned and of pruned models and of controls, all of one law, (seeds, examples, classes); targets; how
    sure each text is.

    Studies differ in how many texts are uncertain, how much models lean towards classes, and how much a pruned model
    keeps of the unpruned one of its seed.
    """
    uncertain = random.random(EXAMPLES) < random.uniform(0.1, 0.4)
    sure = np.where(uncertain, random.gamma(2, 0.5, EXAMPLES), 4.0)
    targets = random.integers(CLASSES, size=EXAMPLES)
    mean = random.normal(0, 0.5, (EXAMPLES, CLASSES)) + sure[:, None] * np.eye(CLASSES)[targets]
    lean, kept = random.uniform(0, 0.5), random.uniform(0, 0.9)
    noise = random.normal(0, 0.8, (2, seeds, EXAMPLES, CLASSES)) + random.normal(0, lean, (2, seeds, 1, CLASSES))
    unpruned, other = mean + noise
    pruned = np.where(random.random((seeds, EXAMPLES, 1)) < kept, unpruned, other)
    again = random.normal(0, 0.8, unpruned.shape) + random.normal(0, lean, (seeds, 1, CLASSES))
    control = np.where(random.random((seeds, EXAMPLES, 1)) < kept, unpruned, mean + again)
    return unpruned, pruned, control, targets, sure


def panels(random: np.random.Generator, seeds: int, several_labels: bool) -> dict[str, pd.DataFrame]:
    """The intervals, low and high, of one study, by panel."""
    unpruned, pruned, control, targets, sure = models(random, seeds)
    hot = np.eye(CLASSES)[targets]
    if several_labels:
        hot = np.maximum(hot, random.random(hot.shape) < 0.1)
        *answers, of_control = unpruned > 1.5, pruned > 1.5, control > 1.5
        targets = hot
    else:
        *answers, of_control = (scores.argmax(axis=2) for scores in (unpruned, pruned, control))
    # Longer and harder to read where models are less sure.
    length = np.exp(random.normal(4, 0.5, EXAMPLES) - 0.3 * sure)
    scores = pd.DataFrame({"grade": random.normal(8 - sure, 3), readability.LENGTH: length.round() + 1})
    whole, right = null.estimate(*answers), null.effectiveness_beside_null(*answers, targets)
    bins = el2n.bins(random.normal(-sure, 0.3))
    read = readability.beside_null(scores, *answers)
    compared = pd.DataFrame(verdicts.compared(*answers, [of_control], scores - scores.mean(), 0.95)).T
    beyond = {
        cause: compared[[f"beyond_{cause}_low", f"beyond_{cause}_high"]].set_axis(["low", "high"], axis=1)
        for cause in ("retraining", "training_longer")
    }
    matched = read[["more_low_matched", "more_high_matched"]].set_axis(["low", "high"], axis=1)
    sides = {side: {end: right[f"{side}_more_{end}"] for end in ("low", "high")} for side in ("unpruned", "pruned")}
    return {
        "03: share of PIEs": pd.DataFrame({"low": [whole.low], "high": [whole.high]}),
        "03 and 06: unpruned models right on PIEs": pd.DataFrame([sides["unpruned"]]),
        "03 and 06: pruned models right on PIEs": pd.DataFrame([sides["pruned"]]),
        "04: share of PIEs in a bin of EL2N": null.excess_by_group(*answers, bins)[2],
        "05: readability": read[["more_low", "more_high"]].set_axis(["low", "high"], axis=1),
        "05: readability at equal length": matched,
        "06: classes": null.beside_null(*answers, hot),
        "06: verdicts, beyond retraining": beyond["retraining"],
        "06: verdicts, beyond training longer": beyond["training_longer"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--several-labels", action="store_true")
    options = parser.parse_args()
    parts = []
    with Progress("studies", options.studies) as progress:
        for study in range(options.studies):
            found = panels(np.random.default_rng(study), options.seeds, options.several_labels)
            parts += [table.assign(panel=panel) for panel, table in found.items()]
            progress.step(f"{study + 1} of {options.studies}")
    table = pd.concat(parts).dropna(subset="low")
    table = table.assign(more=100 * (table["low"] > 0), less=100 * (table["high"] < 0))
    print(table.groupby("panel")[["more", "less"]].mean().round(1).to_string())


if __name__ == "__main__":
    main()
