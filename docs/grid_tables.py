"""The tables of a grid: from a study's report to docs/grid/tables, and from there into docs/results.md.

python docs/grid_tables.py results/grid docs/grid     copies the tables, of the six digits that mean something
python docs/grid_tables.py docs/grid docs/results.md  writes the Markdown between <!-- grid: name --> and <!-- end -->

In the same way docs/grid-minilm, docs/grid-reuters, docs/wnut17 (tagged words) and docs/qamr (questions), whose marks
begin with their names.
"""

import re
import sys
from pathlib import Path

import pandas as pd

from pielab.analysis import enough_seeds, results, tables, verdicts
from pielab.analysis.examples import readability
from pielab.compression.pruners import CONTROLS, ONE_SHOT
from pielab.report import style
from pielab.store import settings
from pielab.store.paths import Configuration

COPIED = ["decomposition", "change", "pie_shares", "effectiveness", "effectiveness_on_pies", "verdicts"]
COPIED += ["growth", "best_and_worst"]
# Those of tagged words and of questions; the middle two of tagged words alone.
OF_LEVELS = ["levels", "sentence_lengths", "entity_types", "el2n", "readability"]
MODELS_A_SIDE = [1, 2, 4, 8, 15, 30]
SHORT = {verdicts.HOLDS: "holds", verdicts.TRAINING_LONGER: "longer", verdicts.RETRAINING: "retraining"}
SHORT |= {verdicts.FALSE: "does not", verdicts.UNKNOWN: "?"}


