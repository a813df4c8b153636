"""Whatever single value an author changes, checksums and all: an answer in words, and in time."""

import random
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

from qdiverge.agents.networks import MLP
from qdiverge.errors import QDivergeError
from qdiverge.generators import same_generators
from qdiverge.monitor import load_snapshot
from tests.runs.hostile.attacks import ATTACKS
from tests.runs.hostile.author import changed, only_newest
from tests.runs.hostile.canaries import Outside
from tests.runs.hostile.genuine import genuine_run, newest
from tests.runs.hostile.test_hostile import CONTROL, patience, told

SEED = 20261130
FAST = (*range(8), 119, 278, 360, 394, 398, 437)  # the last ended in tracebacks once


def put_back(run):
    """Put a snapshot back into networks and generators, as a user's own code does."""
    with patience(), same_generators():
        try:
            saved, network = load_snapshot(newest(run, "snapshots")), MLP((4, 8, 2))
            saved.restore(network, optimizer=torch.optim.Adam(network.parameters()))
            np.random.rand()  # noqa: NPY002
            torch.rand(1)
        except QDivergeError as error:
            return 2, str(error)
    return 0, ""


def faults(number):
    """What the commands that read it made of one changed value, where it is no answer in words."""
    draw, wrong = random.Random(f"{SEED} {number}"), []
    with tempfile.TemporaryDirectory() as place:
        run = genuine_run(Path(place))
        only_newest(run)
        what, readers = changed(run, draw)
        for reader in readers:
            try:
                status, text = put_back(run) if reader == "snapshot put back" else told(reader, run)
            except Exception as error:
                at = traceback.extract_tb(error.__traceback__)[-1]
                wrong.append(f"{what}: {reader}: {error!r} at {at.filename}:{at.lineno}")
                continue
            if status not in (0, 1, 2, 3) or CONTROL.search(text):
                wrong.append(f"{what}: {reader}: status {status}: {text}")
    return wrong


def test_what_nobody_changed_is_put_back(tmp_path):
    assert put_back(genuine_run(tmp_path)) == (0, "")


def test_a_generator_that_leads_out_of_its_numbers_is_refused(tmp_path):
    """NumPy would read memory there, and end the process."""
    run = genuine_run(tmp_path)
    ATTACKS["a generator that leads out of its numbers"](run, Outside(tmp_path / "outside"))
    status, text = put_back(run)
    assert (status, "the position 2147483643 in a generator of 624" in text) == (2, True)


@pytest.mark.parametrize("number", FAST)
def test_one_changed_value_is_answered_in_words(number):
    assert faults(number) == []


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_any_changed_value_is_answered_in_words(block):
    found = [each for number in range(100) for each in faults(100 * (block + 1) + number)]
    assert found == [], "\n".join(found)
