"""Pruning while a model trains, against computations by hand."""

import copy
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax
from torch import nn

from pielab.compression import gradual, pruners
from pielab.compression.masks import dense_masks, prune
from pielab.compression.schedules import Schedule, sparsity_at
from pielab.training import distillation

SCHEDULE = Schedule(initial_phase=0.1, final_phase=0.3, window=3, importance_beta=0.85, uncertainty_beta=0.99)
RATE = 0.05


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 4, bias=False))


def steps_of(model, pruner, sparsity=0.5, steps=40, schedule=SCHEDULE, rate=RATE):
    """Train by plain gradient descent; yields the Gradual, and the weights and gradients before and after each step."""
    torch.manual_seed(1)
    weights = dict(model.named_parameters())
    doing = gradual.Gradual(weights, pruners.pruner(pruner), sparsity, steps, schedule)
    for _ in range(steps):
        model.zero_grad()
        (model(torch.randn(8, 6)) - 1).square().mean().backward()
        before = {name: weight.detach().clone().numpy() for name, weight in weights.items()}
        gradients = {name: weight.grad.clone().numpy() for name, weight in weights.items()}
        doing.before_step(rate)
        with torch.no_grad():
            for weight in weights.values():
                weight -= rate * weight.grad
        doing.after_step()
        after = {name: weight.detach().clone().numpy() for name, weight in weights.items()}
        yield SimpleNamespace(doing=doing, before=before, gradients=gradients, after=after)


def test_weights_that_the_loss_does_not_depend_on_have_no_importance():
    model = small_model()
    weights = dict(model.named_parameters()) | {"unused": nn.Parameter(torch.ones(4, 4))}
    doing = gradual.Gradual(weights, pruners.pruner("PINS"), 0.5, 40, SCHEDULE)
    model(torch.ones(8, 6)).square().mean().backward()
    doing.before_step(RATE)
    assert not doing.window["unused"].any() and doing.window["0.weight"].any()


def test_importance_is_what_zero_changes_more_than_a_step_does():
    weight, gradient = torch.tensor([2.0, -1.0, 0.0]), torch.tensor([0.5, 0.5, -4.0])
    assert gradual.importance(weight, gradient, 0.1).tolist() == pytest.approx([0.975, 0.525, 1.6])
    # Of a linear loss it is that difference itself.
    loss = lambda values: float(values @ gradient)  # noqa: E731
    for index in range(3):
        zeroed, stepped = weight.clone(), weight.clone()
        zeroed[index], stepped[index] = 0, weight[index] - 0.1 * gradient[index]
        difference = abs(loss(zeroed) - loss(stepped))
        assert gradual.importance(weight, gradient, 0.1)[index].item() == pytest.approx(difference)


def test_the_schedule_by_hand():
    assert SCHEDULE.phases(100) == (10, 70)
    at = {step: sparsity_at(step, (10, 70), 0.8) for step in (1, 10, 25, 40, 70, 100)}
    assert at == pytest.approx({1: 0, 10: 0, 25: 0.8 * (1 - 0.75**3), 40: 0.8 * (1 - 0.5**3), 70: 0.8, 100: 0.8})


@given(st.integers(20, 2000), st.floats(0.01, 0.99), st.floats(0, 0.4), st.floats(0, 0.4))
def test_the_sparsity_rises_from_nothing_to_the_final_one(steps, final, initial_phase, final_phase):
    phases = Schedule(initial_phase, final_phase, 1, 0.85, 0.99).phases(steps)
    found = [sparsity_at(step, phases, final) for step in range(1, steps + 1)]
    assert all(0 <= before <= after <= final for before, after in pairwise(found))
    assert found[-1] == final and found[phases[1] - 1] == final
    assert all(each == 0 for each in found[: phases[0]])


def test_both_averages_are_those_of_a_direct_computation():
    sums, average, uncertainty = {}, {}, {}
    for number, step in enumerate(steps_of(small_model(), "PINS-CE"), start=1):
        for name, weight in step.before.items():
            gradient = step.gradients[name]
            sums[name] = sums.get(name, 0) + np.abs(-weight * gradient + RATE * gradient**2)
            if number % SCHEDULE.window == 0:
                mean = sums.pop(name) / SCHEDULE.window
                average[name] = 0.85 * average.get(name, 0) + 0.15 * mean
                uncertainty[name] = 0.99 * uncertainty.get(name, 0) + 0.01 * np.abs(mean - average[name])
        for name in average:
            assert np.allclose(step.doing.average[name], average[name], rtol=1e-4, atol=1e-9)
            assert np.allclose(step.doing.uncertainty[name], uncertainty[name], rtol=1e-4, atol=1e-9)
            score = average[name] * uncertainty[name]
            assert np.allclose(step.doing.score(name), score, rtol=1e-3, atol=1e-12)


