"""Adam and RMSprop with the second moments that they have, held fast."""

from collections.abc import Iterable

import torch
from torch.optim import Adam, NAdam, Optimizer, RAdam, RMSprop

from qdiverge.errors import InvalidTypeError, InvalidValueError

_LONG = 1e18  # updates after which no correction of a bias is left
_HELD = 1 - 2.0**-53  # the largest β₂ below 1


def freeze_second_moments(optimizers: Iterable[Optimizer]) -> None:
    """Change optimisers so that v stays and the step is −α m/(√v̂ + ε), without correction of m.

    RMSprop: its decay becomes 1. Adam, AdamW: v becomes v̂ = v/(1 − β₂ᵗ), t very large and β₂ as
    near to 1 as floats come. SGD has none.

    Raises:
        InvalidTypeError: another optimiser.
        InvalidValueError: it has made no step.

    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> adam = Adam([weight], lr=0.5, betas=(0.0, 0.9), eps=0.0)
    >>> weight.grad = torch.tensor([2.0]); adam.step()  # v̂ = 4
    >>> freeze_second_moments([adam]); _ = weight.data.zero_()
    >>> weight.grad = torch.tensor([8.0]); adam.step()
    >>> weight.item()  # −.5 · 8/√4
    -2.0
    """
    for optimizer in optimizers:
        is_adam = isinstance(optimizer, Adam) and not isinstance(optimizer, NAdam | RAdam)
        if not (is_adam or isinstance(optimizer, RMSprop | torch.optim.SGD)):
            raise InvalidTypeError(
                "second moments are held fast of Adam, AdamW and RMSprop",
                got=type(optimizer).__name__,
                remedy='Use second_moments="live".',
            )
        for group in optimizer.param_groups:
            if isinstance(optimizer, RMSprop | Adam) and not optimizer.state:
                raise InvalidValueError(
                    "an optimiser with second moments was expected",
                    got="one that has made no step",
                    remedy="Make one update first.",
                )
            if isinstance(optimizer, RMSprop):
                group["alpha"] = 1.0
            if is_adam:
                _hold(optimizer, group)


def _hold(optimizer: Optimizer, group: dict) -> None:
    """Replace v by v̂, and let neither β₂ nor the count of steps matter."""
    β1, β2 = group["betas"]
    for state in (optimizer.state[p] for p in group["params"] if optimizer.state.get(p)):
        correction = 1 - β2 ** float(state["step"])
        for key in ("exp_avg_sq", "max_exp_avg_sq"):
            if key in state:
                state[key] = state[key] / correction
        state["step"] = torch.full_like(state["step"], _LONG)
    group["betas"] = (β1, _HELD)
