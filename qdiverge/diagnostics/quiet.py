"""Call a network as if nobody had: no gradient, no random draw, no buffer or flag is changed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def quiet(module: nn.Module) -> Iterator[None]:
    """Hold ``module`` in evaluation mode; then restore its flags, buffers and the random states.

    Dropout passes everything, BatchNorm uses its running statistics and NoisyNet layers that know
    ``eval()`` use their means, so that what is measured is the deterministic Q-function.
    """
    modules = list(module.modules())
    flags = [part.training for part in modules]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    versions = [buffer._version for buffer, _ in buffers]
    cpu_state = torch.get_rng_state()
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    cuda_states = [(device, torch.cuda.get_rng_state(device)) for device in devices]
    try:
        for part in modules:
            part.training = False
        yield
    finally:
        for part, flag in zip(modules, flags, strict=True):
            part.training = flag
        with torch.no_grad():
            for (buffer, value), version in zip(buffers, versions, strict=True):
                if buffer._version != version:
                    buffer.copy_(value)
        torch.set_rng_state(cpu_state)
        for device, state in cuda_states:
            torch.cuda.set_rng_state(state, device)


@torch.no_grad()
def quiet_values(module: nn.Module, observations: Tensor) -> Tensor:
    """Return the Q-values [N, A] of ``module`` at ``observations``, leaving no trace."""
    with quiet(module):
        values: Tensor = module(observations)
    return values.detach()
