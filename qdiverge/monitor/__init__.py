"""Watch a training run without changing it."""
