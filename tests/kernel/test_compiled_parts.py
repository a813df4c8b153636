"""Compiled parts run eagerly meanwhile: by the compiler's stance or, where it has none, without."""

import pytest
import torch
from torch import nn

from qdiverge.kernel.compiled_parts import compiled_parts_eager, has_compiled_parts


class Body(nn.Module):  # torch's own are never compiled in place
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x).relu()


def in_place(net, backend):
    net.compile(backend=backend)
    return net


WAYS = {"wrapped": lambda net, backend: torch.compile(net, backend=backend), "in place": in_place}


@pytest.mark.parametrize("has_stance", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_compiled_meanwhile_and_all_of_it_afterwards(way, has_stance, monkeypatch):
    if not has_stance:  # as before PyTorch 2.6
        monkeypatch.delattr(torch.compiler, "set_stance", raising=False)
    torch._dynamo.reset()
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    net, x = nn.Sequential(WAYS[way](Body(), backend), nn.Linear(2, 2)), torch.randn(4, 3)
    before = {part: dict(part.__dict__) for part in net.modules()}
    with pytest.raises(ZeroDivisionError), compiled_parts_eager(net):
        eager = net(x)
        raise ZeroDivisionError
    assert not compiled
    assert {part: dict(part.__dict__) for part in net.modules()} == before
    assert has_compiled_parts(net)
    assert torch.equal(net(x), eager)
    assert len(compiled) == 1
    with compiled_parts_eager(net):
        assert torch.equal(net(x[:3]), eager[:3])
    assert len(compiled) == 1
