"""The kernel over several gloo processes equals the kernel of one."""

import traceback
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from qdiverge.errors import InvalidValueError
from qdiverge.kernel import NTK
from qdiverge.kernel import posing as portions
from qdiverge.kernel.distributed import abs_row_sums, gathered, kernel_rows, row_shares

NUM = 11


def problem() -> tuple[NTK, Tensor, Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 3)
    )
    x = torch.randn(NUM, 1, 4, 4, dtype=torch.float64)
    return NTK(net.double(), block_size=1), x, torch.arange(NUM) % 3


def run(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world)
    try:
        ntk, x, a = problem()
        for exchange in ("features", "recompute"):
            rows = kernel_rows(ntk, x, a, exchange=exchange)
            share = row_shares(NUM, world)[rank]
            assert (rows.start, len(rows.kernel)) == (share.start, share.stop - share.start)
            torch.save(gathered(rows), f"{folder}/{exchange}{rank}.pt")
            with pytest.raises(InvalidValueError, match="needs a pair"):
                kernel_rows(ntk, x[:1], a[:1], exchange=exchange)
        torch.save(abs_row_sums(ntk, x, a), f"{folder}/sums{rank}.pt")
        with pytest.raises(InvalidValueError, match="rho"):
            abs_row_sums(ntk, x, a, torch.ones(NUM))
        assert abs_row_sums(ntk, x, "all").shape == (NUM, 3)
        assert len(abs_row_sums(ntk, x[:1], a[:1])) == 1  # the other ranks have no block
        portions.LARGEST_CHUNK = 1  # eleven blocks, dealt there and back again
        torch.save(abs_row_sums(problem()[0], x, a), f"{folder}/blocks{rank}.pt")
    except BaseException:
        Path(f"{folder}/error{rank}").write_text(traceback.format_exc())
        raise
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_ranks_make_the_same_kernel(world: int, tmp_path: Path) -> None:
    spawn(run, args=(world, str(tmp_path)), nprocs=world)
    ntk, x, a = problem()
    kernel = ntk.kernel(x, a)
    for rank in range(world):
        for exchange in ("features", "recompute"):
            found = torch.load(tmp_path / f"{exchange}{rank}.pt")
            torch.testing.assert_close(found, kernel, rtol=0, atol=1e-12 * float(kernel.max()))
            assert torch.equal(found, found.T)
        for name in ("sums", "blocks"):
            sums = torch.load(tmp_path / f"{name}{rank}.pt")
            torch.testing.assert_close(sums.double(), kernel.abs().mean(1), rtol=1e-6, atol=0)


def test_bad_input_is_refused() -> None:
    ntk, x, a = problem()
    with pytest.raises(InvalidValueError, match="features"):
        kernel_rows(ntk, x, a, exchange="telepathy")
    with pytest.raises(InvalidValueError, match="chosen"):
        kernel_rows(ntk, x, "all")
