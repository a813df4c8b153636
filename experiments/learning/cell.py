"""One run of the study: a task, the preset with its settings, how long, which seed."""

from dataclasses import dataclass, replace

from experiments.learning import rows
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        environment: Its id.
        preset: Name of the settings.
        seed: Of everything.
        steps: Agent steps; None: as many as the preset says.
        checkpoint_period: Agent steps between checkpoints, each of which restarts the environments
            and is therefore part of what a run is; None: what the preset says.
    """

    environment: str
    preset: str
    seed: int
    steps: int | None = None
    checkpoint_period: int | None = None

    @property
    def name(self) -> str:
        """Return what its files are called."""
        return rows.name_of(rows.known_as(self.environment), self.preset, self.seed)

    @property
    def config(self) -> DQNConfig:
        """Return the agent's numbers."""
        preset = PRESETS[self.preset]
        steps, period = self.steps, self.checkpoint_period
        return replace(
            preset,
            environment=self.environment,
            seed=self.seed,
            total_steps=preset.total_steps if steps is None else steps,
            checkpoint_period=preset.checkpoint_period if period is None else period,
        )
