"""Function approximation alone: what a network could hold, and what fitted Q-iteration finds."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from paper_figures.bottleneck_study import draw, name_domains, study_table
from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table

MEASURES = ("projection_error", "fqi_error", "returns", "diverged")


def compute() -> Table:
    """Return the rows of the study's architectures."""
    return study_table({"architectures": "network"}, MEASURES)


def make(table: Table) -> Figure:
    """Draw both errors, the return and the runs that diverged, against the network."""
    columns = table.arrays
    figure, (errors, returns) = plt.subplots(1, 2, figsize=(6.6, 3.4))
    draw(errors, columns, "projection_error", BLUE, "‖Q* − ΠQ*‖, what it could represent")
    draw(errors, columns, "fqi_error", ORANGE, "‖Q − Q*‖ of fitted Q-iteration", linestyle="--")
    errors.set(yscale="log", ylabel="mean error / max |Q*|", xlabel="network", title="Error")
    errors.set_ylim(top=200 * errors.get_ylim()[1])
    errors.legend(fontsize=7, loc="upper left")
    draw(returns, columns, "returns", INK)
    for place, level in enumerate(dict.fromkeys(table.columns["level"])):
        diverged = columns["diverged"][columns["level"] == level]
        returns.text(
            place,
            1.12,
            f"{diverged.sum()}/{len(diverged)}",
            fontsize=6.5,
            color=ORANGE,
            ha="center",
        )
    returns.set(ylabel="return", xlabel="network", title="Return; orange: diverged\n")
    name_domains(figure, table)
    for axes in (errors, returns):
        axes.tick_params(axis="x", labelsize=7)
    return foot(
        figure, table,
        "Exact backups, uniform weights: no sampling error. Diverged: max |Q| > 10 max |Q*|. Line: "
        "mean over domains\nand 3 seeds; marks: domains. Return: 0 uniform policy, 1 optimal. The "
        "table’s projection error is what 2,000 Adam steps leave.",
    )  # fmt: skip
