"""The network of a DQN: that of its configuration, or one that is given."""

from typing import Any

import numpy as np
import torch
from torch import nn

from qdiverge.agents.environments.gymnasium_task import STACKED_FRAMES
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.networks import (
    MLP,
    CategoricalQ,
    MinAtarNetwork,
    NatureNetwork,
    channels_last,
    start_at,
)
from qdiverge.agents.networks.given import MakeNetwork, given_network
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.dqn_rules import FIXED_NETWORK, GIVEN_NETWORK, SCALED_NETWORK
from qdiverge.agents.settings.rules import check_effect


def make_network(
    config: DQNConfig,
    environments: Environments,
    seed: np.random.SeedSequence,
    make_q_network: MakeNetwork | None = None,
) -> nn.Module:
    """Make the network that reads such observations; the global generator is left alone.

    It is made on the CPU, so that the first weights do not depend on the device.

    Raises:
        InvalidValueError: a setting has no effect on this network, there is no such device, or the
            network of ``make_q_network`` does not fit.
    """
    device = find_device(config.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed.generate_state(1)[0]))
        if make_q_network is None:
            network = _own_network(config, environments, device)
        else:
            check_effect(config, (GIVEN_NETWORK,))
            observations = np.zeros((2, *environments.shape), dtype=environments.dtype)
            num_outputs = environments.num_actions * _atoms(config)
            network = given_network(
                make_q_network,
                torch.from_numpy(observations).to(device),
                num_outputs,
                is_noisy=config.noisy,
            )
    return _finished(network, config).to(device)


def _own_network(config: DQNConfig, environments: Environments, device: torch.device) -> nn.Module:
    """Make the network that reads four frames, the small grids of MinAtar, or vectors."""
    is_image = len(environments.shape) > 1
    check_effect(config, (FIXED_NETWORK if is_image else SCALED_NETWORK,))
    options: dict[str, Any] = {
        "dueling": config.dueling,
        "layer_norm": config.layer_norm,
        "noisy": config.noisy,
        "num_atoms": _atoms(config),
    }
    if is_image:
        options["width_factor"] = config.width_factor
    if environments.shape == STACKED_FRAMES:
        network = NatureNetwork(environments.num_actions, **options)
        is_faster = device.type == "cpu" or config.precision == "bfloat16"
        return channels_last(network) if is_faster else network
    if len(environments.shape) == 3:
        return MinAtarNetwork(environments.shape, environments.num_actions, **options)
    sizes = [environments.shape[0], *config.hidden_sizes, environments.num_actions]
    return MLP(sizes, **options)


def _atoms(config: DQNConfig) -> int:
    """Return the outputs for each action."""
    return config.num_atoms if config.distributional else 1


def _finished(network: nn.Module, config: DQNConfig) -> nn.Module:
    """Put every network through the same: a distribution's mean, an optimistic start."""
    if config.distributional:
        network = CategoricalQ(
            network,
            value_min=config.value_min,
            value_max=config.value_max,
            num_atoms=config.num_atoms,
        )
    if config.optimistic_value is not None:
        start_at(network, config.optimistic_value)
    return network
