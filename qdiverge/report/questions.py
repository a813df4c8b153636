"""What a report shows: panels grouped by the question that each answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from qdiverge.report.drawing.axes import Kind
from qdiverge.report.facts import discount_of
from qdiverge.report.numbers import human
from qdiverge.runs import Run

RETURN_WINDOW = 20  # episodes
_ATTACH = "Attach a monitor: qd.attach(q_network, optimizer=optimizer, discount=0.99, out=…)."
KERNEL_REMEDY = 'The kernel diagnostics write it: qd.attach(…, cost="standard").'

Level = Callable[[Run], tuple[float, str] | None]


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, how to read it, and where its numbers come from.

    Attributes:
        title: The quantity.
        formula: Its definition; ``_x`` and ``_{xy}`` become subscripts.
        how: How to read it.
        subject: Metric key and label of the line that the panel is about; ``{}`` in a label becomes
            the last value.
        beside: Keys and labels of quieter lines.
        band: Keys of a lower and an upper series.
        is_bounded: Whether the soft-divergence bound belongs to it.
        level: A horizontal reference for a run: value and label, or None.
        kind: The axis; "auto" takes symlog where values span many sizes, linear elsewhere.
        span: Fixed ends of the axis.
        is_percent: Whether values are fractions.
        is_averaged: Whether the subject is single events, drawn as dots behind their mean.
        remedy: How to have the numbers in the next run.
    """

    title: str
    formula: str
    how: str
    subject: tuple[str, str]
    beside: tuple[tuple[str, str], ...] = ()
    band: tuple[str, str] | None = None
    is_bounded: bool = False
    level: Level | None = None
    kind: Kind | Literal["auto"] = "auto"
    span: tuple[float, float] | None = None
    is_percent: bool = False
    is_averaged: bool = False
    remedy: str = _ATTACH

    @property
    def keys(self) -> tuple[str, ...]:
        """Every metric key that the panel draws."""
        return (self.subject[0], *(key for key, _ in self.beside), *(self.band or ()))


def level_at(value: float, label: str = "") -> Level:
    """Return a level that is the same for every run."""
    return lambda run: (value, label)


def allowed_ratio(run: Run) -> tuple[float, str] | None:
    """Return (1−γ)/((1+γ)N), what the row condition allows the plotted row ratio at uniform ρ."""
    discount, kernels = discount_of(run), run.arrays("kernel")
    if discount is None or not kernels or "kernel" not in kernels[-1][1]:
        return None
    limit = (1 - discount) / ((1 + discount) * max(1, len(kernels[-1][1]["kernel"])))
    return (limit, f"≤ {human(limit, 2)}") if limit > 0 else None


EPOCH_REMEDY = "The trainer writes it once an epoch: qdiverge train dqn --epoch-period 10000."
TRUE_REMEDY = "It takes episodes of its own: qdiverge train dqn --evaluation-episodes 5."

BLOWING_UP = (
    Panel(
        "Largest Q-value",
        "max |Q| over the probe batch",
        "Logarithmic axis. No policy can earn more than the dashed bound r / (1−γ), r the largest"
        " reward (1 where rewards are clipped); beyond it lies soft divergence. Triangles mark"
        " alarms.",
        ("diverge/q_abs_max", "{}"),
        is_bounded=True,
        kind="log",
    ),
    Panel(
        "Distribution of Q-values",
        "median of Q, and its 5 % to 95 % band, over the probe batch",
        "Healthy values spread slowly. A band that fans out, or a mean that leaves the median, is"
        " a network losing its anchor.",
        ("diverge/q_p50", "median {}"),
        beside=(("diverge/q_mean", "mean {}"),),
        band=("diverge/q_p05", "diverge/q_p95"),
    ),
    Panel(
        "Growth rate",
        "d log max |Q| / d update",
        "Zero is steady. A rate that stays above zero is exponential growth: max |Q| doubles every"
        " 0.69 / rate updates.",
        ("diverge/q_growth_rate", "{}"),
        level=level_at(0.0),
    ),
)

FULL_REMEDY = 'It takes two kernels a measurement: qd.attach(…, cost="full").'

