"""Whole seeds: every pruner from texts to predictions, kept, skipped and refused."""

import json
import shutil
import subprocess
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import has_recurrent_bfloat16, refused
from safetensors.torch import load_file, load_model

from pielab.analysis import paired_change
from pielab.compression import gradual, masks, pruners
from pielab.compression.masks import dense_masks, magnitude, prunable, prune, random_scores
from pielab.config.parameters import PruneParameters, TrainParameters
from pielab.data import datasets, tasks
from pielab.errors import TransientError
from pielab.models import classifier
from pielab.store import paths, predictions, records
from pielab.training import loop, precisions, pruned_seed, runs
from pielab.training.experiment import prepare


def prepared(given, **changes):
    p = PruneParameters(**given | changes)
    return prepare(p, datasets.load(**p.data))


@pytest.fixture(scope="module")
def unpruned(tmp_path_factory):
    """Puts the unpruned seeds of an experiment into its results, and gives it; each is trained once for all tests."""
    trained = {}

    def put(experiment):
        p, recipe = experiment.parameters, str(experiment.recipe(TrainParameters))
        for seed in p.seeds:
            if (recipe, seed) in trained:
                shutil.copytree(trained[recipe, seed], paths.seed(p.dense_folder, seed), dirs_exist_ok=True)
        runs.train_dense(experiment)
        for seed in p.seeds:
            if (recipe, seed) not in trained:
                trained[recipe, seed] = tmp_path_factory.mktemp("unpruned") / "seed"
                shutil.copytree(paths.seed(p.dense_folder, seed), trained[recipe, seed])
        return experiment

    return put


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.glob("seeds/*/*.parquet")}


HAS_RECURRENT_BFLOAT16 = has_recurrent_bfloat16()


@pytest.mark.skipif(not HAS_RECURRENT_BFLOAT16, reason="this CPU has no recurrent layers in bfloat16")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_unpruned_seed_has_its_predictions_in_other_batches_and_in_the_other_precision(given, unpruned, precision):
    experiment = prepared(given, precision=precision, epochs=1)
    p = unpruned(experiment).parameters
    dense = predictions.read_seeds(p.dense_folder, p.seeds)
    found = paired_change.numerical(p.dense_folder, p.seeds)
    for seed in p.seeds:
        model = experiment.build(seed)
        load_model(model, paths.seed(p.dense_folder, seed) / "weights.safetensors")
        other = torch.bfloat16 if precision == "float32" else torch.float32
        own = {"precision": experiment.precision, "batch_size": p.batch_size}
        for name, options in {"another_batch_size": own, "another_precision": {"precision": other}}.items():
            again = loop.predict(model, experiment.encoder, experiment.tokens["test"], **options)
            np.testing.assert_array_equal(found[name].logits[seed], again)
    assert np.abs(found["another_precision"].logits - dense.logits).max() > 1e-4
    table = paired_change.between(dense, dense, experiment.targets["test"], found).set_index("quantity")
    assert 0 < table.loc["KL", "another_precision"] < 0.01 and table.loc["KL", "another_batch_size"] < 1e-3
    pruned = prepared(given, precision=precision, epochs=1, pruner="MP-AI")
    runs.train_pruned(pruned)
    files = {path.name for path in pruned.parameters.folder.glob("seeds/*/*.parquet")}
    assert files == {"test.parquet", "train.parquet"}


def test_a_cpu_without_recurrent_layers_in_bfloat16_trains_in_float32_and_says_so_of_bfloat16(given, monkeypatch):
    monkeypatch.setattr(precisions, "_has_recurrent_layers", lambda device, precision: precision == torch.float32)
    experiment = prepared(given, epochs=1)
    runs.train_dense(experiment)
    p = experiment.parameters
    assert {path.name for path in p.dense_folder.glob("seeds/*/test*.parquet")} == {
        "test.parquet",
        "test-batch-size.parquet",
    }
    assert list(paired_change.numerical(p.dense_folder, p.seeds)) == ["another_batch_size"]
    experiment = prepared(given, precision="bfloat16", epochs=1, study="another")
    with refused("precision-without-layers", "give precision = 'float32'", "precision = 'bfloat16' was given"):
        runs.train_dense(experiment)
    assert not list(experiment.parameters.folder.glob("seeds/*/*"))


@pytest.mark.parametrize("pruner", [name for name in pruners.KNOWN if name not in pruners.ONE_SHOT])
def test_every_pruner_reaches_its_sparsity_and_keeps_predictions_of_a_model_with_zeros(given, unpruned, pruner):
    experiment = prepared(given, pruner=pruner, save_weights=True, seeds="0", epochs=1)
    p = experiment.parameters
    unpruned(experiment)
    metrics = runs.train_pruned(experiment)
    state = load_file(paths.seed(p.folder, 0) / "weights.safetensors")
    model = experiment.build(seed=0)
    model.load_state_dict(state)
    zeros = {name: int((state[name] == 0).sum()) for name in prunable(model)}
    sizes = {name: state[name].numel() for name in zeros}
    if pruners.pruner(pruner).scope == "global":
        assert sum(zeros.values()) == round(0.6 * sum(sizes.values()))
        assert len({round(zeros[name] / sizes[name], 2) for name in zeros}) > 1
    else:
        assert zeros == {name: round(0.6 * size) for name, size in sizes.items()}
        assert not any((value == 0).all() for value in state.values())
    kept, metadata = predictions.read(paths.seed(p.folder, 0) / "test.parquet")
    again = experiment.predict(model, "test")
    assert np.array_equal(kept, again)
    assert metadata["pruner"] == pruner and metadata["threshold"] == 60 and metadata["split"] == "test"
    assert metrics["sparsity"].tolist() == pytest.approx([0.6], abs=0.01)


