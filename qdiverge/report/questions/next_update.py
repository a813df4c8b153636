"""Whether the next update would contract, and the kernel that decides it."""

from qdiverge.report.facts import discount_of
from qdiverge.report.numbers import human
from qdiverge.report.panel import Panel, Question, level_at
from qdiverge.runs import Run


def allowed_ratio(run: Run) -> tuple[float, str] | None:
    """Return (1−γ)/((1+γ)N), what the row condition allows the plotted row ratio at uniform ρ."""
    discount, kernels = discount_of(run), run.arrays("kernel")
    if discount is None or not kernels or "kernel" not in kernels[-1][1]:
        return None
    limit = (1 - discount) / ((1 + discount) * max(1, len(kernels[-1][1]["kernel"])))
    return (limit, f"≤ {human(limit, 2)}") if limit > 0 else None


CONTRACTION = Question(
    "Would the next update contract?",
    (
        Panel(
            "Spectral rate",
            "The factor per update at which TD errors on the probe grow or shrink without a target"
            " network, kernel and greedy actions frozen. Above 1 they grow. In grey the same at"
            " γ = 0, where only too large a step can be at fault.",
            ("diverge/spectral_radius", "{}"),
            beside=(("diverge/spectral_radius_regression", "{} at γ = 0"),),
            level=level_at(1.0, "1"),
            kind="log",
        ),
        Panel(
            "Self-excitation",
            "Above zero no step size is stable without a target network: the values feed themselves"
            " (Yue et al. 2023).",
            ("diverge/self_excitation", "{}"),
            level=level_at(0.0, "0"),
        ),
        Panel(
            "Transient gain",
            "How much a single update can enlarge the TD errors, in the worst direction. Far above"
            " the spectral rate, errors grow for a while even where they shrink in the end.",
            ("diverge/transient_gain", "{}"),
            level=level_at(1.0, "1"),
            kind="log",
        ),
        Panel(
            "Self-excitation of single transitions",
            "Above 1, an update on that transition alone raises its target by more than its value,"
            " so that its TD error grows (w → 2w).",
            ("diverge/transition_excitation_max", "largest {}"),
            level=level_at(1.0, "1"),
        ),
        Panel(
            "Self-exciting transitions",
            "How many transitions would diverge if they were learnt alone. A few are common; many"
            " are a network that cannot tell a state from its successor.",
            ("diverge/self_exciting", "{}"),
            kind="share",
        ),
        Panel(
            "Rows that hold",
            "Sufficient for a contraction, not necessary. In grey the same at γ = 0: plain"
            " regression, which converges anyway. Only the gap between the two is the cost of"
            " bootstrapping.",
            ("diverge/fraction_holding", "{} hold"),
            beside=(("diverge/fraction_holding_regression", "{} at γ = 0"),),
            kind="share",
        ),
        Panel(
            "Modulus",
            "Below 1 the linearised update shrinks every error in the sup norm; above 1 it may grow"
            " some. In grey the same at γ = 0.",
            ("diverge/modulus", "{}"),
            beside=(("diverge/modulus_regression", "{} at γ = 0"),),
            level=level_at(1.0, "β = 1"),
            kind="log",
        ),
        Panel(
            "Row ratio",
            "How much the update of one state moves another, against itself. The row condition"
            " allows (1−γ) / ((1+γ) N), dashed.",
            ("diverge/mean_row_ratio", "{}"),
            level=allowed_ratio,
            kind="log",
        ),
        Panel(
            "Largest step",
            "The largest step that contracts, and in grey the largest that is stable without a"
            " target network, on a logarithmic axis. Zero, at its foot, means that no step is."
            " Compare them with the learning rate under Settings.",
            ("diverge/max_learning_rate", "{} contracts"),
            formula="largest α below which β < 1, and largest α with ρ(I + αAD) < 1",
            beside=(("diverge/max_stable_learning_rate", "{} stable"),),
            kind="log",
        ),
        Panel(
            "Linearisation error",
            "How far a real step departs from the linear theory behind every verdict here. Above"
            " 0.3 they do not apply.",
            ("diverge/linearisation_error", "{}"),
            level=level_at(0.3, "0.3"),
            kind="log",
        ),
        Panel(
            "Definiteness of TD on the features",
            "Above zero, linear TD learning on these features converges if its steps are small."
            " Below, the features alone can make it diverge.",
            ("diverge/td_definiteness", "{}"),
            level=level_at(0.0, "0"),
        ),
        Panel(
            "Shift to the successors",
            "Below 1 the features of the successors stay within those of the data, and fitted"
            " Q-evaluation on them is stable. Far above, values are read where no data hold them.",
            ("diverge/distribution_shift", "{}"),
            level=level_at(1.0, "1"),
            kind="log",
        ),
    ),
)

KERNEL = Question(
    "The kernel",
    (
        Panel(
            "Diagonal of the kernel",
            "How far a gradient step moves a state’s own value. The largest stable step shrinks as"
            " it grows.",
            ("diverge/kernel_diagonal_mean", "{}"),
            kind="log",
        ),
    ),
)
