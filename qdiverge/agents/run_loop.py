"""The run loop: a generator of records that knows nothing of who reads them.

One turn of the loop moves E environments by one agent step each. With ``overlap`` the emulators are
at work while the learner is, without it they take turns, as in the textbook:

    overlap   act on s → let the emulators begin → the updates due → wait for s', r, d → replay
    strict    the updates due → act on s → let the emulators begin → wait for s', r, d → replay

The updates due are one for every ``train_period`` agent steps taken so far, as if the E steps of a
turn had been taken one after another. In both orders an update draws from the same transitions: all
those of the turns before. What lags in the first order is the behaviour policy: a turn's actions
are chosen by the weights from before the updates that the turn before it made due, E /
``train_period`` updates earlier than in the second. (One environment and ``overlap`` False are the
textbook loop; with more, the E actions of a turn come from the same weights.) Nothing here depends
on which of the two is faster, so in either order a run is a function of its configuration.

Every ``checkpoint_period`` agent steps comes a barrier. The updates due are made, the run stands
still and can be saved, and then all environments restart from seeds that depend on how often they
have. The emulators' own state cannot be saved; so it is not needed. The episodes under way are
dropped: neither terminated nor counted, cut off in the replay as by a time limit.
"""

import math
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.families import make_replay, parts_of
from qdiverge.agents.interfaces import Agent, Behaviour, Update
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.machine.heap import keep_freed_memory
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.once import Once
from qdiverge.agents.records import Barrier, EpisodeEnd, Progress, RunEnd, UpdateRecord
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.agents.replay.sampling import Sampler
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.updates import Updates
from qdiverge.checks import check_integer, check_positive, check_switch
from qdiverge.errors import InvalidValueError
from qdiverge.thing_checks import check_callable, check_instance
from qdiverge.transitions import Transitions