@pytest.mark.parametrize("pruner", [*pruners.GRADUAL, "PINS-CE-local", "GMP-local"])
def test_every_step_prunes_as_much_as_the_schedule_says(pruner):
    first, last = SCHEDULE.phases(40)
    for number, step in enumerate(steps_of(small_model(), pruner), start=1):
        zeros = {name: int((weight == 0).sum()) for name, weight in step.after.items()}
        if number <= first:
            assert not any(zeros.values())
        elif number % SCHEDULE.window == 0 or number >= last:
            share = sparsity_at(number, (first, last), 0.5)
            assert sum(zeros.values()) == pytest.approx(share * 50, abs=1 if "local" in pruner else 0.5)
            if "local" in pruner:
                assert zeros == {"0.weight": round(share * 30), "2.weight": round(share * 20)}
        else:
            assert not any(zeros.values())  # between two prunings all weights learn, and may grow back
    masks = step.doing.masks
    assert sum(int((~mask).sum()) for mask in masks.values()) == 25
    assert all(not step.after[name][~mask.numpy()].any() for name, mask in masks.items())


def test_the_lowest_scores_of_all_matrices_are_pruned_and_not_of_each():
    model = small_model()
    with torch.no_grad():
        model[2].weight *= 100
    last = list(steps_of(model, "GMP", rate=1e-6))[-1]
    shares = {name: float((~mask).float().mean()) for name, mask in last.doing.masks.items()}
    assert shares == pytest.approx({"0.weight": 25 / 30, "2.weight": 0})
    local = list(steps_of(small_model(), "GMP-local", rate=1e-6))[-1]
    assert all((~mask).float().mean() == 0.5 for mask in local.doing.masks.values())


@given(
    st.lists(st.integers(0, 4), min_size=12, max_size=12),
    st.lists(st.integers(0, 4), min_size=8, max_size=8),
    st.integers(1, 99),
)
def test_a_global_mask_prunes_the_exact_count_whatever_ties_there_are(first, second, percent):
    scores = {"a": torch.tensor(first).float().reshape(3, 4), "b": torch.tensor(second).float().reshape(2, 4)}
    kept = prune(scores, dense_masks(scores), percent / 100, "global")
    pruned = torch.cat([scores[name][~kept[name]] for name in scores])
    left = torch.cat([scores[name][kept[name]] for name in scores])
    assert len(pruned) == round(percent / 100 * 20)
    assert not len(pruned) or not len(left) or pruned.max() <= left.min()
    again = prune(scores, kept, 0.995, "global")
    assert all(not (again[name] & ~kept[name]).any() for name in scores)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.floats(0, 1))
def test_a_threshold_is_the_same_on_every_device(scores, share):
    scores = torch.tensor(scores).float()
    number = round(share * len(scores))
    found = gradual._nth_lowest(scores, share)
    assert found == (sorted(scores.tolist())[number - 1] if number else -1)
    assert not number or found == gradual._nth_lowest_on_device(scores, number)


def test_a_pruner_holds_three_tensors_a_matrix_at_most():
    *_, step = steps_of(small_model(), "PINS", steps=30)
    tensors = [each for each in vars(step.doing).values() if isinstance(each, dict) and "0.weight" in each]
    large = [each for each in tensors if each["0.weight"].is_floating_point() and each["0.weight"].dim() == 2]
    # The weights themselves, and three.
    assert len(large) == 4
    *_, step = steps_of(small_model(), "GMP", steps=30)
    assert not hasattr(step.doing, "window") and step.doing.masks["0.weight"].dtype == torch.bool


@pytest.mark.parametrize(
    ("changes", "steps", "problem"),
    [
        ({"window": 10}, 12, "window = 10 is longer than the 7 steps between"),
        ({"initial_phase": 0.7, "final_phase": 0.5}, 100, "longer than the 0 steps between"),
    ],
)
def test_a_schedule_that_does_not_fit_is_one_sentence(changes, steps, problem):
    with refused("window-too-long", "lower window, initial_phase or", problem) as raised:
        Schedule(**{**vars(SCHEDULE), **changes}).phases(steps)
    assert raised.value.problem.endswith(f" of a run of {steps}")


