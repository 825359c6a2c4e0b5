"""The check that every notebook begins with."""

import inspect
import pickle

import pytest
from conftest import refused

from pielab.config import parameters, types
from pielab.config.parameters import DEFAULTS, NOTEBOOKS, PruneParameters, TrainParameters, TuneParameters
from pielab.config.validation import check
from pielab.data import datasets
from pielab.errors import PielabError, SeveralErrors
from pielab.store import records

# A configuration of today's defaults, and what has been added to recipes since there were any.
SHORT = {
    **{"study": "s", "dataset": "bbc-news", "limit": 200, "model": "bilstm", "max_tokens": 32},
    **{"epochs": 4, "batch_size": 32, "learning_rate": 3e-3, "seeds": "0-1"},
}
NEWER = {"budget": "equal", "warmup": 0.1, "decay": "linear", "weight_decay": 0.01, "prune_pooler": False}
RECIPE_ORDER = (
    "dataset text text_pair label label_separator limit model pruner threshold num_hidden_layers word_vectors padding "
    "max_tokens threads precision bucketed epochs batch_size learning_rate budget warmup decay weight_decay "
    "impact_examples prune_layer_norm prune_pooler initial_phase final_phase window importance_beta uncertainty_beta "
    "validations_per_epoch levels"
)


def only(kind, values):
    return {name: value for name, value in values.items() if name in kind.model_fields}


def test_good_parameters_come_back_typed(given):
    p = check("02_prune", given | {"threshold": "90", "seeds": "0-2,5", "study": "s"})
    assert p.threshold == 90.0 and p.seeds == (0, 1, 2, 5)
    assert p.folder.parts[-2:] == ("topics-bilstm", "IMP-FT-90")


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("threshold", "ninety", "above 0 and below 100"),
        ("threshold", 0, "above 0 and below 100"),
        ("threshold", 100, "above 0 and below 100"),
        ("threshold", float("nan"), "above 0 and below 100"),
        ("threshold", True, "above 0 and below 100"),
        ("seeds", "5-2", "a range such as 0-29"),
        ("seeds", "", "a range such as 0-29"),
        ("seeds", "1,1", "a range such as 0-29"),
        ("seeds", "1.5", "a range such as 0-29"),
        ("seeds", -3, "a range such as 0-29"),
        ("seeds", True, "a range such as 0-29"),
        ("seeds", "0_29", "a range such as 0-29"),
        ("seeds", [-1, 0], "a range such as 0-29"),
        ("seeds", "1:30", "a range such as 0-29"),
        ("seeds", "0-999999999", "a range such as 0-29"),
        ("seeds", "0-99999999999999999999", "a range such as 0-29"),
        ("label", False, "in quotes"),
        ("pruner", "IMPFT", "IIBP-WR, IIBP-FT, IBP-AI, IMP-WR, IMP-FT, MP-AI, IRP-FT, RP-AI"),
        ("pruner", ["IMP-FT"], "IIBP-WR"),
        ("levels", "20,,50", "each once and its own threshold among them"),
        ("levels", [20, 20], "each once"),
        ("levels", [20, 100], "such as [20, 50, 90]"),
        ("levels", [], "or None"),
        ("levels", True, "or None"),
        ("budget", "fair", "paper (each retraining"),
        ("initial_phase", 1, "from 0 and below 1"),
        ("final_phase", 0.95, "and, with initial_phase, below 1"),
        ("window", 0, "from 1"),
        ("warmup", 1.5, "from 0 and below 1"),
        ("decay", "cosine", "none (a constant learning rate) or linear"),
        ("weight_decay", -0.1, "from 0, such as 0.01"),
        ("importance_beta", 1.0, "from 0 and below 1"),
        ("validations_per_epoch", 0, "may become the teacher, from 1"),
        ("epochs", 0, "from 1"),
        ("epochs", 2.5, "from 1"),
        ("epochs", True, "from 1"),
        ("limit", 0, "or None for all"),
        ("learning_rate", "fast", "above 0"),
        ("learning_rate", float("inf"), "above 0"),
        ("padding", "left", "random, zero or mean"),
        ("device", "tpu", "auto, cpu, cuda or mps"),
        ("save_weights", "true", "True or False"),
        ("model", 7, "bilstm"),
        ("study", "", "name of a study"),
        ("study", "../elsewhere", "name of a study"),
    ],
)
def test_a_value_that_is_not_accepted_is_one_line_that_says_what_is(given, name, value, accepted):
    with refused("value-not-accepted", accepted, f"{name} = {value!r} is not accepted by 02_prune"):
        check("02_prune", given | {name: value})


def test_other_names_than_the_papers_are_for_predictions_that_are_there(given):
    p = check("03_pies", given | {"n_splits": 20, "n_bootstrap": 20, "pruner": "AWQ_4-bit.v2"})
    assert p.folder.name == "AWQ_4-bit.v2-60"
    for name in ("unpruned", "a/b", "..", "", " "):
        with refused("value-not-accepted", "or the name that importing.add", f"pruner = {name!r} is not accepted"):
            check("03_pies", given | {"n_splits": 20, "n_bootstrap": 20, "pruner": name})


