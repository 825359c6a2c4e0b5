"""How often groups of texts are told to be harmed more than the others, in simulations with a known truth: see null.md.

python docs/groups_simulation.py [--studies 200] [--seeds 8]

The defaults are the run that null.md reports, of three minutes. A study draws 1,000 texts of several groups, models
that lean towards classes, in all texts alike and in each group, and the same models after a made compressor.
"""

import argparse
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pielab.analysis import group_differences
from pielab.analysis.group_differences import QUANTITIES
from pielab.progress import Progress

TEXTS, CLASSES = 1000, 4
# In points; a true difference that is itself simulated has no more digits.
TINY = 0.01
# For the truth of texts and seeds to come.
MANY_TEXTS, MANY_SEEDS = 40_000, 60
FIVE = {"a": 0.4, "b": 0.3, "c": 0.15, "d": 0.1, "e": 0.05}
UNCERTAIN = 0.2


@dataclass(frozen=True)
class Law:
    """How models answer, and what a compressor does to them.

    change: the deviation of what it adds to the scores of every text, half of its variance common to all seeds. harm:
    the same, of groups. uncertain: the share of texts of which models are unsure, of groups. groups: their shares of
    the texts. retrained: the share of texts whose noise is drawn anew. several: whether texts have several labels.
    """

    change: float = 0.0
    harm: dict[str, float] = field(default_factory=dict)
    uncertain: dict[str, float] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=lambda: FIVE)
    retrained: float = 0.0
    several: bool = False

    @property
    def is_alike(self) -> bool:
        """Whether all groups have the same truth."""
        return not self.harm and not self.uncertain

    def draw(self, seeds: int, texts: int, random: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Predictions of unpruned and compressed models, targets, groups, as `group_differences.compare` takes them."""
        names = list(self.groups)
        group = random.choice(len(names), size=texts, p=list(self.groups.values()))

        def by_group(values: dict[str, float], usual: float) -> np.ndarray:
            return np.array([values.get(name, usual) for name in names])[group]

        unsure = random.random(texts) < by_group(self.uncertain, UNCERTAIN)
        ahead = np.where(unsure, random.gamma(1.5, 0.8, texts), 5.5)
        targets = random.integers(CLASSES, size=texts)
        mean = random.normal(0, 0.3, (texts, CLASSES)) + ahead[:, None] * np.eye(CLASSES)[targets]
        noise = random.normal(size=(2, seeds, texts, CLASSES))
        # A model prefers classes, in all texts alike and in each group.
        lean = random.normal(0, 0.3, (2, seeds, 1, CLASSES))
        lean = lean + random.normal(0, 0.3, (2, seeds, len(names), CLASSES))[:, :, group]
        before, other = mean + noise + lean
        again = random.random((seeds, texts, 1)) < self.retrained
        added = (random.normal(size=mean.shape) + random.normal(size=before.shape)) / np.sqrt(2)
        after = np.where(again, other, before) + by_group(self.harm, self.change)[:, None] * added
        groups = np.array(names, dtype=object)[group]
        if self.several:
            return before > 2, after > 2, np.eye(CLASSES)[targets], groups
        return before.argmax(axis=2), after.argmax(axis=2), targets, groups


HARDER = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.5}
LAWS = {
    "nothing but rounding": Law(change=0.01),
    "another seed, same law": Law(retrained=1.0),
    "half of a seed kept, same law": Law(retrained=0.5),
    "all groups harmed alike": Law(change=1.0),
    "two groups of 95 and 5 %, harmed alike": Law(change=0.3, groups={"d": 0.95, "e": 0.05}),
    "e harmed a little": Law(change=0.1, harm={"e": 1.0}),
    "e harmed": Law(change=0.1, harm={"e": 2.0}),
    "all harmed, e more": Law(change=1.0, harm={"e": 3.0}),
    "e harder, nothing but rounding": Law(change=0.01, uncertain={"e": 0.6}),
    "harder from a to e, harm in proportion": Law(change=1.0, uncertain=HARDER),
    "several labels, all groups harmed alike": Law(change=1.0, several=True),
    "several labels, e harmed": Law(change=0.1, harm={"e": 2.0}, several=True),
}


def truth(law: Law, random: np.random.Generator) -> pd.Series:
    """The true difference of each group and quantity for texts to come; by simulation where groups are not alike."""
    index = pd.MultiIndex.from_product([sorted(law.groups), QUANTITIES], names=["group", "quantity"])
    if law.is_alike:
        return pd.Series(0.0, index)
    parts = [group_differences.compare(*law.draw(MANY_SEEDS, MANY_TEXTS // 8, random)) for _ in range(8)]
    return pd.concat(parts).groupby(["group", "quantity"])["difference"].mean().reindex(index)


def simulate(laws: dict[str, Law], studies: int, seeds: int) -> pd.DataFrame:
    """The table of every study; columns law, study, true (the difference), held (whether the interval holds it)."""
    found = []
    with Progress("studies", len(laws) * studies) as progress:
        for place, (name, law) in enumerate(laws.items()):
            random = np.random.default_rng((place, seeds))
            true = truth(law, random)
            for study in range(studies):
                table = group_differences.compare(*law.draw(seeds, TEXTS, random))
                table["true"] = true.reindex(pd.MultiIndex.from_frame(table[["group", "quantity"]])).to_numpy()
                found.append(table.assign(law=name, study=study))
                progress.step(name)
    table = pd.concat(found, ignore_index=True)
    held = table["true"].between(table["difference_low"] - TINY, table["difference_high"] + TINY)
    return table.assign(held=held.where(table["p"].notna()))


def summarize(table: pd.DataFrame) -> pd.DataFrame:
    """By law and quantity, in percent of the studies, but for true: in points.

    e told, any other group told; held: intervals of the difference that hold the truth, the mean and the least of the
    groups.
    """
    rows = []
    for (law, quantity), part in table.groupby(["law", "quantity"], sort=False):
        told = part.pivot(index="study", columns="group", values="told").fillna(False).astype(bool)
        held = 100 * part.groupby("group")["held"].mean()
        own = told.get("e", pd.Series(False, told.index))
        others = told.drop(columns="e", errors="ignore").any(axis=1)
        true = part[part["group"] == "e"]["true"].mean()
        row = {"law": law, "quantity": quantity, "true, e": f"{true:.2f}", "e told": 100 * own.mean()}
        row |= {"another told": 100 * others.mean(), "held": f"{held.mean():.0f} ({held.min():.0f})"}
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    print(summarize(simulate(LAWS, options.studies, options.seeds)).to_string(index=False))


if __name__ == "__main__":
    main()
