"""How large the Q-values are, and whether they are true."""

from qdiverge.report.panel import Panel, Question, level_at

BLOW_UP = Question(
    "Is it blowing up?",
    (
        Panel(
            "Largest Q-value",
            "Logarithmic axis. No policy can earn more than the dashed bound r / (1−γ), r the"
            " largest reward (1 where rewards are clipped); beyond the grey limit, which adds what"
            " TD errors excuse, lies soft divergence."
            " Triangles mark alarms. Dotted fans: what copies that trained ahead of the run did;"
            " dotted lines beside them: what they did under each remedy.",
            ("diverge/q_abs_max", "{}"),
            beside=(
                ("diverge/divergence_limit", "limit {}"),
                ("diverge/batch_q_abs_max", "newest batch {}"),
            ),
            is_bounded=True,
            kind="log",
        ),
        Panel(
            "Distribution of Q-values",
            "Healthy values spread slowly. A band that fans out, or a mean that leaves the median,"
            " is a network losing its anchor.",
            ("diverge/q_p50", "median {}"),
            formula="median of Q, and its 5 % to 95 % band, over the probe batch",
            beside=(("diverge/q_mean", "mean {}"),),
            band=("diverge/q_p05", "diverge/q_p95"),
        ),
        Panel(
            "Extremes of Q",
            "The single largest and, in grey, the single smallest value. One that runs away from"
            " the rest of the distribution is a state or an action that feeds on itself. What can"
            " be earned is less than the bound where mostly the ends of episodes pay.",
            ("diverge/q_max", "max {}"),
            formula="max and min of Q over the probe batch and all actions",
            beside=(("diverge/q_min", "min {}"), ("diverge/earned_scale", "can be earned {}")),
        ),
        Panel(
            "Mass at the end atoms",
            "Of a categorical network (C51), whose Q-values cannot leave the support. Mass at its"
            " upper or, in grey, its lower end means that returns are cut off there: what would"
            " have diverged, or a support that is too narrow.",
            ("diverge/high_atom_mass", "high {}"),
            formula="mean of p_M(s, a) and of p_1(s, a)",
            beside=(("diverge/low_atom_mass", "low {}"),),
        ),
        Panel(
            "Growth rate",
            "Zero is steady. A rate that stays above zero is exponential growth: max |Q| doubles"
            " every 0.69 / rate updates.",
            ("diverge/q_growth_rate", "{}"),
            level=level_at(0.0),
        ),
        Panel(
            "Value churn",
            "How much one update moves the values, for better or worse. It should be small beside"
            " |Q|, and fall as values settle.",
            ("diverge/value_churn", "{}"),
        ),
    ),
)

TRUTH = Question(
    "Are the Q-values true?",
    (
        Panel(
            "TD errors",
            "Mean and largest, on a logarithmic axis. They should fall, or level off; not climb.",
            ("diverge/td_error_abs_mean", "mean {}"),
            formula="|δ|, δ = r + γ (1−d) max_{a′} Q_{target}(s′, a′) − Q(s, a), over the probe"
            " batch",
            beside=(("diverge/td_error_abs_max", "max {}"),),
            kind="log",
        ),
        Panel(
            "Loss",
            "A falling loss proves little: it is measured against targets that move.",
            ("losses/td_loss", "{}"),
            formula="the training loss of a minibatch, as the agent logs it",
            kind="log",
            how_to_have='From your own loop: monitor.log({"losses/td_loss": …}).',
        ),
        Panel(
            "Lag of the target network",
            "It falls to zero at every target synchronisation and grows in between. Where it is"
            " always zero there is no target network.",
            ("diverge/target_lag", "{}"),
            how_to_have="It needs the target network: qd.attach(…, target=target_network).",
        ),
        Panel(
            "Predicted and realised",
            "What the network promises at the states it visits, and in grey what it then earns"
            " (van Hasselt et al. 2016), rewards as the learner sees them. Healthy values lie close"
            " together; a promise far above is overestimation.",
            ("overestimation/predicted", "predicted {}"),
            formula="mean max_a Q(s_t, a), and mean Σ_k γᵏ r_{t+k}, over the steps of evaluation"
            " episodes",
            beside=(("overestimation/realised", "realised {}"),),
            how_to_have="It takes episodes of its own: qdiverge train dqn --evaluation-episodes 5.",
        ),
    ),
)
