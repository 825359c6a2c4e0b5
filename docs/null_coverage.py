"""How often the intervals hold the truth, and the tests reject, in simulations with a known truth: see null.md.

python docs/null_coverage.py [--trials 300] [--families 150] [--halves 100] [--seeds 4 6 8 16 30]

The defaults are the run that null.md reports, of 15 minutes; --trials 5 --families 5 --halves 2 takes one. A
study draws texts from a population, and seeds of unpruned, control and pruned models. The law of a model's answer to a
text is known, and so is every truth, for the texts drawn and for the population, but for the rounding of an integral.
"""

import argparse
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from pielab.analysis import agreement, exchange, null
from pielab.progress import Progress

POPULATION, TEXTS, FACTORS, RESAMPLES = 5000, 600, 3, 100
SIDES = ("unpruned", "control", "pruned")
COMPARISONS = {"both": ("unpruned", "pruned"), "training longer": SIDES[:2], "removal": SIDES[1:]}
CONFIGURATIONS = 4
KEYS = ["comparison", "quantity"]
TINY = 1e-6


@dataclass(frozen=True)
class Law:
    """How models answer: each gives the class with the largest sum of a mean and of noise of variance 1.

    means: (sides, population, classes). kept: the probability with which a text's noise is that of the unpruned model
    of the seed. leaning: for each side, the share of the noise's variance that is common to texts: factors of a model,
    weighted by `loadings` (population, factors).
    """

    means: np.ndarray
    kept: float
    leaning: tuple[float, float, float]
    loadings: np.ndarray

    def draw(self, side: int, noise: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Class ids (seeds, texts)."""
        return (self.means[side][texts] + noise).argmax(axis=2)

    def noise(self, side: int, seeds: int, texts: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """(seeds, texts, classes)."""
        classes, share = self.means.shape[2], self.leaning[side]
        factors = random.normal(size=(seeds, self.loadings.shape[1], classes))
        common = np.einsum("tf,sfc->stc", self.loadings[texts], factors)
        return math.sqrt(share) * common + math.sqrt(1 - share) * random.normal(size=common.shape)

    def models(self, seeds: int, texts: np.ndarray, random: np.random.Generator, sides: tuple = (0, 1, 2)) -> list:
        """Class ids (seeds, texts) of models of these sides; the first are those whose noise the others keep."""
        first = self.noise(sides[0], seeds, texts, random)
        answers = [self.draw(sides[0], first, texts)]
        for side in sides[1:]:
            kept = random.random((seeds, len(texts), 1)) < self.kept
            answers.append(self.draw(side, np.where(kept, first, self.noise(side, seeds, texts, random)), texts))
        return answers

    def differing(self) -> np.ndarray:
        """For each of `agreement.pairs`, the probability that two models differ, (pairs, population)."""
        laws = [answer_law(side) for side in self.means]
        found = []
        for first, second, same_seed in agreement.pairs(SIDES):
            one, two = SIDES.index(first), SIDES.index(second)
            agree = (laws[one] * laws[two]).sum(axis=1)
            if same_seed:
                kept = self.kept if first == "unpruned" else self.kept**2
                agree = (1 - kept) * agree + kept * answer_law(self.means[one], self.means[two]).sum(axis=1)
            found.append(1 - agree)
        return np.array(found)


def answer_law(*means: np.ndarray) -> np.ndarray:
    """The probability of each class, (population, classes); with two means, that both give it with the same noise."""
    noise = np.linspace(-9, 9, 73)
    weights, found = stats.norm.pdf(noise) * (noise[1] - noise[0]), []
    for label in range(means[0].shape[1]):
        # The class wins if its noise exceeds that of every other by the difference of the means, in both.
        ahead = np.max([np.delete(mean - mean[:, [label]], label, axis=1) for mean in means], axis=0)
        found.append(special.ndtr(noise[:, None, None] - ahead).prod(axis=2).T @ weights)
    return np.transpose(found)


def majority_law(law: np.ndarray, voters: int) -> np.ndarray:
    """The probability that a class wins a vote of so many models; ties go to the smallest class id."""
    classes = law.shape[1]
    votes = np.array([row for row in itertools.product(range(voters + 1), repeat=classes - 1) if sum(row) <= voters])
    votes = np.c_[votes, voters - votes.sum(axis=1)]
    ways = np.exp(math.lgamma(voters + 1) - sum(np.vectorize(math.lgamma)(votes[:, k] + 1.0) for k in range(classes)))
    wins = (votes.argmax(axis=1)[:, None] == np.arange(classes)) * ways[:, None]
    return np.concatenate([np.exp(np.log(block) @ votes.T) @ wins for block in np.array_split(law.clip(1e-30), 20)])


def laws() -> dict[str, Law]:
    """The laws of the simulation: a fifth of the texts uncertain in all but the last, the strongest leaning."""
    random = np.random.default_rng(0)

    def means(classes: int, uncertain: float = 0.2) -> np.ndarray:
        ahead = np.where(random.random(POPULATION) < uncertain, random.gamma(1.5, 0.8, POPULATION), 5.5)
        top = np.eye(classes)[random.integers(classes, size=POPULATION)]
        return random.normal(0, 0.3, (POPULATION, classes)) + ahead[:, None] * top

    def shifted(before: np.ndarray, share: float, by: float) -> np.ndarray:
        chosen = random.random((POPULATION, 1)) < share
        return before + chosen * random.normal(0, by, before.shape)

    def law(means: tuple, kept: float, leaning: float | tuple, factors: int = FACTORS) -> Law:
        loadings = random.normal(size=(POPULATION, factors))
        loadings = np.abs(loadings) if factors == 1 else loadings
        loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
        return Law(np.array(means), kept, (leaning,) * 3 if isinstance(leaning, float) else leaning, loadings)

    two, three, four, five = (means(classes) for classes in (2, 3, 4, 5))
    longer, removed, back = shifted(three, 0.2, 1), shifted(two, 0.05, 3), shifted(five, 0.1, 2)
    hard = random.normal(0, 1.2, (POPULATION, 4))
    weak = hard / 2 + random.normal(0, 0.4, hard.shape)
    deviation = [math.hypot(0.7, lean) for lean in (0.35, 0.5)]
    rare = means(2, 0.03)
    return {
        "nothing changes": law((four,) * 3, 0.5, 0.2),
        "nothing changes, answers rarely differ": law((rare,) * 3, 0.95, 0.0),
        "nothing changes, pruned models lean more": law((four,) * 3, 0.0, (0.1, 0.1, 0.6)),
        "only training longer": law((three, longer, longer), 0.7, 0.2),
        "only removal": law((two, two, removed), 0.95, 0.4),
        "both": law((four, shifted(four, 0.1, 2), shifted(four, 0.2, 2)), 0.5, 0.6),
        "removal undoes training longer": law((five, back, five), 0.8, 0.0),
        "pruned models only noisier": law((three, three, three / 1.3), 0.5, 0.3),
        "far noisier, all texts uncertain": law(
            tuple(side / deviation[place] for side, place in ((hard, 0), (hard, 0), (weak, 1))),
            *(0.0, tuple((lean / deviation[place]) ** 2 for lean, place in ((0.35, 0), (0.35, 0), (0.5, 1))), 1),
        ),
    }


def trial(law: Law, differing: np.ndarray, seeds: int, random: np.random.Generator) -> tuple[pd.DataFrame, list[dict]]:
    """The quantities of one study, with their truths and whether the intervals hold them; and the p-values."""
    texts = random.integers(POPULATION, size=TEXTS)
    counted = agreement.count(*law.models(seeds, texts, random))
    weights = np.array(list(agreement.coefficients(SIDES).values()))
    truth, to_come = (100 * weights @ chosen.mean(axis=1) for chosen in (differing[:, texts], differing))
    table = agreement.quantities(counted).assign(truth=truth)
    table["these texts"] = (table["low"] - TINY <= truth) & (truth <= table["high"] + TINY)
    table["texts to come"] = (table["low_to_come"] - TINY <= to_come) & (to_come <= table["high_to_come"] + TINY)
    table["above"], table["below"] = table["low"] > TINY, table["high"] < -TINY
    if seeds < exchange.LEAST_SEEDS_TO_TEST:
        return table, []
    true, p = table.set_index(KEYS)["truth"], []
    for name, sides in COMPARISONS.items():
        moved, spread = true[name, "moved"], true[name, "spread"]
        p.append({"comparison": name, "moved": moved, "spread": spread, **exchange.tests([counted], *sides).iloc[0]})
    return table, p


def family(law: Law, seeds: int, random: np.random.Generator) -> pd.DataFrame:
    """The p-values of several configurations of one control, of which only the first may change anything."""
    texts = random.integers(POPULATION, size=TEXTS)
    _, control, *pruned = law.models(seeds, texts, random, (0, 1, 2, *[1] * (CONFIGURATIONS - 1)))
    table = exchange.tests([agreement.count(control, pruned=side) for side in pruned], "unpruned", "pruned")
    return table.assign(changes=(table.index == 0) & bool((law.means[1] != law.means[2]).any()))


def halves(law: Law, votes: np.ndarray, seeds: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """The truth and the interval of each number of majorities of halves of the seeds: quantity, truth, low, high.

    votes: (sides, population, classes), the laws of the majority of half of the seeds.
    """
    texts = random.integers(POPULATION, size=TEXTS)
    unpruned, control, pruned = law.models(seeds, texts, random)
    agreement, of_control, of_pruned = ((votes[0] * side)[texts].sum(axis=1).mean() for side in votes)
    numbers = {"n_splits": RESAMPLES, "n_bootstrap": RESAMPLES, "seed": int(random.integers(2**31))}
    found = null.estimate(unpruned, pruned, **numbers)
    _, *of_removal = null.difference(unpruned, pruned, control, **numbers)
    rows = {
        "excess": (agreement - of_pruned, found.low, found.high),
        "halved PIEs": (1 - of_pruned, found.pruned_low, found.pruned_high),
        "null": (1 - agreement, found.null_low, found.null_high),
        "more PIEs than the control": (of_control - of_pruned, *of_removal),
    }
    return [dict(zip(("quantity", "truth", "low", "high"), (name, *row), strict=True)) for name, row in rows.items()]


def simulate(options: argparse.Namespace) -> dict[str, pd.DataFrame]:
    """Every trial's quantities, p-values, families and halves, with columns law and seeds."""
    found = {"quantities": [], "tests": [], "families": [], "halves": []}
    known = laws()
    tested = sum(seeds >= exchange.LEAST_SEEDS_TO_TEST for seeds in options.seeds)
    steps = len(options.seeds) * (options.trials + options.halves) + tested * options.families
    with Progress("studies", len(known) * steps) as progress:
        for place, (name, law) in enumerate(known.items()):
            differing, answers = law.differing(), [answer_law(side) for side in law.means]
            for seeds in options.seeds:
                random, where = np.random.default_rng((1, place, seeds)), {"law": name, "seeds": seeds}
                tables = []
                for _ in range(options.trials):
                    table, p = trial(law, differing, seeds, random)
                    tables.append(table)
                    found["tests"] += [row | where for row in p]
                    progress.step(f"{name}, {seeds} seeds")
                found["quantities"].append(pd.concat(tables).assign(**where))
                for study in range(options.families * (seeds >= exchange.LEAST_SEEDS_TO_TEST)):
                    found["families"].append(family(law, seeds, random).assign(study=study, **where))
                    progress.step(f"{name}, {seeds} seeds: families")
                votes = np.array([majority_law(side, seeds // 2) for side in answers])
                for _ in range(options.halves):
                    found["halves"] += [row | where for row in halves(law, votes, seeds, random)]
                    progress.step(f"{name}, {seeds} seeds: halves")
    frames = {part: pd.concat(found[part]) for part in ("quantities", "families")}
    return frames | {part: pd.DataFrame(found[part]) for part in ("tests", "halves")}


def percent(shares: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
    return (100 * shares).map("{:.0f}".format)


def coverage(quantities: pd.DataFrame, column: str) -> pd.DataFrame:
    """How often the interval holds the truth, by quantity and seeds: mean (least) over laws and comparisons."""
    over = quantities.groupby(["quantity", "seeds", "law", "comparison"], sort=False)[column].mean()
    over = over.groupby(["quantity", "seeds"], sort=False)
    return (percent(over.mean()) + " (" + percent(over.min()) + ")").unstack()


def coverage_of_halves(halves: pd.DataFrame) -> pd.DataFrame:
    """How often the intervals of majorities hold the truth, by quantity and seeds: the mean and the least of laws."""
    held = halves["truth"].between(halves["low"] - TINY, halves["high"] + TINY)
    return coverage(halves.assign(comparison="", held=held), "held")


def without_effect(quantities: pd.DataFrame) -> pd.DataFrame:
    """How often the interval at these texts is above / below 0 where the truth is 0, by quantity and seeds."""
    none = quantities[quantities["truth"].abs() < TINY]
    over = none.groupby(["quantity", "seeds"], sort=False)[["above", "below"]].mean()
    return (percent(over["above"]) + " / " + percent(over["below"])).unstack()


def rejections(tests: pd.DataFrame) -> pd.DataFrame:
    """How often moved / spread reject at 5 %, by law, comparison and seeds; beside their true sizes in points.

    The first rows are the mean and the most of the laws and comparisons in which both are 0.
    """
    keys, names = ["law", "comparison"], ["moved", "spread"]
    true = tests[names].abs().groupby([tests[key] for key in keys], sort=False).mean().round(2)
    rejected = tests[[*keys, "seeds"]].assign(**{name: tests[f"p_{name}"] <= 0.05 for name in names})
    shares = rejected.groupby([*keys, "seeds"], sort=False)[names].mean().unstack()
    effect = true.sum(axis=1) > 0
    shares = null_first(shares[~effect], shares[effect])
    table = percent(shares["moved"]) + " / " + percent(shares["spread"])
    true = true.map("{:.2f}".format).agg(" / ".join, axis=1).reindex(table.index, fill_value="0 / 0")
    return table.set_index(true.rename("true"), append=True)


def rejections_in_families(families: pd.DataFrame) -> pd.DataFrame:
    """How often any test rejects at 5 %, alone / corrected: of the configuration that changes, and of all others.

    The first rows are the mean and the most of the laws, of the configurations that change nothing.
    """
    changes = np.where(families["changes"], "the one that changes", "all that do not")
    keys = [
        *(families[name] for name in ("law", "seeds", "study")),
        pd.Series(changes, families.index, name="configuration"),
    ]
    least = families.groupby(keys, sort=False)[[name for name in families if name.startswith("p_")]].min()
    names = {"alone": ["p_moved", "p_spread"], "corrected": ["p_moved_corrected", "p_spread_corrected"]}
    rejected = pd.DataFrame({name: least[columns].min(axis=1) <= 0.05 for name, columns in names.items()})
    shares = rejected.groupby(["law", "configuration", "seeds"], sort=False).mean().unstack()
    effect = shares.index.get_level_values("configuration") == "the one that changes"
    shares = null_first(shares[~effect], shares[effect])
    return percent(shares["alone"]) + " / " + percent(shares["corrected"])


def null_first(null_rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    pooled = pd.DataFrame({("no effect: mean", ""): null_rows.mean(), ("no effect: most", ""): null_rows.max()}).T
    return pd.concat([pooled.rename_axis(others.index.names), others])


def markdown(title: str, table: pd.DataFrame) -> str:
    """A table of texts under its title, its index as the first columns."""
    table = table.reset_index()
    rows = [[str(name) for name in table.columns], ["---"] * len(table.columns), *table.astype(str).values.tolist()]
    return "\n".join([f"\n{title}\n", *(f"| {' | '.join(row)} |" for row in rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=300, help="studies for each law and number of seeds")
    parser.add_argument("--families", type=int, default=150, help="studies of four configurations")
    parser.add_argument("--halves", type=int, default=100, help="studies with majorities of halves")
    parser.add_argument("--seeds", type=int, nargs="+", default=[4, 6, 8, 16, 30])
    options = parser.parse_args()
    found = simulate(options)
    quantities = found["quantities"]
    print(markdown("Coverage at these texts", coverage(quantities, "these texts")))
    print(markdown("Coverage at texts to come", coverage(quantities, "texts to come")))
    print(markdown("Coverage of majorities of halves", coverage_of_halves(found["halves"])))
    print(markdown("Interval above / below 0 without an effect", without_effect(quantities)))
    print(markdown("Rejected, moved / spread", rejections(found["tests"])))
    print(markdown("Rejected in families, alone / corrected", rejections_in_families(found["families"])))


if __name__ == "__main__":
    main()
