"""Q-networks: observations in, one value per action out, Q(s, ·) [N, A]."""

from qdiverge.agents.networks.categorical_network import CategoricalQ
from qdiverge.agents.networks.minatar_network import MinAtarNetwork
from qdiverge.agents.networks.mlp import MLP
from qdiverge.agents.networks.nature_network import NatureNetwork, channels_last
from qdiverge.agents.networks.optimism import start_at

__all__ = ["MLP", "CategoricalQ", "MinAtarNetwork", "NatureNetwork", "channels_last", "start_at"]
