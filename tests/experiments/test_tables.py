"""Every study: its grid, its committed table, and what its command prints."""

import pytest

from experiments import __main__ as command
from experiments.sweep.command import sweepable
from experiments.sweep.results import place_of, refusals
from experiments.sweep.sweep import cells_of
from experiments.sweep.work import study
from experiments.tables import Column, print_table, read, results_of
from qdiverge.runs.table import append_row, begin_table

TABLES = [name for name in command.studies() if results_of(name).exists()]


def test_every_study_with_a_grid_has_a_table_or_says_what_makes_its_results():
    others = [name for name in sweepable() if name not in TABLES]
    missing = [name for name in others if not hasattr(study(name), "RESULTS_COMMAND")]
    assert not missing, f"no committed table: python -m experiments results {' '.join(missing)}"
    assert all(study(name).RESULTS_COMMAND.startswith("python -m") for name in others)
    assert [place_of(name, is_full=False) for name in TABLES] == [*map(results_of, TABLES)]


@pytest.mark.parametrize("name", sweepable())
def test_cells_are_there_and_each_once(name):
    sizes = []
    for is_full in (False, True):
        cells = study(name).cells(is_full)
        assert len({str(cell) for cell in cells}) == len(cells)
        sizes.append(len(cells))
    assert 0 < sizes[0] < sizes[1]


@pytest.mark.parametrize("name", TABLES)
def test_the_committed_table_is_the_whole_grid_and_nothing_in_it_forbids_it(name, tmp_path):
    table = read(name)
    cells = cells_of(name, study(name).cells(is_full=False), tmp_path)
    assert not [*refusals(name, table, cells)]
    assert len(table.rows) == len(cells)
    assert results_of(name).stat().st_size < 5e6


@pytest.mark.parametrize("name", TABLES)
def test_the_command_prints_the_committed_table_and_where_it_is_from(name, capsys):
    assert command.main(["run", name]) == 0
    *printed, origin = capsys.readouterr().out.splitlines()
    assert len(printed) > 2
    assert not [line for line in printed if "nan" in line]
    assert f"commit {read(name).header['commit']}, 20" in origin
    assert command.main([name, "--table", str(results_of(name))]) == 0
    assert capsys.readouterr().out.splitlines() == [*printed, origin]


def test_every_study_has_its_page_and_its_row():
    text = (command.FOLDER / "README.md").read_text(encoding="utf-8")
    for name in command.studies():
        assert f"| [{name}]({name}/README.md) |" in text, f"a row of experiments/README.md: {name}"
        assert (command.FOLDER / name / "README.md").exists(), f"experiments/{name}/README.md"


@pytest.mark.parametrize("name", command.studies())
def test_every_study_has_a_help_of_one_shape(name, capsys):
    assert command.main([name, "-h"]) == 0
    usage, *rest = capsys.readouterr().out.splitlines()
    assert usage.startswith(f"usage: python -m experiments {name} [-h]")
    text = " ".join(rest)
    assert command.studies()[name].split()[0] in text
    assert "options: -h, --help" in " ".join(text.split())


@pytest.mark.parametrize("name", command.studies())
def test_an_argument_that_a_study_does_not_have_is_bad_usage(name, capsys):
    assert command.main([name, "--no-such-argument"]) == 2
    assert f"usage: python -m experiments {name}" in capsys.readouterr().err


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_names_the_command_that_makes_it(name, tmp_path, capsys):
    assert command.main([name, "--table", str(tmp_path / "none.jsonl")]) == 2
    assert f"python -m experiments sweep {name}" in capsys.readouterr().err


def test_columns_are_aligned_and_what_is_not_there_is_a_dash(capsys):
    columns = [Column("task", "task", "<"), Column("score", "score", ".1f")]
    print_table("t", columns, [{"task": "a", "score": 10.0}, [{"task": "long", "score": None}]])
    assert capsys.readouterr().out.splitlines() == [
        "t", "task  score", "a      10.0", "long      –", "",
    ]  # fmt: skip


STUDY = "tests.experiments.tiny_study"


def swept(root, commit="abc", command_line="sweep x", count=12, **changes):
    """The table of a sweep over the tiny study, of ``count`` of its 12 cells."""
    begin_table(root / "table.jsonl", {"study": STUDY, "command": command_line, "commit": commit})
    cells = cells_of(STUDY, study(STUDY).cells(is_full=False), root)
    for cell in reversed(cells[:count]):
        row = {"key": cell.key, "config": cell.config, "row": {"y": 1}, "commit": commit}
        append_row(root / "table.jsonl", row | changes)
    return root / "table.jsonl"


def commit(path, monkeypatch, *arguments):
    monkeypatch.setattr(study(STUDY), "__file__", str(path.parent / "sweep.py"))
    return command.main(["results", STUDY, "--from", str(path), *arguments])


def test_the_table_of_a_sweep_becomes_the_committed_one_in_the_order_of_the_grid(
    tmp_path, monkeypatch, capsys
):
    path = swept(tmp_path)
    append_row(path, {"key": "old", "config": {"x": 99}, "row": {}, "commit": "abc-dirty"})
    assert commit(path, monkeypatch) == 0
    written = tmp_path / "results" / "reduced.jsonl"
    assert capsys.readouterr().out.strip() == str(written)
    records = read(STUDY, written).records()
    assert [{"do": r["do"], "x": r["x"]} for r in records] == study(STUDY).cells(is_full=False)
    assert read(STUDY, written).header == read(STUDY, path).header


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"commit": "abc-dirty"}, "not committed: abc-dirty"),
        ({"commit": None}, "not committed: None"),
        (
            {"command_line": "sweep x --out /home/me/x"},
            "paths of a machine: /home/me/x",
        ),
        ({"row": {"log": "see ~/log.txt"}}, "paths of a machine: ~/log.txt"),
        ({"row": {"y": "x" * 500_000}}, "6.0 MB, more than 5"),
        ({"count": 10}, "2 of 12 cells are missing"),
        ({"count": 0}, "no row is of a cell"),
    ],
)
def test_what_must_not_be_committed_is_refused(changes, says, tmp_path, monkeypatch, capsys):
    assert commit(swept(tmp_path, **changes), monkeypatch) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_an_incomplete_grid_is_taken_where_that_is_asked_for(tmp_path, monkeypatch):
    assert commit(swept(tmp_path, count=10), monkeypatch, "--incomplete") == 0
    assert len(read(STUDY, tmp_path / "results" / "reduced.jsonl").rows) == 10


def test_a_table_of_another_study_and_one_of_no_study_are_refused(tmp_path, capsys):
    path = swept(tmp_path)
    assert command.main(["results", "growth_law", "--from", str(path)]) == 2
    assert f"it is of the study {STUDY}" in capsys.readouterr().err
    assert command.main(["results", "growth_law", "--from", str(tmp_path / "none")]) == 2
    assert "python -m experiments sweep growth_law" in capsys.readouterr().err
    assert command.main(["results", "learning", "--from", str(path)]) == 2
    assert "python -m experiments learning add" in capsys.readouterr().err
    assert command.main(["results", "nothing"]) == 2
    assert "a study was expected: atari, " in capsys.readouterr().err
