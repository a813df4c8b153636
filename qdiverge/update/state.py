"""The state that an update moves, as one vector: weights, buffers, targets, moments."""

from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.update.copies import Copies, state_tensors

SECOND_MOMENTS = frozenset({"exp_avg_sq", "max_exp_avg_sq", "square_avg", "sum"})  # never negative


@dataclass(frozen=True, eq=False)
class Place:
    """Where one tensor of the state is kept, and its part of the vector.

    Attributes:
        holder: The dict that holds it: of parameters, of buffers, or of an optimiser.
        key: Its name there.
        part: Where it lies in the vector.
        parameter: The parameter that it is, or belongs to; None: a buffer.
        room: What is put there, over and over.
    """

    holder: MutableMapping[str, Any]
    key: str
    part: slice
    parameter: Tensor | None
    room: Tensor

    @property
    def tensor(self) -> Tensor:
        """Return the tensor as it is now."""
        value: Tensor = self.holder[self.key]
        return value


class State:
    """The state x = (θ, θ⁻, moments) of :class:`Copies`, read into a vector and written back.

    What is no part of x (counts of steps, learning rates, integers) is put back by every
    :meth:`write` to what it was when the state was made, so that x → x' is a function.

    Args:
        copies: The networks and optimisers; each optimiser has made a step.

    Attributes:
        online: The part of the vector that holds the networks.
        target: The part that holds the targets, in the same order.

    >>> net = nn.Linear(1, 1)
    >>> state = State(Copies((net,), (), ()))
    >>> state.write(torch.tensor([2.0, 3.0]))
    >>> net(torch.ones(1, 1)).item(), state.read()
    (5.0, tensor([2., 3.]))
    """

    def __init__(self, copies: Copies) -> None:
        self._places: list[Place] = []
        self._length = 0
        self.online = self._add(copies.networks)
        self.target = self._add(copies.targets)
        entries = [(p, e) for o in copies.optimizers for p, e in o.state.items()]
        for parameter, holder in entries:
            for key, tensor in state_tensors(holder):
                self._place(holder, key, tensor, parameter)
        self.moments = [p for p in self._places if p.part.start >= self.target.stop]
        inside = {(id(place.holder), place.key) for place in self._places}
        holders = [holder for _, holder in entries]
        holders += [part._buffers for net in copies.networks + copies.targets
                    for part in net.modules()]  # fmt: skip
        holders += [group for optimizer in copies.optimizers for group in optimizer.param_groups]
        self._rest = [
            (holder, key, _copied(value))
            for holder in holders
            for key, value in holder.items()
            if (id(holder), key) not in inside and key != "params"
        ]

    def __len__(self) -> int:
        return self._length

    def read(self, out: Tensor | None = None) -> Tensor:
        """Return x, a copy; in ``out``, where there is one."""
        return torch.cat([place.tensor.detach().reshape(-1) for place in self._places], out=out)

    @torch.no_grad()
    def write(self, x: Tensor) -> None:
        """Put x into the networks and optimisers, in the memory layout that each tensor has."""
        for place in self._places:
            place.holder[place.key] = place.room
            place.room.copy_(x[place.part].view(place.room.shape))
        for place in self._places:
            if place.key in SECOND_MOMENTS:
                place.tensor.clamp_(min=_least(place.holder))
        for holder, key, value in self._rest:
            holder[key] = _copied(value)

    def part_of(self, parameter: Tensor | None) -> slice:
        """Return the part of x that holds a parameter; empty where x does not."""
        own = (place.part for place in self._places if place.tensor is parameter)
        return next(own, slice(0, 0))

    def _add(self, networks: tuple[nn.Module, ...]) -> slice:
        start, seen = self._length, set()
        for holder, key, tensor in _floating(networks):
            if id(tensor) not in seen:
                seen.add(id(tensor))
                own = tensor if isinstance(tensor, nn.Parameter) else None
                self._place(holder, key, tensor, own)
        return slice(start, self._length)

    def _place(self, holder: Any, key: str, tensor: Tensor, parameter: Tensor | None) -> None:
        part = slice(self._length, self._length + tensor.numel())
        self._length = part.stop
        room = tensor if tensor is parameter else torch.empty_like(tensor)
        self._places.append(Place(holder, key, part, parameter, room))


def _floating(networks: tuple[nn.Module, ...]) -> Iterator[tuple[Any, str, Tensor]]:
    for part in (part for network in networks for part in network.modules()):
        for holder in (part._parameters, part._buffers):
            for key, tensor in holder.items():
                if tensor is not None and tensor.is_floating_point():
                    yield holder, key, tensor


def _least(holder: MutableMapping[str, Any]) -> Tensor:
    """Return the least that E[g²] can be: E[g]², where centred RMSprop keeps that; else 0."""
    mean = holder.get("grad_avg")
    return mean.square() if isinstance(mean, Tensor) else torch.zeros(())


def _copied(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
