"""HTML pages from pielab/templates."""

from pathlib import Path
from typing import Any

import jinja2

from pielab import files


def render(template: str, **values: Any) -> str:
    """A page of pielab/templates with these values, which are escaped."""
    loader = jinja2.PackageLoader("pielab")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(template).render(values)


def write(path: Path, text: str) -> None:
    """Put a whole page in place at once."""
    with files.whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
