"""Agents that learn Q-values; none of them knows that it is watched."""
