"""Stay out of torch.compile: a compiled step calls its hooks, and what they do is not its own."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")


def untraced(function: Callable[P, R]) -> Callable[P, R]:
    """Keep a function, and all that it calls, from being traced; all but free elsewhere."""
    eager: list[Callable[P, R]] = []
    if not hasattr(torch.compiler, "set_stance"):  # PyTorch before 2.6 cannot do so while it traces
        eager.append(torch.compiler.disable(function))

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if not torch.compiler.is_dynamo_compiling():
            return function(*args, **kwargs)
        if not eager:
            eager.append(torch.compiler.disable(function))
        return eager[0](*args, **kwargs)

    return call
