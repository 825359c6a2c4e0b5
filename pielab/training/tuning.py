"""Random search for epochs, batch size and learning rate (paper, A.4 and Table 8); every finished trial is saved."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from pielab.config.parameters import DEFAULTS, FIELDS, TrainParameters, TuneParameters
from pielab.config.study import OPTIONS
from pielab.config.validation import current_names
from pielab.errors import PielabError, as_transient
from pielab.progress import Progress
from pielab.store import files, records
from pielab.training.experiment import Experiment
from pielab.training.seed import evaluate

# The progress bar shows what Optuna logs for every trial.
optuna.logging.set_verbosity(optuna.logging.WARNING)

# The errors of a trial that diverged; any other is not the trial's, and ends the search.
DIVERGED = {"loss-not-finite", "weights-not-finite"}
SEARCHED = ("epochs", "batch_size", "learning_rate")
COLUMNS = ["trial", *SEARCHED, "validation", "seconds", "reason"]

PAPERS_SEEDS = "0-29"
# A params file has the parameters in the order of FIELDS, with an empty line before these; others are given beside it.
PARAGRAPHS = ("model", "trials", "levels", "n_splits", "seeds_per_job")
NOT_IN_FILE = {"study", "pruner", "threshold", *OPTIONS}


def proposals(p: TuneParameters) -> list[dict[str, Any]]:
    """The epochs, batch_size and learning_rate (log-uniform) of each trial.

    A trial's proposal depends on `search_seed` and the trial's number alone.
    """
    drawn = []
    for trial in range(p.trials):
        # A sampler for each trial, because one for all would repeat its draws when an interrupted search resumes.
        seed = int(np.random.SeedSequence((p.search_seed, trial)).generate_state(1)[0])
        sampler = optuna.samplers.RandomSampler(seed=seed)
        drawn.append(optuna.create_study(sampler=sampler).ask(_space(p)).params)
    return drawn


def search(experiment: Experiment[TuneParameters]) -> pd.DataFrame:
    """Run the trials that are missing; returns a row for each trial.

    experiment: from `prepare` with TuneParameters. Each trial trains the unpruned model of the seed `search_seed`,
        which is not saved.

    Columns trial, epochs, batch_size, learning_rate, validation (the experiment's metric, NaN if the trial diverged),
    seconds and reason (why it diverged, or empty). An interrupted trial is not saved.

    Raises PielabError if the folder has a search of another space, model or data; TransientError if memory or disk run
    out.
    """
    p = experiment.parameters
    drawn = proposals(p)
    recipe = p.recipe() | {"data": experiment.data_digest}
    with as_transient(p.folder), _open_study(p, recipe, experiment.inputs) as study:
        finished = set(_table(study, p.trials)["trial"])
        todo = [trial for trial in range(p.trials) if trial not in finished]
        with Progress("searching", sum(drawn[trial]["epochs"] + 1 for trial in todo)) as progress:
            end = 0
            for trial in todo:
                end += drawn[trial]["epochs"] + 1
                so_far = _so_far(_table(study, p.trials))
                value, attributes = _run(experiment, trial, drawn[trial], progress, so_far)
                state = TrialState.FAIL if value is None else TrialState.COMPLETE
                ended = create_trial(
                    state=state, value=value, params=drawn[trial], distributions=_space(p), user_attrs=attributes
                )
                # Added whole once it has ended, so that an interrupted trial does not count.
                study.add_trial(ended)
                # A trial that diverged has not made all its steps.
                progress.step(f"trial {trial} kept; {_so_far(_table(study, p.trials))}", end - progress.done)
        return _table(study, p.trials)


def best(table: pd.DataFrame) -> pd.Series:
    """The row of the trial with the highest validation metric, the first of equals; PielabError if all diverged."""
    if table["validation"].isna().all():
        raise PielabError(
            "all-trials-diverged",
            f"the loss of none of the {len(table)} trials stayed finite",
            "give another study name, and a lower learning_rate_range",
        )
    return table.loc[table["validation"].idxmax()]


def write_params(experiment: Experiment[TuneParameters], table: pd.DataFrame, names: Mapping[str, Any]) -> Path:
    """Write the best trial as a params file for every notebook, tune/<dataset>-<model>.yaml; returns its path.

    names: the notebook's globals(). Values that a params file gave for other notebooks, such as seeds, are copied; any
        other has its default.
    """
    p = experiment.parameters
    row = best(table).to_dict()
    tuned = {name: row[name] for name in SEARCHED}
    given = {name: value for name, value in current_names(names).items() if name in FIELDS}
    values = DEFAULTS | {"seeds": PAPERS_SEEDS} | given | p.model_dump(mode="json") | tuned
    path = p.folder / f"{p.unpruned.pair}.yaml"
    shown = f"{p.results}/{p.study}/{path.relative_to(p.study_folder)}"
    failed = int(table["validation"].isna().sum())
    lines = [
        f"# Found by 00_tune in the study {p.study}: the best of {len(table)} trials of random search"
        f"{f', {failed} of which failed' if failed else ''},",
        f"# with {row['validation']:.4f} validation {experiment.metric} (trial {row['trial']}).",
        f"# papermill notebooks/01_train.ipynb out.ipynb -f {shown}",
    ]
    for name in [name for name in FIELDS if name not in NOT_IN_FILE]:
        line = yaml.dump({name: values[name]}, Dumper=_Lines).rstrip("\n")
        lines += ["", line] if name in PARAGRAPHS else [line]
    with files.atomic_file(path) as partial:
        partial.write_text("\n".join(lines) + "\n")
    return path


def _run(
    experiment: Experiment[Any], trial: int, proposal: Mapping[str, Any], progress: Progress, so_far: str
) -> tuple[float | None, dict[str, Any]]:
    """Train and evaluate one trial: its validation metric, None if it diverged, and its attributes for the study."""
    p: TuneParameters = experiment.parameters
    shared = {name: getattr(p, name) for name in TrainParameters.model_fields if name in TuneParameters.model_fields}
    experiment = replace(experiment, parameters=TrainParameters(**shared, **proposal, seeds=(p.search_seed,)))

    def note(epoch: int, loss: float) -> None:
        progress.step(f"trial {trial}, epoch {epoch} of {proposal['epochs']}, loss {loss:.3f}; {so_far}")

    start = time.perf_counter()
    # Before `try`, because a model that cannot be built ends the search.
    model = experiment.build(p.search_seed)
    value, failure = None, {}
    try:
        experiment.train(model, p.search_seed, 0, proposal["epochs"], note)
        # Without the test split, which must stay unseen.
        value = evaluate(experiment, model, p.search_seed, ["validation"])[2][experiment.metric]["validation"]
    except PielabError as error:
        if error.id not in DIVERGED:
            raise
        failure = {"reason": str(error)}
    return value, {"trial": trial, "seconds": time.perf_counter() - start} | failure


def _space(p: TuneParameters) -> dict[str, BaseDistribution]:
    return {
        "epochs": IntDistribution(*p.epochs_range),
        "batch_size": CategoricalDistribution(p.batch_sizes),
        "learning_rate": FloatDistribution(*p.learning_rate_range, log=True),
    }


@contextmanager
def _open_study(p: TuneParameters, recipe: dict[str, Any], inputs: dict[str, str]) -> Iterator[optuna.Study]:
    """The Optuna study in tune/search.db with its trials; PielabError if they are of another recipe or other inputs."""
    p.folder.mkdir(parents=True, exist_ok=True)
    # The file is opened here, because in a URL its name could hold no "?" or "{".
    connect = {"creator": lambda: sqlite3.connect(p.folder / "search.db")}
    storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=connect)
    try:
        study = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
        if study.get_trials(deepcopy=False):
            records.require_same(study.user_attrs.get("parameters", {}), recipe, p.folder)
            records.require_same_inputs(study.user_attrs, inputs, p.folder)
        else:
            study.set_user_attr("parameters", recipe)
            study.set_user_attr("inputs", inputs)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _table(study: optuna.Study, trials: int) -> pd.DataFrame:
    """The finished ones of the first `trials` trials, with the columns of `search`."""
    rows = [
        {"reason": ""} | trial.user_attrs | trial.params | {"validation": trial.value}
        for trial in study.get_trials(deepcopy=False)
        if trial.user_attrs["trial"] < trials
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"validation": float})
    # Two notebooks that run the same search at once may both run a trial, with the same result.
    return table.drop_duplicates("trial").sort_values("trial", ignore_index=True)


class _Lines(yaml.SafeDumper):
    """Writes every parameter on one line, lists included."""


_Lines.add_representer(list, lambda dumper, items: dumper.represent_sequence("tag:yaml.org,2002:seq", items, True))


def _so_far(table: pd.DataFrame) -> str:
    """The best trial so far, for the progress bar."""
    if table["validation"].isna().all():
        return "best: none yet"
    row = best(table)
    return f"best: {row['validation']:.3f} in trial {row['trial']}, learning rate {row['learning_rate']:.2g}"
