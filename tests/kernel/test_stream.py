"""Portions do not change the answer: blocks, chunks, tiles; and what is promised of memory."""

import pytest
import torch
from torch import nn

from qdiverge.kernel import NTK, posing
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.stream import Chunk, symmetric_tiles, tiles
from qdiverge.kernel.terms import Explicit
from tests.asserts import assert_close, assert_symmetric
from tests.cases import CASES


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(1)
    layers = nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 16), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(16, 3)).to(dtype)


@pytest.mark.parametrize("block_size", [1, 40])
def test_blocks_do_not_change_a_bit(block_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posing, "LARGEST_CHUNK", 16)
    net, x, a = network(), torch.randn(70, 1, 4, 4), torch.arange(70) % 3
    whole, parts = NTK(net), NTK(net, block_size=block_size)
    assert torch.equal(whole.kernel(x, a), parts.kernel(x, a))
    assert torch.equal(whole.kernel(x, a, x[:9], a[:9]), parts.kernel(x, a, x[:9], a[:9]))
    rho = torch.full((70,), 1 / 70)
    assert torch.equal(whole.abs_row_sums(x, a, rho), parts.abs_row_sums(x, a, rho))
    ours, theirs = whole.by_layer(x, a), parts.by_layer(x, a)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_a_large_kernel_of_several_chunks_is_symmetric_and_exact() -> None:
    net, x = network(torch.float64), torch.randn(300, 1, 4, 4, dtype=torch.float64)
    ntk = NTK(net)
    kernel = ntk.kernel(x, torch.zeros(300, dtype=torch.long))
    assert_symmetric(kernel)
    parts = [
        ntk.kernel(x[i : i + 1], torch.tensor([0]), x, torch.zeros(300).long()) for i in (0, 299)
    ]
    assert_close(torch.cat(parts), kernel[[0, 299]])
    everything = ntk.kernel(x[:150], "all").reshape(450, 450)
    assert_symmetric(everything)
    assert_close(everything[::3, ::3], kernel[:150, :150])


@pytest.mark.parametrize("name", CASES)
def test_passes_of_one_sample_fill_a_chunk(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]()
    x, a = case.observations, case.actions
    scales = {n: torch.rand_like(p) + 0.1 for n, p in case.q_net.named_parameters()}
    ntk, scaled = NTK(case.q_net), NTK(case.q_net, preconditioner=scales)
    actions = [a] if a.is_floating_point() else [a, "all"]
    whole = [n.kernel(x, some) for n in (ntk, scaled) for some in actions]
    monkeypatch.setattr(posing, "PASS_BYTES", 0)  # a sample in each pass, five in a chunk
    passes = [n.kernel(x, some) for n in (ntk, scaled) for some in actions]
    for one, other in zip(whole, passes, strict=True):
        assert_close(other, one)


@pytest.mark.parametrize("smallest", [32, 64])
@pytest.mark.parametrize("num", [1, 63, 64, 65, 128, 200, 257])
def test_symmetric_tiles_cover_the_upper_triangle_once(num: int, smallest: int) -> None:
    chunk = Chunk(slice(10, 10 + num), [Explicit("w", torch.zeros(num, 1, 1))])
    seen = torch.zeros(10 + num, 10 + num)
    work = 0
    for left, right in symmetric_tiles(chunk, smallest):
        (term,) = left.terms
        assert isinstance(term, Explicit)
        assert len(left) == len(term.features)
        seen[left.rows, right.rows] += 1
        work += len(left) * len(right)
    assert torch.equal(seen[10:, 10:].triu(), torch.ones(num, num).triu())
    assert work <= num * (num + smallest) / 2 + smallest**2


def test_one_block_and_one_chunk_are_held() -> None:
    live, most = 0, 0

    class Counted(Explicit):
        def __del__(self) -> None:
            nonlocal live
            live -= len(self.features)

    def extract(pairs: Pairs) -> list[Explicit]:
        nonlocal live, most
        live += len(pairs)
        most = max(most, live)
        return [Counted("w", torch.zeros(len(pairs), 1, 1))]

    pairs = Pairs(torch.zeros(40, 1), None)
    for left, right in tiles(extract, pairs, None, 2, 10, 1):
        del left, right
    assert most <= 10 + 3 * 2  # a block, and a chunk made while the last one is let go


def test_the_gram_precisions_have_the_stated_errors() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh(), nn.Linear(256, 4)
    )
    x, a = torch.randn(32, 64), torch.arange(32) % 4
    exact = NTK(net, dtype=torch.float64).kernel(x, a)
    errors = {}
    for precision in ("full", "bf16x3", "tf32", "bf16"):
        kernel = NTK(net, gram_precision=precision).kernel(x, a)
        assert_symmetric(kernel)
        errors[precision] = float((kernel - exact).abs().max() / exact.abs().max())
    assert errors["full"] < 2e-6
    assert errors["bf16x3"] < 2e-5
    assert 1e-6 < errors["tf32"] < 1e-3  # 2^-11 an input
    assert 1e-5 < errors["bf16"] < 8e-3  # 2^-8 an input


def test_a_small_batch_of_a_small_network_is_one_pass() -> None:
    net, sizes = network(), []
    net.register_forward_hook(lambda _module, inputs, _output: sizes.append(len(inputs[0])))
    NTK(net).kernel(torch.randn(64, 1, 4, 4), torch.zeros(64, dtype=torch.long))
    assert sizes.count(64) == 1
    assert sum(sizes) < 2 * 64  # the others only look at a few samples


@pytest.mark.parametrize("precision", ["bf16x3", "tf32", "bf16"])
def test_layers_of_few_parameters_are_rounded_and_no_more(precision: str) -> None:
    net, x, a = network(), torch.randn(16, 1, 4, 4), torch.arange(16) % 3
    exact, rounded = NTK(net).kernel(x, a), NTK(net, gram_precision=precision).kernel(x, a)
    assert not torch.equal(rounded, exact)
    assert float((rounded - exact).abs().max()) < 8e-3 * float(exact.abs().max())
