"""What the Nature study watched, once an epoch: score, held-out values, and whether they are true.

The run does not notice: the states, the networks, the environments and the seeds are others.
"""

from pathlib import Path

import numpy as np

from qdiverge.agents.evaluation.environments import own_protocol
from qdiverge.agents.evaluation.episodes import evaluate
from qdiverge.agents.evaluation.held_out import HeldOut
from qdiverge.agents.evaluation.protocols import TASK, Protocol
from qdiverge.agents.records import EpisodeEnd, Progress, RunEnd
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.runs import RunLog, load_run

NATURE_PERIOD = 250_000  # agent steps: 200 epochs of them are the study's 50 million
NUM_EPOCHS = 40  # of a shorter run
EPSILON = 0.05  # of evaluation episodes (Mnih et al. 2015)
EPOCHS = 103  # keeps the seeds of evaluation episodes apart


def default_period(total_steps: int) -> int:
    """Return the agent steps of an epoch: a fortieth of the run, at most the study's.

    >>> default_period(50_000_000), default_period(25_000)
    (250000, 625)
    """
    return min(NATURE_PERIOD, max(1, total_steps // NUM_EPOCHS))


class Epochs:
    """Logs once an epoch.

    ``charts/held_out_q``: mean of max_a Q, or of Q(s, μ(s)), over the held-out states, see
    :class:`qdiverge.agents.evaluation.held_out.HeldOut`. ``charts/epoch_return``: mean score of the
    training episodes that ended in the epoch. With evaluation episodes also
    ``overestimation/predicted`` and ``overestimation/realised``, the mean of max_a Q(s_t, a) and of
    the discounted return over their steps, ``overestimation/bias``, their difference, and
    ``charts/evaluation_return``, their mean score.

    Args:
        trainer: The run; only looked at.
        log: Where to write.
        period: Agent steps of an epoch; None: :func:`default_period`; 0: log nothing.
        evaluation_episodes: Whole episodes played with ε = .05 at the end of each epoch, in the
            run's own environments; they cost their time.
    """

    def __init__(
        self, trainer: Trainer, log: RunLog, period: int | None = None, evaluation_episodes: int = 0
    ) -> None:
        config = trainer.config
        self._trainer, self._log = trainer, log
        self._period = default_period(config.total_steps) if period is None else period
        self._protocol = _as_trained(config, evaluation_episodes) if evaluation_episodes else None
        self._scores: list[float] = []
        self._measured_at = 0
        if self._period:
            self._held_out = HeldOut(config, make_q_network=trainer.make_q_network)
            if trainer.agent_step == 0:
                log.metrics(0, self._held_out_q())
            else:
                self._measured_at = _last_measured(log.folder)
            self._epoch = self._epoch_of(self._measured_at)
            if trainer.agent_step > 0:
                self._scores = _scores_since(log.folder, self._epoch * self._period)

    def update(self, record: Progress) -> None:
        """Take in a record of the trainer; measure and log where it is the first of a new epoch.

        The last epoch ends with the run; one that is interrupted may go on.
        """
        if not self._period:
            return
        if self._epoch_of(record.step) > self._epoch:
            self._measure(record.step)
        if isinstance(record, EpisodeEnd):
            self._scores.append(record.score)
        is_over = isinstance(record, RunEnd) and record.reason != "interrupted"
        if is_over and (self._scores or record.step > self._measured_at):
            self._measure(record.step)

    def _epoch_of(self, step: int) -> int:
        """Return 0 for the steps 1 … period, and so on."""
        return max(0, step - 1) // self._period

    def _measure(self, step: int) -> None:
        self._epoch, self._measured_at = self._epoch_of(step), step
        metrics = self._held_out_q() | self._evaluation()
        if self._scores:
            metrics["charts/epoch_return"] = sum(self._scores) / len(self._scores)
            self._scores = []
        self._log.metrics(step, metrics)

    def _held_out_q(self) -> dict[str, float]:
        return {
            "charts/held_out_q": self._held_out.mean_value(self._trainer.agent.playing_weights())
        }

    def _evaluation(self) -> dict[str, float]:
        if self._protocol is None:
            return {}
        config, make = self._trainer.config, self._trainer.make_q_network
        key = (EPOCHS, self._epoch)
        seed = int(np.random.SeedSequence(config.seed, spawn_key=key).generate_state(1)[0])
        weights = self._trainer.agent.playing_weights()
        evaluation = evaluate(config, weights, self._protocol, make_q_network=make, seed=seed)
        scores = [played.episode.score for played in evaluation.episodes]
        metrics = {"charts/evaluation_return": sum(scores) / len(scores)}
        values = evaluation.overestimation
        if values.num_steps:
            metrics["overestimation/predicted"] = values.predicted
            metrics["overestimation/realised"] = values.realised
            metrics["overestimation/bias"] = values.bias
        return metrics


def _last_measured(run: Path) -> int:
    """Return the step of the last measurement, where a run is taken up again."""
    measured = load_run(run).series.get("charts/held_out_q")
    return 0 if measured is None else int(measured.steps[-1])


def _scores_since(run: Path, step: int) -> list[float]:
    """Return the scores of the epoch under way, where a run is taken up again."""
    returns = load_run(run).series.get("charts/episodic_return")
    return [] if returns is None else returns.values[returns.steps > step].tolist()


def _as_trained(config: AgentConfig, episodes: int) -> Protocol:
    """Return a protocol of the run's own environments, with an ε where actions are discrete."""
    if not isinstance(config, DQNConfig):
        return TASK.changed(episodes=episodes)
    return own_protocol(config, "epoch", episodes, EPSILON)
