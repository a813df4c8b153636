"""The optimisers a run can name, among them the RMSProp of the Nature paper to the letter."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.agents.preqn import make_preqn
from qdiverge.agents.settings.dqn_config import DQNConfig


class NatureRMSprop(torch.optim.RMSprop):
    """The centred RMSProp of Mnih et al. (2015): its constant stands inside the root.

        ḡ ← .95 ḡ + .05 g,  v ← .95 v + .05 g²,  θ ← θ − α g / √(v − ḡ² + .01)

    Source: Extended Data Table 1 and the published code; torch's own divides by √(v − ḡ²) + .01.

    The state keeps ``square_avg`` = v + .01, which follows g² + .01 from .01 on: the step is then
    torch's formula with no constant outside, and whoever reads the state of an RMSprop reads the
    true preconditioner.

    Args:
        params: As in torch.
        lr: α.
        decay: Of both averages.
        constant: Added inside the root.

    >>> weight = nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = NatureRMSprop([weight], lr=0.1, decay=0.5, constant=0.75)
    >>> weight.grad = torch.tensor([1.0])
    >>> optimizer.step()  # ḡ = .5, v = .5: 1 − .1 · 1 / √(.5 − .25 + .75)
    >>> weight.data
    tensor([0.9000])
    """

    steps_as = torch.optim.RMSprop  # with the state that it keeps

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, decay: float = 0.95, constant: float = 0.01
    ) -> None:
        super().__init__(params, lr=lr, alpha=decay, eps=0.0, centered=True)
        for group in self.param_groups:
            group["constant"] = constant

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step.

        Args:
            closure: Evaluates the loss anew, as in torch.

        Returns:
            The closure's loss, or None.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, g: Tensor, group: dict[str, Any]) -> None:
        constant = group["constant"]
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["square_avg"] = torch.full_like(parameter, constant)
            state["grad_avg"] = torch.zeros_like(parameter)
        state["step"] += 1
        state["grad_avg"].lerp_(g, 1 - group["alpha"])
        state["square_avg"].lerp_(g.square() + constant, 1 - group["alpha"])
        root = (state["square_avg"] - state["grad_avg"].square()).sqrt_()
        parameter.addcdiv_(g, root, value=-group["lr"])


def make_optimizer(q_network: nn.Module, config: DQNConfig) -> torch.optim.Optimizer:
    """Return the optimiser that ``config`` names, over every parameter.

    Returns:
        PreQN, which sees the batch; fused Adam; the centred RMSProp of Mnih et al. (2015), Extended
        Data Table 1 (decay .95, constant .01), exact as "nature_rmsprop", with the constant outside
        the root, as PyTorch has it, as "rmsprop"; or plain SGD. The paper's code sums the gradients
        of a batch of B, where ours are their mean: "nature_rmsprop" takes .01 / B², which gives the
        same step.
    """
    if config.update == "preqn":
        return make_preqn(q_network, config)
    parameters = q_network.parameters()
    rate = config.learning_rate
    if config.optimizer == "adam":
        on_gpu = next(q_network.parameters()).is_cuda  # then a CUDA graph can hold the step
        return torch.optim.Adam(
            parameters, lr=rate, eps=config.adam_epsilon, fused=True, capturable=on_gpu
        )
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=0.95, eps=0.01, centered=True)
    if config.optimizer == "nature_rmsprop":
        return NatureRMSprop(parameters, lr=rate, constant=0.01 / config.batch_size**2)
    return torch.optim.SGD(parameters, lr=rate)
