"""What d3rlpy's algorithms learn from and act by: batches, replay for copies, policies."""

from typing import Any

from torch import Tensor, nn

from qdiverge.integrations.extras import imported

DISCRETE = ("DQN", "DoubleDQN", "DiscreteCQL")


def of_copies(algo: Any, dataset: Any) -> dict[str, Any]:
    """Return what copies that run ahead learn from, and how the actor of DDPG and TD3 learns."""
    kind, parts = type(algo).__name__, algo.impl.modules

    def draw() -> dict[str, Any]:
        config = algo.config
        batch = imported("d3rlpy.torch_utility", "d3rlpy").TorchMiniBatch.from_batch(
            dataset.sample_transition_batch(algo.batch_size), algo.gamma, False, algo.impl.device,
            config.observation_scaler, config.action_scaler, config.reward_scaler,
        )  # fmt: skip
        return read_batch(algo, batch)

    options: dict[str, Any] = {"data": draw, "num_rows": lambda: dataset.transition_count}
    if kind not in ("DDPG", "TD3") or parts.actor_optim._clip_grad_norm:
        return options  # another actor is held still, as the forecast notes
    return options | {
        "policy": Squashed(parts.policy),
        "policy_optimizer": parts.actor_optim,
        "policy_target": Squashed(parts.targ_policy),
        "policy_period": getattr(algo.config, "update_actor_interval", 1),
    }


def read_batch(algo: Any, batch: Any) -> dict[str, Any]:
    """Return what a batch trains; the a' of the data, which no target is made of, is left out."""
    is_discrete = type(algo).__name__ in DISCRETE
    return {
        "observations": batch.observations,
        "actions": batch.actions.long() if is_discrete else batch.actions,
        "rewards": batch.rewards,
        "next_observations": batch.next_observations,
        "terminated": batch.terminals,
        "discounts": algo.gamma**batch.intervals,
    }


class Squashed(nn.Module):
    """d3rlpy's policy as s' → the mean action, in [−1, 1]."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Tensor) -> Tensor:
        """Return actions [N, k]."""
        action: Tensor = self.policy(observations).squashed_mu
        return action.clamp(-1.0, 1.0)


class Sampled(Squashed):
    """SAC's policy as s' → (a', log π(a'|s')), drawn as in training."""

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return actions [N, k] and log-probabilities [N, 1]."""
        make = imported("d3rlpy.models.torch", "d3rlpy").build_squashed_gaussian_distribution
        action, log_prob = make(self.policy(observations)).sample_with_log_prob()
        return action, log_prob


def entropy_coefficient(algo: Any) -> float:
    """Return SAC's temperature as it is now; 0 of others."""
    if type(algo).__name__ != "SAC":
        return 0.0
    return float(next(algo.impl.modules.log_temp.parameters()).detach().exp())
