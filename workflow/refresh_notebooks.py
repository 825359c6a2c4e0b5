"""Run the notebooks on their defaults and store their outputs, which the tests compare with theirs (nbval).

Cells tagged `shows-text` are stored without output: the texts are other people's.
"""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def refresh(path: Path, folder: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": folder}}
    # The state of widgets is megabytes, and holds texts.
    options = {"record_timing": False, "store_widget_state": False}
    NotebookClient(notebook, kernel_name="python3", resources=resources, **options).execute()
    for cell in notebook.cells:
        if "shows-text" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.get("outputs", []):
            # The identifier of a display is drawn anew in every run.
            output.pop("transient", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for each in sorted(NOTEBOOKS.glob("*.ipynb")):
            refresh(each, folder)
