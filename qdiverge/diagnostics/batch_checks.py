"""What is wrong with a batch, or with the outputs of a network on it: said by name."""

import inspect

import torch
from torch import Tensor, nn

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.transitions import Transitions

IS_ONE = 1e-4  # from 1: what rounding may leave of a sum of probabilities


def check_batch(batch: Transitions) -> None:
    """Raise unless rewards are finite and terminal flags lie in [0, 1].

    Raises:
        InvalidValueError: they are not; the field and an entry of it are named.

    >>> s, a = torch.zeros(2, 1), torch.zeros(2).long()
    >>> check_batch(Transitions(s, a, torch.tensor([0.0, torch.nan]), s, torch.zeros(2)))
    Traceback (most recent call last):
    qdiverge.errors.InvalidValueError: rewards must be finite; got nan in row 1. ...
    """
    finite = torch.isfinite(batch.rewards)
    if not bool(finite.all()):
        row = int((~finite).nonzero()[0])
        raise InvalidValueError(
            "rewards must be finite",
            got=f"{float(batch.rewards[row])} in row {row}",
            remedy="Find what made it: the environment, a normalisation, a buffer not filled yet.",
        )
    flags = batch.terminated.to(torch.float64)
    wrong = ~((flags >= 0) & (flags <= 1))
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        raise InvalidValueError(
            "terminated must be 0 or 1",
            got=f"{float(flags[row]):g} in row {row}",
            remedy="1 where the episode ended in s' itself, 0 elsewhere.",
        )


def check_actions(actions: Tensor, num_actions: int) -> None:
    """Raise an InvalidValueError unless integer actions are among the A that the network values.

    >>> check_actions(torch.tensor([0, 3]), 3)
    Traceback (most recent call last):
    qdiverge.errors.InvalidValueError: actions must lie in 0 … 2; got 0 … 3. The...
    """
    least, most = (int(value) for value in torch.aminmax(actions))
    if least < 0 or most >= num_actions:
        raise InvalidValueError(
            f"actions must lie in 0 … {num_actions - 1}",
            got=f"{least} … {most}",
            remedy=f"The network returns {num_actions} Q-values.",
        )


def with_integers(batch: Transitions, network: nn.Module) -> Transitions:
    """Return the batch with integer actions where floating-point ones are numbers of actions.

    They are where the network takes observations alone: such actions [N, 1] are whole numbers that
    a buffer of floats has kept.

    Raises:
        InvalidTypeError: they are no whole numbers, or more than one for each row.
    """
    actions = batch.actions
    if not actions.is_floating_point() or not _takes_observations_alone(network):
        return batch
    if actions.ndim == 2 and actions.shape[1] == 1 and bool((actions == actions.round()).all()):
        fields = {f: getattr(batch, f) for f in vars(batch.plain())}
        return Transitions(**fields | {"actions": actions.squeeze(1).long()})
    raise InvalidTypeError(
        "actions must be integers for a network that takes observations alone",
        got=f"{actions.dtype} of shape {list(actions.shape)}",
        remedy="Pass integers [N]; a critic's forward takes observations and actions.",
    )


def why_no_q_values(values: Tensor) -> str:
    """Return what the outputs of a network are instead of Q-values; "" where they may be such.

    Args:
        values: [N, A].

    >>> why_no_q_values(torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
    'probabilities: each row sums to 1'
    >>> why_no_q_values(torch.log_softmax(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), 1))
    'log-probabilities: the exponentials of each row sum to 1'
    >>> why_no_q_values(torch.tensor([[0.25, 0.75], [0.5, 0.6]]))
    ''
    """
    if values.ndim != 2 or values.shape[1] < 2:
        return ""
    if bool((values >= 0).all()) and _are_one(values.sum(1)):
        return "probabilities: each row sums to 1"
    if bool((values <= 0).all()) and _are_one(values.exp().sum(1)):
        return "log-probabilities: the exponentials of each row sum to 1"
    return ""


def check_q_values(values: Tensor) -> None:
    """Raise an InvalidValueError where a network's outputs [N, A] are a policy's."""
    if reason := why_no_q_values(values):
        raise InvalidValueError(
            "q_net must return Q-values",
            got=reason,
            remedy="Pass the critic, not the policy; without its softmax.",
        )


def _are_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < IS_ONE).all())


def _takes_observations_alone(network: nn.Module) -> bool:
    """Return whether a forward pass with two inputs is no call of the network."""
    try:
        inspect.signature(network.forward).bind(0, 0)
    except TypeError:
        return True
    except ValueError:  # it has no signature
        return False
    return False
