"""Running ahead of a watched run: when, from which data, in which process, and what is said."""
