"""One measured quantity of a training run per file."""
