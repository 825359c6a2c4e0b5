"""The study's front page: figures, tables, PIEs and every rendered notebook, readable without server or network."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.analysis import findings, intervals
from pielab.arguments import parser_for
from pielab.errors import PielabError
from pielab.report import paper, render

# Notebooks find the last two here as well.
from pielab.report.panels import PANELS, draw, show  # noqa: F401
from pielab.store import files, paths, records

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
    notes = {name: NOTES.get(name, "").replace("95 %", intervals.level(frame)) for name, frame in shown.items()}
    drawn = {kind: _names(folder / "figures", kind) for kind in PANELS}
    saved = sorted(f"{kind}.csv" for kind, panel in PANELS.items() if panel.saved)
    found = {
        "findings": findings.read(folder),
        "told": findings.TOLD,
        "figures": {kind: (panel.title, drawn[kind]) for kind, panel in PANELS.items() if drawn[kind]},
        "tables": {name: (TABLES[name], notes[name], _html(frame)) for name, frame in shown.items()},
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
    parser = parser_for(
        program,
        "Write a study's report/index.html from the figures and tables that 06_report made.",
        "for example: pielab report results/demo",
    )
    parser.add_argument("study", help="the folder of the study, such as results/demo")
    given = parser.parse_args(arguments)
    print(write_index(paths.find(given.study) or Path(given.study)))
    return 0
