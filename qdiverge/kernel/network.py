"""The network as a pure function of its parameters: the module itself is only ever read."""

import contextlib
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from qdiverge.calling import critic_column, q_table
from qdiverge.errors import (
    InvalidTypeError,
    InvalidValueError,
    UnsupportedNetworkError,
)
from qdiverge.generators import same_generators
from qdiverge.kernel.compiled_parts import compiled_parts_eager
from qdiverge.kernel.own_state import check_made, has_more_than_torchs, same_own_state
from qdiverge.kernel.pairs import Pairs, all_finite
from qdiverge.tensor_checks import check_tensor
from qdiverge.thing_checks import check_instance, type_of

Networks = nn.Module | Sequence[nn.Module]  # a Q-network; or one critic or several
WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)
FABRICS = {"_forward_module", "_original_module"}  # the children of Lightning Fabric's wrapper


@dataclass(frozen=True)
class Network:
    """Q(x; θ) with θ an argument.

    Attributes:
        module: The module inside every wrapper (torch.compile, DataParallel, Fabric).
        prefix: What the wrappers put before its parameters' names.
        params: Copies of the trainable parameters, by the module's own names; tied ones once.
        frozen: Copies of the others.
        buffers: The buffers, copied afresh for each forward.
    """

    module: nn.Module
    prefix: str
    params: dict[str, Tensor]
    frozen: dict[str, Tensor]
    buffers: dict[str, Tensor]
    dtype: torch.dtype

    def values(self, params: dict[str, Tensor], pairs: Pairs) -> Tensor:
        """Return the differentiated outputs [N, A'] at ``pairs``."""
        state = {**self.frozen, **{k: v.clone() for k, v in self.buffers.items()}, **params}
        inputs = (pairs.observations, pairs.actions) if pairs.is_critic else (pairs.observations,)
        return pairs.select(_check_values(functional_call(self.module, state, inputs), pairs))


def unwrap(q_net: nn.Module) -> tuple[nn.Module, str]:
    """Return the module inside torch.compile, DataParallel and Fabric, and its names' prefix."""
    prefix = ""
    while True:
        if "_orig_mod" in q_net._modules:
            q_net, prefix = q_net._modules["_orig_mod"], prefix + "_orig_mod."  # type: ignore[assignment]
        elif isinstance(q_net, WRAPPERS):
            q_net, prefix = q_net.module, prefix + "module."
        elif q_net._modules.keys() == FABRICS:
            q_net, prefix = q_net._modules["_forward_module"], prefix + "_forward_module."  # type: ignore[assignment]
        else:
            return q_net, prefix


def each_of(networks: Any, name: str = "q_net") -> list[nn.Module]:
    """Return one network, or several, as a list.

    Raises:
        InvalidTypeError: one of them is no module.
        InvalidValueError: there is none among several.
    """
    if isinstance(networks, nn.Module) and not isinstance(networks, nn.ModuleList):
        return [networks]
    several = isinstance(networks, Sequence | nn.ModuleList) and not isinstance(networks, str)
    if not several or not all(isinstance(network, nn.Module) for network in networks):
        got = type_of(networks)
        if several:
            got += " of " + ", ".join(sorted({type_of(each) for each in networks}))
        raise InvalidTypeError(f"{name} must be a torch.nn.Module, or several", got=got)
    if not len(networks):
        raise InvalidValueError(f"{name} must be a torch.nn.Module, or several", got="none")
    return list(networks)


def first_parameter(networks: Sequence[nn.Module]) -> nn.Parameter:
    """Return the first floating-point parameter: the others' device and dtype are its own.

    Raises:
        InvalidValueError: there is none.
    """
    for network in networks:
        for parameter in network.parameters():
            if parameter.is_floating_point():
                return parameter
    raise InvalidValueError("q_net must have a trainable parameter", got="none")


def module_of(policy: Any) -> nn.Module | None:
    """Return the module behind a module or a bound method of one; None where there is none.

    >>> net = nn.Linear(1, 1)
    >>> module_of(net) is net, module_of(net.forward) is net, module_of(abs)
    (True, True, None)
    """
    module = policy if isinstance(policy, nn.Module) else getattr(policy, "__self__", None)
    return module if isinstance(module, nn.Module) else None


