"""qdiverge: see deep Q-learning diverge before it does."""
