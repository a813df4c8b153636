"""The README as the package index shows it: its links lead to the repository."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s]+)")


def with_absolute_links(text: str, repository: str) -> str:
    """Return the text with what it links to, and its pictures, at the repository's address.

    >>> with_absolute_links("![a](docs/a.png), [b](docs/b.md#c), [d](https://d)", "https://r")
    '![a](https://r/raw/main/docs/a.png), [b](https://r/blob/main/docs/b.md#c), [d](https://d)'
    """
    return _LINK.sub(
        lambda link: f"{repository}/{'raw' if link[1].endswith('.png') else 'blob'}/main/{link[1]}",
        text,
    )


class IndexReadme(MetadataHookInterface):
    """Fills ``readme`` in."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Read the README, and the repository's address from the project's URLs."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = with_absolute_links(text, metadata["urls"]["Source"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
