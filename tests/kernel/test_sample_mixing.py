"""A network that mixes the samples of a batch is refused in every batch; one that does not, never.

No false failure is possible but by rounding: what is refused differs in its gradients, which are
exact zeros where nothing is mixed, or in values by far more than rounding does.
"""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import qdiverge as qd
from qdiverge.agents.networks import NatureNetwork
from qdiverge.errors import UnsupportedNetworkError
from qdiverge.kernel.sample_mixing import TrialRows, same_rows
from tests.asserts import assert_untouched
from tests.cases import CASES, Critic, Lambda

NUM_BATCHES = 12
Mix = Callable[[Tensor], Tensor]


def attention(x: Tensor) -> Tensor:
    return torch.softmax(x @ x.T, dim=1) @ x


def straight_through(x: Tensor) -> Tensor:
    return x + (x.mean(0) - x.mean(0).detach())


def the_rest_of_a_large_batch(x: Tensor) -> Tensor:
    return x - x.mean(0) if len(x) > 8 else x


def a_window_of_the_rows_before(x: Tensor) -> Tensor:
    return x + 0.1 * torch.cat([x[:1], x[:-1]])


MIXES: dict[str, Mix] = {
    "largest entry": lambda x: x / x.abs().max(),
    "largest entry of each column": lambda x: x / x.amax(0),
    "largest entry, no gradient through it": lambda x: x / x.abs().max().detach(),
    "largest row": lambda x: x / x.norm(dim=1).max(),
    "least and largest": lambda x: (x - x.min()) / (x.max() - x.min()),
    "mean": lambda x: x - x.mean(0),
    "mean and standard deviation": lambda x: (x - x.mean(0)) / (x.std(0) + 1e-5),
    "batch statistics": lambda x: F.batch_norm(x, None, None, training=True),
    "softmax over the batch": lambda x: torch.softmax(x, dim=0),
    "layer norm over everything": lambda x: F.layer_norm(x, x.shape),
    "sorted": lambda x: x.sort(0).values,
    "ranks": lambda x: x + x.argsort(0).argsort(0).to(x),
    "median": lambda x: x - x.median(0).values,
    "running sum": lambda x: x.cumsum(0),
    "reversed": lambda x: x + 0.1 * x.flip(0),
    "the row before": lambda x: x + 0.1 * x.roll(1, 0),
    "a window": a_window_of_the_rows_before,
    "attention between rows": attention,
    "number of rows": lambda x: x / len(x),
    "straight through": straight_through,
    "a trace of the mean": lambda x: x + 1e-6 * x.mean(0),
    "large batches alone": the_rest_of_a_large_batch,
}


def network(mix: Mix, *, is_hidden: bool) -> nn.Module:
    if is_hidden:
        return Lambda(
            lambda self, x: self.b(mix(torch.tanh(self.a(x)))), a=nn.Linear(4, 6), b=nn.Linear(6, 3)
        )
    return Lambda(lambda self, x: self.a(mix(x)), a=nn.Linear(4, 3))


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("kind", MIXES)
def test_whatever_mixes_samples_is_refused_in_every_batch(kind: str, is_hidden: bool) -> None:
    net = network(MIXES[kind], is_hidden=is_hidden)
    for num in (64, *([16] * NUM_BATCHES)):
        x, a = torch.randn(num, 4), torch.randint(3, (num,))
        with assert_untouched(net), pytest.raises(UnsupportedNetworkError, match="by itself"):
            qd.NTK(net).kernel(x, a)


SMALL = [k for k in MIXES if k != "large batches alone"]


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("num", [3, 4, 5, 6])
def test_a_few_rows_show_it_too(kind: str, num: int) -> None:
    for _ in range(NUM_BATCHES):
        net = network(MIXES[kind], is_hidden=False)
        with pytest.raises(UnsupportedNetworkError, match="by itself"):
            qd.NTK(net).kernel(torch.randn(num, 4), torch.randint(3, (num,)))


@pytest.mark.parametrize("method", ["per_sample", "reference"])
@pytest.mark.parametrize("kind", ["largest entry", "mean", "a trace of the mean"])
def test_every_method_refuses(kind: str, method: str) -> None:
    net = network(MIXES[kind], is_hidden=False)
    with pytest.raises(UnsupportedNetworkError, match="by itself"):
        qd.NTK(net, method=method).kernel(torch.randn(16, 4), torch.randint(3, (16,)))


@pytest.mark.parametrize("kind", ["largest entry", "mean", "a trace of the mean"])
def test_a_diagnosis_refuses(kind: str) -> None:
    net, x = network(MIXES[kind], is_hidden=False), torch.randn(16, 4)
    batch = qd.Transitions(x, torch.randint(3, (16,)), torch.rand(16), torch.randn(16, 4),
                           torch.zeros(16))  # fmt: skip
    with pytest.raises(UnsupportedNetworkError, match="by itself"):
        qd.diagnose(net, batch)


def test_a_critic_that_mixes_actions_alone_is_refused() -> None:
    class Mixing(Critic):
        def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
            return super().forward(observations, actions / actions.abs().max())

    net = Mixing(squeeze=True)
    for _ in range(NUM_BATCHES):
        with pytest.raises(UnsupportedNetworkError, match="by itself"):
            qd.NTK(net).kernel(torch.randn(16, 6), torch.randn(16, 2))


