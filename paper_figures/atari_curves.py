"""A long Atari run: score and predicted value against training, as the Nature study's figure 2."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from experiments.learning.rows import NUM_POINTS, curve, episode_returns
from paper_figures.learning_curves import SMOOTHING, smoothed
from paper_figures.style import BLUE, GREY, ORANGE, foot
from paper_figures.tables import Table, chosen, columns_of
from paper_figures.trained import provenance_of
from qdiverge.errors import RunFolderError
from qdiverge.runs import load_run

RUN = Path("runs/pong")
COMMAND = f"qdiverge train dqn --preset fast --n-step 3 --seed 1 --out {RUN}"


def compute(run: Path | None = None) -> Table:
    """Return score, held-out value and largest value of a run, also of one under way; no training.

    Raises:
        RunFolderError: there is no such run, or no episode has ended in it.
    """
    folder = RUN if run is None else run
    if not (folder / "run.json").exists():
        raise RunFolderError(
            "the folder must hold an Atari run",
            got=f"no {folder}",
            remedy=f"Run: {COMMAND}, or name another with --run.",
        )
    loaded = load_run(folder)
    short = curve(episode_returns(loaded), NUM_POINTS)
    rows = [
        {"measure": "score", "step": step, "value": value, "num_episodes": count}
        for step, value, count in zip(*short.values(), strict=True)
    ]
    for measure, name in (("held_out_q", "charts/held_out_q"), ("largest_q", "diverge/q_abs_max")):
        series = loaded.series.get(name)
        if series is not None:
            every = max(1, len(series.steps) // NUM_POINTS)
            rows += [
                {"measure": measure, "step": int(step), "value": float(f"{value:.5g}")}
                | {"num_episodes": 0}
                for step, value in zip(series.steps[::every], series.values[::every], strict=True)
            ]
    environment = {"environment": loaded.info["config"]["environment"]}
    return Table(columns_of(row | environment for row in rows), provenance_of(loaded))


def make(table: Table) -> Figure:
    """Draw the score on the left, the values on the right."""
    columns = table.arrays
    score, largest, held_out = (
        chosen(columns, measure=name) for name in ("score", "largest_q", "held_out_q")
    )
    figure, (scores, values) = plt.subplots(1, 2, figsize=(6.6, 3.1))
    step, value = score["step"], score["value"]
    scores.plot(step, value, color=BLUE, linewidth=0.5, alpha=0.4)
    scores.plot(*smoothed(step, value, score["num_episodes"], SMOOTHING * step[-1]), color=BLUE)
    scores.set(title=table.columns["environment"][0], ylabel="score of training episodes")
    values.plot(
        largest["step"], largest["value"], color=GREY, linewidth=0.6, zorder=1,
        label="largest |Q| of the probe batch",
    )  # fmt: skip
    values.plot(
        held_out["step"], held_out["value"], "o-", color=ORANGE, markersize=3,
        label="mean max$_a$ Q, held-out states",
    )  # fmt: skip
    values.axhline(0, color=GREY, linewidth=0.6)
    values.set_title("Predicted value")
    values.legend(fontsize=7, loc="upper left")
    low, high = values.get_ylim()
    values.set_ylim(low, high + 0.25 * (high - low))
    for axes in (scores, values):
        axes.set_xlabel("agent steps")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(3, 3), useMathText=True)
    return foot(
        figure, table,
        f"One seed. Left, thick: mean over the last {SMOOTHING:.0%} of the run. Right: in units of "
        "clipped reward; the held-out states are fixed and from random play.",
    )  # fmt: skip
