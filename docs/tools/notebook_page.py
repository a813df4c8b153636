"""A notebook as a page: its text, its code, and what each cell printed or drew."""

import base64
import json
from typing import Any


def notebook_page(text: str, name: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of an executed notebook, and its pictures by file name.

    Args:
        text: The notebook, JSON of nbformat 4.
        name: What the pictures' names begin with.

    >>> cell = {"cell_type": "code", "source": ["1 + 1"],
    ...         "outputs": [{"data": {"text/plain": ["2"]}}]}
    >>> print(notebook_page(json.dumps({"cells": [cell]}), "sum")[0], end="")
    ```python
    1 + 1
    ```
    <BLANKLINE>
    ```text
    2
    ```
    """
    blocks: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            blocks.append(source)
            continue
        blocks.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            png = output.get("data", {}).get("image/png")
            if png:
                picture = f"{name}-{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode("".join(png))
                blocks.append(f"![What the cell above drew]({picture})")
            elif said := _text(output):
                blocks.append(f"```text\n{said}\n```")
    return "\n\n".join(blocks) + "\n", pictures


def _text(output: dict[str, Any]) -> str:
    said = output.get("text") or output.get("data", {}).get("text/plain", "")
    return "".join(said).rstrip()
