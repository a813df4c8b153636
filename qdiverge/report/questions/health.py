"""Whether the network is healthy: its features, its units, its steps."""

from qdiverge.report.panel import Panel, Question, level_at

HEALTH = Question(
    "Is the network healthy?",
    (
        Panel(
            "Rank of the features",
            "How many directions the output layer can tell apart. A fall towards 1 is collapse. In"
            " grey srank, the directions that hold 99 % of Σσ.",
            ("diverge/effective_rank", "{}"),
            beside=(("diverge/srank", "srank {}"),),
        ),
        Panel(
            "Stable rank of the features",
            "How many directions are about as strong as the strongest. It stays near 1 where all"
            " features share a large mean; a fall is what counts.",
            ("diverge/stable_rank", "{}"),
        ),
        Panel(
            "Dormant units",
            "Units that hardly answer any more; in grey those that never do. A rising share is lost"
            " capacity.",
            ("diverge/dormant_units", "{}"),
            beside=(("diverge/dead_units", "{} dead"),),
            kind="share",
        ),
        Panel(
            "Interference",
            "Near 1 every update moves all states alike; below zero, learning from one undoes"
            " another.",
            ("diverge/gradient_cosine", "{}"),
            level=level_at(0.0),
        ),
        Panel(
            "Conflicts",
            "How many pairs of transitions undo each other’s learning. About one half is what"
            " unrelated gradients have.",
            ("diverge/gradient_conflicts", "{}"),
            kind="share",
        ),
        Panel(
            "Co-adaptation",
            "How alike and how large the features of a state and of its successor are (Kumar et al."
            " 2021). Growth without end goes before divergence.",
            ("diverge/coadaptation", "{}"),
        ),
        Panel(
            "Likeness of successors",
            "The same with the size of the features left out. At 1 the network cannot tell a state"
            " from its successor.",
            ("diverge/coadaptation_cosine", "{}"),
        ),
        Panel(
            "Greedy churn",
            "How many states have changed their greedy action (Schaul et al. 2022). It should fall"
            " as the policy settles.",
            ("diverge/greedy_churn", "{}"),
            kind="share",
            how_to_have="It is measured where actions are discrete.",
        ),
        Panel(
            "Relative step",
            "How far an update moves the weights, relative to their size: the learning rate that"
            " counts. Weights that grow make it shrink, and learning stops.",
            ("diverge/effective_step", "{}"),
            kind="log",
        ),
        Panel(
            "Alignment",
            "Whether an update moves Q as the TD errors ask. Near 1 it does; near zero it mostly"
            " moves something else.",
            ("diverge/alignment", "{}"),
            level=level_at(0.0),
            how_to_have="The agents of continuous actions log it: qdiverge train ddpg, td3 or sac.",
        ),
    ),
)
