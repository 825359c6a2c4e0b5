"""Every file that a study writes, with its columns and their types: the page docs/files.md.

python -m pielab.report.written docs/files.md
"""

import sys
from pathlib import Path

from pielab.report.written_files import ARCHIVE, FILES, File
from pielab.report.written_levels import LEVEL_TABLES
from pielab.report.written_tables import TABLES as MEASURED
from pielab.report.written_verdicts import VERDICT_TABLES

TABLES = (*MEASURED, *LEVEL_TABLES, *VERDICT_TABLES)
HEAD = """# Every file of a study

What is below `results/<study>/`. `<pair>` is data set and model (`bbc-news-bilstm`); `<configuration>` is a pruner and
its threshold (`IMP-FT-90`), `dense` for the unpruned models, or a control. An empty cell of a CSV is a number that is
not known, or the interval of too few seeds. Files whose names begin with `.` belong to a run in progress;
`<file>.xxh128` is the digest of a file ([reliability](reliability.md)). `make files` writes this page from the code,
and the tests compare it with the files of a study.
"""


def kinds(name: str) -> list[File]:
    """The kinds of file that a name below the study's folder is of: one, or none if this page does not know it."""
    return [kind for kind in (*FILES, *TABLES) if kind.matches(name)]


def page() -> str:
    """The page of all files, Markdown."""
    sections = {"Predictions and PIEs": FILES, "Tables of the report": TABLES, "What pielab archive writes": ARCHIVE}
    return "\n".join([HEAD, *(_section(title, files) for title, files in sections.items())])


def _section(title: str, files: tuple[File, ...]) -> str:
    described = [file for file in files if file.columns]
    shown: dict[tuple[tuple[str, str], ...], list[File]] = {}
    for file in described:
        shown.setdefault(tuple(file.columns.items()), []).append(file)
    listed = [f"| `{file.name}` | {file.about} |" for file in files]
    parts = [f"## {title}\n", "| file | what it is |", "|---|---|", *listed, ""]
    for columns, group in shown.items():
        parts.append("### " + ", ".join(f"`{Path(file.name).name}`" for file in group) + "\n")
        parts += [f"| {group[0].key} | type | meaning |", "|---|---|---|"]
        rows = ((name, *meaning.split(": ", 1)) for name, meaning in columns)
        parts += [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in rows]
        parts.append("")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
