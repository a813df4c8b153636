"""Time ``update_exponent`` against one update of the same rule on the same copies."""

from collections.abc import Callable

import torch
from torch import nn

from experiments.speed import record
from experiments.speed.record import made_by, save
from experiments.speed.rounds import interleaved
from qdiverge.transitions import Transitions
from qdiverge.update import update_exponent
from qdiverge.update.copies import Copies, copies_of
from qdiverge.update.td_update import LOSSES, TdUpdate

_STORED = 1000  # transitions
_BEFORE = 300  # updates that the network has made by then


def main(arguments: list[str]) -> int:
    """Time, print and write ``results/exponent.json``; return the exit status."""
    parser = record.parser("exponent", __doc__, clock="cpu")
    parser.add_argument("--size", type=int, default=32, help="transitions (default 32)")
    parser.add_argument("--width", type=int, default=256, help="of the hidden layers (default 256)")
    parser.add_argument("--repeats", type=int, default=10, help="rounds (default 10)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    timed, num_updates = functions(options.size, options.width)
    times = interleaved(timed, repeats=options.repeats, budget=120, turn=0)
    seconds = {name: min(each.seconds(options.clock)) for name, each in times.items()}
    table = {
        "size": options.size,
        "width": options.width,
        "clock": options.clock,
        "least_seconds": {name: round(value, 5) for name, value in seconds.items()},
        "num_updates": num_updates,
        "exponent_over_update": round(seconds["exponent"] / seconds["update"], 1),
        **made_by("exponent", arguments),
    }
    save(table, options.out, "exponent")
    print(f"{num_updates} updates spent; it takes {table['exponent_over_update']}× one update")
    return 0


def functions(size: int, width: int) -> tuple[dict[str, Callable[[], object]], int]:
    """Return what is timed, and how many updates an exponent spends."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        q_net = nn.Sequential(
            nn.Linear(4, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )
        s, actions = torch.randn(_STORED, 4), torch.randint(2, (_STORED,))
        s_next, rewards = s + 0.1 * torch.randn(_STORED, 4), torch.randn(_STORED)
        replay = Transitions(s, actions, rewards, s_next, torch.zeros(_STORED))
        adam = torch.optim.Adam(q_net.parameters(), lr=1e-3)
        run, update = Copies((q_net,), (), (adam,)), TdUpdate(0.99, LOSSES["huber"], "q")
        for _ in range(_BEFORE):
            update(run, replay.select(torch.randint(_STORED, (size,))))
    batch = replay.select(slice(size))
    copies = copies_of([q_net], [], [adam], torch.float64)
    own = batch.to(s.device, torch.float64)
    timed: dict[str, Callable[[], object]] = {
        "update": lambda: update(copies, own),
        "exponent": lambda: update_exponent(q_net, batch, optimizer=adam),
    }
    return timed, update_exponent(q_net, batch, optimizer=adam).num_updates
