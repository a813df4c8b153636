"""Run the notebooks in ``docs/notebooks`` and keep in them what their cells print and draw.

    python -m docs.tools.run_notebooks [NAME …]

Each is one file that Jupyter opens. Here it is run without Jupyter: cell after cell in one
namespace, in an empty folder; what a cell prints and what it has drawn by then become its outputs.
"""

import base64
import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

FOLDER = Path(__file__).parents[1] / "notebooks"


def run_notebook(notebook: dict[str, Any]) -> None:
    r"""Run a notebook's cells in the present folder, and put their outputs into it.

    >>> cell = {"cell_type": "code", "source": ["print(1 + 1)"]}
    >>> run_notebook({"cells": [cell]})
    >>> cell["outputs"]
    [{'output_type': 'stream', 'name': 'stdout', 'text': ['2\n']}]
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    code = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    for number, cell in enumerate(code, 1):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
        lines = said.getvalue().splitlines(keepends=True)
        cell["execution_count"] = number
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": lines}] * bool(lines)
        cell["outputs"] += [_picture(plt.figure(drawn)) for drawn in plt.get_fignums()]
        plt.close("all")


def _picture(figure: Any) -> dict[str, Any]:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=80, metadata={"Software": None})
    data = {"image/png": base64.b64encode(png.getvalue()).decode()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


if __name__ == "__main__":
    for file in [FOLDER / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(FOLDER.glob("*")):
        notebook = json.loads(file.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            run_notebook(notebook)
            os.chdir(FOLDER)
        file.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")
