"""The ``qdiverge`` command."""

from qdiverge.cli.main import main

__all__ = ["main"]
