"""Kept memory is lent to one tensor at a time, and bounded."""

import mmap
import threading

import pytest
import torch

from qdiverge.kernel import NTK, feature_memory
from tests.asserts import assert_close
from tests.cases import CASES

LARGE = feature_memory.SMALLEST_BYTES // 4  # numbers


@pytest.fixture(autouse=True)
def _no_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_memory, "_spare", [])


def test_memory_comes_back_when_the_last_view_is_gone() -> None:
    first = feature_memory.empty((2, LARGE), torch.zeros(1))
    place, view = first.data_ptr(), first[1]
    del first
    assert feature_memory.empty((2, LARGE), torch.zeros(1)).data_ptr() != place  # still in view
    feature_memory._spare.clear()
    del view
    assert len(feature_memory._spare) == 1  # the system may give the same place for new memory, too
    assert feature_memory.empty((2, LARGE), torch.zeros(1)).data_ptr() == place
    assert feature_memory.empty((8, LARGE), torch.zeros(1)).data_ptr() != place  # too large for it
    feature_memory._spare.clear()
    feature_memory.empty((4,), torch.zeros(1))
    assert not feature_memory._spare  # small ones are the allocator's


def test_what_is_kept_is_bounded() -> None:
    like, num = torch.zeros(1, dtype=torch.float64), feature_memory.KEPT_BYTES // 8 // 4
    held = [feature_memory.empty((num,), like) for _ in range(6)]
    del held
    assert sum(map(len, feature_memory._spare)) <= feature_memory.KEPT_BYTES
    del like
    beyond = feature_memory.empty((feature_memory.KEPT_BYTES,), torch.zeros(1))
    del beyond
    assert sum(map(len, feature_memory._spare)) <= feature_memory.KEPT_BYTES


def test_threads_never_share_it() -> None:
    failures = []

    def work(mark: int) -> None:
        for _ in range(50):
            mine = feature_memory.empty((LARGE,), torch.zeros(1))
            mine.fill_(mark)
            failures.extend([mark] if not bool((mine == mark).all()) else [])

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_read_before_it_is_written(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]()
    actions = case.actions if case.actions.is_floating_point() else "all"
    kernel = NTK(case.q_net).kernel(case.observations, actions)

    def take(num_bytes: int) -> mmap.mmap:
        pages = mmap.mmap(-1, num_bytes)
        pages[:] = b"\xff" * num_bytes  # NaN
        return pages

    monkeypatch.setattr(feature_memory, "SMALLEST_BYTES", 1)
    monkeypatch.setattr(feature_memory, "_take", take)
    assert_close(NTK(case.q_net).kernel(case.observations, actions), kernel)
