"""The README's Python blocks run as they stand, one after the other, as a reader runs them."""

import re
from pathlib import Path

import torch

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_python_blocks_run(tmp_path, monkeypatch):
    assert len(BLOCKS) >= 3
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    names = {}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)


def test_pictures_and_linked_files_exist():
    linked = re.findall(r"\[[^]]*\]\((?!http)([^)#]+)\)", TEXT)
    assert linked
    assert all((README.parent / path).exists() for path in linked)


def test_the_commands_it_names_exist():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"make ([a-z-]+)", TEXT))
    assert {"demo", "test"} <= targets
    assert all(f"\n{target}:" in makefile for target in targets)
