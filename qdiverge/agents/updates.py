"""How a run makes its updates: each read at once, or on a GPU when a record of it is due."""

from qdiverge.agents.discrete.deferred import DeferredUpdates, deferred_updates
from qdiverge.agents.interfaces import Agent, Update
from qdiverge.agents.once import Once
from qdiverge.agents.replay.sampling import Sampler
from qdiverge.preqn import cosine
from qdiverge.transitions import Transitions


class Updates:
    """Updates of an agent, numbered from 1.

    Attributes:
        number: Of the last one; 0: none was made.
        alignment: cos(ΔQ, δ) of the last one that was looked at; None: none was.

    Args:
        agent: What learns.
        sampler: Told what surprised the agent in its batches.
        log_period: Updates between two records of them.
        has_alignment: Whether those records are to say how well ΔQ was aligned with the TD errors.
    """

    agent = Once[Agent]()
    sampler = Once[Sampler]()
    deferred = Once[DeferredUpdates | None]()

    def __init__(
        self, agent: Agent, sampler: Sampler, log_period: int, *, has_alignment: bool
    ) -> None:
        self.agent, self.sampler = agent, sampler
        self.log_period, self.has_alignment = log_period, has_alignment
        self.deferred = deferred_updates(agent)
        self.number = 0
        self.alignment: float | None = None

    @property
    def is_record_due(self) -> bool:
        """Return whether the last update is one of those that are recorded."""
        return self.number % self.log_period == 0

    def make(self, batch: Transitions) -> Update | None:
        """Make the next one; None where what it saw is not read yet."""
        self.number += 1
        if self.deferred is not None:
            self.deferred(batch)
            return self.read() if self.is_record_due else None
        is_looked_at = self.has_alignment and self.is_record_due
        before = self.agent.values_of(batch) if is_looked_at else None
        update = self.agent.update(batch, self.number)
        if update.is_finite:
            if before is not None:
                self.alignment = cosine(self.agent.values_of(batch) - before, update.td_errors)
            self.sampler.learnt(batch, update.surprises)
        return update

    def read(self) -> Update | None:
        """Read the newest deferred one, or go back to the first that diverged."""
        newest = None if self.deferred is None else self.deferred.read()
        if self.deferred is None or newest is None:
            return None
        update, number = newest
        self.number += number - self.deferred.num_updates
        return update
