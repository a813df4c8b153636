"""Which actions are allowed where a network masks the others: Q of those is a number that was put.

Networks for games put −∞, −1e8 or the like where an action is not allowed, so that it is never the
greedy one. No mask is shown beside a batch; it is known by what it does: one number, far below all
other values, and no transition of the batch took such an action.
"""

import torch
from torch import Tensor

LEAST = 1e3  # |Q| below which no value is taken for a mask's
FAR = 100.0  # times the largest of the other values: how far off a mask's number lies
ALIKE = 1e-3  # of that number: how far its entries differ where a mask is added to the values


def allowed(q: Tensor, actions: Tensor) -> Tensor:
    """Return which entries are of actions that are allowed; all, where no mask is recognised.

    Args:
        q: Q(s_i, ·), [N, A].
        actions: integers [N], a_i: what was done is allowed.

    Returns:
        bool [N, A].

    >>> q = torch.tensor([[1.0, 2.0, -1e8], [-1e8, 0.5, 3.0]])
    >>> allowed(q, torch.tensor([0, 1])).tolist()
    [[True, True, False], [False, True, True]]
    >>> allowed(q, torch.tensor([2, 1])).all().item()  # it was done, so it is its value
    True
    """
    everything = torch.ones_like(q, dtype=torch.bool)
    low = q.amin()
    if not low <= -LEAST:
        return everything
    is_put = (q <= low + ALIKE * low.abs()) if torch.isfinite(low) else q == low
    rest = q[~is_put]
    is_taken = is_put.gather(1, actions.long()[:, None]).any()
    has_all = is_put.all(dim=1).any()
    if is_taken or has_all or not FAR * rest.abs().amax() <= -low or not rest.isfinite().all():
        return everything
    return ~is_put


def largest_allowed(q: Tensor, actions: Tensor) -> float:
    """Return max|Q| over allowed actions; [N, A], of critics [N, C] or [N].

    >>> largest_allowed(torch.tensor([[1.0, 2.0, -1e8]]), torch.tensor([0]))
    2.0
    """
    size = float(q.abs().amax())
    is_masked = not size < LEAST and q.ndim == 2 and not actions.is_floating_point()
    return float(q[allowed(q, actions)].abs().amax()) if is_masked else size
