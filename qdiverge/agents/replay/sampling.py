"""How a batch for the learner is drawn and put together: uniform or prioritised, one step or n."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdiverge.agents.once import Once
from qdiverge.agents.replay.frames import CPU
from qdiverge.agents.replay.n_step import n_step_returns
from qdiverge.agents.replay.priorities import Priorities
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.agents.schedule import linear_schedule
from qdiverge.agents.settings.agent_config import Sampling
from qdiverge.errors import InvalidValueError
from qdiverge.transitions import Transitions


@dataclass(frozen=True)
class LearnerBatch(Transitions):
    """N transitions of up to n steps: rewards are R, next_observations s_{t+k}.

    Attributes:
        discounts: γ^k, [N].
        weights: w of importance sampling, [N].
        index: The slots they were drawn from, integers [N].
    """

    discounts: Tensor
    weights: Tensor
    index: Tensor


class Sampler:
    """Draws from a replay as the settings say, and keeps its priorities.

    Args:
        replay: Where the transitions are.
        settings: The numbers.
        seed: Of the prioritised sampling; the uniform one is the replay's own.
        device: Where the batches are wanted.
    """

    replay = Once[ReplayRing]()

    def __init__(
        self,
        replay: ReplayRing,
        settings: Sampling,
        seed: int | np.random.SeedSequence,
        device: torch.device = CPU,
    ) -> None:
        self.replay = replay
        self.settings = settings
        self.device = device
        if settings.priority_exponent is not None:
            replay.priorities = Priorities(
                replay.num_envs * replay.slots, exponent=settings.priority_exponent, seed=seed
            )

    def sample(self, step: int, rng: np.random.Generator | None = None) -> Transitions:
        """Draw a batch, rewards clipped where the settings say so.

        Args:
            step: Agent steps taken; β rises to 1 at the end of the run.
            rng: What draws, for a look that leaves the run's own generators alone; None: these.

        Returns:
            Plain transitions for uniform sampling of single steps, else a LearnerBatch.
        """
        settings, priorities = self.settings, self.replay.priorities
        if priorities is None:
            index = self.replay.draw(settings.batch_size, rng)
            weights = np.ones(settings.batch_size, dtype=np.float32)
        else:
            beta = linear_schedule(step, settings.priority_beta, 1.0, settings.total_steps)
            index, weights = priorities.draw(settings.batch_size, beta=beta, rng=rng)
        batch = self.replay.gather(index) if settings.n_step == 1 else None
        if batch is not None and settings.clip_rewards:
            batch = dataclasses.replace(batch, rewards=batch.rewards.clamp(-1.0, 1.0))
        if batch is not None and priorities is None:
            return batch.to(self.device)
        if batch is not None:
            discounts = torch.full((settings.batch_size,), settings.discount)
        else:
            batch, discounts = self._several_steps(index)
        return LearnerBatch(
            **vars(batch),
            discounts=discounts,
            weights=torch.from_numpy(weights),
            index=torch.from_numpy(index),
        ).to(self.device)

    def learnt(self, batch: Transitions, surprises: Tensor) -> None:
        """Take note of how much the transitions surprised in their update.

        Args:
            batch: What was learnt from.
            surprises: [N], δ or KL, see Update.
        """
        if self.replay.priorities is not None:
            assert isinstance(batch, LearnerBatch)
            self.replay.priorities.update(batch.index.cpu().numpy(), surprises.cpu().numpy())

    def check(self, batch: Transitions) -> Transitions:
        """Return ``batch`` if it still says what the update needs to know.

        Raises:
            InvalidValueError: somebody put plain transitions in its place.
        """
        needs = self.settings.priority_exponent is not None or self.settings.n_step > 1
        if needs and not isinstance(batch, LearnerBatch):
            raise InvalidValueError(
                "transform_batch must keep the discounts and weights of n-step or prioritised "
                "replay",
                got=type(batch).__name__,
                remedy="Change its fields with dataclasses.replace(batch, ...).",
            )
        return batch

    def _several_steps(self, index: np.ndarray) -> tuple[Transitions, Tensor]:
        """Return the transitions from slots to the states up to n steps later, and their γ^k."""
        replay, settings = self.replay, self.settings
        window = replay.following(index[:, None], np.arange(settings.n_step))  # [N, n]
        rewards = replay.rewards.reshape(-1)[window]
        returns = n_step_returns(
            rewards.clip(-1.0, 1.0) if settings.clip_rewards else rewards,
            replay.has_action(window),
            replay.terminated.reshape(-1)[window],
            settings.discount,
        )
        batch = Transitions(
            observations=replay.states(index),
            actions=torch.from_numpy(replay.taken(index)),
            rewards=torch.from_numpy(returns.returns),
            next_observations=replay.states(replay.following(index, returns.steps)),
            terminated=torch.from_numpy(returns.terminated),
        )
        return batch, torch.from_numpy(returns.discounts)