def test_an_old_name_is_read_as_what_it_has_become(given):
    now = {"n_splits": 200, "n_bootstrap": 200}  # as the notebooks' own cells say
    for notebook in ("03_pies", "04_el2n", "05_readability"):
        p = check(notebook, given | now | {"resamples": 7, "bins": 20, "processes": 1})
        assert p.n_bootstrap == 7 and getattr(p, "n_splits", 7) == 7
    assert not hasattr(check("01_train", given | {"resamples": 7}), "n_splits")
    with pytest.raises(SeveralErrors) as raised:
        check("03_pies", given | {"resamples": 0})
    assert [error.problem for error in raised.value.errors] == [
        f"{name} = 0 is not accepted by 03_pies" for name in ("n_splits", "n_bootstrap")
    ]


def test_a_name_that_is_no_parameter_names_the_one_that_was_meant(given):
    with refused("unknown-parameter", "did you mean threshold? It has ", "treshold is not a parameter of 02_prune"):
        check("02_prune", given | {"treshold": 90})


def test_every_fault_has_its_line(given):
    with pytest.raises(SeveralErrors) as raised:
        check("02_prune", given | {"treshold": 90, "epochs": "many", "batch_size": -1})
    lines = str(raised.value).splitlines()
    assert len(lines) == len(raised.value.errors) == 3
    assert raised.value.id == raised.value.errors[0].id and lines == [str(error) for error in raised.value.errors]
    within = raised.value.within("line 7")
    assert str(within).splitlines() == [f"line 7: {line}" for line in lines]
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_a_missing_parameter_is_named(given):
    del given["epochs"]
    with refused("missing-parameter", "give how many epochs", "epochs is missing from the parameters of 01_train"):
        check("01_train", given)


def test_what_belongs_to_another_notebook_is_left_alone(given):
    assert not hasattr(check("01_train", given), "pruner")


def test_a_notebooks_own_names_are_no_parameters(given):
    given |= {"In": ["", "x = 1"], "Out": {}, "_": 3, "exit": exit, "pielab": parameters}
    checked = check("01_train", given)
    # Run again after later cells of the same notebook have set names of their own.
    assert check("01_train", given | {"p": checked, "rows": [1, 2], "n": 3}) == checked
    with refused("unknown-parameter", "did you mean learning_rate?", "learning_rat is not a parameter of 01_train"):
        check("01_train", given | {"p": checked, "learning_rat": 1})


@pytest.mark.parametrize(
    ("given_seeds", "expected"),
    [("0-3", (0, 1, 2, 3)), ("7", (7,)), (7, (7,)), ("3,0", (0, 3)), ([2, 1], (1, 2)), ("0-1, 4", (0, 1, 4))],
)
def test_seeds(given_seeds, expected):
    assert types.parse_seeds(given_seeds) == expected


@pytest.mark.parametrize("name", [name for name, default in DEFAULTS.items() if default is None])
def test_the_word_none_is_none_where_that_is_a_value(given, name):
    if name in PruneParameters.model_fields:
        assert getattr(check("02_prune", given | {name: "None"}), name) is None


def test_the_recipe_holds_what_decides_a_result_and_nothing_else(given):
    p = PruneParameters(**given)
    assert {"seeds", "study", "results", "device", "save_weights", "data_dir"}.isdisjoint(p.recipe())
    assert {"epochs", "learning_rate", "pruner", "threshold", "limit", "padding"} <= set(p.recipe())
    assert "pruner" not in p.recipe(TrainParameters)
    changed = PruneParameters(**given | {"seeds": "0-9", "results": "elsewhere", "device": "auto"})
    assert records.digest(p.recipe()) == records.digest(changed.recipe())
    assert records.digest(p.recipe()) != records.digest(PruneParameters(**given | {"epochs": 3}).recipe())


# The recipe of the version before fields were marked, by what is set beside the paper's values.
HASHES = [
    ({}, "bf9cea79341eb0cd", "e6c9c3c7701859d7"),
    (NEWER, "f84f200bd6e6071b", "392b66b2639e3955"),
    ({"pruner": "PINS"}, "7e532bdc12d1a15c", "e6c9c3c7701859d7"),
    ({"pruner": "GMP-local", "window": 3} | NEWER, "738c57d077c67ec3", "392b66b2639e3955"),
    ({"pruner": "IMP-WR-nested", "levels": [90, 20, 60]}, "4901c9271be1a328", "e6c9c3c7701859d7"),
]


