"""The kernel of a run at its first and its latest moment: heatmaps and spectrum."""

from collections.abc import Sequence

import numpy as np

from qdiverge.report.axes import Axis, fit_axis
from qdiverge.report.heatmap import heatmap
from qdiverge.report.lines import Chart, Line, line_chart
from qdiverge.report.numbers import human, whole
from qdiverge.report.panels import missing
from qdiverge.report.svg import Markup, element
from qdiverge.report.verdict import step_unit
from qdiverge.runs import Run, Series

HEATMAP_HOW = (
    "Cosine of the gradients of every two probe states, c_ij = K_ij / √(K_ii K_jj): blue +1, paper 0,"
    " orange −1. Rows are grouped by action. Whatever is off the diagonal is generalisation."
)
SPECTRUM_HOW = (
    "Eigenvalues of K by rank, largest first, on a logarithmic axis. A steep fall means that an update"
    " moves few directions of Q; values below 10⁻⁷ of the largest are rounding."
)
_REMEDY = 'Kernels are saved with qd.attach(…, cost="standard").'
_FLOOR = 1e-9  # of the largest eigenvalue: below lies rounding


def moments(run: Run) -> list[tuple[int, dict[str, np.ndarray]]]:
    """Return the first and the latest saved kernel, or the only one."""
    found = [(step, arrays) for step, arrays in run.arrays("kernel") if "kernel" in arrays]
    return found if len(found) < 2 else [found[0], found[-1]]


def draw_heatmaps(run: Run) -> Markup:
    """Return the heatmaps of a run, each above a line that says what it is."""
    found = moments(run)
    if not found:
        return missing("a saved kernel", _REMEDY)
    return element("div", *(_heatmap(run, step, arrays) for step, arrays in found), class_="pair")


def draw_spectra(runs: Sequence[Run]) -> list[Markup]:
    """Return the spectra of each run, on one pair of axes."""
    spectra = [[(step, _eigenvalues(arrays)) for step, arrays in moments(run)] for run in runs]
    known = [values for of_run in spectra for _, values in of_run if values.size]
    if not known:
        return [missing("a spectrum", _REMEDY) for _ in runs]
    y = fit_axis("log", np.concatenate([np.maximum(v, _FLOOR * v[0]) for v in known]))
    x = Axis("linear", 1.0, float(max(2, *(len(values) for values in known))))
    return [_spectrum(run, of_run, x, y) for run, of_run in zip(runs, spectra, strict=True)]


def _heatmap(run: Run, step: int, arrays: dict[str, np.ndarray]) -> Markup:
    kernel = arrays["kernel"]
    actions = arrays.get("actions", np.zeros(len(kernel), dtype=np.int64)).reshape(len(kernel), -1)[
        :, 0
    ]
    diagonal = np.diag(kernel)
    bad = int((~np.isfinite(kernel)).sum())
    scale = (
        f"mean K_ii {human(float(diagonal.mean()))}"
        if not bad
        else f"{whole(bad)} entries not finite"
    )
    title = f"Kernel of run {run.name} at {whole(step)} {step_unit(run)}, {len(kernel)} states"
    caption = element(
        "p", element("b", f"{whole(step)} {step_unit(run)}"), f" · {scale}", class_="moment"
    )
    return element("div", heatmap(title, kernel, actions), caption)


def _spectrum(run: Run, spectra: list[tuple[int, np.ndarray]], x: Axis, y: Axis) -> Markup:
    drawn = [(step, values) for step, values in spectra if values.size]
    if not drawn:
        return missing("a spectrum", _REMEDY)
    lines = [
        Line(
            f"at {whole(step)}",
            Series(np.arange(1, len(values) + 1), values),
            "main" if step == drawn[-1][0] else "quiet",
        )
        for step, values in drawn
    ]
    top = human(float(drawn[-1][1][0]))
    title = f"Eigenvalues of the kernel, run {run.name}: largest {top} at {whole(drawn[-1][0])}"
    return line_chart(Chart(title, x, y, "rank", tuple(lines), is_valued=False))


def _eigenvalues(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Finite eigenvalues, largest first; computed here where they were not saved."""
    values = arrays.get("eigenvalues")
    if values is None:
        kernel = arrays["kernel"].astype(np.float64)
        values = np.linalg.eigvalsh(kernel) if np.isfinite(kernel).all() else np.array([])
    values = np.sort(values[np.isfinite(values)].astype(np.float64))[::-1]
    return values if values.size and values[0] > 0 else np.array([])
