"""Assertions that are theorems: used wherever a kernel is made."""

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn


def assert_close(actual: Tensor, expected: Tensor, relative: float = 1e-12) -> None:
    """Assert |actual − expected| ≤ relative · max |expected|, in the same shape and dtype."""
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert actual.dtype == expected.dtype, (actual.dtype, expected.dtype)
    error = float((actual - expected).abs().max())
    scale = float(expected.abs().max())
    assert error <= relative * scale, f"error {error:.3g} at scale {scale:.3g}"


def assert_symmetric(kernel: Tensor) -> None:
    """Assert K = Kᵀ to the bit."""
    assert torch.equal(kernel, kernel.T)


def assert_positive_semidefinite(kernel: Tensor) -> None:
    """Assert that no eigenvalue of K lies below −n·eps·‖K‖."""
    eigenvalues = torch.linalg.eigvalsh(kernel.double())
    slack = len(kernel) * torch.finfo(kernel.dtype).eps * float(eigenvalues.abs().max())
    assert float(eigenvalues.min()) >= -slack


def _state(module: nn.Module) -> dict[str, object]:
    tensors = {
        name: (id(t), t._version, t.detach().clone(), t.requires_grad)
        for name, t in [*module.named_parameters(), *module.named_buffers()]
    }
    grads = {
        name: None if p.grad is None else (id(p.grad), p.grad._version, p.grad.clone())
        for name, p in module.named_parameters()
    }
    hooks = [
        {k: list(v) for k, v in m.__dict__.items() if "hook" in k and hasattr(v, "__iter__")}
        for m in module.modules()
    ]
    training = [m.training for m in module.modules()]
    attributes = [{k: id(v) for k, v in m.__dict__.items()} for m in module.modules()]
    return {
        "tensors": tensors,
        "grads": grads,
        "hooks": hooks,
        "training": training,
        "attributes": attributes,
    }


def _same(left: object, right: object) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(_same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


@contextlib.contextmanager
def assert_untouched(module: nn.Module) -> Iterator[None]:
    """Assert that the block leaves the module, its gradients and the random states as they were."""
    before, generator, python = _state(module), torch.get_rng_state(), random.getstate()
    words = np.random.get_state()[1:3]  # noqa: NPY002
    grad_mode, default = torch.is_grad_enabled(), torch.get_default_dtype()
    try:
        yield
    finally:
        after = _state(module)
        for key, value in before.items():
            assert _same(value, after[key]), f"{key} changed"
        assert torch.equal(generator, torch.get_rng_state()), "the random state moved"
        assert python == random.getstate()
        after_words = np.random.get_state()[1:3]  # noqa: NPY002
        assert all(map(np.array_equal, words, after_words))
        assert (grad_mode, default) == (torch.is_grad_enabled(), torch.get_default_dtype())
