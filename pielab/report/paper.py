"""The paper's tables and figures by number, as far as a study has run them; cells not run stay empty."""

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

from pielab.analysis import results
from pielab.compression.pruners import PRUNERS
from pielab.data import data_card, published
from pielab.errors import PielabError
from pielab.store import records

PAIR = ["model", "dataset"]
THRESHOLDS = (20.0, 50.0, 70.0, 90.0, 99.0)

# Table 1, PIEs with their text, is tables.pie_examples.
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

_FIRST_PAIR = "snli-bert-base-uncased"
_PAIRS = (
    "snli-bilstm",
    "imdb-bert-base-uncased",
    "imdb-bilstm",
    "reuters-bert-base-uncased",
    "reuters-bilstm",
    "aapd-bert-base-uncased",
    "aapd-bilstm",
)
_PRUNERS = ("IBP-AI", "IIBP-WR", "IMP-FT", "MP-AI", "IMP-WR", "IRP-FT", "RP-AI")
# Which files of report/figures show a figure. The captions of 7 to 13 do not name their pairs: the order of 21 to 27.
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


def table(study_folder: Path, number: int) -> Styler:
    """A table of the paper (2 to 10) from a study's results, laid out and marked as there.

    Raises PielabError for another number, and where nothing of it has been run.
    """
    if number not in TABLES:
        raise PielabError(f"the paper has no Table {number}: give 2 to {max(TABLES)}; Table 1 is tables.pie_examples.")
    found = all_tables(study_folder)
    if number not in found:
        raise PielabError(f"{study_folder} has nothing for Table {number} yet: run notebooks 01_train to 03_pies.")
    return found[number]


def all_tables(study_folder: Path) -> dict[int, Styler]:
    """Tables 2 to 10 as far as there is something to show. Raises PielabError if no PIEs are known yet."""
    return _all_tables(study_folder, *_results(study_folder))


def compare_with_published(study_folder: Path) -> dict[int, pd.DataFrame]:
    """Tables 4, 9 and 10: published value, ours and the difference for each configuration that both have."""
    return _beside_published(*_results(study_folder))


def write_tables(study_folder: Path) -> dict[int, Styler]:
    """Keep every table as report/tables/table_04.csv, .tex and .html, and those beside the published ones as CSV.

    Gives the tables, as `all_tables` does.
    """
    folder, frames = study_folder / "report" / "tables", _results(study_folder)
    made = _all_tables(study_folder, *frames)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("table_*"):
        old.unlink()
    for number, styler in made.items():
        stem = f"table_{number:02d}"
        styler.data.to_csv(folder / f"{stem}.csv")
        # A uuid of its own makes the page the same in every run.
        (folder / f"{stem}.html").write_text(styler.set_uuid(stem).to_html(), encoding="utf-8")
        (folder / f"{stem}.tex").write_text(latex(styler, stem), encoding="utf-8")
    for number, frame in _beside_published(*frames).items():
        frame.to_csv(folder / f"table_{number:02d}_beside_published.csv", index=False)
    return made


