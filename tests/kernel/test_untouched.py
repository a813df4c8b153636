"""The module is only read: also when its forward fails, and whatever its forward changes."""

import copy

import pytest
import torch
from torch import Tensor, nn

from qdiverge.errors import CallError, InvalidValueError, UnsupportedNetworkError
from qdiverge.kernel import NTK
from qdiverge.kernel.compiled_parts import has_compiled_parts
from tests.asserts import assert_close, assert_untouched
from tests.reference import reference_kernel

METHODS = ("structured", "per_sample", "reference")


class FailsLate(nn.Module):
    """Raises in its k-th forward pass, between a layer's hooks."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.left = calls

    def forward(self, x: Tensor) -> Tensor:
        remaining.append(0)
        if len(remaining) > self.left:
            self.layer.weight.data.zero_()
            self.layer.register_buffer("leftover", torch.ones(1))
            raise ArithmeticError("the network broke")
        return self.layer(x)


remaining: list[int] = []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_an_exception_in_forward_leaves_everything(method: str, calls: int) -> None:
    remaining.clear()
    net = nn.Sequential(nn.Linear(3, 3), FailsLate(calls), nn.Linear(3, 2))
    x, a = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
    net(x[:0] if calls < 0 else x[:1]).sum().backward() if calls else None
    with assert_untouched(net), pytest.raises(CallError, match="broke") as raised:
        NTK(net, method=method).kernel(x, a)
    assert isinstance(raised.value.__cause__, ArithmeticError)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_hooks_and_flags_stay(method: str) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 2)).eval())
    net[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    net[2].register_forward_pre_hook(lambda module, inputs: (inputs[0] + 1,))
    net(torch.randn(2, 3)).sum().backward()
    x, a = torch.randn(4, 3), torch.tensor([0, 1, 0, 1])
    with assert_untouched(net):
        kernel = NTK(net.double(), method=method).kernel(x.double(), a)
    assert_close(kernel, reference_kernel(net, x.double(), a))


class Counts(nn.Module):
    """Changes its own buffers, attributes, weights and mode in every forward."""

    count: Tensor
    last: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)
        self.register_buffer("count", torch.zeros(()))
        self.calls, self.last = 0, None

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.calls += 1
        self.last = x
        with torch.no_grad():
            self.layer.weight.clamp_(-0.1, 0.1)
        self.eval()
        return self.layer(x)


@pytest.mark.parametrize("method", METHODS)
def test_what_forward_changes_is_put_back(method: str) -> None:
    net = Counts().double()
    x, a = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 0, 1])
    with assert_untouched(net):
        NTK(net, method=method).kernel(x, a)
    assert (float(net.count), net.calls, net.last, net.training) == (0.0, 0, None, True)


def test_modes_of_the_caller_do_not_matter() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(4, 3)
    a = torch.tensor([0, 1, 0, 1])
    kernel = NTK(net).kernel(x, a)
    with torch.no_grad():
        assert torch.equal(NTK(net).kernel(x, a), kernel)
    with torch.inference_mode():
        assert torch.equal(NTK(net).kernel(x.clone(), a.clone()), kernel)
        for method in METHODS:
            assert_close(NTK(net, method=method).kernel(x.clone(), a.clone()), kernel, 1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(NTK(net).kernel(x, a), kernel)
    assert torch.equal(NTK(net).kernel(x.numpy(), a.numpy()), kernel)
    assert not kernel.requires_grad


def test_float64_on_request_reaches_casts_inside() -> None:
    class Frames(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 2))

        def forward(self, frames: Tensor) -> Tensor:
            return self.conv(frames.to(torch.float32) / 255)

    net, a = Frames(), torch.tensor([0, 1, 1])
    frames = torch.randint(0, 256, (3, 2, 4, 4), dtype=torch.uint8)
    twin = copy.deepcopy(net.conv).double()
    want = reference_kernel(twin, frames.double() / 255, a)
    for method in METHODS:
        with assert_untouched(net):
            kernel = NTK(net, dtype=torch.float64, method=method).kernel(frames, a)
        assert_close(kernel, want)


class Overwrites(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x)) * 1.0
        out = self.b(h)
        h.mul_(2)  # too late: b has seen h
        return out + h


def test_an_input_overwritten_after_its_use_is_refused() -> None:
    net, x = Overwrites(), torch.randn(4, 3)
    a = torch.zeros(4, dtype=torch.long)
    with assert_untouched(net), pytest.raises((UnsupportedNetworkError, RuntimeError)):
        NTK(net).kernel(x, a)


class TakesTurns(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) if len(x) < 5 else self.b(x)


def test_layers_that_depend_on_the_batch_are_refused() -> None:
    net, x = TakesTurns(), torch.randn(6, 3)
    message = "same layers for every batch; got other layers than for its first samples"
    with assert_untouched(net), pytest.raises(UnsupportedNetworkError, match=message):
        NTK(net).kernel(x, torch.zeros(6, dtype=torch.long))


class Mixes(nn.Module):
    """Mixes the samples outside every module, and calls one more for a batch of three."""

    class Pair(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x, x

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.pair = nn.Linear(3, 2), Mixes.Pair()

    def forward(self, x: Tensor) -> Tensor:
        q = self.layer(x)
        if len(x) == 3:
            self.pair(q)
        return q - q.mean(0)


def test_a_network_that_mixes_samples_by_itself_is_refused_whatever_else_it_calls() -> None:
    message = "treat each sample by itself; got a row that depends on the rest .* in q_net's own"
    net, x = Mixes(), torch.randn(6, 3)
    with assert_untouched(net), pytest.raises(UnsupportedNetworkError, match=message):
        NTK(net).kernel(x, torch.zeros(6, dtype=torch.long))


def test_networks_that_cannot_be_used_are_refused() -> None:
    x, a = torch.randn(3, 3), torch.zeros(3, dtype=torch.long)
    frozen = nn.Linear(3, 2).requires_grad_(False)
    broken = nn.Linear(3, 2)
    broken.weight.data[0, 0] = float("nan")
    for net, words in [
        (frozen, "trainable"),
        (broken, "diverged"),
        (nn.LazyLinear(2), "lazy"),
        (nn.Sequential(nn.Linear(3, 2), nn.Flatten(0)), "shape"),
    ]:
        with pytest.raises(InvalidValueError, match=words):
            NTK(net).kernel(x, a)
    with pytest.raises(UnsupportedNetworkError, match="tuple"):
        NTK(nn.GRU(3, 2)).kernel(x, a)


def test_what_runs_through_torch_compile_is_known_however_it_came_there() -> None:
    wrapped, in_place = torch.compile(nn.Linear(3, 2), backend="eager"), nn.Linear(3, 2)
    in_place.compile(backend="eager")
    for part in (wrapped, in_place):
        assert has_compiled_parts(part)
        assert has_compiled_parts(nn.Sequential(nn.ReLU(), part))
    assert not has_compiled_parts(nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))
