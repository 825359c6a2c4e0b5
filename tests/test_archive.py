"""A study's answers in an archive and back: the same numbers, nothing trained again, and no other file accepted."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import make_texts, refused, run_cells
from hypothesis import given as drawn
from hypothesis import strategies

from pielab.__main__ import main
from pielab.analysis import decomposition, measures, null, results, sides
from pielab.analysis.examples import el2n
from pielab.config.parameters import NOTEBOOKS, InfluenceParameters, PieParameters, PruneParameters
from pielab.data import datasets, importing
from pielab.report import explore
from pielab.store import archive, files, paths, predictions
from pielab.training import runs
from pielab.training.experiment import prepare

SEEDS, KNOWN = range(4), ["changed", "right to wrong", "wrong to right", "wrong to another wrong"]


def of(kind, given, **more):
    names = {**given, **more}
    return kind(**{name: names[name] for name in kind.model_fields if name in names})


def write_study(given, pruners):
    """The study.yaml of a folder of results, as Snakemake writes it."""
    values = {name: value for name, value in given.items() if name not in {"study", "results", "pruner", "threshold"}}
    entry = {"params": "params/made.yaml", "seeds": "0-3", "controls": False, "pruners": pruners}
    config = {
        "study": "test",
        "results": given["results"],
        "configurations": [entry],
        "params": {entry["params"]: values},
    }
    with files.atomic_file(paths.study_file(paths.study(given["results"], "test")), digest=True) as path:
        path.write_text(yaml.safe_dump(config))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A place for the seeds of a study of one label a text, which are trained once."""
    return tmp_path_factory.mktemp("trained") / "results"


@pytest.fixture
def single(given, trained, tmp_path):
    """Parameters of a trained study in tmp_path/results, its archive in tmp_path/archive."""
    given |= {"seeds": "0-3", "epochs": 1, "pruner": "Magnitude", "threshold": 60}
    if not trained.exists():
        p = PruneParameters(**given)
        runs.train_pruned(prepare(p, datasets.load(**p.data)))
        write_study(given, {"Magnitude": [60]})
        shutil.copytree(given["results"], trained)
    shutil.copytree(trained, given["results"], dirs_exist_ok=True)
    assert main(["archive", given["results"] + "/test", str(tmp_path / "archive")]) == 0
    return given


@pytest.fixture
def several(given, tmp_path):
    """The same of several labels a text, of predictions that were made elsewhere."""
    frame = make_texts(60)
    frame["label"] = [label if place % 2 else f"{label};odd" for place, label in enumerate(frame["label"])]
    (tmp_path / "texts").mkdir()
    for split in ("train", "test"):
        frame.to_csv(tmp_path / "texts" / f"{split}.csv", index=False)
    given |= {"dataset": str(tmp_path / "texts"), "text": "text", "label": "label", "label_separator": ";"}
    given |= {"seeds": "0-3", "pruner": "Magnitude", "threshold": 60}
    random, data = np.random.default_rng(0), datasets.load(given["dataset"], label_separator=";")
    named = {name: given[name] for name in ("study", "results", "dataset", "model", "label_separator")}
    for pruned in ({}, {"pruner": "Magnitude", "threshold": 60}):
        splits = {"test": "test", "train": "train"} | ({} if pruned else {"early": "train"})
        hot = {split: datasets.targets(data[texts]) for split, texts in splits.items()}
        logits = {split: 2 * hot[split] - 1 + random.normal(size=(4, *hot[split].shape)) for split in hot}
        importing.add(**logits, **named, **pruned, decision_thresholds=[0.3, 0.4, 0.5, 0.6])
    write_study(given, {"Magnitude": [60]})
    assert main(["archive", given["results"] + "/test", str(tmp_path / "archive")]) == 0
    return given


def numbers(given):
    """What 03 to 07 compute of a study: summary, and tables by name."""
    p = of(PieParameters, given, n_splits=10, n_bootstrap=10)
    data = datasets.load(**p.data)
    dense, pruned = (predictions.read_seeds(folder, p.seeds) for folder in (p.dense_folder, p.folder))
    results.check_same_data(data, dense, pruned)
    estimate = null.estimate(dense.classes, pruned.classes, n_splits=10, n_bootstrap=10)
    examples = results.examples(data["test"], dense, pruned, estimate)
    summary = results.summary(p, data, dense, pruned, estimate)
    results.write_pies(p.folder, examples, summary, p, datasets.digest(data))
    influence = of(InfluenceParameters, given, n_splits=10, n_bootstrap=10, bins=5)
    split = explore.read_split(p.folder)
    return summary, {
        "examples": examples,
        "decomposition": decomposition.of_study(p.study_folder),
        "pie_shares": results.pie_shares(results.configurations(p.study_folder)),
        "effectiveness": results.effectiveness(results.seeds(p.study_folder)),
        "el2n": el2n.by_configuration(influence, el2n.scores(influence, data)),
        "percentiles": pd.DataFrame(split.percentile),
        "pies": explore.pies(p.folder, split).drop(columns="votes"),
        "measures": measures.compare_with_null(dense, pruned, datasets.targets(data["test"]), n_splits=4),
    }