def test_masked_actions_hide_nothing() -> None:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        return self.a(x / x.abs().max().detach()).masked_fill(x[:, :3] > 0.5, -1e8)

    net = Lambda(forward, a=nn.Linear(4, 3))
    for _ in range(NUM_BATCHES):
        with pytest.raises(UnsupportedNetworkError, match="by itself"):
            qd.NTK(net).kernel(torch.randn(16, 4), torch.randint(3, (16,)))


def test_the_module_that_mixes_is_named() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / x.abs().max()

    net = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), Scaled()), nn.Linear(8, 3))
    for _ in range(NUM_BATCHES):
        with pytest.raises(UnsupportedNetworkError, match=r"rest of the batch in 1\.1\."):
            qd.NTK(net).kernel(torch.randn(16, 4), torch.randint(3, (16,)))


@pytest.mark.parametrize("num", [1, 2, 3, 4, 7, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CASES)
def test_what_mixes_nothing_is_never_refused(name: str, dtype: torch.dtype, num: int) -> None:
    case = CASES[name]()
    if dtype is torch.float32 and name == "uint8_frames":
        pytest.skip("it casts to float64 itself")
    rows = torch.arange(num) % len(case.actions)
    x, a = case.observations[rows], case.actions[rows]
    if x.is_floating_point():
        x = x.to(dtype) + 0.01 * torch.arange(num, dtype=dtype).view(-1, *[1] * (x.dim() - 1))
    if a.is_floating_point():
        a = a.to(dtype)
    net = case.q_net.to(dtype)
    with assert_untouched(net):
        qd.NTK(net).diagonal(x, a)


class Reads(nn.Module):
    """Sees its input as numbers that have no gradient, or overwrites it."""

    def __init__(self, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.read = nn.Linear(4, 3), read

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.read(x))


READS: dict[str, Callable[[Tensor], Tensor]] = {
    "numpy": lambda x: torch.from_numpy(x.numpy() * 2),
    "lists": lambda x: torch.tensor(x.tolist()),
    "overwritten": lambda x: x.div_(2.0),
    "detached": lambda x: x.detach(),
    "ids": lambda x: F.one_hot(x[:, 0].long().clamp(0, 3), 4).float(),
    "a root at zero": lambda x: (x - x).square().sum(1, keepdim=True).sqrt() + x,
    "a norm of nothing": lambda x: x / (x - x).norm(dim=1, keepdim=True).clamp(min=1.0),
}


@pytest.mark.parametrize("kind", READS)
def test_inputs_read_in_any_way_are_accepted(kind: str) -> None:
    net, x = Reads(READS[kind]), torch.randn(8, 4)
    before = x.clone()
    with assert_untouched(net):
        assert qd.NTK(net).kernel(x.clone(), torch.zeros(8).long()).isfinite().all()
    assert torch.equal(x, before)


@pytest.mark.parametrize("num", range(3, 70))
def test_the_largest_row_is_never_hidden(num: int) -> None:
    """Whichever row is the largest, a row of two batches has it beside it in one of them alone."""
    rows = TrialRows.of(num)
    assert all(0 <= row < num for batch in rows.batches for row in batch)
    pairs = [(rows.two, rows.three), *[(rows.three, batch) for batch, _ in rows.others]]
    for order in [torch.randperm(num).tolist() for _ in range(50)]:
        largest = [[max(order[row] for row in batch) for batch in pair] for pair in pairs]
        assert any(one != other for one, other in largest)


def test_rounding_is_no_difference_and_a_mask_no_scale() -> None:
    one = torch.tensor([[1.0, 2.0, -1e8], [0.5, -torch.inf, 3.0]])
    assert same_rows(one, one + torch.tensor([1e-6, 0, 0]))
    assert not same_rows(one, one + torch.tensor([0.1, 0, 0]))
    assert same_rows(torch.full((2, 2), torch.nan), torch.full((3, 2), torch.nan))
    assert not same_rows(torch.zeros(2, 2), torch.full((3, 2), torch.nan))


def test_a_portion_without_a_row_that_was_tried_is_a_portion():
    """A large batch goes through the network in portions, of which some have no row to compare."""
    torch.manual_seed(0)
    q_net = NatureNetwork(3)
    frames, actions = torch.randint(256, (256, 4, 84, 84), dtype=torch.uint8), torch.zeros(256)
    actions = actions.long()
    K = qd.NTK(q_net).kernel(frames, actions, frames[:4], actions[:4])
    few = qd.NTK(q_net).kernel(frames[100:108], actions[100:108], frames[:4], actions[:4])
    assert torch.allclose(K[100:108], few, rtol=1e-4)


def test_the_columns_are_looked_at_in_a_large_batch_too() -> None:
    q_net = network(the_rest_of_a_large_batch, is_hidden=True)
    s, a = torch.randn(30, 4), torch.zeros(30, dtype=torch.long)
    with pytest.raises(UnsupportedNetworkError, match="other values in a batch of 30"):
        qd.NTK(q_net).kernel(s[:4], a[:4], s, a)
    with pytest.raises(UnsupportedNetworkError, match="other values in a batch of 30"):
        qd.NTK(q_net).of_actions(s[:4], a[:4], s, a)
