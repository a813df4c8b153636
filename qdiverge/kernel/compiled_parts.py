"""Parts of a network that run through torch.compile: to know them, and to run them eagerly."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def has_compiled_parts(module: nn.Module) -> bool:
    """Return whether some part of ``module`` runs through torch.compile."""
    return "torch._dynamo" in sys.modules and any(map(_is_compiled, module.modules()))


@contextmanager
def compiled_parts_eager(module: nn.Module) -> Iterator[None]:
    """Run the compiled parts of ``module`` eagerly, so that nothing is compiled anew.

    Since PyTorch 2.6 that is a stance of the compiler; before, each part is called by its own
    forward meanwhile.
    """
    if not has_compiled_parts(module):
        yield
    elif hasattr(torch.compiler, "set_stance"):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        with _called_by_themselves(module):
            yield


@contextmanager
def _called_by_themselves(module: nn.Module) -> Iterator[None]:
    saved = []
    for part in filter(_is_compiled, module.modules()):
        inside = part._modules.get("_orig_mod")  # of torch.compile(module); None: module.compile()
        name = "_compiled_call_impl" if inside is None else "forward"
        own = part.__dict__  # past __setattr__, which would hand it to the module inside
        saved.append((own, name, own[name]))
        own[name] = inside
    try:
        yield
    finally:
        for own, name, was in saved:
            own[name] = was


def _is_compiled(part: nn.Module) -> bool:
    return "_orig_mod" in part._modules or part._compiled_call_impl is not None
