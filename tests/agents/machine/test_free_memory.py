"""How much memory there is, as files of the system say it."""

import os
from pathlib import Path

import pytest

from qdiverge.agents.machine import free_memory

MEMINFO = "MemTotal: 900 kB\nMemFree: 1 kB\nMemAvailable: 100 kB\n"
GROUP_2 = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current")
GROUP_1 = (
    "sys/fs/cgroup/memory/memory.limit_in_bytes",
    "sys/fs/cgroup/memory/memory.usage_in_bytes",
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 102_400),
        ({GROUP_2[0]: "50000", GROUP_2[1]: "20000"}, 30_000),
        ({GROUP_2[0]: "900000", GROUP_2[1]: "20000"}, 102_400),  # the machine has less
        ({GROUP_2[0]: "max", GROUP_2[1]: "20000"}, 102_400),
        ({GROUP_1[0]: "50000", GROUP_1[1]: "20000"}, 30_000),
        ({GROUP_2[0]: "50000", GROUP_2[1]: "50001"}, 1),  # never none, which means unknown
    ],
)
def test_what_the_machine_or_its_container_has_left(files, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "Path", lambda path: tmp_path / Path(path).relative_to("/"))
    for name, content in ({"proc/meminfo": MEMINFO} | files).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert free_memory.available_memory() == expected


def test_without_those_files_it_is_the_whole_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(free_memory, "Path", lambda path: tmp_path / Path(path).relative_to("/"))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4_096, "SC_PHYS_PAGES": 10}.get)
    assert free_memory.available_memory() == 40_960
