"""A function of a batch as one CUDA graph: captured once, then replayed with one launch.

A graph repeats its kernels on the same addresses. So a batch is copied into the tensors it was
captured with, and what it returns is overwritten by the next call. Not measured on a GPU yet.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields

import torch
from torch import Tensor
from torch.optim import Optimizer

from qdiverge.transitions import Transitions

NUM_TRIALS = 3  # runs before the capture: libraries choose their kernels in the first


class Graphed:
    """A function captured on the current CUDA device.

    Args:
        function: Must not wait for the device, and allocate nothing that it keeps. It is called
            three times before it is captured.
        batch: An example; later batches have its fields, shapes and dtypes.

    Raises:
        RuntimeError: it cannot be captured.
    """

    def __init__(self, function: Callable[[Transitions], Tensor], batch: Transitions) -> None:
        self._inputs = batch.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(NUM_TRIALS):
                function(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._output = function(self._inputs)

    def __call__(self, batch: Transitions) -> Tensor:
        """Replay it on ``batch``; returns at once, the device still at work."""
        for field in fields(self._inputs):
            getattr(self._inputs, field.name).copy_(getattr(batch, field.name), non_blocking=True)
        self._graph.replay()
        return self._output


@contextmanager
def without_step_hooks(optimizer: Optimizer) -> Iterator[None]:
    """Call no hook of ``optimizer.step`` in here: nobody is to see a step that is none."""
    names = "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"
    hooks_before = [getattr(optimizer, name) for name in names]
    for name in names:
        setattr(optimizer, name, OrderedDict())
    try:
        yield
    finally:
        for name, hooks in zip(names, hooks_before, strict=True):
            setattr(optimizer, name, hooks)


def call_step_hooks(optimizer: Optimizer) -> None:
    """Call what follows a step: a replayed graph steps without ``optimizer.step``."""
    for hook in list(optimizer._optimizer_step_post_hooks.values()):
        hook(optimizer, (), {})