def read_network(q_net: nn.Module, dtype: torch.dtype | None = None) -> Network:
    """Copy what a forward pass needs out of ``q_net``.

    Raises:
        InvalidTypeError: it is no module, is scripted, or a parameter is not real floating point.
        InvalidValueError: nothing is trainable, a parameter is not finite, or devices differ.
    """
    module, prefix = unwrap(check_instance("q_net", q_net, nn.Module))
    if any(isinstance(part, torch.jit.ScriptModule) for part in module.modules()):
        raise InvalidTypeError(
            "q_net must be a module whose forward is Python's",
            got="a scripted or traced one",
            remedy="Pass the module that torch.jit was given, with the same weights.",
        )
    named = dict(module.named_parameters())
    check_made(named)
    for name, parameter in named.items():
        if parameter.requires_grad and not parameter.is_floating_point():
            raise InvalidTypeError(
                "trainable parameters must be real floating point", got=f"{name}: {parameter.dtype}"
            )
    trainable = [name for name, parameter in named.items() if parameter.requires_grad]
    if not trainable:
        raise InvalidValueError(
            "q_net must have a trainable parameter",
            got="none with requires_grad",
            remedy="The kernel of a frozen network is zero.",
        )
    for name, parameter in named.items():
        check_tensor(f"the parameter {name}", parameter)
    devices = {p.device for p in named.values()}
    if len(devices) > 1:
        raise InvalidValueError(
            "q_net's parameters must be on one device", got=sorted(map(str, devices))
        )
    copies = {name: _copy(parameter, dtype) for name, parameter in named.items()}
    if not all_finite([copies[name] for name in trainable]):
        bad = next(name for name in trainable if not all_finite([copies[name]]))
        raise InvalidValueError(
            "q_net's parameters must be finite",
            got=f"NaN or infinity in {prefix + bad}",
            remedy="The network has diverged already: load an earlier checkpoint.",
        )
    return Network(
        module=module,
        prefix=prefix,
        params={name: copies[name] for name in trainable},
        frozen={name: copy for name, copy in copies.items() if name not in set(trainable)},
        buffers={name: _copy(buffer, dtype) for name, buffer in module.named_buffers()},
        dtype=dtype or copies[trainable[0]].dtype,
    )


_EMPTY: dict[str, Any] = {}


@contextlib.contextmanager
def untouched(module: nn.Module, dtype: torch.dtype | None = None) -> Iterator[None]:
    """Give a calculation its own modes, and put back whatever a forward pass may change.

    Gradients on, autocast and inference mode off, compiled parts eager; afterwards the global
    random states (torch's, numpy's, Python's) and every attribute of every submodule (training
    flags, hooks, hidden states, generators of its own) are as before.
    """
    saved = [(m, dict(m.__dict__)) for m in module.modules()]
    hooks = [(d, dict(d) if d else _EMPTY) for _, own in saved for d in _registries(own)]
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    with contextlib.ExitStack() as stack:
        stack.enter_context(same_generators(device))
        stack.enter_context(same_own_state(m for m, _ in saved if has_more_than_torchs(m)))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(without_autocast(device))
        stack.enter_context(compiled_parts_eager(module))
        if dtype is not None:
            stack.enter_context(casting(dtype))
        try:
            yield
        finally:
            for registry, content in hooks:
                if len(registry) != len(content) or (content and not _is_same(registry, content)):
                    registry.clear()
                    registry.update(content)
            for m, attributes in saved:
                _restore(m, attributes)


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Return what switches autocast off on a device; "meta" knows none."""
    if not torch.amp.is_autocast_available(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)


class casting(TorchFunctionMode):  # noqa: N801  (called like a function)
    """Let a network's own casts to float32 (as in ``frames.float() / 255``) go to ``dtype``.

    Slow: every operation passes through it.

    Attributes:
        has_cast: Whether there was any cast so far.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype, self.has_cast = dtype, False

    def __enter__(self) -> "casting":
        self._default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        super().__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        torch.set_default_dtype(self._default)

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = dict(kwargs or {})
        if func is torch.Tensor.float:
            self.has_cast = True
            return args[0].to(self.dtype)
        is_moved = func in (torch.Tensor.to, torch.Tensor.type)
        if is_moved and any(a is torch.float32 for a in args):
            self.has_cast = True
            args = tuple(self.dtype if a is torch.float32 else a for a in args)
        if kwargs.get("dtype") is torch.float32:
            self.has_cast = True
            kwargs["dtype"] = self.dtype
        return func(*args, **kwargs)


def _copy(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    is_cast = dtype is not None and tensor.is_floating_point()
    return tensor.detach().to(dtype if is_cast else tensor.dtype, copy=True)


def _registries(attributes: dict) -> list[dict]:
    """Return the dicts of a module that hold its parameters, buffers, children and hooks."""
    return [v for k, v in attributes.items() if isinstance(v, dict) and k.startswith("_")]


def _is_same(registry: dict, content: dict) -> bool:
    """Return whether the same things stand in both, which are as long, in the same order."""
    return all(map(operator.is_, registry.values(), content.values()))


def _restore(module: nn.Module, attributes: dict) -> None:
    now = module.__dict__
    for key in [k for k in now if k not in attributes]:
        del now[key]
    for key, value in attributes.items():
        if now.get(key) is not value:
            now[key] = value


def _check_values(values: object, pairs: Pairs) -> Tensor:
    """Return the network's output when it is [N, A], or [N] or [N, 1] for a critic."""
    if not isinstance(values, Tensor):
        raise UnsupportedNetworkError(
            "q_net must return a tensor of Q-values",
            got=type(values).__name__,
            remedy="Wrap it in a module whose forward returns the Q-values alone.",
        )
    (critic_column if pairs.is_critic else q_table)(values, len(pairs))
    return values
