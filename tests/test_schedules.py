"""The trajectory of a seed: its start, prunings and epochs."""

import pytest
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

from pielab.compression import pruners, schedules
from pielab.compression.schedules import Step, trajectory


def test_trajectories_by_hand():
    levels = (20, 50, 90)
    iterative = trajectory(pruners.pruner("IMP-FT"), 87.5, (), 8, "paper")
    assert (iterative.start, iterative.start_epochs, iterative.epochs) == ("unpruned", 8, 24)
    assert [step.sparsity for step in iterative.steps] == pytest.approx([0.5, 0.75, 0.875])
    assert [step.threshold for step in iterative.steps] == [None, None, 87.5] and iterative.own_steps == iterative.steps
    equal = trajectory(pruners.pruner("IMP-FT"), 87.5, (), 10, "equal")
    assert (equal.start, equal.start_epochs) == ("branch", 2) and [step.epochs for step in equal.steps] == [3, 2, 3]
    nested = trajectory(pruners.pruner("IMP-FT-nested"), 50, levels, 8, "paper")
    assert nested.start == "unpruned" and nested.steps == (Step(0.2, 8, 20), Step(0.5, 8, 50))
    assert nested.own_steps == nested.steps[1:]  # the model of 20 % is the seed of another configuration
    for name in ("MP-AI", "PINS"):
        for budget in ("paper", "equal"):
            once = trajectory(pruners.pruner(name), 90, levels, 8, budget)
            assert (once.start, once.start_epochs, once.steps) == ("initial", 0, (Step(0.9, 8, 90),))


@given(
    st.sampled_from([name for name in pruners.KNOWN if name not in pruners.ONE_SHOT]),
    st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True),
    st.integers(1, 40),
    st.sampled_from(["paper", "equal"]),
    st.data(),
)
def test_a_trajectory_prunes_ever_more_up_to_its_threshold(name, levels, epochs, budget, data):
    pruner, threshold = pruners.pruner(name), data.draw(st.sampled_from(levels))
    if budget == "equal" and pruner.starts_trained and (epochs < 4 or pruner.schedule == "nested"):
        return
    found = trajectory(pruner, threshold, levels, epochs, budget)
    shares = [step.sparsity for step in found.steps]
    assert shares == sorted(shares) and shares[-1] == threshold / 100
    assert found.steps[-1].threshold == threshold and all(step.epochs > 0 for step in found.steps)
    on_the_way = [step.threshold for step in found.steps[:-1] if step.threshold is not None]
    assert on_the_way == (sorted(each for each in levels if each < threshold) if pruner.schedule == "nested" else [])
    assert (found.start == "initial") == (found.start_epochs == 0)
    if budget == "equal":
        assert found.start_epochs + found.epochs == epochs
    # All seeds of a nested pruner's levels together train each step once.
    others = [trajectory(pruner, each, levels, epochs, budget) for each in on_the_way]
    assert sum(len(each.own_steps) for each in [*others, found]) == len(found.steps)


@pytest.mark.parametrize(("epochs", "parts"), [(4, [1, 1, 1, 1]), (10, [2, 3, 2, 3]), (7, [1, 2, 2, 2])])
def test_an_equal_budget_is_shared_among_the_trainings(epochs, parts):
    found = trajectory(pruners.pruner("IMP-FT"), 90, (), epochs, "equal")
    assert [found.start_epochs, *(step.epochs for step in found.steps)] == parts
    assert schedules.branch_epochs(epochs) == parts[0]


@pytest.mark.parametrize(
    ("pruner", "id", "cure"),
    [
        ("IMP-FT", "too-few-epochs-to-share", "give 4 epochs or more"),
        ("IMP-FT-nested", "equal-budget-of-nested", "leave the nested pruners out"),
    ],
)
def test_a_budget_that_cannot_be_shared_is_one_sentence(pruner, id, cure):
    with refused(id, cure, "budget = 'equal'"):
        trajectory(pruners.pruner(pruner), 90, (), 3, "equal")
