"""Which of the paper's findings hold, from answers whose cause is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from test_decomposition import SEEDS, _pie_values, add, find, models  # noqa: F401

from pielab.analysis import pies, pruner_verdicts, results, verdicts
from pielab.analysis.examples import readability
from pielab.config.parameters import PieParameters
from pielab.data import datasets
from pielab.report import figures
from pielab.store import predictions

LONGER = verdicts.FINDINGS["longer"]


def row(observed, beyond_retraining, beyond_training_longer=(np.nan, np.nan)):
    ends = {"observed": observed, "beyond_retraining": beyond_retraining}
    ends["beyond_training_longer"] = beyond_training_longer
    return {
        name + end: value for name, both in ends.items() for end, value in zip(("_low", "_high"), both, strict=True)
    }


@pytest.mark.parametrize(
    ("numbers", "control", "expected"),
    [
        (row((10, 30), (2, 9), (1, 8)), "control-FT", verdicts.HOLDS),
        (row((10, 30), (2, 9)), "unpruned", verdicts.HOLDS),
        (row((10, 30), (2, 9)), "missing", verdicts.UNKNOWN),
        (row((10, 30), (2, 9), (-1, 4)), "control-FT", verdicts.TRAINING_LONGER),
        (row((10, 30), (2, 9), (-1, 6)), "control-FT", verdicts.UNKNOWN),
        (row((10, 30), (-3, 4), (1, 8)), "control-FT", verdicts.RETRAINING),
        (row((10, 30), (-9, -2), (1, 8)), "control-FT", verdicts.RETRAINING),
        (row((10, 30), (-3, 6), (1, 8)), "control-FT", verdicts.UNKNOWN),
        (row((-30, -10), (2, 9), (1, 8)), "control-FT", verdicts.FALSE),
        (row((-3, 4), (2, 9), (1, 8)), "control-FT", verdicts.FALSE),
        (row((-3, 6), (2, 9), (1, 8)), "control-FT", verdicts.UNKNOWN),
        (row((np.nan, np.nan), (np.nan, np.nan)), "unpruned", verdicts.UNKNOWN),
    ],
)
def test_a_verdict_asks_for_retraining_first_and_then_for_training_longer(numbers, control, expected):
    assert verdicts.verdict(numbers, LONGER, control) == expected
    # Of a finding that PIEs have less of something, with all signs turned.
    turned = {name: -value for name, value in numbers.items()}
    lower = verdicts.Finding("", "", "", -1, LONGER.margin)
    assert verdicts.verdict(turned, lower, control) == expected


def answers(random, uncertain, seeds=SEEDS):
    """Class ids of models that answer 0, or 1 with the probability of the text."""
    return (random.random((seeds, len(uncertain))) < uncertain).astype(int)


def test_compared_is_a_mean_over_all_half_splits():
    random, texts = np.random.default_rng(0), 40
    dense, pruned, control = (answers(random, random.random(texts) * share) for share in (0.5, 0.9, 0.7))
    columns = pd.DataFrame({"longer": random.normal(size=texts), "harder": random.normal(size=texts)})
    columns.loc[:5, "harder"] = np.nan
    found = verdicts.compared(dense, pruned, [control], columns, 0.95)
    sums = {"retraining": [0, 0], "observed": [0, 0], "training_longer": [0, 0]}
    for first in itertools.combinations(range(SEEDS), SEEDS // 2):
        second = [seed for seed in range(SEEDS) if seed not in first]
        for name, side in {"retraining": dense, "observed": pruned, "training_longer": control}.items():
            differs = pies.majority(dense[list(first)]) != pies.majority(side[second])
            sums[name][0] += columns.loc[differs].sum().to_numpy()
            sums[name][1] += columns.loc[differs].notna().sum().to_numpy()
    means = {name: total / number for name, (total, number) in sums.items()}
    for place, column in enumerate(columns):
        for name, values in means.items():
            assert found[column][name] == pytest.approx(values[place], rel=1e-5)
        for name, other in {"beyond_retraining": "retraining", "beyond_training_longer": "training_longer"}.items():
            difference = means["observed"][place] - means[other][place]
            assert found[column][name] == pytest.approx(difference, abs=1e-5)
            assert found[column][f"{name}_low"] < found[column][name] < found[column][f"{name}_high"]


def test_without_an_effect_nothing_exceeds_retraining_and_with_one_it_does():
    random, texts, exceeded, found = np.random.default_rng(1), 300, [], []
    for _ in range(60):
        uncertain = np.where(random.random(texts) < 0.3, random.random(texts), 0)
        columns = pd.DataFrame({"longer": random.normal(size=texts)})
        same = [answers(random, uncertain, 8) for _ in range(3)]
        numbers = verdicts.compared(same[0], same[1], [same[2]], columns, 0.95)["longer"]
        exceeded += [
            numbers[f"{name}_low"] > 0 or numbers[f"{name}_high"] < 0
            for name in ("beyond_retraining", "beyond_training_longer")
        ]
        # Pruned models turn the answers to long texts.
        pruned = np.where(columns["longer"] > 1.5, 1 - same[1], same[1])
        numbers = verdicts.compared(same[0], pruned, [same[2]], columns, 0.95)["longer"]
        found.append(verdicts.verdict(numbers, verdicts.Finding("", "", "", 1, 0.2), "control-FT"))
    assert np.mean(exceeded) <= 0.1
    assert found.count(verdicts.HOLDS) >= 58


@pytest.fixture
def study(given, add):  # noqa: F811
    """Answers to long texts turn in "mine", as they do in its control in "longer-trained"; "other" changes nothing."""
    data = datasets.load(**{"name": given["dataset"], "text": given["text"], "label": given["label"]})
    length = readability.scores(datasets.joined_texts(data["test"]))[readability.LENGTH]
    long = (length.rank(method="first") > 0.7 * len(length)).to_numpy()
    turned = [np.where(long, 1 - models(add, 0.1, seed), models(add, 0.1, seed)) for seed in range(3, 6)]
    add(models(add, 0.1, 0))
    add(models(add, 0.1, 1), pruner="my-control", threshold=0)
    add(turned[0], pruner="turned-control", threshold=0)
    add(turned[1], pruner="mine", threshold=90)
    add(turned[2], pruner="longer-trained", threshold=90)
    add(models(add, 0.1, 2), pruner="other", threshold=90)
    add(models(add, 0.1, 7), pruner="other", threshold=50)
    find(given, "mine", control="my-control")
    find(given, "longer-trained", control="turned-control")
    find(given, "other", control="unpruned")
    find(given, "other", threshold=50, control="unpruned")
    return PieParameters(**_pie_values(given)).study_folder


def test_a_study_has_a_verdict_for_each_configuration_and_finding(study):
    table = verdicts.of_study(study)
    assert list(table) == verdicts.COLUMNS
    # Nobody imported predictions of the training texts.
    assert set(table["finding"]) == {"changed", "accuracy", "longer", "harder", "harder_as_long"}
    assert set(table["confidence"]) == {1 - 0.05 / 4}
    found = table.set_index(["pruner", "threshold", "finding"])["verdict"]
    assert found["mine", 90, "changed"] == verdicts.HOLDS
    assert found["longer-trained", 90, "changed"] != verdicts.HOLDS
    assert found["other", 90, "changed"] != verdicts.HOLDS
    changed = table[table["finding"] == "changed"].set_index(["pruner", "threshold"])
    assert changed.loc[("mine", 90), "p_removal"] == 2 / 2**SEEDS
    assert changed.loc[("longer-trained", 90), "p_both"] == 2 / 2**SEEDS
    assert changed.loc[("longer-trained", 90), "p_removal"] > 0.05
    figure = figures.verdicts(table)
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 6 and [bool(title) for title in titles] == [True] * 5 + [False]
    assert sum(len(axes.patches) for axes in figure.axes) == len(table)


def test_growth_and_the_best_pruner_are_counted_as_from_the_answers(study):
    growth = pruner_verdicts.growth(study)
    (step,) = growth.to_dict("records")
    assert [step[name] for name in ("pruner", "threshold", "next_threshold", "step")] == ["other", 50, 90, "next"]
    folder = results.read(study).pies_in[0].parent
    seeds = range(SEEDS)
    dense, first, second = (
        predictions.read_seeds(folder / name, seeds).classes for name in ("dense", "other-50", "other-90")
    )

    def differ(side):
        shares = [(dense[i] != side[j]).mean() for i in seeds for j in seeds if i != j]
        return 100 * np.mean(shares)

    assert step["percent"] == pytest.approx(differ(first)) and step["next_percent"] == pytest.approx(differ(second))
    assert step["difference"] == pytest.approx(differ(second) - differ(first))
    assert step["low"] < step["difference"] < step["high"]
    best = pruner_verdicts.best_and_worst(study)
    (at_90,) = best.to_dict("records")  # at 50 % there is one alone
    assert at_90["threshold"] == 90 and at_90["fewest"] == "other" and at_90["as_few"] == ""
    scores = results.seeds(study).query("threshold == 90").groupby("pruner")["effectiveness"].mean()
    assert at_90["best"] == scores.idxmax() and at_90["worst"] == scores.idxmin()
    # Answers that turned are right more often here, so that the most accurate pruner has more PIEs.
    assert at_90["worst"] == "other" and at_90["verdict"] == verdicts.FALSE and at_90["confidence"] == 1 - 0.05 / 3
    shown = pruner_verdicts.format_growth(growth)["differ, %"].tolist()
    assert shown == [f"{differ(first):.1f} to {differ(second):.1f}"]
    assert pruner_verdicts.format_best_and_worst(best)["fewest"].tolist() == ["other"]


def test_a_study_of_which_nothing_was_retrained_has_no_verdicts(given, add):  # noqa: F811
    add(models(add, 0.2, 0))
    add(models(add, 0.3, 1), pruner="mine", threshold=90)
    find(given, "mine", control="before")
    folder = PieParameters(**_pie_values(given)).study_folder
    for table in (verdicts.of_study(folder), pruner_verdicts.growth(folder), pruner_verdicts.best_and_worst(folder)):
        assert table.empty and len(table.columns)
    assert pruner_verdicts.format_growth(pruner_verdicts.growth(folder)).empty
