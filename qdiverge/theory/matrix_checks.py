"""Checks of the matrices that every verdict takes: kernel, sampling weights, successors."""

import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.tensor_checks import check_distribution, check_finite, check_tensor

_INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)

SCOPE = (
    "Scope: linearised network, frozen kernel, these {n} pairs only. Read it beside the "
    "linearisation error of the run itself."
)


def _symmetry_tolerance(dtype: torch.dtype) -> float:
    """Return √ε of ``dtype``, at least 1e-5: float64 kernels are often cast up from float32."""
    return max(1e-5, float(torch.finfo(dtype).eps) ** 0.5)


def rounding(dtype: torch.dtype, size: int) -> float:
    """Return the relative error allowed to a sum of ``size`` terms: 4 ε √size."""
    return 4.0 * float(torch.finfo(dtype).eps) * max(size, 1) ** 0.5


def check_kernel(K: Tensor) -> Tensor:
    """Return the kernel, half precision raised to float32: square, finite, symmetric, K_ii ≥ 0.

    Raises:
        InvalidTypeError: it is no floating-point tensor.
        InvalidValueError: it is empty, not square, not finite, not symmetric, or some K_ii < 0.
    """
    check_finite("K", K)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or K.shape[0] == 0:
        raise InvalidValueError(
            "K must be the square kernel [N, N] of a batch with N ≥ 1",
            got=list(K.shape),
            remedy="K = qd.NTK(q_net).kernel(observations, actions).",
        )
    tolerance, K = _symmetry_tolerance(K.dtype), raised(K)
    scale = float(K.abs().max())
    gap = (K - K.T).abs()
    if float(gap.max()) > tolerance * scale:
        i, j = divmod(int(gap.argmax()), K.shape[0])
        raise InvalidValueError(
            f"K must be symmetric to {tolerance:.1e} of its largest entry {scale:.3g}",
            got=f"K[{i}, {j}] = {K[i, j].item():.6g} but K[{j}, {i}] = {K[j, i].item():.6g}, "
            f"{float(gap.max()) / scale:.1e} of the largest entry",
            remedy="Pass K = J M Jᵀ over one batch; for rounding alone, pass (K + K.T) / 2.",
        )
    least = float(K.diagonal().min())
    if least < -tolerance * scale:
        raise InvalidValueError(
            "K must have K_ii ≥ 0, as J M Jᵀ has",
            got=f"K[{int(K.diagonal().argmin())}, same] = {least:.6g}",
            remedy="Check the preconditioner's sign: M must be positive.",
        )
    return K


def check_rho(rho: Tensor | None, like: Tensor) -> Tensor:
    """Return the sampling weights with the kernel's dtype and device; uniform for ``None``."""
    size = like.shape[0]
    if rho is None:
        return torch.full((size,), 1.0 / size, dtype=like.dtype, device=like.device)
    return check_distribution("rho", rho, size).to(like)


def raised(tensor: Tensor) -> Tensor:
    """Return ``tensor`` detached, in float32 where it is of half precision."""
    is_half = tensor.dtype in (torch.float16, torch.bfloat16)
    return tensor.detach().to(torch.float32) if is_half else tensor.detach()


def check_successors(
    successor_kernel: Tensor, greedy_actions: Tensor | None, size: int
) -> tuple[Tensor, Tensor]:
    """Return the successor kernel as [N, A, N] and the greedy actions as int64 [N].

    Raises:
        InvalidTypeError: a tensor has the wrong kind of dtype.
        InvalidValueError: a shape is wrong, an entry is not finite, or an action is out of range.
    """
    successors = raised(check_finite("successor_kernel", successor_kernel))
    if successors.ndim == 2:
        successors = successors[:, None, :]
    if successors.ndim != 3 or successors.shape[::2] != (size, size) or not successors.shape[1]:
        raise InvalidValueError(
            f"successor_kernel must be [{size}, A, {size}], or [{size}, {size}] for a fixed policy",
            got=list(successor_kernel.shape),
            remedy="Row i holds γ (1 − d_i) k((s'_i, a), x_j).",
        )
    num_actions = successors.shape[1]
    if greedy_actions is None:
        if num_actions > 1:
            raise InvalidValueError(
                f"greedy_actions [{size}] must come with a successor_kernel over {num_actions} "
                "actions",
                remedy="Pass q_net(next_observations).argmax(1).",
            )
        return successors, torch.zeros(size, dtype=torch.int64, device=successors.device)
    if check_tensor("greedy_actions", greedy_actions).dtype not in _INTEGERS:
        raise InvalidTypeError("greedy_actions must be an integer tensor", got=greedy_actions.dtype)
    greedy = greedy_actions.detach().to(successors.device, torch.int64)
    if greedy.shape != (size,):
        raise InvalidValueError(f"greedy_actions must have shape [{size}]", got=list(greedy.shape))
    if int(greedy.min()) < 0 or int(greedy.max()) >= num_actions:
        raise InvalidValueError(
            f"greedy_actions must lie in 0…{num_actions - 1}",
            got=f"{int(greedy.min())}…{int(greedy.max())}",
        )
    return successors, greedy


def precision(*tensors: Tensor) -> float:
    """Return the coarsest machine epsilon among the tensors."""
    return max(float(torch.finfo(tensor.dtype).eps) for tensor in tensors)


def on_cpu(tensor: Tensor) -> Tensor:
    """Return ``tensor`` in float64 on the CPU, where the eigensolvers run."""
    return tensor.detach().to("cpu", torch.float64)


def check_weights(weights: Tensor | None, K: Tensor) -> Tensor:
    """Return the weight of each sample in the loss, ``[N]``; 1 where none are given.

    Raises:
        InvalidTypeError: they are no floating-point tensor.
        InvalidValueError: they are not [N], not finite or negative.
    """
    if weights is None:
        return torch.ones(len(K), dtype=K.dtype)
    check_finite("sample_weights", weights)
    if weights.shape != (len(K),):
        raise InvalidValueError(f"sample_weights must be [{len(K)}]", got=list(weights.shape))
    if (least := float(weights.min())) < 0:
        raise InvalidValueError("sample_weights must be at least 0", got=f"one of {least:.3g}")
    return weights
