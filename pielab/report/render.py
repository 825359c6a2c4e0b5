"""HTML pages from the templates in report/templates, and from notebooks."""

import logging
from pathlib import Path
from typing import Any

import jinja2

from pielab.store import files, paths


def render(template: str, **values: Any) -> str:
    """The HTML of a template in report/templates, filled in with `values`, which are escaped."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(values)


def index(study_folder: Path, progress: dict[str, Any] | None = None, **sections: Any) -> Path:
    """Write a study's front page, report/index.html: its report, or if there is `progress`, that with a report below.

    sections: as report.page.sections gives them; those that are missing are left out.
    """
    path, finished = study_folder / "report" / "index.html", paths.finished(study_folder)
    # Snakemake makes the report again if .finished is missing, so progress never replaces it for good.
    finished.unlink(missing_ok=True)
    write(path, render("index.html", study=study_folder.name, progress=progress, **sections))
    if progress is None:
        finished.touch()
    return path


def write(path: Path, text: str) -> None:
    """Write a page atomically."""
    with files.atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def notebook(path: Path) -> Path:
    """Convert a notebook to a self-contained HTML file beside it, unless that is up to date; gives the file's path."""
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import TagRemovePreprocessor

    page = path.with_suffix(".html")
    if page.exists() and page.stat().st_mtime >= path.stat().st_mtime:
        return page
    # Without this it warns about figures without alternative text, although the notebooks' text describes them.
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    exporter = HTMLExporter(template_name="lab", mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    # The record of the parameters, which each notebook shows next, has all their values.
    hide = TagRemovePreprocessor(remove_input_tags={"parameters", "injected-parameters"}, enabled=True)
    exporter.register_preprocessor(hide, enabled=True)
    node = nbformat.read(path, as_version=4)
    # Widgets would load scripts from the network.
    node.metadata.pop("widgets", None)
    body, _ = exporter.from_notebook_node(node)
    write(page, body.replace("</head>", f"{_notebook_style(exporter.template_paths)}</head>", 1))
    return page


def _notebook_style(template_paths: list[str]) -> str:
    """JupyterLab's dark theme for readers who prefer it, of which nbconvert takes one alone; and contrast enough."""
    (dark, *_) = [path for folder in template_paths for path in Path(folder).glob("static/theme-dark.css")]
    return render("notebook_style.html", dark=dark.read_text(encoding="utf-8"))
