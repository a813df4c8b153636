"""What a network keeps on itself is the same to the bit whether it is measured or not."""

import collections
import copy
import itertools
import random
import types

import numpy as np
import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.diagnostics.quiet import leaves_no_trace
from qdiverge.errors import QDivergeError
from qdiverge.monitor import attach
from qdiverge.monitor.bare_calls import BareCalls
from tests.monitor.test_update_cases import shown, update


class Keeps(nn.Module):
    """A Q-network with something of its own, which each forward pass changes."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 3)
        self.setup()

    def setup(self): ...

    def change(self, x): ...

    def forward(self, x):
        self.change(x)
        return self.head(torch.tanh(self.body(x)))


class Recurrent(Keeps):
    def setup(self):
        self.hidden = torch.zeros(8)

    def change(self, x):
        self.hidden = 0.9 * self.hidden + self.body(x).detach().mean(0)


class InPlace(Keeps):
    def setup(self):
        self.memory = {"hidden": [torch.zeros(8), np.zeros(3)]}

    def change(self, x):
        self.memory["hidden"][0] += self.body(x).detach().mean(0)
        self.memory["hidden"][1] += 1.0


class PastVersions(Keeps):
    def setup(self):
        self.hidden = torch.zeros(8)

    def change(self, x):
        self.hidden.data.add_(1.0)


class Counts(Keeps):
    def setup(self):
        self.calls, self.sizes = 0, collections.Counter()
        self.log, self.seen = collections.deque(maxlen=3), set()

    def change(self, x):
        self.calls += 1
        self.sizes[len(x)] += 1
        self.log.append(len(x))
        self.seen.add(self.calls)


class Buffers(Keeps):
    count: torch.Tensor

    def setup(self):
        self.register_buffer("count", torch.zeros(()))

    def change(self, x):
        self.count = self.count + 1


class Nested(Keeps):
    def setup(self):
        self.state = types.SimpleNamespace(inner=types.SimpleNamespace(calls=0), log=[])

    def change(self, x):
        self.state.inner.calls += 1
        self.state.log.append(x.shape)


class TorchDraws(Keeps):
    def setup(self):
        self.generator = torch.Generator().manual_seed(0)

    def change(self, x):
        self.drawn = torch.rand(2, generator=self.generator)


class NumpyDraws(Keeps):
    def setup(self):
        self.draws = (np.random.default_rng(0), np.random.RandomState(0))

    def change(self, x):
        self.drawn = sum(draw.normal() for draw in self.draws)


class MethodDraws(Keeps):
    def setup(self):
        self.draw = random.Random(0).random

    def change(self, x):
        self.drawn = self.draw()


class Slots:
    __slots__ = ("__hidden", "calls", "log")

    def __init__(self):
        self.calls, self.log, self.__hidden = 0, [], torch.zeros(2)

    def change(self):
        self.calls += 1
        self.log.append(self.calls)
        self.__hidden += 1.0

    def content(self):
        return self.calls, list(self.log), self.__hidden.tolist()


class InSlots(Keeps):
    def setup(self):
        self.slots = Slots()

    def change(self, x):
        self.slots.change()


class Iterates(Keeps):
    def setup(self):
        self.ticks, self.turns = itertools.count(), [itertools.cycle("abc")]

    def change(self, x):
        next(self.ticks), next(self.turns[0])


KINDS = (Recurrent, InPlace, PastVersions, Counts, Buffers, Nested, TorchDraws, NumpyDraws,
         MethodDraws, InSlots, Iterates)  # fmt: skip


def contents(value):
    """Return what is kept, as something that compares by its bits."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return str(value.get_state())
    if isinstance(value, random.Random):
        return value.getstate()
    if owner := getattr(value, "__self__", None):
        return contents(owner)
    if isinstance(value, dict):
        return {key: contents(each) for key, each in value.items()}
    if isinstance(value, Slots):
        return value.content()
    if isinstance(value, itertools.count | itertools.cycle):
        return next(copy.deepcopy(value))
    if isinstance(value, list | tuple | collections.deque | set):
        return [contents(each) for each in value]
    return contents(vars(value)) if isinstance(value, types.SimpleNamespace) else value


