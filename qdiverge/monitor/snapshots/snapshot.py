"""Open a snapshot: put it back into a run, diagnose it."""

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn

from qdiverge.diagnostics import Diagnosis, Transitions, as_transitions, diagnose
from qdiverge.diagnostics.critics import Policy
from qdiverge.errors import CheckpointError
from qdiverge.kernel.network import Networks, each_of, unwrap
from qdiverge.monitor.snapshots.named_tensors import (
    Tensors,
    nested,
    of_network,
    restore_optimizer,
)
from qdiverge.monitor.snapshots.random_states import restore_random_states
from qdiverge.monitor.snapshots.recorder import STATE
from qdiverge.runs import AlarmEvent
from qdiverge.runs.alarm import read_alarm
from qdiverge.runs.array_files import read_tensors
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.strict_json import of_saved, read_json
from qdiverge.thing_checks import check_path


class Saved(msgspec.Struct):
    """What the settings of a snapshot must hold."""

    update: int
    options: dict[str, Any]
    learning_rate: float | None
    random_states: dict[str, Any]
    optimizer: dict[str, Any]


LARGEST_BATCH = 256  # transitions of a diagnosis


@dataclass(frozen=True)
class Snapshot:
    """One update of a run as an alarm had it kept.

    Attributes:
        folder: Where it lies.
        update: Its number: so many updates were made once it was done.
        alarms: What fired.
        data: The batch as it was shown, tensors by name; importance weights and the like included.
        settings: The monitor's options, the optimiser's groups and α.
        tensors: ``networks`` and ``targets`` before the update, ``optimizer``, ``gradients`` as the
            step saw them, and the networks ``after``.
    """

    folder: Path
    update: int
    alarms: tuple[AlarmEvent, ...]
    data: dict[str, Any]
    settings: dict[str, Any]
    tensors: dict[str, Tensors]

    @property
    def batch(self) -> Transitions:
        """Return the batch as transitions."""
        return as_transitions(self.data)

    def restore(
        self,
        q_network: Networks,
        *,
        target: Networks | None = None,
        optimizer: torch.optim.Optimizer | None = None,
    ) -> None:
        """Put networks, optimiser and the global random states back to where the update began.

        With the run's own code the update on ``data`` then leads to ``tensors["after"]``, bit for
        bit on the same machine, unless it draws from a generator of its own.

        Raises:
            CheckpointError: these are other networks.
        """
        with of_saved(self.folder, CheckpointError):
            _load(q_network, self.tensors["networks"])
            if target is not None:
                _load(target, self.tensors["targets"])
            if optimizer is not None:
                groups = self.settings["optimizer"]["groups"]
                restore_optimizer(optimizer, self.tensors["optimizer"], groups)
            restore_random_states(self.settings["random_states"])

    def diagnose(self, q_network: Networks, *, policy: Policy | None = None) -> Diagnosis:
        """Return :func:`qdiverge.diagnose` of the state before the update, on its batch.

        Args:
            q_network: A network, or critics, of the same shapes; copied, not changed.
            policy: As for :func:`qdiverge.attach`; None: the recorded next actions, and no entropy.

        Raises:
            CheckpointError: it is another network.
        """
        return diagnose(**self.arguments(q_network, policy=policy))

    def arguments(self, q_network: Networks, *, policy: Policy | None = None) -> dict[str, Any]:
        """Return the arguments of :func:`qdiverge.diagnose` for that state; see :meth:`diagnose`.

        Raises:
            CheckpointError: it is another network.
        """
        with of_saved(self.folder, CheckpointError):
            return self._arguments(q_network, policy)

    def _arguments(self, q_network: Networks, policy: Policy | None) -> dict[str, Any]:
        networks, targets = copy.deepcopy(_modules(q_network)), None
        _load(networks, self.tensors["networks"])
        if self.tensors["targets"]:
            targets = copy.deepcopy(networks)
            _load(targets, self.tensors["targets"])
        options = self.settings["options"]
        device = next(networks[0].parameters()).device
        batch, dtype = self.batch, next(networks[0].parameters()).dtype
        return {
            "q_net": networks,
            "batch": batch.select(slice(0, LARGEST_BATCH)).to(device, dtype),
            "discount": options["discount"],
            "learning_rate": self.settings["learning_rate"],
            "target": targets,
            "optimizer": self._optimizer(networks),
            "loss": "huber" if options["loss"] == "huber" else "half_squared",
            "reward_bound": options["reward_bound"],
            "bootstrap": options["bootstrap"],
            "policy": policy,
        }

    def _optimizer(self, networks: Sequence[nn.Module]) -> torch.optim.Optimizer | None:
        """Return an optimiser of the recorded kind for ``networks``; None: its M is not known."""
        settings = self.settings["optimizer"]
        if settings["like"] not in ("SGD", "Adam", "AdamW", "RMSprop"):
            return None
        named = {
            f"{index}.{name}": parameter
            for index, network in enumerate(networks)
            for name, parameter in network.named_parameters()
        }
        place_of = {n: i for i, n in enumerate(n for g in settings["groups"] for n in g["params"])}
        groups = [
            group | {"params": [name for name in group["params"] if name in named]}
            for group in settings["groups"]
        ]
        groups = [group for group in groups if group["params"]]
        kind = getattr(torch.optim, settings["like"])
        optimizer: torch.optim.Optimizer = kind(
            [{"params": [named[name] for name in group["params"]]} for group in groups], lr=1.0
        )
        tensors = {
            f"{place}/{key.partition('/')[2]}": tensor
            for place, name in enumerate(name for group in groups for name in group["params"])
            for key, tensor in self.tensors["optimizer"].items()
            if key.startswith(f"{place_of[name]}/")
        }
        restore_optimizer(optimizer, tensors, groups)
        return optimizer


