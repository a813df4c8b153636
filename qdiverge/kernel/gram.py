"""Gram products x yᵀ, in full precision or with rounded inputs; sums are always kept in full."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PRECISIONS = ("full", "tf32", "bf16x3", "bf16")


@dataclass(frozen=True)
class Gram:
    """x yᵀ where the inputs are rounded first.

    The relative error of K in float32 on the Nature network: "tf32" 4e-5, "bf16" 3e-4, "bf16x3"
    (each input as the sum of two bfloat16 numbers) 3e-6. Other dtypes are always taken in full. On
    CUDA the tensor cores do the rounded product; elsewhere it is emulated, with no gain in speed.

    Attributes:
        precision: "full", "tf32", "bf16x3" or "bf16".
    """

    precision: str = "full"

    def add(self, out: Tensor, x: Tensor, y: Tensor) -> None:
        """Add x yᵀ to ``out`` [R, S]; x [R, p], y [S, p]."""
        if self._is_full(x):
            out.addmm_(x, y.T)
        else:
            out += self.product(x, y)

    def product(self, x: Tensor, y: Tensor) -> Tensor:
        """Return x yᵀ."""
        if self._is_full(x):
            return x @ y.T
        if self.precision == "tf32":
            return round_to_tf32(x) @ round_to_tf32(y).T
        left, right = x.bfloat16(), y.bfloat16()
        product = _bfloat16_product(left, right)
        if self.precision == "bf16x3":
            product += _bfloat16_product(left, (y - right).bfloat16())
            product += _bfloat16_product((x - left).bfloat16(), right)
        return product

    def _is_full(self, x: Tensor) -> bool:
        """Return whether the plain product is meant; on CUDA TF32 is a mode of it."""
        on_cores = self.precision == "tf32" and x.is_cuda
        return self.precision == "full" or x.dtype != torch.float32 or on_cores

    @contextlib.contextmanager
    def mode(self, device: torch.device) -> Iterator[None]:
        """Set the CUDA product's mode, whatever the user's; convolutions run in full float32."""
        if device.type != "cuda":
            yield
            return
        switches = torch.backends.cuda.matmul, torch.backends.cudnn.conv  # type: ignore[attr-defined]
        before = [switch.fp32_precision for switch in switches]
        try:
            switches[0].fp32_precision = "tf32" if self.precision == "tf32" else "ieee"
            switches[1].fp32_precision = "ieee"
            yield
        finally:
            for switch, value in zip(switches, before, strict=True):
                switch.fp32_precision = value


def round_to_tf32(x: Tensor) -> Tensor:
    """Return float32 numbers rounded to the 10 bits of mantissa that TF32 keeps.

    >>> float(round_to_tf32(torch.tensor(1 + 2**-10))) == 1 + 2**-10
    True
    >>> float(round_to_tf32(torch.tensor(1 + 2**-12)))
    1.0
    """
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0x1000) & ~0x1FFF).view(torch.float32)


def _bfloat16_product(x: Tensor, y: Tensor) -> Tensor:
    """Return x yᵀ of bfloat16 inputs in float32: products of two are exact in it."""
    if x.is_cuda:
        return torch.mm(x, y.T, out_dtype=torch.float32)
    return x.float() @ y.float().T
