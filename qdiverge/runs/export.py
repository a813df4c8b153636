"""A run's time series as files of other tools: CSV, or Parquet with pyarrow."""

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

from qdiverge.checks import check_choice
from qdiverge.runs.columns import Columns, alarms, check_patterns, long, wide
from qdiverge.runs.info import read_info
from qdiverge.runs.reading import read_events
from qdiverge.runs.whole import writing, written_whole
from qdiverge.thing_checks import check_installed, check_list, check_path, check_text

Format = Literal["csv", "parquet"]
Layout = Literal["wide", "long"]


def export_run(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    format: Format = "csv",  # noqa: A002
    layout: Layout = "wide",
    metrics: Sequence[str] = (),
) -> tuple[Path, Path]:
    """Write the metrics of a run as one table and its alarms as another, whole or not at all.

    A cell where nothing was measured is empty, in Parquet null; NaN and infinities are kept.

    Args:
        folder: The run.
        out: The table of metrics; the alarms lie beside it, as ``NAME-alarms``. By default
            ``metrics.csv`` (or ``.parquet``) in the run's folder.
        format: "csv" or "parquet".
        layout: "wide": a row for each step; "long": step, time, metric, value.
        metrics: Shell patterns of those to keep, such as ``diverge/*``; none: all.

    Returns:
        The paths of the two tables.

    Raises:
        RunFolderError: there is no run to read, or the place cannot be written.
        InvalidValueError: a pattern fits no metric.
        MissingExtraError: Parquet without pyarrow.
    """
    writers: dict[str, Callable[[Columns, BinaryIO], None]]
    writers = {"csv": write_csv, "parquet": _parquet}
    check_choice("format", format, writers)
    check_choice("layout", layout, ("wide", "long"))
    check_list("metrics", metrics, check_text)
    read_info(check_path("folder", folder))
    entries = read_events(folder)
    check_patterns(metrics, entries)
    table = (wide if layout == "wide" else long)(entries, metrics)
    target = check_path("out", folder if out is None else out)
    if target.is_dir():
        target = target / f"metrics.{format}"
    alarms_table = target.with_name(f"{target.stem}-alarms{target.suffix}")
    with (
        writing(target, remedy="Choose another --out."),
        written_whole(target) as first,
        written_whole(alarms_table) as second,
    ):
        writers[format](table, first)
        writers[format](alarms(entries), second)
    return target, alarms_table


def write_csv(columns: Columns, file: BinaryIO) -> None:
    """Write columns as CSV, floats with the digits that read back to the same number."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    text.flush()
    text.detach()  # whoever opened the file closes it


def _parquet(columns: Columns, file: BinaryIO) -> None:
    remedy = "Or choose --format csv."
    parquet = check_installed("pyarrow.parquet", "Parquet needs pyarrow", "parquet", remedy)
    import pyarrow

    kinds: dict[str, Any] = {
        "step": pyarrow.int64(),
        "update": pyarrow.int64(),
        "metric": pyarrow.string(),
        "rule": pyarrow.string(),
        "message": pyarrow.string(),
    }
    if "rule" not in columns:
        del kinds["update"]  # in a table of metrics it is one of them
    arrays = {
        name: pyarrow.array(cells, type=kinds.get(name, pyarrow.float64()), from_pandas=False)
        for name, cells in columns.items()
    }
    parquet.write_table(pyarrow.table(arrays), file)