def test_rewinding_starts_from_the_initial_weights_and_fine_tuning_from_the_trained(given, monkeypatch):
    starts = {}
    original = loop.train

    def record(model, *args, **options):
        # Pruned weights are set to zero at the start of training: what is left of the others is what counts.
        starts.setdefault(current, []).append({name: value.clone() for name, value in model.state_dict().items()})
        return original(model, *args, **options)

    monkeypatch.setattr(loop, "train", record)
    for current in ("IMP-WR", "IMP-FT", "MP-AI"):
        experiment = prepared(given, pruner=current, seeds="0", epochs=1)
        monkeypatch.setattr(loop, "train", original)
        runs.train_dense(experiment)
        monkeypatch.setattr(loop, "train", record)
        runs.train_pruned(experiment)
    initial = experiment.build(seed=0).state_dict()
    trained = load_file(paths.seed(experiment.parameters.dense_folder, 0) / "weights.safetensors")
    assert [len(each) for each in starts.values()] == [3, 3, 1]
    for start in starts["IMP-WR"] + starts["MP-AI"]:
        assert all(torch.equal(start[name], initial[name]) for name in initial)
    assert all(torch.equal(starts["IMP-FT"][0][name], trained[name]) for name in trained)
    assert not any(torch.equal(starts["IMP-FT"][1][name], trained[name]) for name in trained)


def test_every_iteration_scores_the_weights_as_they_are_then(given, unpruned, monkeypatch):
    experiment = prepared(given, seeds="0", epochs=1)
    scored, started = [], []
    original_scores, original_train = magnitude, loop.train
    unpruned(experiment)
    monkeypatch.setattr(
        masks,
        "magnitude",
        lambda weights: scored.append(dict(original_scores(weights))) or original_scores(weights),
    )

    def train(model, *args, **options):
        losses = original_train(model, *args, **options)
        started.append({name: value.abs() for name, value in prunable(model).items()})
        return losses

    monkeypatch.setattr(loop, "train", train)
    runs.train_pruned(experiment)
    trained = load_file(paths.seed(experiment.parameters.dense_folder, 0) / "weights.safetensors")
    assert all(torch.equal(scored[0][name], trained[name].abs()) for name in scored[0])
    for after, score in zip(started, scored[1:], strict=False):
        assert all(torch.equal(score[name], after[name].detach()) for name in score)


def test_impact_sees_as_many_examples_as_it_is_given_and_random_scores_differ(given, unpruned, monkeypatch):
    experiment = unpruned(prepared(given, seeds="0-1", epochs=1, pruner="IIBP-FT", impact_examples=7))
    sampled = []
    original = loop.gradients

    def record(model, weights, encoder, tokens, targets, **options):
        sampled.append((len(tokens), tokens.ids.tobytes()))
        return original(model, weights, encoder, tokens, targets, **options)

    monkeypatch.setattr(loop, "gradients", record)
    runs.train_pruned(experiment)
    assert [number for number, _ in sampled] == [7] * 6 and len(set(sampled)) == 6
    drawn = []
    original_random = random_scores
    monkeypatch.setattr(
        masks,
        "random_scores",
        lambda weights, generator: (
            drawn.append(original_random(weights, generator)["head.0.weight"]) or original_random(weights, generator)
        ),
    )
    runs.train_pruned(prepared(given, seeds="0-1", epochs=1, pruner="IRP-FT"))
    assert len({float(each[0, 0]) for each in drawn}) == 6


def test_a_pruned_transformer_loads_in_plain_transformers(given, tiny_bert):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    experiment = prepared(given, model=tiny_bert, seeds="0", epochs=1, pruner="MP-AI", save_weights=True)
    runs.train_pruned(experiment)
    folder = paths.seed(experiment.parameters.folder, 0)
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model")
    for weight in prunable(model).values():
        assert (weight == 0).sum() == round(0.6 * weight.numel())
    assert AutoTokenizer.from_pretrained(folder / "model").vocab_size == 45
    kept, _ = predictions.read(folder / "test.parquet")
    assert np.allclose(experiment.predict(model, "test"), kept, atol=1e-6)


def test_weights_asked_for_after_a_run_without_them_are_no_silent_omission(given):
    runs.train_pruned(prepared(given, seeds="0", epochs=1, pruner="RP-AI"))
    with refused("weights-not-saved", "delete that folder", "seeds/00 was made without save_weights"):
        runs.train_pruned(prepared(given, seeds="0", epochs=1, pruner="RP-AI", save_weights=True))


def test_weights_that_are_not_finite_at_the_end_are_not_kept(given, monkeypatch):
    experiment = prepared(given, seeds="0", epochs=1)
    monkeypatch.setattr(loop, "predict", lambda *args: np.full((1, 3), np.nan))
    problem = "seed 0 ended with weights that are not finite, with learning_rate = 0.005"
    with refused("weights-not-finite", "lower learning_rate", problem):
        runs.train_dense(experiment)
    assert not paths.seed(experiment.parameters.dense_folder, 0).exists()


