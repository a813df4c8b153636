"""Where the experience comes from: Atari games and Gymnasium tasks, in one shape."""
