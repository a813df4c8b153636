"""Workers that share a machine take a core each, and so do the processes that their tests start."""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Tell the workers to come; a number that is set in the environment stands."""
    if getattr(config.option, "numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")
