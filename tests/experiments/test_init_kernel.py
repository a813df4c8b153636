"""The study of kernels at the start: the committed table is what the code measures."""

import pytest

from experiments.init_kernel.measure import measure
from experiments.init_kernel.sweep import cells
from experiments.tables import read


def test_the_committed_table_is_whole_and_one_of_its_cells_comes_out_again():
    rows = read("init_kernel").rows.values()
    assert sorted(map(str, cells(is_full=False))) == sorted(str(row["config"]) for row in rows)
    row = next(row for row in rows if row["config"] == cells(is_full=False)[4])
    again = measure(**row["config"])
    for name, values in row["row"].items():
        assert again[name] == pytest.approx(values, rel=1e-4)