@pytest.mark.parametrize("kind", ["single", "several"])
def test_what_is_restored_gives_the_same_numbers_but_for_what_needs_probabilities(kind, request, tmp_path):
    given = request.getfixturevalue(kind)
    summary, tables = numbers(given)
    shutil.rmtree(given["results"])
    assert main(["restore", str(tmp_path / "archive"), "--results", given["results"]]) == 0
    assert predictions.read_seeds(of(PieParameters, given, n_splits=10, n_bootstrap=10).folder, SEEDS).logits is None
    again, tables_again = numbers(given)
    changed, changed_again = (pd.DataFrame(each.pop("change")).set_index("quantity") for each in (summary, again))
    assert json.dumps(again) == json.dumps(summary)
    pd.testing.assert_frame_equal(changed_again.loc[KNOWN], changed.loc[KNOWN], check_exact=True)
    estimates = ["estimate", "low", "high", "another_seed", "another_batch_size", "another_precision"]
    assert changed_again.drop(KNOWN)[estimates].isna().all(axis=None) and changed.loc["KL", "estimate"] > 0
    of_answers = tables_again.pop("measures")
    known = tables.pop("measures")
    known = known[known["measure"].isin(of_answers["measure"])].reset_index(drop=True)
    assert kind == "several" or len(of_answers) == 2
    assert of_answers.to_dict("list") == known.to_dict("list")
    for name, table in tables.items():
        pd.testing.assert_frame_equal(tables_again[name], table, check_exact=True, obj=name)


def test_what_is_restored_is_not_trained_again(single, tmp_path):
    shutil.rmtree(single["results"])
    assert main(["restore", str(tmp_path / "archive"), "--results", single["results"]]) == 0
    p = PruneParameters(**single)
    before = modified(p.study_folder)
    experiment = prepare(p, datasets.load(**p.data))
    assert sides.differences(p, predictions.read_seeds(p.dense_folder, p.seeds)) == []
    table = runs.train_pruned(experiment)
    assert modified(p.study_folder) == before and table["seed"].tolist() == [0, 1, 2, 3]
    more = prepare(PruneParameters(**single | {"threshold": 80}), datasets.load(**p.data))
    cure = f"delete the folders of these seeds, {paths.seed(p.dense_folder, 0)} and so on, and "
    with refused("restored-without-weights", cure, "Magnitude at 80 % starts from the weights of the unpruned"):
        runs.train_pruned(more)
    # The cure, for one of the seeds: it has logits again, the others have answers.
    shutil.rmtree(paths.seed(p.dense_folder, 0))
    with refused("restored-without-weights", "and so on", f"the seeds 1-3 of {p.dense_folder}"):
        runs.train_pruned(more)
    dense = predictions.read_seeds(p.dense_folder, p.seeds, "early")
    assert dense.logits is None and dense.error_norms is None and None not in dense.logits_digests
    numbers(single)


def test_every_notebook_runs_on_what_was_restored_and_none_trains(single, tmp_path, capsys):
    shutil.rmtree(single["results"])
    main(["restore", str(tmp_path / "archive"), "--results", single["results"]])
    p = PruneParameters(**single)
    before = modified(p.study_folder)
    for name, kind in list(NOTEBOOKS.items())[1:]:  # 00 searches for hyper-parameters
        given = {field: single[field] for field in kind.model_fields if field in single}
        run_cells(name, **given | ({"n_splits": 10, "n_bootstrap": 10} if "n_splits" in kind.model_fields else {}))
    now = modified(p.study_folder)
    assert {path: now[path] for path in before} == before and (p.folder / "pies.parquet") in now
    assert not [path for path in now if path.name in {"weights.safetensors", "shared.safetensors"}]
    assert "Seed 0 was restored from an archive, without weights" in capsys.readouterr().out


