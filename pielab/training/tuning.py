"""The random search for epochs, batch size and learning rate (paper, A.4 and Table 8); every finished trial is kept."""

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

from pielab.config.parameters import BuildParameters, JobParameters, TrainParameters, TuneParameters
from pielab.config.validation import current_names
from pielab.errors import PielabError
from pielab.progress import Progress
from pielab.store import files, paths, records
from pielab.training.experiment import Experiment
from pielab.training.seed import evaluate

# Its log has a line for every trial; the progress bar says the same in one.
optuna.logging.set_verbosity(optuna.logging.WARNING)

SEARCHED = ("epochs", "batch_size", "learning_rate")
COLUMNS = ["trial", *SEARCHED, "validation", "seconds", "reason"]

# A params file, paragraph by paragraph, and what it says of the other notebooks where they were given nothing else.
PARAGRAPHS = (
    ("dataset", "data_dir", "text", "text_pair", "label", "label_separator", "limit"),
    (
        *("model", "num_hidden_layers", "word_vectors", "padding", "max_tokens"),
        *("epochs", "batch_size", "learning_rate", "seeds", "device", "threads", "precision", "bucketed"),
        "workers",
    ),
    ("trials", "search_seed", "epochs_range", "batch_sizes", "learning_rate_range"),
    ("levels", "impact_examples", "prune_layer_norm", "save_weights", "n_splits", "n_bootstrap", "bins", "processes"),
    tuple(JobParameters.model_fields),
)
OTHERS = {
    "seeds": "0-29",
    "workers": 1,
    "levels": None,
    "impact_examples": 100,
    "prune_layer_norm": False,
    "save_weights": False,
    "n_splits": 200,
    "n_bootstrap": 200,
    "bins": 20,
    "processes": 1,
    **JobParameters().model_dump(),
}


def proposals(p: TuneParameters) -> list[dict[str, Any]]:
    """What each trial trains with: epochs, batch_size, learning_rate (drawn uniformly in its logarithm).

    A trial's proposal depends on `search_seed` and its number alone: not on how many there are or which have run.
    """
    space = _space(p)
    if p.trials > 1 and all(each.single() for each in space.values()):
        raise PielabError(
            f"epochs_range, batch_sizes and learning_rate_range leave one choice, so all {p.trials} trials would be "
            "the same: give one of them several values."
        )
    drawn = []
    for trial in range(p.trials):
        # One sampler for all would begin anew, and repeat itself, when a search that was cut off goes on.
        seed = int(np.random.SeedSequence((p.search_seed, trial)).generate_state(1)[0])
        sampler = optuna.samplers.RandomSampler(seed=seed)
        drawn.append(optuna.create_study(sampler=sampler).ask(space).params)
    return drawn


def search(experiment: Experiment) -> pd.DataFrame:
    """Run the trials that are not there yet; one row for each trial.

    experiment: as prepare gives it for TuneParameters. Each trial trains the unpruned initialisation
        `search_seed`; its model is not kept.

    Columns trial, epochs, batch_size, learning_rate, validation (accuracy, or macro-F1 if texts have several labels),
    seconds and reason: why a trial failed, its loss having become infinite or not a number; its validation is NaN.
    A trial that is cut off leaves nothing. Raises PielabError if the folder has a search of another space, model or
    data.
    """
    p: TuneParameters = experiment.parameters
    drawn = proposals(p)
    with _kept(p, p.recipe() | {"data": experiment.data_digest}) as kept:
        there = set(_table(kept, p.trials)["trial"])
        todo = [trial for trial in range(p.trials) if trial not in there]
        with Progress("searching", sum(drawn[trial]["epochs"] + 1 for trial in todo)) as progress:
            end = 0
            for trial in todo:
                end += drawn[trial]["epochs"] + 1
                so_far = _so_far(_table(kept, p.trials))
                value, attributes = _run(experiment, trial, drawn[trial], progress, so_far)
                state = TrialState.FAIL if value is None else TrialState.COMPLETE
                options = {"params": drawn[trial], "distributions": _space(p), "user_attrs": attributes}
                # Written when it is over, in one piece, so that no half of it can count.
                kept.add_trial(create_trial(state=state, value=value, **options))
                # A trial that diverged has not made all its steps.
                progress.step(f"trial {trial} kept; {_so_far(_table(kept, p.trials))}", end - progress.done)
        return _table(kept, p.trials)


def best(table: pd.DataFrame) -> pd.Series:
    """The row of the best trial; of equally good ones the first."""
    if table["validation"].isna().all():
        raise PielabError(
            f"the loss of none of the {len(table)} trials stayed finite: give another study name, and a lower "
            "learning_rate_range."
        )
    return table.loc[table["validation"].idxmax()]


