"""The command `pielab`: what it checks before anything starts, what it prints, and its exit status."""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import make_texts, refused
from hypothesis import given as draw
from hypothesis import strategies
from papermill.cli import _resolve_type

from pielab.__main__ import COMMANDS, main
from pielab.commands import new, run
from pielab.commands import study as study_command
from pielab.config import study as studies
from pielab.config.parameters import NOTEBOOKS
from pielab.config.validation import check, validate
from pielab.jobs import terminal
from pielab.report.messages import messages
from pielab.store import paths

PROJECT = Path(__file__).parents[1]
SMALL = ["limit", "60", "max_tokens", "8", "epochs", "1", "device", "cpu", "n_splits", "20", "n_bootstrap", "20"]


def pielab(*words, cwd=PROJECT, **environment):
    command = [sys.executable, "-m", "pielab", *words]
    options = {"capture_output": True, "text": True, "check": False, "stdin": subprocess.DEVNULL}
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, **options)


def named(values):
    return [word for place in range(0, len(values), 2) for word in ("-p", *values[place : place + 2])]


def test_help_lists_every_command_and_each_has_its_own(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed and about in listed for name, (_, about) in COMMANDS.items())
    for name in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"usage: pielab {name} ") and f"pielab {name}" in printed.partition("\n")[2]
    assert main([]) == 2 and main(["--version"]) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sudy"], "pielab has no command sudy: did you mean study? give one of new, run,"),
        (
            ["run", "02_prune", "-p", "prunner", "IMP-FT"],
            "prunner is not a parameter of 02_prune: did you mean pr",
        ),
        (["run", "06", "-p", "pruner", "IMP-FT"], "pruner is not a parameter of 06_report: it has study, results"),
        (["run", "02", "-p", "threshold", "101"], "threshold = 101 is not accepted by 02_prune: give a percentage"),
        (["run", "08_more"], "there is no notebook 08_more: give one of 00_tune, 01_train"),
        (["run", "02", "out.html"], "out.html is no notebook's name: give one that ends in .ipynb"),
        (["run", "02", "-f", "none.yaml"], "there is no file none.yaml: give a YAML file"),
        (["study", "nope"], "there is no study file nope: give a file, or one of params/studies: aapd, conll2003"),
        (["plan", "nope"], "there is no study file nope: give a file, or one of params/studies: aapd, conll2003"),
        (["status", "nope"], "nope/study.yaml is missing or no study: start the study with pielab study nope"),
        (["report", "nope"], "nope/report has no tables yet: pielab run 06_report -p study nope"),
        (["fetch", "bbc-news", "nope"], "no asset is called 'nope': give one of bbc-news, glove-6b-50d, minilm"),
        (["errors", "out-of-memmory"], "no message has out-of-memmory: did you mean out-of-memory?"),
        (["merge", "nope"], "there is no folder nope: give one that has studies in it"),
        (["new", "nope.csv"], "there is no file or folder nope.csv: give the path of your data"),
    ],
)
def test_what_is_not_accepted_is_one_sentence_and_starts_nothing(words, sentence, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "run", None)
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and sentence in said.err and said.err.count("\n") == 1 and not said.out


