"""Is the data odd? What the batch consists of, whatever the network makes of it."""

from typing import ClassVar

from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.moment import Moment


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

    Healthy: rewards within the expected range and not all zero, some ends of episodes, few repeats,
    more than one action. An environment that stands still, a replay that returns the same rows, or
    a policy stuck in one action shows here before it shows in the values.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"batch", "q_all"})
    cost: ClassVar[Cost] = "light"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/reward_…`` and the shares, each in [0, 1]."""
        batch = moment.batch
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
            is_greedy = moment.q_all.argmax(dim=1) == batch.actions
            metrics["greedy_share"] = is_greedy.double().mean()  # of the network as it is now
            metrics["commonest_action_share"] = commonest_share(batch.actions)
        return {f"diverge/{name}": float(value) for name, value in metrics.items()}
