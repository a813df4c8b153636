"""Q-networks: observations in, one value per action out, Q(s, ·) [N, A]."""

from qdiverge.agents.networks.categorical import CategoricalQ
from qdiverge.agents.networks.minatar import MinAtarNetwork
from qdiverge.agents.networks.mlp import MLP
from qdiverge.agents.networks.nature import NatureNetwork, channels_last
from qdiverge.agents.networks.optimism import start_at

__all__ = ["MLP", "CategoricalQ", "MinAtarNetwork", "NatureNetwork", "channels_last", "start_at"]