def test_a_slip_is_told_before_anything_heavy_is_imported():
    code = """
import sys
from pielab.__main__ import main
main(["run", "02", "-p", "prunner", "x"])
main(["study", "no"])
print([name for name in ("torch", "transformers", "pandas", "papermill", "matplotlib") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n" and done.stderr.count("error: ") == 2


def test_a_parameter_of_another_notebook_may_be_in_a_file_alone(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("pruner: IMP-FT\nstudy: mine\nexamples: 3\n")
    assert run.parameters("06_report", [str(file)], [["examples", "4"]]) == {"study": "mine", "examples": 4}
    file.write_text("prunner: IMP-FT")
    values = run.parameters("06_report", [str(file)], [])
    with refused("unknown-parameter", "it has study", "prunner is not a parameter"):
        validate(NOTEBOOKS["06_report"], values | {"study": "mine"}, "06_report")
    for content, reason in (("study: [", "expected the node content"), ("- study", "it has no names with values")):
        file.write_text(content)
        with refused("params-file-unreadable", "a line such as epochs: 3 for each", reason):
            run.parameters("06_report", [str(file)], [])


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_defaults_are_those_of_the_notebook_and_its_place_is_a_study_s(notebook):
    defaults = run.defaults(PROJECT / "notebooks" / f"{notebook}.ipynb")
    p = validate(NOTEBOOKS[notebook], defaults, notebook)
    assert p == check(notebook, defaults) and set(defaults) == set(NOTEBOOKS[notebook].model_fields)
    for given in (notebook, notebook[:2], notebook[3:], f"notebooks/{notebook}.ipynb"):
        assert run.full_name(given) == notebook
    place = run.place(notebook, p).relative_to(paths.study(p.results, p.study).absolute()).as_posix()
    smoke = studies.read(studies.read_file(PROJECT / "params/studies/smoke.yaml"))
    of_study = {each.replace("control-FT", "IMP-FT-50").replace("IMP-FT-90", "IMP-FT-50") for each in smoke.notebooks()}
    assert place in {*of_study, "bbc-news-bilstm/tune/00_tune.ipynb"}


@draw(strategies.text(max_size=5) | strategies.sampled_from(["True", "None", "1", "-2", "1e3", "nan", " 5", "1_0"]))
def test_values_are_read_as_papermill_reads_them(text):
    assert repr(run._plain(text)) == repr(_resolve_type(text))


def test_run_renders_a_notebook_at_its_place_and_leaves_no_more(project):
    words = ["run", "02", *named(SMALL[:8]), "-p", "pruner", "MP-AI", "-p", "study", "command"]
    done = pielab(*words, cwd=project)
    assert done.returncode == 0, done.stderr
    folder = project / "results/command"
    notebook = folder / "bbc-news-bilstm/MP-AI-50/02_prune.ipynb"
    assert done.stdout == f"{notebook}\n" and not done.stderr.strip()
    cells = nbformat.read(notebook, 4).cells
    injected = [cell for cell in cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert 'pruner = "MP-AI"' in injected[0].source and "n_splits" not in injected[0].source
    assert {path.name for path in folder.iterdir()} == {"bbc-news-bilstm"}
    # Elsewhere, and one that cannot go on.
    done = pielab("run", "03", "out/x.ipynb", "-p", "study", "command", "-p", "seeds", "5,6", cwd=project)
    assert done.returncode == 1 and "there are no predictions " in done.stderr and "Traceback" not in done.stderr
    assert not (project / "out/x.ipynb").exists() and (project / "out/logs/x.ipynb").exists()


def test_progress_is_a_line_a_minute_where_there_is_no_terminal(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    bar = argparse.Namespace(disable=True)
    client = terminal.Client(argparse.Namespace(nb=nbformat.v4.new_notebook(), pbar=bar))
    client.printed = 0.0
    for second in range(0, 200, 10):
        now[0] = float(second)
        client.show(f"training: {second} of 200 steps")
    assert capsys.readouterr().err == "training: 70 of 200 steps\ntraining: 140 of 200 steps\n"


def test_a_study_says_how_far_it_is_and_what_is_left():
    counts = {"seeds": 6, "seeds_asked": 10, "done": 1, "notebooks": 5, "failed": 0}
    line = study_command.progress_line(counts, 120, "about 4 min left")
    assert line == "6 of 10 seeds, 1 of 5 notebooks done after 2 min; about 4 min left"
    line = study_command.progress_line(counts | {"failed": 1}, 120, "")
    assert line == "6 of 10 seeds, 1 of 5 notebooks done, 1 failed after 2 min"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with a user's data, which is its own project."""
    make_texts(200).rename(columns={"text": "body", "label": "stars"}).to_csv(tmp_path / "reviews.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_new_writes_files_that_run_as_they_are(elsewhere, capsys):
    assert main(["new", "reviews.csv"]) == 0
    said = capsys.readouterr().out
    assert "text column: body\nlabel column: stars\nreviews.csv: 140 training and 30 test texts, 3 classes: " in said
    params = yaml.safe_load((elsewhere / "params/reviews.yaml").read_text())
    assert params["text"] == "body" and params["model"] == "bilstm" and len(params) == 10
    study = studies.read(studies.read_file(elsewhere / "params/studies/reviews.yaml"))
    assert "reviews-bilstm/IMP-FT-90/03_pies.ipynb" in study.notebooks()
    values = run.parameters("02_prune", ["params/reviews.yaml"], [])
    defaults = run.defaults(PROJECT / "notebooks/02_prune.ipynb")
    assert validate(NOTEBOOKS["02_prune"], defaults | values, "02_prune").limit is None
    before = (elsewhere / "params/reviews.yaml").read_bytes()
    assert main(["new", "reviews.csv"]) == 2 and "is there already" in capsys.readouterr().err
    assert (elsewhere / "params/reviews.yaml").read_bytes() == before


def test_new_asks_in_a_terminal(elsewhere, capsys, monkeypatch):
    answers = iter(["", "stars"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    assert main(["new", "reviews.csv", "--model", "minilm-2l", "--name", "mine"]) == 0
    params = yaml.safe_load((elsewhere / "params/mine.yaml").read_text())
    assert (params["text"], params["label"], params["learning_rate"]) == ("body", "stars", 3e-4)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--text", "boy", "--label", "stars"],
            "has no column 'boy': did you mean body? set text to one of body, stars",
        ),
        (["--label", "body", "--text", "body"], "text and label are both 'body'"),
        (["--text", "body", "--label", "stars", "--label-separator", "x"], "occurs in no label of reviews.csv"),
    ],
)
def test_new_writes_nothing_for_data_that_are_refused(elsewhere, words, sentence, capsys):
    assert main(["new", "reviews.csv", *words]) == 2
    assert sentence in capsys.readouterr().err and not (elsewhere / "params").exists()


