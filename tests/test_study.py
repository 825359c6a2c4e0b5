"""A study file is checked as a whole before anything runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import refused

from pielab.config import study, types, yaml_files
from pielab.config.parameters import DEFAULTS, FIELDS, NOTEBOOKS, JobParameters, TrainParameters, TuneParameters
from pielab.config.types import parse_seeds
from pielab.data import published
from pielab.training import tuning

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def config():
    return yaml.safe_load((PROJECT / "params/studies/smoke.yaml").read_text())


@pytest.mark.parametrize("path", sorted((PROJECT / "params/studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_study_of_the_repository_is_valid(path):
    config = yaml.safe_load(path.read_text())
    read = study.read(config)
    assert path.stem == config["study"] == Path(read.folder).name
    of_pair = dict.fromkeys(("01_train", "04_el2n", "05_readability"), read.dense)
    for notebook, targets in {**of_pair, "02_prune": read.pruned, "03_pies": read.pruned}.items():
        for target in targets:
            NOTEBOOKS[notebook](**read.parameters(notebook, target))
    for notebook in ("06_report", "07_explore"):
        NOTEBOOKS[notebook](**read.parameters(notebook))


def test_the_demo_is_what_the_readme_promises():
    read = study.read(yaml.safe_load((PROJECT / "params/studies/demo.yaml").read_text()))
    assert set(read.dense) == {"bbc-news-bilstm", "bbc-news-minilm-2l"}
    bilstm = {configuration.name for configuration in read.of_pair("bbc-news-bilstm")}
    retrained = {f"{pruner}-{at}" for pruner in ("IMP-FT", "IIBP-FT", "MP-AI") for at in (50, 90, 99)}
    compressed = {"RTN-8", "RTN-4", "RTN-3", "RTN-2", "Magnitude-30", "Magnitude-50", "Wanda-50"}
    assert bilstm == {"dense", "control-FT"} | retrained | compressed


@pytest.mark.parametrize("path", sorted((PROJECT / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_params_file_has_what_is_needed_and_is_named_after_what_it_holds(path):
    values = yaml.safe_load(path.read_text())
    assert path.stem == f"{values['dataset']}-{values['model']}"
    accepted = FIELDS.keys() - tuning.NOT_IN_FILE
    assert accepted - DEFAULTS.keys() <= values.keys() <= accepted


def test_the_papers_study_is_9840_runs_and_240_of_controls():
    read = study.read(yaml.safe_load((PROJECT / "params/studies/paper.yaml").read_text()))
    runs = [each["seeds"] for each in (*read.dense.values(), *read.pruned.values())]
    assert len(read.dense) == 8 and sum(len(parse_seeds(seeds)) for seeds in runs) == 9840 + 240


def test_a_nested_pruner_passes_through_the_thresholds_that_the_study_gives_it(config):
    config["configurations"][0]["pruners"] = {"IMP-FT": [50, 90], "IMP-FT-nested": [90, 50, 99.5], "MP-AI": [50]}
    read = study.read(config)
    levels = {name: read.parameters("02_prune", name)["levels"] for name in read.pruned}
    pair = "bbc-news-bilstm"
    assert levels[f"{pair}/IMP-FT-90"] is levels[f"{pair}/MP-AI-50"] is None
    for threshold in ("50", "90", "99.5"):
        name = f"{pair}/IMP-FT-nested-{threshold}"
        assert levels[name] == [90, 50, 99.5] and read.producer(name) == f"{pair}/IMP-FT-nested-99.5"
        assert NOTEBOOKS["02_prune"](**read.parameters("02_prune", name)).levels == (50, 90, 99.5)
    assert read.producer(f"{pair}/IMP-FT-50") == f"{pair}/IMP-FT-50"
    assert len(read.pruned) == 6 + 4 and "levels" not in read.parameters("03_pies", f"{pair}/IMP-FT-nested-90")


def test_a_threshold_given_twice_or_as_text_is_one_configuration(config):
    config["configurations"][0]["pruners"] = {"MP-AI": [50, 50.0, "50"], "IMP-FT-nested": ["90", "99.5"]}
    read = study.read(config)
    names = [configuration.name for configuration in read.of_pair("bbc-news-bilstm")]
    controls = ["control-nested-90", "control-nested-99.5"]
    assert names == ["dense", *controls, "MP-AI-50", "IMP-FT-nested-90", "IMP-FT-nested-99.5"]
    assert read.producer("bbc-news-bilstm/IMP-FT-nested-90") == "bbc-news-bilstm/IMP-FT-nested-99.5"


@pytest.mark.parametrize(
    ("pruners", "budget", "controls"),
    [
        ({"IMP-FT": [50, 90], "IIBP-FT-global": [50], "MP-AI": [50]}, "paper", ["control-FT"]),
        ({"IMP-WR": [50], "MP-AI": [50], "GMP": [50], "PINS-CE": [50]}, "paper", []),
        ({"IMP-WR": [50], "IMP-FT": [50]}, "equal", ["control-WR", "control-FT"]),
        ({"IMP-FT-nested": [50, 90], "IMP-WR-nested": [20, 50]}, "paper", ["control-nested-50", "control-nested-90"]),
        ({"PINS": [50], "PINS-local": [80]}, "equal", ["control-gradual"]),
        ({"IMP-FT": [50], "control-FT": [0]}, "paper", ["control-FT"]),
    ],
)
def test_a_study_trains_the_controls_that_its_pruners_need_once(config, pruners, budget, controls):
    config["configurations"][0] |= {"pruners": pruners, "budget": budget, "epochs": 4}
    read = study.read(config)
    names = [configuration.name for configuration in read.of_pair("bbc-news-bilstm")]
    assert [name for name in names if name.startswith("control")] == controls and len(names) == len(set(names))
    compared = {read.control(target) for target in read.pruned} - {None}
    assert compared == {f"bbc-news-bilstm/{name}" for name in controls}


def test_a_study_can_leave_its_controls_out(config):
    config["configurations"][0] |= {"pruners": {"IMP-FT": [50]}, "controls": False}
    read = study.read(config)
    assert list(read.pruned) == ["bbc-news-bilstm/IMP-FT-50"] and read.control("bbc-news-bilstm/IMP-FT-50") is None


def test_the_margin_of_a_study_is_that_of_every_notebook(config):
    read = study.read(config | {"margin": 0.5})
    target = next(iter(read.pruned))
    assert read.parameters("03_pies", target)["margin"] == read.parameters("06_report")["margin"] == 0.5
    with refused("value-not-accepted", "points above 0", "margin = -1"):
        study.read(config | {"margin": -1})


def test_what_a_params_file_leaves_out_has_its_default(config, tmp_path):
    values = yaml.safe_load((PROJECT / "params/bbc-news-bilstm.yaml").read_text())
    needed = {name: value for name, value in values.items() if name not in DEFAULTS}
    assert set(needed) == {"dataset", "model", "max_tokens", "seeds", *tuning.SEARCHED} | {
        *("epochs_range", "batch_sizes", "learning_rate_range")
    }
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(needed))
    config["configurations"] = [{"params": str(tmp_path / "short.yaml"), "pruners": {"IMP-FT": [50]}}]
    read = study.read(config)
    pair, target = "bbc-news-bilstm", "bbc-news-bilstm/IMP-FT-50"
    for notebook, key in {"01_train": pair, "02_prune": target, "03_pies": target, "04_el2n": pair}.items():
        given = read.parameters(notebook, key)
        defaults = {name: DEFAULTS[name] for name in given if name in DEFAULTS}
        assert given == given | defaults and NOTEBOOKS[notebook](**given).study == config["study"]
    assert {name: read.dense[pair][name] for name in JobParameters.model_fields} == JobParameters().model_dump()


def test_an_old_name_in_a_params_file_or_an_entry_is_read(config, tmp_path):
    params = tmp_path / "old.yaml"
    values = yaml.safe_load((PROJECT / config["configurations"][0]["params"]).read_text())
    values = {name: value for name, value in values.items() if name not in {"n_splits", "n_bootstrap"}}
    params.write_text(yaml.safe_dump(values | {"resamples": 7}))
    config["configurations"][0] |= {"params": str(params)}
    (target,) = study.read(config).dense
    read = study.read(config).parameters("04_el2n", target)
    assert (read["n_splits"], read["n_bootstrap"]) == (7, 7)
    config["configurations"][0] |= {"n_bootstrap": 9}
    read = study.read(config).parameters("04_el2n", target)
    assert (read["n_splits"], read["n_bootstrap"]) == (7, 9)


def test_the_papers_recipes_are_those_of_table_8():
    names = {"BERT": "bert-base-uncased", "BiLSTM": "bilstm"}
    table = published.table("table8_hyperparameters")
    for row in table.itertuples():
        path = PROJECT / f"params/{row.dataset.lower()}-{names[row.model]}.yaml"
        values = TrainParameters(study="s", results="r", **only(TrainParameters, yaml.safe_load(path.read_text())))
        assert (values.batch_size, values.epochs) == (row.batch_size, row.epochs)
        # The table rounds to one digit of 1e-5.
        assert values.learning_rate == pytest.approx(row.lr, rel=0.11)
        search = TuneParameters(study="s", results="r", **only(TuneParameters, yaml.safe_load(path.read_text())))
        assert search.trials == 100 and search.batch_sizes == (row.batch_size,)
        assert search.epochs_range == (row.epochs_min, row.epochs_max)
        assert search.learning_rate_range == (row.lr_min, row.lr_max)
    lengths = published.table("table7_datasets").set_index("dataset")["max_tokens"]
    for name, tokens in lengths.items():
        for model in names.values():
            assert yaml.safe_load((PROJECT / f"params/{name.lower()}-{model}.yaml").read_text())["max_tokens"] == tokens


NOT_ACCEPTED = ("value-not-accepted", "give ")


def entry(config):
    return config["configurations"][0]


def only(kind, values):
    return {name: value for name, value in values.items() if name in kind.model_fields}


def test_an_entry_sets_parameters_anew(config):
    read = study.read(config)
    assert read.dense["bbc-news-bilstm"]["limit"] == 200
    assert read.parameters("02_prune", "bbc-news-bilstm/MP-AI-90")["pruner"] == "MP-AI"
    assert "pruner" not in read.parameters("01_train", "bbc-news-bilstm")


@pytest.mark.parametrize(
    ("change", "id", "cure", "problem"),
    [
        (lambda config: config.clear(), "not-a-study", "--configfile params/studies/demo.yaml", ""),
        (lambda config: config.update(sede=1), "unknown-study-option", "it has study, results", "sede"),
        (lambda config: entry(config).update(epoch=3), "parameter-of-no-notebook", "correct the name", "sets epoch,"),
        (lambda config: entry(config).update(epochs="x"), *NOT_ACCEPTED, "epochs = 'x' is not accepted by the study"),
        (lambda config: entry(config).update(params="params/no.yaml"), "no-such-params-file", "params/", "no.yaml"),
        (lambda config: entry(config).pop("pruners"), "incomplete-configuration", "and pruners: {name:", ""),
        (lambda config: entry(config)["pruners"].update({"IMPFT": [50]}), *NOT_ACCEPTED, "pruner = 'IMPFT'"),
        (lambda config: entry(config)["pruners"].update({"RP-AI": [0]}), *NOT_ACCEPTED, "threshold = 0"),
        (lambda config: entry(config)["pruners"].update({"RP-AI": 50}), "thresholds-not-listed", "a list", "RP-AI: 50"),
        (lambda config: config["configurations"].append(entry(config)), "pair-twice", "into one", "bbc-news-bilstm"),
        (lambda config: entry(config).update(levels=[20, 50]), "levels-in-a-study", "leave that out", "sets levels"),
        (
            lambda config: entry(config)["pruners"].update({"IMP-FT-nested": [50, 50]}),
            "value-not-accepted",
            "each once",
            "levels = [50, 50] is not accepted by the study, bbc-news-bilstm",
        ),
        (lambda config: entry(config)["pruners"].update({"MP-AI-nested": [50]}), *NOT_ACCEPTED, "= 'MP-AI-nested'"),
        (
            lambda config: entry(config)["pruners"].update({"RP-AI": [50, 50.0000001]}),
            "configurations-in-one-folder",
            "differ in their first six digits",
            "RP-AI at 50.0 and RP-AI at 50.0000001, both in RP-AI-50",
        ),
        (lambda config: config.update(study="a/b"), *NOT_ACCEPTED, "study = 'a/b'"),
        (lambda config: config.update(configurations={"params": "x"}), "not-a-study", "or another study", ""),
        (lambda config: config.update(configurations=["x"]), "incomplete-configuration", "params: a file of", ""),
        (lambda config: entry(config).update(dataset=7), "unnamed-dataset-or-model", "", "does not say which dataset"),
        (lambda config: entry(config).update(seeds=0), "study-of-one-seed", "give two at least", "bbc-news-bilstm"),
        (lambda config: entry(config)["pruners"].update({"RP-AI": []}), "thresholds-not-listed", "a list", "RP-AI: []"),
        *(
            (lambda config, name=name: entry(config).update({name: "x"}), "not-for-an-entry", "leave that out", name)
            for name in ("pruner", "threshold", "study", "results", "examples", "split", "rows")
        ),
        *(
            (
                lambda config, params=params: entry(config).update(params=params),
                "incomplete-configuration",
                "params",
                "",
            )
            for params in (5, None, True, ["a"])
        ),
        *(
            (lambda config, name=name: config.update(results=name), "results-with-braces", "without braces", repr(name))
            for name in ("a{b}", "{", "}", "a/{pair}", "a\nb", "a\0")
        ),
        (lambda config: entry(config).update(pruners={}), "study-without-pruners", "one at least", "bbc-news-bilstm"),
        (
            lambda config: entry(config).update(budget="equal", epochs=2),
            "too-few-epochs-to-share",
            "give 4 epochs or more",
            "the study, bbc-news-bilstm, IMP-FT: budget",
        ),
    ],
)
def test_what_is_wrong_with_a_study_is_one_sentence(config, change, id, cure, problem):
    change(config)
    with refused(id, cure, problem):
        study.read(config)


@pytest.mark.parametrize(
    "content", [b"", b"- epochs", b"epochs", b"epochs: [3", b"epochs: 3\n\tlimit: 4", b"epochs: \xff"]
)
def test_a_params_file_of_another_kind_is_one_sentence(config, tmp_path, content):
    (tmp_path / "broken.yaml").write_bytes(content)
    config["configurations"][0]["params"] = str(tmp_path / "broken.yaml")
    with refused("params-file-unreadable", "epochs: 3", "broken.yaml"):
        study.read(config)


def test_a_params_file_that_is_a_folder_is_one_sentence(config, tmp_path):
    config["configurations"][0]["params"] = str(tmp_path)
    with refused("params-file-unreadable", "epochs: 3", str(tmp_path)):
        study.read(config)


def test_a_study_of_nothing_and_names_that_are_no_strings_are_one_sentence(config):
    with refused("study-without-configurations", "pruners", "smoke"):
        study.read(config | {"configurations": []})
    with refused("unknown-study-option", "it has study", "a study has no 2024, seeds"):
        study.read(config | {2024: 1, "seeds": 2})
    config["configurations"][0] |= {2024: 1, "sparsity": 2}
    with refused("parameter-of-no-notebook", "leave it out", "sets 2024, sparsity"):
        study.read(config)


def test_the_record_of_a_study_says_what_it_ran_with_whatever_becomes_of_its_params_files(config, tmp_path):
    params = tmp_path / "mine.yaml"
    values = yaml.safe_load((PROJECT / entry(config)["params"]).read_text()) | {"batch_size": 7, "seeds": "0-4"}
    del values["n_bootstrap"]
    params.write_text(yaml.safe_dump(values))
    entry(config)["params"] = str(params)
    before = study.read(config)
    record = yaml.safe_load(yaml.safe_dump(before.record))
    assert config.items() <= record.items() and record["params"][str(params)]["n_bootstrap"] == DEFAULTS["n_bootstrap"]
    for change in (
        lambda: params.write_text(yaml.safe_dump(values | {"batch_size": 8, "dataset": "imdb"})),
        lambda: params.write_text("epochs: ["),
        params.unlink,
    ):
        change()
        assert study.read(record) == before
    with refused("no-such-params-file", "give a file of params/", str(params)):
        study.read(config)  # the study file itself still names it


def test_an_entry_of_the_record_that_names_another_file_reads_that(config, tmp_path):
    record = study.read(config).record
    params = tmp_path / "mine.yaml"
    params.write_text(yaml.safe_dump(record["params"][entry(config)["params"]] | {"batch_size": 7}))
    record["configurations"][0] = entry(record) | {"params": str(params)}
    assert study.read(record).dense["bbc-news-bilstm"]["batch_size"] == 7


@pytest.mark.parametrize("params", ["params/bbc-news-bilstm.yaml", ["x"], {"epochs": 3}])
def test_params_beside_the_configurations_are_no_contents_of_params_files(config, params):
    with refused("params-beside-configurations", "name a params file in each", "the study smoke has params = "):
        study.read(config | {"params": params})


def reads(tmp_path, line):
    """What a params file gives that says this of one parameter."""
    name = line.partition(":")[0]
    kept = [text for text in (PROJECT / "params/bbc-news-bilstm.yaml").read_text().splitlines() if name not in text]
    (tmp_path / "p.yaml").write_text("\n".join([*kept, line]))
    entry = {"params": str(tmp_path / "p.yaml"), "pruners": {"IMP-FT": [90]}}
    return study.read({"study": "s", "configurations": [entry]}).dense["bbc-news-bilstm"][name]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("seeds: 0-29", "0-29"),
        ("seeds: [0-3, 8]", ["0-3", 8]),
        ("limit: 1_000", 1000),
        ("limit: None", None),
        ("label_separator: None", None),
        ("seeds_per_job: None", None),
        ("search_seed: 0", 0),
        ("label: 2024-01-02", "2024-01-02"),
        ("bucketed: no", False),
        ("learning_rate: 3.0e-3", 0.003),
        ("weight_decay: .5", 0.5),
        *((f'{name}: "2"', 2) for name in ("workers", "threads", "processes", "seeds_per_job", "memory_gb", "hours")),
    ],
)
def test_a_params_file_means_what_is_written_in_it(tmp_path, line, value):
    assert reads(tmp_path, line) == value


RANGE = "a range such as 0-29"
QUOTES = "yes, no, on and off are truth values unless they are in quotes"


@pytest.mark.parametrize(
    ("line", "id", "cure", "problem"),
    [
        ("seeds: 1:30", "params-file-unreadable", "epochs: 3", "1:30 is the number 90 to YAML; write it in quotes"),
        ("epochs: 1:29:00", "params-file-unreadable", "epochs: 3", "1:29:00 is the number 5340 to YAML"),
        ("learning_rate: 1:30.5", "params-file-unreadable", "epochs: 3", "the number 90.5 to YAML"),
        ("limit: 010", "params-file-unreadable", "epochs: 3", "010 is the number 8 to YAML"),
        ("limit: 0x10", "params-file-unreadable", "epochs: 3", "0x10 is the number 16 to YAML"),
        ('seeds: "1:30"', "value-not-accepted", RANGE, "seeds = '1:30'"),
        ("seeds: 0_29", "value-not-accepted", RANGE, "seeds = '0_29'"),
        ("seeds: 0-999999999", "value-not-accepted", RANGE, "seeds = '0-999999999'"),
        ("label: no", "value-not-accepted", QUOTES, "label = False"),
        ("dataset: 2024", "unnamed-dataset-or-model", "its name", "which dataset"),
    ],
)
def test_what_yaml_would_make_of_a_value_is_not_taken_for_it(tmp_path, line, id, cure, problem):
    with refused(id, cure, problem):
        reads(tmp_path, line)


TWICE = ["epochs: 3\nepochs: 4", "a: {b: 1, b: 1}", '"epochs": 3\nepochs: 4', "- {1: a, 1: b}"]


@pytest.mark.parametrize("text", TWICE)
def test_a_name_given_twice_is_refused(tmp_path, text):
    (tmp_path / "twice.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"is there twice in line \d, column \d+"):
        yaml_files.load(tmp_path / "twice.yaml")
    with refused("study-file-not-yaml", "correct it there", "is there twice"):
        study.read_file(tmp_path / "twice.yaml")


def test_a_merge_may_be_overridden(tmp_path):
    (tmp_path / "merged.yaml").write_text("a: &a {x: 1, y: 2}\nb: &b {<<: *a, x: 3}\nc: {<<: *b, y: 4}")
    loaded = yaml_files.load(tmp_path / "merged.yaml")
    assert loaded["b"] == {"x": 3, "y": 2} and loaded["c"] == {"x": 3, "y": 4}


@pytest.mark.parametrize("threshold", [0.9, 0.5, "0.99"])
def test_a_threshold_below_one_percent_is_warned_of_once_and_stays(config, threshold, capsys):
    types._warn_of_share.cache_clear()
    entry(config)["pruners"] = {"MP-AI": [threshold]}
    read = study.read(config)
    percent = f"{100 * float(threshold):g}"
    assert capsys.readouterr().err.count(f"give {percent} if you mean {percent} %") == 1
    assert list(read.pruned) == [f"bbc-news-bilstm/MP-AI-{threshold}"]


def run(command, folder):
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_snakemake_reads_a_study_file_as_its_writer_means_it(config, tmp_path):
    entry(config)["seeds"] = "SEEDS"
    text = yaml.safe_dump(config | {"results": str(tmp_path / "results")})
    file = tmp_path / "study.yaml"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock", "--workflow-profile", "none"]
    for seeds, error in {"1:30": "1:30 is the number 90", "0-1\n  seeds: 0-2": "seeds is there twice"}.items():
        file.write_text(text.replace("SEEDS", seeds))
        done = run([*command, "--configfile", file], PROJECT)
        assert done.returncode != 0 and f"error: {file} is not YAML ({error}" in done.stderr
        assert "Traceback" not in done.stderr and not (tmp_path / "results").exists()


def test_make_names_the_studies_if_there_is_none_of_that_name(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "params", "workflow", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"')
    (tmp_path / ".venv/bin/python").chmod(0o755)
    (tmp_path / ".venv/ready").touch()
    for target in ("study", "plan"):
        done = run(["make", target, "STUDY=nope"], tmp_path)
        (line,) = [line for line in done.stderr.splitlines() if "error: " in line]
        assert line.startswith("error: there is no study file ") and "one of params/studies: aapd, conll2003," in line
        assert done.returncode and "Traceback" not in done.stderr and not (tmp_path / "results").exists()
