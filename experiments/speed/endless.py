"""Does a monitor grow? A small network, a million real updates, watched from a fresh process."""

import gc
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

import qdiverge as qd
from experiments.speed.resident import in_fresh_process, resident

MARKS = (10_000, 100_000, 1_000_000)  # updates
SYNC_PERIOD = 1_000  # updates
MAX_OVERHEAD = 0.25  # measures more often than by default: there is more to keep


def growth(num_updates: int) -> list[dict[str, Any]]:
    """Return, at each mark up to ``num_updates``, what the process and its log hold."""
    return in_fresh_process("experiments.speed.endless", num_updates)


def run(num_updates: int, folder: Path) -> list[dict[str, Any]]:
    """Make the updates, by a constant gradient: real steps, at little cost."""
    torch.manual_seed(0)
    network, target = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-6, foreach=False)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    batches = [
        qd.Transitions(
            observations=torch.randn(32, 4),
            actions=torch.randint(3, (32,)),
            rewards=torch.randn(32).clamp(-1, 1),
            next_observations=torch.randn(32, 4),
            terminated=torch.rand(32) < 0.1,
        )
        for _ in range(10)
    ]
    rows = []
    with qd.attach(
        network,
        target=target,
        optimizer=optimizer,
        out=folder,
        cost="full",
        max_overhead=MAX_OVERHEAD,
    ) as monitor:
        for count in range(1, num_updates + 1):
            monitor.batch(batches[count % 10])
            optimizer.step()
            if count % SYNC_PERIOD == 0:
                target.load_state_dict(network.state_dict())
            if count in MARKS:
                gc.collect()
                rows.append(
                    {
                        "updates": count,
                        "resident_bytes": resident(),
                        "python_objects": len(gc.get_objects()),
                        "events_bytes": (folder / "events.jsonl").stat().st_size,
                        "measurements": monitor.num_measured,
                    }
                )
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(int(sys.argv[1]), Path(folder) / "run")))
