"""Is the data odd? What the batch consists of, whatever the network makes of it."""

from typing import ClassVar

from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.transitions import Transitions


def duplicate_share(observations: Tensor) -> float:
    """Return the share of rows that are equal, bit for bit, to an earlier one.

    Args:
        observations: [N, ...].

    >>> import torch
    >>> duplicate_share(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 2.0]]))
    0.5
    """
    rows = observations.detach().cpu().flatten(1) if observations.ndim > 1 else observations.cpu()
    return 1.0 - len({row.numpy().tobytes() for row in rows.contiguous()}) / len(rows)


def commonest_share(actions: Tensor) -> float:
    """Return the share of the action that occurs most.

    >>> import torch
    >>> commonest_share(torch.tensor([0, 2, 2, 2]))
    0.75
    """
    return float(actions.unique(dim=0, return_counts=True)[1].max()) / len(actions)


class Data(Diagnostic):
    """Rewards, ends, repeats and actions of the probe batch.

    An environment that stands still, a replay that returns the same rows, or a policy stuck in one
    action shows here before it shows in the values.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/reward_mean",
            "mean of r",
            "Q",
            "within the range that the environment promises; not 0 for ever",
        ),
        Metric(
            "diverge/reward_min", "min of r", "Q", "within the range that the environment promises"
        ),
        Metric(
            "diverge/reward_max", "max of r", "Q", "within the range that the environment promises"
        ),
        Metric("diverge/rewarded_share", "share of transitions with r ≠ 0", "share", "above 0"),
        Metric(
            "diverge/terminal_share",
            "share of transitions with d = 1",
            "share",
            "above 0 where episodes end",
        ),
        Metric(
            "diverge/duplicate_share",
            "share of observations that stand in the probe batch before, bit for bit",
            "share",
            "near 0; small state spaces repeat themselves",
        ),
        Metric(
            "diverge/still_share",
            "share of transitions with s′ = s, bit for bit",
            "share",
            "near 0",
        ),
        Metric(
            "diverge/greedy_share",
            "share of actions that the network as it is now would take",
            "share",
            "above 1 / number of actions as the policy settles",
        ),
        Metric(
            "diverge/commonest_action_share",
            "share of the action that occurs most",
            "share",
            "well below 1",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"batch", "q_all"})
    cost: ClassVar[Cost] = "light"

    def __init__(self) -> None:
        self._batch: Transitions | None = None  # what the metrics are of that follow from it alone
        self._metrics: dict[str, float] = {}

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/reward_…`` and the shares, each in [0, 1]."""
        batch = moment.batch
        if batch is not self._batch:
            self._batch, self._metrics = batch, batch_metrics(batch)
        if batch.actions.is_floating_point():
            return dict(self._metrics)
        is_greedy = moment.q_all.argmax(dim=1) == batch.actions  # of the network as it is now
        return self._metrics | {"diverge/greedy_share": float(is_greedy.double().mean())}


def batch_metrics(batch: Transitions) -> dict[str, float]:
    """Return the metrics that no network changes."""
    rewards = batch.rewards.double()
    stands_still = (batch.observations == batch.next_observations).flatten(1).all(dim=1)
    metrics: dict[str, Tensor | float] = {
        "reward_mean": rewards.mean(),
        "reward_min": rewards.min(),
        "reward_max": rewards.max(),
        "rewarded_share": (rewards != 0).double().mean(),
        "terminal_share": batch.terminated.double().mean(),
        "duplicate_share": duplicate_share(batch.observations),
        "still_share": stands_still.double().mean(),  # s' = s
    }
    if not batch.actions.is_floating_point():
        metrics["commonest_action_share"] = commonest_share(batch.actions)
    return {f"diverge/{name}": float(value) for name, value in metrics.items()}
