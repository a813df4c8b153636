"""Other ways to the same kernel; each file's ``kernel(network, observations, actions)`` is one."""
