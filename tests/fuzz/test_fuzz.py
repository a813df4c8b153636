"""Whatever a public entry point is passed: a result, or a named error and nothing changed."""

import zlib

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from qdiverge.errors import MissingExtraError
from tests.fuzz.calls import Tally, fuzzed
from tests.fuzz.doors import DOORS

FEW, MANY = 3, 200  # calls of each door


def tallied(name: str, num_calls: int, number: int) -> Tally:
    tally = Tally()

    @seed(zlib.crc32(name.encode()) + number)
    @settings(
        max_examples=num_calls, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.data())
    def many(data: st.DataObject) -> None:
        fuzzed(data, name, DOORS[name], tally)

    many()
    return tally


@pytest.mark.parametrize("name", DOORS)
def test_right_arguments_are_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        DOORS[name].call(**DOORS[name].given(tmp_path))
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", DOORS)
def test_wrong_arguments_are_refused_by_name(name):
    tally = tallied(name, FEW, 1)
    assert not tally.faults, str(tally)


@pytest.mark.slow
@pytest.mark.parametrize("name", DOORS)
def test_many_wrong_arguments_are_refused_by_name(name):
    tally = tallied(name, MANY, 2)
    assert not tally.faults, str(tally)
