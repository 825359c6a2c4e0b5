"""The study's front page: figures, tables, PIEs and every rendered notebook, readable without server or network."""

import argparse
import functools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pielab.analysis import change, comparison, decomposition, findings, results, tradeoff
from pielab.analysis.examples import classes, groups, readability
from pielab.errors import PielabError
from pielab.report import paper, render
from pielab.store import files, paths, records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BY_PAIR, BY_PRUNER = ("dataset", "model"), ("pruner",)


@dataclass(frozen=True)
class Panel:
    """A kind of figure of the report, which the function of report/figures with its name draws from a table.

    read: the table from a study's results. keys: the columns of which each combination has a figure of its own, as in
        the paper. saved: whether its table, unless empty, is written to report/tables as well. nothing: said in 06 of
        an empty table, instead of that a notebook has not run.
    """

    title: str
    read: Callable[[results.Results], pd.DataFrame]
    keys: tuple[str, ...] = ()
    saved: bool = False
    nothing: str = ""
    known: str | None = None


# A new figure is one entry here and one function in report/figures.
PANELS = {
    "decomposition": Panel(
        "What part of a PIE is pruning: training again, training longer, and removing weights",
        decomposition.of_study,
        BY_PAIR,
        saved=True,
    ),
    "change": Panel(
        "What changes in the same model, beside another seed, another batch size and bfloat16",
        change.of_study,
        BY_PAIR,
        saved=True,
    ),
    "groups": Panel(
        "Who pays: change, lost accuracy and movement by group of texts",
        groups.of_study,
        BY_PAIR,
        saved=True,
        nothing=groups.NO_GROUP,
    ),
    "effectiveness": Panel("Accuracy or F1 against the unpruned models (Figure 1)", results.seeds),
    "tradeoff": Panel(
        "What compression bought: size beside accuracy or F1, and own answers changed",
        tradeoff.of_study,
        saved=True,
        known="packed_percent",
    ),
    "pie_shares": Panel(
        "How many test examples are PIEs, and how many retraining alone would change (Table 4)", results.configurations
    ),
    "comparison": Panel(
        "Pruners at equal sparsity: accuracy or F1, and PIEs beyond the null", comparison.pruners, BY_PAIR
    ),
    "effectiveness_on_pies": Panel(
        "Accuracy or F1 on all examples and on the PIEs (Figures 3, 7 to 13)", results.configurations, BY_PAIR
    ),
    "classes": Panel(
        "The classes of the PIEs and of all test examples (Figures 2, 6)",
        classes.by_configuration,
        BY_PRUNER,
        saved=True,
    ),
    "el2n": Panel(
        "PIEs of the training set by how much an example matters for generalisation, EL2N (Figures 4, 14 to 20)",
        functools.partial(results.read_pair_tables, name="el2n"),
        BY_PRUNER,
        saved=True,
    ),
    "readability": Panel(
        "How hard the PIEs are to read, compared with all examples (Figures 5, 21 to 27)",
        readability.of_study,
        BY_PAIR,
        saved=True,
    ),
    "readability_matched": Panel(
        "The same, compared with other examples as long as the PIEs",
        readability.of_study,
        BY_PAIR,
    ),
}
TABLES = {
    "decomposition_at_these_texts": "What part of a PIE is pruning? Intervals at these texts, seeds vary",
    "decomposition_to_come": "The same with intervals for texts to come, seeds and texts vary",
    "change_by_configuration": "What changes in the same model",
    "pie_shares": "PIEs beside their null, in percent of the test examples",
    "effectiveness": "Accuracy or F1, and its change by pruning",
    "sizes": "What compression bought: size and speed beside accuracy or F1, and own answers changed",
    "comparison": "Pruners at equal sparsity",
    "effectiveness_on_pies": "Accuracy or F1 on the PIEs, and beside the null",
}
NOTES = {
    "decomposition_at_these_texts": (
        "An unpruned model and one of another seed differ on <b>in all</b> % of the texts. That is the sum of "
        "<b>retraining</b>, on how many two unpruned models differ; <b>training longer</b>, what the control adds, "
        "which was trained as the pruned models were with nothing pruned; and <b>removal</b> of weights. <b>moved</b> "
        "(net disagreement) is 0 only if no text's probabilities of answers changed; 1 point is as if 1 % of the texts "
        "had changed their answer outright. <b>spread</b> (difference of seed-to-seed disagreement) is how much more "
        "models differ among themselves. <b>excess</b> is their sum, so that an excess of 0 does not mean no effect. "
        "<b>p</b> is that of an exact test against the control, or against the unpruned models for a control and where "
        "none was trained, corrected for all configurations. <b>own answers changed</b>, in percent of the texts, "
        "compares models of the same seed. In brackets: 95 % intervals, of other seeds at these texts."
    ),
    "change_by_configuration": (
        "The model of a seed before compression and the model of the same seed after, at these texts. <b>changed</b> "
        "is the share of its answers that differ, in percent, and the sum of the next three columns; <b>another "
        "seed</b>, how many differ between two unpruned models; <b>another batch size</b> and <b>bfloat16 against "
        "float32</b>, how many differ with the same weights. <b>KL</b>, in nats, is the divergence of the "
        "probabilities after from those before. <b>Expected calibration error</b> has 15 bins, from 0 to 1; the "
        "<b>Brier score</b> is the sum over classes. In brackets: 95 % intervals, over seeds."
    ),
    "sizes": (
        "<b>MB packed</b> is the size of a model as the format of its method would store it: rounded weights in their "
        "bits with a scale for each row, pruned matrices as a bitmap with the values left, in 10<sup>6</sup> bytes. "
        "<b>MB stored</b> is with every weight as a float, which zeros do not make smaller. The word vectors of a "
        "BiLSTM are not counted. <b>ms a text</b>, the time of predicting the test set on this device, is that of "
        "matrices with their zeros: only a format and a device that skip them make a pruned model faster. "
        "<b>own answers changed</b> compares models of the same seed. In brackets: 95 % intervals over seeds; "
        "?: not known, of predictions made elsewhere or by an earlier version."
    ),
    "pie_shares": (
        "<b>pies percent</b> is the paper's number: all seeds vote on both sides. Two sets of unpruned models "
        "disagree as well, the more so the fewer models vote, so the null is taken between halves of the seeds and "
        "compared with <b>halved pies percent</b>, unpruned halves against pruned halves. <b>excess</b> is their "
        "difference with a 95 % interval (over seeds). If the interval contains 0, these PIEs cannot be "
        "told from retraining noise."
    ),
    "comparison": (
        "<b>epochs</b> is the training behind each model; a difference in epochs alone makes a difference in PIEs. "
        "<b>difference</b> is how many more PIEs, in percent of the test examples, a pruner has than the reference at "
        "the same sparsity, over the same half-splits of the seeds, with a 95 % interval (over seeds)."
    ),
    "effectiveness_on_pies": (
        "<b>unpruned on pies</b> and <b>pruned on pies</b> are the paper's numbers, from all seeds. Examples on which "
        "models disagree are hard with or without pruning: <b>null on pies</b> is counted where half of the unpruned "
        "models disagree with the other half, and compared with the <b>halved</b> numbers, where unpruned halves "
        "disagree with pruned halves; <b>more</b> is by how much they exceed the null, with a 95 % interval. "
        "Macro-F1 falls with the number of examples, even if all answers are right, so tasks with several labels are "
        "compared by the F1 of each text, averaged over texts."
    ),
}