def copy(study: Path, folder: Path) -> None:
    """The tables of a study's report, and what its seeds took, rounded to six digits."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    of_report = study / "report" / "tables"
    has_levels = (of_report / "levels.csv").exists()
    for name in COPIED + [name for name in OF_LEVELS if has_levels and (of_report / f"{name}.csv").exists()]:
        table = pd.read_csv(of_report / f"{name}.csv")
        table.to_csv(folder / "tables" / f"{name}.csv", index=False, float_format="%.6g")
    cost(results.read(study)).to_csv(folder / "tables" / "cost.csv", index=False, float_format="%.6g")


def cost(study: results.Results) -> pd.DataFrame:
    """What was trained: a row a configuration, with the seeds, the units (trainings of N epochs) and the seconds."""
    rows = []
    for of_seeds in study.records.values():
        known = {name: of_seeds[0][name] for name in results.CONFIGURATION}
        units = sum(sum(map(len, record["losses"])) / record["parameters"]["epochs"] for record in of_seeds)
        seconds = sum(record["seconds"] for record in of_seeds)
        rows.append(known | {"seeds": len(of_seeds), "units": units, "seconds": seconds})
    return results.sort_as_paper(pd.DataFrame(rows))


def blocks(folder: Path) -> dict[str, str]:
    """The Markdown tables by name, from the CSVs of docs/grid/tables."""
    read = {path.stem: pd.read_csv(path) for path in (folder / "tables").glob("*.csv")}
    for table in read.values():
        if "threshold" in table:
            table["threshold"] = table["threshold"].map(settings.of_text)
    against = tables.against_control(read["decomposition"])
    found = read["verdicts"]
    scores = read["effectiveness"].drop_duplicates(results.CONFIGURATION)  # of several metrics the first
    return {
        "verdicts": _markdown(_verdict_counts(found), index=True),
        "moved": _by_threshold(against[against["quantity"] == "moved"], _tested),
        "spread": _by_threshold(against[against["quantity"] == "spread"], _tested),
        "shares": _by_threshold(_paper(read["pie_shares"]), _share),
        "effectiveness": _by_threshold(scores, lambda row: f"{row['mean']:.3f}"),
        "best": _markdown(read["best_and_worst"].drop(columns=["dataset", "model", "seeds"])),
        "growth": _markdown(_of_all_steps(read["growth"])),
        "change": _by_threshold(_one_shot(read["change"]), _changed),
        **_of_fewer_seeds(folder / "how_many_seeds.csv"),
        **(_of_levels(read) if "levels" in read else {}),
        **(_of_tagged_words(read) if "entity_types" in read else {}),
        **{
            finding: _by_threshold(found[found["finding"] == finding], _compared)
            for finding in verdicts.FINDINGS
            if finding != "changed"
        },
    }


def _of_fewer_seeds(path: Path) -> dict[str, str]:
    """What docs/how_many_seeds.py wrote, if it was asked of this grid."""
    if not path.exists():
        return {}
    asked = pd.read_csv(path)
    tables = {"seeds": _agreement(asked), "widths": _widths(asked), "models": _by_models(asked)}
    return {name: _markdown(table, index=True) for name, table in tables.items()}


def _of_levels(read: dict[str, pd.DataFrame]) -> dict[str, str]:
    """What changes at each level, and PIEs by EL2N and by length, a column a configuration."""
    levels = read["levels"]
    el2n = read["el2n"].assign(**{name: 100 * read["el2n"][name] for name in ("excess", "low", "high", "p_null")})
    longer = read["readability"][read["readability"]["score"] == readability.LENGTH]
    return {
        "levels": _compared_with_null(levels, "level", "excess", "low", "high"),
        "levels_moved": _by_configuration(levels, "level", "moved", "moved_low", "moved_high"),
        "levels_own": _by_configuration(levels, "level", "changed", "changed_low", "changed_high"),
        "by_el2n": _compared_with_null(el2n.rename(columns={"p_null": "null"}), "bin", "excess", "low", "high"),
        "length_ratio": _compared_with_null(longer, "score", "more", "more_low", "more_high", digits=2),
    }


def _of_tagged_words(read: dict[str, pd.DataFrame]) -> dict[str, str]:
    """PIEs by the length of a sentence, and lost entities by type, a column a configuration."""
    lengths, types = read["sentence_lengths"], read["entity_types"]
    return {
        "by_length": _compared_with_null(lengths, "words", "excess", "low", "high"),
        "by_type": _by_configuration(types.assign(type=_with_numbers(types)), "type", "more", "low", "high"),
    }


def _with_numbers(types: pd.DataFrame) -> list[str]:
    return [f"{name} ({number})" for name, number in zip(types["type"], types["entities"], strict=True)]


def _by_configuration(table: pd.DataFrame, rows: str, *columns: str, digits: int = 1) -> str:
    """A row for each value of `rows`, a column for each configuration: an estimate with its interval."""
    return _markdown(_wide(table, rows, *columns, digits=digits), index=True)


def _compared_with_null(table: pd.DataFrame, rows: str, *columns: str, digits: int = 1) -> str:
    """As `_by_configuration`, with the null in front, which is the same for all configurations."""
    null = table.drop_duplicates(rows).set_index(rows)["null"].map(f"{{:.{digits}f}}".format)
    return _markdown(pd.concat([null, _wide(table, rows, *columns, digits=digits)], axis="columns"), index=True)


def _wide(table: pd.DataFrame, rows: str, *columns: str, digits: int) -> pd.DataFrame:
    titles = [Configuration(*key).title for key in table[results.CONFIGURATION].itertuples(index=False, name=None)]
    cells = table.assign(cell=tables.with_intervals(table, *columns, digits=digits), title=titles)
    wide = cells.pivot(index=rows, columns="title", values="cell")
    return wide.reindex(index=table[rows].unique(), columns=cells["title"].unique()).rename_axis(columns=None)


def _markdown(table: pd.DataFrame, index: bool = False) -> str:
    table = table.reset_index() if index else table
    rows = [list(table), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _by_threshold(rows: pd.DataFrame, cell) -> str:
    """A row a pruner and a column a setting."""
    cells = rows.assign(cell=rows.apply(cell, axis="columns"), setting=style.setting_texts(rows))
    table = cells.pivot(index="pruner", columns="setting", values="cell")[list(style.positions(rows))]
    table = table.reindex(cells["pruner"].unique()).fillna("")
    return _markdown(table.rename_axis(columns=None), index=True)


def _tested(row: pd.Series) -> str:
    text = f"{row['estimate']:z.1f} [{row['low']:z.1f}, {row['high']:z.1f}]"
    return f"**{text}**" if row["p_corrected"] < 0.05 else text


def _share(row: pd.Series) -> str:
    excess = f"{row['excess_percent']:z.1f} [{row['excess_low']:z.1f}, {row['excess_high']:z.1f}]"
    return f"{row['pies_percent']:.1f}; {excess}"


def _changed(row: pd.Series) -> str:
    return f"{row['estimate']:.2g} [{row['low']:.2g}, {row['high']:.2g}]"


def _compared(row: pd.Series) -> str:
    def text(name: str) -> str:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return f"{row[name]:z.3g} [{low:z.2g}, {high:z.2g}]"

    return f"{text('beyond_retraining')}: {SHORT[row['verdict']]}"


def _paper(table: pd.DataFrame) -> pd.DataFrame:
    return table[~table["pruner"].isin([*ONE_SHOT])]


def _one_shot(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["quantity"] == "changed") & table["pruner"].isin([*ONE_SHOT])]


def _of_all_steps(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["step"] == "first to last"].drop(columns=["dataset", "model", "step", "seeds"])


def _verdict_counts(table: pd.DataFrame) -> pd.DataFrame:
    """For each finding and threshold, of how many pruners each verdict is."""
    rows = {}
    for name, finding in verdicts.FINDINGS.items():
        own = table[(table["finding"] == name) & ~table["pruner"].isin(CONTROLS)]
        cells = {}
        for threshold, group in own.groupby("threshold"):
            counts = group["verdict"].value_counts().reindex(verdicts.VERDICTS).dropna().astype(int)
            cells[f"{threshold:g} %"] = ", ".join(f"{number} {SHORT[verdict]}" for verdict, number in counts.items())
        rows[finding.title] = cells
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("finding")


def _agreement(asked: pd.DataFrame) -> pd.DataFrame:
    """How often fewer seeds say what all say / what as many others say, of the pruners that retrain."""
    own = asked[(asked["family"] == "retrained") & (asked["compared_with"].notna() | (asked["question"] == "told"))]
    own = own[~own["question"].isin(["missed", "told by these alone"])]
    return enough_seeds.table(own).rename_axis(columns=None)


def _widths(asked: pd.DataFrame) -> pd.DataFrame:
    """Half of the intervals, found and promised."""
    own = asked[(asked["family"] == "retrained") & asked["question"].str.startswith("half-width")]
    simulated = own[own["question"] == "half-width simulated"].set_index("seeds")
    table = enough_seeds.table(own[own["question"] != "half-width simulated"]).rename_axis(columns=None)
    ends = {seeds: f"{row['low']:.2f} to {row['high']:.2f}" for seeds, row in simulated.iterrows()}
    table.loc[("half-width promised without a pilot", "excess", "points"), :] = pd.Series(ends)
    return table.fillna("")


def _by_models(asked: pd.DataFrame) -> pd.DataFrame:
    """On how many texts two majorities differ, by the models on each side."""
    own = asked[asked["question"] == "differ, by models on a side"]
    text = [
        f"{row.estimate:.2f}" + (f" [{row.low:.2f}, {row.high:.2f}]" if row.low == row.low else "")
        for row in own.itertuples()
    ]
    own = own.assign(text=text)[own["seeds"].isin(MODELS_A_SIDE)]
    order = ["quantity", "family"]
    return own.groupby([*order, "seeds"], sort=False)["text"].first().unstack().fillna("").rename_axis(columns=None)


def fill(text: str, grid: str, found: dict[str, str]) -> str:
    """A page with the tables of a grid between its marks."""
    return re.sub(
        rf"(<!-- {grid}: (\w+) -->\n).*?(<!-- end -->)",
        lambda match: f"{match[1]}\n{found[match[2]]}\n\n{match[3]}",
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    if target.suffix == ".md":
        target.write_text(fill(target.read_text(encoding="utf-8"), source.name, blocks(source)), encoding="utf-8")
    else:
        copy(source, target)
