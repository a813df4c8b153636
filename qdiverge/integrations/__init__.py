"""The monitor in other people's frameworks, a module each; none is imported before it is asked for.

``from qdiverge.integrations import sb3, torchrl, tianshou, lightning, d3rlpy``
"""
