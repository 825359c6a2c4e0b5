"""What a study's answers changed because of, from the predictions of its configurations to a tidy table."""

import numpy as np
import pytest
from conftest import refused
from test_sides import change

from pielab.analysis import comparison, decomposition, null, results, sides
from pielab.config.parameters import PieParameters, PruneParameters
from pielab.config.validation import check
from pielab.data import datasets, importing
from pielab.report import paper
from pielab.store import predictions
from pielab.training import runs
from pielab.training.experiment import prepare

SEEDS = 6


@pytest.fixture
def add(given):
    """Writes predictions of `SEEDS` models made elsewhere, (seeds, examples) class ids, into the study."""
    where = {name: given[name] for name in ("study", "results", "dataset", "text", "label", "model") if name in given}
    data = datasets.load(**{"name": given["dataset"], "text": given["text"], "label": given["label"]})
    texts, classes = len(data["test"]), len(datasets.class_names(data))

    def write(answers, **names):
        importing.add(np.eye(classes)[answers], **where, **names)

    write.texts, write.classes = texts, classes
    return write


def find(given, pruner, threshold=90, **changes):
    """As 03_pies does, from predictions to pies.parquet; returns the summary."""
    names = [name for name in PieParameters.model_fields if name in given]
    values = {name: given[name] for name in names} | {"seeds": f"0-{SEEDS - 1}"} | changes
    values = values | {"n_splits": 20, "n_bootstrap": 20} | changes | {"pruner": pruner, "threshold": threshold}
    p = PieParameters(**values)
    data = datasets.load(**p.data)
    dense, pruned = (predictions.read_seeds(folder, p.seeds) for folder in (p.dense_folder, p.folder))
    control = sides.control(p)
    results.check_same_data(data, dense, pruned, control=control)
    estimate = null.estimate(dense.classes, pruned.classes, n_splits=p.n_splits, n_bootstrap=p.n_bootstrap)
    examples = results.examples(data["test"], dense, pruned, estimate)
    summary = results.summary(p, data, dense, pruned, estimate, control)
    results.write_pies(p.folder, examples, summary, p, datasets.digest(data))
    return summary


def models(add, changed, seed):
    """Class ids of models that answer 0, but for a share of the texts drawn anew for each."""
    random = np.random.default_rng(seed)
    return (random.random((SEEDS, add.texts)) < changed).astype(int)


def value(table, pruner, comparison, quantity, column="estimate"):
    rows = table[(table["pruner"] == pruner) & (table["comparison"] == comparison) & (table["quantity"] == quantity)]
    return rows[column].item()


def test_a_study_has_the_rows_of_its_configurations_with_tests_of_all_together(given, add):
    add(models(add, 0.2, 0))
    add(models(add, 0.2, 1), pruner="my-control", threshold=0)
    add(1 - models(add, 0.1, 2), pruner="mine", threshold=90)
    add(models(add, 0.2, 3), pruner="other", threshold=90)
    find(given, "mine", control="my-control")
    find(given, "other", control="unpruned")
    table = decomposition.of_study(PieParameters(**_pie_values(given)).study_folder)
    assert list(table) == decomposition.COLUMNS and set(table["seeds"]) == {SEEDS}
    assert table.groupby("pruner")["control"].first().to_dict() == {"mine": "my-control", "other": "unpruned"}
    # All of them answer 1 where the others answer 0: nearly every text moved, and no exchange does as much.
    assert value(table, "mine", "removal", "moved") > 30
    assert value(table, "mine", "removal", "moved", "p") == 2 / 2**SEEDS
    assert value(table, "mine", "removal", "moved", "p_corrected") == 2 / 2**SEEDS
    corrected, p = (value(table, "other", "removal", "moved", name) for name in ("p_corrected", "p"))
    assert p <= corrected <= 1
    for pruner in ("mine", "other"):
        parts = table[(table["pruner"] == pruner) & (table["comparison"] == "parts")].set_index("quantity")["estimate"]
        summed = parts[["retraining", "removal"]].sum() + parts.get("training longer", 0)
        assert summed == pytest.approx(parts["in all"], abs=1e-12)


def _pie_values(given):
    names = [name for name in PieParameters.model_fields if name in given]
    return {name: given[name] for name in names} | {"pruner": "mine", "threshold": 90}


def test_configurations_of_other_seeds_are_tested_apart(given, add):
    add(models(add, 0.2, 0))
    add(1 - models(add, 0.1, 2), pruner="mine", threshold=90)
    add(models(add, 0.2, 3), pruner="other", threshold=90)
    find(given, "mine", control="unpruned")
    find(given, "other", control="unpruned", seeds="0-4")
    table = decomposition.of_study(PieParameters(**_pie_values(given)).study_folder)
    assert table.groupby("pruner")["seeds"].first().to_dict() == {"mine": 6, "other": 5}
    assert value(table, "mine", "removal", "moved", "p") == 2 / 2**SEEDS
    assert np.isnan(value(table, "other", "removal", "moved", "p"))


def test_without_a_control_nothing_is_said_of_removal_alone(given, add):
    add(models(add, 0.2, 0))
    add(models(add, 0.3, 1), pruner="mine", threshold=90)
    table = decomposition.of_configuration(find(given, "mine"))
    assert set(table["control"]) == {"missing"} and set(table["comparison"]) == {"parts", "both"}
    assert value(table, "mine", "both", "moved", "p") >= 2 / 2**SEEDS


