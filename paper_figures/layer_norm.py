"""Self-excitation and the size of Q in training, with and without LayerNorm (Yue et al. 2023)."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.layer_norm.training import BOUND, FAR
from paper_figures.style import BLUE, GREY, INK, ORANGE, foot
from paper_figures.tables import Table, along, chosen, from_study

KINDS = {False: ("without", ORANGE, "-"), True: ("with LayerNorm", BLUE, "--")}


def compute() -> Table:
    """Return every look at every run of experiments/layer_norm; runs nothing."""
    settings = ("task", "layer_norm", "learning_rate", "seed")
    series = ("update", "relative_excitation", "max_abs_q")
    return from_study("layer_norm", lambda record: along(record, settings, series))


def make(table: Table) -> Figure:
    """Draw for each task the eigenvalue above, the largest value below, a line a run."""
    columns = table.arrays
    tasks = list(dict.fromkeys(table.columns["task"]))
    figure, panels = plt.subplots(2, len(tasks), figsize=(7.2, 4.4), sharex="col", sharey="row")
    for (excitation, values), task in zip(panels.T, tasks, strict=True):
        for layer_norm, (name, colour, line) in KINDS.items():
            own = chosen(columns, task=task, layer_norm=layer_norm)
            label: str | None = name
            for seed, step in np.unique([own["seed"], own["learning_rate"]], axis=1).T:
                run = chosen(own, seed=seed, learning_rate=step)
                style = {"color": colour, "linestyle": line, "linewidth": 1.0, "alpha": 0.85}
                excitation.plot(run["update"], run["relative_excitation"], **style)
                values.plot(run["update"], run["max_abs_q"], label=label, **style)
                label = None
        excitation.axhline(0, color=INK, linewidth=0.7)
        excitation.set_title(task.removesuffix("-v1"))
        excitation.set_yscale("symlog", linthresh=0.01)
        values.axhline(FAR * BOUND, color=GREY, linewidth=0.8, linestyle=":")
        values.set(yscale="log", xlabel="update")
    panels[0, 0].set_ylabel("max Re eig(A) / λ$_{max}$(K)")
    panels[1, 0].set_ylabel("max |Q|")
    panels[1, 0].legend(fontsize=7, loc="upper left")
    return foot(
        figure, table,
        "Adam on a fixed batch of transitions that lead outwards, no target network; a line each "
        f"of {table.num_seeds} seeds. Above 0 some TD errors excite themselves.\nDotted: "
        f"{FAR:g} times the largest possible return, past which a run counts as diverged.",
    )  # fmt: skip
