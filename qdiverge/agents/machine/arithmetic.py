"""In which arithmetic the learner evaluates its networks; the weights are fp32 in all of them."""

import platform
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from qdiverge.agents.machine.fast_linear import FastLinear, is_faster

Precision = Literal["float32", "bfloat16"]
LARGE_LAYER = 262_144  # weights; networks without such a layer lose by the detour


class Arithmetic:
    """Evaluates networks in one precision on one device.

    "float32": on a CPU with large linear layers through oneDNN, see fast_linear. "bfloat16":
    products and convolutions in bfloat16 by torch.autocast, forwards and backwards; weights,
    gradients of weights, optimiser states, outputs and all that follows them stay fp32.

    Args:
        precision: One of the two.
        device: Where the networks are.
        network: One of them; the others are built alike.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> with torch.no_grad(): _ = layer.weight.fill_(1 / 3)
    >>> bfloat16 = Arithmetic("bfloat16", torch.device("cpu"), layer)
    >>> bfloat16.evaluate(layer, torch.ones(1, 1)).item()  # 171/512: 8 bits of a third
    0.333984375
    """

    def __init__(self, precision: Precision, device: torch.device, network: nn.Module) -> None:
        self.precision = precision
        self.device = device
        is_large = any(
            isinstance(layer, nn.Linear) and layer.weight.numel() >= LARGE_LAYER
            for layer in network.modules()
        )
        self._has_fast_linear = device.type == "cpu" and is_large and is_faster()

    def evaluate(self, network: Callable[[Tensor], Tensor], observations: Tensor) -> Tensor:
        """Return the network's outputs for ``observations`` [N, ...].

        Returns:
            [N, ...], fp32 or whatever wider type the network is in.
        """
        with self._context():
            outputs = network(observations)
        return outputs.float() if self.precision == "bfloat16" else outputs

    @property
    def slowness(self) -> str | None:
        """Say in a sentence what makes this precision slower than fp32 here; None: nothing does.

        An x86 processor without AVX-512 has no bfloat16 in oneDNN: PyTorch then emulates it, and
        an update of the Nature network takes some 8 times as long.
        """
        capability = torch.backends.cpu.get_cpu_capability()
        is_x86 = platform.machine().lower() in ("x86_64", "amd64")
        is_emulated = self.device.type == "cpu" and is_x86 and not capability.startswith("AVX512")
        if self.precision == "float32" or not is_emulated:
            return None
        return (
            f"bfloat16 is emulated on this processor ({capability}, no AVX-512) and much slower "
            "than fp32: leave --precision out, or go on with patience."
        )

    def _context(self) -> AbstractContextManager[object]:
        if self.precision == "bfloat16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return FastLinear() if self._has_fast_linear else nullcontext()