CONTRACTING = (
    Panel(
        "Spectral rate",
        "ρ(I + αAD), A = K′ − K at the greedy successors",
        "The factor per update at which TD errors on the probe grow or shrink without a target"
        " network, kernel and greedy actions frozen. Above 1 they grow. In grey the same at γ = 0,"
        " where only too large a step can be at fault.",
        ("diverge/spectral_radius", "{}"),
        beside=(("diverge/spectral_radius_regression", "{} at γ = 0"),),
        level=level_at(1.0, "1"),
        kind="log",
        remedy=FULL_REMEDY,
    ),
    Panel(
        "Self-excitation",
        "max Re eig(AD)",
        "Above zero no step size is stable without a target network: the values feed themselves"
        " (Yue et al. 2023).",
        ("diverge/self_excitation", "{}"),
        level=level_at(0.0, "0"),
        remedy=FULL_REMEDY,
    ),
    Panel(
        "Rows that hold",
        "share of rows i with α K_{ii} ρ_i < 1 and (1+γ) Σ_{j≠i} |K_{ij}| ρ_j ≤ (1−γ) K_{ii} ρ_i",
        "Sufficient for a contraction, not necessary. In grey the same at γ = 0: plain regression,"
        " which converges anyway. Only the gap between the two is the cost of bootstrapping.",
        ("diverge/fraction_holding", "{} hold"),
        beside=(("diverge/fraction_holding_regression", "{} at γ = 0"),),
        kind="linear",
        span=(0.0, 1.0),
        is_percent=True,
        remedy=KERNEL_REMEDY,
    ),
    Panel(
        "Modulus",
        "β = max_i |1−x_i| + γ x_i + (1+γ) o_i, with x_i = α K_{ii} ρ_i and"
        " o_i = α Σ_{j≠i} |K_{ij}| ρ_j",
        "Below 1 the linearised update shrinks every error in the sup norm; above 1 it may grow"
        " some. In grey the same at γ = 0.",
        ("diverge/modulus", "{}"),
        beside=(("diverge/modulus_regression", "{} at γ = 0"),),
        level=level_at(1.0, "β = 1"),
        kind="log",
        remedy=KERNEL_REMEDY,
    ),
    Panel(
        "Row ratio",
        "mean_i (1/N) Σ_{j≠i} |K_{ij}| / K_{ii}",
        "How much the update of one state moves another, against itself. The row condition allows"
        " (1−γ) / ((1+γ) N), dashed.",
        ("diverge/mean_row_ratio", "{}"),
        level=allowed_ratio,
        kind="log",
        remedy=KERNEL_REMEDY,
    ),
    Panel(
        "Linearisation error",
        "‖ΔQ − αKDδ‖ / ‖αKDδ‖ of one step on the probe batch",
        "How far a real step departs from the linear theory behind every verdict here. Above 0.3"
        " they do not apply.",
        ("diverge/linearisation_error", "{}"),
        level=level_at(0.3, "0.3"),
        kind="log",
        remedy=KERNEL_REMEDY,
    ),
)

SHRINKING = (
    Panel(
        "TD errors",
        "|δ|, δ = r + γ (1−d) max_{a′} Q_{target}(s′, a′) − Q(s, a), over the probe batch",
        "Mean and largest, on a logarithmic axis. They should fall, or level off; not climb.",
        ("diverge/td_error_abs_mean", "mean {}"),
        beside=(("diverge/td_error_abs_max", "max {}"),),
        kind="log",
    ),
    Panel(
        "Loss",
        "the training loss of a minibatch, as the agent logs it",
        "A falling loss proves little: it is measured against targets that move.",
        ("losses/td_loss", "{}"),
        kind="log",
        remedy='From your own loop: monitor.log({"losses/td_loss": …}).',
    ),
    Panel(
        "Lag of the target network",
        "mean |Q(s′, a) − Q_{target}(s′, a)| over the next states of the probe batch",
        "It falls to zero at every target synchronisation and grows in between. Where it is always"
        " zero there is no target network.",
        ("diverge/target_lag", "{}"),
        remedy="It needs the target network: qd.attach(q_network, target=target_network, …).",
    ),
)

KERNEL = (
    Panel(
        "Diagonal of the kernel",
        "mean_i K_{ii} = mean_i ‖∂Q_i/∂θ‖²",
        "How far a gradient step moves a state’s own value. The largest stable step shrinks as it"
        " grows.",
        ("diverge/kernel_diagonal_mean", "{}"),
        kind="log",
        remedy=KERNEL_REMEDY,
    ),
)

