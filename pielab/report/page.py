"""The study's front page: a first page, then all figures and tables folded by question; no server or network needed."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from pielab.analysis import findings, intervals, results
from pielab.arguments import parser_for
from pielab.errors import PielabError
from pielab.report import first_page, marked, paper, provenance, render

# Notebooks find the last two here as well.
from pielab.report.panels import PANELS, draw, show  # noqa: F401
from pielab.report.questions import NOTES, QUESTIONS, TABLES, Question
from pielab.store import files, paths, records, settings


def write_index(study: Path | results.Results) -> Path:
    """Render every finished notebook of the study to HTML, and write report/index.html with links to them.

    study: its folder, or its results as results.read gives them.

    Reads the figures and tables that 06_report made. Raises PielabError if they are missing.
    """
    study = results.read(study)
    study_folder, folder = study.folder, study.folder / "report"
    if not (folder / "tables" / "pie_shares.csv").exists():
        raise PielabError(
            "report-without-tables",
            f"{folder} has no tables yet",
            f"pielab run 06_report -p study {study_folder.name} makes them, or give the folder of another, such as "
            "results/demo",
        )
    seeds_done = sum(1 for _ in study_folder.glob("*/*/seeds/[0-9]*"))
    for seeds in study_folder.glob("*/*/seeds"):
        files.remove_stale(seeds)
    found = sections(study_folder) | {"notebooks": _notebooks(study_folder), "seeds_done": seeds_done}
    return render.index(study_folder, **found, made=_made(study))


def sections(study_folder: Path) -> dict[str, Any]:
    """What 06_report made for a study, as the template of the page takes it; empty where it made nothing."""
    folder = study_folder / "report"
    # A report made by an earlier version may lack newer tables.
    names = [*TABLES, *first_page.TABLES]
    read = {name: _csv(path) for name in names if (path := folder / "tables" / f"{name}.csv").exists()}
    drawn = {kind: _names(folder / "figures", kind) for kind in PANELS}
    found: dict[str, Any] = {
        "findings": findings.read(folder),
        "told": findings.TOLD,
        "first_figure": next(
            ((drawn[kind][0], PANELS[kind].title) for kind in first_page.FIGURES if drawn[kind]), None
        ),
        "questions": {name: part for name in QUESTIONS if (part := _part(QUESTIONS[name], folder, drawn, read))},
        "paper_tables": _paper_tables(folder / "tables"),
        "paper_figures": paper.FIGURES,
        "drawn": {name for names in drawn.values() for name in names},
        "citations": provenance.citations(),
    }
    if pages := sorted(folder.glob("0*.html")):
        found["notebooks"] = {"report": [(path.stem, path.name) for path in pages]}
    if "pie_shares" in read:
        shares = read["pie_shares"]
        found["seeds"] = shares["seeds"].agg(["min", "max"]).tolist()
        found["abstract"] = first_page.abstract(shares)
        note = first_page.note(read).replace("95 %", intervals.level(pd.concat(read.values())))
        found["overview"] = (note, _html(first_page.overview(read)))
    if (path := folder / "tables" / "pie_examples.csv").exists():
        # As strings, because a text may consist of the word "None".
        found["examples"] = _csv(path, dtype=str, keep_default_na=False).to_dict("records")
        for row in found["examples"]:
            row["texts"] = marked.differing(*(row.get(f"{side} text", "") for side in ("unpruned", "pruned")))
    return found


def _part(
    question: Question, folder: Path, drawn: dict[str, list[str]], read: dict[str, pd.DataFrame]
) -> dict[str, Any]:
    """A question with its figures and tables, and the names of the tables with all digits; empty if it has none."""
    figures = {PANELS[kind].title: drawn[kind] for kind in question.figures if drawn[kind]}
    shown = {
        name: (TABLES[name], NOTES.get(name, "").replace("95 %", intervals.level(read[name])), _html(read[name]))
        for name in question.tables
        if name in read
    }
    saved = [kind for kind in question.figures if PANELS[kind].saved]
    more = [kind for kind in saved if (folder / "tables" / f"{kind}.csv").exists()]
    return {"title": question.title, "figures": figures, "tables": shown, "more": more} if figures or shown else {}


def _csv(path: Path, **options: Any) -> pd.DataFrame:
    with _checked_read(path):
        frame = pd.read_csv(path, **options)
    if "threshold" in frame and not options:
        frame["threshold"] = frame["threshold"].map(settings.of_text)
    return frame


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


def _made(study: results.Results) -> dict[str, Any]:
    """What provenance.of_study gives, its tables as HTML."""
    found = provenance.of_study(study)
    return {name: _html(part) if isinstance(part, pd.DataFrame) else part for name, part in found.items()}


def _html(frame: pd.DataFrame) -> str:
    named = frame.rename(columns=lambda name: name.replace("_", " "))
    # One decimal for columns in percent (12.3), three for fractions such as an accuracy (0.123).
    shares = ("excess", "difference")
    percent = {name: "{:.1f}".format for name in named if "percent" in name or name.startswith(shares)}
    formats: dict[str, Callable[[Any], str]]
    formats = {name: percent.get(name, "{:.3f}".format) for name in named.select_dtypes("float")}
    formats |= {"epochs": "{:g}".format}
    formats |= {"threshold": lambda setting: setting if isinstance(setting, str) else f"{setting:g}"}
    return named.to_html(index=False, border=0, formatters=formats, na_rep="", classes="sortable")


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