def load_snapshot(folder: str | os.PathLike[str]) -> Snapshot:
    """Open ``RUN/snapshots/UPDATE``; every file is held against its SHA-256, none is unpickled.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    path = check_path("folder", folder)
    if not path.name.isdecimal():
        raise CheckpointError(
            "folder must be that of one snapshot, RUN/snapshots/UPDATE",
            got=path,
            remedy=f"There are: {', '.join(map(str, CheckpointStore(path).steps())) or 'none'}.",
        )
    store, update = CheckpointStore(path.parent), int(path.name)
    files = store.verify(update)
    state = store.read(update, STATE)
    settings = read_json(state, dict[str, Any], path / STATE, CheckpointError, has_infinity=True)
    tensors = {
        name.removesuffix(".safetensors"): read_tensors(store.read(update, name), path / name)
        for name in files
        if name.endswith(".safetensors")
    }
    with of_saved(path, CheckpointError):
        data = nested(tensors.pop("batch"))
        alarms = tuple(_alarm(saved) for saved in settings.pop("alarms"))
        msgspec.convert(settings, Saved)
        if missing := {"networks", "targets", "optimizer"} - tensors.keys():
            raise ValueError(f"no {', '.join(sorted(missing))}")
    return Snapshot(path, update, alarms, data, settings, tensors)


def _alarm(saved: dict[str, Any]) -> AlarmEvent:
    return read_alarm(saved | {"class": saved.get("kind", "divergence")})


def _modules(networks: Networks) -> list[nn.Module]:
    return [unwrap(module)[0] for module in each_of(networks)]


def _load(networks: Networks, tensors: Tensors) -> None:
    for index, module in enumerate(_modules(networks)):
        try:
            module.load_state_dict(of_network(tensors, index))
        except RuntimeError as error:
            raise CheckpointError(
                "the network must have the recorded shapes",
                got=" ".join(str(error).split()),
                remedy="Build it as the run did.",
            ) from error
