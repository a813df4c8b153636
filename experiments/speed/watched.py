"""Training loops as users have them, unwatched, with the monitor, or with W&B's ``watch``."""

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from experiments.speed import loops
from qdiverge.diagnostics import COSTS
from qdiverge.integrations import sb3
from qdiverge.integrations.sb3_ahead import collect
from qdiverge.monitor import Monitor

PERIOD = 25  # updates between measurements of the monitor, and between histograms of W&B's row
UNWATCHED, WATCH_DEFAULT, WATCH_ALL = (
    "unwatched",
    "wandb.watch, defaults",
    f"wandb.watch(log='all', log_freq={PERIOD})",
)


class Loop(loops.Loop, Protocol):
    """A training loop, watched or not."""

    monitor: Monitor | None
    watch: loops.Stopwatch


class Inside:
    """Processor time inside a monitor's calls, each of them, whether it measures or not.

    Reading the clock twice a call is counted, too, about a microsecond.
    """

    def __init__(self, monitor: Monitor) -> None:
        self.monitor, self.watch = monitor, loops.Stopwatch(time.process_time)
        monitor.hook.remove()
        timed = self.timed(monitor.after_step)
        self._hook = monitor.subject.optimizer.register_step_post_hook(timed)
        monitor.show = self.timed(monitor.show)  # type: ignore[method-assign]  # on this one object
        monitor.batch = self.timed(monitor.batch)  # type: ignore[method-assign]  # so, too

    def close(self) -> None:
        """Leave the optimiser."""
        self._hook.remove()

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, its time counted."""

        def call(*args: Any) -> Any:
            with self.watch:
                return function(*args)

        return call


class SB3Loop:
    """``model.learn(…)`` of Stable-Baselines3, written out so that it can pause.

    Args:
        model: DQN or TD3.
        callback: As given to ``learn``; None: none.
        total: Agent steps that the run is said to have; the allowance for copies is a share of it.
    """

    def __init__(
        self, model: Any, callback: sb3.Callback | None = None, total: int = 10**9
    ) -> None:
        self.model = model
        self.watch = loops.Stopwatch(time.process_time)
        _, self._callback = model._setup_learn(total, callback)
        self._callback.on_training_start({}, {})
        self.monitor = None if callback is None else callback.monitor
        if self.monitor is not None:
            self.monitor.budget.restart(self.watch.seconds)

    @property
    def step(self) -> int:
        """Return the agent steps taken."""
        return int(self.model.num_timesteps)

    def advance(self, steps: int) -> None:
        """Take agent steps, with the updates due."""
        model, end = self.model, self.step + steps
        with self.watch:
            while self.step < end:
                num = collect(model, self._callback)
                if self.step > model.learning_starts:
                    model.train(batch_size=model.batch_size, gradient_steps=num)

    def close(self) -> None:
        """End the training, and with it the watching."""
        self._callback.on_training_end()


def sb3_dqn() -> Any:
    """Make DQN with its defaults on CartPole-v1: 64 × 64 units, batch 32, every 4 steps."""
    from stable_baselines3 import DQN

    return DQN("MlpPolicy", "CartPole-v1", seed=0, device="cpu", buffer_size=50_000)


def sb3_td3() -> Any:
    """Make TD3 with its defaults on Pendulum-v1: 400 × 300 units, batch 256, every step."""
    from stable_baselines3 import TD3

    return TD3("MlpPolicy", "Pendulum-v1", seed=0, device="cpu", buffer_size=50_000)


def sb3_loops(make: Callable[[], Any], folder: Path, total: int) -> dict[str, Loop]:
    """Return the rows of a Stable-Baselines3 model, by name."""
    loops_by_name: dict[str, Loop] = {UNWATCHED: SB3Loop(make(), total=total)}
    for cost in COSTS:
        loops_by_name[cost] = SB3Loop(make(), sb3.Callback(out=folder / cost, cost=cost), total)
    if find_spec("wandb") is not None:
        loops_by_name[WATCH_DEFAULT] = with_wandb(SB3Loop(make(), total=total), folder)
        loops_by_name[WATCH_ALL] = with_wandb(
            SB3Loop(make(), total=total), folder, log="all", log_freq=PERIOD
        )
    return loops_by_name


def atari_loops(folder: Path, _: int) -> dict[str, Loop]:
    """Return the rows of our trainer on Pong, by name; its monitor is not told their length."""
    clock = time.process_time
    loops_by_name: dict[str, Loop] = {UNWATCHED: loops.Ours(loops.SETTINGS, clock=clock)}
    for cost in COSTS:
        loops_by_name[cost] = loops.Ours(loops.SETTINGS, folder / cost, cost, clock)
    return loops_by_name


def with_wandb(loop: SB3Loop, folder: Path, **options: Any) -> SB3Loop:
    """Have the trained network watched by W&B, offline, a line of its log every 25 updates.

    Its hooks write to the one run that is open in a process, so that several loops share that.
    """
    import wandb

    if wandb.run is None:
        wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))
    is_dqn = hasattr(loop.model, "q_net")
    network = loop.model.q_net if is_dqn else loop.model.critic
    optimizer = loop.model.policy.optimizer if is_dqn else network.optimizer
    wandb.watch(network, idx=len(options), **options)
    count = 0

    def log(*_: Any) -> None:
        nonlocal count
        count += 1
        if count % PERIOD == 0:
            wandb.run.log({"updates": count})

    optimizer.register_step_post_hook(log)
    return loop


def finish_wandb() -> None:
    """End W&B's run, where one is open."""
    if "wandb" in sys.modules and sys.modules["wandb"].run is not None:
        sys.modules["wandb"].finish()
