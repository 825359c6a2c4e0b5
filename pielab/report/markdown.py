"""Values and tables as Markdown that shows them as they are, whatever names somebody gave to classes and data."""

import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup


def escape(value: Any) -> Markup:
    """A value as Markdown that shows it as it is: no HTML, emphasis, link, cell or formula begins in it."""
    if isinstance(value, Markup):
        return value
    # Before the others, as an entity, because the Hub reads two backslashes and a parenthesis as a formula.
    line = " ".join(str(value).split()).replace("&", "&amp;").replace("\\", "&#92;").replace("<", "&lt;")
    return Markup(re.sub(r"[`*_>|~$]|\](?=[(\[:])", r"\\\g<0>", line))


def table(rows: Iterable[Iterable[Any]], head: Iterable[str] = ("", "")) -> Markup:
    """A table of rows of cells, which are escaped."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return Markup("\n".join(f"| {' | '.join(map(escape, line))} |" for line in lines))
