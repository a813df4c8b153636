"""Moving targets: does a slower target, τT*Q + (1 − τ)Q, help?"""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from paper_figures.bottleneck_study import draw, name_domains, study_table
from paper_figures.style import BLUE, INK, ORANGE, foot
from paper_figures.tables import Table


def compute() -> Table:
    """Return the rows of the study's smoothing."""
    return study_table({"smoothing": "smoothing"}, ("fit_error", "fqi_error", "returns"))


def make(table: Table) -> Figure:
    """Draw the error of a fit, the error of the whole, and the return, against τ."""
    columns = table.arrays
    figure, (errors, returns) = plt.subplots(1, 2, figsize=(6.6, 3.2))
    draw(errors, columns, "fit_error", BLUE, "of a fit to its target", linestyle="--")
    draw(errors, columns, "fqi_error", ORANGE, "of Q to Q*")
    errors.set(yscale="log", ylabel="mean error / max |Q*|", title="Error")
    errors.legend(fontsize=7, loc=(0.03, 0.62))
    draw(returns, columns, "returns", INK)
    returns.set(ylabel="return", title="Return")
    name_domains(figure, table)
    for axes in (errors, returns):
        axes.set_xlabel("smoothing of the target, τ")
    return foot(
        figure, table,
        "Replay, 32 new samples an iteration, network 64×64, 100 iterations. Line: mean over "
        "domains and 3 seeds; marks: domains. Return: 0 uniform policy, 1 optimal.",
    )  # fmt: skip