def test_finished_seeds_are_not_trained_again_and_new_ones_are_added(given, monkeypatch):
    experiment = prepared(given, seeds="0")
    runs.train_dense(experiment)
    runs.train_pruned(experiment)
    before = contents(experiment.parameters.pair_folder / "dense") | contents(experiment.parameters.folder)
    trained = []
    original = loop.train
    monkeypatch.setattr(loop, "train", lambda *a, **k: (trained.append(1), original(*a, **k))[1])
    more = prepared(given, seeds="0-1")
    assert len(runs.train_dense(more)) == len(runs.train_pruned(more)) == 2
    assert len(trained) == 1 + 3
    after = contents(more.parameters.dense_folder) | contents(more.parameters.folder)
    assert all(after[path] == content for path, content in before.items())


def test_another_recipe_stops_and_says_what_differs(given):
    runs.train_dense(prepared(given, seeds="0"))
    other = prepared(given, seeds="0", learning_rate=1e-2)
    cure = f"give another study name, or delete {other.parameters.dense_folder}"
    with refused("made-with-other-parameters", cure, "was made with learning_rate = 0.005 and not 0.01") as raised:
        runs.train_dense(other)
    assert raised.value.cure == cure


def test_other_texts_under_the_same_name_stop(given, tmp_path):
    copy = tmp_path / "topics.csv"
    frame = pd.read_csv(given["dataset"])
    frame.to_csv(copy, index=False)
    runs.train_dense(prepared(given, dataset=str(copy), seeds="0"))
    frame.assign(text=frame["text"] + " cat").to_csv(copy, index=False)
    with refused("made-with-other-parameters", "another study name", "was made with data = "):
        runs.train_dense(prepared(given, dataset=str(copy), seeds="0"))


def test_a_seed_that_breaks_off_leaves_nothing_that_counts(given, monkeypatch):
    experiment = prepared(given, seeds="0")

    def full_disk(path, *args):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(predictions, "write", full_disk)
    with refused("disk-full", "free some space there, or set another", "dense is full", TransientError):
        runs.train_dense(experiment)
    assert not list((experiment.parameters.dense_folder / "seeds").iterdir())
    monkeypatch.undo()
    assert len(runs.train_dense(experiment)) == 1


def cut_off(monkeypatch, at):
    """Training stops for good at its n-th call, as if somebody had killed it."""
    calls, original = [], loop.train

    def train(*args, **options):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return original(*args, **options)

    monkeypatch.setattr(loop, "train", train)
    return calls


@pytest.mark.parametrize("pruner", ["IIBP-WR", "IMP-FT", "IRP-FT"])
@pytest.mark.parametrize("at", [2, 3])
def test_a_seed_goes_on_after_its_last_finished_iteration(given, unpruned, tmp_path, monkeypatch, pruner, at):
    undisturbed = prepared(given, pruner=pruner, seeds="0", results=str(tmp_path / "undisturbed"))
    experiment = prepared(given, pruner=pruner, seeds="0")
    runs.train_pruned(unpruned(undisturbed))
    unpruned(experiment)
    calls = cut_off(monkeypatch, at)
    with pytest.raises(KeyboardInterrupt):
        runs.train_pruned(experiment)
    folder = experiment.parameters.folder
    assert paths.phase(folder, 0).exists() and not paths.seed(folder, 0).exists()
    runs.train_pruned(experiment)
    assert len(calls) == at + 3 - (at - 1)  # only what was not finished
    assert contents(folder) == contents(undisturbed.parameters.folder)
    one, other = (records.read(paths.seed(each.parameters.folder, 0)) for each in (experiment, undisturbed))
    assert one["losses"] == other["losses"] and one["pruned"] == other["pruned"] and one["seconds"] > 0
    assert [path.name for path in (folder / "seeds").iterdir()] == ["00"]


NESTED = {"levels": [20, 60, 90], "seeds": "0", "epochs": 1}


def whole(experiment):
    """A configuration's predictions, and its records without what differs from run to run."""
    found = {path.parent.name: records.read(path.parent) for path in experiment.parameters.folder.glob("seeds/*/m*")}
    return contents(experiment.parameters.folder), {
        seed: each | {"seconds": 0, "seconds_per_text": 0} for seed, each in found.items()
    }


@pytest.mark.parametrize("pruner", ["IIBP-WR-nested", "IMP-FT-nested", "IRP-FT-nested"])
def test_a_nested_trajectory_makes_the_seeds_of_all_its_levels_as_if_each_were_alone(given, unpruned, tmp_path, pruner):
    top = prepared(given, **NESTED, pruner=pruner, threshold=90)
    runs.train_pruned(unpruned(top))
    for threshold in (20, 60, 90):
        here = prepared(given, **NESTED, pruner=pruner, threshold=threshold)
        # What lies above changes nothing: neither the recipe nor a bit of the result.
        alone = {"levels": [each for each in (20, 60, 90) if each <= threshold], "results": str(tmp_path / "alone")}
        alone = prepared(given, **NESTED | alone, pruner=pruner, threshold=threshold)
        shutil.rmtree(alone.parameters.study_folder, ignore_errors=True)
        runs.train_pruned(unpruned(alone))
        assert whole(here) == whole(alone) and len(contents(here.parameters.folder)) == 2
        record = records.read(paths.seed(here.parameters.folder, 0))
        assert record["pruned"] == {
            name: [round(threshold / 100 * size), size] for name, (_, size) in record["pruned"].items()
        }
        assert record["threshold"] == threshold and len(record["losses"]) == len(record["parameters"]["levels"])
    assert [path.name for path in (top.parameters.folder / "seeds").iterdir()] == ["00"]