def draw(study: Path | results.Results, kind: str, table: pd.DataFrame | None = None) -> "dict[str, Figure]":
    """A study's figures of one kind, a key of PANELS, by name; written as SVG and PNG to report/figures.

    study: its folder, or its results as results.read gives them. table: the data of the figures, if they have been
        computed already.

    There is one figure for each pair of data set and model ("readability-snli-bilstm"), one for each pruner
    ("el2n-IMP-FT"), or a single one. Empty if the notebook that computes the data has not run.
    """
    from pielab.report import figures  # here, because every job writes the page, and draws nothing

    panel, study = PANELS[kind], results.read(study)
    report, table = study.folder / "report", panel.read(study) if table is None else table
    folder, draw_figure = report / "figures", getattr(figures, kind)
    if panel.saved and not table.empty:
        results.save(table, report, kind)
    # What was removed from the study must not leave its figure, or its table, behind.
    stale = [*(report / "tables").glob(f"{kind}.csv*")] if table.empty else []
    if panel.known and not table.empty:
        table = table.dropna(subset=[panel.known])
    for path in [*folder.glob(f"{kind}.*"), *folder.glob(f"{kind}-*"), *stale]:
        path.unlink()
    if table.empty:
        return {}
    parts = table.groupby(list(panel.keys), sort=False) if panel.keys else [((), table)]
    drawn = {"-".join([kind, *key]): draw_figure(part) for key, part in parts}
    for name, figure in drawn.items():
        figures.save(figure, folder, name)
    return drawn


def show(study: Path | results.Results, kind: str, table: pd.DataFrame | None = None) -> None:
    """Draw the figures of one kind and display them in the notebook; arguments as in `draw`."""
    from IPython.display import display

    drawn = draw(study, kind, table)
    if drawn:
        display(*drawn.values())
    else:
        missing = f"nothing to draw for {kind} yet: the notebook that makes it has not run for this study"
        print(PANELS[kind].nothing or missing)


