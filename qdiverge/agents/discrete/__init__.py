"""Agents of discrete actions: DQN, its losses, how it explores and how it moves its weights."""
