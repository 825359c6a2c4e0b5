"""Every row of the tables of tasks has the same properties."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from datasets import Dataset, Features
from hypothesis import given
from hypothesis import strategies as st

from pielab.analysis import measures, null, pies
from pielab.data import datasets, glue, tasks, votes
from pielab.store import predictions
from pielab.training import tasks as training_tasks

CLASSES = 4
# Of tagged words and questions, only the data are a row of the tables.
OF_TEXTS = {name: task for name, task in tasks.TASKS.items() if name not in tasks.NO_CLASSES}
EACH_TASK = pytest.mark.parametrize("task", OF_TEXTS.values(), ids=OF_TEXTS)
SEEDS = st.integers(0, 1000)


def draw_ids(task, seed, examples=12):
    """The class ids of each example, as tuples; every class occurs."""
    random = np.random.default_rng(seed)
    several = [tuple(np.flatnonzero(row).tolist()) for row in random.random((examples, CLASSES)) < 0.4]
    return {
        "single-label": [(class_id,) for class_id in random.permutation(np.arange(examples) % CLASSES).tolist()],
        "multi-label": [*several[:-1], tuple(range(CLASSES))],
    }[task.name]


def split_of(task, ids):
    names = [f"class {index}" for index in range(CLASSES)]
    columns, features = {task.column: task.cells(ids, CLASSES)}, Features({task.column: task.feature(names)})
    data = Dataset.from_dict(columns, features=features)
    data.info.description = '{"classes": ["class 0", "class 1", "class 2", "class 3"]}'
    return data


def draw_answers(task, seed, seeds=5):
    """Answers (seeds, examples, ...) of models that err now and then."""
    random = np.random.default_rng(seed)
    hot = task.hot(task.targets(split_of(task, draw_ids(task, seed))), CLASSES)
    return task.answers(4 * hot - 2 + 3 * random.normal(size=(seeds, *hot.shape)), np.full(seeds, 0.5))


def test_every_table_has_the_same_tasks():
    others = (training_tasks.TASKS, predictions.ANSWERS, measures.MEASURES)
    assert all(list(tasks.TASKS) == list(table) for table in others)
    assert all(task.name == name for name, task in tasks.TASKS.items())


@EACH_TASK
@given(seed=SEEDS)
def test_labels_become_targets_and_ids_again(task, seed):
    ids = draw_ids(task, seed)
    split = split_of(task, ids)
    targets = task.targets(split)
    assert tasks.of_split(split) is tasks.of_targets(targets) is task
    assert task.class_names(split) == [f"class {index}" for index in range(CLASSES)]
    assert [tuple(np.atleast_1d(cell).tolist()) for cell in task.ids(targets)] == ids
    assert [tuple(np.flatnonzero(row)) for row in task.hot(targets, CLASSES)] == ids
    names, counts = task.counts(targets, list("abcd"))
    assert names == list("abcd") and np.array_equal(counts, task.hot(targets, CLASSES).sum(axis=0))
    cells = [list(row) if task is tasks.MULTI_LABEL else row[0] for row in ids]
    assert list(map(task.labels, cells)) == ids and tasks.of_label(cells[0]) is task


@EACH_TASK
@given(seed=SEEDS)
def test_sure_and_right_models_score_1_and_give_the_targets(task, seed):
    targets = task.targets(split_of(task, draw_ids(task, seed)))
    hot = task.hot(targets, CLASSES)
    logits = (40 * hot - 20).astype(np.float32)
    assert np.array_equal(task.answers(logits, 0.5), targets)
    assert np.allclose(task.probabilities(logits), hot, atol=1e-6)
    assert [task.score(targets, targets, metric) for metric in task.metrics] == [1] * len(task.metrics)
    wrong = task.answers(-logits, 0.5)
    assert task.score(wrong, targets) == tasks.effectiveness(wrong, targets) == 0
    if task.decision_threshold:
        assert np.array_equal(task.answers(logits, task.decision_threshold(logits, targets)), targets)


@EACH_TASK
@given(seed=SEEDS)
def test_votes_are_the_sum_of_the_answers_whatever_their_order(task, seed):
    answers, order = draw_answers(task, seed), np.random.default_rng(seed).permutation(5)
    counts = task.votes(answers, CLASSES)
    assert np.array_equal(counts, sum(task.hot(answer, CLASSES).astype(int) for answer in answers))
    assert np.array_equal(counts, task.votes(answers[order], CLASSES))
    assert np.array_equal(task.majority(answers), task.majority(answers[order]))
    assert np.array_equal(task.majority(np.repeat(answers[:1], 3, axis=0)), answers[0])


@EACH_TASK
@given(seed=SEEDS)
def test_models_differ_from_others_alone_and_on_both_sides_alike(task, seed):
    dense, pruned = draw_answers(task, seed), draw_answers(task, seed + 1)
    assert not pies.find(dense, dense).any() and not votes.differ(dense[0], dense[0]).any()
    assert np.array_equal(pies.find(dense, pruned), pies.find(pruned, dense))
    found = null.estimate(dense, dense, n_splits=5, n_bootstrap=5)
    assert found.excess == 0 and np.array_equal(found.p_pie, found.p_null)
    whole = [np.ones(5)]
    blocks = list(pies.disagreements(dense, pruned, [(*whole, *whole)]))
    differing = np.concatenate([np.zeros(0, dtype=int), *(block[of_pruned[0]] for block, _, of_pruned in blocks)])
    assert np.array_equal(np.sort(differing), np.flatnonzero(pies.find(dense, pruned)))


@EACH_TASK
@given(seed=SEEDS)
def test_the_loss_is_that_of_the_log_probabilities(task, seed):
    targets = task.targets(split_of(task, draw_ids(task, seed)))
    row = training_tasks.of_targets(targets)
    assert row is training_tasks.TASKS[task.name]
    logits = torch.from_numpy(np.random.default_rng(seed).normal(size=(len(targets), CLASSES)))
    log_p = row.log_probabilities(logits, torch.from_numpy(targets))
    assert torch.allclose(log_p.exp().sum(-1), torch.ones(()).double())
    # The choice that is right: of a class, or of yes (0) or no (1) for each label.
    right = torch.from_numpy(targets if task is tasks.SINGLE_LABEL else 1 - targets).long()
    expected = -log_p.gather(-1, right[..., None])[..., 0]
    targets = torch.from_numpy(targets if task is tasks.SINGLE_LABEL else targets.astype(float))
    assert torch.allclose(row.loss(logits, targets, reduction="none"), expected)
    assert torch.allclose(row.loss(logits, targets), expected.mean())
    assert torch.allclose(row.loss(logits, targets, reduction="sum"), expected.sum())


def test_the_task_of_a_seed_reaches_another_process_with_its_metrics():
    split = split_of(tasks.SINGLE_LABEL, draw_ids(tasks.SINGLE_LABEL, 0)).cast_column(
        "label", tasks.SINGLE_LABEL.feature(["equivalent", "not_equivalent", "c", "d"])
    )
    assert datasets.task_of("glue-mrpc", {"train": split}) is tasks.SINGLE_LABEL  # other classes than MRPC's
    two = split.filter(lambda row: row["label"] < 2)
    two = two.cast_column("label", tasks.SINGLE_LABEL.feature(["equivalent", "not_equivalent"]))
    task = datasets.task_of("glue-mrpc", {"train": two})
    sent = pickle.loads(pickle.dumps(task))
    assert sent.name == "single-label" and tuple(sent.metrics) == glue.TASKS["mrpc"].metrics
    targets = np.array([0, 0, 1])
    assert [sent.score(np.array([0, 1, 1]), targets, metric) for metric in sent.metrics] == pytest.approx([2 / 3] * 2)


# What datasets.load drew before labels became tuples of ids: examples, limit, several labels, and the digest.
DRAWN = [
    (300, None, False, "0a3d7582f359ad48"),
    (300, 40, False, "7440d06afd14fc7a"),
    (30, None, False, "639303d986caaab4"),
    (300, None, True, "20bb2e58dd4052e2"),
    (300, 40, True, "b40a1557d960d574"),
    (24, None, True, "e0aa55b6c8fa3600"),
]


@pytest.mark.parametrize(("number", "limit", "several", "digest"), DRAWN)
def test_the_examples_drawn_are_those_of_earlier_versions(tmp_path, number, limit, several, digest):
    random = np.random.default_rng(0)
    common = np.c_[random.integers(12, size=number), random.integers(2, size=(2, number)).T]
    rare = random.integers(12, 40, size=(number, 3))
    ids = np.where(random.random((number, 3)) < 0.02, rare, common)
    labels = [
        [f"c{class_id}" for class_id in dict.fromkeys(row[: random.integers(4)])] if several else row[0]
        for row in ids.tolist()
    ]
    frame = pd.DataFrame({"text": [f"text {index}" for index in range(number)], "label": labels})
    frame.to_json(tmp_path / "texts.jsonl", orient="records", lines=True)
    assert datasets.digest(datasets.load(str(tmp_path / "texts.jsonl"), limit=limit)) == digest
