"""The command ``python -m experiments``."""

import pytest

from experiments import __main__ as command


def test_list_gives_a_line_for_each_study(capsys):
    assert command.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(command.studies())
    assert any(line.startswith("speed ") and len(line) > 20 for line in lines)


@pytest.mark.parametrize("arguments", [["speed", "-h"], ["run", "speed", "-h"], ["-h"]])
def test_help(arguments, capsys):
    assert command.main(arguments) == 0
    assert "usage: python -m experiments" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["nothing"], ["run"], ["run", "nothing"]])
def test_an_unknown_study_is_bad_usage(arguments, capsys):
    assert command.main(arguments) == 2
    assert "expected the name of a study: " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["speed"], ["speed", "nothing"]])
def test_without_a_benchmark_the_usage_is_shown(arguments, capsys):
    assert command.main(arguments) == 2
    assert "usage: python -m experiments" in "".join(capsys.readouterr())
