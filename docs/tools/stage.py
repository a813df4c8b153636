"""Lay the pages of the site out in ``build/pages``, as they lie in the checkout.

    python -m docs.tools.stage

The tree stays as it is, so that every relative link holds in the checkout, in the archive and on
the site. Notebooks become pages; of other files only those come along that a page links to.
"""

import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from docs.tools.notebook_page import notebook_page

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "build" / "pages"
SOURCES = ("*.md", "docs/**/*.md", "docs/**/*.ipynb", "examples/*.md", "experiments/**/*.md",
           "paper_figures/*.md", "tests/*.md")  # fmt: skip
LINK = re.compile(r"\[[^]]*\]\((?!\w+:)([^)#\s]+)")


def sources() -> list[Path]:
    """Return every page and notebook of the checkout, sorted."""
    return sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)})


def linked_files(page: Path, text: str, made: Collection[str]) -> Iterator[Path]:
    """Yield what a page links to, neither page nor ``made`` for it; errors name page and link."""
    for link in LINK.findall(text):
        if link in made:
            continue
        file = (page.parent / link).resolve()
        if not file.is_file():
            raise FileNotFoundError(f"{page.relative_to(ROOT)} links to {link}, which is no file")
        if file.suffix not in (".md", ".ipynb"):
            yield file


def stage() -> int:
    """Fill ``build/pages`` anew and return the number of pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    pages = sources()
    files = {*(ROOT / "docs" / "assets").iterdir()}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        pictures: dict[str, bytes] = {}
        if page.suffix == ".ipynb":
            text, pictures = notebook_page(text, page.stem)
        files |= {*linked_files(page, text, pictures)}
        place = PAGES / page.relative_to(ROOT).with_suffix(".md")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(re.sub(r"\.ipynb\)", ".md)", text), encoding="utf-8")
        for name, content in pictures.items():
            (place.parent / name).write_bytes(content)
    for file in files:
        place = PAGES / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return len(pages)


if __name__ == "__main__":
    print(f"{stage()} pages in {PAGES.relative_to(ROOT)}")
