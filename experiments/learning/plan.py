"""What is trained: a task, the preset with its settings, how long, which seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from experiments.learning import rows
from qdiverge.agents.environments.minatar import GAMES
from qdiverge.agents.settings.dqn import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS

SEEDS = (1, 2, 3)


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
        """What its files are called."""
        return rows.name_of(rows.known_as(self.environment), self.preset, self.seed)

    @property
    def config(self) -> DQNConfig:
        """The agent's numbers."""
        preset = PRESETS[self.preset]
        steps, period = self.steps, self.checkpoint_period
        return replace(
            preset,
            environment=self.environment,
            seed=self.seed,
            total_steps=preset.total_steps if steps is None else steps,
            checkpoint_period=preset.checkpoint_period if period is None else period,
        )


def plan() -> list[Cell]:
    """The runs whose results are committed."""
    return [
        *(Cell("CartPole-v1", "cartpole", seed) for seed in SEEDS),
        *(Cell("MinAtar/Breakout-v1", "minatar_fast", seed, 60_000) for seed in SEEDS),
    ]


def full() -> list[Cell]:
    """Ten seeds of CartPole and of every MinAtar game; hours on one core, so with checkpoints."""
    games = [(f"MinAtar/{game}-v1", "minatar_fast") for game in GAMES]
    tasks = [("CartPole-v1", "cartpole"), *games]
    return [Cell(*task, seed, checkpoint_period=20_000) for task in tasks for seed in range(1, 11)]