@pytest.mark.parametrize("pruner", ["IMP-FT-nested", "IMP-WR-nested"])
def test_a_nested_trajectory_is_what_its_steps_are_by_hand(given, unpruned, pruner):
    experiment = prepared(given, **NESTED, pruner=pruner, threshold=90)
    runs.train_pruned(unpruned(experiment))
    model = experiment.build(seed=0)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(load_file(paths.seed(experiment.parameters.dense_folder, 0) / "weights.safetensors"))
    weights = prunable(model)
    masks = dense_masks(weights)
    for step, level in enumerate((20, 60, 90), start=1):
        masks = prune(magnitude(weights), masks, level / 100)
        if pruner == "IMP-WR-nested":
            model.load_state_dict(initial)
        experiment.train(model, 0, step, 1, lambda epoch, loss: None, weights=weights, masks=masks)
        logits = experiment.predict(model, "test")
        folder = experiment.parameters.pair_folder / f"{pruner}-{level}"
        assert np.array_equal(predictions.read(paths.seed(folder, 0) / "test.parquet")[0], logits)


def test_a_lower_level_finds_its_seeds_and_those_that_are_there_are_left_alone(given, unpruned, monkeypatch):
    lower, top = (prepared(given, **NESTED, pruner="IMP-FT-nested", threshold=each) for each in (60, 90))
    runs.train_pruned(unpruned(lower))
    before = {path: path.stat().st_mtime_ns for path in lower.parameters.pair_folder.glob("*/seeds/*/*")}
    assert {path.parts[-4] for path in before} == {"dense", "IMP-FT-nested-20", "IMP-FT-nested-60"}
    runs.train_pruned(top)
    assert all(path.stat().st_mtime_ns == touched for path, touched in before.items())
    monkeypatch.setattr(loop, "train", lambda *args, **options: pytest.fail("trained again"))
    for threshold in (20, 60, 90):
        runs.train_pruned(prepared(given, **NESTED, pruner="IMP-FT-nested", threshold=threshold))


@pytest.mark.parametrize("pruner", ["IIBP-WR-nested", "IMP-FT-nested"])
@pytest.mark.parametrize("at", [2, 3])
def test_a_nested_trajectory_goes_on_after_its_last_finished_level(given, unpruned, tmp_path, monkeypatch, pruner, at):
    changes = NESTED | {"pruner": pruner, "threshold": 90}
    undisturbed = prepared(given, **changes, results=str(tmp_path / "undisturbed"))
    experiment = prepared(given, **changes)
    runs.train_pruned(unpruned(undisturbed))
    unpruned(experiment)
    calls = cut_off(monkeypatch, at)
    with pytest.raises(KeyboardInterrupt):
        runs.train_pruned(experiment)
    folders = [f"{pruner}-{level}" for level in (20, 60, 90)]
    pair = experiment.parameters.pair_folder
    assert [paths.seed(pair / folder, 0).exists() for folder in folders] == [at > 1, at > 2, False]
    assert paths.phase(pair / folders[-1], 0).exists()
    runs.train_pruned(experiment)
    assert len(calls) == at + 3 - (at - 1)  # only what was not finished
    for folder in folders:
        assert contents(pair / folder) == contents(undisturbed.parameters.pair_folder / folder)
        assert [path.name for path in (pair / folder / "seeds").iterdir()] == ["00"]


def test_a_level_that_was_kept_before_a_kill_is_not_written_again(given, unpruned, monkeypatch):
    experiment = unpruned(prepared(given, **NESTED, pruner="IMP-FT-nested", threshold=60))

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pruned_seed, "save_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            runs.train_pruned(experiment)
    kept = paths.seed(experiment.parameters.pair_folder / "IMP-FT-nested-20", 0) / "test.parquet"
    touched = kept.stat().st_mtime_ns
    assert len(runs.train_pruned(experiment)) == 1 and kept.stat().st_mtime_ns == touched


def test_a_lower_level_of_another_recipe_stops_before_anything_is_trained(given, unpruned, monkeypatch):
    runs.train_pruned(unpruned(prepared(given, **NESTED | {"levels": None}, pruner="IMP-FT-nested", threshold=60)))
    top = prepared(given, **NESTED, pruner="IMP-FT-nested", threshold=90)
    monkeypatch.setattr(loop, "train", lambda *args, **options: pytest.fail("trained"))
    problem = "IMP-FT-nested-60/seeds/00 was made with levels = [60.0] and not [20.0, 60.0]"
    with refused("made-with-other-parameters", "give another study", problem):
        runs.train_pruned(top)


