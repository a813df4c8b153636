"""Q-networks: observations in, one value per action out, Q(s, ·) [N, A]."""

from qdiverge.agents.networks.minatar import MinAtarNetwork
from qdiverge.agents.networks.mlp import MLP
from qdiverge.agents.networks.nature import NatureNetwork, channels_last

__all__ = ["MLP", "MinAtarNetwork", "NatureNetwork", "channels_last"]
