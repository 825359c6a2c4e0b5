"""The pages of the site that are made from code: the API, from its docstrings, and a gallery, from the notebooks."""

import base64
import importlib
import inspect
import json
import pkgutil
import re
import shutil
from pathlib import Path

import pielab
from pielab.report.page import PANELS

PROJECT = Path(__file__).parents[1]
PACKAGES = ("analysis", "report", "data", "store", "compression", "models", "training", "config", "jobs", "commands")
# "name: what it is", where a line of a docstring begins so.
FIELD = re.compile(r"([a-z_]\w*(?:, [a-z_]\w*)*): (.*)")
# Code, and what reStructuredText would take for markup elsewhere.
SPECIAL = re.compile(r"`[^`]*`|[*|]")
# A call that draws a figure, in a notebook.
DRAWN = re.compile(r"pielab\.figures\.(\w+)\(|page\.show\(study_results, \"(\w+)\"")
API = """# API

A script needs `import pielab` and these modules, each loaded when it is first used:

| name | what is in it |
|---|---|
{rows}

All packages; each imports only from those that [the architecture](../architecture.md) has below it:

```{{toctree}}
:maxdepth: 1

{pages}
```

## `pielab.errors`

```{{eval-rst}}
.. automodule:: pielab.errors
   :members:
```
"""
MODULE = """## {title}

```{{eval-rst}}
.. automodule:: {name}
   :members:
```
"""
FIGURE = """## {name}

{what}

```python
{source}
```

![{what}]({name}.png)

In [{notebook}](../../notebooks/{notebook}.ipynb).
"""


def setup(app) -> dict[str, bool]:
    """Write the pages before Sphinx looks for its sources."""
    folder = Path(app.srcdir) / "docs" / "generated"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, text in {"api": api(), "gallery": gallery(folder)}.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
    for package in PACKAGES:
        (folder / f"api-{package}.md").write_text(api_of(package), encoding="utf-8")
    app.connect("autodoc-process-docstring", lambda *given: as_restructured_text(given[-1]))
    return {"parallel_read_safe": True}


def api() -> str:
    """The page of the names that a script needs, with links to the packages they are from."""
    rows = []
    for name, path in pielab._MODULES.items():
        package = path.partition(".")[0]
        linked = f"[`pielab.{name}`](api-{package}.md)" if package in PACKAGES else f"`pielab.{name}`"
        rows.append(f"| {linked} | {_first_line(importlib.import_module(f'pielab.{path}'))} |")
    return API.format(rows="\n".join(rows), pages="\n".join(f"api-{package}" for package in PACKAGES))


def api_of(package: str) -> str:
    """The page of a package: every module's public names."""
    root = importlib.import_module(f"pielab.{package}")
    short = {f"pielab.{path}": f"`pielab.{name}`, from " for name, path in pielab._MODULES.items()}
    names = [module.name for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}.") if not module.ispkg]
    modules = [
        MODULE.format(name=name, title=f"{short.get(name, '')}`{name}`") for name in names if "__main__" not in name
    ]
    return "\n".join([f"# `pielab.{package}`\n\n{inspect.getdoc(root)}\n", *modules])


def gallery(folder: Path) -> str:
    """Each kind of figure in the stored notebooks, which is written to the folder, with the call that draws it."""
    parts = {}
    for notebook in sorted((PROJECT / "notebooks").glob("0*.ipynb")):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            images = [output["data"].get("image/png") for output in cell.get("outputs", []) if "data" in output]
            name = next(filter(None, found.groups()), "") if (found := DRAWN.search(source)) else ""
            if name in parts or not name or not any(images):
                continue
            (folder / f"{name}.png").write_bytes(base64.b64decode(next(filter(None, images))))
            what = PANELS[name].title if name in PANELS else _first_line(getattr(pielab.figures, name))
            parts[name] = FIGURE.format(name=name, what=what, source=source, notebook=notebook.stem)
    head = "# Gallery\n\nEvery kind of figure, as the notebooks draw it by default, and the call that draws it.\n"
    return "\n".join([head, *parts.values()])


def as_restructured_text(lines: list[str]) -> None:
    """Turn the arguments in the lines of a docstring into a list, and leave the rest as it is."""
    if lines and lines[0].startswith("Alias for field number"):
        lines.clear()
    written, in_field = [], False
    for line in lines:
        line = SPECIAL.sub(lambda found: found[0] if len(found[0]) > 1 else f"\\{found[0]}", line)
        if field := FIELD.fullmatch(line):
            written += ["", f"- **{field[1]}**: {field[2]}"]
        else:
            written.append(f"  {line.strip()}" if in_field and line else line)
        in_field = bool(field) or (in_field and bool(line))
    lines[:] = written


def _first_line(thing: object) -> str:
    return inspect.getdoc(thing).splitlines()[0]
