"""The peak memory of one method, measured in a fresh process.

The process first computes a kernel of two samples, which loads the libraries. The figure is how far
the resident set's high-water mark then rises above what is resident before the measured call. Linux
resets that mark (/proc/self/clear_refs); elsewhere getrusage's is used, which shows less where
loading needed more than it left behind. On CUDA: the allocator's peak above what is allocated.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from experiments.speed.cases import Case
from experiments.speed.high_water import high_water, reset_high_water
from experiments.speed.methods import METHODS
from experiments.speed.rounds import synchronise
from qdiverge.agents.machine.free_memory import available_memory, device_memory

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Request:
    """What the fresh process is to run."""

    case: Case
    method: str
    threads: int
    device: str = "cpu"


def peak_megabytes(request: Request, timeout: float) -> float | None:
    """Return how far memory rises during the call, in MB (10⁶ bytes); None where it failed."""
    command = [sys.executable, "-m", "experiments.speed.memory", json.dumps(asdict(request))]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
        return float(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return None


def available_gigabytes(device: str = "cpu") -> float:
    """Return the memory that can still be taken."""
    if device.startswith("cuda"):
        return device_memory(torch.device(device)) / 1e9
    return (available_memory() or 8e9) / 1e9


def measure(request: Request) -> float:
    """Run the method here; return the rise of the high-water mark, in MB."""
    torch.set_num_threads(request.threads)
    kernel = next(m for m in METHODS if m.name == request.method).load()
    network, observations, actions = request.case.build(request.device)
    kernel(network, observations[:2], actions if isinstance(actions, str) else actions[:2])
    if request.device.startswith("cuda"):
        synchronise(request.device)
        torch.cuda.reset_peak_memory_stats(request.device)
        held = torch.cuda.memory_allocated(request.device)
        kernel(network, observations, actions)
        synchronise(request.device)
        return (torch.cuda.max_memory_allocated(request.device) - held) / 1e6
    before = reset_high_water()
    kernel(network, observations, actions)
    return max(0.0, high_water() - before)


if __name__ == "__main__":
    fields = json.loads(sys.argv[1])
    print(measure(Request(**{**fields, "case": Case(**fields["case"])})))
