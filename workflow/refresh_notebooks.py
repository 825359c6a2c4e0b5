"""Run the notebooks with their defaults and store the outputs, which the tests compare with a new run (nbval).

Cells tagged `shows-text` are stored without output, because the texts belong to others.
"""

import base64
import io
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def smaller(png: str) -> str:
    """Reduce a picture to 64 colours, enough for a figure, at a third of its size."""
    picture = io.BytesIO()
    Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(64).save(picture, "PNG", optimize=True)
    return base64.b64encode(picture.getvalue()).decode()


def refresh(path: Path, folder: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": folder}}
    # Widget state is megabytes large and contains texts.
    options = {"record_timing": False, "store_widget_state": False}
    NotebookClient(notebook, kernel_name="python3", resources=resources, **options).execute()
    for cell in notebook.cells:
        if "shows-text" in cell.metadata.get("tags", []):
            cell.outputs = []
        for output in cell.get("outputs", []):
            # Display identifiers change with every run.
            output.pop("transient", None)
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = smaller(output["data"]["image/png"])
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for each in sorted(NOTEBOOKS.glob("*.ipynb")):
            refresh(each, folder)
