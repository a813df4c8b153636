"""The diffs for scripts of others: whole, and calling what qdiverge has. What they say of their
effect was seen on the scripts themselves; docs/integrations/cleanrl.md tells how."""

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import qdiverge as qd

FOLDER = Path(__file__).parents[2] / "docs" / "integrations"
DIFFS = sorted(FOLDER.glob("*.diff"))
HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


@pytest.mark.parametrize("path", DIFFS, ids=lambda path: path.stem)
def test_each_hunk_has_the_lines_it_announces(path):
    header, *rest = re.split(r"^(?=@@ )", path.read_text(), flags=re.MULTILINE)
    assert re.fullmatch(r"--- a/(\S+)\n\+\+\+ b/\1\n", header)
    for hunk in rest:
        head, *lines = hunk.rstrip("\n").split("\n")
        before, after = (int(count or 1) for count in HUNK.match(head).groups())
        assert sum(line[:1] in (" ", "-", "") for line in lines) == before
        assert sum(line[:1] in (" ", "+", "") for line in lines) == after
    added = [line for line in path.read_text().splitlines() if re.match(r"\+(?!\+)", line)]
    assert 3 <= sum(line != "+" for line in added) <= 6


@pytest.mark.parametrize("path", DIFFS, ids=lambda path: path.stem)
def test_what_is_added_calls_qdiverge_by_its_own_names(path):
    blocks = re.findall(r"(?:^\+(?!\+).*\n)+", path.read_text(), flags=re.MULTILINE)
    calls = 0
    for block in blocks:
        code = ast.parse(textwrap.dedent(block.replace("\n+", "\n").removeprefix("+")))
        for call in (node for node in ast.walk(code) if isinstance(node, ast.Call)):
            if ast.unparse(call.func).startswith(("qd.", "preqn.", "monitor.")):
                owner, name = ast.unparse(call.func).split(".")
                thing = getattr({"qd": qd, "preqn": qd.PreQN, "monitor": qd.Monitor}[owner], name)
                self = () if owner == "qd" else (None,)
                names = {keyword.arg: None for keyword in call.keywords}
                inspect.signature(thing).bind(*self, *call.args, **names)
                calls += 1
    assert calls >= 2
    assert len(DIFFS) == 5
