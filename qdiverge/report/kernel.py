"""The kernel of a run at its first and its latest moment: heatmaps and spectrum."""

from collections.abc import Sequence

import numpy as np

from qdiverge.report.drawing.axes import Axis, fit_axis
from qdiverge.report.drawing.chart import Chart, Line
from qdiverge.report.drawing.heatmap import heatmap
from qdiverge.report.drawing.line_chart import line_chart
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.facts import step_unit
from qdiverge.report.numbers import human, whole
from qdiverge.report.panel import OF_COST
from qdiverge.report.panels import missing
from qdiverge.report.prose import formula
from qdiverge.runs import Run, Series

HEATMAP = (
    "Similarity of states",
    "c_{ij} = K_{ij} / √(K_{ii} K_{jj}), the cosine between the gradients of two probe states",
    Markup(
        '<span class="blue">Blue</span>: an update of one moves the other along;'
        ' <span class="orange">orange</span>: against; paper: not at all. Rows are grouped by'
        " action. What lies off the diagonal is generalisation, and what the row condition sums."
    ),
)
SPECTRUM = (
    "Spectrum",
    "eigenvalues of K by rank, largest first",
    "Logarithmic axis. A steep fall means that an update moves Q along few directions. A line ends"
    " where the rest is rounding, below 10⁻⁷ of the largest.",
)
SavedKernel = tuple[int, dict[str, np.ndarray]]  # a step and the arrays saved there
MOST_STATES = 4_096  # of a kernel that is drawn
_FLOOR = 1e-7  # of the largest eigenvalue: about the rounding of float32


def saved_kernels(run: Run) -> list[SavedKernel]:
    """Return the first and the latest saved kernel, or the only one."""
    saved = [(step, arrays) for step, arrays in run.arrays("kernel") if _is_square(arrays)]
    return saved if len(saved) < 2 else [saved[0], saved[-1]]


def draw_heatmaps(run: Run, saved: Sequence[SavedKernel]) -> Markup:
    """Return the heatmaps of a run's kernels, each above a line that says what it is."""
    if not saved:
        return missing("a saved kernel", OF_COST["standard"])
    return element("div", *(_heatmap(run, step, arrays) for step, arrays in saved), class_="pair")


def draw_spectra(runs: Sequence[Run], kernels: Sequence[Sequence[SavedKernel]]) -> list[Markup]:
    """Return the spectra of each run, on one pair of axes."""
    spectra = [[(step, _eigenvalues(arrays)) for step, arrays in of_run] for of_run in kernels]
    eigenvalues = [values for of_run in spectra for _, values in of_run if values.size]
    if not eigenvalues:
        return [missing("a spectrum", OF_COST["standard"]) for _ in runs]
    y = fit_axis("log", np.concatenate(eigenvalues))
    x = Axis("linear", 1.0, float(max(2, *(len(values) for values in eigenvalues))))
    return [_spectrum(run, of_run, x, y) for run, of_run in zip(runs, spectra, strict=True)]


def _is_square(arrays: dict[str, np.ndarray]) -> bool:
    """Return whether there is a kernel of numbers, and what else is saved fits it."""
    kernel = arrays.get("kernel", np.empty(0))
    if kernel.dtype.kind not in "fiu" or kernel.ndim != 2 or len(kernel) > MOST_STATES:
        return False
    actions = arrays.get("actions", np.zeros(len(kernel), dtype=np.int64))
    eigenvalues = arrays.get("eigenvalues", np.empty(0))
    is_read = actions.dtype.kind in "iufb" and eigenvalues.dtype.kind in "fiu"
    fits = len(kernel) == kernel.shape[1] > 0 and actions.ndim > 0 and len(actions) == len(kernel)
    return is_read and fits and actions.size > 0 and eigenvalues.ndim == 1


def _heatmap(run: Run, step: int, arrays: dict[str, np.ndarray]) -> Markup:
    kernel = arrays["kernel"]
    actions = arrays.get("actions", np.zeros(len(kernel), dtype=np.int64))
    when = f"{whole(step)} {step_unit(run)}"
    num_bad = int((~np.isfinite(kernel)).sum())
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.diag(kernel).mean(dtype=np.float64))
    scale = formula(f"mean K_{{ii}} {human(mean)}")
    note = f"{whole(num_bad)} entries are not finite" if num_bad else scale
    title = f"Kernel of run {run.name} at {when}, {len(kernel)} states"
    caption = element("p", element("b", when), " · ", note, class_="moment")
    return element("div", heatmap(title, kernel, actions.reshape(len(kernel), -1)[:, 0]), caption)


def _spectrum(run: Run, spectra: list[tuple[int, np.ndarray]], x: Axis, y: Axis) -> Markup:
    drawn = [(step, values) for step, values in spectra if values.size]
    if not drawn:
        return missing("a spectrum", OF_COST["standard"])
    lines = [
        Line(
            f"at {whole(step)}",
            Series(np.arange(1, len(values) + 1), values),
            "main" if step == drawn[-1][0] else "quiet",
            f"eigenvalues at {step}",
        )
        for step, values in drawn
    ]
    top = human(float(drawn[-1][1][0]))
    title = f"Eigenvalues of the kernel, run {run.name}: largest {top} at {whole(drawn[-1][0])}"
    return line_chart(Chart(title, x, y, "rank", tuple(lines), run=run.name))


def _eigenvalues(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return eigenvalues above rounding, largest first; computed here where they were not saved."""
    values = arrays.get("eigenvalues")
    if values is None:
        kernel = arrays["kernel"].astype(np.float64)
        values = np.linalg.eigvalsh(kernel) if np.isfinite(kernel).all() else np.array([])
    values = np.sort(values[np.isfinite(values)].astype(np.float64))[::-1]
    return values[values > _FLOOR * max(values[0], 0.0)] if values.size else values
