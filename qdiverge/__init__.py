"""qdiverge: see deep Q-learning diverge before it does.

The empirical neural tangent kernel, exactly: :class:`NTK`, :func:`empirical_ntk`. From it a
verdict: :func:`check_contraction`, :func:`check_stability`. All of it for one moment of a network:
:func:`diagnose`; as a page: :func:`inspect`. On a training run of your own: :func:`attach`. An
update that contracts where the plain one does not: :class:`PreQN`. What a loop really trains, and
its bugs, read off its gradient: :func:`audit`. What becomes of a run, by copies that run ahead, and
which change prevents it: :func:`preflight`, :func:`rehearse`, :func:`what_if`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qdiverge.least_versions import check_versions

check_versions()

if TYPE_CHECKING:
    from qdiverge.diagnostics import (
        Diagnosis,
        Transitions,
        batch_spectrum,
        diagnose,
        soft_divergence_bound,
    )
    from qdiverge.errors import (
        CallError,
        DivergenceError,
        InvalidTypeError,
        InvalidValueError,
        MissingExtraError,
        QDivergeError,
        RunFolderError,
        UnsupportedNetworkError,
    )
    from qdiverge.kernel import NTK, empirical_ntk
    from qdiverge.monitor import Monitor, Snapshot, attach, load_snapshot
    from qdiverge.preqn import PreQN, PreQNStep
    from qdiverge.rehearsal import Options, Preflight, Rehearsal, preflight, rehearse, what_if
    from qdiverge.report.inspector import inspect
    from qdiverge.runs import load_run
    from qdiverge.theory import (
        ContractionReport,
        StabilityReport,
        check_contraction,
        check_stability,
    )
    from qdiverge.update import Audit, Auditor, Finding, UpdateRule, audit, audit_data

HOMES = {  # module → what of it is public here, imported when it is first asked for
    "diagnostics": "Diagnosis Transitions batch_spectrum diagnose soft_divergence_bound",
    "errors": "CallError DivergenceError InvalidTypeError InvalidValueError MissingExtraError "
    "QDivergeError RunFolderError UnsupportedNetworkError",
    "kernel": "NTK empirical_ntk",
    "monitor": "Monitor Snapshot attach load_snapshot",
    "preqn": "PreQN PreQNStep",
    "rehearsal": "Options Preflight Rehearsal preflight rehearse what_if",
    "report.inspector": "inspect",
    "runs": "load_run",
    "theory": "ContractionReport StabilityReport check_contraction check_stability",
    "update": "Audit Auditor Finding UpdateRule audit audit_data",
}
_HOME = {name: module for module, names in HOMES.items() for name in names.split()}

__all__ = [
    "NTK",
    "Audit",
    "Auditor",
    "CallError",
    "ContractionReport",
    "Diagnosis",
    "DivergenceError",
    "Finding",
    "InvalidTypeError",
    "InvalidValueError",
    "MissingExtraError",
    "Monitor",
    "Options",
    "PreQN",
    "PreQNStep",
    "Preflight",
    "QDivergeError",
    "Rehearsal",
    "RunFolderError",
    "Snapshot",
    "StabilityReport",
    "Transitions",
    "UnsupportedNetworkError",
    "UpdateRule",
    "attach",
    "audit",
    "audit_data",
    "batch_spectrum",
    "check_contraction",
    "check_stability",
    "diagnose",
    "empirical_ntk",
    "inspect",
    "load_run",
    "load_snapshot",
    "preflight",
    "rehearse",
    "soft_divergence_bound",
    "what_if",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for: a command that needs no network need not wait for torch."""
    if name == "__version__":
        from importlib.metadata import version

        return version("qdiverge")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
