"""The panels of a report, grouped by the question that each answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qdiverge.report.axes import Axis, Kind, fit_axis, is_wide
from qdiverge.report.decimate import trailing_mean
from qdiverge.report.lines import Chart, Line, line_chart
from qdiverge.report.svg import Markup, element
from qdiverge.report.verdict import bound_of, discount_of, first_above_bound, step_unit
from qdiverge.runs import Run, Series

_LIGHT = "Attach a monitor: qd.attach(q_network, optimizer=optimizer, discount=0.99)."
_KERNEL = 'It is part of the kernel diagnostics: qd.attach(…, cost="standard").'
_RETURN_WINDOW = 20  # episodes


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, how to read it, and where its numbers come from.

    Attributes:
        title: The quantity.
        how: One line on how to read it, formula included.
        subject: Metric key and label of the line that the panel is about.
        beside: Keys and labels of quieter lines.
        band: Keys of a lower and an upper series.
        bound: Whether the soft-divergence bound belongs to it.
        level: A horizontal reference for a run: value and label, or None.
        kind: The axis; "auto" takes symlog where values span many sizes, linear elsewhere.
        span: Fixed ends of the axis.
        is_percent: Whether values are fractions.
        is_averaged: Whether the subject is single events, drawn as dots below their mean.
        remedy: How to have the numbers in the next run.
    """

    title: str
    how: str
    subject: tuple[str, str]
    beside: tuple[tuple[str, str], ...] = ()
    band: tuple[str, str] | None = None
    bound: bool = False
    level: Callable[[Run], tuple[float, str] | None] | None = None
    kind: Kind | Literal["auto"] = "auto"
    span: tuple[float, float] | None = None
    is_percent: bool = False
    is_averaged: bool = False
    remedy: str = _LIGHT

    @property
    def keys(self) -> tuple[str, ...]:
        """Every metric key that the panel draws."""
        return (self.subject[0], *(key for key, _ in self.beside), *(self.band or ()))


def ratio_limit(run: Run) -> tuple[float, str] | None:
    """Return (1−γ)/((1+γ)N), what the row condition allows the plotted row ratio at uniform ρ."""
    discount, kernels = discount_of(run), run.arrays("kernel")
    if discount is None or not kernels or "kernel" not in kernels[-1][1]:
        return None
    return (1 - discount) / ((1 + discount) * len(kernels[-1][1]["kernel"])), "allowed"


QUESTIONS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Is it blowing up?",
        (
            Panel(
                "Largest Q-value",
                "max |Q| over the probe batch, on a logarithmic axis. With rewards within ±1 no true"
                " value exceeds 1/(1−γ): a line above the dashed bound is soft divergence. ▾ alarm.",
                ("diverge/q_abs_max", ""),
                bound=True,
                kind="log",
            ),
            Panel(
                "Distribution of Q-values",
                "Median of Q over the probe batch inside its 5 % to 95 % band, and its mean. Healthy"
                " values spread slowly; a band that fans out is losing its anchor.",
                ("diverge/q_p50", "median"),
                beside=(("diverge/q_mean", "mean"),),
                band=("diverge/q_p05", "diverge/q_p95"),
            ),
            Panel(
                "Growth rate",
                "d log max |Q| / d update. Zero is steady; a constant above zero is exponential"
                " growth, which doubles max |Q| every 0.69 / rate updates.",
                ("diverge/q_growth_rate", "rate"),
                level=lambda run: (0.0, ""),
            ),
        ),
    ),
    (
        "Would the next update contract?",
        (
            Panel(
                "Rows that hold",
                "Share of probe rows with αK_iiρ_i < 1 and (1+γ) Σ_j≠i |K_ij|ρ_j ≤ (1−γ) K_iiρ_i."
                " Sufficient, not necessary; grey is the same at γ = 0, where regression converges anyway.",
                ("diverge/fraction_holding", "holds"),
                beside=(("diverge/fraction_holding_regression", "γ = 0"),),
                kind="linear",
                span=(0.0, 1.0),
                is_percent=True,
                remedy=_KERNEL,
            ),
            Panel(
                "Modulus",
                "β = max_i ( |1−x_i| + γx_i + (1+γ)o_i ), x_i = αK_iiρ_i, o_i = α Σ_j≠i |K_ij|ρ_j."
                " Below 1 the linearised update contracts in the sup norm; above 1 it need not.",
                ("diverge/modulus", "β"),
                beside=(("diverge/modulus_regression", "γ = 0"),),
                level=lambda run: (1.0, "β = 1"),
                kind="log",
                remedy=_KERNEL,
            ),
            Panel(
                "Row ratio",
                "mean_i (1/N) Σ_j≠i |K_ij| / K_ii: how much one state's update moves the others, per"
                " state. The row condition allows (1−γ)/((1+γ)N).",
                ("diverge/mean_row_ratio", "ratio"),
                level=ratio_limit,
                kind="log",
                remedy=_KERNEL,
            ),
        ),
    ),
    (
        "Are the errors shrinking?",
        (
            Panel(
                "TD errors",
                "Mean and largest |δ|, δ = r + γ(1−d) max_a′ Q(s′,a′) − Q(s,a), on the probe batch.",
                ("diverge/td_error_abs_mean", "mean"),
                beside=(("diverge/td_error_abs_max", "max"),),
                kind="log",
            ),
            Panel(
                "Loss",
                "The training loss as the agent logs it, before an update. A falling loss is no proof:"
                " it is measured against targets that move.",
                ("losses/td_loss", "loss"),
                kind="log",
                remedy="Log losses/td_loss from the training loop.",
            ),
            Panel(
                "Lag of the target network",
                "Size of Q − Q_target on the probe batch. It falls to zero at every target"
                " synchronisation; without a target network there is none.",
                ("diverge/target_lag", "lag"),
                remedy="It needs a target network: qd.attach(q_network, target=target_network, …).",
            ),
        ),
    ),
    (
        "The kernel",
        (
            Panel(
                "Diagonal of the kernel",
                "mean_i K_ii = mean_i ‖∂Q_i/∂θ‖²: how far one gradient step moves a state's own value."
                " The largest stable step shrinks as it grows.",
                ("diverge/kernel_diagonal_mean", "mean"),
                kind="log",
                remedy=_KERNEL,
            ),
        ),
    ),
    (
        "Did it learn?",
        (
            Panel(
                "Episode return",
                f"Undiscounted return of each finished episode, and its mean over {_RETURN_WINDOW}"
                " episodes. The only panel that speaks of success.",
                ("charts/episodic_return", "mean"),
                is_averaged=True,
                remedy="No episode ended, or the loop logs none: log charts/episodic_return.",
            ),
        ),
    ),
)


