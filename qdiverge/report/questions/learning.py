"""Whether the agent learnt."""

from qdiverge.report.panel import Panel, Question

RETURN_WINDOW = 20  # episodes
_AN_EPOCH = "The trainer writes it once an epoch: qdiverge train dqn --epoch-period 10000."

LEARNING = Question(
    "Did it learn?",
    (
        Panel(
            "Episode return",
            f"Dots are episodes, the line their mean over the last {RETURN_WINDOW}. A run can learn"
            " and diverge, or do neither.",
            ("charts/episodic_return", "mean {}"),
            formula="Σ_t r_t of each finished episode, undiscounted",
            is_averaged=True,
            how_to_have="No episode ended. From your own loop:"
            ' monitor.log({"charts/episodic_return": …}).',
        ),
        Panel(
            "Score per epoch",
            "The exploration of training is in it. In grey episodes played with ε = .05 at the end"
            " of the epoch, as Mnih et al. (2015) plot them, where such were asked for"
            " (--evaluation-episodes).",
            ("charts/epoch_return", "{}"),
            formula="mean Σ_t r_t over the training episodes that ended in the epoch",
            beside=(("charts/evaluation_return", "evaluated {}"),),
            how_to_have=_AN_EPOCH,
        ),
        Panel(
            "Value of held-out states",
            "The smoother sign of learning that Mnih et al. (2015) watched: it rises as the agent"
            " learns what states are worth. A rise that the score does not follow may be"
            " overestimation.",
            ("charts/held_out_q", "{}"),
            formula="(1/S) Σ_s max_a Q(s, a) over S fixed states of random play",
            how_to_have=_AN_EPOCH,
        ),
    ),
)