def test_the_seconds_of_a_level_are_its_own(given, unpruned, monkeypatch):
    now = iter(range(0, 10_000, 5))
    experiment = unpruned(prepared(given, **NESTED, pruner="IMP-FT-nested", threshold=90))
    monkeypatch.setattr(pruned_seed.time, "perf_counter", lambda: next(now))
    _, record = pruned_seed.prune_seed(experiment, 0)
    lower = records.read(paths.seed(experiment.parameters.pair_folder / "IMP-FT-nested-20", 0))
    assert record["seconds"] == lower["seconds"] == 5


def test_the_seconds_of_a_level_are_its_own_after_a_kill_too(given, unpruned, monkeypatch):
    now, save = iter(range(0, 10_000, 5)), pruned_seed.save_checkpoint
    experiment = unpruned(prepared(given, **NESTED, pruner="IMP-FT-nested", threshold=90))
    monkeypatch.setattr(pruned_seed.time, "perf_counter", lambda: next(now))

    def killed(*args):
        save(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pruned_seed, "save_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            pruned_seed.prune_seed(experiment, 0)
    _, record = pruned_seed.prune_seed(experiment, 0)
    assert record["seconds"] == 5


def epochs_of(folder, seed=0):
    return [len(losses) for losses in records.read(paths.seed(folder, seed))["losses"]]


def test_with_an_equal_budget_every_model_takes_as_many_epochs(given):
    shared = {"seeds": "0", "epochs": 6, "budget": "equal"}
    for pruner in ("IMP-FT", "IMP-WR", "MP-AI", "GMP"):
        experiment = prepared(given, **shared, pruner=pruner)
        runs.train_pruned(experiment)
        parts = epochs_of(experiment.parameters.folder)
        assert parts == ([2, 1, 2] if pruner.startswith("IMP") else [6])
    assert epochs_of(experiment.parameters.dense_folder) == [6]
    # What an iterative pruner starts from is the unpruned training as far as it got by then.
    first = prepared(given, seeds="0", epochs=1, study="short")
    runs.train_dense(first)
    alone = load_file(paths.seed(first.parameters.dense_folder, 0) / "weights.safetensors")
    kept = load_file(paths.seed(experiment.parameters.dense_folder, 0) / "shared.safetensors")
    assert alone.keys() == kept.keys() and all(torch.equal(alone[name], kept[name]) for name in kept)


@pytest.mark.parametrize("epochs", [3, 6])
def test_with_an_equal_budget_the_final_weights_of_an_unpruned_seed_are_kept_too(given, epochs):
    experiment = prepared(given, seeds="0", epochs=epochs, budget="equal", pruner="MP-AI")
    runs.train_dense(experiment)
    model = experiment.build(0)
    pruned_seed.load_unpruned(experiment, 0, model)
    folder = paths.seed(experiment.parameters.dense_folder, 0)
    logits, _ = predictions.read(folder / "test.parquet")
    assert np.array_equal(experiment.predict(model, "test"), logits)
    assert (folder / "shared.safetensors").exists() == (epochs == 6)


def test_an_unpruned_seed_without_final_weights_serves_what_starts_before_them(given):
    """As an earlier version left it."""
    experiment = prepared(given, seeds="0", epochs=4, budget="equal")
    runs.train_dense(experiment)
    folder = paths.seed(experiment.parameters.dense_folder, 0)
    (folder / "weights.safetensors").unlink()
    assert len(runs.train_pruned(experiment)) == 1
    with refused("file-missing", f"delete {folder}, and", f"{folder / 'weights.safetensors'} is missing"):
        pruned_seed.load_unpruned(experiment, 0, experiment.build(0))


def test_an_equal_budget_is_another_recipe_and_the_papers_is_none(given):
    assert "budget" not in PruneParameters(**given).recipe()
    assert "budget" not in PruneParameters(**given | {"budget": "paper"}).recipe()
    runs.train_dense(prepared(given, seeds="0", epochs=4))
    with refused("made-with-other-parameters", "another study name", "made with budget = None and not 'equal'"):
        runs.train_dense(prepared(given, seeds="0", epochs=4, budget="equal"))


def test_only_a_gradual_pruner_depends_on_its_options(given):
    names = {"initial_phase", "final_phase", "window", "importance_beta", "uncertainty_beta"}
    assert names.isdisjoint(PruneParameters(**given).recipe())
    of_pins = PruneParameters(**given | {"pruner": "PINS-local"}).recipe()
    assert names <= of_pins.keys()
    more = given | {"validations_per_epoch": 2}
    assert PruneParameters(**more).recipe() == PruneParameters(**given).recipe()
    assert PruneParameters(**more | {"pruner": "PINS-local"}).recipe() == of_pins | {"validations_per_epoch": 2}


def test_a_schedule_that_does_not_fit_stops_before_anything_is_trained(given):
    with refused("window-too-long", "lower window", "window = 10 is longer than the 6 steps between"):
        prepared(given, pruner="PINS", epochs=1, window=10)


def test_self_regularisation_changes_training_once_there_is_a_teacher(given):
    losses = {}
    for name, pruner, often in (("CE", "PINS-CE", 1), ("once", "PINS", 1), ("twice", "PINS", 2)):
        experiment = prepared(given, study=name, pruner=pruner, seeds="0", epochs=3, validations_per_epoch=often)
        runs.train_pruned(experiment)
        (losses[name],) = records.read(paths.seed(experiment.parameters.folder, 0))["losses"]
    assert losses["once"][0] == losses["CE"][0] and losses["once"][1] != losses["CE"][1]
    assert losses["twice"][0] != losses["CE"][0]  # the second half of the first epoch has a teacher


@pytest.mark.parametrize("pruner", ["PINS", "GMP", "IIBP-FT-global"])
def test_pruners_of_any_kind_are_for_transformers_and_several_labels_too(given, tmp_path, tiny_bert, pruner):
    frame = pd.read_csv(given["dataset"])
    frame["label"] += np.where(np.arange(len(frame)) % 2, ";food", "")
    frame.to_csv(tmp_path / "several.csv", index=False)
    changes = {"dataset": str(tmp_path / "several.csv"), "label_separator": ";", "model": tiny_bert}
    experiment = prepared(given, **changes, pruner=pruner, seeds="0", epochs=2)
    metrics = runs.train_pruned(experiment)
    record = records.read(paths.seed(experiment.parameters.folder, 0))
    lost, weights = np.sum(list(record["pruned"].values()), axis=0)
    assert lost == round(0.6 * weights) and record["metric"] == "macro-F1" and len(metrics) == 1


def test_the_pooler_is_left_alone_if_asked_for(given, tiny_bert):
    assert "prune_pooler" not in PruneParameters(**given).recipe()
    experiment = prepared(given, model=tiny_bert, pruner="GMP", seeds="0", prune_pooler=False)
    assert experiment.parameters.recipe()["prune_pooler"] is False
    runs.train_pruned(experiment)
    lost = records.read(paths.seed(experiment.parameters.folder, 0))["pruned"]
    assert len(lost) == 12 and not any("pooler" in name for name in lost)
    bilstm = prepared(given, pruner="GMP", seeds="0", prune_pooler=False)
    runs.train_pruned(bilstm)
    assert any(name.startswith("head") for name in records.read(paths.seed(bilstm.parameters.folder, 0))["pruned"])


def test_pruning_at_initialization_keeps_no_iteration(given, monkeypatch):
    experiment = prepared(given, pruner="MP-AI", seeds="0")
    kept = []
    monkeypatch.setattr(pruned_seed, "save_checkpoint", lambda *args: kept.append(args))
    runs.train_pruned(experiment)
    assert not kept


def interrupted(given, unpruned, monkeypatch, **changes):
    """An experiment whose seed 0 has finished its first iteration, and the file of that."""
    experiment = unpruned(prepared(given, seeds="0", **changes))
    with monkeypatch.context() as patch:
        cut_off(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            runs.train_pruned(experiment)
    return experiment, paths.phase(experiment.parameters.folder, 0)


def test_a_damaged_checkpoint_stops_with_its_name_and_the_cure(given, unpruned, monkeypatch):
    experiment, kept = interrupted(given, unpruned, monkeypatch)
    kept.write_bytes(kept.read_bytes()[:-100])
    with refused("file-damaged", "delete it and give", ".phase-00.safetensors is damaged ("):
        runs.train_pruned(experiment)
    kept.unlink()
    assert len(runs.train_pruned(experiment)) == 1


def test_a_checkpoint_of_other_parameters_stops_and_says_what_differs(given, unpruned, monkeypatch):
    _, kept = interrupted(given, unpruned, monkeypatch)
    other = prepared(given, seeds="0", impact_examples=7)
    problem = ".phase-00.safetensors was made with impact_examples = 20 and not 7"
    with refused("made-with-other-parameters", f"or delete {kept}", problem):
        runs.train_pruned(other)
    kept.unlink()
    assert len(runs.train_pruned(other)) == 1


def test_a_checkpoint_that_outlived_its_seed_goes(given, unpruned, monkeypatch):
    experiment = unpruned(prepared(given, seeds="0", epochs=1))
    with monkeypatch.context() as patch:
        patch.setattr(pruned_seed, "clear_checkpoint", lambda *args: None)
        runs.train_pruned(experiment)
    kept = paths.phase(experiment.parameters.folder, 0)
    assert kept.exists()
    runs.train_pruned(experiment)
    assert not kept.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "metrics.json", "test.parquet"])