def modified(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_seeds_are_added_when_they_are_whole_and_files_stay_as_they_are(single, tmp_path, capsys):
    study, folder = single["results"] + "/test", tmp_path / "other"
    lacking = paths.seed(of(PieParameters, single, n_splits=10, n_bootstrap=10).folder, 2)
    lacking.rename(tmp_path / "away")
    capsys.readouterr()
    assert main(["archive", study, str(folder)]) == 0
    said = capsys.readouterr().out
    assert "seeds written 0-1,3 (3 seeds" in said and "seed 2 is not whole: it lacks Magnitude-60" in said
    before = modified(folder)
    (tmp_path / "away").rename(lacking)
    assert main(["archive", study, str(folder)]) == 0
    assert "seeds written 2; unchanged 0-1,3 (4 seeds" in capsys.readouterr().out
    assert before.items() < modified(folder).items()
    # From what is restored it is the same archive.
    assert main(["restore", str(folder), "--results", str(tmp_path / "again")]) == 0
    before = modified(folder)
    assert main(["archive", str(tmp_path / "again/test"), str(folder)]) == 0
    assert "seeds unchanged 0-3 (4 seeds" in capsys.readouterr().out and modified(folder) == before


def test_seeds_in_place_are_left_alone_or_refused(single, tmp_path, capsys):
    before = modified(paths.study(single["results"], "test"))
    assert main(["restore", str(tmp_path / "archive"), "--results", single["results"]]) == 0
    assert modified(paths.study(single["results"], "test")) == before
    p = of(PieParameters, single, n_splits=10, n_bootstrap=10)
    seeds = [paths.seed(p.folder, seed) for seed in SEEDS]
    shutil.rmtree(seeds[0])
    shutil.rmtree(seeds[3])
    shutil.copytree(paths.seed(p.dense_folder, 3), seeds[3])
    assert main(["restore", str(tmp_path / "archive"), "--results", single["results"]]) == 2
    assert f"{seeds[3]} " in capsys.readouterr().err and not seeds[0].exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: cut(folder / "01.parquet"), "01.parquet is damaged (its digest is not that in"),
        (lambda folder: cut(folder / "01.parquet", digest=False), "01.parquet is damaged ("),
        (
            lambda folder: (folder / "01.parquet").rename(folder / "07.parquet"),
            "07.parquet holds 2 configurations, of seed 1",
        ),
        (lambda folder: folder.with_name("study.yaml").write_text("study: x"), "study.yaml is damaged (its digest"),
        (lambda folder: folder.with_name("study.yaml").unlink(), "study.yaml is missing: give a folder"),
        (shutil.rmtree, "archive has no seeds: give a folder"),
        (
            lambda folder: shutil.copytree(folder, folder.with_name("of-another")),
            "has seeds of of-another, and its study",
        ),
    ],
)
def test_what_is_no_whole_archive_is_refused_in_one_sentence(single, tmp_path, change, said, capsys):
    change(tmp_path / "archive" / of(PieParameters, single, n_splits=10, n_bootstrap=10).unpruned.pair)
    capsys.readouterr()
    assert main(["restore", str(tmp_path / "archive"), "--results", str(tmp_path / "new")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "new").exists()


def cut(path, digest=True):
    path.write_bytes(path.read_bytes()[:-30])
    if not digest:
        path.with_name(f"{path.name}.xxh128").unlink()


def test_the_archive_of_another_study_is_left_alone(single, tmp_path, capsys):
    config = yaml.safe_load((tmp_path / "archive/study.yaml").read_text()) | {"study": "other"}
    for path in (tmp_path / "archive").glob("study.yaml*"):
        path.unlink()
    (tmp_path / "archive/study.yaml").write_text(yaml.safe_dump(config))
    assert main(["archive", single["results"] + "/test", str(tmp_path / "archive")]) == 2
    assert "is the archive of other, and not of test: give another folder" in capsys.readouterr().err


@drawn(strategies.integers(1, 700), strategies.integers(1, 20), strategies.integers(0, 1000))
def test_packed_answers_are_the_same_unpacked(n_classes, texts, seed):
    random = np.random.default_rng(seed)
    for task, answers in {
        "single-label": random.integers(n_classes, size=texts),
        "multi-label": random.random((texts, n_classes)) < 0.3,
    }.items():
        packed = archive.PACK[task](predictions.File({}, None, answers), n_classes)
        assert packed.max(initial=0) < 2**16
        assert np.array_equal(archive.UNPACK[task](packed, n_classes), answers)
