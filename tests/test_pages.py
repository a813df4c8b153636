"""The pages for people: their Python runs as it stands, and what they name is there."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def test_the_python_of_the_guide_runs_block_after_block(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", TEXTS["docs/guide.md"], re.DOTALL)
    assert len(blocks) >= 4
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {}
    for block in blocks:
        exec(compile(block, "docs/guide.md", "exec"), names)


@pytest.mark.parametrize("page", TEXTS)
def test_linked_files_exist(page):
    linked = re.findall(r"\[[^]]*\]\((?!http)([^)#]+)(?:#[^)]*)?\)", TEXTS[page])
    assert all((ROOT / page).parent.joinpath(path).exists() for path in linked)


def test_the_targets_that_pages_name_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {name for text in TEXTS.values() for name in re.findall(r"`?make ([a-z-]+)", text)}
    assert {"demo", "test", "figures", "sanity", "lint"} <= targets
    assert [name for name in targets if f"\n{name}:" not in makefile] == []


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/recipes.md"])
def test_the_files_that_the_code_map_names_exist(page):
    paths = set(re.findall(r"`([\w/]+/(?:[\w]+\.py)?)[:`]", TEXTS[page]))
    assert len(paths) >= 9
    homes = (ROOT, ROOT / "qdiverge")
    assert [path for path in paths if not any((home / path).exists() for home in homes)] == []
