"""The empirical neural tangent kernel of a Q-network, exactly."""
