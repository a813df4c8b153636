"""The study of kernels at the start: the committed table is what the code measures."""

import pytest

from experiments.init_kernel.measure import measure
from experiments.init_kernel.sweep import cells
from experiments.tables import read


def test_a_cell_of_the_committed_table_comes_out_again():
    rows = read("init_kernel").rows.values()
    row = next(row for row in rows if row["config"] == cells(is_full=False)[4])
    again = measure(**row["config"])
    for name, values in row["row"].items():
        assert again[name] == pytest.approx(values, rel=1e-4)