def test_new_names_the_columns_if_none_is_likely(elsewhere, capsys):
    Path("odd.csv").write_text("a;b\nx;y\n")
    assert main(["new", "odd.csv"]) == 2
    assert "odd.csv has the columns a;b: say which has the texts by --text" in capsys.readouterr().err
    assert new._head("reviews.csv").columns.tolist() == ["body", "stars"]


def test_errors_gives_the_cause_and_the_cure(capsys):
    assert main(["errors", "no-such-data-file"]) == 0
    said = capsys.readouterr().out
    assert "no-such-data-file\n  given: there is no file" in said and "\n  cure:  give its" in said
    assert main(["errors"]) == 0
    assert capsys.readouterr().out.split() == [each.id for each in messages()]


def test_doctor_tells_what_is_there_and_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PIELAB_CACHE", str(tmp_path / "none/cache"))
    assert main(["doctor", "--offline"]) == 0
    said = capsys.readouterr().out
    assert "torch" in said and f"{tmp_path}/none/cache: nothing fetched" in said and "Hub         not tried" in said
    monkeypatch.setattr("pielab.commands.doctor.PACKAGES", {"torch": "train", "no-such-trainer": "train"})
    assert main(["doctor", "--offline"]) == 0
    assert "no-such-trainer not installed; what needs it: pip install 'pielab[train]'" in capsys.readouterr().out
    monkeypatch.setattr("pielab.commands.doctor.PACKAGES", {"no-such-package": None})
    assert main(["doctor", "--offline"]) == 1
    assert "missing: no-such-package: pip install no-such-package" in capsys.readouterr().out


def test_a_study_goes_to_the_cluster_and_options_after_the_dashes_to_snakemake(monkeypatch, capsys):
    given = []

    def run(command, cwd, check):
        given.extend([command, cwd])
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(study_command.subprocess, "run", run)
    assert main(["study", "smoke", "--cluster", "slurm", "--", "--dryrun", "all"]) == 1
    command, folder = given
    assert command[1:5] == ["-m", "snakemake", "--profile", "workflow/profiles/slurm"] and folder == PROJECT
    assert command[5:7] == ["--configfile", str(PROJECT / "params/studies/smoke.yaml")]
    assert command[7:-2] == ["--snakefile", "workflow/Snakefile", "--workflow-profile", "workflow/profiles/default"]
    assert command[-2:] == ["--dryrun", "all"]
    assert (PROJECT / "workflow/profiles/slurm/config.yaml").exists()
    assert "results/smoke/report/index.html shows how far it is" in capsys.readouterr().out


def test_a_finished_study_needs_its_data_no_more(elsewhere, monkeypatch, capsys):
    assert main(["new", "reviews.csv"]) == 0
    (elsewhere / "reviews.csv").unlink()
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(study_command.subprocess, "run", lambda command, **options: done)
    assert main(["study", "reviews"]) == 2 and "is no file or folder here" in capsys.readouterr().err
    (elsewhere / "results/reviews/report").mkdir(parents=True)
    paths.finished(elsewhere / "results/reviews").touch()
    assert main(["study", "reviews"]) == 0
    assert capsys.readouterr().out.endswith(f"report: {elsewhere / 'results/reviews/report/index.html'}\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_reader_that_closes_the_pipe_ends_the_command_quietly():
    before = signal.getsignal(signal.SIGPIPE)
    assert main(["errors"]) == 0 and signal.getsignal(signal.SIGPIPE) == before
    command = f"{sys.executable} -m pielab errors | head -1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
