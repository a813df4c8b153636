"""What the watching cost, and over how many updates it went."""

from qdiverge.report.panel import Panel, Question

WATCHING = Question(
    "What did watching cost?",
    (
        Panel(
            "Overhead",
            "Costly measurements wait until the share is below max_overhead again. It is large at"
            " first, as the first measurements are made whatever they cost.",
            ("diverge/overhead", "{}"),
            kind="percent",
            how_to_have="It is logged where watching has a limit: qd.attach(…, max_overhead=0.05).",
        ),
        Panel(
            "Updates",
            "Only updates move the values; a stretch without any is filling its replay, or has"
            " stopped learning.",
            ("update", "{}"),
        ),
    ),
)
