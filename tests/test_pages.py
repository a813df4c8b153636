"""The pages for people: their Python runs as it stands, and what they name is there."""

import re
from pathlib import Path

import pytest
import torch

from tests.toml import tomllib

ROOT = Path(__file__).parent.parent
PATTERNS = (
    "*.md", ".github/**/*.md", "docs/**/*.md", "docs/**/*.ipynb", "examples/*.md",
    "experiments/**/*.md", "paper_figures/*.md", "tests/*.md",
)  # fmt: skip
PAGES = sorted(page for pattern in PATTERNS for page in ROOT.glob(pattern))
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^]]*\]\((?!\w+:)([^)#\s]*)(?:#([^)]*))?\)")
HOMES = (ROOT, ROOT / "qdiverge")
MAPS = ("docs/architecture.md", "docs/recipes.md", "docs/theory.md")  # of the code
# These show lines of a framework's own script; tests/integrations runs them within one.
FRAGMENTS = {
    f"docs/integrations/{name}.md"
    for name in ("README", "d3rlpy", "lightning", "tianshou", "torchrl")
}
RUN = [page for page in TEXTS if "```python" in TEXTS[page] and page not in FRAGMENTS]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made where the page is shown."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_are_found():
    assert {"README.md", "docs/first-hour.md", "experiments/README.md"} <= TEXTS.keys()
    assert {"docs/questions/step.md", "docs/integrations/own-loop.md"} <= set(RUN)


@pytest.mark.parametrize("page", RUN)
def test_the_python_of_a_page_runs_block_after_block(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", TEXTS[page], re.DOTALL):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", TEXTS)
def test_what_is_linked_is_there(page):
    links = [
        (path, anchor)
        for path, anchor in LINK.findall(FENCE.sub("", TEXTS[page]))
        if path or anchor
    ]
    for path, anchor in links:
        file = (ROOT / page).parent.joinpath(path) if path else ROOT / page
        assert file.is_file(), f"{page} links to {path}"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{page}: {path}#{anchor}"


def test_the_site_lists_every_page_once():
    def leaves(entry):
        if isinstance(entry, str):
            return [entry]
        parts = entry.values() if isinstance(entry, dict) else entry
        return [leaf for part in parts for leaf in leaves(part)]

    site = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    pages = [page.replace(".ipynb", ".md") for page in TEXTS if not page.startswith(".github")]
    assert sorted(leaves(site["project"]["nav"])) == sorted(pages)


@pytest.mark.parametrize("page", TEXTS)
def test_a_list_stands_apart_from_what_is_before_it(page):
    """Where it does not, the site shows it as a part of the paragraph."""
    text = FENCE.sub("", TEXTS[page])
    glued = re.findall(r"^(?![-*\d#| ]).+\n(?:[-*]|\d+\.) .*$", text, re.MULTILINE)
    assert page.endswith(".ipynb") or glued == []


def test_the_targets_that_pages_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for text in TEXTS.values() for name in re.findall(r"`make ([a-z-]+)", text)}
    assert {"demo", "test", "figures", "sanity", "docs"} <= targets
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


@pytest.mark.parametrize("page", MAPS)
def test_the_files_that_the_code_map_names_exist(page):
    paths = set(re.findall(r"`([\w/]+/(?:[\w]+\.py)?)[:`]", TEXTS[page]))
    assert len(paths) >= 9
    assert [path for path in paths if not any((home / path).exists() for home in HOMES)] == []


@pytest.mark.parametrize("page", MAPS)
def test_what_the_code_map_names_in_a_file_is_there(page):
    """As ``store`` in "agents/replay/ring.py: store"; a file without its room is one somewhere."""
    for path, name in re.findall(r"`([\w/]+\.py): ([\w.]+)`", TEXTS[page]):
        (file,) = (home / path for home in HOMES if (home / path).exists())
        made = rf"\b(def|class) {name}\b" if name.isidentifier() else re.escape(name)
        assert re.search(made, file.read_text(encoding="utf-8")), f"{page}: {path} has no {name}"
    files = {file.name for home in HOMES for file in home.rglob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", TEXTS[page])) <= files
