"""The empirical neural tangent kernel of a Q-network, exactly."""

from qdiverge.kernel.ntk import NTK, empirical_ntk

__all__ = ["NTK", "empirical_ntk"]