def test_the_self_regularised_loss_of_one_label_by_hand():
    random = np.random.default_rng(0)
    student, teacher = random.normal(size=(2, 6, 4)) * 3
    targets = random.integers(4, size=6)
    expected = []
    for own, taught, target in zip(student, teacher, targets, strict=True):
        chances = softmax(own)
        share = 1 + (chances * np.log(chances)).sum() / np.log(4)
        wanted, given = softmax(taught / 2), log_softmax(own / 2)
        divergence = 4 * (wanted * (np.log(wanted) - given)).sum()
        expected.append(share * divergence + (1 - share) * -np.log(chances[target]))
    found = distillation.loss(*(torch.from_numpy(each) for each in (student, teacher, targets)))
    assert found.item() == pytest.approx(np.mean(expected))


def test_the_self_regularised_loss_of_several_labels_by_hand():
    random = np.random.default_rng(1)
    student, teacher = random.normal(size=(2, 5, 3)) * 2
    targets = random.integers(2, size=(5, 3)).astype(float)
    expected = []
    for own, taught, target in zip(student, teacher, targets, strict=True):
        chances = expit(own)
        entropy = -(chances * np.log(chances) + (1 - chances) * np.log(1 - chances)).mean()
        share = 1 - entropy / np.log(2)
        wanted, given = expit(taught / 2), expit(own / 2)
        yes, no = wanted * np.log(wanted / given), (1 - wanted) * np.log((1 - wanted) / (1 - given))
        plain = -(target * np.log(chances) + (1 - target) * np.log(1 - chances)).mean()
        expected.append(share * 4 * (yes + no).mean() + (1 - share) * plain)
    found = distillation.loss(*(torch.from_numpy(each) for each in (student, teacher, targets)))
    assert found.item() == pytest.approx(np.mean(expected))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.booleans())
def test_a_student_that_agrees_with_its_teacher_learns_from_the_labels_alone(seed, several):
    torch.manual_seed(seed)
    logits = torch.randn(4, 3, requires_grad=True)
    targets = torch.randint(2, (4, 3)).float() if several else torch.randint(3, (4,))
    found = distillation.loss(logits, logits.detach().clone(), targets)
    assert found.item() >= 0
    (gradient,) = torch.autograd.grad(found, logits)
    plain = nn.BCEWithLogitsLoss(reduction="none") if several else nn.CrossEntropyLoss(reduction="none")
    (full,) = torch.autograd.grad(plain(logits, targets).mean(), logits)
    # The divergence is at its least, and no gradient flows through the share of the labels.
    shares = gradient.norm(dim=1) / full.norm(dim=1)
    assert torch.allclose(gradient, shares[:, None] * full, atol=1e-6) and (shares <= 1 + 1e-4).all()


def test_the_teacher_is_the_latest_of_the_best():
    scores, states = (0.5, 0.7, 0.6, 0.7), []
    model, teacher = small_model(), distillation.Teacher(lambda _: scores[len(states) - 1])
    for score in scores:
        with torch.no_grad():
            model[0].weight += 1
        states.append(copy.deepcopy(model.state_dict()))
        teacher.after_step(model, 1, 1)
        best = {0.5: 0, 0.7: len(states) - 1}.get(score, 1)
        taught = teacher.model.state_dict()
        assert all(torch.equal(taught[name], states[best][name]) for name in taught)
    assert not any(each.requires_grad for each in teacher.model.parameters())


@given(st.integers(1, 60), st.integers(1, 70))
def test_models_are_validated_as_often_as_asked_at_most_once_a_step_and_at_the_end_of_an_epoch(steps, per_epoch):
    scores, validated, model = [], [0], small_model()
    teacher = distillation.Teacher(lambda _: scores.append(0.5) or 0.5, per_epoch)
    for step in range(1, steps + 1):
        teacher.after_step(model, step, steps)
        validated += [step] if len(scores) == len(validated) else []
    assert validated[-1] == steps and len(scores) == len(validated) - 1 == min(per_epoch, steps)
    apart = {after - before for before, after in pairwise(validated)}
    assert max(apart) - min(apart) <= 1