def _results(study_folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """tables.configurations and tables.effectiveness of a study."""
    return results.configurations(study_folder), results.effectiveness(results.seeds(study_folder))


def _all_tables(study_folder: Path, configurations: pd.DataFrame, effectiveness: pd.DataFrame) -> dict[int, Styler]:
    remaining, dense, data = (
        _remaining(_counts(study_folder)),
        _dense_records(study_folder),
        data_card.of_study(study_folder),
    )
    made = {
        2: _table_2(data),
        3: _table_3(),
        4: _table_4(configurations, effectiveness),
        5: _percentages(remaining),
        6: remaining.style.format(na_rep="", precision=0, thousands=",") if len(remaining) else None,
        7: data.T.style.format(_plain, na_rep="") if len(data) else None,
        8: _table_8(dense),
        9: _table_9(effectiveness) if len(effectiveness) else None,
        10: _table_10(configurations),
    }
    return {number: _labelled(each.set_caption(TABLES[number])) for number, each in made.items() if each is not None}


def _beside_published(configurations: pd.DataFrame, effectiveness: pd.DataFrame) -> dict[int, pd.DataFrame]:
    on_pies = {"pruned_on_pies": "pruned", "unpruned_on_pies": "unpruned"}
    made = {
        4: published.compare(configurations, "table4_pies_percent", {"pies_percent": "pies_percent"}),
        9: published.compare(effectiveness, "table9_effectiveness", {"mean": "mean", "std": "std"}),
        10: published.compare(configurations, "table10_effectiveness_on_pies", on_pies),
    }
    return {number: frame for number, frame in made.items() if len(frame)}


def latex(styler: Styler, label: str) -> str:
    """A table for a LaTeX document, with its colours and bold type."""
    caption = str(styler.caption).replace("%", r"\%").replace("±", r"$\pm$")
    # Of a copy: the table itself shall go on showing its names as they are.
    body = _labelled(copy.deepcopy(styler), escape="latex").to_latex(
        hrules=True, convert_css=True, caption=caption, label=f"tab:{label}", position_float="centering"
    )
    # pandas escapes the labels, but not the names above them.
    body = body.replace("& % pruned &", r"& \% pruned &").replace("±", r"$\pm$")
    return "% needs \\usepackage{booktabs, multirow} and \\usepackage[table]{xcolor}\n" + body


def _labelled(styler: Styler, escape: str = "html") -> Styler:
    """Thresholds as 50 and 99.5, and names as they are."""
    for axis in (0, 1):
        styler.format_index(lambda each: f"{each:g}" if isinstance(each, float) else each, axis=axis, escape=escape)
    return styler


def _plain(value: float | str) -> str:
    """A number with one decimal if it has any; other texts as they are."""
    return f"{value:,.1f}".removesuffix(".0") if isinstance(value, (int, float)) else value


def _grid(frame: pd.DataFrame, value: str) -> pd.DataFrame:
    """A column of configurations as the paper lays it out: a line for each pair and pruner, a column a threshold.

    A pair of the paper has all its lines; cells not run are NaN.
    """
    whole = frame.pivot(index=[*PAIR, "pruner"], columns="threshold", values=value)
    pairs = list(frame.groupby(PAIR, sort=False).groups)
    models, data = published.MODELS.values(), published.DATASETS.values()
    in_paper = [pair for pair in pairs if pair[0] in models and pair[1] in data]
    lines = set(whole.index) | {(*pair, pruner) for pair in in_paper for pruner in PRUNERS}
    ordered = sorted(lines, key=lambda line: (pairs.index(line[:2]), results.pruner_order(line[2])))
    columns = sorted(set(whole.columns) | (set(THRESHOLDS) if in_paper else set()))
    index = pd.MultiIndex.from_tuples(ordered, names=[*PAIR, "pruner"])
    return whole.reindex(index=index, columns=pd.Index(columns, name="% pruned"))


def _table_2(data: pd.DataFrame) -> Styler | None:
    if data.empty:
        return None
    return data[["train", "test", "val", "classes", "classification"]].style.format(precision=0, thousands=",")


def _table_3() -> Styler:
    rows = [(name, each.score, each.schedule, each.retraining or "") for name, each in PRUNERS.items()]
    return pd.DataFrame(rows, columns=["pruner", "score", "schedule", "retraining"]).set_index("pruner").style


def _table_4(configurations: pd.DataFrame, effectiveness: pd.DataFrame) -> Styler:
    shares = _grid(configurations, "pies_percent")
    marks = pd.DataFrame("", index=shares.index, columns=shares.columns)
    if len(effectiveness):
        quality = _grid(effectiveness, "mean").reindex(index=shares.index, columns=shares.columns)
        best, worst = _extremes(quality)
        marks = marks.mask(worst, _WORST).mask(best, _BEST)
    return shares.style.apply(lambda _: marks, axis=None).format(precision=1, na_rep="")


def _extremes(quality: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Where a column's best and worst values of each pair are, bool; nowhere if there is nothing to choose from."""
    by_pair = quality.groupby(level=PAIR, sort=False)
    several = by_pair.transform("nunique") > 1
    return several & (quality == by_pair.transform("max")), several & (quality == by_pair.transform("min"))


def _table_8(dense: pd.DataFrame) -> Styler | None:
    if dense.empty:
        return None
    columns = ["batch_size", "epochs", "learning_rate"]
    return dense.set_index(["dataset", "model"])[columns].style.format({"learning_rate": "{:g}"}, na_rep="")


def _table_9(effectiveness: pd.DataFrame) -> Styler:
    mean, std = (_with_unpruned(_grid(effectiveness, column)) for column in ("mean", "std"))
    texts = mean.map("{:.3f}".format) + std.map(lambda each: "" if np.isnan(each) else f" ± {each:.3f}")
    best, _ = _extremes(mean)
    marks = pd.DataFrame("", index=mean.index, columns=mean.columns).mask(best, _BOLD)
    return texts.mask(mean.isna(), "").style.apply(lambda _: marks, axis=None)


def _with_unpruned(grid: pd.DataFrame) -> pd.DataFrame:
    """The unpruned models as the column of 0 % that stands at every pruner."""
    if "unpruned" not in grid.index.get_level_values("pruner"):
        return grid
    unpruned = grid.xs("unpruned", level="pruner")[0.0]
    pruned = grid.drop(index="unpruned", level="pruner")
    pruned[0.0] = [unpruned.get(pair) for pair in pruned.index.droplevel("pruner")]
    return pruned


def _table_10(configurations: pd.DataFrame) -> Styler:
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
        marks[threshold, side] = [
            "; ".join(style for style, is_marked in ((_BOLD, a), (_BLUE, b)) if is_marked)
            for a, b in zip(bold, blue, strict=True)
        ]
    return values.style.apply(lambda _: marks, axis=None).format(precision=3, na_rep="")


def _remaining(counts: pd.DataFrame) -> pd.DataFrame:
    """Parameters that remain, by pair: unpruned, and a column for each threshold."""
    if counts.empty:
        return counts
    columns = sorted(set(counts["threshold"]) | ({0.0} | set(THRESHOLDS)))
    remaining = counts.assign(remaining=counts["parameters"] - counts["removed"])
    table = remaining.pivot_table(index=PAIR, columns="threshold", values="remaining", aggfunc="first", sort=False)
    return table.reindex(columns=pd.Index(columns, name="% pruned")).rename(columns={0.0: "unpruned"})


def _percentages(remaining: pd.DataFrame) -> Styler | None:
    if remaining.empty:
        return None
    removed = 100 * (1 - remaining.div(remaining["unpruned"], axis=0))
    table = removed.drop(columns="unpruned")
    table.insert(0, "parameters", remaining["unpruned"])
    return table.style.format(precision=0, na_rep="", thousands=",")


def _counts(study_folder: Path) -> pd.DataFrame:
    """How many parameters each configuration trains and removes: dataset, model, threshold, parameters, removed."""
    rows = []
    for folder in sorted(study_folder.glob("*/*/seeds")):
        record = _first_record(folder)
        if "trainable" in record:
            removed = sum(lost for lost, _ in record.get("pruned", {}).values())
            names = {name: record[name] for name in ("dataset", "model", "threshold")}
            rows.append(names | {"parameters": record["trainable"], "removed": removed})
    return pd.DataFrame(rows)


def _dense_records(study_folder: Path) -> pd.DataFrame:
    found = [_first_record(folder) for folder in sorted(study_folder.glob("*/dense/seeds"))]
    rows = [each["parameters"] | {name: each[name] for name in ("dataset", "model")} for each in found if each]
    return pd.DataFrame(rows)


def _first_record(seeds: Path) -> Mapping:
    """The metrics of the first seed of a configuration; empty where predictions came without any."""
    path = next(iter(sorted(seeds.glob("[0-9]*/metrics.json"))), None)
    record = records.read(path.parent) if path else {}
    return record if "parameters" in record else {}
