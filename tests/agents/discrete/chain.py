"""A chain whose Q* is known."""

import torch

from qdiverge.transitions import Transitions


def three_state_chain():
    """s0 → s1 → end by action 1, reward 1 at the end; action 0 stays. All that can happen, once."""
    return Transitions(
        observations=torch.eye(2).repeat_interleave(2, dim=0),  # each state with both actions
        actions=torch.tensor([0, 1, 0, 1]),
        rewards=torch.tensor([0.0, 0.0, 0.0, 1.0]),
        next_observations=torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]),
        terminated=torch.tensor([False, False, False, True]),
    )
