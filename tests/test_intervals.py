"""The confidence level: what a cell asks for is what its table and figure say, and what is stored stays at 95 %."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import refused
from hypothesis import example, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from test_decomposition import SEEDS, add, find, models  # noqa: F401

from pielab.analysis import (
    agreement,
    answers,
    change,
    comparison,
    decomposition,
    exact,
    findings,
    group_differences,
    intervals,
    null,
    paired_change,
    results,
    tables,
    tradeoff,
)
from pielab.analysis import summary as summaries
from pielab.analysis.examples import classes, readability
from pielab.config.parameters import PieParameters, ReadabilityParameters
from pielab.data import datasets
from pielab.report import figures, page
from pielab.store import predictions

LEVELS = st.floats(0.5, 0.999)


def sides(seed, seeds=5, examples=40):
    random = np.random.default_rng(seed)
    own = random.integers(3, size=examples)
    drawn = random.random((2, seeds, examples)) < 0.3
    return np.where(drawn, random.integers(3, size=(2, seeds, examples)), own), own


def of_every_function(seed, confidence):
    """The ends of every kind of interval, [estimate, low, high]."""
    (dense, pruned), own = sides(seed)
    numbers, ends = {"n_splits": 10, "n_bootstrap": 10, "confidence": confidence}, ["estimate", "low", "high"]
    found = null.estimate(dense, pruned, **numbers)
    yield from ([found.excess, found.low, found.high], [found.null, found.null_low, found.null_high])
    yield from null.excess_by_group(dense, pruned, own, **numbers)[2][["excess", "low", "high"]].to_numpy()
    yield null.difference(dense, pruned, dense, **numbers)
    beside = null.beside_null(dense, pruned, np.eye(3)[own], n_splits=10, confidence=confidence)
    yield from beside[["more", "low", "high"]].to_numpy()
    right = null.effectiveness_beside_null(dense, pruned, own, n_splits=10, confidence=confidence)
    yield [right[f"pruned_more{end}"] for end in ("", "_low", "_high")]
    quantities = agreement.quantities(agreement.count(dense, pruned=pruned), confidence)
    yield from quantities[ends].to_numpy()
    yield from quantities[["estimate", "low_to_come", "high_to_come"]].to_numpy()
    compared = group_differences.compare(dense, pruned, own, np.array(["a", "b"])[own // 2], confidence)
    yield from compared[ends].to_numpy()
    runs = [predictions.Predictions(np.eye(3)[side] * 2.0, tuple(range(5))) for side in (dense, pruned)]
    yield from paired_change.between(*runs, own, confidence=confidence)[ends].to_numpy()
    yield exact.percent(3, 40, confidence)
    yield exact.difference_of_shares(5, 3, 40, confidence)
    table = pd.DataFrame({"score": own + 1.0, readability.LENGTH: np.arange(40) % 4 + 10.0})
    is_pie = (dense[0] != pruned[0]) | (np.arange(40) < 4)
    ratios = readability.ratios(table, is_pie, 40, confidence=confidence)
    yield from ratios[["matched_low", "matched_low", "matched_high"]].to_numpy()
    yield from readability.beside_null(table, dense, pruned, confidence)[["more", "more_low", "more_high"]].to_numpy()


@settings(max_examples=6)
@drawn(st.integers(0, 1000), LEVELS, LEVELS)
@example(812, 0.75, 0.65625)  # where few answers changed, and an interval of either kind is the wider one
def test_an_interval_lies_within_that_of_a_higher_level(seed, one, other):
    narrow, wide = (np.array(list(of_every_function(seed, level))) for level in sorted((one, other)))
    both = ~np.isnan(narrow).any(axis=1)
    assert both.sum() > 20 and np.array_equal(both, ~np.isnan(wide).any(axis=1))
    assert (wide[both, 1] <= narrow[both, 1] + 1e-9).all() and (narrow[both, 2] <= wide[both, 2] + 1e-9).all()


def test_students_t_of_three_seeds_at_90_percent():
    mean, low, high = null.seed_interval(np.array([0.8, 0.9, 1.0]), confidence=0.9)
    # Two degrees of freedom: 2.920 in the tables of textbooks, where that of 95 % is 4.303.
    assert (mean, high - mean, mean - low) == pytest.approx((0.9, *[2.920 * 0.1 / math.sqrt(3)] * 2), rel=1e-3)


def test_the_quantiles_are_those_of_the_textbooks_to_the_last_bit():
    assert intervals.tails() == intervals.tails(0.95) == (0.025, 0.975)
    assert intervals.tails(0.9) == (0.05, 0.95) and intervals.tails(np.float64(0.99)) == (0.005, 0.995)


@pytest.mark.parametrize("confidence", [95, 0, 1, -0.1, math.nan, True, "0.9", None])
def test_what_is_no_level_is_refused_before_anything_is_counted(confidence):
    dense, _ = sides(0)[0]
    for use in (intervals.tails, lambda level: null.estimate(dense, dense, n_splits=10**9, confidence=level)):
        with refused("confidence-not-accepted", "such as 0.9 for intervals of 90 %", f"confidence = {confidence!r}"):
            use(confidence)


@drawn(st.integers(3, 30), LEVELS)
def test_a_stored_interval_is_rescaled_to_what_another_level_gives(seeds, confidence):
    values = np.random.default_rng(seeds).random(seeds)
    names = ("mean", "low", "high")
    stored = pd.DataFrame([null.seed_interval(values)], columns=names)
    found = intervals.rescaled(stored, names, seeds - 1, confidence)
    assert found.loc[0].tolist() == pytest.approx(list(null.seed_interval(values, confidence)))
    assert intervals.rescaled(stored, names, seeds - 1) is stored


@pytest.fixture
def study(given, add):  # noqa: F811
    """A study of two configurations, the parameters of its pair, and the estimates of its null by level."""
    add(models(add, 0.2, 0))
    for place, pruner in enumerate(("mine", "other"), start=1):
        add(models(add, 0.2 + 0.1 * place, place), pruner=pruner, threshold=90)
        find(given, pruner, control="unpruned")
    names = {name: given[name] for name in PieParameters.model_fields if name in given} | {"seeds": f"0-{SEEDS - 1}"}
    return PieParameters(**names | {"pruner": "other", "threshold": 90})


def note(figure):
    return figure.legends[0].get_title().get_text()


def test_tables_and_figures_of_a_study_say_the_level_that_was_asked_for(study):
    of_study = results.read(study.study_folder)
    made = {
        "decomposition": decomposition.of_study,
        "comparison": comparison.pruners,
        "classes": classes.by_configuration,
    }
    for kind, function in made.items():
        usual, wide = function(of_study), function(of_study, confidence=0.9)
        assert set(usual["confidence"]) == {0.95} and set(wide["confidence"]) == {0.9}
        draw = getattr(figures, kind)
        assert "95 %" in note(draw(usual)) and "90 %" in note(draw(wide)) and "95 %" not in note(draw(wide))
    assert set(tradeoff.of_study(of_study, confidence=0.9)["confidence"]) == {0.9}
    # The excess is stored at 95 %; that of the comparison is what its null gives at the level.
    (dense, pruned) = (
        predictions.read_seeds(folder, study.seeds).classes for folder in (study.dense_folder, study.folder)
    )
    expected = null.estimate(dense, pruned, n_splits=20, n_bootstrap=20, confidence=0.9)
    row = comparison.pruners(of_study, confidence=0.9).set_index("pruner").loc["other"]
    ends = [row["excess_percent"], row["excess_low"], row["excess_high"]]
    assert ends == pytest.approx([100 * expected.excess, 100 * expected.low, 100 * expected.high])
    by_class = classes.by_configuration(of_study, confidence=0.9).query("pruner == 'other'").set_index("class")
    names = np.unique(by_class.index)
    beside = null.beside_null(dense, pruned, np.eye(len(names))[_labels(study)], n_splits=200, confidence=0.9)
    more = 100 * beside[["more", "low", "high"]].to_numpy()
    assert by_class.loc[names, ["more", "more_low", "more_high"]].to_numpy() == pytest.approx(more, nan_ok=True)


def _labels(p):
    return datasets.targets(datasets.load(**p.data)["test"])


def test_the_readability_of_a_pair_is_saved_with_its_level(study):
    names = {name: getattr(study, name) for name in ReadabilityParameters.model_fields if hasattr(study, name)}
    p = ReadabilityParameters(**names | {"n_bootstrap": 20})
    random = np.random.default_rng(0)
    scores = pd.DataFrame(random.uniform(1, 9, (len(_labels(study)), 2)), columns=["score", readability.LENGTH])
    table = readability.by_configuration(p, scores, confidence=0.9)
    results.save_pair_table(table, p, "readability")
    again = readability.of_study(study.study_folder)
    assert (
        note(figures.readability(again)) == "halves of the seeds; bars: 90 % interval of the difference from the null"
    )
    assert "(intervals of 90 %)" in answers.of_readability(table)[0]
    # A file that an earlier version saved has no such column, and another pair may have another level.
    assert "bars: 95 % interval" in note(figures.readability(again.drop(columns="confidence")))
    assert intervals.level(pd.concat([again, again.drop(columns="confidence")])) == "90 % and 95 %"
    assert list(readability.format_table(table)["confidence"].unique()) == [0.9]


def test_what_the_report_shows_of_another_level_says_so(study):
    of_study, report = results.read(study.study_folder), study.study_folder / "report"
    summary = of_study.pies_record(study.folder)["summary"]
    table = decomposition.of_configuration(summary, confidence=0.9)
    assert note(figures.decomposition(table)).startswith("lines: 90 % intervals at these ")
    (heading,) = findings.of_study(table)
    assert heading.endswith(", intervals of 90 %)")
    (usual,) = findings.of_study(decomposition.of_configuration(summary))
    assert usual.endswith("texts)") and "confidence" not in tables.decomposition(decomposition.of_study(of_study))
    results.save(tables.decomposition(table), report, "decomposition_at_these_texts")
    results.save(comparison.pruners(of_study), report, "comparison")
    questions = page.sections(study.study_folder)["questions"].values()
    shown = {name: table for question in questions for name, table in question["tables"].items()}
    assert "In brackets: 90 % intervals" in shown["decomposition_at_these_texts"][1]
    assert "with a 95 % interval" in shown["comparison"][1]


def test_what_a_cell_computes_again_can_be_drawn_at_its_level(study):
    summary = results.read(study.study_folder).pies_record(study.folder)["summary"]
    assert "confidence" not in {*summary["change"], *summary["classes_beside_null"]}
    runs = [predictions.read_seeds(folder, study.seeds) for folder in (study.dense_folder, study.folder)]
    again = paired_change.between(*runs, _labels(study), confidence=0.9).to_dict("list")
    assert "90 % intervals" in note(figures.change(change.of_configuration(summary | {"change": again})))
    assert "95 % intervals" in note(figures.change(change.of_configuration(summary)))


def test_a_study_stores_no_null_of_another_level_or_vote(study):
    data = datasets.load(**study.data)
    runs = [predictions.read_seeds(folder, study.seeds) for folder in (study.dense_folder, study.folder)]
    narrower = null.estimate(*(side.classes for side in runs), n_splits=10, n_bootstrap=10, confidence=0.9)
    with refused("null-of-another-level", "estimated without confidence", "intervals of 90 %, and a study stores"):
        results.summary(study, data, *runs, narrower)
    results.examples(data["test"], *runs, narrower)  # which has no interval
    soft = null.estimate(*(np.eye(3)[side.classes] for side in runs), n_splits=10, n_bootstrap=10)
    with refused("null-of-another-vote", "dense.classes and pruned.classes", "highest mean probability"):
        results.summary(study, data, *runs, soft)
    with refused("null-of-another-vote"):
        summaries.examples(data["test"], *runs, soft)