def step_axes(runs: Sequence[Run]) -> tuple[list[Axis], bool]:
    """Return an axis of steps for each run, and whether it is one for all.

    One for all unless the units differ or the shortest run would fill less than a fifth of it.
    """
    ends = [max([1, *_last_steps(run)]) for run in runs]
    is_shared = len({step_unit(run) for run in runs}) == 1 and min(ends) >= 0.2 * max(ends)
    return [Axis("linear", 0.0, float(max(ends) if is_shared else end)) for end in ends], is_shared


def draw_panel(panel: Panel, runs: Sequence[Run], steps: Sequence[Axis]) -> list[Markup]:
    """Return the panel's chart for each run, on one axis of values; or what is missing there."""
    y = _value_axis(panel, runs)
    return [_cell(panel, run, x, y) for run, x in zip(runs, steps, strict=True)]


def missing(what: str, remedy: str) -> Markup:
    """Return the box that stands where numbers are missing, with the way to have them."""
    return element("p", element("b", f"Not in this run: {what}."), f" {remedy}", class_="missing")


def _cell(panel: Panel, run: Run, x: Axis, y: Axis) -> Markup:
    key, label = panel.subject
    subject = run.series.get(key)
    if subject is None or not len(subject.steps):
        return missing(key, panel.remedy)
    lines = [Line(name, run.series[k], "quiet") for k, name in panel.beside if k in run.series]
    lines.append(Line(label, subject))
    if panel.is_averaged:
        finite = np.isfinite(subject.values)
        subject = Series(subject.steps[finite], subject.values[finite])
        lines = [Line("", subject, "dots"), Line(label, trailing_mean(subject, _RETURN_WINDOW))]
    crossing = None
    if panel.bound and (bound := bound_of(run)) is not None:
        ends = np.array([int(x.low), int(x.high)])
        lines.insert(0, Line("bound", Series(ends, np.full(2, bound)), "bound"))
        step = first_above_bound(run)
        crossing = None if step is None else (step, bound)
    levels = [panel.level(run)] if panel.level else []
    is_banded = panel.band is not None and all(k in run.series for k in panel.band)
    chart = line_chart(
        Chart(
            title=f"{panel.title}, run {run.name}: {_in_words(subject)}",
            x=x,
            y=y,
            unit=step_unit(run),
            lines=tuple(lines),
            band=(run.series[panel.band[0]], run.series[panel.band[1]])
            if panel.band and is_banded
            else None,
            levels=tuple(level for level in levels if level is not None),
            alarms=tuple(alarm.step for alarm in run.alarms),
            crossing=crossing,
            is_percent=panel.is_percent,
            is_named=panel.bound,
        )
    )
    absent = [k for k in panel.keys if k not in run.series]
    note = [element("p", f"Not in this run: {', '.join(absent)}.", class_="note")] if absent else []
    return element("div", chart, *note)


def _value_axis(panel: Panel, runs: Sequence[Run]) -> Axis:
    """One axis that holds the panel's numbers of all runs, its bound and its levels."""
    if panel.span is not None:
        return Axis("linear", *panel.span)
    found = [run.series[key].values for run in runs for key in panel.keys if key in run.series]
    values = np.concatenate(found) if found else np.array([])
    include = [b for run in runs if panel.bound and (b := bound_of(run)) is not None]
    if panel.level:
        include += [level[0] for run in runs if (level := panel.level(run)) is not None]
    kind: Kind = panel.kind if panel.kind != "auto" else "symlog" if is_wide(values) else "linear"
    return fit_axis(kind, values, tuple(include))


def _last_steps(run: Run) -> list[int]:
    ends = [int(series.steps.max()) for series in run.series.values() if len(series.steps)]
    return ends + [alarm.step for alarm in run.alarms]


def _in_words(series: Series) -> str:
    """First, last and extreme values, for a reader who does not see the chart."""
    finite = series.values[np.isfinite(series.values)]
    if not finite.size:
        return "no finite value"
    return f"from {finite[0]:.3g} to {finite[-1]:.3g}, between {finite.min():.3g} and {finite.max():.3g}"