def test_the_pies_of_an_earlier_version_are_left_out(given, add, monkeypatch):
    add(models(add, 0.2, 0))
    add(models(add, 0.3, 1), pruner="mine", threshold=90)
    summary = results.summary
    earlier = lambda *args: {k: v for k, v in summary(*args).items() if k not in ("agreement", "control")}  # noqa: E731
    monkeypatch.setattr(results, "summary", earlier)
    find(given, "mine")
    table = decomposition.of_study(PieParameters(**_pie_values(given)).study_folder)
    assert table.empty and list(table) == decomposition.COLUMNS


@pytest.fixture
def trained(given):
    """The parameters of 03 for two seeds of a pruner, with a control and without."""

    def train(pruner, threshold=50, **changes):
        p = PruneParameters(**given | {"pruner": pruner, "threshold": threshold, "epochs": 1} | changes)
        runs.train_pruned(prepare(p, datasets.load(**p.data)))
        names = [name for name in PieParameters.model_fields if name in given and name not in ("pruner", "threshold")]
        return PieParameters(**{name: given[name] for name in names}, pruner=pruner, threshold=threshold)

    return train


def test_the_control_of_a_pruner_is_read_once_it_is_trained(trained, capsys):
    p = trained("IMP-FT")
    assert sides.control(p) == sides.Control("missing")
    assert 'pruner = "control-FT" and threshold = 0.' in capsys.readouterr().out
    trained("control-FT", threshold=0)
    found = sides.control(p)
    assert found.name == "control-FT" and found.predictions.seeds == p.seeds and capsys.readouterr().out == ""
    dense = predictions.read_seeds(p.dense_folder, p.seeds)
    assert sides.differences(p, dense, "control-FT") == []
    assert sides.control(p.model_copy(update={"control": None})) == sides.Control("missing")
    own = p.model_copy(update={"pruner": "control-FT", "threshold": 0.0, "control": None})
    assert sides.control(own) == sides.Control("control-FT")
    assert sides.control(trained("MP-AI")) == sides.Control("unpruned")
    with refused("control-of-another-pruner", "control = 'auto'", "MP-AI, whose control is unpruned"):
        sides.control(trained("MP-AI").model_copy(update={"control": "control-FT"}))
    with refused("control-of-another-pruner", "control = 'auto'", "IMP-FT, whose control is control-FT"):
        sides.control(p.model_copy(update={"control": "unpruned"}))
    with refused("no-such-control", "control = None", "has no seed 0-1"):
        sides.control(p.model_copy(update={"control": "nothing"}))


def test_a_control_that_was_trained_otherwise_is_told(trained):
    p = trained("IMP-FT")
    trained("control-FT", threshold=0)
    dense = predictions.read_seeds(p.dense_folder, p.seeds)
    change(p.pair_folder / "control-FT", 0, precision="bfloat16", starts_from="another")
    said = sides.differences(p, dense, "control-FT")
    assert any("precision: float32 unpruned, bfloat16 control-FT" in line for line in said)
    assert "control-FT started from other unpruned models than these (seeds: 0)." in said


def test_a_nested_control_of_other_levels_is_told(trained):
    p = trained("IMP-FT-nested", threshold=60, levels=[20, 60])
    trained("control-nested", threshold=60, levels=[60])
    dense, control = predictions.read_seeds(p.dense_folder, p.seeds), sides.control(p)
    assert control.name == "control-nested-60"
    said = sides.differences(p, dense, control.name)
    assert said == ["IMP-FT-nested passed through [20.0, 60.0] %, and control-nested-60 through [60.0] %."]


@pytest.mark.parametrize("threshold", [50, 99.5])
def test_a_control_has_no_setting_and_a_pruner_has_one(given, threshold):
    with refused("value-not-accepted", "or 0 for a control", f"threshold = {threshold}"):
        _checked(given, pruner="control-FT", threshold=threshold)
    with refused("value-not-accepted", "or 0 for a control", "threshold = 0"):
        _checked(given, pruner="IMP-FT", threshold=0)
    _checked(given, pruner="control-nested", threshold=threshold)


def _checked(given, **changes):
    return check("02_prune", given | changes)


def test_controls_are_no_part_of_the_papers_tables_nor_of_a_comparison_of_pruners(given, add):
    add(models(add, 0.2, 0))
    add(models(add, 0.2, 1), pruner="control-FT", threshold=0)
    add(models(add, 0.3, 2), pruner="IMP-FT", threshold=90)
    find(given, "control-FT", 0)
    find(given, "IMP-FT", control="control-FT")
    study = results.read(PieParameters(**_pie_values(given)).study_folder)
    assert set(results.configurations(study)["pruner"]) == {"control-FT", "IMP-FT"}
    assert set(comparison.pruners(study)["pruner"]) == {"IMP-FT"}
    for number in (4, 9, 10):
        assert "control-FT" not in str(paper.table(study, number).data.index.tolist())
    table = decomposition.of_study(study)
    assert table.groupby("pruner", sort=False)["control"].first().tolist() == ["control-FT", "control-FT"]


def test_the_halved_removal_is_over_the_half_splits_of_the_other_shares(given, add):
    add(models(add, 0.2, 0))
    add(models(add, 0.2, 1), pruner="my-control", threshold=0)
    add(models(add, 0.4, 2), pruner="mine", threshold=90)
    # Fewer than there are, so that others would give another mean.
    mine = find(given, "mine", control="my-control", n_splits=4)
    of_control = find(given, "my-control", 0, control=None, n_splits=4)
    # The same unpruned halves, so that the null cancels out.
    removal = mine["halved_pies_percent"] - of_control["halved_pies_percent"]
    assert mine["halved_removal_percent"] == pytest.approx(removal, abs=1e-9)
    assert mine["halved_removal_low"] < removal < mine["halved_removal_high"]