def kept(network):
    own = {k: v for k, v in vars(network).items() if not k.startswith("_")}
    return contents(own | dict(network.named_buffers()))


def network_of(kind):
    torch.manual_seed(0)
    network = kind()
    network(torch.randn(3, 4))  # it has been in use
    return network


def batch_of(num=16):
    s, following = torch.randn(2, num, 4)
    return shown(s, following, torch.rand(num)) | {"actions": torch.randint(3, (num,))}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kernel_and_a_diagnosis_leave_it(kind):
    network, batch = network_of(kind), batch_of()
    before = kept(network)
    qd.NTK(network).kernel(batch["obs"], batch["actions"])
    assert kept(network) == before
    qd.diagnose(network, batch)
    assert kept(network) == before
    network(batch["obs"])
    assert kept(network) != before  # what is compared does change by a forward pass


@pytest.mark.parametrize("cost", ["light", "full"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_watched_run_keeps_what_it_would_keep(kind, cost, tmp_path):
    def run(is_watched):
        network = network_of(kind)
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        monitor = None
        if is_watched:
            monitor = attach(network, optimizer=optimizer, discount=0.9, cost=cost, every=2,
                             max_overhead=None, audit_period=1, out=tmp_path / "run")  # fmt: skip
        for number in range(10):
            torch.manual_seed(number)
            batch = batch_of()
            if monitor is not None:
                monitor.batch(batch)
            update(network, optimizer, batch, 0.9)
        if monitor is not None:
            assert monitor.latest["diverge/q_abs_max"] > 0
            monitor.close()
        return kept(network), [p.tolist() for p in network.parameters()]

    assert run(True) == run(False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_bare_call_is_known_to_change_it_and_is_taken_back(kind):
    network, s = network_of(kind), torch.randn(16, 4)
    before = kept(network)
    assert not leaves_no_trace(network, s)
    assert kept(network) == before


def test_running_statistics_are_taken_back():
    network, s = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), torch.randn(16, 4)
    before = [b.clone() for b in network.buffers()]
    assert not leaves_no_trace(network, s)
    assert all(map(torch.equal, network.buffers(), before))
    assert leaves_no_trace(network.eval(), s)


class GlobalDraws(nn.Linear):
    """It keeps nothing, and draws by the global generator where it trains."""

    def forward(self, x):
        noise = 0 * torch.rand(1) if self.training else 0
        return super().forward(x) + noise


def test_networks_are_called_as_they_stand_where_that_leaves_no_trace():
    network, s = GlobalDraws(4, 3).eval(), torch.randn(16, 4)
    calls = BareCalls([network])
    assert calls.are_fine(s)
    network.train()
    state = torch.get_rng_state()
    assert not calls.are_fine(s)  # another mode is seen at once
    assert torch.equal(torch.get_rng_state(), state)
    network.eval()
    assert calls.are_fine(s)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not calls.are_fine(s)


class HiddenState(Keeps):
    """Its values follow from what it saw before."""

    def setup(self):
        self.hidden = torch.zeros(8)

    def forward(self, x):
        h = torch.tanh(self.body(x) + self.hidden)
        self.hidden = h.detach().mean(0)
        return self.head(h)


def test_values_that_depend_on_a_hidden_state_are_refused_and_leave_it():
    network, batch = network_of(HiddenState), batch_of()
    before = kept(network)
    with pytest.raises(QDivergeError):
        qd.NTK(network).kernel(batch["obs"], batch["actions"])
    assert kept(network) == before


class Yields(Keeps):
    def setup(self):
        self.given = {"numbers": (number for number in range(1_000))}

    def change(self, x):
        self.last = next(self.given["numbers"])


def test_a_function_that_yields_is_refused_by_name_and_not_asked(tmp_path):
    network, batch = network_of(Yields), batch_of()
    expected = network.last + 1
    with pytest.raises(QDivergeError, match="numbers, a generator, which cannot be copied"):
        qd.diagnose(network, batch)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    with (
        pytest.warns(UserWarning, match="numbers, a generator"),
        attach(network, optimizer=optimizer, discount=0.9, every=1, out=tmp_path / "r") as monitor,
    ):
        monitor.batch(batch)
        optimizer.step()
    assert next(network.given["numbers"]) == expected