class Trainer:
    """A run on an Atari game or a Gymnasium task, carried out by iterating over ``run``.

    What it is put together from holds on to each other and cannot be replaced: what learns is what
    acts, is saved, and is evaluated.

    Attributes:
        agent: What learns; its class is that of the configuration.
        behaviour: What acts meanwhile, by asking the agent.
        agent_step: Agent steps taken so far, all environments together.
        updates: What makes the updates, and counts them.
        steps_learnt: Agent steps whose updates have been made.
        num_restarts: How often the environments have been started.

    Args:
        config: The numbers, of a DQN or of an agent of :mod:`qdiverge.agents.continuous`.
        make_q_network: Of a DQN, makes the network in place of the configuration's own, see
            :mod:`qdiverge.agents.networks.given`.
        transform_batch: Called with every batch before its update, rewards clipped as the learner
            sees them; what it returns is learnt from.
        deadline_seconds: Wall-clock time after which ``run`` ends.
        log_period: Updates between two records of them.
        has_alignment: Whether those records are to say how well ΔQ was aligned with the TD errors;
            two more forward passes each.

    Raises:
        InvalidValueError: the game is unknown, the replay does not fit in memory, or
            ``make_q_network`` makes none that fits.
        MissingExtraError: ale-py is not installed.
    """

    config = Once[AgentConfig]()
    make_q_network = Once[MakeNetwork | None]()
    environments = Once[Environments]()
    replay = Once[ReplayRing]()
    sampler = Once[Sampler]()
    agent = Once[Agent]()
    behaviour = Once[Behaviour]()
    updates = Once[Updates]()

    def __init__(
        self,
        config: AgentConfig,
        *,
        make_q_network: MakeNetwork | None = None,
        transform_batch: Callable[[Transitions], Transitions] | None = None,
        deadline_seconds: float | None = None,
        log_period: int = 100,
        has_alignment: bool = False,
    ) -> None:
        check_instance("config", config, AgentConfig)
        for name, given in (
            ("make_q_network", make_q_network),
            ("transform_batch", transform_batch),
        ):
            if given is not None:
                check_callable(name, given, "a function")
        check_switch("has_alignment", has_alignment)
        self.make_q_network = make_q_network
        self.transform_batch = transform_batch
        if deadline_seconds is not None:
            deadline_seconds = check_positive("deadline_seconds", deadline_seconds)
        self.deadline_seconds = deadline_seconds
        log_period = check_integer("log_period", log_period, 1)
        device = find_device(config.device)
        games, weights, exploration, sampling = np.random.SeedSequence(config.seed).spawn(4)
        parts = parts_of(config)
        self.environments = environments = parts.environments(games)
        self.config = config = config.settled(isinstance(environments, AtariEnvironments))
        try:
            self.replay = make_replay(config, environments, sampling)
            self.sampler = Sampler(self.replay, config.sampling, sampling, device)
            self.agent = parts.agent(environments, weights, make_q_network)
            self.updates = Updates(
                self.agent, self.sampler, log_period, has_alignment=has_alignment
            )
            self.behaviour = parts.behaviour(self.agent, environments, exploration)
        except BaseException:
            self.environments.close()
            raise
        self.agent_step = 0
        self.steps_learnt = 0
        self.num_restarts = 0
        self._has_run = False
        self._is_stopping = False
        self._observations: NDArray[Any] = np.empty(0)  # what is acted on next
        self._actions: NDArray[Any] | None = None  # what the environments are at work on

    @property
    def q_network(self) -> nn.Module:
        """Return the network that learns, or the first critic."""
        return self.agent.q_network

    @property
    def target_network(self) -> nn.Module | None:
        """Return its delayed copy; None where the configuration has none."""
        return self.agent.target_network

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Return the optimiser of the Q-network, or of the critics."""
        return self.agent.optimizer

    @property
    def num_updates(self) -> int:
        """Return how many updates were made so far."""
        return self.updates.number

    @property
    def epsilon(self) -> float | None:
        """Return ε now; None where actions are continuous."""
        return self.behaviour.epsilon(self.agent_step)

    @property
    def temperature(self) -> float | None:
        """Return τ of Boltzmann exploration now; None without it."""
        return self.behaviour.temperature(self.agent_step)

    def run(self) -> Generator[Progress, None, None]:
        """Train, yielding a record of whatever happens; the last one is a :class:`RunEnd`.

        Leaving the loop early, closing the generator or Ctrl-C stops the emulators and gives
        PyTorch its thread count back. A loss that is NaN or infinite ends the run as a result, the
        weights left as they were before that update; large finite values go on. On a GPU the loss
        is read every ``log_period`` updates: the device itself refuses the steps in between, and
        the end names the update that diverged.

        Yields:
            EpisodeEnd, UpdateRecord, Barrier, and at last RunEnd.

        Raises:
            InvalidValueError: it has run before.
        """
        if self._has_run:
            raise InvalidValueError(
                "a Trainer runs once", got="a second run()", remedy="Make a new Trainer."
            )
        self._has_run = True
        threads = torch.get_num_threads()
        if self.config.torch_threads is not None:
            torch.set_num_threads(self.config.torch_threads)
        keep_freed_memory()
        try:
            yield from self._turns()
        finally:
            torch.set_num_threads(threads)
            self.close()

    def go_on(self, under_way: Transitions) -> Iterator[Progress]:
        """Go on from the middle of an update; for a copy, made while ``transform_batch`` was asked.

        Its environments are to be copies, too: they are not begun anew.

        Args:
            under_way: What the update under way learns from.

        Yields:
            As ``run``.
        """
        yield from self._turns(under_way)

    def stop(self) -> None:
        """Let ``run`` end after this turn, for instance from a signal handler."""
        self._is_stopping = True

    def close(self) -> None:
        """Stop the emulators; ``run`` does so itself."""
        self.environments.close()

    def _turns(self, under_way: Transitions | None = None) -> Iterator[Progress]:
        start = time.monotonic()
        self._logged_at, self._logged_step = start, self.agent_step
        overlap, reason = self.behaviour.is_ahead, ""
        if under_way is None:
            self._observations = self._restart()
        else:
            if (yield from self._updates_due(under_way)):
                return
            if overlap and self._actions is not None:
                self._observations = yield from self._experience(self._actions)
        while True:
            if not overlap and (yield from self._updates_due()):
                return
            actions = None
            if self.agent_step >= self.config.total_steps:
                reason = "total_steps"
            elif self._is_barrier():
                pass
            elif self.deadline_seconds and time.monotonic() - start >= self.deadline_seconds:
                reason = "deadline"
            elif self._is_stopping:
                reason = "interrupted"
            else:
                actions = self.behaviour.actions(self._observations, self.agent_step)
                self.environments.send(actions)
            self._actions = actions
            if overlap and (yield from self._updates_due()):
                return
            is_pause = reason or actions is None
            if is_pause and (last := self.updates.read()) is not None and not last.is_finite:
                yield self._end("divergence", last.loss)
                return
            if reason:
                yield self._end(reason)
                return
            if actions is None:
                yield Barrier(self.agent_step, self.num_updates)
                self._observations = self._restart()
            else:
                self._observations = yield from self._experience(actions)

    def _is_barrier(self) -> bool:
        """Return whether a multiple of the checkpoint period was passed since the last restart."""
        period = self.config.checkpoint_period or 0
        return period > 0 and self.agent_step // period > self._restarted_at // period

    def _restart(self) -> NDArray[Any]:
        """Begin an episode in every environment; its first observations."""
        observations: NDArray[Any] = self.environments.reset(self.num_restarts)
        self.num_restarts += 1
        self._restarted_at = self.agent_step
        self.replay.begin(self.replay.part_to_keep(observations))
        return observations

    def _updates_due(
        self, under_way: Transitions | None = None
    ) -> Generator[UpdateRecord | RunEnd, None, bool]:
        """Make the updates due for the steps taken since the last; whether the run diverged."""
        for step in range(self.steps_learnt + 1, self.agent_step + 1):
            update, under_way = self._learn(step, under_way), None
            self.steps_learnt = step
            if update is not None and not update.is_finite:
                yield self._end("divergence", update.loss)
                return True
            if update is not None and self.updates.is_record_due:
                yield self._record(update)
        return False

    def _learn(self, step: int, under_way: Transitions | None = None) -> Update | None:
        """Do what is due after ``step`` agent steps: an update, a copy, or nothing."""
        config = self.config
        update = None
        if step > config.learning_starts and step % config.train_period == 0:
            batch = self.sampler.sample(step) if under_way is None else under_way
            if under_way is None and self.transform_batch is not None:
                batch = self.sampler.check(self.transform_batch(batch))
            update = self.updates.make(batch)
        self.agent.after_step(step)
        return update

    def _experience(self, actions: NDArray[Any]) -> Generator[EpisodeEnd, None, NDArray[Any]]:
        """Wait for the emulators, store the step, report the episodes; the next observations."""
        step = self.environments.recv()
        at_life_loss = self.config.terminal_on_life_loss
        self.replay.store(actions, step, terminal_on_life_loss=at_life_loss)
        self.agent_step += len(actions)
        for episode in step.episodes:
            yield EpisodeEnd.of(episode, self.agent_step)
        return step.observations

    def _record(self, update: Update) -> UpdateRecord:
        now = time.monotonic()
        steps, seconds = self.agent_step - self._logged_step, now - self._logged_at
        self._logged_at, self._logged_step = now, self.agent_step
        return UpdateRecord(
            step=self.agent_step,
            update=self.num_updates,
            loss=update.loss,
            q_mean=update.q_mean,
            q_max=update.q_max,
            td_abs_mean=update.td_abs_mean,
            epsilon=self.epsilon,
            temperature=self.temperature,
            steps_per_second=steps / max(seconds, 1e-9),
            preqn=update.preqn,
            alignment=self.updates.alignment,
            numbers=update.numbers,
        )

    def _end(self, reason: str, loss: float = math.nan) -> RunEnd:
        return RunEnd.of(reason, self.agent_step, self.num_updates, loss)
