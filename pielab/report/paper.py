"""The paper's tables and figures by number, from the runs of a study; cells without a run stay empty."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from pielab.analysis import results
from pielab.analysis.tables import without_controls
from pielab.compression.pruners import PRUNERS
from pielab.data import data_card, published
from pielab.errors import PielabError
from pielab.store import files, settings
from pielab.store.paths import DENSE

PAIR = ["model", "dataset"]
THRESHOLDS = (20.0, 50.0, 70.0, 90.0, 99.0)

# Table 1, PIEs with their text, is results.pie_examples.
TABLES = {
    2: "The data sets",
    3: "The eight pruners",
    4: "PIEs in percent of the test examples; the pruner of the best accuracy or F1 is green and bold, "
    "of the worst grey and italic",
    5: "Trained parameters, and percent of them that are removed",
    6: "Parameters that remain",
    7: "The data sets in numbers",
    8: "Batch size, epochs and learning rate",
    9: "Accuracy or F1, mean ± standard deviation over seeds; the best pruner at each threshold is bold",
    10: "Accuracy or F1 on the PIEs, pruned and unpruned; blue where the pruned models do better, "
    "bold where a side does better than on all examples",
}

_FIRST_PAIR, *_PAIRS = (
    f"{dataset}-{model}" for dataset in ("snli", "imdb", "reuters", "aapd") for model in ("bert-base-uncased", "bilstm")
)
_PRUNERS = ("IBP-AI", "IIBP-WR", "IMP-FT", "MP-AI", "IMP-WR", "IRP-FT", "RP-AI")
# The files in report/figures of each figure. The captions of 7 to 13 name no pairs; their order is that of 21 to 27.
FIGURES: dict[int, tuple[str, ...]] = {
    1: ("effectiveness",),
    2: ("classes-IIBP-FT",),
    3: (f"effectiveness_on_pies-{_FIRST_PAIR}",),
    4: ("el2n-IIBP-FT",),
    5: (f"readability-{_FIRST_PAIR}",),
    6: tuple(f"classes-{pruner}" for pruner in PRUNERS),
    **{number: (f"effectiveness_on_pies-{pair}",) for number, pair in enumerate(_PAIRS, start=7)},
    **{number: (f"el2n-{pruner}",) for number, pruner in enumerate(_PRUNERS, start=14)},
    **{number: (f"readability-{pair}",) for number, pair in enumerate(_PAIRS, start=21)},
}

_BEST, _WORST = "background-color: #b7e1cd; font-weight: bold", "background-color: #d9d9d9; font-style: italic"
_BOLD, _BLUE = "font-weight: bold", "color: #0b5cad"


def table(study: Path | results.Results, number: int) -> Styler:
    """A table of the paper (2 to 10) from a study's results, laid out and marked as in the paper.

    study: its folder, or its results as results.read gives them, here and below.

    Raises PielabError for another number, and if the study has no results for the table.
    """
    if number not in TABLES:
        raise PielabError(
            "no-such-paper-table",
            f"the paper has no Table {number}",
            f"give 2 to {max(TABLES)}; Table 1 is results.pie_examples",
        )
    study = results.read(study)
    tables = all_tables(study)
    if number not in tables:
        raise PielabError(
            "table-without-results",
            f"{study.folder} has nothing for Table {number} yet",
            "run notebooks 01_train to 03_pies",
        )
    return tables[number]


def all_tables(study: Path | results.Results) -> dict[int, Styler]:
    """Tables 2 to 10, those for which the study has results. Raises PielabError if it has no PIEs yet."""
    study = results.read(study)
    configurations, seeds = map(without_controls, (results.configurations(study), results.seeds(study)))
    effectiveness = results.effectiveness(seeds)
    parameters_left, data = remaining(_counts(study)), data_card.of_study(study.folder)
    parameters = _unpruned_parameters(study)
    tables = {3: _table_3(), 4: table_4(configurations, effectiveness), 10: table_10(configurations)}
    if len(data):
        chosen = data[["train", "test", "val", "classes", "classification"]]
        tables[2] = chosen.style.format(precision=0, thousands=",")
        tables[7] = data.T.style.format(_plain, na_rep="")
    if len(parameters_left):
        tables[5] = table_5(parameters_left)
        tables[6] = parameters_left.style.format(na_rep="", precision=0, thousands=",")
    if len(parameters):
        chosen = parameters.set_index(["dataset", "model"])[["batch_size", "epochs", "learning_rate"]]
        tables[8] = chosen.style.format({"learning_rate": "{:g}"}, na_rep="")
    if len(effectiveness):
        tables[9] = table_9(effectiveness)
    return {number: labelled(tables[number].set_caption(TABLES[number])) for number in sorted(tables)}


def compare_with_published(study: Path | results.Results) -> dict[int, pd.DataFrame]:
    """Tables 4, 9 and 10: published value, ours and the difference for each configuration in both."""
    study = results.read(study)
    configurations, seeds = map(without_controls, (results.configurations(study), results.seeds(study)))
    effectiveness = results.effectiveness(seeds)
    on_pies = {"pruned_on_pies": "pruned", "unpruned_on_pies": "unpruned"}
    tables = {
        4: published.compare(configurations, "table4_pies_percent", {"pies_percent": "pies_percent"}),
        9: published.compare(effectiveness, "table9_effectiveness", {"mean": "mean", "std": "std"}),
        10: published.compare(configurations, "table10_effectiveness_on_pies", on_pies),
    }
    return {number: frame for number, frame in tables.items() if len(frame)}


def write_tables(study: Path | results.Results) -> dict[int, Styler]:
    """Write every table as report/tables/table_04.csv, .tex and .html, and comparisons with the published ones as CSV.

    Gives the tables, as `all_tables` does.
    """
    study = results.read(study)
    folder, tables = study.folder / "report" / "tables", all_tables(study)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("table_*"):
        path.unlink()
    for number, styler in tables.items():
        stem = f"table_{number:02d}"
        styler.data.to_csv(folder / f"{stem}.csv")
        # A fixed uuid makes the HTML the same in every run.
        with files.atomic_file(folder / f"{stem}.html", digest=True) as partial:
            partial.write_text(styler.set_uuid(stem).to_html(), encoding="utf-8")
        (folder / f"{stem}.tex").write_text(latex(styler, stem), encoding="utf-8")
    for number, frame in compare_with_published(study).items():
        results.save(frame, folder.parent, f"table_{number:02d}_beside_published")
    return tables


def latex(styler: Styler, label: str) -> str:
    """A table for a LaTeX document, with its colours and bold type."""
    caption = str(styler.caption).replace("%", r"\%").replace("±", r"$\pm$")
    # A copy, because the escaped labels are for LaTeX only.
    body = labelled(copy.deepcopy(styler), escape="latex").to_latex(
        hrules=True, convert_css=True, caption=caption, label=f"tab:{label}", position_float="centering"
    )
    # pandas escapes the labels, but not the names above them.
    body = body.replace("& % pruned &", r"& \% pruned &").replace("±", r"$\pm$")
    return "% needs \\usepackage{booktabs, multirow} and \\usepackage[table]{xcolor}\n" + body


def labelled(styler: Styler, escape: str = "html") -> Styler:
    """Escapes names, in cells and index labels, and writes thresholds there as 50 and 99.5."""
    texts = styler.data.select_dtypes(["object", "string"]).columns
    styler.format(_plain, subset=texts, na_rep="", escape=escape)
    for axis in (0, 1):
        styler.format_index(lambda label: f"{label:g}" if isinstance(label, float) else label, axis=axis, escape=escape)
    return styler


def _plain(value: float | str) -> str:
    """A number with one decimal, or none if that is 0; strings unchanged."""
    return f"{value:,.1f}".removesuffix(".0") if isinstance(value, (int, float)) else value


def _grid(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """One value per configuration in the paper's layout: a row for each pair and pruner, a column for each threshold.

    Pairs of the paper have all its rows; configurations that were not run are NaN.
    """
    frame = _in_percent(frame)
    whole = frame.pivot(index=[*PAIR, "pruner"], columns="threshold", values=value)
    pairs = list(frame.groupby(PAIR, sort=False).groups)
    models, data = published.MODELS.values(), published.DATASETS.values()
    in_paper = [pair for pair in pairs if pair[0] in models and pair[1] in data]
    rows = set(whole.index) | {(*pair, pruner) for pair in in_paper for pruner in PRUNERS}
    ordered = sorted(rows, key=lambda row: (pairs.index(row[:2]), results.pruner_order(row[2])))
    columns = sorted(set(whole.columns) | (set(THRESHOLDS) if in_paper else set()))
    index = pd.MultiIndex.from_tuples(ordered, names=[*PAIR, "pruner"])
    return whole.reindex(index=index, columns=pd.Index(columns, name="% pruned"))


def _in_percent(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows whose setting is a percentage, as all are in the paper."""
    in_percent = frame[
        ~frame["pruner"].isin(settings.IN_BITS) & ~frame["threshold"].map(lambda setting: isinstance(setting, str))
    ]
    return in_percent.assign(threshold=in_percent["threshold"].astype(float))


