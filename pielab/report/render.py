"""HTML pages from report/templates, and notebooks as pages."""

import logging
from pathlib import Path
from typing import Any

import jinja2

from pielab.store import files


def render(template: str, **values: Any) -> str:
    """A page of report/templates with these values, which are escaped."""
    loader = jinja2.PackageLoader("pielab.report")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(values)


def write(path: Path, text: str) -> None:
    """Put a whole page in place at once."""
    with files.atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def notebook(path: Path) -> Path:
    """A notebook as one HTML file beside it that loads nothing from elsewhere; made anew only if it is older."""
    import nbformat
    from nbconvert import HTMLExporter

    page = path.with_suffix(".html")
    if page.exists() and page.stat().st_mtime >= path.stat().st_mtime:
        return page
    # It would warn that our figures, which the text describes, have no alternative text.
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    exporter = HTMLExporter(template_name="lab", mathjax_url="", require_js_url="", jquery_url="", mermaid_js_url="")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    node = nbformat.read(path, as_version=4)
    # Widgets would be drawn by scripts from elsewhere.
    node.metadata.pop("widgets", None)
    body, _ = exporter.from_notebook_node(node)
    write(page, body)
    return page
