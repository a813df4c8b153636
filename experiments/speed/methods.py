"""The methods that are compared, and what each is expected to cost."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import Tensor, nn

import qdiverge as qd
from experiments.speed.operations import Operations
from qdiverge.runs.provenance import installed

Kernel = Callable[[nn.Module, Tensor, "Tensor | str"], Tensor]
OURS = "qdiverge"


@dataclass(frozen=True)
class Method:
    """One way to the kernel.

    Attributes:
        name: Its name in the table.
        package: The distribution that must be installed.
        kernel: The function, or the module in ``peers`` that holds it.
        jacobians: How many N·A × P Jacobians it holds at its peak; 0: it holds factors alone.
    """

    name: str
    package: str
    kernel: Kernel | str
    jacobians: float

    @property
    def version(self) -> str | None:
        """Return the installed version, None where it is not installed."""
        return installed([self.package]).get(self.package)

    def load(self) -> Kernel:
        """Return the function."""
        if isinstance(self.kernel, str):
            return import_module(f"experiments.speed.peers.{self.kernel}").kernel
        return self.kernel

    def gigabytes(self, rows: int, num_parameters: int) -> float:
        """Return what it is expected to hold, [R, P] Jacobians and the kernel, in fp32."""
        return 4e-9 * (self.jacobians * rows * num_parameters + 2 * rows**2) + 0.1

    def multiply_adds(self, floor: Operations, rows: int, num_parameters: int) -> float:
        """Return what it is expected to take: the floor, or the Gram product of whole Jacobians."""
        if not self.jacobians:
            return 3.0 * floor.total
        return 3.0 * floor.total + rows**2 * num_parameters


def _ours(method: str) -> Kernel:
    def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
        return qd.NTK(network, method=method).kernel(observations, actions)

    return kernel


METHODS = (
    Method(OURS, "qdiverge", _ours("auto"), 0),
    Method("qdiverge per_sample", "qdiverge", _ours("per_sample"), 1.1),
    Method("torch.func, flat", "torch", "torch_func_flat", 2),
    Method("torch.func, by layer", "torch", "torch_func_layers", 1.1),
    Method("BackPACK", "backpack-for-pytorch", "backpack", 1.2),
    Method("nngeometry", "nngeometry", "nngeometry", 0),
    Method("TorchJD", "torchjd", "torchjd", 2),
    Method("neural-tangents", "neural-tangents", "neural_tangents", 2),
)


def short(name: str) -> str:
    """Return a method's name as it is typed.

    >>> short("torch.func, by layer")
    'torch.func-by-layer'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower())


def find(names: list[str]) -> list[Method]:
    """Return ours and the named peers ("all": every peer), in the table's order.

    Raises:
        ValueError: a name is unknown.
    """
    by_name = {short(method.name): method for method in METHODS}
    unknown = [name for name in names if name not in by_name and name != "all"]
    if unknown:
        raise ValueError(f"expected peers among {', '.join(by_name)} or all; got {unknown[0]!r}")
    return [
        method
        for name, method in by_name.items()
        if method.package == "qdiverge" or name in names or "all" in names
    ]