def write_params(experiment: Experiment, table: pd.DataFrame, names: Mapping[str, Any]) -> Path:
    """Write the best trial as a params file for every notebook, tune/<dataset>-<model>.yaml; gives its path.

    names: the notebook's globals(). What a params file gave for other notebooks, such as seeds, is passed on.
    """
    p: TuneParameters = experiment.parameters
    row = best(table).to_dict()
    found = {name: row[name] for name in SEARCHED}
    given = current_names(names)
    passed_on = {name: given.get(name, value) for name, value in OTHERS.items()}
    values = passed_on | p.model_dump(mode="json") | found
    path = p.folder / f"{paths.pair(p.dataset, p.model)}.yaml"
    shown = f"{p.results}/{p.study}/{path.relative_to(p.study_folder)}"
    failed = int(table["validation"].isna().sum())
    lines = [
        f"# Found by 00_tune in the study {p.study}: the best of {len(table)} trials of random search"
        f"{f', {failed} of which failed' if failed else ''},",
        f"# with {row['validation']:.4f} validation {experiment.metric} (trial {row['trial']}).",
        f"# papermill notebooks/01_train.ipynb out.ipynb -f {shown}",
    ]
    paragraphs = [{name: values[name] for name in each} for each in PARAGRAPHS]
    text = "\n".join(yaml.dump(each, Dumper=_Lines, sort_keys=False) for each in paragraphs)
    with files.atomic_file(path) as partial:
        partial.write_text("\n".join(lines) + "\n" + text)
    return path


def _run(
    experiment: Experiment, trial: int, proposal: Mapping[str, Any], progress: Progress, so_far: str
) -> tuple[float | None, dict[str, Any]]:
    """The validation metric of one trial, None if it diverged, and what else to keep of it."""
    p: TuneParameters = experiment.parameters
    same = {name: getattr(p, name) for name in BuildParameters.model_fields}
    experiment = replace(experiment, parameters=TrainParameters(**same, **proposal, seeds=p.search_seed, workers=1))

    def note(epoch: int, loss: float) -> None:
        progress.step(f"trial {trial}, epoch {epoch} of {proposal['epochs']}, loss {loss:.3f}; {so_far}")

    start = time.perf_counter()
    # Outside of what may diverge: a model that cannot be built ends the search.
    model = experiment.build(p.search_seed)
    value, failure = None, {}
    try:
        experiment.train(model, p.search_seed, 0, proposal["epochs"], note)
        # The test split stays unseen.
        splits = ("train", "validation") if experiment.multi_label else ("validation",)
        value = evaluate(experiment, model, p.search_seed, splits)[2]["validation"]
    except PielabError as error:
        failure = {"reason": str(error)}
    return value, {"trial": trial, "seconds": time.perf_counter() - start} | failure


def _space(p: TuneParameters) -> dict[str, BaseDistribution]:
    return {
        "epochs": IntDistribution(*p.epochs_range),
        "batch_size": CategoricalDistribution(p.batch_sizes),
        "learning_rate": FloatDistribution(*p.learning_rate_range, log=True),
    }


@contextmanager
def _kept(p: TuneParameters, recipe: dict[str, Any]) -> Iterator[optuna.Study]:
    """The search's trials in tune/search.db, which Optuna's own tools read as well."""
    p.folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{p.folder / 'search.db'}")
    try:
        study = optuna.create_study(storage=storage, study_name="tune", direction="maximize", load_if_exists=True)
        if study.get_trials(deepcopy=False):
            records.require_same(study.user_attrs.get("parameters", {}), recipe, p.folder)
        else:
            study.set_user_attr("parameters", recipe)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _table(kept: optuna.Study, trials: int) -> pd.DataFrame:
    rows = [
        {"reason": ""} | each.user_attrs | each.params | {"validation": each.value}
        for each in kept.get_trials(deepcopy=False)
        if each.user_attrs["trial"] < trials
    ]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"validation": float})
    # Two notebooks that run the same search at once do some trials twice, with the same outcome.
    return table.drop_duplicates("trial").sort_values("trial", ignore_index=True)


class _Lines(yaml.SafeDumper):
    """A line for every parameter, lists too."""


_Lines.add_representer(list, lambda dumper, each: dumper.represent_sequence("tag:yaml.org,2002:seq", each, True))


def _so_far(table: pd.DataFrame) -> str:
    if table["validation"].isna().all():
        return "best: none yet"
    row = best(table)
    return f"best: {row['validation']:.3f} in trial {row['trial']}, learning rate {row['learning_rate']:.2g}"
