"""What a run tells whoever reads it: frozen records, in the order in which things happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from typing_extensions import Self

from qdiverge.agents.environments.experience import Episode
from qdiverge.preqn import PreQNStep

REASONS = {
    "total_steps": "the number of steps asked for was reached at",
    "deadline": "the wall-clock time asked for was reached at",
    "interrupted": "it was stopped from outside at",
    "divergence": "the loss became {loss} in",
}


@dataclass(frozen=True)
class EpisodeEnd:
    """An episode has ended.

    Args:
        step: Agent steps taken in the run so far, all environments together.
        score: Sum of its raw rewards.
        length: Its agent steps.
        frames: Its emulator frames.
        terminated: False where the frame limit cut it short.
    """

    step: int
    score: float
    length: int
    frames: int
    terminated: bool

    @classmethod
    def of(cls, episode: Episode, step: int) -> Self:
        """Return the record of an episode that ended at ``step``."""
        return cls(step, episode.score, episode.length, episode.frames, episode.terminated)


@dataclass(frozen=True)
class UpdateRecord:
    """Every ``log_period``-th update.

    Args:
        step: Agent steps taken so far.
        update: Number of the update, from 1.
        loss: Mean loss of its batch.
        q_mean: Mean of Q(s_i, a_i) over its batch.
        q_max: Largest Q(s_i, a) of its batch.
        td_abs_mean: Mean |δ|.
        epsilon: ε at this step; None where actions are continuous.
        steps_per_second: Agent steps a second since the last such record.
        temperature: τ of Boltzmann exploration; None without it.
        preqn: What PreQN did; None where gradients make the steps.
        alignment: cos(ΔQ, δ) of this update over its batch, where that is measured; 1 where every
            Q(s_i, a_i) moved in proportion to its TD error (Achiam et al. 2019).
        numbers: What else the update saw, by name.
    """

    step: int
    update: int
    loss: float
    q_mean: float
    q_max: float
    td_abs_mean: float
    epsilon: float | None
    steps_per_second: float
    temperature: float | None = None
    preqn: PreQNStep | None = None
    alignment: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Barrier:
    """All that was due is done, and the environments are about to restart: the moment to save.

    Args:
        step: Agent steps taken so far.
        update: Updates made so far.
    """

    step: int
    update: int


@dataclass(frozen=True)
class RunEnd:
    """The last record of a run.

    Args:
        step: Agent steps taken.
        update: Updates made.
        reason: ``"total_steps"``, ``"deadline"``, ``"interrupted"`` or ``"divergence"``.
        detail: A sentence saying so.
    """

    step: int
    update: int
    reason: str
    detail: str

    @classmethod
    def of(cls, reason: str, step: int, update: int, loss: float) -> Self:
        """Return the record of an end for one of the reasons, with its sentence."""
        why = REASONS[reason].format(loss=loss)
        return cls(step, update, reason, f"{why} update {update}, agent step {step}")


Progress = EpisodeEnd | UpdateRecord | Barrier | RunEnd
