"""Updates whose numbers stay on the device until somebody asks, so that the host need not wait.

Where nobody reads the loss before the step, the device itself must refuse it: with

    lost_k = lost_{k−1} or not finite(loss_k)

update k takes its step only where lost_k is false. So the weights stay as they were before the
first loss that is not finite, whenever that is noticed; the numbers read then are that update's.
"""

import warnings

import torch

from qdiverge.agents.batch_loss import BatchLoss
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.interfaces import Agent, Update
from qdiverge.agents.machine.cuda_graph import Graphed, call_step_hooks, without_step_hooks
from qdiverge.agents.once import Once
from qdiverge.transitions import Transitions


def why_not_deferred(agent: Agent) -> str:
    """Return why ``agent`` must read its loss at every update; empty where it need not."""
    if not isinstance(agent, DQN):
        return f"{type(agent).__name__} reads its losses before the next step"
    if not getattr(agent.optimizer, "_step_supports_amp_scaling", False):
        name = type(agent.optimizer).__name__
        return f"{name} cannot be told on the device to leave out a step; Adam can"
    if agent.config.prioritized:
        return "prioritized replay needs the TD errors of every update on the host"
    return ""


def deferred_updates(agent: Agent) -> "DeferredUpdates | None":
    """Return those of an agent on a GPU; None on a CPU, and with a warning where they cannot be."""
    if agent.device.type != "cuda":
        return None
    if why_not := why_not_deferred(agent):
        warnings.warn(f"every update waits for the GPU: {why_not}", stacklevel=3)
        return None
    assert isinstance(agent, DQN)
    return DeferredUpdates(agent)


class DeferredUpdates:
    """An agent's updates, made without reading anything back.

    On a GPU an update is captured in one CUDA graph at its first call and replayed afterwards;
    where that fails it goes on without, with a warning that says why.

    Attributes:
        num_updates: Updates asked for.

    Args:
        agent: Its optimiser must be able to leave out a step, see why_not_deferred.
    """

    agent = Once[DQN]()

    def __init__(self, agent: DQN) -> None:
        self.agent = agent
        self.num_updates = 0
        self._lost = torch.zeros((), device=agent.device)  # 0 or 1, as optimisers take it
        self._made = torch.zeros((), device=agent.device, dtype=torch.int64)
        self._numbers = torch.zeros(5, device=agent.device)
        self._errors: torch.Tensor | None = None  # [2, N], TD errors and surprises
        self._graph: Graphed | None = None
        self._may_capture = agent.device.type == "cuda"

    def __call__(self, batch: Transitions) -> None:
        """Make an update on ``batch``, unless a loss was not finite."""
        self.agent.resample_noise()
        self.num_updates += 1
        if self._may_capture and self._graph is None:
            self._capture(batch)
        if self._graph is None:
            self._errors = self._update(batch)
        else:
            self._errors = self._graph(batch)
            call_step_hooks(self.agent.optimizer)

    def read(self) -> tuple[Update, int] | None:
        """Wait for the device.

        Returns:
            The newest update, or the first whose loss was not finite, with its number from 1;
            None before any.
        """
        if self._errors is None:
            return None
        update = BatchLoss(self._lost, self._numbers, *self._errors).read()
        return update, int(self._made) + (not update.is_finite)

    def _update(self, batch: Transitions) -> torch.Tensor:
        agent, before = self.agent, self._lost.clone()
        loss = agent.loss_of(batch)
        self._lost.copy_(torch.maximum(before, (~loss.loss.isfinite()).float()))
        self._numbers.copy_(torch.where(before > 0, self._numbers, loss.numbers))
        self._made += self._lost == 0
        agent.optimizer.zero_grad(set_to_none=True)
        loss.loss.backward()
        agent.optimizer.found_inf = self._lost  # type: ignore[attr-defined]  # skips the step
        agent.optimizer.step()
        del agent.optimizer.found_inf  # type: ignore[attr-defined]
        agent.follow(1 - self._lost)
        return torch.stack((loss.td_errors, loss.surprises))

    def _capture(self, batch: Transitions) -> None:
        """Capture the update; the trial runs before it are lost ones, so they change nothing."""
        self._may_capture = False
        state = self._lost, self._made, self._numbers
        copies = [tensor.clone() for tensor in state]
        try:
            with without_step_hooks(self.agent.optimizer):
                self._lost.fill_(1)
                self._graph = Graphed(self._update, batch)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            warnings.warn(f"updates are not captured in a CUDA graph: {reason}", stacklevel=4)
        finally:
            for tensor, value in zip(state, copies, strict=True):
                tensor.copy_(value)