HEALTHY = (
    Panel(
        "Rank of the features",
        "effective rank exp H(σ/Σσ) of the penultimate features over the probe batch",
        "How many directions the output layer can tell apart. A fall towards 1 is collapse. In grey"
        " srank, the directions that hold 99 % of Σσ.",
        ("diverge/effective_rank", "{}"),
        beside=(("diverge/srank", "srank {}"),),
        remedy=KERNEL_REMEDY,
    ),
    Panel(
        "Dormant units",
        "share of hidden units with E|h_i| / mean_k E|h_k| ≤ 0.025",
        "Units that hardly answer any more; in grey those that never do. A rising share is lost"
        " capacity.",
        ("diverge/dormant_units", "{}"),
        beside=(("diverge/dead_units", "{} dead"),),
        kind="linear",
        span=(0.0, 1.0),
        is_percent=True,
        remedy=KERNEL_REMEDY,
    ),
    Panel(
        "Interference",
        "mean cosine of the loss gradients δ_i ∇Q_i and δ_j ∇Q_j, i ≠ j",
        "Near 1 every update moves all states alike; below zero, learning from one undoes another.",
        ("diverge/gradient_cosine", "{}"),
        level=level_at(0.0),
        remedy=KERNEL_REMEDY,
    ),
)

ODD = (
    Panel(
        "Rewards",
        "mean of r, between its least and its largest, over the probe batch",
        "As the learner sees them. A reward beyond the expected range raises every bound; none but"
        " zeros leaves nothing to learn from.",
        ("diverge/reward_mean", "mean {}"),
        band=("diverge/reward_min", "diverge/reward_max"),
    ),
    Panel(
        "Ends and rewarded steps",
        "share of transitions with d = 1, and with r ≠ 0, over the probe batch",
        "Values are anchored where episodes end or rewards fall. In grey the rewarded ones. Near"
        " zero in both, every target is a bootstrap.",
        ("diverge/terminal_share", "{} end"),
        beside=(("diverge/rewarded_share", "{} rewarded"),),
        span=(0.0, 1.0),
        is_percent=True,
    ),
    Panel(
        "Repeats",
        "share of observations that stand in the probe batch before, bit for bit",
        "A replay that returns the same rows learns them by heart. In grey those that are followed"
        " by themselves, s′ = s: an environment that stands still.",
        ("diverge/duplicate_share", "{} repeat"),
        beside=(("diverge/still_share", "{} stand still"),),
        span=(0.0, 1.0),
        is_percent=True,
    ),
    Panel(
        "Actions",
        "share of actions that the network as it is now would take",
        "How far the data are from the policy that the values are about. In grey the share of the"
        " top action, the commonest one: near 100 % the others are hardly ever seen.",
        ("diverge/greedy_share", "{} greedy"),
        beside=(("diverge/commonest_action_share", "{} top"),),
        kind="linear",
        span=(0.0, 1.0),
        is_percent=True,
        remedy="It is measured where actions are discrete.",
    ),
)

LEARNING = (
    Panel(
        "Episode return",
        "Σ_t r_t of each finished episode, undiscounted",
        f"Dots are episodes, the line their mean over the last {RETURN_WINDOW}. A run can learn"
        " and diverge, or do neither.",
        ("charts/episodic_return", "mean {}"),
        is_averaged=True,
        remedy='No episode ended. From your own loop: monitor.log({"charts/episodic_return": …}).',
    ),
    Panel(
        "Score per epoch",
        "mean Σ_t r_t over the training episodes that ended in the epoch",
        "The exploration of training is in it. In grey episodes played with ε = .05 at the end of"
        " the epoch, as Mnih et al. (2015) plot them, where such were asked for"
        " (--evaluation-episodes).",
        ("charts/epoch_return", "{}"),
        beside=(("charts/evaluation_return", "evaluated {}"),),
        remedy=EPOCH_REMEDY,
    ),
    Panel(
        "Value of held-out states",
        "(1/S) Σ_s max_a Q(s, a) over S fixed states of random play",
        "The smoother sign of learning that Mnih et al. (2015) watched: it rises as the agent"
        " learns what states are worth. A rise that the score does not follow may be"
        " overestimation.",
        ("charts/held_out_q", "{}"),
        remedy=EPOCH_REMEDY,
    ),
)

TRUE = (
    Panel(
        "Predicted and realised",
        "mean max_a Q(s_t, a), and mean Σ_k γᵏ r_{t+k}, over the steps of evaluation episodes",
        "What the network promises at the states it visits, and in grey what it then earns"
        " (van Hasselt et al. 2016), rewards as the learner sees them. Healthy values lie close"
        " together; a promise far above is overestimation.",
        ("overestimation/predicted", "predicted {}"),
        beside=(("overestimation/realised", "realised {}"),),
        remedy=TRUE_REMEDY,
    ),
)
