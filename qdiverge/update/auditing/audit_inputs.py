"""What an audit reads: the gradient that the loop left, and Q at the batch with its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.errors import InvalidValueError
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.half_precision import half_unit
from qdiverge.update.auditing.still_calls import critic_values, q_values
from qdiverge.update.auditing.td_columns import Array


@dataclass(frozen=True)
class Reading:
    """The gradient g of a loop and the graph of Q at its batch.

    Attributes:
        params: The trainable parameters by name, those of several networks together.
        gradient: g, the ``.grad`` of those that have one, in a row, [P].
        outputs: Q(s_i, ·) [N, A], or Q_c(s_i, a_i) [N, C] of critics, with its graph.
        actions: Integers [N]; None for critics.
        leaves: What stands for the parameters in that graph, by their ids.
    """

    params: dict[str, Tensor]
    gradient: Tensor
    outputs: Tensor
    actions: Tensor | None
    leaves: dict[int, Tensor]

    def pull(self, slopes: Array, actions: Tensor | None = None) -> Tensor:
        """Return Jᵀ w over the parameters that have a gradient, [P].

        Args:
            slopes: w, [N, C]; or [N, A] for every action.
            actions: Whose Q a single column is of; None: the shown ones.
        """
        w = torch.as_tensor(slopes, dtype=self.outputs.dtype, device=self.outputs.device)
        if self.actions is not None and w.shape[1] == 1:
            chosen = self.actions if actions is None else actions
            w = torch.zeros_like(self.outputs).scatter_(1, chosen[:, None], w)
        return self.flat(self.gradients(self.outputs, w))

    def gradients(
        self, outputs: Tensor | Sequence[Tensor], w: Tensor | Sequence[Tensor]
    ) -> list[Tensor | None]:
        """Return Σ w ∂outputs/∂θ by parameter; the graph stays."""
        return list(
            torch.autograd.grad(
                outputs, list(self.leaves.values()), w, retain_graph=True, allow_unused=True
            )
        )

    def flat(self, gradients: Sequence[Tensor | None]) -> Tensor:
        """Return the entries of the parameters that have a gradient in a row, [P]."""
        pairs = zip(self.params.values(), gradients, strict=True)
        parts = [p.new_zeros(p.numel()) if x is None else x.to_dense().reshape(-1)
                 for p, x in pairs if p.grad is not None]  # fmt: skip
        return torch.cat(parts).detach()

    @property
    def theta(self) -> Tensor:
        """Return θ of the parameters that have a gradient, [P]."""
        return self.flat(list(self.params.values()))

    def without_gradient(self) -> list[str]:
        """Return the names of parameters that Q depends on and whose ``.grad`` is None."""
        none = {name: p for name, p in self.params.items() if p.grad is None}
        if not none:
            return []
        own = torch.autograd.grad(
            self.outputs.sum(),
            [self.leaves[id(p)] for p in none.values()],
            retain_graph=True,
            allow_unused=True,
        )
        return [name for name, x in zip(none, own, strict=True) if x is not None and bool(x.any())]

    def by_parameter(self, flat: Tensor) -> dict[int, Tensor]:
        """Return a row such as :attr:`gradient`, where it is not zero, by the parameters' ids."""
        given = [p for p in self.params.values() if p.grad is not None]
        parts = zip(given, flat.split([p.numel() for p in given]), strict=True)
        return {id(p): x.reshape(p.shape) for p, x in parts if self.actions is not None or x.any()}

    @property
    def unit(self) -> float:
        """Return the unit of rounding of the gradient's type."""
        return float(torch.finfo(self.gradient.dtype).eps)

    def rounding(self) -> float:
        """Return the same, of autocast's type where it was made so."""
        return max(self.unit, half_unit(self.gradient) or 0.0)


def read(modules: Sequence[nn.Module], batch: Transitions) -> Reading:
    """Return the gradient in ``.grad`` and Q at the batch.

    Raises:
        InvalidValueError: there is no gradient, or it is not finite.
    """
    named: dict[str, Tensor] = {}
    for index, module in enumerate(modules):
        prefix = f"{index}." if len(modules) > 1 else ""
        named.update({prefix + k: p for k, p in module.named_parameters() if p.requires_grad})
    given = [p.grad for p in named.values() if p.grad is not None]
    if not given:
        raise InvalidValueError(
            "the parameters of q_net must have a gradient",
            got="None in every .grad" if named else "no trainable parameter",
            remedy="Call audit after loss.backward() and before optimizer.step() or zero_grad().",
        )
    gradient = torch.cat([g.detach().to_dense().reshape(-1) for g in given])
    if not bool(torch.isfinite(gradient.sum())) and not bool(gradient.isfinite().all()):
        raise InvalidValueError(
            "the loop must leave a finite gradient",
            got="NaN or infinity in .grad",
            remedy="The run has diverged, or AMP's scale overflowed: that step is skipped anyway.",
        )
    leaves = {id(p): p.detach().requires_grad_() for p in named.values()}
    if batch.actions.is_floating_point():
        values = critic_values(modules, *inputs_of(batch), leaves=leaves)
        return Reading(named, gradient, values, None, leaves)
    outputs = q_values(modules[0], batch.observations, leaves)
    actions = batch.actions.long()
    if actions.ndim != 1 or int(actions.min()) < 0 or int(actions.max()) >= outputs.shape[1]:
        raise InvalidValueError(
            f"integer actions must have shape [N] and lie in 0 … {outputs.shape[1] - 1}",
            got=f"shape {list(actions.shape)}, {int(actions.min())} … {int(actions.max())}",
        )
    return Reading(named, gradient, outputs, actions, leaves)


def inputs_of(batch: Transitions) -> tuple[Tensor, Tensor]:
    """Return (s, a)."""
    return batch.observations, batch.actions


def numbers(tensor: Tensor) -> Array:
    """Return a tensor in float64, for the algebra on [N] and [N, N]."""
    return np.asarray(tensor.detach().double().cpu())
