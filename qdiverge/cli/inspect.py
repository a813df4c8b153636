"""``qdiverge inspect RUN``: one moment of a run on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from qdiverge.agents.evaluation.environments import own_environments
from qdiverge.agents.exploration import EpsilonGreedy
from qdiverge.agents.parts import Environments
from qdiverge.agents.saved import SavedAgent, load_agent
from qdiverge.checks import check_positive
from qdiverge.cli.watch_loop import watched_loss
from qdiverge.diagnostics import Transitions
from qdiverge.report.inspector import inspect
from qdiverge.runs import load_run

NUM_ENVS = 4
STEPS_PER_TRANSITION = 8  # that are played for each one that is looked at
PRECONDITIONED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop)


@dataclass(frozen=True)
class Inspect:
    """Write one page on a checkpoint: kernel, worst rows, layers, and the pairs that push.

    The agent plays for a moment as it did when it was saved, and what is looked at is drawn from
    that.
    """

    run: tyro.conf.Positional[Path]  # a run folder
    step: int | None = None  # the checkpoint; by default the newest
    transitions: int = 64  # to look at
    out: Path | None = None  # the page; by default moment-STEP.html in the run's folder
    seed: int = 1  # of the play


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    options = tyro.cli(Inspect, prog="qdiverge inspect", args=list(arguments))
    check_positive("transitions", options.transitions)
    run = load_run(options.run)
    saved = load_agent(options.run, options.step)
    config = saved.config
    updates_between = max(1, config.target_period // config.train_period)
    has_copies = config.has_target_network and config.polyak is None
    optimizer = saved.optimizer if isinstance(saved.optimizer, PRECONDITIONED) else None
    seeds = np.random.SeedSequence(options.seed).spawn(2)
    environments = own_environments(config, NUM_ENVS, seeds[0])
    try:
        batch = collect(saved, environments, options.transitions, seeds[1])
        names = getattr(environments, "action_names", ())
    finally:
        environments.close()
    page = inspect(
        saved.q_network,
        batch,
        config.discount,
        config.learning_rate,
        out=options.out or options.run / f"moment-{saved.step}.html",
        title=f"{run.name}, agent step {saved.step:,}",
        action_names=names,
        target=saved.target_network,
        optimizer=optimizer if optimizer is not None and optimizer.state else None,
        target_period=updates_between if has_copies else 1,
        loss=watched_loss(config),
    )
    print(page)
    return 0


def collect(
    saved: SavedAgent, environments: Environments, count: int, seed: np.random.SeedSequence
) -> Transitions:
    """Play with the agent, exploring as at the end of its training; draw single steps of that."""
    config, rng = saved.config, np.random.default_rng(seed)
    policy = EpsilonGreedy(environments.num_actions, seed.spawn(1)[0])
    observations = environments.reset()
    steps = []
    for _ in range(-(-STEPS_PER_TRANSITION * count // environments.num_envs)):
        actions = policy.explore(len(observations), 0.0 if config.noisy else config.epsilon_end)
        greedy = actions < 0
        if greedy.any():
            actions[greedy] = saved.agent.act(observations[greedy])
        step = environments.step(actions)
        rewards = np.clip(step.rewards, -1, 1) if config.clip_rewards else step.rewards
        ended = step.terminated | (step.life_lost & config.terminal_on_life_loss)
        steps.append([observations, actions, rewards, step.next_observations, ended])
        observations = step.observations
    drawn = np.sort(rng.choice(len(steps) * environments.num_envs, count, replace=False))
    places = [divmod(int(k), environments.num_envs) for k in drawn]
    fields = (np.stack([steps[t][field][e] for t, e in places]) for field in range(5))
    return Transitions(*(torch.from_numpy(np.ascontiguousarray(each)) for each in fields))
