"""Adam and RMSprop with the second moments that they have, held fast: the linearised map's own."""

import torch
from torch.optim import Adam, AdamW, Optimizer, RMSprop

_LONG = 1e18  # updates after which no correction of a bias is left
_HELD = 1 - 2.0**-53  # the largest β₂ below 1


def freeze_second_moments(optimizer: Optimizer) -> None:
    """Change an optimiser so that v stays and the step is −α m/(√v̂ + ε), without correction of m.

    RMSprop: its decay becomes 1. Adam, AdamW: v becomes v̂ = v/(1 − β₂ᵗ), t very large and β₂ as
    near to 1 as floats come. SGD has none.

    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> adam = Adam([weight], lr=0.5, betas=(0.0, 0.9), eps=0.0)
    >>> weight.grad = torch.tensor([2.0]); adam.step()  # v̂ = 4
    >>> freeze_second_moments(adam); _ = weight.data.zero_()
    >>> weight.grad = torch.tensor([8.0]); adam.step()
    >>> weight.item()  # −.5 · 8/√4
    -2.0
    """
    for group in optimizer.param_groups:
        if isinstance(optimizer, RMSprop):
            group["alpha"] = 1.0
        if isinstance(optimizer, Adam | AdamW):
            β1, β2 = group["betas"]
            for state in (optimizer.state[p] for p in group["params"]):
                state["exp_avg_sq"] /= 1 - β2 ** float(state["step"])
                state["step"] = torch.full_like(state["step"], _LONG)
            group["betas"] = (β1, _HELD)