def test_a_damaged_file_of_a_seed_stops_with_its_name_and_the_cure(given, unpruned, name):
    experiment = unpruned(prepared(given, seeds="0", epochs=1))
    p = experiment.parameters
    folder = paths.seed(p.dense_folder, 0)
    (folder / name).write_bytes((folder / name).read_bytes()[:-20])
    cure = f"delete {folder}, and {p.dense_folder / '01_train.ipynb'} if it is there, and give"
    with refused("file-damaged", cure, f"{name} is damaged ("):
        runs.train_pruned(experiment)
        predictions.read_seeds(p.dense_folder, p.seeds)
    shutil.rmtree(folder)
    assert len(runs.train_pruned(experiment)) == 1
    (folder / name).unlink()
    if name != "test.parquet":
        with refused("file-missing", cure, f"{name} is missing"):
            runs.train_pruned(prepared(given, seeds="0", epochs=1, threshold=70))


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), TransientError, "out of GPU memory"),
        (OSError(5, "Input/output error"), OSError, "Input/output error"),
        (PermissionError(13, "Permission denied"), PermissionError, "Permission denied"),
    ],
)
def test_a_good_file_that_cannot_be_read_now_is_not_called_damaged(
    given, unpruned, monkeypatch, error, raised, message
):
    experiment = unpruned(prepared(given, seeds="0", epochs=1))
    monkeypatch.setattr(pruned_seed, "load_model", Mock(side_effect=error))
    with pytest.raises(raised, match=message) as found:
        runs.train_pruned(experiment)
    assert "damaged" not in str(found.value) and "delete" not in str(found.value)


