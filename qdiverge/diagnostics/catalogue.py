"""Every ``diverge/…`` number that a run can log, by its key."""

from qdiverge.diagnostics.diagnostic import Cost
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.registry import REGISTRY

NOT_MEASURED = (  # by a diagnostic: the first two are the monitor's own, the last the trainer's
    Metric("update", "optimiser updates made so far", "updates", "grows with the steps"),
    Metric(
        "diverge/overhead",
        "time spent on watching / time of the run itself",
        "share",
        "at most max_overhead, but for the first measurements",
    ),
    Metric(
        "diverge/alignment",
        "cos(ΔQ, δ) of an update over its own batch",
        "1",
        "above 0; near 1 an update moves Q as the TD errors ask",
    ),
)

METRICS: dict[str, Metric] = {
    metric.key: metric
    for metric in (*(each for kind in REGISTRY for each in kind.metrics), *NOT_MEASURED)
}


def cost_of(key: str) -> Cost | None:
    """Return the tier of the diagnostic that measures ``key``; None where none does.

    >>> cost_of("diverge/q_mean"), cost_of("diverge/overhead")
    ('light', None)
    """
    return next((k.cost for k in REGISTRY if key in {metric.key for metric in k.metrics}), None)