@pytest.mark.parametrize(("changes", "pruned", "unpruned"), HASHES)
def test_recipes_are_those_of_earlier_versions(changes, pruned, unpruned):
    p = PruneParameters(**SHORT | {"pruner": "IMP-FT", "threshold": 60} | changes)
    assert records.digest(p.recipe()) == pruned and records.digest(p.recipe(TrainParameters)) == unpruned
    assert records.digest(TrainParameters(**only(TrainParameters, SHORT | changes)).recipe()) == unpruned
    # The order in which a record lists them.
    order = [name for name in RECIPE_ORDER.split() if name in p.recipe()]
    assert list(p.recipe()) == order and set(p.recipe(TrainParameters)) < set(order)


def test_the_recipe_of_a_search_is_that_of_earlier_versions():
    space = {"trials": 4, "epochs_range": [1, 3], "batch_sizes": [16, 32], "learning_rate_range": [1e-3, 1e-2]}
    p = TuneParameters(**only(TuneParameters, SHORT | space))
    assert records.digest(p.recipe()) == "844060bc4de03d29"
    assert p.model_copy(update={"warmup": 0.1}).recipe() == p.recipe() | {"warmup": 0.1}


def test_a_parameter_has_one_default():
    """Whatever notebook has it, and in `datasets.load`."""
    for kind in NOTEBOOKS.values():
        defaults = {name: field.default for name, field in kind.model_fields.items() if not field.is_required()}
        assert defaults.items() <= DEFAULTS.items()
    loaded = inspect.signature(datasets.load).parameters
    assert all(loaded[name].default == DEFAULTS[name] for name in TrainParameters(**SHORT).data if name != "name")


@pytest.mark.parametrize(
    ("changes", "id", "cure", "problem"),
    [
        ({"epochs": 3}, "too-few-epochs-to-share", "give 4 epochs or more", "budget = 'equal' shares epochs = 3 among"),
        (
            {"pruner": "IMP-WR-nested", "epochs": 8},
            "equal-budget-of-nested",
            "leave the nested pruners out, or give budget",
            "budget = 'equal' has no meaning for a nested pruner",
        ),
    ],
)
def test_parameters_that_do_not_go_together_are_one_line(given, changes, id, cure, problem):
    with refused(id, cure) as caught:
        check("02_prune", given | {"budget": "equal"} | changes)
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize("notebook", ["00_tune", "01_train", "02_prune"])
def test_layers_of_the_bilstm_are_refused_with_the_other_parameters(given, notebook):
    search = {"epochs_range": [1, 2], "batch_sizes": [8], "learning_rate_range": [1e-3, 1e-2]}
    given = given | (search if notebook == "00_tune" else {})
    with refused("layers-of-bilstm", "give None for the BiLSTM", "num_hidden_layers = 1 is for transformers"):
        check(notebook, given | {"num_hidden_layers": 1})
    assert check(notebook, given | {"num_hidden_layers": 1, "model": "minilm"}).num_hidden_layers == 1
    assert check(notebook, given).num_hidden_layers is None


def test_the_phases_of_a_gradual_pruner_leave_steps_between_if_one_has_its_default(given):
    with refused("value-not-accepted", "and, with initial_phase, below 1", "final_phase = 0.2 is not accepted by "):
        check("02_prune", given | {"initial_phase": 0.9})


@pytest.mark.parametrize("levels", [[90, 20, 60], "20,60,90", "[20, 60, 90]", (20.0, 60.0, 90.0)])
def test_a_nested_recipe_holds_the_levels_that_were_passed_and_no_other(given, levels):
    p = check("02_prune", given | {"pruner": "IMP-FT-nested", "levels": levels})
    assert p.levels == (20, 60, 90) and [step.threshold for step in p.trajectory.steps] == [20, 60]
    assert p.recipe()["levels"] == [20, 60]
    alone = check("02_prune", given | {"pruner": "IMP-FT-nested", "levels": "20,60"})
    assert records.digest(alone.recipe()) == records.digest(p.recipe())
    one_step = check("02_prune", given | {"pruner": "IMP-FT-nested"})
    assert len(one_step.trajectory.steps) == 1 and one_step.recipe()["levels"] == [60]
    assert "levels" not in p.recipe(TrainParameters)


def test_levels_are_nothing_to_other_pruners(given):
    without, with_levels = (PruneParameters(**given | {"levels": each}) for each in (None, [20, 50]))
    assert with_levels.recipe() == without.recipe() and "levels" not in without.recipe()
    assert with_levels.trajectory == without.trajectory


def test_a_nested_threshold_that_is_not_among_its_levels_is_one_line(given):
    with refused("value-not-accepted", "its own threshold among them", "levels = [20, 50] is not accepted by 02_prune"):
        check("02_prune", given | {"pruner": "IMP-FT-nested", "levels": [20, 50]})


def test_an_error_in_a_notebook_is_its_sentence_alone():
    error = PielabError("no-epochs", "epochs = 0", "give one at least")
    assert error._render_traceback_() == ["PielabError: epochs = 0: give one at least."]
