"""Who is to blame: an unstable eigenvalue split over layers, pairs and sampling weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.checks import check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_finite
from qdiverge.theory.matrix_checks import check_rho, check_weights, on_cpu
from qdiverge.thing_checks import check_instance

_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Attribution:
    """One eigenvalue λ of AD and its shares; real parts, so that they sum to Re λ."""

    eigenvalue: complex
    condition: float  # ‖w‖‖v‖/|wᴴv|; where it is large, shares are large and cancel
    layers: dict[str, float]  # Re wᴴA^(ℓ)Dv / wᴴv
    pairs: Tensor  # [N, N] Re w̄_i (AD)_ij v_j / wᴴv: the push of pair j on the TD error of i
    rho_gradient: Tensor  # [N] Re ∂λ/∂ρ_j
    vector: Tensor  # complex [N] v: the shape of the growing TD errors, ‖v‖ = 1
    is_neutral: bool = False  # |λ| ≤ 1e-6 ‖AD‖: rounding of a kernel in float32, not a cause

    def top_pairs(self, count: int = 5) -> list[tuple[int, int, float]]:
        """Return the ``count`` largest pair shares as (i, j, share)."""
        size = len(self.pairs)
        order = self.pairs.flatten().argsort(descending=True)[:count].tolist()
        return [(k // size, k % size, float(self.pairs[k // size, k % size])) for k in order]

    def __str__(self) -> str:
        if self.is_neutral:
            return (
                f"Re λ = {self.eigenvalue.real:+.2g} of the leading mode is within rounding of 0: "
                "there is no growth to explain."
            )
        ranked = sorted(self.layers.items(), key=lambda item: -abs(item[1]))
        layers = ", ".join(f"{name} {share:+.3g}" for name, share in ranked[:5])
        pairs = ", ".join(f"{j} → {i} {share:+.3g}" for i, j, share in self.top_pairs(3))
        return (
            f"Re λ = {self.eigenvalue.real:+.4g} (condition {self.condition:.3g}) by layer: "
            f"{layers}; largest pushes of one pair on another: {pairs}."
        )


def attribute(
    kernels: Mapping[str, Tensor],
    successor_kernels: Mapping[str, Tensor],
    rho: Tensor | None = None,
    learning_rate: float | None = None,
    sample_weights: Tensor | None = None,
) -> Attribution:
    """Split the most unstable eigenvalue of AD over parameter blocks, pairs and weights.

    With left and right eigenvectors w, v of λ and A = Σ_ℓ A^(ℓ), A^(ℓ) = K'^(ℓ) − K^(ℓ),

        λ = Σ_ℓ wᴴA^(ℓ)Dv / wᴴv = Σ_ij w̄_i (AD)_ij v_j / wᴴv,   ∂λ/∂ρ_j = wᴴA_{·j}v_j / wᴴv.

    Source: first-order perturbation of a simple eigenvalue (Kato 1966, II §2).

    Args:
        kernels: parameter block → K^(ℓ) ``[N, N]``.
        successor_kernels: the same blocks → K'^(ℓ) at the greedy actions ``[N, N]``.
        rho: ``[N]``; uniform by default.
        sample_weights: times ρ, as in :func:`check_stability`.
        learning_rate: with α, the eigenvalue of largest |1 + αλ|; without, of largest real part.

    Raises:
        InvalidValueError: no block, different blocks, or shapes that are not one ``[N, N]``.

    >>> K, successors = {"out": torch.eye(1)}, {"out": 1.5 * torch.eye(1)}
    >>> attribute(K, successors).layers
    {'out': 0.5}
    """
    blocks = _differences(kernels, successor_kernels)
    if learning_rate is not None:
        learning_rate = check_positive("learning_rate", learning_rate)
    A = torch.stack(list(blocks.values())).sum(0)
    weights = on_cpu(check_rho(rho, A)) * on_cpu(check_weights(sample_weights, A))
    AD = A * weights
    eigenvalues, right = torch.linalg.eig(AD)
    score = eigenvalues.real if learning_rate is None else (1 + learning_rate * eigenvalues).abs()
    index = int(score.argmax())
    λ, v = eigenvalues[index], right[:, index]
    mirrored, left = torch.linalg.eig(AD.T)  # (AD)ᵀ y = λ y, w = ȳ
    w_bar = left[:, int((mirrored - λ).abs().argmin())]
    overlap = w_bar @ v
    w_bar = w_bar / overlap

    def share(block: Tensor) -> float:
        return float((w_bar @ ((block * weights).to(v.dtype) @ v)).real)

    return Attribution(
        eigenvalue=complex(λ),
        condition=float(1 / overlap.abs()),
        layers={name: share(block) for name, block in blocks.items()},
        pairs=(w_bar[:, None] * AD * v).real,
        rho_gradient=(w_bar @ A.to(v.dtype) * v).real,
        vector=v,
        is_neutral=abs(complex(λ)) <= _ROUNDING * float(torch.linalg.matrix_norm(AD)),
    )


def _differences(
    kernels: Mapping[str, Tensor], successor_kernels: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return A^(ℓ) in float64 after checking that the blocks match."""
    both = {"kernels": kernels, "successor_kernels": successor_kernels}
    for argument, blocks in both.items():
        for block, K in check_instance(argument, blocks, Mapping).items():
            if not check_finite(f"{argument}[{block!r}]", K).ndim:
                raise InvalidValueError(f"{argument}[{block!r}] must be [N, N]", got="one number")
    if not kernels or kernels.keys() != successor_kernels.keys():
        raise InvalidValueError(
            "kernels and successor_kernels must have the same parameter blocks, at least one",
            got=f"{sorted(map(str, kernels))} and {sorted(map(str, successor_kernels))}",
        )
    size = len(next(iter(kernels.values()))) or 1
    for name, K in kernels.items():
        if K.shape != (size, size) or successor_kernels[name].shape != (size, size):
            raise InvalidValueError(
                f"every block must be [{size}, {size}]",
                got=f"{list(K.shape)} and {list(successor_kernels[name].shape)} for {name}",
                remedy="Choose the greedy action of each successor first.",
            )
    return {name: on_cpu(successor_kernels[name]) - on_cpu(K) for name, K in kernels.items()}