def _table_3() -> Styler:
    rows = [(name, pruner.score, pruner.schedule, pruner.retraining or "") for name, pruner in PRUNERS.items()]
    return pd.DataFrame(rows, columns=["pruner", "score", "schedule", "retraining"]).set_index("pruner").style


def table_4(configurations: pd.DataFrame, effectiveness: pd.DataFrame) -> Styler:
    """Table 4, with its marks, from results.configurations and results.effectiveness."""
    shares = _grid(configurations, "pies_percent")
    marks = pd.DataFrame("", index=shares.index, columns=shares.columns)
    if len(effectiveness):
        quality = _grid(effectiveness, "mean").reindex(index=shares.index, columns=shares.columns)
        best, worst = _extremes(quality)
        marks = marks.mask(worst, _WORST).mask(best, _BEST)
    return shares.style.apply(lambda _: marks, axis=None).format(precision=1, na_rep="")


def _extremes(quality: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Where each pair has the best and the worst value of a column, bool; False if all its values are equal."""
    by_pair = quality.groupby(level=PAIR, sort=False)
    several = by_pair.transform("nunique") > 1
    return several & (quality == by_pair.transform("max")), several & (quality == by_pair.transform("min"))


def table_9(effectiveness: pd.DataFrame) -> Styler:
    """Table 9, with its marks, from results.effectiveness."""
    mean, std = (_with_unpruned(_grid(effectiveness, column)) for column in ("mean", "std"))
    texts = mean.map("{:.3f}".format) + std.map(lambda value: "" if np.isnan(value) else f" ± {value:.3f}")
    best, _ = _extremes(mean)
    marks = pd.DataFrame("", index=mean.index, columns=mean.columns).mask(best, _BOLD)
    return texts.mask(mean.isna(), "").style.apply(lambda _: marks, axis=None)


def _with_unpruned(grid: pd.DataFrame) -> pd.DataFrame:
    """Moves the unpruned models' row of each pair into a column, 0 %, of all its pruners."""
    if "unpruned" not in grid.index.get_level_values("pruner"):
        return grid
    unpruned = grid.xs("unpruned", level="pruner")[0.0]
    pruned = grid.drop(index="unpruned", level="pruner")
    pruned[0.0] = [unpruned.get(pair) for pair in pruned.index.droplevel("pruner")]
    return pruned


def table_10(configurations: pd.DataFrame) -> Styler:
    """Table 10, with its marks, from results.configurations."""
    sides = ("pruned", "unpruned")
    on_pies = {side: _grid(configurations, f"{side}_on_pies") for side in sides}
    on_all = {side: _grid(configurations, f"{side}_on_all") for side in sides}
    columns = [(threshold, side) for threshold in on_pies["pruned"] for side in sides]
    values = pd.DataFrame({column: on_pies[column[1]][column[0]] for column in columns})
    values.columns = pd.MultiIndex.from_tuples(columns, names=["% pruned", "models"])
    marks = pd.DataFrame("", index=values.index, columns=values.columns)
    for threshold, side in columns:
        bold = on_pies[side][threshold] > on_all[side][threshold]
        blue = (on_pies["pruned"][threshold] > on_pies["unpruned"][threshold]) & (side == "pruned")
        marks[threshold, side] = np.select([bold & blue, bold, blue], [f"{_BOLD}; {_BLUE}", _BOLD, _BLUE], "")
    return values.style.apply(lambda _: marks, axis=None).format(precision=3, na_rep="")


def remaining(counts: pd.DataFrame) -> pd.DataFrame:
    """The number of parameters that remain, by pair: a column "unpruned", and one for each threshold."""
    counts = _in_percent(counts) if len(counts) else counts
    if counts.empty:
        return counts
    columns = sorted(set(counts["threshold"]) | ({0.0} | set(THRESHOLDS)))
    counts = counts.assign(remaining=counts["parameters"] - counts["removed"])
    table = counts.pivot_table(index=PAIR, columns="threshold", values="remaining", aggfunc="first", sort=False)
    return table.reindex(columns=pd.Index(columns, name="% pruned")).rename(columns={0.0: "unpruned"})


def table_5(remaining: pd.DataFrame) -> Styler:
    """Table 5 from `remaining`."""
    table = 100 * (1 - remaining.div(remaining["unpruned"], axis=0)).drop(columns="unpruned")
    table.insert(0, "parameters", remaining["unpruned"])
    return table.style.format(precision=0, na_rep="", thousands=",")


def _counts(study: results.Results) -> pd.DataFrame:
    """How many parameters each configuration trains and removes: dataset, model, threshold, parameters, removed."""
    rows = []
    for record, *_ in study.records.values():
        if "trainable" in record:
            removed = sum(lost for lost, _ in record.get("pruned", {}).values())
            names = {name: record[name] for name in results.CONFIGURATION}
            rows.append(names | {"parameters": record["trainable"], "removed": removed})
    return pd.DataFrame(rows)


def _unpruned_parameters(study: results.Results) -> pd.DataFrame:
    """The parameters with which the unpruned models were trained, one row per pair."""
    unpruned = [of_seeds[0] for folder, of_seeds in study.records.items() if folder.name == DENSE]
    trained = [record for record in unpruned if "parameters" in record]
    return pd.DataFrame([record["parameters"] | {name: record[name] for name in PAIR} for record in trained])
