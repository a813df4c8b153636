"""A study's table takes its rows one by one, whatever an interruption left at its end."""

import json

import pytest

from qdiverge.errors import RunFolderError
from qdiverge.runs.table import append_row, begin_table, read_table


@pytest.mark.parametrize("torn", ["", "\n", '{"key": "b", "con'])
def test_a_row_begins_a_line_of_its_own(torn, tmp_path):
    path = tmp_path / "t.jsonl"
    begin_table(path, {"study": "x"})
    append_row(path, {"key": "a", "config": {}, "row": {"y": 1}})
    with path.open("a") as file:
        file.write(torn)
    append_row(path, {"key": "c", "config": {}, "row": {"y": 2}})
    assert read_table(path).records() == [{"y": 1}, {"y": 2}]
    assert path.read_text().endswith("}\n")
    if torn == "":
        assert "\n\n" not in path.read_text()


def test_of_a_file_that_lost_everything_the_first_row_is_the_first_line(tmp_path):
    path = tmp_path / "t.jsonl"
    path.touch()
    append_row(path, {"key": "a"})
    assert [json.loads(line) for line in path.read_text().split("\n")[:-1]] == [{"key": "a"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"schema": 99}\n', "got schema 99"), ("", "got no whole line"), ("{", "got no whole line")],
)
def test_a_file_that_is_no_table_of_ours_is_refused(content, said, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(RunFolderError, match=f"this version reads tables of schema 1; {said}"):
        read_table(path)
