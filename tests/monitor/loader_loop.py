"""A loop of somebody's own, watched, whose batches come from the workers of a DataLoader.

It keeps a checkpoint of each epoch: network, target, optimiser, monitor, and where the log was.
"""

import json
import shutil
from copy import deepcopy
from dataclasses import asdict

import safetensors.torch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from qdiverge import attach
from qdiverge.monitor import TENSORS, VALUES, dump_state, load_state
from qdiverge.runs import LogMark, RunLog
from qdiverge.runs.checkpoints import CheckpointStore

NAMES = ("observations", "actions", "rewards", "next_observations", "terminated")
KEPT, BATCH = 2, 16


def transitions():
    draw = torch.Generator().manual_seed(0)
    observations = torch.randn(160, 4, generator=draw)
    actions = torch.randint(2, (160,), generator=draw)
    next_observations = observations + 0.1 * torch.randn(160, 4, generator=draw)
    return TensorDataset(
        observations, actions, observations[:, 0], next_observations, torch.zeros(160).bool()
    )


def train(out, num_epochs):
    """Train, or go on with what was killed."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    target = deepcopy(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    data, store, first = transitions(), CheckpointStore(out / "checkpoints"), 0
    modules = {"net": net, "target": target}
    store.sweep() if store.folder.exists() else None
    if store.steps():
        log = RunLog.reopen(out)
        first = store.newest()[0] or 0
        for name, module in modules.items():
            module.load_state_dict(safetensors.torch.load(store.read(first, f"{name}.safetensors")))
        moments = safetensors.torch.load(store.read(first, "optimizer.safetensors"))
        state = {index: {} for index in range(4)}
        for key, value in moments.items():
            index, _, name = key.partition(".")
            state[int(index)][name] = value
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        mark = LogMark(**json.loads(store.read(first, "log.json")))
        log.rewind(mark, first * len(data) // BATCH, {})  # its steps are updates
    else:
        shutil.rmtree(out, ignore_errors=True)
        log = RunLog(out)
    options = {"discount": 0.9, "every": 5, "max_overhead": None, "foresight": False}
    with log, attach(net, target=target, optimizer=optimizer, out=log, **options) as monitor:
        if first:
            monitor.restore(
                load_state({name: store.read(first, name) for name in (VALUES, TENSORS)})
            )
        for epoch in range(first, num_epochs):
            draw = torch.Generator().manual_seed(epoch)
            loader = DataLoader(
                data, batch_size=BATCH, shuffle=True, num_workers=2, generator=draw,
                multiprocessing_context="fork",
            )  # fmt: skip
            for tensors in loader:
                batch = monitor.batch(dict(zip(NAMES, tensors, strict=True)))
                values = net(batch["observations"]).gather(1, batch["actions"][:, None])[:, 0]
                with torch.no_grad():
                    following = target(batch["next_observations"]).amax(1)
                loss = nn.functional.huber_loss(values, batch["rewards"] + 0.9 * following)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            target.load_state_dict(net.state_dict())
            with store.writing(epoch + 1) as writer:
                for name, module in modules.items():
                    writer.write(f"{name}.safetensors", safetensors.torch.save(module.state_dict()))
                moments = optimizer.state_dict()["state"]
                flat = {f"{i}.{name}": x for i, each in moments.items() for name, x in each.items()}
                writer.write("optimizer.safetensors", safetensors.torch.save(flat))
                for name, content in dump_state(monitor.state()).items():
                    writer.write(name, content)
                writer.write("log.json", json.dumps(asdict(log.sync())).encode())
            for step in store.steps()[:-KEPT]:
                store.remove(step)
