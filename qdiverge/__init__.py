"""qdiverge: see deep Q-learning diverge before it does.

The empirical neural tangent kernel, exactly: :class:`NTK`, :func:`empirical_ntk`. Its verdict:
:func:`check_contraction`. On a training run of your own: :func:`attach`.
"""

from qdiverge.diagnostics import Transitions, soft_divergence_bound
from qdiverge.errors import (
    DivergenceError,
    InvalidTypeError,
    InvalidValueError,
    MissingExtraError,
    QDivergeError,
    RunFolderError,
    UnsupportedNetworkError,
)
from qdiverge.kernel import NTK, empirical_ntk
from qdiverge.monitor import Monitor, attach
from qdiverge.runs import load_run
from qdiverge.theory import ContractionReport, check_contraction

__all__ = [
    "NTK",
    "ContractionReport",
    "DivergenceError",
    "InvalidTypeError",
    "InvalidValueError",
    "MissingExtraError",
    "Monitor",
    "QDivergeError",
    "RunFolderError",
    "Transitions",
    "UnsupportedNetworkError",
    "attach",
    "check_contraction",
    "empirical_ntk",
    "load_run",
    "soft_divergence_bound",
]
