"""Whether the data are odd."""

from qdiverge.report.panel import Panel, Question

DATA = Question(
    "Is the data odd?",
    (
        Panel(
            "Rewards",
            "As the learner sees them. A reward beyond the expected range raises every bound; none"
            " but zeros leaves nothing to learn from.",
            ("diverge/reward_mean", "mean {}"),
            formula="mean of r, between its least and its largest, over the probe batch",
            band=("diverge/reward_min", "diverge/reward_max"),
        ),
        Panel(
            "Ends and rewarded steps",
            "Values are anchored where episodes end or rewards fall. In grey the rewarded ones."
            " Near zero in both, every target is a bootstrap.",
            ("diverge/terminal_share", "{} end"),
            formula="share of transitions with d = 1, and with r ≠ 0, over the probe batch",
            beside=(("diverge/rewarded_share", "{} rewarded"),),
            kind="share",
        ),
        Panel(
            "Repeats",
            "A replay that returns the same rows learns them by heart. In grey those that are"
            " followed by themselves, s′ = s: an environment that stands still.",
            ("diverge/duplicate_share", "{} repeat"),
            beside=(("diverge/still_share", "{} stand still"),),
            kind="share",
        ),
        Panel(
            "Actions",
            "How far the data are from the policy that the values are about. In grey the share of"
            " the top action, the commonest one: near 100 % the others are hardly ever seen.",
            ("diverge/greedy_share", "{} greedy"),
            beside=(("diverge/commonest_action_share", "{} top"),),
            kind="share",
            how_to_have="It is measured where actions are discrete.",
        ),
    ),
)