GPU_MEMORY = ("out-of-gpu-memory", "lower workers", "out of GPU memory")
MEMORY = ("out-of-memory", "raise memory_gb in the params file, or lower workers", "out of memory")


@pytest.mark.parametrize(
    ("error", "id", "cure", "problem"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried 2.00 GiB"), *GPU_MEMORY),
        (RuntimeError("CUDA error: out of memory"), *GPU_MEMORY),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), *GPU_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), *MEMORY),
        (MemoryError(), *MEMORY),
        (OSError(28, "No space left on device"), "disk-full", "free some space", "IMP-FT-60 is full"),
        (OSError(122, "Disk quota exceeded"), "disk-full", "free some space", "IMP-FT-60 is full"),
    ],
)
def test_a_fault_that_may_pass_is_one_sentence(given, unpruned, monkeypatch, error, id, cure, problem):
    experiment = unpruned(prepared(given, seeds="0", epochs=1))
    monkeypatch.setattr(loop, "train", Mock(side_effect=error))
    with refused(id, cure, problem, TransientError) as raised:
        runs.train_pruned(experiment)
    assert raised.value.cure.endswith("; what is finished is kept")


def test_any_other_error_is_left_as_it_is(given, monkeypatch):
    experiment = prepared(given, seeds="0", epochs=1)
    monkeypatch.setattr(loop, "train", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        runs.train_dense(experiment)


def test_a_disk_that_fills_up_loses_no_finished_seed(given, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=5m", "pielab-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be made here: that needs mount, as root")
    try:
        experiment = prepared(given, results=str(folder), seeds="0-5", epochs=1)
        with refused("disk-full", "free some space there", "dense is full", TransientError):
            runs.train_dense(experiment)
        seeds = folder / "test/topics-bilstm/dense/seeds"
        finished = sorted(path.name for path in seeds.iterdir())
        assert finished and finished == [f"{seed:02d}" for seed in range(len(finished))]
        before = contents(seeds.parent)
        subprocess.run(["mount", "-o", "remount,size=50m", str(folder)], check=True)
        assert len(runs.train_dense(experiment)) == 6
        assert before.items() <= contents(seeds.parent).items()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_transformer_and_several_labels(given, tiny_bert, tmp_path):
    frame = pd.read_csv(given["dataset"])
    frame["label"] = [f"{label};{'long' if len(text) > 40 else 'short'}" for text, label in frame.values]
    frame.to_csv(tmp_path / "several.csv", index=False)
    experiment = prepared(
        given,
        dataset=str(tmp_path / "several.csv"),
        label_separator=";",
        model=tiny_bert,
        max_tokens=16,
        pruner="IIBP-WR",
        learning_rate=1e-3,
    )
    p = experiment.parameters
    assert experiment.metric == "macro-F1" and experiment.n_classes == 5
    runs.train_dense(experiment)
    runs.train_pruned(experiment)
    found = predictions.read_seeds(p.folder, p.seeds)
    assert found.task == "multi-label" and found.classes.shape == (2, 27, 5)
    record = json.loads((paths.seed(p.folder, 0) / "metrics.json").read_text())
    thresholds = np.array([record["decision_threshold"]])
    said = predictions.sigmoid(found.logits[0]) > thresholds
    assert record["test"] == pytest.approx(tasks.macro_f1(said, experiment.targets["test"]))


def test_every_result_says_what_made_it(given):
    experiment = prepared(given, seeds="0")
    runs.train_dense(experiment)
    folder = paths.seed(experiment.parameters.dense_folder, 0)
    record = json.loads((folder / "metrics.json").read_text())
    assert record["device"] == "cpu" and record["versions"]["torch"] == torch.__version__
    assert record["parameters"]["epochs"] == 2 and record["parameters"]["data"] == experiment.data_digest
    assert len(record["losses"]) == 1 and len(record["losses"][0]) == 2
    assert 0 < record["seconds_per_text"] < 1
    size, weights = record["size"], record["trainable"]
    assert size["weights"] == size["nonzero"] == weights and size["bytes_stored"] == size["bytes_packed"] == 4 * weights
    _, metadata = predictions.read(folder / "train.parquet")
    assert {"dataset", "model", "pruner", "threshold", "seed", "split", "parameters_hash", "versions"} <= set(metadata)
    frame = records.losses(experiment.parameters.dense_folder, (0,))
    assert frame["epoch"].tolist() == [1, 2] and frame["loss"].tolist() == record["losses"][0]


def test_nothing_is_kept_for_the_weights_of_pruned_models_unless_asked(given):
    experiment = prepared(given, seeds="0", pruner="RP-AI")
    runs.train_pruned(experiment)
    assert not (paths.seed(experiment.parameters.folder, 0) / "weights.safetensors").exists()
    counts = records.pruned_counts(experiment.parameters.folder, 0)
    assert (counts["pruned"] == [round(0.6 * size) for size in counts["weights"]]).all()
    assert set(counts["matrix"]) == set(prunable(classifier.BiLSTM(3, experiment.encoder.vectors)))
    size = records.read(paths.seed(experiment.parameters.folder, 0))["size"]
    assert size["prunable"] == counts["weights"].sum()
    assert size["prunable"] - size["prunable_nonzero"] == size["weights"] - size["nonzero"] == counts["pruned"].sum()
    # 60 % of the values are gone, for a bit a weight.
    assert size["bytes_stored"] - size["bytes_packed"] == sum(
        4 * pruned - -(-weights // 8) for weights, pruned in zip(counts["weights"], counts["pruned"], strict=True)
    )


@pytest.mark.parametrize(
    ("pruner", "budget", "control"),
    [
        ("IMP-FT", "paper", "control-FT"),
        ("IIBP-FT-global", "paper", "control-FT"),
        ("IRP-FT", "equal", "control-FT"),
        ("IMP-WR", "paper", None),
        ("IMP-WR", "equal", "control-WR"),
        ("MP-AI", "equal", None),
        ("IMP-FT-nested", "paper", "control-nested"),
        ("IMP-WR-nested", "paper", None),
        ("PINS", "equal", "control-gradual"),
        ("PINS-local", "paper", "control-gradual"),
        ("PINS-CE", "paper", None),
        ("GMP", "paper", None),
        ("control-FT", "paper", None),
        ("RTN", "equal", None),
        ("Wanda", "paper", None),
    ],
)
def test_the_control_of_a_pruner(pruner, budget, control):
    assert pruners.control(pruners.pruner(pruner), budget) == control


def keep_all(scores, masks, *more):
    """As masks.prune, of nothing."""
    return dict(masks)


@pytest.mark.parametrize(
    ("pruner", "control", "more"),
    [
        ("IMP-FT", "control-FT", {}),
        ("IIBP-FT-global", "control-FT", {"budget": "equal", "epochs": 4}),
        ("IMP-WR", "control-WR", {"budget": "equal", "epochs": 4}),
        ("IRP-FT-nested", "control-nested", {"levels": [20, 60]}),
    ],
)
def test_a_control_equals_a_pruner_whose_masks_keep_everything(given, monkeypatch, unpruned, pruner, control, more):
    nested = "levels" in more
    own = prepared(given, pruner=control, threshold=60 if nested else 0, **more)
    runs.train_pruned(unpruned(own))
    monkeypatch.setattr(pruned_seed, "prune", keep_all)
    other = prepared(given, pruner=pruner, threshold=60, **more)
    runs.train_pruned(other)
    folders = [own.parameters.folder, other.parameters.folder]
    assert folders[0].name == (f"{control}-60" if nested else control)
    for seed in own.parameters.seeds:
        for split in ("train", "test"):
            (first, _), (second, _) = (
                predictions.read(paths.seed(each, seed) / f"{split}.parquet") for each in folders
            )
            assert first.tobytes() == second.tobytes()
        control_record, record = (records.read(paths.seed(each, seed)) for each in folders)
        assert control_record["losses"] == record["losses"] and control_record["sparsity"] == 0
        assert control_record["starts_from"] == record["starts_from"]


def test_the_control_of_a_self_regularised_pruner_equals_one_that_prunes_nothing(given, monkeypatch):
    own = prepared(given, pruner="control-gradual", threshold=0)
    runs.train_pruned(own)
    monkeypatch.setattr(gradual, "sparsity_at", lambda step, phases, final: 0.0)
    other = prepared(given, pruner="PINS", threshold=1e-9, window=1)
    runs.train_pruned(other)
    for seed in own.parameters.seeds:
        first, second = (
            predictions.read(paths.seed(each.parameters.folder, seed) / "test.parquet")[0] for each in (own, other)
        )
        assert first.tobytes() == second.tobytes()
        assert len(records.read(paths.seed(own.parameters.folder, seed))["losses"]) == 1


def test_a_killed_control_goes_on_and_its_levels_are_those_of_a_control_alone(given, monkeypatch, unpruned):
    whole = prepared(given, pruner="control-nested", threshold=60, levels=[20, 60])
    runs.train_pruned(unpruned(whole))
    folders = [pruned_seed.at_level(whole, level).parameters.folder for level in (20, 60)]
    again = prepared(given | {"study": "again"}, pruner="control-nested", threshold=60, levels=[20, 60])
    unpruned(again)
    with monkeypatch.context() as patch:
        patch.setattr(pruned_seed, "save_checkpoint", _stop_after(pruned_seed.save_checkpoint))
        with pytest.raises(KeyboardInterrupt):
            runs.train_pruned(again)
    runs.train_pruned(again)
    for folder in folders:
        of_again = again.parameters.folder.parent / folder.name
        expected, found = (predictions.read_seeds(each, [0]) for each in (folder, of_again))
        assert expected.logits.tobytes() == found.logits.tobytes()


def _stop_after(function):
    def stopping(*args, **kwargs):
        function(*args, **kwargs)
        raise KeyboardInterrupt

    return stopping
