"""Hypothesis has no limit of time for one example: a machine may be busy."""

from hypothesis import settings

settings.register_profile("qdiverge", deadline=None)
settings.load_profile("qdiverge")