def write_index(study_folder: Path) -> Path:
    """Render every finished notebook of the study to HTML, and write report/index.html with links to them.

    Reads the figures and tables that 06_report made. Raises PielabError if they are missing.
    """
    folder = study_folder / "report"
    if not (folder / "tables" / "pie_shares.csv").exists():
        raise PielabError(
            "report-without-tables",
            f"{folder} has no tables yet",
            "run notebooks/06_report.ipynb for this study first, or give the folder of another, such as results/demo",
        )
    seeds_done = sum(1 for _ in study_folder.glob("*/*/seeds/[0-9]*"))
    for seeds in study_folder.glob("*/*/seeds"):
        files.remove_stale(seeds)
    found = sections(study_folder) | {"notebooks": _notebooks(study_folder), "seeds_done": seeds_done}
    return render.index(study_folder, **found)


def sections(study_folder: Path) -> dict[str, Any]:
    """What 06_report made for a study, as the template of the page takes it; empty where it made nothing."""
    folder = study_folder / "report"
    # A report made by an earlier version may lack newer tables.
    shown = {name: _csv(path) for name in TABLES if (path := folder / "tables" / f"{name}.csv").exists()}
    drawn = {kind: _names(folder / "figures", kind) for kind in PANELS}
    saved = sorted(f"{kind}.csv" for kind, panel in PANELS.items() if panel.saved)
    found = {
        "findings": findings.read(folder),
        "told": findings.TOLD,
        "figures": {kind: (panel.title, drawn[kind]) for kind, panel in PANELS.items() if drawn[kind]},
        "tables": {name: (TABLES[name], NOTES.get(name, ""), _html(frame)) for name, frame in shown.items()},
        "more": [name for name in saved if (folder / "tables" / name).exists()],
        "paper_tables": _paper_tables(folder / "tables"),
        "paper_figures": paper.FIGURES,
        "drawn": {name for names in drawn.values() for name in names},
    }
    if pages := sorted(folder.glob("0*.html")):
        found["notebooks"] = {"report": [(path.stem, path.name) for path in pages]}
    if "pie_shares" in shown:
        found["seeds"] = shown["pie_shares"]["seeds"].agg(["min", "max"]).tolist()
    if (path := folder / "tables" / "pie_examples.csv").exists():
        # As strings, because a text may consist of the word "None".
        found["examples"] = _csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return found


def _csv(path: Path, **options: Any) -> pd.DataFrame:
    with _checked_read(path):
        return pd.read_csv(path, **options)


def _checked_read(path: Path) -> AbstractContextManager[Path]:
    notebook = path.parents[1] / "06_report.ipynb"
    return records.checked_read(path, f"delete {notebook} and give the same command again, which makes both anew")


def _names(folder: Path, kind: str) -> list[str]:
    """The names of the figures of a kind in `folder`, such as "el2n-IMP-FT"."""
    return sorted(path.stem for path in [*folder.glob(f"{kind}.png"), *folder.glob(f"{kind}-*.png")])


def _paper_tables(folder: Path) -> dict[int, dict[str, str]]:
    """By number, the paper's tables in `folder`: stem, HTML, and "beside", HTML with the published values."""
    tables = {}
    for number in paper.TABLES:
        stem = f"table_{number:02d}"
        if (path := folder / f"{stem}.html").exists():
            with _checked_read(path):
                tables[number] = {"stem": stem, "html": path.read_text(encoding="utf-8")}
            if (beside := folder / f"{stem}_beside_published.csv").exists():
                tables[number]["beside"] = _html(_csv(beside))
    return tables


def _notebooks(study_folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Links to the rendered notebooks from the report's folder, by folder: {"pair/dense": [(name, href)]}."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for notebook in sorted(study_folder.glob("**/0*.ipynb")):
        folder = notebook.parent.relative_to(study_folder)
        if not any(part in {"logs", "parts"} or part.startswith(".") for part in folder.parts):
            href = Path(os.path.relpath(render.notebook(notebook), study_folder / "report")).as_posix()
            groups.setdefault(folder.as_posix(), []).append((notebook.stem, href))
    return groups


def _html(frame: pd.DataFrame) -> str:
    named = frame.rename(columns=lambda name: name.replace("_", " "))
    # One decimal for columns in percent (12.3), three for fractions such as an accuracy (0.123).
    shares = ("excess", "difference")
    percent = {name: "{:.1f}".format for name in named if "percent" in name or name.startswith(shares)}
    formats = {name: percent.get(name, "{:.3f}".format) for name in named.select_dtypes("float")}
    formats |= {"epochs": "{:g}".format}
    formats |= {"threshold": lambda setting: setting if isinstance(setting, str) else f"{setting:g}"}
    return named.to_html(index=False, border=0, formatters=formats, na_rep="")


def main(arguments: list[str] | None = None, program: str = "pielab report") -> int:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write a study's report/index.html from the figures and tables that 06_report made.",
        epilog="for example: pielab report results/demo",
    )
    parser.add_argument("study", help="the folder of the study, such as results/demo")
    given = parser.parse_args(arguments)
    print(write_index(paths.find(given.study) or Path(given.study)))
    return 0
